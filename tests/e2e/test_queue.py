"""Decisions of the queue with real engines, about which job is next, refused, or waits, and why:
priorities, tenants, bounds, idempotency keys, times, the dead list. (Batches, poison and many slots:
test_company.py.)
"""

import collections
import concurrent.futures
import http.client
import json
import os
import signal

import case
from queue_case import QueueCase, began


class who_is_next(QueueCase):
    def test_urgent_before_normal_before_low(self):
        pod = self.held()
        wanted = collections.defaultdict(list)
        for policy in ({"lowPriority": True}, {}, {"priority": 9}, {"priority": 0}) * 3:
            job = pod.run({}, policy=policy)
            wanted[json.dumps(policy)].append(job)
        self.release(pod)
        jobs = [x for p in ('{"priority": 9}', "{}", '{"lowPriority": true}') for x in wanted[p]]
        jobs += wanted['{"priority": 0}']
        self.finish(pod, jobs)
        self.assertEqual(began(pod)[1:], jobs)

    def test_an_early_deadline_goes_first(self):
        pod = self.held()
        late = pod.run({}, policy={"deadline": 100_000})
        usual = pod.run({})
        early = pod.run({}, policy={"deadline": 1_000})
        self.release(pod)
        self.finish(pod, [late, usual, early])
        self.assertEqual(began(pod)[1:], [early, late, usual])
        self.assertEqual(pod.status(early)["status"], "COMPLETED")

    def test_a_tenant_with_many_jobs_does_not_shut_out_another(self):
        pod = self.held()
        many = [pod.run({"mock_delay": 0.01}, policy={"tenant": "many"}) for _ in range(40)]
        few = [pod.run({"mock_delay": 0.01}, policy={"tenant": "few"}) for _ in range(5)]
        self.release(pod)
        self.finish(pod, many + few)
        order = began(pod)[1:]
        self.assertLess(max(order.index(x) for x in few), 30)
        self.assertEqual([x for x in order if x in many], many, "within a tenant: in order")

    def test_shares_follow_weights(self):
        pod = self.held("--queue.tenants", "gold=4,iron=1")
        tenant = {}
        for name in ("iron", "gold") * 20:
            tenant[pod.run({"mock_delay": 0.05}, policy={"tenant": name})] = name
        self.release(pod)
        self.finish(pod, tenant)
        first = collections.Counter(tenant[x] for x in began(pod)[1:16])
        self.assertGreaterEqual(first["gold"], 9, first)
        self.assertGreaterEqual(first["iron"], 1, first)

    def test_a_tenants_quota_of_running_jobs(self):
        pod = self.ready("--slots", "2", "--queue.tenants", "small=1:1")
        first, second = (pod.run({"mock_hang": True}, policy={"tenant": "small"}) for _ in range(2))
        pod.wait_job(first, "IN_PROGRESS")
        self.assertEqual(self.reason(pod, second), "quota")
        other = pod.post("/runsync", {"input": {"mock_return": 1}, "policy": {"tenant": "other"}})
        self.assertEqual(other.body["output"], 1)
        pod.post(f"/cancel/{first}")
        pod.wait_job(second, "IN_PROGRESS")


class who_is_refused(QueueCase):
    def test_beyond_the_queue_nothing_is_inserted(self):
        pod = self.held("--queue.max", "3")
        jobs = [pod.run({"mock_return": i}) for i in range(3)]
        known = self.known(pod)
        for path in ("/run", "/runsync"):
            self.assert_refused(pod, pod.post(path, {"input": {}}), 429, "queue_full")
        self.assertEqual(self.known(pod), known)
        self.assertEqual(pod.get("/health").body["jobs"]["inQueue"], 3)
        keyed = pod.post("/run", {"input": {}}, headers={"Idempotency-Key": "k"})
        self.assert_refused(pod, keyed, 429, "queue_full")
        pod.post(f"/cancel/{jobs[0]}")
        self.assertNotIn(pod.run({"mock_return": "k"}, key="k"), known)
        self.release(pod)
        self.finish(pod, jobs[1:])

    def test_beyond_the_bytes(self):
        pod = self.held("--queue.bytes_max", "1048576")
        big = {"input": {"text": "x" * 700_000}}
        first = pod.post("/run", big)
        self.assertEqual(first.status, 200)
        self.assert_refused(pod, pod.post("/run", big), 429, "queue_full")
        pod.post(f"/cancel/{first.body['id']}")
        self.assertEqual(pod.post("/run", big).status, 200)

    def test_beyond_a_tenants_quota(self):
        pod = self.held("--queue.tenant_max", "2")
        body = {"input": {}, "policy": {"tenant": "a"}}
        jobs = [pod.post("/run", body).body["id"] for _ in range(2)]
        known = self.known(pod)
        self.assert_refused(pod, pod.post("/run", body), 429, "quota_exceeded")
        self.assertEqual(self.known(pod), known)
        pod.run({}, policy={"tenant": "b"})
        pod.post(f"/cancel/{jobs[0]}")
        self.assertEqual(pod.post("/run", body).status, 200)


class keys(QueueCase):
    def test_the_same_key_is_the_same_job(self):
        pod = self.ready()
        job = pod.run({"mock_return": 1, "mock_delay": 0.2}, key="a key, with marks;")
        again = pod.post(
            "/run",
            {"input": {"mock_return": 1, "mock_delay": 0.2}},
            headers={"Idempotency-Key": '"a key, with marks;"'},
        )
        self.assertEqual((again.status, again.body["id"]), (200, job))
        pod.wait_job(job, "COMPLETED")
        self.assertEqual(pod.run({"mock_return": 1, "mock_delay": 0.2}, key="a key, with marks;"), job)
        self.assertEqual(began(pod), [job])

    def test_a_key_of_another_request_is_422(self):
        pod = self.ready()
        job = pod.run({"mock_return": 1}, key="k")
        for body in (
            {"input": {"mock_return": 2}},
            {"input": {"mock_return": 1}, "policy": {"priority": 9}},
            {"input": {"mock_return": 1}, "webhook": "http://example.com/"},
        ):
            answer = pod.post("/run", body, headers={"Idempotency-Key": "k"})
            self.assert_refused(pod, answer, 422, "idempotency_mismatch")
        self.assertEqual(self.known(pod), {job})

    def test_keys_of_tenants_and_endpoints_are_their_own(self):
        pod = self.ready("--endpoint", "cats", "--endpoint", "dogs")
        headers = {"Idempotency-Key": "k"}
        ids = {
            pod.post(f"/v2/{name}/run", {"input": {}, **more}, headers=headers).body["id"]
            for name in ("cats", "dogs")
            for more in ({}, {"policy": {"tenant": "t"}})
        }
        self.assertEqual(len(ids), 4)

    def test_runsync_with_a_key_waits_for_the_first(self):
        pod = self.ready()
        body = {"input": {"mock_return": "one", "mock_delay": 0.5}}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda _: pod.post("/runsync", body, headers={"Idempotency-Key": "k"}), range(8)
                )
            )
        self.assertEqual({x.body["output"] for x in answers}, {"one"})
        self.assertEqual(len({x.body["id"] for x in answers}), 1)
        self.assertEqual(len(began(pod)), 1)

    def test_many_at_the_same_time_make_one_job(self):
        pod = self.held()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            ids = set(pool.map(lambda _: pod.run({"mock_return": 1}, key="k"), range(64)))
        self.assertEqual(len(ids), 1)
        self.assertEqual(self.known(pod), ids | {self.holder})

    def test_a_key_is_free_when_its_job_is_forgotten(self):
        pod = self.ready()
        first = pod.run({"mock_return": 1}, key="k")
        pod.wait_job(first, "COMPLETED")
        pod.post(f"/drop/{first}")
        second = pod.run({"mock_return": 2}, key="k")
        pod.wait_job(second, "COMPLETED")
        self.assertEqual(pod.status(second)["output"], 2)
        self.assertNotEqual(first, second)

    def test_a_key_in_the_body_is_like_one_in_the_header(self):
        pod = self.held()
        body = {"input": {}, "policy": {"idempotencyKey": "k"}}
        self.assertEqual(pod.post("/run", body).body["id"], pod.run({}, key="k"))


class times(QueueCase):
    def test_a_delay(self):
        pod = self.ready()
        job = pod.run({"mock_return": "later"}, policy={"delay": 700})
        self.assertEqual(self.reason(pod, job), "delayed")
        self.assertEqual(pod.post("/runsync", {"input": {}}).body["status"], "COMPLETED")
        pod.wait_job(job, "COMPLETED")
        self.assertGreaterEqual(pod.detail(job)["history"][0]["given"], 700)

    def test_the_time_to_live_of_a_job_that_waits(self):
        pod = self.held("--queue.ttl", "1s")
        job = pod.run({})
        pod.wait_job(job, "TIMED_OUT")
        status = pod.status(job)
        self.assertIn("ttl_expired", status["error"])
        self.assertNotIn(job, began(pod))
        self.assertEqual(pod.detail(job)["history"], [])

    def test_a_delay_beyond_the_time_to_live(self):
        pod = self.ready("--queue.ttl", "1s")
        job = pod.run({}, policy={"delay": 60_000})
        pod.wait_job(job, "TIMED_OUT")
        self.assertEqual(began(pod), [])

    def test_results_are_kept_for_their_time(self):
        pod = self.ready("--queue.keep_async", "1s", "--queue.keep_sync", "1h")
        gone = pod.run({"mock_return": 1})
        stays = pod.post("/runsync", {"input": {"mock_return": 2}}).body["id"]
        pod.wait_job(gone, "COMPLETED")
        self.eventually(lambda: pod.get(f"/status/{gone}").status == 404, "it is forgotten")
        self.assertEqual(pod.status(stays)["output"], 2)
        self.assertEqual(self.known(pod), {stays})


class after_the_end(QueueCase):
    def test_history_tells_of_each_attempt(self):
        pod = self.ready("--slots", "1", "--queue.retry_base", "10ms")
        job = pod.run({"mock_return": "whole", "mock_delay": 0.5})
        pod.wait_job(job, "IN_PROGRESS")
        os.kill(pod.engines()[0], signal.SIGKILL)
        pod.wait_job(job, "COMPLETED")
        detail = pod.detail(job)
        first, second = detail["history"]
        self.assertEqual((first["attempt"], first["errorCode"]), (1, "engine_crash"))
        self.assertIn("signal 9", first["error"])
        self.assertEqual(second["attempt"], 2)
        self.assertNotIn("error", second)
        self.assertLessEqual(first["given"], first["ended"])
        self.assertLess(first["ended"], second["given"])
        self.assertLessEqual(second["began"], second["ended"])
        self.assertEqual((detail["attempts"], detail["lives"], detail["dead"]), (2, 1, False))

    def test_retry_drop_and_what_they_refuse(self):
        pod = self.ready("--queue.max_attempts", "1")
        failed = pod.run({"mock_crash": True})
        pod.wait_job(failed, "FAILED")
        done = pod.post("/runsync", {"input": {"mock_return": 1}}).body["id"]
        running = pod.run({"mock_hang": True})
        pod.wait_job(running, "IN_PROGRESS")
        for job in (done, running):
            self.assert_refused(pod, pod.post(f"/retry/{job}"), 409, "wrong_state")
        self.assert_refused(pod, pod.post(f"/drop/{running}"), 409, "wrong_state")
        for verb in ("retry", "drop"):
            self.assert_refused(pod, pod.post(f"/{verb}/none"), 404, "job_not_found")
        pod.post(f"/cancel/{running}")
        line = len(pod.lines)
        self.assertEqual(pod.post(f"/retry/{failed}").status, 200)
        pod.wait_for("state", 60, line, machine="job", job=failed, to="FAILED")
        detail = pod.detail(failed)
        self.assertEqual((detail["lives"], detail["attempts"], detail["dead"]), (2, 2, True))
        self.assertEqual([x["id"] for x in pod.get("/dead").body["jobs"]], [failed])
        for job in (failed, done, running):
            self.assertEqual(pod.post(f"/drop/{job}").status, 200)
            self.assertEqual(pod.get(f"/status/{job}").status, 404)
        self.assertEqual(self.known(pod), set())
        self.assertEqual(pod.get("/dead").body["jobs"], [])

    def test_a_retry_may_succeed(self):
        pod = self.ready("--queue.max_attempts", "1", "--queue.retry_base", "1ms")
        job = pod.run({"mock_return": "at last", "mock_delay": 0.3})
        pod.wait_job(job, "IN_PROGRESS")
        os.kill(pod.engines()[0], signal.SIGKILL)
        pod.wait_job(job, "FAILED")
        self.assertIn("max_attempts", pod.status(job)["error"])
        self.assertEqual(pod.post(f"/retry/{job}").status, 200)
        pod.wait_job(job, "COMPLETED")
        status = pod.status(job)
        self.assertEqual((status["status"], status["output"]), ("COMPLETED", "at last"))
        self.assertNotIn("error", status)

    def test_purge_takes_what_waits_and_leaves_what_runs(self):
        pod = self.held()
        jobs = [pod.run({}) for _ in range(5)] + [pod.run({}, policy={"delay": 60_000})]
        self.assertEqual(pod.post("/purge-queue").body["removed"], 6)
        for job in jobs:
            self.assertIn(pod.status(job).get("status"), ("CANCELLED", None))
        self.assertEqual(pod.status(self.holder)["status"], "IN_PROGRESS")
        self.release(pod)
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)
        self.assertTrue(set(jobs).isdisjoint(began(pod)))

    def test_lists_are_filtered_and_come_in_pages(self):
        pod = self.held()
        mine = [pod.run({}, policy={"tenant": "me"}) for _ in range(7)]
        other = pod.run({}, policy={"tenant": "you"})
        pages, after = [], 0
        while after is not None:
            page = pod.get(f"/jobs?tenant=me&limit=3&after={after}").body
            pages.append([x["id"] for x in page["jobs"]])
            after = page["next"]
        self.assertEqual([x for page in pages for x in page], mine[::-1])
        self.assertLessEqual(max(map(len, pages)), 3)
        waiting = {x["id"] for x in pod.get("/jobs?state=IN_QUEUE").body["jobs"]}
        self.assertEqual(waiting, {*mine, other})
        self.assert_refused(pod, pod.get("/jobs?limit=0"), 400, "bad_request")
        self.assert_refused(pod, pod.get("/jobs?colour=red"), 400, "bad_request")

    def test_the_dead_list_is_bounded(self):
        pod = self.ready("--queue.max_attempts", "1", "--queue.dead_max", "2")
        jobs = []
        for _ in range(4):
            jobs.append(pod.run({"mock_crash": True}))
            pod.wait_job(jobs[-1], "FAILED", 60)
        self.assertEqual({x["id"] for x in pod.get("/dead").body["jobs"]}, set(jobs[2:]))
        self.assertEqual(pod.get(f"/status/{jobs[0]}").status, 404)

    def test_events_tell_of_a_job_from_its_start_to_its_end(self):
        pod = self.held()
        job = pod.run({"mock_return": 1})
        connection = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=60)
        self.addCleanup(connection.close)
        connection.request("GET", f"/events?job={job}")
        answer = connection.getresponse()
        self.assertEqual(answer.headers.get_content_type(), "text/event-stream")
        self.release(pod)
        seen = []
        while "COMPLETED" not in seen:
            line = answer.readline().decode()
            self.assertTrue(line, "the stream ended")
            if line.startswith("data:"):
                event = json.loads(line[5:])
                self.assertEqual(event["id"], job)
                seen.append(event["status"])
        self.assertEqual(seen, ["IN_PROGRESS", "COMPLETED"])


class why_it_waits(QueueCase):
    def test_no_worker(self):
        pod = self.ready("--slots", "0")
        self.assertEqual(self.reason(pod, pod.run({})), "no_worker")

    def test_workers_busy(self):
        pod = self.held()
        self.assertEqual(self.reason(pod, pod.run({})), "workers_busy")

    def test_no_worker_while_engines_load(self):
        pod = self.start(environment={"TAYFA_SCRIPTED": json.dumps({"load_delay": 30})})
        pod.wait_listening()
        self.assertEqual(self.reason(pod, pod.run({})), "no_worker")

    def test_backoff(self):
        pod = self.ready("--queue.retry_base", "60s", "--queue.retry_max", "60s")
        job = pod.run({"mock_crash": True})
        pod.wait_job(job, "IN_QUEUE")
        self.assertEqual(self.reason(pod, job), "backoff")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)

    def test_batch_filling(self):
        pod = self.ready(
            *["--queue.batch_delay", "60s", "--queue.batch_max", "3"],
            environment={"TAYFA_SCRIPTED": json.dumps({"batch_max": 3})},
        )
        jobs = [pod.run({"mock_return": i}) for i in range(2)]
        self.assertEqual({self.reason(pod, x) for x in jobs}, {"batch_filling"})
        jobs.append(pod.run({"mock_return": 2}))
        self.finish(pod, jobs)

    def test_a_drained_slot_is_no_worker(self):
        pod = self.ready()
        self.assertEqual(pod.post("/slots/0/drain").status, 200)
        self.eventually(lambda: pod.get("/slots").body["slots"][0]["draining"], "it drains")
        job = pod.run({"mock_return": 1})
        self.assertIn(self.reason(pod, job), ("no_worker", "workers_busy"))
        self.assertEqual(pod.post("/slots/0/undrain").status, 200)
        pod.wait_job(job, "COMPLETED")


if __name__ == "__main__":
    case.main()
