"""The modes of RunPod's SDK: its flags, its local test, its variables, and a load balancer's."""

import http.server
import json
import pathlib
import signal
import subprocess
import threading

import case
from case import BAD_CONFIG, BAD_USAGE, OK, Case, pods

START_LINE = "--- Starting Serverless Worker |  Version 1.12.0 ---"
NOBODY = "http://127.0.0.1:9/v2/ep"
PLATFORM = {
    "RUNPOD_WEBHOOK_GET_JOB": f"{NOBODY}/job-take/$ID?gpu=x",
    "RUNPOD_WEBHOOK_POST_OUTPUT": f"{NOBODY}/job-done/$RUNPOD_POD_ID/$ID?gpu=x",
    "RUNPOD_ENDPOINT_ID": "ep",
}
FAILED = 1


def port_of(address):
    return int(address.rpartition(":")[2])


class FlagCase(Case):
    def setUp(self):
        self.place = self.folder()

    def command(self, *words, environment=None):
        """Run to its end in a folder of its own, which is also its place for temporary files."""
        return subprocess.run(
            [pods.program(case.BUILD), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.place,
            env=pods.clean_environment({"TMPDIR": str(self.place), **(environment or {})}),
        )

    def one_job(self, job, *words, **options):
        text = job if isinstance(job, str) else json.dumps(job)
        return self.command("serve", "--test_input", text, *words, **options)


class local_test(FlagCase):
    def test_a_job_that_completes(self):
        done = self.one_job({"input": {"mock_return": {"a": [1.0, None, "it's"]}}})
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(
            done.stdout.splitlines(),
            [
                "INFO   | test_input set, using test_input as job input.",
                "INFO   | Job local_test completed successfully.",
                """INFO   | Job result: {'output': {'a': [1.0, None, "it's"]}}""",
                "INFO   | Local testing complete, exiting.",
            ],
        )

    def test_it_lives_a_whole_life_and_leaves_nothing(self):
        done = self.one_job({"input": {"mock_return": 1}})
        lines = [pods.Line(text) for text in done.stderr.splitlines()]
        moves = [x for x in lines if x.event == "state" and x["machine"] == "pod"]
        states = [moves[0]["from"]] + [x["to"] for x in moves]
        # READY and RUNNING are one step where the job was there first.
        self.assertEqual(states[:4], pods.WHOLE_LIFE[:4])
        self.assertIn("RUNNING", states)
        self.assertEqual(states[-2:], pods.WHOLE_LIFE[-2:])
        self.assertEqual(list(self.place.iterdir()), [])

    def test_a_job_that_fails(self):
        for script, why in (
            ({"mock_error": "no cat"}, "no cat"),
            ({"mock_return": {"error": "custom", "x": 1}}, "custom"),
        ):
            done = self.one_job({"input": script, "id": "mine"})
            self.assertEqual(done.returncode, FAILED, done.stderr)
            self.assertEqual(
                done.stdout.splitlines()[1:], [f"ERROR  | Job mine failed with error: {why}"]
            )

    def test_input_that_cannot_be_used(self):
        for text, why in (
            ('{"id": "x"}', "Job has no input parameter. Unable to run."),
            ('{"input": null}', "Job has no input parameter. Unable to run."),
            ("{", "The test input is not valid JSON"),
        ):
            done = self.one_job(text)
            self.assertEqual(done.returncode, FAILED, text)
            self.assertIn(f"ERROR  | {why}", done.stdout)
            self.assertEqual(done.stderr, "", "nothing was started")

    def test_what_the_api_refuses_is_no_job(self):
        done = self.one_job({"input": {}, "policy": {"ttl": 1}})
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertIn("ERROR  | Job local_test failed with error: ", done.stdout)

    def test_lines_have_the_platforms_form_on_an_endpoint(self):
        done = self.one_job({"input": 1}, environment={"RUNPOD_ENDPOINT_ID": "ep"})
        self.assertEqual(done.returncode, OK, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(
            lines[-1],
            {"requestId": None, "message": "Local testing complete, exiting.", "level": "INFO"},
        )

    def test_it_comes_before_the_platform(self):
        done = self.one_job({"input": 1}, environment=PLATFORM)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertIn("Local testing complete", done.stdout)

    def test_a_signal_ends_it_with_1(self):
        process = subprocess.Popen(
            [
                *(pods.program(case.BUILD), "serve", "--pod.drain_budget", "100ms"),
                *(*case.QUICK, "--test_input", '{"input": {"mock_hang": true}}'),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=pods.clean_environment({"TMPDIR": str(self.place)}),
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        for text in process.stderr:
            line = pods.Line(text.rstrip("\n"))
            if line.event == "state" and line["machine"] == "job" and line["to"] == "IN_PROGRESS":
                process.send_signal(signal.SIGTERM)
                break
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, FAILED)
        self.assertNotIn("completed", out)
        self.assertEqual(list(self.place.iterdir()), [])


class test_file(FlagCase):
    def test_worker_runs_it(self):
        (self.place / "test_input.json").write_text('{"input": {"mock_return": "hi"}}')
        done = self.command("worker")
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(
            done.stdout.splitlines(),
            [
                START_LINE,
                "INFO   | Using test_input.json as job input.",
                "INFO   | Job local_test completed successfully.",
                "INFO   | Job result: {'output': 'hi'}",
                "INFO   | Local testing complete, exiting.",
            ],
        )

    def test_worker_without_it(self):
        done = self.command("worker")
        self.assertEqual(done.returncode, FAILED)
        self.assertEqual(
            done.stdout.splitlines(), [START_LINE, "WARN   | test_input.json not found, exiting."]
        )

    def test_a_folder_of_this_name_is_not_read(self):
        (self.place / "test_input.json").mkdir()
        done = self.command("worker")
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("ERROR  | test_input.json cannot be read", done.stdout)


class serve_api(FlagCase):
    def test_it_serves_where_the_sdk_would_and_takes_nothing(self):
        port = port_of(pods.steady_address())
        words = ["--rp_serve_api", "--rp_api_port", port, "--rp_api_concurrency", 2]
        environment = {**PLATFORM, "TAYFA_LOG_FORMAT": "text"}
        pod = self.ready(*words, listen="", environment=environment)
        self.assertEqual(pod.port, port)
        self.assertEqual(len(pod.engines()), 2)
        job = {"input": {"mock_return": {"é": 1}}}
        for path in ("/runsync", "/v2/tayfa/runsync"):
            answer = pod.post(path, job).body
            self.assertEqual((answer["status"], answer["output"]), ("COMPLETED", {"é": 1}))
        self.assertNotIn(START_LINE, pod.tail(1000), "no worker of the platform")
        self.assert_stops(pod)

    def test_flags_that_are_wrong(self):
        for words, code, named in (
            (["--rp_api_port", "x"], BAD_USAGE, "--rp_api_port"),
            (["--rp_api_concurrency", "none"], BAD_CONFIG, "--rp_api_concurrency"),
            (["--rp_log_level", "LOUD"], BAD_USAGE, "--rp_log_level"),
            (["--rp_api_host", "0.0.0.0"], BAD_CONFIG, "0.0.0.0:8000"),
            (["--rp_api_port", "1", "--listen", "127.0.0.1:2"], BAD_CONFIG, "more than once"),
        ):
            done = self.command("serve", "--rp_serve_api", *words)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(named, done.stderr)

    def test_the_realtime_port(self):
        port = port_of(pods.steady_address())
        environment = {**PLATFORM, "RUNPOD_REALTIME_PORT": str(port), "TAYFA_LOG_FORMAT": "text"}
        pod = self.ready(listen="", environment=environment)
        self.assertEqual(pod.wait_for("listening")["address"], f"0.0.0.0:{port}")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)
        self.assert_stops(pod)

    def test_log_levels(self):
        for words, environment in (
            (["--rp_log_level", "ERROR"], {}),
            ([], {"RUNPOD_LOG_LEVEL": "ERROR"}),
        ):
            done = self.one_job({"input": 1}, *words, environment=environment)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (OK, "", ""))
        done = self.one_job({"input": 1}, "--rp_log_level", "DEBUG", "--rp_debugger")
        self.assertIn("--rp_debugger does nothing", done.stderr)
        self.assertIn(" info created ", done.stderr)


class load_balancer(FlagCase):
    ENDPOINT = {"RUNPOD_ENDPOINT_ID": "ep", "RUNPOD_POD_ID": "p1", "TAYFA_LOG_FORMAT": "text"}

    def test_it_serves_jobs_and_health_where_the_platform_asks(self):
        port, health = (port_of(pods.steady_address()) for _ in range(2))
        ports = {"PORT": str(port), "PORT_HEALTH": str(health), "HEALTH_CHECK_PATH": "/healthz"}
        pod = self.ready(listen="", environment={**self.ENDPOINT, **ports})
        self.assertEqual(pod.wait_for("listening")["address"], f"0.0.0.0:{port}")
        self.assertIn("RunPod decides who reaches it", pod.wait_for("note")["text"])
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)
        self.assertEqual(pod.get("/healthz").status, 200)
        pod.port = health
        self.assertEqual(pod.get("/healthz").status, 200)
        self.assertEqual(pod.get("/ping").status, 200)
        self.assertEqual(pod.post("/runsync", {"input": {}}).status, 404, "health and no more")
        self.assert_stops(pod)

    def test_health_is_204_until_it_is_ready(self):
        port = port_of(pods.steady_address())
        slow = {"TAYFA_SCRIPTED": json.dumps({"load_delay": 1}), "PORT": str(port)}
        slow["HEALTH_CHECK_PATH"] = "/up"
        pod = self.start(listen="", environment={**self.ENDPOINT, **slow})
        pod.wait_listening()
        pod.wait_for("state", machine="pod", to="LAUNCHING")
        self.assertEqual(pod.get("/up").status, 204)
        pod.wait_ready()
        self.assertEqual(pod.get("/up").status, 200)

    def test_what_the_platform_asks_must_make_sense(self):
        for variables, named in (
            ({"PORT": "http"}, "PORT: http is not a port"),
            ({"PORT": "80", "PORT_HEALTH": "0"}, "PORT_HEALTH: 0 is not a port"),
            ({"PORT": "80", "HEALTH_CHECK_PATH": "up?"}, "env HEALTH_CHECK_PATH"),
        ):
            done = self.command("serve", environment={"RUNPOD_ENDPOINT_ID": "ep", **variables})
            self.assertEqual(done.returncode, BAD_CONFIG, done.stderr)
            self.assertIn(named, done.stderr)

    def test_a_plain_pod_is_not_opened_to_all(self):
        done = self.command("serve", environment={"RUNPOD_POD_ID": "p1", "PORT": "8080"})
        self.assertEqual(done.returncode, BAD_CONFIG, done.stderr)
        self.assertIn("0.0.0.0:8080", done.stderr)


class worker_exit(FlagCase):
    def test_a_machine_that_is_not_fit_is_1_for_the_platform(self):
        broken = pathlib.Path("/bin/false")
        words = ["serve", "--engine.program", str(broken), "--data", str(self.place / "data")]
        words += ["--listen", "127.0.0.1:0"]
        done = self.command(*words, environment=PLATFORM)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertEqual(done.stdout.splitlines()[0], START_LINE)
        alone = self.command(*words)
        self.assertEqual(alone.returncode, case.UNFIT, alone.stderr)
        self.assertEqual(alone.stdout, "")

    def test_the_platform_learns_which_check_failed(self):
        pings = []

        class platform(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                pings.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), platform)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/v2/ep"
        environment = {
            "RUNPOD_WEBHOOK_GET_JOB": f"{url}/job-take/$ID?gpu=x",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{url}/job-done/$RUNPOD_POD_ID/$ID?gpu=x",
            "RUNPOD_WEBHOOK_PING": f"{url}/ping/$RUNPOD_POD_ID?gpu=x",
            "RUNPOD_POD_ID": "p1",
            "RUNPOD_AI_API_KEY": "k",
            "RUNPOD_MIN_MEMORY_GB": "1000000",
        }
        words = ["worker", "--data", str(self.place / "data"), "--listen", "127.0.0.1:0"]
        done = self.command(*words, environment=environment)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertEqual(len(pings), 1, "it is informed once, and no job is taken")
        self.assertTrue(pings[0].startswith("/v2/ep/ping/p1?gpu=x&"), pings)
        self.assertIn("status=unhealthy&check=_memory_check&reason=RuntimeError", pings[0])
        self.assertIn("fitness_check_failed check=_memory_check", done.stderr)

    def test_half_of_the_variables_is_a_refusal_that_names_the_other(self):
        done = self.command(
            "worker",
            environment={"RUNPOD_WEBHOOK_GET_JOB": PLATFORM["RUNPOD_WEBHOOK_GET_JOB"]},
        )
        self.assertEqual(done.returncode, BAD_CONFIG)
        self.assertIn("RUNPOD_WEBHOOK_POST_OUTPUT", done.stderr)


if __name__ == "__main__":
    case.main()
