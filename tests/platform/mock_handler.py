"""RunPod's mock-worker as a program on the real SDK: it does what a job's input says, as Tayfa's
scripted engine does.

    RUNPOD_WEBHOOK_GET_JOB=… python mock_handler.py
        [--handler plain|blocking|generator|async_generator|vllm] [--aggregate] [--refresh]
        [--concurrency N]

Inputs: mock_return, mock_delay (s), mock_error, mock_crash, mock_hang, mock_progress {updates,
wait_time}, mock_stream (chunks, mock_delay between), mock_refresh, mock_logs [{level, message}];
without any of them the input comes back. In a call of OpenAI's API they stand in openai_input.
"""

import argparse
import asyncio
import os
import sys
import time

from vllm_handler import vllm


def of(job):
    job_input = job["input"]
    asked = job_input.get("openai_input") if isinstance(job_input, dict) else None
    if isinstance(asked, dict) and any(x.startswith("mock_") for x in asked):
        return asked  # a call of OpenAI's API brings its script there
    scripted = isinstance(job_input, dict) and any(x.startswith("mock_") for x in job_input)
    return job_input if scripted else {"mock_return": job_input}


def say_logs(job, script):
    from runpod import RunPodLogger

    log = RunPodLogger()
    for entry in script.get("mock_logs", []):
        log.log(entry["message"], entry.get("level", "info").upper(), job["id"])


def endings(script):
    """Ends the job after the delays: with a crash, an error, or an output."""
    if script.get("mock_crash"):
        os._exit(1)
    if "mock_error" in script:
        raise RuntimeError(script["mock_error"])
    output = script.get("mock_return", script)
    if script.get("mock_refresh"):
        output = dict(output) if isinstance(output, dict) else {"mock_return": output}
        output["refresh_worker"] = True
    return output


def updates(script):
    """(progress, seconds after it) of each update."""
    plan = script.get("mock_progress", {})
    count = plan.get("updates", 0)
    for number in range(1, count + 1):
        yield {"update": number, "updates": count}, plan.get("wait_time", 0)


async def plain(job):
    import runpod

    script = of(job)
    say_logs(job, script)
    for update, pause in updates(script):
        runpod.serverless.progress_update(job, update)
        await asyncio.sleep(pause)
    await asyncio.sleep(86400 if script.get("mock_hang") else script.get("mock_delay", 0))
    return endings(script)


def blocking(job):
    script = of(job)
    time.sleep(script.get("mock_delay", 0))
    return endings(script)


def generator(job):
    script = of(job)
    say_logs(job, script)
    for number, chunk in enumerate(script.get("mock_stream", [])):
        if number:
            time.sleep(script.get("mock_delay", 0))
        yield chunk
    endings(script)


async def async_generator(job):
    script = of(job)
    say_logs(job, script)
    for number, chunk in enumerate(script.get("mock_stream", [])):
        if number:
            await asyncio.sleep(script.get("mock_delay", 0))
        yield chunk
    endings(script)


HANDLERS = {x.__name__: x for x in (plain, blocking, generator, async_generator, vllm)}


def main(words=None):
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--handler", choices=sorted(HANDLERS), default="plain")
    arguments.add_argument("--aggregate", action="store_true")
    arguments.add_argument("--refresh", action="store_true")
    arguments.add_argument("--concurrency", type=int, default=1)
    options, sys.argv[1:] = arguments.parse_known_args(words)
    import runpod

    runpod.serverless.start(
        {
            "handler": HANDLERS[options.handler],
            "return_aggregate_stream": options.aggregate,
            "refresh_worker": options.refresh,
            "concurrency_modifier": lambda _: options.concurrency,
        }
    )


if __name__ == "__main__":
    main()
