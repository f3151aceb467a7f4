"""What a pod keeps when its process ends in any way, and what it does when its disk is full, damaged,
read-only or held by somebody else.
"""

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import unittest

import case
from case import BAD_CONFIG, BUSY, INTERNAL, OK, Case, pods

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

    def test_a_file_that_nobody_refers_to_is_swept(self):
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
        self.assertEqual((answer.status, answer.body["error"]["code"]), (500, "store_corrupt"))
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


class damage(Case):
    def stopped_store(self):
        pod = self.ready("--slots", "0")
        for i in range(30):
            pod.run({"mock_return": "a row of some length " * 20, "n": i})
        self.assert_stops(pod)
        return pod, pod.data / "store/jobs.sqlite"

    def assert_refused(self, pod, file, *words):
        def facts():
            found = {x: x.read_bytes() for x in file.parent.glob("*") if x.is_file()}
            return {x.name: hashlib.sha256(text).hexdigest() for x, text in found.items() if text}

        before = facts()
        second = self.again(pod)
        self.assert_exit(second, BAD_CONFIG)
        self.assertIn("store_corrupt", second.tail())
        for word in words:
            self.assertIn(word, second.tail())
        self.assertNotIn("READY", second.states())
        self.assertEqual(facts(), before, "what is damaged is left as it is")

    def test_of_every_page_but_the_first(self):
        pod, file = self.stopped_store()
        whole = file.read_bytes()
        file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
        self.assert_refused(pod, file)
        file.write_bytes(whole)
        pod = self.again(pod)
        self.assertEqual(pod.wait_for("store_opened")["waiting"], "30")

    def test_of_the_header(self):
        pod, file = self.stopped_store()
        file.write_bytes(b"not a database" + file.read_bytes()[14:])
        self.assert_refused(pod, file)

    def test_of_its_length(self):
        pod, file = self.stopped_store()
        file.write_bytes(file.read_bytes()[: 4096 * 2])
        self.assert_refused(pod, file)

    def test_nothing_is_left_of_it(self):
        pod, file = self.stopped_store()
        file.write_bytes(b"")
        self.assert_refused(pod, file)
        self.assertEqual(file.read_bytes(), b"")

    def test_somebody_elses_file(self):
        pod, file = self.stopped_store()
        file.unlink()
        with contextlib.closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE recipes(name TEXT)")
            other.commit()
        self.assert_refused(pod, file, "another program")

    def test_a_newer_release_wrote_it(self):
        pod, file = self.stopped_store()
        with contextlib.closing(sqlite3.connect(file)) as ours:
            ours.execute("PRAGMA user_version=999")
            ours.commit()
        self.assert_refused(pod, file, "newer release")

    def test_the_log_without_its_file(self):
        pod = self.ready()
        pod.run({"mock_return": 1})
        pod.kill()
        file = pod.data / "store/jobs.sqlite"
        file.rename(pod.data / "elsewhere")
        self.assert_refused(pod, file)

    def test_a_torn_log_costs_nothing_that_was_accepted_before_it(self):
        pod = self.ready("--slots", "0")
        jobs = [pod.run({"mock_return": i}) for i in range(5)]
        pod.kill()
        log = pod.data / "store/jobs.sqlite-wal"
        with open(log, "ab") as file:
            file.write(b"\x00torn" * 1000)  # of a write that was under way
        pod = self.again(pod)
        pod.wait_listening()
        self.assertEqual({pod.status(x)["status"] for x in jobs}, {"IN_QUEUE"})


def small_disk(folder, size, options="rw"):
    """The words in front of a command that give it a disk of its own, of this size, in the folder.
    The test sees it through the process's root.
    """
    script = f'mount -t tmpfs -o size={size},{options} tayfa "$0"; exec "$@"'
    return ["unshare", "-rm", "sh", "-ec", script, str(folder)]


def can_mount():
    if not shutil.which("unshare"):
        return False
    words = small_disk("/mnt", "64k")
    return subprocess.run([*words, "true"], capture_output=True, timeout=30).returncode == 0


@unittest.skipUnless(can_mount(), "no user namespace here in which a tmpfs can be mounted")
class full_disk(Case):
    def pod_on(self, size, *arguments, options="rw"):
        folder = self.folder() / "disk"
        folder.mkdir()
        return self.start(*arguments, data=folder, wrapper=small_disk(folder, size, options))

    def disk_of(self, pod):
        return pathlib.Path(f"/proc/{pod.pid}/root{pod.data}")

    def fill(self, pod):
        """Until not a byte is left."""
        filler = self.disk_of(pod) / "filler"
        with open(filler, "wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)
        return filler

    def assert_full(self, answer, pod):
        self.assertEqual((answer.status, answer.body["error"]["code"]), (503, "storage_full"))
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertNotIn(str(pod.data), answer.body["error"]["message"])

    def submit_until_full(self, pod, text):
        """What was accepted before the disk was full; pages that are there already are still used."""
        accepted = []
        for i in range(2000):
            answer = pod.post("/run", {"input": {"mock_return": i, "mock_logs": [], "x": text}})
            if answer.status != 200:
                self.assert_full(answer, pod)
                return accepted
            accepted.append(answer.body["id"])
        self.fail("the disk is never full")

    def test_it_refuses_with_503_and_goes_on_when_there_is_room(self):
        pod = self.pod_on("8m", "--slots", "1").wait_ready()
        running = pod.run({"mock_return": "first", "mock_delay": 1})
        pod.wait_job(running, "IN_PROGRESS")
        waiting = pod.run({"mock_return": "second"})
        filler = self.fill(pod)
        self.assert_full(pod.post("/run", {"input": {"text": TALE}}), pod)
        accepted = self.submit_until_full(pod, "y" * 3000)
        accepted += self.submit_until_full(pod, "")
        # The job ends meanwhile; it depends on the last free byte whether that can be written down.
        # What cannot is not told, and nobody waits for it.
        while (answer := pod.get(f"/status/{running}")).status == 200:
            if answer.body["status"] == "COMPLETED":
                break
        else:
            self.assert_full(answer, pod)
        victim = pod.post(f"/cancel/{accepted[-1]}") if accepted else None
        if victim and victim.status != 200:
            self.assert_full(victim, pod)
        self.assertEqual(pod.get("/ping").status, 200)
        known = {x["id"] for x in pod.get("/jobs?limit=1000").body["jobs"]}
        self.assertEqual(known, {running, waiting, *accepted}, "nothing half-written")
        filler.unlink()
        if victim:
            pod.wait_job(accepted[-1], "CANCELLED", 60)
        for job in (running, waiting, *accepted[:-1]):
            pod.wait_job(job, "COMPLETED", 60)
        self.assertEqual(pod.status(running)["output"], "first")
        self.assertEqual(pod.status(waiting)["output"], "second")
        pod.wait_for("storage_again")
        self.assertEqual(pod.post("/runsync", {"input": {"text": TALE}}).body["output"]["text"], TALE)
        self.assertEqual(pod.states().count("READY"), pod.states().count("RUNNING") + 1)
        self.assertNotIn("STOPPING", pod.states())
        leftovers = [x.name for x in (self.disk_of(pod) / "store").rglob("*.new")]
        self.assertEqual(leftovers, [])
        self.assert_stops(pod)

    def test_it_can_be_stopped_while_the_disk_is_full(self):
        pod = self.pod_on("8m", "--slots", "1", "--pod.drain_budget", "1s").wait_ready()
        self.fill(pod)
        self.submit_until_full(pod, "z" * 3000)
        self.assertEqual(pod.stop(), OK)

    def test_a_disk_that_is_full_at_the_start(self):
        pod = self.pod_on("4k")
        self.assertIn(pod.wait_exit(), (INTERNAL, BAD_CONFIG), pod.tail())
        self.assertIn("the disk is full", pod.tail())

    def test_a_read_only_folder_is_named(self):
        pod = self.pod_on("64k", options="ro")
        self.assertIn(pod.wait_exit(), (INTERNAL, BAD_CONFIG), pod.tail())
        self.assertIn(str(pod.data), pod.tail())
        self.assertIn("Read-only", pod.tail())


@unittest.skipUnless(shutil.which("fiu-run"), "libfiu (fiu-utils) is not installed")
class failing_calls(Case):
    def pod_with_faults(self):
        folder = self.folder()
        self.faults = folder / "fiu"
        pod = self.start(
            *["--slots", "0"],
            data=self.folder(),
            wrapper=["fiu-run", "-x", "-f", str(self.faults)],
        )
        pod.wait_listening()
        return pod

    def fault(self, pod, words):
        command = ["fiu-ctrl", "-f", str(self.faults), "-c", words, str(pod.pid)]
        subprocess.run(command, check=True, timeout=30, capture_output=True)

    def assert_fatal(self, words):
        """It stops acknowledging and ends; the next one has what was acknowledged."""
        pod = self.pod_with_faults()
        jobs = [pod.run({"mock_return": i}) for i in range(10)]
        self.fault(pod, words)
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            answer = pod.post("/run", {"input": {"mock_return": "unknown"}})
            self.assertEqual(answer.status, 503, answer.body)
        self.assertEqual(pod.wait_exit(), INTERNAL, pod.tail())
        self.assertIn("store_failed", pod.tail())
        pod = self.start("--slots", "0", data=pod.data)
        pod.wait_listening()
        self.assertEqual({pod.status(x)["status"] for x in jobs}, {"IN_QUEUE"})
        self.assert_stops(pod)
        self.assert_sound_store(pod.data)

    def test_a_flush_that_fails_ends_it_with_70(self):
        self.assert_fatal("enable name=posix/io/sync/fdatasync,failinfo=5")

    def test_a_write_that_fails_ends_it_with_70(self):
        self.assert_fatal("enable name=posix/io/rw/pwrite,failinfo=5")

    def test_a_write_without_space_does_not(self):
        pod = self.pod_with_faults()
        first = pod.run({"mock_return": 1})
        self.fault(pod, "enable name=posix/io/rw/pwrite,failinfo=28")
        answer = pod.post("/run", {"input": {"mock_return": 2}})
        self.assertEqual((answer.status, answer.body["error"]["code"]), (503, "storage_full"))
        self.fault(pod, "disable name=posix/io/rw/pwrite")
        self.eventually(
            lambda: pod.post("/run", {"input": {"mock_return": 3}}).status == 200, "there is room"
        )
        self.assertEqual(pod.status(first)["status"], "IN_QUEUE")
        self.assertEqual(len(pod.get("/jobs").body["jobs"]), 2)
        pod.kill()  # a thread of libfiu's takes SIGTERM, and ends the process
        self.assert_sound_store(pod.data)


if __name__ == "__main__":
    case.main()
