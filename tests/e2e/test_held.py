"""Calls that the pod holds: /status-sync until a job has ended, /stream until it says something; and
/ready, for probes that take every 2xx for yes.
"""

import http.client
import json
import os
import signal
import socket
import threading
import time

from case import Case, main, pods

SECOND = 1.0


class HeldCase(Case):
    def ask_later(self, pod, path, method="GET", fields=""):
        """Asks on a connection of its own, and returns it."""
        connection = socket.create_connection(("127.0.0.1", pod.port), timeout=60)
        self.addCleanup(connection.close)
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        connection.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}{length}\r\n".encode()
        )
        return connection

    def answer(self, connection):
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read()
        return answer.status, json.loads(body) if body else None

    def held(self, pod):
        for line in pod.get("/metrics").body.decode().splitlines():
            if line.startswith("tayfa_calls_held "):
                return int(float(line.split()[1]))
        raise AssertionError("no such metric")

    def wait_held(self, pod, count):
        self.eventually(lambda: self.held(pod) == count, f"{count} calls are held", 10)

    def timed(self, call):
        begun = time.monotonic()
        value = call()
        return value, time.monotonic() - begun


class status_sync(HeldCase):
    def test_it_answers_what_status_answers_when_the_job_has_ended(self):
        pod = self.ready("--slots", "4")
        for script, state in (
            ({"mock_return": {"x": "y" * 100_000}, "mock_delay": 1}, "COMPLETED"),
            ({"mock_error": "a reason", "mock_delay": 1}, "FAILED"),
            ({"mock_return": "not seen", "mock_delay": 1}, "COMPLETED"),
        ):
            job = pod.run(script)
            readers = [
                self.ask_later(pod, f"/v2/tayfa/status-sync/{job}?wait=30000"),
                self.ask_later(pod, f"/status-sync/{job}?wait=30000", "POST"),
                self.ask_later(pod, f"/status-sync/{job}"),
            ]
            for reader in readers:
                status, body = self.answer(reader)
                self.assertEqual((status, body["status"]), (200, state))
                self.assertEqual(body, pod.status(job))
            again, took = self.timed(lambda job=job: pod.get(f"/status-sync/{job}?wait=30000"))
            self.assertEqual(again.body, pod.status(job))
            self.assertLess(took, SECOND, "it has ended already")
        self.wait_held(pod, 0)
        self.assert_stops(pod)

    def test_the_end_of_the_wait(self):
        pod = self.ready("--slots", "1")
        runs = pod.run({"mock_delay": 60})
        waits = pod.run({"mock_return": 1})
        pod.wait_job(runs, "IN_PROGRESS")
        for job, state in ((runs, "IN_PROGRESS"), (waits, "IN_QUEUE")):
            answer, took = self.timed(lambda job=job: pod.get(f"/status-sync/{job}?wait=1000"))
            self.assertEqual(answer.body["status"], state)
            self.assertGreaterEqual(took, 0.99)
            self.assertLess(took, 5)
        self.assertEqual(pod.get(f"/status-sync/{runs}?wait=999").status, 400)
        self.assertEqual(pod.get(f"/status-sync/{runs}?wait=300001").status, 400)
        missing, took = self.timed(lambda: pod.get("/status-sync/never-was?wait=30000"))
        self.assertEqual((missing.status, missing.body["error"]["code"]), (404, "job_not_found"))
        self.assertLess(took, SECOND)
        pod.post(f"/cancel/{runs}")
        self.assert_stops(pod)

    def test_an_engine_dies_while_a_client_waits(self):
        pod = self.ready("--slots", "1")
        job = pod.run({"mock_return": "in spite of it", "mock_delay": 2})
        pod.wait_job(job, "IN_PROGRESS")
        reader = self.ask_later(pod, f"/status-sync/{job}?wait=60000")
        self.wait_held(pod, 1)
        os.kill(pod.engines()[0], signal.SIGKILL)
        status, body = self.answer(reader)
        self.assertEqual((status, body["output"]), (200, "in spite of it"))
        self.assertEqual(pod.detail(job)["attempts"], 2)

    def test_the_pod_is_killed_while_a_client_waits(self):
        pod = self.ready("--slots", "1")
        job = pod.run({"mock_return": "later", "mock_delay": 3})
        pod.wait_job(job, "IN_PROGRESS")
        reader = self.ask_later(pod, f"/status-sync/{job}?wait=60000")
        self.wait_held(pod, 1)
        pod.kill()
        with self.assertRaises((http.client.HTTPException, OSError)):
            self.answer(reader)
        pod = self.again(pod).wait_ready()
        self.assertEqual(pod.get(f"/status-sync/{job}?wait=60000").body["output"], "later")

    def test_the_pod_stops_while_clients_wait(self):
        pod = self.ready("--slots", "1", "--pod.drain_budget", "20s")
        runs = pod.run({"mock_return": "drained", "mock_delay": 2})
        waits = pod.run({"mock_return": 1})
        pod.wait_job(runs, "IN_PROGRESS")
        first = self.ask_later(pod, f"/status-sync/{runs}?wait=60000")
        second = self.ask_later(pod, f"/status-sync/{waits}?wait=60000")
        third = self.ask_later(pod, f"/stream/{waits}?wait=60000")
        self.wait_held(pod, 3)
        pod.signal(signal.SIGTERM)
        self.assertEqual(self.answer(first)[1]["output"], "drained")
        for reader in (second, third):
            status, body = self.answer(reader)
            self.assertEqual((status, body["error"]["code"]), (503, "stopping"))
        self.assert_exit(pod, 0)

    def test_a_client_that_leaves_is_waited_for_no_longer(self):
        pod = self.ready("--slots", "1")
        job = pod.run({"mock_delay": 60})
        pod.wait_job(job, "IN_PROGRESS")
        readers = [
            self.ask_later(pod, f"/{what}/{job}?wait=300000")
            for what in ("status-sync", "stream")
            for _ in range(50)
        ]
        self.wait_held(pod, 100)
        _, took = self.timed(lambda: pod.get("/ping"))
        self.assertLess(took, SECOND)
        for reader in readers:
            reader.close()
        self.wait_held(pod, 0)
        # Only its sending side is closed: it may still read, and gets the job's current state.
        half = self.ask_later(pod, f"/status-sync/{job}?wait=300000")
        self.wait_held(pod, 1)
        half.shutdown(socket.SHUT_WR)
        self.assertEqual(self.answer(half)[1]["status"], "IN_PROGRESS")
        pod.post(f"/cancel/{job}")
        self.assert_stops(pod)


class stream(HeldCase):
    def test_a_chunk_comes_when_it_is_made(self):
        pod = self.ready("--slots", "1")
        job = pod.run({"mock_stream": ["one", "two", "three"], "mock_delay": 1.5})
        pod.wait_job(job, "IN_PROGRESS")
        seen, moments = [], []
        while True:
            answer = pod.get(f"/stream/{job}?wait=30000").body
            moments.append(time.monotonic())
            seen.append([x["output"] for x in answer["stream"]])
            if answer["status"] == "COMPLETED":
                break
        self.assertEqual(seen[:3], [["one"], ["two"], ["three"]])
        self.assertGreater(moments[1] - moments[0], SECOND)
        self.assertGreater(moments[2] - moments[1], SECOND)
        empty, took = self.timed(lambda: pod.get(f"/stream/{job}?wait=30000"))
        self.assertEqual(empty.body, {"status": "COMPLETED", "stream": []})
        self.assertLess(took, SECOND)

    def test_without_a_wait_it_is_held_for_a_moment(self):
        pod = self.ready("--slots", "1")
        runs = pod.run({"mock_delay": 60})
        waits = pod.run({"mock_return": 1})
        pod.wait_job(runs, "IN_PROGRESS")
        for job in (runs, waits):
            answer, took = self.timed(lambda job=job: pod.get(f"/stream/{job}"))
            self.assertEqual(answer.body["stream"], [])
            self.assertGreaterEqual(took, 0.99)
            self.assertLess(took, 3)
        pod.post(f"/cancel/{runs}")
        for query in ("wait=0", "wait=999", "wait=300001", "wait=soon", "wait=1000&wait=1000"):
            self.assertEqual(pod.get(f"/stream/{runs}?{query}").status, 400, query)
        self.assert_stops(pod)

    def test_the_hold_is_the_owners_choice(self):
        pod = self.ready("--slots", "1", "--http.stream_hold", "0ms")
        job = pod.run({"mock_delay": 60})
        _, took = self.timed(lambda: pod.get(f"/stream/{job}"))
        self.assertLess(took, 0.9)
        pod.post(f"/cancel/{job}")
        self.assert_stops(pod)

    def test_many_readers_of_one_stream(self):
        pod = self.ready("--slots", "1")
        job = pod.run({"mock_stream": ["a", "b", "c"], "mock_delay": 0.7})
        readers = [self.ask_later(pod, f"/stream/{job}?wait=60000", "POST") for _ in range(40)]
        answers = [self.answer(x)[1] for x in readers]
        seen = [x["output"] for answer in answers for x in answer["stream"]]
        self.assertEqual(sorted(seen), ["a", "b", "c"], "each chunk went to one of them")
        ends = [x["status"] for x in answers if not x["stream"]]
        self.assertEqual(set(ends), {"COMPLETED"}, "the others heard of the end")
        self.wait_held(pod, 0)

    def test_a_job_that_runs_again_says_it_anew(self):
        pod = self.ready("--slots", "1")
        job = pod.run({"mock_stream": ["a", "b"], "mock_delay": 1})
        pod.wait_job(job, "IN_PROGRESS")
        self.assertEqual(pod.get(f"/stream/{job}?wait=30000").body["stream"], [{"output": "a"}])
        reader = self.ask_later(pod, f"/stream/{job}?wait=60000")
        self.wait_held(pod, 1)
        os.kill(pod.engines()[0], signal.SIGKILL)
        self.assertEqual(self.answer(reader)[1]["stream"][0], {"output": "a"})


class ready(HeldCase):
    def code(self, pod):
        answer = pod.get("/ready")
        if answer.status == 200:
            self.assertEqual(answer.body, {"status": "ready"})
            return 200
        self.assertEqual(answer.status, 503)
        self.assertIn("Retry-After", dict(answer.headers))
        return answer.body["error"]["code"]

    def test_while_it_starts_and_while_it_stops(self):
        pod = self.start("--slots", "1", "--pod.drain_budget", "20s", environment={"TAYFA_SCRIPTED": json.dumps({"load_delay": 3})})
        pod.wait_listening()
        pod.wait_for("state", machine="pod", to="LAUNCHING")
        self.assertEqual((pod.get("/ping").status, self.code(pod)), (204, "not_ready"))
        pod.wait_ready()
        self.eventually(lambda: self.code(pod) == 200, "an engine is there", 5)
        job = pod.run({"mock_delay": 2})
        pod.wait_job(job, "IN_PROGRESS")
        self.assertEqual(self.code(pod), 200, "a busy engine is one")
        pod.signal(signal.SIGTERM)
        pod.wait_for("state", machine="pod", to="STOPPING")
        self.eventually(lambda: self.code(pod) == "stopping", "the ingress knows of the stop", 1.5)
        self.assert_exit(pod, 0)

    def test_engines_that_are_not_there(self):
        pod = self.ready("--slots", "1")
        self.eventually(lambda: self.code(pod) == 200, "an engine is there", 5)
        for leave, back in (
            ("/slots/0/drain", "/slots/0/undrain"),
            ("/slots/count/0", "/slots/count/1"),
        ):
            pod.post(leave)
            self.eventually(lambda: self.code(pod) == "not_ready", leave, 10)
            pod.post(back)
            self.eventually(lambda: self.code(pod) == 200, back, 20)
        os.kill(pod.engines()[0], signal.SIGKILL)
        self.eventually(lambda: self.code(pod) == "not_ready", "its engine was killed", 5)
        self.eventually(lambda: self.code(pod) == 200, "the next one is there", 20)
        self.assert_stops(pod)

    def test_a_pod_of_remote_workers_is_ready_with_the_first_one(self):
        quick = ["--workers.ping_interval", "1s", "--workers.missed", "2", "--workers.hold", "1s"]
        pod = self.ready("--slots", "0", *quick)
        self.assertEqual((pod.get("/ping").status, self.code(pod)), (200, "not_ready"))
        taken = {}

        def take():
            while not taken.get("job"):
                taken["job"] = pod.get("/v2/tayfa/job-take/w-1", timeout=60).body

        worker = threading.Thread(target=take)
        worker.start()
        self.eventually(lambda: self.code(pod) == 200, "a worker asks for jobs", 10)
        job = pod.run({"mock_return": 1})
        worker.join()
        self.assertEqual(taken["job"]["id"], job)
        self.assertEqual(self.code(pod), 200, "a busy worker is one")
        # The worker sends nothing more and is forgotten.
        self.eventually(lambda: self.code(pod) == "not_ready", "the worker is gone", 20)
        unfit = "/v2/tayfa/ping/w-2?status=unhealthy&check=_gpu_health_check&reason=x"
        pod.get(unfit)
        self.assertEqual(self.code(pod), "not_ready", "one that is unfit is none")
        self.assert_stops(pod)

    def test_it_needs_no_key_and_is_served_to_probes(self):
        data = self.folder()
        done = self.tayfa("key", "new", "--data", data, "--name", "a")
        self.assertEqual(done.returncode, 0, done.stderr)
        probes = pods.steady_address()
        pod = self.start("--http.health_listen", probes, data=data)
        pod.wait_listening()
        pod.wait_for("state", machine="pod", to="READY")
        self.eventually(lambda: self.code(pod) == 200, "without a key", 10)
        self.assertEqual(pod.get("/jobs").status, 401)
        self.assertEqual(pod.post("/ready").status, 405)
        connection = http.client.HTTPConnection(probes, timeout=10)
        self.addCleanup(connection.close)
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b'{"status":"ready"}'))
        self.assert_stops(pod)


if __name__ == "__main__":
    main()
