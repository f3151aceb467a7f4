"""A head and pods as real processes on loopback: joining by a join string, jobs on the pods' slots,
and what is left of them when a pod, the head or the trust in a pod ends.
"""


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

    def token(self, head):
        made = self.tayfa("link", "token", "--data", head.data, "--address", self.address)
        self.assertEqual(made.returncode, 0, made.stderr)
        return made.stdout.strip()

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
        out = self.tayfa("link", "list", "--data", head.data)
        self.assertEqual(out.returncode, 0, out.stderr)
        return out.stdout


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

    def test_a_pod_without_a_head_says_what_it_needs(self):
        pod = self.start(role="pod")
        self.assert_exit(pod, case.BAD_USAGE)
        self.assertIn("--join", pod.tail())

    def test_a_pod_refuses_jobs_and_names_its_head(self):
        head = self.head()
        pod = self.joined(head, "alpha")
        answer = pod.post("/run", {"input": 1})
        self.assertEqual(answer.status, 421)
        self.assertIn(self.address, answer.body["error"]["message"])
        self.assertEqual(len(pod.get("/slots").body["slots"]), 2)
        self.assertEqual(pod.get("/health").status, 200)
        self.assertIn("tayfa_head_linked 1", pod.get("/metrics").body.decode())


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

    def test_a_killed_head_loses_no_job(self):
        head, _ = self.fleet("--queue.retry_base", "1ms")
        ids = [head.run({"mock_return": i, "mock_delay": 0.5}) for i in range(20)]
        head.wait_job(ids[4], "COMPLETED")
        ended = {x["job"] for x in head.moves("job") if x["to"] == "COMPLETED"}
        head.kill()
        head = self.again(head).wait_ready()
        for job in ids:
            if job not in ended:
                head.wait_job(job, "COMPLETED", 90)
        for i, job in enumerate(ids):
            self.assertEqual(head.status(job)["output"], i)

    def test_a_revoked_pod_is_cut_off_and_its_jobs_run_elsewhere(self):
        head, fleet = self.fleet("--queue.retry_base", "1ms")
        ids = [head.run({"mock_return": i, "mock_delay": 1}) for i in range(4)]
        for job in ids:
            head.wait_job(job, "IN_PROGRESS")
        out = self.tayfa("link", "revoke", "pod-0", "--data", head.data)
        self.assertEqual(out.returncode, 0, out.stderr)
        head.wait_for("pod_revoked", pod="pod-0")
        self.completes(head, ids)
        self.assertEqual(
            {head.detail(job)["workerId"].split("/")[0] for job in ids}, {"pod-1"}
        )


if __name__ == "__main__":
    case.main()
