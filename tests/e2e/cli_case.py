"""The commands of `tayfa` at hand: run to their end, left running on pipes, or on a terminal of their
own.
"""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import case
import pod as pods

# Exit codes of the commands that talk to a pod (docs/cli.md).
OK, FAILED, USAGE, UNREACHABLE, TRY_AGAIN, INTERRUPTED = 0, 1, 64, 69, 75, 130
NOBODY = "http://127.0.0.1:9"
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command on a terminal of its own, which can be read, typed at and resized."""

    def __init__(self, command, width=100, height=30, environment=None):
        self.leader, follower = pty.openpty()
        self.resize(width, height)
        self.text = ""
        self.process = subprocess.Popen(
            command,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=pods.clean_environment({"TERM": "xterm", **(environment or {})}),
            preexec_fn=control_terminal,
            start_new_session=True,
        )
        os.close(follower)

    def resize(self, width, height):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read_until(self, found, timeout=30.0, after=0):
        """The text since `after` once found(text); an error when it does not come."""
        deadline = time.monotonic() + timeout
        while not found(self.text[after:]):
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"it did not come; the terminal shows: {self.text[after:]!r}")
        return self.text[after:]

    def _read(self, timeout):
        if not select.select([self.leader], [], [], timeout)[0]:
            return False
        try:
            piece = os.read(self.leader, 65536)
        except OSError:  # the other side has closed
            return False
        self.text += piece.decode(errors="replace")
        return bool(piece)

    def type(self, keys):
        os.write(self.leader, keys.encode())

    def wait(self, timeout=30.0):
        deadline = time.monotonic() + timeout
        while self._read(max(0.0, deadline - time.monotonic())):
            pass
        return self.process.wait(timeout)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.leader)


def frames(text):
    """The whole frames of `tayfa top`, as lists of lines."""
    whole = re.findall(r"\x1b\[H(.*?)\x1b\[J", text, re.DOTALL)
    return [ESCAPE.sub("", frame).replace("\r", "").split("\n") for frame in whole]


def control_terminal():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Case(case.Case):
    """With the commands at hand."""

    def cli(self, pod, command, *arguments, **options):
        return self.tayfa(command, "--url", pod.url, *arguments, **options)

    def good(self, pod, *arguments):
        done = self.cli(pod, *arguments)
        self.assertEqual(done.returncode, OK, done.stderr)
        return done.stdout

    def json_of(self, pod, command, *arguments):
        value = json.loads(self.good(pod, command, "--json", *arguments))
        self.assertIsInstance(value, dict)
        return value

    def started(self, pod, *arguments):
        """A command that is left running; its output comes through pipes."""
        process = subprocess.Popen(
            [pods.program(case.BUILD), arguments[0], "--url", pod.url, *map(str, arguments[1:])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=pods.clean_environment(),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.addCleanup(self.end, process)
        return process

    def lines_of(self, stream, process):
        """Its lines, until it ends or nothing was found in them for too long."""
        timer = threading.Timer(30, process.kill)
        timer.start()
        self.addCleanup(timer.cancel)
        for line in stream:
            yield line
            timer.cancel()
            timer = threading.Timer(30, process.kill)
            timer.start()
            self.addCleanup(timer.cancel)
        timer.cancel()

    def line_of(self, stream, process):
        return next(self.lines_of(stream, process), "")

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        with contextlib.suppress(ValueError):
            process.communicate()

    def terminal(self, pod, command, *arguments, **options):
        started = Terminal(
            [pods.program(case.BUILD), command, "--url", pod.url, *map(str, arguments)], **options
        )
        self.addCleanup(started.close)
        return started

    def dead_job(self, pod):
        # Not at once: what the engine says of the beginning must have left it when it dies.
        job = pod.run({"mock_crash": True, "mock_delay": 0.2})
        pod.wait_job(job, "FAILED")
        return job
