# SPDX-License-Identifier: Apache-2.0
"""From a signed webhook to a sales order in the simulated NetSuite account."""
import json

import pytest
from support.simulator import Simulator, make_key
from support.site import Site, project

SEED = {"subsidiary": [{"name": "Parent"}],
        "customer": [{"externalId": f"C-{n}", "companyName": f"Customer {n}"} for n in range(5)],
        "inventoryItem": [{"externalId": f"SKU-{n}", "itemId": f"SKU-{n}"} for n in range(3)]}
MAPPING = """{
  "orderNumber": "SHOP-" & id,
  "entity": { "externalId": "C-" & customer },
  "custbody_shop_number": $string(id),
  "item": { "items": [lines.{ "item": { "externalId": sku }, "quantity": quantity, "rate": price }] }
}"""
RETRY = {"attempts": 12, "backoff": "20ms..200ms", "jitter": "none"}
AUTH = {"oauth2_client_credentials": {"client_id": "tieline", "kid": "k1", "private_key": "${file:erp.key}"}}
TBA = {"oauth1": {"consumer_key": "consumer-key", "consumer_secret": "${env:CONSUMER_SECRET}", "token": "token-id",
                  "token_secret": "${env:TOKEN_SECRET}"}}


@pytest.fixture
def account(tmp_path):
    """Starts simulators; `account(*options)`."""
    make_key(tmp_path)
    (tmp_path / "seed.json").write_text(json.dumps(SEED))
    started = []

    def start(*options):
        started.append(Simulator("netsuite", tmp_path, "--certificates", "k1=erp.pem", "--records", "seed.json", *options))
        return started[-1]
    yield start
    for sim in started:
        sim.stop()


@pytest.fixture
def erp(tmp_path):
    """Starts an installation that writes to a simulator."""
    sites = []

    def start(sim, auth=None, to=None, **flow):
        config = project(sim.url, flow={"steps": [{"map": {"jsonata": MAPPING}}], "retry": RETRY,
                                        "to": to or {"connection": "erp", "upsert": "salesOrder", "external_id": "orderNumber"}, **flow})
        config["connections"]["erp"] = {"type": "netsuite", "account": "1234567_SB1", "url": sim.url, "auth": auth or AUTH, "timeout": "5s",
                                        "limits": {"breaker_failures": 10000}}
        sites.append(Site(tmp_path, config, env={"CONSUMER_SECRET": "consumer-secret", "TOKEN_SECRET": "token-secret"}).start())
        return sites[-1]
    yield start
    for site in sites:
        site.clean_up()


def order(n):
    return {"id": n, "customer": n % 5, "lines": [{"sku": "SKU-0", "quantity": 2, "price": 4.5}, {"sku": "SKU-1", "quantity": 1, "price": n}]}


def as_sent(orders):
    return {f"SHOP-{n}": 9 + n for n in orders}


def as_stored(sim):
    rows = sim.records("salesOrder")
    assert all(r["item"]["totalResults"] == 2 for r in rows), "a line is missing or doubled"
    return {r["externalId"]: r["total"] for r in rows}


@pytest.mark.parametrize("auth", [AUTH, TBA], ids=["client-credentials", "tba"])
def test_a_signed_webhook_becomes_a_sales_order(account, erp, auth):
    sim = account()
    site = erp(sim, auth)
    for n in range(20):
        site.post(order(n), id=f"delivery-{n}")
    site.post(order(7), id="delivery-7")  # the shop sends it again
    site.wait_counts(delivered=20)
    assert as_stored(sim) == as_sent(range(20))
    assert sim.get("/__stats")["logins_failed"] == 0
    assert site.show(site.list(state="delivered")[0]["id"])["attempts"][0]["answer"] != ""


def test_nothing_is_lost_or_doubled_when_everything_fails_now_and_then(account, erp):
    sim = account("--fail", 10, "--lock", 10, "--drop", 5, "--delay", "5", "--limit", 3, "--overload", 0)
    site = erp(sim)
    for n in range(150):
        site.post(order(n), id=f"delivery-{n}")
        if n == 75:
            sim.turn(expire=True)
    site.wait_counts(delivered=150, dead=0, timeout=60)
    assert as_stored(sim) == as_sent(range(150))
    stats = sim.get("/__stats")
    assert stats["created"] == 150 and stats["tokens"] >= 2
    assert stats["at_once_most"] <= 3


def test_an_order_that_netsuite_refuses_is_dead_with_its_words(account, erp):
    sim = account()
    site = erp(sim)
    dead = site.post({**order(1), "customer": 99})
    good = site.post(order(2))
    site.wait_state(good, "delivered")
    event = site.wait_state(dead, "dead")
    assert "Invalid value" in json.dumps(event) and "[entity]" in json.dumps(event)


def test_an_async_order_is_delivered_when_its_job_has_ended(account, erp):
    sim = account("--job-delay", "300ms")
    site = erp(sim, to={"connection": "erp", "upsert": "salesOrder", "external_id": "orderNumber", "async": True})
    for n in range(5):
        site.post(order(n))
    site.wait_counts(delivered=5)
    assert as_stored(sim) == as_sent(range(5))
    assert sim.get("/__stats")["jobs"] == 5


def test_fulfilments_are_read_back_once_over_a_restart(account, erp, target):
    sim = account()
    site = erp(sim)
    site.change(lambda c: c["connections"].update(shop={"type": "http", "url": target.url}) or c["flows"].update(
        shipped={"from": {"read": {"connection": "erp", "records": "itemFulfillment", "whole": True, "every": "200ms"}},
                 "to": {"connection": "shop", "post": "/shipped"}},
        ship={"from": {"webhook": {"path": "/hooks/ship", "verify": {"github": {"secret": "${env:HOOK_SECRET}"}}}},
              "to": {"connection": "erp", "transform": "salesOrder", "into": "itemFulfillment", "external_id": "number"}}))
    site.stop()
    site.start()
    for n in range(10):
        site.post(order(n))
    site.wait_counts(delivered=10)
    for n in range(10):
        site.post({"number": f"SHOP-{n}"}, path="/hooks/ship")
        if n == 5:
            site.wait_counts(flow="ship", delivered=6)
            site.kill()
            site.start()
    site.wait_counts(flow="ship", delivered=10)
    site.wait_counts(flow="shipped", delivered=10)
    shipped = [json.loads(r.body) for r in target.all() if r.path == "/shipped"]
    assert sorted(s["custbody_shop_number"] for s in shipped) == [str(n) for n in range(10)]
    assert all(s["item"]["totalResults"] == 2 for s in shipped)


def test_a_source_that_fails_now_and_then_goes_on_soon(account, erp, target, tmp_path):
    """Each failure that lets something through is followed by a short pause: many of them would take minutes with a long one."""
    (tmp_path / "seed.json").write_text(json.dumps({"customer": [{"externalId": f"C-{n}", "companyName": f"{n}"} for n in range(150)]}))
    sim = account("--fail", 15)
    site = erp(sim)
    site.change(lambda c: c["connections"].update(shop={"type": "http", "url": target.url}) or c["flows"].update(
        customers={"from": {"read": {"connection": "erp", "records": "customer", "whole": True, "every": "1h"}},
                   "to": {"connection": "shop", "post": "/customers"}}))
    site.stop()
    site.start()
    site.wait_counts(flow="customers", delivered=150, timeout=30)
    assert len({r.body for r in target.all()}) == 150
