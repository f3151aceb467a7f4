"""Jobs that an earlier process accepted under another configuration end or wait with a reason, and
nobody else is harmed. And what one client's dearest calls leave to the others.
"""

import threading

import case
from case import Case


class other_configurations(Case):
    def waiting(self, count, *arguments, path="/run", **more):
        """A data folder with so many jobs that wait, of a pod that was killed."""
        pod = self.start("--slots", "0", *arguments)
        pod.wait_listening()
        jobs = []
        for i in range(count):
            answer = pod.post(path, {"input": {"mock_return": i}, **more})
            self.assertEqual(answer.status, 200)
            jobs.append(answer.body["id"])
        pod.kill()
        return pod.data, jobs

    def test_jobs_of_an_endpoint_that_is_gone_run_and_are_the_operators(self):
        data, jobs = self.waiting(3, "--endpoint", "old", path="/v2/old/run")
        pod = self.ready("--endpoint", "new", "--slots", "1", data=data)
        for i, job in enumerate(jobs):
            pod.wait_job(job, "COMPLETED")
            self.assertEqual(pod.get(f"/status/{job}").body["output"], i)
        self.assertEqual(pod.get(f"/v2/new/status/{jobs[0]}").status, 404)
        self.assertEqual(pod.get("/v2/old/health").status, 404)
        self.assert_stops(pod)

    def test_bounds_that_shrank_lose_nothing_that_was_accepted(self):
        narrow = ["--queue.max", "2", "--queue.tenant_max", "1", "--queue.tenants", "t=1:1"]
        data, jobs = self.waiting(12, policy={"tenant": "t"})
        pod = self.start("--slots", "0", *narrow, data=data)
        pod.wait_listening()
        answer = pod.post("/run", {"input": {}, "policy": {"tenant": "u"}})
        self.assertEqual((answer.status, answer.body["error"]["code"]), (429, "queue_full"))
        pod.kill()
        pod = self.ready("--slots", "1", *narrow, data=data)
        for job in jobs:
            pod.wait_job(job, "COMPLETED")
        self.assert_stops(pod)


class many_at_once(Case):
    def test_a_purge_means_what_waited_and_answers_when_all_of_it_is_over(self):
        pod = self.start("--slots", "0")
        pod.wait_listening()
        jobs = [pod.run({"mock_return": i}) for i in range(700)]
        answers = []
        purge = threading.Thread(target=lambda: answers.append(pod.post("/purge-queue")))
        purge.start()
        after = []
        while purge.is_alive():
            after.append(pod.run({"mock_return": 1}))
        purge.join()
        self.assertEqual(answers[0].status, 200)
        removed = answers[0].body["removed"]
        self.assertGreaterEqual(removed, len(jobs))
        states = [pod.status(x)["status"] for x in [*jobs, *after]]
        self.assertEqual(states.count("CANCELLED"), removed)
        self.assertEqual(set(states[: len(jobs)]), {"CANCELLED"})
        self.assertEqual(states, sorted(states))  # of the others, those from before it was asked for
        pod.kill()


if __name__ == "__main__":
    case.main()
