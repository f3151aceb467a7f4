#!/bin/sh
# Runs the compiler through ccache, so that clones share their objects: compile.sh CCACHE COMPILER ARGUMENT…
#
# ccache makes paths below the clone relative. The bytes of a precompiled header differ each time that it is compiled.
# So ccache compares a sum instead: of the header's preprocessed text with its macros, and of the compiler's arguments.
set -eu

root=${0%/runtime/setup/compile.sh}
export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$root}"
export CCACHE_NOHASHDIR="${CCACHE_NOHASHDIR:-1}"
export CCACHE_SLOPPINESS="${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_ctime,include_file_mtime}"
export CCACHE_PCH_EXTSUM="${CCACHE_PCH_EXTSUM:-1}"

case " $* " in
*' -x c++-header '*) ;;
*) exec "$@" ;;
esac

# preprocess COMPILER ARGUMENT…: prints what decides the header's content; the arguments that name outputs do not.
preprocess() {
  previous=
  for argument; do
    shift
    case $previous$argument in
    -o* | -MF* | -MT* | -MD | -c) ;;
    *) set -- "$@" "$argument" ;;
    esac
    case $argument in
    -o | -MF | -MT) previous=$argument ;;
    *) previous= ;;
    esac
  done
  printf '%s\n' "$@" && "$@" -E -dD
}

header=
previous=
for argument; do
  [ "$previous" != -o ] || header=$argument
  previous=$argument
done

# A precompiled header knows the files that it was made of by their bytes, comments too: one that ccache found by the
# preprocessed text could not stand for them, and `#pragma once` would fail. So ccache compares the files here.
export CCACHE_DEPEND=1
export CCACHE_NAMESPACE="${CCACHE_NAMESPACE:-whole-files}"

# The compiler reads a precompiled header in place of the header's text: the old one goes, and the sum is made first.
rm -f "$header" "$header.sum"
text=${header%.*}.text
(shift && preprocess "$@") >"$text" || rm -f "$text"
"$@"

# Without a sum, ccache compares the precompiled header itself.
if [ -f "$text" ]; then
  sed -e "s|$PWD|.|g" -e "s|$root|..|g" "$text" | sha256sum >"$header.sum"
  rm -f "$text"
fi
