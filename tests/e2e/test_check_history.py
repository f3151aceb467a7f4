"""The checker of histories finds each kind of broken promise, and nothing in a history without one."""

import copy
import unittest

import case
from case import Case  # noqa: F401
import check_history


def events(*rows):
    return [dict(event=name, at=float(at), **members) for at, (name, members) in enumerate(rows)]


def good():
    """One job that completes, one that is cancelled, one that fails."""
    return [
        ("submit", {"key": "a", "state": "COMPLETED", "output": "A"}),
        ("accepted", {"key": "a", "id": "1"}),
        ("submit", {"key": "b", "state": "COMPLETED", "output": "B"}),
        ("accepted", {"key": "b", "id": "2"}),
        ("submit", {"key": "c", "state": "FAILED", "output": None}),
        ("refused", {"key": "c", "status": 503}),
        ("accepted", {"key": "c", "id": "3"}),
        ("ran", {"id": "1", "worker": "x"}),
        ("read", {"id": "1", "state": "IN_PROGRESS", "output": None, "error": None, "asked": 7.0}),
        ("read", {"id": "1", "state": "COMPLETED", "output": "A", "error": None, "asked": 8.0}),
        ("cancelled", {"id": "2", "state": "CANCELLED", "asked": 9.0}),
        ("read", {"id": "2", "state": "CANCELLED", "output": None, "error": None, "asked": 11.0}),
        ("delivered", {"id": "1", "state": "COMPLETED", "output": "A"}),
        ("read", {"id": "3", "state": "FAILED", "output": None, "error": "e", "asked": 13.0}),
        ("end", {}),
    ]


class HistoryCase(unittest.TestCase):
    def faults(self, rows):
        return check_history.check(events(*rows))[0]

    def assert_finds(self, words, change):
        rows = copy.deepcopy(good())
        change(rows)
        found = self.faults(rows)
        self.assertTrue(any(words in x for x in found), f"{words!r} not in {found}")


class history(HistoryCase):
    def test_a_good_history_has_no_fault_and_is_counted(self):
        found, summary = check_history.check(events(*good()))
        self.assertEqual(found, [])
        self.assertEqual(summary["jobs"], 3)
        self.assertEqual(summary["states"], {"CANCELLED": 1, "COMPLETED": 1, "FAILED": 1})
        self.assertEqual((summary["runs"], summary["run again"]), (1, 0))

    def test_a_lost_job(self):
        self.assert_finds("is lost", lambda rows: rows.pop(13))

    def test_a_history_without_its_end(self):
        self.assert_finds("no end", lambda rows: rows.pop())

    def test_two_results(self):
        second = ("read", dict(good()[9][1], output="other", asked=14.0))
        self.assert_finds("two results", lambda rows: rows.insert(14, second))

    def test_two_states(self):
        second = ("read", dict(good()[9][1], state="FAILED", output=None, asked=14.0))
        self.assert_finds("two results", lambda rows: rows.insert(14, second))

    def test_another_error_later(self):
        second = ("read", dict(good()[13][1], error="another", asked=14.0))
        self.assert_finds("two results", lambda rows: rows.insert(14, second))

    def test_a_webhook_with_another_result(self):
        self.assert_finds("two results", lambda rows: rows[12][1].update(output="other"))

    def test_a_webhook_that_is_not_final(self):
        self.assert_finds("not final", lambda rows: rows[12][1].update(state="IN_QUEUE"))

    def test_a_final_state_that_is_taken_back(self):
        later = ("read", dict(good()[8][1], state="IN_QUEUE", asked=14.0))
        self.assert_finds("again", lambda rows: rows.insert(14, later))

    def test_an_answer_that_was_asked_for_before_the_end_may_come_after_it(self):
        rows = good()
        rows.insert(14, ("read", dict(good()[8][1], asked=9.0)))
        self.assertEqual(self.faults(rows), [])

    def test_the_wrong_output(self):
        def change(rows):
            rows[9][1]["output"] = rows[12][1]["output"] = "B"

        self.assert_finds("had to end as", change)

    def test_a_cancel_that_did_not_hold(self):
        def change(rows):
            rows[11][1].update(state="COMPLETED", output="B")

        self.assert_finds("its cancel was answered", change)

    def test_a_cancel_that_left_the_job_open(self):
        self.assert_finds("the job is", lambda rows: rows[10][1].update(state="IN_QUEUE"))

    def test_a_cancellation_of_nobody(self):
        def change(rows):
            rows[9][1].update(state="CANCELLED", output=None)
            rows[12][1].update(state="CANCELLED", output=None)

        self.assert_finds("nobody was told", change)

    def test_one_key_and_two_jobs(self):
        second = ("accepted", {"key": "a", "id": "9"})
        self.assert_finds("two jobs", lambda rows: rows.insert(14, second))

    def test_one_id_and_two_keys(self):
        self.assert_finds("was given to", lambda rows: rows[3][1].update(id="1"))

    def test_a_job_of_nobody(self):
        self.assert_finds("no client was given", lambda rows: rows[9][1].update(id="77"))


if __name__ == "__main__":
    case.main()
