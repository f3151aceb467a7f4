"""The `openai` client, unmodified, against a pod whose worker is RunPod's unmodified SDK with a
handler that answers as worker-vllm does.
"""

import asyncio
import concurrent.futures
import http.client
import json
import signal
import threading
import time

from openai_case import FIVE, HELLO, OpenaiCase
from platform_case import main, side_by_side


@side_by_side
class openai_client(OpenaiCase):
    @classmethod
    def setUpClass(cls):
        maker = cls("test_a_whole_chat")
        cls.pod, cls.sdk = maker.served()
        cls.addClassCleanup(maker.doCleanups)

    def mine(self, **options):
        return self.client(self.pod, **options)

    def test_a_whole_chat(self):
        answer = self.chat(self.mine())
        self.assertEqual(answer.choices[0].message.content, FIVE)
        self.assertEqual((answer.id, answer.object), ("cmpl-1", "chat.completion"))
        self.assertEqual(answer.usage.total_tokens, 6)
        detail = self.pod.detail(answer._request_id)
        self.assertEqual((detail["status"], detail["endpoint"]), ("COMPLETED", "tayfa"))

    def test_a_streamed_chat_comes_as_it_is_made(self):
        stream = self.chat(self.mine(), stream=True, tokens=3, delay=1, batch=1)
        began, times, text = time.monotonic(), [], ""
        for each in stream:
            times.append(time.monotonic() - began)
            text += each.choices[0].delta.content
        self.assertEqual(text, "w0 w1 w2 ")
        self.assertGreater(times[-1] - times[0], 1.5)  # not all at the end
        self.pod.wait_job(self.job_of(stream), "COMPLETED")

    def test_many_tokens_in_growing_batches(self):
        stream = self.chat(self.mine(), stream=True, tokens=300)
        self.assertEqual(self.words(stream).split(), [f"w{i}" for i in range(300)])

    def test_completions(self):
        client = self.mine()
        answer = client.completions.create(model="org/m", prompt="a")
        self.assertEqual((answer.choices[0].text, answer.model), (FIVE, "org/m"))
        stream = client.completions.create(model="m", prompt="a", stream=True)
        self.assertEqual("".join(x.choices[0].text for x in stream).strip(), FIVE)

    def test_models(self):
        self.assertEqual([x.id for x in self.mine().models.list()], ["m", "org/m"])

    def test_embeddings(self):
        answer = self.mine().embeddings.create(model="m", input=["a", "four"])
        self.assertEqual([x.embedding for x in answer.data], [[1.0, 0.5], [4.0, 0.5]])

    def test_a_route_that_the_worker_does_not_know(self):
        client = self.mine()
        for call in (
            lambda: client.responses.create(model="m", input="a"),
            lambda: client.models.retrieve("org/m"),
        ):
            error = self.assert_raised("BadRequestError", call, 400, type="BadRequestError")
            self.assertIn("Invalid route /v1/", str(error))

    def test_an_unknown_model(self):
        client = self.mine()
        for new in (False, True):
            for stream in (False, True):
                self.assert_raised(
                    "NotFoundError",
                    lambda: self.chat(client, "other", stream=stream, new_errors=new),  # noqa: B023
                    404,
                    type="NotFoundError",
                    code="404",
                )

    def test_a_bad_parameter(self):
        client = self.mine()
        for new in (False, True):
            error = self.assert_raised(
                "BadRequestError",
                lambda: self.chat(client, temperature=9, new_errors=new),  # noqa: B023
                400,
                param="temperature",
            )
            self.assertIn("temperature must be in [0, 2]", str(error))

    def test_a_handler_that_raises(self):
        for stream in (False, True):
            error = self.assert_raised(
                "InternalServerError",
                lambda: self.chat(self.mine(), stream=stream, raise_at=0),  # noqa: B023
                500,
                code="job_failed",
                type="server_error",
            )
            self.assertIn("the model broke", str(error))
            self.assertNotIn("traceback", str(error).lower())
            job = error.response.headers["x-tayfa-job"]
            self.assertIn("traceback", self.pod.status(job)["error"])
            self.assertEqual(error.response.headers["x-should-retry"], "false")

    def test_a_handler_that_raises_in_the_midst(self):
        stream = self.chat(self.mine(), stream=True, raise_at=3, delay=0.1, batch=1)
        error = self.assert_raised("APIError", lambda: self.words(stream), code="job_failed")
        self.assertIn("the model broke", str(error))

    def test_an_error_that_is_an_event(self):
        stream = self.chat(self.mine(), stream=True, error_at=2)
        self.assert_raised("APIError", lambda: self.words(stream), message="out of tokens")

    def test_events_in_pieces(self):
        stream = self.chat(self.mine(), stream=True, tokens=7, pieces=11)
        self.assertEqual(self.words(stream).split(), [f"w{i}" for i in range(7)])

    def test_values_instead_of_texts(self):
        stream = self.chat(self.mine(), stream=True, tokens=20, values=True)
        self.assertEqual(self.words(stream).split(), [f"w{i}" for i in range(20)])

    def test_a_client_that_leaves_in_the_midst(self):
        stream = self.chat(self.mine(), stream=True, tokens=1000, delay=0.1, batch=1)
        job = self.job_of(stream)
        next(iter(stream))
        stream.close()
        self.pod.wait_job(job, "CANCELLED")

    def test_twenty_streams_at_once(self):
        client = self.mine()
        texts = [None] * 20

        def read(number):
            stream = self.chat(client, stream=True, tokens=20 + number, delay=0.05, batch=2)
            texts[number] = self.words(stream).split()

        readers = [threading.Thread(target=read, args=(i,)) for i in range(20)]
        for each in readers:
            each.start()
        for each in readers:
            each.join(60)
        for number, text in enumerate(texts):
            self.assertEqual(text, [f"w{i}" for i in range(20 + number)])

    def test_asynchronously(self):
        import openai

        async def scene():
            async with self.client(self.pod, asynchronous=True) as client:

                async def one(number):
                    stream = await self.chat(client, stream=True, tokens=number, delay=0.05)
                    return [x.choices[0].delta.content.strip() async for x in stream]

                answers = await asyncio.gather(*(one(i) for i in range(1, 21)))
                whole = await self.chat(client)
                with self.assertRaises(openai.NotFoundError):
                    await self.chat(client, "other", stream=True)
                left = await self.chat(client, stream=True, tokens=1000, delay=0.1, batch=1)
                await anext(aiter(left))
                await left.close()
                return answers, whole.choices[0].message.content, self.job_of(left)

        answers, whole, left = asyncio.run(asyncio.wait_for(scene(), 90))
        for number, words in enumerate(answers, 1):
            self.assertEqual(words, [f"w{i}" for i in range(number)])
        self.assertEqual(whole, FIVE)
        self.pod.wait_job(left, "CANCELLED")

    def test_the_head_does_not_wait_for_a_slow_first_word(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.pod.port, timeout=60)
        body = {"model": "m", "messages": [], "stream": True, "mock": {"tokens": 1, "delay": 13}}
        began = time.monotonic()
        connection.request(
            "POST",
            "/openai/v1/chat/completions",
            json.dumps(body),
            {"Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        head = time.monotonic() - began
        text = answer.read().decode()
        self.assertEqual(answer.headers["Content-Type"], "text/event-stream")
        self.assertLess(head, 12.5)
        self.assertGreater(time.monotonic() - began, 12.5)
        self.assertTrue(text.endswith("data: [DONE]\n\n"), text)
        connection.close()

    def test_refusals_have_their_form(self):
        client = self.mine(max_retries=0)
        self.assert_raised(
            "BadRequestError",
            lambda: client.chat.completions.create(
                model="m", messages=HELLO, extra_body={"stream": "yes"}
            ),
            400,
            type="invalid_request_error",
            code="bad_request",
        )
        large = [{"role": "user", "content": "x" * (21 << 20)}]
        self.assert_raised("APIStatusError", lambda: self.chat(client, messages=large), 413)
        strange = self.client(self.pod)
        strange.base_url = f"{self.pod.url}/v2/stranger/openai/v1"
        self.assert_raised(
            "NotFoundError", lambda: self.chat(strange), 404, code="not_found", type="not_found_error"
        )

    def test_a_megabyte_of_answer(self):
        stream = self.chat(self.mine(), stream=True, tokens=40, pad=30_000)
        self.assertEqual(len(self.words(stream)), sum(len(f"w{i} ") + 30_000 for i in range(40)))
        answer = self.chat(self.mine(), tokens=40, pad=30_000)
        self.assertGreater(len(answer.choices[0].message.content), 1_200_000)


@side_by_side
class openai_trouble(OpenaiCase):
    """Tests that end a worker, a pod or a key use a pod of their own."""

    def test_a_worker_that_goes_in_the_midst(self):
        pod, worker = self.served()
        stream = self.chat(self.client(pod), stream=True, tokens=100, delay=0.2, batch=1)
        job = self.job_of(stream)
        seen = []

        def read():
            for each in stream:
                seen.append(each.choices[0].delta.content)
                if len(seen) == 3:
                    worker.kill_all()

        self.assert_raised("APIError", read, code="engine_crash")
        pod.wait_job(job, "CANCELLED")
        self.assertEqual(seen, [f"w{i} " for i in range(len(seen))])

    def test_a_worker_that_goes_before_the_first_word(self):
        pod, worker = self.served()
        client = self.client(pod)
        words = []
        reader = threading.Thread(
            target=lambda: words.append(
                self.words(self.chat(client, stream=True, tokens=3, delay=2))
            )
        )
        reader.start()
        self.eventually(lambda: [x["to"] for x in pod.moves("job")] == ["IN_PROGRESS"], "its start")
        worker.kill_all()
        self.worker(pod, "other", handler="vllm", aggregate=True)
        reader.join(60)
        self.assertEqual(words, ["w0 w1 w2 "])

    def test_a_client_that_does_not_wait(self):
        pod, worker = self.served()
        client = self.client(pod, max_retries=0)
        self.assert_raised(
            "APITimeoutError", lambda: self.chat(client, delay=20, timeout=3, tokens=3)
        )
        self.eventually(
            lambda: [x["to"] for x in pod.moves("job")][-1:] == ["CANCELLED"], "its job's end"
        )
        self.eventually(lambda: "Job stopped." in worker.log, "the worker's stop")

    def test_no_worker(self):
        pod = self.queue("--http.openai_wait", "14s")

        def read_stream():
            stream = self.chat(self.client(pod), stream=True)  # its head does not wait so long
            self.assert_raised("APIError", lambda: self.words(stream), code="ttl_expired")

        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            streamed = beside.submit(read_stream)
            error = self.assert_raised(
                "InternalServerError", lambda: self.chat(self.client(pod)), 504, code="ttl_expired"
            )
            self.assertEqual(error.type, "timeout_error")
            streamed.result()
        self.assertEqual(pod.get("/v2/tayfa/health").body["jobs"]["inQueue"], 0)
        self.assertEqual(len(pod.get("/jobs").body["jobs"]), 2, "nothing was tried again")

    def test_a_generator_whose_yields_are_not_gathered(self):
        pod, _ = self.served(aggregate=False)
        client = self.client(pod)
        self.assertEqual(self.chat(client).choices[0].message.content, FIVE)
        self.assertEqual(self.words(self.chat(client, stream=True)).strip(), FIVE)
        self.assert_raised("NotFoundError", lambda: self.chat(client, "other"), 404)

    def test_a_pod_that_stops(self):
        pod, _ = self.served("--pod.drain_budget", "500ms")
        stream = self.chat(self.client(pod), stream=True, tokens=1000, delay=0.1, batch=1)
        next(iter(stream))
        pod.signal(signal.SIGTERM)
        self.assert_raised("APIError", lambda: self.words(stream))
        self.assertEqual(pod.wait_exit(), 0)

    def test_a_reader_that_does_not_read(self):
        pod, _ = self.served("--queue.chunk_bytes", "4194304")
        before = self.memory(pod)
        slow = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=60)
        asked = {"model": "m", "messages": [], "stream": True}
        body = {**asked, "mock": {"tokens": 600, "pad": 100_000, "batch": 1}}
        slow.request(
            "POST",
            "/openai/v1/chat/completions",
            json.dumps(body),
            {"Content-Type": "application/json"},
        )
        answer = slow.getresponse()
        job = answer.headers["X-Tayfa-Job"]
        self.eventually(lambda: pod.detail(job).get("droppedChunks", 0) > 0, "chunks that go", 60)
        self.assertLess(self.memory(pod) - before, 64 << 20)
        self.assertEqual(self.words(self.chat(self.client(pod), stream=True)).strip(), FIVE)
        text = answer.read().decode()
        slow.close()
        events = [x for x in text.split("\n\n") if x.startswith("data:")]
        self.assertEqual(json.loads(events[-1].removeprefix("data: "))["error"]["code"], "busy")
        words = [json.loads(x.removeprefix("data: ")) for x in events[:-1]]
        numbers = [int(x["choices"][0]["delta"]["content"].split()[0][1:]) for x in words]
        self.assertEqual(numbers, list(range(len(numbers))))  # no gap, however little it got
        self.eventually(lambda: pod.status(job)["status"] in ("CANCELLED", "COMPLETED"), "its end")

    def memory(self, pod):
        with open(f"/proc/{pod.pid}/statm") as file:
            return int(file.read().split()[1]) * 4096


if __name__ == "__main__":
    main()
