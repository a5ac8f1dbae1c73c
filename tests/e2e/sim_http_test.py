# SPDX-License-Identifier: Apache-2.0
"""`tieline sim http` as the target of flows: each way to fail, and what the ledger makes of it."""
import time

import pytest
from support.simulator import Simulator
from support.site import NO_BREAKER, project


@pytest.fixture
def sim(tmp_path):
    made = []

    def make(*options):
        made.append(Simulator("http", tmp_path, *options))
        return made[-1]
    yield make
    for s in made:
        s.stop()


def test_a_429_that_does_not_say_when_uses_no_attempt(site, sim):
    erp = sim("--status", "429")
    s = site(project(erp.url, flow={"retry": {"attempts": 2, "backoff": "20ms..20ms", "jitter": "none"}})).start()
    event = s.post({"n": 1})
    end = time.monotonic() + 15
    while erp.get("/__stats")["by_status"].get("429", 0) < 4:
        assert time.monotonic() < end, "it is tried again by itself"
        time.sleep(0.05)
    assert s.counts()["dead"] == 0
    erp.turn(fail=0)
    s.wait_state(event, "delivered")
    assert erp.get("/__stats")["unique"] == 1


def test_a_retry_after_is_kept(site, sim):
    erp = sim("--status", "429", "--retry-after", "3")
    s = site(project(erp.url)).start()
    began = time.monotonic()
    event = s.post({"n": 1})
    while erp.get("/__stats")["by_status"].get("429", 0) < 1:
        time.sleep(0.02)
    erp.turn(fail=0)
    s.wait_state(event, "delivered")
    assert time.monotonic() - began > 2.5 and erp.get("/__stats")["received"] == 2


def test_exactly_once_and_in_order_through_all_of_it(site, sim):
    erp = sim("--fail", "10", "--drop", "5", "--delay", "1", "--jitter", "3", "--outage", "0..1",
              "--key", "Idempotency-Key", "--order-by", "/k", "--seq", "/n")
    c = project(erp.url, flow={"order_by": "body.k", "retry": {"attempts": 50, "backoff": "20ms..80ms", "jitter": "none"}},
                limits=NO_BREAKER)
    c["flows"]["orders"]["to"]["idempotency_header"] = "Idempotency-Key"
    s = site(c).start()
    for n in range(100):
        s.post({"n": n, "k": n % 7})
    s.wait_counts(delivered=100, timeout=60)
    got = erp.get("/__stats")
    assert got["unique"] == 100 and got["out_of_order"] == 0 and got["dropped"] > 0 and got["by_status"]["503"] > 0, got
