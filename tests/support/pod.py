"""Drives one real pod (`tayfa serve`) from Python: starts it, follows its log, talks HTTP to it,
ends it.

Used by the demo, the end-to-end tests and the benchmarks; standard library only. Nothing here
sleeps: every wait is for a line of the log, the end of a process or an answer, and has a deadline.
A pod that is left (with-statement) is gone together with its engines and its data folder.
"""

import collections
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTO = ROOT / "runtime/demo/cat.png"
LEVELS = ("debug", "info", "warn", "error")
FIELD = re.compile(r'([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|\S*)')
PING_RETRY_S = 0.02

Answer = collections.namedtuple("Answer", "status headers body")


# The states of a pod that has served: one burst of work between its start and its stop.
WHOLE_LIFE = [
    "CREATED",
    "STARTING",
    "CONFIGURING",
    "LAUNCHING",
    "READY",
    "RUNNING",
    "READY",
    "STOPPING",
    "STOPPED",
]


class PodError(Exception):
    """An awaited event did not come; the text ends with the log's tail."""


class Line:
    """A line of the log in its text form: time, level, event, fields."""

    def __init__(self, text):
        self.text = text
        self.level = self.event = ""
        self.fields = {}
        words = text.split(" ", 2)
        if len(words) == 3 and words[1] in LEVELS:
            self.level = words[1]
            self.event, _, rest = words[2].partition(" ")
            for key, value in FIELD.findall(rest):
                if value.startswith('"'):
                    value = re.sub(r"\\(.)", r"\1", value[1:-1])
                self.fields[key] = value

    def __getitem__(self, key):
        return self.fields.get(key, "")

    def matches(self, event, fields):
        return self.event == event and all(self[key] == value for key, value in fields.items())


def program(build, name="tayfa"):
    path = pathlib.Path(build) / name
    return str(path if path.is_absolute() else ROOT / path)


def clean_environment(extra=None):
    """The caller's environment without what would configure a pod from outside."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TAYFA_", "RUNPOD_"))}
    kept.update(extra or {})
    return kept


def children(pid):
    """The processes that this process's threads have started."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text()
                found += [int(child) for child in text.split()]
    return found


def is_program(pid, name):
    with contextlib.suppress(OSError):
        return pathlib.Path(os.readlink(f"/proc/{pid}/exe")).name == name
    return False


def wait_gone(pid, timeout):
    """True when the process has ended (reaped or not) within the time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(int(timeout * 1000)))
    finally:
        os.close(descriptor)


def mentioned_by(text, name="tayfa-engine"):
    """The live processes of this program whose command line holds the text."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and is_program(int(entry), name):
            with contextlib.suppress(OSError):
                line = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
                if text.encode() in line:
                    found.append(int(entry))
    return found


def steady_address():
    """An address for a pod that is killed and started again: a port that the system gives to nobody
    by itself, neither to port 0 nor to a connection (which could even connect to itself).
    """
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = list(range(max(1024, first - 12_000), first))
    random.shuffle(ports)
    for port in ports:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return f"127.0.0.1:{port}"
    raise PodError("no port is free")


def how_it_ended(code):
    if code is None:
        return "its output did"
    return f"exit code {code}" if code >= 0 else f"signal {-code}: {signal.strsignal(-code)}"


class Pod:
    """`tayfa serve` (or another command that runs a pod) on a free port of the loopback with a data
    folder of its own (or the given one); a wrapper is the words of a program that replaces itself by
    it.
    """

    def __init__(
        self,
        build,
        *arguments,
        data=None,
        engine="scripted",
        environment=None,
        listen="127.0.0.1:0",
        wrapper=(),
        role="serve",
    ):
        self._own_data = data is None
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="tayfa-") if data is None else data)
        self.arguments, self.engine = arguments, engine
        self.environment, self.listen = environment, listen
        self.role = role
        self.command = [*wrapper, program(build), role]
        if listen:  # else as its surroundings say
            self.command += ["--listen", listen]
        self.command += ["--data", str(self.data)]
        if engine:
            self.command += ["--engine", engine]
        self.command += [str(argument) for argument in arguments]
        self.lines = []
        self.port = None
        self._news = threading.Condition()
        self._ended = False
        self._seen_engines = set()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(environment),
            start_new_session=True,
            text=True,
            errors="replace",
            cwd=self.data,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self):
        for text in self.process.stdout:
            line = Line(text.rstrip("\n"))
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    # ---- the log -----------------------------------------------------------------------------------------------

    def tail(self, count=40):
        with self._news:
            return "\n".join(line.text for line in self.lines[-count:])

    def wait_until(self, found, what, timeout=30.0):
        """The first truthy found(lines), asked again after each new line."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                answer = found(self.lines)
                if answer:
                    return answer
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._news.wait(left)
            ended = self._ended
        why = f"{timeout:g} s passed"
        if ended:
            # Its output has ended, so it has, or is about to.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5.0)
            why = f"the pod ended ({how_it_ended(self.process.returncode)})"
        raise PodError(f"waited for {what}, but {why}. The log's tail:\n{self.tail()}")

    def wait_for(self, event, timeout=30.0, after=0, **fields):
        """The first line of this event with these fields; `after` skips that many lines."""
        fields = {key.rstrip("_"): str(value) for key, value in fields.items()}
        return self.wait_until(
            lambda lines: next((x for x in lines[after:] if x.matches(event, fields)), None),
            f"{event} {fields}",
            timeout,
        )

    def moves(self, machine="pod"):
        """The lifecycle lines of one machine, in order."""
        with self._news:
            return [x for x in self.lines if x.event == "state" and x["machine"] == machine]

    def states(self, machine="pod"):
        """The states that the machine has been in, in order."""
        moved = self.moves(machine)
        return [moved[0]["from"]] + [x["to"] for x in moved] if moved else []

    # ---- the process -------------------------------------------------------------------------------------------

    @property
    def pid(self):
        return self.process.pid

    def engines(self):
        """The engine processes that live now."""
        found = [pid for pid in children(self.pid) if is_program(pid, "tayfa-engine")]
        self._seen_engines.update(found)
        return found

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, timeout=40.0):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise PodError(
                f"the pod did not end within {timeout:g} s. The log's tail:\n{self.tail()}"
            ) from None
        self._reader.join(5.0)
        return code

    def stop(self, timeout=40.0):
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def kill(self, timeout=40.0):
        """SIGKILL, as a machine that is out of memory does it; the engines it had."""
        engines = self.engines()
        self.signal(signal.SIGKILL)
        self.wait_exit(timeout)
        return engines

    def close(self):
        self.engines()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self._seen_engines:
            # The number may belong to somebody else by now.
            if is_program(pid, "tayfa-engine"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._reader.join(5.0)
        self.process.stdout.close()
        if self._own_data:
            shutil.rmtree(self.data, ignore_errors=True)

    # ---- HTTP --------------------------------------------------------------------------------------------------

    def wait_listening(self, timeout=30.0):
        address = self.wait_for("listening", timeout)["address"]
        self.port = int(address.rpartition(":")[2])
        return self.port

    def wait_ready(self, timeout=150.0):
        """Until /ping answers 200. The log says when to ask; asking again covers the moment between both."""
        deadline = time.monotonic() + timeout
        self.wait_listening(timeout)
        self.wait_for("state", max(0.1, deadline - time.monotonic()), machine="pod", to="READY")
        while self.get("/ping").status != 200:
            if time.monotonic() > deadline:
                raise PodError(f"/ping did not answer 200. The log's tail:\n{self.tail()}")
            with self._news:
                self._news.wait(PING_RETRY_S)
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout=60.0):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, timeout=60.0, connection=None, headers=None):
        """An exchange; `body` is JSON unless it is bytes. Answer.body is JSON when the answer says so."""
        own = connection is None
        connection = self.connect(timeout) if own else connection
        try:
            headers = dict(headers or {})
            if body is not None:
                headers["Content-Type"] = "application/json"
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
            if response.headers.get_content_type() == "application/json" and content:
                content = json.loads(content)
            return Answer(response.status, response.headers, content)
        finally:
            if own:
                connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def run(self, job_input, key=None, **more):
        """POST /run (under this idempotency key); the job's id."""
        headers = {"Idempotency-Key": f'"{key}"'} if key else {}
        answer = self.post("/v2/tayfa/run", {"input": job_input, **more}, headers=headers)
        if answer.status != 200:
            raise PodError(f"/run answered {answer.status} {answer.body}")
        return answer.body["id"]

    def status(self, job):
        return self.get(f"/v2/tayfa/status/{job}").body

    def detail(self, job):
        """GET /jobs/ID: everything about it, with its history."""
        return self.get(f"/jobs/{job}").body

    def wait_job(self, job, state, timeout=30.0):
        """Until the log says that the job came to the state."""
        return self.wait_for("state", timeout, machine="job", job=job, to=state)


# ---- the demo's model --------------------------------------------------------------------------------------------


def dependencies():
    return pathlib.Path(os.environ.get("TAYFA_DEPS") or ROOT / ".deps")


def has_torch(build):
    return pathlib.Path(program(build, "libtayfa-engine-torch.so")).is_file()


def demo_model(build):
    """The path of the demo's model, made first when it is missing or older than its script."""
    script = ROOT / "runtime/demo/make_model.py"
    folder = pathlib.Path(program(build, "demo"))
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "upscale4x.pt"
    manifest = folder / "upscale4x.pt.manifest.json"
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = [path.stat().st_mtime for path in (model, manifest) if path.is_file()]
        if len(made) == 2 and min(made) >= script.stat().st_mtime:
            return model
        print(f"demo: making {model}", flush=True)
        done = subprocess.run(
            [str(dependencies() / "venv/bin/python"), str(script), "--out", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        if done.returncode != 0 or not model.is_file() or not manifest.is_file():
            sys.stderr.write(done.stdout)
            raise PodError(f"{script} did not make {model} (exit {done.returncode})")
    return model
