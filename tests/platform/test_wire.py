"""The wire logs of both workers, which test_scenarios.py has left, differ only where
differences.py says so.
"""

import platform_case
import scenarios
from differences import ALLOWED
from platform_case import Case
from wire_facts import all_differences, differences, sent_facts


class same_wire(Case):
    def logs(self):
        kept = [scenarios.kept_wire(platform_case.case.BUILD, x) for x in ("sdk", "tayfa")]
        self.assertNotIn(None, kept, "test_scenarios.py has not left both logs")
        return kept

    def test_both_were_heard(self):
        sdk, tayfa = self.logs()
        self.assertEqual(sorted(sdk), sorted(tayfa))
        self.assertGreater(len(sdk), 15)
        kinds = {kind for seen in sdk.values() for kind, *_ in seen}
        self.assertEqual(kinds, {"take", "stop", "ping", "progress", "stream", "result"})

    def test_what_differs_is_on_the_list(self):
        sdk, tayfa = self.logs()
        unknown, used = {}, set()
        for name, kind, field, only_sdk, only_tayfa in all_differences(sdk, tayfa):
            rows = [x for x in ALLOWED if x.covers(kind, field)]
            used.update(rows)
            if not rows:
                unknown.setdefault((kind, field, str(only_sdk), str(only_tayfa)), name)
        words = "\n".join(
            f"{name}: {kind}, {field}: the SDK says {one[:300]}, Tayfa says {other[:300]}"
            for (kind, field, one, other), name in sorted(unknown.items())
        )
        self.assertEqual(words, "", f"unknown differences:\n{words}")
        idle = [f"{x.kind}, {x.field}" for x in ALLOWED if x not in used]
        self.assertEqual(idle, [], "rows of differences.py that no difference needs")

    def test_the_comparison_sees_a_difference(self):
        said = ["result", "j1", "POST", "/v2/e/job-done/w1/j1?gpu=x&isStream=false"]
        headers = [["Host", "127.0.0.1:1"], ["Content-Length", "16"]]
        sdk = [[*said, headers, '{"output": "x"}']]
        self.assertEqual(differences(sdk, [[*said, headers, '{"output":"x"}']]), [])
        self.assertEqual(
            differences(sdk, [[*said, headers[::-1], '{"output": "x"}']]),
            [("result", "header order", ["Host Content-Length"], ["Content-Length Host"])],
        )
        self.assertEqual(
            differences(sdk, [[*said, headers, '{"output": "y"}']]),
            [("result", "body", ['{"output": "x"}'], ['{"output": "y"}'])],
        )
        self.assertIn(("posts", "kinds"), sent_facts(sdk))
        self.assertEqual(len(differences(sdk, [])), len(sent_facts(sdk)))


if __name__ == "__main__":
    platform_case.main()
