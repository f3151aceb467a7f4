"""Both workers on the stand-in platform: the one on RunPod's SDK, which shows that the stand-in is a
good one, and Tayfa.
"""

import platform_case
import scenarios_end  # noqa: F401
import scenarios_faults  # noqa: F401
import scenarios_work  # noqa: F401
from platform_case import ScenarioCase, with_tests


@with_tests
class sdk_worker(ScenarioCase):
    worker = "sdk"


@with_tests
class tayfa_worker(ScenarioCase):
    worker = "tayfa"


if __name__ == "__main__":
    platform_case.main()
