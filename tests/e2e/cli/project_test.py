# SPDX-License-Identifier: Apache-2.0
"""Commands that need no server: init, check, map, test, secrets."""
import json

import pytest


# ---- init, check ----
def test_a_new_project_is_good_and_its_test_passes(empty):
    empty.ok("init", "p")
    assert "is good" in empty.ok("check", "p/tieline.yaml").out
    assert "1 passed, 0 failed" in empty.ok("test", "p").out


def test_init_leaves_what_is_there_alone(empty):
    empty.write("mine.txt", "mine")
    done = empty.run("init")
    assert done.code == 1 and "not empty" in done.err
    assert [f.name for f in empty.folder.iterdir()] == ["mine.txt"]


def test_check_shows_all_errors_with_their_places(project):
    text = (project.folder / "tieline.yaml").read_text()
    project.write("bad.yaml", text.replace("order_by:", "orderby:").replace("connection: erp", "connection: epr"))
    done = project.run("check", "bad.yaml")
    assert done.code == 2 and "bad.yaml:" in done.err and "order_by" in done.err
    report = project.run("check", "bad.yaml", "--json")
    assert report.code == 2 and report.json["ok"] is False
    assert all(e["line"] > 0 and e["column"] > 0 for e in report.json["errors"])
    assert project.ok("check", "--json").json["ok"] is True


def test_check_says_which_secrets_do_not_resolve(project):
    gone = {"SHOP_SECRET": ""}
    del project.env["SHOP_SECRET"]
    done = project.ok("check")
    assert "SHOP_SECRET" in done.err and "1 do not resolve" in done.out
    done = project.run("check", "--secrets")
    assert done.code == 2 and "SHOP_SECRET" in done.err
    assert gone and project.ok("check", "--secrets", env={"SHOP_SECRET": "x"})


# ---- map ----
@pytest.mark.parametrize("args, stdin, out", [
    (["-c", "$sum(a)"], '{"a":[1,2]}\n{"a":[3]}', "3\n3\n"),
    (["-c", "{'b': a}"], '{"a":12.50}', '{"b":12.50}\n'),
    (["$"], '{"a":1}', '{\n  "a": 1\n}\n'),
    (["-r", "name"], '{"name":"Ann"}', "Ann\n"),
    (["nothing"], "{}", ""),
    (["-n", "1 + 1"], "", "2\n"),
    (["-n", "$boolean($)"], "", ""),
    (["-c", "--bindings", "b.json", "$x & y"], '{"y":"1"}', '"v1"\n'),
])
def test_map_evaluates_each_value(empty, args, stdin, out):
    empty.write("b.json", '{"x":"v"}')
    assert empty.ok("map", *args, stdin=stdin).out == out


def test_map_reads_files_and_mappings_of_each_language(empty):
    empty.write("one.json", '{"a":1}')
    empty.write("two.json", '{"a":2}')
    empty.write("m.jsonata", "a * 10")
    empty.write("m.jq", ".a + 1")
    assert empty.ok("map", "-f", "m.jsonata", "one.json", "two.json").out == "10\n20\n"
    assert empty.ok("map", "-f", "m.jq", "one.json", "two.json").out == "2\n3\n"
    assert empty.run("map", "$", "three.json").code == 3


def test_an_error_of_a_mapping_is_5_and_one_line_of_json(empty):
    done = empty.run("map", "-n", "--json", '1 + "a"')
    assert done.code == 5 and not done.out and done.err.count("\n") == 1
    error = json.loads(done.err)["error"]
    assert error["code"] == "T2002" and error["token"] == "+" and error["value"] == "a" and error["position"] >= 0
    error = json.loads(empty.run("map", "-n", "--json", "(1 +").err)["error"]
    assert error["code"].startswith("S") and error["message"]
    assert empty.run("map", "$", stdin="{nope}").code == 5


def test_values_before_the_error_are_printed(empty):
    done = empty.run("map", "-c", "$number(a)", stdin='{"a":"1"}{"a":"x"}{"a":"3"}')
    assert done.code == 5 and done.out == "1\n"


def test_explain_shows_lineage_and_what_nothing_reads(empty):
    empty.write("m.jsonata", "{'number': id, 'name': $uppercase(customer.name)}")
    empty.write("sample.json", '{"id":1,"customer":{"name":"a"},"extra":true}')
    report = empty.ok("map", "explain", "-f", "m.jsonata", "sample.json", "--json").json
    assert {f["target"]: f["sources"] for f in report["fields"]} == {"number": ["id"], "name": ["customer.name"]}
    assert report["unused"] == ["extra"]
    assert "uppercase" in empty.ok("map", "explain", "-f", "m.jsonata").out


# ---- test ----
CASES = """\
mapping: m.jsonata
cases:
  - { name: good, input: { a: 1 }, expected: { b: 1, c: [2, { d: x }] } }
  - { name: refused, input: { a: x }, error: T2001 }
  - { name: none, input: { a: 1, off: true } }
"""


def test_cases_pass_and_fail_with_a_difference(empty):
    empty.write("m.jsonata", "off ? undefined : {'b': a + 0, 'c': [2, {'d': 'x'}]}")
    empty.write("m.test.yaml", CASES)
    assert "3 passed, 0 failed" in empty.ok("test").out
    empty.write("n.test.yaml", CASES.replace("d: x", "d: y").replace("T2001", "D3030"))
    done = empty.run("test", "--json")
    assert done.code == 1 and done.json["passed"] == 4 and done.json["failed"] == 2
    text = empty.run("test").out
    assert "c[1].d\n    expected  \"y\"\n    got       \"x\"" in text


def test_a_whole_flow_shows_what_would_be_sent(project):
    project.write("flows.test.yaml", """\
config: tieline.yaml
cases:
  - name: mapped
    flow: orders
    event: { body: { id: 7, customer: { id: 3 } } }
    expected: { deliveries: [{ target: erp, body: { number: 7, customer: 3 } }] }
""")
    assert "1 passed, 0 failed" in project.ok("test").out


def test_no_tests_is_3(empty):
    assert empty.run("test").code == 3


# ---- secrets ----
def test_the_store_keeps_and_rotates_values_without_showing_them(empty):
    key, new_key = empty.ok("secrets", "key").out, empty.ok("secrets", "key").out
    env = {"TIELINE_SECRETS_KEY": key.strip()}
    empty.write("new.key", new_key)
    empty.ok("secrets", "set", "erp", stdin="value-one\n", env=env)
    assert "erp" in empty.ok("secrets", "list", env=env).out
    empty.ok("secrets", "rotate", "erp", stdin="value-two", env=env)
    listed = empty.ok("secrets", "list", "--json", env=env)
    assert listed.json["secrets"][0]["previous"] is True and "value" not in listed.out
    assert b"value-" not in (empty.folder / "secrets.tls").read_bytes()
    empty.ok("secrets", "rekey", "--new-key-file", "new.key", env=env)
    assert empty.run("secrets", "list", env=env).code == 2
    empty.ok("secrets", "rm", "erp", "--key-file", "new.key")
    assert empty.run("secrets", "rm", "erp", "--key-file", "new.key").code == 3
    assert empty.run("secrets", "list").code == 2


def test_an_empty_value_is_refused(empty):
    env = {"TIELINE_SECRETS_KEY": empty.ok("secrets", "key").out.strip()}
    assert empty.run("secrets", "set", "x", stdin="", env=env).code == 2


def test_a_second_document_names_a_key_that_is_known(project):
    text = (project.folder / "tieline.yaml").read_text()
    project.write("tieline.yaml", text + "---\nflows: {}\n")
    done = project.run("check")
    assert done.code == 2 and "a second document begins here" in done.err and "`include`" in done.err, done.err
    assert '"include"' in project.ok("schema").out and "`include`" in project.ok("reference", "configuration").out
    project.write("tieline.yaml", text + "incldue: [more.yaml]\n")
    assert "Did you mean `include`?" in project.run("check").err
    project.write("tieline.yaml", text + "include: more.yaml\n")
    project.write("more.yaml", "flows: { more: { from: { webhook: { path: /more, unsigned: true } }, to: { connection: erp, post: /more } } }\n")
    project.ok("check")
