"""A fleet beside Ray and Celery, each as its own documentation starts it, on this machine.

They promise different things: Ray keeps nothing on a disk; Celery over Redis with the settings of
both loses what a worker had taken when it dies, and up to a second of what Redis had; Tayfa makes
each job and each result durable before it says so (or, with --store memory, neither).
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile

import fleet_bench
import peers
from report import middle, table

HERE = pathlib.Path(__file__).resolve().parent
CLIENT = HERE / "frameworks/client.py"
SLOTS = 4
CLIENTS = (1, 16)
ROUNDS = 3
CELERY_READY_SECONDS = 60.0


def python(run):
    """The environment that `make bench` installs."""
    path = pathlib.Path(run.build).resolve() / "bench-venv/bin/python"
    if not path.is_file():
        raise peers.PeerError(f"{path} is missing: make bench installs it")
    return path


def client(run, kind, port=0):
    def call(clients, seconds, payload):
        command = [python(run) if kind != "tayfa" else "python3", "-B", CLIENT, kind]
        command += ["--port", port, "--clients", clients, "--seconds", seconds]
        return json.loads(peers.said_by(*command, "--payload", payload).splitlines()[-1])

    return call


@contextlib.contextmanager
def celery(run):
    with tempfile.TemporaryDirectory(prefix="tayfa-celery-", dir=run.data) as folder:
        folder = pathlib.Path(folder)
        peers.give(folder)
        port = peers.free_port()
        server = [peers.program("redis-server", "redis-server", "/usr/sbin")]
        server += ["--port", port, "--bind", "127.0.0.1", "--dir", folder]
        with peers.Instance(server, folder, port) as redis:
            command = [python(run), "-m", "celery", "-A", "celery_app", "worker"]
            with open(folder / "celery.log", "wb") as log:
                worker = subprocess.Popen(
                    [*map(str, command), "-c", str(SLOTS), "-l", "WARNING"],
                    cwd=HERE / "frameworks",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**peers.clean_environment(), "REDIS_PORT": str(redis.port), "C_FORCE_ROOT": "1"},
                    start_new_session=True,
                )
            try:
                yield client(run, "celery", redis.port)
            finally:
                worker.terminate()
                try:
                    worker.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(worker.pid, signal.SIGKILL)
                    worker.wait()


@contextlib.contextmanager
def ray(run):
    yield client(run, "ray")


def tayfa(store):
    @contextlib.contextmanager
    def open_fleet(run):
        with fleet_bench.fleet(run.build, store) as head:
            yield client(run, "tayfa", head.port)

    return open_fleet


CONTENDERS = (
    ("Tayfa, head and pod, durable", tayfa("sqlite")),
    ("Tayfa, head and pod, --store memory", tayfa("memory")),
    ("Celery with Redis", celery),
    ("Ray", ray),
)


def beside_frameworks(run):
    found = {}
    with contextlib.ExitStack() as all_of_them:
        calls = {name: all_of_them.enter_context(start(run)) for name, start in CONTENDERS}
        for _ in range(ROUNDS):
            for clients in CLIENTS:
                for name, call in calls.items():
                    found.setdefault((name, clients), []).append(call(clients, run.seconds, 1024))
            run.say("frameworks: a round")
    rows = []
    for name, _ in CONTENDERS:
        row = [name]
        for clients in CLIENTS:
            got = found[name, clients]
            row += [f"{middle([x['cycles_per_second'] for x in got]):.0f}"]
            row += [f"{middle([x[key] for x in got]):.2f}" for key in ("p50_ms", "p99_ms")]
        rows.append(row)
    heads = [f"{x} of {n} clients" for n in CLIENTS for x in ("jobs/s", "p50 ms", "p99 ms")]
    return table(
        f"Tasks without work, 1 KiB there and back, {SLOTS} slots, Python clients",
        ["", *heads],
        rows,
        f"The middle of {ROUNDS} rounds in turns; idle ones run beside the one that is measured.",
    )
