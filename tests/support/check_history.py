#!/usr/bin/env python3
"""Reads the recorded history of a queue's clients and says whether the queue kept its promises.

It shares no code with the runtime: it knows only what clients, receivers of webhooks and the logs of
workers saw. Usage: check_history.py FILE; one line for each broken promise, exit 1 when there is any.

A history is one JSON object a line, in the order of recording. Every event has "at" (seconds of one
monotonic clock) and "event"; a job is named by "key" until the queue has given it an "id":

| event     | members                              | meaning                                            |
| submit    | key, state, output                   | a client is about to submit; how the job must end  |
| accepted  | key, id                              | the queue answered 200                             |
| refused   | key, status                          | the queue answered, but did not accept             |
| read      | id, state, output, error, asked      | an answer about the job; "asked" = when it was asked for |
| cancelled | id, state, asked                     | the answer to a cancel                             |
| delivered | id, state, output                    | a webhook came                                     |
| ran       | id, worker                           | a worker began to run the job                      |
| end       |                                      | all faults are healed and all jobs had their time  |

"output" is whatever identifies the output (its text, or a digest of it), null when there is none.
"state" of a submit is the final state that the job must have when nobody cancels it.
"""

import collections
import json
import sys

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")

Seen = collections.namedtuple("Seen", "state output error")


class Job:
    def __init__(self, key, wanted):
        self.key = key
        self.wanted = wanted  # (state, output)
        self.ids = []
        self.final = None  # the first final answer, and when it was there
        self.final_at = None
        self.whole = None  # the first answer that had the output as well
        self.cancel_answered = False
        self.runs = 0
        self.runs_after_cancel = 0
        self.cancelled_at = None


class Checker:
    """Fed with events in order; `faults` are the broken promises, in words."""

    def __init__(self):
        self.jobs = {}  # by key
        self.by_id = {}
        self.faults = []
        self.counts = collections.Counter()
        self.ended = False

    def fault(self, text):
        self.faults.append(text)

    def feed(self, event):
        self.counts[event["event"]] += 1
        getattr(self, "on_" + event["event"])(event)

    def on_submit(self, e):
        wanted = (e["state"], e["output"])
        known = self.jobs.setdefault(e["key"], Job(e["key"], wanted))
        if known.wanted != wanted:
            self.fault(f"{e['key']}: the history submits two different jobs under one key")

    def on_accepted(self, e):
        job = self.jobs.get(e["key"])
        if job is None:
            self.fault(f"{e['key']} was accepted and never submitted")
            return
        if e["id"] not in job.ids:
            job.ids.append(e["id"])
        if len(job.ids) > 1:
            self.fault(f"{e['key']} has the ids {job.ids}: one key made two jobs")
        other = self.by_id.setdefault(e["id"], job)
        if other is not job:
            self.fault(f"{e['id']} was given to {other.key} and to {job.key}")

    def on_refused(self, e):
        pass  # counted; a refused job may be submitted again

    def on_end(self, e):
        self.ended = True

    def job_of(self, e):
        job = self.by_id.get(e["id"])
        if job is None:
            self.fault(f"{e['event']} names {e['id']}, which no client was given")
        return job

    def on_read(self, e):
        job = self.job_of(e)
        if job is None:
            return
        self.judge(job, e, Seen(e["state"], e["output"], e.get("error")), e["asked"])

    def on_delivered(self, e):
        job = self.job_of(e)
        if job is None:
            return
        if e["state"] not in FINAL:
            self.fault(f"{job.key}: a webhook says {e['state']}, which is not final")
            return
        self.judge(job, e, Seen(e["state"], e["output"], None), e["at"], webhook=True)

    def judge(self, job, e, seen, asked, webhook=False):
        """One result: what was final stays, for everybody who asks later."""
        if seen.state not in FINAL:
            if job.final is not None and asked > job.final_at:
                self.fault(f"{job.key} was {job.final.state} and is {seen.state} again")
            return
        if job.final is None:
            job.final, job.final_at = seen, e["at"]
        elif (seen.state, seen.output) != (job.final.state, job.final.output):
            self.fault(f"{job.key} has two results: {job.final} and {seen}")
        if not webhook:
            if job.whole is None:
                job.whole = seen
            elif job.whole != seen:
                self.fault(f"{job.key} has two results: {job.whole} and {seen}")

    def on_cancelled(self, e):
        job = self.job_of(e)
        if job is None:
            return
        if e["state"] == "CANCELLED":
            job.cancel_answered = True
            job.cancelled_at = e["at"]
        elif e["state"] not in FINAL:
            self.fault(f"{job.key}: the cancel was answered and the job is {e['state']}")

    def on_ran(self, e):
        job = self.by_id.get(e["id"])
        if job is None:
            # A job of a submission whose answer was lost; its client asks again under the key.
            return
        job.runs += 1

    def finish(self):
        if not self.ended:
            self.fault("the history has no end: nothing can be said about lost jobs")
        for job in self.jobs.values():
            if not job.ids:
                continue
            if job.final is None:
                self.fault(f"{job.key} ({job.ids[0]}) was accepted and is lost: it never ended")
                continue
            found = (job.final.state, job.final.output)
            if job.cancel_answered:
                if found != ("CANCELLED", None):
                    self.fault(f"{job.key}: its cancel was answered CANCELLED and it is {found}")
            elif found != job.wanted and job.final.state != "CANCELLED":
                self.fault(f"{job.key} had to end as {job.wanted} and is {found}")
            elif job.final.state == "CANCELLED" and job.wanted[0] != "CANCELLED":
                self.fault(f"{job.key} is CANCELLED and nobody was told so")
        return self.faults

    def summary(self):
        accepted = [x for x in self.jobs.values() if x.ids]
        runs = sum(x.runs for x in accepted)
        states = collections.Counter(x.final.state for x in accepted if x.final)
        return {
            "jobs": len(accepted),
            "states": dict(sorted(states.items())),
            "runs": runs,
            "run again": sum(max(0, x.runs - 1) for x in accepted),
            "events": sum(self.counts.values()),
            "faults": len(self.faults),
        }


def check(events):
    """The broken promises of a whole history, and its summary."""
    checker = Checker()
    for event in events:
        checker.feed(event)
    faults = checker.finish()
    return faults, checker.summary()


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check_history.py FILE")
    with open(sys.argv[1], encoding="utf-8") as file:
        faults, summary = check(json.loads(line) for line in file if line.strip())
    for fault in faults:
        print(fault)
    print(json.dumps(summary))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
