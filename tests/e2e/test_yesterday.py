"""What an earlier process accepted under another configuration: its jobs end or wait with a reason, and
nobody else is harmed. And what one client's dearest calls leave to the others.
"""

import threading

from case import Case


class other_configurations(Case):
    def waiting(self, count, *arguments, path="/run", **more):
        """A pod that was killed with so many jobs waiting."""
        pod = self.start("--engine.slots", "0", *arguments)
        pod.wait_for("listening")
        jobs = []
        for i in range(count):
            status, answer = pod.call("POST", path, {"input": {"mock_return": i}, **more})[:2]
            self.assertEqual(status, 200)
            jobs.append(answer["id"])
        pod.kill()
        return pod, jobs

    def test_jobs_of_an_endpoint_that_is_gone_run_and_are_the_operators(self):
        pod, jobs = self.waiting(3, "--http.endpoints", "old", path="/v2/old/run")
        pod = self.again(pod, "--http.endpoints", "new", "--engine.slots", "1").wait_ready()
        for i, job in enumerate(jobs):
            pod.wait_job(job, "COMPLETED")
            self.assertEqual(pod.status(job)["output"], i)
        self.assertEqual(pod.call("GET", f"/v2/new/status/{jobs[0]}")[0], 404)
        self.assertEqual(pod.call("GET", "/v2/old/health")[0], 404)
        self.assert_stops(pod)

    def test_bounds_that_shrank_lose_nothing_that_was_accepted(self):
        pod, jobs = self.waiting(12, policy={"tenant": "t"})
        pod = self.again(pod, "--queue.max", "2", "--queue.tenant_max", "1", "--queue.tenants", "t=1:1",
                         "--engine.slots", "0")
        pod.wait_for("listening")
        status, answer = pod.call("POST", "/run", {"input": {}, "policy": {"tenant": "u"}})[:2]
        self.assertEqual((status, answer["error"]["code"]), (429, "queue_full"))
        pod.kill()
        pod = self.again(pod, "--queue.max", "2", "--queue.tenant_max", "1", "--queue.tenants", "t=1:1",
                         "--engine.slots", "1").wait_ready()
        for job in jobs:
            pod.wait_job(job, "COMPLETED")
        self.assert_stops(pod)


class many_at_once(Case):
    def test_a_purge_means_what_waited_and_answers_when_all_of_it_is_over(self):
        pod = self.start("--engine.slots", "0", "--log-level", "warn")
        pod.wait_for("listening")
        jobs = [pod.run({"mock_return": i}) for i in range(700)]
        answers = []
        purge = threading.Thread(target=lambda: answers.append(pod.call("POST", "/purge-queue", b"")[:2]))
        purge.start()
        after = []
        while purge.is_alive():
            after.append(pod.run({"mock_return": 1}))
        purge.join()
        self.assertEqual(answers[0][0], 200)
        removed = answers[0][1]["removed"]
        self.assertGreaterEqual(removed, len(jobs))
        states = [pod.status(x)["status"] for x in [*jobs, *after]]
        self.assertEqual(states.count("CANCELLED"), removed)
        self.assertEqual(set(states[: len(jobs)]), {"CANCELLED"})
        # What was cancelled of the others was submitted before the purge was asked for.
        self.assertEqual(states, sorted(states))
        self.assert_stops(pod)
