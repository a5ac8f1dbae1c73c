# SPDX-License-Identifier: Apache-2.0
"""Every change has a reason and an entry that says who, when, why and from where; causes of death have states."""
import sqlite3

import pytest
from support.site import Site, free_port, project, until
from support.target import Target, answer
from support.web import client


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = Target(lambda r: answer(422, {"error": "field 'zip' is missing"}))
    s = Site(tmp_path_factory.mktemp("audit"), project(target, admin={"listen": f"127.0.0.1:{free_port()}"})).start()
    yield s
    s.clean_up()
    target.stop()


def dead(site):
    id = site.post({"n": 1})
    site.wait_state(id, "dead")
    return id


def last(web, n=1):
    return web.get(f"/v1/audit?limit={n}")["entries"]


def test_a_change_over_tcp_needs_a_reason_and_one_without_changes_nothing(site):
    web = client(site)
    for body in ({}, {"reason": ""}, {"reason": "  "}):
        r = web.raw("POST", "/v1/flows/orders/pause", body)
        assert r.status == 400 and "reason" in r.text
    assert site.flow()["held"] is None


def test_a_change_is_noted_with_who_when_why_and_from_where(site):
    web = client(site, "operator", "anna")
    web.post("/v1/flows/orders/pause", {"reason": "the ERP moves"})
    assert site.flow()["held_reason"] == "the ERP moves"
    e = last(web)[0]
    assert (e["who"], e["role"], e["how"], e["from"]) == ("token anna", "operator", "token", "127.0.0.1")
    assert (e["action"], e["subject"], e["reason"], e["failed"]) == ("pause flow", "flow orders", "the ERP moves", None)
    assert e["at"] and len(e["hash"]) == 64
    web.raw("POST", "/v1/flows/orders/resume?reason=moved")
    assert last(web)[0]["reason"] == "moved"
    assert until(lambda: [x for x in site.logged("admin.audit") if x.get("hash") == e["hash"]]), "the log has the hash as well"


def test_a_test_that_lets_a_held_connection_go_on_is_noted_and_another_is_not(tmp_path, target):
    target.behave = lambda r: answer(401)
    config = project(target, admin={"listen": f"127.0.0.1:{free_port()}"})
    config["connections"]["erp"]["probe"] = "/me"
    s = Site(tmp_path, config).start()
    try:
        web = client(s, "operator", "anna")
        s.post({"n": 1})
        until(lambda: s.connection()["held"] == "connection_auth")
        before = len(web.get("/v1/audit")["entries"])
        assert web.post("/v1/connections/erp/test")["ok"] is False and len(web.get("/v1/audit")["entries"]) == before
        target.behave = lambda r: answer(200, {})
        assert web.post("/v1/connections/erp/test")["ok"] is True
        s.wait_counts(delivered=1)
        e = last(web)[0]
        assert (e["who"], e["action"]) == ("token anna", "resume connection") and e["subject"].startswith("connection erp"), e
        assert web.post("/v1/connections/erp/test")["ok"] is True and len(web.get("/v1/audit")["entries"]) == before + 1
    finally:
        s.clean_up()


def test_what_fails_after_it_was_noted_is_noted_as_failed(site):
    web = client(site)
    id = site.post({"n": 1})
    site.wait_state(id, "dead")
    assert web.raw("POST", f"/v1/events/{id}/promote", {"reason": "hurry"}).status == 409
    failed, begun = last(web, 2)
    assert begun["action"] == failed["action"] == "promote" and begun["failed"] is None and "dead" in failed["failed"]


def test_an_edit_takes_its_reason_from_header_or_query_because_the_body_is_the_payload(site):
    web, id = client(site), dead(site)
    assert web.raw("POST", f"/v1/events/{id}/edit", b'{"reason": "of the payload"}').status == 400
    r = web.raw("POST", f"/v1/events/{id}/edit", b'{"n": 2}', {"X-Tieline-Reason": "the zip was missing"})
    assert r.json == {"revision": 1}
    e = last(web)[0]
    assert (e["action"], e["subject"], e["reason"]) == ("edit", f"event {id}", "the zip was missing")


def test_a_job_is_listed_with_who_wanted_it_and_why(site):
    web, id = client(site), dead(site)
    job = web.post("/v1/jobs", {"action": "discard", "filter": {"ids": [id]}, "reason": "a duplicate"})["job"]
    until(lambda: web.get(f"/v1/jobs/{job}")["ended"])
    row = web.get("/v1/jobs")["jobs"][0]
    assert (row["job"], row["action"], row["by"], row["reason"]) == (job, "discard", "token local", "a duplicate")
    assert row["done"] == 1 and row["filter"] == {"chosen": True} and row["at"]
    assert id in last(web)[0]["subject"]


def test_a_cause_of_death_has_a_state_an_owner_and_a_note_and_opens_again(site):
    web = client(site, "operator", "bert")
    dead(site)
    g = web.get("/v1/dead")["groups"][0]
    assert g["state"] == "open" and g["owner"] is None and g["first_at"] and not g["more"]
    path = f"/v1/dead/{g['flow']}/{g['fingerprint']}"
    web.post(path, {"state": "resolved", "owner": "erp-team", "note": "zip is filled now", "reason": "deployed"})
    g = web.get("/v1/dead")["groups"][0]
    assert (g["state"], g["owner"], g["note"], g["by"]) == ("resolved", "erp-team", "zip is filled now", "token bert")
    assert web.get("/v1/dead?state=open")["groups"] == []
    assert web.raw("POST", path, {"state": "gone", "reason": "x"}).status == 400
    dead(site)
    g = web.get("/v1/dead?state=open")["groups"][0]
    assert g["again"] is True and g["owner"] == "erp-team"
    assert client(site, "viewer", "v").raw("POST", path, {"state": "ignored", "reason": "x"}).status == 403


def test_entries_are_paged_and_the_chain_is_verified(site):
    web = client(site)
    for i in range(3):
        web.post("/v1/flows/orders/resume", {"reason": f"number {i}"})
    page = web.get("/v1/audit?limit=2")
    assert [e["reason"] for e in page["entries"]] == ["number 2", "number 1"]
    assert web.get(f"/v1/audit?limit=1&cursor={page['cursor']}")["entries"][0]["reason"] == "number 0"
    v = web.get("/v1/audit/verify")
    assert v["ok"] and v["entries"] == page["entries"][0]["entry"] and v["last_hash"] == page["entries"][0]["hash"]
    with sqlite3.connect(site.folder / "data/ledger.db") as db:
        db.execute("UPDATE audit SET reason='another' WHERE id=2")
    v = web.get("/v1/audit/verify")
    assert not v["ok"] and v["first_bad"] == 2


def test_the_control_socket_is_noted_too(site):
    site.do("/v1/connections/erp/pause", {"why": "by hand"})
    site.do("/v1/connections/erp/resume")
    by_hand = client(site).get("/v1/audit?limit=2")["entries"]
    assert by_hand[1]["who"].startswith("uid ") and by_hand[1]["reason"] == "by hand" and by_hand[0]["reason"] == ""


def test_a_dry_run_is_not_a_change(site):
    web = client(site)
    before = last(web)
    assert web.post("/v1/reload?dry_run=true")["applied"] is False
    assert last(web) == before
    assert web.raw("POST", "/v1/flows/orders/pause?dry_run=true").status == 400
