#!/usr/bin/env python3
"""The stand-in platform of tests/platform as a process of its own, which measures: it gives
jobs without end, or one at a time, and records when each was given and when its result came.

Commands are lines of JSON on stdin, answers lines of JSON on stdout:
    {"do": "flood", "input": …}      every take is answered at once, from now on
    {"do": "drip", "input": …}       a job is enqueued when the last one's result has come
    {"do": "calm"}                   no more jobs
    {"do": "taken"}                  waits for the first take; {"at": monotonic time}
    {"do": "idle"}                   waits until nothing is out and a take is held open
    {"do": "measure", "seconds": S}  what came in this time: {"results", "seconds", "ms": sorted}
"""

import itertools
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "platform"))
import ledger  # noqa: E402
import stand_in  # noqa: E402

HOLD = 10.0  # seconds; how long a take is held open
LONGEST = 120.0
LATENCIES_SENT = 20_000


class Meter(stand_in.StandIn):
    """Keeps only times: no log, and no ended jobs."""

    def __init__(self):
        super().__init__(hold=HOLD)
        self.log = Nothing()
        self.spent = []  # ms from the answer of a take to the result
        self.mode, self.job_input = "calm", None
        self.first_take = None
        self.out = 0
        self.ids = itertools.count()

    def more(self):
        """Called with the lock held, on the loop's thread."""
        job = ledger.Job(f"bench-{next(self.ids)}", self.job_input)
        self.ledger.jobs[job.id] = job
        self._queue.append(job)

    def _serve(self):
        with self.changed:
            if self.mode == "flood" and self._waiting:
                wanted = sum(max(1, batch) for _, batch, _ in self._waiting.values())
                for _ in range(wanted - len(self._queue)):
                    self.more()
            super()._serve()

    def _hand(self, exchange, jobs, batch):
        self.out += len(jobs)
        super()._hand(exchange, jobs, batch)

    def begun(self, request):
        spell = super().begun(request)
        if request.kind == "take" and self.first_take is None:
            self.first_take = request.at
        return spell

    def _post(self, request, value):
        job = self.ledger.jobs.pop(request.job, None)
        if job is None:
            return None, 404
        self.spent.append((request.read_at - job.takes[-1].at) * 1000)
        self.out -= 1
        if self.mode == "drip":
            self.more()
            self.loop.call_soon(self._serve)
        return None, 200

    # ---- commands ------------------------------------------------------------------------------

    def switch(self, mode, job_input=None):
        with self.changed:
            self.mode, self.job_input = mode, job_input
            if mode == "drip":
                self.more()
        self.loop.call_soon_threadsafe(self._serve)

    def taken(self):
        self.wait(lambda: self.first_take, "a take", LONGEST)
        return {"at": self.first_take}

    def idle(self):
        self.wait(lambda: not self.out and not self._queue and self._waiting, "idleness", LONGEST)
        return {}

    def measure(self, seconds):
        with self.changed:
            self.spent, begin = [], time.monotonic()
        self.happens(lambda: time.monotonic() >= begin + seconds, seconds)
        self.happens(lambda: self.spent, LONGEST / 4)  # one at the least, however long it takes
        with self.changed:
            spent, took = self.spent, time.monotonic() - begin
        sorted_spent = sorted(spent)
        step = max(1, len(sorted_spent) // LATENCIES_SENT)
        return {"results": len(sorted_spent), "seconds": took, "ms": sorted_spent[::step]}


class Nothing(list):
    def append(self, _):
        pass


def main():
    meter = Meter()
    print(json.dumps({"environment": meter.environment("bench")}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "measure":
            answer = meter.measure(order["seconds"])
        elif order["do"] in ("taken", "idle"):
            answer = getattr(meter, order["do"])()
        else:
            meter.switch(order["do"], order.get("input"))
            answer = {}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
