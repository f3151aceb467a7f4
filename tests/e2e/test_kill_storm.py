"""Jobs in flight over HTTP while the runtime and its engines are killed with SIGKILL at random: what
was accepted ends once, with a result of its own, and no answer to a client is taken back.

The clients are what careful clients are: they keep connections, submit again under the same
idempotency key when a connection breaks, and ask for the state until it is final. Two more only
read, all along, and remember every final state that they have seen. `make storm` runs it at full
size; STORM_SEED chooses the seed.
"""

import collections
import random
import threading
import time
import unittest

import case
from case import Case, pods
from storm_sea import FULL, KINDS, SEED, Broken, Job, Ledger, Sea, Size


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
            with self.sea.changed:
                self.closed = True
                self.sea.changed.notify_all()
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
        with self.sea.changed:
            self.waiting.extend(jobs)
            self.sea.changed.notify_all()

    def unfinished(self):
        return len(self.waiting) + len(self.ledger.open_ids())

    def take(self):
        with self.sea.changed:
            self.sea.changed.wait_for(lambda: self.waiting or self.closed)
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
        """After the last kill every job ends. One that is not final when it is read ends in
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
        self.log_summary()
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

    def log_summary(self):
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
        self.storm(size, attempts=100)

    def test_attempts_are_bounded(self):
        size = Size(jobs=80, crashes=2, strikes=8, pause=(0.05, 0.3), delay=0.1, clients=4)
        self.storm(size, attempts=3, innocent_fails=True)


@unittest.skipUnless(FULL, "minutes long; `make storm` runs it")
class slow_kill_storm(StormCase):
    def test_every_accepted_job_has_one_result_of_its_own(self):
        size = Size(jobs=2000, crashes=4, strikes=60, pause=(0.3, 1.5), delay=0.5, clients=8)
        self.storm(size, attempts=100)

    def test_attempts_are_bounded(self):
        size = Size(jobs=400, crashes=4, strikes=20, pause=(0.3, 1.5), delay=0.5, clients=8)
        self.storm(size, attempts=3, innocent_fails=True)


if __name__ == "__main__":
    case.main()
