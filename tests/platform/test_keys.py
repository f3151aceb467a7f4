"""RunPod's client against a pod that asks for keys: 401 for the wrong one, in the client's own
words.
"""

import asyncio
import pathlib
import tempfile

from client_case import ClientCase
from platform_case import main, side_by_side

UNAUTHORIZED = "401 Unauthorized | Make sure Runpod API key is set and valid."


@side_by_side
class keyed(ClientCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="tayfa-keys-")
        cls.addClassCleanup(folder.cleanup)
        keys = pathlib.Path(folder.name) / "keys"
        maker = cls("test_the_right_key")
        cls.keys = {}
        for scope in ("client", "worker"):
            done = maker.tayfa("key", "new", "--name", scope, "--scope", scope, "--keys", keys)
            assert done.returncode == 0, done.stderr
            cls.keys[scope] = done.stdout.strip()
        cls.arguments = ("--keys", keys)
        cls.key = cls.keys["client"]
        super().setUpClass()

    def test_the_right_key(self):
        endpoint = self.runpod.Endpoint("tayfa")
        self.assertEqual(endpoint.run_sync({"mock_return": 1}), 1)
        job = endpoint.run({"mock_return": 2})
        self.assertEqual(job.output(timeout=30), 2)
        self.assertIn("jobs", endpoint.health())

    def test_a_wrong_key(self):
        endpoint = self.runpod.Endpoint("tayfa", api_key="not-a-key-of-this-pod")
        for call in (
            lambda: endpoint.run({"mock_return": 1}),
            lambda: endpoint.run_sync({"mock_return": 1}),
            endpoint.health,
            endpoint.purge_queue,
        ):
            with self.assertRaises(RuntimeError) as caught:
                call()
            self.assertEqual(str(caught.exception), UNAUTHORIZED)

    def test_anothers_job_needs_a_key_as_well(self):
        job = self.runpod.Endpoint("tayfa").run({"mock_return": 1})
        job.rp_client = self.runpod.Endpoint("tayfa", api_key="wrong").rp_client
        for call in (job.status, job.cancel, lambda: next(job.stream())):
            with self.assertRaises(RuntimeError):
                call()

    def test_a_key_for_other_things(self):
        endpoint = self.runpod.Endpoint("tayfa", api_key=self.keys["worker"])
        self.assert_status(403, endpoint.run, {"mock_return": 1})

    def test_the_bare_key_without_bearer(self):
        for given, status in ((self.key, 200), (self.key[:-1], 401), ("", 401)):
            answer = self.pod.get("/v2/tayfa/health", headers={"Authorization": given})
            self.assertEqual(answer.status, status, given[:3])
        self.assertEqual(self.pod.get("/ping").status, 200)

    def test_asyncio(self):
        from runpod import AsyncioEndpoint
        from runpod.http_client import ClientSession

        async def scene(key):
            async with ClientSession() as session:
                job = await AsyncioEndpoint("tayfa", session, api_key=key).run({"mock_return": 3})
                return await job.output(timeout=30)

        self.assertEqual(asyncio.run(scene(self.key)), 3)
        with self.assertRaises(KeyError):  # the asyncio client looks at no status: there is no id
            asyncio.run(scene("wrong"))


if __name__ == "__main__":
    main()
