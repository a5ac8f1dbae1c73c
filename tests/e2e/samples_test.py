# SPDX-License-Identifier: Apache-2.0
"""Golden samples: the cases beside a mapping, run by the server and by `tieline test` alike, and new ones for their file."""
import subprocess

import pytest
import yaml
from support.site import BIN, free_port, project
from support.web import Web

MAPPING = "{'number': id, 'total': $sum(lines.price)}"
CASES = """\
# what the shop sends
mapping: order.jsonata
cases:
  - { name: two lines, input: { id: 7, lines: [ { price: 2 }, { price: 3 } ] }, expected: { number: 7, total: 5 } }
  - { name: a text as price, input: { id: 8, lines: [ { price: x } ] }, error: T0412 }
  - { name: from a file, input_file: other.json, expected: {} }"""
OPERATOR = "an-operator-of-the-tests-00000000"


@pytest.fixture
def play(site, target):
    def start(cases=CASES):
        s = site(project(target, flow={"steps": [{"map": "order"}]}, mappings={"order": {"jsonata": "order.jsonata"}},
                         admin={"listen": f"127.0.0.1:{free_port()}", "tokens": [{"name": "ops", "role": "operator", "secret": "${env:OPS}"}]}), env={"OPS": OPERATOR})
        (s.folder / "order.jsonata").write_text(MAPPING)
        if cases:
            (s.folder / "order.test.yaml").write_text(cases)
        return s.start()
    return start


def run(s, **more):
    return s.do("/v1/mappings/samples/run", {"name": "order", **more})


def tieline_test(s):
    return subprocess.run([BIN, "test", "order.test.yaml"], cwd=s.folder, capture_output=True, text=True, timeout=60)


def test_samples_are_run_against_the_mapping_in_force_and_an_edited_one(play):
    s = play()
    r = run(s)
    assert (r["passed"], r["failed"], r["there"]) == (2, 0, True) and r["samples"][2]["ok"] is None and "tieline test" in r["samples"][2]["why"], r
    r = run(s, source=MAPPING.replace("id,", "id + 1,"))
    assert (r["passed"], r["failed"]) == (1, 1) and r["samples"][0]["expected"]["number"] == 7 and r["samples"][0]["output"]["number"] == 8, r
    r = s.call("POST", "/v1/mappings/samples/run", {"name": "order", "source": "{"})
    assert r.status == 400 and "does not compile" in r.text
    assert r.text.count("does not compile") == 1 and "Expected" in r.text, r.text


def test_a_new_sample_is_proposed_by_operators_and_written_by_admins_for_tieline_test(play):
    s = play(CASES.rsplit("\n", 1)[0])  # the last line ends without a line break
    sample = {"name": "order", "sample": 'an order: "express", #1', "input": {"id": 9, "lines": [{"price": 4}], "note": "a\nb: c"}}
    web = Web(int(s.config["admin"]["listen"].rsplit(":", 1)[1]), OPERATOR)
    proposed = web.post("/v1/mappings/samples/propose", sample)
    assert proposed["written"] is False and yaml.safe_load("cases:\n" + proposed["text"])["cases"] == [
        {"name": sample["sample"], "input": sample["input"], "expected": {"number": 9, "total": 4}}], proposed
    assert web.raw("POST", "/v1/mappings/samples", {**sample, "reason": "test"}).status == 403
    before = (s.folder / "order.test.yaml").read_text()
    saved = s.do("/v1/mappings/samples", {**sample, "reason": "the shop asked"})
    assert saved["written"] and saved["file"].endswith("order.test.yaml")
    after = (s.folder / "order.test.yaml").read_text()
    assert after == before + "\n" + saved["text"], "what was there stays as it was"
    assert run(s)["passed"] == 3
    done = tieline_test(s)
    assert done.returncode == 0 and "3 passed" in done.stdout, done
    assert s.get("/v1/audit")["entries"][0]["action"] == "save sample"
    r = s.call("POST", "/v1/mappings/samples", {**sample, "reason": "again"})
    assert r.status == 409 and "of that name" in r.text


def test_the_first_sample_makes_the_file_and_a_file_of_another_shape_is_left_alone(play):
    s = play(cases=None)
    assert run(s)["there"] is False
    sample = {"name": "order", "sample": "nothing", "input": {}, "reason": "test"}
    assert s.do("/v1/mappings/samples", sample)["written"] and "1 passed" in tieline_test(s).stdout
    path = s.folder / "order.test.yaml"
    path.write_text("cases: [ { name: a, input: {}, expected: {} } ]\nmapping: order.jsonata\n")
    r = s.call("POST", "/v1/mappings/samples", sample)
    assert r.status == 409 and "does not end with its list of cases" in r.text, r
    assert path.read_text().endswith("mapping: order.jsonata\n")
    path.unlink()
    (s.folder / "elsewhere").write_text("x")
    path.symlink_to("elsewhere")
    r = s.call("POST", "/v1/mappings/samples", sample)
    assert r.status >= 400 and (s.folder / "elsewhere").read_text() == "x", "no link is followed"
