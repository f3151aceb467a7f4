#!/usr/bin/env bash
# Configures (only when something that decides the configuration changed) and builds.
#
#   runtime/setup/build.sh BUILD_DIR [-DNAME=VALUE…] [-- TARGET…]
#
# Compiled objects are shared between clones through ccache (compile.sh).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
deps=${TAYFA_DEPS:-$root/.deps}
[[ $deps == /* ]] || deps=$root/$deps
build=${1:?usage: build.sh BUILD_DIR [-DNAME=VALUE…] [-- TARGET…]}
shift
[[ $build == /* ]] || build=$root/$build

options=()
while (($# > 0)) && [[ $1 != -- ]]; do
  options+=("$1")
  shift
done
(($# == 0)) || shift

# libtorch may come or go between two builds; CMake itself would not look again.
torch=$(compgen -G "$deps/venv/lib/python3*/site-packages/torch/share/cmake/Torch/TorchConfig.cmake" || true)
wanted=$(printf '%s\n' "$root" "$deps" "$torch" "${CC:-}" "${CXX:-}" "${options[@]}")
stamp=$build/.configured-with
if [[ ! -f $build/build.ninja || ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
  printf 'build: configuring %s\n' "$build"
  mkdir -p "$build"
  # A cache written by another clone, compiler or libtorch would win over what is asked for now.
  rm -f "$build/CMakeCache.txt" "$stamp"
  log=$build/configure.log
  if ! cmake -G Ninja -S "$root" -B "$build" "-DTAYFA_DEPS=$deps" "${options[@]}" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    printf 'build: error: cmake failed; the whole log is %s\n' "$log" >&2
    exit 1
  fi
  grep -E '^-- libtorch:|NOT built' "$log" || true
  printf '%s' "$wanted" >"$stamp"
fi
NINJA_STATUS=${NINJA_STATUS:-[%f/%t] } exec nice -n 5 ninja -C "$build" ${JOBS:+-j "$JOBS"} "$@"
