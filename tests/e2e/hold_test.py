# SPDX-License-Identifier: Apache-2.0
"""One event that a person holds: by the API and the command line, over kill -9, with what is behind it."""
import json

from support.site import project, until
from support.target import answer


def waiting(site, target, **how):
    """Four events of one key and one of another wait in a paused flow."""
    s = site(project(target, flow={"order_by": "body.buyer"}, **how)).start()
    s.do("/v1/flows/orders/pause")
    ids = [s.post({"n": n, "buyer": "A"}) for n in range(4)]
    return s, ids, s.post({"n": 9, "buyer": "B"})


def test_a_held_event_waits_with_what_is_behind_it_over_kill_9_until_it_is_released(site, target):
    s, ids, other = waiting(site, target)
    plan, job = s.job("hold", {"ids": [ids[1]]}, reason="the customer asked to wait")
    assert (plan["matching"], plan["behind"], plan["behind_more"], plan["next"]) == (1, 2, False, None), plan
    assert job["done"] == 1
    s.do("/v1/flows/orders/resume")
    s.wait_state(other, "delivered")
    s.wait_state(ids[0], "delivered")
    s.kill()
    s.start()
    row = s.show(ids[1])["event"]
    assert (row["state"], row["held"], row["held_reason"]) == ("queued", "event_held", "the customer asked to wait"), row
    assert row["held_by"] and row["held_at"]
    behind = s.show(ids[2])["event"]
    assert (behind["held"], behind["held_reason"], behind["ahead"]) == ("behind", "a person holds the one ahead of it", ids[1]), behind
    assert s.counts()["held"] == 1 and s.counts()["queued"] == 3
    until(lambda: s.metrics().get('tieline_flow_deliveries{flow="orders",state="held"}') == 1, 20)
    assert [e["id"] for e in s.list(state="held")] == [ids[1]]
    assert [e["id"] for e in s.list(q="state:held")] == [ids[1]] and ids[1] not in [e["id"] for e in s.list(state="queued")]
    assert sorted(b["n"] for b in target.bodies()) == [0, 9]
    s.job("release", {"flow": "orders"}, reason="the customer called")
    s.wait_counts(delivered=5, held=0, queued=0)
    assert [b["n"] for b in target.bodies() if b["buyer"] == "A"] == [0, 1, 2, 3]
    actions = [(e["action"], e["subject"].split()[0], e["reason"]) for e in s.get("/v1/audit")["entries"]]
    assert ("start job", "hold", "the customer asked to wait") in actions and ("start job", "release", "the customer called") in actions


def test_a_held_one_is_cancelled_discarded_and_moved_when_it_is_named_and_left_alone_when_it_is_not(site, target):
    s, ids, other = waiting(site, target, flows={"other": {"from": {"webhook": {"path": "/hooks/other", "verify": "none"}},
                                                           "to": {"connection": "erp", "post": "/other"}}})
    s.job("hold", {"ids": ids[:3]}, reason="why not")
    plan, job = s.job("cancel", {"flow": "orders"})
    assert plan["matching"] == job["done"] == 2, "what nobody holds"
    s.job("cancel", {"ids": [ids[0]]})
    s.job("discard", {"ids": [ids[1]]})
    s.job("move", {"state": "held"}, to="other")
    assert [s.state(i) for i in ids[:2]] == ["cancelled", "discarded"]
    row = s.show(ids[2])["event"]
    assert (row["flow"], row["held"]) == ("other", "event_held")
    s.job("release", {"event": ids[2]})
    s.wait_state(ids[2], "delivered")
    assert target.count("/other") == 1 and s.counts("other")["held"] == 0


def test_what_is_held_can_be_edited_before_it_goes(site, target):
    s, ids, other = waiting(site, target)
    assert s.call("POST", f"/v1/events/{other}/edit", b"{}").status == 409
    s.job("hold", {"ids": [other]}, reason="another address")
    s.do(f"/v1/events/{other}/edit", b'{"n": 9, "buyer": "B", "city": "Lima"}')
    s.do("/v1/flows/orders/resume")
    s.job("release", {"ids": [other]})
    s.wait_state(other, "delivered")
    assert next(r for r in target.all() if json.loads(r.body)["n"] == 9).key.endswith(".r1")
    assert {"n": 9, "buyer": "B", "city": "Lima"} in target.bodies()


def test_of_an_event_with_several_deliveries_each_is_held_and_the_event_by_all_of_them(site, target, targets):
    down = [True]
    target.behave = lambda r: answer(503) if down else None
    mail = targets(lambda r: answer(503) if down else None)
    c = project(target, flow={"to": [{"connection": "erp", "post": "/a"}, {"connection": "mail", "post": "/b"}],
                              "retry": {"attempts": 50, "backoff": "300ms..300ms", "jitter": "none"}})
    c["connections"]["mail"] = {"type": "http", "url": mail.url}
    s = site(c).start()
    id = s.post({"n": 1})
    s.wait_counts(retrying=2)

    def hold_all():  # what is being delivered at that moment is refused
        s.job("hold", {"event": id}, reason="wait")
        return s.counts()["held"] == 2
    until(hold_all)
    down.clear()
    rows = s.show(id)["deliveries"]
    assert [r["held"] for r in rows] == ["event_held"] * 2, rows
    s.job("release", {"ids": [rows[0]["id"]]})
    s.wait_state(rows[0]["id"], "delivered")
    assert s.state(id) == "queued" and s.counts()["held"] == 1
    s.job("release", {"event": id})
    s.wait_state(id, "delivered")


def test_a_hold_without_a_reason_is_refused_and_one_that_cannot_be_says_why(site, target):
    s, ids, _ = waiting(site, target)
    plan = s.do("/v1/plan", {"action": "hold", "filter": {"ids": [ids[0]]}})
    r = s.call("POST", "/v1/jobs", {"action": "hold", "filter": {"ids": [ids[0]]}, "last": plan["last"]})
    assert r.status == 400 and "say why" in r.text, r
    s.job("hold", {"ids": [ids[0]]}, reason="one")
    _, job = s.job("hold", {"ids": [ids[0]]}, reason="two")
    assert job["refused"] == 1 and "is held already" in job["first_refusal"], job
    assert s.call("POST", f"/v1/events/{ids[0]}/promote", {}).status == 409
    _, job = s.job("release", {"ids": [ids[1]]})
    assert job["refused"] == 1 and "nobody holds it" in job["first_refusal"], job


def test_a_plan_gives_its_counts_in_slices_and_its_sum_to_the_job(site, target):
    s, ids, _ = waiting(site, target)
    plan = s.do("/v1/plan", {"action": "cancel", "filter": {"flow": "orders"}})
    assert plan["matching"] == 5 and plan["next"] is None
    r = s.call("POST", "/v1/plan", {"action": "cancel", "filter": {}, "next": "nonsense", "last": plan["last"]})
    assert r.status == 400 and "of the answer before" in r.text
    job = s.do("/v1/jobs", {"action": "cancel", "filter": {"flow": "orders"}, "last": plan["last"], "matching": 3})["job"]
    until(lambda: s.get(f"/v1/jobs/{job}")["ended"])
    done = s.get(f"/v1/jobs/{job}")
    assert (done["total"], done["done"]) == (5, 5), "at least as many as were looked at"
    assert json.dumps(ids[0]) in json.dumps(s.list(state="cancelled"))
