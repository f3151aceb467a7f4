"""Hostile clients of a pod, in a process of their own, for neighbour_bench.py.

    hostile.py KIND PORT [BIG_JOB]

prints one line when the load is there and goes on until its standard input ends. The purge also
prints a line when it has been answered. Every client here is of tenant bob. The loops are bounded
by their reader: the process that started this one ends it.
"""

import http.client
import json
import os
import selectors
import socket
import sys
import threading

from exchanges import HEADER_END, BenchError, post

LIST_POLLERS = 32
DEAF_READERS = 100
WEBHOOKS = 600
CRASHES = 60
KEPT_JOBS = 100_000
FILLERS = 16
LATER_MS = 3_600_000  # these jobs wait, so that they take no slot
BOB = {"tenant": "bob"}


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


class Closed:
    """Connections that each send the same request again as soon as it is answered."""

    def __init__(self, port, request, count):
        self.request = request
        self.selector = selectors.DefaultSelector()
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", port), timeout=60)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(s, selectors.EVENT_READ, [b""])

    def run(self, requests=None, watch=None):
        """Runs until this many requests were answered, or `watch` is readable."""
        if watch is not None:
            self.selector.register(watch, selectors.EVENT_READ, None)
        asked = answered = 0
        for key in list(self.selector.get_map().values()):
            if key.data is not None and (requests is None or asked < requests):
                key.fileobj.sendall(self.request)
                asked += 1
        while requests is None or answered < requests:
            for key, _ in self.selector.select():
                if key.data is None:
                    return
                data = key.fileobj.recv(1 << 20)
                if not data:
                    raise BenchError("the pod closed the connection")
                key.data[0] += data
                if self._whole(key.data):
                    answered += 1
                    if requests is None or asked < requests:
                        key.fileobj.sendall(self.request)
                        asked += 1

    @staticmethod
    def _whole(held):
        header, mark, rest = held[0].partition(HEADER_END)
        if not mark:
            return False
        lengths = [x for x in header.lower().split(b"\r\n") if x.startswith(b"content-length:")]
        length = int(lengths[0].split(b":")[1]) if lengths else 0
        if len(rest) < length:
            return False
        if b" 200 " not in header.split(b"\r\n")[0]:
            raise BenchError(f"the pod answered {held[0][:200]!r}")
        held[0] = rest[length:]
        return True


def fill(port):
    job = post("/run", {"input": "x" * 100, "policy": {**BOB, "delay": LATER_MS}})
    Closed(port, job, FILLERS).run(KEPT_JOBS)


def purge(port, _):
    ready()
    sys.stdin.readline()
    pod = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    pod.request("POST", "/purge-queue")
    answer = pod.getresponse()
    print(json.dumps({"status": answer.status, "removed": json.load(answer).get("removed")}), flush=True)
    sys.stdin.readline()


def lists(port, _):
    pollers = Closed(port, get("/requests?state=FAILED"), LIST_POLLERS)
    ready()
    pollers.run(watch=sys.stdin)


def pings(port, _):
    """Polls the cheapest route: the cost of any flood of requests."""
    pollers = Closed(port, get("/ping"), LIST_POLLERS)
    ready()
    pollers.run(watch=sys.stdin)


def spin(port, _):
    """Uses every CPU without calling the pod, like another program on the same machine."""
    parent = os.getpid()
    for _ in range(os.cpu_count()):
        if os.fork() == 0:
            while os.getppid() == parent:
                sum(range(1000))
            os._exit(0)
    ready()
    sys.stdin.readline()


def deaf(port, big):
    """Clients that do not read their answers; a closed connection is replaced."""
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)

    def another():
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", port))
        s.sendall(get(f"/status/{big}"))
        selector.register(s, 0x2000)  # EPOLLRDHUP: its end, not its data

    class OnlyItsEnd(selectors.EpollSelector):
        def register(self, fileobj, events, data=None):
            key = selectors.SelectorKey(fileobj, fileobj.fileno(), events, data)
            self._fd_to_key[key.fd] = key
            self._selector.register(key.fd, events)
            return key

    selector = OnlyItsEnd()
    selector.register(sys.stdin, 1)
    for _ in range(DEAF_READERS):
        another()
    ready()
    while True:
        for fd, _ in selector._selector.poll():
            key = selector._fd_to_key[fd]
            if key.fileobj is sys.stdin:
                return
            selector.unregister(key.fileobj)
            key.fileobj.close()
            another()


def hooks(port, _):
    """A webhook receiver that accepts calls and never answers, and jobs that name it."""
    door = socket.create_server(("127.0.0.1", 0), backlog=4096)
    kept = []

    def take():
        while True:
            kept.append(door.accept()[0])

    threading.Thread(target=take, daemon=True).start()
    url = f"http://127.0.0.1:{door.getsockname()[1]}/hook"
    job = post("/run", {"input": {"mock_return": 1}, "webhook": url, "policy": BOB})
    jobs = Closed(port, job, FILLERS)
    jobs.run(WEBHOOKS)
    ready()
    sys.stdin.readline()


def crashes(port, _):
    job = post("/run", {"input": {"mock_crash": True}, "policy": BOB})
    Closed(port, job, FILLERS).run(CRASHES)
    ready()
    sys.stdin.readline()


def ready():
    print("ready", flush=True)


KINDS = {f.__name__: f for f in (purge, lists, pings, spin, deaf, hooks, crashes)}

if __name__ == "__main__":
    KINDS[sys.argv[1]](int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
    os._exit(0)  # threads that wait for calls
