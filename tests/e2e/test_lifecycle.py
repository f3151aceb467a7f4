"""The pod's life from outside: every state in order, signals at every point, exit codes, what is
left behind.
"""

import json
import signal
import socket
import stat

import case
from case import BAD_CONFIG, BAD_USAGE, BUSY, OK, Case


def sockets_in(folder):
    return [path for path in folder.rglob("*") if stat.S_ISSOCK(path.lstat().st_mode)]


class whole_life(Case):
    def test_states_come_in_order_and_the_exit_code_is_0(self):
        pod = self.ready()
        self.assertEqual(
            pod.post("/runsync", {"input": {"mock_return": 1}}).body["status"], "COMPLETED"
        )
        pod.wait_for("state", machine="pod", from_="RUNNING", to="READY")
        self.assert_stops(pod)
        self.assertEqual(pod.states(), case.pods.WHOLE_LIFE)

    def test_each_move_has_its_cause_and_time(self):
        pod = self.ready()
        self.assert_stops(pod)
        moves = pod.moves()
        self.assertEqual(
            [move["cause"] for move in moves],
            [
                "start_requested",
                "parts_started",
                "configured",
                "engines_ready",
                "stop_requested",
                "all_stopped",
            ],
        )
        for move in moves:
            self.assertRegex(move["ms"], r"^\d+$")

    def test_the_engine_lives_its_own_life(self):
        pod = self.ready()
        pod.post("/runsync", {"input": {"mock_return": 1}})
        self.assert_stops(pod)
        self.assertEqual(
            pod.states("engine"),
            [
                "NOT_STARTED",
                "INITIALIZING",
                "LOADING_MODEL",
                "READY",
                "PROCESSING",
                "READY",
                "SHUTDOWN",
            ],
        )

    def test_ping_says_204_before_ready_and_200_after(self):
        pod = self.start(environment={"TAYFA_SCRIPTED": json.dumps({"load_delay": 1})})
        pod.wait_listening()
        pod.wait_for("state", machine="pod", to="LAUNCHING")
        self.assertEqual(pod.get("/ping").status, 204)
        pod.wait_for("state", machine="pod", to="READY")
        pod.wait_ready()
        self.assertEqual(pod.get("/ping").status, 200)

    def test_two_slots_are_two_engine_processes(self):
        pod = self.ready("--slots", "2")
        engines = pod.engines()
        self.assertEqual(len(engines), 2, pod.tail())
        self.assert_stops(pod)

    def test_no_socket_file_is_left_behind(self):
        folder = self.folder()
        pod = self.ready(data=folder)
        self.assert_stops(pod)
        self.assertEqual(sockets_in(folder), [])


class signals(Case):
    def test_sigint_is_like_sigterm(self):
        pod = self.ready()
        pod.signal(signal.SIGINT)
        self.assert_exit(pod, OK)
        self.assertEqual(pod.states()[-2:], ["STOPPING", "STOPPED"])

    def test_a_running_job_finishes_after_sigterm(self):
        pod = self.ready()
        connection = pod.connect()
        self.addCleanup(connection.close)
        connection.request(
            "POST",
            "/runsync",
            json.dumps({"input": {"mock_return": "kept", "mock_delay": 1.5}}),
            {"Content-Type": "application/json"},
        )
        pod.wait_for("state", machine="job", to="IN_PROGRESS")
        pod.signal(signal.SIGTERM)
        pod.wait_for("state", machine="pod", to="STOPPING")
        answer = json.loads(connection.getresponse().read())
        self.assertEqual((answer["status"], answer["output"]), ("COMPLETED", "kept"))
        self.assert_exit(pod, OK)

    def test_a_stopping_pod_takes_no_new_job(self):
        pod = self.ready()
        pod.run({"mock_return": 1, "mock_delay": 2})
        pod.wait_for("state", machine="job", to="IN_PROGRESS")
        pod.signal(signal.SIGTERM)
        pod.wait_for("state", machine="ingress", to="SHUTDOWN")
        try:
            answer = pod.post("/run", {"input": {}})
        except ConnectionError:
            pass
        else:
            self.assertEqual(answer.status, 503)
            self.assertEqual(answer.body["error"]["code"], "stopping")
        self.assert_exit(pod, OK)

    def test_a_job_that_does_not_end_is_cut_off_at_the_deadline(self):
        pod = self.ready("--pod.drain_budget", "500ms", "--pod.stopping_budget", "5s")
        pod.run({"mock_hang": True})
        pod.wait_for("state", machine="job", to="IN_PROGRESS")
        engines = pod.engines()
        pod.signal(signal.SIGTERM)
        self.assert_exit(pod, OK)
        for engine in engines:
            self.assert_gone(engine, 1.0)

    def test_sigterm_while_launching(self):
        pod = self.start(environment={"TAYFA_SCRIPTED": json.dumps({"load_delay": 30})})
        pod.wait_for("state", machine="pod", to="LAUNCHING")
        pod.wait_for("state", machine="engine", to="LOADING_MODEL")
        engines = pod.engines()
        self.assertEqual(len(engines), 1)
        pod.signal(signal.SIGTERM)
        self.assert_exit(pod, OK)
        self.assertNotIn("READY", pod.states())
        self.assert_gone(engines[0], 1.0)

    def test_a_second_signal_does_not_wait(self):
        pod = self.ready("--pod.drain_budget", "60s", "--pod.stopping_budget", "120s")
        pod.run({"mock_return": 1, "mock_delay": 60})
        pod.wait_for("state", machine="job", to="IN_PROGRESS")
        engines = pod.engines()
        pod.signal(signal.SIGTERM)
        pod.wait_for("state", machine="pod", to="STOPPING")
        pod.signal(signal.SIGTERM)
        pod.wait_exit(10.0)
        for engine in engines:
            self.assert_gone(engine, 2.0)


class kill_of_the_runtime(Case):
    def test_its_engines_end_with_it(self):
        pod = self.ready("--slots", "2")
        engines = pod.engines()
        self.assertEqual(len(engines), 2)
        pod.signal(signal.SIGKILL)
        self.assertEqual(pod.wait_exit(), -signal.SIGKILL)
        for engine in engines:
            self.assert_gone(engine)

    def test_also_while_they_compute(self):
        pod = self.ready()
        pod.run({"mock_hang": True})
        pod.wait_for("state", machine="job", to="IN_PROGRESS")
        engines = pod.engines()
        pod.signal(signal.SIGKILL)
        pod.wait_exit()
        for engine in engines:
            self.assert_gone(engine)

    def test_the_data_folder_serves_the_next_one(self):
        folder = self.folder()
        first = self.ready(data=folder)
        engines = first.engines()
        first.signal(signal.SIGKILL)
        first.wait_exit()
        for engine in engines:
            self.assert_gone(engine)
        second = self.ready(data=folder)
        self.assertEqual(second.post("/runsync", {"input": {"mock_return": 7}}).body["output"], 7)
        self.assert_stops(second)
        self.assertEqual(sockets_in(folder), [])


class refusals(Case):
    def test_a_second_runtime_on_the_same_data_folder(self):
        folder = self.folder()
        self.ready(data=folder)
        second = self.start(data=folder)
        self.assert_exit(second, BUSY)
        self.assertIn("locked", second.tail())

    def test_a_port_in_use_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            pod = self.start(listen=address)
            self.assert_exit(pod, BUSY)
            self.assertIn(address, pod.tail())
            self.assertIn("port_in_use", pod.tail())

    def test_unknown_flag(self):
        done = self.tayfa("serve", "--no-such-flag")
        self.assertEqual(done.returncode, BAD_USAGE, done.stderr)
        self.assertIn("--no-such-flag", done.stderr)

    def test_unknown_command(self):
        done = self.tayfa("sail")
        self.assertEqual(done.returncode, BAD_USAGE, done.stderr)
        self.assertIn("sail", done.stderr)

    def test_value_out_of_range(self):
        done = self.tayfa("serve", "--engine.heartbeat", "1ms")
        self.assertIn(done.returncode, (BAD_USAGE, BAD_CONFIG), done.stderr)
        self.assertIn("engine.heartbeat", done.stderr)

    def test_broken_file(self):
        folder = self.folder()
        for text, named in (
            ("[http]\nlisten = 7\n", "http.listen"),
            ("[http]\nlissten = 'x'\n", "lissten"),
            ("[http\n", "tayfa.toml"),
        ):
            file = folder / "tayfa.toml"
            file.write_text(text)
            done = self.tayfa("serve", "--config", file, "--data", folder / "data")
            self.assertEqual(done.returncode, BAD_CONFIG, done.stderr)
            self.assertIn(named, done.stderr)

    def test_missing_file(self):
        done = self.tayfa("serve", "--config", self.folder() / "none.toml")
        self.assertEqual(done.returncode, BAD_CONFIG, done.stderr)
        self.assertIn("none.toml", done.stderr)

    def test_bad_value_in_the_environment(self):
        done = self.tayfa("serve", environment={"TAYFA_HTTP_RUN_BODY_MAX": "many"})
        self.assertEqual(done.returncode, BAD_CONFIG, done.stderr)
        self.assertIn("TAYFA_HTTP_RUN_BODY_MAX", done.stderr)

    def test_a_missing_model(self):
        folder = self.folder()
        pod = self.start("--model", folder / "none.pt", engine="")
        self.assert_exit(pod, BAD_CONFIG)
        self.assertIn("none.pt", pod.tail())


if __name__ == "__main__":
    case.main()
