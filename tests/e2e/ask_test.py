# SPDX-License-Identifier: Apache-2.0
"""Steps that ask other systems: their permits, their failures, their cache, and calls that change something."""
import json
import subprocess
import time

import pytest

from support.site import BIN, FAST, NO_BREAKER, hook, project, until
from support.target import DROP, answer

LOOK = {"connection": "crm", "get": "/customers/{body.customer}", "as": "customer", "value": "name"}
MAP = {"map": {"jsonata": "{ 'n': n, 'name': $customer }"}}


def asking(erp, crm, step=None, kind="lookup", limits=None, steps=None, **more):
    flow = {"steps": steps or [{kind: step or LOOK}, MAP], "retry": {"attempts": 6, "backoff": "20ms..100ms"}, **more}
    crm = {"type": "http", "url": crm.url, "timeout": "2s", "limits": limits or NO_BREAKER}
    return project(erp, flow=flow, connections={"crm": crm})


def held(s, id):
    e = s.show(id)["event"]
    return e["held"] if not e["running"] else None


def asked(s, id):
    """What the steps of an event asked, of all its attempts."""
    return [q for a in s.show(id)["attempts"] for q in a.get("asked") or []]


def cli(s, *args, code=0):
    r = subprocess.run([BIN, *args], cwd=s.folder, env=s.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, text=True)
    assert r.returncode == code, r
    return r.stdout + r.stderr


def zoe(r):
    return answer(200, {"name": "Zoë"})


# ---- permits ----
def test_a_look_up_without_a_permit_waits_with_its_reason_and_uses_no_attempt(site, targets):
    crm, erp = targets(zoe), targets()
    s = site(asking(erp, crm, limits={"rate": "1/h", "burst": 1})).start()
    s.wait_state(s.post({"n": 1, "customer": 1}), "delivered")
    ids = [s.post({"n": n, "customer": n}) for n in range(2, 60)]
    until(lambda: all(held(s, id) == "rate" for id in (ids[0], ids[-1])))
    first, status = s.show(ids[0])["event"], s.connection("crm")
    assert first["state"] == "queued" and first["attempts_used"] == 0 and "crm" in first["held_reason"]
    assert status["held"] == "rate" and status["waiting"] > 0 and crm.count() == 1 and erp.count() == 1
    assert s.connection("erp")["held"] is None and s.counts()["running"] == 0
    s.post({"n": 100, "customer": 1})  # the one whose answer is known goes behind them without a call
    s.change(lambda c: c["connections"]["crm"]["limits"].update(rate="1000/s", burst=1000))
    s.do("/v1/reload")
    s.wait_counts(delivered=60)
    assert crm.count() == 59 and sorted(b["n"] for b in erp.bodies()) == [*range(1, 60), 100]
    assert all(len(s.show(id)["attempts"]) == 1 for id in (ids[0], ids[-1]))


def test_the_rest_of_a_flow_says_what_its_look_ups_wait_for_however_many_began_at_once(site, targets):
    crm, erp = targets(zoe), targets()
    s = site(asking(erp, crm, limits={"rate": "1/h", "burst": 1})).start()
    s.wait_state(s.post({"n": 1, "customer": 1}), "delivered")
    s.do("/v1/flows/orders/pause", {"reason": "so that they begin together"})
    ids = [s.post({"n": n, "customer": n}) for n in range(2, 60)]
    s.do("/v1/flows/orders/resume")
    until(lambda: all(held(s, id) == "rate" for id in (ids[0], ids[-1])))
    last = s.post({"n": 60, "customer": 60})
    assert until(lambda: held(s, last), timeout=5) == "rate"


def test_an_event_whose_look_up_cannot_be_made_waits_whatever_attempts_says(site, targets):
    crm, erp = targets(lambda r: answer(200, {"tier": "gold"})), targets()
    config = project(erp, connections={"crm": {"type": "http", "url": crm.url}},
                     flow={"steps": [{"lookup": {"connection": "crm", "get": "/c/{body.c}", "as": "x"}}],
                           "retry": {"attempts": 2, "backoff": "20ms..50ms", "jitter": "none"}})
    s = site(config).start()
    crm.stop()
    id = s.post({"c": 1})
    until(lambda: s.connection("crm")["breaker"] != "closed")
    assert s.state(id) == "queued" or s.state(id) == "retrying"
    time.sleep(0.5)
    assert s.state(id) in ("queued", "retrying", "running") and s.counts()["dead"] == 0


def test_waiting_look_ups_are_answered_when_the_process_stops_and_go_on_after_it(site, targets):
    crm, erp = targets(zoe), targets()
    s = site(asking(erp, crm, limits={"rate": "1/h", "burst": 1})).start()
    ids = [s.post({"n": n, "customer": n}) for n in range(3)]
    until(lambda: sum(held(s, id) == "rate" for id in ids) == 2)
    s.stop()
    s.change(lambda c: c["connections"]["crm"].update(limits=NO_BREAKER)).start()
    s.wait_counts(delivered=3)
    assert crm.count() == 3 and erp.count() == 3


def test_two_flows_that_ask_each_others_target_get_along_with_one_call_at_a_time(site, targets):
    a, b = targets(zoe), targets(zoe)
    limits = {"concurrency": 1, "fixed": True, **NO_BREAKER}

    def flow(path, ask, to):
        return {"from": hook(path), "to": {"connection": to, "post": "/in"}, "retry": dict(FAST),
                "steps": [{"lookup": {**LOOK, "connection": ask}}, {"lookup": {**LOOK, "connection": to, "as": "own"}}, json.loads(json.dumps(MAP))]}

    config = project(a, limits=limits, flows={"ab": flow("/ab", "b", "erp"), "ba": flow("/ba", "erp", "b")},
                     connections={"b": {"type": "http", "url": b.url, "limits": dict(limits)}})
    s = site(config).start()
    for n in range(20):
        s.post({"n": n, "customer": n}, path="/ab")
        s.post({"n": n, "customer": n}, path="/ba")
    s.wait_counts("ab", delivered=20)
    s.wait_counts("ba", delivered=20)
    assert a.most == b.most == 1 and a.count("/in") == b.count("/in") == 20


# ---- failures ----
def test_refused_credentials_of_a_look_up_pause_its_connection_and_hold_the_event(site, targets):
    crm, erp = targets(lambda r: answer(401)), targets()
    s = site(asking(erp, crm)).start()
    id = s.post({"n": 1, "customer": 3})
    until(lambda: held(s, id) == "connection_auth")
    assert s.connection("crm")["held"] == "connection_auth" and s.connection("erp")["held"] is None
    assert s.show(id)["event"]["attempts_used"] == 0 and s.flow()["held"] != "flow_config"
    crm.behave = zoe
    s.do("/v1/connections/crm/resume")
    s.wait_state(id, "delivered")
    assert erp.bodies() == [{"n": 1, "name": "Zoë"}]


def test_while_the_asked_system_is_down_a_cached_answer_is_used_and_its_age_is_kept(site, targets):
    crm, erp = targets(zoe), targets()
    s = site(asking(erp, crm, {**LOOK, "cache": "0s", "on_unavailable": {"use_cached": "1h"}}, limits={"breaker_failures": 2}))
    s.start()
    first = s.post({"n": 1, "customer": 3})
    s.wait_state(first, "delivered")
    assert [(q["from"], q["status"]) for q in asked(s, first)] == [("answer", 200)]
    crm.stop()
    ids = [s.post({"n": n, "customer": 3}) for n in range(2, 8)]
    s.wait_counts(delivered=7)
    assert erp.bodies() == [{"n": n, "name": "Zoë"} for n in range(1, 8)] or erp.count() == 7
    used = asked(s, ids[-1])[-1]
    assert used["from"] == "cache" and used["age_ms"] >= 0 and used["connection"] == "crm" and used["as"] == "customer"
    assert s.connection("crm")["breaker"] == "open" and s.connection("erp")["breaker"] == "closed"
    stranger = s.post({"n": 9, "customer": 4})  # nothing is known of this one: it waits
    until(lambda: held(s, stranger) == "breaker")


def test_a_default_stands_in_where_nothing_is_known(site, targets):
    crm, erp = targets(lambda r: answer(503)), targets()
    otherwise = {"use_cached": "1h", "default": "'nobody ' & body.customer"}
    s = site(asking(erp, crm, {**LOOK, "on_unavailable": otherwise})).start()
    id = s.post({"n": 1, "customer": 3})
    s.wait_state(id, "delivered")
    assert erp.bodies() == [{"n": 1, "name": "nobody 3"}]
    assert [q["from"] for q in asked(s, id)] == ["answer", "default"] and asked(s, id)[0]["error"] == "upstream"


def test_what_is_not_there_is_null_and_an_event_without_the_field_is_dead(site, targets):
    crm, erp = targets(lambda r: answer(404)), targets()
    s = site(asking(erp, crm, {**LOOK, "value": None} | {"value": "$"})).start()
    s.wait_state(s.post({"n": 1, "customer": 3}), "delivered")
    assert erp.bodies() == [{"n": 1, "name": None}]
    shown = s.wait_state(s.post({"n": 2}), "dead")
    assert shown["event"]["class"] == "data" and "$customer" in shown["event"]["reason"] and crm.count() == 1


def test_what_was_found_out_is_there_for_the_maps_of_all_targets(site, targets):
    crm, erp = targets(zoe), targets()
    config = asking(erp, crm, steps=[{"lookup": LOOK}])
    config["flows"]["orders"]["to"] = [{"connection": "erp", "post": "/a", "name": "a", "map": {"jsonata": "{ 'a': $customer }"}},
                                       {"connection": "erp", "post": "/b", "name": "b", "map": {"jsonata": "{ 'b': $customer, 'n': n }"}}]
    s = site(config).start()
    id = s.post({"n": 1, "customer": 3})
    s.wait_state(id, "delivered")
    assert erp.bodies("/a") == [{"a": "Zoë"}] and erp.bodies("/b") == [{"b": "Zoë", "n": 1}] and crm.count() == 1


def test_a_flow_that_gets_a_look_up_runs_it_for_what_is_queued_already(site, targets):
    crm, erp = targets(zoe), targets(lambda r: answer(503))
    s = site(project(erp, flow={"steps": [MAP], "retry": {"attempts": 50, "backoff": "50ms..200ms"}}, limits=NO_BREAKER)).start()
    id = s.post({"n": 1, "customer": 3})
    until(lambda: s.state(id) == "retrying")

    def more(c):
        c["connections"]["crm"] = {"type": "http", "url": crm.url}
        c["flows"]["orders"]["steps"] = [{"lookup": LOOK}, MAP]

    s.change(more)
    s.do("/v1/reload")
    erp.behave = None
    s.wait_state(id, "delivered")
    assert erp.bodies()[-1] == {"n": 1, "name": "Zoë"} and crm.count() == 1


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_a_flow_that_loses_its_look_up_delivers_what_waits_for_it_in_order(site, targets, how):
    crm, erp = targets(lambda r: answer(503)), targets()
    c = asking(erp, crm, steps=[{"lookup": LOOK}], order_by="body.customer", retry={"attempts": 100, "backoff": "200ms..200ms"})
    s = site(c).start()
    first = s.post({"n": 1, "customer": 3})
    until(lambda: s.state(first) == "retrying")
    s.post({"n": 2, "customer": 3})
    s.change(lambda c: c["flows"]["orders"].pop("steps"))
    if how == "reload":
        s.do("/v1/reload")
    else:
        s.stop()
        s.start()
    s.post({"n": 3, "customer": 3})
    s.wait_counts(delivered=3)
    assert [b["n"] for b in erp.bodies()] == [1, 2, 3]


# ---- calls ----
CALL = {"connection": "crm", "post": "/customers", "body": "{ 'id': body.customer }", "as": "customer", "value": "name"}


def test_a_call_is_made_again_with_the_same_key_and_its_answer_is_used(site, targets):
    crm, erp = targets(), targets()
    crm.behave = lambda r: answer(503) if crm.count() < 3 else answer(201, {"name": "Zoë", "id": 7})
    s = site(asking(erp, crm, CALL, kind="call")).start()
    id = s.post({"n": 1, "customer": 3})
    s.wait_state(id, "delivered")
    assert erp.bodies() == [{"n": 1, "name": "Zoë"}]
    assert {(r.method, r.path, r.key) for r in crm.all()} == {("POST", "/customers", crm.all()[0].key)} and crm.count() == 3
    assert crm.all()[0].key.endswith(f"-{id}.customer.0")
    assert crm.bodies() == [{"id": 3}] * 3
    attempts = s.show(id)["attempts"]
    assert [a["outcome"] for a in attempts] == ["failed", "failed", "delivered"]
    assert [q["status"] for q in asked(s, id)] == [503, 503, 201]
    s.wait_state(s.post({"n": 2, "customer": 3}), "delivered")
    assert crm.count() == 4, "a call is not kept"


def test_a_call_whose_answer_was_cut_off_is_an_unknown_outcome_and_comes_again(site, targets):
    crm, erp = targets(), targets()
    crm.behave = lambda r: DROP if crm.count() == 1 else zoe(r)
    s = site(asking(erp, crm, {**CALL, "idempotency_header": ""}, kind="call")).start()
    id = s.post({"n": 1, "customer": 3})
    s.wait_state(id, "delivered")
    assert [a["outcome"] for a in s.show(id)["attempts"]] == ["unknown outcome", "delivered"] and crm.count() == 2


def test_a_call_that_may_do_harm_is_on_disk_before_it_is_made(site, targets):
    crm, erp = targets(lambda r: answer(200, delay=30)), targets()
    s = site(asking(erp, crm, {**CALL, "idempotency_header": ""}, kind="call")).start()
    id = s.post({"n": 1, "customer": 3})
    crm.wait(1)
    s.kill()
    crm.behave = zoe
    s.start()
    shown = s.wait_state(id, "delivered")
    assert [a["outcome"] for a in shown["attempts"]] == ["unknown outcome", "delivered"] and crm.count() == 2
    assert erp.bodies() == [{"n": 1, "name": "Zoë"}]


def test_a_record_that_a_call_refuses_is_dead_and_the_connection_goes_on(site, targets):
    crm, erp = targets(lambda r: answer(422, {"error": "no such country"})), targets()
    s = site(asking(erp, crm, CALL, kind="call")).start()
    shown = s.wait_state(s.post({"n": 1, "customer": 3}), "dead")
    assert shown["event"]["class"] == "data" and "no such country" in shown["event"]["reason"]
    assert s.connection("crm")["held"] is None and erp.count() == 0


def test_a_part_of_what_is_not_there_is_null(site, targets):
    crm, erp = targets(lambda r: answer(404) if r.path.endswith("/3") else answer(200, {"id": 4})), targets()
    s = site(asking(erp, crm, steps=[{"lookup": LOOK}, {"map": {"jsonata": "{ 'n': n, 'name': $customer, 'none': $customer = null }"}}])).start()
    s.wait_state(s.post({"n": 1, "customer": 3}), "delivered")
    s.wait_state(s.post({"n": 2, "customer": 4}), "delivered")  # it is there, and has no name
    assert erp.bodies() == [{"n": 1, "name": None, "none": True}, {"n": 2, "none": False}]


@pytest.mark.parametrize("status", (402, 403, 451))
def test_a_look_up_that_may_not_be_answered_for_one_record_stops_nobody_else(site, targets, status):
    crm = targets(lambda r: answer(status, {"error": "no access to this record"}) if r.path.endswith("/3") else zoe(r))
    erp = targets()
    s = site(asking(erp, crm)).start()
    shown = s.wait_state(s.post({"n": 1, "customer": 3}), "dead")
    assert shown["event"]["class"] == "data" and "no access to this record" in shown["event"]["reason"]
    s.wait_state(s.post({"n": 2, "customer": 4}), "delivered")
    assert s.connection("crm")["held"] is None and erp.bodies() == [{"n": 2, "name": "Zoë"}]


def test_an_answer_that_says_it_is_json_and_is_not_fails_with_its_place(site, targets):
    def cut(r):
        return answer(200, b'{"name":\n "Z', content_type="application/json") if r.path.endswith("/3") else zoe(r)

    crm, erp = targets(cut), targets()
    s = site(asking(erp, crm, retry={"attempts": 3, "backoff": "200ms..200ms", "jitter": "none"})).start()
    id, others = s.post({"n": 1, "customer": 3}), iter(range(10, 1000))
    until(lambda: s.post({"n": 2, "customer": next(others)}) and s.state(id) == "dead")  # it answers others meanwhile
    shown = s.show(id)
    assert shown["event"]["class"] == "transient" and len(shown["attempts"]) == 3
    for words in ("look-up of $customer: GET /customers/{body.customer}: HTTP 200", "is to be JSON and is not (line 2, column"):
        assert words in shown["event"]["reason"], shown["event"]
    s.change(lambda c: c["flows"]["orders"]["steps"].__setitem__(0, {"lookup": {**LOOK, "on_unavailable": {"default": "'nobody'"}}}))
    s.do("/v1/reload")
    s.wait_state(s.post({"n": 3, "customer": 3}), "delivered")
    assert {"n": 3, "name": "nobody"} in erp.bodies() and all(b["n"] != 1 for b in erp.bodies())


def test_a_call_whose_answer_cannot_be_read_comes_again_with_the_same_key(site, targets):
    crm, erp = targets(lambda r: answer(201, b"{" if crm.count() < 2 else b'{"name": "Ada"}', content_type="application/json")), targets()
    s = site(asking(erp, crm, CALL, kind="call")).start()
    shown = s.wait_state(s.post({"n": 1, "customer": 3}), "delivered")
    assert "call of $customer: POST /customers: HTTP 201" in json.dumps(shown["attempts"])
    assert len({r.key for r in crm.all()}) == 1 and crm.count() == 2 and erp.bodies() == [{"n": 1, "name": "Ada"}]


# ---- what is refused ----
def test_a_step_that_cannot_be_is_refused_with_what_to_write(site, targets):
    crm, erp = targets(), targets()
    for step, kind, said in (({**LOOK, "get": None, "post": "/x"}, "lookup", "nothing that a call can use"),
                             ({**LOOK, "as": "body"}, "lookup", "cannot be the name of a variable"),
                             ({**LOOK, "connection": "crn"}, "lookup", "did you mean 'crm'"),
                             ({**LOOK, "on_unavailable": "default"}, "lookup", "there is no default"),
                             ({**LOOK, "gett": "/x"}, "lookup", "gett")):
        code, text = site(asking(erp, crm, {k: v for k, v in step.items() if v is not None}, kind=kind)).fails()
        assert code == 2 and said in text, text


# ---- cross-references ----
def two_way(shop, erp, mark="status & '|' & total"):
    """The shop's orders go to the ERP, the ERP's changes go back to the shop."""
    keep = {"model": "order", "id": "body.id"}
    config = project(shop, flows={
        "out": {"from": hook("/shop"), "retry": dict(FAST),
                "steps": [{"own_write": {"model": "order", "connection": "shop", "id": "body.id", "mark": "body.(" + mark + ")"}},
                          {"xref": {"model": "order", "from": "shop", "id": "body.id", "to": "erp", "as": "known",
                                    "match_by": {"get": "/orders?number={body.id}", "value": "$[0].id"}}}],
                "to": {"connection": "erp", "put": "/orders/{known}", "map": {"jsonata": "{ 'status': status, 'total': total, 'shop': id }"},
                       "xref": {**keep, "from": "shop", "mark": "body.(" + mark + ")"}}},
        "back": {"from": hook("/erp"), "retry": dict(FAST),
                 "steps": [{"own_write": {"model": "order", "connection": "erp", "id": "body.id", "mark": "body.(" + mark + ")"}},
                           {"xref": {"model": "order", "from": "erp", "id": "body.id", "to": "shop", "as": "known", "required": True}}],
                 "to": {"connection": "shop", "put": "/orders/{known}", "map": {"jsonata": "{ 'status': status, 'total': total }"},
                        "answer": "body.id", "xref": {**keep, "from": "erp", "mark": "body.(" + mark + ")"}}}},
        connections={"shop": {"type": "http", "url": shop.url}})
    config["connections"]["erp"]["url"] = erp.url
    return config


class Store:
    """A system that keeps records and tells of every change of one, whoever made it; before it answers, if it is hasty."""

    def __init__(self, name, prefix, hasty=False):
        self.name, self.prefix, self.hasty = name, prefix, hasty
        self.rows, self.told, self.site, self.made_before = {}, [], None, []

    def __call__(self, r):
        if r.method == "GET":
            return answer(200, self.made_before)
        id = r.path.rsplit("/", 1)[1]
        row = {**json.loads(r.body), "id": id}
        self.rows[id] = row
        if self.hasty:
            self.tell(row)
        return answer(200, {"id": id}, delay=0.3 if self.hasty else 0)

    def tell(self, row, times=1):
        for n in range(times):
            self.told.append(self.site.post(row, path="/" + self.name))


def test_a_two_way_flow_does_not_loop_and_brings_a_persons_change_back(site, targets):
    shop, erp = Store("shop", "S"), Store("erp", "E", hasty=True)
    erp.made_before = [{"id": "E-7"}]
    s = site(two_way(targets(shop), targets(erp))).start()
    shop.site = erp.site = s
    first = s.post({"id": "S-1", "status": "new", "total": 5}, path="/shop")
    s.wait_state(first, "delivered")
    assert erp.rows["E-7"]["shop"] == "S-1", "a record that was made before us is adopted"
    echo = s.wait_state(erp.told[0], "skipped")
    assert echo["event"]["reason"] == "own_write" and shop.rows == {}
    erp.tell(erp.rows["E-7"], times=2)  # told again, and again
    until(lambda: [s.state(id) for id in erp.told] == ["skipped"] * 3)
    erp.hasty = False
    changed = s.post({"id": "E-7", "status": "paid", "total": 5}, path="/erp")
    s.wait_state(changed, "delivered")
    assert shop.rows["S-1"]["status"] == "paid"
    shop.tell(shop.rows["S-1"])
    s.wait_state(shop.told[0], "skipped")
    again = s.post({"id": "E-7", "status": "new", "total": 5}, path="/erp")  # back to what we once wrote: a person's change
    s.wait_state(again, "delivered")
    assert shop.rows["S-1"]["status"] == "new" and len(erp.rows) == len(shop.rows) == 1


@pytest.mark.parametrize("said", (answer(204, b""), answer(200, {"id": "rev-1"})), ids=("nothing", "another id"))
def test_a_two_way_flow_does_not_loop_where_the_targets_answer_has_not_the_records_id(site, targets, said):
    shop, erp = Store("shop", "S"), Store("erp", "E")
    erp.made_before = [{"id": "E-7"}]
    config = two_way(targets(lambda r: shop(r) and said), targets(lambda r: erp(r) if r.method == "GET" else erp(r) and said))
    del config["flows"]["back"]["to"]["answer"]
    s = site(config).start()
    shop.site = erp.site = s
    s.wait_state(s.post({"id": "S-1", "status": "new", "total": 5}, path="/shop"), "delivered")
    erp.tell(erp.rows["E-7"])
    assert s.wait_state(erp.told[0], "skipped")["event"]["reason"] == "own_write" and shop.rows == {}
    s.wait_state(s.post({"id": "E-7", "status": "paid", "total": 5}, path="/erp"), "delivered")
    shop.tell(shop.rows["S-1"])
    s.wait_state(shop.told[0], "skipped")
    assert {(x["from_id"], x["to_id"]) for x in s.get("/v1/xrefs")["xrefs"]} == {("S-1", "E-7"), ("E-7", "S-1")}


def test_cross_references_survive_a_kill_and_are_listed_and_forgotten(site, targets):
    shop, erp = Store("shop", "S"), Store("erp", "E")
    erp.made_before = [{"id": "E-7"}]
    s = site(two_way(targets(shop), targets(erp))).start()
    shop.site = erp.site = s
    s.wait_state(s.post({"id": "S-1", "status": "new", "total": 5}, path="/shop"), "delivered")
    s.kill()
    s.start()
    row = s.get("/v1/xrefs?model=order&id=S-1")["xrefs"][0]
    assert (row["from"], row["from_id"], row["to"], row["to_id"], row["mark"]) == ("shop", "S-1", "erp", "E-7", "new|5")
    s.wait_state(s.post({"id": "E-7", "status": "paid", "total": 5}, path="/erp"), "delivered")
    assert list(shop.rows) == ["S-1"]
    wrote = [x["xrefs"] for x in (s.show(e["id"]) for e in s.list(flow="out"))]
    assert [[(x["from_id"], x["to"], x["to_id"]) for x in w] for w in wrote] == [[("S-1", "erp", "E-7")]] * len(wrote), wrote
    said = cli(s, "xref", "show", "E-7")
    assert "S-1" in said and "order" in said
    assert "E-7" in cli(s, "xref", "list", "--json")
    cli(s, "xref", "forget", "order", "shop", "S-1", "--reason", "merged")
    assert s.get("/v1/xrefs")["xrefs"] == [] and cli(s, "xref", "show", "E-7", code=3) is not None
    stranger = s.post({"id": "E-7", "status": "sent", "total": 5}, path="/erp")
    until(lambda: s.state(stranger) == "retrying")
    assert "not known on shop yet" in s.show(stranger)["event"]["reason"]


def test_a_pair_is_written_with_the_acknowledgement_and_not_for_what_was_refused(site, targets):
    erp = targets(lambda r: answer(422))
    s = site(project(erp, flow={"to": {"connection": "erp", "post": "/orders", "map": {"jsonata": "{ 'n': n }"},
                                       "xref": {"model": "order", "from": "shop", "id": "body.id"}}})).start()
    id = s.post({"id": "S-1", "n": 1})
    s.wait_state(id, "dead")
    assert s.get("/v1/xrefs")["xrefs"] == []
    erp.behave = lambda r: answer(201, {"id": 77})
    s.job("replay", {"ids": [id]})
    s.wait_state(id, "delivered")
    row = s.get("/v1/xrefs")["xrefs"][0]
    assert (row["from"], row["from_id"], row["to"], row["to_id"], row["mark"]) == ("shop", "S-1", "erp", "77", None)
    shown = s.show(id)
    assert [(x["model"], x["from_id"], x["to_id"], x["by"]) for x in shown["xrefs"]] == [("order", "S-1", "77", id)]
    assert [x["attempt"] for x in shown["xrefs"]] == [2], "the attempt that was acknowledged wrote it"


def test_cross_references_are_found_by_any_id_and_walked_page_by_page(site, target):
    target.behave = lambda r: answer(201, {"id": "E-" + str(json.loads(r.body)["n"] % 5)})
    s = site(project(target, flow={"to": {"connection": "erp", "post": "/orders", "map": {"jsonata": "{ 'n': n }"},
                                          "xref": {"model": "order", "from": "shop", "id": "body.id"}}})).start()
    for n in range(20):
        s.post({"id": f"S-{n}", "n": n})
    s.wait_counts(delivered=20)
    of = lambda path: [x["from_id"] for x in s.get(path)["xrefs"]]
    assert of("/v1/xrefs?id=S-7") == ["S-7"] and sorted(of("/v1/xrefs?id=E-2")) == ["S-12", "S-17", "S-2", "S-7"]
    assert of("/v1/xrefs?id=S-7&connection=erp") == [] == of("/v1/xrefs?id=E-2&connection=shop") == of("/v1/xrefs?id=S-7&model=other")
    seen, cursor = [], None
    while True:
        page = s.get("/v1/xrefs?limit=6&model=order" + (f"&cursor={cursor}" if cursor else ""))
        seen += [x["from_id"] for x in page["xrefs"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert len(seen) == 20 == len(set(seen)), seen


def test_an_own_write_that_no_target_marks_is_refused_by_check(site, targets):
    config = two_way(targets(), targets())
    del config["flows"]["out"]["to"]["xref"]["mark"]
    code, said = site(config).fails()
    assert code == 2 and "no target of connection 'erp' leaves a mark of model 'order'" in said
