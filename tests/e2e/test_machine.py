"""A pod and its machine: what it gives to engines, takes from the system, leaves behind and lets
others do.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import unittest

import case
from case import BAD_CONFIG, BUSY, OK, UNFIT, Case, pods

SECRETS = {
    "RUNPOD_AI_API_KEY": "secret-of-runpod",
    "AWS_SECRET_ACCESS_KEY": "secret-of-a-cloud",
    "HF_TOKEN": "secret-of-a-hub",
    "DATABASE_URL": "postgres://user:secret-of-a-database@host/",
    "https_proxy": "http://user:secret-of-a-proxy@host/",
    "CUDA_API_KEY": "secret-by-its-name",
}
STRANGER = 23_456  # a user without processes

# Ways in which a program starts a process that would outlive it; each writes its pid to a file.
CHILDREN = {
    "in its group": "sh -c 'echo $$ >{file}; exec sleep 1000' &",
    "in a session of its own": "setsid sh -c 'echo $$ >{file}; exec sleep 1000' &",
    "as a daemon": "(setsid sh -c 'echo $$ >{file}; exec sleep 1000' &)",
    "as a daemon's child": "(setsid sh -c 'sh -c \"echo \\$\\$ >{file}; exec sleep 1000\" & wait' &)",
    "without an environment": "(env -i sh -c 'echo $$ >{file}; exec sleep 1000' &)",
}


def environment_of(pid):
    text = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def lives(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def needs_root(test):
    return unittest.skipIf(os.geteuid() != 0, "needs root, to be another user")(test)


def has_own_pids():
    """True when a process may be PID 1 of a namespace here."""
    tried = subprocess.run(
        ["unshare", "-pf", "--mount-proc", "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


class MachineCase(Case):
    def program(self, body, check=""):
        """An engine program that does this first, and this when it is asked for the compatibility
        test; then it is ours.
        """
        folder = self.folder()
        path = folder / "engine.sh"
        engine = pods.program(case.BUILD, "tayfa-engine")
        path.write_text(
            f'#!/bin/sh\ncase "$*" in *--check*) {check or ":"} ;; *) {body or ":"} ;; esac\n'
            f'exec {engine} "$@"\n'
        )
        path.chmod(0o755)
        return path


class surroundings(MachineCase):
    def test_engines_and_checks_get_no_secret(self):
        folder = self.folder()
        program = self.program("", check=f"env >{folder}/check")
        pod = self.ready("--engine.program", program, environment={**SECRETS, "OMP_NUM_THREADS": "1"})
        (engine,) = pod.engines()
        given = environment_of(engine)
        for name, value in SECRETS.items():
            self.assertNotIn(name, given)
            self.assertNotIn(value, (folder / "check").read_text())
        self.assertEqual(given["OMP_NUM_THREADS"], "1")
        self.assertEqual(given["PATH"], os.environ["PATH"])
        self.assertFalse([name for name in given if name.startswith(("RUNPOD_", "AWS_"))])

    def test_what_the_operator_names_goes_to_engines(self):
        pod = self.ready(
            "--engine.environment",
            "HF_TOKEN, MY_*, MODE=fast",
            environment={**SECRETS, "MY_A": "1", "MY_B": "2", "MODE": "slow"},
        )
        given = environment_of(pod.engines()[0])
        self.assertEqual(given["HF_TOKEN"], SECRETS["HF_TOKEN"])
        self.assertEqual((given["MY_A"], given["MY_B"], given["MODE"]), ("1", "2", "fast"))
        self.assertNotIn("RUNPOD_AI_API_KEY", given)

    def test_a_wrong_name_is_refused(self):
        pod = self.start("--engine.environment", "A-B=hidden")
        self.assert_exit(pod, BAD_CONFIG)
        self.assertIn("engine.environment", pod.tail())
        self.assertNotIn("hidden", pod.tail())


class modes(MachineCase):
    def loose(self, folder):
        return [
            str(path)
            for path in folder.rglob("*")
            if not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) & 0o077
        ]

    def test_nothing_in_the_data_folder_is_for_others(self):
        pod = self.ready(wrapper=["sh", "-c", 'umask 0; exec "$@"', "sh"])
        pod.post("/runsync", {"input": {"text": "x" * 200_000}})
        os.kill(pod.engines()[0], signal.SIGKILL)  # the list of engines is written again
        pod.post("/runsync", {"input": {"mock_return": 1}})
        self.assertEqual(self.loose(pod.data), [])
        self.assert_stops(pod)
        self.assertEqual(self.loose(pod.data), [])

    def test_a_folder_that_every_user_may_write_to_is_refused(self):
        data = self.folder() / "data"
        data.mkdir()
        data.chmod(0o777)
        pod = self.start(data=data)
        self.assert_exit(pod, BAD_CONFIG)
        self.assertIn("pod.allow_shared_data", pod.tail())
        allowed = self.ready("--pod.allow_shared_data", data=data)
        allowed.wait_for("data_folder")
        self.assert_stops(allowed)

    def test_modes_of_an_older_pod_are_put_right_and_said(self):
        first = self.ready(data=self.folder())
        self.assert_stops(first)
        (first.data / "store").chmod(0o755)
        (first.data / "store/jobs.sqlite").chmod(0o666)
        again = self.again(first).wait_ready()
        self.assertIn("0755", again.wait_for("data_folder")["text"])
        self.assertEqual(self.loose(first.data), [])


class standard_descriptors(MachineCase):
    def test_closed_ones_do_not_become_files_of_the_pod(self):
        for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
            with self.subTest(closed=closed):
                data = self.folder()
                address = pods.steady_address()
                command = [pods.program(case.BUILD), "serve", "--listen", address]
                command += ["--data", data, "--engine", "scripted", "--log-file", data / "log"]
                pod = subprocess.Popen(
                    ["sh", "-c", f'exec "$@" {closed}', "sh", *map(str, command)],
                    env=pods.clean_environment(),
                    start_new_session=True,
                )
                self.addCleanup(pod.wait)
                self.addCleanup(pod.kill)
                log = data / "log"
                self.eventually(
                    lambda log=log: log.exists() and "to=READY" in log.read_text(), "READY"
                )
                for fd in range(3):
                    target = os.readlink(f"/proc/{pod.pid}/fd/{fd}")
                    self.assertNotIn(str(data), target)
                    self.assertFalse(target.startswith(("anon_inode", "socket")), target)
                self.assertEqual((data / "lock").read_text(), f"{pod.pid}\n")
                pod.terminate()
                self.assertEqual(pod.wait(30), OK)


class descriptors(MachineCase):
    def connect_many(self, port, count):
        """So many connections that do not say anything."""
        taken = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                taken.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        self.addCleanup(lambda: [each.close() for each in taken])
        return taken

    def test_many_clients_take_nothing_that_the_pod_needs(self):
        health = pods.steady_address()
        pod = self.ready(
            "--slots",
            "2",
            "--http.health_listen",
            health,
            "--http.header_timeout",
            "600s",
            wrapper=["sh", "-c", 'ulimit -n 160; exec "$@"', "sh"],
        )
        self.assertLess(int(pod.wait_for("created")["connections_max"]), 160)
        client = pod.connect()
        pod.get("/ping", connection=client)  # in before the others
        self.connect_many(pod.port, 400)
        self.connect_many(int(health.rpartition(":")[2]), 100)
        large = "x" * 300_000  # goes through a file
        for _ in range(5):
            answer = pod.post("/runsync", {"input": {"mock_return": large}}, connection=client)
            self.assertEqual((answer.status, answer.body["status"]), (200, "COMPLETED"))
            self.assertEqual(answer.body["output"], large)
        for engine in pod.engines():  # new processes, pipes and sockets
            os.kill(engine, signal.SIGKILL)
        for _ in range(5):
            answer = pod.post("/runsync", {"input": {"mock_return": 1}}, connection=client)
            self.assertEqual((answer.status, answer.body["status"]), (200, "COMPLETED"))
        events = {line.event for line in pod.lines}
        for trouble in ("store_failed", "text_unreadable", "engine_start_delayed", "http_trouble"):
            self.assertNotIn(trouble, events)
        self.assert_stops(pod)

    def test_the_health_address_answers_beside_many_clients(self):
        health = pods.steady_address()
        pod = self.ready(
            "--http.health_listen", health, wrapper=["sh", "-c", 'ulimit -n 160; exec "$@"', "sh"]
        )
        self.connect_many(pod.port, 400)
        probe = pods.http.client.HTTPConnection(health, timeout=10)
        probe.request("GET", "/ping")
        self.assertEqual(probe.getresponse().status, 200)
        probe.close()

    def test_a_limit_that_is_too_small_is_an_exit_code_and_a_sentence(self):
        pod = self.start(wrapper=["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"])
        self.assert_exit(pod, UNFIT)
        self.assertIn("ulimit -n", pod.tail())


class threads_and_memory(MachineCase):
    def start_limited(self, limit):
        return self.start(wrapper=["sh", "-c", f'{limit}; exec "$@"', "sh"])

    @needs_root
    @unittest.skipIf(shutil.which("setpriv") is None, "setpriv is not here")
    @case.own_memory
    def test_too_few_threads_are_an_exit_code_and_a_sentence(self):
        data = self.folder()
        os.chown(data, STRANGER, STRANGER)
        ended = set()
        for limit in (1, 2, 3, 5, 8, 9, 10, 12, 14, 16, 18, 20, 24):
            identity = f"setpriv --reuid {STRANGER} --regid {STRANGER} --clear-groups"
            pod = self.start(
                data=data, wrapper=["bash", "-c", f'ulimit -u {limit} && exec {identity} "$@"', "bash"]
            )
            code = pod.wait_exit() if limit < 20 else self.code_or_ready(pod)
            with self.subTest(limit=limit):
                self.assertIn(code, (BUSY, UNFIT, OK))
                if code == BUSY:
                    self.assertRegex(pod.tail(), "cannot start: .*(ulimit -u|fork)")
            ended.add(code)
            pod.close()
        self.assertIn(BUSY, ended)

    def code_or_ready(self, pod):
        """0 when it serves and stops."""
        with contextlib.suppress(pods.PodError):
            pod.wait_ready(60)
            return pod.stop()
        return pod.wait_exit()

    @case.own_memory
    def test_too_little_memory_is_an_exit_code_and_a_sentence(self):
        for mib in (60, 100, 150, 200, 300, 350, 400, 450, 500, 600, 1_000):
            with self.subTest(mib=mib):
                pod = self.start_limited(f"ulimit -v {mib * 1024}")
                code = self.code_or_ready(pod)
                if "error while loading shared libraries" in pod.tail():
                    continue  # it has not begun
                self.assertIn(code, (OK, UNFIT, BUSY), pod.tail())
                if code == BUSY:
                    self.assertRegex(pod.tail(), "memory|threads")
                pod.close()


class children_of_engines(MachineCase):
    def start_with(self, how):
        self.pid_file = self.folder() / "pid"
        body = CHILDREN[how].format(file=self.pid_file)
        # Once: the engine of the next pod has none.
        pod = self.ready("--engine.program", self.program(f"[ -e {self.pid_file} ] || {body}"))
        self.eventually(lambda: self.child() is not None, "the engine's child")
        child = self.child()
        self.addCleanup(lambda: lives(child) and os.kill(child, signal.SIGKILL))
        self.assertTrue(lives(child))
        return pod, child

    def child(self):
        text = self.pid_file.read_text() if self.pid_file.exists() else ""
        return int(text) if text.endswith("\n") else None

    def test_they_end_with_their_engine(self):
        for how in CHILDREN:
            with self.subTest(how=how):
                pod, child = self.start_with(how)
                (engine,) = pod.engines()
                os.kill(engine, signal.SIGKILL)
                pod.wait_for("engine_exited")
                self.assertFalse(lives(child), "it is gone before the end is reported")
                self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).status, 200)
                self.assert_stops(pod)

    def test_they_end_with_a_pod_that_is_asked_to_stop(self):
        for how in CHILDREN:
            with self.subTest(how=how):
                pod, child = self.start_with(how)
                self.assert_stops(pod)
                self.assertFalse(lives(child))

    def test_they_end_with_a_pod_that_is_killed(self):
        for how in CHILDREN:
            with self.subTest(how=how):
                pod, child = self.start_with(how)
                pod.kill()
                self.assert_gone(child, 5.0)

    def test_they_end_at_the_next_start_when_the_guard_was_killed_too(self):
        pod, child = self.start_with("as a daemon")
        guards = [
            int(entry)
            for entry in os.listdir("/proc")
            if entry.isdigit() and self.is_guard_of(int(entry), pod)
        ]
        self.assertEqual(len(guards), 1)
        os.kill(guards[0], signal.SIGKILL)
        self.assert_gone(guards[0])
        pod.kill()
        self.assertTrue(lives(child), "nobody is there to end it")
        again = self.again(pod).wait_ready()
        again.wait_for("engine_leftover_killed")
        self.assertFalse(lives(child))

    def is_guard_of(self, pid, pod):
        with contextlib.suppress(OSError):
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            return name == "tayfa-guard" and str(pod.data).encode() in line
        return False

    def test_a_guard_ends_with_its_pod(self):
        pod = self.ready()
        (guard,) = (
            int(entry)
            for entry in os.listdir("/proc")
            if entry.isdigit() and self.is_guard_of(int(entry), pod)
        )
        self.assert_stops(pod)
        self.assert_gone(guard, 2.0)


@unittest.skipUnless(has_own_pids(), "no PID namespace can be made here")
class first_process(MachineCase):
    def test_pid_1_reaps_every_orphan(self):
        body = "for i in 1 2 3 4 5; do ( (sleep 0.1) & ); (setsid sleep 0.1 &); done"
        pod = self.ready(
            "--engine.program", self.program(body), wrapper=["unshare", "-pf", "--mount-proc"]
        )
        (first,) = pods.children(pod.pid)
        # As with docker exec: a process from outside whose parent ends.
        subprocess.run(
            ["nsenter", "-t", str(first), "-p", "-m", "sh", "-c", "(sleep 0.1 &)"], check=True
        )
        self.eventually(
            lambda: [x for x in self.family(first) if self.named(x, "sleep")] == [],
            "everybody's end",
            10,
        )
        self.eventually(
            lambda: not [x for x in self.family(first) if not lives(x)], "zombies reaped", 10
        )
        os.kill(first, signal.SIGTERM)
        pod.wait_exit()

    def family(self, pid):
        found = []
        for child in pods.children(pid):
            found += [child, *self.family(child)]
        return found

    def named(self, pid, name):
        with contextlib.suppress(OSError):
            return pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name
        return False


class signals(MachineCase):
    def test_a_pod_that_was_started_with_nohup_outlives_its_terminal(self):
        for ignored in ("HUP", "INT"):
            with self.subTest(ignored=ignored):
                wrapper = ["sh", "-c", f"trap '' {ignored}; exec \"$@\"", "sh"]
                pod = self.ready(wrapper=wrapper)
                pod.signal(getattr(signal, f"SIG{ignored}"))
                answer = pod.post("/runsync", {"input": {"mock_return": 1}})
                self.assertEqual(answer.body["status"], "COMPLETED")
                self.assert_stops(pod)

    def test_without_it_a_hangup_stops(self):
        pod = self.ready()
        pod.signal(signal.SIGHUP)
        self.assertEqual(pod.wait_exit(), OK)

    def test_a_parent_that_ignores_the_ends_of_children_changes_nothing(self):
        words = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
        words += "os.execv(sys.argv[1], sys.argv[1:])"
        pod = self.ready(wrapper=[sys.executable, "-c", words])
        (engine,) = pod.engines()
        os.kill(engine, signal.SIGKILL)
        self.assertIn("signal 9", pod.wait_for("engine_exited")["how"])
        self.assertEqual(
            pod.post("/runsync", {"input": {"mock_return": 1}}).body["status"], "COMPLETED"
        )
        self.assert_stops(pod)


class rotated_log(MachineCase):
    def rotate(self, number):
        data = self.folder()
        log = data / "pod.log"
        address = pods.steady_address()
        pod = self.start("--log-file", log, data=data, listen=address)
        pod.port = int(address.rpartition(":")[2])
        self.eventually(lambda: log.exists() and "to=READY" in log.read_text(), "READY")
        log.rename(data / "pod.log.1")
        if number:
            pod.signal(number)

        def written():
            job = {"input": {"mock_logs": [{"level": "warn", "message": "after it"}]}}
            self.assertEqual(pod.post("/runsync", job).status, 200)
            return log.exists() and "after it" in log.read_text()

        self.eventually(written, "a new file", 10)
        self.assertEqual(pod.stop(), OK)
        self.assertIn("stopped", log.read_text())

    def test_by_itself(self):
        self.rotate(None)

    def test_by_a_signal(self):
        self.rotate(signal.SIGUSR1)


if __name__ == "__main__":
    case.main()
