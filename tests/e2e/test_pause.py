"""A runtime that does not run for a while (SIGSTOP, a frozen container, a machine that is moved):
what it finds afterwards is not charged to anybody. The pauses themselves are what is tested, so
they take their time.
"""

import json
import os
import signal
import socket
import threading
import time

import case
from queue_case import QueueCase

BEATS = ("--engine.heartbeat", "100ms", "--engine.heartbeat_misses", "5")


def stopped(pid):
    """SIGSTOP has arrived at every thread."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


class pause(QueueCase):
    def pause(self, pod, seconds, *others):
        for pid in (pod.pid, *others):
            os.kill(pid, signal.SIGSTOP)
        self.eventually(lambda: stopped(pod.pid), "it is stopped")
        time.sleep(seconds)
        for pid in (pod.pid, *others):
            os.kill(pid, signal.SIGCONT)

    def assert_unharmed(self, pod, job, engines):
        detail = pod.detail(job)
        self.assertEqual((detail["status"], detail["attempts"]), ("COMPLETED", 1), detail)
        self.assertEqual(pod.engines(), engines, "an engine was replaced")
        self.assertEqual([x for x in pod.moves("engine") if x["to"] == "SHUTDOWN"], [])

    def test_a_job_that_runs_meanwhile_completes_in_its_first_attempt(self):
        pod = self.ready("--slots", "1", *BEATS)
        engines = pod.engines()
        for seconds in (2.5, 0.7):  # the engine is done while the runtime is away; it is not
            job = pod.run({"mock_return": "whole", "mock_delay": 1.5})
            pod.wait_job(job, "IN_PROGRESS")
            self.pause(pod, seconds)
            pod.wait_job(job, "COMPLETED")
            self.assert_unharmed(pod, job, engines)
        pod.wait_for("runtime_was_paused")
        self.assert_stops(pod)

    def test_many_short_pauses_within_one_job(self):
        pod = self.ready("--slots", "1", *BEATS)
        engines = pod.engines()
        job = pod.run({"mock_return": "whole", "mock_delay": 5})
        pod.wait_job(job, "IN_PROGRESS")
        for _ in range(5):
            self.pause(pod, 0.9)
            time.sleep(0.05)
        pod.wait_job(job, "COMPLETED")
        self.assert_unharmed(pod, job, engines)

    def test_everything_is_frozen_together(self):
        pod = self.ready("--slots", "2", *BEATS)
        engines = pod.engines()
        job = pod.run({"mock_return": "whole", "mock_delay": 1})
        pod.wait_job(job, "IN_PROGRESS")
        self.pause(pod, 1.5, *engines)
        pod.wait_job(job, "COMPLETED")
        self.assert_unharmed(pod, job, engines)

    def test_a_timeout_does_not_count_it(self):
        """A result that lies in the socket is taken before its job is judged."""
        pod = self.ready("--slots", "1", "--queue.lease", "1s", *BEATS)
        engines = pod.engines()
        job = pod.run({"mock_return": "whole", "mock_delay": 3.5}, policy={"executionTimeout": 5000})
        pod.wait_job(job, "IN_PROGRESS")
        self.pause(pod, 5.5)
        pod.wait_job(job, "COMPLETED")
        self.assert_unharmed(pod, job, engines)

    def test_an_engine_that_hangs_is_found_all_the_same(self):
        pod = self.ready("--slots", "1", *BEATS)
        job = pod.run({"mock_return": "whole", "mock_delay": 1})
        pod.wait_job(job, "IN_PROGRESS")
        (engine,) = pod.engines()
        os.kill(engine, signal.SIGSTOP)
        self.pause(pod, 1)
        pod.wait_for("state", machine="engine", to="SHUTDOWN", cause="hung")
        pod.wait_job(job, "COMPLETED")
        self.assertEqual(pod.detail(job)["attempts"], 2)

    def test_clients_that_wait_meanwhile_are_served(self):
        pod = self.ready("--slots", "1", "--http.body_timeout", "1s", *BEATS)
        body = json.dumps({"input": {"mock_return": "late"}}).encode()
        with socket.create_connection(("127.0.0.1", pod.port), 30) as client:
            client.sendall(
                b"POST /runsync HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                + body[:5]
            )
            time.sleep(0.2)
            self.pause(pod, 2)
            client.sendall(body[5:])
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        self.assertIn(b"200 OK", answer.splitlines()[0])
        self.assertIn(b'"late"', answer)

    def test_a_pause_while_it_starts_uses_up_no_budget(self):
        environment = {"TAYFA_SCRIPTED": json.dumps({"load_delay": 2})}
        pod = self.start(
            *("--slots", "1", "--engine.load_timeout", "3s", "--pod.launching_budget", "4s"),
            *("--engine.hello_timeout", "2s"),
            *BEATS,
            environment=environment,
        )
        pod.wait_for("state", machine="engine", to="LOADING_MODEL")
        self.pause(pod, 5)
        pod.wait_ready()

    def test_a_pause_while_it_stops_uses_up_no_budget(self):
        pod = self.ready("--slots", "1", "--pod.drain_budget", "3s", "--pod.stopping_budget", "4s")
        job = pod.run({"mock_return": "whole", "mock_delay": 2})
        pod.wait_job(job, "IN_PROGRESS")
        pod.signal(signal.SIGTERM)
        pod.wait_for("state", machine="pod", to="STOPPING")
        self.pause(pod, 6)
        self.assertEqual(pod.wait_exit(), case.OK)
        self.assertEqual([x["to"] for x in pod.moves("job")][-1], "COMPLETED")

    def test_events_and_answers_go_on(self):
        pod = self.ready("--slots", "1", *BEATS)
        answers = []
        asker = threading.Thread(
            target=lambda: answers.append(
                pod.post("/runsync", {"input": {"mock_return": 1, "mock_delay": 1}}).body
            )
        )
        asker.start()
        pod.wait_until(lambda _: pod.moves("job"), "the job is there")
        self.pause(pod, 1.5)
        asker.join(30)
        self.assertEqual(answers[0]["status"], "COMPLETED")


class crashes(QueueCase):
    def test_jobs_of_others_do_not_wait_for_a_slot_that_one_tenant_brings_down(self):
        """Beside a tenant whose jobs crash again and again an engine is back at once."""
        pod = self.ready("--slots", "1")
        for _ in range(4):  # twelve engines end: a backoff that doubles would be at its longest
            job = pod.run({"mock_crash": True}, policy={"tenant": "bob"})
            pod.wait_job(job, "FAILED")
        began = time.monotonic()
        answer = pod.post("/runsync", {"input": {"mock_return": 1}, "policy": {"tenant": "alice"}})
        self.assertEqual(answer.body["status"], "COMPLETED")
        self.assertLess(time.monotonic() - began, 4.5, "it waited for the slot's backoff")


if __name__ == "__main__":
    case.main()
