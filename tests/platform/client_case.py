"""Shared parts of the tests with RunPod's client: a pod, and the client pointed at it."""

import platform_case  # noqa: F401
import pod as pods
import requests
from case import BUILD, QUICK, Case

KEY = "whatever-a-pod-without-keys-does-not-look"
LONG = {"executionTimeout": 600_000}  # for jobs that may outlast the pod's own limit
EXECUTION_TIMEOUT_MS = 2_000
RUNSYNC_WAIT_MS = 1_000


class ClientCase(Case):
    """A pod for all tests of a class, with room for all of them."""

    slots = 16
    arguments = ()
    key = KEY

    @classmethod
    def setUpClass(cls):
        import runpod

        cls.runpod = runpod
        options = [
            "--slots",
            str(cls.slots),
            "--queue.execution_timeout",
            f"{EXECUTION_TIMEOUT_MS}ms",
        ]
        options += ["--http.runsync_wait", f"{RUNSYNC_WAIT_MS}ms"]
        cls.pod = pods.Pod(BUILD, *QUICK, *options, *cls.arguments)
        cls.addClassCleanup(cls.pod.close)
        cls.pod.wait_ready()
        runpod.api_key = cls.key
        runpod.endpoint_url_base = f"{cls.pod.url}/v2"

    def assert_status(self, code, call, *arguments, **options):
        with self.assertRaises(requests.HTTPError) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.response.status_code, code)
        return caught.exception.response.json()
