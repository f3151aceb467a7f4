"""Shared parts of the tests of this folder: e2e's case, with the folder's own modules in reach."""

import concurrent.futures
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import case  # noqa: E402
import scenarios  # noqa: E402
from case import Case, main  # noqa: E402, F401

AT_ONCE = 16  # scenarios side by side: they wait most of their time
TEST_MOST = 200  # seconds for one test


def wanted(cls, tests):
    """Those that the command line asks for: all, or the ones that it names."""
    named = {x.partition(".")[2] for x in sys.argv[1:] if x.startswith(f"{cls.__name__}.")}
    return [x for x in tests if x in named] if named else list(tests)


def side_by_side(cls):
    """A class whose tests begin together after setUpClass(), since they mostly wait: RunPod's client
    sleeps for whole seconds. Each is still reported by its own name.
    """
    tests = {x: getattr(cls, x) for x in dir(cls) if x.startswith("test_")}
    before = cls.setUpClass

    def play(name):
        alone = cls(name)
        try:
            tests[name](alone)
        finally:
            alone.doCleanups()

    def set_up():
        before()
        pool = concurrent.futures.ThreadPoolExecutor(len(tests))
        cls.addClassCleanup(pool.shutdown)
        cls.playing = {x: pool.submit(play, x) for x in wanted(cls, tests)}

    cls.setUpClass = set_up
    for name in tests:
        setattr(cls, name, lambda self, name=name: self.playing[name].result(TEST_MOST))
    return cls


class ScenarioCase(Case):
    """Plays all scenarios of one worker side by side; each is a test of its own."""

    worker = ""

    @classmethod
    def setUpClass(cls):
        cls.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        cls.seen = {}
        cls.playing = {
            name: cls.pool.submit(scenarios.play, cls.worker, scenarios.SCENARIOS[name])
            for name in (x.removeprefix("test_") for x in wanted(cls, cls.tests()))
        }

    @classmethod
    def tests(cls):
        return [
            f"test_{name}" for name, x in scenarios.SCENARIOS.items() if cls.worker in x.workers
        ]

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()
        if len(cls.playing) == len(cls.tests()):
            scenarios.keep_wire(case.BUILD, cls.worker, cls.seen)

    def check(self, name):
        chosen = scenarios.SCENARIOS[name]
        facts, seen = self.playing[name].result(TEST_MOST)
        if chosen.wire:
            type(self).seen[name] = seen
        self.assertEqual(facts, scenarios.expected_of(self.worker, chosen))


def with_tests(cls):
    """Adds a test for each scenario of the class's worker."""
    for test in cls.tests():
        name = test.removeprefix("test_")
        setattr(cls, test, lambda self, name=name: self.check(name))
    return cls
