# SPDX-License-Identifier: Apache-2.0
"""What can be seen of a running program: metrics, calls in the log, traces, what a flow promises."""
import http.client
import json
import os
import re
import subprocess
import time
from pathlib import Path

from support import sender
from support.sender import SECRET
from support.site import BIN, FAST, NO_BREAKER, project, until
from support.target import answer

ROOT = Path(__file__).resolve().parents[2]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TOKEN = "tok-5d41402abc4b2a76b9719d911017c592"


def with_token(c):
    c["connections"]["erp"]["headers"] = {"X-Api-Key": "${env:ERP_TOKEN}"}
    return c


def test_every_metric_of_flow_connection_ledger_and_server_is_there_and_counts(site, target):
    target.behave = lambda r: answer(500) if target.count() % 3 == 1 else None
    s = site(project(target, limits={**NO_BREAKER, "rate": "1000/s"})).start()
    for n in range(9):
        s.post({"n": n})
    assert s.sender.raw("POST", "/hooks/shop", b"{}", {}).status == 401
    s.wait_counts(delivered=9)
    m = s.metrics()
    assert m['tieline_events_received_total{flow="orders"}'] == 9
    assert m['tieline_webhooks_refused_total{flow="orders"}'] == 1
    assert m['tieline_deliveries_total{flow="orders",outcome="delivered"}'] == 9
    assert m['tieline_webhook_duration_seconds_count{flow="orders",status="2xx"}'] == 9
    assert m['tieline_webhook_duration_seconds_count{flow="orders",status="4xx"}'] == 1
    ok = m['tieline_calls_total{connection="erp",operation="post",status="2xx"}']
    bad = m['tieline_calls_total{connection="erp",operation="post",status="5xx"}']
    assert (ok, ok + bad) == (9, target.count())
    assert m['tieline_call_duration_seconds_count{connection="erp",operation="post"}'] == target.count()
    assert m['tieline_call_duration_seconds_quantile{connection="erp",operation="post",quantile="0.95"}'] > 0
    assert m['tieline_flow_deliveries{flow="orders",state="queued"}'] == 0
    assert m['tieline_connection_breaker{connection="erp",state="closed"}'] == 1
    assert m['tieline_connection_concurrency_limit{connection="erp"}'] >= 1
    assert any(k.startswith('tieline_connection_budget_remaining{connection="erp"') for k in m), "the rate is a budget"
    assert m["tieline_ledger_commits_total"] > 0 and m["tieline_disk_free_bytes"] > 0
    assert m['tieline_http_requests_total{listener="public"}'] >= 10
    assert s.metrics()["tieline_ledger_commits_total"] >= m["tieline_ledger_commits_total"]


def test_metrics_of_the_process_keep_their_digits(site, target):
    s = site(project(target)).start()
    before = s.call("GET", "/metrics").text
    for n in range(200):
        s.get("/v1/status")
    m, text = s.metrics(), s.call("GET", "/metrics").text
    cpu = sum(os.sysconf("SC_CLK_TCK") ** -1 * int(n) for n in Path(f"/proc/{s.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()[11:13])
    assert 0 < m["process_cpu_seconds_total"] <= cpu + 2 / os.sysconf("SC_CLK_TCK"), "not whole seconds"
    start = re.search(r"^process_start_time_seconds (\d+\.?\d*)$", text, re.M)
    assert start and start[0] in before and float(start[1]) <= time.time()


def test_what_waits_has_an_age_a_reason_and_an_end(site, target):
    s = site(project(target)).start()
    s.do("/v1/connections/erp/pause", {"why": "a test"})
    s.post({"n": 1})
    until(lambda: s.metrics().get('tieline_connection_held{connection="erp",reason="connection_paused"}') == 1)
    m = s.metrics()
    assert m['tieline_flow_deliveries{flow="orders",state="queued"}'] == 1
    assert m['tieline_flow_oldest_seconds{flow="orders"}'] > 0
    s.do("/v1/connections/erp/resume")
    s.wait_counts(delivered=1)
    m = s.metrics()
    assert m['tieline_connection_held{connection="erp",reason="connection_paused"}'] == 0
    assert m['tieline_flow_oldest_seconds{flow="orders"}'] == 0


def test_several_headers_tracestate_are_one_list_and_two_traceparents_are_none(shop, target):
    s = shop()
    body = b'{"n":1}'
    for parents in (1, 2):
        c = http.client.HTTPConnection("127.0.0.1", s.port)
        c.putrequest("POST", "/hooks/shop")
        for k, v in {**sender.github(body), "Content-Type": "application/json", "Content-Length": "7"}.items():
            c.putheader(k, v)
        for n in range(parents):
            c.putheader("traceparent", f"00-{TRACE}-00f067aa0ba902b{n}-01")
        c.putheader("tracestate", "a=1")
        c.putheader("tracestate", "b=2,c=3")
        c.endheaders(body)
        assert c.getresponse().status == 200
        c.close()
        last = target.wait(parents)[-1]
        assert (last.headers["traceparent"].split("-")[1] == TRACE) == (parents == 1)
        assert last.headers.get("tracestate") == ("a=1,b=2,c=3" if parents == 1 else None)


def test_trace_and_request_id_go_with_each_attempt(shop, target):
    target.behave = lambda r: answer(500) if target.count() == 1 else None
    s = shop(limits=NO_BREAKER)
    s.post({"n": 1}, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "shop=1",
                              "X-Request-Id": "req-77"})
    first, second = target.wait(2)
    for r in (first, second):
        assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", r.headers["traceparent"])
        assert r.headers["tracestate"] == "shop=1" and r.headers["x-request-id"] == "req-77"
    assert first.headers["traceparent"] != second.headers["traceparent"], "each call is a span of its own"
    until(lambda: any(o["trace"] == TRACE and o["request_id"] == "req-77" for o in s.logged("delivery.outcome")))


def test_trace_and_request_id_are_told_of_an_end_without_an_attempt(shop, target):
    target.behave = lambda r: answer(500)
    s = shop(limits=NO_BREAKER, flow={"retry": {"attempts": 9, "backoff": "1h..1h", "jitter": "none"}})
    head = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-Id": "req-9"}
    dead, waiting = s.post(b"{not json", headers=head), s.post({"n": 1}, headers=head)
    bare = s.post(b"{not json either")
    s.wait_counts(dead=2, retrying=1)
    s.job("discard", {"ids": [dead]})
    s.job("cancel", {"ids": [waiting]})
    told = until(lambda: len(s.logged("delivery.outcome")) == 5 and s.logged("delivery.outcome"))
    ours = [line for line in told if line["event_id"] != bare]
    assert sorted(line["outcome"] for line in ours) == ["cancelled", "dead", "discarded", "retrying"]
    assert {(line["trace"], line["request_id"]) for line in ours} == {(TRACE, "req-9")}
    assert all(line["reason"] for line in ours), ours
    other = next(line for line in told if line["event_id"] == bare)
    assert len(other["trace"]) == 32 and other["trace"] != TRACE and other["request_id"] == bare


def test_without_them_they_are_made_and_stay_the_same_for_all_attempts(shop, target):
    target.behave = lambda r: answer(500) if target.count() == 1 else None
    s = shop(limits=NO_BREAKER)
    id = s.post({"n": 1}, headers={"traceparent": "00-nonsense"})
    first, second = target.wait(2)
    assert first.headers["traceparent"].split("-")[1] == second.headers["traceparent"].split("-")[1]
    assert first.headers["x-request-id"] == second.headers["x-request-id"] == id


def test_a_line_a_call_for_one_flow_for_a_set_time_and_no_secret_in_it(site, target):
    target.behave = lambda r: answer(200, {"echo": r.headers["x-api-key"], "id": "A-1"})
    s = site(with_token(project(target, flow={"to": {"connection": "erp", "post": "/orders/{body.n}?k=v"}})),
             {"ERP_TOKEN": TOKEN}).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert s.logged("call") == []
    r = s.do("/v1/flows/orders/debug", {"for": "10m", "bodies": True})
    assert r["until"] and s.flow()["debug_until"] == r["until"] and s.flow()["debug_bodies"] is True
    s.post({"n": 2, "note": f"{SECRET} and {TOKEN}"})
    s.wait_counts(delivered=2)
    call, = until(lambda: s.logged("call"))
    assert (call["host"], call["path"]) == (f"127.0.0.1:{target.port}", "/orders/{body.n}?k=v")
    assert (call["method"], call["status"], call["attempt"]) == ("POST", 200, 1) and call["latency_ms"] > 0
    assert json.loads(call["sent"])["n"] == 2 and json.loads(call["got"])["id"] == "A-1"
    assert until(lambda: s.logged("webhook.received"))[0]["event_id"] == call["event_id"]
    s.do("/v1/flows/orders/debug", {"for": "10m"})
    s.post({"n": 3})
    s.wait_counts(delivered=3)
    assert until(lambda: s.logged("call")[1:])[0]["sent"] == ""
    s.do("/v1/flows/orders/debug", {"for": "0s"})
    s.post({"n": 4})
    s.wait_counts(delivered=4)
    assert len(s.logged("call")) == 2 and s.flow()["debug_until"] is None
    assert TOKEN not in s.log and SECRET not in s.log


def test_a_secret_that_is_cut_where_the_look_at_a_body_ends_is_masked_as_the_whole(site, target):
    long = "k9" + "".join(f"{n:05x}" for n in range(1000))
    target.behave = lambda r: answer(200, b" ".join([long.encode()] * 14))
    s = site(with_token(project(target)), env={"ERP_TOKEN": long}).start()
    s.do("/v1/flows/orders/debug", {"for": "10m", "bodies": True})
    s.wait_state(s.post({"n": 1}), "delivered")
    line = until(lambda: s.logged("call"))[0]
    assert "*** ***" in line["got"] and long[:6] not in s.log, line["got"][-300:]
    target.behave = lambda r: answer(400, b"we do not like " + long.encode())
    id = s.post({"n": 2})
    s.wait_state(id, "dead")
    assert "we do not like ***" in json.dumps(s.show(id))
    assert long[:6] not in s.log and long[:6] not in s.call("GET", "/v1/events/" + id).text


def test_the_switch_ends_by_itself_and_refuses_nonsense(shop, target):
    s = shop()
    s.do("/v1/flows/orders/debug", {"for": "1s"})
    until(lambda: s.flow()["debug_until"] is None)
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert s.logged("call") == []
    assert s.call("POST", "/v1/flows/orders/debug", {"for": "a week"}).status == 400
    assert s.call("POST", "/v1/flows/orders/debug", {"for": "100d"}).status == 400
    assert s.call("POST", "/v1/flows/nobody/debug", {"for": "1m"}).status == 404


def test_what_a_flow_promises_is_measured_and_survives_a_restart(shop, target):
    target.behave = lambda r: answer(422) if json.loads(r.body)["n"] == 0 else None
    s = shop(flow={"sla": {"owner": "erp-team", "success": "80%", "delay_p95": "1m", "mttr": "5m"}})
    for n in range(10):
        s.post({"n": n})
    s.wait_counts(delivered=9, dead=1)
    sla = until(lambda: (v := s.flow()["sla"])["died"] == 1 and v, timeout=25)
    assert (sla["delivered"], sla["success"], sla["owner"], sla["met"]) == (9, 0.9, "erp-team", True)
    assert abs(sla["error_budget_left"] - 0.5) < 0.01 and sla["delay_p95_ms"] < 60000 and sla["late"] == 0
    s.stop()
    s.start()
    again = until(lambda: (v := s.flow()["sla"])["delivered"] == 9 and v)
    assert again["died"] == 1


def test_an_outage_is_an_incident_with_a_time_to_recovery(shop, target):
    down = [True]
    target.behave = lambda r: answer(503) if down[0] else None
    s = shop(flow={"retry": {**FAST, "attempts": 1000}, "sla": {"mttr": "1ms"}}, limits=NO_BREAKER)
    s.post({"n": 1})
    until(lambda: s.flow()["sla"]["failing_since"])
    time.sleep(0.2)
    down[0] = False
    s.wait_counts(delivered=1)
    sla = s.flow()["sla"]
    assert sla["incidents"] == 1 and sla["mttr_ms"] >= 200 and sla["failing_since"] is None and sla["met"] is False


def test_every_attempt_after_the_first_is_counted_as_a_retry_also_when_it_used_none_up(shop, target):
    limited = [3]

    def few(_):
        limited[0] -= 1
        return answer(429) if limited[0] >= 0 else None

    target.behave = few
    s = shop()
    s.post({"n": 1})
    s.wait_counts(delivered=1, timeout=60)
    until(lambda: 'tieline_retries_total{flow="orders"} 3' in s.call("GET", "/metrics").text)


def test_the_reference_page_names_every_metric_there_is(site, target):
    page = (ROOT / "docs/reference/metrics.md").read_text()
    s = site(project(target, flow={"sla": {"success": "99%"}}, limits={"rate": "100/s"})).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    text = s.call("GET", "/metrics").text
    names = {line.split()[2].removesuffix("_quantile") for line in text.splitlines() if line.startswith("# TYPE")}
    assert len(names) > 35 and [n for n in sorted(names) if f"`{n}`" not in page] == []


def test_the_command_line_switches_and_shows(site, target):
    s = site(project(target, flow={"sla": {"owner": "erp-team", "success": "99%", "delay_p95": "5m"}})).start()

    def tieline(*argv):
        return subprocess.run([BIN, *argv], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=30)
    on = tieline("debug", "orders", "--for", "5m", "--bodies")
    assert on.returncode == 0 and "with bodies" in on.stdout, on
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert until(lambda: s.logged("call"))[0]["sent"] == '{"n":1}'
    off = tieline("debug", "orders", "--off")
    assert off.returncode == 0 and "not shown any more" in off.stdout, off
    assert tieline("debug", "nobody").returncode != 0
    status = tieline("status")
    row = next(line for line in status.stdout.splitlines() if line.startswith("orders") and "erp-team" in line)
    assert "100%" in row and "99%" in row and "of 5m" in row, status.stdout
