"""A tenant's latency alone, and beside a hostile tenant (hostile.py), in turns.

Alice asks for zero-work jobs one at a time over HTTP, durable. Bob purges 100,000 jobs, polls lists
without matches, reads nothing of large answers, names webhooks that hang, and lets engines crash.
Bob's clients share the machine's cores with the pod and with Alice: a ratio holds their cost too.
"""

import contextlib
import http.client
import json
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import time

import pod as pods
from exchanges import BenchError, Connection, post, timed
from hostile import DEAF_READERS, KEPT_JOBS, LIST_POLLERS, WEBHOOKS, fill
from report import percentile, table

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS = 3
STARTED_WITHIN = 60.0
PING_PAUSE = 0.02
HOOK_WITHIN = 20.0
BIG_BYTES = 9 << 20
JOB = post("/runsync", {"input": {"mock_return": 1}, "policy": {"tenant": "alice"}})
KNOBS = ["--slots", 2, "--queue.max", 2 * KEPT_JOBS]
KNOBS += ["--queue.keep_jobs", 2 * KEPT_JOBS, "--webhook.allow_private", "127.0.0.0/8"]


class Hostile:
    """A running hostile.py."""

    def __init__(self, kind, port, big=""):
        self.process = subprocess.Popen(
            [sys.executable, "-B", HERE / "hostile.py", kind, str(port), big],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise BenchError("the hostile client has ended; see above")
        return line


class Webhooks:
    """Alice's jobs that name a webhook, and the receiver that answers it at once: an exchange is
    over when the receiver has been called.
    """

    def __init__(self, pod):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.door.settimeout(HOOK_WITHIN)
        url = f"http://localhost:{self.door.getsockname()[1]}/alice"
        self.job = post(
            "/run", {"input": {"mock_return": 1}, "webhook": url, "policy": {"tenant": "alice"}}
        )
        self.pod = Connection(pod.port)

    def exchange(self, _):
        self.pod.exchange(self.job)
        try:
            call = self.door.accept()[0]
        except TimeoutError:
            raise BenchError(f"her webhook was not called within {HOOK_WITHIN:g} s") from None
        with call:
            call.recv(65536)
            call.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self):
        self.pod.close()
        self.door.close()


def for_seconds(alice, seconds):
    """Repeats exchanges for this time; returns the milliseconds of each."""
    spent, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        spent += timed(alice.exchange, JOB, 1)
    return spent


def while_purging(alice, pod):
    """Alice's exchanges from the purge's call to its answer."""
    with Hostile("purge", pod.port) as bob:
        bob.go()
        spent = []
        while not select.select([bob.process.stdout], [], [], 0)[0]:
            spent += timed(alice.exchange, JOB, 1)
        said = json.loads(bob.answer())
    if said["status"] != 200 or said["removed"] < KEPT_JOBS:
        raise BenchError(f"the purge answered {said}")
    return spent


def big_job(pod):
    """An ended job with a result of 9 MiB."""
    connection = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=120)
    body = json.dumps({"input": {"mock_return": "y" * BIG_BYTES}, "policy": {"tenant": "bob"}})
    connection.request("POST", "/runsync?wait=60000", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = json.load(answer)
    connection.close()
    if said.get("status") != "COMPLETED":
        raise BenchError(f"the large job: {answer.status} {said.get('status')}")
    return said["id"]


def row(name, quiet, beside):
    quiet, beside = sorted(quiet), sorted(beside)
    cells = [percentile(x, share) for share in (0.5, 0.99) for x in (quiet, beside)]
    ratio = cells[3] / cells[2]
    numbers = [f"{cells[0]:.2f}", f"{cells[1]:.2f}", f"{cells[2]:.2f}", f"{cells[3]:.2f}"]
    return [name, len(beside), *numbers, f"{ratio:.1f}", f"{beside[-1]:.0f}"]


def in_turns(alice, pod, kind, seconds, big=""):
    quiet, beside = [], []
    for _ in range(ROUNDS):
        quiet += for_seconds(alice, seconds / ROUNDS)
        with Hostile(kind, pod.port, big):
            beside += for_seconds(alice, seconds / ROUNDS)
    return quiet, beside


def webhooks_beside(build, seconds):
    name = f"her own webhook, {WEBHOOKS} that never answer"
    with served(build) as (pod, _):
        with contextlib.closing(Webhooks(pod)) as hooks:
            quiet = for_seconds(hooks, seconds)
            with Hostile("hooks", pod.port):
                try:
                    return row(name, quiet, for_seconds(hooks, seconds))
                except BenchError as missed:
                    quiet.sort()
                    alone = [f"{percentile(quiet, share):.2f}" for share in (0.5, 0.99)]
                    return [name, 0, alone[0], "-", alone[1], "-", str(missed), "-"]


@contextlib.contextmanager
def served(build):
    """A pod that is READY, with its log in a file (nobody reads it here), and Alice's connection."""
    listen = pods.steady_address()
    with tempfile.TemporaryDirectory(prefix="tayfa-log-") as folder:
        knobs = [*KNOBS, "--log-file", f"{folder}/log"]
        with pods.Pod(build, *knobs, listen=listen) as pod:
            pod.port = int(listen.rpartition(":")[2])
            deadline = time.monotonic() + STARTED_WITHIN
            while not pinged(pod):
                if time.monotonic() > deadline or pods.wait_gone(pod.pid, PING_PAUSE):
                    raise BenchError(f"the pod is not READY. Its log: {folder}/log")
            alice = Connection(pod.port)
            for_seconds(alice, 0.3)
            yield pod, alice
            alice.close()


def pinged(pod):
    with contextlib.suppress(OSError):
        return pod.get("/ping").status == 200
    return False


def neighbours(run):
    seconds = max(run.seconds * 2, 2.0)
    rows = []
    with served(run.build) as (pod, alice):
        fill(pod.port)
        quiet = for_seconds(alice, seconds)
        rows.append(row(f"a purge of {KEPT_JOBS:,} waiting jobs", quiet, while_purging(alice, pod)))
        rows.append(
            row(
                f"{LIST_POLLERS} pollers of a list that fits none of {KEPT_JOBS:,} kept jobs",
                *in_turns(alice, pod, "lists", seconds),
            )
        )
        for name, kind in (
            (f"{LIST_POLLERS} pollers of /ping, for comparison: the cheapest answer", "pings"),
            ("another program on every CPU, for comparison: it never asks the pod", "spin"),
        ):
            rows.append(row(name, *in_turns(alice, pod, kind, seconds)))
        big = big_job(pod)
        rows.append(
            row(
                f"{DEAF_READERS} readers of a 9 MiB result that read nothing",
                *in_turns(alice, pod, "deaf", seconds, big),
            )
        )
    for name, kind in (
        (f"{WEBHOOKS} webhooks that never answer", "hooks"),
        ("60 jobs that crash their engines", "crashes"),
    ):
        with served(run.build) as (pod, alice):
            quiet = for_seconds(alice, seconds)
            with Hostile(kind, pod.port):
                rows.append(row(name, quiet, for_seconds(alice, seconds)))
    rows.append(webhooks_beside(run.build, seconds))
    return table(
        "One tenant's zero-work jobs, one at a time (ms), alone and beside another tenant",
        ["beside", "n", "p50 alone", "p50", "p99 alone", "p99", "p99 ratio", "longest"],
        rows,
    )
