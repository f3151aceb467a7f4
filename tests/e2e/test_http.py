"""RunPod's HTTP API over a real socket, on the scripted engine."""

import email.utils
import json
import re
import socket
import time

import case
from case import Case


class answers(Case):
    def test_run_then_status(self):
        pod = self.ready()
        answer = pod.post("/v2/tayfa/run", {"input": {"mock_return": {"x": "é"}}})
        self.assertEqual(answer.status, 200)
        self.assertEqual(set(answer.body), {"id", "status"})
        self.assertEqual(answer.body["status"], "IN_QUEUE")
        job = answer.body["id"]
        pod.wait_job(job, "COMPLETED")
        status = pod.status(job)
        self.assertEqual(
            (status["id"], status["status"], status["output"]), (job, "COMPLETED", {"x": "é"})
        )
        for time in ("delayTime", "executionTime"):
            self.assertIsInstance(status[time], int)
            self.assertGreaterEqual(status[time], 0)

    def test_runsync_answers_with_the_result(self):
        pod = self.ready()
        for path in ("/v2/tayfa/runsync", "/runsync"):
            answer = pod.post(
                path, {"input": {"mock_return": [1, "two", None], "mock_delay": 0.05}}
            )
            self.assertEqual(answer.status, 200)
            self.assertEqual(
                (answer.body["status"], answer.body["output"]), ("COMPLETED", [1, "two", None])
            )
            self.assertTrue(answer.body["id"].startswith("sync-"), answer.body)
            self.assertGreaterEqual(answer.body["executionTime"], 45)

    def test_runsync_gives_up_waiting_but_not_the_job(self):
        pod = self.ready()
        answer = pod.post("/runsync?wait=1000", {"input": {"mock_return": "late", "mock_delay": 2}})
        self.assertEqual(answer.body["status"], "IN_PROGRESS")
        pod.wait_job(answer.body["id"], "COMPLETED")
        self.assertEqual(pod.status(answer.body["id"])["output"], "late")

    def test_an_input_without_a_script_comes_back(self):
        pod = self.ready()
        given = {
            "prompt": "a cat",
            "deep": [[[]]],
            "number": 1.5,
            "text": "line\nbreak \u0000 \U0001f6a2",
        }
        self.assertEqual(pod.post("/runsync", {"input": given}).body["output"], given)

    def test_progress_is_seen_while_it_runs(self):
        pod = self.ready()
        job = pod.run(
            {
                "mock_progress": {"updates": 3, "wait_time": 0.2},
                "mock_delay": 1,
                "mock_return": "end",
            }
        )
        pod.wait_job(job, "IN_PROGRESS")
        seen = []
        while (status := pod.status(job))["status"] == "IN_PROGRESS":
            if status.get("output") is not None and status["output"] not in seen:
                seen.append(status["output"])
        self.assertGreaterEqual(len(seen), 1)
        self.assertEqual((status["status"], status["output"]), ("COMPLETED", "end"))

    def test_stream_gives_each_chunk_once_and_in_order(self):
        pod = self.ready()
        chunks = [f"part {i}" for i in range(20)]
        job = pod.run({"mock_stream": chunks, "mock_delay": 0.02})
        got = []
        while True:
            answer = pod.get(f"/v2/tayfa/stream/{job}").body
            got += [chunk["output"] for chunk in answer["stream"]]
            if answer["status"] not in ("IN_QUEUE", "IN_PROGRESS") and not answer["stream"]:
                break
        self.assertEqual(got, chunks)
        self.assertEqual(answer["status"], "COMPLETED")

    def test_health_counts(self):
        pod = self.ready()
        pod.post("/runsync", {"input": {}})
        pod.post("/runsync", {"input": {"mock_error": "no"}})
        health = pod.get("/v2/tayfa/health").body
        self.assertEqual(health["jobs"]["completed"], 1)
        self.assertEqual(health["jobs"]["failed"], 1)
        self.assertEqual((health["jobs"]["inQueue"], health["jobs"]["inProgress"]), (0, 0))
        self.assertEqual(
            set(health["workers"]),
            {"idle", "initializing", "ready", "running", "throttled", "unhealthy"},
        )
        self.assertEqual(health["workers"]["idle"], 1)

    def test_metrics_tell_the_same(self):
        pod = self.ready()
        for _ in range(3):
            pod.post("/runsync", {"input": {}})
        answer = pod.get("/metrics")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
        values = dict(
            re.findall(r"^(tayfa_[a-z_]+(?:\{[^}]*\})?) (\S+)$", answer.body.decode(), re.M)
        )
        self.assertEqual(float(values["tayfa_jobs_accepted_total"]), 3)
        self.assertEqual(float(values["tayfa_jobs_completed_total"]), 3)
        self.assertEqual(float(values["tayfa_ready"]), 1)
        self.assertEqual(float(values["tayfa_execution_seconds_count"]), 3)

    def test_several_endpoints(self):
        pod = self.ready("--endpoint", "cats", "--endpoint", "dogs")
        for name in ("cats", "dogs"):
            self.assertEqual(
                pod.post(f"/v2/{name}/runsync", {"input": {"mock_return": name}}).body["output"],
                name,
            )
        self.assertEqual(pod.post("/v2/birds/runsync", {"input": {}}).status, 404)

    def test_log_as_json_is_json(self):
        pod = self.start("--log-format", "json")
        listening = pod.wait_until(
            lambda lines: next(
                (json.loads(x.text) for x in lines if '"listening"' in x.text), None
            ),
            "listening",
        )
        self.assertEqual(listening["event"], "listening")
        pod.wait_until(lambda lines: any('"to":"READY"' in x.text for x in lines), "READY")
        pod.port = int(listening["address"].rpartition(":")[2])
        pod.post(
            "/runsync",
            {"input": {"mock_logs": [{"level": "warn", "message": 'quote " and\nnewline'}]}},
        )
        pod.stop()
        for line in pod.lines:
            self.assertEqual(
                {"time", "level", "event"} - set(json.loads(line.text)), set(), line.text
            )


class forms(Case):
    """The demands of RFC 9110 and 9112 on every server."""

    def raw(self, pod, text):
        with socket.create_connection(("127.0.0.1", pod.port), timeout=20) as connection:
            connection.sendall(text.encode())
            return connection.makefile("rb").readline().decode().strip()

    def test_an_absolute_target(self):
        pod = self.ready()
        here = f"127.0.0.1:{pod.port}"
        for target in (f"http://{here}/ping", f"HTTP://{here}/v2/tayfa/health?x=1"):
            text = f"GET {target} HTTP/1.1\r\nHost: {here}\r\n\r\n"
            self.assertEqual(self.raw(pod, text), "HTTP/1.1 200 OK", target)
        text = f"GET http://evil.example/ping HTTP/1.1\r\nHost: {here}\r\n\r\n"
        self.assertIn(" 421 ", self.raw(pod, text))

    def test_head_is_get_without_a_body(self):
        pod = self.ready()
        job = pod.run({"mock_return": "x" * 1000})
        pod.wait_job(job, "COMPLETED")
        same = ("Content-Length", "Content-Type", "Cache-Control", "Connection")
        paths = [path.replace("{id}", job) for path in pod.get("/openapi.json").body["paths"]]
        asked = 0
        for path in paths:
            if "{" in path or path == "/events" or pod.request("OPTIONS", path).status != 204:
                continue
            if "GET" not in pod.request("OPTIONS", path).headers["Allow"]:
                continue
            got, head = pod.get(path), pod.request("HEAD", path)
            self.assertEqual(head.status, got.status, path)
            self.assertEqual(head.body, b"", path)
            changing = path in ("/metrics", "/jobs/" + job)
            for name in same[1:] if changing else same:
                self.assertEqual(head.headers[name], got.headers[name], f"{path} {name}")
            asked += 1
        self.assertGreater(asked, 8)
        head = pod.request("HEAD", "/events")
        self.assertEqual((head.status, head.body), (200, b""))

    def test_head_takes_no_job_and_no_chunk(self):
        pod = self.start("--slots", "0")
        pod.wait_listening()
        job = pod.run({"n": 1})
        for path in ("/job-take/w", "/job-take-batch/w?batch_size=2", "/job-stop/w"):
            self.assertEqual(pod.request("HEAD", path).status, 204, path)
        self.assertEqual(pod.get("/job-take/w").body["id"], job)
        self.assertEqual(pod.post(f"/job-stream/w/{job}", {"output": "a"}).status, 200)
        self.assertEqual(pod.request("HEAD", f"/stream/{job}").status, 200)
        self.assertEqual(len(pod.get(f"/stream/{job}").body["stream"]), 1)

    def test_every_answer_says_when(self):
        pod = self.ready()
        for answer in (pod.get("/ping"), pod.get("/nothing"), pod.request("OPTIONS", "*")):
            moment = email.utils.parsedate_to_datetime(answer.headers["Date"])
            self.assertLess(abs(moment.timestamp() - time.time()), 60)


class cancels(Case):
    def test_a_waiting_job(self):
        pod = self.ready()
        pod.run({"mock_delay": 1})
        job = pod.run({"mock_return": "never"})
        answer = pod.post(f"/v2/tayfa/cancel/{job}")
        self.assertEqual((answer.status, answer.body["status"]), (200, "CANCELLED"))
        self.assertEqual(pod.status(job)["status"], "CANCELLED")

    def test_a_running_job_frees_its_engine(self):
        pod = self.ready()
        job = pod.run({"mock_return": "never", "mock_delay": 60})
        pod.wait_job(job, "IN_PROGRESS")
        engine = pod.engines()
        self.assertEqual(pod.post(f"/v2/tayfa/cancel/{job}").body["status"], "CANCELLED")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 2}}).body["output"], 2)
        self.assertEqual(pod.engines(), engine, "an engine that obeys is not replaced")
        status = pod.status(job)
        self.assertEqual(status["status"], "CANCELLED")
        self.assertNotIn("output", status)

    def test_a_job_that_does_not_obey_loses_its_engine(self):
        pod = self.ready()
        job = pod.run({"mock_hang": True})
        pod.wait_job(job, "IN_PROGRESS")
        engine = pod.engines()
        pod.post(f"/v2/tayfa/cancel/{job}")
        for pid in engine:
            self.assert_gone(pid)
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 3}}).body["output"], 3)
        self.assertEqual(pod.status(job)["status"], "CANCELLED")

    def test_a_finished_job_stays_as_it_is(self):
        pod = self.ready()
        job = pod.post("/runsync", {"input": {"mock_return": 4}}).body["id"]
        pod.post(f"/v2/tayfa/cancel/{job}")
        status = pod.status(job)
        self.assertEqual((status["status"], status["output"]), ("COMPLETED", 4))


class refusals(Case):
    def refused(self, answer, status, code=None):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(set(answer.body), {"error"})
        if code:
            self.assertEqual(answer.body["error"]["code"], code)

    def test_what_is_malformed(self):
        pod = self.ready()
        self.refused(pod.post("/run", b"{"), 400, "bad_json")
        self.refused(pod.post("/run", b""), 400)
        self.refused(pod.post("/run", b"[1]"), 400)
        self.refused(pod.post("/run", {"inputs": {}}), 400)
        self.refused(
            pod.post("/run", b'{"input":' + b"[" * 500 + b"]" * 500 + b"}"), 400, "bad_json"
        )
        self.refused(pod.post("/run", {"input": {}, "policy": {"executionTimeout": 1}}), 400)
        self.refused(pod.post("/runsync?wait=1", {"input": {}}), 400)

    def test_what_is_not_there(self):
        pod = self.ready()
        self.refused(pod.get("/v2/tayfa/status/none"), 404, "job_not_found")
        self.refused(pod.get("/v2/tayfa/stream/none"), 404, "job_not_found")
        self.refused(pod.post("/v2/tayfa/cancel/none"), 404, "job_not_found")
        self.refused(pod.get("/v2/other/health"), 404, "not_found")
        self.refused(pod.get("/nothing"), 404, "not_found")
        self.refused(pod.get("/v2/tayfa/status/" + "x" * 5000), 404)

    def test_wrong_method_names_the_right_one(self):
        pod = self.ready()
        answer = pod.get("/v2/tayfa/run")
        self.refused(answer, 405, "method_not_allowed")
        self.assertIn("POST", answer.headers["Allow"])

    def test_a_full_queue(self):
        pod = self.ready("--queue.max", "2")
        running = pod.run({"mock_delay": 30})
        pod.wait_job(running, "IN_PROGRESS")
        waiting = [pod.run({}), pod.run({})]
        answer = pod.post("/run", {"input": {}})
        self.refused(answer, 429, "queue_full")
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        pod.post(f"/cancel/{running}")
        pod.wait_job(waiting[0], "IN_PROGRESS")
        self.assertEqual(
            pod.post("/runsync", {"input": {"mock_return": "room"}}).body["output"], "room"
        )

    def test_a_body_over_the_limit(self):
        pod = self.ready("--http.run_body_max", "4096")
        self.refused(pod.post("/run", {"input": "x" * 8192}), 413, "payload_too_large")
        self.assertEqual(
            pod.post("/runsync", {"input": {"text": "x" * 8192}}).body["status"], "COMPLETED"
        )

    def test_no_path_and_no_secret_in_an_answer(self):
        pod = self.ready(environment={"TAYFA_TEST_SECRET": "hush"})
        for answer in (
            pod.get("/nothing"),
            pod.post("/run", b"{"),
            pod.get("/v2/tayfa/health"),
            pod.get("/metrics"),
        ):
            text = str(answer.body)
            self.assertNotIn(str(pod.data), text)
            self.assertNotIn("hush", text)


class commands(Case):
    def test_submit_status_jobs_and_cancel_speak_to_the_pod(self):
        pod = self.ready()
        done = self.tayfa(
            "submit", "--url", pod.url, "--input", json.dumps({"mock_return": {"a": 1}})
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"a"', done.stdout)
        done = self.tayfa("status", "--url", pod.url, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIsInstance(json.loads(done.stdout), dict)

    def test_without_a_pod_they_say_so(self):
        done = self.tayfa("status", "--url", "http://127.0.0.1:9")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("127.0.0.1:9", done.stderr)

    def test_help_and_version(self):
        for words in (["--help"], ["serve", "--help"], ["submit", "--help"], ["--version"]):
            done = self.tayfa(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.strip())

    def test_config_tells_where_a_value_comes_from(self):
        folder = self.folder()
        (folder / "tayfa.toml").write_text("[queue]\nmax = 77\n")
        done = self.tayfa(
            "config",
            "--config",
            folder / "tayfa.toml",
            environment={"TAYFA_QUEUE_MAX_ATTEMPTS": "2"},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"queue\.max\s.*77.*tayfa\.toml")
        self.assertRegex(done.stdout, r"queue\.max_attempts\s.*2.*TAYFA_QUEUE_MAX_ATTEMPTS")


if __name__ == "__main__":
    case.main()
