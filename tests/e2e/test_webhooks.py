"""Webhooks with a real receiver: it is called once when it listens and again when it fails. Blocked
addresses are never called, and no job waits for a webhook.
"""

import case
from case import OK, Case
from hook_receiver import DRIP, DROP, NEVER, Answer, HookReceiver, redirect

LOOPBACK = ["--webhook.allow_private", "127.0.0.0/8"]
QUICKLY = [*LOOPBACK, "--webhook.pause", "50ms"]


class HookCase(Case):
    def setUp(self):
        self.hooks = HookReceiver()
        self.addCleanup(self.hooks.close)

    def submit(self, pod, script, path="/hook", **more):
        return pod.run(script, webhook=self.hooks.url(path), **more)

    def wait_notified(self, pod, job, delivered=True, count=1, timeout=60):
        """The lines of the log about that many calls for this job."""
        fields = {"job": job, "delivered": "true" if delivered else "false"}

        def found(lines):
            calls = [x for x in lines if x.matches("webhook", fields)]
            return calls if len(calls) >= count else None

        return pod.wait_until(found, f"{count} calls {fields}", timeout)


class delivery(HookCase):
    def test_it_says_what_status_says_once(self):
        pod = self.ready(*QUICKLY)
        job = self.submit(pod, {"mock_return": {"a": [1, "é"]}})
        (post,) = self.hooks.wait(1)
        self.assertEqual((post.method, post.path), ("POST", "/hook"))
        self.assertEqual(post.headers["content-type"], "application/json")
        self.assertEqual(post.json, pod.status(job))
        self.wait_notified(pod, job)
        self.assert_stops(pod)
        self.assertEqual(len(self.hooks.posts()), 1)

    def test_every_way_to_end_is_reported(self):
        pod = self.ready(*QUICKLY, "--queue.ttl", "1s", "--queue.max_attempts", "1")
        jobs = {
            "COMPLETED": self.submit(pod, {"mock_stream": ["a"], "mock_aggregate": True}),
            "FAILED": self.submit(pod, {"mock_error": "no such style"}),
        }
        for state, job in jobs.items():
            pod.wait_job(job, state)
        jobs["TIMED_OUT"] = self.submit(pod, {"mock_hang": True})
        jobs["CANCELLED"] = self.submit(pod, {"mock_return": "never"})
        pod.post(f"/cancel/{jobs['CANCELLED']}")
        notified = {x.json["id"]: x.json for x in self.hooks.wait(4)}
        self.assertEqual({notified[job]["status"]: job for job in jobs.values()}, jobs)
        self.assertEqual(notified[jobs["COMPLETED"]]["output"], ["a"])
        self.assertEqual(notified[jobs["FAILED"]]["error"], "no such style")
        self.assertNotIn("output", notified[jobs["CANCELLED"]])

    def test_a_large_output_is_in_it(self):
        pod = self.ready(*QUICKLY)
        text = "0123456789" * 50_000
        self.submit(pod, {"mock_return": text})
        self.assertEqual(self.hooks.wait(1)[0].json["output"], text)

    def test_runsync_jobs_too(self):
        pod = self.ready(*QUICKLY)
        body = {"input": {"mock_return": 1}, "webhook": self.hooks.url()}
        answer = pod.post("/runsync", body).body
        self.assertEqual(self.hooks.wait(1)[0].json, answer)


class trying_again(HookCase):
    def test_until_it_is_taken(self):
        self.hooks.script("/hook", DROP, 500, 503, 204)
        pod = self.ready(*QUICKLY, "--webhook.tries", "9")
        job = self.submit(pod, {"mock_return": 1})
        posts = self.hooks.wait(4)
        self.wait_notified(pod, job)
        self.assertEqual(len({x.body for x in posts}), 1, "the same each time")
        refused = self.wait_notified(pod, job, False, 3)
        self.assertEqual([x["text"] for x in refused[1:]], ["status 500", "status 503"])
        self.assert_stops(pod)
        self.assertEqual(len(self.hooks.posts()), 4)

    def test_not_for_ever(self):
        self.hooks.script("/hook", 500)
        pod = self.ready(*QUICKLY, "--webhook.tries", "2")
        job = self.submit(pod, {"mock_return": "here all the same"})
        self.wait_notified(pod, job, False, 2)
        # A later job's call comes after any third one would have.
        later = self.submit(pod, {"mock_return": 2}, "/other", policy={"delay": 500})
        self.wait_notified(pod, later)
        self.assertEqual(len(self.hooks.posts("/hook")), 2)
        self.assertEqual(pod.status(job)["output"], "here all the same")

    def test_zero_tries_is_never(self):
        pod = self.ready(*QUICKLY, "--webhook.tries", "0")
        job = self.submit(pod, {"mock_return": 1})
        pod.wait_job(job, "COMPLETED")
        self.assert_stops(pod)
        self.assertEqual(self.hooks.posts(), [])

    def test_a_redirect_is_not_followed(self):
        self.hooks.script("/hook", redirect(self.hooks.url("/elsewhere")))
        pod = self.ready(*QUICKLY, "--webhook.tries", "1")
        job = self.submit(pod, {"mock_return": 1})
        (line,) = self.wait_notified(pod, job, False)
        self.assertEqual(line["text"], "status 307")
        self.assert_stops(pod)
        self.assertEqual(self.hooks.posts("/elsewhere"), [])

    def test_an_answer_without_end_does_not_count(self):
        self.hooks.script("/hook", Answer(200, body=b"x" * 10_000_000), 200)
        pod = self.ready(*QUICKLY)
        job = self.submit(pod, {"mock_return": 1})
        self.hooks.wait(1)
        self.wait_notified(pod, job)


class ends_of_the_process(HookCase):
    def test_a_kill_between_the_end_and_the_delivery(self):
        self.hooks.script("/hook", NEVER, 200)
        pod = self.ready(*QUICKLY)
        job = self.submit(pod, {"mock_return": "kept"})
        self.hooks.wait(1)
        self.assertEqual(pod.status(job)["status"], "COMPLETED")
        pod.kill()
        pod = self.again(pod).wait_ready()
        post = self.hooks.wait(2)[1]
        self.wait_notified(pod, job)
        self.assertEqual(post.json["output"], "kept")
        pod.post("/runsync", {"input": {}})  # what was known before is durable when it is answered
        pod.kill()
        pod = self.again(pod).wait_ready()
        self.assert_stops(pod)
        self.assertEqual(len(self.hooks.posts()), 2, "what was delivered is not delivered again")

    def test_a_kill_between_two_tries(self):
        self.hooks.script("/hook", 500, 500, 200)
        pod = self.ready(*LOOPBACK, "--webhook.pause", "500ms", "--webhook.tries", "3")
        job = self.submit(pod, {"mock_return": 1})
        self.wait_notified(pod, job, False)
        pod.kill()
        pod = self.again(pod)
        self.hooks.wait(3)
        self.wait_notified(pod, job)
        self.wait_notified(pod, job, False)

    def test_a_call_that_was_cut_off_does_not_count(self):
        self.hooks.script("/hook", NEVER, 500, 200)
        pod = self.ready(*QUICKLY, "--webhook.tries", "1")
        job = self.submit(pod, {"mock_return": 1})
        self.hooks.wait(1)
        pod.kill()
        pod = self.again(pod).wait_ready()
        self.hooks.wait(2)
        self.wait_notified(pod, job, False)
        later = self.submit(pod, {"mock_return": 2}, "/other", policy={"delay": 300})
        self.wait_notified(pod, later)
        self.assertEqual(len(self.hooks.posts("/hook")), 2)
        self.assertEqual(pod.status(job)["output"], 1)

    def test_a_stop_does_not_wait_for_them(self):
        self.hooks.script("/hook", NEVER, 200)
        pod = self.ready(*QUICKLY)
        job = self.submit(pod, {"mock_return": 1})
        self.hooks.wait(1)
        self.assertEqual(pod.stop(), OK)
        pod = self.again(pod)
        self.hooks.wait(2)
        self.wait_notified(pod, job)


class what_may_not_be_called(HookCase):
    def test_private_addresses(self):
        pod = self.ready("--webhook.pause", "10ms", "--webhook.tries", "2")
        urls = [
            self.hooks.url(),
            self.hooks.url(host="localhost"),
            f"http://[::1]:{self.hooks.port}/hook",
            f"http://[::ffff:127.0.0.1]:{self.hooks.port}/hook",
            f"http://2130706433:{self.hooks.port}/hook",
            f"http://0.0.0.0:{self.hooks.port}/hook",
            "http://169.254.169.254/latest/meta-data/",
            "http://10.0.0.1:8000/",
        ]
        for url in urls:
            answer = pod.post("/run", {"input": {"mock_return": url}, "webhook": url})
            if answer.status == 200:
                job = answer.body["id"]
                (line, *_) = self.wait_notified(pod, job, False)
                self.assertIn("webhook_refused", line["text"], url)
                self.assertEqual(pod.status(job)["output"], url)
            else:
                self.assertEqual(answer.status, 400, url)
        self.assertEqual(self.hooks.posts(), [])

    def test_what_is_no_url(self):
        pod = self.ready("--slots", "0")
        for url in ("ftp://example.com/", "file:///etc/passwd", "no url", "http://", 7, "x" * 5000):
            answer = pod.post("/run", {"input": {}, "webhook": url})
            self.assertEqual(answer.status, 400, (url, answer.body))
        self.assertEqual(pod.get("/jobs").body["jobs"], [])


class nobody_waits(HookCase):
    def test_other_jobs_and_other_hooks_go_on(self):
        self.hooks.script("/dead", NEVER)
        self.hooks.script("/drip", DRIP)
        pod = self.ready(*QUICKLY, "--slots", "2")
        stuck = [
            self.submit(pod, {"mock_return": i}, path)
            for i in range(20)
            for path in ("/dead", "/drip")
        ]
        for job in stuck:
            pod.wait_job(job, "COMPLETED")
        for i in range(20):
            answer = pod.post("/runsync", {"input": {"mock_return": i}})
            self.assertEqual(answer.body["output"], i)
        with HookReceiver() as alive:
            notified = pod.run({"mock_return": "delivered"}, webhook=alive.url())
            self.assertEqual(alive.wait(1)[0].json["output"], "delivered")
            self.wait_notified(pod, notified)
        self.assertEqual(pod.stop(), OK)

    def hang(self, pod, hooks, jobs, one_host):
        """So many jobs of Bob's, whose receivers take the call and never answer."""
        hooks.script("/dead", NEVER)
        for i in range(jobs):
            host = "127.0.0.1" if one_host else f"127.0.{1 + i // 250}.{1 + i % 250}"
            url = hooks.url("/dead", host=host)
            job = pod.run({"mock_return": i}, webhook=url, policy={"tenant": "bob"})
        pod.wait_job(job, "COMPLETED")

    def test_a_tenant_whose_receivers_hang_holds_up_no_other(self):
        for one_host in (False, True):
            with self.subTest(one_host=one_host), HookReceiver("0.0.0.0") as hooks:
                pod = self.ready(*LOOPBACK, "--slots", "2", "--webhook.calls", "8")
                self.hang(pod, hooks, 60, one_host)
                # Her calls take none of the time-out of his, which is 10 s.
                alice = [
                    pod.run({"mock_return": i}, webhook=hooks.url(), policy={"tenant": "alice"})
                    for i in range(5)
                ]
                notified = hooks.wait(5, "/hook", timeout=9)
                self.assertEqual({x.json["id"] for x in notified}, set(alice))
                bobs = len(hooks.posts("/dead"))
                self.assertLessEqual(bobs, 4, "half of the places")
                self.assertEqual(pod.stop(), OK)

    def test_those_that_wait_cost_no_try_and_are_not_forgotten(self):
        with HookReceiver("0.0.0.0") as hooks:
            options = [*QUICKLY, "--slots", "2", "--webhook.calls", "4", "--webhook.tries", "1"]
            pod = self.ready(*options)
            self.hang(pod, hooks, 20, False)
            begun = len(hooks.wait(2, "/dead"))
            self.assertEqual(begun, 2)
            pod.kill()
            hooks.script("/dead", 200)
            self.again(pod).wait_ready()
            notified = hooks.wait(begun + 20, "/dead")[begun:]
            self.assertEqual(sorted(x.json["output"] for x in notified), list(range(20)))

    def test_many_are_all_called_once(self):
        pod = self.ready(*QUICKLY, "--slots", "4")
        jobs = {self.submit(pod, {"mock_return": i}): i for i in range(150)}
        posts = self.hooks.wait(150)
        self.assertEqual({x.json["id"]: x.json["output"] for x in posts}, jobs)
        for job in jobs:
            self.wait_notified(pod, job)
        self.assert_stops(pod)
        self.assertEqual(len(self.hooks.posts()), 150)


if __name__ == "__main__":
    case.main()
