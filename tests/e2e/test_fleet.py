"""A head and pods as real processes on loopback: joining by a join string, jobs on the pods' slots,
and what is left of them when a pod, the head or the trust in a pod ends.
"""


import time

import case
import pod as pods
from case import Case

# Short, so that a test of what a silent pod costs takes no minute.
LINK = ["--link.beat", "200ms", "--link.lost_after", "3s"]


class FleetCase(Case):
    def head(self, *arguments):
        """A head without slots of its own, at an address that its next process has as well."""
        self.address = pods.steady_address()
        return self.ready(
            "--slots", "0", "--link", self.address, *LINK, *arguments, listen=pods.steady_address()
        )

    def succeeds(self, *words):
        done = self.tayfa(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def token(self, head):
        return self.succeeds("link", "token", "--url", head.url).strip()

    def pod(self, name, join, *arguments):
        return self.start(
            "--slots",
            "2",
            "--name",
            name,
            *LINK,
            *arguments,
            role="pod",
            environment={"TAYFA_JOIN": join},
        )

    def joined(self, head, name, *arguments):
        pod = self.pod(name, self.token(head), *arguments)
        head.wait_for("pod_linked", pod=name)
        return pod.wait_ready()

    def fleet(self, *arguments):
        head = self.head(*arguments)
        return head, [self.joined(head, f"pod-{i}") for i in range(2)]

    def listed(self, head):
        return self.succeeds("link", "list", "--url", head.url)

    def state_of(self, head, name):
        found = [pod for pod in head.get("/pods").body["pods"] if pod["name"] == name]
        return found[0]["state"] if found else None


class joining(FleetCase):
    def test_a_pod_joins_once_and_needs_the_string_never_again(self):
        head = self.head()
        join = self.token(head)
        pod = self.pod("alpha", join)
        pod.wait_for("joined", name="alpha")
        head.wait_for("pod_joined", pod="alpha")
        head.wait_for("pod_linked", pod="alpha")
        pod.wait_ready()
        self.assertIn("alpha", self.listed(head))
        self.assert_stops(pod)
        again = self.again(pod)
        again.environment = None
        again.wait_for("head_linked")
        self.assertNotIn(join, again.tail(1000))

    def test_a_token_lets_one_pod_in(self):
        head = self.head()
        join = self.token(head)
        self.pod("alpha", join).wait_ready()
        late = self.pod("beta", join)
        self.assertNotEqual(late.wait_exit(), 0)
        self.assertIn("link token", late.tail())
        self.assertNotIn("beta", self.listed(head))

    def test_a_pod_whose_head_does_not_answer_yet_can_be_stopped(self):
        head = self.head()
        join = self.token(head)
        self.assert_stops(head)
        pod = self.pod("alpha", join)
        pod.wait_for("join_failed")
        began = time.monotonic()
        self.assertEqual(pod.stop(), 0, pod.tail())
        self.assertLess(time.monotonic() - began, 10)

    def test_a_pod_without_a_head_says_what_it_needs(self):
        pod = self.start(role="pod")
        self.assert_exit(pod, case.BAD_USAGE)
        self.assertIn("--join", pod.tail())

    def test_a_head_whose_port_is_taken_says_so_and_ends(self):
        self.head()
        second = self.start("--slots", "0", "--link", f"tcp://{self.address}")
        self.assertNotEqual(second.wait_exit(), 0)
        self.assertIn("cannot listen at", second.tail())

    def test_the_system_may_choose_the_port_of_the_link(self):
        head = self.ready("--slots", "0", "--link", "tcp://127.0.0.1:0")
        address = head.wait_for("listening_for_pods")["address"]
        self.assertRegex(address, r"^tcp://127\.0\.0\.1:[1-9]\d*$")
        self.pod("alpha", self.token(head)).wait_ready()

    def test_a_pod_refuses_jobs_and_names_its_head(self):
        head = self.head()
        pod = self.joined(head, "alpha")
        answer = pod.post("/run", {"input": 1})
        self.assertEqual(answer.status, 421)
        self.assertIn(self.address, answer.body["error"]["message"])
        self.assertEqual(len(pod.get("/slots").body["slots"]), 2)
        self.assertEqual(pod.get("/health").status, 200)
        self.assertIn("tayfa_head_linked 1", pod.get("/metrics").body.decode())


class operators(FleetCase):
    def test_the_list_can_be_changed_without_the_api(self):
        head = self.head()
        made = self.succeeds("link", "token", "--data", head.data, "--address", self.address)
        self.pod("alpha", made.strip()).wait_ready()
        self.assertIn("alpha", self.succeeds("link", "list", "--data", head.data))
        self.assertIn("revoked", self.succeeds("link", "revoke", "alpha", "--data", head.data))
        head.wait_for("pod_revoked", pod="alpha")
        self.assertIn("revoked", self.listed(head))

    def test_the_link_command_names_what_is_wrong(self):
        head = self.head()
        for words, text in (
            (("revoke", "nobody"), "no pod has the name or key nobody"),
            (("trust", "nobody"), "no pod has the name or key nobody"),
            (("token", "--address", "::"), "no valid host"),
        ):
            done = self.tayfa("link", *words, "--url", head.url)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(text, done.stderr)
        alone = self.ready()
        done = self.tayfa("link", "list", "--url", alone.url)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--link", done.stderr)

    def test_pods_are_shown_wherever_the_head_is_looked_at(self):
        head, _ = self.fleet()
        self.assertIn("pod-0", self.succeeds("pods", "--url", head.url))
        self.assertIn("pod-1", self.succeeds("status", "--url", head.url))
        self.assertIn("pod-1", self.succeeds("top", "--once", "--url", head.url))
        page = head.get("/metrics").body.decode()
        self.assertIn("tayfa_pods 2", page)
        for i in range(2):
            self.assertRegex(page, rf'tayfa_pod_slots{{pod="pod-{i}",key="[^"]*"}} 2\n')
            self.assertRegex(page, rf'tayfa_pod_linked{{pod="pod-{i}",key="[^"]*"}} 1\n')
        self.assertEqual(head.get("/health").body["workers"]["idle"], 4)
        for pod in head.get("/pods").body["pods"]:
            self.assertEqual((pod["state"], pod["slots"], pod["attempts"]), ("linked", 2, 0))
            self.assertGreater(pod["bytesIn"], 0)
            self.assertGreater(pod["bytesOut"], 0)

    def test_a_drained_pod_ends_its_jobs_and_gets_no_more_until_it_is_undrained(self):
        head, _ = self.fleet()
        first = [head.run({"mock_return": i, "mock_delay": 1}) for i in range(4)]
        for job in first:
            head.wait_job(job, "IN_PROGRESS")
        self.assertIn("drain", self.succeeds("pods", "drain", "pod-0", "--url", head.url))
        later = [head.run({"mock_return": i, "mock_delay": 0.1}) for i in range(6)]
        head.wait_for("pod_drained", pod="pod-0")
        self.assertEqual(self.state_of(head, "pod-0"), "drained")
        for job in first + later:
            head.wait_job(job, "COMPLETED")
        where = {job: head.detail(job)["workerId"].split("/")[0] for job in first + later}
        self.assertEqual({where[job] for job in first}, {"pod-0", "pod-1"}, "what runs ends there")
        self.assertEqual({where[job] for job in later}, {"pod-1"})
        self.succeeds("pods", "undrain", "pod-0", "--url", head.url)
        last = [head.run({"mock_return": i, "mock_delay": 0.5}) for i in range(4)]
        for job in last:
            head.wait_job(job, "COMPLETED")
        self.assertIn("pod-0", {head.detail(job)["workerId"].split("/")[0] for job in last})

    def test_a_fast_drain_moves_what_runs_at_no_cost(self):
        head, _ = self.fleet("--queue.retry_base", "1ms")
        ids = [head.run({"mock_return": i, "mock_delay": 2}) for i in range(4)]
        for job in ids:
            head.wait_job(job, "IN_PROGRESS")
        self.succeeds("pods", "drain", "pod-0", "--fast", "--url", head.url)
        head.wait_for("pod_drained", pod="pod-0")
        for i, job in enumerate(ids):
            head.wait_job(job, "COMPLETED")
            self.assertEqual(head.status(job)["output"], i)
            self.assertEqual(head.detail(job)["workerId"].split("/")[0], "pod-1")
        self.assertEqual(self.tayfa("pods", "drain", "nobody", "--url", head.url).returncode, 1)


class jobs(FleetCase):
    def test_jobs_run_on_the_slots_of_all_pods(self):
        head, fleet = self.fleet()
        ids = [head.run({"mock_return": i, "mock_delay": 0.2}) for i in range(12)]
        for job in ids:
            head.wait_job(job, "COMPLETED")
        self.assertEqual([head.status(job)["output"] for job in ids], list(range(12)))
        workers = {head.detail(job)["workerId"] for job in ids}
        self.assertEqual(
            workers, {f"pod-{i}/slot-{j}" for i in range(2) for j in range(2)}, "all slots"
        )
        for pod in fleet:
            self.assert_stops(pod)
        self.assert_stops(head)

    def test_large_texts_go_both_ways(self):
        head = self.head()
        self.joined(head, "alpha")
        text = "0123456789abcdef" * 40_000
        job = head.run({"mock_return": text})
        head.wait_job(job, "COMPLETED")
        self.assertEqual(head.status(job)["output"], text)


class kills(FleetCase):
    def completes(self, head, ids):
        for job in ids:
            head.wait_job(job, "COMPLETED", 90)
        for i, job in enumerate(ids):
            self.assertEqual(head.status(job)["output"], i)
        ends = [x["job"] for x in head.moves("job") if x["to"] in case.FINAL]
        for job in ids:
            self.assertLessEqual(ends.count(job), 1, "one result each")

    def test_a_killed_pod_loses_no_job(self):
        head, fleet = self.fleet("--queue.retry_base", "1ms")
        ids = [head.run({"mock_return": i, "mock_delay": 0.5}) for i in range(20)]
        head.wait_job(ids[2], "IN_PROGRESS")
        fleet[0].kill()
        self.again(fleet[0])
        self.completes(head, ids)

    def test_a_killed_head_loses_no_job_and_repeats_nothing(self):
        head, fleet = self.fleet("--queue.retry_base", "1ms")
        ids = [
            head.run(
                {
                    "mock_return": i,
                    "mock_delay": 0.5,
                    "mock_logs": [{"level": "info", "message": f"runs job {i}"}],
                }
            )
            for i in range(20)
        ]
        head.wait_job(ids[4], "COMPLETED")
        head.kill()
        head = self.again(head).wait_ready()
        for job in ids:  # some had ended durably, and the log was not written any more
            if head.status(job)["status"] not in case.FINAL:
                head.wait_job(job, "COMPLETED", 90)
        runs = [x["text"] for pod in fleet for x in pod.lines if x["text"].startswith("runs job")]
        for i, job in enumerate(ids):
            self.assertEqual(head.status(job)["output"], i)
            self.assertEqual(runs.count(f"runs job {i}"), 1, "it ran once")

    def test_a_revoked_pod_is_cut_off_and_its_jobs_run_elsewhere(self):
        head, fleet = self.fleet("--queue.retry_base", "1ms")
        ids = [head.run({"mock_return": i, "mock_delay": 1}) for i in range(4)]
        for job in ids:
            head.wait_job(job, "IN_PROGRESS")
        self.succeeds("link", "revoke", "pod-0", "--url", head.url)
        head.wait_for("pod_revoked", pod="pod-0")
        self.completes(head, ids)
        self.assertEqual(
            {head.detail(job)["workerId"].split("/")[0] for job in ids}, {"pod-1"}
        )


if __name__ == "__main__":
    case.main()
