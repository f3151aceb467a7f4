"""The stand-in platform's facts about each job: when it was given to whom, everything that was
posted about it, in order; and the rules that hold over all of it.
"""

import collections
import time
from dataclasses import dataclass, field

SIGTERM_GRACE = 1.0  # seconds in which a request that was under way when the signal came may arrive


@dataclass
class Take:
    at: float
    worker: str
    connection: int
    request: int
    batch: int  # jobs of the same answer; 0 = not asked as a batch
    delivered: bool = False  # the whole answer was handed to the socket


@dataclass
class Post:
    kind: str  # result, progress, stream
    at: float
    worker: str
    value: object
    is_stream: str
    verdict: str  # accepted, late (after the result), again (a second result), refused
    request: int
    delivered: bool = False


@dataclass
class Job:
    id: str
    input: object
    extra: dict = field(default_factory=dict)
    takes: list = field(default_factory=list)
    posts: list = field(default_factory=list)
    lives: int = 1  # how often it was put into the queue

    def of(self, kind, verdict="accepted"):
        return [x for x in self.posts if x.kind == kind and verdict in ("", x.verdict)]

    @property
    def results(self):
        return [x.value for x in self.posts if x.kind == "result" and x.verdict != "refused"]

    @property
    def result(self):
        return self.results[-1] if self.results else None

    @property
    def chunks(self):
        return [x.value.get("output") for x in self.of("stream", "")]

    @property
    def progress(self):
        return [x.value.get("output") for x in self.of("progress", "")]

    @property
    def state(self):
        """As the platform would say: an error must be a text to make a job FAILED."""
        if self.result is None:
            return "LOST"
        return "FAILED" if isinstance(self.result.get("error"), str) else "COMPLETED"

    @property
    def output(self):
        return self.result.get("output") if self.result is not None else None

    @property
    def error(self):
        return self.result.get("error") if self.result is not None else None

    def expected_chunks(self):
        script = self.input.get("mock_stream") if isinstance(self.input, dict) else None
        return script if isinstance(script, list) else None


def counted(post):
    output = post.value.get("output")
    return isinstance(output, dict) and "update" in output


def without_repeats(values):
    """A post whose answer was lost on its way is made again."""
    return [x for i, x in enumerate(values) if i == 0 or values[i - 1] != x]


class Ledger:
    def __init__(self):
        self.jobs = collections.OrderedDict()
        self.terminated = {}  # worker: when it was sent SIGTERM

    def terminate(self, worker):
        self.terminated[worker] = time.monotonic()

    def enqueue(self, job_id, job_input, extra):
        if job_id in self.jobs:
            self.jobs[job_id].lives += 1
        else:
            self.jobs[job_id] = Job(job_id, job_input, dict(extra))
        return self.jobs[job_id]

    def post(self, request, kind, value, is_stream):
        """The verdict on a well-formed post; None when no such job is known."""
        job = self.jobs.get(request.job)
        if job is None:
            return None
        verdict = "accepted"
        ended = len(job.of("result")) >= job.lives
        if ended:
            verdict = "again" if kind == "result" else "late"
        post = Post(
            kind, request.read_at, request.worker, value, is_stream, verdict, request.number
        )
        job.posts.append(post)
        return post

    # ---- the rules -----------------------------------------------------------------------------

    def violations(self, requests=()):
        return [*self._of_jobs(), *self._of_takes(requests)]

    def _of_jobs(self):
        for job in self.jobs.values():
            for post in job.posts:
                if post.verdict == "late":
                    yield f"{job.id}: {post.kind} after the result"
            # A result may come again only where its first answer was lost on the way, or where the
            # job itself was given again.
            delivered = sum(1 for x in job.posts if x.kind == "result" and x.delivered)
            if delivered > max(job.lives, sum(1 for x in job.takes if x.delivered)):
                yield f"{job.id}: more than one result"
            updates = [x.value["output"]["update"] for x in job.of("progress", "") if counted(x)]
            if job.lives == 1 and updates != sorted(updates):
                yield f"{job.id}: progress out of order"
            yield from self._of_stream(job)

    def _of_stream(self, job):
        expected = job.expected_chunks()
        if expected is None or job.lives > 1:
            return
        chunks = [x.value.get("output") for x in job.of("stream", "")]
        if job.error is not None and chunks and isinstance(chunks[-1], dict):
            chunks = chunks[:-1]  # the last chunk carries the error to the stream's readers
        seen, whole = without_repeats(chunks), without_repeats(expected)
        if seen != (whole if job.state == "COMPLETED" else whole[: len(seen)]):
            yield f"{job.id}: chunks left out, or out of order"

    def _of_takes(self, requests):
        for request in requests:
            since = self.terminated.get(request.worker)
            if since is not None and request.kind == "take" and request.at > since + SIGTERM_GRACE:
                yield f"{request.worker}: asked for a job after SIGTERM"
