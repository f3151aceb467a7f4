"""The commands that talk to a pod, each against a real one: what they print, their JSON and their exit
codes.
"""

import contextlib
import json
import re
import signal
import subprocess
import time

import case
import pod as pods
from cli_case import FAILED, INTERRUPTED, NOBODY, OK, TRY_AGAIN, UNREACHABLE, USAGE, Case


class submit(Case):
    def test_input_from_everywhere(self):
        pod = self.ready()
        file = self.folder() / "in.json"
        file.write_text('{"mock_return": "file"}')
        self.assertEqual(self.good(pod, "submit", file), '"file"\n')
        self.assertEqual(self.good(pod, "submit", "--input", f"@{file}"), '"file"\n')
        self.assertEqual(self.good(pod, "submit", "--input", '{"mock_return": 5}'), "5\n")
        for words in (["-"], ["--input", "-"]):
            done = subprocess.run(
                [pods.program(case.BUILD), "submit", "--url", pod.url, *words],
                input='{"mock_return": "stdin"}',
                capture_output=True,
                text=True,
                timeout=60,
            )
            self.assertEqual((done.returncode, done.stdout), (OK, '"stdin"\n'), done.stderr)

    def test_what_it_says_of_the_job_arrives(self):
        pod = self.ready()
        words = ["--no-wait", "--tenant", "acme", "--priority", 8, "--ttl", "1h", "--deadline"]
        words += ["30s", "--delay", "10m", "--execution-timeout", "20s"]
        words += ["--idempotency-key", "key 1"]
        first = self.good(pod, "submit", *words).strip()
        detail = self.json_of(pod, "status", first)
        self.assertEqual((detail["tenant"], detail["priority"]), ("acme", 8))
        self.assertEqual(detail["waitReason"], "delayed")
        self.assertEqual(self.good(pod, "submit", *words).strip(), first, "the key is known")
        low = self.json_of(pod, "submit", "--no-wait", "--low-priority", "--delay", "1m")["id"]
        self.assertEqual(self.json_of(pod, "status", low)["priority"], 1)

    def test_exit_codes(self):
        pod = self.ready("--queue.max", "1")
        failed = self.cli(pod, "submit", "--input", '{"mock_error": "no \\u001b[31mcat"}')
        self.assertEqual(failed.returncode, FAILED)
        self.assertIn("is FAILED: no ?[31mcat", failed.stderr)
        self.assertEqual(self.cli(pod, "submit", "--input", "{").returncode, USAGE)
        self.assertEqual(self.cli(pod, "submit", "--ttl", "soon").returncode, USAGE)
        self.assertEqual(self.cli(pod, "submit", "--input", "1", "x").returncode, USAGE)
        self.assertEqual(self.cli(pod, "submit", "--ttl", "1ms").returncode, FAILED, "refused")
        self.assertEqual(self.tayfa("submit", "--url", NOBODY).returncode, UNREACHABLE)
        running = pod.run({"mock_delay": 60})
        pod.wait_job(running, "IN_PROGRESS")
        pod.run({"mock_delay": 60})
        full = self.cli(pod, "submit")
        self.assertEqual(full.returncode, TRY_AGAIN, full.stderr)
        late = self.cli(pod, "status", running)
        self.assertEqual(late.returncode, OK, late.stderr)

    def test_a_wait_that_is_over_leaves_the_job_alone(self):
        pod = self.ready()
        done = self.cli(pod, "submit", "--input", '{"mock_delay": 60}', "--timeout", "300ms")
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("it goes on", done.stderr)
        job = self.json_of(pod, "jobs")["jobs"][0]
        self.assertEqual(job["status"], "IN_PROGRESS")

    def test_json_and_plain_lines(self):
        pod = self.ready()
        script = {"mock_return": 1, "mock_progress": {"updates": 4, "wait_time": 0.6}}
        done = self.cli(pod, "submit", "--json", "--input", json.dumps(script))
        ended = json.loads(done.stdout)
        self.assertEqual((ended["status"], ended["output"], ended["files"]), ("COMPLETED", 1, []))
        self.assertRegex(done.stderr, r"job \S+: IN_PROGRESS on slot-0, \d+ %\n")
        self.assertNotIn("\x1b", done.stderr)
        quiet = self.cli(pod, "submit", "--quiet", "--input", json.dumps(script))
        self.assertEqual((quiet.stdout, quiet.stderr), ("1\n", ""))

    def test_stream_prints_chunks_as_they_come(self):
        pod = self.ready()
        script = {"mock_stream": ["a", {"b": 1}, "\u001b[2J\u009b"], "mock_delay": 0.4}
        command = self.started(pod, "submit", "--stream", "--input", json.dumps(script))
        first = self.line_of(command.stdout, command)
        self.assertEqual(first, '"a"\n')
        self.assertIsNone(command.poll(), "it goes on")
        rest, _ = command.communicate(timeout=30)
        self.assertEqual(rest, '{"b":1}\n"\\u001b[2J\\u009b"\n')
        self.assertEqual(command.returncode, OK)
        lines = self.good(pod, "submit", "--stream", "--json", "--input", json.dumps(script))
        parsed = [json.loads(line) for line in lines.splitlines()]
        self.assertEqual(parsed[0], {"output": "a"})
        self.assertEqual(parsed[-1]["status"], "COMPLETED")

    def test_ctrl_c_cancels(self):
        pod = self.ready()
        command = self.started(pod, "submit", "--input", '{"mock_delay": 60}')
        self.line_of(command.stderr, command)  # it waits
        command.send_signal(signal.SIGINT)
        _, text = command.communicate(timeout=30)
        self.assertEqual(command.returncode, INTERRUPTED, text)
        self.assertRegex(text, r"job \S+ is cancelled")
        self.assertEqual(self.json_of(pod, "jobs")["jobs"][0]["status"], "CANCELLED")

    def test_a_second_ctrl_c_leaves(self):
        pod = self.ready()
        command = self.started(pod, "submit", "--input", '{"mock_delay": 60}')
        self.line_of(command.stderr, command)
        pod.signal(signal.SIGSTOP)  # so that the cancel is not answered
        try:
            deadline = time.monotonic() + 30
            command.send_signal(signal.SIGINT)
            while command.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    command.wait(0.2)
                command.send_signal(signal.SIGINT)
        finally:
            pod.signal(signal.SIGCONT)
        self.assertEqual(command.returncode, INTERRUPTED)

    def test_a_runtime_that_comes_back_is_waited_for(self):
        data = self.folder()
        pod = self.ready(data=data)
        command = self.started(pod, "submit", "--input", '{"mock_delay": 3, "mock_return": 7}')
        self.line_of(command.stderr, command)
        pod.process.kill()
        pod.process.wait()
        address = f"127.0.0.1:{pod.port}"
        self.ready(data=data, listen=address)
        out, text = command.communicate(timeout=60)
        self.assertEqual((command.returncode, out), (OK, "7\n"), text)

    def test_on_a_terminal_it_shows_a_bar(self):
        pod = self.ready()
        script = {"mock_return": 1, "mock_progress": {"updates": 3, "wait_time": 0.7}}
        shown = self.terminal(pod, "submit", "--input", json.dumps(script), width=80)
        shown.read_until(lambda text: re.search(r"\[#+\.+\] +(33|66) %  IN_PROGRESS on slot-0", text))
        self.assertEqual(shown.wait(), OK)
        self.assertTrue(shown.text.endswith("\x1b[K1\r\n"), shown.text)


class lists(Case):
    def test_jobs(self):
        pod = self.ready()
        self.assertEqual(self.good(pod, "jobs"), "no jobs\n")
        for number in range(5):
            tenant = "acme" if number % 2 else "zeta"
            pod.run({"mock_delay": 60}, policy={"tenant": tenant})
        done = self.cli(pod, "jobs", "--limit", "2")
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[0], r"^ID +STATUS +AGE +PRI +TRIES +TENANT +WHY$")
        self.assertIn("every worker that may take it is busy", lines[1])
        self.assertIn("there are more", done.stderr)
        some = self.json_of(pod, "jobs", "--limit", "2")
        self.assertEqual(len(some["jobs"]), 2)
        self.assertIsInstance(some["next"], int)
        every = self.json_of(pod, "jobs", "--all")
        self.assertEqual((len(every["jobs"]), every["next"]), (5, None))
        of_acme = self.json_of(pod, "jobs", "--tenant", "acme", "--state", "in_queue")
        self.assertEqual({job["tenant"] for job in of_acme["jobs"]}, {"acme"})
        self.assertEqual(self.json_of(pod, "jobs", "--state", "FAILED")["jobs"], [])
        self.assertEqual(self.json_of(pod, "jobs", "--model", "none")["jobs"], [])
        self.assertEqual(self.cli(pod, "jobs", "--state", "gone").returncode, USAGE)

    def test_more_than_a_page(self):
        pod = self.ready("--queue.max", "2000")
        connection = pod.connect()
        self.addCleanup(connection.close)
        for _ in range(1100):
            answer = pod.post("/run", {"input": {"mock_delay": 60}}, connection=connection)
            self.assertEqual(answer.status, 200)
        self.assertEqual(len(self.json_of(pod, "jobs", "--all")["jobs"]), 1100)
        self.assertEqual(len(self.good(pod, "jobs", "--limit", "1050").splitlines()), 1051)

    def test_a_table_fits_its_terminal(self):
        pod = self.ready()
        pod.run({"mock_delay": 60})
        pod.run({"mock_delay": 60})
        shown = self.terminal(pod, "jobs", width=60)
        self.assertEqual(shown.wait(), OK)
        lines = shown.text.replace("\r\n", "\n").splitlines()
        self.assertEqual(len(lines), 3)
        self.assertLessEqual(max(map(len, lines)), 60)

    def test_status(self):
        pod = self.ready()
        self.assertIn("workers", self.json_of(pod, "status"))
        self.assertRegex(self.good(pod, "status"), r"jobs\n  completed +0\n")
        job = self.dead_job(pod)
        text = self.good(pod, "status", job)
        self.assertRegex(text, r"status +FAILED\n")
        self.assertRegex(text, r"ATTEMPT +WORKER +GIVEN +BEGAN +ENDED +RESULT\n +1  slot-0 .*crash")
        detail = self.json_of(pod, "status", job)
        self.assertEqual(detail["status"], "FAILED")
        self.assertGreaterEqual(len(detail["history"]), 1)
        self.assertEqual(self.cli(pod, "status", "no-such").returncode, FAILED)
        self.assertEqual(self.cli(pod, "status", "no/id").returncode, USAGE)
        self.assertEqual(self.tayfa("status", "--url", NOBODY).returncode, UNREACHABLE)


class changes(Case):
    def test_cancel(self):
        pod = self.ready()
        first, second, third = (pod.run({"mock_delay": 60}) for _ in range(3))
        self.assertEqual(
            self.good(pod, "cancel", first, second), f"{first} CANCELLED\n{second} CANCELLED\n"
        )
        self.assertEqual(self.json_of(pod, "cancel", third), {"id": third, "status": "CANCELLED"})
        ended = pod.run({"mock_return": 1})
        pod.wait_job(ended, "COMPLETED")
        late = self.cli(pod, "cancel", ended, "no-such", "--json")
        self.assertEqual(late.returncode, FAILED)
        answers = json.loads(late.stdout)["jobs"]
        self.assertEqual(answers[0], {"id": ended, "status": "COMPLETED"})
        self.assertIn("error", answers[1])
        self.assertEqual(self.cli(pod, "cancel").returncode, USAGE)

    def test_retry_and_the_dead_list(self):
        pod = self.ready("--queue.max_attempts", "1")
        self.assertEqual(self.good(pod, "dead"), "no jobs\n")
        self.assertEqual(self.good(pod, "retry", "--dead"), "no dead jobs\n")
        jobs = {self.dead_job(pod) for _ in range(3)}
        self.assertEqual({job["id"] for job in self.json_of(pod, "dead")["jobs"]}, jobs)
        self.assertEqual(len(self.good(pod, "dead", "list", "--limit", "2").splitlines()), 3)
        one = jobs.pop()
        seen = len(pod.lines)
        # An engine that is back by then takes it at once.
        began = (f"{one} IN_QUEUE\n", f"{one} IN_PROGRESS\n")
        self.assertIn(self.good(pod, "retry", one), began)
        pod.wait_for("state", machine="job", job=one, to="FAILED", after=seen)
        self.assertIn("retries         1\n", self.good(pod, "status", one))
        self.assertEqual(self.good(pod, "dead", "drop", one), f"{one} dropped\n")
        self.assertEqual(self.cli(pod, "status", one).returncode, FAILED)
        seen = len(pod.lines)
        self.assertEqual(len(self.json_of(pod, "dead", "retry", "--all")["jobs"]), 2)
        for job in jobs:
            pod.wait_for("state", machine="job", job=job, to="FAILED", after=seen)
        self.assertEqual(len(self.json_of(pod, "dead", "drop", "--all")["jobs"]), 2)
        self.assertEqual(self.good(pod, "dead"), "no jobs\n")
        good = pod.run({"mock_return": 1})
        pod.wait_job(good, "COMPLETED")
        self.assertEqual(self.cli(pod, "retry", good).returncode, FAILED, "it completed")
        self.assertEqual(self.cli(pod, "retry").returncode, USAGE)
        self.assertEqual(self.cli(pod, "retry", good, "--dead").returncode, USAGE)
        self.assertEqual(self.cli(pod, "dead", "drop").returncode, USAGE)

    def test_purge(self):
        pod = self.ready()
        pod.wait_job(pod.run({"mock_delay": 60}), "IN_PROGRESS")
        for _ in range(3):
            pod.run({"mock_delay": 60})
        self.assertEqual(self.good(pod, "purge"), "3 waiting jobs removed\n")
        self.assertEqual(self.json_of(pod, "purge")["removed"], 0)

    def test_slots(self):
        pod = self.ready("--slots", "2")
        lines = self.good(pod, "slots").splitlines()
        self.assertRegex(lines[0], r"^SLOT  STATE ")
        self.assertRegex(lines[2], r"^   1  READY ")
        self.assertEqual(len(self.json_of(pod, "slots")["slots"]), 2)
        self.assertRegex(self.good(pod, "drain", "1"), r"\n   1  \S+ +draining ")
        self.assertTrue(self.json_of(pod, "drain", "1")["slots"][1]["draining"])
        self.assertFalse(self.json_of(pod, "undrain", "1")["slots"][1]["draining"])
        self.assertEqual(len(self.json_of(pod, "resize", "3")["slots"]), 3)
        self.assertEqual(self.cli(pod, "drain", "77").returncode, FAILED)
        self.assertEqual(self.cli(pod, "drain", "x").returncode, USAGE)
        self.assertEqual(self.cli(pod, "resize", "5000").returncode, USAGE)
        self.assertEqual(self.tayfa("slots", "--url", NOBODY).returncode, UNREACHABLE)


if __name__ == "__main__":
    case.main()
