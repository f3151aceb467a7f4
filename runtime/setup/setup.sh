#!/usr/bin/env bash
# Brings everything that Tayfa builds with: Debian packages (packages.txt), msgpack's headers and PyTorch's libtorch.
#
#   runtime/setup/setup.sh [--retry] [GROUP…]     GROUP of packages.txt: build (always), dev, bench
#
# Sources that Debian lacks go to $TAYFA_DEPS (default .deps), so that clones can share it. A second call asks dpkg
# once, compares one stamp and is done; several calls at the same time wait for each other. Without PyTorch it says
# so and succeeds: everything but the torch engine is built. --retry tries PyTorch again after such a failure.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/python.sh"
deps=${TAYFA_DEPS:-$root/.deps}
torch=${TAYFA_TORCH:-torch==2.13.0}
torch_free_gib=3

say() { printf 'set-up: %s\n' "$*"; }
die() { printf 'set-up: error: %s\n' "$*" >&2; exit 1; }

retry=no
groups=(build)
for argument in "$@"; do
  case $argument in
    --retry) retry=yes ;;
    build) ;;
    dev | bench) groups+=("$argument") ;;
    *) die "unknown argument '$argument' (usage: setup.sh [--retry] [dev] [bench])" ;;
  esac
done

[[ $deps == /* ]] || deps=$root/$deps

check_machine() {
  local system machine
  system=$(uname -s)
  machine=$(uname -m)
  [[ $system == Linux ]] || die "Tayfa runs on Linux; this is $system. Use a Debian 12 container (see Dockerfile)."
  case $machine in
    x86_64 | aarch64) ;;
    *) die "Tayfa is built for x86_64 and aarch64 (libtorch exists for no other); this is $machine." ;;
  esac
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    die "set-up installs Debian packages, but this system ($(system_name)) has no apt-get. Use Debian 12 (bookworm)," \
      "a system derived from it, or the Dockerfile."
  fi
}

system_name() {
  (. /etc/os-release 2>/dev/null && printf '%s' "${PRETTY_NAME:-unknown}") || printf 'unknown'
}

listed_packages() {
  local group
  for group in "${groups[@]}"; do
    awk -v group="$group" '$1 == group { print $2 }' "$here/packages.txt"
  done
}

missing_packages() {
  local wanted
  wanted=$(listed_packages)
  # dpkg-query fails when a name is unknown to it; what it knows as installed is all that matters.
  # shellcheck disable=SC2086
  comm -23 <(sort -u <<<"$wanted") \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | awk '$1 == "installed" { print $2 }' | sort -u)
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "these Debian packages are missing and this user may not install them: $(missing_packages | tr '\n' ' ')" \
      "Run set-up as root, or as root: apt-get install --no-install-recommends $(missing_packages | tr '\n' ' ')"
  fi
}

# Only a single package manager runs at a time on a machine: the lock is the package lists' own folder.
apt() {
  as_root flock /var/lib/apt env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 \
    -o Acquire::Retries=3 "$@"
}

# Debian starts a service as soon as it is installed; `make bench` wants the programs, not three servers on this machine.
policy=/usr/sbin/policy-rc.d
hold_services() {
  [[ " ${groups[*]} " == *" bench "* && ! -e $policy ]] || return 0
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  trap 'as_root rm -f "$policy"' EXIT
  as_root chmod 755 "$policy"
}

quietly() { # runs a command; its output is shown only when it fails
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || status=$?
  if ((status != 0)); then
    tail -n 40 "$log" >&2
  fi
  rm -f "$log"
  return "$status"
}

install_packages() {
  local missing unknown package
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} > 0)) || return 0
  as_root true # says what is missing when this user may not install it
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  quietly apt update || say "apt-get update failed; going on with the package lists that are there"
  unknown=()
  for package in "${missing[@]}"; do
    apt-cache show "$package" >/dev/null 2>&1 || unknown+=("$package")
  done
  ((${#unknown[@]} == 0)) || die "this system ($(system_name)) does not know: ${unknown[*]}. Tayfa's packages are those of" \
    "Debian 12 (bookworm); use it, a system derived from it, or the Dockerfile."
  hold_services
  quietly apt install -y --no-install-recommends "${missing[@]}" || die "apt-get install failed (its last lines are above)"
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) || die "still missing after apt-get install: ${missing[*]}"
}

install_msgpack() {
  [[ ! -f $deps/msgpack/usr/include/msgpack.hpp ]] || return 0
  say "unpacking msgpack's headers into $deps/msgpack"
  local work
  work=$(mktemp -d "$deps/msgpack.XXXXXX")
  if ! (cd "$work" && quietly apt-get -q -o Acquire::Retries=3 -o APT::Sandbox::User=root download libmsgpack-cxx-dev); then
    say "asking for fresh package lists"
    quietly apt update || true
    (cd "$work" && quietly apt-get -q -o Acquire::Retries=3 -o APT::Sandbox::User=root download libmsgpack-cxx-dev) ||
      { rm -rf "$work"; die "the package libmsgpack-cxx-dev could not be downloaded"; }
  fi
  dpkg-deb -x "$work"/libmsgpack-cxx-dev_*.deb "$work/tree"
  [[ -f $work/tree/usr/include/msgpack.hpp ]] || { rm -rf "$work"; die "libmsgpack-cxx-dev holds no msgpack.hpp"; }
  chmod 755 "$work/tree"
  rm -rf "$deps/msgpack"
  mv "$work/tree" "$deps/msgpack"
  rm -rf "$work"
}

torch_is_there() {
  local wanted=${torch##*==}
  "$deps/venv/bin/python" - "$wanted" <<'PYTHON' >/dev/null 2>&1
import importlib.metadata as metadata, importlib.util, pathlib, sys
have = metadata.version("torch")
folder = pathlib.Path(importlib.util.find_spec("torch").origin).parent
metadata.version("numpy")
wanted = sys.argv[1]
sys.exit(not ((have == wanted or have.split("+")[0] == wanted)
              and (folder / "share/cmake/Torch/TorchConfig.cmake").is_file()))
PYTHON
}

# Echoes nothing and fails with the reason in $no_torch when PyTorch cannot be had.
install_torch() {
  ! torch_is_there || return 0
  local python free
  python=$(find_python) || { no_torch="no python3 >= $python_least with venv and ensurepip"; return 1; }
  free=$(df -Pk "$deps" | awk 'NR == 2 { print int($4 / 1048576) }')
  ((free >= torch_free_gib)) || { no_torch="$free GiB free under $deps, $torch_free_gib GiB needed"; return 1; }
  say "installing $torch into $deps/venv (about 1 GB; several GB when it brings CUDA)"
  if ! "$deps/venv/bin/python" -m pip --version >/dev/null 2>&1; then
    quietly "$python" -m venv --clear "$deps/venv" || { no_torch="$python could not make a virtual environment"; return 1; }
  fi
  quietly "$deps/venv/bin/python" -m pip install --disable-pip-version-check --no-input --retries 2 "$torch" numpy ||
    { no_torch="pip could not install $torch (its last lines are above)"; return 1; }
  torch_is_there || { no_torch="the installed $torch has no CMake files, or is another version"; return 1; }
}

check_machine
install_packages

mkdir -p "$deps"
stamp=$deps/.stamp
key=$(cat "$here/setup.sh" "$here/packages.txt" <(printf '%s' "$torch") | sha256sum | cut -c1-32)

current() { # the stamp says that this very list is in place, and it still is
  [[ -f $stamp ]] || return 1
  local stamped outcome
  read -r stamped outcome <"$stamp" || return 1
  [[ $stamped == "$key" && -f $deps/msgpack/usr/include/msgpack.hpp ]] || return 1
  case $outcome in
    torch) [[ -x $deps/venv/bin/python ]] ;;
    without-torch)
      [[ $retry == no ]] || return 1
      say "PyTorch is not installed: the torch engine is not built ('make setup' tries again)"
      ;;
    *) return 1 ;;
  esac
}

if current; then
  exit 0
fi
exec 9<"$deps"
if ! flock -n 9; then
  say "waiting for another set-up of $deps"
  flock 9
fi
if current; then
  exit 0
fi
install_msgpack
outcome=torch
no_torch=
if ! install_torch; then
  outcome=without-torch
  say "PyTorch is NOT installed: $no_torch."
  say "Going on without it: all of Tayfa but the torch engine is built; its tests are reported as skipped."
fi
printf '%s %s\n' "$key" "$outcome" >"$stamp.new"
mv "$stamp.new" "$stamp"
if [[ $outcome == torch ]]; then
  say "done; PyTorch $("$deps/venv/bin/python" -c 'import importlib.metadata as m; print(m.version("torch"))') in $deps/venv"
else
  say "done, without PyTorch"
fi
