"""RunPod's Go client against Tayfa's API, under RunPod's own rates: its requests as they were
recorded, in the loops that it makes of them.

It asks again without a pause until the answer is COMPLETED, FAILED or an error; it knows no
other end. Its answers are read into structs: what has another type ends the call.
"""

import http.client
import json
import socket
import time

import go_requests as go
import platform_case  # noqa: F401  (e2e's modules come into reach with it)
import pod as pods
from case import BUILD, QUICK, Case
from platform_case import main

KNOWN_ENDS = ("COMPLETED", "FAILED")
# The client's structs: what JSON each member may be, where it is there.
TYPES = {
    "delayTime": int,
    "error": str,
    "executionTime": int,
    "id": str,
    "retries": int,
    "status": str,
    "removed": int,
    "stream": list,
    "jobs": dict,
    "workers": dict,
}


class GoClient:
    """A connection, as Go's http.DefaultTransport keeps it between calls."""

    def __init__(self, pod):
        self.host = f"127.0.0.1:{pod.port}"
        self.socket = socket.create_connection(("127.0.0.1", pod.port), timeout=95)

    def begin(self, request, job=""):
        text = request.replace("HOST", self.host).replace("/ID", f"/{job}").replace("KEY", "k")
        self.socket.sendall(text.encode())

    def send(self, request, job=""):
        self.begin(request, job)
        return self.end()

    def end(self):
        answer = http.client.HTTPResponse(self.socket)
        answer.begin()
        body = answer.read()
        if answer.will_close:
            raise AssertionError(f"the connection was not kept: {answer.status} {body[:200]}")
        return answer.status, json.loads(body)

    def call(self, request, job=""):
        status, body = self.send(request, job)
        if status != 200:
            raise AssertionError(f"response status {status}: {body}")
        for name, kind in TYPES.items():
            if not isinstance(body.get(name, kind()), kind):
                raise AssertionError(f"{name} is no {kind.__name__}: {body}")
        return body

    def loop(self, request, job, seconds, seen=None):
        """Asks without a pause until the answer is an end that it knows, or for so long."""
        end = time.monotonic() + seconds
        asked = 0
        while True:
            body = self.call(request, job)
            asked += 1
            if seen is not None:
                seen += [x["output"] for x in body["stream"]]
            if body["status"] in KNOWN_ENDS or "error" in body or time.monotonic() > end:
                return body, asked

    def close(self):
        self.socket.close()


class GoCase(Case):
    slots = 4

    @classmethod
    def setUpClass(cls):
        options = [*QUICK, "--slots", str(cls.slots), "--http.rate_limits", "runpod"]
        cls.pod = pods.Pod(BUILD, *options)
        cls.addClassCleanup(cls.pod.close)
        cls.pod.wait_ready()

    def setUp(self):
        self.client = GoClient(self.pod)
        self.addCleanup(self.client.close)

    def running(self, job_input, **policy):
        policy = {"executionTimeout": 600_000, **policy}
        body = json.dumps({"input": job_input, "policy": policy})
        job = self.client.call(go.run(body))["id"]
        self.pod.wait_job(job, "IN_PROGRESS")
        return job


class go_client(GoCase):
    def test_each_request_as_it_was_recorded(self):
        job = self.client.call(go.RUN)["id"]
        full = self.client.call(go.RUN_FULL)["id"]
        self.assertEqual(self.client.call(go.status_sync(), full)["output"], "<&>é")
        self.assertIn(self.client.call(go.STATUS, job)["status"], ("IN_QUEUE", "IN_PROGRESS"))
        self.assertEqual(self.client.call(go.status_sync(), job)["output"], "late")
        self.assertEqual(
            self.client.call(go.stream(), job), {"status": "COMPLETED", "stream": []}
        )
        self.assertEqual(self.client.call(go.run_sync())["output"], "late")
        self.assertEqual(set(self.client.call(go.HEALTH)), {"jobs", "workers"})
        job = self.running({"mock_delay": 60})
        self.assertEqual(self.client.call(go.CANCEL, job), {"id": job, "status": "CANCELLED"})
        self.assertEqual(
            self.client.call(go.PURGE_QUEUE), {"removed": 0, "status": "completed"}
        )
        self.assertEqual(self.client.send(go.STATUS, "never-was")[0], 404)

    def test_run_sync_beyond_its_first_wait(self):
        first = self.client.call(go.run_sync(wait=1_000))
        self.assertEqual(first["status"], "IN_PROGRESS")
        body, asked = self.client.loop(go.status_sync(1_000), first["id"], 30)
        self.assertEqual((body["status"], body["output"]), ("COMPLETED", "late"))
        self.assertLess(asked, 4)

    def test_run_sync_of_a_job_that_fails(self):
        job = self.running({"mock_delay": 1, "mock_error": "a reason"})
        begun = time.monotonic()
        body, asked = self.client.loop(go.status_sync(), job, 30)
        self.assertEqual((body["error"], asked), ("a reason", 1))
        self.assertLess(time.monotonic() - begun, 20, "not at the end of the wait")

    def test_a_stream(self):
        chunks = [f"token {i}" for i in range(5)]
        job = self.running({"mock_stream": chunks, "mock_delay": 0.5})
        seen = []
        body, asked = self.client.loop(go.stream(), job, 30, seen)
        self.assertEqual((body["status"], seen), ("COMPLETED", chunks))
        self.assertLess(asked, 9)

    def test_a_fast_stream(self):
        job = self.running({"mock_stream": list(range(400)), "mock_delay": 0.005})
        seen = []
        begun = time.monotonic()
        body, asked = self.client.loop(go.stream(), job, 60, seen)
        self.assertEqual((body["status"], seen), ("COMPLETED", list(range(400))))
        self.assertLess(asked, 14 * (time.monotonic() - begun) + 3)

    def test_an_end_that_it_does_not_know_does_not_make_it_spin(self):
        job = self.running({"mock_delay": 60})
        self.client.call(go.CANCEL, job)
        for request in (go.status_sync(), go.stream()):
            body, asked = self.client.loop(request, job, 2)
            self.assertEqual(body["status"], "CANCELLED")
            self.assertLess(asked, 8)
        job = self.running({"mock_delay": 60}, executionTimeout=5_000)
        body, asked = self.client.loop(go.status_sync(), job, 30)
        self.assertEqual((body["status"], asked), ("TIMED_OUT", 1), "its error ends the loop")
        body, asked = self.client.loop(go.stream(), job, 2)
        self.assertLess(asked, 8)

    def test_a_held_call_hears_of_a_cancel_at_once(self):
        other = GoClient(self.pod)
        self.addCleanup(other.close)
        for request in (go.status_sync(), go.stream()):
            took = []
            for _ in range(4):
                job = self.running({"mock_delay": 60})
                self.client.begin(request, job)
                self.eventually(self.is_held, "it is held", 10)
                begun = time.monotonic()
                other.call(go.CANCEL, job)
                self.assertEqual(self.client.end()[1]["status"], "CANCELLED")
                took.append(time.monotonic() - begun)
            self.assertLess(min(took), 0.4, "without the pause for those who ask later")

    def is_held(self):
        return b"\ntayfa_calls_held 1" in self.pod.get("/metrics").body


if __name__ == "__main__":
    main()
