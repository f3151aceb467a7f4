#!/usr/bin/env python3
"""`make bench`: the costs of Tayfa on this machine, compared with bare baselines and other queues of
the same run.

    bench.py [--build DIR] [--seconds S] [--data DIR] [--only PART,…] [--against DIR] [--write docs/benchmarks.md]

Prints Markdown tables; --write puts them into the parts of the file that are marked as theirs.
Numbers of two runs are not comparable, rows of one table are: they are measured in turns, in short
rounds, so that load from outside and variations of the disk affect all alike. Nothing passes or fails.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "peers"), str(HERE.parent / "support")]
import compare_bench  # noqa: E402
import exchanges  # noqa: E402
import fleet_bench  # noqa: E402
import frameworks_bench  # noqa: E402
import neighbour_bench  # noqa: E402
import peers  # noqa: E402
import pod as pods  # noqa: E402
import queues  # noqa: E402
import runpod_bench  # noqa: E402
import thread_bench  # noqa: E402
from report import load, machine, middle, percentile, table, written  # noqa: E402

ROUNDS = 3
TURNS = 20  # of the exchanges that run one at a time
WARM_UP = 50
STARTS = 5
IDLE_SECONDS = 5.0
CONNECTIONS = (1, 4, 16)
QUEUE_CLIENTS = (1, 4, 16, 64, 512)
QUEUE_WORKERS = (1, 2, 4, 8, 16, 32, 64)
WORKERS_OF_CLIENTS = 64  # with QUEUE_CLIENTS
CLIENTS_OF_WORKERS = 64  # with QUEUE_WORKERS
RECOVERED = 100_000


def say(words):
    print(f"bench: {words}", file=sys.stderr, flush=True)


class Run:
    """The parameters common to all parts."""

    def __init__(self, options):
        self.build = options.build
        self.seconds = options.seconds
        self.data = options.data or tempfile.gettempdir()
        self.against = options.against
        self.say = say

    def program(self, name):
        return peers.built(self.build, f"tests/{name}")


# ---- against other queues ------------------------------------------------------------------------


def beside_others(run):
    measured = peers.measure(
        queues.contenders(run.build, run.data),
        run.seconds,
        rounds=ROUNDS,
        data=run.data,
        report=say,
    )
    return peers.table(measured)


# ---- the queue alone -----------------------------------------------------------------------------


def job_table(run):
    said = peers.said_by(run.program("bench_queue"), "table", "--seconds", run.seconds / 10)
    rows = [
        [
            f"{x['waiting']:,}",
            x["workers"],
            f"{x['bytes']:.0f}" if x["bytes"] else "-",
            *(f"{x[key]:.0f}" for key in ("submit_ns", "decision_ns", "cancel_ns", "row_ns")),
        ]
        for x in map(json.loads, said.splitlines())
    ]
    return table(
        "",
        [
            "waiting jobs",
            "workers",
            "bytes per waiting job",
            "submit ns",
            "decision ns",
            "cancel ns",
            "row ns",
        ],
        rows,
    )


def many_workers(run):
    said = peers.said_by(run.program("bench_queue"), "workers", "--seconds", run.seconds / 10)
    rows = [
        [x["pool"], f"{x['workers']:,}", f"{x['decision_ns']:.0f}", f"{x['ratio']:.2f}"]
        for x in map(json.loads, said.splitlines())
    ]
    return table("", ["workers are", "workers", "decision ns", "to the first"], rows)


def through_actors(run, clients, workers):
    """The median round of each store; the stores are measured in turns."""
    rounds = {"sqlite": [], "memory": []}
    for _ in range(ROUNDS):
        for store, got in rounds.items():
            command = [run.program("bench_queue"), "actors", "--store", store]
            command += ["--folder", run.data, "--clients", clients, "--workers", workers]
            said = peers.said_by(*command, "--seconds", run.seconds / 8)
            got.append(json.loads(said))
    say(f"queue, {clients} clients, {workers} workers")
    return {
        store: sorted(got, key=lambda x: x["cycles_per_second"])[ROUNDS // 2]
        for store, got in rounds.items()
    }


def cells_of(stores):
    """The cells of one row, for both stores."""
    disk, none = stores["sqlite"], stores["memory"]
    return [
        f"{disk['cycles_per_second']:.0f}",
        f"{disk['p50_ms']:.2f}",
        f"{disk['p99_ms']:.2f}",
        f"{disk.get('flushes_per_second', 0):.0f}",
        f"{none['cycles_per_second']:.0f}",
        f"{none['p50_ms']:.3f}",
        f"{none['p99_ms']:.3f}",
        f"{none.get('cpu_us', 0):.1f}",
    ]


def actors(run):
    heads = ["jobs/s, flushed", "p50 ms", "p99 ms", "flushes/s"]
    heads += ["jobs/s, memory", "p50 ms", "p99 ms", "CPU µs per job"]
    by_clients = [
        [n, *cells_of(through_actors(run, n, WORKERS_OF_CLIENTS))] for n in QUEUE_CLIENTS
    ]
    by_workers = [
        [n, *cells_of(through_actors(run, CLIENTS_OF_WORKERS, n))] for n in QUEUE_WORKERS
    ]
    return "\n".join(
        [
            table(
                f"More clients, {WORKERS_OF_CLIENTS} workers", ["clients", *heads], by_clients
            ),
            table(
                f"More workers, {CLIENTS_OF_WORKERS} clients", ["workers", *heads], by_workers
            ),
        ]
    )


# ---- a whole pod: the price of durability --------------------------------------------------------


def pod_with(run, store):
    return queues.Pod(f"bench-{store}", "", "", run.data, run.build, ["--store", store])


def one_at_a_time(run, ports):
    echo, flush = exchanges.Echo(), exchanges.Flush(run.data)
    ping = exchanges.Connection(ports["sqlite"])
    jobs = {store: exchanges.Connection(port) for store, port in ports.items()}
    durable, volatile = "POST /runsync, zero-work job, durable", "the same, --store memory"
    contenders = [
        ("raw TCP echo of the same bytes", echo.exchange, exchanges.JOB),
        ("GET /ping", ping.exchange, exchanges.PING),
        ("4 KiB to the disk, flushed", flush.exchange, b""),
        (volatile, jobs["memory"].exchange, exchanges.JOB),
        (durable, jobs["sqlite"].exchange, exchanges.JOB),
    ]
    spent = {name: [] for name, _, _ in contenders}
    for name, exchange, request in contenders:
        exchanges.timed(exchange, request, WARM_UP)
    end = time.monotonic() + run.seconds * len(contenders)
    for _ in range(TURNS):
        for name, exchange, request in contenders:
            share = (end - time.monotonic()) / TURNS / len(contenders)
            one = sum(exchanges.timed(exchange, request, 5)) / 5 / 1000
            count = max(10, int(min(share, run.seconds / TURNS) / max(one, 1e-5)))
            spent[name] += exchanges.timed(exchange, request, count)
    for each in (echo, flush, ping, *jobs.values()):
        each.close()
    shares = (0.5, 0.9, 0.99, 0.999)
    rows, found = [], {}
    for name, _, _ in contenders:
        values = sorted(spent[name])
        found[name] = [percentile(values, share) for share in shares]
        rows.append([name, len(values), *(f"{x:.3f}" for x in found[name])])
    price = [a - b for a, b in zip(found[durable], found[volatile])]
    rows.append(["**price of durability**", "", *(f"{x:.3f}" for x in price)])
    return table(
        "One at a time: HTTP in to HTTP out (ms)",
        ["exchange", "n", "p50", "p90", "p99", "p99.9"],
        rows,
    )


def many_at_a_time(run, ports):
    rows = []
    for clients in CONNECTIONS:
        rounds = {store: [] for store in ports}
        for _ in range(ROUNDS):
            for store, port in ports.items():
                client = peers.measured_by(
                    run.program("bench_peers"), "--peer", "tayfa", "--port", port
                )
                rounds[store].append(client(clients, run.seconds / ROUNDS, 1024))
        say(f"pod, {clients} connections")
        row = [clients]
        for store in ("sqlite", "memory"):
            got = sorted(rounds[store], key=lambda x: x["cycles_per_second"])[ROUNDS // 2]
            row += [f"{got['cycles_per_second']:.0f}"]
            row += [f"{got[key]:.2f}" for key in ("p50_ms", "p99_ms")]
        rows.append(row)
    return table(
        f"Many at a time: zero-work jobs of 1 KiB, {queues.SLOTS} engine processes",
        [
            "connections",
            "jobs/s, durable",
            "p50 ms",
            "p99 ms",
            "jobs/s, memory",
            "p50 ms",
            "p99 ms",
        ],
        rows,
    )


def durability(run):
    with pod_with(run, "sqlite").started() as one, pod_with(run, "memory").started() as other:
        ports = {"sqlite": one.port, "memory": other.port}
        text = [one_at_a_time(run, ports), many_at_a_time(run, ports)]
    said = peers.said_by(
        run.program("bench_store"), "--recovery", "--rows", RECOVERED, "--folder", run.data
    )
    found = json.loads(said)
    text.append(
        f"A store of {found['rows']:,} waiting jobs of 1 KiB is opened, checked and read in "
        f"{found['seconds']:.2f} s.\n"
    )
    return "\n".join(text)


# ---- processes -----------------------------------------------------------------------------------


def kinds_of_pods(build):
    kinds = [("scripted engine", {"engine": "scripted"}, [])]
    if pods.has_torch(build):
        model = pods.demo_model(build)
        kinds.append(("torch engine, the demo's model", {"engine": ""}, ["--model", model]))
    return kinds


def starts(build):
    rows = []
    for name, options, arguments in kinds_of_pods(build):
        whole, check, launch, stop = [], [], [], []
        for _ in range(STARTS):
            with pods.Pod(build, *arguments, **options) as pod:
                pod.wait_for("state", 150, machine="pod", to="READY")
                whole.append((time.monotonic() - pod.started) * 1000)
                spent = {x["from"]: int(x["ms"]) for x in pod.moves()}
                check.append(spent["CONFIGURING"])
                launch.append(spent["LAUNCHING"])
                begin = time.monotonic()
                if pod.stop() != 0:
                    raise pods.PodError(
                        f"the pod did not stop in good order. The log's tail:\n{pod.tail()}"
                    )
                stop.append((time.monotonic() - begin) * 1000)
        middles = [f"{middle(x):.0f}" for x in (whole, check, launch, stop)]
        rows.append([name, f"{min(whole):.0f}", *middles])
    return table(
        f"Start and stop (ms, {STARTS} times)",
        [
            "pod",
            "exec to READY, best",
            "exec to READY, median",
            "of it CONFIGURING",
            "of it LAUNCHING",
            "SIGTERM to exit, median",
        ],
        rows,
    )


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident_mib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(x.split()[1] for x in text.splitlines() if x.startswith("VmRSS"))) / 1024


def idle(build):
    rows = []
    per_second = os.sysconf("SC_CLK_TCK")
    for name, options, arguments in kinds_of_pods(build):
        with pods.Pod(build, *arguments, **options) as pod:
            pod.wait_ready()
            watched = [("runtime", pod.pid)] + [("engine", pid) for pid in pod.engines()]
            before = {pid: cpu_ticks(pid) for _, pid in watched}
            if pods.wait_gone(pod.pid, IDLE_SECONDS):
                raise pods.PodError(f"the pod ended by itself. The log's tail:\n{pod.tail()}")
            for what, pid in watched:
                share = (cpu_ticks(pid) - before[pid]) / per_second / IDLE_SECONDS * 100
                rows.append([f"{what} ({name})", f"{share:.2f}", f"{resident_mib(pid):.1f}"])
    return table(f"Idle for {IDLE_SECONDS:g} s", ["process", "% of one core", "resident MiB"], rows)


def processes(run):
    return starts(run.build) + "\n" + idle(run.build)


# ---- the link ------------------------------------------------------------------------------------


def link(run):
    """Measures what the link under the worker protocol adds to encoding and decoding a frame."""
    lines = peers.said_by(run.program("bench_link")).splitlines()
    rows = [
        [found["payload"], found["codec_ns"], found["link_ns"], f"{found['ratio']:.2f}"]
        for found in map(json.loads, lines)
    ]
    return table(
        "",
        ["payload, bytes", "codec, ns per frame", "with the link, ns per frame", "ratio"],
        rows,
        "The median of 101 rounds in turns. A job is three frames.",
    )


# ---- all of it -----------------------------------------------------------------------------------

PARTS = {
    "queues": ("Beside other queues", beside_others),
    "table": ("The job table alone", job_table),
    "workers": ("Few workers and many", many_workers),
    "actors": ("Through the actors", actors),
    "durability": ("A whole pod", durability),
    "processes": ("Processes", processes),
    "link": ("The link to an engine", link),
    "fleet": ("A fleet", fleet_bench.fleets),
    "frameworks": ("A fleet beside Ray and Celery", frameworks_bench.beside_frameworks),
    "runpod": ("Beside RunPod's worker", runpod_bench.beside_the_sdk),
    "neighbours": ("Beside a hostile tenant", neighbour_bench.neighbours),
    "threads": ("Several slots on few CPUs", thread_bench.mixed_threads),
    "compare": ("Before and after", compare_bench.compare),
}


def measured_part(run, name):
    title, part = PARTS[name]
    print(f"## {title}\n", flush=True)
    before, begin = load(), time.monotonic()
    text = part(run)
    took = time.monotonic() - begin
    text += (
        f"\nMeasured on {machine()}, {peers.filesystem(run.data)}, in {took:.0f} s; load of the "
        f"machine before {before}, after {load()}.\n"
    )
    print(text, flush=True)
    return text


def main():
    arguments = argparse.ArgumentParser(description="what Tayfa costs, beside bare baselines")
    arguments.add_argument("--build", default="build", help="the build folder")
    arguments.add_argument("--seconds", type=float, default=3.0, help="for each row, about")
    arguments.add_argument("--data", help="where what is durable is kept; a disk")
    usual = ",".join(x for x in PARTS if x != "compare")
    arguments.add_argument("--only", default=usual, help="parts: " + ",".join(PARTS))
    arguments.add_argument("--against", help="compare: the build folder of what was before")
    arguments.add_argument(
        "--write", type=pathlib.Path, help="put the tables into this Markdown file as well"
    )
    options = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # instances end with their blocks
    chosen = [x for x in options.only.split(",") if x]
    if unknown := set(chosen) - set(PARTS):
        arguments.error(f"no such part: {', '.join(sorted(unknown))}")
    run = Run(options)
    if peers.filesystem(run.data) in ("tmpfs", "ramfs"):
        say(f"{run.data} is in memory: nothing is flushed to a disk; see --data")
    texts, code = {}, 0
    for name in chosen:
        try:
            texts[name] = measured_part(run, name)
        except (pods.PodError, peers.PeerError, exchanges.BenchError, OSError) as problem:
            print(f"bench: error: {name}: {problem}", file=sys.stderr)
            code = 1
    if options.write and texts:
        written(options.write, texts)
        print(f"bench: written to {options.write}")
    return code


if __name__ == "__main__":
    sys.exit(main())
