# SPDX-License-Identifier: Apache-2.0
"""From a sender to the ledger: signatures, duplicates, bodies."""
import base64
import gzip
import hashlib
import hmac
import json
import threading
import time

import pytest
from support import sender
from support.site import hook, project, until

MAP = '{ "no": id, "who": customer.name, "total": $sum(lines.(price * qty)) }'
ORDER = {"id": 7, "paid": True, "customer": {"id": 3, "name": "Zoë"}, "lines": [{"price": 1.5, "qty": 2}, {"price": 3, "qty": 1}]}


def test_a_signed_webhook_is_delivered_mapped(shop, target):
    s = shop(flow={"order_by": "body.customer.id", "steps": [{"when": "body.paid"}, {"map": {"jsonata": MAP}}]})
    id = s.post(ORDER)
    [r] = target.wait(1)
    assert (r.method, r.path, json.loads(r.body)) == ("POST", "/orders", {"no": 7, "who": "Zoë", "total": 6})
    assert r.headers["content-type"] == "application/json"
    shown = s.wait_state(id, "delivered")
    assert r.key.split("-")[1].startswith(id + ".") and [a["outcome"] for a in shown["attempts"]] == ["delivered"]
    assert shown["attempts"][0]["status"] == 200 and shown["order_by"] == "3" and shown["body"] == ORDER


def test_an_event_that_no_condition_wants_is_skipped_as_filtered(shop, target):
    s = shop(flow={"steps": [{"when": "body.paid"}]})
    id = s.post({"paid": False})
    shown = s.wait_state(id, "skipped")
    assert shown["event"]["reason"] == "filtered" and target.count() == 0


@pytest.mark.parametrize("scheme,sign,secret", [
    ("github", sender.github, "${env:HOOK_SECRET}"), ("shopify", sender.shopify, "${env:HOOK_SECRET}"),
    ("standard_webhooks", sender.standard_webhooks, "${env:WHSEC}")])
def test_each_scheme_knows_its_signature_and_its_delivery_id(shop, target, scheme, sign, secret):
    s = shop(flow={"from": hook("/hooks/shop", scheme, secret)})
    s.sender.sign = sign
    first = s.sender.post({"n": 1}, id="d-1")
    again = s.sender.post({"n": 1}, id="d-1")
    other = s.sender.post({"n": 2}, id="d-2")
    assert first.status == again.status == other.status == 200
    assert first.id == again.id != other.id and again.json["duplicate"] and not first.json["duplicate"]
    target.wait(2)
    s.wait_counts(delivered=2)
    assert sorted(b["n"] for b in target.bodies()) == [1, 2]


def test_a_header_that_is_not_utf8_costs_no_event(shop, target):
    s = shop(flow={"order_by": "body.n", "steps": [{"map": {"jsonata": "{ 'n': n, 'h': $headers.'x-city' }"}}]})
    id = s.sender.post({"n": 1}, headers={"X-City": b"M\xfcnchen"}).id  # RFC 9110 5.5: obs-text
    [r] = target.wait(1)
    assert json.loads(r.body) == {"n": 1, "h": "M\ufffdnchen"}
    assert s.wait_state(id, "delivered")["order_by"] == "1"


def test_a_wrong_signature_gets_401_and_nothing_is_stored(shop, target):
    s = shop()
    refusals = [s.sender.post({"n": 1}, secret="guess"), s.sender.raw("POST", "/hooks/shop", b"{}"),
                s.sender.raw("POST", "/hooks/shop", b"{}", {"X-Hub-Signature-256": "sha256=zz"})]
    body = b'{"n":1}'
    refusals.append(s.sender.raw("POST", "/hooks/shop", body + b" ", sender.github(body)))
    assert [r.status for r in refusals] == [401] * 4
    for r in refusals:
        assert sender.SECRET not in r.text and len(r.text) < 400, r
    assert s.list() == [] and s.flow()["events"] == 0 and target.count() == 0
    assert until(lambda: s.logged("webhook.refused"))
    assert s.metrics()['tieline_webhooks_refused_total{flow="orders"}'] == 4


def test_an_old_or_future_timestamp_is_refused(shop):
    s = shop(flow={"from": hook("/hooks/shop", "standard_webhooks", "${env:WHSEC}")})
    s.sender.sign = sender.standard_webhooks
    now = time.time()
    assert [s.sender.post({}, at=now + d).status for d in (-3600, 3600, -60, 60)] == [401, 401, 200, 200]


def test_during_a_rotation_both_secrets_are_good(site, target):
    both = hook("/hooks/shop", secret=["${env:HOOK_SECRET}", "${env:NEW_SECRET}"])
    s = site(project(target, flow={"from": both}), env={"NEW_SECRET": "the-new-one"}).start()
    assert [s.sender.post({}, secret=x).status for x in (sender.SECRET, "the-new-one", "third")] == [200, 200, 401]


def test_a_handshake_is_answered_and_not_stored(shop):
    s = shop(flow={"from": hook("/hooks/shop", "slack")})
    s.sender.sign = lambda body, **how: sender.slack(body)
    r = s.sender.post({"type": "url_verification", "challenge": "3eZbrw1a"})
    assert r.status == 200 and "3eZbrw1a" in r.text and s.list() == []


def test_a_coded_body_is_refused_with_what_would_be_taken_and_counted(shop, target):
    """RFC 9110 15.5.16: the sender can mend it. Stored, it would be dead for a reason that misleads, and nobody could replay it."""
    s = shop()
    body = gzip.compress(b'{"n":1}')
    for coding in ("gzip", "br, gzip", "GZIP", "identity, gzip"):
        r = s.sender.raw("POST", "/hooks/shop", body, {"Content-Type": "application/json", "Content-Encoding": coding, **sender.github(body)})
        assert (r.status, r.headers["accept-encoding"], r.json["error"]["code"]) == (415, "identity", "unsupported"), r
    assert s.sender.post({"n": 1}, headers={"Content-Encoding": "Identity"}).status == 200
    s.wait_counts(delivered=1)
    assert len(s.list()) == 1 and s.metrics()['tieline_webhooks_refused_total{flow="orders"}'] == 4
    [line] = s.logged("webhook.refused")
    assert "Content-Encoding" in line["why"], line


def test_a_refused_handshake_is_told_and_counted(shop, target):
    """Else verify tokens could be guessed unseen."""
    meta = {"secret": "${env:HOOK_SECRET}", "verify_token": "${env:WHSEC}"}
    s = shop(flow={"from": {"webhook": {"path": "/hooks/shop", "verify": {"meta": meta}}}})
    ask = "/hooks/shop?hub.mode=subscribe&hub.challenge=77&hub.verify_token="
    assert s.sender.raw("GET", ask + s.env["WHSEC"]).text == "77"
    assert not s.logged("webhook.refused")
    for guess in ("a", "b", "c"):
        assert s.sender.raw("GET", ask + guess).status == 403
    [line] = until(lambda: s.logged("webhook.refused"))
    assert "verify token" in json.dumps(line) and line["flow"] == "orders" and line["from"] == "127.0.0.1", line
    assert s.metrics()['tieline_webhooks_refused_total{flow="orders"}'] == 3


def test_a_duplicate_is_answered_with_the_first_id_and_delivered_once(shop, target):
    s = shop()
    ids = {s.post({"n": 1}, id="same") for _ in range(5)}
    s.post({"n": 2})
    target.wait(2)
    s.wait_counts(delivered=2)
    assert len(ids) == 1 and s.flow()["duplicates"] == 4 and target.count() == 2


def test_the_same_key_with_another_body_is_a_duplicate_with_a_warning(shop, target):
    s = shop()
    assert s.post({"n": 1}, id="same") == s.post({"n": 2}, id="same")
    until(lambda: s.logged("webhook.other_body"))
    s.wait_counts(delivered=1)
    assert s.flow()["other_body"] == 1 and target.bodies() == [{"n": 1}]
    for n in range(3, 9):
        s.post({"n": n}, id="same")
    until(lambda: s.flow()["other_body"] == 7)
    assert len(s.logged("webhook.other_body")) == 1, "further ones are one line a minute"


def test_duplicates_are_known_after_a_restart(shop, target):
    s = shop()
    first = s.post({"n": 1}, id="same")
    s.wait_state(first, "delivered")
    s.stop()
    s.start()
    assert s.post({"n": 1}, id="same") == first
    s.stop()
    assert target.count() == 1


def test_an_idempotency_key_of_ones_own_or_none(site, target):
    flows = {"own": {"from": hook("/own"), "to": {"connection": "erp", "post": "/own"}, "idempotency": {"key": "body.no"}},
             "none": {"from": hook("/none"), "to": {"connection": "erp", "post": "/none"}, "idempotency": {"off": True}}}
    s = site(project(target, flows=flows)).start()
    a = s.post({"no": 1}, id="a", path="/own")
    assert s.post({"no": 1}, id="b", path="/own") == a != s.post({"no": 2}, id="a", path="/own")
    assert len({s.post({"no": 1}, id="a", path="/none") for _ in range(3)}) == 3
    s.wait_counts("own", delivered=2)
    s.wait_counts("none", delivered=3)


def test_a_repetition_that_is_counted_up_by_its_sender_has_no_other_body(shop, target):
    s = shop(flow={"from": hook("/hooks/shop", "hubspot_v1")})

    def post(**more):
        body = json.dumps([{"portalId": 1, "subscriptionId": 2, "eventId": 3, "objectId": 4, "occurredAt": 5, **more}]).encode()
        signature = hashlib.sha256(sender.SECRET.encode() + body).hexdigest()
        return s.sender.raw("POST", "/hooks/shop", body, {"Content-Type": "application/json", "x-hubspot-signature": signature})
    first = post(attemptNumber=0)
    assert post(attemptNumber=1).json == {"id": first.id, "duplicate": True} and s.flow()["other_body"] == 0
    assert post(attemptNumber=1, propertyValue="x").json["duplicate"] and s.flow()["other_body"] == 1


def b64(algorithm, text):
    return base64.b64encode(hmac.new(sender.SECRET.encode(), text, algorithm).digest()).decode()


def zendesk(body=b"", id="1"):
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"X-Zendesk-Webhook-Signature": b64("sha256", at.encode() + body), "X-Zendesk-Webhook-Signature-Timestamp": at,
            "X-Zendesk-Webhook-Invocation-Id": id}


def test_an_event_comes_with_any_method_that_its_sender_uses(site, target):
    url, secret = "https://hooks.example.com/twilio", "${env:HOOK_SECRET}"
    generic = {"secret": secret, "header": "x-sig", "signed_text": "{body}"}
    flows = {"zd": {"from": hook("/zd", "zendesk"), "to": {"connection": "erp", "post": "/zd", "map": {"jsonata": "[$method, $query.id, $]"}}},
             "tw": {"from": {"webhook": {"path": "/tw", "verify": {"twilio": {"secret": secret, "public_url": url}}}},
                    "to": {"connection": "erp", "post": "/tw", "map": {"jsonata": "$query"}}},
             "gen": {"from": {"webhook": {"path": "/gen", "verify": {"generic": generic}}}, "to": {"connection": "erp", "post": "/gen"}}}
    s = site(project(target, flows=flows)).start()
    for n, method in enumerate(("GET", "DELETE", "PATCH", "PUT", "POST")):
        assert s.sender.raw(method, f"/zd?id={n}", b"", zendesk(id=str(n))).status == 200
    for n, method in enumerate(("GET", "DELETE"), 5):
        typed = {**zendesk(id=f"typed{n}"), "Content-Type": "application/json"}
        assert s.sender.raw(method, f"/zd?id={n}", b"", typed).status == 200
    s.wait_counts("zd", delivered=7)
    assert sorted(target.bodies("/zd"), key=lambda b: b[1]) == [
        [m, str(n), ""] for n, m in enumerate(("GET", "DELETE", "PATCH", "PUT", "POST", "GET", "DELETE"))]
    assert s.sender.raw("GET", "/zd", b"", zendesk(b"x")).status == 401
    called = "/tw?CallSid=CA1&To=%2B49"
    signed = {"X-Twilio-Signature": b64("sha1", (url + called[3:]).encode())}
    assert s.sender.raw("GET", called, b"", signed).status == 200
    s.wait_counts("tw", delivered=1)
    assert target.bodies("/tw") == [{"CallSid": "CA1", "To": "+49"}]
    mac = hmac.new(sender.SECRET.encode(), b"", hashlib.sha256).hexdigest()
    for path, method, allow in (("/gen", "GET", "POST, PUT, PATCH"), ("/tw", "PUT", "POST, GET"), ("/hooks/shop", "PATCH", "POST, PUT")):
        r = s.sender.raw(method, path, b"", {"x-sig": mac})
        assert (r.status, r.headers["allow"]) == (405, allow), (path, r)
    for method in ("post", "Post", "get"):  # RFC 9110 9.1: another method, whoever is in front may know it as such
        r = s.sender.raw(method, "/hooks/shop", b"{}", sender.github(b"{}", id=method))
        assert r.status == 405 and "POST" in r.headers["allow"], (method, r)


def test_a_malformed_signed_body_is_stored_dead_and_answered_2xx(shop, target):
    s = shop()
    bad = b'{"id": 1, "broken": '
    r = s.sender.post(bad, id="bad")
    assert r.status == 200
    shown = s.wait_state(r.id, "dead")
    assert shown["event"]["class"] == "data" and shown["body"] == bad.decode() and shown["event"]["reason"]
    assert s.sender.post(bad, id="bad").id == r.id
    s.post({"n": 1})
    s.wait_counts(dead=1, delivered=1)
    assert target.bodies() == [{"n": 1}]


@pytest.mark.parametrize("type", ["application/json", "application/cloudevents+json; charset=utf-8", "application/xml"])
def test_a_post_that_names_a_type_and_sends_nothing_is_dead(shop, type):
    s = shop()
    r = s.sender.raw("POST", "/hooks/shop", b"", {"Content-Type": type, **sender.github(b"")})
    assert r.status == 200 and s.wait_state(r.json["id"], "dead")["event"]["class"] == "data"
    r = s.sender.raw("POST", "/hooks/shop", b"", sender.github(b""))
    s.wait_state(r.json["id"], "delivered")


def test_forms_are_read_as_objects(shop, target):
    s = shop()
    body = b"order=17&note=a+b%C3%A9"
    r = s.sender.raw("POST", "/hooks/shop", body, {"Content-Type": "application/x-www-form-urlencoded", **sender.github(body)})
    assert r.status == 200
    target.wait(1)
    assert target.bodies() == [{"order": "17", "note": "a bé"}]


def test_numbers_keep_their_spelling(shop, target):
    s = shop(flow={"steps": [{"map": {"jsonata": '{ "id": id, "sum": sum, "rate": rate }'}}]})
    body = b'{"id":9007199254740993,"sum":10.10,"rate":1.000000000000000000001}'
    s.post(body)
    [r] = target.wait(1)
    assert r.body == body


def test_a_body_of_one_megabyte_makes_the_round_trip(shop, target):
    s = shop()
    value = {"id": 1, "lines": [{"n": i, "text": "x" * 90 + "é"} for i in range(9000)]}
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(body) > 1_000_000
    id = s.post(body)
    [r] = target.wait(1)
    assert r.body == body
    shown = s.wait_state(id, "delivered")
    assert shown["event"]["bytes"] == len(body)


def test_a_body_above_the_limit_gets_413(shop):
    s = shop(flow={"from": hook("/hooks/shop", body_limit="64KB")})
    assert s.sender.post({"x": "y" * 70000}).status == 413
    assert s.post({"x": "y" * 60000})


def test_what_is_not_there_gets_404_and_a_wrong_address_403(shop):
    s = shop(flow={"from": hook("/hooks/shop", allow=["10.1.2.0/24"])})
    assert s.sender.raw("POST", "/nothing", b"{}").status == 404
    assert s.sender.post({}).status == 403 and s.list() == []


def test_the_answer_has_the_status_that_was_asked_for(shop):
    s = shop(flow={"from": hook("/hooks/shop", status=204)})
    r = s.sender.post({"n": 1})
    assert (r.status, r.text) == (204, "")
    s.wait_counts(delivered=1)


def big(n, size=300_000):
    return {"n": n, "pad": "p" * size}


def test_deliveries_have_as_many_large_bodies_in_memory_as_there_is_room_for(site, target):
    """A target that takes its time would else have one for each of its slots; what comes in has room of its own."""
    go = threading.Event()
    target.behave = lambda r: go.wait(30) and None
    config = project(target, limits={"concurrency": 16}, flow={"from": hook("/hooks/shop", body_limit="4MB")})
    config["server"]["limits"] = {"body_memory": "4MB"}
    config["connections"]["erp"]["timeout"] = "60s"
    s = site(config).start()
    ids = [s.post(big(n, 1_500_000)) for n in range(8)]
    small = s.post(big(8, 10))
    target.wait(3)  # two of the large ones, and the small one has passed the others
    assert target.most == 3 and {r.key.split("-")[1].split(".")[0] for r in target.all()} > {small}
    go.set()
    s.wait_counts(delivered=9)
    assert target.most <= 3 and sorted(b["n"] for b in target.bodies()) == list(range(9)) and len(ids) == 8


def test_a_target_that_hangs_with_large_bodies_stops_no_other(site, targets):
    """Another connection has always one of its own, and its small events do not stand behind the rest of its large ones."""
    go, done = threading.Event(), threading.Event()
    slow, fast = targets(lambda r: go.wait(60) and None), targets(lambda r: done.wait(60) and None if len(r.body) > 1000 else None)
    config = project(slow, limits={"concurrency": 16}, flow={"from": hook("/hooks/shop", body_limit="4MB")})
    config["server"]["limits"] = {"body_memory": "1MB"}
    config["connections"]["erp"]["timeout"] = "60s"
    config["connections"]["fast"] = {**config["connections"]["erp"], "url": fast.url, "limits": {"concurrency": 2}}
    config["flows"]["quick"] = {"from": hook("/quick", body_limit="4MB"), "to": {"connection": "fast", "post": "/in"}}
    s = site(config).start()

    def post(n, size):
        body = json.dumps(big(n, size)).encode()
        return s.sender.raw("POST", "/quick", body, {"Content-Type": "application/json", **sender.github(body, f"q{n}")}).id
    [s.post(big(n, 600_000)) for n in range(2)]
    slow.wait(1)
    large = [post(n, 600_000) for n in range(2)]
    fast.wait(1)
    until(lambda: any("body_memory" in s.show(i)["event"].get("held_reason", "") for i in large))
    s.wait_state(post(2, 10), "delivered")
    assert fast.count() == 2 and slow.count() == 1, "one large one is there, and the other waits"
    assert all(len(s.show(i)["attempts"]) <= 1 for i in large), "what only waits begins no attempts"
    done.set()
    s.wait_counts("quick", delivered=3)
    assert slow.count() == 1
    go.set()
    s.wait_counts(delivered=2)


def test_large_bodies_wait_survive_a_kill_and_know_their_duplicates(shop, target):
    s = shop(flow={"order_by": "'k'"})
    s.do("/v1/flows/orders/pause")
    ids = [s.post(big(n), id=f"d{n}") for n in range(4)]
    assert s.post(big(2), id="d2") == ids[2] and s.flow()["other_body"] == 0
    assert s.post(big(9), id="d2") == ids[2] and s.flow()["other_body"] == 1
    s.kill()
    s.start()
    s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=4)
    assert target.bodies() == [big(n) for n in range(4)]


def test_a_large_malformed_body_is_stored_dead_whole(shop, target):
    s = shop()
    body = b'{"id": 1, "pad": "' + b"x" * 400_000
    r = s.sender.post(body)
    assert r.status == 200
    shown = s.wait_state(r.id, "dead")
    assert shown["body"] == body.decode()
    s.do(f"/v1/events/{r.id}/edit", json.dumps(big(1)).encode())
    s.job("replay", {"ids": [r.id]})
    s.wait_state(r.id, "delivered")
    assert target.bodies() == [big(1)]


def test_bodies_at_the_edges_of_rows_and_chunks_arrive_whole(shop, target):
    s = shop(flow={"order_by": "'k'"})
    sizes = [0, 65535, 65536, 65537, 262143, 262144, 262145, 524288, 600001]
    bodies = []
    for n in sizes:
        bodies.append(b'"' + b"z" * max(n - 2, 0) + b'"')
        s.post(bodies[-1])
    s.wait_counts(delivered=len(sizes))
    assert [r.body for r in target.all()] == bodies


def test_senders_over_many_connections_are_all_answered(shop, target):
    import threading
    s = shop(flow={"order_by": "body.k"})
    wrong = []

    def send(k):
        for n in range(5):
            me = sender.Sender(s.port)  # a connection each time
            r = me.post({"k": k, "n": n})
            if r.status != 200:
                wrong.append(r)
            me.close()
    threads = [threading.Thread(target=send, args=(k,)) for k in range(40)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong
    s.wait_counts(delivered=200)
