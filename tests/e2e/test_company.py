"""Jobs in company, with real engines: batches, a poisonous member, many slots."""

import json

import case
from queue_case import QueueCase


class poison(QueueCase):
    def test_a_job_that_kills_engines_is_isolated_and_given_up(self):
        pod = self.ready("--slots", "2", "--queue.max_attempts", "10", "--queue.retry_base", "1ms")
        bad = pod.run({"mock_crash": True})
        good = [pod.run({"mock_return": i, "mock_delay": 0.02}) for i in range(40)]
        pod.wait_job(bad, "FAILED", 60)
        self.finish(pod, good)
        self.assertEqual([pod.status(x)["output"] for x in good], list(range(40)))
        detail = pod.detail(bad)
        self.assertEqual((detail["errorCode"], detail["dead"]), ("poison", True))
        self.assertEqual(detail["attempts"], 3)
        self.assertEqual({x["errorCode"] for x in detail["history"]}, {"engine_crash"})
        innocent = [x for job in good for x in pod.detail(job)["history"] if "error" in x]
        self.assertEqual(innocent, [], "each slot runs one job at a time")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)

    def test_in_company_it_takes_the_others_along_only_once(self):
        pod = self.held(
            *["--queue.batch_max", "4", "--queue.max_attempts", "10", "--queue.retry_base", "1ms"],
            environment={"TAYFA_SCRIPTED": json.dumps({"batch_max": 4})},
        )
        jobs = [pod.run({"mock_return": i}) for i in range(3)]
        bad = pod.run({"mock_crash": True})
        self.release(pod)
        self.finish(pod, jobs)
        pod.wait_job(bad, "FAILED", 60)
        self.assertEqual(pod.detail(bad)["errorCode"], "poison")
        for number, job in enumerate(jobs):
            self.assertEqual(pod.status(job)["output"], number)
            self.assertLessEqual(pod.detail(job)["attempts"], 2)


class batches(QueueCase):
    def together(self, pod):
        """The most jobs that ran at the same time, as the log has it."""
        running, most = set(), 0
        for move in pod.moves("job"):
            if move["to"] == "IN_PROGRESS":
                running.add(move["job"])
            else:
                running.discard(move["job"])
            most = max(most, len(running))
        return most

    def batching(self, *arguments, **behavior):
        return self.held(
            *["--queue.batch_max", "8", "--queue.retry_base", "1ms", *arguments],
            environment={"TAYFA_SCRIPTED": json.dumps({"batch_max": 8, **behavior})},
        )

    def test_jobs_run_together_and_keep_their_own_results(self):
        pod = self.batching()
        jobs = [pod.run({"mock_return": i, "mock_delay": 0.1}) for i in range(16)]
        self.release(pod)
        self.finish(pod, jobs)
        self.assertEqual([pod.status(x)["output"] for x in jobs], list(range(16)))
        self.assertEqual(self.together(pod), 8)

    def test_a_bad_member_fails_alone(self):
        pod = self.batching()
        good = [pod.run({"mock_return": i}) for i in range(3)]
        error = pod.run({"mock_error": "mine"})
        oom = pod.run({"mock_oom": True})
        self.release(pod)
        self.finish(pod, good)
        self.finish(pod, [error, oom], "FAILED")
        self.assertEqual([pod.status(x)["output"] for x in good], list(range(3)))
        self.assertEqual(pod.status(error)["error"], "mine")
        self.assertIn("gpu_oom", pod.status(oom)["error"])

    def test_a_batch_that_has_no_memory_is_split(self):
        pod = self.batching(oom_above=3)
        jobs = [pod.run({"mock_return": i}) for i in range(16)]
        self.release(pod)
        self.finish(pod, jobs)
        self.assertEqual([pod.status(x)["output"] for x in jobs], list(range(16)))

    def test_a_member_is_cancelled_alone(self):
        pod = self.batching()
        jobs = [pod.run({"mock_return": i, "mock_delay": 1}) for i in range(4)]
        self.release(pod)
        for job in jobs:
            pod.wait_job(job, "IN_PROGRESS")
        self.assertEqual(pod.post(f"/cancel/{jobs[1]}").body["status"], "CANCELLED")
        self.finish(pod, jobs[:1] + jobs[2:])
        self.assertEqual(pod.status(jobs[1])["status"], "CANCELLED")

    def test_an_engine_that_batches_by_itself_gets_all_it_takes(self):
        behavior = {"continuous": True, "capacity": 6}
        pod = self.ready(environment={"TAYFA_SCRIPTED": json.dumps(behavior)})
        jobs = [pod.run({"mock_return": i, "mock_delay": 0.2}) for i in range(12)]
        self.finish(pod, jobs)
        self.assertEqual([pod.status(x)["output"] for x in jobs], list(range(12)))
        self.assertEqual(self.together(pod), 6)


class many_slots(QueueCase):
    def test_64_start_work_and_stop(self):
        pod = self.ready("--slots", "64")
        self.assertEqual(len(pod.engines()), 64)
        jobs = [pod.run({"mock_return": i, "mock_delay": 0.3}) for i in range(192)]
        self.finish(pod, jobs)
        self.assertEqual([pod.status(x)["output"] for x in jobs], list(range(192)))
        slots = pod.get("/slots").body["slots"]
        self.assertEqual([x["slot"] for x in slots], list(range(64)))
        self.assertEqual(sum(x["completed"] for x in slots), 192)
        self.assertTrue(all(x["completed"] > 0 for x in slots), slots)
        self.assert_stops(pod)

    def test_their_number_changes_while_they_work(self):
        pod = self.ready("--slots", "2")
        jobs = [pod.run({"mock_return": i, "mock_delay": 0.05}) for i in range(60)]
        for count in (5, 1, 3):
            self.assertEqual(pod.post(f"/slots/count/{count}").status, 200)
            self.eventually(
                lambda wanted=count: len(pod.engines()) == wanted, f"there are {count} engines"
            )
        self.finish(pod, jobs)
        self.assertEqual([pod.status(x)["output"] for x in jobs], list(range(60)))
        self.assertEqual({pod.detail(x)["attempts"] for x in jobs}, {1}, "nobody was cut off")
        self.assert_stops(pod)


if __name__ == "__main__":
    case.main()
