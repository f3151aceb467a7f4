#!/usr/bin/env python3
"""`make bench`: what a pod costs, measured from outside with real processes, beside bare baselines
of the same run.

    bench.py [--build DIR] [--seconds S] [--write docs/benchmarks.md]

Prints Markdown tables. Numbers of two runs are not comparable, rows of one run are: the baseline of
the latency table is a raw TCP echo and the server's own /ping, measured in turns with the jobs, so
that load from outside hits all alike. The client is Python on the same cores; its own cost is in
every row, the echo row shows how much it is.
"""

import argparse
import json
import os
import pathlib
import platform
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "runtime/demo"))
import pod as pods  # noqa: E402

ROUNDS = 20
WARM_UP = 50
STARTS = 5
IDLE_SECONDS = 5.0
HEADER_END = b"\r\n\r\n"


# ---- a client that costs little ----------------------------------------------------------------------------------


class Connection:
    """One keep-alive connection that sends prepared bytes; http.client alone would cost more than the pod."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def exchange(self, request):
        """The body of the answer to one request."""
        self.socket.sendall(request)
        while HEADER_END not in self.buffer:
            self._more()
        header, _, rest = self.buffer.partition(HEADER_END)
        status, *lines = header.split(b"\r\n")
        if b" 200 " not in status:
            raise pods.PodError(f"the pod answered {status.decode(errors='replace')}")
        length = next(
            int(x.split(b":")[1]) for x in lines if x.lower().startswith(b"content-length:")
        )
        self.buffer = rest
        while len(self.buffer) < length:
            self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return body

    def _more(self):
        chunk = self.socket.recv(65536)
        if not chunk:
            raise pods.PodError("the pod closed the connection")
        self.buffer += chunk

    def close(self):
        self.socket.close()


def post(path, value):
    body = json.dumps(value).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


PING = b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
JOB = post("/v2/tayfa/runsync", {"input": {"mock_return": 1}})


class Helper:
    """This script again, in another role and process: it says one line when it is ready."""

    def __init__(self, *role):
        self.process = subprocess.Popen(
            [sys.executable, "-B", __file__, *map(str, role)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = self.process.stdout.readline().strip()

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self):
        """What else it says; it has ended then."""
        text, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise pods.PodError("a helper process of the benchmark failed")
        return text


class Echo:
    """A raw TCP echo server in a process of its own, and one connection to it."""

    def __init__(self):
        self.helper = Helper("--role", "echo")
        self.socket = socket.create_connection(("127.0.0.1", int(self.helper.said)), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request):
        self.socket.sendall(request)
        left = len(request)
        while left:
            left -= len(self.socket.recv(65536))

    def close(self):
        self.socket.close()
        self.helper.result()


def be_echo():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := peer.recv(65536):
        peer.sendall(data)


def be_client(port, seconds):
    connection = Connection(port)
    timed(connection.exchange, JOB, WARM_UP)
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.perf_counter() + seconds
    spent = []
    while time.perf_counter() < end:
        spent += timed(connection.exchange, JOB, 1)
    json.dump(spent, sys.stdout)


# ---- what is measured --------------------------------------------------------------------------------------------


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def timed(exchange, request, count):
    spent = []
    for _ in range(count):
        begin = time.perf_counter_ns()
        exchange(request)
        spent.append((time.perf_counter_ns() - begin) / 1e6)
    return spent


def table(title, head, rows, note=""):
    text = [f"### {title}", "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    text += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    if note:
        text += ["", note]
    return "\n".join(text) + "\n"


def latency(build, seconds):
    with pods.Pod(build) as pod:
        pod.wait_ready()
        echo, ping, job = Echo(), Connection(pod.port), Connection(pod.port)
        contenders = [
            ("raw TCP echo of the same bytes", echo.exchange, JOB),
            ("GET /ping", ping.exchange, PING),
            ("POST /runsync, zero-work job", job.exchange, JOB),
        ]
        spent = {name: [] for name, _, _ in contenders}
        for _, exchange, request in contenders:
            timed(exchange, request, WARM_UP)
        one = max(0.0001, sum(timed(job.exchange, JOB, WARM_UP)) / WARM_UP / 1000)
        count = max(10, int(seconds / ROUNDS / one))
        for _ in range(ROUNDS):
            for name, exchange, request in contenders:
                spent[name] += timed(exchange, request, count)
        for contender in (echo, ping, job):
            contender.close()
    rows = []
    for name, _, _ in contenders:
        values = sorted(spent[name])
        rows.append(
            [name, len(values)]
            + [f"{percentile(values, share):.3f}" for share in (0.5, 0.9, 0.99, 0.999)]
        )
    return table(
        "One at a time: HTTP in to HTTP out (ms)",
        ["exchange", "n", "p50", "p90", "p99", "p99.9"],
        rows,
        "One keep-alive connection each, in turns. A job crosses HTTP, the queue, the engine's process and back.",
    )


def throughput(build, seconds):
    rows = []
    with pods.Pod(build, "--slots", "2") as pod:
        pod.wait_ready()
        for clients in (1, 4, 16):
            helpers = [
                Helper("--role", "client", "--port", pod.port, "--seconds", seconds)
                for _ in range(clients)
            ]
            for helper in helpers:
                helper.go()
            values = sorted(x for helper in helpers for x in json.loads(helper.result()))
            rows.append(
                [
                    clients,
                    len(values),
                    f"{len(values) / seconds:.0f}",
                    f"{percentile(values, 0.5):.2f}",
                    f"{percentile(values, 0.99):.2f}",
                ]
            )
    return table(
        "Many at a time: zero-work jobs, 2 engine processes",
        ["connections", "jobs", "jobs/s", "p50 ms", "p99 ms"],
        rows,
        "Each connection is a Python process of its own on the same cores.",
    )


def starts(build):
    kinds = [("scripted engine", {"engine": "scripted"}, [])]
    if pods.has_torch(build):
        kinds.append(
            ("torch engine, the demo's model", {"engine": ""}, ["--model", pods.demo_model(build)])
        )
    rows = []
    for name, options, arguments in kinds:
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
        middle = [f"{sorted(x)[len(x) // 2]:.0f}" for x in (whole, check, launch, stop)]
        rows.append([name, f"{min(whole):.0f}", *middle])
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
    kinds = [("scripted", {"engine": "scripted"}, [])]
    if pods.has_torch(build):
        kinds.append(("torch", {"engine": ""}, ["--model", pods.demo_model(build)]))
    rows = []
    per_second = os.sysconf("SC_CLK_TCK")
    for name, options, arguments in kinds:
        with pods.Pod(build, *arguments, **options) as pod:
            pod.wait_ready()
            watched = [("runtime", pod.pid)] + [(f"{name} engine", pid) for pid in pod.engines()]
            before = {pid: cpu_ticks(pid) for _, pid in watched}
            if pods.wait_gone(pod.pid, IDLE_SECONDS):
                raise pods.PodError(f"the pod ended by itself. The log's tail:\n{pod.tail()}")
            for what, pid in watched:
                share = (cpu_ticks(pid) - before[pid]) / per_second / IDLE_SECONDS * 100
                rows.append(
                    [
                        f"{what} ({name})" if what == "runtime" else what,
                        f"{share:.2f}",
                        f"{resident_mib(pid):.1f}",
                    ]
                )
    return table(f"Idle for {IDLE_SECONDS:g} s", ["process", "% of one core", "resident MiB"], rows)


# ---- all of it ---------------------------------------------------------------------------------------------------


def machine():
    cpu = next(
        (
            x.split(":", 1)[1].strip()
            for x in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
            if x.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{len(os.sched_getaffinity(0))} cores of {cpu}, Linux {platform.release()}, load before {os.getloadavg()[0]:.2f}"


def written(path, text):
    """Replaces what stands between the marks of the file, or the end of a file without marks."""
    begin, end = "<!-- bench.py: begin -->", "<!-- bench.py: end -->"
    old = path.read_text() if path.is_file() else "# Benchmarks\n"
    if begin in old and end in old:
        head, _, rest = old.partition(begin)
        tail = rest.partition(end)[2]
    else:
        head, tail = old.rstrip("\n") + "\n\n", "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}{begin}\n{text.rstrip()}\n{end}{tail}")


def main():
    arguments = argparse.ArgumentParser(description="what a pod costs, beside bare baselines")
    arguments.add_argument("--build", default="build", help="the build folder")
    arguments.add_argument(
        "--seconds", type=float, default=5.0, help="for each latency and throughput row"
    )
    arguments.add_argument(
        "--write", type=pathlib.Path, help="put the tables into this Markdown file as well"
    )
    arguments.add_argument("--role", choices=["echo", "client"], help=argparse.SUPPRESS)
    arguments.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.role == "echo":
        be_echo()
        return 0
    if options.role == "client":
        be_client(options.port, options.seconds)
        return 0
    parts = [f"## Processes\n\n`make bench` on {machine()}.\n"]
    print(parts[0], flush=True)
    try:
        for part in (
            lambda: latency(options.build, options.seconds),
            lambda: throughput(options.build, options.seconds),
            lambda: starts(options.build),
            lambda: idle(options.build),
        ):
            parts.append(part())
            print(parts[-1], flush=True)
    except (pods.PodError, OSError) as problem:
        print(f"bench: error: {problem}", file=sys.stderr)
        return 1
    if options.write:
        written(options.write, "\n".join(parts))
        print(f"bench: written to {options.write}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
