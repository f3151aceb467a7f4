"""RunPod's own client library, unmodified, against Tayfa's API: every call, every final state."""

from client_case import EXECUTION_TIMEOUT_MS, LONG, RUNSYNC_WAIT_MS, ClientCase
from platform_case import main, side_by_side

FAR = 30  # seconds


@side_by_side
class sync_client(ClientCase):
    def endpoint(self, name="tayfa", **options):
        return self.runpod.Endpoint(name, **options)

    def ended(self, job, state):
        self.pod.wait_job(job.job_id, state)
        return job

    # ---- run, status, output -------------------------------------------------------------------

    def test_run_and_output(self):
        value = {"x": "é \U0001f6a2", "list": [1, None, 0.5], "big": 2**53 + 1}
        job = self.endpoint().run(
            {"input": {"mock_return": value, "mock_delay": 3}, "policy": LONG}
        )
        self.assertIn(job.status(), ("IN_QUEUE", "IN_PROGRESS"))
        self.assertEqual(job.output(timeout=FAR), value)
        self.assertEqual(job.status(), "COMPLETED")

    def test_run_with_an_input_of_ones_own_and_more_beside_it(self):
        job = self.endpoint().run({"input": {"mock_return": 1}, "policy": LONG})
        self.assertEqual(job.output(timeout=FAR), 1)

    def test_a_final_status_is_kept_by_the_client(self):
        job = self.ended(self.endpoint().run({"mock_return": 1}), "COMPLETED")
        self.assertEqual(job.status(), "COMPLETED")
        job.rp_client = None
        self.assertEqual((job.status(), job.output()), ("COMPLETED", 1))

    def test_output_in_progress_then_completed(self):
        job = self.endpoint().run(
            {"input": {"mock_delay": 3, "mock_return": "late"}, "policy": LONG}
        )
        self.assertIsNone(job.output())
        self.assertEqual(job.output(timeout=FAR), "late")

    def test_output_that_takes_too_long(self):
        job = self.endpoint().run({"input": {"mock_hang": True}, "policy": LONG})
        with self.assertRaises(TimeoutError):
            job.output(timeout=1)
        job.cancel()

    def test_progress_is_the_output_of_a_job_that_runs(self):
        script = {"mock_progress": {"updates": 1, "wait_time": 4}, "mock_return": "end"}
        job = self.endpoint().run({"input": script, "policy": LONG})
        self.ended(job, "IN_PROGRESS")
        self.eventually(lambda: job.output() == {"update": 1, "updates": 1}, "the update", 3.9)
        self.assertEqual(job.output(timeout=FAR), "end")

    def test_an_output_of_none(self):
        job = self.ended(self.endpoint().run({"mock_return": None}), "COMPLETED")
        self.assertIsNone(job.output(timeout=FAR))
        self.assertEqual(job.status(), "COMPLETED")

    # ---- run_sync ------------------------------------------------------------------------------

    def test_run_sync(self):
        self.assertEqual(self.endpoint().run_sync({"mock_return": [1, "two"]}), [1, "two"])
        self.assertEqual(self.endpoint().run_sync({"input": {"mock_return": 3}}), 3)

    def test_run_sync_outlasts_the_wait(self):
        delay = RUNSYNC_WAIT_MS / 1000 + 0.5
        script = {"input": {"mock_return": "late", "mock_delay": delay}, "policy": LONG}
        self.assertEqual(self.endpoint().run_sync(script, timeout=FAR), "late")

    def test_run_sync_that_takes_too_long(self):
        with self.assertRaises(TimeoutError):
            self.endpoint().run_sync({"input": {"mock_hang": True}, "policy": LONG}, timeout=2)

    def test_run_sync_of_a_job_that_fails(self):
        self.assertIsNone(self.endpoint().run_sync({"mock_error": "no"}))

    # ---- final states --------------------------------------------------------------------------

    def test_failed(self):
        job = self.endpoint().run({"mock_error": "a reason"})
        self.assertIsNone(job.output(timeout=FAR))
        self.assertEqual(job.status(), "FAILED")
        self.assertIn("a reason", str(self.pod.status(job.job_id)["error"]))

    def test_timed_out(self):
        job = self.endpoint().run({"mock_delay": EXECUTION_TIMEOUT_MS / 1000 + 30})
        self.assertIsNone(job.output(timeout=FAR))
        self.assertEqual(job.status(), "TIMED_OUT")

    def test_cancelled_while_it_runs(self):
        job = self.endpoint().run({"input": {"mock_delay": 60}, "policy": LONG})
        self.ended(job, "IN_PROGRESS")
        self.assertEqual(job.cancel(), {"id": job.job_id, "status": "CANCELLED"})
        self.assertEqual(job.status(), "CANCELLED")
        self.assertIsNone(job.output(timeout=1))

    # ---- stream --------------------------------------------------------------------------------

    def test_stream_to_its_end(self):
        chunks = ["eins", {"two": 2}, "drei ü", None, [5]]
        job = self.endpoint().run({"mock_stream": chunks, "mock_delay": 0.3})
        self.assertEqual(list(job.stream()), chunks)
        self.assertEqual(job.status(), "COMPLETED")

    def test_stream_of_a_job_that_fails(self):
        job = self.endpoint().run({"mock_stream": ["a", "b"], "mock_error": "broke"})
        self.assertEqual(list(job.stream())[:2], ["a", "b"])
        self.assertEqual(job.status(), "FAILED")

    def test_stream_of_a_job_without_chunks(self):
        job = self.endpoint().run({"mock_return": 1})
        self.assertEqual(list(job.stream()), [])
        self.assertEqual(job.output(timeout=FAR), 1)

    # ---- health, refusals ----------------------------------------------------------------------

    def test_health(self):
        health = self.endpoint().health()
        jobs = {"completed", "failed", "inProgress", "inQueue", "retried"}
        workers = {"idle", "initializing", "ready", "running", "throttled", "unhealthy"}
        self.assertEqual((set(health["jobs"]), set(health["workers"])), (jobs, workers))
        self.assertTrue(all(isinstance(x, int) for part in health.values() for x in part.values()))

    def test_what_is_not_there(self):
        body = self.assert_status(404, self.endpoint("elsewhere").run, {"mock_return": 1})
        self.assertIn("error", body)
        job = self.endpoint().run({"mock_return": 1})
        job.job_id = "nothing-of-this-name"
        self.assert_status(404, job.status)
        self.assert_status(404, job.cancel)

    def test_what_is_too_large(self):
        self.assert_status(413, self.endpoint().run, {"fill": "x" * (11 << 20)})


class alone(ClientCase):
    """Tests that need a pod of their own: a pod whose only slot is held, so that jobs wait; the
    client's one key for all endpoints.
    """

    slots = 1
    arguments = ("--queue.max", "3")

    def test_without_a_key(self):
        key, self.runpod.api_key = self.runpod.api_key, None
        try:
            with self.assertRaises(RuntimeError):
                self.runpod.Endpoint("tayfa")
            self.assertEqual(
                self.runpod.Endpoint("tayfa", api_key="own").run_sync({"mock_return": 1}), 1
            )
        finally:
            self.runpod.api_key = key

    def test_the_queue(self):
        endpoint = self.runpod.Endpoint("tayfa")
        running = endpoint.run({"input": {"mock_delay": 60}, "policy": LONG})
        self.pod.wait_job(running.job_id, "IN_PROGRESS")
        waiting = [endpoint.run({"mock_return": i}) for i in range(3)]
        self.assertEqual([x.status() for x in waiting], ["IN_QUEUE"] * 3)
        self.assertEqual(endpoint.health()["jobs"]["inQueue"], 3)

        body = self.assert_status(429, endpoint.run, {"mock_return": "too many"})
        self.assertEqual(body["error"]["code"], "queue_full")

        self.assertEqual(waiting[0].cancel()["status"], "CANCELLED")
        self.assertEqual(waiting[0].status(), "CANCELLED")
        self.assertEqual(endpoint.purge_queue(), {"removed": 2, "status": "completed"})
        self.assertEqual(endpoint.purge_queue(), {"removed": 0, "status": "completed"})
        self.assertEqual(running.status(), "IN_PROGRESS")
        self.assertEqual(endpoint.health()["jobs"]["inQueue"], 0)
        running.cancel()
        self.assertEqual(endpoint.run_sync({"mock_return": "room"}, timeout=FAR), "room")


if __name__ == "__main__":
    main()
