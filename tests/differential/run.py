#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our JSONata with npm jsonata on random expressions: run.py --seed N --count N [--keep] [--driver PATH]."""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading

from grammar import Grammar

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PEERS = os.path.join(ROOT, "build", "peers")


PATIENCE = 20  # seconds for one answer


class Worker:
    """A process that answers one line with one line; started again when it dies or takes too long."""

    def __init__(self, argv):
        self.argv, self.p = argv, None

    def ask(self, pair):
        if self.p is None:
            self.p = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        impatience = threading.Timer(PATIENCE, self.p.kill)
        impatience.start()
        try:
            self.p.stdin.write(json.dumps(pair).encode() + b"\n")
            self.p.stdin.flush()
            line = self.p.stdout.readline()
        except BrokenPipeError:
            line = b""
        impatience.cancel()
        if not line:
            code, self.p = self.p.wait(), None
            return {"crash": code}
        return json.loads(line)


def equal(a, b, slack=0.0):
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(float(a) - float(b)) <= slack * abs(float(a))
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(equal(x, y, slack) for x, y in zip(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k], slack) for k in a)
    return a == b


class Comparison:
    def __init__(self, ours, theirs):
        self.ours, self.theirs, self.skipped, self.starved, self.either_error = ours, theirs, 0, 0, 0

    def differ(self, pair):
        want = self.theirs.ask(pair)
        if "skip" in want:
            self.skipped += 1
            return None
        got = self.ours.ask(pair)
        if "crash" in want and "crash" not in got:
            self.starved += 1
            print(f"the reference died (out of memory, or after {PATIENCE} s): {pair['expr']}", flush=True)
            return None
        # V8 and libc round pow() differently in the last bit; letters as a number are powers of 26
        # (and a transform of the reference rounds all numbers to 15 digits)
        slack = 1e-15 if any(f in pair["expr"] for f in ("$power", "$parseInteger", "|", "$clone")) else 0.0
        if "~>" in pair["expr"] and want.get("position") in (35, 39):
            # inside function($f, $g) { function($x){ $g($f($x)) } }, which is how the reference joins f ~> g
            want, got = ({"code": a.get("code")} for a in (want, got))
        if equal(want, got, slack):
            return None
        if any(f in pair["expr"] for f in ("/", "$split", "$parseInteger")) and any(ord(c) > 0xffff for c in json.dumps(pair, ensure_ascii=False)):
            self.skipped += 1  # the reference counts UTF-16 units there
            return None
        if "code" in want and "code" in got and self.either(pair, got["code"]):
            self.either_error += 1
            return None
        return want, got

    def either(self, pair, code):
        """The reference evaluates the members of a constructor, and the groups of a group-by, at the same time and shows the
        error that needed fewer turns of its event loop; we go from left to right. So: with a member taken out, or with one
        member or one item alone, it has to show our error."""
        data, items = pair["data"], pair["data"].get("items")
        alone = [{**data, "items": [item]} for item in items] if isinstance(items, list) else []
        others = [(expr, data) for expr in without_a_member(pair["expr"])] + [(pair["expr"], less) for less in alone]
        answers = (self.theirs.ask({"expr": expr, "data": less}) for expr, less in others)
        return any(a.get("code") == code or "skip" in a for a in answers)  # skip: the reference breaks where we have an error


def without_a_member(expr):
    """The expression with one member of an array or object constructor made null, and with all others, for each of them."""
    shown, expr = expr, re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'', lambda m: "x" * len(m[0]), expr)  # brackets in texts do not count
    for begin, c in enumerate(expr):
        if c not in "[{":
            continue
        depth, start, spans = 0, begin + 1, []
        for j in range(begin, len(expr)):
            depth += (expr[j] in "([{") - (expr[j] in ")]}")
            if (depth == 1 and expr[j] == ",") or depth == 0:
                if c == "{" and ":" in expr[start:j]:
                    start = expr.index(":", start) + 1
                spans.append((start, j))
                start = j + 1
            if depth == 0:
                break
        for out in spans:
            yield nulled(shown, [out])
            yield nulled(shown, [span for span in spans if span != out])


def nulled(expr, spans):
    for start, end in reversed(spans):
        expr = expr[:start] + "null" + expr[end:]
    return expr


def smaller(pair):
    """Candidates: parts of the expression that stand alone, and data with less in it."""
    expr, data = pair["expr"], pair["data"]
    spans = []
    for i, c in enumerate(expr):
        if c in "([{":
            depth, start = 0, i
            for j in range(i, len(expr)):
                depth += (expr[j] in "([{") - (expr[j] in ")]}")
                if depth == 0:
                    begin = start
                    while begin and (expr[begin - 1].isalnum() or expr[begin - 1] == "$"):
                        begin -= 1
                    spans += [(begin, j + 1), (start + 1, j), (start, j + 1)]
                    break
    for a, b in spans:
        if 0 < b - a < len(expr):
            yield {"expr": expr[a:b], "data": data}
            for short in ('""', "1", "[]", "a"):
                if b - a > len(short):
                    yield {"expr": expr[:a] + short + expr[b:], "data": data}
    for piece in expr.split(", "):
        if len(piece) < len(expr):
            yield {"expr": piece, "data": data}
    if isinstance(data, dict):
        for key in data:
            yield {"expr": expr, "data": {k: v for k, v in data.items() if k != key}}
            if isinstance(data[key], (list, dict)) and data[key]:
                inner = data[key]
                for k in (list(inner) if isinstance(inner, dict) else range(len(inner))):
                    less = {x: y for x, y in inner.items() if x != k} if isinstance(inner, dict) else inner[:k] + inner[k + 1:]
                    yield {"expr": expr, "data": {**data, key: less}}


def shrink(comparison, pair, found):
    for _ in range(60):
        for candidate in smaller(pair):
            again = comparison.differ(candidate)
            if again and len(json.dumps(candidate)) < len(json.dumps(pair)):
                pair, found = candidate, again
                break
        else:
            break
    return pair, found


def install():
    """The reference, by the lock file beside this one, once."""
    lock = os.path.join(HERE, "package-lock.json")
    done = os.path.join(PEERS, "package-lock.json")
    with open(lock) as f:
        wanted = f.read()
    if os.path.isdir(os.path.join(PEERS, "node_modules", "jsonata")) and os.path.exists(done):
        with open(done) as f:
            if f.read() == wanted:
                return
    os.makedirs(PEERS, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, name), PEERS)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=PEERS, check=True)


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--count", type=int, default=20000)
    args.add_argument("--keep", action="store_true", help="append shrunk differences to cases.jsonl")
    args.add_argument("--most", type=int, default=20, help="stop after so many differences")
    args.add_argument("--driver", default=os.path.join(ROOT, "build", "dev", "bin", "jsonata_driver"))
    args = args.parse_args()
    install()
    comparison = Comparison(Worker([args.driver]), Worker(["node", "--max-old-space-size=1024", os.path.join(HERE, "reference.mjs"), PEERS]))
    grammar = Grammar(random.Random(args.seed))
    differences, seen = 0, set()
    for _ in range(args.count):
        pair = grammar.pair()
        found = comparison.differ(pair)
        if not found:
            continue
        differences += 1
        pair, (want, got) = shrink(comparison, pair, found)
        if pair["expr"] in seen:
            continue
        seen.add(pair["expr"])
        print(f"{pair['expr']}\n  data {json.dumps(pair['data'])}\n  want {json.dumps(want)}\n  got  {json.dumps(got)}", flush=True)
        if args.keep:
            with open(os.path.join(HERE, "cases.jsonl"), "a") as f:
                f.write(json.dumps({**pair, **(want if want else {"undefinedResult": True})}) + "\n")
        if len(seen) >= args.most:
            break
    print(f"seed {args.seed}: {args.count} pairs, {comparison.skipped} skipped (no JSON answer), "
          f"{comparison.starved} at which the reference died, "
          f"{comparison.either_error} with two errors seen in another order, {differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
