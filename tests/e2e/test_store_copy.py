"""`tayfa store copy`: a user whose queue outgrows one machine moves it from a file into a database."""

import case
from case import BAD_CONFIG, BUSY, OK
from database_case import SECRET, DatabaseCase


class store_copy(DatabaseCase):
    def copy(self, *arguments):
        return self.tayfa("store", "copy", *arguments, environment=self.surroundings())

    def fill(self):
        """A data folder with jobs in every state, and how each stands."""
        first = self.ready("--slots", "1", data=self.folder())
        jobs = {}
        jobs["COMPLETED"] = first.run({"mock_return": "x" * 200_000})
        first.wait_job(jobs["COMPLETED"], "COMPLETED")
        jobs["FAILED"] = first.run({"mock_error": "no"})
        first.wait_job(jobs["FAILED"], "FAILED")
        jobs["CANCELLED"] = first.run({}, policy={"delay": 100_000})
        first.post(f"/v2/tayfa/cancel/{jobs['CANCELLED']}")
        jobs["IN_PROGRESS"] = first.run({"mock_return": "ran", "mock_delay": 5})
        first.wait_job(jobs["IN_PROGRESS"], "IN_PROGRESS")
        jobs["IN_QUEUE"] = first.run({"mock_return": "waited", "text": "y" * 150_000}, key="key")
        jobs["delayed"] = first.run({"mock_return": "late"}, policy={"delay": 1_000})
        before = {name: first.detail(job) for name, job in jobs.items()}
        first.kill()
        return first, jobs, before

    def test_jobs_in_every_state_are_moved_and_served(self):
        first, jobs, before = self.fill()
        moved = self.copy(first.data, "postgres")
        self.assertEqual(moved.returncode, OK, moved.stderr)
        self.assertIn(f"{len(jobs)} jobs copied (3 have not ended)", moved.stdout)
        self.assertNotIn(SECRET, moved.stdout + moved.stderr)

        second = self.pod("--slots", "1").wait_ready()
        self.assertEqual(second.wait_for("store_opened")["jobs"], str(len(jobs)))
        self.assertEqual(second.status(jobs["COMPLETED"])["output"], "x" * 200_000)
        for name in ("COMPLETED", "FAILED", "CANCELLED"):
            after = second.detail(jobs[name])
            for field in ("status", "attempts", "inputBytes", "history", "error"):
                self.assertEqual(after.get(field), before[name].get(field), (name, field))
        for name, output in (("IN_PROGRESS", "ran"), ("IN_QUEUE", "waited"), ("delayed", "late")):
            second.wait_job(jobs[name], "COMPLETED")
            self.assertEqual(second.status(jobs[name])["output"], output)
        self.assertEqual(
            second.run({"mock_return": "waited", "text": "y" * 150_000}, key="key"),
            jobs["IN_QUEUE"],
        )
        self.assertEqual(second.stop(), OK)

        # The old place is not served again by mistake.
        again = self.start("--slots", "1", data=first.data)
        self.assert_exit(again, BAD_CONFIG)
        self.assertIn("copied to", again.tail())

        # And back, when it has grown smaller again.
        back = self.folder() / "back"
        home = self.copy("postgres", back)
        self.assertEqual(home.returncode, OK, home.stderr)
        third = self.ready("--slots", "1", data=back)
        self.assertEqual(third.status(jobs["IN_QUEUE"])["output"], "waited")
        self.assertEqual(third.stop(), OK)

    def test_stores_that_are_served_are_refused(self):
        served = self.ready("--slots", "0")
        refused = self.copy(served.data, "postgres")
        self.assertEqual(refused.returncode, BUSY, refused.stderr)
        served.run({})
        self.assertEqual(served.stop(), OK)
        head = self.pod("--slots", "0").wait_ready()
        refused = self.copy(served.data, "postgres")
        self.assertEqual(refused.returncode, BUSY, refused.stderr)
        self.assertIn("head main is used by another process", refused.stderr)
        refused = self.copy(served.data, "postgres", "--head", "other")
        self.assertEqual(refused.returncode, BAD_CONFIG, refused.stderr)
        self.assertIn("head main uses the target's database", refused.stderr)
        self.assertEqual(head.stop(), OK)

    def test_a_copy_can_be_started_again_until_the_target_is_served(self):
        first, jobs, _ = self.fill()
        self.assertEqual(self.copy(first.data, "postgres").returncode, OK)
        again = self.copy(first.data, "postgres")
        self.assertEqual(again.returncode, OK, again.stderr)
        self.assertIn(f"{len(jobs)} of them had been copied before", again.stdout)
        second = self.pod("--slots", "1").wait_ready()
        second.wait_job(jobs["IN_QUEUE"], "COMPLETED")
        self.assertEqual(second.stop(), OK)
        refused = self.copy(first.data, "postgres")
        self.assertEqual(refused.returncode, BAD_CONFIG)
        self.assertIn("has been served since an earlier copy", refused.stderr)

    def test_what_is_no_store_is_refused_in_words(self):
        refused = self.copy(self.folder(), "postgres")
        self.assertNotEqual(refused.returncode, OK)
        self.assertIn("is no data folder with jobs in it", refused.stderr)
        wrong = self.copy(self.folder(), "postgresql://tayfa:" + SECRET + "@[/x")
        self.assertNotEqual(wrong.returncode, OK)
        self.assertNotIn(SECRET, wrong.stdout + wrong.stderr)


if __name__ == "__main__":
    case.main()
