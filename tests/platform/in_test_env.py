#!/usr/bin/env python3
"""Runs a test with the Python of the test environment.

in_test_env.py VENV SCRIPT [ARGUMENT…]

Skipped (77) only where the environment is switched off; where it is merely missing, that is an
error.
"""

import os
import pathlib
import sys

SKIPPED = 77


def main():
    venv, script, *arguments = sys.argv[1:]
    if os.environ.get("TAYFA_NO_TEST_VENV") == "1":
        print("skipped: the test environment is switched off (TAYFA_NO_TEST_VENV=1)")
        return SKIPPED
    python = pathlib.Path(venv) / "bin/python"
    if not (pathlib.Path(venv) / ".made-from").is_file():
        build = pathlib.Path(venv).parent
        print(f"{venv} is not there; make it: runtime/setup/test_env.sh {build}", file=sys.stderr)
        return 1
    os.execv(python, [str(python), "-B", script, *arguments])


if __name__ == "__main__":
    sys.exit(main())
