"""The parts of the kill storm: its jobs, the clients' connection to the pod, and the ledger of the answers."""

import collections
import http.client
import json
import os
import signal
import threading

import case
from case import pods

SEED = int(os.environ.get("STORM_SEED", "20261121"))
FULL = os.environ.get("TAYFA_E2E_SLOW") == "1"
LONG = "x" * 100_000  # more than the store keeps in a row
KINDS = {
    "plain": 36,
    "echo": 6,
    "slow": 22,
    "progress": 10,
    "stream": 10,
    "error": 5,
    "cancel": 8,
    "long": 3,
}

Size = collections.namedtuple("Size", "jobs crashes strikes pause delay clients")


class Broken(Exception):
    """The connection broke because the runtime was killed; the outcome is not known."""


class Job:
    """A client's job, and the results that it may get."""

    def __init__(self, number, kind, longest, chance):
        self.number = number
        self.kind = kind
        self.delay = round(chance.uniform(0.01, longest), 3)
        self.tag = f"job {number}"
        self.sync = kind != "cancel" and chance.random() < 0.12
        self.key = f"key {number}" if chance.random() < 0.75 else None
        self.body = json.dumps({"input": self.script()}).encode()

    def script(self):
        delay = self.delay
        if self.kind == "plain":
            return {"mock_return": self.tag}
        if self.kind == "echo":
            return {"prompt": self.tag, "seed": self.number}
        if self.kind == "slow":
            return {"mock_return": self.tag, "mock_delay": delay}
        if self.kind == "progress":
            progress = {"updates": 3, "wait_time": delay / 3}
            return {"mock_return": self.tag, "mock_progress": progress}
        if self.kind == "stream":
            chunks = [f"{self.tag} part {i}" for i in range(3)]
            return {"mock_return": self.tag, "mock_stream": chunks, "mock_delay": delay / 3}
        if self.kind == "error":
            return {"mock_error": self.tag}
        if self.kind == "cancel":
            return {"mock_return": self.tag, "mock_delay": delay * 4}
        if self.kind == "long":
            return {"mock_return": self.tag + LONG}
        return {"mock_crash": True}

    def may_end(self, body, cancelled, innocent_fails):
        """True when the job may end in this way."""
        state, output = body["status"], body.get("output")
        if cancelled:
            return state == "CANCELLED" and output is None
        if state == "FAILED":
            error = body["error"]
            if self.kind == "error":
                return error == self.tag and output is None
            if self.kind == "crash":
                return error.startswith(("max_attempts", "poison")) and output is None
            return innocent_fails and error.startswith("max_attempts") and output is None
        if state != "COMPLETED":
            return False
        wanted = {
            "echo": {"prompt": self.tag, "seed": self.number},
            "long": self.tag + LONG,
        }.get(self.kind, self.tag)
        return self.kind not in ("crash", "error") and output == wanted


class Sea:
    """The pod that is killed and comes back: who asks meanwhile waits for its next incarnation."""

    def __init__(self, test, *arguments):
        self.test = test
        self.changed = threading.Condition()
        self.counts = collections.Counter()
        self.pod = test.start(*arguments, data=test.folder(), listen=pods.steady_address())
        self.pod.wait_ready()
        self.incarnation = 1
        self.alive = True  # until it is about to be killed
        self.local = threading.local()

    def call(self, method, path, body=None, headers=None):
        """An exchange over this thread's connection."""
        with self.changed:
            incarnation, pod = self.incarnation, self.pod
        if getattr(self.local, "incarnation", 0) != incarnation:
            self.hang_up()
            self.local.connection = pod.connect(timeout=120)
            self.local.incarnation = incarnation
        try:
            connection = self.local.connection
            return pod.request(method, path, body, connection=connection, headers=headers)
        except (OSError, http.client.HTTPException) as why:
            self.hang_up()
            self.wait_next(incarnation, why)
            raise Broken from None

    def call_until_answered(self, method, path, body=None, headers=None):
        while True:
            try:
                return self.call(method, path, body, headers)
            except Broken:
                pass

    def hang_up(self):
        connection = getattr(self.local, "connection", None)
        self.local.incarnation = 0
        self.local.connection = None
        if connection is not None:
            connection.close()

    def wait_next(self, incarnation, why):
        """Until another one listens. A connection breaks only when the runtime is killed."""
        with self.changed:
            self.counts["broken connections"] += 1
            if not self.changed.wait_for(lambda: self.incarnation > incarnation, 90):
                raise AssertionError(f"a connection broke though nobody was killed: {why!r}")

    # ---- the killing --------------------------------------------------------------------------

    def kill_engines(self, chance):
        engines = self.pod.engines()
        for pid in chance.sample(engines, min(len(engines), chance.randint(1, 3))):
            try:
                os.kill(pid, signal.SIGKILL)
                self.counts["engine kills"] += 1
            except ProcessLookupError:
                pass  # it has just been replaced

    def kill_runtime(self, chance):
        """Kills it, and starts it again; now and then that is killed as well, while it recovers."""
        self.kill()
        while chance.random() < 0.25:
            pod = self.test.again(self.pod)
            self.pod = pod
            pod.wait_for(chance.choice(["created", "store_opened", "listening"]), 60)
            self.counts["kills in recovery"] += 1
            self.kill()
        pod = self.test.again(self.pod)
        pod.wait_listening(60)
        with self.changed:
            self.pod = pod
            self.incarnation += 1
            self.counts["restarts"] += 1
            self.changed.notify_all()

    def kill(self):
        self.counts["runtime kills"] += 1
        for pid in self.pod.kill():
            self.test.assert_gone(pid)
        # Its threads and its descriptor are not needed any more.
        self.pod.close()

    def wait_ends(self, count):
        """Until so many jobs have ended in this incarnation."""
        seen = case.EndedJobs()
        self.pod.wait_until(lambda lines: len(seen.read(lines)) >= count, f"{count} ends", 90)


class Ledger:
    """The answers that clients got. Once a client has seen a final state, every client sees that state
    from then on.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.jobs = {}  # by every id that was ever answered with 200
        self.ids = []
        self.finals = {}  # by id: state, whole answer or None
        self.cancelled = set()
        self.keys = {}
        self.faults = []

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def accepted(self, job, identity):
        with self.lock:
            if identity not in self.jobs:
                self.ids.append(identity)
            known = self.jobs.setdefault(identity, job)
            if known is not job:
                self.faults.append(f"{identity} is the id of {known.tag} and of {job.tag}")
            if job.key and self.keys.setdefault(job.key, identity) != identity:
                self.faults.append(f"{job.key} has the ids {self.keys[job.key]} and {identity}")

    def before(self, identity):
        with self.lock:
            return self.finals.get(identity)

    def seen(self, identity, before, body, where):
        """`before` is what was known when this answer was asked for; the state of the answer."""
        state = body["status"]
        whole = None
        if where in ("status", "runsync") and state in case.FINAL:
            whole = {k: body.get(k) for k in ("status", "output", "error", "executionTime")}
        with self.lock:
            known = self.finals.get(identity)
            if before and before[0] != state:
                self.faults.append(f"{identity} was {before[0]} and is {state} ({where})")
            elif known and state in case.FINAL and known[0] != state:
                self.faults.append(f"{identity} is {known[0]} and {state} ({where})")
            elif known and whole and known[1] and known[1] != whole:
                self.faults.append(f"{identity} was {known[1]!s:.300} and is {whole!s:.300}")
            if state in case.FINAL and (not known or not known[1]):
                self.finals[identity] = (state, whole)
        return state

    def open_ids(self):
        with self.lock:
            return [x for x in self.jobs if x not in self.finals]
