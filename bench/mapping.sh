#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The ten mappings in one run: ours, npm jsonata, jq and gojq, text to text, each pinned to one core, by processor time; then the ratios.
#   bench/mapping.sh FOLDER MAPPING_BENCH   (FOLDER holds cases.json; JSONATA_DIR: node_modules/jsonata; SECONDS_A_CASE=0.5, ROUNDS=3)
set -eu
folder=$1
ours=$2
seconds=${SECONDS_A_CASE:-0.5}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
pin() { if command -v taskset >/dev/null; then taskset -c "${CORE:-1}" "$@"; else "$@"; fi; }

# Each engine's best of ROUNDS (3), the engines in turn: a neighbour on the machine slows down one round, not one engine.
round=0
while [ $round -lt "${ROUNDS:-3}" ]; do
    round=$((round + 1))
    pin "$ours" "$folder" "$seconds" >>"$out/ours.all"
    [ -z "${JSONATA_DIR:-}" ] || pin node -r "$(cd "$(dirname "$0")" && pwd)/cpu_clock.cjs" "$folder/node-baseline.mjs" --seconds "$seconds" --runs 3 >>"$out/node"
    for tool in jq gojq; do
        command -v $tool >/dev/null || continue
        for name in $(cut -d' ' -f1 "$out/ours.all" | sort -u); do
            [ -f "$folder/jq/$name.jq" ] || continue
            data=$(sed -n "s/.*\"$name\", \"data\": \"\([a-z.]*\)\".*/\1/p" "$folder/cases.json")
            case $data in items*) copies=8 ;; order*) copies=1000 ;; *) copies=5000 ;; esac
            i=0
            while [ $i -lt $copies ]; do cat "$folder/data/$data"; i=$((i + 1)); done >"$out/data"
            # what `times` says of children, user and system: 0m1.234s 0m0.056s
            (pin $tool -c -f "$folder/jq/$name.jq" "$out/data" >/dev/null && times) >"$out/spent"
            tail -n 1 "$out/spent" | awk -v name="$name" -v copies=$copies -F '[ms ]+' '{ print name, copies / ($1 * 60 + $2 + $3 * 60 + $4) }' >>"$out/$tool"
        done
    done
done
sort "$out/ours.all" | awk -F' [|] ' '!($1 in best) { names[++n] = $1 } $3 > best[$1] { best[$1] = $3; line[$1] = $0 }
    END { for (i = 1; i <= n; i++) print line[names[i]] }' >"$out/ours"
touch "$out/node" "$out/jq" "$out/gojq"
awk -v dir="$out" '
function rates(file, column, into,   line, f, n) {
    while ((getline line < (dir "/" file)) > 0) { n = split(line, f, /[ |]+/); if (f[column] + 0 > into[f[1]] + 0) into[f[1]] = f[column] + 0 }
}
function cell(rate,   r) { r = rate > 0 ? mine / rate : 0; return r > 0 ? sprintf("%9.1f %6.1fx", rate, r) : "        -       -" }
BEGIN {
    rates("node", 5, node); rates("jq", 2, jq); rates("gojq", 2, gojq)
    printf "%-24s %9s  %16s  %16s  %16s\n", "docs/s text to text", "ours", "npm jsonata", "jq", "gojq"
    while ((getline line < (dir "/ours")) > 0) {
        split(line, f, /[ |]+/); name = f[1]; mine = f[3]
        printf "%-24s %9.1f  %16s  %16s  %16s\n", name, mine, cell(node[name]), cell(jq[name]), cell(gojq[name])
        if (node[name] > 0) { n1++; s1 += log(mine / node[name]) }
        if (jq[name] > 0) { n2++; s2 += log(mine / jq[name]) }
        if (gojq[name] > 0) { n3++; s3 += log(mine / gojq[name]) }
    }
    printf "%-24s %9s  %16s  %16s  %16s\n", "geometric mean", "", n1 ? sprintf("%.1fx", exp(s1 / n1)) : "-",
        n2 ? sprintf("%.1fx", exp(s2 / n2)) : "-", n3 ? sprintf("%.1fx", exp(s3 / n3)) : "-"
}'
