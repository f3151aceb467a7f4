#!/usr/bin/env bash
# Makes the environment of tests/platform: others' programs, with which Tayfa must get along.
#
#   runtime/setup/test_env.sh BUILD_DIR        BUILD_DIR/test-venv, from tests/platform/requirements.txt, and in it npm/,
#                                              from tests/platform/npm (exact versions and hashes)
#
# Nothing is done while the requirements and python stay the same. TAYFA_NO_TEST_VENV=1 switches it off: those tests are
# then reported as skipped. Any other way of not having it is an error, so that no test is skipped by accident.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/python.sh"
build=${1:?usage: test_env.sh BUILD_DIR [bench]}
[[ $build == /* ]] || build=$root/$build
case ${2:-test} in
  test) requirements=$root/tests/platform/requirements.txt modules=$root/tests/platform/npm ;;
  bench) requirements=$root/tests/bench/frameworks/requirements.txt modules= ;;
  *) printf 'usage: test_env.sh BUILD_DIR [bench]\n' >&2; exit 1 ;;
esac
venv=$build/${2:-test}-venv
stamp=$venv/.made-from

say() { printf 'test environment: %s\n' "$*"; }
die() { printf 'test environment: error: %s\n' "$*" >&2; exit 1; }

if [[ ${TAYFA_NO_TEST_VENV:-} == 1 ]]; then
  say "switched off (TAYFA_NO_TEST_VENV=1): tests/platform is skipped"
  exit 0
fi

python=$(find_python) || die "no python3 >= $python_least with venv and ensurepip (Debian: python3-venv)." \
  "Without RunPod's programs to test against: make test TAYFA_NO_TEST_VENV=1"
key=$(cat "$requirements" ${modules:+"$modules"/*.json} "$here/test_env.sh" <("$python" -VV) | sha256sum | cut -c1-32)

current() { [[ -f $stamp && $(<"$stamp") == "$key" && -x $venv/bin/python ]]; }

! current || exit 0
mkdir -p "$build"
exec 9<"$build"
flock 9
! current || exit 0

# npm looks beside itself for node, keeps its cache to itself, and runs nothing of what it installs.
install_modules() {
  [[ -n $modules ]] || return 0
  mkdir "$venv/npm" && cp "$modules"/*.json "$venv/npm" &&
    (cd "$venv/npm" && PATH=$venv/bin:$PATH npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier \
      --cache "$venv/npm/.cache") && rm -rf "$venv/npm/.cache"
}

say "installing $(grep -cvE '^(#|$)' "$requirements") packages and what they need into $venv"
log=$venv.log
if ! { "$python" -m venv --clear "$venv" &&
  "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --retries 3 -r "$requirements" &&
  install_modules; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  die "$requirements${modules:+ or $modules} could not be installed (the whole log is $log)." \
    "To test without RunPod's programs: make test TAYFA_NO_TEST_VENV=1"
fi
printf '%s' "$key" >"$stamp"
