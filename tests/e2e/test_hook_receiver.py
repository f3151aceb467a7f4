"""The receiver of webhooks that other end-to-end tests rely on."""

import http.client
import json
import socket
import threading

import case
from case import Case
from hook_receiver import DRIP, DROP, NEVER, Answer, HookReceiver, huge, redirect


class receiving(Case):
    def setUp(self):
        self.hooks = HookReceiver()
        self.addCleanup(self.hooks.close)

    def post(self, path, value=None, timeout=10):
        connection = http.client.HTTPConnection("127.0.0.1", self.hooks.port, timeout=timeout)
        self.addCleanup(connection.close)
        connection.request("POST", path, json.dumps(value), {"X-Attempt": "1"})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())

    def test_keeps_what_came_in_order(self):
        self.assertEqual(self.post("/a", {"id": "1"})[0], 200)
        self.assertEqual(self.post("/b", {"id": "2"})[0], 200)
        first, second = self.hooks.wait(2)
        self.assertEqual((first.path, first.json, first.method), ("/a", {"id": "1"}, "POST"))
        self.assertEqual(first.headers["x-attempt"], "1")
        self.assertEqual(self.hooks.posts("/b"), [second])
        self.assertLess(first.at, second.at)

    def test_answers_in_turn_and_the_last_again(self):
        self.hooks.script("/flaky", 500, 503, 200)
        self.assertEqual([self.post("/flaky")[0] for _ in range(4)], [500, 503, 200, 200])
        self.assertEqual([x.answer.status for x in self.hooks.posts()], [500, 503, 200, 200])

    def test_redirects_and_bodies(self):
        self.hooks.script("/away", redirect(self.hooks.url("/there")))
        self.hooks.script("/big", huge(100_000))
        status, _, headers = self.post("/away")
        self.assertEqual((status, headers["Location"]), (307, self.hooks.url("/there")))
        self.assertEqual(len(self.post("/big")[1]), 100_000)

    def test_misbehaves(self):
        self.hooks.script("/dead", NEVER)
        self.hooks.script("/drop", DROP)
        self.hooks.script("/drip", DRIP)
        self.hooks.script("/late", Answer(200, after=30.0))
        for path in ("/dead", "/late"):
            with self.assertRaises(socket.timeout):
                self.post(path, timeout=0.2)
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
            self.post("/drop")
        connection = http.client.HTTPConnection("127.0.0.1", self.hooks.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request("POST", "/drip", "{}")
        self.assertEqual(connection.getresponse().read(3), b"xxx")
        self.assertEqual(len(self.hooks.wait(4)), 4)

    def test_waits_and_gives_up(self):
        self.assertTrue(self.hooks.none_within(0.05))
        with self.assertRaisesRegex(AssertionError, "0 of 1 posts"):
            self.hooks.wait(1, timeout=0.05)
        later = threading.Thread(target=self.post, args=("/x",))
        later.start()
        self.assertEqual(self.hooks.wait(1)[0].path, "/x")
        later.join()

    def test_ends_with_answers_that_never_come(self):
        self.hooks.script("/dead", NEVER)
        caller = socket.create_connection(("127.0.0.1", self.hooks.port), timeout=10)
        self.addCleanup(caller.close)
        caller.sendall(b"POST /dead HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        self.hooks.wait(1)
        self.hooks.close()
        self.assertEqual(caller.recv(1), b"", "the connection ends with the receiver")


if __name__ == "__main__":
    case.main()
