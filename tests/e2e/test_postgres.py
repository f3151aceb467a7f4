"""A pod whose jobs are in a PostgreSQL: it, the database and both of them go away, and nothing that was
accepted is lost; the password is shown nowhere.
"""

import pathlib

import case
from case import BAD_CONFIG, BUSY, OK
from database_case import SECRET, DatabaseCase


class database(DatabaseCase):
    def assert_silent(self, pod):
        self.assertNotIn(SECRET, "\n".join(line.text for line in pod.lines))
        for path in pathlib.Path(pod.data).rglob("*"):
            if path.is_file():
                self.assertNotIn(SECRET.encode(), path.read_bytes(), path)

    def test_jobs_outlive_the_pod_and_the_database(self):
        first = self.pod("--slots", "0").wait_ready()
        jobs = [first.run({"mock_return": i}) for i in range(20)]
        large = first.run({"mock_return": "x" * 200_000})
        first.kill()
        self.stop_database()
        self.start_database()
        second = self.pod("--slots", "2", data=first.data)
        self.assertEqual(second.wait_for("store_opened")["waiting"], "21")
        second.wait_ready()
        for i, job in enumerate(jobs):
            self.assertEqual(self.output(second, job), i)
        self.assertEqual(self.output(second, large), "x" * 200_000)
        self.assertEqual(second.stop(), OK)
        self.assert_silent(first)
        self.assert_silent(second)

    def test_while_the_database_is_away_nothing_is_accepted_and_nothing_is_lost(self):
        pod = self.pod("--slots", "1").wait_ready()
        before = pod.run({"mock_delay": 1.0, "mock_return": "before"})
        pod.wait_for("state", machine="job", job=before, to="IN_PROGRESS")
        self.stop_database()
        answer = pod.post("/run", {"input": {}})
        self.assertEqual(answer.status, 503, answer.body)
        pod.wait_for("storage_away")
        self.start_database()
        pod.wait_for("storage_again")
        self.assertEqual(self.output(pod, before), "before")
        after = pod.run({"mock_return": "after"})
        self.assertEqual(self.output(pod, after), "after")
        self.assertEqual(pod.stop(), OK)
        self.assert_silent(pod)

    def test_a_second_pod_does_not_take_the_queue_of_one_that_lives(self):
        first = self.pod("--slots", "0").wait_ready()
        second = self.pod("--slots", "0")
        self.assert_exit(second, BUSY)
        self.assertIn("store_locked", second.tail())
        other = self.pod("--slots", "0", "--store.head", "other").wait_ready()
        self.assertEqual(other.stop(), OK)
        self.assertEqual(first.stop(), OK)

    def test_a_wrong_address_is_refused_in_words_without_the_password(self):
        wrong = self.start(
            "--store",
            "postgres",
            environment={"TAYFA_STORE_URL": self.url().replace("/postgres", "/nowhere")},
        )
        self.assert_exit(wrong, BAD_CONFIG)
        self.assertIn("nowhere", wrong.tail())
        self.assert_silent(wrong)
        shown = self.tayfa("config", environment=self.surroundings())
        self.assertEqual(shown.returncode, OK, shown.stderr)
        self.assertIn("postgresql://tayfa:***@", shown.stdout)
        self.assertNotIn(SECRET, shown.stdout + shown.stderr)


if __name__ == "__main__":
    case.main()
