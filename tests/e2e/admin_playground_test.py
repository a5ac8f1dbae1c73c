# SPDX-License-Identifier: Apache-2.0
"""Payloads as they came, mapped and sent; mappings evaluated and compared; the configuration beside its file."""
import pytest
import yaml
from support.site import FAST, Site, free_port, hook, project, until
from support.target import Target
from support.web import client

TOKEN = "t0ken-of-the-target-in-a-header"
ORDER = {"id": 7, "lines": [{"price": 2}, {"price": 3}]}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = Target()
    folder = tmp_path_factory.mktemp("play")
    (folder / "order.jsonata").write_text("{'number': id, 'total': $sum(lines.price)}")
    erp = {"type": "http", "url": target.url, "timeout": "5s", "headers": {"x-api-key": "${env:ERP_KEY}"}}
    flow = {"steps": [{"map": "order"}], "to": {"connection": "erp", "post": "/orders/{body.number}"}}
    config = project(target, flow=flow, connections={"erp": erp}, mappings={"order": {"jsonata": "order.jsonata"}},
                     flows={"many": {"from": hook("/hooks/many"), "steps": [{"split": "body.items"}], "retry": dict(FAST),
                                     "to": {"connection": "erp", "post": "/items"}}},
                     admin={"listen": f"127.0.0.1:{free_port()}"})
    s = Site(folder, config, env={"ERP_KEY": TOKEN}).start()
    yield s
    s.clean_up()
    target.stop()


def test_a_payload_is_shown_as_it_came_as_it_was_mapped_and_as_it_would_be_sent(site):
    web, id = client(site), site.post(ORDER)
    site.wait_state(id, "delivered")
    p = web.get(f"/v1/events/{id}/payloads")
    assert p["in"] == ORDER and p["mapped"] == {"number": 7, "total": 5} and p["made_again"] is True
    assert p["sent"]["method"] == "POST" and p["sent"]["url"].endswith("/orders/7")
    assert p["sent"]["body"] == '{"number":7,"total":5}' and p["problem"] is None and p["skipped"] is None
    r = web.raw("GET", f"/v1/events/{id}/payloads")
    assert TOKEN not in r.text, "a secret of the connection is masked"


def test_a_delivery_of_a_split_is_shown_with_its_own_body(site):
    web = client(site)
    site.sender.path = "/hooks/many"
    id = site.post({"items": [{"n": 1}, {"n": 2}]})
    site.sender.path = "/hooks/shop"
    shown = until(lambda: (d := site.show(id))["deliveries"] and d)
    children = [web.get(f"/v1/events/{d['id']}/payloads") for d in shown["deliveries"]]
    assert sorted(c["mapped"]["n"] for c in children) == [1, 2]
    assert {c["sent"]["url"].rsplit("/", 1)[1] for c in children} == {"items"}
    parent = web.get(f"/v1/events/{id}/payloads")
    assert parent["in"] == {"items": [{"n": 1}, {"n": 2}]} and "deliveries of its own" in parent["problem"]


def test_a_mapping_is_evaluated_by_the_engine_of_the_server_with_its_lineage(site):
    web = client(site)
    listed = web.get("/v1/mappings")["mappings"][0]
    assert (listed["name"], listed["language"], listed["flows"]) == ("order", "jsonata", ["orders"])
    assert "$sum" in listed["source"]
    done = web.post("/v1/mappings/evaluate", {"name": "order", "input": ORDER})
    assert done["output"] == {"number": 7, "total": 5} and done["error"] is None and done["us"] >= 0
    assert {f["target"] for f in done["lineage"]} == {"number", "total"}
    edited = web.post("/v1/mappings/evaluate", {"source": "{'n': id & 'x'}", "input": ORDER})
    assert edited["output"] == {"n": "7x"}
    wrong = web.post("/v1/mappings/evaluate", {"source": "{'n': id &", "input": ORDER})
    assert wrong["output"] is None and wrong["error"]["line"] == 1
    assert web.raw("POST", "/v1/mappings/evaluate", {"name": "other", "input": 1}).status == 404
    assert web.raw("POST", "/v1/mappings/evaluate", {"input": 1}).status == 400
    endless = web.post("/v1/mappings/evaluate", {"source": "($f := function($n) {$f($n + 1)}; $f(0))", "input": 1})
    assert endless["output"] is None and endless["error"]
    assert client(site, "viewer", "v").raw("POST", "/v1/mappings/evaluate", {"name": "order"}).status == 403


def test_an_edited_mapping_is_compared_over_the_last_events(site):
    web = client(site)
    for i in range(3):
        site.wait_state(site.post({"id": i, "lines": [{"price": i}]}), "delivered")
    same = web.post("/v1/mappings/shadow", {"name": "order", "flow": "orders", "last": 3,
                                            "source": "{'total': $sum(lines.price), 'number': id}"})
    assert (same["looked"], same["same"], same["different"], same["failed"]) == (3, 3, [], [])
    other = web.post("/v1/mappings/shadow", {"name": "order", "flow": "orders", "last": 3,
                                             "source": "{'number': id, 'total': $sum(lines.price) + (id = 1 ? 1 : 0)}"})
    assert other["same"] == 2 and other["changed"] == 1
    assert other["different"][0]["before"] == {"number": 1, "total": 1} and other["different"][0]["after"]["total"] == 2
    named = web.post("/v1/mappings/shadow", {"name": "order", "flow": "orders", "last": 3,
                                             "source": "{'a-name-of-its-own': 'a text of the edited mapping ' & id, 'plain': 'constant'}"})
    assert {d["after"]["plain"] for d in named["different"]} == {"constant"}, "the answer outlives the edited mapping"
    assert named["different"][0]["after"]["a-name-of-its-own"].startswith("a text of the edited mapping")
    broken = web.post("/v1/mappings/shadow", {"name": "order", "flow": "orders", "last": 1, "source": "$error('no')"})
    assert broken["failed"][0]["error"]["text"] and broken["same"] == 0


def test_a_mapping_is_compared_over_events_with_deliveries_of_their_own(site):
    web = client(site)
    site.sender.path = "/hooks/many"
    for i in range(30):
        site.post({"id": i, "items": [{"n": 1}]})
    site.sender.path = "/hooks/shop"
    until(lambda: len([e for e in site.get("/v1/events?flow=many&limit=200")["events"] if e["id"] != e["event"] and e["state"] == "delivered"]) >= 30)
    r = web.post("/v1/mappings/shadow", {"name": "order", "flow": "many", "last": 200, "source": "{'number': id + 1, 'total': 0}"})
    assert r["looked"] >= 30 and r["changed"] >= 30 and len(r["different"]) == 20


def test_the_configuration_in_force_is_shown_beside_its_file_without_secrets(site):
    web = client(site)
    d = web.get("/v1/config/diff")
    assert d["changes"] == [] and d["problems"] is None and d["running"] == d["file"]
    assert "${env:ERP_KEY}" in d["file"] and TOKEN not in d["file"]
    kept = (site.folder / "tieline.yaml").read_text()
    config = yaml.safe_load(kept)
    config["flows"]["orders"]["priority"] = 5
    site.configure(config)
    d = web.get("/v1/config/diff")
    assert [c["path"] for c in d["changes"]] == ["flows.orders.priority"] and "priority: 5" in d["file"]
    (site.folder / "tieline.yaml").write_text("version: 1\nflows: 7\n")
    d = web.get("/v1/config/diff")
    assert d["problems"] and d["file"] is None
    (site.folder / "tieline.yaml").write_text(kept)


def test_a_job_that_was_planned_knows_how_many_there_are(site):
    web = client(site)
    plan = {"action": "replay", "filter": {"flow": "orders", "state": "delivered"}}
    counted = web.post("/v1/plan", plan)
    job = web.post("/v1/jobs", {**plan, "last": counted["last"], "reason": "again"})["job"]
    assert until(lambda: (j := web.get(f"/v1/jobs/{job}"))["ended"] and j)["total"] == counted["matching"] > 0
