"""Many clients, slow clients, idle clients, rude clients: the pod stays bounded and answers the
others.
"""

import concurrent.futures
import contextlib
import json
import pathlib
import select
import socket
import time

import case
from case import Case


class many(Case):
    def test_fifty_runsync_at_once_each_get_their_own_answer(self):
        pod = self.ready("--slots", "2")

        def one(number):
            return pod.post("/runsync", {"input": {"mock_return": number, "mock_delay": 0.02}}).body

        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(one, range(50)))
        self.assertEqual([x["output"] for x in answers], list(range(50)))
        self.assertEqual(len({x["id"] for x in answers}), 50)

    def test_one_connection_carries_many_requests(self):
        pod = self.ready()
        connection = pod.connect()
        self.addCleanup(connection.close)
        for number in range(200):
            answer = pod.post("/runsync", {"input": {"mock_return": number}}, connection=connection)
            self.assertEqual(answer.body["output"], number)

    def test_connections_over_the_limit_are_refused(self):
        pod = self.ready("--http.connections_max", "8")
        body = json.dumps({"input": {"mock_delay": 60}})
        order = (
            "POST /runsync?wait=60000 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        held = []
        for _ in range(8):  # waiting for an answer, they keep their places
            held.append(socket.create_connection(("127.0.0.1", pod.port)))
            self.addCleanup(held[-1].close)
            held[-1].sendall(order.encode())
        with socket.create_connection(("127.0.0.1", pod.port), timeout=10) as extra:
            extra.settimeout(10)
            first = b""
            try:
                extra.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
                first = extra.recv(4096)
            except ConnectionError:
                pass
            self.assertTrue(first == b"" or b" 503 " in first.split(b"\r\n")[0], first)
        for connection in held:
            connection.close()
        pod.wait_ready()


    def test_idle_connections_over_the_limit_go_for_new_ones(self):
        pod = self.ready("--http.connections_max", "8")
        silent = []
        for _ in range(8):
            silent.append(socket.create_connection(("127.0.0.1", pod.port), timeout=20))
            self.addCleanup(silent[-1].close)
        pod.wait_ready()
        self.assertEqual(silent[0].recv(1), b"", "the longest idle one was closed for it")


class slow(Case):
    def raw(self, pod):
        connection = socket.create_connection(("127.0.0.1", pod.port), timeout=20)
        self.addCleanup(connection.close)
        return connection

    def closed_with(self, connection):
        """All that still comes until the pod closes."""
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received

    def test_a_header_that_never_ends(self):
        pod = self.ready("--http.header_timeout", "500ms")
        connection = self.raw(pod)
        connection.sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        received = self.closed_with(connection)
        self.assertTrue(received == b"" or b" 408 " in received.split(b"\r\n")[0], received)

    def test_a_body_that_never_comes(self):
        pod = self.ready("--http.body_timeout", "500ms")
        connection = self.raw(pod)
        connection.sendall(
            b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        received = self.closed_with(connection)
        self.assertTrue(received == b"" or b" 408 " in received.split(b"\r\n")[0], received)

    def test_a_body_that_goes_on_may_take_its_time(self):
        """Several times http.body_timeout, without standing still."""
        pod = self.ready("--http.body_timeout", "500ms")
        body = json.dumps({"input": {"mock_return": "ok", "fill": "z" * 3_000_000}}).encode()
        for framing in ("length", "chunked"):
            connection = self.raw(pod)
            head = "POST /runsync HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
            chunked = framing == "chunked"
            head += "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
            connection.sendall(f"{head}\r\n\r\n".encode())
            for at in range(0, len(body), 60_000):
                piece = body[at : at + 60_000]
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                time.sleep(0.03)  # this is the slow connection
            connection.sendall(b"0\r\n\r\n" if chunked else b"")
            received = self.closed_with(connection)
            self.assertIn(b" 200 ", received.split(b"\r\n")[0])
            self.assertIn(b'"output":"ok"', received)

    def test_an_answer_that_is_taken_slowly_arrives_whole(self):
        pod = self.ready("--http.body_timeout", "500ms")
        job = pod.run({"mock_return": "z" * 6_000_000})
        pod.wait_job(job, "COMPLETED")
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", pod.port))
        connection.sendall(
            f"GET /status/{job} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        received = 0
        while piece := connection.recv(120_000):
            received += len(piece)
            time.sleep(0.03)  # this is the slow connection
        self.assertGreater(received, 6_000_000)

    def test_a_body_that_trickles(self):
        pod = self.ready("--http.body_timeout", "500ms")
        connection = self.raw(pod)
        connection.sendall(
            b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        )
        sent = 0
        with contextlib.suppress(ConnectionError):
            while not select.select([connection], [], [], 0.05)[0]:
                connection.sendall(b" ")
                sent += 1
        self.assertIn(b" 408 ", self.closed_with(connection).split(b"\r\n")[0])
        self.assertLess(sent, 1000)

    def test_an_idle_connection_is_closed(self):
        pod = self.ready("--http.idle_timeout", "500ms")
        connection = self.raw(pod)
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b" 200 ", self.closed_with(connection).split(b"\r\n")[0])

    def test_slow_ones_do_not_hold_up_the_others(self):
        pod = self.ready()
        for _ in range(100):
            self.raw(pod).sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n")
        self.assertEqual(
            pod.post("/runsync", {"input": {"mock_return": 1}}, timeout=10).body["output"], 1
        )

    def test_nor_do_they_hold_up_the_end(self):
        pod = self.ready()
        for _ in range(20):
            self.raw(pod).sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n")
        self.assertEqual(pod.get("/ping").status, 200)
        self.assertEqual(pod.stop(15), 0, pod.tail())


class rude(Case):
    GARBAGE = (
        b"\x00\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /run HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ping HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n",
        b"GET /v2/%00/%ff/..%2f..%2fetc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )

    def test_garbage_is_refused_and_the_pod_lives(self):
        pod = self.ready(
            "--http.header_timeout", "2s", "--http.body_timeout", "2s", "--http.idle_timeout", "2s"
        )
        for request in self.GARBAGE:
            with socket.create_connection(("127.0.0.1", pod.port), timeout=20) as connection:
                received = b""
                try:
                    connection.sendall(request)
                    while chunk := connection.recv(65536):
                        received += chunk
                except ConnectionError:
                    pass
            if received:
                self.assertRegex(
                    received.split(b"\r\n")[0], rb"^HTTP/1\.[01] [45]\d\d ", request[:60]
                )
        self.assertEqual(pod.get("/ping").status, 200)
        self.assert_stops(pod)

    @case.own_memory
    def test_memory_stays_bounded_under_large_bodies(self):
        pod = self.ready()

        def resident():
            text = pathlib.Path(f"/proc/{pod.pid}/status").read_text()
            return (
                int(next(x.split()[1] for x in text.splitlines() if x.startswith("VmRSS"))) // 1024
            )

        body = json.dumps({"input": {"mock_return": 1, "fill": "x" * 5_000_000}}).encode()
        for _ in range(10):
            self.assertEqual(pod.post("/runsync", body).body["output"], 1)
        self.assertLess(resident(), 400, "MiB")


if __name__ == "__main__":
    case.main()
