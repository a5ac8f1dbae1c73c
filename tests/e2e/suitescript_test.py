# SPDX-License-Identifier: Apache-2.0
"""The scripts that a user uploads to NetSuite, run with modules that stand for NetSuite's; what they post is verified by the program."""
import json
import subprocess
from pathlib import Path

from support.sender import WHSEC
from support.site import FAST, hook, project

ROOT = Path(__file__).resolve().parents[2]
ORDER = {"type": "salesorder", "id": 41, "values": {"externalid": "SHOP-1"}, "lines": {}}


def run(script, **how):
    done = subprocess.run(["node", ROOT / "tests/support/suitescript.mjs", ROOT / f"connectors/netsuite/suitescript/{script}.js"],
                          input=json.dumps(how), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def webhook(kind="edit", url="https://x.example/hooks/netsuite", user=None, **how):
    return run("tieline_webhook", call="afterSubmit", event={"type": kind, "record": ORDER}, secrets={"custsecret_tieline": WHSEC},
               parameters={"custscript_tieline_url": url, "custscript_tieline_user": user}, **how)


def test_what_the_user_event_script_posts_is_verified_and_known_when_it_comes_again(site, target):
    config = project(target, flow={"from": hook("/hooks/netsuite", "standard_webhooks", "${env:WHSEC}"), "retry": FAST})
    s = site(config).start()
    post, = webhook()["posts"]
    assert post["url"] == "https://x.example/hooks/netsuite"
    for _ in range(2):
        r = s.sender.raw("POST", "/hooks/netsuite", post["body"].encode(), post["headers"])
        assert r.status == 200, r
    forged = {**post["headers"], "webhook-signature": "v1,AAAA"}
    assert s.sender.raw("POST", "/hooks/netsuite", post["body"].encode(), forged).status == 401
    s.wait_counts(delivered=1)
    told = json.loads(target.all()[0].body)
    assert (told["event"], told["recordType"], told["id"], told["externalId"]) == ("edit", "salesorder", "41", "SHOP-1")


def test_a_deleted_record_is_told_from_what_it_was():
    post, = webhook("delete")["posts"]
    assert json.loads(post["body"])["id"] == "41"


def test_our_own_writes_are_not_told_and_a_failure_does_not_stop_the_save():
    assert webhook(user=3, context="REST_WEBSERVICES")["posts"] == []
    assert len(webhook(user=3, context="USERINTERFACE")["posts"]) == 1
    failed = webhook(unreachable=True)
    assert failed["posts"] == [] and failed["log"] == ["Tieline"]


def restlet(sent, **how):
    return run("tieline_restlet", call="post", body={"records": sent}, **how)


def test_the_restlet_upserts_and_says_of_each_record_what_became_of_it():
    one = {"type": "customer", "externalId": "C-1", "values": {"companyname": "One"}}
    order = {"type": "salesorder", "externalId": "S-1", "values": {"entity": 1}, "lines": {"item": [{"item": 7}, {"item": 8}]}}
    first = restlet([one, {"type": "customer", "externalId": "C-2", "values": {"refuse": 1}}, {"type": "customer"}, order])
    assert [r["ok"] for r in first["result"]["results"]] == [True, False, False, True]
    assert first["result"]["results"][1]["code"] == "SSS_INVALID_FIELD"
    again = restlet([{**one, "values": {"companyname": "Two"}}, order], records=first["records"])
    assert [r["id"] for r in again["result"]["results"]] == ["1", "2"]
    assert again["records"]["customer/1"]["values"]["companyname"] == "Two"
    assert again["records"]["salesorder/2"]["lines"]["item"] == [{"item": 7}, {"item": 8}]


def test_the_restlet_gives_back_what_it_has_no_units_for():
    records = [{"type": "customer", "externalId": f"C-{n}", "values": {}} for n in range(5)]
    results = restlet(records, units=150)["result"]["results"]
    assert [r["ok"] for r in results] == [True, True, True, False, False]
    assert results[-1]["retry"] is True
