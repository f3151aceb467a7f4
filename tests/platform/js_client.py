"""A Node.js process that holds RunPod's JavaScript client (npm runpod-sdk), unmodified, and makes
calls of it for a test.
"""

import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading

SCRIPT = pathlib.Path(__file__).with_name("js_client.mjs")
ENVIRONMENT = pathlib.Path(sys.prefix)  # build/test-venv
PACKAGE = ENVIRONMENT / "npm/node_modules/runpod-sdk"


class JsError(Exception):
    def __init__(self, text, status):
        super().__init__(text)
        self.status = status


class Call:
    """A call under way: its chunks so far, and its value when it has ended."""

    def __init__(self):
        self.chunks = []  # (milliseconds since the call began, chunk)
        self.answers = queue.Queue()

    def result(self, timeout=60):
        answer = self.answers.get(timeout=timeout)
        if "error" in answer:
            raise JsError(answer["error"], answer["status"])
        return answer["value"]


class JsClient:
    def __init__(self, base_url, key, endpoint="tayfa"):
        node = ENVIRONMENT / "bin/node"
        self.process = subprocess.Popen(
            [str(node), str(SCRIPT), str(PACKAGE), base_url, key, endpoint],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.calls = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            call = self.calls[answer["number"]]
            if "chunk" in answer:
                call.chunks.append((answer["ms"], answer["chunk"]))
            else:
                call.answers.put(answer)

    def begin(self, name, *arguments):
        call = Call()
        self.calls.append(call)
        order = {"number": len(self.calls) - 1, "call": name, "arguments": arguments}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return call

    def __getattr__(self, name):
        return lambda *arguments: self.begin(name, *arguments).result()

    def close(self):
        self.process.stdin.close()  # which ends it
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # the wheel's node is a child of its script
            self.process.wait()
        self.reader.join()
        self.process.stdout.close()
