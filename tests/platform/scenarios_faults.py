"""Faults between a worker and the platform: refusals, garbage, resets in each phase, storms,
slowness, duplicates.
"""

from scenarios import MARKED, scenario
from scenarios_work import UNORDERED, UPDATES, in_order
from wire import Spell

# ---- takes ---------------------------------------------------------------------------------------

NO_JOBS = [
    Spell(status=204),
    Spell(status=400, body=b'{"error":"flashboot"}'),
    Spell(status=404, body=b"not here", content_type="text/plain"),
    Spell(status=500, body=b"{}"),
    Spell(status=502, body=b"<html>bad gateway</html>", content_type="text/html"),
    Spell(status=503),
]
NO_JSON = [
    Spell(status=200, body=b""),
    Spell(status=200, body=b"<html>hello</html>", content_type="text/html"),
    Spell(status=200, body=b'{"id":"x","input":{}}', content_type="text/plain"),
    Spell(status=200, body=b"{"),
    Spell(status=200, body=b"\xff\xfe\x00"),
]
NO_JOBS_IN_IT = [
    Spell(status=200, body=b"7"),
    Spell(status=200, body=b"null"),
    Spell(status=200, body=b"[]"),
    Spell(status=200, body=b"{}"),
]
NO_END_OF_IT = [
    Spell(status=200, body=b'{"input":{}}'),
    Spell(status=200, body=b'{"id":null,"inputs":{}}'),
    Spell(status=200, body=b"[" * 10_000),
    Spell(status=200, body=b'{"id":"a","a":' + b'"' + b"x" * 100_000),
]
RESETS = [Spell(reset=x) for x in ("head", "read", "acted", "answer", "after")]
CLOSES = [Spell(reset=x, close=True) for x in ("head", "read", "acted", "answer", "after")]


def in_spite_of(g, kind, spells):
    g.platform.sky(kind, *spells)
    job = g.run({"mock_return": 1})[0]
    while kind == "take" and g.platform.spells_left(kind):
        g.probe()
    g.platform.wait(lambda: not g.platform.spells_left(kind), "the end of the storm")
    return {"state": job.state, "results": len(job.results)}


FINE = {"state": "COMPLETED", "results": 1}


@scenario(both=FINE, wire=False)
def takes_that_bring_nothing(g):
    return in_spite_of(g, "take", NO_JOBS)


@scenario(both=FINE, wire=False)
def takes_that_bring_no_json(g):
    return in_spite_of(g, "take", NO_JSON)


@scenario(both=FINE, wire=False, concurrency=3)
def takes_that_bring_no_jobs_in_it(g):
    return in_spite_of(g, "take", NO_JOBS_IN_IT)


@scenario(both=FINE, wire=False)
def takes_that_bring_broken_jobs(g):
    return in_spite_of(g, "take", NO_END_OF_IT)


@scenario(both=FINE, wire=False)
def takes_that_are_reset(g):
    return in_spite_of(g, "take", [*RESETS, *CLOSES])


@scenario(both=FINE, wire=False)
def takes_that_are_slow(g):
    return in_spite_of(
        g, "take", [Spell(drip=0.002), Spell(delay=1.0), Spell(drip=0.002, delay=0.5)]
    )


@scenario(both=FINE, wire=False)
def connections_that_are_reset(g):
    g.platform.refuse_dials(4)
    job = g.run({"mock_return": 1})[0]
    return {"state": job.state, "results": len(job.results)}


@scenario(both={**FINE, "pause": True}, wire=False)
def too_many_requests(g):
    g.platform.sky("take", Spell(status=429, body=b"{}"))
    job = g.run({"mock_return": 1})[0]
    first, second = g.platform.requests("take")[:2]
    return {
        "state": job.state,
        "results": len(job.results),
        "pause": second.at - first.read_at > 4,
    }


@scenario(
    sdk={"busy": True, "state": "COMPLETED"},
    tayfa={"busy": False, "state": "COMPLETED"},
    why="the SDK asks again at once, however often it is refused: thousands of requests a second",
)
def a_platform_that_refuses_every_take(g):
    g.platform.always("take", Spell(status=400, body=b"{}"))
    g.start()
    time = 60 if g.kind == "sdk" else 3
    busy = g.platform.happens(lambda: len(g.platform.requests("take")) > 60, time)
    g.platform.always("take", None)
    return {"busy": busy, "state": g.probe()}


@scenario(
    sdk={"states": ["LOST", "FAILED"], "next": "COMPLETED"},
    tayfa={"states": ["FAILED", "FAILED"], "next": "COMPLETED"},
    why="a job that cannot be run is reported, so that it does not wait for its time to live",
)
def jobs_that_are_none(g):
    for job in ("no-input-u1", "no-object-u1"):
        g.platform.ledger.enqueue(job, None, {})
    g.platform.sky(
        "take",
        Spell(status=200, body=b'{"id":"no-input-u1"}'),
        Spell(status=200, body=b'[{"id":"no-object-u1","inputs":1}]'),
    )
    g.start()
    following = g.probe()
    if g.kind == "tayfa":
        g.platform.wait_result("no-input-u1", "no-object-u1")
    return {
        "states": [g.platform.job(x).state for x in ("no-input-u1", "no-object-u1")],
        "next": following,
    }


@scenario(
    sdk={"alive": False, "state": "LOST"},
    tayfa={"alive": True, "state": "COMPLETED"},
    why="an element that is no object ends the SDK's loop, and with it the worker",
)
def an_array_of_what_are_no_jobs(g):
    g.platform.sky("take", Spell(status=200, body=b"[7,null]"))
    job = g.platform.enqueue({"mock_return": 1})
    g.start()
    if g.kind == "tayfa":
        g.platform.wait_result(job)
    code = g.worker.wait_exit(20 if g.kind == "sdk" else 0)
    return {"alive": code is None, "state": g.platform.job(job).state}


@scenario(both=FINE, wire=False, platform={"hold": 2})
def stops_that_bring_garbage(g):
    bodies = (b"{}", b"[]", b'{"jobsToStop":7}', b'{"jobsToStop":[7,null,{}]}', b"{", b"")
    g.platform.sky("stop", *(Spell(status=200, body=x) for x in bodies[:3]))
    g.platform.sky("stop", Spell(status=500), Spell(reset="acted"))
    return in_spite_of(g, "stop", [Spell(status=200, body=x) for x in bodies[3:]])


@scenario(both=FINE, wire=False)
def pings_that_fail(g):
    return in_spite_of(g, "ping", [Spell(status=500), Spell(reset="read"), Spell(delay=0.3)])


# ---- results -------------------------------------------------------------------------------------


def posted(g, *spells, count=1):
    """Returns how jobs end whose results meet this fault; a last job gives every retry its time."""
    g.platform.sky("result", *spells)
    ids = g.platform.enqueue_all([{"mock_return": i} for i in range(count)])
    if g.worker is None:
        g.start()
    for job in ids:
        g.platform.wait_taken(job)
    g.platform.wait(lambda: not g.platform.spells_left("result"), "the end of the storm")
    if g.kind == "tayfa":
        g.platform.wait_result(*ids)
    g.probe()
    return {"states": sorted(g.platform.job(x).state for x in ids)}


@scenario(both={"states": ["COMPLETED"]}, wire=False)
def results_that_meet_5xx_twice(g):
    return posted(g, Spell(status=503), Spell(status=500))


@scenario(
    sdk={"states": ["LOST"]},
    tayfa={"states": ["COMPLETED"]},
    why="the SDK tries three times; a result is undelivered until the job's time to live has ended",
)
def results_that_meet_5xx_often(g):
    return posted(g, *[Spell(status=503)] * (3 if g.kind == "sdk" else 4))


@scenario(
    sdk={"states": ["LOST"]},
    tayfa={"states": ["COMPLETED"]},
    why="the SDK drops a result when the answer asks it to come later",
)
def results_that_meet_429(g):
    return posted(g, Spell(status=429, headers=(("Retry-After", "1"),)))


@scenario(
    sdk={"states": ["LOST", "LOST", "LOST"]},
    tayfa={"states": ["FAILED", "FAILED", "FAILED"]},
    why="a result that is refused for good becomes a small error, so that the job ends",
)
def results_that_are_refused(g):
    return {"states": [posted(g, Spell(status=x))["states"][0] for x in (400, 413, 422)]}


@scenario(
    sdk={"states": ["LOST"]},
    tayfa={"states": ["FAILED"]},
    why="the same, when the platform measures: a result too large becomes a small error",
    platform={"result_most": 1 << 20},
)
def a_result_too_large_for_the_platform(g):
    (job,) = g.platform.enqueue_all([{"mock_return": "x" * (2 << 20)}])
    g.start()
    g.platform.wait_requests(1, "result", job)
    g.probe()
    if g.kind == "tayfa":
        g.platform.wait_result(job)
    return {"states": [g.platform.job(job).state]}


@scenario(
    sdk={"states": ["LOST"] * 3},
    tayfa={"states": ["COMPLETED"] * 3},
    why="the SDK does not try again when a connection breaks",
    concurrency=3,
)
def results_whose_request_is_reset(g):
    return posted(g, *(Spell(reset=x) for x in ("head", "body", "read")), count=3)


@scenario(both={"states": ["COMPLETED"] * 3}, wire=False, concurrency=3)
def results_whose_answer_is_reset(g):
    return posted(g, *(Spell(reset=x) for x in ("acted", "answer", "after")), count=3)


@scenario(both={"states": ["COMPLETED"] * 3}, wire=False, concurrency=3)
def results_with_odd_answers(g):
    return posted(
        g,
        Spell(status=200, act=True, body=b"not json", content_type="text/html"),
        Spell(status=204, act=True),
        Spell(drip=0.002),
        count=3,
    )


# ---- progress and streams ------------------------------------------------------------------------


@scenario(
    sdk={"progress": UPDATES, "broken": UNORDERED},
    tayfa={"progress": UPDATES},
    why="the SDK posts each update from a thread of its own: one that is tried again comes late",
)
def progress_that_meets_503(g):
    g.platform.sky("progress", Spell(status=503))
    job = g.run({"mock_progress": {"updates": 3, "wait_time": 0.3}, "mock_return": 1})[0]
    g.platform.wait(lambda: len(job.progress) >= 3, "three updates")
    return {"progress": in_order(job.progress)}


@scenario(
    sdk={"progress": 2, "state": "COMPLETED", "broken": UNORDERED},
    tayfa={"progress": 3, "state": "COMPLETED"},
    why="the SDK does not try again when a connection breaks",
)
def progress_that_is_reset(g):
    g.platform.sky("progress", Spell(reset="read"))
    job = g.run({"mock_progress": {"updates": 3, "wait_time": 0.3}, "mock_return": 1})[0]
    g.platform.wait(lambda: len(job.progress) >= 2, "two updates")
    g.probe()
    return {"progress": len(job.progress), "state": job.state}


@scenario(
    sdk={"progress": 5, "broken": UNORDERED},
    tayfa={"progress": 5},
    why="the SDK does not wait for its updates before it posts the result",
)
def progress_that_is_slow(g):
    g.platform.always("progress", Spell(delay=0.3))
    g.platform.sky("progress", Spell(status=503))
    job = g.run({"mock_progress": {"updates": 5, "wait_time": 0}, "mock_return": 1})[0]
    g.platform.wait(lambda: len(job.progress) >= 5, "five updates")
    return {"progress": len(job.progress)}


CHUNKS = ["one", "two", "three", "four"]


@scenario(both={"chunks": CHUNKS, "state": "COMPLETED"}, wire=False, handler="async_generator")
def chunks_that_meet_503(g):
    g.platform.sky("stream", Spell(), Spell(status=503))
    job = g.run({"mock_stream": CHUNKS})[0]
    return {"chunks": job.chunks, "state": job.state}


@scenario(
    sdk={
        "chunks": ["one", "four"],
        "state": "COMPLETED",
        "broken": ["chunks left out, or out of order"],
    },
    tayfa={"chunks": CHUNKS, "state": "COMPLETED"},
    why="the SDK leaves out a chunk whose post fails",
    handler="async_generator",
)
def chunks_that_are_reset(g):
    g.platform.sky("stream", Spell(), Spell(reset="read"), Spell(status=429))
    job = g.run({"mock_stream": CHUNKS})[0]
    return {"chunks": job.chunks, "state": job.state}


# ---- the same job again --------------------------------------------------------------------------


@scenario(
    sdk={"runs": 2},
    tayfa={"runs": 1},
    why="a job that is live runs once, however often it is given",
    concurrency=2,
)
def the_same_job_twice_at_once(g):
    slow = {**MARKED, "mock_delay": 0.5}
    g.platform.enqueue_all([slow, slow], ["same-u1", "same-u1"])
    g.platform.ledger.jobs["same-u1"].lives = 1
    g.start()
    g.platform.wait_result("same-u1")
    g.probe()
    g.probe()
    return {"runs": g.runs("same-u1")}


@scenario(
    sdk={"runs": 2, "results": 2},
    tayfa={"runs": 1, "results": 2},
    why="a job that COMPLETED is not run again: its result is sent again",
)
def the_same_job_after_its_end(g):
    g.run(MARKED, ids=["same-u1"])
    g.probe()  # the worker knows that its result has arrived
    g.probe()
    job = g.run(MARKED, ids=["same-u1"])[0]
    return {"runs": g.runs(job.id), "results": len(job.results)}


@scenario(both={"runs": 2, "states": ["FAILED", "FAILED"]}, wire=False)
def a_job_that_failed_runs_again_when_it_is_given_again(g):
    script = {**MARKED, "mock_error": "x"}
    g.run(script, ids=["again-u1"])
    g.probe()
    job = g.run(script, ids=["again-u1"])[0]
    return {
        "runs": g.runs(job.id),
        "states": ["FAILED" if "error" in x else "?" for x in job.results],
    }


@scenario(both={"states": ["COMPLETED"] * 6}, wire=False, concurrency=3)
def a_storm_over_everything(g):
    for kind in ("take", "stop", "ping", "result"):
        g.platform.always(kind, Spell(delay=0.2))
        g.platform.sky(kind, Spell(status=503), Spell(delay=0.5), Spell(status=500))
    jobs = g.run(*({"mock_return": i, "mock_delay": 0.1} for i in range(6)))
    return {"states": [x.state for x in jobs]}
