# SPDX-License-Identifier: Apache-2.0
"""CloudEvents at a webhook source: binary, structured and batch, each event once; and bodies that are no delivery id."""
import base64
import json
import os
from pathlib import Path

import pytest
from support import sender
from support.site import hook, project, until

AUTH = {"Authorization": "Bearer " + sender.SECRET}
EVENT = {"specversion": "1.0", "id": "A1", "source": "/sap", "type": "order.made", "data": {"n": 1}}


def binary(**more):
    return {**AUTH, "Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "A1", "ce-source": "/sap",
            "ce-type": "order.made", **more}


def structured(kind=""):
    return {**AUTH, "Content-Type": f"application/cloudevents{kind}+json; charset=utf-8"}


def post(s, body, headers):
    return s.sender.raw("POST", "/hooks/shop", body if isinstance(body, bytes) else json.dumps(body).encode(), headers)


@pytest.mark.parametrize("scheme", ["cloudevents", "token"])
def test_an_event_comes_once_in_whatever_mode_it_is_sent(shop, target, scheme):
    s = shop(flow={"from": hook("/hooks/shop", scheme), "order_by": "body.data.n", "steps": [{"when": "body.source = '/sap'"}]})
    first, again = post(s, {"n": 1}, binary()), post(s, {"n": 1}, binary())
    other = post(s, EVENT, structured())
    assert (first.status, first.json["duplicate"]) == (200, False)
    assert [r.json for r in (again, other)] == [{"id": first.id, "duplicate": True}] * 2
    s.wait_counts(delivered=1)
    assert target.bodies() == [{**EVENT, "datacontenttype": "application/json"}]
    shown = s.show(first.id)
    assert shown["order_by"] == "1" and s.flow()["no_key"] == 0
    assert [e["id"] for e in s.get("/v1/events?flow=orders&sender_id=/sap%20A1")["events"]] == [first.id]


def test_the_events_of_a_batch_are_events(shop, target):
    s = shop(flow={"from": hook("/hooks/shop", "cloudevents")})
    batch = [{**EVENT, "id": str(n), "data": {"n": n}} for n in (1, 2, 3)]
    one = post(s, batch[0], structured())
    r = post(s, batch, structured("-batch"))
    assert r.status == 200 and [e["duplicate"] for e in r.json["events"]] == [True, False, False]
    assert r.json["events"][0]["id"] == one.id
    s.wait_counts(delivered=3)
    assert sorted(b["data"]["n"] for b in target.bodies()) == [1, 2, 3]
    empty = post(s, [], structured("-batch"))
    assert (empty.status, empty.json) == (200, {"events": []})


def test_data_that_does_not_parse_is_kept_dead_with_its_attributes(shop, target):
    s = shop(flow={"from": hook("/hooks/shop", "cloudevents")})
    first, again = post(s, b'{"a":', binary()), post(s, b'{"a":', binary())
    assert (first.status, again.json) == (200, {"id": first.id, "duplicate": True}), (first.text, again.text)
    shown = s.wait_state(first.id, "dead")
    assert shown["event"]["class"] == "data" and "JSON" in shown["event"]["reason"], shown["event"]
    kept = shown["body"]
    assert kept["source"] == "/sap" and base64.b64decode(kept["data_base64"]) == b'{"a":', kept


@pytest.mark.parametrize("body,headers,status,says", [
    ({"specversion": "1.0", "id": "1"}, structured(), 400, '"source" is missing'),
    (b"{", structured(), 400, ""), ({"n": 1}, binary(**{"ce-time": "yesterday"}), 400, '"time" is not'),
    ([EVENT, {**EVENT, "type": ""}], structured("-batch"), 400, "event 1 of the batch"),
    (b"<e/>", {**AUTH, "Content-Type": "application/cloudevents+xml"}, 415, "only JSON")])
def test_what_the_specification_forbids_is_refused_with_the_reason(shop, target, body, headers, status, says):
    s = shop(flow={"from": hook("/hooks/shop", "cloudevents")})
    r = post(s, body, headers)
    assert r.status == status and says in r.json["error"]["message"] and r.json["error"]["code"] != "not_verified", r.text
    assert s.flow()["events"] == 0 and until(lambda: s.logged("webhook.refused"))


def test_a_scheme_with_an_id_of_its_own_keeps_it(shop, target):
    s = shop()
    body = b'{"n":1}'
    more = {k: v for k, v in binary().items() if k != "Authorization"}
    ids = [s.sender.raw("POST", "/hooks/shop", body, {**more, **sender.github(body, id=x)}).id for x in ("a", "b")]
    s.wait_counts(delivered=2)
    assert ids[0] != ids[1] and target.bodies() == [{"n": 1}] * 2


def test_what_is_no_cloudevent_is_taken_as_it_is(shop, target):
    s = shop(flow={"from": hook("/hooks/shop", "cloudevents")})
    assert post(s, {"n": 1}, {**AUTH, "Content-Type": "application/json"}).status == 200
    s.wait_counts(delivered=1)
    assert target.bodies() == [{"n": 1}]


def cases():
    root = Path(__file__).resolve().parents[2]
    for folder in (os.environ.get("TIELINE_SHARED"), root / "../shared", root / "../../shared"):
        path = folder and Path(folder) / "conformance/cloudevents/cases.jsonl"
        if path and path.exists():
            return [c for c in map(json.loads, path.read_text().splitlines()) if "http_request" in c]
    return None


def as_json(e):
    out = dict(e["attributes"])
    for name, to in (("data", "data"), ("data_text", "data"), ("data_base64", "data_base64")):
        if name in e:
            out[to] = e[name]
    return out


def test_the_published_cases_pass_at_a_source(shop, target):
    if not (every := cases()):
        pytest.skip("no published cases here")
    s = shop(flow={"from": hook("/hooks/shop", "cloudevents"), "idempotency": {"off": True}})
    wrong = []
    for c in every:
        head, _, body = base64.b64decode(c["http_request"]).partition(b"\r\n\r\n")
        pairs = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:]]
        headers = {k: v for k, v in pairs if k.lower() not in ("host", "content-length")}
        if len(headers) + 2 < len(pairs) - 2:
            continue
        r = post(s, body, {**AUTH, **headers})
        if "error" in c:
            if r.status not in (400, 413, 415):
                wrong.append((c["id"], r.status, r.text))
            continue
        if r.status != 200:
            wrong.append((c["id"], r.status, r.text))
            continue
        events = r.json["events"] if "events" in r.json else [r.json]
        bodies = [s.show(e["id"])["body"] for e in events]
        if bodies != [as_json(e) for e in c["events"]]:
            wrong.append((c["id"], bodies))
    assert not wrong


@pytest.mark.parametrize("scheme,body,headers", [
    ("token", {"alarm": "on"}, AUTH),
    ("microsoft_graph", {"value": [{"changeType": "updated", "resource": "Users/1", "clientState": sender.SECRET}]}, {})])
def test_two_equal_notifications_without_an_id_are_two_events(shop, target, scheme, body, headers):
    s = shop(flow={"from": hook("/hooks/shop", scheme)})
    replies = [post(s, body, {**headers, "Content-Type": "application/json"}) for _ in range(2)]
    assert [r.json["duplicate"] for r in replies] == [False, False]
    s.wait_counts(delivered=2)
    assert s.flow()["no_key"] == 2


def test_equal_bodies_are_one_event_where_the_configuration_says_so(shop, target):
    s = shop(flow={"from": hook("/hooks/shop", "token"), "idempotency": {"key": "body"}})
    replies = [post(s, {"alarm": x}, {**AUTH, "Content-Type": "application/json"}) for x in ("on", "off", "on")]
    assert [r.json["duplicate"] for r in replies] == [False, False, True]
    s.wait_counts(delivered=2)
