"""RunPod's asyncio client, unmodified, against Tayfa's API."""

import asyncio

from client_case import ClientCase
from platform_case import main, side_by_side

FAR = 30  # seconds


class AsyncioCase(ClientCase):
    """Its Endpoint.run puts "input" around whatever it is given."""

    def play(self, scene):
        """Runs scene(endpoint) with a session of its own."""
        from runpod import AsyncioEndpoint
        from runpod.http_client import ClientSession

        async def whole():
            async with ClientSession() as session:
                return await asyncio.wait_for(scene(AsyncioEndpoint("tayfa", session)), 60)

        return asyncio.run(whole())


@side_by_side
class asyncio_client(AsyncioCase):
    def test_run_and_output(self):
        value = {"x": "é \U0001f6a2", "list": [1, None, 0.5]}

        async def scene(endpoint):
            job = await endpoint.run({"mock_return": value, "mock_delay": 1.5})
            first = await job.status()
            return first, await job.output(timeout=FAR), await job.status()

        first, output, last = self.play(scene)
        self.assertIn(first, ("IN_QUEUE", "IN_PROGRESS"))
        self.assertEqual((output, last), (value, "COMPLETED"))

    def test_many_at_once(self):
        async def scene(endpoint):
            async def one(number):
                job = await endpoint.run({"mock_return": number, "mock_delay": 0.1})
                return await job.output(timeout=FAR)

            return await asyncio.gather(*(one(i) for i in range(40)))

        self.assertEqual(self.play(scene), list(range(40)))

    def test_stream_to_its_end(self):
        chunks = ["eins", {"two": 2}, "drei ü", 4]

        async def scene(endpoint):
            job = await endpoint.run({"mock_stream": chunks, "mock_delay": 0.3})
            return [x async for x in job.stream()], await job.status()

        self.assertEqual(self.play(scene), (chunks, "COMPLETED"))

    def test_output_that_takes_too_long(self):
        async def scene(endpoint):
            job = await endpoint.run({"mock_delay": 1.8})
            with self.assertRaises(TimeoutError):
                await job.output(timeout=1)
            with self.assertRaises(TimeoutError):
                await job.output()  # its timeout of 0 asks for what there is now
            return await job.output(timeout=FAR), await job.status()

        self.assertEqual(self.play(scene)[1], "COMPLETED")

    def test_final_states(self):
        async def scene(endpoint):
            jobs = [
                await endpoint.run(x)
                for x in ({"mock_error": "no"}, {"mock_delay": 60}, {"mock_return": None})
            ]
            outputs = [await x.output(timeout=FAR) for x in jobs]
            return outputs, [await x.status() for x in jobs]

        outputs, states = self.play(scene)
        self.assertEqual(outputs, [None] * 3)
        self.assertEqual(states, ["FAILED", "TIMED_OUT", "COMPLETED"])

    def test_cancel(self):
        async def scene(endpoint):
            job = await endpoint.run({"mock_delay": 60})
            return await job.cancel(), await job.status()

        answer, state = self.play(scene)
        self.assertEqual((answer["status"], state), ("CANCELLED", "CANCELLED"))

    def test_where_it_asks(self):
        async def scene(endpoint):
            return endpoint.endpoint_url

        self.assertEqual(self.play(scene), f"{self.pod.url}/v2/tayfa/run")


class asyncio_alone(AsyncioCase):
    """A purge would take away the others' jobs."""

    def test_health_and_purge(self):
        async def scene(endpoint):
            return await endpoint.health(), await endpoint.purge_queue()

        health, purge = self.play(scene)
        self.assertEqual(set(health), {"jobs", "workers"})
        self.assertEqual(purge, {"removed": 0, "status": "completed"})


if __name__ == "__main__":
    main()
