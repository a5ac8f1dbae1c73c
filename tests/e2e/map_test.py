# SPDX-License-Identifier: Apache-2.0
"""`tieline map`: the shared JSONata cases, streams, options, and what must not harm it; mapping languages in a flow."""
import json
import os
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.site import BIN, HANG_GUARD, project, until

SLOW = 4 if os.environ.get("TIELINE_TEST_PRESET") in ("asan", "tsan") else 1


def shared():
    root = Path(__file__).resolve().parents[2]
    for folder in (os.environ.get("TIELINE_SHARED"), root / "../shared", root / "../../shared"):
        if folder and (Path(folder) / "conformance/jsonata/cases.jsonl").exists():
            return Path(folder) / "conformance/jsonata"
    return None


class Answer:
    def __init__(self, argv, stdin, cwd, timeout):
        begin = time.monotonic()
        p = subprocess.run([BIN, "map", *map(str, argv)], input=stdin, capture_output=True, cwd=cwd, timeout=timeout)
        self.seconds = time.monotonic() - begin
        self.code, self.out, self.err = p.returncode, p.stdout.decode(), p.stderr.decode()
        assert "Sanitizer" not in self.err and "runtime error" not in self.err, self.err
        assert self.code in (0, 1, 2, 3, 5), f"{self.code}: {self.err}"

    @property
    def error(self):
        assert self.code == 5 and self.err.count("\n") == 1, f"{self.code}: {self.err}"
        return json.loads(self.err)["error"]

    @property
    def values(self):
        assert self.code == 0 and not self.err, self.err
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(tmp_path):
    """run(*words, stdin=text or bytes)"""
    return lambda *argv, stdin=b"", timeout=HANG_GUARD * 3: Answer(argv, stdin.encode() if isinstance(stdin, str) else stdin, tmp_path,
                                                        timeout)


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """What an expression without an end takes here until the limit of 3 s ends it."""
    got = Answer(["--json", "--time-limit", 3000, "($f := function($n){ $f($n + 1) }; $f(0))"], b"1", tmp_path_factory.mktemp("endless"), HANG_GUARD * 3)
    assert got.error["code"]
    return got.seconds


# ---- the cases of the language, as a user would run them ----
def same(a, b):
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return float(a) == float(b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


def unordered(a, b):
    rest = list(b)
    for x in a:
        at = next((i for i, y in enumerate(rest) if same(x, y)), None)
        if at is None:
            return False
        del rest[at]
    return not rest


def judge(case, folder, place):
    """None, or what is wrong."""
    place.mkdir()
    (place / "e.jsonata").write_bytes(case["expr"].encode("utf-8", "surrogatepass"))
    argv = ["--json", "-c", "--strict", "-f", place / "e.jsonata"]
    if case.get("bindings"):
        (place / "b.json").write_text(json.dumps(case["bindings"]))
        argv += ["--bindings", place / "b.json"]
    if "timelimit" in case:
        argv += ["--time-limit", case["timelimit"] * SLOW, "--depth", case["depth"]]
    if "data" in case:
        (place / "d.json").write_text(json.dumps(case["data"]))
        argv.append(place / "d.json")
    elif case.get("dataset"):
        argv.append(folder / "datasets" / f"{case['dataset']}.json")
    else:
        argv.append("--null-input")
    got = Answer(argv, b"", place, 120)
    if "code" in case or "error" in case:
        wanted = case.get("error") or {k: case[k] for k in ("code", "token") if k in case}
        if got.code != 5:
            return f"no error: {got.out[:200]}"
        return None if all(same(got.error.get(k), v) for k, v in wanted.items()) else f"{got.error}, not {wanted}"
    if got.code:
        return got.err
    if case.get("undefinedResult"):
        return f"not nothing: {got.out[:200]}" if got.out else None
    value = json.loads(got.out) if got.out else "nothing"
    ok = unordered(value, case["result"]) if case.get("unordered") else same(value, case["result"])
    return None if ok else f"{got.out[:200]}, not {json.dumps(case['result'])[:200]}"


def test_all_shared_cases_of_the_language(tmp_path):
    folder = shared()
    if not folder:
        pytest.skip("no shared cases")
    cases = [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda n: judge(cases[n], folder, tmp_path / str(n)), range(len(cases)))
        wrong = [f"{case['id']}: {text}" for case, text in zip(cases, found) if text]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)


# ---- streams and options ----
@pytest.mark.parametrize("argv, stdin, out", [
    (["-c", "$"], '{"a":1}\n{"a":2}\n[3]', '{"a":1}\n{"a":2}\n[3]\n'),
    (["-c", "$"], ' 1 "x"null[true]\n\n', '1\n"x"\nnull\n[true]\n'),
    (["a"], '{"a":1}{"b":2}{"a":3}', "1\n3\n"),
    (["$"], "", ""),
    (["--raw", "$"], '"two\\nlines" 1 {"a":"b"}', 'two\nlines\n1\n{\n  "a": "b"\n}\n'),
    (["--raw", "--compact", "$"], '["a"]', '["a"]\n'),
    (["--null-input", "$"], '{"a":1}', ""),
    (["--null-input", "$exists($)"], "", "false\n"),
    (["nothing"], "{}", ""),
    (["null"], "{}", "null\n"),
    (["-c", "$"], '{"a":1,"a":2}', '{"a":2}\n'),
    (["$"], '"\\ud800"', '"\\ud800"\n'),
])
def test_values_in_and_out(run, argv, stdin, out):
    got = run(*argv, stdin=stdin)
    assert (got.code, got.out, got.err) == (0, out, "")


def test_bindings_files_and_lines(run, tmp_path):
    (tmp_path / "b.json").write_text('{"rate": 2, "names": {"x": "y"}}')
    (tmp_path / "m.jsonata").write_text("/* doubled */\n{ 'v': v * $rate, 'n': $lookup($names, k) }\n")
    (tmp_path / "one.ndjson").write_text('{"v":1,"k":"x"}\n{"v":2}\n')
    (tmp_path / "two.json").write_text('{\n  "v": 3\n}')
    got = run("-c", "-f", "m.jsonata", "--bindings", "b.json", "one.ndjson", "two.json")
    assert got.values == [{"v": 2, "n": "y"}, {"v": 4}, {"v": 6}]
    assert run("-f", "m.jsonata", "absent.json").code == 3


def test_an_error_is_one_line_with_its_place(run):
    error = run("--json", "a + 1", stdin='{"a":"x"}').error
    assert error["code"] == "T2001" and error["position"] == 3 and error["token"] == "+" and error["value"] == "x"
    assert error["message"]
    error = run("--json", "-n", "a +").error
    assert error["code"] == "S0207" and error["token"] == "(end)"
    error = run("--json", "-n", "$error('stop\nhere')").error
    assert (error["code"], error["message"]) == ("D3137", "stop\nhere")
    error = run("--json", "$", stdin='{"a":').error
    assert error["message"] and "code" in error
    plain = run("a + 1", stdin='{"a":"x"}')
    assert plain.code == 5 and "T2001" in plain.err and plain.err.count("\n") == 1


# ---- what must not harm it ----
@pytest.mark.parametrize("expr, code", [
    ("($f := function($x){ 1 + $f($x) }; $f(1))", "U1001"),
    ("($f := function($x){ $f($x) }; $f(1))", "U1001"),
    ("($f := function($x){ [$f($x), $f($x)] }; $f(1))", "U1001"),
    ("$match($pad('', 40, 'a') & '!', /^(a+)+$/)", "U1001"),
    ("$replace($pad('', 60, 'x'), /(x+x+)+y/, '')", None),
    ("$contains($pad('', 40, 'x') & '!', /^(x|x|x)*y?$/)", None),
    ("($f := function($s, $n){ $n = 0 ? $s : $f($s & $s, $n - 1) }; $length($f('0123456789', 30)))", ("U1001", "U1002")),
    ("$pad('x', 10000000000)", None),
    ("[1..10000000000]", "D2014"),
    ("$sum([1..9000000].([1..9000000]))", None),
    ("$map([1..9000000], function($x){ [1..9000000] })", None),
    ("$eval($join([1..100000].'('))", None),
    ("$reduce([1..40], function($a){ $a & $a }, 'xxxxxxxxxx')", None),
    ("**.**.**.**.**.**.**.**", None),
])
def test_a_hostile_expression_ends_in_a_clear_error(run, endless, expr, code):
    data = json.dumps({"a": [[{"b": [1, {"c": [2, [3, {"d": 4}]]}]}] * 30] * 3})
    got = run("--json", "--time-limit", 3000, expr, stdin=data)
    assert got.seconds < 4 * endless, "the limit of time ends this as it ends what has no end"
    if code:
        assert got.error["code"] in code and got.error["message"]
    elif got.code:
        assert got.error["code"] and got.error["message"]


@pytest.mark.parametrize("text, words", [
    ("[" * 1000000 + "]" * 1000000, "deeper"),
    ('{"a":' * 1000000 + "1" + "}" * 1000000, "deeper"),
    ("[" * 1000000, "deeper"),
], ids=["arrays", "objects", "open"])
def test_a_deep_document_is_refused(run, text, words):
    error = run("--json", "$", stdin=text).error
    assert words in error["message"], error


@pytest.mark.parametrize("expr", ["$ + 1", "$string($)", "$", "$formatNumber($, '0')"])
def test_a_long_number_does_no_harm(run, expr):
    got = run("--json", "-c", expr, stdin="9" * 20_000_000)
    assert got.code in (0, 5)
    assert got.code == 0 or got.error["message"]


@pytest.mark.skipif(SLOW > 1, reason="sanitizers want several times the memory")
def test_a_number_of_a_gigabyte_is_answered_with_an_error(tmp_path):
    command = f"head -c 1000000000 /dev/zero | tr '\\0' 9 | {BIN} map --json '$ + 1'"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=120, text=True)
    error = json.loads(done.stderr)["error"]
    assert done.returncode == 5 and error["code"] == "D1001" and "Infinity" in error["message"]


def test_a_long_source_and_a_deep_one_are_refused(run, tmp_path):
    (tmp_path / "long").write_text("1" + " + 1" * 400000)
    (tmp_path / "deep").write_text("(" * 100000 + "1" + ")" * 100000)
    assert run("--json", "-n", "-f", "long").code == 5 or "larger" in run("-n", "-f", "long").err
    assert run("--json", "-n", "-f", "deep").error["message"]


# ---- other languages in a flow ----
TABLE = """\
fields:
  number: id
  total: { from: amount, type: decimal, scale: 2 }
  customer.name: { from: name, default: nobody }
"""
XSLT = """\
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text"/>
  <xsl:template match="/">{"number": "<xsl:value-of select="//id"/>"}</xsl:template>
</xsl:stylesheet>
"""
LANGUAGES = {
    "jq": ("m.jq", '{number: .id, total: (.amount | tostring), customer: {name: (.name // "nobody")}}',
           {"number": 7, "total": "12.5", "customer": {"name": "nobody"}}),
    "table": ("m.yaml", TABLE, {"number": 7, "total": 12.5, "customer": {"name": "nobody"}}),
    "xslt": ("m.xslt", XSLT, {"number": "7"}),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mapping_in_another_language_runs_in_a_flow(site, target, language):
    name, text, wanted = LANGUAGES[language]
    config = project(target, flow={"steps": [{"map": {"use": "m"}}]}, mappings={"m": {language: name}})
    s = site(config)
    (s.folder / name).write_text(text)
    s.start()
    order = {"id": 7, "amount": 12.5}
    ids = [s.post({"order": order} if language == "xslt" else order) for _ in range(3)]
    for id in ids:
        s.wait_state(id, "delivered")
    bodies = target.bodies()
    if language == "table":  # a decimal; JSON of Python has it as a text or a number
        bodies = [dict(b, total=float(b["total"])) for b in bodies]
    assert bodies == [wanted] * 3


def computes(pid):
    """One of its threads has worked for a fifth of a second."""
    times = [Path(f"/proc/{pid}/task/{t}/stat").read_text().rsplit(")", 1)[1].split() for t in os.listdir(f"/proc/{pid}/task")]
    return any(int(t[11]) > os.sysconf("SC_CLK_TCK") / 5 for t in times)


ENDLESS = "($f := function($n) { $f($n + 1) }; $f(0))"


@pytest.mark.parametrize("where", ["step", "map", "order_by", "body"])
def test_one_endless_expression_keeps_nobody_else_waiting(site, target, where):
    to = {"connection": "erp", "post": "/orders"}
    flow = {"step": {"steps": [{"map": {"jsonata": ENDLESS}}]}, "map": {"to": {**to, "map": {"jsonata": ENDLESS}}},
            "order_by": {"order_by": ENDLESS}, "body": {"to": {**to, "body": ENDLESS}}}[where]
    config = project(target, flow=flow)
    config["server"]["threads"] = 1
    s = site(config).start()
    answered = threading.Event()

    def post():
        try:
            s.post({"n": 1})
        except OSError:
            pass  # the server is killed at the end
        answered.set()

    sender = threading.Thread(target=post, daemon=True)
    sender.start()
    until(lambda: computes(s.process.pid))
    for _ in range(5):
        with urllib.request.urlopen(f"http://127.0.0.1:{s.port}/healthz", timeout=60) as r:
            assert r.status == 200
    if where == "order_by":
        assert not answered.is_set()
    else:
        assert answered.wait(60)
        assert [e["state"] for e in s.list()] in (["running"], ["queued"]), "it has ended: they waited for it"
    s.kill()
    sender.join(60)


def test_a_division_by_zero_is_dead_and_no_null_is_sent(site, target):
    s = site(project(target, flow={"steps": [{"map": {"jsonata": "{ 'price': total / pieces }"}}]})).start()
    shown = s.wait_state(s.post({"total": 10, "pieces": 0}), "dead")
    assert shown["event"]["class"] == "data" and "'price' is no number that JSON has" in shown["event"]["reason"]
    s.wait_state(s.post({"total": 10, "pieces": 4}), "delivered")
    assert target.bodies() == [{"price": 2.5}]
