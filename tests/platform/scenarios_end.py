"""How a worker begins and ends: fitness, SIGTERM at every point, kill -9, and a while in which it does not run."""

import signal
import time
import urllib.parse

from scenarios import Either, Within, scenario

HOLD = 6.0
PAUSE_S = 4.0  # longer than the take and its linger may last


def ended(g, soon):
    """(exit code, whether it came soon) after the SIGTERM that was just sent."""
    code = g.worker.wait_exit(soon)
    if code is not None:
        return code, True
    return g.worker.wait_exit(HOLD * 3), False


@scenario(
    sdk={"code": 0, "soon": False},
    tayfa={"code": 0, "soon": True},
    why="the SDK waits for its open polls to end; Tayfa hangs up",
    platform={"hold": HOLD},
)
def sigterm_when_idle(g):
    g.start()
    g.platform.wait_polls()
    g.platform.wait(lambda: g.platform.open_polls("stop"), "an open stop poll")
    g.terminate()
    code, soon = ended(g, HOLD / 2)
    return {"code": code, "soon": soon}


@scenario(both={"code": 0, "state": "COMPLETED"}, wire=False, platform={"hold": 3})
def sigterm_while_a_job_runs(g):
    job = g.platform.enqueue({"mock_delay": 2, "mock_return": 1})
    g.start()
    g.platform.wait_taken(job)
    g.eventually(lambda: job in g.worker.log, "the job's start")
    g.terminate()
    code = g.worker.wait_exit(30)
    return {"code": code, "state": g.platform.job(job).state}


@scenario(
    sdk={"code": 0, "taken": True, "state": "LOST"},
    tayfa={"code": 0, "taken": False, "state": "LOST"},
    why="what is answered to the poll that the SDK left open is taken and dropped; Tayfa's is closed",
    platform={"hold": HOLD},
)
def a_job_that_comes_after_sigterm(g):
    g.start()
    g.platform.wait_polls()
    g.terminate()
    if g.kind == "sdk":
        g.eventually(lambda: "Kill worker." in g.worker.log, "the signal")
        g.platform.happens(lambda: False, 0.5)  # its loops look every 0.1 s
    else:
        g.platform.wait(lambda: not g.platform.open_polls(), "the end of the poll")
    job = g.platform.enqueue({"mock_return": 1})
    code = g.worker.wait_exit(HOLD * 3)
    took = any(x.delivered for x in g.platform.job(job).takes)
    return {"code": code, "taken": took, "state": g.platform.job(job).state}


@scenario(
    sdk={"code": 0, "lost": Either(False, True)},
    tayfa={"code": 0, "lost": False},
    why="a job that is on its way when the signal comes is run, or was never taken",
    platform={"hold": HOLD},
)
def a_job_that_comes_with_sigterm(g):
    g.start()
    g.platform.wait_polls()
    job = g.platform.enqueue({"mock_return": 1})
    g.terminate()
    code = g.worker.wait_exit(HOLD * 3)
    known = g.platform.job(job)
    lost = any(x.delivered for x in known.takes) and known.state == "LOST"
    return {"code": code, "lost": lost}


@scenario(both={"code": 1, "check": "memory", "takes": 0}, wire=False)
def unfit(g):
    g.start(
        {
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "false",
            "RUNPOD_MIN_MEMORY_GB": "1000000",
        }
    )
    code = g.worker.wait_exit(30)
    pings = [urllib.parse.parse_qs(x.target.partition("?")[2]) for x in g.platform.requests("ping")]
    report = next(x for x in pings if x.get("status") == ["unhealthy"])
    return {
        "code": code,
        "check": "memory" if "memory" in report["check"][0] else report["check"],
        "takes": len(g.platform.requests("take")),
    }


@scenario(
    tayfa={
        "states": ["COMPLETED", "COMPLETED"],
        "runs": 1,
        "broken": Within("more than one result"),  # one that was on its way is posted again
    },
    sdk={},
    why="what the SDK's worker has taken dies with it",
    workers=("tayfa",),
)
def kill_9_between_end_and_post(g):
    from wire import Spell

    g.platform.always("result", Spell(reset="read"))
    ids = g.platform.enqueue_all(
        [
            {"mock_progress": {"updates": 1, "wait_time": 0}, "mock_return": 1},
            {"mock_delay": 1.5, "mock_return": 2},
        ]
    )
    first = g.start(concurrency=2)
    g.platform.wait_requests(2, "result", ids[0])
    g.platform.wait_taken(ids[1])
    first.pod.kill()
    g.platform.always("result", None)
    g.start(concurrency=2, data=first.pod.data)
    g.platform.wait_result(*ids)
    facts = {
        "states": [g.platform.job(x).state for x in ids],
        "runs": len(g.platform.job(ids[0]).progress),
    }
    g.worker.close()
    g.worker = first
    return facts


@scenario(
    tayfa={"code": 0, "state": "FAILED", "why": True},
    sdk={},
    why="the SDK has no deadline for its end",
    workers=("tayfa",),
    words=("--pod.drain_budget", "500ms"),
)
def sigterm_while_a_job_runs_too_long(g):
    job = g.platform.enqueue({"mock_delay": 60})
    g.start()
    g.platform.wait_taken(job)
    g.terminate()
    code = g.worker.wait_exit(30)
    known = g.platform.job(job)
    return {"code": code, "state": known.state, "why": "stopping" in str(known.error)}


@scenario(
    tayfa={"states": ["COMPLETED", "COMPLETED"], "attempts": [1, 1], "results": [1, 1]},
    sdk={},
    why="the SDK's own time-outs cannot be made short",
    workers=("tayfa",),
    words=("--runpod.take_timeout", "1s", "--engine.heartbeat", "100ms"),
)
def a_worker_that_is_stopped_for_a_while(g):
    """A job is running, and another one comes with the answer to a take that waits in the socket
    longer than any take may last.
    """
    first = g.platform.enqueue({"mock_delay": 1, "mock_return": 1})
    g.start(concurrency=2)
    g.platform.wait_taken(first)
    g.platform.wait_polls()
    g.worker.signal(signal.SIGSTOP)
    second = g.platform.enqueue({"mock_return": 2})
    g.platform.wait_taken(second)
    time.sleep(PAUSE_S)
    g.worker.signal(signal.SIGCONT)
    g.platform.wait_result(first, second)
    jobs = [g.platform.job(x) for x in (first, second)]
    lines = [x for line in g.worker.log.splitlines() for x in [line] if "to=IN_PROGRESS" in x]
    return {
        "states": [x.state for x in jobs],
        "attempts": [sum(x.id in line for line in lines) for x in jobs],
        "results": [len(x.results) for x in jobs],
    }
