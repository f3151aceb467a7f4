"""The speed of other queues on this machine: beanstalkd, PostgreSQL and Redis, each flushing every
acknowledged step to the disk, driven by equal clients (bench_peers, C++, plain sockets).

Starts private instances on free loopback ports in folders of their own and removes both again; what
runs on the machine already is not touched. As root, the instances run as `postgres` or `nobody`
(PostgreSQL refuses root). One cycle is accept + claim + complete. A queue that is not installed has
a row that says so. Needs nothing but the standard library. queues.py puts Tayfa beside them and is
the program to start.
"""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

CLIENTS = (1, 4, 16, 64)
START_SECONDS = 30.0
STOP_SECONDS = 20.0
READY = "database system is ready to accept connections"


class PeerError(Exception):
    pass


# ---- processes -----------------------------------------------------------------------------------


def unprivileged():
    """Popen's arguments for another user than root, or none when this is not root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise PeerError("no user postgres or nobody to run the queues as")


def give(path):
    """Changes the owner to the user that runs the servers."""
    who = unprivileged()
    if who:
        os.chown(path, who["user"], who["group"])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def clean_environment(more=None):
    """The environment without variables that would configure a server or point it at another instance."""
    foreign = ("PG", "REDIS", "LISTEN_", "TAYFA_", "RUNPOD_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    return {**kept, "LC_ALL": "C", **(more or {})}


class Instance:
    """A server process in the folder, until the block ends. It is ready when it listens and its log
    holds the words.
    """

    def __init__(
        self,
        command,
        folder,
        port,
        stop_signal=signal.SIGTERM,
        ready="",
        user=None,
        environment=None,
    ):
        self.port = port
        self.folder = folder
        self._stop_signal = stop_signal
        self._ready = ready
        self._log = folder / "log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [str(x) for x in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=clean_environment(environment),
                start_new_session=True,
                **(unprivileged() if user is None else user),
            )

    def __enter__(self):
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                if self._ready in self._log.read_text(errors="replace"):
                    return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        raise PeerError(f"it did not start: {self.log_tail()}")

    def log_tail(self):
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"

    def _stop(self):
        if self._process.poll() is None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def said_by(*command, **options):
    done = subprocess.run(
        [str(x) for x in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=120,
        **options,
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise PeerError(f"{pathlib.Path(str(command[0])).name} failed: {' / '.join(words[-2:])}")
    return done.stdout.strip()


def number_in(text):
    found = re.search(r"\d+(\.\d+)+", text)
    return found.group(0) if found else text


# ---- the queues ----------------------------------------------------------------------------------


def program(name, package, *folders):
    found = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, folders)])
    path = shutil.which(name, path=found)
    if path is None:
        raise PeerError(f"not installed (package {package})")
    return path


def no_instance(folder):
    return contextlib.nullcontext(None)


def start_beanstalkd(folder):
    port = free_port()
    (folder / "wal").mkdir()
    give(folder / "wal")
    command = [program("beanstalkd", "beanstalkd", "/usr/sbin"), "-l", "127.0.0.1", "-p", port]
    return Instance([*command, "-b", folder / "wal", "-f0"], folder, port)


def postgresql_programs():
    homes = sorted(
        pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda x: int(x.parent.name)
    )
    return homes[-1:]


def start_postgresql(folder):
    port = free_port()
    homes = postgresql_programs()
    postgres = program("postgres", "postgresql-15", *homes)
    data = folder / "data"
    data.mkdir(mode=0o700)
    give(data)
    initdb = [program("initdb", "postgresql-15", *homes), "-D", data, "-U", "bench", "-A", "trust"]
    said_by(*initdb, "-E", "UTF8", "--no-sync", cwd=folder, **unprivileged())
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "max_connections": 200,
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Instance([postgres, "-D", data, *words], folder, port, signal.SIGINT, READY)


def start_redis(folder):
    port = free_port()
    settings = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": folder,
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "daemonize": "no",
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return Instance([program("redis-server", "redis-server", "/usr/sbin"), *words], folder, port)


# name for bench_peers, name for people, how it is asked for its version, how it is started, what to know
PEERS = (
    (
        "disk",
        "bare disk",
        None,
        no_instance,
        "no queue: 3 appends a cycle, fdatasync each, a file per client",
    ),
    (
        "beanstalkd",
        "beanstalkd",
        lambda: said_by(program("beanstalkd", "beanstalkd", "/usr/sbin"), "-v"),
        start_beanstalkd,
        "-b -f0: put, reserve, delete; 2 flushes a cycle: its claims are in memory only",
    ),
    (
        "postgresql",
        "PostgreSQL",
        lambda: said_by(program("postgres", "postgresql-15", *postgresql_programs()), "--version"),
        start_postgresql,
        "FOR UPDATE SKIP LOCKED, 3 commits a cycle, synchronous_commit=on; completing deletes",
    ),
    (
        "redis",
        "Redis",
        lambda: said_by(program("redis-server", "redis-server", "/usr/sbin"), "--version"),
        start_redis,
        "appendfsync always: XADD, XREADGROUP of a group, XACK + XDEL",
    ),
)


# ---- measuring -----------------------------------------------------------------------------------


def filesystem(path):
    """Type of the file system that holds the path."""
    best, kind = "", "unknown"
    path = os.path.realpath(path)
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


class Contender:
    """A measured service: anything with these names. `open` is a context that gives a function
    run(clients, seconds, payload), whose dictionary has cycles and seconds at least. This one is a
    server that bench_peers is the client of, or the bare disk.
    """

    def __init__(self, row, bench, data):
        self.name, self.title, self._version, self._start, self.how = row
        self._bench = bench
        self._data = data
        self.version = ""

    @contextlib.contextmanager
    def open(self):
        self.version = number_in(self._version()) if self._version else ""
        with own_folder(self.name, self._data) as folder:
            give(folder)
            with self._start(folder) as instance:
                where = ["--port", instance.port] if instance else ["--folder", folder]
                yield measured_by(self._bench, "--peer", self.name, *where)


@contextlib.contextmanager
def own_folder(name, data):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"tayfa-{name}-", dir=data))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measured_by(*command):
    """run() of a program that takes these flags and prints one line of JSON."""

    def run(clients, seconds, payload):
        load = ["--clients", clients, "--seconds", seconds, "--payload", payload]
        try:
            return json.loads(said_by(*command, *load))
        except subprocess.TimeoutExpired:
            raise PeerError(f"it did not end with {clients} clients") from None

    return run


def built(build, name):
    path = pathlib.Path(build).resolve() / name
    if not path.is_file():
        raise PeerError(f"{path} is missing: build it (ninja -C {build} {path.name})")
    return path


def others(build, data):
    """The queues that are compared with Tayfa."""
    bench = built(build, "tests/bench_peers")
    return [Contender(row, bench, data) for row in PEERS]


def summary(clients, rounds):
    """The median of the rounds with the same number of clients, and how far apart these are."""
    rates = sorted(x["cycles"] / x["seconds"] for x in rounds)
    middle = sorted(rounds, key=lambda x: x["cycles"] / x["seconds"])[len(rounds) // 2]
    return {
        **middle,
        "clients": clients,
        "cycles_per_second": middle["cycles"] / middle["seconds"],
        "slowest": rates[0],
        "fastest": rates[-1],
        "rounds": len(rates),
    }


def measure(
    those, seconds=5.0, clients=CLIENTS, payload=1024, rounds=3, data=None, report=lambda _: None
):
    """All of them are started, and take turns in short rounds, so that load from outside hits all
    alike. One dictionary; each contender has `rows`, one per number of clients, or says why there
    are none (`missing`).
    """
    data = data or tempfile.gettempdir()
    out = {
        "payload": payload,
        "seconds": seconds,
        "rounds": rounds,
        "filesystem": filesystem(data),
        "load_before": os.getloadavg()[0],
    }
    if out["filesystem"] in ("tmpfs", "ramfs"):
        report(f"{data} is in memory ({out['filesystem']}): nothing reaches a disk; see --data")
    rows = {x.name: [] for x in those}
    missing = {x.name: "" for x in those}
    with contextlib.ExitStack() as stack:
        running = []
        for each in those:
            try:
                running.append((each, stack.enter_context(each.open())))
            except (PeerError, OSError) as problem:
                missing[each.name] = str(problem)
                report(f"{each.title}: {problem}")
        for count in clients:
            got = {each.name: [] for each, _ in running}
            for _ in range(rounds):
                for each, run in running:
                    if not missing[each.name]:
                        try:
                            got[each.name].append(run(count, seconds / rounds, payload))
                        except (PeerError, OSError) as problem:
                            missing[each.name] = str(problem)
            for each, _ in running:
                if missing[each.name]:
                    report(f"{each.title}: {missing[each.name]}")
                    continue
                rows[each.name].append(summary(count, got[each.name]))
                rate = rows[each.name][-1]["cycles_per_second"]
                report(f"{each.title}, {count} clients: {rate:.0f} cycles/s")
    out["load_after"] = os.getloadavg()[0]
    out["peers"] = [
        {
            "name": x.name,
            "title": x.title,
            "version": x.version,
            "how": x.how,
            "missing": missing[x.name],
            "rows": rows[x.name],
        }
        for x in those
    ]
    return out


def table(measured):
    """The results as Markdown."""
    counts = sorted({x["clients"] for peer in measured["peers"] for x in peer["rows"]})
    heads = [f"{n} client" + ("s" if n > 1 else "") for n in counts]
    lines = [
        "| queue | " + " | ".join(heads) + " | how |",
        "| --- |" + " ---: |" * len(counts) + " --- |",
    ]
    for peer in measured["peers"]:
        cells = {x["clients"]: f"{x['cycles_per_second']:.0f}" for x in peer["rows"]}
        name = f"{peer['title']} {peer['version']}".strip()
        how = f"**{peer['missing']}**" if peer["missing"] else peer["how"]
        lines.append(
            f"| {name} | " + " | ".join(cells.get(n, "-") for n in counts) + f" | {how} |"
        )
    lines += [
        "",
        f"Cycles per second: accept + claim + complete of {measured['payload']} bytes, the middle of "
        f"{measured['rounds']} rounds in turns, {measured['seconds']:g} s together, on "
        f"{measured['filesystem']}. Load of the machine before {measured['load_before']:.1f}, after "
        f"{measured['load_after']:.1f}.",
    ]
    return "\n".join(lines) + "\n"
