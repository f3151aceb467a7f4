"""Jobs in flight over HTTP while the runtime and its engines are killed with SIGKILL at random: what
was accepted ends once, with a result of its own, and nothing that a client was told is taken back.

The clients are what careful clients are: they keep connections, submit again under the same
idempotency key when a connection breaks, and ask for the state until it is final. Two more only
read, all along, and remember every final state that they have seen. `make storm` runs it at full
size; STORM_SEED chooses the seed.
"""

import collections
import http.client
import json
import os
import random
import signal
import threading
import time
import unittest

import case
from case import Case, pods

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
    """What one client asks for, and what it may get."""

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
        """Whether this is a way in which the job may end."""
        state, output = body["status"], body.get("output")
        if cancelled:
            return state == "CANCELLED" and output is None
        if state == "FAILED":
            error = body["error"]
            if self.kind == "error":
                return error == self.tag and output is None
            lost = error.startswith(("max_attempts", "poison"))
            return lost and (self.kind == "crash" or innocent_fails) and output is None
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
        self.news = threading.Condition()
        self.counts = collections.Counter()
        self.pod = test.start(*arguments, data=test.folder(), listen=pods.steady_address())
        self.pod.wait_ready()
        self.incarnation = 1
        self.alive = True  # until it is about to be killed
        self.local = threading.local()

    def call(self, method, path, body=None, headers=None):
        """One exchange over this thread's connection."""
        with self.news:
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
        with self.news:
            self.counts["broken connections"] += 1
            if not self.news.wait_for(lambda: self.incarnation > incarnation, 90):
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
        with self.news:
            self.pod = pod
            self.incarnation += 1
            self.counts["restarts"] += 1
            self.news.notify_all()

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
    """What the clients were told. A final state that somebody has seen is what everybody sees from
    then on.
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


class StormCase(Case):
    def storm(self, size, *arguments, attempts, innocent_fails=False):
        self.size, self.attempts, self.innocent_fails = size, attempts, innocent_fails
        self.began = time.monotonic()
        self.chance = random.Random(SEED)
        self.ledger = Ledger()
        self.waiting = collections.deque()  # jobs that nobody has submitted yet
        self.closed = False  # nothing more will be put into `waiting`
        self.over = threading.Event()
        self.sea = Sea(
            self,
            *["--slots", "8", "--queue.max_attempts", attempts],
            *["--queue.retry_base", "5ms", "--queue.retry_max", "50ms", "--queue.keep_sync", "2h"],
            *["--engine.restart_intensity", "10000", "--engine.backoff_max", "200ms"],
            *["--http.idle_timeout", "30m", *arguments],
        )
        clients = [self.thread(self.client, i) for i in range(size.clients)]
        readers = [self.thread(self.reader, i) for i in range(2)]
        try:
            self.strike()
            with self.sea.news:
                self.closed = True
                self.sea.news.notify_all()
            for thread in clients:
                thread.join(240)
                self.assertFalse(thread.is_alive(), f"a client hangs: {self.sea.pod.tail()}")
            self.wait_everything_ended()
            self.over.set()
            for thread in readers:
                thread.join(120)
                self.assertFalse(thread.is_alive(), "a reader hangs")
        finally:
            self.over.set()
            self.closed = True
        self.check()

    def thread(self, work, number):
        def run():
            try:
                work(random.Random(SEED * 1000 + number))
            except Exception as why:  # a thread's exception would be lost
                self.ledger.fault(f"{work.__name__} {number}: {why!r}")
            finally:
                self.sea.hang_up()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    # ---- the strikes --------------------------------------------------------------------------

    def strike(self):
        """Submissions go on all along: two thirds of the jobs at once, the rest between strikes."""
        size, chance = self.size, self.chance
        kinds = chance.choices(list(KINDS), KINDS.values(), k=size.jobs - size.crashes)
        kinds += ["crash"] * size.crashes
        chance.shuffle(kinds)
        jobs = [Job(number, kind, size.delay, chance) for number, kind in enumerate(kinds)]
        first = size.jobs * 2 // 3
        self.put(jobs[:first])
        for number in range(size.strikes):
            self.over.wait(chance.uniform(*size.pause))
            if number % 5 in (1, 3):
                self.sea.kill_runtime(chance)
                # Not always time to breathe: the next strike may come while it starts.
                self.sea.wait_ends(chance.choice([0, 1, 10, 20]) if self.unfinished() > 60 else 0)
            else:
                self.sea.kill_engines(chance)
            rest = jobs[first:]
            self.put(
                rest[number * len(rest) // size.strikes : (number + 1) * len(rest) // size.strikes]
            )

    def put(self, jobs):
        with self.sea.news:
            self.waiting.extend(jobs)
            self.sea.news.notify_all()

    def unfinished(self):
        return len(self.waiting) + len(self.ledger.open_ids())

    def take(self):
        with self.sea.news:
            self.sea.news.wait_for(lambda: self.waiting or self.closed)
            return self.waiting.popleft() if self.waiting else None

    # ---- the clients --------------------------------------------------------------------------

    def client(self, chance):
        while job := self.take():
            identity = self.submit(job)
            if job.kind == "cancel":
                self.cancel(identity)
            elif job.kind == "stream":
                self.read_stream(job, identity)

    def submit(self, job):
        """Its id. Without a key, a submission whose answer was lost may be a job of its own."""
        path = "/v2/tayfa/runsync?wait=1000" if job.sync else "/v2/tayfa/run"
        headers = {"Idempotency-Key": f'"{job.key}"'} if job.key else {}
        while True:
            try:
                answer = self.sea.call("POST", path, job.body, headers)
            except Broken:
                self.sea.counts["submitted again"] += 1
                continue
            if answer.status == 200:
                break
            self.ledger.fault(f"{job.tag}: {answer.status} {answer.body}")
            return None
        identity = answer.body["id"]
        self.ledger.accepted(job, identity)
        self.ledger.seen(identity, None, answer.body, "runsync" if job.sync else "run")
        return identity

    def cancel(self, identity):
        if identity is None:
            return
        before = self.ledger.before(identity)
        answer = self.sea.call_until_answered("POST", f"/v2/tayfa/cancel/{identity}")
        if answer.status != 200:
            self.ledger.fault(f"cancel of {identity}: {answer.status} {answer.body}")
            return
        if self.ledger.seen(identity, before, answer.body, "cancel") == "CANCELLED":
            with self.ledger.lock:
                self.ledger.cancelled.add(identity)

    def read_stream(self, job, identity):
        if identity is None:
            return
        answer = self.sea.call_until_answered("GET", f"/v2/tayfa/stream/{identity}")
        if answer.status != 200:
            self.ledger.fault(f"stream of {identity}: {answer.status} {answer.body}")
            return
        for chunk in answer.body["stream"]:
            if not chunk["output"].startswith(job.tag + " part "):
                self.ledger.fault(f"{identity} streams {chunk} and is {job.tag}")

    # ---- the readers --------------------------------------------------------------------------

    def reader(self, chance):
        while not self.over.is_set():
            with self.ledger.lock:
                some = chance.sample(self.ledger.ids, min(len(self.ledger.ids), 20))
                known = dict(self.ledger.finals)
            if not some:
                self.over.wait(0.01)
            for identity in some:
                self.read(identity)
            try:
                listed = self.sea.call("GET", "/jobs?limit=200").body["jobs"]
            except Broken:
                continue
            for line in listed:
                self.ledger.seen(line["id"], known.get(line["id"]), line, "list")

    def read(self, identity):
        before = self.ledger.before(identity)
        answer = self.sea.call_until_answered("GET", f"/v2/tayfa/status/{identity}")
        self.sea.counts["reads"] += 1
        if answer.status != 200:
            self.ledger.fault(f"status of {identity}: {answer.status} {answer.body}")
            return None
        self.ledger.seen(identity, before, answer.body, "status")
        return answer.body

    # ---- the end ------------------------------------------------------------------------------

    def wait_everything_ended(self):
        """Nobody is killed any more: every job ends. One that is not final when it is read ends in
        this incarnation, whose log tells.
        """
        open_ids = {
            x for x in self.ledger.open_ids() if (self.read(x) or {}).get("status") not in case.FINAL
        }
        ended = case.EndedJobs()
        self.sea.pod.wait_until(
            lambda lines: open_ids <= ended.read(lines), f"{len(open_ids)} open jobs to end", 120
        )

    def check(self):
        ledger, sea = self.ledger, self.sea
        bodies = {}
        for _ in range(2):
            for identity in ledger.jobs:
                bodies[identity] = self.read(identity)
        self.assertEqual(ledger.faults, [])
        for identity, job in ledger.jobs.items():
            body = bodies[identity]
            good = job.may_end(body, identity in ledger.cancelled, self.innocent_fails)
            self.assertTrue(good, f"{job.kind} {job.tag}: {body!s:.500}")
            self.check_attempts(identity)
        for job_key, identity in list(ledger.keys.items())[:50]:
            job = ledger.jobs[identity]
            self.assertEqual(self.submit(job), identity, f"{job_key} makes a second job")
        self.assertEqual(sea.pod.get("/health").body["jobs"]["inQueue"], 0)
        sea.hang_up()
        self.assert_stops(sea.pod)
        self.assert_sound_store(sea.pod.data)
        self.assertEqual(pods.mentioned_by(str(sea.pod.data)), [], "orphans")
        self.assertEqual(list((sea.pod.data / "run").iterdir()), [])
        sea.pod = self.again(sea.pod)
        sea.pod.wait_listening(60)
        sea.incarnation += 1
        for identity in ledger.jobs:
            self.read(identity)
        self.assertEqual(ledger.faults, [])
        sea.hang_up()
        self.tell()
        for what in ("runtime kills", "engine kills", "broken connections", "lost attempts"):
            self.assertGreater(sea.counts[what], 0, f"no {what}: the storm proves nothing")

    def check_attempts(self, identity):
        detail = self.sea.pod.detail(identity)
        self.assertLessEqual(detail["attempts"], self.attempts, detail)
        numbers = [x["attempt"] for x in detail["history"]]
        self.assertEqual(numbers, sorted(set(numbers)), detail)
        self.assertEqual(detail["lives"], 1)
        results = [x for x in detail["history"] if "error" not in x]
        self.assertEqual(len(results), 1 if detail["status"] == "COMPLETED" else 0, detail)
        self.sea.counts["attempts"] += detail["attempts"]
        self.sea.counts["lost attempts"] += sum(
            x.get("errorCode") in ("engine_crash", "unavailable") for x in detail["history"]
        )

    def tell(self):
        states = collections.Counter(self.ledger.finals[x][0] for x in self.ledger.jobs)
        states = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.sea.counts.items()))
        print(
            f"storm: seed {SEED}, {len(self.ledger.jobs)} jobs accepted ({states}), {counts}, "
            f"{time.monotonic() - self.began:.1f} s",
            flush=True,
        )


class kill_storm(StormCase):
    def test_every_accepted_job_has_one_result_of_its_own(self):
        size = Size(jobs=300, crashes=2, strikes=12, pause=(0.05, 0.4), delay=0.1, clients=6)
        self.storm(size, "--queue.poison_after", "8", attempts=100)

    def test_attempts_are_bounded(self):
        size = Size(jobs=80, crashes=2, strikes=8, pause=(0.05, 0.3), delay=0.1, clients=4)
        self.storm(size, attempts=3, innocent_fails=True)


@unittest.skipUnless(FULL, "minutes long; `make storm` runs it")
class slow_kill_storm(StormCase):
    def test_every_accepted_job_has_one_result_of_its_own(self):
        size = Size(jobs=2000, crashes=4, strikes=60, pause=(0.3, 1.5), delay=0.5, clients=8)
        self.storm(size, "--queue.poison_after", "8", attempts=100)

    def test_attempts_are_bounded(self):
        size = Size(jobs=400, crashes=4, strikes=20, pause=(0.3, 1.5), delay=0.5, clients=8)
        self.storm(size, attempts=3, innocent_fails=True)


if __name__ == "__main__":
    case.main()
