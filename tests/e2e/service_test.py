# SPDX-License-Identifier: Apache-2.0
"""The program as a service: health, metrics, logs without secrets, draining, a full disk."""
import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest
from support.sender import SECRET, Sender, github
from support.site import BIN, FAST, HANG_GUARD, LONG_DRAIN, each_once, hook, project, until
from support.target import answer


def test_health_and_readiness(shop):
    s = shop()
    assert s.sender.raw("GET", "/healthz").status == 200 and s.sender.raw("GET", "/readyz").status == 200
    assert s.call("GET", "/readyz").status == 200


def test_metrics_count_what_happened(shop, target):
    target.behave = lambda r: answer(422) if json.loads(r.body)["n"] == 0 else answer(500) if target.count() == 3 else None
    s = shop(flow={"steps": [{"when": "body.n != 9"}], "order_by": "'k'"})
    for n in (0, 1, 2, 3, 9):
        s.post({"n": n}, id=f"d{n}")
    s.post({"n": 3}, id="d3")
    s.sender.post({"n": 3}, secret="wrong")
    s.wait_counts(delivered=3, dead=1, skipped=1)
    m = s.metrics()

    def of(name, **labels):
        return sum(v for k, v in m.items() if k.split("{")[0] == name and all(f'{a}="{b}"' in k for a, b in labels.items()))
    assert of("tieline_events_received_total", flow="orders") == 5
    assert of("process_resident_memory_bytes") > 4096 and of("process_resident_memory_bytes") % 4096 == 0
    assert of("tieline_events_duplicate_total", flow="orders") == 1
    assert of("tieline_webhooks_refused_total", flow="orders") == 1
    assert of("tieline_deliveries_total", outcome="delivered") == 3 and of("tieline_deliveries_total", outcome="skipped") == 1
    assert of("tieline_attempts_failed_total", **{"class": "data"}) == 1
    assert of("tieline_attempts_failed_total", **{"class": "transient"}) == 1 and of("tieline_retries_total") == 1
    assert of("tieline_delivery_delay_seconds_count") == 3 and of("tieline_delivery_delay_seconds_sum") > 0


def test_metrics_show_backlog_age_and_breaker(shop, target):
    target.stop()
    s = shop(limits={"breaker_failures": 2, "breaker_open": "1500ms"}, flow={"retry": {**FAST, "attempts": 50}})
    for n in range(5):
        s.post({"n": n})
    until(lambda: s.connection()["breaker"] == "open")
    m = s.metrics()
    waiting = [m[f'tieline_flow_deliveries{{flow="orders",state="{state}"}}'] for state in ("queued", "retrying", "running")]
    assert sum(waiting) >= 5 and m['tieline_flow_oldest_seconds{flow="orders"}'] > 0 and m['tieline_flow_deliveries{flow="orders",state="dead"}'] == 0
    assert m['tieline_connection_breaker{connection="erp",state="open"}'] == 1 and m['tieline_intake_stopped'] == 0
    target.start()
    s.wait_counts(delivered=5)
    m = s.metrics()
    assert m['tieline_flow_oldest_seconds{flow="orders"}'] == 0 and m['tieline_connection_breaker{connection="erp",state="closed"}'] == 1


def test_what_was_removed_alarms_no_prometheus(shop, target):
    target.behave = lambda r: answer(422)
    s = shop(limits={"breaker_failures": 2, "breaker_open": "1h", "quotas": [{"name": "daily", "amount": 3, "per": "24h"}]},
             flow={"sla": {"success": "99%"}, "retry": {**FAST, "attempts": 50}})
    s.post({"n": 0})
    s.wait_counts(dead=1)
    until(lambda: s.metrics()['tieline_flow_error_budget_remaining{flow="orders"}'] < 0, timeout=40)
    target.stop()
    id = s.post({"n": 1})
    until(lambda: s.connection()["breaker"] == "open")
    s.change(lambda c: (c["flows"].clear(), c["connections"].clear()))
    s.do("/v1/reload")
    held = 'tieline_flow_held{flow="orders",reason="flow_removed"}'
    assert s.metrics()[held] == 1, "something waits in it"
    s.job("cancel", {"ids": [id]})
    until(lambda: s.counts()["queued"] + s.counts()["retrying"] == 0)
    m = s.metrics()
    assert m[held] == 0 and m['tieline_connection_breaker{connection="erp",state="closed"}'] == 1
    assert not m['tieline_flow_error_budget_remaining{flow="orders"}'] < 0
    assert m['tieline_connection_budget_used{connection="erp",budget="daily"}'] == 0


def test_a_promise_or_a_quota_that_a_reload_took_away_alarms_no_prometheus(shop, target):
    target.behave = lambda r: answer(422)
    s = shop(limits={"quotas": [{"name": "daily", "amount": 1, "per": "24h"}]}, flow={"sla": {"success": "99%"}, "on_dead": {"key": "skip"}})
    s.post({"n": 0})
    s.wait_counts(dead=1)
    left, used = 'tieline_flow_error_budget_remaining{flow="orders"}', 'tieline_connection_budget_used{connection="erp",budget="daily"}'
    until(lambda: s.metrics()[left] < 0 and s.metrics()[used] == 1, timeout=40)
    s.change(lambda c: (c["flows"]["orders"].pop("sla"), c["connections"]["erp"]["limits"].pop("quotas")))
    s.do("/v1/reload")
    m = s.metrics()
    assert not m[left] < 0 and not m[used] > 0.9


def test_the_status_page_has_flows_connections_and_the_ledger(shop, target):
    s = shop()
    s.wait_state(s.post({"n": 1}), "delivered")
    status = s.get("/v1/status")
    assert status["pid"] == s.process.pid and status["ledger"]["commits"] > 0 and status["ledger"]["live"] == 0
    assert status["connections"][0]["name"] == "erp" and status["connections"][0]["calls"] == 1


def test_one_line_an_outcome_and_each_line_is_json(shop, target):
    target.behave = lambda r: answer(500) if target.count() == 1 else None
    s = shop()
    id = s.post({"n": 1})
    s.wait_state(id, "delivered")
    lines = until(lambda: len(s.logged("delivery.outcome")) == 2 and s.logged("delivery.outcome"))
    assert [line["status"] for line in lines] == [500, 200] and {line["event_id"] for line in lines} == {id}
    s.stop()
    assert all(json.loads(line, object_pairs_hook=each_once) for line in s.lines)


def test_no_secret_is_in_the_log_the_ledger_the_metrics_or_the_api(site, target):
    planted = {"HOOK_SECRET": "planted-hook-7f1c", "ERP_TOKEN": "planted-token-93be", "COOKIE": "planted-cookie-55aa"}
    seen = []
    target.behave = lambda r: seen.append(r.headers.get("authorization")) or answer(
        401, {"error": f"bad token {r.headers.get('authorization')}"}) if target.count() == 1 else None
    config = project(target, log={"format": "json", "level": "debug"})
    config["connections"]["erp"]["headers"] = {"authorization": "${env:ERP_TOKEN}"}
    s = site(config, env=planted).start()
    body = json.dumps({"n": 1}).encode()
    signature = github(body, secret=planted["HOOK_SECRET"])
    more = {"Authorization": "Bearer " + planted["COOKIE"], "Cookie": "sid=" + planted["COOKIE"]}
    r = s.sender.raw("POST", "/hooks/shop", body, {"Content-Type": "application/json", **signature, **more})
    assert r.status == 200
    until(lambda: s.connection()["held"] == "connection_auth")
    s.do("/v1/connections/erp/resume")
    s.wait_state(r.id, "delivered")
    s.sender.raw("POST", "/hooks/shop", body, {**github(body, secret="planted-wrong-11"), **more})
    assert seen[0] == planted["ERP_TOKEN"], "the target did get it"
    places = {"metrics": s.call("GET", "/metrics").text, "event": s.call("GET", "/v1/events/" + r.id).text,
              "status": s.call("GET", "/v1/status").text, "config": s.call("GET", "/v1/config").text}
    s.stop()
    places["log"] = s.log
    for file in (s.folder / "data").rglob("*"):
        if file.is_file():
            places[file.name] = file.read_bytes().decode("latin-1")
    hidden = [*planted.values(), "planted-wrong-11", signature["X-Hub-Signature-256"][7:]]
    found = [(where, value) for where, text in places.items() for value in hidden if value in text]
    assert not found


def test_sigterm_finishes_what_is_under_way_and_takes_no_more(shop, target):
    target.behave = lambda r: answer(200, delay=0.7)
    s = shop(limits={"concurrency": 4})
    ids = [s.post({"n": n}) for n in range(10)]
    target.wait(4)
    s.stop()
    assert target.count() == 4, "no new delivery starts while draining"
    assert until(lambda: s.logged("server.stopped"))[0]["clean"] is True
    target.behave = None
    s.start()
    s.wait_counts(delivered=10)
    assert target.count() == 10, "what was finished is not sent again"
    assert all(s.state(i) == "delivered" for i in ids)


def test_a_drain_is_announced_to_who_watches_readiness(shop):
    """A balancer reads 503 before connections are refused; a sender is told to come again; what got 2xx is there."""
    s = shop()
    ready, taken, told = [], [], []

    def watch(ask, seen):
        sender = Sender(s.port)
        while True:
            sender.close()
            try:
                seen(ask(sender))
            except OSError:
                return

    def posted(r):
        (taken if r.status == 200 else told).append(r)
    asking = [threading.Thread(target=watch, args=(lambda x: x.raw("GET", "/readyz"), lambda r: ready.append(r.status))),
              threading.Thread(target=watch, args=(lambda x: x.post({"n": 1}), posted))]
    [t.start() for t in asking]
    until(lambda: len(ready) > 5 and len(taken) > 5)
    s.stop()
    [t.join(30) for t in asking]
    assert sorted(set(ready)) == [200, 503] and ready == sorted(ready), "ready, then not, then gone"
    assert told and {(r.status, r.headers["retry-after"], r.headers["connection"]) for r in told} == {(503, "1", "close")}
    s.start()
    assert s.flow()["events"] == len(taken)


def test_stopping_does_not_wait_for_idle_sources(site, target):
    flows = {"tick": {"from": {"schedule": {"cron": "0 0 1 1 *"}}, "to": {"connection": "erp", "post": "/tick"}},
             "pull": {"from": {"read": {"connection": "erp", "poll": "/x?c={cursor}", "cursor": "body.next", "every": "1h"}},
                      "to": {"connection": "erp", "post": "/in"}}}
    config = project(target, flows=flows)
    config["server"]["drain"] = LONG_DRAIN
    s = site(config).start()
    target.wait(1)
    s.stop(timeout=HANG_GUARD)
    assert until(lambda: s.logged("server.stopped"))[0]["clean"] is True


def test_a_second_sigterm_leaves_at_once_and_nothing_is_lost(shop, target):
    target.behave = lambda r: answer(200, delay=3)
    s = shop()
    s.post({"n": 1})
    target.wait(1)
    time.sleep(0.3)  # the target has keys: an attempt is on disk when it has been running for 50 ms
    s.process.terminate()
    until(lambda: s.logged("server.draining"))
    s.process.terminate()
    assert s.process.wait(HANG_GUARD) == 130
    target.behave = None
    s.start()
    s.wait_counts(delivered=1)
    assert [a["outcome"] for a in s.show(s.list()[0]["id"])["attempts"]] == ["unknown outcome", "delivered"]


def test_three_unknown_outcomes_in_a_row_are_dead_as_a_bug(site, target):
    stuck = [True]
    target.behave = lambda r: answer(200, delay=30) if stuck else None
    config = project(target, flow={"retry": {"attempts": 20, "backoff": "10ms..20ms"}})
    config["connections"]["erp"]["timeout"] = "60s"
    s = site(config).start()
    id = s.post({"n": 1})
    for n in (1, 2, 3):
        target.wait(n)
        if n == 1:  # the target has keys: the first attempt is on disk when it has been running for 50 ms
            time.sleep(0.3)
        s.kill()
        s.start()
    shown = s.wait_state(id, "dead")
    assert shown["event"]["class"] == "bug" and [a["outcome"] for a in shown["attempts"]] == ["unknown outcome"] * 3
    stuck.clear()


# ---- a full disk ----
@pytest.fixture
def small_disk(tmp_path, request):
    """24 MB of file system, or as the test says, or a skip that says why."""
    place = tmp_path / "disk"
    place.mkdir()
    size = getattr(request, "param", "24m")
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, text=True)
    if r.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {r.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place, leave=0):
    usage = shutil.disk_usage(place)
    with open(place / "ballast", "ab", buffering=0) as f:
        left = usage.free - leave
        while left > 0:
            try:
                left -= f.write(b"\0" * min(left, 65536))
            except OSError:
                break


def tell(s, *words):
    return subprocess.run([BIN, *words], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)


def test_a_full_disk_is_named_by_a_snapshot_and_by_a_start(site, target, small_disk, tmp_path):
    config = project(target)
    config["store"] = {"path": str(small_disk / "data"), "reserve": "1MB"}
    s = site(config)
    (s.folder / "data").symlink_to(small_disk / "data")
    s.start()
    for n in range(60):
        s.post({"n": n, "pad": "x" * 5000})
    s.wait_counts(delivered=60)
    copy = small_disk / "copy.db"
    fill(small_disk, leave=100000)
    done = tell(s, "ledger", "snapshot", str(copy))
    assert done.returncode == 1 and "is full: make room" in done.stderr and not copy.exists(), done
    s.stop()
    fill(small_disk)
    s.change(lambda c: c["store"].update(path=str(small_disk / "other")))
    code, said = s.fails()
    assert code != 0 and "is full: make room" in said, said
    os.unlink(small_disk / "ballast")
    s.change(lambda c: c["store"].update(path=str(small_disk / "data")))
    s.start()
    copy = tmp_path / "copy.db"
    assert tell(s, "ledger", "snapshot", str(copy)).returncode == 0
    files = [copy, *(small_disk / "data").glob("ledger.db*")]
    assert len(files) > 2 and all(f.stat().st_mode & 0o077 == 0 for f in files), "payloads are for nobody else"


@pytest.mark.parametrize("small_disk", ["120m"], indirect=True)
def test_a_disk_that_fills_up_while_the_log_is_moved_into_the_file_ends_nobody(site, target, small_disk):
    """The log is moved from 20 MB on. It keeps its size, so that outcomes find room in it when the file has none."""
    target.behave = lambda r: answer(200, delay=0.02)
    config = project(target, limits={"concurrency": 16})
    config["store"] = {"path": str(small_disk / "data"), "reserve": "8MB"}
    s = site(config)
    (s.folder / "data").symlink_to(small_disk / "data")
    s.start()
    accepted, statuses, filled, over = [], set(), threading.Event(), threading.Event()

    def send(lane):
        n, sender = 0, Sender(s.port)
        while not over.is_set():
            n += 1
            r = sender.post({"n": n, "pad": "x" * 10000}, id=f"{lane}-{n}")
            statuses.add(r.status)
            if r.status == 200:
                accepted.append(r.id)
            elif filled.is_set():
                time.sleep(0.05)
        sender.close()

    senders = [threading.Thread(target=send, args=(lane,)) for lane in range(4)]
    for t in senders:
        t.start()
    until(lambda: (small_disk / "data" / "ledger.db").stat().st_size > 16 << 20, timeout=60)
    fill(small_disk)
    filled.set()
    time.sleep(5)
    over.set()
    for t in senders:
        t.join()
    assert s.process.poll() is None, "a full disk must not end the process"
    assert statuses <= {200, 503}, statuses
    os.unlink(small_disk / "ballast")
    until(lambda: s.get("/v1/status")["ledger"]["live"] == 0, timeout=40)
    assert {e["id"] for e in s.list() if e["state"] == "delivered"} >= set(accepted)
    assert target.count() == sum(e["attempts"] for e in s.list()), "every request is an attempt in the ledger"
    fill(small_disk)
    s.stop()


def test_a_look_where_no_ledger_is_makes_none(site, target, tmp_path):
    s = site(project(target))
    (tmp_path / "dta").mkdir()
    done = tell(s, "status", "--data", str(tmp_path / "dta"))
    assert done.returncode == 3 and "no ledger in" in done.stderr and "--data" in done.stderr, done
    assert list((tmp_path / "dta").iterdir()) == []


def test_while_the_disk_is_full_senders_get_503_and_afterwards_no_outcome_is_missing(site, target, small_disk):
    target.behave = lambda r: answer(200, delay=0.05)
    config = project(target, flow={"order_by": "body.k"}, limits={"concurrency": 8})
    config["store"] = {"path": str(small_disk / "data"), "reserve": "4MB"}
    s = site(config)
    (s.folder / "data").symlink_to(small_disk / "data")
    s.start()
    accepted = {s.post({"n": n, "k": n % 20, "pad": "x" * 500}) for n in range(200)}
    fill(small_disk)
    refused, end = [], time.monotonic() + 20
    while len(refused) < 5 and time.monotonic() < end:
        r = s.sender.post({"n": 1000, "k": 1, "pad": "y" * 500})
        if r.status == 200:
            accepted.add(r.id)
        else:
            refused.append(r)
        time.sleep(0.05)
    assert [r.status for r in refused] == [503] * 5 and all(int(r.headers["retry-after"]) > 0 for r in refused), refused
    assert s.sender.raw("GET", "/readyz").status == 503 and s.sender.raw("GET", "/healthz").status == 200
    time.sleep(1)
    assert s.process.poll() is None, "a full disk must not end the process"
    assert s.get("/v1/status")["ledger"]["live"] >= 0 and s.list(state="queued") is not None, "looking needs no room"
    os.unlink(small_disk / "ballast")
    until(lambda: s.sender.post({"n": 2000, "k": 1}, id="after").status == 200, timeout=30)
    until(lambda: s.get("/v1/status")["ledger"]["live"] == 0, timeout=40)
    s.wait_counts(dead=0, queued=0, retrying=0)
    states = {i: s.state(i) for i in accepted}
    assert set(states.values()) == {"delivered"}
    requests = sum(e["attempts"] for e in s.list())
    assert target.count() == requests, "every request is an attempt in the ledger"
    s.stop()
