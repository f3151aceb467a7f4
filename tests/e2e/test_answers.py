"""Answers are bounded, and chunks that a reader has not received do not count as read."""

import contextlib
import json
import socket
import threading

import case
from case import Case

MIB = 1 << 20


def within(limit):
    """A wrapper that bounds the address space."""
    return ("sh", "-c", f'ulimit -v {limit // 1024}; exec "$@"', "sh")


def resident(pod):
    with open(f"/proc/{pod.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
    return 0


class deaf(Case):
    """Readers that ask and read nothing."""

    def ask(self, pod, path, count):
        """`count` connections that have asked for it; their receive buffers are small."""
        readers = []
        for _ in range(count):
            reader = socket.socket()
            self.addCleanup(reader.close)
            reader.settimeout(5)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with contextlib.suppress(OSError):
                reader.connect(("127.0.0.1", pod.port))
                reader.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            readers.append(reader)
        return readers

    def answered(self, reader):
        return bool(reader.recv(1, socket.MSG_PEEK))

    @case.own_memory
    def test_readers_of_one_large_result_share_it(self):
        pod = self.ready()
        job = pod.run({"big": "x" * (9 * MIB)})
        pod.wait_job(job, "COMPLETED")
        before = resident(pod)
        readers = self.ask(pod, f"/status/{job}", 100)
        for reader in readers:
            self.assertTrue(self.answered(reader))
        self.assertLess(resident(pod) - before, 100 * MIB)
        self.assertEqual(len(pod.status(job)["output"]["big"]), 9 * MIB)
        for reader in readers:
            reader.close()
        self.eventually(
            lambda: resident(pod) - before < 40 * MIB, "the memory of readers that left comes back"
        )

    @case.own_memory
    def test_readers_of_many_large_results_are_bounded_together(self):
        pod = self.ready("--http.answer_bytes", str(64 * MIB), "--slots", "2")
        jobs = [pod.run({"big": str(i) + "x" * (9 * MIB)}) for i in range(12)]
        for job in jobs:
            pod.wait_job(job, "COMPLETED", timeout=60)
        before = resident(pod)
        readers = [reader for job in jobs for reader in self.ask(pod, f"/status/{job}", 2)]
        kinds = set()
        for reader in readers:
            kinds.add(reader.recv(12, socket.MSG_PEEK)[9:12])
        self.assertIn(b"503", kinds)
        self.assertLess(resident(pod) - before, 150 * MIB)
        self.assertEqual(pod.get("/health").status, 200)
        # A client that reads gets its answer although the others hold all room: they are disconnected.
        self.eventually(
            lambda: pod.get(f"/status/{jobs[-1]}").status == 200, "a reader finds room"
        )

    @case.own_memory
    def test_waits_of_runsync_are_bounded_as_well(self):
        """Their results never left memory: each waiting client has one of its own."""
        pod = self.ready("--http.answer_bytes", str(64 * MIB), "--slots", "2")
        before = resident(pod)
        body = json.dumps({"input": {"big": "y" * (9 * MIB)}}).encode()
        head = (
            "POST /runsync?wait=60000 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        readers = []
        for _ in range(16):
            reader = socket.socket()
            self.addCleanup(reader.close)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(60)
            reader.connect(("127.0.0.1", pod.port))
            reader.sendall(head + body)
            readers.append(reader)
        refused = 0
        for reader in readers:
            head = reader.recv(2000, socket.MSG_PEEK)
            self.assertIn(head[9:12], (b"200", b"503"))
            if head[9:12] == b"503":
                refused += 1
                self.assertIn(b"X-Tayfa-Job: sync-", head)
        self.assertGreater(refused, 0)
        # Beside the answers: what the allocator keeps of 16 inputs and outputs that have gone.
        self.assertLess(resident(pod) - before, (64 + 2 * 16 * 9) * MIB)
        # Most of it comes back; the allocator keeps some (75 MiB were seen), differently each time.
        self.eventually(
            lambda: resident(pod) - before < 144 * MIB, "the memory of cut off readers comes back"
        )

    @case.own_memory
    def test_a_small_address_space_is_enough(self):
        limit = 2048 * MIB
        pod = self.ready(wrapper=within(limit))
        job = pod.run({"big": "x" * (9 * MIB)})
        pod.wait_job(job, "COMPLETED")
        for reader in self.ask(pod, f"/status/{job}", 300):
            with contextlib.suppress(OSError):
                self.answered(reader)
        self.assertEqual(pod.get("/health").status, 200)


class many_clients(Case):
    @case.own_memory
    def test_without_memory_each_request_is_answered(self):
        """More arrives than the address space has room for: 200 or 503, and none waits."""
        limit = 1000 * MIB
        pod = self.ready(wrapper=within(limit))
        body = json.dumps({"input": {"big": "x" * (19 * MIB)}})
        seen = []

        def ask():
            try:
                seen.append(pod.post("/runsync?wait=20000", body.encode(), timeout=50).status)
            except OSError as wrong:
                seen.append(type(wrong).__name__)

        threads = [threading.Thread(target=ask) for _ in range(25)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(seen), 25)
        self.assertNotIn(408, seen)
        self.assertNotIn("TimeoutError", seen)
        self.assertIn(200, seen)
        self.assertEqual(pod.get("/health").status, 200)


class chunks(Case):
    def streaming(self, pod, chunks):
        job = pod.run({"mock_stream": chunks})
        pod.wait_job(job, "COMPLETED")
        return job

    def outputs(self, pod, job):
        answer = pod.get(f"/stream/{job}").body
        return [each["output"] for each in answer["stream"]]

    def leave(self, pod, job, reads=0):
        """Asks for its chunks and leaves when they are there, with so many bytes read."""
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", pod.port))
            reader.sendall(f"GET /stream/{job} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            reader.settimeout(10)
            self.assertTrue(reader.recv(1, socket.MSG_PEEK))
            if reads:
                reader.recv(reads)

    def test_chunks_go_when_they_were_received(self):
        pod = self.ready()
        job = self.streaming(pod, ["a", "b"])
        self.assertEqual(self.outputs(pod, job), ["a", "b"])
        self.assertEqual(self.outputs(pod, job), [])

    def test_a_reader_that_leaves_in_the_middle_takes_nothing(self):
        pod = self.ready()
        large = ["y" * 900_000, "z" * 900_000]
        job = self.streaming(pod, large)
        self.leave(pod, job, reads=1000)
        self.assertEqual(self.outputs(pod, job), large)

    def test_a_reader_that_reads_nothing_takes_nothing(self):
        pod = self.ready()
        job = self.streaming(pod, ["a", "b"])
        self.leave(pod, job)
        self.assertEqual(self.outputs(pod, job), ["a", "b"])

    def test_one_connection_that_asks_again_and_again_sees_each_chunk_once(self):
        pod = self.ready()
        job = pod.run({"mock_stream": [str(i) for i in range(20)], "mock_delay": 0.02})
        seen = []
        with contextlib.closing(pod.connect()) as connection:
            while True:
                answer = pod.request("GET", f"/stream/{job}", connection=connection).body
                seen += [each["output"] for each in answer["stream"]]
                if answer["status"] == "COMPLETED" and not answer["stream"]:
                    break
        self.assertEqual(seen, [str(i) for i in range(20)])

    def test_they_survive_a_kill_until_they_were_received(self):
        pod = self.ready()
        job = self.streaming(pod, ["a", "b"])
        self.leave(pod, job)
        pod.kill()
        pod = self.again(pod)
        pod.wait_ready()
        self.assertEqual(self.outputs(pod, job), ["a", "b"])

    @case.own_memory
    def test_those_of_running_jobs_are_bounded_together_and_the_loss_is_reported(self):
        bound = 8 * MIB
        pod = self.start("--queue.chunk_bytes", str(bound), "--slots", "0")
        pod.wait_listening()
        jobs = [
            pod.post("/run", {"input": {"n": i}, "policy": {"tenant": tenant}}).body["id"]
            for i, tenant in enumerate(("greedy", "greedy", "greedy", "modest"))
        ]
        workers = {}  # tenants take turns, so any of them may be next
        for i, _ in enumerate(jobs):
            workers[pod.get(f"/job-take/w{i}").body["id"]] = f"w{i}"
        self.assertEqual(set(workers), set(jobs))

        def bring(job, output):
            answer = pod.post(f"/job-stream/{workers[job]}/{job}", {"output": output})
            self.assertEqual(answer.status, 200)

        bring(jobs[3], "mine")
        before = resident(pod)
        for n in range(20):
            for i in range(3):
                bring(jobs[i], f"{n:02}" + "y" * 900_000)
        self.assertLess(resident(pod) - before, bound + 40 * MIB)
        dropped = 0
        for job in jobs[:3]:
            detail = pod.detail(job)
            self.assertGreater(detail["droppedChunks"], 10)
            self.assertEqual(pod.status(job)["droppedChunks"], detail["droppedChunks"])
            answer = pod.get(f"/stream/{job}").body
            self.assertEqual(answer["droppedChunks"], detail["droppedChunks"])
            self.assertEqual(len(answer["stream"]) + answer["droppedChunks"], 20)
            dropped += answer["droppedChunks"]
        self.assertEqual(self.outputs(pod, jobs[3]), ["mine"])
        self.assertNotIn("droppedChunks", pod.detail(jobs[3]))
        metrics = pod.get("/metrics").body
        text = metrics if isinstance(metrics, str) else metrics.decode()
        self.assertIn(f"tayfa_chunks_dropped_total {dropped}", text)


if __name__ == "__main__":
    case.main()
