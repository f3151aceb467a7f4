"""A head and two pods in network namespaces of their own, behind one bridge: a cable that is pulled
is a real black hole, in which neither end hears of the other's end. Skipped where namespaces or
virtual cables are not allowed.
"""

import contextlib
import os
import subprocess
import sys
import time

import case
import pod as pods
from case import Case

INSIDE = "TAYFA_E2E_IN_NAMESPACE"
HEAD = "10.209.0.1"
PORT = 7500
BEAT_MS, MISSES, LOST_MS = 200, 3, 3000
LINK = ["--link.beat", f"{BEAT_MS}ms", "--link.misses", MISSES]


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


def allowed():
    """True when this process may make namespaces and virtual cables."""
    words = "ip link add v0 type veth peer name v1 && ip link add b0 type bridge"
    try:
        done = subprocess.run(["unshare", "-n", "sh", "-c", words], capture_output=True, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class NetworkCase(Case):
    """Each test runs again in a namespace of its own, as another process."""

    def inside(self):
        """True in that process; else the test's whole outcome is that process's."""
        if os.environ.get(INSIDE) == "1":
            ip("link", "set", "lo", "up")
            ip("link", "add", "bridge", "type", "bridge")
            ip("addr", "add", f"{HEAD}/24", "dev", "bridge")
            ip("link", "set", "bridge", "up")
            return True
        if not allowed():
            self.skipTest("no network namespaces here")
        done = subprocess.run(
            ["unshare", "-n", sys.executable, "-B", __file__, self.id().partition(".")[2]],
            env={**os.environ, INSIDE: "1"},
            capture_output=True,
            text=True,
            timeout=200,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return False

    def namespace(self, number):
        """A namespace behind a cable of its own; the process that holds it."""
        holder = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE
        )

        def end():
            holder.kill()
            holder.wait()
            holder.stdout.close()

        self.addCleanup(end)
        holder.stdout.readline()  # it is in its namespace
        ip("link", "add", f"cable{number}", "type", "veth", "peer", "name", "eth")
        ip("link", "set", "eth", "netns", str(holder.pid))
        ip("link", "set", f"cable{number}", "master", "bridge", "up")
        within = ["nsenter", "-t", str(holder.pid), "-n"]
        for words in (
            ["link", "set", "lo", "up"],
            ["addr", "add", f"10.209.0.{number + 2}/24", "dev", "eth"],
            ["link", "set", "eth", "up"],
        ):
            subprocess.run([*within, "ip", *words], check=True, timeout=20)
        return within

    def head(self, lost_ms=LOST_MS):
        return self.ready(
            *["--slots", "0", "--link", f"tcp://{HEAD}:{PORT}", *LINK, "--queue.retry_base", "1ms"],
            *["--link.lost_after", f"{lost_ms}ms"],
            listen=pods.steady_address(),
        )

    def joined(self, head, number):
        token = self.tayfa("link", "token", "--url", head.url, "--address", f"{HEAD}:{PORT}")
        self.assertEqual(token.returncode, 0, token.stderr)
        name = f"pod-{number}"
        pod = self.start(
            *["--slots", "2", "--name", name, *LINK],
            role="pod",
            wrapper=self.namespace(number),
            environment={"TAYFA_JOIN": token.stdout.strip()},
        )
        head.wait_for("pod_linked", pod=name)
        pod.wait_for("state", 150, machine="pod", to="READY")
        return pod


class black_hole(NetworkCase):
    def test_the_jobs_of_a_pod_whose_cable_is_pulled_run_elsewhere_and_end_once(self):
        if not self.inside():
            return
        head = self.head()
        fleet = [self.joined(head, number) for number in range(2)]
        ids = [head.run({"mock_return": i, "mock_delay": 0.5}) for i in range(24)]
        head.wait_for("state", machine="job", to="IN_PROGRESS", worker="pod-0/slot-0")
        ip("link", "set", "cable0", "down")
        pulled = time.monotonic()
        head.wait_for("pod_suspect", pod="pod-0")
        suspected = time.monotonic() - pulled
        fleet[0].wait_for("head_silent")
        head.wait_for("pod_lost", pod="pod-0")
        for job in ids:
            head.wait_job(job, "COMPLETED", 90)
        self.assertLess(suspected * 1000, LOST_MS, "a suspect is one before its work is lost")
        ip("link", "set", "cable0", "up")
        seen = len(head.lines)
        head.wait_for("pod_linked", 60, after=seen - 1, pod="pod-0")
        late = [head.run({"mock_return": 100 + i, "mock_delay": 0.2}) for i in range(12)]
        for job in late:
            head.wait_job(job, "COMPLETED", 60)
        for i, job in enumerate([*ids, *late]):
            self.assertEqual(head.status(job)["output"], i if i < 24 else 76 + i)
        ends = [x["job"] for x in head.moves("job") if x["to"] in case.FINAL]
        self.assertEqual(sorted(ends), sorted([*ids, *late]), "one end each")
        self.assertIn("pod-0", {head.detail(job)["workerId"].split("/")[0] for job in late})
        for pod in fleet:
            with contextlib.suppress(ProcessLookupError):
                self.assertEqual(pod.stop(), case.OK, pod.tail())
        self.assert_stops(head)

    def test_a_cable_that_is_out_for_a_moment_costs_nothing(self):
        if not self.inside():
            return
        head = self.head(60_000)  # TCP's own pauses after a loss grow to seconds
        pod = self.joined(head, 0)
        logs = [[{"level": "info", "message": f"runs job {i}"}] for i in range(2)]
        ids = [
            head.run({"mock_return": i, "mock_delay": 1.0, "mock_logs": logs[i]}) for i in range(2)
        ]
        for i in range(2):
            pod.wait_for("engine_says", text=f"runs job {i}")  # the pod has accepted it before
        ip("link", "set", "cable0", "down")
        head.wait_for("pod_suspect", pod="pod-0")
        ip("link", "set", "cable0", "up")
        for job in ids:
            head.wait_job(job, "COMPLETED", 60)
        self.assertEqual([head.detail(job)["attempts"] for job in ids], [1, 1])


if __name__ == "__main__":
    case.main()
