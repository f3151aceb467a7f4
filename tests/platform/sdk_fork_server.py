"""Starts workers on RunPod's SDK, each in a fresh process, without paying a second of imports for
every one: what the SDK imports of others is loaded once, here, and each worker is a fork in which
the SDK itself is imported with that worker's environment.

Commands are lines of JSON on stdin, answers and reports lines of JSON on stdout:
    {"words": [...], "environment": {...}, "log": PATH, "folder": PATH}  ->  {"pid": N}
    a worker's end                                                       ->  {"ended": N, "code": C}
"""

import json
import os
import select
import signal
import sys
import time
import traceback


def load_what_others_wrote():
    """All that `import runpod` brings, but runpod."""
    import cpuinfo

    facts = cpuinfo.get_cpu_info()  # a second of work, the same for all
    cpuinfo.get_cpu_info = lambda: facts
    import runpod  # noqa: F401

    for name in [x for x in sys.modules if x == "runpod" or x.startswith("runpod.")]:
        del sys.modules[name]


def become_worker(order):
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    time.tzset()
    code = 1
    try:
        import mock_handler

        sys.argv = ["mock_handler.py"]
        mock_handler.main(order["words"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    import multiprocessing.util

    multiprocessing.util._exit_function()  # as at the end of any interpreter: ends the ping process
    os._exit(code)


def end(alive):
    """Ends the workers and their ping processes once the process that ordered them has gone."""
    for pid in alive:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def reap(alive):
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        alive.discard(pid)
        print(json.dumps({"ended": pid, "code": os.waitstatus_to_exitcode(status)}), flush=True)


def main():
    load_what_others_wrote()
    print(json.dumps({"ready": os.getpid()}), flush=True)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    waiting, alive = b"", set()
    while True:
        ready, _, _ = select.select([0, reader], [], [])
        if reader in ready:
            os.read(reader, 4096)
            reap(alive)
        if 0 in ready:
            chunk = os.read(0, 65536)
            if not chunk:
                return end(alive)
            waiting += chunk
        while b"\n" in waiting:
            line, _, waiting = waiting.partition(b"\n")
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                become_worker(order)
            alive.add(pid)
            print(json.dumps({"pid": pid}), flush=True)


if __name__ == "__main__":
    main()
