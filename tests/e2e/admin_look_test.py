# SPDX-License-Identifier: Apache-2.0
"""What an operator sees over TCP: filters, one flow, the last hours, and what changes as it changes."""
import json
import socket
import subprocess
import threading
import time

import pytest
from support.site import BIN, FAST, HANG_GUARD, LONG_DRAIN, Site, free_port, hook, project, until
from support.target import Target, answer
from support.web import Web, client


def behave(r):
    return answer(429, {"error": "slow down"}) if json.loads(r.body).get("slow") else \
        answer(422, {"error": "bad"}) if json.loads(r.body).get("bad") else None


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = Target(behave)
    crm = {"type": "http", "url": target.url, "timeout": "5s"}
    invoices = {"from": hook("/hooks/invoices"), "order_by": "body.customer", "retry": dict(FAST),
                "steps": [{"when": "body.n > 0"}, {"map": {"jsonata": "{'number': n, 'bad': bad}"}}],
                "to": [{"connection": "erp", "post": "/invoices", "name": "books"},
                       {"connection": "crm", "post": "/crm", "when": "body.number < 100"}]}
    config = project(target, connections={"crm": crm}, flows={"invoices": invoices}, flow={"order_by": "body.customer"},
                     admin={"listen": f"127.0.0.1:{free_port()}"})
    s = Site(tmp_path_factory.mktemp("look"), config).start()
    yield s
    s.clean_up()
    target.stop()


def ids(web, q):
    return [e["id"] for e in web.get("/v1/events?q=" + q.replace(" ", "%20").replace('"', "%22"))["events"]]


def test_events_are_found_by_words_that_people_can_share(site):
    web = client(site)
    good = site.post({"n": 1, "customer": "anna", "order": "A-1042"}, id="delivery-1")
    bad = site.post({"n": 2, "customer": "bert", "bad": True, "order": "B-7"})
    site.wait_state(bad, "dead")
    site.wait_state(good, "delivered")
    assert ids(web, "flow:orders state:dead") == [bad] == ids(web, 'status:failed error:"HTTP 422" since:1h')
    assert ids(web, "key:anna") == [good] and ids(web, "key:bert state:dead") == [bad] and ids(web, "key:carl") == []
    assert ids(web, "A-1042") == [good] == ids(web, 'text:"A-1042"')
    assert ids(web, good) == [good]
    assert ids(web, "target:erp key:anna") == [good] and ids(web, "connection:crm key:anna") == []
    assert web.get("/v1/events?flow=orders&sender_id=delivery-1")["events"][0]["id"] == good
    assert web.get("/v1/events?flow=orders&sender_id=delivery-2")["events"] == []
    for wrong in ("flow:ordres", "state:lost", "colour:red", "connection:erq"):
        r = web.raw("GET", f"/v1/events?q={wrong}")
        assert r.status in (400, 404) and "error" in r.json, wrong
    row = web.get(f"/v1/events?q={bad}")["events"][0]
    assert (row["target"], row["connection"], row["key"], row["status"]) == ("erp", "erp", "bert", 422)
    assert row["latency_ms"] >= 0
    for id in (bad, good):
        assert web.get(f"/v1/events/{id}")["event"] == web.get(f"/v1/events?q={id}")["events"][0], "alone and in a list it is the same"


def test_pages_follow_each_other_and_say_how_far_back_they_looked(site):
    web = client(site)
    sent = [site.post({"n": i, "customer": f"c{i}"}) for i in range(7)]
    got, cursor = [], ""
    while cursor is not None:
        page = web.get(f"/v1/events?flow=orders&limit=3&cursor={cursor}")
        got += [e["id"] for e in page["events"]]
        assert (page["looked_until"] is None) == (page["cursor"] is None)
        cursor = page["cursor"]
    assert got[:7] == sent[::-1] and len(set(got)) == len(got)


def test_a_flow_is_a_graph_from_its_source_over_steps_to_targets_and_connections(site):
    g = client(site).get("/v1/flows/invoices")
    assert g["source"] == "webhook /hooks/invoices" and g["order_by"] == "body.customer"
    assert [(n["kind"], n["name"]) for n in g["nodes"] if n["kind"] in ("source", "step", "target")] == \
        [("source", "webhook /hooks/invoices"), ("step", "when"), ("step", "map"), ("target", "books"), ("target", "crm")]
    assert {n["id"] for n in g["nodes"]} >= {e[k] for e in g["edges"] for k in ("from", "to")}
    assert {(e["from"], e["to"]) for e in g["edges"]} >= {("source", "step:0"), ("step:0", "step:1"), ("step:1", "target:books"),
                                                        ("target:books", "connection:erp")}
    assert [t["when"] for t in g["targets"]] == [None, "body.number < 100"]
    r = client(site).raw("GET", "/v1/flows/invoises")
    assert r.status == 404 and "invoices" in r.text


def test_the_status_says_where_a_flow_comes_from_and_goes_to(site):
    flow = next(f for f in client(site).get("/v1/status")["flows"] if f["name"] == "invoices")
    assert flow["source"] == "webhook /hooks/invoices"
    assert [(t["name"], t["connection"]) for t in flow["targets"]] == [("books", "erp"), ("crm", "crm")]


def test_the_last_hour_is_kept_in_points_of_ten_seconds(site):
    web = client(site)
    site.post({"n": 1, "customer": "x"})

    def seen():
        s = web.get("/v1/series?metric=in&flow=orders")
        return s if any(v for v in s["values"] if v) else None
    s = until(seen, 30, 0.5)
    assert s["step_ms"] == 10000 and s["unit"] == "events" and s["since"] and 359 <= len(s["values"]) <= 361
    day = web.get("/v1/series?metric=p95&flow=orders&from=24h")
    assert day["step_ms"] == 60000 and len(day["values"]) in (1440, 1441)
    assert web.get("/v1/series?metric=calls&connection=erp")["values"]
    assert web.raw("GET", "/v1/series?metric=joy").status == 400
    assert web.raw("GET", "/v1/series?metric=in&flow=nothing").status == 404


class Stream:
    """Reads server-sent events until it is told to stop."""

    def __init__(self, web, query=""):
        self.events, self.ended = [], threading.Event()
        self.sock = socket.create_connection(("127.0.0.1", web.port))
        self.sock.sendall(f"GET /v1/stream?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {web.token}\r\n\r\n".encode())
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        name = ""
        try:
            for raw in self.sock.makefile("rb"):
                line = raw.decode().rstrip("\r\n")
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line[6:])))
        except OSError:
            pass
        self.ended.set()

    def of(self, name):
        return [data for n, data in self.events if n == name]

    def rows(self):
        return [row for data in self.of("rows") for row in data["events"]]

    def close(self):
        self.sock.close()


def test_a_stream_tells_the_status_and_what_changes_with_its_filter(site):
    web = client(site)
    everything, dead = Stream(web, "topics=status,rows"), Stream(web, "topics=rows&q=state:dead")
    try:
        until(lambda: everything.of("status"))
        assert {f["name"] for f in everything.of("status")[0]["flows"]} >= {"orders", "invoices"}
        time.sleep(0.3)
        good, bad = site.post({"n": 1, "customer": "s1"}), site.post({"n": 2, "customer": "s2", "bad": True})
        until(lambda: any(r["id"] == good and r["state"] == "delivered" for r in everything.rows()))
        until(lambda: any(r["id"] == bad and r["state"] == "dead" for r in dead.rows()))
        assert all(r["state"] == "dead" for r in dead.rows())
        assert any(r["id"] == good and r["key"] == "s1" and r["target"] == "erp" for r in everything.rows())
    finally:
        everything.close()
        dead.close()


def test_a_row_of_a_stream_says_why_it_waits_as_the_list_does(site):
    web = client(site)
    s = Stream(web, "topics=rows")
    web.post("/v1/connections/erp/pause", {"reason": "stock-taking"})
    try:
        time.sleep(0.5)
        id = site.post({"n": 1, "customer": "why"})
        until(lambda: any(r["id"] == id for r in s.rows()))
        told = next(r for r in reversed(s.rows()) if r["id"] == id)
        assert (told["held"], told["held_reason"]) == ("connection_paused", "stock-taking")
        assert told == web.get(f"/v1/events?event={id}")["events"][0]
    finally:
        s.close()
        web.post("/v1/connections/erp/resume", {"reason": "done"})
    site.wait_state(id, "delivered")


def test_a_stream_under_load_shows_fifty_rows_a_second_and_counts_the_rest(site):
    web = client(site)
    s = Stream(web, "topics=rows")
    try:
        time.sleep(0.5)
        for i in range(400):
            site.post({"n": 1, "customer": f"load{i}"})
        until(lambda: sum(e["more"] for e in s.of("rows")) > 0)
        assert all(len(e["events"]) <= 50 for e in s.of("rows"))
    finally:
        s.close()


def test_a_stream_tells_of_jobs_and_ends_when_its_token_does(site):
    web = client(site)
    token = web.post("/v1/tokens", {"name": "watcher", "reason": "a test"})["token"]
    s = Stream(Web(web.port, token), "topics=jobs")
    try:
        until(lambda: s.of("jobs"))
        bad = site.post({"n": 2, "customer": "j", "bad": True})
        site.wait_state(bad, "dead")
        job = web.post("/v1/jobs", {"action": "discard", "filter": {"ids": [bad]}, "reason": "no"})["job"]
        until(lambda: any(j["job"] == job and j["ended"] for e in s.of("jobs") for j in e["jobs"]))
        web.raw("DELETE", "/v1/tokens/watcher?reason=over")
        until(s.ended.is_set)
        assert s.events[-1][0] == "end"
    finally:
        s.close()
    assert web.raw("GET", "/v1/stream?topics=weather").status == 400


def test_a_stream_tells_the_alerts_in_the_words_of_their_page(site):
    web = client(site)
    stream = Stream(web, "topics=alerts")
    try:
        until(lambda: stream.of("alerts"))
        told, page = stream.of("alerts")[0], web.get("/v1/alerts")
        assert set(told) == set(page) and set(told["counts"]) == set(page["counts"])
    finally:
        stream.close()


def test_a_stream_that_is_open_does_not_hold_the_stop_up(tmp_path, target):
    config = project(target, admin={"listen": f"127.0.0.1:{free_port()}"})
    config["server"]["drain"] = LONG_DRAIN
    s = Site(tmp_path, config).start()
    stream = Stream(client(s))
    until(lambda: stream.of("status"))
    s.stop(timeout=HANG_GUARD)
    stream.close()
    s.clean_up()


def test_top_shows_flows_and_connections_of_the_running_server(site):
    done = subprocess.run([BIN, "top", "--once", "--data", str(site.folder / "data")], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "orders" in done.stdout and "erp" in done.stdout and "closed" in done.stdout and "live" in done.stdout
