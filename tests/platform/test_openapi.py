#!/usr/bin/env python3
"""The pod keeps what its own document promises: /openapi.json read by schemathesis, which makes
requests of it, good and bad ones, and judges the answers.
"""

import json
import pathlib
import subprocess
import sys

import platform_case  # noqa: F401  (e2e's modules come into reach with it)
from case import Case, main
import pod as pods

EXAMPLES = 8  # of each operation, beside those of every bound and every kind of broken request
MOST_S = 200

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "positive_data_acceptance",
    "negative_data_rejection",
)

# These routes are left out: the first streams without end, the others take the engine away. Other tests cover them.
LEFT_OUT = r"^/(events|slots/.+)$"

SETTINGS = f"""
hooks = "{pathlib.Path(__file__).with_name("openapi_hooks.py")}"

# 422: the same made-up key twice, with two made-up requests.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 422, 429]

[[operations]]
include-path = ["/runsync", "/status-sync/{{id}}", "/stream/{{id}}"]
parameters = {{ "query.wait" = 1000 }}
"""


class openapi(Case):
    def pod(self):
        # A made-up webhook must reach no server, and a made-up worker need not wait for jobs.
        return self.ready("--webhook.tries", "0", "--workers.hold", "100ms", engine="scripted")

    def test_schemathesis_finds_nothing(self):
        pod = self.pod()
        folder = self.folder()
        (folder / "schemathesis.toml").write_text(SETTINGS)
        program = pathlib.Path(sys.executable).parent / "schemathesis"
        command = [
            str(program), "--config-file", "schemathesis.toml", "run",
            f"{pod.url}/openapi.json", "--url", pod.url,
            "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing,stateful",
            "--max-examples", str(EXAMPLES), "--generation-deterministic",
            "--exclude-path-regex", LEFT_OUT, "--request-timeout", "20", "--no-color",
            "--suppress-health-check", "all", "--warnings", "off", "--continue-on-failure",
        ]  # fmt: skip
        done = subprocess.run(
            command,
            cwd=folder,
            env=pods.clean_environment(None),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MOST_S,
        )
        self.assertEqual(done.returncode, 0, done.stdout[-20_000:])
        self.assert_stops(pod)

    def test_it_is_served_as_docs_say(self):
        pod = self.pod()
        answer = pod.get("/openapi.json")
        self.assertEqual(answer.status, 200)
        source = pathlib.Path(__file__).resolve().parents[2] / "docs/openapi.json"
        self.assertEqual(answer.body, json.loads(source.read_text()))


if __name__ == "__main__":
    main()
