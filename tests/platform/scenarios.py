"""The scenarios of a RunPod worker on the stand-in platform: a table of scenarios, each with
what must be seen of every worker, or, where RunPod's SDK is known to be weak, of each.

A scenario is a function that drives a Ground and returns facts; the table says which facts are
right. `broken` is always among them: the rules of the ledger that were violated.
"""

import json
import pathlib
import time
from dataclasses import dataclass, field

from stand_in import KEY, StandIn
from workers import WORKERS

SCENARIOS = {}
MARK = "this job runs now"
MARKED = {"mock_logs": [{"level": "info", "message": MARK}], "mock_return": 1}


class Either:
    """A fact that may come out in several ways: a race that the worker does not decide."""

    def __init__(self, *values):
        self.values = values

    def __eq__(self, other):
        return other in self.values

    def __repr__(self):
        return f"Either{self.values}"


class Within:
    """A list that holds nothing but these: what may happen, and need not."""

    def __init__(self, *values):
        self.values = values

    def __eq__(self, other):
        return set(other) <= set(self.values)

    def __repr__(self):
        return f"Within{self.values}"


@dataclass
class Scenario:
    name: str
    run: object
    expected: dict  # worker: facts
    why: str = ""  # the workers differ, because …
    options: dict = field(default_factory=dict)  # of the worker
    platform: dict = field(default_factory=dict)  # of the stand-in
    wire: bool = True  # what both say is compared
    workers: tuple = ("sdk", "tayfa")


def scenario(
    both=None, sdk=None, tayfa=None, why="", platform=None, wire=None, workers=None, **options
):
    """Puts a function into the table. What differs between the workers is not compared byte by byte
    unless `wire` says so: other things happen then.
    """

    def add(run):
        name = run.__name__
        assert name not in SCENARIOS, name
        assert both is None or (sdk is None and tayfa is None), name
        assert bool(why) == (both is None), f"{name}: a difference has a reason"
        expected = {"sdk": both if sdk is None else sdk, "tayfa": both if tayfa is None else tayfa}
        compared = both is not None if wire is None else wire
        SCENARIOS[name] = Scenario(
            name,
            run,
            expected,
            why,
            options,
            platform or {},
            compared,
            workers or ("sdk", "tayfa"),
        )
        return run

    return add


def objects_in(line):
    """The JSON objects of a line of the log: the SDK's threads may share one, and the last may not
    be whole yet.
    """
    decoder = json.JSONDecoder()
    at = 0
    while line.startswith("{", at):
        try:
            value, at = decoder.raw_decode(line, at)
        except ValueError:
            return
        yield value


class Ground:
    """A scenario's stage: its own platform, and a worker when start() is called."""

    def __init__(self, kind, chosen):
        self.kind, self.scenario = kind, chosen
        self.platform = StandIn(**chosen.platform)
        self.worker = None

    def start(self, environment=None, worker="w1", **options):
        variables = {**self.platform.environment(worker), **(environment or {})}
        self.worker = WORKERS[self.kind](variables, **{**self.scenario.options, **options})
        return self.worker

    def close(self):
        if self.worker is not None:
            self.worker.close()
        self.platform.close()

    # ---- short words ---------------------------------------------------------------------------

    def run(self, *inputs, **extra):
        """Jobs that a worker, started when there is none yet, takes and ends."""
        ids = self.platform.enqueue_all(inputs, **extra)
        if self.worker is None:
            self.start()
        self.platform.wait_result(*ids)
        return [self.platform.job(x) for x in ids]

    def probe(self):
        """Another job, to the end: whatever the worker still had to say about others, it had the
        time to say.
        """
        return self.run({"mock_return": "probe"})[0].state

    def runs(self, job):
        """How often a job that is MARKED has begun to run, by the worker's log; what it says of a
        later job has come when all that it says of this one has.
        """
        last = self.run(MARKED)[0].id
        self.eventually(lambda: self._marks(last), "the log's end")
        return self._marks(job)

    def _marks(self, job):
        lines = [x for line in self.worker.log.splitlines() for x in objects_in(line)]
        return sum(1 for x in lines if x["requestId"] == job and MARK in x["message"])

    def terminate(self):
        self.platform.ledger.terminate("w1")
        self.worker.signal(15)

    def eventually(self, true, what, timeout=20.0):
        """For what is only seen in a log."""
        deadline = time.monotonic() + timeout
        while not true():
            assert time.monotonic() < deadline, f"{what}: not within {timeout:g} s"
            time.sleep(0.02)

    def broken(self):
        return sorted({words.partition(": ")[2] for words in self.platform.violations()})

    def orphans(self):
        """Requests that a worker may never make."""
        return [
            f"{x.method} {x.target}"
            for x in self.platform.requests()
            if not x.kind or x.header("authorization") != KEY
        ]

    def seen(self):
        """For the comparison of both workers: (kind, job, method, target, headers, body)."""
        return [
            [x.kind, x.job, x.method, x.target, x.headers, x.body.decode(errors="replace")]
            for x in self.platform.requests()
            if len(x.body) < 100_000
        ]


def play(kind, chosen):
    """(facts, what was said on the wire)"""
    ground = Ground(kind, chosen)
    try:
        facts = dict(chosen.run(ground))
        facts["broken"] = ground.broken()
        assert not ground.orphans(), ground.orphans()
        return facts, ground.seen()
    except Exception as problem:
        lines = ground.worker.log.splitlines() if ground.worker is not None else []
        log = "\n".join(x[:300] for x in lines if "Heartbeat Sent" not in x)
        problem.args = (f"{problem}\n{ground.platform.tail()}\nThe worker's log:\n{log[-4000:]}",)
        raise
    finally:
        ground.close()


def expected_of(kind, chosen):
    return {"broken": [], **chosen.expected[kind]}


def keep_wire(build, kind, seen):
    folder = pathlib.Path(build) / "platform"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{kind}.json").write_text(json.dumps(seen))


def kept_wire(build, kind):
    file = pathlib.Path(build) / "platform" / f"{kind}.json"
    return json.loads(file.read_text()) if file.is_file() else None
