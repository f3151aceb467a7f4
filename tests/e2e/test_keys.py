"""API keys from end to end: the command that makes them, the pod that asks for them."""

import contextlib
import os
import stat

from case import BAD_CONFIG, BAD_USAGE, Case, main


class keys(Case):
    def make(self, data, *arguments):
        done = self.tayfa("key", "new", "--data", data, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def bearer(self, key):
        return {"Authorization": f"Bearer {key}"}

    def test_each_scope_opens_its_own_routes(self):
        data = self.folder()
        client = self.make(data, "--name", "alice", "--tenant", "team-a")
        worker = self.make(data, "--name", "w", "--scope", "worker")
        root = self.make(data, "--name", "root", "--scope", "operator")
        pod = self.ready(data=data)
        for method, path, least in (
            ("GET", "/ping", None),
            ("GET", "/openapi.json", None),
            ("GET", "/health", client),
            ("GET", "/requests", client),
            ("GET", "/job-stop/w-1", worker),
            ("GET", "/slots", root),
            ("GET", "/metrics", root),
            ("POST", "/purge-queue", root),
        ):
            for key in (None, client, worker, root, "tayfa_" + "A" * 43):
                with self.subTest(path=path, key=key):
                    if path.startswith("/job-stop") and key in (worker, root):
                        continue  # held
                    headers = {} if key is None else {"Authorization": key}
                    status = pod.request(method, path, headers=headers).status
                    known = key in (client, worker, root)
                    allowed = least is None or key in (least, root)
                    self.assertEqual(status, 200 if allowed else 403 if known else 401)
        body = {"input": {"mock_return": 1}, "policy": {"tenant": "team-b"}}
        self.assertEqual(pod.post("/run", body, headers=self.bearer(client)).status, 403)
        del body["policy"]
        job = pod.post("/runsync", body, headers=self.bearer(client)).body
        self.assertEqual(job["output"], 1)
        detail = pod.get(f"/jobs/{job['id']}", headers=self.bearer(root)).body
        self.assertEqual(detail["tenant"], "team-a")
        listed = pod.get("/requests", headers=self.bearer(client)).body["requests"]
        self.assertEqual([x["id"] for x in listed], [job["id"]])
        self.assert_stops(pod)
        for key in (client, worker, root):
            self.assertNotIn(key, pod.tail(10_000), "no key is in the log")

    def test_a_change_of_the_file_is_seen_by_the_pod_that_runs(self):
        data = self.folder()
        pod = self.ready(data=data)
        self.assertEqual(pod.get("/slots").status, 200, "without a file nobody needs a key")
        first = self.make(data, "--name", "first", "--scope", "operator")
        self.eventually(lambda: pod.get("/slots").status == 401, "the first key is in force")
        self.assertEqual(pod.get("/slots", headers=self.bearer(first)).status, 200)
        file = data / "keys"
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        whole = file.read_text()
        file.write_text("nonsense\n")
        self.eventually(
            lambda: pod.get("/slots").status == 401 and "keys_refused" in pod.tail(5), "it is read"
        )
        self.assertEqual(pod.get("/slots", headers=self.bearer(first)).status, 200)
        file.write_text(whole)
        self.assertEqual(self.tayfa("key", "remove", "first", "--data", data).returncode, 0)
        self.eventually(
            lambda: pod.get("/slots", headers=self.bearer(first)).status == 401, "it is gone"
        )
        self.assert_stops(pod)

    def test_a_workers_name_belongs_to_its_key(self):
        data = self.folder()
        mine, theirs = (self.make(data, "--name", x, "--scope", "worker") for x in ("k1", "k2"))
        root = self.make(data, "--name", "root", "--scope", "operator")
        pod = self.start("--slots", "0", data=data)
        pod.wait_listening()
        pod.wait_for("state", machine="pod", to="READY")

        def ask(key, method, path, body=None):
            return pod.request(method, path, body, headers={"Authorization": key})

        job = ask(root, "POST", "/run", {"input": {"x": 1}}).body["id"]
        self.assertEqual(ask(mine, "GET", "/job-take/w1").body["id"], job)
        forged = {"output": "forged"}
        for method, path, body in (
            ("POST", f"/job-done/w1/{job}", forged),
            ("POST", f"/job-done/w1/{job}", {"error": "forged"}),
            ("POST", f"/job-done/w1/{job}", {"status": "IN_PROGRESS", "output": "forged"}),
            ("POST", f"/job-stream/w1/{job}", forged),
            ("GET", f"/ping/w1?job_id={job}", None),
            ("GET", "/ping/w1?status=unhealthy&check=a&reason=b", None),
            ("GET", "/job-take/w1", None),
            ("GET", "/job-take-batch/w1?batch_size=4", None),
            ("GET", "/job-stop/w1", None),
        ):
            with self.subTest(path=path, body=body):
                answer = ask(theirs, method, path, body)
                self.assertEqual(answer.status, 403, answer.body)
        # A result that is too large fails its job only when the job's own worker posts it.
        with contextlib.suppress(OSError):  # it is refused before all of it is sent
            ask(theirs, "POST", f"/job-done/w1/{job}", {"output": "x" * 25_000_000})
        self.assertEqual(ask(theirs, "POST", f"/job-done/w2/{job}", forged).status, 404)
        self.assertEqual(ask(root, "GET", f"/status/{job}").body["status"], "IN_PROGRESS")
        self.assertEqual(ask(mine, "POST", f"/job-done/w1/{job}", {"output": 7}).status, 200)
        self.assertEqual(ask(root, "GET", f"/status/{job}").body["output"], 7)
        self.assert_stops(pod)

    def test_a_key_that_is_bound_to_a_worker(self):
        data = self.folder()
        bound = self.make(data, "--name", "k1", "--scope", "worker", "--worker", "gpu-1")
        other = self.make(data, "--name", "k2", "--scope", "worker")
        pod = self.ready(data=data)

        def ping(key, worker):
            return pod.get(f"/ping/{worker}", headers={"Authorization": key}).status

        self.assertEqual(ping(bound, "gpu-1"), 200)
        self.assertEqual(ping(bound, "gpu-2"), 403)
        self.assertEqual(ping(other, "gpu-1"), 403)
        self.assertEqual(ping(other, "gpu-2"), 200)
        wrong = self.tayfa("key", "new", "--data", data, "--name", "k3", "--worker", "gpu-3")
        self.assertEqual(wrong.returncode, BAD_USAGE, "a client is no worker")
        self.assert_stops(pod)

    def test_the_commands_bring_their_key(self):
        data = self.folder()
        key = self.make(data, "--name", "me", "--scope", "operator")
        pod = self.ready(data=data)
        without = self.tayfa("slots", "--url", pod.url)
        self.assertNotEqual(without.returncode, 0)
        self.assertIn("TAYFA_API_KEY", without.stderr)
        done = self.tayfa("slots", "--url", pod.url, environment={"TAYFA_API_KEY": key})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_stops(pod)

    def test_rates(self):
        pod = self.ready("--http.rate_limits", "cancel=2/10s")
        answers = [pod.post("/cancel/nobody") for _ in range(3)]
        self.assertEqual([x.status for x in answers], [404, 404, 429])
        self.assertEqual(answers[2].headers["Retry-After"], "5")
        self.assertEqual(answers[2].body["error"]["code"], "rate_limited")
        self.assertEqual(pod.get("/health").status, 200, "other routes have no rule")
        self.assert_stops(pod)

    def test_what_keeps_a_pod_from_starting(self):
        self.assert_exit(self.start(listen="0.0.0.0:0"), BAD_CONFIG)
        self.assert_exit(self.start("--http.rate_limits", "nothing=1/1s"), BAD_CONFIG)
        self.assert_exit(self.start("--keys", "/nowhere/keys"), BAD_CONFIG)
        data = self.folder()
        self.make(data, "--name", "a")
        os.chmod(data / "keys", 0o644)
        pod = self.start(data=data)
        self.assert_exit(pod, BAD_CONFIG)
        self.assertIn("chmod 600", pod.tail())
        os.chmod(data / "keys", 0o600)
        self.assert_stops(self.ready(data=data, listen="0.0.0.0:0"))
        twice = self.tayfa("key", "new", "--data", data, "--name", "a")
        self.assertEqual((twice.returncode, twice.stdout), (BAD_USAGE, ""))


if __name__ == "__main__":
    main()
