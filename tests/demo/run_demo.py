#!/usr/bin/env python3
"""`make run`: one pod from its start to its end, with a real model and a real photo.

    run_demo.py [--build DIR] [--model-only]

Starts `tayfa serve` on a free port, waits until it is ready, has it upscale the photo, stops it and
prints what its lifecycle was. Without PyTorch the scripted engine stands in, and the demo says so.
Ends with a code other than 0, and the log's tail, when anything is not as it should be.
"""

import argparse
import os
import pathlib
import shlex
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pod as pods  # noqa: E402

SUBMIT_TIMEOUT_S = 180


def say(text=""):
    print(text, flush=True)


def shown(word):
    """A word of a command, with paths below the tree as a person would type them."""
    path = pathlib.Path(word)
    below = path.is_absolute() and path.is_relative_to(pods.ROOT)
    return str(path.relative_to(pods.ROOT)) if below else str(word)


def png_size(path):
    head = path.read_bytes()[:24]
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        raise pods.PodError(f"{path} is not a PNG picture")
    return struct.unpack(">II", head[16:24])


def submit(pod, build, folder):
    """The picture that `tayfa submit` saved."""
    for earlier in folder.glob("*.png"):
        earlier.unlink()
    command = [
        pods.program(build),
        "submit",
        "--url",
        pod.url,
        "--image",
        str(pods.PHOTO),
        "--output-dir",
        str(folder),
    ]
    say(f"demo: $ {shlex.join([shown(word) for word in command])}")
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=pods.clean_environment(),
        timeout=SUBMIT_TIMEOUT_S,
    )
    for line in done.stdout.splitlines():
        say(f"    {line[:160]}")
    if done.returncode != 0:
        raise pods.PodError(
            f"tayfa submit ended with {done.returncode}. The pod's log:\n{pod.tail()}"
        )
    saved = list(folder.glob("*.png"))
    if len(saved) != 1:
        raise pods.PodError(
            f"tayfa submit should have saved one picture in {folder}, but saved {len(saved)}"
        )
    return saved[0]


def lifecycle(pod):
    """The table of the pod's states, from its own log."""
    moves = pod.moves()
    say("demo: the pod's lifecycle, as its log tells it")
    say(f"    {'state':<12} {'ms in it':>9}   left for       because")
    for move in moves:
        say(f"    {move['from']:<12} {move['ms']:>9}   {move['to']:<12}   {move['cause']}")
    say(f"    {moves[-1]['to'] if moves else '?'}")
    return pod.states()


def demo(build):
    folder = pathlib.Path(pods.program(build, "demo"))
    folder.mkdir(parents=True, exist_ok=True)
    torch = pods.has_torch(build)
    if torch:
        model = pods.demo_model(build)
        pod = pods.Pod(build, "--model", model, engine="")
    else:
        say(
            "demo: this build has no torch engine (PyTorch was not found; `make setup` installs it)."
        )
        say(
            "demo: the scripted engine stands in: it gives the photo back as it is, nothing is upscaled."
        )
        pod = pods.Pod(build)
    with pod:
        say(f"demo: $ {shlex.join([shown(word) for word in pod.command])}")
        pod.wait_ready()
        say(
            f"demo: ready after {time.monotonic() - pod.started:.2f} s at {pod.url} (GET /ping answers 200)"
        )
        saved = submit(pod, build, folder)
        width, height = png_size(saved)
        before = png_size(pods.PHOTO)
        say(
            f"demo: {shown(saved)}: {width}x{height} PNG, {saved.stat().st_size} bytes, "
            f"from {shown(pods.PHOTO)} ({before[0]}x{before[1]})"
        )
        scale = 4 if torch else 1
        if (width, height) != (before[0] * scale, before[1] * scale):
            raise pods.PodError(f"the picture should be {before[0] * scale}x{before[1] * scale}")
        pod.signal(signal.SIGTERM)
        code = pod.wait_exit()
        if code != 0:
            raise pods.PodError(
                f"the pod ended with {code} after SIGTERM. The log's tail:\n{pod.tail()}"
            )
        say("demo: SIGTERM sent; the pod ended with exit code 0")
        states = lifecycle(pod)
        if states != pods.WHOLE_LIFE:
            raise pods.PodError(f"its states should be {' '.join(pods.WHOLE_LIFE)}, not {' '.join(states)}")
    keep = [shown(pods.program(build)), "serve"]
    keep += ["--model", shown(model)] if torch else ["--engine", "scripted"]
    say()
    say("To keep a pod serving:")
    say(f"    {shlex.join(keep)}")


def main():
    arguments = argparse.ArgumentParser(description="one pod from its start to its end")
    arguments.add_argument("--build", default="build", help="the build folder")
    arguments.add_argument(
        "--model-only", action="store_true", help="make the demo's model and end"
    )
    options = arguments.parse_args()
    os.chdir(pods.ROOT)
    try:
        if not options.model_only:
            demo(options.build)
        elif pods.has_torch(options.build):
            pods.demo_model(options.build)
        else:
            say("demo: no torch engine in this build, so no model is made")
    except (pods.PodError, OSError, subprocess.TimeoutExpired) as problem:
        print(f"demo: error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
