#!/usr/bin/env bash
# Runs every libFuzzer program of a build folder for a while: fuzz.sh BUILD_DIR SECONDS
#
# A program is any executable named fuzz_*; its seeds are tests/fuzz/corpus/<name without fuzz_> when that folder is
# there. What it learns stays in the build folder. A finding ends the run with the input that caused it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${1:?usage: fuzz.sh BUILD_DIR SECONDS}
seconds=${2:?usage: fuzz.sh BUILD_DIR SECONDS}
[[ $build == /* ]] || build=$root/$build

mapfile -t programs < <(find "$build" -type f -name 'fuzz_*' -perm -u+x -not -path '*/CMakeFiles/*' | sort)
((${#programs[@]} > 0)) || { printf 'fuzz: error: %s holds no program named fuzz_*\n' "$build" >&2; exit 1; }

export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
for program in "${programs[@]}"; do
  name=$(basename "$program")
  learned=$build/corpus/$name
  found=$build/findings/$name-
  mkdir -p "$learned" "$build/findings"
  seeds=()
  if [[ -d $root/tests/fuzz/corpus/${name#fuzz_} ]]; then
    seeds=("$root/tests/fuzz/corpus/${name#fuzz_}")
  fi
  printf 'fuzz: %s for %s s\n' "$name" "$seconds"
  log=$build/findings/$name.log
  if ! "$program" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$found" -print_final_stats=1 "$learned" "${seeds[@]}" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    printf 'fuzz: error: %s found something; its input lies beside %s\n' "$name" "$log" >&2
    exit 1
  fi
  awk '/stat::number_of_executed_units/ { runs = $2 } /stat::peak_rss_mb/ { mb = $2 } /cov:/ { cov = $0 }
    END { match(cov, /cov: [0-9]+/); printf "fuzz:   %s inputs, %s, %s MB\n", runs, substr(cov, RSTART, RLENGTH), mb }' "$log"
done
printf 'fuzz: %s programs, nothing found\n' "${#programs[@]}"
