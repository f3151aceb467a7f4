"""OpenAI's API: whose calls they are, at what rates, and engines that know nothing of it."""

import http.client
import json

from openai_case import FIVE, HELLO, OpenaiCase
from platform_case import main, side_by_side


@side_by_side
class openai_keys(OpenaiCase):
    def keyed(self, *names):
        keys = self.folder() / "keys"
        made = {}
        for name, *more in names:
            done = self.tayfa("key", "new", "--name", name, *more, "--keys", keys)
            self.assertEqual(done.returncode, 0, done.stderr)
            made[name] = done.stdout.strip()
        return keys, made

    def served_with(self, *names):
        keys, made = self.keyed(("w", "--scope", "worker"), ("root", "--scope", "operator"), *names)
        pod = self.queue("--keys", keys)
        self.worker(
            pod, "w", handler="vllm", aggregate=True, concurrency=8, arguments=("--key", made["w"])
        )
        return pod, keys, made

    def test_a_call_belongs_to_its_key(self):
        pod, _, made = self.served_with(("alice", "--tenant", "alice"), ("bob", "--tenant", "bob"))
        wrong = self.client(pod, key="wrong")
        self.assert_raised(
            "AuthenticationError", lambda: self.chat(wrong), 401, type="authentication_error"
        )
        worker = self.client(pod, key=made["w"])
        self.assert_raised("PermissionDeniedError", lambda: self.chat(worker), 403, code="forbidden")
        answer = self.chat(self.client(pod, key=made["alice"]))
        self.assertEqual(answer.choices[0].message.content, FIVE)
        job = f"/v2/tayfa/status/{answer._request_id}"
        for name, status in (("alice", 200), ("bob", 404)):
            headers = {"Authorization": f"Bearer {made[name]}"}
            self.assertEqual(pod.get(job, headers=headers).status, status)

    def test_a_key_that_is_removed_ends_its_stream(self):
        pod, keys, made = self.served_with(("alice", "--tenant", "alice"))
        client = self.client(pod, key=made["alice"])
        stream = self.chat(client, stream=True, tokens=1000, delay=0.1, batch=1)
        job = self.job_of(stream)
        next(iter(stream))
        self.assertEqual(self.tayfa("key", "remove", "alice", "--keys", keys).returncode, 0)
        self.assert_raised("APIError", lambda: self.words(stream))
        root = {"Authorization": f"Bearer {made['root']}"}
        self.eventually(
            lambda: pod.get(f"/jobs/{job}", headers=root).body["status"] == "CANCELLED", "its end"
        )

    def test_rates(self):
        pod = self.ready("--http.rate_limits", "openai=3/60s:2", engine="scripted")
        client = self.client(pod, max_retries=0)
        for _ in range(3):
            client.models.list()
        error = self.assert_raised("RateLimitError", client.models.list, 429, code="rate_limited")
        self.assertIn("retry-after", error.response.headers)


@side_by_side
class openai_engines(OpenaiCase):
    """Engines that know nothing of it."""

    def test_an_engine_of_the_pod(self):
        pod = self.ready(engine="scripted")
        asked = {"model": "m", "messages": HELLO}
        for prefix in ("", "/v2/tayfa"):
            answer = pod.post(f"{prefix}/openai/v1/chat/completions", asked)
            self.assertEqual(
                answer.body, {"openai_route": "/v1/chat/completions", "openai_input": asked}
            )
        models = pod.get("/v2/tayfa/openai/v1/models").body
        self.assertEqual(models, {"openai_route": "/v1/models", "openai_input": {}})

    def test_its_output_is_the_stream(self):
        pod = self.ready(engine="scripted")
        asked = {"model": "m", "stream": True}
        connection = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=30)
        connection.request(
            "POST", "/openai/v1/completions", json.dumps(asked), {"Content-Type": "application/json"}
        )
        lines = connection.getresponse().read().decode().split("\n\n")
        self.assertEqual(
            json.loads(lines[0].removeprefix("data: ")),
            {"openai_route": "/v1/completions", "openai_input": asked},
        )
        self.assertEqual(lines[1:], ["data: [DONE]", ""])
        connection.close()


if __name__ == "__main__":
    main()
