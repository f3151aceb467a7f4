"""The unmodified worker of RunPod's SDK pulls jobs from Tayfa's own queue: several at once, some
killed, stopped, asked to end; nothing is lost, and each job has one result.
"""

import collections
import signal

import platform_case
import pod as pods
from platform_case import Case, side_by_side
from workers import WORKERS, SdkWorker, TayfaWorker

PING_MS = 1_000
LOST_AFTER_S = 3 * PING_MS / 1000
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")


class RemoteCase(Case):
    def queue(self, *arguments, **options):
        """A pod without slots of its own."""
        pod = self.start(
            "--slots",
            "0",
            "--workers.ping_interval",
            f"{PING_MS}ms",
            "--workers.hold",
            "2s",
            *arguments,
            **options,
        )
        pod.wait_listening()
        pod.wait_for("state", machine="pod", to="READY")
        return pod

    def variables(self, pod, worker, *arguments):
        """The variables that `tayfa worker-env` prints for a container."""
        done = self.tayfa(
            "worker-env",
            "--url",
            pod.url,
            "--worker-id",
            worker,
            "--ping-interval",
            PING_MS,
            *arguments,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [x for x in done.stdout.splitlines() if x and not x.startswith("#")]
        return dict(x.split("=", 1) for x in lines)

    def worker(self, pod, name, kind="sdk", arguments=(), **options):
        worker = WORKERS[kind](self.variables(pod, name, *arguments), **options)
        self.addCleanup(worker.close)
        return worker

    def assert_ended_once(self, pod, jobs, state="COMPLETED"):
        for job in jobs:
            pod.wait_job(job, state, 60)
        ends = collections.Counter(
            x["job"] for x in pod.moves("job") if x["to"] in ENDED and x["job"] in jobs
        )
        self.assertEqual(ends, dict.fromkeys(jobs, 1))

    def run_numbers(self, pod, count, delay):
        return [pod.run({"mock_return": i, "mock_delay": delay}) for i in range(count)]

    def assert_numbers(self, pod, jobs):
        self.assertEqual([pod.status(x)["output"] for x in jobs], list(range(len(jobs))))


@side_by_side
class sdk_workers(RemoteCase):
    def test_every_kind_of_end(self):
        pod = self.queue()
        self.worker(pod, "w1", concurrency=4)
        done = pod.run({"mock_return": {"x": "é"}, "mock_delay": 0.1})
        failed = pod.run({"mock_error": "a reason"})
        updated = pod.run({"mock_progress": {"updates": 1, "wait_time": 1.5}, "mock_return": "end"})
        pod.wait_job(updated, "IN_PROGRESS")
        self.eventually(
            lambda: pod.status(updated).get("output") == {"update": 1, "updates": 1}, "the update"
        )
        self.assert_ended_once(pod, [done, updated])
        self.assert_ended_once(pod, [failed], "FAILED")
        self.assertEqual(pod.status(done)["output"], {"x": "é"})
        self.assertEqual(pod.status(updated)["output"], "end")
        self.assertIn("a reason", str(pod.status(failed)["error"]))
        self.assertEqual(pod.status(done)["workerId"], "w1")

    def test_a_stream(self):
        pod = self.queue()
        self.worker(pod, "w1", handler="async_generator", aggregate=True)
        chunks = ["a", {"b": 2}, "ü"]
        job = pod.run({"mock_stream": chunks, "mock_delay": 0.2})
        got, status = [], {"status": "IN_QUEUE", "stream": []}
        while status["status"] not in ENDED or status["stream"]:
            status = pod.get(f"/v2/tayfa/stream/{job}").body
            got += [x["output"] for x in status["stream"]]
        self.assertEqual((got, status["status"]), (chunks, "COMPLETED"))
        self.assertEqual(pod.status(job)["output"], chunks)

    def test_runsync_waits_for_a_remote_worker(self):
        pod = self.queue()
        self.worker(pod, "w1")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 7}}).body["output"], 7)

    def test_health_counts_them(self):
        pod = self.queue()
        self.worker(pod, "w1")
        self.worker(pod, "w2")
        self.eventually(
            lambda: pod.get("/v2/tayfa/health").body["workers"]["idle"] == 2, "two idle workers"
        )
        job = pod.run({"mock_delay": 2})
        pod.wait_job(job, "IN_PROGRESS")
        workers = pod.get("/v2/tayfa/health").body["workers"]
        self.assertEqual((workers["running"], workers["idle"]), (1, 1))

    def test_a_running_job_is_cancelled(self):
        pod = self.queue()
        worker = self.worker(pod, "w1")
        job = pod.run({"mock_delay": 60})
        pod.wait_job(job, "IN_PROGRESS")
        self.eventually(lambda: "Started." in worker.log, "its start")
        self.assertEqual(pod.post(f"/v2/tayfa/cancel/{job}").body["status"], "CANCELLED")
        self.eventually(lambda: "Job stopped." in worker.log, "the worker's stop")
        self.assert_ended_once(pod, [job], "CANCELLED")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)

    def test_several_at_once_some_killed(self):
        pod = self.queue()
        crew = [self.worker(pod, f"w{i}", concurrency=4) for i in range(5)]
        jobs = self.run_numbers(pod, 40, 1.5)  # longer than it takes to see one start
        for victim in crew[:2]:
            self.eventually(lambda w=victim: "Started." in w.log, "a job in the victim's hands")
            victim.kill_all()
        self.assert_ended_once(pod, jobs)
        self.assert_numbers(pod, jobs)
        self.assertGreater(pod.get("/v2/tayfa/health").body["jobs"]["retried"], 0)

    def handed_out(self, pod):
        """How often each job was: none in vain, where nothing goes wrong."""
        return collections.Counter(x["job"] for x in pod.moves("job") if x["to"] == "IN_PROGRESS")

    def test_a_worker_gets_as_many_as_it_asks_for(self):
        pod = self.queue()
        jobs = self.run_numbers(pod, 24, 0)
        worker = self.worker(pod, "w1", concurrency=8)
        self.assert_ended_once(pod, jobs)
        self.assert_numbers(pod, jobs)
        self.assertEqual(self.handed_out(pod), dict.fromkeys(jobs, 1))
        self.assertEqual(pod.get("/v2/tayfa/health").body["jobs"]["retried"], 0)
        # The SDK asks once a second: three takes of eight, not more of fewer.
        self.assertEqual(worker.log.count("Jobs in queue: 8"), 3, worker.log)

    def test_workers_that_ask_for_different_numbers_burn_no_attempt(self):
        pod = self.queue()
        jobs = self.run_numbers(pod, 40, 0.05)
        for i, concurrency in enumerate((1, 3, 8)):
            self.worker(pod, f"w{i}", concurrency=concurrency)
        jobs += self.run_numbers(pod, 40, 0)
        for job in jobs:
            pod.wait_job(job, "COMPLETED", 60)
        self.assertEqual(self.handed_out(pod), dict.fromkeys(jobs, 1))

    def test_one_ends_on_request(self):
        pod = self.queue()
        leaving, staying = self.worker(pod, "w1"), self.worker(pod, "w2")
        jobs = self.run_numbers(pod, 6, 0.2)
        self.eventually(lambda: "Started." in leaving.log, "a job")
        leaving.signal(signal.SIGTERM)
        self.assert_ended_once(pod, jobs)
        self.assert_numbers(pod, jobs)
        self.assertEqual(leaving.wait_exit(20), 0)
        self.assertTrue(staying.alive())

    def test_the_queue_is_killed_and_comes_back(self):
        pod = self.queue(listen=pods.steady_address())
        for i in range(2):
            self.worker(pod, f"w{i}", concurrency=3)
        jobs = self.run_numbers(pod, 12, 0.8)
        pod.wait_job(jobs[0], "IN_PROGRESS")
        pod.kill()
        pod = self.again(pod)
        pod.wait_listening()
        for job in jobs:
            self.eventually(lambda j=job: pod.status(j).get("status") == "COMPLETED", job)
        self.assert_numbers(pod, jobs)

    def run_over_an_end(self, end):
        """Jobs that run while the pod ends and comes back; each runs once."""
        pod = self.queue("--pod.drain_budget", "500ms", listen=pods.steady_address())
        workers = [self.worker(pod, f"w{i}", concurrency=3) for i in range(2)]
        jobs = self.run_numbers(pod, 6, 8)
        for job in jobs:
            pod.wait_job(job, "IN_PROGRESS")
        self.eventually(
            lambda: sum(w.log.count("Started.") for w in workers) == len(jobs), "all of them run"
        )
        end(pod)
        pod = self.again(pod)
        pod.wait_listening()
        for job in jobs:
            self.assertEqual(pod.status(job)["status"], "IN_PROGRESS")
        for job in jobs:
            self.eventually(lambda j=job: pod.status(j).get("status") == "COMPLETED", job)
        self.assert_numbers(pod, jobs)
        self.assertEqual(sum(w.log.count("Started.") for w in workers), len(jobs))
        self.assertEqual(pod.get("/v2/tayfa/health").body["jobs"]["retried"], 0)

    def test_what_runs_goes_on_while_the_pod_is_killed_and_comes_back(self):
        self.run_over_an_end(lambda pod: pod.kill())

    def test_what_runs_goes_on_while_the_pod_is_stopped_and_comes_back(self):
        def stop(pod):
            pod.signal(signal.SIGTERM)
            self.assertEqual(pod.wait_exit(), 0)

        self.run_over_an_end(stop)

    def test_what_ends_while_the_pod_is_away_counts_when_it_is_back(self):
        pod = self.queue(listen=pods.steady_address())
        worker = self.worker(pod, "ours", kind=TayfaWorker.kind, concurrency=3)

        def seen(state):
            lines = [x for x in worker.log.splitlines() if "machine=job" in x]
            return sum(f" to={state} " in x for x in lines)

        jobs = self.run_numbers(pod, 3, 2)
        self.eventually(lambda: seen("IN_PROGRESS") == len(jobs), "all of them run")
        pod.kill()
        self.eventually(lambda: seen("COMPLETED") == len(jobs), "all of them end")
        pod = self.again(pod)
        pod.wait_listening()
        self.assert_ended_once(pod, jobs)
        self.assert_numbers(pod, jobs)
        self.assertEqual(seen("IN_PROGRESS"), len(jobs))
        self.assertEqual(pod.get("/v2/tayfa/health").body["jobs"]["retried"], 0)

    def test_with_a_key_for_workers(self):
        folder = self.folder()
        keys = {
            scope: self.tayfa(
                "key", "new", "--name", scope, "--scope", scope, "--keys", folder / "keys"
            ).stdout.strip()
            for scope in ("worker", "client")
        }
        pod = self.queue("--keys", folder / "keys")
        self.worker(pod, "right", arguments=("--key", keys["worker"]))
        wrong = self.worker(pod, "wrong", arguments=("--key", "not-a-key-of-this-pod"))
        given = {"Authorization": f"Bearer {keys['client']}"}
        answer = pod.post("/runsync", {"input": {"mock_return": 1}}, headers=given)
        self.assertEqual(answer.body["output"], 1)
        self.assertEqual(answer.body["workerId"], "right")
        self.eventually(lambda: "401" in wrong.log, "the refusal")

    def test_tayfas_own_worker(self):
        pod = self.queue()
        self.worker(pod, "ours", kind=TayfaWorker.kind, concurrency=2)
        self.worker(pod, "theirs", kind=SdkWorker.kind, concurrency=2)
        jobs = self.run_numbers(pod, 30, 0.02)
        self.assert_ended_once(pod, jobs)
        self.assert_numbers(pod, jobs)


if __name__ == "__main__":
    platform_case.main()
