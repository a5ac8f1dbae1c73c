# SPDX-License-Identifier: Apache-2.0
"""With a long history every route answers as on a short one: none of them scans it. Compared in one run, as a ratio."""
import os
import sqlite3
import statistics
import time

from support.site import Site, free_port, project
from support.target import answer
from support.web import client

EVENTS = int(os.environ.get("TIELINE_HISTORY", "300000"))
# Beside each path of the description as it is: with a filter, with a name, with an id.
MORE = ["/v1/events?flow=orders", "/v1/events?state=dead", "/v1/events?q=state:retrying", "/v1/events?state=dead&flow=orders",
        "/v1/events?flow=orders&sender_id=none", "/v1/events?q=since:1s", "/v1/events?until=2001-01-01T00:00:00Z", "/v1/dead?flow=orders",
        "/v1/series?metric=in&flow=orders&from=24h", "/v1/xrefs?id=S-77", "/v1/xrefs?id=E-77&connection=erp&model=order",
        "/v1/xrefs?id=nobody", "/v1/xrefs?model=nothing", "/v1/alerts?state=resolved"]
NAMES = {"/v1/flows/{name}": "orders", "/v1/connections/{name}": "erp"}
IDS = ("/v1/events/{id}", "/v1/jobs/{id}", "/v1/alerts/{id}")
# series wants a metric; a stream has no end; the chain of the audit log is calculated again whole, that is what one asks for;
# prepare asks the other side
APART = {"/v1/series", "/v1/stream", "/v1/audit/verify", "/v1/connections/{name}/prepare"}
# A plan of dead letters counts for 60 ms at once, however many are dead.
CHANGES = {"/v1/plan": [{"action": "cancel", "filter": {"state": "retrying"}}, {"action": "cancel", "filter": {"flow": "orders"}},
                        {"action": "discard", "filter": {"state": "dead"}}, {"action": "replay", "filter": {"state": "dead", "flow": "orders"}}]}


def paths(web):
    """Each path of the description that only looks, so that a new one is measured by itself."""
    found = [p for p, of in web.get("/v1/openapi.json")["paths"].items() if "get" in of and p.startswith("/v1/") and p not in APART
             and not p.startswith("/v1/session/oidc")]
    unknown = [p for p in found if "{" in p and p not in NAMES and not p.startswith(IDS)]
    assert len(found) > 15 and not unknown, ("say which name stands for it", unknown)
    return [p.replace("{name}", NAMES.get(p, "")) for p in found if "{id}" not in p] + MORE, [p for p in found if "{id}" in p]


# A copy of one row of each kind, so many times: one in fifty is dead, of twenty causes.
FILL = """
CREATE TEMP TABLE pattern AS SELECT * FROM unit ORDER BY id LIMIT 1;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {events})
INSERT INTO unit(id, flow, target, kind, part, state, received, updated, bytes, attempts, used, d_epoch, d_started, d_status,
                 d_latency, fp, cls, rc, text)
SELECT (SELECT max(id) FROM unit) + i, flow, target, kind, i % 256, CASE WHEN i % 50 THEN 5 ELSE 4 END, received + i, updated + i,
       bytes, 1, 1, CASE WHEN i % 50 THEN d_epoch END, received, 200, 3, CASE WHEN i % 50 = 0 THEN 1000 + i % 20 END,
       CASE WHEN i % 50 = 0 THEN 5 END, CASE WHEN i % 50 = 0 THEN 15 END, CASE WHEN i % 50 = 0 THEN 'HTTP 422: bad' END
FROM n, pattern;
INSERT INTO body(id, key_id, meta, data) SELECT u.id, 0, b.meta, b.data FROM unit u, (SELECT * FROM body LIMIT 1) b
WHERE u.id > (SELECT max(id) FROM body);
INSERT INTO attempt(id, epoch, started, ended, end, flags, cls, rc, status, latency, text) SELECT id * 65536 + 1, 1, received, updated, 3, 1,
       5, 15, 422, 3, 'HTTP 422: bad' FROM unit WHERE fp IS NOT NULL;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {events} / 4)
INSERT INTO xref(model, ca, ia, cb, ib, at) SELECT 'order', 'shop', 'S-' || i, 'erp', 'E-' || i, i FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {events} / 20)
INSERT INTO audit(at, who, role, how, origin, action, subject, reason, detail, hash)
SELECT i, 'token ci', 'admin', 'token', '127.0.0.1', 'retry', 'event', 'a reason', '', x'00' FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {events} / 20)
INSERT INTO job(action, to_flow, superseded, flow, state, cls, fp, from_ms, until_ms, event, last_id, cursor, total, looked, done, refused,
                refusal_rc, ended, who, reason, at) SELECT 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 0, 0, 1, 'ci', 'why', i FROM n;
UPDATE meta SET value = (SELECT max(id) FROM unit) + 100000 WHERE name = 'next_id';
"""


def times(web, routes, rounds=7):
    out = {}
    for path in routes:
        path, body = path if isinstance(path, tuple) else (path, None)
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            r = web.raw("POST" if body else "GET", path, body)
            assert r.status == (404 if path.startswith("/v1/alerts/") else 200), (path, r)  # there is no alert
            took.append(time.perf_counter() - began)
        out[path if body is None else f"{path} {body}"] = min(took)  # of a machine that has other work, too
    return out


def test_a_long_history_makes_no_route_slow(tmp_path, target):
    c = project(target, admin={"listen": f"127.0.0.1:{free_port()}"}, mappings={"m": {"jsonata": "m.jsonata"}}, flow={"steps": [{"map": "m"}],
                "to": {"connection": "erp", "post": "/orders", "xref": {"model": "order", "from": "shop", "id": "$string(body.n)"}}})
    target.behave = lambda r: answer(201, {"id": "E-0"})
    s = Site(tmp_path, c)
    (tmp_path / "m.jsonata").write_text("{ 'n': n }")
    (tmp_path / "m.test.yaml").write_text("- name: one\n  input: { n: 1 }\n  expect: { n: 1 }\n")
    s.start()
    try:
        first = [s.post({"n": n}) for n in range(60)][0]  # a page is full in both
        s.wait_counts(delivered=60)
        web = client(s)
        s.job("discard", {"state": "dead"})
        plain, with_id = paths(web)
        routes = plain + [(p, b) for p, bodies in CHANGES.items() for b in bodies]
        routes += [("/v1/mappings/shadow", {"name": "m", "source": "{ 'n': n + 1 }", "flow": "orders", "last": 100})]
        NEEDS = {"/v1/mappings/samples": "/v1/mappings/samples?name=m"}
        routes = [NEEDS.get(r, r) if isinstance(r, str) else r for r in routes]
        ids = lambda event: [p.replace("{id}", web.get("/v1/jobs?limit=1")["jobs"][0]["job"] if "jobs" in p else event) for p in with_id]
        short = times(web, routes)
        short_id = times(web, ids(first))
        s.stop()
        db = sqlite3.connect(tmp_path / "data/ledger.db")
        db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; BEGIN;" + FILL.format(events=EVENTS) + "COMMIT;")
        db.close()
        s.start()
        web = client(s)
        id = web.get("/v1/events?state=dead&limit=1")["events"][0]["id"]
        long = times(web, routes)
        for p, before, after in zip(with_id, short_id.values(), times(web, ids(id)).values()):
            short[p], long[p] = before, after
        usual = statistics.median(short.values())
        # A scan of the whole would be a hundred times and more. A page of the audit log is full now; causes of death are counted to
        # 10,000 each; a walk without an index and the comparison of a mapping end after so many rows.
        most = {"/v1/dead": 60, "/v1/dead?flow=orders": 60, "/v1/audit": 30, "/v1/xrefs?model=nothing": 60}
        slow = {p: (round(short[p] * 1000, 2), round(t * 1000, 2)) for p, t in long.items()
                if t > (100 if " " in p else most.get(p, 10)) * max(short[p], usual)}
        assert not slow, slow
        print({p: (round(short[p] * 1000, 1), round(t * 1000, 1)) for p, t in long.items()})
        began = time.perf_counter()
        assert web.post("/v1/xrefs/forget", {"model": "order", "connection": "erp", "id": "E-77", "reason": "test"})["forgotten"] == 1
        assert time.perf_counter() - began < 100 * max(usual, 0.005), "nor does what is forgotten"
        page = web.get("/v1/events?q=text:no-such-order")
        assert page["events"] == [] and (page["cursor"] is None or page["looked_until"]), "the walk is cut and goes on from its cursor"
        assert web.get("/v1/xrefs?model=nothing")["cursor"], "likewise"
        groups = web.get("/v1/dead")["groups"]
        assert sum(g["count"] for g in groups) >= EVENTS // 50 - 1
    finally:
        s.clean_up()
