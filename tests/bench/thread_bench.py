"""Several slots on few CPUs: jobs of a CPU model per second, by how the compute threads are shared out.

As many clients as CPUs ask for one job at a time. The baseline is one slot with all CPUs. Beside it: a
slot for each CPU with its share of the threads, and the same slots when each takes all CPUs and its
threads spin while waiting, which is libtorch's default. Measured in turns, with a pod for each turn.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time

import pod as pods
from exchanges import BenchError, Connection, post
from report import middle, percentile, table

ROUNDS = 3
SIDE = 192
CPUS = len(os.sched_getaffinity(0))
SLOTS = max(CPUS, 2)
MAKE = """
import torch
class Products(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i in range(60):
            x = torch.tanh(x @ x)
        return x.mean().reshape(1)
torch.jit.script(Products().eval()).save("products.pt")
"""
SPINNING = "GOMP_SPINCOUNT=300000"  # libgomp's default


def make_model(folder):
    python = pods.dependencies() / "venv/bin/python"
    (folder / "make.py").write_text(MAKE)
    done = subprocess.run(
        [python, "-B", "make.py"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    if done.returncode != 0:
        raise BenchError(f"the model could not be made: {done.stderr[-300:]}")
    model = folder / "products.pt"
    manifest = {
        "format": 1,
        "name": "products",
        "kind": "torchscript",
        "device": "cpu",
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "inputs": [{"name": "x", "dtype": "float32", "shape": [SIDE, SIDE]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": [1]}],
    }
    pathlib.Path(f"{model}.manifest.json").write_text(json.dumps(manifest))
    return model


def kinds(model):
    usual = ["--model", model, "--store", "memory", "--engine.pin", "off", "--queue.batch_max", 1]
    several = [*usual, "--slots", SLOTS]
    return {
        "1 slot": [*usual, "--slots", 1],
        f"{SLOTS} slots": several,
        f"{SLOTS} slots, each with all CPUs, spinning": [
            *several, "--threads", CPUS, "--engine.environment", SPINNING,
        ],
    }


def one_turn(build, arguments, job, seconds):
    """Milliseconds of each exchange, and how long all of them took together."""
    with pods.Pod(build, *arguments, engine="") as pod:
        pod.wait_ready()
        spent, failed = [], []

        def client():
            try:
                connection = Connection(pod.port)
                connection.exchange(job)
                while time.monotonic() < end:
                    begun = time.monotonic()
                    connection.exchange(job)
                    spent.append((time.monotonic() - begun) * 1_000)
                connection.close()
            except (BenchError, OSError) as problem:
                failed.append(problem)

        begun = time.monotonic()
        end = begun + seconds
        clients = [threading.Thread(target=client) for _ in range(SLOTS)]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        if failed:
            raise BenchError(str(failed[0]))
        return spent, time.monotonic() - begun


def mixed_threads(run):
    job = post("/runsync", {"input": {"x": [[0.01] * SIDE] * SIDE}})
    with tempfile.TemporaryDirectory(prefix="tayfa-threads-") as folder:
        found = kinds(make_model(pathlib.Path(folder)))
        rates = {name: [] for name in found}
        times = {name: [] for name in found}
        for _ in range(ROUNDS):
            for name, arguments in found.items():
                spent, took = one_turn(run.build, arguments, job, max(run.seconds, 1.0))
                rates[name].append(len(spent) / took)
                times[name] += spent
    baseline = middle(rates["1 slot"])
    rows = []
    for name, got in rates.items():
        spent = sorted(times[name])
        cells = [f"{percentile(spent, share):.1f}" for share in (0.5, 0.99)]
        rows.append([name, f"{middle(got):.1f}", *cells, f"{middle(got) / baseline:.2f}"])
    return table(
        f"Jobs of 60 products of {SIDE} x {SIDE}, {SLOTS} clients, {CPUS} CPUs",
        ["engines", "jobs/s", "p50 ms", "p99 ms", "ratio to 1 slot"],
        rows,
    )
