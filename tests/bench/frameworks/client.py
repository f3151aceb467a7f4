"""A client of one framework: threads that each submit a task without work and wait for its result.

client.py celery|ray|tayfa --port PORT --clients N --seconds S --payload BYTES

All three are asked in the way of their own documentation, from Python, so that the clients cost alike.
Prints one line of JSON.
"""

import argparse
import http.client
import json
import os
import pathlib
import sys
import threading
import time

SLOTS = 4


def celery_call(port):
    os.environ["REDIS_PORT"] = str(port)
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    import celery_app

    return lambda: lambda text: celery_app.echo.delay(text).get(timeout=60)


def ray_call(_):
    import ray

    ray.init(num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")

    @ray.remote
    def echo(text):
        return text

    ray.get([echo.remote("x") for _ in range(SLOTS * 4)])  # its workers start
    return lambda: lambda text: ray.get(echo.remote(text))


def tayfa_call(port):
    def make():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

        def call(text):
            body = json.dumps({"input": {"mock_return": text}})
            head = {"Content-Type": "application/json"}
            connection.request("POST", "/v2/tayfa/runsync", body, head)
            return json.loads(connection.getresponse().read())["output"]

        return call

    return make


CALLS = {"celery": celery_call, "ray": ray_call, "tayfa": tayfa_call}


def measure(make, clients, seconds, payload):
    spent, faults = [], []
    over = threading.Event()
    text = "x" * payload

    def work():
        try:
            call, own = make(), []
            while not over.is_set():
                begin = time.perf_counter()
                if call(text) != text:
                    raise ValueError("another result")
                own.append((time.perf_counter() - begin) * 1000)
            spent.extend(own)
        except Exception as why:  # a thread's exception would be lost
            faults.append(repr(why))

    threads = [threading.Thread(target=work) for _ in range(clients)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    over.wait(seconds)
    over.set()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begin
    if faults:
        sys.exit(f"client: {faults[0]}")
    spent.sort()
    return {
        "cycles": len(spent),
        "seconds": took,
        "cycles_per_second": len(spent) / took,
        "p50_ms": spent[len(spent) // 2],
        "p99_ms": spent[len(spent) * 99 // 100],
    }


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("kind", choices=CALLS)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--clients", type=int, default=1)
    arguments.add_argument("--seconds", type=float, default=2.0)
    arguments.add_argument("--payload", type=int, default=1024)
    options = arguments.parse_args()
    make = CALLS[options.kind](options.port)
    measure(make, options.clients, min(0.5, options.seconds), options.payload)  # warm
    found = measure(make, options.clients, options.seconds, options.payload)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
