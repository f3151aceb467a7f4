"""RunPod's JavaScript client, unmodified, against Tayfa's API: every call, under RunPod's own rates.

It asks without a pause wherever it waits, and counts on the server to hold the answer.
"""

import time

import platform_case  # noqa: F401  (e2e's modules come into reach with it)
import pod as pods
from case import BUILD, QUICK, Case
from js_client import JsClient, JsError
from platform_case import main

FAR = {"executionTimeout": 600_000}
LONG = 30_000  # milliseconds


class JsCase(Case):
    slots = 8
    arguments = ("--http.rate_limits", "runpod")

    @classmethod
    def setUpClass(cls):
        options = [*QUICK, "--slots", str(cls.slots), *cls.arguments]
        cls.pod = pods.Pod(BUILD, *options)
        cls.addClassCleanup(cls.pod.close)
        cls.pod.wait_ready()
        cls.client = JsClient(f"{cls.pod.url}/v2", "any-key-where-none-is-needed")
        cls.addClassCleanup(cls.client.close)

    def requests(self):
        """How many the pod has answered so far."""
        for line in self.pod.get("/metrics").body.decode().splitlines():
            if line.startswith("tayfa_http_requests_total "):
                return float(line.split()[1])
        raise AssertionError("no such metric")

    def submitted(self, job_input, **policy):
        answer = self.client.run({"input": job_input, "policy": {**FAR, **policy}})
        self.assertEqual(answer["status"], "IN_QUEUE")
        return answer["id"]


class js_client(JsCase):
    def test_run_and_status(self):
        job = self.submitted({"mock_return": {"x": "é", "n": [1, None]}})
        self.pod.wait_job(job, "COMPLETED")
        answer = self.client.status(job)
        self.assertEqual(answer["output"], {"x": "é", "n": [1, None]})
        self.assertEqual(
            [answer[x] for x in ("status", "started", "completed", "succeeded")],
            ["COMPLETED", True, True, True],
        )

    def test_run_sync_within_its_first_wait(self):
        answer = self.client.runSync({"input": {"mock_return": 7}}, 20_000)
        self.assertEqual((answer["status"], answer["output"]), ("COMPLETED", 7))

    def test_run_sync_beyond_its_first_wait(self):
        body = {"input": {"mock_return": "late", "mock_delay": 2.2}, "policy": FAR}
        before = self.requests()
        answer = self.client.runSync(body, 1_500)
        self.assertEqual((answer["status"], answer["output"]), ("COMPLETED", "late"))
        self.assertLess(self.requests() - before, 6)

    def test_run_sync_that_takes_too_long_says_so(self):
        answer = self.client.runSync({"input": {"mock_delay": 60}, "policy": FAR}, 1_200)
        self.assertEqual((answer["status"], answer["completed"]), ("IN_PROGRESS", False))
        self.assertEqual(self.client.cancel(answer["id"])["status"], "CANCELLED")

    def test_run_sync_of_a_job_that_is_cancelled(self):
        before = len(self.pod.lines)
        waiting = self.client.begin("runSync", {"input": {"mock_delay": 60}, "policy": FAR}, 2_000)
        line = self.pod.wait_for("state", after=before, machine="job", to="IN_PROGRESS")
        self.assertEqual(self.client.cancel(line["job"])["status"], "CANCELLED")
        answer = waiting.result()
        self.assertEqual((answer["status"], answer["succeeded"]), ("CANCELLED", False))

    def test_status_sync_waits_and_no_longer_than_it_was_asked_to(self):
        job = self.submitted({"mock_return": "end", "mock_delay": 2.5})
        begun = time.monotonic()
        early = self.client.statusSync(job, 1_000)
        self.assertGreaterEqual(time.monotonic() - begun, 0.99)
        self.assertEqual((early["status"], early["completed"]), ("IN_PROGRESS", False))
        late = self.client.statusSync(job, LONG)
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual((late["status"], late["output"]), ("COMPLETED", "end"))
        failed = self.submitted({"mock_error": "a reason"})
        answer = self.client.statusSync(failed, LONG)
        self.assertEqual((answer["status"], answer["error"]), ("FAILED", "a reason"))

    def test_a_slow_stream_comes_chunk_by_chunk(self):
        chunks = [f"token {i}" for i in range(6)]
        job = self.submitted({"mock_stream": chunks, "mock_delay": 0.6})
        self.pod.wait_job(job, "IN_PROGRESS")
        before = self.requests()
        call = self.client.begin("stream", job, 0)
        self.assertEqual(call.result(), chunks)
        self.assertLess(self.requests() - before, 20)
        moments = [at for at, _ in call.chunks]
        self.assertGreater(moments[-1] - moments[0], 1_500, "each came when it was made")

    def test_streams_under_runpods_own_rates(self):
        """Twelve at once, each of a chunk every 10 ms: 1,200 answers a second if none is held."""
        job_input = {"mock_stream": list(range(300)), "mock_delay": 0.01}
        jobs = [self.submitted(job_input) for _ in range(12)]
        before = self.requests()
        begun = time.monotonic()
        calls = [self.client.begin("stream", job, 0) for job in jobs]
        for call in calls:
            self.assertEqual(call.result(), list(range(300)))
        took = time.monotonic() - begun
        self.assertLess((self.requests() - before) / took, 12 * 14)

    def test_a_stream_ends_with_its_job(self):
        job = self.submitted({"mock_stream": ["a", "b"], "mock_error": "broke"})
        self.assertEqual(self.client.stream(job, 0)[:2], ["a", "b"])
        job = self.submitted({"mock_return": "no chunk", "mock_delay": 1})
        before = self.requests()
        self.assertEqual(self.client.stream(job, 0), [])
        self.assertLess(self.requests() - before, 8)
        job = self.submitted({"mock_delay": 60})
        self.pod.wait_job(job, "IN_PROGRESS")
        call = self.client.begin("stream", job, 0)
        self.assertEqual(self.client.cancel(job)["status"], "CANCELLED")
        self.assertEqual(call.result(5), [])

    def test_health(self):
        health = self.client.health()
        jobs = {"completed", "failed", "inProgress", "inQueue", "retried"}
        self.assertEqual(set(health["jobs"]), jobs)
        self.assertEqual(health["workers"]["idle"] + health["workers"]["running"], self.slots)

    def test_what_is_not_there(self):
        for call in ("status", "statusSync", "stream", "cancel"):
            with self.assertRaises(JsError) as caught:
                getattr(self.client, call)("nobody-ever-had-this-id", 2_000)
            self.assertEqual(caught.exception.status, 404, call)


class js_queue(JsCase):
    slots = 1

    def test_purge_queue(self):
        runs = self.submitted({"mock_delay": 60})
        self.pod.wait_job(runs, "IN_PROGRESS")
        waits = [self.submitted({"mock_return": i}) for i in range(3)]
        held = self.client.begin("statusSync", waits[1], LONG)
        stream = self.client.begin("stream", waits[2], 0)
        self.assertEqual(self.client.purgeQueue(), {"removed": 3, "status": "completed"})
        self.assertEqual(held.result(5)["status"], "CANCELLED")
        self.assertEqual(stream.result(5), [])
        with self.assertRaises(JsError) as caught:  # RunPod's rate of it: two in ten seconds
            for _ in range(3):
                self.client.purgeQueue()
        self.assertEqual(caught.exception.status, 429)
        self.assertEqual(self.client.cancel(runs)["status"], "CANCELLED")


if __name__ == "__main__":
    main()
