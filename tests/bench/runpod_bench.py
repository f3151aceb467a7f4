"""RunPod's worker and Tayfa's on the same stand-in platform, in turns: jobs per second, time from
take to post, start to first take, SIGTERM to exit, memory.

The SDK's worker runs a handler that returns at once, Tayfa its scripted engine, which does too. The
platform is another process, whose own ceiling is measured with clients that do nothing else.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pod as pods
from exchanges import BenchError, Connection
from report import middle, percentile, table

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONCURRENCY = (1, 4, 16)
STARTS = 3
NOTHING_TO_DO = {"mock_return": 1}
SDK_SECONDS = 8.0  # it ends one job a second, so a shorter run would measure none
CHECKS = {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}
LONGEST = 150.0


class Platform:
    """A running runpod_platform.py."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-B", HERE / "runpod_platform.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.environment = self._answer()["environment"]
        self.port = int(self.environment["RUNPOD_WEBHOOK_PING"].split(":")[2].split("/")[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise BenchError("the stand-in platform has ended")
        return json.loads(line)

    def do(self, what, **more):
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self.process.stdin.flush()
        return self._answer()


class Worker:
    """A process with its descendants, and the way to stop it."""

    def __init__(self, command, environment, folder):
        self.folder = folder
        environment = {**CHECKS, **environment, "HOME": folder, "RUNPOD_LOG_LEVEL": "ERROR"}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [str(x) for x in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=pods.clean_environment(environment),
            cwd=folder,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.tree():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tree(self):
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [child for pid in new for child in pods.children(pid)]
        return found

    def memory(self):
        """(processes, MiB resident, MiB of its own share) of all of it."""
        resident = share = 0
        pids = self.tree()
        for pid in pids:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            sizes = {x.split()[0]: int(x.split()[1]) for x in text.splitlines()[1:]}
            resident, share = resident + sizes["Rss:"], share + sizes["Pss:"]
        return len(pids), resident / 1024, share / 1024

    def seconds_to_end(self):
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LONGEST)
        return time.monotonic() - begin


def sdk(build, platform, concurrency):
    python = pods.program(build, "test-venv/bin/python")
    if not pathlib.Path(python).is_file():
        raise BenchError(f"{python} is not there: runtime/setup/test_env.sh {build} makes it")
    handler = ROOT / "tests/platform/mock_handler.py"
    command = [python, "-B", handler, "--concurrency", concurrency]
    return Worker(command, platform.environment, tempfile.mkdtemp(prefix="tayfa-bench-"))


def tayfa(build, platform, concurrency):
    folder = tempfile.mkdtemp(prefix="tayfa-bench-")
    command = [pods.program(build), "serve", "--listen", "127.0.0.1:0", "--data", folder]
    command += ["--engine", "scripted", "--slots", concurrency]
    return Worker(command, platform.environment, folder)


WORKERS = {"RunPod's SDK": sdk, "Tayfa": tayfa}


def ceiling(platform, clients, seconds):
    """Jobs per second of connections that take a job and post its result, and nothing else."""
    environment = platform.environment
    head = (
        f"Host: 127.0.0.1:{platform.port}\r\nAuthorization: {environment['RUNPOD_AI_API_KEY']}\r\n"
    )
    take = f"GET /v2/ep1/job-take/bench?gpu=x&job_in_progress=0 HTTP/1.1\r\n{head}\r\n".encode()

    def client():
        connection = TakeConnection(platform.port)
        while time.monotonic() < end:
            job = connection.take(take)
            connection.exchange(
                f"POST /v2/ep1/job-done/bench/{job}?gpu=x&isStream=false HTTP/1.1\r\n{head}"
                'Content-Length: 13\r\n\r\n{"output": 1}'.encode()
            )
        connection.close()

    platform.do("flood", input=NOTHING_TO_DO)
    end = time.monotonic() + seconds + 0.5
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    found = platform.do("measure", seconds=seconds)
    for thread in threads:
        thread.join()
    return found["results"] / found["seconds"]


class TakeConnection(Connection):
    def take(self, request):
        """Takes a job and returns its id."""
        self.socket.sendall(request)
        answer = self.socket.recv(65536)
        return json.loads(answer.partition(b"\r\n\r\n")[2])["id"]


def measured(start, build, concurrency, seconds):
    with Platform() as platform, start(build, platform, concurrency) as worker:
        platform.do("taken")
        platform.do("flood", input=NOTHING_TO_DO)
        platform.do("measure", seconds=max(1.0, seconds / 4))
        flood = platform.do("measure", seconds=seconds)
        memory = worker.memory()
        platform.do("calm")
        platform.do("idle")
        platform.do("drip", input=NOTHING_TO_DO)
        drip = platform.do("measure", seconds=seconds)
        platform.do("calm")
    return flood, drip, memory


def rows_of_load(run):
    rows, memory_rows = [], []
    for concurrency in CONCURRENCY:
        for name, start in WORKERS.items():
            seconds = SDK_SECONDS if start is sdk else run.seconds
            flood, drip, (processes, resident, share) = measured(
                start, run.build, concurrency, seconds
            )
            if not flood["ms"] or not drip["ms"]:
                raise BenchError(f"{name} ended no job at concurrency {concurrency}")
            shares = [f"{percentile(flood['ms'], x):.2f}" for x in (0.5, 0.99)]
            alone = [f"{percentile(drip['ms'], x):.2f}" for x in (0.5, 0.99)]
            rate = flood["results"] / flood["seconds"]
            rows.append([f"{name}, {concurrency}", f"{rate:,.1f}", *shares, *alone])
            memory_rows.append(
                [f"{name}, {concurrency}", processes, f"{resident:.0f}", f"{share:.0f}"]
            )
    return rows, memory_rows


def rows_of_life(run):
    rows = []
    for name, start in WORKERS.items():
        first, end = [], []
        for _ in range(STARTS):
            with Platform() as platform, start(run.build, platform, 1) as worker:
                first.append((platform.do("taken")["at"] - worker.began) * 1000)
                platform.do("idle")
                end.append(worker.seconds_to_end() * 1000)
        rows.append([name, *(f"{x:,.0f}" for x in (min(first), middle(first), middle(end)))])
    return rows


def beside_the_sdk(run):
    """This benchmark's part of bench.py."""
    with Platform() as platform:
        most = [f"{ceiling(platform, n, run.seconds / 2):,.0f} with {n}" for n in CONCURRENCY]
    load, memory = rows_of_load(run)
    heads = ["jobs/s", "p50 ms", "p99 ms", "one at a time, p50 ms", "p99 ms"]
    return "\n".join(
        [
            table(
                "Zero-work jobs: jobs per second, and from the answer of a take to the result's post",
                ["worker, concurrency", *heads],
                load,
                f"The stand-in platform itself gives and takes back, in jobs/s: {', '.join(most)}"
                " connections of a client that does nothing else.",
            ),
            table(
                "Memory under that load, all processes",
                ["worker, concurrency", "processes", "resident MiB", "proportional MiB"],
                memory,
            ),
            table(
                f"Start and end ({STARTS} times; the platform holds a question for jobs for 10 s)",
                [
                    "worker",
                    "start to first take, best ms",
                    "median ms",
                    "SIGTERM when idle to exit, median ms",
                ],
                rows_of_life(run),
            ),
        ]
    )
