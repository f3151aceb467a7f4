"""A pod keeps its jobs when its process ends in any way, large texts included, and that a folder is one
runtime's at a time. (Disks that are full, damaged or failing: test_disk.py.)
"""

import json
import os
import random
import signal
import threading

import case
from case import BUSY, Case

TALE = "0123456789abcdef" * 8192  # 128 KiB: more than the store keeps in a row
MEGA = "Ünïcödé 🚢 \n" * 120_000  # some megabytes


def began(pod):
    """The jobs in the order in which this incarnation gave them out."""
    return [x["job"] for x in pod.moves("job") if x["to"] == "IN_PROGRESS"]


def finished(pod, jobs):
    for job in jobs:
        pod.wait_job(job, "COMPLETED", 60)


class ends_of_the_process(Case):
    def test_what_waited_at_a_kill_runs_in_order(self):
        pod = self.ready("--queue.retry_base", "1ms")
        running = pod.run({"mock_return": "again", "mock_delay": 1})
        pod.wait_job(running, "IN_PROGRESS")
        jobs = [pod.run({"mock_return": i}) for i in range(8)]
        pod.kill()
        pod = self.again(pod)
        opened = pod.wait_for("store_opened")
        self.assertEqual((opened["jobs"], opened["waiting"], opened["ended"]), ("9", "9", "0"))
        pod.wait_ready()
        finished(pod, [running, *jobs])
        self.assertEqual([x for x in began(pod) if x in jobs], jobs)
        self.assertEqual([pod.status(x)["output"] for x in jobs], list(range(8)))
        self.assertEqual(pod.status(running)["output"], "again")
        history = pod.detail(running)["history"]
        self.assertEqual([x["attempt"] for x in history], [1, 2])
        self.assertEqual(history[0]["errorCode"], "unavailable")
        self.assert_stops(pod)
        self.assert_sound_store(pod.data)

    def test_what_waits_at_a_stop_runs_after_the_next_start(self):
        pod = self.ready()
        running = pod.run({"mock_return": "once", "mock_delay": 0.7})
        pod.wait_job(running, "IN_PROGRESS")
        jobs = [pod.run({"mock_return": i}) for i in range(5)]
        self.assert_stops(pod)
        self.assertEqual(began(pod), [running])
        pod = self.again(pod).wait_ready()
        finished(pod, jobs)
        self.assertEqual(began(pod), jobs)
        self.assertEqual(pod.status(running)["output"], "once")
        self.assertEqual(pod.detail(running)["attempts"], 1)

    def test_what_is_cut_off_at_a_stop_loses_no_attempt(self):
        pod = self.ready("--queue.max_attempts", "1", "--pod.drain_budget", "100ms")
        job = pod.run({"mock_return": "in the end", "mock_delay": 2})
        for _ in range(2):
            pod.wait_job(job, "IN_PROGRESS")
            self.assert_stops(pod)
            pod = self.again(pod).wait_ready()
        pod.wait_job(job, "COMPLETED")
        detail = pod.detail(job)
        codes = [x.get("errorCode") for x in detail["history"]]
        self.assertEqual((detail["attempts"], codes), (3, ["stopping", "stopping", None]))

    def test_results_of_every_kind_stay_as_they_are(self):
        pod = self.ready("--queue.ttl", "1s", "--queue.poison_after", "1")
        scripts = {
            "COMPLETED": {"mock_return": {"a": [1, 2.5, None, "é\u0000"]}},
            "FAILED": {"mock_error": "no such style"},
            "TIMED_OUT": {"mock_hang": True},
        }
        jobs = {}
        for state, script in scripts.items():
            jobs[state] = pod.run(script)
            pod.wait_job(jobs[state], state)
        jobs["CANCELLED"] = pod.run({"mock_hang": True})
        pod.post(f"/cancel/{jobs['CANCELLED']}")
        dead = pod.run({"mock_crash": True})
        pod.wait_job(dead, "FAILED")
        streamed = pod.run({"mock_stream": ["a", {"b": 1}], "mock_return": "sum"})
        pod.wait_job(streamed, "COMPLETED")
        everything = [*jobs.values(), dead, streamed]
        before = [pod.status(x) for x in everything]
        self.assertEqual([x["status"] for x in before[:4]], list(jobs))
        history = [pod.detail(x)["history"] for x in everything]
        for how in ("kill", "stop"):
            pod.kill() if how == "kill" else self.assert_stops(pod)
            pod = self.again(pod)
            pod.wait_listening()
            self.assertEqual([pod.status(x) for x in everything], before, how)
            self.assertEqual([pod.detail(x)["history"] for x in everything], history, how)
            self.assertEqual([x["id"] for x in pod.get("/dead").body["jobs"]], [dead])
        chunks = pod.get(f"/stream/{streamed}").body["stream"]
        self.assertEqual([x["output"] for x in chunks], ["a", {"b": 1}])

    def test_a_cancel_that_was_acknowledged_is_final(self):
        pod = self.ready()
        running, waiting = pod.run({"mock_delay": 60}), pod.run({"mock_return": 1})
        pod.wait_job(running, "IN_PROGRESS")
        for job in (waiting, running):
            self.assertEqual(pod.post(f"/cancel/{job}").body["status"], "CANCELLED")
        pod.kill()
        pod = self.again(pod).wait_ready()
        for job in (running, waiting):
            self.assertEqual(pod.status(job)["status"], "CANCELLED")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 2}}).body["output"], 2)
        self.assertTrue({running, waiting}.isdisjoint(began(pod)))

    def test_a_purge_that_was_acknowledged_is_final(self):
        pod = self.ready("--slots", "0")
        jobs = [pod.run({"text": "x" * 5000, "n": i}) for i in range(400)]
        self.assertEqual(pod.post("/purge-queue").body["removed"], 400)
        os.kill(pod.pid, signal.SIGKILL)
        pod.wait_exit()
        pod = self.again(pod)
        self.assertEqual(pod.wait_for("store_opened")["waiting"], "0")
        pod.wait_listening()
        self.assertEqual({pod.status(x)["status"] for x in jobs}, {"CANCELLED"})

    def test_kills_while_the_store_is_made(self):
        chance, never = random.Random(20261121), threading.Event()
        for number in range(10):
            folder = self.folder()
            for _ in range(2):
                pod = self.start("--slots", "0", data=folder)
                never.wait(chance.uniform(0, 0.04))
                pod.kill()
            pod = self.start("--slots", "0", data=folder)
            pod.wait_listening()
            self.assertEqual(pod.status(pod.run({"n": number}))["status"], "IN_QUEUE")
            pod.kill()
            self.assert_sound_store(folder)

    def test_a_key_names_its_job_for_ever(self):
        pod = self.ready()
        done = pod.run({"mock_return": 1}, key="done")
        pod.wait_job(done, "COMPLETED")
        pod.run({"mock_delay": 60})
        waits = pod.run({"mock_return": 2}, key="waits")
        pod.kill()
        pod = self.again(pod)
        pod.wait_listening()
        self.assertEqual(pod.run({"mock_return": 1}, key="done"), done)
        self.assertEqual(pod.run({"mock_return": 2}, key="waits"), waits)

    def test_a_delay_goes_on(self):
        pod = self.ready("--slots", "1")
        job = pod.run({"mock_return": "late"}, policy={"delay": 1500})
        pod.kill()
        pod = self.again(pod)
        pod.wait_listening()
        status = pod.status(job)
        self.assertIn((status["status"], status.get("waitReason")), [("IN_QUEUE", "delayed")])
        pod.wait_job(job, "COMPLETED")
        self.assertGreaterEqual(pod.detail(job)["history"][0]["given"], 1500)

    def test_the_dead_list_and_its_retries(self):
        pod = self.ready("--queue.max_attempts", "2", "--queue.retry_base", "1ms")
        jobs = [pod.run({"mock_crash": True}) for _ in range(3)]
        for job in jobs:
            pod.wait_job(job, "FAILED", 60)
        pod.kill()
        pod = self.again(pod).wait_ready()
        self.assertEqual({x["id"] for x in pod.get("/dead").body["jobs"]}, set(jobs))
        self.assertEqual(pod.post(f"/retry/{jobs[0]}").status, 200)
        self.assertEqual(pod.post(f"/drop/{jobs[1]}").status, 200)
        pod.wait_job(jobs[0], "FAILED", 60)
        pod.kill()
        pod = self.again(pod)
        pod.wait_listening()
        self.assertEqual({x["id"] for x in pod.get("/dead").body["jobs"]}, {jobs[0], jobs[2]})
        detail = pod.detail(jobs[0])
        self.assertEqual((detail["lives"], detail["attempts"], detail["dead"]), (2, 4, True))
        self.assertEqual(pod.get(f"/status/{jobs[1]}").status, 404)


class large_texts(Case):
    def test_inputs_and_outputs_come_back_byte_for_byte(self):
        pod = self.ready()
        holder = pod.run({"mock_delay": 60})
        pod.wait_job(holder, "IN_PROGRESS")
        texts = {pod.run({"text": text, "n": n}): text for n, text in enumerate((TALE, MEGA))}
        self.assertEqual(len(self.blobs(pod.data)), 2)
        pod.kill()
        pod = self.again(pod).wait_ready()
        pod.post(f"/cancel/{holder}")
        finished(pod, texts)
        for incarnation in range(2):
            for n, (job, text) in enumerate(texts.items()):
                self.assertEqual(pod.status(job)["output"], {"text": text, "n": n}, incarnation)
            pod.kill()
            pod = self.again(pod)
            pod.wait_listening()
        self.assertEqual(len(self.blobs(pod.data)), 2, "the outputs are what the inputs were")
        for job in texts:
            self.assertEqual(pod.post(f"/drop/{job}").status, 200)
        self.assertEqual(self.blobs(pod.data), [])
        self.assert_stops(pod)
        self.assert_sound_store(pod.data)

    def test_equal_texts_are_one_file_until_the_last_is_dropped(self):
        pod = self.ready()
        jobs = [pod.post("/runsync", {"input": {"mock_return": TALE}}).body["id"] for _ in range(3)]
        self.assertEqual(len(self.blobs(pod.data)), 1)
        for left, job in zip((1, 1, 0), jobs):
            self.assertEqual(pod.post(f"/drop/{job}").status, 200)
            self.assertEqual(len(self.blobs(pod.data)), left)

    def test_files_go_when_their_time_is_over(self):
        pod = self.ready("--queue.keep_async", "1s")
        job = pod.run({"mock_return": TALE})
        pod.wait_job(job, "COMPLETED")
        self.eventually(lambda: self.blobs(pod.data) == [], "the file is removed")
        self.assertEqual(pod.get(f"/status/{job}").status, 404)

    def test_a_file_without_a_row_is_swept(self):
        pod = self.ready()
        job = pod.post("/runsync", {"input": {"mock_return": TALE}}).body["id"]
        (mine,) = self.blobs(pod.data)
        self.assert_stops(pod)
        blobs = pod.data / "store/blobs"
        (blobs / "ab").mkdir(exist_ok=True)
        (blobs / "ab" / ("c" * 62)).write_text("left by a process that was killed")
        (blobs / "ab" / ("d" * 62 + ".new")).write_text("half")
        pod = self.again(pod)
        pod.wait_listening()
        self.assertEqual(self.blobs(pod.data), [mine])
        self.assertEqual(pod.status(job)["output"], TALE)

    def test_a_damaged_file_is_an_error_not_a_result(self):
        pod = self.ready()
        job = pod.post("/runsync", {"input": {"mock_return": TALE}}).body["id"]
        (mine,) = self.blobs(pod.data)
        file = pod.data / "store/blobs" / mine
        file.write_bytes(file.read_bytes()[:-9] + b"tampered\"")
        answer = pod.get(f"/status/{job}")
        self.assertEqual((answer.status, answer.body["status"]), (500, "FAILED"))
        self.assertIn("store_corrupt", answer.body["error"])
        self.assertNotIn("output", answer.body)
        self.assertNotIn(str(pod.data), json.dumps(answer.body))
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 3}}).body["output"], 3)


class one_folder(Case):
    def test_a_second_runtime_is_refused_and_the_first_goes_on(self):
        pod = self.ready()
        job = pod.run({"mock_return": "kept", "mock_delay": 0.5})
        second = self.again(pod)
        self.assert_exit(second, BUSY)
        refused = next(x for x in second.lines if x.event == "cannot_start")
        self.assertEqual(refused["code"], "store_locked")
        self.assertIn(str(pod.pid), refused["text"])
        pod.wait_job(job, "COMPLETED")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 2}}).body["output"], 2)
        pod.kill()
        third = self.again(pod)
        third.wait_listening()
        self.assertEqual(third.status(job)["output"], "kept")

    def test_memory_keeps_nothing_and_writes_nothing(self):
        pod = self.ready("--store", "memory")
        job = pod.run({"mock_return": TALE})
        pod.wait_job(job, "COMPLETED")
        self.assertEqual(pod.status(job)["output"], TALE)
        self.assertFalse((pod.data / "store").exists())
        pod.kill()
        pod = self.again(pod)
        pod.wait_listening()
        self.assertEqual(pod.get(f"/status/{job}").status, 404)


if __name__ == "__main__":
    case.main()
