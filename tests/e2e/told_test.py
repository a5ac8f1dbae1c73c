# SPDX-License-Identifier: Apache-2.0
"""One log line for each outcome, and the counts beside it: whatever ends, and wherever it ends, is told once."""
import re

from support.site import FAST, NO_BREAKER, project, until
from support.target import answer


def lines_of(s, id, n):
    """The lines of one event; n of them, and no more."""
    def of():
        return [o for o in s.logged("delivery.outcome") if o["event_id"] == id]
    until(lambda: len(of()) >= n)
    assert len(of()) == n
    return of()


def total(m, name, **labels):
    return sum(v for k, v in m.items() if k.split("{")[0] == name and all(f'{a}="{b}"' in k for a, b in labels.items()))


def test_a_retry_has_its_time_and_the_attempt_that_kills_says_dead(shop, target):
    target.behave = lambda r: answer(500)
    s = shop(limits=NO_BREAKER, flow={"retry": {**FAST, "attempts": 2}})
    id = s.post({"n": 1})
    s.wait_state(id, "dead")
    first, last = lines_of(s, id, 2)
    assert (first["outcome"], first["level"], first["status"], first["attempt"]) == ("retrying", "warn", 500, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", first["next_at"])
    assert (last["outcome"], last["class"], last["attempt"], last["next_at"]) == ("dead", "transient", 2, "")
    m = s.metrics()
    assert total(m, "tieline_deliveries_died_total", flow="orders", **{"class": "transient"}) == 1
    assert total(m, "tieline_deliveries_died_total") == 1


def test_a_signed_body_that_does_not_parse_is_told_as_dead(shop):
    s = shop()
    id = s.sender.post(b'{"n":').id
    s.wait_state(id, "dead")
    line, = lines_of(s, id, 1)
    assert (line["outcome"], line["class"], line["attempt"], line["level"]) == ("dead", "data", 0, "warn")
    assert "JSON" in line["reason"]
    assert total(s.metrics(), "tieline_deliveries_died_total", flow="orders", **{"class": "data"}) == 1


def test_filtered_and_no_route_of_a_flow_with_several_targets_are_told_and_counted(site, target):
    to = [{"name": f"t{n}", "connection": "erp", "post": "/orders", "when": f"body.n = {n}"} for n in (1, 2)]
    s = site(project(target, flow={"steps": [{"when": "body.n < 10"}], "to": to})).start()
    filtered, nowhere, there = s.post({"n": 11}), s.post({"n": 5}), s.post({"n": 1})
    s.wait_counts(skipped=2, delivered=1)
    line, = lines_of(s, filtered, 1)
    assert (line["outcome"], line["reason"], line["level"]) == ("skipped", "filtered", "info") and len(line["trace"]) == 32
    line, = lines_of(s, nowhere, 1)
    assert (line["outcome"], line["reason"]) == ("skipped", "no_route")
    line, = lines_of(s, there, 1)
    assert (line["outcome"], line["target"]) == ("delivered", "t1") and line["delivery"] not in ("", there)
    m = s.metrics()
    assert total(m, "tieline_deliveries_total", flow="orders", outcome="skipped") == 2
    assert total(m, "tieline_deliveries_total", flow="orders", outcome="delivered") == 1


def test_what_a_person_ends_is_told(shop, target):
    target.behave = lambda r: answer(422)
    s = shop()
    dead = s.post({"n": 1})
    s.wait_state(dead, "dead")
    s.do("/v1/flows/orders/pause", {"why": "a test"})
    waiting = s.post({"n": 2})
    s.job("cancel", {"state": "queued"})
    s.job("discard", {"state": "dead"})
    assert [o["outcome"] for o in lines_of(s, dead, 2)] == ["dead", "discarded"]
    assert [o["outcome"] for o in lines_of(s, waiting, 1)] == ["cancelled"]
