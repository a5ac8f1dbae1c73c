# SPDX-License-Identifier: Apache-2.0
"""Between ledger and target: order, retries, error classes, breaker, trip."""
import json
import random
import shutil
import ssl
import subprocess
import threading
import time

import pytest
from support.keys import Key
from support.site import BIN, FAST, NO_BREAKER, project, until
from support.target import DROP, Target, answer


def by_customer(n, customer):
    return {"n": n, "customer": customer}


def firsts(requests):
    """customer -> the n's in the order in which each first came."""
    seen = {}
    for r in requests:
        b = json.loads(r.body)
        one = seen.setdefault(b["customer"], [])
        if b["n"] not in one:
            one.append(b["n"])
    return seen


def test_order_by_key_is_kept_while_the_first_of_them_retries(shop, target):
    tries = []

    def behave(r):
        b = json.loads(r.body)
        if b == by_customer(0, "slow") and not tries.append(1) and len(tries) < 4:
            return answer(500)
    target.behave = behave
    s = shop(flow={"order_by": "body.customer", "retry": {**FAST, "attempts": 8}})
    for n in range(5):
        s.post(by_customer(n, "slow"))
        s.post(by_customer(n, "quick"))
    s.wait_counts(delivered=10)
    order = [json.loads(r.body) for r in target.all()]
    assert [b["n"] for b in order if b["customer"] == "slow"] == [0, 0, 0, 0, 1, 2, 3, 4]
    assert [b["n"] for b in order if b["customer"] == "quick"] == [0, 1, 2, 3, 4]
    last_try = max(i for i, b in enumerate(order) if b == by_customer(0, "slow"))
    assert order.index(by_customer(1, "quick")) < last_try, "the other key waited"


def test_a_target_that_honours_keys_takes_the_events_of_every_ledger(shop, target):
    """Two installations, a new data directory, and a backup put back: to the target all of them are new events."""
    to = {"to": {"connection": "erp", "post": "/orders", "idempotency_header": "Idempotency-Key"}}
    first, second = shop(flow=to), shop(flow=to)
    for n, s in enumerate((first, second)):
        [s.post({"n": n}) for _ in range(3)]
        s.wait_counts(delivered=3)
    ids = [r.key.split("-")[1] for r in target.all()]
    assert sorted(ids) == sorted(ids[:3] * 2), "both count from the same number"
    copy = second.folder / "copy.db"
    second.do("/v1/snapshot", {"path": str(copy)})
    [second.post({"n": 2}) for _ in range(3)]
    second.wait_counts(delivered=6)
    second.stop()
    shutil.rmtree(second.folder / "data")
    (second.folder / "data").mkdir(mode=0o700)
    shutil.copy(copy, second.folder / "data/ledger.db")
    second.start()
    [second.post({"n": 3}) for _ in range(3)]
    second.wait_counts(delivered=6)
    keys = [r.key for r in target.wait(12)]
    assert len(set(keys)) == 12, keys
    assert all(len(k) <= 64 for k in keys)


def test_many_senders_and_many_keys_keep_the_order_of_each_key(shop, target):
    import random
    target.behave = lambda r: answer(500) if random.random() < 0.1 else None
    s = shop(flow={"order_by": "body.customer", "retry": {**FAST, "attempts": 50}}, limits=NO_BREAKER)

    def send(k):
        from support.sender import Sender
        me = Sender(s.port)
        for n in range(25):
            for c in range(3):
                assert me.post(by_customer(n, f"{k}-{c}")).status == 200
        me.close()
    threads = [threading.Thread(target=send, args=(k,)) for k in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    s.wait_counts(delivered=600, timeout=40)
    seen = firsts(target.all())
    assert len(seen) == 24 and all(ns == list(range(25)) for ns in seen.values())


def test_the_dead_one_of_a_key_is_skipped_by_default_and_blocks_by_choice(site, targets):
    for choice in ("skip", "block"):
        t = targets(lambda r: answer(422, {"error": "no"}) if json.loads(r.body)["n"] == 0 else None)
        s = site(project(t, flow={"order_by": "body.customer", "on_dead": {"key": choice}})).start()
        first = s.post(by_customer(0, "a"))
        later = [s.post(by_customer(n, "a")) for n in (1, 2)]
        other = s.post(by_customer(9, "b"))
        s.wait_state(first, "dead")
        s.wait_state(other, "delivered")
        if choice == "block":
            time.sleep(0.3)
            assert [s.state(i) for i in later] == ["queued", "queued"]
            assert s.show(later[0])["ahead"] == first
            s.job("discard", {"ids": [first]})
        for i in later:
            s.wait_state(i, "delivered")
        assert [b["n"] for b in t.bodies() if b["customer"] == "a"] == [0, 1, 2]
        s.stop()


def test_a_delivery_is_dead_after_its_attempts_and_shows_each_of_them(shop, target):
    target.behave = lambda r: answer(500, {"message": "out of order"})
    s = shop(flow={"retry": {"attempts": 3, "backoff": "40ms..1s", "jitter": "none"}}, limits=NO_BREAKER)
    id = s.post({"n": 1})
    shown = s.wait_state(id, "dead")
    assert target.count() == 3 and len({r.key for r in target.all()}) == 1
    assert [(a["attempt"], a["outcome"], a["status"], a["class"], a["counted"]) for a in shown["attempts"]] == [
        (n, "failed", 500, "transient", True) for n in (1, 2, 3)]
    assert "out of order" in shown["event"]["reason"] and shown["event"]["class"] == "transient"
    gaps = [b.at - a.at for a, b in zip(target.all(), target.all()[1:])]
    assert gaps[0] >= 0.039 and gaps[1] >= 0.079, gaps


def test_a_delivery_that_fails_and_then_works_is_delivered(shop, target):
    target.behave = lambda r: answer(503) if target.count() < 3 else None
    s = shop()
    shown = s.wait_state(s.post({"n": 1}), "delivered")
    assert [a["outcome"] for a in shown["attempts"]] == ["failed", "failed", "delivered"]
    assert s.flow()["retries"] == 2


def test_refused_data_is_dead_at_once(shop, target):
    target.behave = lambda r: answer(422, {"error": "no such article"})
    s = shop()
    shown = s.wait_state(s.post({"n": 1}), "dead")
    assert target.count() == 1 and shown["event"]["class"] == "data" and "no such article" in shown["event"]["reason"]


def test_a_429_with_retry_after_waits_and_uses_no_attempt(shop, target):
    target.behave = lambda r: answer(429, retry_after=1) if target.count() == 1 else None
    s = shop(flow={"retry": {"attempts": 1, "backoff": "10ms..10ms"}})
    shown = s.wait_state(s.post({"n": 1}), "delivered")
    a, b = target.all()
    assert b.at - a.at >= 0.95
    assert [x["counted"] for x in shown["attempts"]][0] is False and shown["attempts"][0]["class"] == "rate_limit"


def test_many_429_without_retry_after_do_not_kill_either(shop, target):
    target.behave = lambda r: answer(429) if target.count() <= 4 else None
    s = shop(flow={"retry": {"attempts": 2, "backoff": "10ms..50ms"}})
    s.wait_state(s.post({"n": 1}), "delivered", timeout=30)
    assert s.counts()["dead"] == 0


def test_a_target_down_for_ten_times_the_retry_schedule_gives_no_dead_letter_and_drains_after(shop, target):
    s = shop(flow={"order_by": "body.customer", "retry": {"attempts": 3, "backoff": "20ms..40ms", "jitter": "none"}},
             limits={"breaker_failures": 3, "breaker_open": "50ms", "breaker_most": "200ms"})
    s.wait_state(s.post(by_customer(-1, 0)), "delivered")
    target.stop()
    ids = [s.post(by_customer(n // 5, n % 5)) for n in range(40)]
    until(lambda: s.connection()["breaker"] != "closed")
    time.sleep(1.2)  # the whole schedule is 60 ms
    assert s.counts()["dead"] == 0
    shown = [s.show(i) for i in ids[5:10]]
    assert all(x["event"]["state"] in ("queued", "retrying", "held") for x in shown)
    target.start()
    s.wait_counts(delivered=41, dead=0, timeout=30)
    assert s.connection()["breaker"] == "closed"
    assert firsts(target.all()[1:]) == {c: list(range(8)) for c in range(5)}


def test_a_target_that_answers_500_for_ten_times_the_schedule_gives_no_dead_letter(shop, target):
    down = [True]
    target.behave = lambda r: answer(500) if down else None
    s = shop(flow={"retry": {"attempts": 8, "backoff": "20ms..40ms", "jitter": "none"}},
             limits={"breaker_failures": 3, "breaker_open": "50ms", "breaker_most": "200ms"})
    for n in range(20):
        s.post({"n": n})
    time.sleep(3)
    assert s.counts()["dead"] == 0 and target.count() < 200
    down.clear()
    s.wait_counts(delivered=20, dead=0, timeout=30)


def test_one_that_a_gateway_always_refuses_is_named_while_it_waits_and_dies_when_others_go_through(shop, target):
    target.behave = lambda r: answer(503) if json.loads(r.body)["n"] == 1 else None
    s = shop(flow={"retry": {"attempts": 1}}, limits={"breaker_open": "50ms", "breaker_most": "100ms"})
    bad = s.post({"n": 1})
    until(lambda: target.count() >= 4)
    event = until(lambda: (e := s.show(bad)["event"])["held"] == "breaker" and "502 to 504" in (e["held_reason"] or "") and e)
    assert event["state"] == "queued" and "times" in event["held_reason"], event
    connection = until(lambda: (c := s.connection())["held"] == "breaker" and c)
    assert bad in connection["held_reason"], connection
    shown = subprocess.run([BIN, "status"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=30).stdout
    assert bad in shown, shown
    assert s.counts()["dead"] == 0
    for n in range(2, 5):
        s.wait_state(s.post({"n": n}), "delivered")
    s.wait_state(bad, "dead")
    until(lambda: s.connection()["breaker"] == "closed")
    assert s.connection()["held_reason"] in (None, "")


def test_a_slow_target_is_a_timeout_and_retried(site, target):
    target.behave = lambda r: answer(200, delay=2) if target.count() == 1 else None
    config = project(target)
    config["connections"]["erp"]["timeout"] = "300ms"
    s = site(config).start()
    shown = s.wait_state(s.post({"n": 1}), "delivered")
    assert target.count() == 2 and shown["attempts"][0]["outcome"] in ("failed", "unknown outcome")


def drains_in(s, connection):
    """As `tieline status` has it, in the column of that name."""
    said = subprocess.run([BIN, "status"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=30).stdout
    head, row = [next(line for line in said.splitlines() if line.startswith(name)) for name in ("connection ", connection + " ")]
    return row[head.index("drains in"):head.index("state")].strip()


def test_refused_credentials_pause_the_connection_and_a_resume_drains_in_order(shop, target):
    bad = [True]
    target.behave = lambda r: answer(401, {"error": "expired"}) if bad else None
    s = shop(flow={"order_by": "body.customer"})
    first = s.post(by_customer(0, "a"))
    until(lambda: s.connection()["held"] == "connection_auth")
    came = target.count()
    for n in range(1, 6):
        s.post(by_customer(n, "a"))
    time.sleep(0.5)
    assert target.count() == came and s.counts()["dead"] == 0 and s.state(first) in ("queued", "retrying")
    assert s.connection()["held_reason"]
    assert until(lambda: [n for n in s.logged("ledger.notice") if n["connection"] == "erp"])
    assert drains_in(s, "erp") == "held", "not so long: until somebody has seen to it"
    bad.clear()
    s.do("/v1/connections/erp/resume")
    s.wait_counts(delivered=6, dead=0)
    assert [json.loads(r.body)["n"] for r in target.all()[came:]] == list(range(6))
    assert s.connection()["held"] is None
    assert all(not a["counted"] for a in s.show(first)["attempts"][:-1])


def test_twenty_of_the_same_failure_trip_the_flow_and_hold_the_rest(shop, target):
    bad = [True]
    target.behave = lambda r: answer(422, {"error": f"field {json.loads(r.body)['n']} is unknown"}) if bad else None
    s = shop(limits={"concurrency": 1})
    for n in range(60):
        s.post({"n": n})
    until(lambda: s.flow()["held"] == "flow_tripped")
    dead = s.counts()["dead"]
    assert 20 <= dead <= 25, dead
    time.sleep(0.3)
    assert s.counts()["dead"] == dead and s.counts()["queued"] == 60 - dead
    assert len(until(lambda: [n for n in s.logged("ledger.notice") if n["flow"] == "orders"])) == 1
    [group] = s.get("/v1/dead")["groups"]
    assert group["count"] == dead and group["class"] == "data"
    bad.clear()
    s.do("/v1/flows/orders/resume")
    s.wait_counts(dead=dead, delivered=60 - dead)
    s.job("replay", {"fingerprint": group["fingerprint"]})
    s.wait_counts(dead=0, delivered=60)


def test_different_failures_do_not_trip_a_flow(shop, target):
    target.behave = lambda r: answer((400, 413, 422)[json.loads(r.body)["n"] % 3], {"error": "no"})
    s = shop()
    for n in range(40):
        s.post({"n": n})
    s.wait_counts(dead=40)
    assert s.flow()["held"] is None


def test_a_mapping_that_fails_is_dead_as_data_with_the_reason(shop, target):
    s = shop(flow={"steps": [{"map": {"jsonata": "{ 'x': $number(body_is_not_here.no) + $number(name) }"}}]})
    shown = s.wait_state(s.post({"name": "seven"}), "dead")
    assert shown["event"]["class"] == "data" and "step 1 (map)" in shown["event"]["reason"] and target.count() == 0


def test_a_rate_is_kept_and_shown(shop, target):
    s = shop(limits={"rate": "20/s", "burst": 1})
    for n in range(11):
        s.post({"n": n})
    s.wait_counts(delivered=11)
    times = [r.at for r in target.all()]
    assert times[-1] - times[0] >= 0.45, "eleven calls at 20 a second take half a second"


def test_concurrency_is_kept(shop, target):
    target.behave = lambda r: answer(200, delay=0.05)
    s = shop(limits={"concurrency": 3})
    for n in range(15):
        s.post({"n": n})
    s.wait_counts(delivered=15)
    assert 1 <= target.most <= 3


def test_events_of_one_key_never_overlap(shop, target):
    target.behave = lambda r: answer(200, delay=0.02)
    s = shop(flow={"order_by": "'one'"})
    for n in range(10):
        s.post({"n": n})
    s.wait_counts(delivered=10)
    assert target.most == 1 and [b["n"] for b in target.bodies()] == list(range(10))


def test_batches_carry_several_events_and_a_bad_one_does_not_take_the_others(site, target):
    def behave(r):
        return answer(422, {"error": "one is bad"}) if any(b["n"] == 7 for b in json.loads(r.body)) else None
    target.behave = behave
    to = {"connection": "erp", "post": "/bulk", "batch": {"count": 10}, "linger": "50ms", "idempotency_header": ""}
    s = site(project(target, flow={"to": to})).start()
    s.do("/v1/flows/orders/pause")
    ids = [s.post({"n": n}) for n in range(30)]
    s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=29, dead=1)
    assert s.state(ids[7]) == "dead"
    ok = [json.loads(r.body) for r in target.all() if behave(r) is None]
    assert sorted(b["n"] for batch in ok for b in batch) == [n for n in range(30) if n != 7]
    assert max(map(len, ok)) > 1


def test_a_target_that_reads_and_drops_shows_each_request_as_an_attempt(site, target):
    target.behave = lambda r: DROP if target.count() <= 3 else None
    to = {"connection": "erp", "post": "/orders", "idempotency_header": ""}
    s = site(project(target, flow={"to": to, "retry": {**FAST, "attempts": 8}}, limits=NO_BREAKER)).start()
    shown = s.wait_state(s.post({"n": 1}), "delivered")
    assert len(shown["attempts"]) == target.count() == 4
    assert [a["outcome"] for a in shown["attempts"][:3]] == ["unknown outcome"] * 3 or \
        all(a["error"] == "unknown_outcome" for a in shown["attempts"][:3])


@pytest.fixture(params=["http", "https"])
def dropping(request, tmp_path):
    """A target that reads whole requests over kept connections and drops one in four, and what trusts it."""
    tls, trust = None, {}
    if request.param == "https":
        ca, own = Key(tmp_path, "ca"), Key(tmp_path, "server")
        ca.certificate("an authority of ours")
        own.certificate("127.0.0.1", ca=ca, san="IP:127.0.0.1")
        tls, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), {"tls": {"ca": str(ca.path.with_suffix(".pem"))}}
        tls.load_cert_chain(own.path.with_suffix(".pem"), own.path)
    dice = random.Random(5)
    t = Target(lambda r: DROP if dice.random() < 0.25 else None, tls)
    yield t, trust
    t.stop()


@pytest.mark.parametrize("to", [{"put": "/orders/{body.n}"}, {"delete": "/orders/{body.n}"}, {"post": "/orders"},
                                {"post": "/orders", "idempotency_header": ""}], ids=["put", "delete", "keyed", "post"])
def test_of_a_target_that_reads_and_drops_each_request_is_an_attempt_also_where_a_second_one_does_no_harm(site, dropping, to):
    target, trust = dropping
    config = project(target, flow={"to": {"connection": "erp", **to}, "retry": {**FAST, "attempts": 50}},
                     limits={**NO_BREAKER, "concurrency": 4})
    config["connections"]["erp"] |= trust
    s = site(config).start()
    for n in range(120):
        s.post({"n": n})
    s.wait_counts(delivered=120)
    assert target.count() > 120 and target.count() == sum(e["attempts"] for e in s.list())


def test_the_success_rule_and_the_answer_of_a_target(site, target):
    target.behave = lambda r: answer(200, {"ok": json.loads(r.body)["n"] > 0, "no": "A-17"})
    to = {"connection": "erp", "post": "/orders", "success": "body.ok", "answer": "body.no"}
    s = site(project(target, flow={"to": to})).start()
    shown = s.wait_state(s.post({"n": 1}), "delivered")
    assert shown["attempts"][0]["answer"] == "A-17"
    s.wait_state(s.post({"n": 0}), "dead")


@pytest.mark.parametrize("verb", ["put", "patch", "delete"])
def test_the_url_and_headers_of_a_target_are_templates(site, target, verb):
    to = {"connection": "erp", verb: "/things/{body.id}", "headers": {"x-tenant": "{body.tenant}"}}
    s = site(project(target, flow={"to": to})).start()
    s.wait_state(s.post({"id": "a/b c", "tenant": "T1"}), "delivered")
    [r] = target.all()
    assert (r.method, r.path, r.headers["x-tenant"]) == (verb.upper(), "/things/a%2Fb%20c", "T1")


def test_a_blocked_key_goes_on_after_a_replay(shop, target):
    bad = [True]
    target.behave = lambda r: answer(422, {"error": "no"}) if bad and json.loads(r.body)["n"] == 0 else None
    s = shop(flow={"order_by": "body.customer", "on_dead": {"key": "block"}})
    first = s.post(by_customer(0, "a"))
    for n in (1, 2):
        s.post(by_customer(n, "a"))
    s.wait_state(first, "dead")
    s.stop()
    s.start()
    time.sleep(0.3)
    assert s.counts()["queued"] == 2 and target.count() == 1, "a restart does not unblock the key"
    bad.clear()
    s.job("replay", {"ids": [first]})
    s.wait_counts(delivered=3)
    assert [b["n"] for b in target.bodies()] == [0, 0, 1, 2]


def test_retries_go_on_where_they_were_after_a_restart(shop, target):
    target.behave = lambda r: answer(500)
    s = shop(flow={"retry": {"attempts": 4, "backoff": "300ms..300ms", "jitter": "none"}}, limits=NO_BREAKER)
    id = s.post({"n": 1})
    target.wait(2)
    until(lambda: s.show(id)["event"]["attempts"] == 2)
    s.stop()
    s.start()
    shown = s.wait_state(id, "dead")
    assert target.count() == 4 and [a["attempt"] for a in shown["attempts"]] == [1, 2, 3, 4]


def test_the_exact_retry_sequence_doubles_up_to_its_most_without_jitter(shop, target):
    target.behave = lambda r: answer(500)
    s = shop(flow={"retry": {"attempts": 6, "backoff": "40ms..200ms", "jitter": "none"}}, limits=NO_BREAKER)
    s.wait_state(s.post({"n": 1}), "dead")
    gaps = [b.at - a.at for a, b in zip(target.all(), target.all()[1:])]
    for gap, wanted in zip(gaps, (0.04, 0.08, 0.16, 0.2, 0.2)):
        assert wanted - 0.002 <= gap, gaps
    assert gaps[4] < gaps[3] + 0.3


def test_max_age_ends_the_retries(shop, target):
    target.behave = lambda r: answer(500)
    s = shop(flow={"retry": {"attempts": 1000, "backoff": "100ms..100ms", "jitter": "none", "max_age": "500ms"}}, limits=NO_BREAKER)
    s.wait_state(s.post({"n": 1}), "dead", timeout=10)
    assert 3 <= target.count() <= 8


def test_one_flow_does_not_starve_another_on_the_same_connection(site, target):
    from support.site import hook
    target.behave = lambda r: answer(200, delay=0.01)
    flows = {"small": {"from": hook("/small"), "to": {"connection": "erp", "post": "/small"}}}
    s = site(project(target, flows=flows, limits={"concurrency": 1})).start()
    s.do("/v1/connections/erp/pause")
    for n in range(60):
        s.post({"n": n})
    for n in range(5):
        s.post({"n": n}, path="/small")
    s.do("/v1/connections/erp/resume")
    s.wait_counts("small", delivered=5)
    place = [i for i, r in enumerate(target.all()) if r.path == "/small"][-1]
    assert place <= 20, f"the last of the five came as number {place}"
    s.wait_counts(delivered=60)


def test_a_quota_is_kept_over_a_restart(site, target):
    limits = {"quotas": [{"name": "daily", "amount": 10, "per": "24h"}]}
    s = site(project(target, limits=limits)).start()
    for n in range(15):
        s.post({"n": n})
    until(lambda: s.connection()["held"] == "quota" or s.connection()["waiting"] > 0 and target.count() >= 9)
    time.sleep(0.3)
    came = target.count()
    assert came <= 10
    s.kill()
    s.start()
    time.sleep(0.5)
    assert target.count() <= 10, "a restart forgot what was used"
    assert s.counts()["dead"] == 0 and s.counts()["delivered"] == target.count() <= 10


def test_events_of_a_flow_whose_mapping_is_mended_by_a_reload_are_delivered(shop, target):
    s = shop(flow={"steps": [{"map": {"jsonata": "$error('not yet')"}}]})
    ids = [s.post({"n": n}) for n in range(3)]
    s.wait_counts(dead=3)
    s.change(lambda c: c["flows"]["orders"].update(steps=[{"map": {"jsonata": "{ 'v': n }"}}]))
    s.do("/v1/reload")
    s.job("replay", {"ids": ids})
    s.wait_counts(delivered=3)
    assert sorted(b["v"] for b in target.bodies()) == [0, 1, 2]


def test_a_body_that_finds_nothing_is_dead_and_nothing_is_sent(site, target):
    s = site(project(target, flow={"to": {"connection": "erp", "post": "/orders", "body": "body.order"}})).start()
    shown = s.wait_state(s.post({"ordre": {"n": 1}}), "dead")
    assert shown["event"]["class"] == "data" and "body: it finds nothing" in shown["event"]["reason"]
    s.wait_state(s.post({"order": {"n": 2}}), "delivered")
    assert target.bodies() == [{"n": 2}]


def test_a_record_of_a_batch_without_a_verdict_has_a_reason(site, target):
    target.behave = lambda r: answer(200, [{"ok": True} for row in json.loads(r.body) if not row.get("left_out")])
    s = site(project(target, flow={"to": {"connection": "erp", "post": "/orders", "batch": {"count": 10, "verdicts": "body"}}}, limits=NO_BREAKER)).start()
    shown = s.wait_state(s.post({"n": 1, "left_out": True}), "dead")
    assert "no verdict for this record" in shown["event"]["reason"], shown["event"]
    assert all("no verdict for this record" in a["reason"] for a in shown["attempts"]), shown["attempts"]


def test_a_long_pause_that_the_target_asks_for_says_until_when(site, target):
    target.behave = lambda r: answer(429, retry_after=86400)
    s = site(project(target, limits={"concurrency": 1})).start()
    for n in range(3):
        s.post({"n": n})
    c = until(lambda: s.connection("erp") if s.connection("erp")["held"] == "rate" else None)
    assert c["next_try_at"] > c["held_since"]
    assert 86_000_000 < c["drain_ms"] <= 86_400_000 and c["drain_reason"] == "retry_after"
    r = subprocess.run([BIN, "status"], cwd=s.folder, env=s.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, text=True)
    assert f"held: rate, next try at {c['next_try_at']}" in r.stdout and "23h59m" in r.stdout, r.stdout
