# SPDX-License-Identifier: Apache-2.0
"""Steps and sources: split, route, validate, look-ups, schedules, polls."""
import json
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

from support.site import BIN, FAST, NO_BREAKER, hook, project, until
from support.target import answer


def test_a_split_order_is_routed_to_two_targets(site, targets):
    erp, mail = targets(), targets()
    flow = {"order_by": "body.customer",
            "steps": [{"split": "body.lines.{ 'order': $$.body.id, 'sku': sku, 'kind': kind }"},
                      {"route": [{"to": ["erp"]}, {"when": "body.kind = 'gift'", "to": ["mail"]}]}],
            "to": [{"connection": "erp", "post": "/lines"},
                   {"connection": "mail", "post": "/cards", "map": {"jsonata": "{ 'card': sku }"}}]}
    s = site(project(erp, flow=flow, connections={"mail": {"type": "http", "url": mail.url}})).start()
    lines = [{"sku": "a", "kind": "plain"}, {"sku": "b", "kind": "gift"}, {"sku": "c", "kind": "gift"}]
    id = s.post({"id": 5, "customer": 1, "lines": lines})
    shown = s.wait_state(id, "delivered")
    assert sorted((b["order"], b["sku"]) for b in erp.bodies()) == [(5, "a"), (5, "b"), (5, "c")]
    assert sorted(b["card"] for b in mail.bodies()) == ["b", "c"]
    assert len(shown["deliveries"]) == 5 and {d["state"] for d in shown["deliveries"]} == {"delivered"}
    keys = [r.key for r in erp.all() + mail.all()]
    assert len(set(keys)) == 5 and all(k.split("-")[1].startswith(id + ".") for k in keys)


def test_the_two_targets_of_an_event_fail_and_retry_each_for_itself(site, targets):
    erp, mail = targets(), targets(lambda r: answer(422, {"error": "no address"}))
    flow = {"to": [{"connection": "erp", "post": "/a"}, {"connection": "mail", "post": "/b"}]}
    s = site(project(erp, flow=flow, connections={"mail": {"type": "http", "url": mail.url}})).start()
    id = s.post({"n": 1})
    shown = s.wait_state(id, "dead")
    until(lambda: {d["state"] for d in s.show(id)["deliveries"]} == {"delivered", "dead"})
    shown = s.show(id)
    dead = next(d for d in shown["deliveries"] if d["state"] == "dead")
    assert shown["event"]["reason"] == "deliveries of it are dead" == next(e for e in s.list() if e["id"] == id)["reason"]
    assert "no address" in dead["reason"]
    mail.behave = None
    s.job("replay", {"ids": [dead["id"]]})
    s.wait_state(id, "delivered")
    assert erp.count() == 1 and mail.count() == 2


def test_a_replay_of_one_of_several_deliveries_has_a_key_of_its_own_at_each_attempt(site, targets):
    erp, mail = targets(), targets()
    flow = {"to": [{"connection": "erp", "post": "/a"}, {"connection": "mail", "post": "/b"}], "retry": dict(FAST)}
    s = site(project(erp, flow=flow, connections={"mail": {"type": "http", "url": mail.url}})).start()
    id = s.post({"n": 1})
    shown = s.wait_state(id, "delivered")
    first = next(d for d in shown["deliveries"] if d["target"] == "erp")
    erp.behave = lambda r: answer(500) if erp.count() < 3 else answer(200)
    assert s.job("replay", {"ids": [first["id"]]})[1]["done"] == 1
    until(lambda: erp.count() == 3)
    s.wait_state(id, "delivered")
    keys = [r.key for r in erp.all()]
    assert keys[1] == keys[2] != keys[0] and keys[1].startswith(keys[0] + ".p") and mail.count() == 1


def test_an_event_without_a_route_is_skipped(site, target):
    flow = {"steps": [{"route": [{"when": "body.big", "to": ["erp"]}]}]}
    s = site(project(target, flow=flow)).start()
    shown = s.wait_state(s.post({"big": False}), "skipped")
    plan, job = s.job("replay", {"ids": [shown["event"]["id"]]})
    assert (plan["matching"], job["done"]) == (1, 1), "its steps run again"
    s.wait_counts(skipped=2)
    assert shown["event"]["reason"] == "no_route"
    s.wait_state(s.post({"big": True}), "delivered")


def test_a_target_with_a_condition_of_its_own(site, target):
    flow = {"to": [{"connection": "erp", "post": "/all", "name": "all"},
                   {"connection": "erp", "post": "/big", "name": "big", "when": "body.total > 100"}]}
    s = site(project(target, flow=flow)).start()
    s.wait_state(s.post({"total": 5}), "delivered")
    s.wait_state(s.post({"total": 500}), "delivered")
    assert (target.count("/all"), target.count("/big")) == (2, 1)


def test_a_body_that_does_not_fit_its_model_is_refused_as_data(site, target):
    config = project(target, flow={"steps": [{"validate": "order"}]}, models={"order": "order.schema.json"})
    s = site(config)
    (s.folder / "order.schema.json").write_text(json.dumps(
        {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}))
    s.start()
    shown = s.wait_state(s.post({"id": "seven"}), "dead")
    assert shown["event"]["class"] == "data" and "/id" in shown["event"]["reason"] and target.count() == 0
    s.wait_state(s.post({"id": 7}), "delivered")


def test_a_model_refers_to_schemas_that_are_mapped_to_files(site, target):
    address = "https://schemas.example.com/id.json"
    config = project(target, flow={"steps": [{"validate": "order"}]}, models={"order": "order.schema.json"},
                     schemas={address: "id.schema.json"})
    s = site(config)
    (s.folder / "order.schema.json").write_text(json.dumps({"properties": {"id": {"$ref": address + "#/$defs/id"}}}))
    (s.folder / "id.schema.json").write_text(json.dumps({"$defs": {"id": {"type": "integer"}}}))
    s.start()
    s.wait_state(s.post({"id": "seven"}), "dead")
    s.wait_state(s.post({"id": 7}), "delivered")


def test_a_model_with_an_address_that_is_not_mapped_is_refused_by_check(site, target):
    address = "https://schemas.example.com/id.json"
    config = project(target, flow={"steps": [{"validate": "order"}]}, models={"order": "order.schema.json"})
    s = site(config)
    (s.folder / "order.schema.json").write_text(json.dumps({"properties": {"id": {"$ref": address}}}))
    code, said = s.fails()
    assert code == 2 and address in said and "`schemas:`" in said


def test_a_mapping_in_a_file_is_used_by_name(site, target):
    config = project(target, flow={"steps": [{"map": "short"}]}, mappings={"short": {"jsonata": "short.jsonata"}})
    s = site(config)
    (s.folder / "short.jsonata").write_text("{ 'id': $uppercase(id) }")
    s.start()
    s.post({"id": "abc", "more": 1})
    target.wait(1)
    assert target.bodies() == [{"id": "ABC"}]


# ---- look-ups ----
def looking(crm, **step):
    step = {"connection": "crm", "path": "/customers/{body.customer}", "as": "customer", "value": "name", **step}
    flow = {"steps": [{"lookup": step}, {"map": {"jsonata": "{ 'n': n, 'name': $customer }"}}],
            "retry": {"attempts": 10, "backoff": "20ms..100ms"}}
    return {"flow": flow, "connections": {"crm": {"type": "http", "url": crm.url, "timeout": "2s", "limits": NO_BREAKER}}}


def test_a_look_up_is_made_once_and_cached(site, targets):
    crm, erp = targets(lambda r: answer(200, {"name": "Zoë"})), targets()
    s = site(project(erp, **looking(crm))).start()
    for n in range(5):
        s.wait_state(s.post({"n": n, "customer": 3}), "delivered")
    s.wait_state(s.post({"n": 5, "customer": 4}), "delivered")
    assert [r.path for r in crm.all()] == ["/customers/3", "/customers/4"]
    assert erp.bodies() == [{"n": n, "name": "Zoë"} for n in range(6)]


def test_on_unavailable_hold_waits_for_the_other_system(site, targets):
    crm, erp = targets(lambda r: answer(503)), targets()
    s = site(project(erp, **looking(crm, on_unavailable="hold"))).start()
    id = s.post({"n": 1, "customer": 3})
    until(lambda: s.state(id) == "retrying")
    assert "$customer" in s.show(id)["event"]["reason"] and erp.count() == 0
    crm.behave = lambda r: answer(200, {"name": "Zoë"})
    s.wait_state(id, "delivered")
    assert erp.bodies() == [{"n": 1, "name": "Zoë"}]


def test_on_unavailable_default_and_use_cached(site, targets):
    crm, erp = targets(lambda r: answer(503)), targets()
    s = site(project(erp, **looking(crm, on_unavailable="default", default="'nobody'"))).start()
    s.wait_state(s.post({"n": 1, "customer": 3}), "delivered")
    assert erp.bodies() == [{"n": 1, "name": "nobody"}]
    s.stop()
    crm.behave = lambda r: answer(200, {"name": "Zoë"})
    s = site(project(erp, **looking(crm, on_unavailable="use_cached", cache="0s"))).start()
    s.wait_state(s.post({"n": 2, "customer": 3}), "delivered")
    crm.stop()
    s.wait_state(s.post({"n": 3, "customer": 3}), "delivered")
    assert erp.bodies()[1:] == [{"n": n, "name": "Zoë"} for n in (2, 3)]


# ---- sources ----
def test_a_schedule_fires_once_a_minute_and_each_time_is_an_event(ticking):
    s, target = ticking
    target.wait(1, timeout=65, path="/tick")
    until(lambda: s.flow("tick")["events"] == target.count("/tick") == s.counts("tick")["delivered"])
    assert target.bodies("/tick")[0] == {"run": "sync"}
    minutes = [e["received_at"][:16] for e in s.list(flow="tick")]
    assert len(set(minutes)) == len(minutes), minutes
    assert all(e["received_at"][17:19] < "05" for e in s.list(flow="tick")), "at the beginning of the minute"


def test_a_run_of_a_schedule_has_the_order_of_the_flow(ticking):
    s, target = ticking
    target.wait(1, timeout=65, path="/tick")
    assert [s.show(e["id"])["order_by"] for e in s.list(flow="tick")][:1] == ["sync"]


def test_the_first_run_of_a_new_schedule_is_made_up_for_too(ticking, missed):
    s, stopped = missed
    time.sleep(max(0, (stopped // 60 + 1) * 60 + 1 - time.time()))
    s.start()
    s.wait_counts(delivered=1, timeout=8)


def a_day_passes(s):
    """Since the schedule of `tick` began, or ran."""
    with closing(sqlite3.connect(s.folder / "data/ledger.db")) as db, db:
        (value,) = db.execute("SELECT value FROM position WHERE lease='source/tick' AND key='cursor'").fetchone()
        value = value if isinstance(value, bytes) else value.encode()
        was = datetime.fromisoformat(value[:19].decode()).replace(tzinfo=timezone.utc)
        value = (was - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S").encode() + value[19:]
        db.execute("UPDATE position SET value=? WHERE lease='source/tick' AND key='cursor'", (value,))


def test_what_a_schedule_missed_is_made_up_for_only_where_it_was_in_force(site, target):
    daily = (datetime.now(timezone.utc) - timedelta(hours=2)).strftime("%M %H * * *")
    tick = {"from": {"schedule": {"cron": "0 0 1 1 *"}}, "to": {"connection": "erp", "post": "/tick"}}
    s = site(project(target, flows={"tick": tick}))

    def run_for_a_while():
        s.start()
        until(lambda: s.get("/v1/status")["flows"])
        time.sleep(0.7)
        s.stop()
        return target.count("/tick")

    assert run_for_a_while() == 0
    a_day_passes(s)
    s.change(lambda c: c["flows"]["tick"]["from"]["schedule"].update(cron=daily))
    assert run_for_a_while() == 0, "that time was before the schedule"
    a_day_passes(s)
    assert run_for_a_while() == 1, "that one was missed"
    s.change(lambda c: c["flows"].pop("tick"))
    assert run_for_a_while() == 1
    a_day_passes(s)
    s.change(lambda c: c["flows"].update(tick={**tick, "from": {"schedule": {"cron": daily}}}))
    assert run_for_a_while() == 1, "the flow was not there at that time"


def test_a_schedule_that_came_with_a_reload_is_new_after_a_second_one_too(site, target):
    """The disk is full when it should begin, so that the next reload comes before it has."""
    daily = (datetime.now(timezone.utc) - timedelta(hours=2)).strftime("%M %H * * *")
    tick = {"from": {"schedule": {"cron": daily}}, "to": {"connection": "erp", "post": "/tick"}}
    s = site(project(target, flows={"tick": tick}))
    s.start()

    def position():
        with closing(sqlite3.connect(s.folder / "data/ledger.db")) as db:
            return db.execute("SELECT value FROM position WHERE lease='source/tick' AND key='cursor'").fetchone()
    until(position)
    s.stop()
    a_day_passes(s)
    was = position()
    s.change(lambda c: c["flows"].pop("tick"))
    s.start()
    s.config["store"]["reserve"] = "100TB"
    s.config["flows"]["tick"] = tick
    s.configure(s.config)
    s.do("/v1/reload")
    until(lambda: [e for e in s.logged("source.failed") if e["flow"] == "tick"])
    assert position() == was
    s.config["store"]["reserve"] = "100MB"
    s.configure(s.config)
    s.do("/v1/reload")
    until(lambda: position() != was)
    time.sleep(0.5)
    assert target.count("/tick") == 0, "the flow was not there at that time"


class Shop:
    """A source of records: GET /orders?since=N gives at most 10 that are newer."""

    def __init__(self):
        self.n = 0
        self.lock = threading.Lock()

    def __call__(self, r):
        if not r.path.startswith("/orders"):
            return None
        since = int(parse_qs(urlsplit(r.path).query)["since"][0] or 0)
        with self.lock:
            rows = [{"id": i, "at": i} for i in range(since + 1, min(self.n, since + 10) + 1)]
        return answer(200, {"orders": rows})


def polling(**more):
    read = {"connection": "shop", "poll": "/orders?since={cursor}", "every": "100ms", "items": "body.orders",
            "cursor": "$max(body.orders.at)", "start": "0", **more}
    return {"from": {"read": read}, "to": {"connection": "erp", "post": "/in"}, "retry": dict(FAST)}


def test_a_poll_with_a_cursor_survives_kills_and_restarts_without_loss_or_double(site, targets):
    shop, erp = Shop(), targets()
    source = targets(shop)
    s = site(project(erp, connections={"shop": {"type": "http", "url": source.url}}, flows={"pull": polling()})).start()
    for round in range(4):
        shop.n += 25
        if round % 2:
            time.sleep(0.15)
            s.kill()
        else:
            until(lambda: s.flow("pull")["events"] == shop.n)
            s.stop()
        s.start()
    until(lambda: s.flow("pull")["events"] == 100)
    s.wait_counts("pull", delivered=100)
    assert sorted({b["id"] for b in erp.bodies()}) == list(range(1, 101))
    bodies = [e["id"] for e in s.list(flow="pull")]
    assert len(bodies) == 100, "each record is one event"


def test_a_poll_that_fails_goes_on_where_it_was(site, targets):
    shop = Shop()
    shop.n = 5
    source, erp = targets(shop), targets()
    s = site(project(erp, connections={"shop": {"type": "http", "url": source.url}}, flows={"pull": polling()})).start()
    s.wait_counts("pull", delivered=5)
    source.behave = lambda r: answer(500)
    until(lambda: s.logged("source.failed"))
    shop.n = 8
    source.behave = shop
    s.wait_counts("pull", delivered=8, timeout=15)
    assert [b["id"] for b in erp.bodies()] == list(range(1, 9)) or sorted(b["id"] for b in erp.bodies()) == list(range(1, 9))


def test_a_source_that_fails_is_seen_in_status_metrics_and_alerts_until_it_works(site, targets):
    shop = Shop()
    shop.n = 3
    source, erp = targets(lambda r: answer(404)), targets()
    s = site(project(erp, connections={"shop": {"type": "http", "url": source.url}}, flows={"pull": polling()},
                     alerts={"resolve_after": "1s", "rules": {"source_fails": {"threshold": "1s"}}})).start()
    f = until(lambda: s.flow("pull").get("read_failing_since") and s.flow("pull"))
    assert "404" in f["read_failure"] and f["read_failed_at"] and f["read_at"] is None
    assert "its source fails" in subprocess.run([BIN, "status"], cwd=s.folder, env={**s.env, "COLUMNS": "300"}, capture_output=True,
                                                text=True, check=True).stdout
    gauge = 'tieline_source_failing_since_timestamp_seconds{flow="pull"}'
    assert s.metrics()[gauge] > 0

    def alert():
        return [a for a in s.get("/v1/alerts?state=open")["alerts"] if a["rule"] == "source_fails" and a["state"] == "firing"]
    assert "404" in until(alert, timeout=40)[0]["cause"]
    source.behave = shop
    s.wait_counts("pull", delivered=3, timeout=40)
    f = until(lambda: s.flow("pull")["read_failing_since"] is None and s.flow("pull"))
    assert f["read_at"] and "404" in f["read_failure"], "when it worked, and what the last failure was"
    assert s.metrics()[gauge] == 0
    until(lambda: not alert(), timeout=40)


def test_a_poll_without_a_first_cursor_begins_with_an_empty_one(site, targets):
    source, erp = targets(lambda r: answer(200, {"orders": [], "next": "7"})), targets()
    flow = polling(cursor="body.next")
    del flow["from"]["read"]["start"]
    site(project(erp, connections={"shop": {"type": "http", "url": source.url}}, flows={"pull": flow})).start()
    source.wait(2)
    assert [r.path for r in source.all()][:2] == ["/orders?since=", "/orders?since=7"]


def test_large_records_of_a_poll_are_kept_whole(site, targets):
    rows = [{"id": n, "at": n, "pad": "r" * 200_000} for n in (1, 2, 3)]
    source, erp = targets(lambda r: answer(200, {"orders": [x for x in rows if x["at"] > int(r.path.split("=")[1] or 0)]})), targets()
    s = site(project(erp, connections={"shop": {"type": "http", "url": source.url}}, flows={"pull": polling()})).start()
    s.wait_counts("pull", delivered=3)
    assert sorted(erp.bodies(), key=lambda b: b["id"]) == rows


def test_a_poll_with_a_key_makes_no_second_event_of_a_record_that_comes_again(site, targets):
    source = targets(lambda r: answer(200, {"orders": [{"id": 1, "at": 1}, {"id": 2, "at": 1}]}))
    erp = targets()
    s = site(project(erp, connections={"shop": {"type": "http", "url": source.url}}, flows={"pull": polling(key="id")})).start()
    source.wait(4)
    assert s.flow("pull")["events"] == 2 and s.flow("pull")["duplicates"] >= 2
    s.wait_counts("pull", delivered=2)
    assert erp.count() == 2


def test_order_by_is_kept_for_the_items_of_a_split(site, target):
    flow = {"order_by": "body.k", "steps": [{"split": "body.items.{ 'v': $ }"}]}
    target.behave = lambda r: answer(500) if target.count() in (2, 3) else None
    s = site(project(target, flow=flow, limits=NO_BREAKER)).start()
    for n in range(3):
        s.post({"k": 1, "items": [f"{n}a", f"{n}b", f"{n}c"]})
    until(lambda: s.get("/v1/status")["ledger"]["live"] == 0)
    seen = []
    [seen.append(b["v"]) for b in target.bodies() if b["v"] not in seen]
    assert seen == [f"{n}{x}" for n in range(3) for x in "abc"]


def test_a_split_that_finds_nothing_is_dead_and_an_empty_one_is_filtered(shop):
    s = shop(flow={"steps": [{"split": "body.lines"}]})
    s.wait_state(s.post({"rows": [1]}), "dead")
    s.wait_state(s.post({"lines": []}), "skipped")
    assert s.flow()["failed"]["data"] == 1


def test_an_order_or_key_that_cannot_be_evaluated_is_told_once_and_counted(shop):
    s = shop(flow={"order_by": "$number(body.customer)", "idempotency": {"key": "$uppercase(body.no)"}})
    for n in range(3):
        s.post({"customer": "Zoe", "no": f"a{n}"})
    s.post({"customer": "7", "no": "b"})
    s.post({"no": "c"})
    s.wait_counts(delivered=5)
    [line] = s.logged("flow.no_key")
    assert "order_by" in json.dumps(line) and line["flow"] == "orders", line
    assert s.metrics()['tieline_events_no_order_total{flow="orders"}'] == 4


def test_a_large_body_goes_to_two_targets_as_it_came_and_split(site, target):
    value = {"lines": [{"n": n, "pad": "w" * 1000} for n in range(400)]}
    flows = {"two": {"from": hook("/two"), "to": [{"connection": "erp", "post": "/a", "name": "a"},
                                                   {"connection": "erp", "post": "/b", "name": "b"}]},
             "parts": {"from": hook("/parts"), "steps": [{"split": "body.lines"}], "to": {"connection": "erp", "post": "/c"}},
             "mapped": {"from": hook("/mapped"), "steps": [{"map": {"jsonata": "{ 'all': lines }"}}],
                        "to": [{"connection": "erp", "post": "/d", "name": "d"}, {"connection": "erp", "post": "/e", "name": "e"}]}}
    s = site(project(target, flows=flows)).start()
    for path in ("/two", "/parts", "/mapped"):
        s.wait_state(s.post(value, path=path), "delivered", timeout=30)
    assert target.bodies("/a") == target.bodies("/b") == [value]
    assert sorted(b["n"] for b in target.bodies("/c")) == list(range(400))
    assert target.bodies("/d") == target.bodies("/e") == [{"all": value["lines"]}]


# ---- permits of sources ----
def reading(shop, limits, **more):
    read = {"connection": "shop", "poll": "/orders?since={cursor}", "every": "100ms", "items": "body.orders",
            "cursor": "$max(body.orders.at)", "start": "0", **more}
    return {"flows": {"pull": {"from": {"read": read}, "to": {"connection": "erp", "post": "/in"}, "retry": dict(FAST)}},
            "connections": {"shop": {"type": "http", "url": shop.url, "timeout": "2s", "limits": limits}}}


def test_a_quota_is_not_passed_by_reading_and_the_source_says_what_it_waits_for(site, targets):
    shop = Shop()
    shop.n = 100  # ten pages
    source, erp = targets(shop), targets()
    quota = {"quotas": [{"name": "hourly", "amount": 4, "per": "24h"}]}
    s = site(project(erp, **reading(source, quota))).start()
    until(lambda: s.flow("pull").get("source_waits") == "quota" and s.flow("pull")["events"] == 40)
    assert source.count() == 4
    assert s.connection("shop")["held"] == "quota" and s.connection("shop")["calls"] == 4
    s.wait_counts("pull", delivered=40)
    s.kill()  # what is spent stays spent
    s.start()
    until(lambda: s.flow("pull").get("source_waits") == "quota")
    assert source.count() == 4 and s.logged("source.waits")
    s.change(lambda c: c["connections"]["shop"].pop("limits"))
    s.do("/v1/reload")
    s.wait_counts("pull", delivered=100)
    assert s.flow("pull").get("source_waits") is None


def test_a_source_and_a_target_share_the_one_call_that_their_connection_allows(site, targets):
    shop = Shop()
    shop.n = 60
    both = targets(shop)
    config = project(both, **reading(both, {"concurrency": 1, "fixed": True}))
    config["flows"]["pull"]["to"] = {"connection": "shop", "post": "/in"}
    s = site(config).start()
    s.wait_counts("pull", delivered=60)
    assert both.most == 1 and both.count("/in") == 60


def test_refused_credentials_of_a_source_pause_its_connection(site, targets):
    shop = Shop()
    shop.n = 3
    source, erp = targets(lambda r: answer(401)), targets()
    s = site(project(erp, **reading(source, NO_BREAKER))).start()
    until(lambda: s.connection("shop")["held"] == "connection_auth")
    until(lambda: s.flow("pull").get("source_waits") == "connection_auth", timeout=30)
    asked = source.count()
    source.behave = shop
    s.do("/v1/connections/shop/resume")
    s.wait_counts("pull", delivered=3)
    assert source.count() > asked and s.connection("shop")["held"] is None


def test_a_split_that_finds_null_is_dead_as_one_that_finds_nothing(site, target):
    s = site(project(target, flow={"steps": [{"split": "body.lines"}]})).start()
    for body in ({"lines": None}, {"lnes": [1]}):
        shown = s.wait_state(s.post(body), "dead")
        assert shown["event"]["class"] == "data" and "the split finds nothing in this event" in shown["event"]["reason"]
    s.wait_state(s.post({"lines": {"sku": 1}}), "delivered")
    assert s.wait_state(s.post({"lines": []}), "skipped")["event"]["reason"] == "filtered" and target.bodies() == [{"sku": 1}]
