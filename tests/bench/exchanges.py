"""Clients that cost little, and what their exchanges are compared with: an echo, a flush."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

HEADER_END = b"\r\n\r\n"
FLUSHED_BYTES = 4096


class BenchError(Exception):
    pass


class Connection:
    """A keep-alive connection that sends prepared bytes; http.client alone would cost more than the pod."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def exchange(self, request):
        self.socket.sendall(request)
        while HEADER_END not in self.buffer:
            self._more()
        header, _, rest = self.buffer.partition(HEADER_END)
        status, *lines = header.split(b"\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in lines if x.lower().startswith(b"content-length:")), 0
        )
        self.buffer = rest
        while len(self.buffer) < length:
            self._more()
        self.buffer = self.buffer[length:]
        if b" 200 " not in status:
            raise BenchError(f"the pod answered {status.decode(errors='replace')}")

    def _more(self):
        chunk = self.socket.recv(65536)
        if not chunk:
            raise BenchError("the pod closed the connection")
        self.buffer += chunk

    def close(self):
        self.socket.close()


def post(path, value):
    body = json.dumps(value).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


PING = b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
JOB = post("/v2/tayfa/runsync", {"input": {"mock_return": 1}})


class Echo:
    """A raw TCP echo server in a process of its own, and one connection to it."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-B", __file__], stdout=subprocess.PIPE, text=True
        )
        port = int(self.process.stdout.readline())
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request):
        self.socket.sendall(request)
        left = len(request)
        while left:
            left -= len(self.socket.recv(65536))

    def close(self):
        self.socket.close()
        self.process.communicate()


def be_echo():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := peer.recv(65536):
        peer.sendall(data)


class Flush:
    """4 KiB written in place and flushed: what the disk alone takes to make anything durable."""

    def __init__(self, folder):
        self.descriptor, path = tempfile.mkstemp(prefix="tayfa-flush-", dir=folder)
        pathlib.Path(path).unlink()
        self.page = b"p" * FLUSHED_BYTES
        self.exchange(b"")

    def exchange(self, _):
        os.pwrite(self.descriptor, self.page, 0)
        os.fdatasync(self.descriptor)

    def close(self):
        os.close(self.descriptor)


def timed(exchange, request, count):
    """Runs the exchanges; returns the milliseconds of each."""
    spent = []
    for _ in range(count):
        begin = time.perf_counter_ns()
        exchange(request)
        spent.append((time.perf_counter_ns() - begin) / 1e6)
    return spent


if __name__ == "__main__":
    be_echo()
