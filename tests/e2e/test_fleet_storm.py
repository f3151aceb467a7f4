"""A head and three pods while both are killed, stopped, cut off, delayed and distrusted at random:
every accepted job ends once. The clients record what they see; check_history.py, which knows nothing
of the runtime, judges the record. `make fleet-storm` runs it at full size; STORM_SEED chooses the seed.
"""

import collections
import hashlib
import http.client
import itertools
import json
import os
import pathlib
import random
import signal
import threading
import time
import unittest

import case
import check_history
import pod as pods
from case import Case
from fault_proxy import FaultProxy

SEED = int(os.environ.get("STORM_SEED", "20261128"))
FULL = os.environ.get("TAYFA_E2E_SLOW") == "1"
KEPT = os.environ.get("STORM_HISTORY")  # a file that the history is also written to
LONG = "x" * 100_000  # a blob on the link
KINDS = {"plain": 40, "slow": 26, "stream": 8, "error": 6, "cancel": 10, "long": 10}

Size = collections.namedtuple("Size", "jobs strikes pause delay clients")


def digest(output):
    if output is None:
        return None
    return hashlib.sha256(json.dumps(output, sort_keys=True).encode()).hexdigest()


class History:
    """What clients and logs saw, one event after the other, each with its moment."""

    def __init__(self):
        self.lock = threading.Lock()
        self.events = []

    def add(self, event, **members):
        with self.lock:
            self.events.append({"at": time.monotonic(), "event": event, **members})

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            for event in self.events:
                file.write(json.dumps(event) + "\n")


class Job:
    def __init__(self, number, kind, longest, chance):
        self.kind = kind
        self.key = f"job {number}"
        self.delay = round(chance.uniform(0.01, longest), 3)

    def script(self):
        wanted = {"mock_return": self.key, "mock_logs": [{"level": "info", "message": f"runs {self.key}"}]}
        if self.kind == "slow":
            wanted["mock_delay"] = self.delay
        elif self.kind == "stream":
            wanted |= {"mock_stream": [f"{self.key} part {i}" for i in range(3)]}
            wanted |= {"mock_delay": self.delay / 3}
        elif self.kind == "error":
            wanted = {"mock_error": self.key, "mock_logs": wanted["mock_logs"]}
        elif self.kind == "cancel":
            wanted["mock_delay"] = self.delay * 4
        elif self.kind == "long":
            wanted["mock_return"] = self.key + LONG
        return wanted

    def must_end(self):
        """State and output when nobody cancels it."""
        if self.kind == "error":
            return "FAILED", None
        return "COMPLETED", self.key + LONG if self.kind == "long" else self.key


class Fleet:
    """The head and its pods; each pod reaches the head through a proxy of its own."""

    def __init__(self, test, history, pod_count, slots):
        self.test, self.history = test, history
        self.counts = collections.Counter()
        self.changed = threading.Condition()
        self.incarnation = 1
        self.link = pods.steady_address()
        self.head = test.start(
            *["--slots", "0", "--link", self.link, *test.LINK, "--queue.max_attempts", "100"],
            *["--queue.retry_base", "5ms", "--queue.retry_max", "50ms", "--queue.keep_sync", "2h"],
            *["--http.idle_timeout", "30m"],
            data=test.folder(),
            listen=pods.steady_address(),
        )
        self.head.wait_ready()
        self.proxies = [FaultProxy(self.link) for _ in range(pod_count)]
        for proxy in self.proxies:
            test.addCleanup(proxy.close)
        self.pods = [self.join(i, slots) for i in range(pod_count)]

    def token(self, index):
        made = self.test.tayfa(
            *["link", "token", "--url", self.head.url, "--address", self.proxies[index].address]
        )
        self.test.assertEqual(made.returncode, 0, made.stderr)
        return made.stdout.strip()

    def join(self, index, slots):
        name = f"pod-{index}"
        pod = self.test.start(
            *["--slots", slots, "--name", name, *self.test.LINK],
            *["--engine.restart_intensity", "10000", "--engine.backoff_max", "200ms"],
            role="pod",
            data=self.test.folder(),
            environment={"TAYFA_JOIN": self.token(index)},
        )
        self.head.wait_for("pod_linked", pod=name)
        pod.wait_ready()
        return pod

    # ---- exchanges ------------------------------------------------------------------------------

    def call(self, method, path, body=None, headers=None):
        """An exchange with whichever head there is; None when its connection broke."""
        with self.changed:
            incarnation, head = self.incarnation, self.head
        try:
            return head.request(method, path, body, headers=headers, timeout=120)
        except (OSError, http.client.HTTPException):
            with self.changed:
                self.counts["broken connections"] += 1
                if not self.changed.wait_for(lambda: self.incarnation > incarnation, 120):
                    raise AssertionError("a connection broke though the head was not killed") from None
            return None

    def call_until_answered(self, method, path, body=None, headers=None):
        while True:
            answer = self.call(method, path, body, headers)
            if answer is not None:
                return answer

    # ---- strikes --------------------------------------------------------------------------------

    def note_runs(self, pod):
        """What the pod's log says that it began to run, before the log is thrown away."""
        for line in pod.lines:
            if line["job"] and line["text"].startswith("runs "):
                self.history.add("ran", id=line["job"], worker=line["worker"])

    def kill_head(self, chance):
        self.head.kill()
        self.head.close()
        head = self.test.again(self.head)
        head.wait_listening(60)
        with self.changed:
            self.head = head
            self.incarnation += 1
            self.changed.notify_all()

    def stop_head(self, chance):
        self.head.signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.2, 2.0))  # the fault itself: it lasts so long
        self.head.signal(signal.SIGCONT)

    def replace_pod(self, index):
        self.note_runs(self.pods[index])
        old = self.pods[index]
        old.close()
        self.pods[index] = self.test.again(old)

    def kill_pod(self, chance):
        index = chance.randrange(len(self.pods))
        self.pods[index].kill()
        self.replace_pod(index)

    def end_pod(self, chance):
        index = chance.randrange(len(self.pods))
        self.pods[index].stop()
        self.replace_pod(index)

    def stop_pod(self, chance):
        pod = chance.choice(self.pods)
        pod.signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.2, 4.5))
        pod.signal(signal.SIGCONT)

    def cut(self, chance):
        proxy = chance.choice(self.proxies)
        up, down = chance.choice([(True, False), (False, True), (True, True)])
        proxy.cut(up=up, down=down)
        time.sleep(chance.uniform(0.2, 4.5))
        proxy.heal()

    def delay(self, chance):
        proxy = chance.choice(self.proxies)
        proxy.delay(chance.uniform(0.01, 0.3))
        time.sleep(chance.uniform(0.2, 1.5))
        proxy.heal()

    def reset(self, chance):
        chance.choice(self.proxies).reset()

    def revoke(self, chance):
        index = chance.randrange(len(self.pods))
        for words in (["revoke"], ["trust"]):
            done = self.test.tayfa("link", *words, f"pod-{index}", "--data", self.head.data)
            self.test.assertEqual(done.returncode, 0, done.stderr)
            if words == ["revoke"]:
                time.sleep(chance.uniform(0.2, 1.5))

    def kill_engine(self, chance):
        engines = chance.choice(self.pods).engines()
        if engines:
            try:
                os.kill(chance.choice(engines), signal.SIGKILL)
            except ProcessLookupError:
                pass


STRIKES = {
    "kill_head": 4,
    "stop_head": 2,
    "kill_pod": 4,
    "end_pod": 1,
    "stop_pod": 3,
    "cut": 4,
    "delay": 2,
    "reset": 3,
    "revoke": 1,
    "kill_engine": 3,
}


class FleetStormCase(Case):
    # Short, so that what a silent pod costs takes no minute.
    LINK = ["--link.beat", "200ms", "--link.lost_after", "3s"]

    def storm(self, size):
        began = time.monotonic()
        chance = random.Random(SEED)
        self.history = History()
        self.fleet = Fleet(self, self.history, pod_count=3, slots=4)
        kinds = chance.choices(list(KINDS), KINDS.values(), k=size.jobs)
        jobs = [Job(number, kind, size.delay, chance) for number, kind in enumerate(kinds)]
        self.waiting = iter(jobs)
        self.waiting_lock = threading.Lock()
        self.faults = []
        threads = [self.thread(self.client, i) for i in range(size.clients)]
        strikes = list(STRIKES)[: size.strikes] + chance.choices(
            list(STRIKES), STRIKES.values(), k=max(0, size.strikes - len(STRIKES))
        )
        chance.shuffle(strikes)
        for strike in strikes:
            time.sleep(chance.uniform(*size.pause))
            self.fleet.counts[strike] += 1
            getattr(self.fleet, strike)(chance)
        for proxy in self.fleet.proxies:
            proxy.heal()
        for thread in threads:
            thread.join(600)
            self.assertFalse(thread.is_alive(), f"a client hangs: {self.fleet.head.tail()}")
        self.history.add("end")
        self.judge(began, strikes)

    def thread(self, work, number):
        def run():
            try:
                work(random.Random(SEED * 1000 + number))
            except Exception as why:  # a thread's exception would be lost
                self.faults.append(f"client {number}: {why!r}")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    # ---- the clients ----------------------------------------------------------------------------

    def client(self, chance):
        """Keeps a few jobs under way, so that all slots are busy, and reads each until it is final."""
        under_way = collections.deque()
        while True:
            with self.waiting_lock:
                some = list(itertools.islice(self.waiting, 8 - len(under_way)))
            under_way.extend((job, self.submit(job)) for job in some)
            if not under_way:
                return
            job, identity = under_way.popleft()
            if job.kind == "cancel" and chance.random() < 0.7:
                self.cancel(identity)
            if self.read(identity, wait=2000) not in case.FINAL:
                under_way.append((job, identity))

    def submit(self, job):
        state, output = job.must_end()
        self.history.add("submit", key=job.key, state=state, output=digest(output))
        headers = {"Idempotency-Key": f'"{job.key}"'}
        while True:
            answer = self.fleet.call("POST", "/v2/tayfa/run", {"input": job.script()}, headers)
            if answer is None:
                continue
            if answer.status == 200:
                self.history.add("accepted", key=job.key, id=answer.body["id"])
                return answer.body["id"]
            self.history.add("refused", key=job.key, status=answer.status)

    def read(self, identity, wait=0):
        asked = time.monotonic()
        path = f"/v2/tayfa/status/{identity}"
        if wait:
            path = f"/v2/tayfa/status-sync/{identity}?wait={wait}"
        answer = self.fleet.call_until_answered("GET", path)
        if answer.status != 200:
            self.faults.append(f"status of {identity}: {answer.status} {answer.body}")
            return "FAILED"
        body = answer.body
        output = digest(body.get("output")) if body["status"] == "COMPLETED" else None
        state, error = body["status"], body.get("error")
        self.history.add("read", id=identity, state=state, output=output, error=error, asked=asked)
        return state

    def cancel(self, identity):
        asked = time.monotonic()
        answer = self.fleet.call_until_answered("POST", f"/v2/tayfa/cancel/{identity}")
        if answer.status == 200:
            self.history.add("cancelled", id=identity, state=answer.body["status"], asked=asked)
        else:
            self.faults.append(f"cancel of {identity}: {answer.status} {answer.body}")

    # ---- the end --------------------------------------------------------------------------------

    def judge(self, began, strikes):
        fleet = self.fleet
        took = time.monotonic() - began
        identities = [x["id"] for x in self.history.events if x["event"] == "accepted"]
        for identity in identities:
            self.read(identity)
        for pod in fleet.pods:
            pod.wait_for("head_linked")  # else SIGTERM could come before it is expected
            fleet.note_runs(pod)
            self.assert_stops(pod)
            self.assertEqual(list((pod.data / "link/results").glob("*")), [], "results left over")
        self.assertEqual(fleet.head.get("/health").body["jobs"]["inQueue"], 0)
        self.assert_stops(fleet.head)
        self.assert_sound_store(fleet.head.data)
        if KEPT:
            self.history.write(KEPT)
        faults, summary = check_history.check(self.history.events)
        counts = ", ".join(f"{count} {what}" for what, count in sorted(fleet.counts.items()))
        print(f"fleet storm: seed {SEED}, {summary}, {counts}, {took:.1f} s", flush=True)
        self.assertEqual(self.faults + faults, [])
        self.assertEqual(summary["jobs"], len(identities))
        self.assertGreater(summary["run again"], 0, "no attempt was lost: the storm proves nothing")


class fleet_storm(FleetStormCase):
    def test_every_accepted_job_ends_once(self):
        self.storm(Size(jobs=400, strikes=len(STRIKES) + 4, pause=(0.1, 0.6), delay=0.4, clients=6))


@unittest.skipUnless(FULL, "minutes long; `make fleet-storm` runs it")
class slow_fleet_storm(FleetStormCase):
    def test_every_accepted_job_ends_once(self):
        self.storm(Size(jobs=10_000, strikes=150, pause=(0.5, 2.0), delay=0.6, clients=8))


if __name__ == "__main__":
    case.main()
