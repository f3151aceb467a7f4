"""Shared parts of the tests with the `openai` client: a pod without slots whose worker is RunPod's unmodified
SDK, with a handler that answers as worker-vllm does (vllm_handler.py).
"""

from test_remote import RemoteCase

HELLO = [{"role": "user", "content": "hi é"}]
FIVE = "w0 w1 w2 w3 w4"


class OpenaiCase(RemoteCase):
    """A pod without slots, and one worker for all tests of a class."""

    arguments = ()

    def served(self, *arguments, concurrency=60, aggregate=True, name="vllm", **options):
        pod = self.queue(*arguments, **options)
        worker = self.worker(pod, name, handler="vllm", aggregate=aggregate, concurrency=concurrency)
        return pod, worker

    def client(self, pod, asynchronous=False, key="no-key", **options):
        import openai

        kind = openai.AsyncOpenAI if asynchronous else openai.OpenAI
        client = kind(base_url=f"{pod.url}/v2/tayfa/openai/v1", api_key=key, **options)
        if not asynchronous:
            self.addCleanup(client.close)
        return client

    def chat(self, client, model="m", messages=HELLO, **mock):
        options = {x: mock.pop(x) for x in ("stream", "temperature", "timeout") if x in mock}
        return client.chat.completions.create(
            model=model, messages=messages, extra_body={"mock": mock} if mock else None, **options
        )

    def words(self, stream):
        return "".join(x.choices[0].delta.content for x in stream)

    def job_of(self, stream):
        return stream.response.headers["x-tayfa-job"]

    def assert_raised(self, kind, call, status=None, **fields):
        import openai

        with self.assertRaises(getattr(openai, kind)) as caught:
            call()
        if status:
            self.assertEqual(caught.exception.status_code, status)
        for name, value in fields.items():
            self.assertEqual(getattr(caught.exception, name), value, caught.exception)
        return caught.exception
