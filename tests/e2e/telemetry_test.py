# SPDX-License-Identifier: Apache-2.0
"""Spans and metrics to a collector."""
import json

import pytest
from support.sender import SECRET
from support.site import NO_BREAKER, project, until
from support.target import Target, answer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector():
    t = Target()
    yield t
    t.stop()


def traced(target, collector, **more):
    return project(target, limits=NO_BREAKER,
                   telemetry={"url": collector.url, "sample": "100%", "interval": "100ms", "metrics": "1s",
                              "headers": {"X-Key": "${env:OTLP_KEY}"}, **more})


def spans(collector):
    return [s for b in collector.bodies("/v1/traces") for r in b["resourceSpans"] for c in r["scopeSpans"] for s in c["spans"]]


def attributes(s):
    return {a["key"]: next(iter(a["value"].values())) for a in s["attributes"]}


def test_an_event_is_one_trace_from_the_door_to_the_target(site, target, collector):
    target.behave = lambda r: answer(500) if target.count() == 1 else None
    s = site(traced(target, collector), {"OTLP_KEY": "tok-5d41402abc4b2a76"}).start()
    id = s.post({"n": 1}, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    s.wait_counts(delivered=1)
    until(lambda: len([x for x in spans(collector) if x["name"] == "deliver"]) == 2)
    all = spans(collector)
    assert {x["traceId"] for x in all} == {TRACE} and len({x["spanId"] for x in all}) == len(all)
    assert sorted(x["name"] for x in all) == ["acknowledge", "acknowledge", "call", "call", "commit", "deliver", "deliver", "map",
                                              "map", "receive", "verify", "wait"]
    receive, = [x for x in all if x["name"] == "receive"]
    assert receive["parentSpanId"] == PARENT and attributes(receive)["tieline.event"] == id
    assert attributes(receive)["http.response.status_code"] == "200"
    for x in all:
        assert int(x["endTimeUnixNano"]) >= int(x["startTimeUnixNano"]) > 1.7e18
        if x["name"] in ("verify", "commit", "deliver"):
            assert x["parentSpanId"] == receive["spanId"]
    first, second = sorted((x for x in all if x["name"] == "deliver"), key=lambda x: int(attributes(x)["tieline.attempt"]))
    assert first["status"]["code"] == 2 and "status" not in second
    assert attributes(first)["tieline.class"] == "transient"
    calls = {x["spanId"]: x for x in all if x["name"] == "call"}
    assert {r.headers["traceparent"].split("-")[2] for r in target.all()} == set(calls), "the call's span goes out with it"
    assert {x["parentSpanId"] for x in calls.values()} == {first["spanId"], second["spanId"]}
    assert collector.all("/v1/traces")[0].headers["x-key"] == "tok-5d41402abc4b2a76"
    until(lambda: s.metrics()['tieline_otlp_spans_total{result="sent"}'] == len(all))
    assert "tok-5d41402abc4b2a76" not in s.log and SECRET not in s.log


def test_a_sender_that_does_not_record_is_not_recorded(site, target, collector):
    s = site(traced(target, collector, metrics="0s"), {"OTLP_KEY": "k"}).start()
    s.post({"n": 1}, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    s.post({"n": 2})
    s.wait_counts(delivered=2)
    until(lambda: any(x["name"] == "deliver" for x in spans(collector)))
    assert TRACE not in {x["traceId"] for x in spans(collector)}
    assert collector.count("/v1/metrics") == 0


def test_metrics_are_sent_with_their_labels(site, target, collector):
    s = site(traced(target, collector, traces=False), {"OTLP_KEY": "k"}).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)

    def value():
        for b in reversed(collector.bodies("/v1/metrics")):
            for m in b["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]:
                if m["name"] == "tieline_deliveries_total":
                    return next((p["asDouble"] for p in m["sum"]["dataPoints"] if attributes(p) == {"flow": "orders", "outcome": "delivered"}), None)
    until(lambda: value() == 1)
    assert collector.count("/v1/traces") == 0


def test_a_collector_that_is_away_delays_nothing_and_gets_the_batch_later(site, target, collector):
    collector.behave = lambda r: answer(503, retry_after=1)
    s = site(traced(target, collector, metrics="0s"), {"OTLP_KEY": "k"}).start()
    for n in range(20):
        s.post({"n": n})
    s.wait_counts(delivered=20)
    until(lambda: s.logged("telemetry.not_sent"))
    collector.behave = None
    until(lambda: s.metrics()['tieline_otlp_spans_total{result="sent"}'] >= 20, timeout=30)
    assert until(lambda: s.logged("telemetry.sent")) and s.metrics()['tieline_otlp_spans_total{result="dropped"}'] == 0


def test_what_is_left_is_sent_at_the_end(site, target, collector):
    s = site(traced(target, collector, metrics="0s", interval="1h"), {"OTLP_KEY": "k"}).start()
    until(lambda: s.get("/v1/status"))
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    s.stop()
    assert json.dumps(spans(collector)).count('"receive"') == 1
