"""Workers that the stand-in platform is tried with: one on RunPod's SDK, and Tayfa. Both are asked
the same things: start with these variables, SIGTERM, SIGKILL, the exit code, the log.
"""

import contextlib
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
import pod as pods  # noqa: E402

BUILD = os.environ.get("TAYFA_E2E_BUILD", str(ROOT / "build"))
SDK_PYTHON = pathlib.Path(BUILD) / "test-venv/bin/python"
WITHOUT_CHECKS = {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}


class ForkServer:
    """The process of which SDK workers are forked (sdk_fork_server.py)."""

    _shared = None
    _sharing = threading.Lock()

    def __init__(self):
        self.process = subprocess.Popen(
            [SDK_PYTHON, "-B", HERE / "sdk_fork_server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE,
            env=pods.clean_environment(),
        )
        self.ended = {}
        self.changed = threading.Condition()
        self._ordering = threading.Lock()
        self._born = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @classmethod
    def shared(cls):
        with cls._sharing:
            cls._shared = cls._shared or cls()
            return cls._shared

    def _read(self):
        for line in self.process.stdout:
            report = json.loads(line)
            if "pid" in report:
                self._born.put(report["pid"])
            elif "ended" in report:
                with self.changed:
                    self.ended[report["ended"]] = report["code"]
                    self.changed.notify_all()

    def order(self, words, environment, log, folder):
        command = {"words": words, "environment": environment, "log": log, "folder": folder}
        with self._ordering:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            return self._born.get(timeout=120)

    def wait(self, pid, timeout):
        with self.changed:
            if not self.changed.wait_for(lambda: pid in self.ended, timeout):
                return None
            return self.ended[pid]


class SdkWorker:
    """A worker on RunPod's SDK, running mock_handler.py."""

    kind = "sdk"

    def __init__(self, environment, concurrency=1, handler="plain", aggregate=False, words=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tayfa-sdk-"))
        self.log_path = self.folder / "log"
        arguments = ["--handler", handler, "--concurrency", str(concurrency), *words]
        if aggregate:
            arguments.append("--aggregate")
        # HOME: a credentials file of the user who runs the tests would override the key.
        whole = pods.clean_environment({**WITHOUT_CHECKS, **environment, "HOME": str(self.folder)})
        self.fork_server = ForkServer.shared()
        self.pid = self.fork_server.order(arguments, whole, str(self.log_path), str(self.folder))

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait_exit(self, timeout=40.0):
        """The exit code, or None: it lives on."""
        return self.fork_server.wait(self.pid, timeout)

    def alive(self):
        return self.fork_server.wait(self.pid, 0) is None

    def kill_all(self):
        """SIGKILL, to its ping process as well, as when a machine goes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.fork_server.wait(self.pid, 10)

    def close(self):
        self.kill_all()
        shutil.rmtree(self.folder, ignore_errors=True)


class TayfaWorker:
    """`tayfa serve` with RunPod's variables and the scripted engine."""

    kind = "tayfa"
    words = ("--engine.backoff_base", "20ms", "--engine.stop_grace", "500ms")

    def __init__(
        self, environment, concurrency=1, handler="plain", aggregate=False, words=(), data=None
    ):
        del handler  # an engine streams when a job says so
        more = ["--slots", str(concurrency), *self.words, *words]
        if aggregate:
            more.append("--return-aggregate-stream")
        self.pod = pods.Pod(BUILD, *more, environment={**WITHOUT_CHECKS, **environment}, data=data)
        self.pid = self.pod.pid

    @property
    def log(self):
        return self.pod.tail(100_000)

    def signal(self, number):
        self.pod.signal(number)

    def wait_exit(self, timeout=40.0):
        try:
            return self.pod.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def alive(self):
        return self.pod.process.poll() is None

    def close(self):
        self.pod.close()


WORKERS = {x.kind: x for x in (SdkWorker, TayfaWorker)}
