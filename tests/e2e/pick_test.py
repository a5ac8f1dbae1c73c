# SPDX-License-Identifier: Apache-2.0
"""Plans and jobs by what no index answers: key, text, error, target, and a filter as people write it."""
import json

from support.site import project
from support.target import answer


def refuse_some(r):
    n = json.loads(r.body)["n"]
    return answer(422, {"message": "the tax code is wrong" if n % 3 == 0 else "no such customer"}) if n < 30 else None


def start(site, targets):
    open_ = {"all": False}
    target = targets(lambda r: None if open_["all"] else refuse_some(r))
    s = site(project(target, flow={"order_by": "body.buyer", "on_dead": {"key": "skip"}})).start()
    s.hold = open_
    for n in range(12):
        s.post({"n": n, "buyer": f"B-{n % 4}", "note": "blue" if n % 2 else "red"}, id=f"d-{n}")
    s.wait_counts(dead=12)
    return s, target


def test_a_plan_by_error_key_or_text_counts_what_the_list_shows(site, targets):
    s, _ = start(site, targets)
    for filter, n in (({"error": "TAX CODE"}, 4), ({"key": "B-1"}, 3), ({"text": "blue"}, 6), ({"q": 'state:dead error:"tax code" key:B-0'}, 1),
                      ({"connection": "erp", "state": "dead"}, 12), ({"q": "flow:orders blue", "class": "data"}, 6)):
        plan = s.do("/v1/plan", {"action": "replay", "filter": filter})
        assert plan["matching"] == n, (filter, plan)
    for filter, status, why in (({"error": "nothing so"}, 404, "nothing matches"), ({"q": "colour:red"}, 400, "no filter"), ({"target": "crm"}, 404, "no flow has")):
        r = s.call("POST", "/v1/plan", {"action": "replay", "filter": filter})
        assert r.status == status and why in r.text, r


def test_a_job_by_error_touches_those_alone_oldest_first_and_nothing_younger_than_the_plan(site, targets):
    s, target = start(site, targets)
    plan = s.do("/v1/plan", {"action": "replay", "filter": {"error": "tax code"}})
    s.post({"n": 12, "buyer": "B-0", "note": "red"}, id="d-12")
    s.wait_counts(dead=13)
    s.hold["all"] = True
    before = target.count()
    job = s.do("/v1/jobs", {"action": "replay", "filter": {"error": "tax code"}, "last": plan["last"], "include_superseded": True, "reason": "the code was mended"})["job"]
    s.wait_counts(delivered=4, dead=9)
    done = s.get(f"/v1/jobs/{job}")
    assert (done["total"], done["done"]) == (4, 4), done
    again = [json.loads(r.body)["n"] for r in target.all()[before:]]
    assert sorted(again) == [0, 3, 6, 9]
    by_key = {}
    for n in again:
        by_key.setdefault(n % 4, []).append(n)
    assert all(ns == sorted(ns) for ns in by_key.values()), again
    entry = s.get("/v1/audit")["entries"][0]
    assert "tax code" in entry["subject"], entry


def test_a_cancel_by_what_is_looked_for_takes_what_waits(shop, target):
    s = shop(flow={"order_by": "'k'"})
    s.wait_state(s.post({"n": "blue"}), "delivered")
    s.do("/v1/flows/orders/pause")
    waiting = s.post({"n": "blue"})
    plan, job = s.job("cancel", {"text": "blue"})
    assert plan["matching"] == job["looked"] == job["done"] == 1 and job["refused"] == 0
    assert s.state(waiting) == "cancelled"
