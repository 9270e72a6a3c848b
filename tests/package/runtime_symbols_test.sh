#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# runtime_symbols_test.sh LIBCOPPICE_RT.A LIBCOPPICE_RUNTIME.SO NM STRIP [BYTES]: what a microcontroller gets (rt/c) and the vector
# kernels (rt/simd) ask nothing of the system: no memory, no output, no training. The shared library is small.
set -euo pipefail
library=$1 shared=$2 nm=$3 strip=$4
allowed='^(memcpy|memset|memmove|memcmp|coppice_.*|_GLOBAL_OFFSET_TABLE_)$'
wanted=$("$nm" --undefined-only "$library" 2>/dev/null | awk '
  /\.o:$/ { host = $0 ~ /(threads|usage|processors|kernels|cpu)\.c\.o:$/ }
  $1 == "U" && !host { print $2 }' | sort -u | grep -vE "$allowed" || true)
if [[ -n $wanted ]]; then
  echo "the runtime asks for: $wanted" >&2
  exit 1
fi
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
"$strip" -o "$stripped" "$shared"
bytes=$(stat -c %s "$stripped")
echo "$(basename "$shared"): $bytes bytes stripped"
((bytes < ${5:-400000}))
