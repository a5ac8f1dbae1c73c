# SPDX-License-Identifier: Apache-2.0
"""A night's backlog behind a credential that is refused. Here, and not in tests/e2e, because it wants the release build."""
import collections
import json
import subprocess
import time

import pytest
from support.login import ENV, Login, client_credentials
from support.site import BIN, NO_BREAKER, project


@pytest.fixture
def login():
    s = Login()
    yield s
    s.stop()


def send(s, count, *args):
    r = subprocess.run([BIN, "send", "--flow", "orders", "--count", str(count), "--json", *map(str, args)], cwd=s.folder, env=s.env,
                       capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, r
    return json.loads(r.stdout)


def test_a_broken_credential_under_40_000_events_is_one_state_and_costs_nothing(site, login):
    rate, keys, count = 2000, 50, 40000
    c = project(login.url, flow={"order_by": "body.customer.id"}, limits={"rate": f"{rate}/s", "concurrency": 64, **NO_BREAKER})
    c["connections"]["erp"]["auth"] = client_credentials(login)
    s = site(c, env=ENV).start()
    good, login.clients = login.clients, set()
    assert send(s, count, "--key-field", "customer.id", "--keys", keys, "--concurrency", 32)["accepted"] == count
    c = s.connection()
    assert c["held"] == "connection_auth" and "invalid_client" in c["held_reason"]
    notices = [n for n in s.logged("ledger.notice") if n["what"] == "connection_auth"]
    assert len(notices) == 1, "one state that is worth one alert"
    assert login.token_requests() <= 3, "a vendor that locks after five does not lock"
    flow = s.flow()
    assert flow["counts"]["dead"] == 0 and flow["retries"] == 0 and flow["counts"]["queued"] >= count - 64
    assert not any(e["attempts_used"] for e in s.list(flow="orders", state="retrying")[:1000])
    login.clients = good
    began = time.monotonic()
    s.do("/v1/connections/erp/resume")
    s.wait_counts(delivered=count, timeout=120)
    took = time.monotonic() - began
    sent = login.all("/orders")
    assert len(sent) == count and login.token_requests() <= 4
    assert count / took <= rate * 1.15, "the drain keeps to the budget"
    seen = collections.defaultdict(list)
    for r in sent:
        seen[json.loads(r.body)["customer"]["id"]].append(r.key)  # begins with the event's id, which counts arrivals
    assert len(seen) == keys
    assert all(ids == sorted(ids) for ids in seen.values()), "oldest first in each key"
