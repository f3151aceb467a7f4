"""A receiver of webhooks on a free loopback port: it keeps every post, and answers each path as the
test has scripted.

    with HookReceiver() as hooks:
        hooks.script("/flaky", 500, 503, 200)          # in turn; the last one repeats
        hooks.script("/slow", Answer(200, after=2.0))
        hooks.script("/away", redirect(hooks.url("/elsewhere")))
        hooks.script("/dead", NEVER)
        ... the pod is given hooks.url("/flaky") ...
        first, second, third = hooks.wait(3, path="/flaky")

A path without a script is answered 200. Everything ends with close(), also answers that never come.
"""

import http.server
import json
import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: tuple = ()  # of (name, value)
    after: float = 0.0  # seconds before the first byte
    kind: str = "plain"  # or "never": no byte at all; "drop": hangs up; "drip": a byte at a time, without end


NEVER = Answer(kind="never")
DROP = Answer(kind="drop")
DRIP = Answer(kind="drip")


def redirect(url, status=307):
    return Answer(status, headers=(("Location", url),))


def huge(size):
    return Answer(200, body=b"x" * size)


@dataclass(frozen=True)
class Post:
    number: int  # from 0, over all paths
    method: str
    path: str
    headers: dict  # names in lower case
    body: bytes
    at: float = field(default_factory=time.monotonic)
    answer: Answer = Answer()

    @property
    def json(self):
        return json.loads(self.body)


class HookReceiver:
    def __init__(self, host="127.0.0.1"):
        self._changed = threading.Condition()
        self._posts = []
        self._scripts = {}
        self._closing = threading.Event()
        self._server = http.server.ThreadingHTTPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if not self._closing.is_set():
            self._closing.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    @property
    def port(self):
        return self._server.server_address[1]

    def url(self, path="/hook", host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"

    def script(self, path, *answers):
        """Sets the answers to posts to this path, in turn from now on; a number is a status."""
        if not answers:
            raise ValueError("a script needs at least one answer")
        with self._changed:
            self._scripts[path] = [x if isinstance(x, Answer) else Answer(x) for x in answers]

    def posts(self, path=None):
        with self._changed:
            return [x for x in self._posts if path is None or x.path == path]

    def wait(self, count, path=None, timeout=60.0):
        """At least `count` posts (to this path), in the order in which they came."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [x for x in self._posts if path is None or x.path == path]
                if len(found) >= count:
                    return found
                if not self._changed.wait(deadline - time.monotonic()) and (
                    time.monotonic() >= deadline
                ):
                    raise AssertionError(f"{len(found)} of {count} posts came in {timeout:g} s")

    def none_within(self, seconds, path=None):
        """True when no further post comes in this time: for what must not happen."""
        before = len(self.posts(path))
        try:
            self.wait(before + 1, path, seconds)
        except AssertionError:
            return True
        return False

    # ---- the server's side ---------------------------------------------------------------------

    def _take(self, method, path, headers, body):
        with self._changed:
            script = self._scripts.get(path, [Answer()])
            answer = script.pop(0) if len(script) > 1 else script[0]
            post = Post(len(self._posts), method, path, headers, body, answer=answer)
            self._posts.append(post)
            self._changed.notify_all()
            return answer

    def _handler(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def serve(self):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = receiver._take(self.command, self.path, headers, body)
                receiver._closing.wait(answer.after)
                if answer.kind != "plain":
                    self.misbehave(answer.kind)
                    return
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            def misbehave(self, kind):
                self.close_connection = True
                if kind == "never":
                    receiver._closing.wait()
                elif kind == "drip":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                    while not receiver._closing.wait(0.05):
                        self.wfile.write(b"x")

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass  # the caller has left; what it sent is kept

            def log_message(self, *_):
                pass

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        return Handler
