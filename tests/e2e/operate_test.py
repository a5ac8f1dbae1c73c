# SPDX-License-Identifier: Apache-2.0
"""What an operator does: pause, resume, edit, replay, discard, cancel, move, promote, snapshot."""
import json
import sqlite3
import time

from support.site import FAST, hook, project, until
from support.target import answer


def refuse_bad(r):
    return answer(422, {"error": "bad"}) if json.loads(r.body).get("bad") else None


def test_a_dead_delivery_is_replayed_with_its_own_id_and_key(shop, target):
    down = [True]
    target.behave = lambda r: answer(422) if down else None
    s = shop()
    id = s.post({"n": 1})
    s.wait_state(id, "dead")
    down.clear()
    plan, job = s.job("replay", {"ids": [id]})
    assert plan["matching"] == 1 and (job["done"], job["refused"]) == (1, 0)
    s.wait_state(id, "delivered")
    assert {r.key for r in target.all()} == {target.all()[0].key} and target.count() == 2 and len(s.list()) == 1


def test_an_edit_makes_a_revision_whose_outgoing_key_ends_in_r1_and_keeps_the_original(shop, target):
    target.behave = refuse_bad
    s = shop()
    id = s.post({"n": 1, "bad": True})
    s.wait_state(id, "dead")
    assert s.call("POST", f"/v1/events/{id}/edit", b"{oops").status == 400
    assert s.do(f"/v1/events/{id}/edit", b'{"n": 1, "mended": true}') == {"revision": 1}
    assert s.state(id) == "dead", "an edit alone sends nothing"
    s.job("replay", {"ids": [id]})
    shown = s.wait_state(id, "delivered")
    first, second = target.all()
    assert json.loads(second.body) == {"n": 1, "mended": True} and second.key == first.key + ".r1"
    assert shown["original_body"] == {"n": 1, "bad": True} and shown["event"]["revision"] == 1


def test_what_is_not_dead_cannot_be_edited(shop, target):
    s = shop()
    id = s.post({"n": 1})
    s.wait_state(id, "delivered")
    assert s.call("POST", f"/v1/events/{id}/edit", b"{}").status == 409


def test_the_replay_of_a_finished_event_makes_a_new_one(shop, target):
    s = shop()
    id = s.post({"n": 1})
    s.wait_state(id, "delivered")
    plan, job = s.job("replay", {"ids": [id]})
    assert plan["final"] == 1 and job["done"] == 1
    s.wait_counts(delivered=2)
    new = next(e for e in s.list() if e["id"] != id)
    assert new["replay_of"] == id and target.bodies() == [{"n": 1}, {"n": 1}]
    assert target.all()[0].key != target.all()[1].key


def test_a_dead_one_whose_key_has_gone_on_is_superseded_and_needs_a_word_more(shop, target):
    target.behave = refuse_bad
    s = shop(flow={"order_by": "'k'"})
    old = s.post({"n": 1, "bad": True})
    s.wait_state(s.post({"n": 2}), "delivered")
    target.behave = None
    plan, job = s.job("replay", {"ids": [old]})
    assert plan["superseded"] == 1 and job["done"] == 0 and s.state(old) == "dead"
    s.job("replay", {"ids": [old]}, include_superseded=True)
    s.wait_state(old, "delivered")


def test_discarded_and_cancelled_ones_are_final_and_release_their_keys(shop, target):
    target.behave = refuse_bad
    s = shop()
    dead = s.post({"bad": True}, id="d")
    s.wait_state(dead, "dead")
    s.job("discard", {"state": "dead"})
    assert s.state(dead) == "discarded"
    s.do("/v1/flows/orders/pause")
    waiting = s.post({"n": 1}, id="w")
    s.job("cancel", {"ids": [waiting]})
    assert s.state(waiting) == "cancelled"
    s.do("/v1/flows/orders/resume")
    again = [s.post({"n": 2}, id=i) for i in ("d", "w")]
    assert not {dead, waiting} & set(again)
    s.wait_counts(delivered=2, cancelled=1, discarded=1)
    assert target.count() == 3


def test_bulk_actions_choose_by_flow_class_and_time(shop, target):
    target.behave = refuse_bad
    s = shop()
    for n in range(30):
        s.post({"n": n, "bad": n % 3 == 0})
    s.wait_counts(dead=10, delivered=20)
    assert s.do("/v1/plan", {"action": "replay", "filter": {"state": "dead", "class": "auth"}})["matching"] == 0
    assert s.do("/v1/plan", {"action": "replay", "filter": {"state": "dead", "until": "1h"}})["matching"] == 0
    target.behave = None
    plan, job = s.job("replay", {"flow": "orders", "state": "dead", "class": "data", "from": "1h"})
    assert plan["matching"] == job["done"] == 10
    s.wait_counts(dead=0, delivered=30)


def test_a_plan_is_a_border_what_comes_later_is_not_touched(shop, target):
    target.behave = refuse_bad
    s = shop()
    early = s.post({"bad": 1})
    s.wait_state(early, "dead")
    plan = s.do("/v1/plan", {"action": "discard", "filter": {"state": "dead"}})
    late = s.post({"bad": 2})
    s.wait_state(late, "dead")
    job = s.do("/v1/jobs", {"action": "discard", "filter": {"state": "dead"}, "last": plan["last"]})["job"]
    until(lambda: s.get(f"/v1/jobs/{job}")["ended"])
    assert (s.state(early), s.state(late)) == ("discarded", "dead")


def test_waiting_events_are_moved_to_another_flow(site, target):
    flows = {"other": {"from": hook("/hooks/other"), "to": {"connection": "erp", "post": "/other"}}}
    s = site(project(target, flow={"order_by": "'k'"}, flows=flows)).start()
    s.do("/v1/flows/orders/pause")
    ids = [s.post({"n": n}) for n in range(5)]
    s.job("move", {"flow": "orders"}, to="other")
    s.wait_counts("other", delivered=5)
    assert [b["n"] for b in target.bodies("/other")] == list(range(5)) and target.count("/orders") == 0
    assert s.show(ids[0])["event"]["flow"] == "other" and s.counts()["queued"] == 0


def test_a_paused_flow_accepts_and_keeps_and_a_resume_sends_in_order(shop, target):
    s = shop(flow={"order_by": "'k'"})
    s.do("/v1/flows/orders/pause", {"why": "stock-taking"})
    for n in range(5):
        s.post({"n": n})
    time.sleep(0.3)
    assert target.count() == 0 and s.flow()["held"] == "flow_paused" and "stock-taking" in s.flow()["held_reason"]
    s.stop()
    s.start()
    assert s.flow()["held"] == "flow_paused", "a pause survives a restart"
    s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=5)
    assert [b["n"] for b in target.bodies()] == list(range(5)) and s.flow()["held"] is None


def test_a_paused_connection_holds_all_its_flows_and_no_other(site, targets):
    erp, mail = targets(), targets()
    flows = {"second": {"from": hook("/second"), "to": {"connection": "erp", "post": "/second"}},
             "third": {"from": hook("/third"), "to": {"connection": "mail", "post": "/third"}}}
    s = site(project(erp, flows=flows, connections={"mail": {"type": "http", "url": mail.url}})).start()
    s.do("/v1/connections/erp/pause")
    s.post({"n": 1})
    s.post({"n": 2}, path="/second")
    s.post({"n": 3}, path="/third")
    s.wait_counts("third", delivered=1)
    assert erp.count() == 0 and s.connection()["held"] == "connection_paused"
    s.do("/v1/connections/erp/resume")
    s.wait_counts("orders", delivered=1)
    s.wait_counts("second", delivered=1)


def test_a_promoted_event_goes_next(site, target):
    target.behave = lambda r: answer(200, delay=0.05)
    s = site(project(target, limits={"concurrency": 1})).start()
    s.do("/v1/flows/orders/pause")
    ids = [s.post({"n": n}) for n in range(20)]
    s.do(f"/v1/events/{ids[-1]}/promote")
    s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=20)
    assert [b["n"] for b in target.bodies()].index(19) <= 2


def test_wrong_questions_get_an_answer_that_helps(shop):
    s = shop()
    r = s.call("POST", "/v1/flows/order/pause")
    assert r.status == 404 and "did you mean 'orders'" in r.text
    assert s.call("GET", "/v1/events/NOSUCHID").status == 400
    assert s.call("GET", "/v1/events/0000000000009").status == 404
    r = s.call("POST", "/v1/plan", {"action": "replay", "filter": {"clas": "data"}})
    assert r.status == 400 and "did you mean 'class'" in r.text
    assert s.call("POST", "/v1/plan", {"action": "explode", "filter": {}}).status == 400
    assert s.call("POST", "/v1/plan", b"[").status == 400


def test_what_is_mistyped_or_left_out_acts_on_nothing(shop, target):
    target.behave = lambda r: answer(422, {"error": "no"})
    s = shop()
    s.post({"n": 1})
    s.wait_counts(dead=1)
    for body, says in (({"filtr": {"flow": "orders"}}, "did you mean `filter`?"), ({}, "{} is everything"), ({"filter": None}, "an object"),
                       ({"filter": "flow:orders"}, "an object"), ({"filter": {"q": " "}}, "q must be"), ({"filter": {"q": 7}}, "q must be"),
                       ({"filter": {"ids": []}}, "nothing was chosen"), ({"filter": {"flw": "orders"}}, "did you mean 'flow'?"),
                       ({"filter": {}, "include_superseded": "yes"}, "must be a boolean"), ({"filter": {}, "last": 7}, "must be a string")):
        for path in ("/v1/plan", "/v1/jobs"):
            r = s.call("POST", path, {"action": "discard", "reason": "typo", **body})
            assert r.status == 400 and says in r.json["error"]["message"], (path, body, r)
    r = s.call("POST", "/v1/flows/orders/pause?reason=x", {"reasn": "y"})
    assert r.status == 400 and "did you mean `reason`?" in r.text and s.flow()["held"] is None
    assert s.counts()["dead"] == 1 and s.get("/v1/jobs")["jobs"] == []
    assert s.job("discard", {"q": "flow:orders"})[1]["done"] == 1


def test_a_snapshot_is_a_database_that_others_can_read(shop, target, tmp_path):
    s = shop()
    for n in range(10):
        s.post({"n": n})
    s.wait_counts(delivered=10)
    path = tmp_path / "copy.db"
    s.do("/v1/snapshot", {"path": str(path)})
    with sqlite3.connect(path) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        tables = [name for name, in db.execute("select name from sqlite_master where type = 'table'")]
        assert any(db.execute(f'select count(*) from "{t}"').fetchone() == (10,) for t in tables)
    assert s.call("POST", "/v1/snapshot", {"path": str(path)}).status == 409


def test_lists_are_paged_and_filtered(shop, target):
    target.behave = refuse_bad
    s = shop()
    ids = [s.post({"n": n, "bad": n == 3}) for n in range(12)]
    s.wait_counts(delivered=11, dead=1)
    got, cursor = [], ""
    while True:
        page = s.get(f"/v1/events?limit=5&cursor={cursor}")
        got += [e["id"] for e in page["events"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert got == ids[::-1]
    assert [e["id"] for e in s.list(state="dead")] == [ids[3]]
    assert [e["id"] for e in s.list(event=ids[5])] == [ids[5]]


def test_an_event_says_what_it_waits_for(shop, target):
    target.behave = lambda r: answer(200, delay=1)
    s = shop(flow={"order_by": "'one'"})
    first, second = s.post({"n": 1}), s.post({"n": 2})
    target.wait(1)
    shown = {e["id"]: e for e in s.list()}
    assert shown[first]["running"] and not shown[first]["held"]
    assert shown[second]["held"] == "behind" and shown[second]["ahead"] == first
    s.do("/v1/flows/orders/pause", {"why": "stock-taking"})
    e = s.show(second)["event"]
    assert e["held"] == "flow_paused" and "stock-taking" in e["held_reason"]
    s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=2)
    e = s.show(second)["event"]
    assert not e["held"] and not e["running"] and "class" not in e
