# SPDX-License-Identifier: Apache-2.0
"""What flows promise, by month: from figures that are kept, and are there after a restart."""
import datetime
import json
import subprocess

from support.site import BIN, hook, project, until
from support.target import answer


def month(at=None):
    return (at or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y-%m")


def report(s, wanted=""):
    r = s.get(f"/v1/sla?month={wanted}")
    return r, {f["flow"]: f for f in r["flows"]}


def tieline(s, *args):
    return subprocess.run([BIN, "status", *args], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)


def test_a_month_says_what_was_delivered_what_died_and_whether_the_promise_held(site, targets):
    target = targets(lambda r: answer(422, {"no": 1}) if json.loads(r.body)["n"] == 3 else None)
    s = site(project(target, flow={"sla": {"owner": "erp-team", "success": "99%", "delay_p95": "1m"}},
                     flows={"quiet": {"from": {"webhook": {"path": "/hooks/quiet", "verify": {"github": {"secret": "${env:HOOK_SECRET}"}}}},
                                      "to": {"connection": "erp", "post": "/quiet"}}})).start()
    now = month()  # the tests may run over midnight at the end of a month: then both count
    for n in range(10):
        s.post({"n": n})
    s.wait_counts(delivered=9, dead=1)
    until(lambda: report(s)[1]["orders"]["died"] == 1, timeout=40)
    r, flows = report(s)
    f = flows["orders"]
    if now != month():
        return
    assert r["month"] == now and r["months"][-1] == now and r["complete"] is False
    assert (f["delivered"], f["died"], f["success"], f["met"], f["owner"]) == (9, 1, 0.9, False, "erp-team"), f
    assert f["delay_p95_ms"] is not None and f["error_budget_left"] < 0 and f["from"].startswith(now + "-01T00:00:00")
    assert flows["quiet"]["delivered"] == 0 and flows["quiet"]["success"] is None
    shown = tieline(s, "--sla", "--month", now)
    assert shown.returncode == 0 and f"{now} (UTC), so far" in shown.stdout and "erp-team" in shown.stdout and " no " in shown.stdout, shown
    assert json.loads(tieline(s, "--sla", "--json").stdout)["flows"] == report(s)[0]["flows"]
    s.stop()
    s.start()
    until(lambda: report(s)[1]["orders"]["delivered"] == 9, timeout=40)
    assert report(s)[1]["orders"] == f, "the same after a restart"


def test_a_promise_of_all_is_broken_by_the_first_that_dies_and_somebody_is_told(shop, target):
    target.behave = lambda r: answer(422)
    s = shop(flow={"sla": {"success": "100%"}}, alerts={"rules": {"error_budget_spent": {"hold": "0s"}}})
    assert s.flow()["sla"]["error_budget_left"] == 1
    for n in range(2):
        s.post({"n": n})
    until(lambda: s.flow()["sla"]["error_budget_left"] == -2, timeout=40)
    a = until(lambda: next((a for a in s.get("/v1/alerts")["alerts"] if a["rule"] == "error_budget_spent"), None))
    assert a["state"] == "firing" and "allows none" in a["cause"], a
    assert s.metrics()['tieline_flow_error_budget_remaining{flow="orders"}'] == -2


def test_a_flow_that_left_the_configuration_keeps_its_months_in_the_report(site, target):
    s = site(project(target, flows={"gone": {"from": hook("/hooks/gone"), "to": {"connection": "erp", "post": "/x"}},
                                    "idle": {"from": hook("/hooks/idle"), "to": {"connection": "erp", "post": "/x"}}})).start()
    s.post({"n": 1}, path="/hooks/gone")
    s.wait_counts("gone", delivered=1)
    s.change(lambda c: (c["flows"].pop("gone"), c["flows"].pop("idle")))
    s.do("/v1/reload")
    for _ in range(2):
        until(lambda: "gone" in report(s)[1], timeout=40)
        r, flows = report(s)
        assert flows["gone"]["delivered"] == 1 and flows["gone"]["removed"] is True and flows["gone"]["success_objective"] is None
        assert flows["orders"]["removed"] is False and "idle" not in flows and month() in r["months"]
        s.stop()
        s.start()
    assert report(s)[1]["orders"]["delivered"] == 0


def test_months_that_are_not_kept_and_texts_that_are_none_get_one_sentence(shop):
    s = shop()
    later = month(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=62))
    for wanted, status, why in (("november", 400, "2026-11"), ("2026-13", 400, "2026-11"), (later, 404, "14 months"), ("2001-01", 404, "14 months")):
        r = s.call("GET", f"/v1/sla?month={wanted}")
        assert r.status == status and why in r.text, r
    assert tieline(s, "--sla", "--month", "november").returncode != 0


def test_a_restart_during_an_outage_does_not_make_it_vanish(site, targets):
    down = [True]
    target = targets(lambda r: answer(503) if down[0] else None)
    s = site(project(target, flow={"retry": {"backoff": "50ms..50ms", "attempts": 1000}, "sla": {"mttr": "1ms"}})).start()
    s.post({"n": 1})
    since = until(lambda: s.flow()["sla"]["failing_since"])
    s.stop()
    down[0] = False
    s.start()
    s.wait_counts(delivered=1)
    sla = until(lambda: (v := s.flow()["sla"])["incidents"] == 1 and v)
    assert sla["failing_since"] is None and sla["mttr_ms"] > 0 and sla["met"] is False, (since, sla)


def test_a_target_that_goes_well_does_not_hide_that_the_other_is_down(site, targets):
    down = [True]
    good, bad = targets(), targets(lambda r: answer(503) if down[0] else None)
    config = project(good, flow={"retry": {"backoff": "50ms..50ms", "attempts": 1000}, "sla": {"mttr": "1ms"}})
    config["connections"]["other"] = {**config["connections"]["erp"], "url": bad.url}
    config["flows"]["orders"]["to"] = [config["flows"]["orders"]["to"], {"connection": "other", "post": "/orders"}]
    s = site(config).start()
    s.post({"n": 1})
    for n in range(2, 6):
        until(lambda: s.flow()["sla"]["delivered"] == n - 1)
        s.post({"n": n})
    assert until(lambda: s.flow()["sla"]["failing_since"])
    down[0] = False
    s.wait_counts(delivered=10)
    sla = until(lambda: (v := s.flow()["sla"])["incidents"] and v)
    assert sla["incidents"] == 1 and sla["failing_since"] is None, sla


def test_an_outage_of_what_the_steps_ask_ends_when_they_go_through_again(site, targets):
    down = [True]
    crm = targets(lambda r: answer(503) if down[0] else answer(200, {"name": "Zoë"}))
    flow = {"steps": [{"lookup": {"connection": "crm", "get": "/c/{body.n}", "as": "c"}}],
            "retry": {"backoff": "50ms..50ms", "attempts": 1000}, "sla": {"mttr": "1ms"}}
    crm_conf = {"type": "http", "url": crm.url, "limits": {"breaker_failures": 10000}}
    s = site(project(targets(), flow=flow, connections={"crm": crm_conf})).start()
    s.post({"n": 1})
    assert until(lambda: s.flow()["sla"]["failing_since"])
    down[0] = False
    s.wait_counts(delivered=1)
    sla = until(lambda: (v := s.flow()["sla"])["incidents"] and v, timeout=5)
    assert sla["incidents"] == 1 and sla["failing_since"] is None, sla


def test_an_outage_of_a_target_that_leaves_the_configuration_ends_with_the_next_delivery(site, targets):
    good, bad = targets(), targets(lambda r: answer(503))
    config = project(good, flow={"retry": {"backoff": "50ms..50ms", "attempts": 1000}, "sla": {"mttr": "1ms"}})
    config["connections"]["other"] = {**config["connections"]["erp"], "url": bad.url}
    both = [config["flows"]["orders"]["to"], {"connection": "other", "post": "/orders"}]
    config["flows"]["orders"]["to"] = both
    s = site(config).start()
    s.post({"n": 1})
    assert until(lambda: s.flow()["sla"]["failing_since"])
    s.change(lambda c: c["flows"]["orders"].update(to=both[0]))
    s.do("/v1/reload")
    s.post({"n": 2})
    s.wait_counts(delivered=2)
    sla = until(lambda: (v := s.flow()["sla"])["incidents"] and v, timeout=5)
    assert sla["incidents"] == 1 and sla["failing_since"] is None, sla


def test_of_more_targets_than_sixteen_the_last_that_is_down_is_seen_also_after_a_restart(site, targets):
    names = [f"t{n}" for n in range(24)]
    down = set(names[1:])
    target = targets(lambda r: answer(503) if r.path.strip("/") in down else None)
    config = project(target, flow={"retry": {"backoff": "200ms..200ms", "attempts": 1000}}, limits={"breaker_failures": 10000})
    config["flows"]["orders"]["to"] = [{"connection": "erp", "post": f"/{n}", "name": n} for n in names]
    s = site(config).start()
    s.post({"n": 1})
    until(lambda: all(target.count(f"/{n}") >= 3 for n in down))
    since = until(lambda: s.flow()["sla"]["failing_since"])
    s.post({"n": 2})
    s.wait_counts(delivered=2)  # the one that is not down
    left = {names[-1]}
    down.difference_update(set(names) - left)
    s.wait_counts(delivered=2 * len(names) - 2)
    assert s.flow()["sla"]["failing_since"] == since
    s.stop()
    s.start()
    s.post({"n": 3})
    s.wait_counts(delivered=3 * len(names) - 3)
    until(lambda: s.flow()["sla"]["failing_since"])
    assert s.flow()["sla"]["failing_since"] == since and s.flow()["sla"]["incidents"] == 0
    down.clear()
    s.wait_counts(delivered=3 * len(names))
    assert until(lambda: s.flow()["sla"]["incidents"]) == 1 and s.flow()["sla"]["failing_since"] is None
