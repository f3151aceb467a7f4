"""Two heads on one PostgreSQL, under fault: one is killed, stopped and continued, or ends; the database
is started again. Every job that was accepted has one result, and no head writes what is another's.
"""

import http.client
import json
import signal
import threading
import time

import case
from case import INTERNAL, OK
from database_case import DatabaseCase
from hook_receiver import HookReceiver

LEASE = "1500ms"
FOUND_WITHIN = 15.0  # seconds: a lease, two looks, and a machine that is busy


class heads(DatabaseCase):
    def head(self, name, *arguments, **options):
        return self.pod(
            "--store.head", name, "--store.lease", LEASE, *arguments, **options
        )

    def two(self, *of_first, second=("--slots", "2")):
        first = self.head("first", *of_first)
        other = self.head("second", *second)
        return first.wait_ready(), other.wait_ready()

    def states(self):
        """Everything that the database says of jobs: who has them and how they stand."""
        tables = ("requests", "states", "results", "ids")
        return [self.query(f"SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM {each} AS t")
                for each in tables]

    def adopted(self, pod, jobs, from_="first"):
        """Until this head has taken that many jobs."""
        def all_of(lines):
            taken = [x for x in lines if x.event == "jobs_adopted" and x["from"] == from_]
            return sum(int(x["jobs"]) for x in taken) == jobs

        pod.wait_until(all_of, f"{jobs} jobs adopted", FOUND_WITHIN)

    def test_the_jobs_of_a_head_that_was_killed_go_on_at_the_other(self):
        allow = ("--webhook.allow_private", "127.0.0.0/8")
        first, other = self.two("--slots", "1", *allow, second=("--slots", "2", *allow))
        with HookReceiver() as hooks:
            ended = first.run({"mock_return": "ended"})
            first.wait_job(ended, "COMPLETED")
            runs = first.run({"mock_return": "ran", "mock_delay": 1.5})
            first.wait_job(runs, "IN_PROGRESS")
            waits = [first.run({"mock_return": i}) for i in range(20)]
            later = first.run({"mock_return": "later"}, policy={"delay": 500})
            hooked = first.run({"mock_return": "hook"}, webhook=hooks.url("/hook"))
            first.kill()
            self.adopted(other, 24)
            self.assertEqual(other.status(ended)["output"], "ended")
            self.assertEqual(self.output(other, runs), "ran")
            self.assertEqual([self.output(other, job) for job in waits], list(range(20)))
            self.assertEqual(self.output(other, later), "later")
            self.assertEqual(self.output(other, hooked), "hook")
            hooks.wait(1, path="/hook")
        lost = other.detail(runs)
        self.assertEqual(lost["attempts"], 2, lost)
        self.assertIn("the runtime ended while it ran", json.dumps(lost["history"]))
        # A job that is accepted afterwards has a number of its own head's range.
        self.assertEqual(self.output(other, other.run({"mock_return": "new"})), "new")
        ours = "(SELECT head FROM heads WHERE name = 'second')"
        self.assertEqual(self.query(f"SELECT count(*) FROM states WHERE owner = {ours}"), "25")
        self.assertEqual(
            self.query("SELECT last_order >> 40 = head - 1 FROM heads WHERE name = 'second'"), "t"
        )
        self.assertEqual(other.stop(), OK)

    def test_a_head_that_was_stopped_writes_nothing_when_it_goes_on(self):
        first, other = self.two("--slots", "1")
        runs = first.run({"mock_return": "ran", "mock_delay": 1})
        first.wait_job(runs, "IN_PROGRESS")
        waits = [first.run({"mock_return": i}) for i in range(5)]
        engines = first.engines()  # they go on, and have a result when their head wakes up
        first.signal(signal.SIGSTOP)
        self.adopted(other, 6)
        self.assertEqual([self.output(other, job) for job in [runs, *waits]],
                         ["ran", 0, 1, 2, 3, 4])
        before = self.states()
        first.signal(signal.SIGCONT)
        self.assert_exit(first, INTERNAL)
        said = first.wait_for("store_failed")["text"]
        self.assertIn("has taken over the jobs of head first", said)
        self.assertIn("second at ", said)
        self.assertEqual(self.states(), before)
        for engine in engines:
            self.assert_gone(engine)
        # It joins again, as a head without jobs.
        again = self.again(first).wait_ready()
        self.assertEqual(again.wait_for("store_opened")["jobs"], "0")
        self.assertEqual(self.output(again, again.run({"mock_return": "again"})), "again")
        self.assertEqual(again.stop(), OK)
        self.assertEqual(other.stop(), OK)

    def test_what_a_head_leaves_when_it_stops_goes_to_the_other(self):
        first, other = self.two("--slots", "0")
        jobs = [first.run({"mock_return": i}) for i in range(5)]
        self.assertEqual(first.stop(), OK)
        self.assertEqual([self.output(other, job) for job in jobs], list(range(5)))
        self.assertEqual(other.stop(), OK)

    def test_a_database_that_was_away_makes_nobody_dead(self):
        first, other = self.two("--slots", "1", second=("--slots", "1"))
        jobs = {pod: pod.run({"mock_return": pod.pid, "mock_delay": 1}) for pod in (first, other)}
        self.stop_database()
        time.sleep(2.0)  # longer than the lease: the absence itself is what is tested
        self.start_database()
        for pod, job in jobs.items():
            self.assertEqual(self.output(pod, job), pod.pid)
        time.sleep(3.0)  # likewise: the time in which it would be adopted
        for pod in (first, other):
            self.assertEqual([x for x in pod.lines if x.event == "jobs_adopted"], [])
            self.assertEqual(pod.stop(), OK)


class any_head(DatabaseCase):
    """Each call about a job of the first head is made at the second."""

    def setUp(self):
        super().setUp()
        self.owner = self.head("owner", "--slots", "1").wait_ready()
        self.asked = self.head("asked", "--slots", "0").wait_ready()

    def head(self, name, *arguments):
        return self.pod("--store.head", name, "--store.lease", "20s", *arguments)

    def test_state_and_output_are_those_of_the_store(self):
        job = self.owner.run({"mock_return": "x" * 200_000})
        self.owner.wait_job(job, "COMPLETED")
        self.assertEqual(self.asked.status(job)["output"], "x" * 200_000)
        self.assertEqual(self.asked.detail(job)["attempts"], 1)
        self.assertEqual(self.asked.get("/v2/tayfa/status/nothing").status, 404)

    def test_a_client_waits_for_the_end_at_any_head(self):
        job = self.owner.run({"mock_return": "late", "mock_delay": 1.5})
        ended = self.asked.post(f"/v2/tayfa/status-sync/{job}?wait=20000")
        self.assertEqual((ended.body["status"], ended.body["output"]), ("COMPLETED", "late"))

    def test_cancel_retry_and_drop_reach_the_owner(self):
        runs = self.owner.run({"mock_delay": 60})
        self.owner.wait_job(runs, "IN_PROGRESS")
        cancelled = self.asked.post(f"/v2/tayfa/cancel/{runs}")
        self.assertEqual((cancelled.status, cancelled.body["status"]), (200, "CANCELLED"))
        self.owner.wait_job(runs, "CANCELLED")
        fails = self.owner.run({"mock_error": "no"})
        self.owner.wait_job(fails, "FAILED")
        after = len(self.owner.lines)
        self.assertEqual(self.asked.post(f"/v2/tayfa/retry/{fails}").status, 200)
        self.owner.wait_for("job_retried", after=after, job=fails)
        self.owner.wait_for("state", after=after, machine="job", job=fails, to="FAILED")
        self.assertEqual(self.asked.post(f"/drop/{fails}").status, 200)
        self.assertEqual(self.owner.get(f"/v2/tayfa/status/{fails}").status, 404)
        self.assertEqual(self.asked.get(f"/v2/tayfa/status/{fails}").status, 404)
        wrong = self.asked.post(f"/v2/tayfa/retry/{runs}")
        self.assertEqual((wrong.status, wrong.body["error"]["code"]), (409, "wrong_state"))

    def test_a_stream_is_read_once_at_any_head(self):
        job = self.owner.run({"mock_stream": ["a", "b", "c"]})
        self.owner.wait_job(job, "COMPLETED")
        read = self.asked.get(f"/v2/tayfa/stream/{job}")
        self.assertEqual([each["output"] for each in read.body["stream"]], ["a", "b", "c"])
        self.eventually(
            lambda: self.owner.get(f"/v2/tayfa/stream/{job}").body["stream"] == [],
            "the owner knows that they were received",
        )

    def test_a_purge_is_of_all_heads(self):
        runs = self.owner.run({"mock_delay": 60})
        self.owner.wait_job(runs, "IN_PROGRESS")
        for pod in (self.owner, self.asked):
            for _ in range(3):
                pod.run({})
        purged = self.asked.post("/v2/tayfa/purge-queue")
        self.assertEqual((purged.status, purged.body["removed"]), (200, 6))
        self.assertEqual(self.owner.get("/v2/tayfa/health").body["jobs"]["inQueue"], 0)

    def test_an_idempotency_key_is_one_job_at_all_heads(self):
        job = self.owner.run({"mock_return": "once"}, key="key")
        self.owner.wait_job(job, "COMPLETED")
        self.assertEqual(self.asked.run({"mock_return": "once"}, key="key"), job)
        other = self.asked.post("/v2/tayfa/run", {"input": {}}, headers={"Idempotency-Key": '"key"'})
        self.assertEqual(other.body["error"]["code"], "idempotency_mismatch")

    def test_lists_say_which_head_they_cover(self):
        for path in ("/jobs", "/v2/tayfa/requests", "/v2/tayfa/health"):
            self.assertEqual(self.asked.get(path).headers["X-Tayfa-Head"], "asked", path)

    def test_an_owner_that_is_silent_is_unavailable_and_what_only_reads_is_answered(self):
        job = self.owner.run({"mock_return": 1, "mock_delay": 60})
        self.owner.wait_job(job, "IN_PROGRESS")
        self.owner.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            answer = self.asked.post(f"/v2/tayfa/cancel/{job}")
            self.assertLess(time.monotonic() - began, 10.0)
            self.assertEqual((answer.status, answer.body["error"]["code"]), (503, "unavailable"))
            self.assertIn("head owner", answer.body["error"]["message"])
            self.assertTrue(answer.headers["Retry-After"])
            self.assertEqual(self.asked.status(job)["status"], "IN_PROGRESS")
        finally:
            self.owner.signal(signal.SIGCONT)


class heads_under_load(DatabaseCase):
    """Jobs come to both heads all the time; each in turn is killed or stopped, and started again."""

    JOBS = 240

    def head(self, name):
        return self.pod("--store.head", name, "--store.lease", LEASE, "--slots", "2").wait_ready()

    def feed(self, name, accepted, stop):
        """Submits until it is told to stop; what is answered with an id has been accepted."""
        number = 0
        while not stop.is_set():
            pod = self.live[name]
            number += 1
            text = f"{name} {number}"
            try:
                answer = pod.post("/v2/tayfa/run", {"input": {"mock_return": text, "mock_delay": 0.02}})
                if answer.status == 200:
                    accepted[answer.body["id"]] = text
            except (OSError, http.client.HTTPException):  # its head is away
                time.sleep(0.05)

    def test_nothing_is_lost_and_nothing_ends_twice(self):
        self.live = {name: self.head(name) for name in ("first", "second")}
        pods = list(self.live.values())
        accepted, stop = {}, threading.Event()
        feeders = [threading.Thread(target=self.feed, args=(name, accepted, stop))
                   for name in self.live]
        for each in feeders:
            each.start()
        try:
            for turn, (name, how) in enumerate(
                [("first", "kill"), ("second", "stop"), ("first", "database"), ("second", "kill")]
            ):
                had = len(accepted)
                self.eventually(lambda had=had: len(accepted) >= had + self.JOBS // 4, "load")
                self.fault(name, how, pods)
        finally:
            stop.set()
            for each in feeders:
                each.join()
        self.assertGreaterEqual(len(accepted), self.JOBS)
        self.eventually(lambda: self.query(
            "SELECT count(*) FROM states WHERE state < 2") == "0", "all have ended")
        rows = self.query("SELECT convert_from(r.id, 'UTF8'), s.state, "
                          "convert_from(o.output, 'UTF8') FROM requests AS r "
                          "JOIN states AS s ON s.job = r.job LEFT JOIN results AS o ON o.job = r.job")
        found = dict(row.split("|", 1) for row in rows.splitlines())
        wrong = {job: found.get(job) for job, text in accepted.items()
                 if found.get(job) != "2|" + json.dumps(text)}
        self.assertEqual(wrong, {})
        # One result each: over all logs of all processes, each job has come to its end once.
        ends = {}
        for line in (line for pod in pods for line in pod.lines):
            if line.event == "state" and line["machine"] == "job" and line["to"] == "COMPLETED":
                ends[line["job"]] = ends.get(line["job"], 0) + 1
        self.assertEqual({job: n for job, n in ends.items() if n > 1}, {})
        for pod in self.live.values():
            self.assertEqual(pod.stop(), OK)

    def fault(self, name, how, pods):
        pod, other = self.live[name], self.live["second" if name == "first" else "first"]
        if how == "database":
            self.stop_database()
            self.start_database()
            return
        after = len(other.lines)
        if how == "kill":
            pod.kill()
        else:
            pod.signal(signal.SIGSTOP)
        other.wait_for("jobs_adopted", FOUND_WITHIN, after, from_=name)
        if how == "stop":
            pod.signal(signal.SIGCONT)
            self.assert_exit(pod, INTERNAL)
        self.live[name] = self.head(name)
        pods.append(self.live[name])


if __name__ == "__main__":
    case.main()
