"""What the tests of this folder share: e2e's case, with the folder's own modules in reach."""

import concurrent.futures
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import case  # noqa: E402
import scenarios  # noqa: E402
from case import Case, main  # noqa: E402, F401

AT_ONCE = 16  # scenarios side by side: they wait most of their time


class ScenarioCase(Case):
    """Plays all scenarios of one worker side by side; each is a test of its own."""

    worker = ""

    @classmethod
    def setUpClass(cls):
        cls.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        cls.seen = {}
        cls.playing = {
            name: cls.pool.submit(scenarios.play, cls.worker, x)
            for name, x in scenarios.SCENARIOS.items()
            if cls.worker in x.workers and f"test_{name}" in cls.wanted()
        }

    @classmethod
    def wanted(cls):
        """Only what was asked for on the command line is played."""
        named = {x.partition(".")[2] for x in sys.argv[1:] if x.startswith(f"{cls.__name__}.")}
        return named or {f"test_{x}" for x in scenarios.SCENARIOS}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()
        scenarios.keep_wire(case.BUILD, cls.worker, cls.seen)

    def check(self, name):
        chosen = scenarios.SCENARIOS[name]
        facts, seen = self.playing[name].result(200)
        if chosen.wire:
            type(self).seen[name] = seen
        self.assertEqual(facts, scenarios.expected_of(self.worker, chosen))


def with_tests(cls):
    """Adds a test for each scenario of the class's worker."""
    for name, chosen in scenarios.SCENARIOS.items():
        if cls.worker in chosen.workers:
            setattr(cls, f"test_{name}", lambda self, name=name: self.check(name))
    return cls
