"""The commands that go on until somebody ends them: events and top."""

import json
import select
import signal

import case
from cli_case import FAILED, INTERRUPTED, NOBODY, OK, UNREACHABLE, Case, frames


class live(Case):
    def test_events_of_everything(self):
        pod = self.ready()
        watch = self.started(pod, "events", "--json")
        jobs = []
        while not select.select([watch.stdout], [], [], 0.2)[0]:  # until it listens
            self.assertLess(len(jobs), 100)
            jobs.append(pod.run({"mock_return": 1}))
        job = pod.run({"mock_return": 1})
        seen = []
        for line in self.lines_of(watch.stdout, watch):
            event = json.loads(line)
            if event["kind"] == "job" and event["data"]["id"] == job:
                seen.append(event["data"]["status"])
            if seen[-1:] == ["COMPLETED"]:
                break
        self.assertEqual(seen[-2:], ["IN_PROGRESS", "COMPLETED"])
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.wait(30), INTERRUPTED)

    def test_events_of_one_job_end_with_it(self):
        pod = self.ready()
        job = pod.run({"mock_delay": 60})
        watch = self.started(pod, "events", "--job", job)
        pod.wait_job(job, "IN_PROGRESS")
        self.good(pod, "cancel", job)
        out, text = watch.communicate(timeout=30)
        self.assertEqual(watch.returncode, OK, text)
        done = self.cli(pod, "events", "--job", job, timeout=30)
        self.assertEqual(done.returncode, OK, "it has ended already")
        self.assertEqual(self.cli(pod, "events", "--job", "no-such").returncode, FAILED)
        self.assertEqual(self.tayfa("events", "--url", NOBODY).returncode, UNREACHABLE)

    def test_top_once(self):
        pod = self.ready("--slots", "2")
        for _ in range(4):
            pod.run({"mock_delay": 60})
        done = pod.run({"mock_return": 1}, policy={"priority": 9})
        self.good(pod, "cancel", done)
        text = self.good(pod, "top", "--once")
        self.assertNotIn("\x1b", text)
        self.assertRegex(text, r"^tayfa top  http://127\.0\.0\.1:\d+  ready\njobs   queue ")
        for part in (r"\nSLOTS  2\nSLOT ", r"\nWAITING  2\nID ", r"\nLATEST ENDED  1\nID "):
            self.assertRegex(text, part)
        value = self.json_of(pod, "top", "--once")
        self.assertEqual(value["state"], "ready")
        self.assertEqual(len(value["slots"]), 2)
        self.assertEqual([job["id"] for job in value["ended"]], [done])
        self.assertEqual(self.tayfa("top", "--once", "--url", NOBODY).returncode, UNREACHABLE)

    def test_top_on_a_terminal(self):
        pod = self.ready()
        shown = self.terminal(pod, "top", width=100, height=24)
        shown.read_until(lambda text: "WAITING  0" in text and "q quit  p pause" in text)
        self.assertTrue(shown.text.startswith("\x1b[?1049h"))
        self.assertIn("\x1b[32mREADY\x1b[0m", shown.text)
        job = pod.run({"mock_delay": 0.2})
        shown.read_until(lambda text: f"{job}  \x1b[32mCOMPLETED" in text)
        shown.type("p")
        shown.read_until(lambda text: "paused" in text)
        shown.type("p")
        before = len(shown.text)
        shown.resize(50, 12)

        def fits(lines):
            return len(lines) <= 12 and max(map(len, lines)) <= 50

        shown.process.send_signal(signal.SIGWINCH)
        shown.read_until(lambda text: any(map(fits, frames(text))), after=before)
        shown.type("q")
        self.assertEqual(shown.wait(), OK)
        self.assertTrue(shown.text.rstrip().endswith("\x1b[?1049l"), "the screen is given back")

    def test_top_into_a_pipe(self):
        pod = self.ready()
        command = self.started(pod, "top", "--json")
        for _ in range(2):
            value = json.loads(self.line_of(command.stdout, command))
        self.assertGreater(value["rates"]["seconds"], 0)
        command.send_signal(signal.SIGINT)
        self.assertEqual(command.wait(30), INTERRUPTED)

    def test_top_without_colours(self):
        pod = self.ready()
        shown = self.terminal(pod, "top", environment={"NO_COLOR": "1"})
        shown.read_until(lambda text: "q quit" in text)
        self.assertNotRegex(shown.text, r"\x1b\[[0-9]*m")
        shown.type("\x03")
        self.assertEqual(shown.wait(), INTERRUPTED)
        self.assertTrue(shown.text.rstrip().endswith("\x1b[?1049l"))


if __name__ == "__main__":
    case.main()
