"""A stand-in for RunPod's control plane, as its workers see it: job-take, job-take-batch, job-stop,
ping, job-done, job-stream under /v2/{endpoint}/.

    with StandIn() as platform:
        ... a worker is started with platform.environment("w1") ...
        platform.sky("take", Spell(status=429), Spell(reset="answer"))     # in turn, then fair
        job = platform.enqueue({"mock_return": 1})
        platform.wait_result(job)
        platform.assert_sound()

It is believed because the worker of RunPod's own SDK passes the scenarios on it. Tests call it from
their own thread; the sockets live on a loop in another. Nothing sleeps: wait() is woken by events.
"""

import collections
import itertools
import json
import threading
import time
import urllib.parse

from ledger import Ledger, Take
from wire import FAIR, Answer, Connection, Sea

KEY = "rp_stand_in_key_0123456789abcdef"
KINDS = {
    "job-take": "take",
    "job-take-batch": "take",
    "job-stop": "stop",
    "ping": "ping",
    "job-done": "result",
    "job-stream": "stream",
}
EARLY = ("head", "body")
NOTHING = Answer(204)


def queried(target, name):
    given = target.partition("?")[2].split("&")
    return next((x[len(name) + 1 :] for x in given if x.startswith(name + "=")), "")


class StandIn:
    def __init__(self, endpoint="ep1", hold=20.0, port=0, result_most=20 << 20):
        self.endpoint, self.hold, self.result_most = endpoint, hold, result_most
        self.changed = threading.Condition()
        self.ledger = Ledger()
        self.log = []
        self.empty = NOTHING  # what a take that waited in vain is answered
        self.as_array = (
            None  # a single job as an array, a batch of one as an object: None = as asked
        )
        self.loop = Sea.shared().loop
        self._numbers = itertools.count()
        self._spells = collections.defaultdict(list)
        self._always = {}
        self._refused_dials = 0
        self._queue = collections.deque()
        self._waiting = (
            collections.OrderedDict()
        )  # takes that are held: exchange id -> (exchange, …)
        self._stops = collections.deque()
        self._stop_polls = collections.OrderedDict()
        self._connections = set()
        self._opened = itertools.count()
        self._server = Sea.shared().call(self._listen(port))
        self.port = self._server.sockets[0].getsockname()[1]

    async def _listen(self, port):
        return await self.loop.create_server(
            lambda: Connection(self), "127.0.0.1", port, backlog=512
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        async def end():
            self._server.close()
            for connection in list(self._connections):
                connection.transport.abort()

        Sea.shared().call(end())

    # ---- the test's side -----------------------------------------------------------------------

    def environment(self, worker="w1", ping_ms=1000):
        """RunPod's variables, as the platform gives them to a container."""
        base = f"http://127.0.0.1:{self.port}/v2/{self.endpoint}"
        return {
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=NVIDIA+H200",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=NVIDIA+H200",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=NVIDIA+H200",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=NVIDIA+H200",
            "RUNPOD_PING_INTERVAL": str(ping_ms),
            "RUNPOD_POD_ID": worker,
            "RUNPOD_AI_API_KEY": KEY,
            "RUNPOD_ENDPOINT_ID": self.endpoint,
            "RUNPOD_POD_HOSTNAME": f"{worker}-host",
        }

    def enqueue(self, job_input, job_id=None, **extra):
        """Adds a job; returns the id under which the platform knows it."""
        return self.enqueue_all([job_input], [job_id], **extra)[0]

    def enqueue_all(self, inputs, ids=None, **extra):
        """Jobs that a take may bring together."""
        with self.changed:
            known = []
            for number, job_input in enumerate(inputs):
                given = ids[number] if ids else None
                job_id = given or f"job-{len(self.ledger.jobs):04d}-u1"
                job = self.ledger.enqueue(job_id, job_input, extra)
                known.append(job.id)
                self._queue.append(job)
        self.loop.call_soon_threadsafe(self._serve)
        return known

    def stop(self, *ids):
        """Tells the worker to stop these jobs, on the poll that is open or the next one."""
        with self.changed:
            self._stops.append(list(ids))
        self.loop.call_soon_threadsafe(self._serve_stops)

    def sky(self, kind, *spells):
        """Sets what happens to the next requests of this kind, in turn: take, stop, ping, result,
        progress, stream.
        """
        with self.changed:
            self._spells[kind] += spells

    def always(self, kind, spell):
        """Sets what happens to each request of this kind that no sky() is for; None ends it."""
        with self.changed:
            self._always[kind] = spell or FAIR

    def refuse_dials(self, count):
        """The next connections are reset before a byte is read."""
        with self.changed:
            self._refused_dials = count

    def spells_left(self, kind):
        with self.changed:
            return len(self._spells[kind])

    def job(self, job_id):
        with self.changed:
            return self.ledger.jobs[job_id]

    def requests(self, kind=None, job=None):
        with self.changed:
            return [
                x
                for x in self.log
                if (kind is None or x.kind == kind) and (job is None or x.job == job)
            ]

    def open_polls(self, kind="take"):
        with self.changed:
            return len(self._waiting if kind == "take" else self._stop_polls)

    def wait(self, true, what, timeout=60.0):
        """Until true() is truthy; asked again after every event."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while not (found := true()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{what}: not within {timeout:g} s")
                self.changed.wait(left)
            return found

    def happens(self, true, timeout):
        """True when the condition comes true in this time: for events that must not happen."""
        try:
            self.wait(true, "", timeout)
        except AssertionError:
            return False
        return True

    def wait_result(self, *ids, timeout=60.0):
        """Until the platform has accepted the results of these jobs."""
        jobs = [self.job(x) for x in ids]
        self.wait(
            lambda: all(len(x.of("result")) >= x.lives for x in jobs), f"results of {ids}", timeout
        )
        return jobs[0] if len(jobs) == 1 else jobs

    def wait_taken(self, *ids, timeout=60.0):
        jobs = [self.job(x) for x in ids]
        self.wait(
            lambda: all(any(t.delivered for t in x.takes) for x in jobs), f"take {ids}", timeout
        )

    def wait_requests(self, count, kind, job=None, timeout=60.0):
        def enough():
            found = self.requests(kind, job)
            return found if len(found) >= count else None

        return self.wait(enough, f"{count} requests: {kind}", timeout)

    def wait_polls(self, timeout=60.0):
        """Until a take is held open."""
        self.wait(lambda: self._waiting, "an open take", timeout)

    def violations(self):
        with self.changed:
            return self.ledger.violations(self.log)

    def tail(self, count=25):
        listed = [x for x in self.log if x.kind != "ping"][-count:]
        return "The platform's log:\n" + "\n".join(
            f"{x.at:.3f} #{x.connection} {x.method} {x.target} {x.body[:120]!r} -> {x.fate}"
            for x in listed
        )

    # ---- the sockets' side (the loop's thread) -------------------------------------------------

    def number(self):
        return next(self._numbers)

    def connected(self, connection):
        with self.changed:
            self._connections.add(connection)
            if self._refused_dials > 0:
                self._refused_dials -= 1
                return -1
            return next(self._opened)

    def disconnected(self, connection):
        self._connections.discard(connection)

    def begun(self, request):
        """A head has been read; what happens to the exchange before its body has."""
        path = request.target.partition("?")[0].split("/")
        with self.changed:
            if len(path) >= 5 and path[1] == "v2" and path[2] == self.endpoint:
                request.kind = KINDS.get(path[3], "")
                request.worker = urllib.parse.unquote(path[4])
                request.job = urllib.parse.unquote("/".join(path[5:]))
            self.log.append(request)
            spells = self._spells[request.kind]
            early = spells and spells[0].reset in EARLY
            spell = spells.pop(0) if early else FAIR
            self.changed.notify_all()
            return spell

    def arrived(self, exchange):
        request = exchange.request
        with self.changed:
            value = self._value(request) if request.kind in ("result", "stream") else None
            spells = self._spells[request.kind]
            exchange.spell = spell = (
                spells.pop(0) if spells else self._always.get(request.kind, FAIR)
            )
            if spell.reset == "read":
                request.fate = "reset read"
                exchange.connection.exchange = None
                exchange.connection.cut(spell)
                self.changed.notify_all()
                return
            if spell.status:
                if spell.act:
                    self._post(request, value)
                exchange.answer(Answer(spell.status, spell.body, spell.content_type, spell.headers))
            else:
                self._act(exchange, value)
            self.changed.notify_all()

    def left(self, exchange):
        with self.changed:
            exchange.request.fate = "left"
            self._waiting.pop(id(exchange), None)
            self._stop_polls.pop(id(exchange), None)
            self.changed.notify_all()

    def closed(self, _):
        with self.changed:
            self.changed.notify_all()

    # ---- the platform --------------------------------------------------------------------------

    def _value(self, request):
        """A post's body; what it is, result or progress, only the body tells."""
        try:
            value = json.loads(request.body)
        except ValueError:
            return None
        if not isinstance(value, dict):
            return None
        if request.kind == "result" and value.get("status") == "IN_PROGRESS":
            request.kind = "progress"
        return value

    def _act(self, exchange, value):
        request = exchange.request
        if request.header("authorization") != KEY:
            exchange.answer(Answer(401, b'{"error":"unauthorized"}'))
        elif request.kind == "take":
            batch = int(queried(request.target, "batch_size") or 0)
            self._hold(self._waiting, exchange, batch, self.empty)
            self._serve()
        elif request.kind == "stop":
            self._hold(self._stop_polls, exchange, 0, NOTHING)
            self._serve_stops()
        elif request.kind == "ping":
            exchange.answer(Answer(200, b"{}"))
        elif request.kind in ("result", "progress", "stream"):
            post, status = self._post(request, value)
            body = b"{}" if status == 200 else b'{"error":"refused"}'
            exchange.answer(Answer(status, body), lambda sent: self._answered(post, sent))
        else:
            exchange.answer(Answer(404, b'{"error":"not found"}'))

    def _answered(self, post, sent):
        if post is not None:
            post.delivered = sent

    def _post(self, request, value):
        """(what the ledger keeps of it, status)"""
        if value is None:
            return None, 400
        if len(request.body) > self.result_most:
            return None, 413
        post = self.ledger.post(request, request.kind, value, queried(request.target, "isStream"))
        return post, (200 if post is not None else 404)

    def _hold(self, polls, exchange, batch, otherwise):
        """An open poll; answered with nothing at the end of its time."""
        key = id(exchange)
        timer = self.loop.call_later(self.hold, self._expire, polls, key, otherwise)
        polls[key] = (exchange, batch, timer)

    def _expire(self, polls, key, otherwise):
        with self.changed:
            exchange, _, _ = polls.pop(key, (None, 0, None))
            if exchange is not None and not exchange.gone:
                exchange.answer(otherwise)
            self.changed.notify_all()

    def _serve(self):
        """Gives what waits to those who have asked, first come, first served."""
        with self.changed:
            while self._queue and self._waiting:
                _, (exchange, batch, timer) = self._waiting.popitem(last=False)
                timer.cancel()
                if exchange.gone:
                    continue
                count = min(max(1, batch), len(self._queue))
                jobs = [self._queue.popleft() for _ in range(count)]
                self._hand(exchange, jobs, batch)
            self.changed.notify_all()

    def _hand(self, exchange, jobs, batch):
        request = exchange.request
        takes = [
            Take(time.monotonic(), request.worker, request.connection, request.number, batch)
            for _ in jobs
        ]
        for job, take in zip(jobs, takes):
            job.takes.append(take)

        def delivered(sent):
            for take in takes:
                take.delivered = sent
            if not sent:  # as the platform does it, only sooner: what nobody got waits again
                self._queue.extendleft(reversed(jobs))
                self.loop.call_soon(self._serve)

        given = [{"id": x.id, "input": x.input, **x.extra} for x in jobs]
        array = batch > 0 if self.as_array is None else self.as_array
        body = json.dumps(given if array or len(given) > 1 else given[0]).encode()
        exchange.answer(Answer(200, body), delivered)

    def _serve_stops(self):
        with self.changed:
            while self._stops and self._stop_polls:
                _, (exchange, _, timer) = self._stop_polls.popitem(last=False)
                timer.cancel()
                if exchange.gone:
                    continue
                ids = self._stops.popleft()
                body = json.dumps({"jobsToStop": ids}).encode()
                exchange.answer(Answer(200, body), lambda sent, i=ids: sent or self.stop(*i))
            self.changed.notify_all()
