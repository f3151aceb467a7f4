"""Access: which jobs a key shows, what ends with a removed key, and which host names a pod without keys accepts."""

import http.client
import json
import re
import socket
import time

from case import Case, main


class AccessCase(Case):
    def make(self, data, *arguments):
        done = self.tayfa("key", "new", "--data", data, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def ask(self, pod, key, method, path, body=None):
        headers = {"Authorization": key} if key else {}
        return pod.request(method, path, body, headers=headers)

    def send(self, pod, text, timeout=10.0):
        """A connection on which these bytes were sent."""
        connection = socket.create_connection(("127.0.0.1", pod.port), timeout=timeout)
        self.addCleanup(connection.close)
        connection.sendall(text.encode())
        return connection

    def open(self, pod, key, method, path, body=""):
        """A request that stays open; nothing of its answer is read."""
        return self.send(
            pod,
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}",
        )


class visibility(AccessCase):
    ROUTES = (
        ("GET", "status"),
        ("POST", "status"),
        ("GET", "stream"),
        ("POST", "cancel"),
        ("POST", "retry"),
        ("GET", "status/{id}?ttl=600000"),
        ("GET", "status-sync/{id}?wait=60000"),
        ("POST", "status-sync/{id}"),
        ("POST", "stream/{id}?wait=60000"),
    )
    OPERATORS = (("POST", "drop"), ("GET", "jobs"), ("GET", "events?job={id}"))

    def each(self, routes, job, prefix):
        for method, path in routes:
            path = path if "{id}" in path else path + "/{id}"
            yield method, prefix + path.format(id=job)

    def setUp(self):
        self.data = self.folder()
        self.alice = self.make(self.data, "--name", "alice", "--tenant", "alice")
        self.bob = self.make(self.data, "--name", "bob", "--tenant", "bob")
        self.other = self.make(self.data, "--name", "o", "--endpoint", "other")
        self.both = self.make(self.data, "--name", "both", "--endpoint", "tayfa,other")
        self.root = self.make(self.data, "--name", "root", "--scope", "operator")
        self.pod = self.ready(
            "--endpoint", "tayfa", "--endpoint", "other", "--slots", "1", data=self.data
        )

    def submit(self, key, job_input, prefix="/v2/tayfa", route="run", **more):
        answer = self.ask(self.pod, key, "POST", f"{prefix}/{route}", {"input": job_input, **more})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.body["id"]

    def assert_hidden(self, key, job, prefixes=("/", "/v2/tayfa/", "/v2/other/"), extra=()):
        missing = "nobody-ever-had-this-id"
        for prefix in prefixes:
            there = self.each(self.ROUTES + tuple(extra), job, prefix)
            never = self.each(self.ROUTES + tuple(extra), missing, prefix)
            for (method, path), (_, nothing) in zip(there, never):
                with self.subTest(path=path):
                    answer = self.ask(self.pod, key, method, path)
                    self.assertEqual(answer.status, 404)
                    self.assertEqual(
                        answer.body,
                        self.ask(self.pod, key, method, nothing).body,
                        "no word tells it from a job that never was",
                    )

    def test_a_strangers_job_is_not_there(self):
        done = self.submit(self.alice, {"mock_return": "hers"}, route="runsync")
        failed = self.submit(self.alice, {"mock_error": "hers"}, route="runsync")
        runs = self.submit(self.alice, {"mock_delay": 60})
        waits = self.submit(self.alice, {"mock_return": 1})
        self.pod.wait_job(runs, "IN_PROGRESS")
        for job in (done, failed, runs, waits):
            self.assert_hidden(self.bob, job, ("/", "/v2/tayfa/", "/v2/other/"))
            self.assert_hidden(self.alice, job, ("/v2/other/",))
            self.assert_hidden(self.root, job, ("/v2/other/",), self.OPERATORS)
            for method, path in self.each(self.ROUTES, job, "/"):
                status = self.ask(self.pod, self.other, method, path).status
                self.assertIn(status, (403, 404), path)
        state = {x: self.ask(self.pod, self.alice, "GET", f"/status/{x}").body for x in (done, failed, runs, waits)}
        self.assertEqual(state[done]["output"], "hers")
        self.assertEqual(
            [state[x]["status"] for x in (failed, runs, waits)],
            ["FAILED", "IN_PROGRESS", "IN_QUEUE"],
            "nothing was cancelled, retried or dropped",
        )
        self.assertEqual(self.ask(self.pod, self.both, "GET", f"/status/{done}").status, 200)
        self.assertEqual(self.ask(self.pod, self.root, "GET", f"/v2/tayfa/jobs/{done}").status, 200)

    def test_lists_numbers_and_purges_are_of_the_endpoint_and_the_tenant(self):
        self.submit(self.root, {"mock_delay": 60})
        mine = self.submit(self.alice, 1)
        self.submit(self.alice, 1, "/v2/other")
        his = self.submit(self.bob, 1)

        def listed(key, path, member):
            answer = self.ask(self.pod, key, "GET", path)
            self.assertEqual(answer.status, 200)
            return [x["id"] for x in answer.body[member]]

        self.assertEqual(listed(self.alice, "/v2/tayfa/requests", "requests"), [mine])
        self.assertEqual(listed(self.bob, "/requests", "requests"), [his])
        self.assertEqual(len(listed(self.root, "/v2/tayfa/jobs", "jobs")), 3)
        self.assertEqual(len(listed(self.root, "/v2/other/jobs", "jobs")), 1)
        self.assertEqual(len(listed(self.root, "/jobs", "jobs")), 4)

        def waiting(key, path):
            jobs = self.ask(self.pod, key, "GET", path).body["jobs"]
            return jobs["inQueue"], jobs["inProgress"]

        self.assertEqual(waiting(self.alice, "/health"), (2, 0))
        self.assertEqual(waiting(self.alice, "/v2/other/health"), (1, 0))
        self.assertEqual(waiting(self.bob, "/v2/other/health"), (0, 0))
        self.assertEqual(waiting(self.other, "/v2/other/health"), (1, 0))
        self.assertEqual(waiting(self.root, "/health"), (3, 1))
        purged = self.ask(self.pod, self.root, "POST", "/v2/other/purge-queue").body
        self.assertEqual(purged["removed"], 1)
        self.assertEqual(waiting(self.root, "/health"), (2, 1))

    def test_a_key_of_idempotency_is_of_one_tenant_and_endpoint(self):
        policy = {"policy": {"idempotencyKey": "order-7"}}
        mine = self.submit(self.alice, {"mock_return": "hers"}, route="runsync", **policy)
        his = self.submit(self.bob, {"mock_return": "his"}, route="runsync", **policy)
        there = self.submit(self.alice, {"mock_return": "there"}, "/v2/other", "runsync", **policy)
        self.assertEqual(len({mine, his, there}), 3)
        self.assertEqual(self.submit(self.alice, {"mock_return": "hers"}, route="runsync", **policy), mine)

    def test_events_under_a_prefix_are_of_its_endpoint(self):
        watch = self.open(self.pod, self.root, "GET", "/v2/other/events")
        watch.recv(4096)
        first = self.submit(self.root, {"mock_return": 1}, "/v2/tayfa", "runsync")
        second = self.submit(self.root, {"mock_return": 1}, "/v2/other", "runsync")
        seen = b""
        while second.encode() not in seen or b"COMPLETED" not in seen:
            seen += watch.recv(65536)
        self.assertNotIn(first.encode(), seen)


class revocation(AccessCase):
    def open_ones(self, pod, key):
        """Every kind of request that stays open, each by itself."""
        job = self.ask(pod, self.root, "POST", "/run", {"input": {"mock_delay": 60}}).body["id"]
        return {
            "status-sync": self.open(pod, key, "GET", f"/status-sync/{job}?wait=60000"),
            "stream": self.open(pod, key, "POST", f"/v2/tayfa/stream/{job}?wait=60000"),
            "events": self.open(pod, key, "GET", "/events"),
            "runsync": self.open(
                pod, key, "POST", "/runsync?wait=60000", '{"input":{"mock_delay":60}}'
            ),
            "job-take": self.open(pod, key, "GET", "/v2/free/job-take/w-1"),
            "job-stop": self.open(pod, key, "GET", "/job-stop/w-1"),
            "body": self.send(
                pod,
                "POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Authorization: {key}\r\nContent-Length: 1000\r\n\r\n" + '{"input":',
            ),
        }

    def assert_ends(self, opened, status):
        began = time.monotonic()
        for name, connection in opened.items():
            with self.subTest(name):
                got = b""
                while True:
                    more = connection.recv(65536)
                    got += more
                    if not more or (name != "events" and b"\r\n\r\n" in got):
                        break
                self.assertLess(time.monotonic() - began, 1.0)
                if name == "events":
                    self.assertTrue(got.endswith(b"0\r\n\r\n"), got[-100:])
                else:
                    self.assertEqual(int(got.split(b" ")[1]), status, got)

    def setUp(self):
        self.data = self.folder()
        self.root = self.make(self.data, "--name", "root", "--scope", "operator")
        self.leaver = self.make(self.data, "--name", "leaver", "--scope", "operator")
        # A job of 60 s still runs when the pod is stopped.
        self.pod = self.ready(
            *("--endpoint", "tayfa", "--endpoint", "free", "--pod.drain_budget", "1s"), data=self.data
        )

    def opened(self, key):
        found = self.open_ones(self.pod, key)
        self.assertIn(b" 200 ", found["events"].recv(12 + 80))
        self.pod.wait_for("state", machine="job", to="IN_PROGRESS")
        self.eventually(
            lambda: self.ask(self.pod, self.root, "GET", "/workers").body["workers"], "it polls"
        )
        return found

    def test_a_key_that_is_removed_ends_all_that_it_has_open(self):
        stays = self.open(self.pod, self.root, "GET", "/events")
        opened = self.opened(self.leaver)
        self.assertEqual(self.tayfa("key", "remove", "leaver", "--data", self.data).returncode, 0)
        self.assert_ends(opened, 401)
        job = self.ask(self.pod, self.root, "POST", "/run", {"input": 1}).body["id"]
        seen = b""
        while job.encode() not in seen:
            seen += stays.recv(65536)
        # The poll of the key that is gone takes no job: another worker gets it at once.
        free = self.ask(self.pod, self.root, "POST", "/v2/free/run", {"input": 1})
        self.assertEqual(free.status, 200)
        self.assert_stops(self.pod)

    def test_a_key_that_is_reduced(self):
        opened = self.opened(self.leaver)
        file = self.data / "keys"
        text = file.read_text()
        fresh = self.data / "fresh"
        fresh.touch(0o600)
        fresh.write_text(text.replace("name=leaver scope=operator", "name=leaver scope=client tenant=x"))
        fresh.rename(file)
        self.assert_ends(opened, 403)
        self.assertEqual(self.ask(self.pod, self.leaver, "GET", "/requests").status, 200)
        self.assert_stops(self.pod)

    def test_the_first_key_ends_what_was_open_without_one(self):
        data = self.folder()
        pod = self.ready(data=data)
        watch = self.send(pod, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b" 200 ", watch.recv(4096))
        self.make(data, "--name", "root", "--scope", "operator")
        self.assert_ends({"events": watch}, 401)
        self.assert_stops(pod)


class names(AccessCase):
    def status(self, pod, fields, path="/jobs", method="GET", body=""):
        connection = self.send(
            pod,
            f"{method} {path} HTTP/1.1\r\n{fields}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}",
        )
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        content = answer.read()
        return answer.status, (json.loads(content) if content else None)

    def test_a_page_by_another_name_reaches_nothing(self):
        pod = self.ready("--http.hosts", "gpu.example")
        page = f"Host: evil.example:{pod.port}\r\nOrigin: http://evil.example:{pod.port}\r\n"
        for method, path, body in (
            ("GET", "/jobs", ""),
            ("POST", "/run", '{"input":1}'),
            ("POST", "/purge-queue", ""),
            ("GET", "/ping", ""),
            ("GET", "/openapi.json", ""),
            ("GET", "/job-take/w", ""),
            ("GET", "/metrics", ""),
        ):
            status, answer = self.status(pod, page, path, method, body)
            self.assertEqual((status, answer["error"]["code"]), (421, "misdirected_request"), path)
        self.assertEqual(self.status(pod, f"Host: localhost:{pod.port}\r\n")[0], 200)
        self.assertEqual(self.status(pod, "Host: GPU.example\r\n")[0], 200)
        self.assertEqual(self.status(pod, "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n")[0], 421)
        self.assertEqual(self.ask(pod, None, "GET", "/jobs").body["jobs"], [])
        self.assert_stops(pod)

    def test_a_pod_open_to_everyone_answers_to_any_name_but_on_the_loopback(self):
        pod = self.ready("--allow-public", listen="0.0.0.0:0")
        self.assertEqual(self.status(pod, "Host: evil.example\r\n")[0], 421)
        self.assertEqual(self.status(pod, "Host: localhost\r\n")[0], 200)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # sends nothing: asks which address would be used
                here = probe.getsockname()[0]
            except OSError:
                self.skipTest("this machine has no other address")
        if here.startswith("127."):
            self.skipTest("this machine has no other address")
        connection = http.client.HTTPConnection(here, pod.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request("GET", "/ping", headers={"Host": "worker.proxy.example"})
        self.assertEqual(connection.getresponse().status, 200)
        self.assert_stops(pod)

    def test_a_key_that_is_made_at_the_first_start(self):
        data = self.folder()
        pod = self.start("--http.first_key", data=data, listen="0.0.0.0:0")
        pod.wait_listening()
        pod.wait_for("state", machine="pod", to="READY")
        key = re.findall(r"\btayfa_[A-Za-z0-9_-]{43}\b", pod.tail(1_000))
        self.assertEqual(len(key), 1, "printed once")
        self.assertEqual(self.ask(pod, None, "GET", "/jobs").status, 401)
        self.assertEqual(self.ask(pod, key[0], "GET", "/jobs").status, 200)
        self.assertEqual(self.ask(pod, None, "GET", "/ping").status, 200)
        self.assert_stops(pod)
        again = self.start("--http.first_key", data=data, listen="0.0.0.0:0")
        again.wait_listening()
        again.wait_for("state", machine="pod", to="READY")
        self.assertNotIn("tayfa_", again.tail(1_000).replace("tayfa_transitions", ""))
        self.assertEqual(self.ask(again, key[0], "GET", "/jobs").status, 200)
        self.assert_stops(again)


if __name__ == "__main__":
    main()
