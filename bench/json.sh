#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# JSON parse and write of ours, jansson and simdjson (where g++ and libsimdjson-dev are there), one file after another.
#   bench/json.sh JSON_BENCH FILE...
set -eu
here=$(dirname "$0")
ours=$1
shift
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
peer=
if command -v g++ >/dev/null && g++ -O3 -std=c++17 -w -o "$out/peer" "$here/json_simdjson.cpp" -lsimdjson 2>/dev/null; then
    peer=$out/peer
fi
for file; do
    "$ours" "$file"
    [ -z "$peer" ] || "$peer" "$file"
done
