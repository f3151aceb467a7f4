"""Engines that break in every way, killed from outside or by the job's own script: jobs keep
exactly one result.
"""

import json
import os
import signal

import case
from case import UNFIT, Case


def completed(lines):
    """How many jobs have come to COMPLETED."""
    return sum(
        x.event == "state" and x["machine"] == "job" and x["to"] == "COMPLETED" for x in lines
    )


class scripted_jobs(Case):
    def test_an_error_of_the_job(self):
        pod = self.ready()
        answer = pod.post("/runsync", {"input": {"mock_error": "no such style"}}).body
        self.assertEqual(answer["status"], "FAILED")
        self.assertIn("no such style", json.dumps(answer["error"]))
        self.assertNotIn("output", answer)

    def test_out_of_memory(self):
        pod = self.ready()
        answer = pod.post("/runsync", {"input": {"mock_oom": True}}).body
        self.assertEqual(answer["status"], "FAILED")
        self.assertIn("memory", json.dumps(answer["error"]))
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)

    def test_a_faulty_script_is_an_error_of_the_job(self):
        pod = self.ready()
        for script in (
            {"mock_delay": "long"},
            {"mock_delay": -1},
            {"mock_stream": 3},
            {"mock_progress": {"updates": "x"}},
        ):
            answer = pod.post("/runsync", {"input": script}).body
            self.assertEqual(answer["status"], "FAILED", script)
            self.assertIn(next(iter(script)), json.dumps(answer["error"]))

    def test_logs_of_a_job_name_the_job(self):
        pod = self.ready()
        job = pod.post(
            "/runsync", {"input": {"mock_logs": [{"level": "warn", "message": "low light"}]}}
        ).body["id"]
        line = pod.wait_until(
            lambda lines: next((x for x in lines if "low light" in x.text), None), "the job's log"
        )
        self.assertEqual((line.level, line["job"]), ("warn", job))

    def test_a_crash_is_tried_again_and_then_given_up(self):
        pod = self.ready()
        job = pod.run({"mock_crash": True})
        pod.wait_job(job, "FAILED", timeout=60)
        status = pod.status(job)
        self.assertEqual(status["status"], "FAILED")
        self.assertIn("poison", json.dumps(status["error"]))
        tries = [x for x in pod.moves("job") if x["job"] == job and x["to"] == "IN_PROGRESS"]
        self.assertEqual(len(tries), 3)
        self.assertEqual(
            pod.post("/runsync", {"input": {"mock_return": "fit again"}}).body["output"],
            "fit again",
        )

    def test_nonsense_costs_the_engine(self):
        pod = self.ready("--queue.max_attempts", "1")
        engine = pod.engines()
        job = pod.run({"mock_garbage": True})
        pod.wait_job(job, "FAILED")
        for pid in engine:
            self.assert_gone(pid)
        pod.wait_for("state", machine="engine", to="SHUTDOWN", cause="spoke_nonsense")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)

    def test_a_job_may_ask_for_a_fresh_engine(self):
        pod = self.ready()
        before = pod.engines()
        answer = pod.post("/runsync", {"input": {"mock_refresh": True, "mock_return": "done"}}).body
        self.assertEqual((answer["status"], answer["output"]), ("COMPLETED", "done"))
        for pid in before:
            self.assert_gone(pid)
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)
        self.assertTrue(set(pod.engines()).isdisjoint(before))

    def test_too_long_is_timed_out_and_the_engine_replaced(self):
        pod = self.ready()
        before = pod.engines()
        job = pod.run({"mock_hang": True}, policy={"executionTimeout": 5000})
        waiting = pod.run({"mock_return": "next"})
        pod.wait_job(job, "TIMED_OUT")
        status = pod.status(job)
        self.assertEqual(status["status"], "TIMED_OUT")
        self.assertGreaterEqual(status["executionTime"], 4900)
        for pid in before:
            self.assert_gone(pid)
        pod.wait_job(waiting, "COMPLETED")
        self.assertEqual(pod.status(waiting)["output"], "next")


class kill_of_an_engine(Case):
    def test_its_job_runs_again_and_has_one_result(self):
        pod = self.ready()
        job = pod.run({"mock_return": "whole", "mock_delay": 1})
        pod.wait_job(job, "IN_PROGRESS")
        (engine,) = pod.engines()
        os.kill(engine, signal.SIGKILL)
        pod.wait_for(
            "state",
            machine="job",
            job=job,
            from_="IN_PROGRESS",
            to="IN_QUEUE",
            cause="attempt_lost",
        )
        pod.wait_job(job, "COMPLETED")
        self.assertEqual(pod.status(job)["output"], "whole")
        ends = [
            x
            for x in pod.moves("job")
            if x["job"] == job and x["to"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
        ]
        self.assertEqual(len(ends), 1)
        self.assertEqual(len(pod.engines()), 1)
        self.assertEqual(pod.get("/v2/tayfa/health").body["jobs"]["retried"], 1)

    def test_the_other_slot_sees_nothing(self):
        pod = self.ready("--slots", "2")
        first, second = pod.engines()
        jobs = [pod.run({"mock_return": i, "mock_delay": 1}) for i in range(2)]
        for job in jobs:
            pod.wait_job(job, "IN_PROGRESS")
        os.kill(first, signal.SIGKILL)
        for number, job in enumerate(jobs):
            pod.wait_job(job, "COMPLETED")
            self.assertEqual(pod.status(job)["output"], number)
        self.assertIn(second, pod.engines())

    def test_a_stopped_process_counts_as_hung(self):
        pod = self.ready("--engine.heartbeat", "100ms", "--engine.heartbeat_misses", "5")
        job = pod.run({"mock_return": "whole", "mock_delay": 1})
        pod.wait_job(job, "IN_PROGRESS")
        (engine,) = pod.engines()
        os.kill(engine, signal.SIGSTOP)
        self.assert_gone(engine)
        pod.wait_for("state", machine="engine", to="SHUTDOWN", cause="hung")
        pod.wait_job(job, "COMPLETED")

    def test_jobs_under_repeated_kills_all_end_once(self):
        # A job that is hit again and again is not taken for one that ends its engines.
        patience = ("--queue.max_attempts", "50", "--queue.poison_after", "1")
        pod = self.ready("--slots", "2", "--engine.restart_intensity", "1000", *patience)
        jobs = [pod.run({"mock_return": i, "mock_delay": 0.05}) for i in range(60)]
        for wanted in range(5, 45, 5):
            # Wait for progress, then kill what runs.
            pod.wait_until(lambda lines, least=wanted: completed(lines) >= least, f"{wanted} jobs")
            for engine in pod.engines()[:1]:
                os.kill(engine, signal.SIGKILL)
        for number, job in enumerate(jobs):
            pod.wait_job(job, "COMPLETED")
            self.assertEqual(pod.status(job)["output"], number)
        ends = [x["job"] for x in pod.moves("job") if x["to"] == "COMPLETED"]
        self.assertEqual(sorted(ends), sorted(jobs))
        self.assert_stops(pod)

    def test_an_engine_that_keeps_dying_ends_the_pod(self):
        pod = self.start(
            "--engine.restart_intensity",
            "2",
            environment={"TAYFA_SCRIPTED": json.dumps({"load_crash": True})},
        )
        code = pod.wait_exit(60)
        self.assertIn(code, (UNFIT, case.INTERNAL), pod.tail())
        self.assertNotIn("READY", pod.states())
        self.assertEqual(pod.states()[-1], "STOPPED")

    def test_a_model_that_cannot_be_loaded_never_makes_it_ready(self):
        pod = self.start(environment={"TAYFA_SCRIPTED": json.dumps({"load_error": "bad weights"})})
        code = pod.wait_exit(60)
        self.assertNotEqual(code, 0)
        self.assertNotIn("READY", pod.states())
        self.assertIn("bad weights", pod.tail())

    def test_launching_has_a_budget(self):
        """Not even an engine that is restarted each time it hangs can make it last longer."""
        pod = self.start(
            *["--pod.launching_budget", "3s", "--engine.load_timeout", "2s"],
            *["--engine.hello_timeout", "1s", "--engine.heartbeat", "200ms"],
            environment={"TAYFA_SCRIPTED": json.dumps({"load_hang": True})},
        )
        self.assertEqual(pod.wait_exit(60), UNFIT, pod.tail())
        pod.wait_for(
            "state", 1, machine="pod", from_="LAUNCHING", to="STOPPING", cause="state_timeout"
        )


class a_client_that_leaves(Case):
    def test_its_runsync_job_goes_on(self):
        pod = self.ready()
        connection = pod.connect()
        connection.request(
            "POST",
            "/runsync",
            json.dumps({"input": {"mock_return": "kept", "mock_delay": 1}}),
            {"Content-Type": "application/json"},
        )
        job = pod.wait_for("state", machine="job", to="IN_PROGRESS")["job"]
        connection.close()
        pod.wait_job(job, "COMPLETED")
        self.assertEqual(pod.status(job)["output"], "kept")


if __name__ == "__main__":
    case.main()
