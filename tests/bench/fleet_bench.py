"""What a fleet costs: a slot of a pod beside a slot of the same machine, and a head with many pods.

The pods of the second table are `scripted_pods`: the sessions and connections of real pods, many in
a process, without engines. All of it runs on this machine, so pods take CPU time that a head with
machines of its own would have; the rows of one table compare.
"""

import contextlib
import json
import os
import pathlib
import select
import subprocess
import time

import exchanges
import peers
import pod as pods
from report import middle, percentile, table

SLOTS = 4
ROUNDS = 5
CLIENTS = (1, 16)
PODS = (1, 10, 100)
SLOTS_OF_MANY = 8
MANY_CLIENTS = 64
SETTLE_SECONDS = 60.0
WARM_UP = 100


def link_key(build, head, address):
    made = subprocess.run(
        [pods.program(build), "link", "token", "--data", str(head.data), "--address", address],
        capture_output=True,
        text=True,
        timeout=60,
        env=pods.clean_environment(),
        check=True,
    )
    return made.stdout.strip()


@contextlib.contextmanager
def fleet(build, store):
    """A head without slots and one pod; the head."""
    address = pods.steady_address()
    arguments = ["--slots", "0", "--link", address, "--store", store]
    with pods.Pod(build, *arguments) as head:
        head.wait_ready()
        token = link_key(build, head, address)
        with pods.Pod(
            *[build, "--slots", SLOTS], role="pod", environment={"TAYFA_JOIN": token}
        ) as one:
            head.wait_for("pod_linked")
            one.wait_ready()
            yield head


@contextlib.contextmanager
def alone(build, store):
    with pods.Pod(build, "--slots", SLOTS, "--store", store) as one:
        yield one.wait_ready()


def by_clients(run, port, clients):
    got = peers.measured_by(run.program("bench_peers"), "--peer", "tayfa", "--port", port)(
        clients, run.seconds / ROUNDS, 1024
    )
    return got["cycles_per_second"], got["p50_ms"], got["p99_ms"]


def remote_slots(run):
    """Slots of a pod beside slots of the head's own process, in turns."""
    found = {}
    with contextlib.ExitStack() as all_of_them:
        ports = {}
        for store in ("memory", "sqlite"):
            for kind in (alone, fleet):
                pod = all_of_them.enter_context(kind(run.build, store))
                ports[store, kind.__name__] = pod.port
        for _ in range(ROUNDS):
            for clients in CLIENTS:
                for which, port in ports.items():
                    found.setdefault((clients, *which), []).append(by_clients(run, port, clients))
            run.say("fleet: remote slots")
    rows = []
    for store in ("memory", "sqlite"):
        for clients in CLIENTS:
            cells = {}
            for kind in ("alone", "fleet"):
                got = found[clients, store, kind]
                cells[kind] = [middle([x[i] for x in got]) for i in range(3)]
            ratio = cells["fleet"][0] / cells["alone"][0]
            row = [f"{store}, {clients} connections"]
            for kind in ("alone", "fleet"):
                rate, p50, p99 = cells[kind]
                row += [f"{rate:.0f}", f"{p50:.2f}", f"{p99:.2f}"]
            rows.append([*row, f"{ratio:.2f}"])
    return table(
        f"{SLOTS} slots of a linked pod beside {SLOTS} slots of the head itself; zero-work jobs of 1 KiB",
        ["store", "own, jobs/s", "p50 ms", "p99 ms", "pod's, jobs/s", "p50 ms", "p99 ms", "ratio"],
        rows,
        f"The middle of {ROUNDS} rounds in turns.",
    )


# ---- many pods -----------------------------------------------------------------------------------


class ScriptedPods:
    """`scripted_pods` until the block ends; said() is its latest line."""

    def __init__(self, run, head, address, count, slots):
        self.process = subprocess.Popen(
            [run.program("scripted_pods"), "--data", str(head.data), "--address", address]
            + ["--pods", str(count), "--slots", str(slots)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait(self, reached, what):
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            if not select.select([self.process.stdout], [], [], 5.0)[0]:
                continue
            line = self.process.stdout.readline()
            if not line:
                break
            found = json.loads(line)
            if reached(found):
                return found
        raise exchanges.BenchError(f"scripted pods: {what} did not come")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait(30)


def resident_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(x.split()[1] for x in text.splitlines() if x.startswith("VmRSS")))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def with_pods(run, count):
    """One row: a fresh head, its memory before and after the pods have come, and jobs through it."""
    address = pods.steady_address()
    with pods.Pod(
        *[run.build, "--slots", "0", "--link", address, "--store", "memory"]
    ) as head:
        head.wait_ready()
        before, own_threads = resident_kib(head.pid), threads(head.pid)
        fleet_of = ScriptedPods(run, head, address, count, SLOTS_OF_MANY)
        try:
            fleet_of.wait(lambda x: x["linked"] == count, f"{count} links")
            began, at = cpu_seconds(head.pid), time.monotonic()
            pods.wait_gone(head.pid, 4.0)  # an idle fleet, for so long
            idle = (cpu_seconds(head.pid) - began) / (time.monotonic() - at) * 100
            per_pod = (resident_kib(head.pid) - before) / count
            more_threads = threads(head.pid) - own_threads
            single = exchanges.Connection(head.port)
            exchanges.timed(single.exchange, exchanges.JOB, WARM_UP)
            spent = sorted(exchanges.timed(single.exchange, exchanges.JOB, 500))
            single.close()
            began = cpu_seconds(head.pid)
            measure = peers.measured_by(
                run.program("bench_peers"), "--peer", "tayfa", "--port", head.port
            )
            got = measure(MANY_CLIENTS, run.seconds, 1024)
            per_job = (cpu_seconds(head.pid) - began) / got["cycles"] * 1e6
        finally:
            fleet_of.close()
    return {
        "kib": per_pod,
        "threads": more_threads,
        "idle": idle,
        "p50": middle(spent),
        "p99": percentile(spent, 0.99),
        "rate": got["cycles_per_second"],
        "cpu": per_job,
    }


def many_pods(run):
    rows, first = [], None
    for count in PODS:
        got = with_pods(run, count)
        first = first or got
        rows.append(
            [
                f"{count:,}",
                f"{got['kib']:.0f}",
                got["threads"],
                f"{got['idle']:.1f}",
                *(f"{got[x]:.2f}" for x in ("p50", "p99")),
                f"{got['rate']:.0f}",
                f"{got['cpu']:.0f}",
                f"{got['cpu'] / first['cpu']:.2f}",
            ]
        )
        run.say(f"fleet: {count} pods")
    return table(
        f"A head without slots, and pods of {SLOTS_OF_MANY} scripted slots each, over real sockets",
        [
            "pods",
            "head's KiB per pod",
            "more threads",
            "idle, % of a core",
            "a job alone, p50 ms",
            "p99 ms",
            f"jobs/s of {MANY_CLIENTS} clients",
            "head's CPU per job, µs",
            "to the first",
        ],
        rows,
        "Zero-work jobs of 1 KiB, --store memory. The pods run in one process on the same cores.",
    )


def sockets(run):
    """The sockets of the link beside bare ones (bench_pods_net)."""
    found = [json.loads(x) for x in peers.said_by(run.program("bench_pods_net")).splitlines()]
    rates = [
        [
            f"{x['payload'] // 1024} KiB, {'CURVE' if x['curve'] else 'no CURVE'}",
            *(f"{x[key]:.0f}" for key in ("bare_per_second", "link_per_second")),
            f"{x['ratio']:.2f}",
        ]
        for x in found
        if "ratio" in x
    ]
    memory = [[x["head"], f"{x['peers']:,}", x["kib_per_peer"]] for x in found if "head" in x]
    return "\n".join(
        [
            table(
                "The link's sockets beside a bare ROUTER and DEALER",
                ["message", "bare, messages/s", "the link's, messages/s", "ratio"],
                rates,
            ),
            table("An idle peer", ["head", "peers", "KiB per peer"], memory),
        ]
    )


def fleets(run):
    return "\n".join([sockets(run), remote_slots(run), many_pods(run)])
