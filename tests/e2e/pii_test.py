# SPDX-License-Identifier: Apache-2.0
"""Personal data that a model marks with `pii` is masked wherever a payload is shown, and a look behind the mask is audited."""
import json
import subprocess
from urllib.parse import quote

import pytest
from support.site import BIN, free_port, project, until
from support.target import Target, answer
from support.web import Web

MODEL = {
    "type": "object",
    "properties": {
        "orderNumber": {"type": "string"},
        "customer": {"$ref": "#/$defs/person"},
        "contacts": {"type": "array", "items": {"type": "object", "properties": {"phone": {"type": "string", "pii": True}}}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}}},
    "$defs": {"person": {"type": "object", "properties": {"name": {"type": "string", "pii": True}, "city": {"type": "string"}}}}}
MAPPING = """{ "orderNumber": "SO-" & id, "customer": { "name": buyer.full_name, "city": buyer.city }, "contacts": phones.{ "phone": $ },
              "item": { "name": product.name } }"""
PAYLOAD = {"id": 7, "buyer": {"full_name": "Ada Lovelace", "city": "London"}, "phones": ["+44 20 7946 0000"], "product": {"name": "engine"}}
SECRETS = ("Ada Lovelace", "7946 0000")
TOKENS = {"viewer": "a-viewer-of-the-tests-000000000000", "operator": "an-operator-of-the-tests-00000000"}


@pytest.fixture
def running(site, targets):
    """A shop whose ERP repeats what it does not like in its answer."""
    def start(order_by=None, **admin):
        def refuse(r):
            order = json.loads(r.body)
            return answer(422, {"message": f"customer {order['customer'].get('name')} is locked", "echo": order})
        target = targets(refuse)
        order = {"order_by": order_by} if order_by else {}
        c = project(target, flow={"steps": [{"map": "order"}], **order}, mappings={"order": {"to": "order", "jsonata": "order.jsonata"}},
                    models={"order": "order.schema.json"},
                    admin={"listen": f"127.0.0.1:{free_port()}", **admin,
                           "tokens": [{"name": r, "role": r, "secret": f"${{env:{r.upper()}}}"} for r in TOKENS]})
        s = site(c, env={r.upper(): t for r, t in TOKENS.items()})
        (s.folder / "order.schema.json").write_text(json.dumps(MODEL))
        (s.folder / "order.jsonata").write_text(MAPPING)
        s.start()
        s.event = s.post(PAYLOAD)
        s.wait_counts(dead=1)
        return s
    return start


def web(s, role):
    return Web(int(s.config["admin"]["listen"].rsplit(":", 1)[1]), TOKENS[role])


def reveal(s, role, why):
    return web(s, role).raw("POST", f"/v1/events/{s.event}/reveal", {"reason": why})


def hidden(answered):
    text = json.dumps(answered, ensure_ascii=False)
    return not any(word in text for word in SECRETS)


def test_marked_fields_and_what_feeds_them_are_masked_for_everybody(running):
    s = running()
    for get in (s.get, web(s, "viewer").get, web(s, "operator").get):
        d = get(f"/v1/events/{s.event}")
        assert d["masked"] and hidden(d), d
        assert d["body"] == {"id": 7, "buyer": {"full_name": "***", "city": "London"}, "phones": "***", "product": {"name": "engine"}}
        assert "customer *** is locked" in d["attempts"][0]["reason"], "what the other side repeats, too"
        p = get(f"/v1/events/{s.event}/payloads")
        assert hidden(p) and p["mapped"]["customer"] == {"name": "***", "city": "London"} and p["mapped"]["item"] == {"name": "engine"}, p
    shown = subprocess.run([BIN, "events", "show", s.event], cwd=s.folder, env=s.env, capture_output=True, text=True)
    assert shown.returncode == 0 and hidden(shown.stdout) and "--reveal" in shown.stdout, shown


def test_a_look_behind_the_mask_takes_a_role_and_a_reason_and_is_audited(running):
    s = running()
    assert reveal(s, "viewer", "curious").status == 403
    r = reveal(s, "operator", "the customer calls")
    assert r.status == 403 and "admin.reveal" in r.text and hidden(r.text)
    shown = subprocess.run([BIN, "events", "show", s.event, "--reveal", "--why", "the customer calls", "--json"], cwd=s.folder, env=s.env,
                           capture_output=True, text=True)
    assert json.loads(shown.stdout)["body"] == PAYLOAD, shown
    last = s.get("/v1/audit")["entries"][0]
    assert (last["action"], last["reason"], last["subject"]) == ("reveal", "the customer calls", f"event {s.event}"), last


def test_operators_may_reveal_where_the_configuration_says_so(running):
    s = running(reveal="operator")
    assert reveal(s, "viewer", "curious").status == 403
    r = reveal(s, "operator", "")
    assert r.status == 400 and "say why" in r.text
    r = reveal(s, "operator", "the customer calls")
    assert r.status == 200 and r.json["body"] == PAYLOAD


def test_an_edit_of_what_was_shown_does_not_write_masks_into_the_payload(running):
    s = running()
    shown = s.get(f"/v1/events/{s.event}")["body"]
    r = s.call("POST", f"/v1/events/{s.event}/edit?reason=test", shown)
    assert r.status == 400 and "reveal it first" in r.text, r
    r = s.call("POST", f"/v1/events/{s.event}/edit?reason=test", {**PAYLOAD, "note": "***"})
    assert r.status == 200, r


def test_a_comparison_of_mappings_and_a_log_of_bodies_are_masked(running):
    s = running()
    changed = MAPPING.replace('"SO-"', '"X-"')
    d = s.do("/v1/mappings/shadow", {"name": "order", "source": changed, "flow": "orders"})
    assert d["changed"] == 1 and hidden(d) and d["different"][0]["after"]["orderNumber"] == "X-7", d
    s.do("/v1/flows/orders/debug", {"for": "5m", "bodies": True, "reason": "test"})
    s.post({**PAYLOAD, "id": 8})
    until(lambda: [x for x in s.logged("call") if "London" in x.get("sent", "")])
    lines = s.logged("call") + s.logged("webhook.received")
    assert hidden([(x.get("sent"), x.get("got")) for x in lines]), lines


def found(s, role, **asked):
    query = "&".join(f"{k}={quote(v)}" for k, v in asked.items())
    return [e["id"] for e in web(s, role).get(f"/v1/events?{query}")["events"]]


def planned(s, role, filter):
    r = web(s, role).raw("POST", "/v1/plan", {"action": "replay", "filter": filter})
    return r.json["matching"] if r.status == 200 else r.json["error"]["code"]


def test_what_is_masked_is_not_found_by_whoever_may_not_reveal_it(running):
    s = running()
    for role in TOKENS:
        for words in ("Ada Lovelace", 'full_name":"A', "da L", "7946"):
            assert found(s, role, text=words) == found(s, role, q=f'flow:orders "{words.replace(chr(34), "")}"') == [], (role, words)
            assert planned(s, role, {"text": words}) == "not_found", (role, words)
        assert found(s, role, text="London") == found(s, role, text="engine") == [s.event], "the rest is"
        assert found(s, role, text='"city":"London"') == [s.event] and planned(s, role, {"text": "London"}) == 1
    assert [e["id"] for e in s.get(f"/v1/events?text={quote('Ada Lovelace')}")["events"]] == [s.event], "an admin may reveal it"


def test_operators_who_may_reveal_find_it_and_viewers_do_not(running):
    s = running(reveal="operator")
    assert found(s, "operator", text="Ada Lovelace") == [s.event] and found(s, "viewer", text="Ada Lovelace") == []


def test_what_is_masked_is_not_looked_for_by_its_ordering_key(running):
    s = running(order_by="body.buyer.full_name")
    for how in ({"key": "Ada Lovelace"}, {"q": 'key:"Ada Lovelace"'}, {"key": "Ada Lovelace", "flow": "orders"}):
        query = "&".join(f"{k}={quote(v)}" for k, v in how.items())
        r = web(s, "viewer").raw("GET", f"/v1/events?{query}")
        assert r.status == 403 and "admin.reveal" in r.text and "orders" in r.text, r
        assert planned(s, "viewer", how) == "forbidden"
        assert s.call("GET", f"/v1/events?{query}").json["events"][0]["id"] == s.event


ENCODED = '{ "x": $base64encode(buyer.full_name), "y": $split(buyer.full_name, ""), "city": buyer.city, "n": $length(buyer.full_name) }'


def test_a_comparison_runs_on_what_the_caller_may_see(running):
    s = running()
    r = web(s, "operator").post("/v1/mappings/shadow", {"name": "order", "source": ENCODED, "flow": "orders"})
    after = r["different"][0]["after"]
    assert r["masked"] and after["city"] == "London" and after["x"] == "Kioq" and after["n"] == 3, r
    assert "QWRhIExvdmVsYWNl" not in json.dumps(r) and '"A", "d", "a"' not in json.dumps(r)
    assert not [e for e in s.get("/v1/audit")["entries"] if e["action"] == "compare mappings"]


def test_a_comparison_by_who_may_reveal_runs_on_the_payloads_and_is_audited(running):
    s = running(reveal="operator")
    r = web(s, "operator").post("/v1/mappings/shadow", {"name": "order", "source": ENCODED, "flow": "orders", "reason": "a new ERP"})
    assert not r["masked"] and r["different"][0]["after"]["n"] == 12, r
    e = s.get("/v1/audit")["entries"][0]
    assert (e["action"], e["subject"], e["who"], e["reason"]) == ("compare mappings", "mapping order over flow orders", "token operator",
                                                                  "a new ERP")


def test_the_audit_log_does_not_hold_what_was_looked_for(running):
    s = running()
    for filter in ({"text": "Ada Lovelace", "flow": "orders"}, {"q": 'flow:orders "Ada Lovelace" error:"is locked" state:dead'},
                   {"error": "customer", "q": 'text:"Ada Lovelace"'}):
        until(lambda: s.call("POST", "/v1/jobs", {"action": "replay", "filter": filter, "reason": "mended"}).status == 202)  # dead again
        e = s.get("/v1/audit")["entries"][0]
        assert e["action"] == "start job" and hidden(e) and "***" in e["subject"], e
    assert s.get("/v1/audit?limit=1")["entries"][0]["subject"] == 'replay {"error":"***","q":"text:***"}'
    subjects = [e["subject"] for e in s.get("/v1/audit")["entries"] if e["action"] == "start job"]
    assert subjects[1] == 'replay {"q":"flow:orders *** error:*** state:dead"}' and hidden(s.logged("admin.audit")), subjects


def test_what_is_not_json_is_masked_whole(running):
    s = running()
    body = b"<order><name>Ada Lovelace</name></order>"
    r = s.sender.raw("POST", "/hooks/shop", body, s.sender.sign(body))
    assert r.status == 200, r
    s.wait_counts(dead=2)
    d = s.get(f"/v1/events/{r.id}")
    assert d["body"] == "***" and d["masked"] and hidden(d), d
    assert found(s, "viewer", text="Ada") == found(s, "viewer", text="order") == []


def cli(s, *args):
    said = subprocess.run([BIN, *args], cwd=s.folder, env=s.env, capture_output=True, text=True)
    assert said.returncode == 0, said
    return said.stdout


def test_what_the_other_side_repeats_is_masked_in_lists_groups_alerts_logs_and_spans(site, targets):
    """No payload is at hand there: the words are masked before they are kept or told."""
    pager, collector = Target(), Target()
    words = ["customer {n} is locked", "no such person: {u}", '<error>{n}, {p}</error>']

    def refuse(r):
        order = json.loads(r.body)
        name, phone = order["customer"]["name"], order["contacts"]["phone"]
        if order["orderNumber"] == "SO-9":
            return answer(401, {"message": f"user {name.upper()} may not sign in"})
        text = words[int(order["orderNumber"][3:]) % 3].format(n=name, u=quote(name), p=phone)
        return answer(422, text.encode(), content_type="text/plain") if text[0] == "<" else answer(422, {"message": text})
    try:
        c = project(targets(refuse), flow={"order_by": "body.buyer.full_name", "steps": [{"map": "order"}], "on_dead": {"key": "skip"}},
                    mappings={"order": {"to": "order", "jsonata": "order.jsonata"}}, models={"order": "order.schema.json"},
                    connections={"pager": {"type": "http", "url": pager.url}},
                    alerts={"receivers": {"ops": {"connection": "pager", "post": "/notify"}}, "notify": "ops"},
                    telemetry={"url": collector.url, "sample": "100%", "interval": "100ms"})
        s = site(c)
        (s.folder / "order.schema.json").write_text(json.dumps(MODEL))
        (s.folder / "order.jsonata").write_text(MAPPING)
        s.start()
        for n in range(6):
            s.post({**PAYLOAD, "id": n, "buyer": {"full_name": f"Ada Lovelace {'ABCDEF'[n]}.", "city": "London"}})
        s.wait_counts(dead=6)
        id = s.post({**PAYLOAD, "id": 9})
        until(lambda: s.connection()["held"])
        until(lambda: [b for b in pager.bodies("/notify") if b["rule"] == "connection_auth"], timeout=30)
        until(lambda: "*** may not" in json.dumps(collector.bodies("/v1/traces")))
        groups = s.get("/v1/dead")["groups"]
        assert sum(g["count"] for g in groups) == 6 and len(groups) == 3, "who it was makes no group of its own"
        assert any("customer *** is locked" in g["reason"] for g in groups), groups
        listed = s.get("/v1/events?flow=orders")["events"]
        assert {e["key"] for e in listed} == {"***"}, "the ordering key is made of a marked field"
        assert s.get(f"/v1/events/{id}")["order_by"] == "***"
        assert "*** may not sign in" in s.connection()["held_reason"], s.connection()
        seen = {"groups": groups, "events": listed, "status": s.get("/v1/status"), "alerts": s.get("/v1/alerts"),
                "list": cli(s, "events", "list"), "cause": cli(s, "events", "list", "--state", "dead", "--json"), "flow": s.get("/v1/flows/orders"),
                "told": pager.bodies("/notify"), "spans": collector.bodies("/v1/traces"), "log": s.log}
        for where, what in seen.items():
            text = json.dumps(what, ensure_ascii=False).lower()
            assert not any(x in text for x in ("lovelace", "7946 0", "7946%20")), (where, text[max(0, text.find("lovelace") - 300):][:700])
        assert "customer *** is locked" in s.log
        raw = json.loads(cli(s, "events", "show", groups[0]["last"], "--reveal", "--why", "the customer calls", "--json"))
        assert raw["body"]["buyer"]["full_name"] == raw["order_by"] and raw["order_by"].startswith("Ada Lovelace"), raw
    finally:
        pager.stop()
        collector.stop()


def test_a_record_that_is_known_by_a_marked_field_is_masked_where_it_is_looked_up(site, target):
    c = project(target, flow={"steps": [{"map": "order"}],
                              "to": {"connection": "erp", "post": "/orders",
                                     "xref": {"model": "person", "from": "shop", "id": "body.customer.name"}}},
                mappings={"order": {"to": "order", "jsonata": "order.jsonata"}}, models={"order": "order.schema.json"})
    target.behave = lambda r: answer(201, {"id": "E-7"})
    s = site(c)
    (s.folder / "order.schema.json").write_text(json.dumps(MODEL))
    (s.folder / "order.jsonata").write_text(MAPPING)
    s.start()
    id = s.post(PAYLOAD)
    s.wait_state(id, "delivered")
    for found in (s.get("/v1/xrefs?id=E-7"), s.get("/v1/xrefs?id=Ada%20Lovelace"), s.get("/v1/xrefs")):
        assert [(x["from_id"], x["to_id"]) for x in found["xrefs"]] == [("***", "E-7")], found
    shown = s.get(f"/v1/events/{id}")
    assert hidden(shown) and shown["xrefs"][0]["to_id"] == "E-7", shown
    s.do("/v1/xrefs/forget", {"model": "person", "connection": "shop", "id": "Ada Lovelace", "reason": "they asked for it"})
    e = s.get("/v1/audit")["entries"][0]
    assert e["subject"] == "person *** of shop" and hidden(s.logged("admin.audit")), e


def test_a_batch_whose_records_are_refused_one_by_one_is_masked_and_kept(site, targets):
    target = targets(lambda r: answer(200, [{"ok": False, "error": f"{o['customer']['name']} is unknown"} for o in json.loads(r.body)]))
    c = project(target, flow={"steps": [{"map": "order"}],
                              "to": {"connection": "erp", "post": "/orders", "batch": {"count": 100, "verdicts": "body"}}},
                mappings={"order": {"to": "order", "jsonata": "order.jsonata"}}, models={"order": "order.schema.json"})
    s = site(c)
    (s.folder / "order.schema.json").write_text(json.dumps(MODEL))
    (s.folder / "order.jsonata").write_text("{'orderNumber': $string(n), 'customer': {'name': name}, 'pad': pad}")
    s.start()
    s.do("/v1/connections/erp/pause")
    ids = [s.post({"n": n, "name": f"Ada Lovelace {n}", "pad": "x" * 15000}) for n in range(100)]
    s.do("/v1/connections/erp/resume")
    until(lambda: s.counts()["dead"] >= 20, 60)
    assert max(len(json.loads(r.body)) for r in target.requests) > 50, "many in one call"
    assert "*** is unknown" in json.dumps(s.show(ids[10])) and hidden(s.list())


def test_an_order_that_cannot_be_made_does_not_name_the_value(site, target):
    c = project(target, flow={"order_by": "$number(body.buyer.full_name)", "steps": [{"map": "order"}]},
                mappings={"order": {"to": "order", "jsonata": "order.jsonata"}}, models={"order": "order.schema.json"})
    s = site(c)
    (s.folder / "order.schema.json").write_text(json.dumps(MODEL))
    (s.folder / "order.jsonata").write_text(MAPPING)
    s.start()
    s.post(PAYLOAD)
    until(lambda: s.logged("flow.no_key"))
    assert hidden(s.log), s.logged("flow.no_key")
