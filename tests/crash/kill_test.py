# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load. Senders send again what was not acknowledged, as every webhook sender does; the accounting is in
the ledger and at the target, and the two are compared."""
import collections
import http.client
import json
import os
import random
import threading
import time

from support.sender import Sender
from support.site import NO_BREAKER, project, until
from support.target import DROP, answer

KILLS = int(os.environ.get("TIELINE_TEST_KILLS") or 30)
THREADS, KEYS, CONCURRENCY = 6, 4, 16
NO_KEY = {"connection": "erp", "post": "/orders", "idempotency_header": ""}
PATIENT = {"attempts": 1000, "backoff": "10ms..50ms"}


class Load:
    """Threads of senders; each has KEYS ordering keys of its own and counts up in each of them."""

    def __init__(self, site):
        self.site, self.acknowledged, self.stopping = site, {}, threading.Event()
        self.lock, self.again, self.wrong = threading.Lock(), 0, []
        self.threads = [threading.Thread(target=self._send, args=(k,)) for k in range(THREADS)]
        for t in self.threads:
            t.start()

    def _send(self, thread):
        me, counts = Sender(self.site.port, timeout=10), [0] * KEYS
        while not self.stopping.is_set():
            k = random.randrange(KEYS)
            value = {"k": f"{thread}-{k}", "n": counts[k]}
            if not self._until_acknowledged(me, value):
                break
            counts[k] += 1
        me.close()

    def _until_acknowledged(self, me, value):
        id = f"{value['k']}-{value['n']}"
        end = None  # once asked to stop, what is begun is finished: it may be in the ledger already
        while end is None or time.monotonic() < end:
            if end is None and self.stopping.is_set():
                end = time.monotonic() + 20
            try:
                r = me.post(value, id=id)
            except (OSError, http.client.HTTPException):
                with self.lock:
                    self.again += 1
                time.sleep(0.02)
                continue
            with self.lock:
                if r.status == 200:
                    self.acknowledged[id] = r.id
                    return True
                self.wrong.append(r)
            return False
        return False

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()
        assert not self.wrong, self.wrong[:3]


def under_kills(site, load_seconds=(0.1, 0.5), kills=KILLS):
    load = Load(site)
    for _ in range(kills):
        time.sleep(random.uniform(*load_seconds))
        site.kill()
        site.start()
    load.stop()
    until(lambda: site.get("/v1/status")["ledger"]["live"] == 0, timeout=60)
    assert load.again >= kills / 2, "the senders hardly noticed the kills: not much of a test"
    return load


def of_event(requests):
    """event's name -> how many requests came for it; and per ordering key the order in which each first came."""
    counts, order = collections.Counter(), collections.defaultdict(list)
    for r in requests:
        b = json.loads(r.body)
        name = f"{b['k']}-{b['n']}"
        if not counts[name]:
            order[b["k"]].append(b["n"])
        counts[name] += 1
    return counts, order


def attempts_of(site):
    """event id -> (attempts, of them with an unknown outcome). Only those with more than one are looked at closely."""
    found = {}
    for e in site.list():
        unknown = 0
        if e["attempts"] > 1 or e["state"] != "delivered":
            unknown = sum(a["outcome"] == "unknown outcome" for a in site.show(e["id"])["attempts"])
        found[e["id"]] = (e["attempts"], unknown, e["state"])
    return found


def test_thirty_kills_with_a_target_that_honours_no_key(site, target):
    target.behave = lambda r: answer(200, delay=random.choice((0, 0, 0.002, 0.01)))
    flow = {"order_by": "body.k", "to": NO_KEY, "retry": PATIENT}
    s = site(project(target, flow=flow, limits={**NO_BREAKER, "concurrency": CONCURRENCY, "fixed": True})).start()
    load = under_kills(s)
    counts, order = of_event(target.all())
    ledger = attempts_of(s)
    assert len(set(load.acknowledged.values())) == len(load.acknowledged), "two events have one id"
    for name, id in load.acknowledged.items():
        attempts, unknown, state = ledger[id]
        assert counts[name] >= 1 if state == "delivered" else state == "dead", f"{name} is {state}, {counts[name]} came"
        assert counts[name] <= attempts, f"{name}: {counts[name]} requests came, {attempts} attempts are shown"
        assert counts[name] - 1 <= unknown, f"{name} came {counts[name]} times, {unknown} outcomes are unknown"
    received, unique = target.count(), len(counts)
    unknown = sum(u for _, u, _ in ledger.values())
    assert received - unique <= unknown <= KILLS * CONCURRENCY
    assert all(ns == sorted(ns) for ns in order.values()), "first deliveries of a key came out of order"
    dead = sum(state == "dead" for _, _, state in ledger.values())
    assert all(ns == list(range(len(ns))) for ns in order.values()) or dead, "a gap without a dead letter"
    print(f"{len(load.acknowledged)} acknowledged, {received} received, {received - unique} twice, {unknown} unknown, {dead} dead")
    s.stop()


def test_kills_with_a_target_that_honours_the_key_give_each_event_exactly_once_and_in_order(site, target):
    target.behave = lambda r: answer(500) if random.random() < 0.05 else answer(200, delay=random.choice((0, 0.005)))
    s = site(project(target, flow={"order_by": "body.k", "retry": PATIENT}, limits=NO_BREAKER)).start()
    load = under_kills(s, kills=max(KILLS // 3, 1))
    keys = collections.defaultdict(set)
    for r in target.all():
        b = json.loads(r.body)
        keys[f"{b['k']}-{b['n']}"].add(r.key)
    assert set(load.acknowledged) <= set(keys) and all(len(k) == 1 for k in keys.values())
    assert len({k for ks in keys.values() for k in ks}) == len(keys)
    _, order = of_event(target.all())  # what comes again after a kill the target ignores: the first time counts
    assert all(ns == list(range(len(ns))) for ns in order.values()), "first deliveries of a key came out of order"
    assert all(s_ == "delivered" for _, _, s_ in attempts_of(s).values())
    s.stop()


def test_kills_while_events_are_split_lose_no_item_and_make_none_twice(site, target):
    flow = {"order_by": "body.k", "retry": PATIENT,
            "steps": [{"split": "[1..3].{ 'k': $$.body.k, 'n': $$.body.n, 'item': $ }"}],
            "to": [{"connection": "erp", "post": "/a", "name": "a"}, {"connection": "erp", "post": "/b", "name": "b"}]}
    s = site(project(target, flow=flow, limits=NO_BREAKER)).start()
    load = under_kills(s, kills=max(KILLS // 4, 1))
    keys = collections.defaultdict(set)
    for r in target.all():
        b = json.loads(r.body)
        keys[f"{b['k']}-{b['n']}", b["item"], r.path].add(r.key)
    for name in load.acknowledged:
        for item in (1, 2, 3):
            for path in ("/a", "/b"):
                assert len(keys[name, item, path]) == 1, (name, item, path, keys[name, item, path])
    s.stop()


def test_the_ledger_shows_every_request_that_a_target_reads_and_drops(site, target):
    target.behave = lambda r: DROP if random.random() < 0.3 else None
    flow = {"order_by": "body.k", "to": NO_KEY, "retry": PATIENT}
    s = site(project(target, flow=flow, limits=NO_BREAKER)).start()
    load = Load(s)
    time.sleep(3)
    load.stop()
    until(lambda: s.get("/v1/status")["ledger"]["live"] == 0, timeout=60)
    counts, order = of_event(target.all())
    ledger = attempts_of(s)
    wrong = {name: (counts[name], ledger[id]) for name, id in load.acknowledged.items() if counts[name] != ledger[id][0]}
    assert not wrong, f"requests that came, and attempts that are shown: {list(wrong.items())[:5]}"
    assert target.count() == sum(a for a, _, _ in ledger.values()) > 1.2 * len(counts)
    assert all(ns == sorted(ns) for ns in order.values())
    s.stop()
