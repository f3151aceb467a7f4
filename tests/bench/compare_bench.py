"""Two builds side by side: the cost of a change (`bench.py --only compare --against OTHER_BUILD`).

Both are measured in turns, round by round, and each round begins with the other one. A row's ratio
is the middle of the rounds' ratios, shown with the lowest and the highest: where 1 lies between
these, the row does not tell the builds apart. bench_queue is each build's own; the clients over
HTTP are the newer build's for both.
"""

import contextlib
import json
import time

import exchanges
import peers
import pod as pods
import queues
from report import middle, table

ROUNDS = 7
WAITING = 100_000
TABLE_WORKERS = 8
CLIENTS = (1, 64)
WORKERS = 64
POD_CLIENTS = 16
PAYLOAD = 1024
WARM_UP = 50


def of_table(run, build):
    said = peers.said_by(
        *(peers.built(build, "tests/bench_queue"), "table", "--waiting", WAITING),
        *("--workers", TABLE_WORKERS, "--seconds", run.seconds / 6),
    )
    found = json.loads(said)
    name = f"job table, {WAITING:,} waiting, {TABLE_WORKERS} workers: "
    for key, what in (("submit_ns", "submit"), ("decision_ns", "decision"), ("cancel_ns", "cancel")):
        yield f"{name}{what}, ns", found[key]


def of_actors(run, build):
    for store in ("memory", "sqlite"):
        for clients in CLIENTS:
            command = [peers.built(build, "tests/bench_queue"), "actors", "--store", store]
            command += ["--folder", run.data, "--clients", clients, "--workers", WORKERS]
            said = json.loads(peers.said_by(*command, "--seconds", run.seconds / 6))
            per_job = 1e6 / said["cycles_per_second"]
            yield f"actors, {store}, {clients} clients: a job, µs", per_job


def of_pod(run, build):
    """Measures a whole pod with scripted engines over HTTP."""
    for store in ("memory", "sqlite"):
        place = queues.Pod("compare", "", "", run.data, build, ["--store", store])
        with place.started() as one:
            with contextlib.closing(exchanges.Connection(one.port)) as alone:
                exchanges.timed(alone.exchange, exchanges.JOB, WARM_UP)
                end, spent = time.monotonic() + run.seconds / 4, []
                while time.monotonic() < end:
                    spent += exchanges.timed(alone.exchange, exchanges.JOB, 10)
                yield f"pod, {store}: a job alone, middle, ms", middle(spent)
            if store == "memory":
                with contextlib.closing(exchanges.Connection(one.port)) as alone:
                    pings = exchanges.timed(alone.exchange, exchanges.PING, 2000)
                    yield "pod: GET /ping, middle, ms", middle(pings)
            said = peers.said_by(
                *(run.program("bench_peers"), "--peer", "tayfa", "--port", one.port),
                *("--clients", POD_CLIENTS, "--seconds", run.seconds / 4, "--payload", PAYLOAD),
            )
            found = json.loads(said)
            per_job = 1e3 * found["seconds"] / found["cycles"]
            yield f"pod, {store}, {POD_CLIENTS} connections: a job, ms", per_job


def of_start(run, build):
    with pods.Pod(build, engine="scripted") as pod:
        pod.wait_for("state", 150, machine="pod", to="READY")
        yield "pod: exec to READY, ms", (time.monotonic() - pod.started) * 1000
        begin = time.monotonic()
        if pod.stop() != 0:
            raise pods.PodError(f"the pod did not stop in good order. Its log:\n{pod.tail()}")
        yield "pod: SIGTERM to exit, ms", (time.monotonic() - begin) * 1000


PARTS = (of_table, of_actors, of_pod, of_start)


def compare(run):
    if run.against is None:
        raise exchanges.BenchError("compare needs --against BUILD, another build folder")
    builds = {"before": run.against, "after": run.build}
    found = {}
    for number in range(ROUNDS):
        for part in PARTS:
            for name in sorted(builds, reverse=number % 2 == 0):
                for what, value in part(run, builds[name]):
                    found.setdefault(what, {}).setdefault(name, []).append(value)
        run.say(f"compare, round {number + 1} of {ROUNDS}")
    rows = []
    for what, both in found.items():
        ratios = sorted(b / a for a, b in zip(both["before"], both["after"]))
        middles = [f"{middle(both[name]):.4g}" for name in builds]
        rows.append(
            [what, *middles, f"{middle(ratios):.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"]
        )
    return table(
        f"Two builds in turns, {ROUNDS} rounds; less is better in every row",
        ["", "before", "after", "ratio", "lowest to highest"],
        rows,
    )
