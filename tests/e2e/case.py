"""The parts of every end-to-end test: a build, pods that are always cleaned up, and ctest's way
to say "skipped".
"""

import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
import pod as pods  # noqa: E402

BUILD = os.environ.get("TAYFA_E2E_BUILD", str(ROOT / "build"))
SKIPPED = 77
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")

# For tests that measure or bound the pod's memory or threads: a sanitizer has its own beside.
own_memory = unittest.skipIf(
    os.environ.get("TAYFA_SANITIZE"), "a sanitizer's own memory and threads would be measured too"
)

# Exit codes of `tayfa serve` (sysexits.h).
OK, BAD_USAGE, BAD_CONFIG, UNFIT, INTERNAL, BUSY = 0, 64, 65, 69, 70, 75

# Short budgets, so that a test of what happens at their end takes no minute.
QUICK = [
    "--engine.backoff_base",
    "20ms",
    "--engine.stop_grace",
    "500ms",
    "--engine.cancel_grace",
    "300ms",
]


class EndedJobs:
    """The jobs that have ended, from a log that grows."""

    def __init__(self):
        self.at = 0
        self.jobs = set()

    def read(self, lines):
        for line in lines[self.at :]:
            if line.event == "state" and line["machine"] == "job" and line["to"] in FINAL:
                self.jobs.add(line["job"])
        self.at = len(lines)
        return self.jobs


class Case(unittest.TestCase):
    maxDiff = None

    def start(self, *arguments, **options):
        """A pod that ends with the test at the latest."""
        pod = pods.Pod(BUILD, *QUICK, *arguments, **options)
        self.addCleanup(pod.close)
        return pod

    def ready(self, *arguments, **options):
        return self.start(*arguments, **options).wait_ready()

    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="tayfa-e2e-")
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def tayfa(self, *arguments, timeout=60, environment=None):
        return subprocess.run(
            [pods.program(BUILD), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=pods.clean_environment(environment),
        )

    def assert_gone(self, pid, timeout=10.0):
        self.assertTrue(pods.wait_gone(pid, timeout), f"process {pid} lives on")

    def assert_exit(self, pod, code):
        self.assertEqual(pod.wait_exit(), code, f"the log's tail:\n{pod.tail()}")

    def again(self, pod, *arguments):
        """The next runtime on a pod's data folder and address, when it has ended; with the pod's own
        arguments and these.
        """
        fresh = pods.Pod(
            BUILD,
            *pod.arguments,
            *arguments,
            data=pod.data,
            engine=pod.engine,
            environment=pod.environment,
            listen=pod.listen,
            role=pod.role,
        )
        self.addCleanup(fresh.close)
        return fresh

    def assert_sound_store(self, data):
        """The store's file, of which a copy is looked at, is sound, and nothing unfinished lies
        beside it. The pod has ended.
        """
        store = pathlib.Path(data) / "store"
        with tempfile.TemporaryDirectory(prefix="tayfa-copy-") as copy:
            for file in store.glob("jobs.sqlite*"):
                shutil.copy(file, copy)
            with contextlib.closing(sqlite3.connect(pathlib.Path(copy) / "jobs.sqlite")) as found:
                self.assertEqual(found.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        rest = [path.name for path in store.rglob("*") if path.is_file()]
        known = r"jobs\.sqlite(-wal|-shm)?|jobs\.mark|reserve|[0-9a-f]+"
        unfinished = [x for x in rest if not re.fullmatch(known, x)]
        self.assertEqual(unfinished, [])

    def eventually(self, true, what, timeout=60.0):
        """For facts outside of the pod that no line of its log tells of."""
        deadline = time.monotonic() + timeout
        while not true():
            self.assertLess(time.monotonic(), deadline, f"{what}: not within {timeout:g} s")
            time.sleep(0.02)

    def blobs(self, data):
        """The names of the files in which the store keeps large texts."""
        folder = pathlib.Path(data) / "store/blobs"
        return sorted(str(x.relative_to(folder)) for x in folder.rglob("*") if x.is_file())

    def assert_stops(self, pod):
        """SIGTERM ends it with 0, and nothing of it stays."""
        engines = pod.engines()
        self.assertEqual(pod.stop(), OK, f"the log's tail:\n{pod.tail()}")
        for engine in engines:
            self.assert_gone(engine, 1.0)
        self.assertEqual(pod.states()[-2:], ["STOPPING", "STOPPED"])


def main():
    """Like unittest.main(), but 77 when nothing ran because everything was skipped."""
    outcome = unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]], exit=False).result
    if not outcome.wasSuccessful():
        sys.exit(1)
    if outcome.testsRun == 0:
        sys.exit("no test ran")
    sys.exit(SKIPPED if len(outcome.skipped) == outcome.testsRun else 0)
