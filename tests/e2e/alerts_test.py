# SPDX-License-Identifier: Apache-2.0
"""Alerts of a running program: raised, told through the ledger, acknowledged, resolved, kept over a restart."""
import json
import subprocess

from support.sender import SECRET
from support.site import BIN, FAST, NO_BREAKER, hook, project, until
from support.target import Target, answer

import pytest


@pytest.fixture
def pager():
    t = Target()
    yield t
    t.stop()


def watched(target, pager, alerts=None, flow=None, **more):
    """One flow, one receiver `ops` that posts to `pager`."""
    rules = {"resolve_after": "1s", "receivers": {"ops": {"connection": "pager", "post": "/notify"}}, "notify": "ops",
             "console": "https://tl.example.com"}
    return project(target, limits=NO_BREAKER, connections={"pager": {"type": "http", "url": pager.url, "timeout": "2s"}},
                   alerts={**rules, **(alerts or {})}, flow=flow, **more)


def alerts(s, state="open"):
    return s.get(f"/v1/alerts?state={state}")["alerts"]


def firing(s, rule):
    return next((a for a in alerts(s) if a["rule"] == rule and a["state"] == "firing"), None)


def told(pager, path="/notify"):
    return pager.bodies(path)


def test_refused_credentials_are_told_at_once_with_all_that_matters_and_resolve_by_themselves(site, target, pager):
    target.behave = lambda r: answer(401, {"message": "INVALID_LOGIN"})
    s = site(watched(target, pager, flow={"sla": {"owner": "erp-team", "runbook": "https://wiki/erp"}})).start()
    for n in range(5):
        s.post({"n": n})
    pager.wait(1, timeout=10)
    n = told(pager)[0]
    assert (n["rule"], n["severity"], n["state"], n["type"]) == ("connection_auth", "page", "firing", "tieline.alert.firing")
    assert (n["owner"], n["runbook"], n["held"]) == ("erp-team", "https://wiki/erp", 5)
    assert "erp" in n["summary"] and n["cause"] and "tieline resume connection erp" in n["fix"]
    a = firing(s, "connection_auth")
    assert n["link"] == f"https://tl.example.com/#/alerts/{a['id']}" and a["flows"] == ["orders"]
    assert a["notified"][0]["receiver"] == "ops"
    s.wait_state(a["notified"][0]["event"], "delivered")
    target.behave = None
    s.do("/v1/connections/erp/resume")
    s.wait_counts(delivered=5)
    pager.wait(2, timeout=20)
    assert told(pager)[1]["state"] == "resolved" and told(pager)[1]["key"] == n["key"]
    assert alerts(s) == [] and alerts(s, "resolved")[0]["id"] == a["id"]
    s.wait_counts("alerts.ops", delivered=2)
    assert SECRET not in s.log


def test_another_account_behind_a_connection_is_told_while_something_waits_for_the_old_one(site, target, pager):
    s = site(watched(target, pager)).start()
    s.do("/v1/connections/erp/pause", {"reason": "x"})
    s.post({"n": 1})
    s.change(lambda c: c["connections"]["erp"].update(url=pager.url))
    s.do("/v1/reload")
    s.do("/v1/connections/erp/resume", {"reason": "x"})
    assert s.connection()["held"] == "identity_changed"
    pager.wait(1, timeout=15, path="/notify")
    assert (told(pager)[0]["rule"], told(pager)[0]["subject"]) == ("connection_identity", "erp")


def test_what_dies_at_a_start_or_right_after_a_reload_is_told(site, target, pager):
    target.behave = lambda r: answer(422)
    s = site(watched(target, pager)).start()
    s.post({"n": 1})  # before anything was looked at, perhaps
    pager.wait(1, timeout=15, path="/notify")
    s.change(lambda c: c["flows"].update(parts={"from": hook("/hooks/parts"), "to": {"connection": "erp", "post": "/parts"}}))
    s.do("/v1/reload")
    s.post({"n": 2}, path="/hooks/parts")
    pager.wait(2, timeout=15, path="/notify")
    assert [(n["rule"], n["subject"]) for n in told(pager)] == [("dead_letters_grow", "orders"), ("dead_letters_grow", "parts")]


def test_a_delivery_that_brought_the_process_down_is_told_as_dead(site, target, pager):
    target.behave = lambda r: answer(200, delay=30)
    s = site(watched(target, pager)).start()
    id = s.post({"n": 1})
    for n in range(3):
        target.wait(n + 1)
        until(lambda: len(s.show(id)["attempts"]) == n + 1)  # the row is on disk
        s.kill()
        s.start()
    s.wait_state(id, "dead")
    pager.wait(1, timeout=15, path="/notify")
    assert told(pager)[0]["rule"] == "dead_letters_grow"


def test_a_receiver_that_fails_is_retried_and_seen_and_is_not_told_of_itself(site, target, pager):
    pager.behave = lambda r: answer(500)
    target.behave = lambda r: answer(401)
    s = site(watched(target, pager, {"rules": {"breaker_open": {"hold": "0s"}}})).start()
    s.post({"n": 1})
    pager.wait(3, timeout=30)
    until(lambda: s.counts("alerts.ops")["retrying"] + s.counts("alerts.ops")["queued"] == 1)
    until(lambda: firing(s, "breaker_open"), timeout=30)
    assert firing(s, "breaker_open")["subject"] == "pager" and firing(s, "breaker_open")["notified"] == []
    assert s.flow("alerts.ops")["events"] == 1
    pager.behave = None
    s.do("/v1/connections/pager/resume")
    s.wait_counts("alerts.ops", delivered=1, timeout=70)


def test_who_is_told_of_dead_letters_is_what_the_flow_says(site, target, pager):
    target.behave = lambda r: answer(422, {"message": "no such sku"})
    c = watched(target, pager, {"receivers": {"ops": {"connection": "pager", "post": "/notify"},
                                              "shop": [{"connection": "pager", "post": "/shop", "name": "a"},
                                                       {"connection": "pager", "post": "/shop2", "name": "b"}]},
                                "notify": []}, flow={"on_dead": {"notify": "shop"}})
    s = site(c).start()
    s.post({"n": 1})
    pager.wait(1, timeout=15, path="/shop")
    pager.wait(1, timeout=15, path="/shop2")
    assert told(pager, "/shop")[0]["rule"] == "dead_letters_grow" and told(pager) == []


def test_a_restart_tells_nobody_twice(site, target, pager):
    target.behave = lambda r: answer(401)
    s = site(watched(target, pager)).start()
    s.post({"n": 1})
    pager.wait(1, timeout=10)
    first = firing(s, "connection_auth")
    s.do(f"/v1/alerts/{first['id']}/acknowledge", {"reason": "on it"})
    until(lambda: "alert.firing" in s.log)
    s.stop()
    s.start()
    again = until(lambda: firing(s, "connection_auth"))
    assert again["id"] == first["id"] and again["fired_at"] == first["fired_at"]
    until(lambda: s.connection()["held"] == "connection_auth")
    target.behave = None
    s.do("/v1/connections/erp/resume")
    s.wait_counts(delivered=1)
    pager.wait(2, timeout=60)
    assert [n["state"] for n in told(pager)] == ["firing", "resolved"]


def test_people_acknowledge_and_silence_and_the_command_line_shows_it(site, target, pager):
    target.behave = lambda r: answer(401)
    s = site(watched(target, pager)).start()

    def tieline(*argv):
        return subprocess.run([BIN, *argv], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=30)
    r = tieline("alerts")
    assert r.returncode == 0 and "nothing is wrong" in r.stdout, r
    s.post({"n": 1})
    a = until(lambda: firing(s, "connection_auth"))
    assert "the credentials are refused" in tieline("alerts").stdout
    r = tieline("alerts", "ack", a["id"], "--why", "vendor called")
    assert r.returncode == 0 and "vendor called" in r.stdout, r
    assert firing(s, "connection_auth")["acknowledged"]["reason"] == "vendor called"
    r = tieline("alerts", "silence", a["id"], "--for", "2h", "--why", "known")
    assert r.returncode == 0 and firing(s, "connection_auth")["silenced"]["reason"] == "known", r
    assert tieline("alerts", "unsilence", a["id"]).returncode == 0 and firing(s, "connection_auth")["silenced"] is None
    assert json.loads(tieline("alerts", "--json").stdout)["counts"]["page"] == 1
    assert tieline("alerts", "show", "0000000000001").returncode == 3
    for bad in ("forever", "90d", "2020-01-01T00:00:00Z", ""):
        assert s.call("POST", f"/v1/alerts/{a['id']}/silence", {"reason": "x", "until": bad}).status == 400
    s.stop()
    assert "no server" in tieline("alerts").stderr


def test_a_certificate_that_ends_soon_is_seen(site, target, pager, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "c.key", "-out",
                    tmp_path / "c.pem", "-days", "5", "-subj", "/CN=x"], check=True, capture_output=True)
    c = watched(target, pager)
    c["connections"]["erp"]["tls"] = {"certificate": str(tmp_path / "c.pem"), "key": f"${{file:{tmp_path}/c.key}}"}
    s = site(c).start()
    pager.wait(1, timeout=10)
    n = told(pager)[0]
    assert (n["rule"], n["severity"], n["subject"]) == ("credential_expires", "ticket", "erp")
    assert "certificate c.pem ends in 4 days" in n["summary"]
    expires = s.metrics()['tieline_credential_expires_timestamp_seconds{connection="erp",credential="certificate c.pem"}']
    assert expires > 1e9


def test_a_reload_changes_rules_and_receivers(site, target, pager):
    target.behave = lambda r: answer(401)
    s = site(watched(target, pager, {"off": True})).start()
    assert s.get("/v1/alerts")["enabled"] is False
    s.post({"n": 1})
    until(lambda: s.connection()["held"] == "connection_auth")
    s.change(lambda c: c["alerts"].update(off=False, receivers={"night": {"connection": "pager", "post": "/night"}}, notify="night"))
    s.do("/v1/reload")
    pager.wait(1, timeout=15, path="/night")
    assert told(pager) == []
    rules = {r["name"]: r for r in s.get("/v1/alert-rules")["rules"]}
    assert rules["calls_slow"]["threshold"] == 5 and rules["connection_auth"]["hold_ms"] == 0


def test_wrong_receivers_are_found_before_it_runs(site, target, pager):
    code, said = site(watched(target, pager, {"page": "opps"})).fails()
    assert code == 2 and "did you mean 'ops'" in said
    code, said = site(watched(target, pager, flow={"on_dead": {"notify": "nobody"}})).fails()
    assert code == 2 and "there is no receiver 'nobody'" in said
    code, said = site(watched(target, pager, {"receivers": {"ops": {"connection": "pagr", "post": "/"}}})).fails()
    assert code == 2 and "did you mean 'pager'" in said


def test_the_example_of_the_design_works(site, target, pager):
    s = site(watched(target, pager, flow={"retry": FAST, "on_dead": {"key": "block", "notify": "ops"}})).start()
    target.behave = lambda r: answer(422)
    s.post({"n": 1})
    pager.wait(1, timeout=15)
    assert told(pager)[0]["rule"] == "dead_letters_grow" and told(pager)[0]["subject"] == "orders"
