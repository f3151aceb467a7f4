#!/usr/bin/env python3
"""Tayfa's queue compared with other queues (peers.py), measured in the same rounds on the same disk.

    queues.py [--build DIR] [--seconds S] [--rounds N] [--clients 1,4,16,64] [--payload 1024]
              [--only NAME,…] [--data DIR] [--json OUT] [--strict]

Three layers of Tayfa: its store alone, the queue's actors over it, and a whole pod over HTTP. Each
makes every acknowledged step durable before it is acknowledged. --strict: a queue that could not be
measured is an error.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import peers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAYLOAD_LEAST = 64  # bytes, of which a job's input consists of at least
WIDE = 64  # attempts that the engines of the wide pod take together
SLOTS = 2
KEPT_JOBS = 1000
READY = "machine=pod from=LAUNCHING to=READY"


class Program:
    """A program that is queue and clients at once."""

    version = ""

    def __init__(self, name, title, how, data, command):
        self.name, self.title, self.how = name, title, how
        self._data = data
        self._command = command

    @contextlib.contextmanager
    def open(self):
        with peers.own_folder(self.name, self._data) as folder:
            yield lambda clients, seconds, payload: peers.measured_by(
                *self._command(clients), "--folder", folder
            )(clients, seconds, payload)


class Pod:
    """`tayfa serve` as it is delivered, with its log in a file; but it keeps few ended jobs, so that
    soon each that ends makes another forgotten and erased, as in the long run.
    """

    version = ""

    def __init__(self, name, title, how, data, build, arguments=(), environment=None):
        self.name, self.title, self.how = name, title, how
        self._data = data
        self._program = peers.built(build, "tayfa")
        self._bench = peers.built(build, "tests/bench_peers")
        self._arguments = arguments
        self._environment = environment or {}
        peers.built(build, "tayfa-engine")

    @contextlib.contextmanager
    def started(self):
        """The instance, with its port."""
        with peers.own_folder(self.name, self._data) as folder:
            port = peers.free_port()
            command = [self._program, "serve", "--listen", f"127.0.0.1:{port}"]
            command += ["--data", folder / "data", "--engine", "scripted", "--slots", SLOTS]
            command += ["--queue.keep_jobs", KEPT_JOBS, *self._arguments]
            with peers.Instance(
                command, folder, port, ready=READY, user={}, environment=self._environment
            ) as instance:
                yield instance

    @contextlib.contextmanager
    def open(self):
        with self.started() as instance:
            yield peers.measured_by(self._bench, "--peer", "tayfa", "--port", instance.port)


def tayfas(build, data):
    store = peers.built(build, "tests/bench_store")
    queue = peers.built(build, "tests/bench_queue")
    wide = json.dumps({"capacity": WIDE // SLOTS, "continuous": True})
    return [
        Program(
            "tayfa-store",
            "Tayfa store",
            "in this process, as the queue uses it: 3 commits a cycle, and a fourth row erased",
            data,
            lambda clients: [store],
        ),
        Program(
            "tayfa-actors",
            "Tayfa queue",
            "ingress, queue and as many workers as clients as actors; claimed in the commit that "
            "accepts, or that completes the one before",
            data,
            lambda clients: [queue, "actors", "--workers", clients],
        ),
        Pod(
            "tayfa-http-wide",
            f"Tayfa over HTTP, {WIDE} at once",
            f"POST /runsync of a job without work; {SLOTS} engine processes that take "
            f"{WIDE // SLOTS} attempts each",
            data,
            build,
            environment={"TAYFA_SCRIPTED": wide},
        ),
        Pod(
            "tayfa-http",
            f"Tayfa over HTTP, {SLOTS} at once",
            f"likewise; {SLOTS} engine processes that take one attempt each",
            data,
            build,
        ),
    ]


def contenders(build, data=None, only=()):
    all_of_them = peers.others(build, data) + tayfas(build, data)
    if unknown := set(only) - {x.name for x in all_of_them}:
        names = ", ".join(x.name for x in all_of_them)
        raise peers.PeerError(f"no such queue: {', '.join(sorted(unknown))} (there are {names})")
    return [x for x in all_of_them if not only or x.name in only]


def main():
    arguments = argparse.ArgumentParser(description="Tayfa's queue beside others")
    arguments.add_argument("--build", default=str(ROOT / "build"), help="the build folder")
    arguments.add_argument("--seconds", type=float, default=5.0, help="for each number of clients")
    arguments.add_argument("--clients", default=",".join(map(str, peers.CLIENTS)))
    arguments.add_argument("--rounds", type=int, default=3, help="into which they are cut")
    arguments.add_argument("--payload", type=int, default=1024, help="bytes of a job's input")
    arguments.add_argument("--only", default="", help="names, separated by commas")
    arguments.add_argument("--data", help="where the instances keep their files; a disk")
    arguments.add_argument("--json", type=pathlib.Path, help="write the numbers there as well")
    arguments.add_argument("--strict", action="store_true", help="all of them must be measured")
    options = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # instances end with their blocks
    try:
        clients = [int(x) for x in options.clients.split(",")]
        if options.payload < PAYLOAD_LEAST or options.rounds < 1:
            raise peers.PeerError(f"--payload {PAYLOAD_LEAST} and --rounds 1 are the least")
        measured = peers.measure(
            contenders(options.build, options.data, [x for x in options.only.split(",") if x]),
            options.seconds,
            clients,
            options.payload,
            options.rounds,
            options.data,
            lambda words: print(f"queues: {words}", file=sys.stderr, flush=True),
        )
    except (peers.PeerError, OSError, ValueError) as problem:
        print(f"queues: error: {problem}", file=sys.stderr)
        return 1
    print(peers.table(measured))
    if options.json:
        options.json.write_text(json.dumps(measured, indent=2) + "\n")
    missing = [x["title"] for x in measured["peers"] if x["missing"]]
    return 1 if options.strict and missing else 0


if __name__ == "__main__":
    sys.exit(main())
