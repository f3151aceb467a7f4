"""Ordinary days: RunPod's mock-worker cases, values, streams, pings, stops."""

import json

from scenarios import Either, Within, scenario

UNORDERED = Within("progress after the result", "progress out of order")
VALUES = [
    ("text", "text"),
    ("characters", 'é \U0001f6a2 \u0000 " \\ \n </script>'),
    ("numbers", [0, -1, 0.1, 1e22, 2**53 + 1, 2**63 - 1, -(2**63)]),
    ("null", None),
    ("empty object", {}),
    ("empty list", []),
    ("false", False),
    ("nested", {"a": {"b": [{"c": None}]}}),
    ("order of keys", {"z": 1, "a": 2}),
    ("an error beside others", {"error": "custom", "x": 1}),
    ("an error alone", {"error": "only this"}),
    ("an error that is none", {"error": "", "x": 1}),
    ("an error that is an object", {"error": {"code": 7}}),
    ("refresh", {"refresh_worker": True, "a": 1}),
    ("no refresh", {"refresh_worker": False, "a": 1}),
    ("300 KB", "x" * 300_000),
]
BODIES = [{"output": value} for _, value in VALUES]
BODIES[4] = {}
BODIES[9] = {"output": {"x": 1}, "error": "custom"}
BODIES[10] = {"error": "only this"}
BODIES[11] = {"output": {"x": 1}}
BODIES[12] = {"error": {"code": 7}}
BODIES[13] = {"output": {"a": 1}, "stopPod": True}
BODIES[14] = {"output": {"a": 1}}


@scenario(both={"bodies": BODIES}, concurrency=8)
def values(g):
    jobs = g.run(*({"mock_return": value} for _, value in VALUES))
    return {"bodies": [x.result for x in jobs]}


@scenario(both={"output": {"prompt": "a cat", "seed": 7, "deep": [[[]]]}})
def an_input_without_a_script_comes_back(g):
    return {"output": g.run({"prompt": "a cat", "seed": 7, "deep": [[[]]]})[0].output}


@scenario(both={"output": "slow", "took": True})
def delay(g):
    job = g.run({"mock_delay": 1.2, "mock_return": "slow"})[0]
    return {"output": job.output, "took": job.posts[0].at - job.takes[0].at >= 1.2}


@scenario(
    both={
        "state": "FAILED",
        "keys": [
            "error_type",
            "error_message",
            "error_traceback",
            "hostname",
            "worker_id",
            "runpod_version",
        ],
        "message": "mock é error",
        "who": ["w1-host", "w1", "1.12.0"],
    }
)
def error(g):
    job = g.run({"mock_error": "mock é error"})[0]
    error = json.loads(job.error)
    return {
        "state": job.state,
        "keys": list(error),
        "message": error["error_message"],
        "who": [error["hostname"], error["worker_id"], error["runpod_version"]],
    }


@scenario(
    sdk={"state": "LOST", "worker": 1},
    tayfa={"state": "FAILED", "worker": None},
    why="an engine is a process of its own: it is started again, and the job fails by name",
)
def crash(g):
    job = g.platform.enqueue({"mock_crash": True})
    worker = g.start()
    if g.kind == "tayfa":
        g.platform.wait_result(job)
    code = worker.wait_exit(20 if g.kind == "sdk" else 0)
    return {"state": g.platform.job(job).state, "worker": code}


@scenario(both={"body": {"output": {"mock_return": "again"}, "stopPod": True}})
def refresh(g):
    body = g.run({"mock_refresh": True, "mock_return": {"mock_return": "again"}})[0].result
    return {"body": body}


def in_order(updates):
    return sorted(updates, key=lambda x: x["update"])


UPDATES = [{"update": i, "updates": 3} for i in (1, 2, 3)]


@scenario(
    sdk={"progress": UPDATES, "output": "end", "broken": UNORDERED},
    tayfa={"progress": UPDATES, "output": "end"},
    why="the SDK posts each update from a thread of its own; on a busy machine their order is chance",
    wire=True,
)
def progress(g):
    script = {"mock_progress": {"updates": 3, "wait_time": 0.4}, "mock_return": "end"}
    job = g.run(script)[0]
    g.platform.wait(lambda: len(job.progress) >= 3, "three updates")
    return {"progress": in_order(job.progress), "output": job.output}


LOGS = [{"level": "info", "message": "first ü"}, {"level": "error", "message": "second"}]


@scenario(both={"lines": [["INFO", "first ü"], ["ERROR", "second"]]})
def logs(g):
    job = g.run({"mock_logs": LOGS, "mock_return": 1})[0]

    def lines():
        logged = [json.loads(x) for x in g.worker.log.splitlines() if x.startswith("{")]
        return [
            [x["level"], entry["message"]]
            for x in logged
            for entry in LOGS
            if x.get("requestId") == job.id and entry["message"] in x["message"]
        ]

    g.eventually(lambda: len(lines()) >= 2, "log lines")
    return {"lines": lines()}


# ---- streams -------------------------------------------------------------------------------------

CHUNKS = ["value1", {"n": 2}, "drei ü", 4, [5], ""]


def streamed(g):
    job = g.run({"mock_stream": CHUNKS, "mock_delay": 0.05})[0]
    last = job.of("result")[0]
    return {
        "chunks": job.chunks,
        "body": job.result,
        "flags": [last.is_stream, *{x.is_stream for x in job.of("stream")}],
    }


STREAMED = {"chunks": CHUNKS, "flags": ["true", "false"], "body": {"output": []}}


@scenario(both=STREAMED, handler="generator")
def generator(g):
    return streamed(g)


@scenario(both=STREAMED, handler="async_generator")
def async_generator(g):
    return streamed(g)


@scenario(both={**STREAMED, "body": {"output": CHUNKS}}, handler="async_generator", aggregate=True)
def aggregate(g):
    return streamed(g)


@scenario(
    sdk={"chunks": ["a", "b"], "state": "FAILED", "reader_sees_error": False},
    tayfa={"chunks": ["a", "b"], "state": "FAILED", "reader_sees_error": True},
    why="readers of the stream get the error as well, in a last chunk",
    handler="async_generator",
)
def generator_error(g):
    job = g.run({"mock_stream": ["a", "b"], "mock_error": "broke"})[0]
    errors = [x for x in job.chunks if isinstance(x, dict) and "error" in x]
    return {
        "chunks": [x for x in job.chunks if x not in errors],
        "state": job.state if "broke" in job.error else job.error,
        "reader_sees_error": bool(errors) and "broke" in str(errors),
    }


@scenario(both={"chunks": 60, "same": True}, handler="async_generator")
def long_stream(g):
    chunks = [f"part {i}" for i in range(60)]
    job = g.run({"mock_stream": chunks})[0]
    return {"chunks": len(job.chunks), "same": job.chunks == chunks}


def openai(**asked):
    """The input of a job that RunPod's platform made of a call of OpenAI's API."""
    return {"openai_route": "/v1/chat/completions", "openai_input": {"model": "m", **asked}}


EVENTS = ['data: {"a":"é \\n"}\n\ndata: {"b":2}\n\n', 'data: {"c":3}\n\n', "data: [DONE]\n\n"]


@scenario(
    both={"chunks": EVENTS, "flags": ["true", "false"], "body": {"output": EVENTS}},
    handler="async_generator",
    aggregate=True,
)
def openai_streamed(g):
    job = g.run(openai(stream=True, mock_stream=EVENTS, mock_delay=0.05))[0]
    last = job.of("result")[0]
    return {
        "chunks": job.chunks,
        "body": job.result,
        "flags": [last.is_stream, *{x.is_stream for x in job.of("stream")}],
    }


@scenario(both={"output": openai(messages=[{"role": "user", "content": "é"}], stream=False)})
def openai_input_is_untouched(g):
    asked = openai(messages=[{"role": "user", "content": "é"}], stream=False)
    return {"output": g.run(asked)[0].output}


# ---- takes ---------------------------------------------------------------------------------------


@scenario(both={"states": ["COMPLETED"] * 30, "once": True}, concurrency=10)
def thirty_at_once(g):
    jobs = g.run(*({"mock_return": i, "mock_delay": 0.05} for i in range(30)))
    return {
        "states": [x.state for x in jobs],
        "once": all(x.output == i and len(x.results) == 1 for i, x in enumerate(jobs)),
    }


@scenario(both={"batch": True, "states": ["COMPLETED"] * 3}, concurrency=3)
def a_batch_is_asked_for(g):
    g.start()
    g.probe()  # all slots are there by now, and free
    jobs = g.run(*({"mock_return": i} for i in range(3)))
    asked = [x.target.partition("batch_size=")[2] for x in g.platform.requests("take")]
    return {
        "batch": max(int(x.partition("&")[0] or 1) for x in asked) > 1,
        "states": [x.state for x in jobs],
    }


@scenario(both={"later": "COMPLETED", "first": "COMPLETED", "meanwhile": True}, concurrency=2)
def takes_go_on_while_a_job_runs(g):
    (first,) = g.platform.enqueue_all([{"mock_delay": 4}])
    g.start()
    g.platform.wait_taken(first)
    later = g.run({"mock_return": 2})[0]
    meanwhile = not g.platform.job(first).results
    g.platform.wait_result(first)
    return {
        "later": later.state,
        "first": g.platform.job(first).state,
        "meanwhile": meanwhile,
    }


@scenario(both={"states": ["COMPLETED"] * 2})
def an_array_where_one_was_asked_for(g):
    g.platform.as_array = True
    return {"states": [x.state for x in g.run({"mock_return": 1}, {"mock_return": 2})]}


@scenario(both={"states": ["COMPLETED"]}, concurrency=2)
def an_object_where_an_array_was_asked_for(g):
    g.platform.as_array = False
    return {"states": [x.state for x in g.run({"mock_return": 1})]}


@scenario(both={"outputs": ["plain", "sync", "words", "accents", "plus", "others"]}, concurrency=8)
def odd_ids(g):
    ids = ["0a1b-u1", "sync-3f-e1", "two words-u1", "ä-ö-u1", "a+b@c:d-u1", "x_y.z~!$'()*-u1"]
    names = ["plain", "sync", "words", "accents", "plus", "others"]
    jobs = g.run(*({"mock_return": x} for x in names), ids=ids)
    return {"outputs": [x.output for x in jobs]}


@scenario(
    sdk={"state": "LOST"},
    tayfa={"state": "COMPLETED"},
    why="the SDK puts an id into URLs as it is; what looks like an escape comes out as another id",
)
def an_id_with_a_percent_sign(g):
    (job,) = g.platform.enqueue_all([{"mock_return": 1}], ["a%2Fb?c#d-u1"])
    g.start()
    g.platform.wait_taken(job)
    g.probe()
    return {"state": g.platform.job(job).state}


@scenario(both={"state": "COMPLETED", "output": 1})
def a_job_with_more_fields(g):
    job = g.run(
        {"mock_return": 1},
        webhook="http://127.0.0.1:9/hook",
        s3Config={"accessId": "a", "accessSecret": "b", "bucketName": "c", "endpointUrl": "d"},
        batchId="batch_1",
        unheard_of={"of": [1]},
    )[0]
    return {"state": job.state, "output": job.output}


@scenario(both={"state": "COMPLETED", "output": 1}, wire=False)
def an_input_of_20_mb(g):
    job = g.run({"mock_return": 1, "mock_logs": [], "fill": "x" * 20_000_000})[0]
    return {"state": job.state, "output": job.output}


@scenario(both={"same": True}, wire=False)
def an_output_of_5_mb(g):
    text = "é" * 2_500_000
    return {"same": g.run({"mock_return": text})[0].output == text}


# ---- pings and stops -----------------------------------------------------------------------------


def ids_in(request):
    query = request.target.partition("?")[2]
    given = [x.partition("=")[2] for x in query.split("&") if x.startswith("job_id=")]
    return sorted(given[0].replace("%2C", ",").split(",")) if given else []


@scenario(both={"first": [], "busy": True, "idle again": True}, concurrency=2)
def pings_name_the_jobs(g):
    g.start()
    first = g.platform.wait_requests(1, "ping")[0]
    ids = g.platform.enqueue_all([{"mock_delay": 2.5}, {"mock_delay": 2.5}])
    g.platform.wait_result(*ids)
    ended = len(g.platform.requests("ping"))
    g.platform.wait_requests(ended + 2, "ping")
    pings = [ids_in(x) for x in g.platform.requests("ping")]
    return {"first": ids_in(first), "busy": sorted(ids) in pings, "idle again": pings[-1] == []}


@scenario(both={"pings": True, "state": "COMPLETED"}, handler="blocking")
def pings_go_on_beside_a_busy_handler(g):
    job = g.platform.enqueue({"mock_delay": 3.2})
    g.start()
    g.platform.wait_taken(job)
    before = len(g.platform.requests("ping"))
    g.platform.wait_result(job)
    return {
        "pings": len(g.platform.requests("ping")) - before >= 2,
        "state": g.platform.job(job).state,
    }


RUNS_LONG = {"mock_progress": {"updates": 1, "wait_time": 0}, "mock_delay": 60}


@scenario(both={"results": 0, "next": "COMPLETED"})
def stop_a_running_job(g):
    job = g.platform.enqueue(RUNS_LONG)
    g.start()
    g.platform.wait_requests(1, "progress", job)
    g.platform.stop(job)
    return {"next": g.probe(), "results": len(g.platform.job(job).results)}


@scenario(
    both={"results": [0, 0, 1], "next": "COMPLETED"},
    concurrency=4,
)
def stop_two_of_three(g):
    short = {**RUNS_LONG, "mock_delay": 2.5}
    ids = g.platform.enqueue_all([RUNS_LONG, RUNS_LONG, short])
    g.start()
    for job in ids:
        g.platform.wait_requests(1, "progress", job)
    g.platform.stop(*ids[:2])
    g.platform.wait_result(ids[2])
    following = g.probe()
    return {"results": [len(g.platform.job(x).results) for x in ids], "next": following}


@scenario(both={"state": "COMPLETED"})
def stop_what_is_not_there(g):
    g.start()
    g.platform.wait_polls()
    g.platform.stop("unknown-u1", "")
    g.platform.stop()
    return {"state": g.probe()}


@scenario(
    sdk={"results": Either(0, 1), "next": "COMPLETED"},
    tayfa={"results": 0, "next": "COMPLETED"},
    why="the SDK drops a stop that comes before the job's task has begun (up to 0.1 s)",
)
def stop_at_the_moment_of_the_take(g):
    g.start()
    g.platform.wait_polls()
    g.platform.wait(lambda: g.platform.open_polls("stop"), "an open stop poll")
    job = g.platform.enqueue({"mock_delay": 1.5})
    g.platform.stop(job)
    g.platform.wait_taken(job)
    following = g.probe()
    return {"results": len(g.platform.job(job).results), "next": following}


@scenario(
    sdk={"results": 1},
    tayfa={"results": 0},
    why="a handler that blocks cannot be stopped; an engine process can",
    handler="blocking",
)
def stop_a_handler_that_blocks(g):
    job = g.platform.enqueue({"mock_delay": 2.0})
    g.start()
    g.platform.wait_taken(job)
    g.eventually(lambda: job in g.worker.log, "the job's start")
    g.platform.wait(lambda: g.platform.open_polls("stop"), "an open stop poll")
    g.platform.stop(job)
    g.probe()
    return {"results": len(g.platform.job(job).results)}
