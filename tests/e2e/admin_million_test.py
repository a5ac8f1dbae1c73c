# SPDX-License-Identifier: Apache-2.0
"""With a long history every route answers as on a short one: none of them scans it. Compared in one run, as a ratio."""
import os
import sqlite3
import statistics
import time

from support.site import Site, free_port, project
from support.web import client

EVENTS = int(os.environ.get("TIELINE_HISTORY", "300000"))
ROUTES = ["/v1/status", "/v1/events", "/v1/events?flow=orders", "/v1/events?state=dead", "/v1/events?q=state:retrying",
          "/v1/events?state=dead&flow=orders", "/v1/events?flow=orders&sender_id=none", "/v1/dead", "/v1/jobs", "/v1/audit",
          "/v1/series?metric=in&flow=orders&from=24h", "/v1/flows/orders", "/v1/mappings", "/v1/config", "/v1/events?q=since:1s",
          "/v1/events?until=2001-01-01T00:00:00Z"]

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
UPDATE meta SET value = (SELECT max(id) FROM unit) + 100000 WHERE name = 'next_id';
"""


def times(web, routes, rounds=7):
    out = {}
    for path in routes:
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            assert web.raw("GET", path).status == 200, path
            took.append(time.perf_counter() - began)
        out[path] = statistics.median(took)
    return out


def test_a_long_history_makes_no_route_slow(tmp_path, target):
    s = Site(tmp_path, project(target, admin={"listen": f"127.0.0.1:{free_port()}"})).start()
    try:
        s.wait_state(s.post({"n": 1}), "delivered")
        short = times(client(s), ROUTES)
        s.stop()
        db = sqlite3.connect(tmp_path / "data/ledger.db")
        db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; BEGIN;" + FILL.format(events=EVENTS) + "COMMIT;")
        db.close()
        s.start()
        web = client(s)
        long = times(web, ROUTES)
        id = web.get("/v1/events?limit=1")["events"][0]["id"]
        one = times(web, [f"/v1/events/{id}", f"/v1/events/{id}/payloads"])
        usual = statistics.median(short.values())
        # A scan of the whole would be a hundred times and more. Causes of death are counted to 10,000 each: thirty.
        slow = {p: (round(short[p] * 1000, 2), round(t * 1000, 2)) for p, t in long.items() if t > (30 if p == "/v1/dead" else 10) * max(short[p], usual)}
        assert not slow, slow
        assert max(one.values()) < 20 * usual, one
        print({p: (round(short[p] * 1000, 1), round(t * 1000, 1)) for p, t in long.items()})
        page = web.get("/v1/events?q=text:no-such-order")
        assert page["events"] == [] and (page["cursor"] is None or page["looked_until"]), "the walk is cut and goes on from its cursor"
        groups = web.get("/v1/dead")["groups"]
        assert sum(g["count"] for g in groups) >= EVENTS // 50 - 1
    finally:
        s.clean_up()
