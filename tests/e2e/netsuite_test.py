# SPDX-License-Identifier: Apache-2.0
"""From a signed webhook to a sales order in the simulated NetSuite account."""
import json
import subprocess
import time

import pytest
from support.simulator import Simulator, make_key
from support.site import BIN, Site, project, until

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

    def start(sim, auth=None, to=None, more=None, back=None, **flow):
        to = to or {"connection": "erp", "upsert": "salesOrder", "external_id": "orderNumber"}
        config = project(sim.url, flow={"steps": [{"map": {"jsonata": MAPPING}}], "retry": RETRY, "to": to, **flow}, flows=more,
                         connections={"back": {"type": "http", "url": back.url}} if back else None)
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


def test_jobs_of_many_orders_find_the_bad_one_among_them(account, erp):
    sim = account("--job-delay", "50ms")
    site = erp(sim, to={"connection": "erp", "upsert": "salesOrder", "external_id": "orderNumber", "async": True, "batch": 10})
    ids = [site.post({**order(n), **({"customer": 99} if n == 13 else {})}) for n in range(20)]
    site.wait_counts(delivered=19, dead=1, timeout=60)
    assert as_stored(sim) == as_sent(n for n in range(20) if n != 13)
    assert "Invalid value" in json.dumps(site.show(ids[13]))
    assert sim.get("/__stats")["created"] == 19


def test_jobs_whose_tasks_fail_and_whose_polls_meet_limits_lose_and_double_nothing(account, erp):
    sim = account("--job-delay", "50ms", "--lock", 10, "--fail", 10, "--drop", 5, "--limit", 3, "--shuffle-tasks", "--bare-tasks")
    site = erp(sim, to={"connection": "erp", "upsert": "salesOrder", "external_id": "orderNumber", "async": True, "batch": 8})
    bad = {9: {"customer": 99}, 23: {"lines": []}}  # refused in different words
    ids = [site.post({**order(n), **bad.get(n, {})}, id=f"delivery-{n}") for n in range(40)]
    site.wait_counts(delivered=38, dead=2, timeout=120)
    assert as_stored(sim) == as_sent(n for n in range(40) if n not in bad)
    assert "[entity]" in json.dumps(site.show(ids[9])) and "item" in json.dumps(site.show(ids[23]))
    assert sim.get("/__stats")["created"] == 38


def test_an_account_begins_with_records_of_a_folder_of_csv_and_json(tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "customer.csv").write_text('externalId,companyName,isPerson,subsidiary\r\nC-1,"Globex, ""the"" firm",F,1\r\n')
    (folder / "subsidiary.csv").write_text("name\nParent\n")
    (folder / "inventoryItem.json").write_text(json.dumps([{"externalId": "SKU-1", "itemId": "SKU-1"}]))
    (folder / "salesOrder.json").write_text(json.dumps([{"externalId": "S-1", "entity": {"externalId": "C-1"}, "item": {
        "items": [{"item": {"externalId": "SKU-1"}, "quantity": 2, "rate": 4.5}]}}]))
    sim = Simulator("netsuite", tmp_path, "--records", folder)
    try:
        customer, = sim.records("customer")
        assert [customer["companyName"], customer["isPerson"], customer["subsidiary"]["refName"]] == ['Globex, "the" firm', False, "Parent"]
        assert sim.records("salesOrder")[0]["total"] == 9
    finally:
        sim.stop()
    (folder / "vendr.csv").write_text("companyName\nx\n")
    said = subprocess.run([BIN, "sim", "netsuite", "--port", "0", "--records", folder], capture_output=True, text=True, timeout=20)
    assert said.returncode == 2 and "vendr.csv: a CSV file is named after its record type" in said.stderr


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
            site.wait_counts(flow="shipped", delivered=6)  # a POST that the kill cuts off may come twice
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
    time.sleep(3)  # what is younger than `lag` would wait for the next run
    site.change(lambda c: c["connections"].update(shop={"type": "http", "url": target.url}) or c["flows"].update(
        customers={"from": {"read": {"connection": "erp", "records": "customer", "whole": True, "every": "1h"}},
                   "to": {"connection": "shop", "post": "/customers"}}))
    site.stop()
    site.start()
    site.wait_counts(flow="customers", delivered=150, timeout=30)
    assert len({r.body for r in target.all()}) == 150


def test_orders_go_in_over_soap_many_a_request_and_come_back_by_a_search(account, erp, target):
    sim = account("--limit", 2, "--delay", "20")
    site = erp(sim, TBA, to={"connection": "erp", "soap_upsert": "salesOrder", "external_id": "orderNumber", "batch": 20},
               more={"out": {"from": {"read": {"connection": "erp", "soap_search": "salesOrder", "whole": True, "page": 10, "every": "200ms"}},
                             "to": {"connection": "back", "post": "/in"}}}, back=target)
    for n in range(40):
        site.post(order(n), id=f"delivery-{n}")
    until(lambda: len(as_stored(sim)) == 40)
    assert as_stored(sim) == as_sent(range(40))
    target.wait(40, timeout=60)
    stats = sim.get("/__stats")
    assert stats["logins_failed"] == 0 and stats["updated"] == 0
    assert target.count() == 40  # each run reads two minutes again, and the ledger knows what it has
    came = {b["externalId"]: float(b["total"]) for b in target.bodies()}
    assert came == as_sent(range(40))
    assert all(len(b["item"]["items"]) == 2 and b["custbody_shop_number"] for b in target.bodies())


def try_it(site):
    return subprocess.run([BIN, "connect", "erp", "--test"], cwd=site.folder, env=site.env, capture_output=True, text=True, timeout=60)


def test_what_the_account_lacks_is_found_when_the_connection_is_tried(account, erp):
    sim = account()
    good = erp(sim)
    r = try_it(good)
    assert r.returncode == 0 and "wrong" not in r.stdout, r
    good.stop()
    bad = MAPPING.replace('"custbody_shop_number"', '"custbody_shop_nmber"').replace('"rate"', '"rte"')
    site = erp(sim, steps=[{"map": {"jsonata": bad}}],
               more={"out": {"from": {"read": {"connection": "erp", "records": "itemFulfillment", "fields": ["no_such_column"]}},
                             "to": {"connection": "erp", "upsert": "salesorder", "external_id": "n"}}})
    r = try_it(site)
    assert r.returncode == 1, r
    for words in ("it lets us in", "salesOrder has no field `custbody_shop_nmber`", "did you mean `custbody_shop_number`?",
                  "has no field `rte` (the mapping makes item.items[].rte)", "no_such_column",
                  "there is no record type `salesorder`, or the role may not see it; did you mean `salesOrder`?"):
        assert words in r.stdout, r.stdout
    assert r.stdout.count("flow ") == 4, r.stdout
    assert sim.records("salesOrder") == []  # nothing was written to find it out


def test_a_look_up_by_suiteql_and_a_call_that_makes_the_customer_first(account, erp):
    sim = account()
    site = erp(sim, steps=[
        {"lookup": {"connection": "erp", "query": "SELECT id, companyName FROM customer WHERE externalId = ?", "params": ["'C-' & body.customer"],
                    "as": "found", "value": "$[0]", "cache": "1h"}},
        {"call": {"connection": "erp", "upsert": "customer", "external_id": "'N-' & id", "as": "made",
                  "map": {"jsonata": "{ 'companyName': 'New ' & id, 'id': id }"}}},
        {"map": {"jsonata": MAPPING}}])
    ids = [site.post(order(n)) for n in (1, 6, 11)]
    site.wait_counts(delivered=3)
    assert as_stored(sim) == as_sent((1, 6, 11))
    made = [r for r in sim.records("customer") if r.get("externalId", "").startswith("N-")]
    assert sorted(r["externalId"] for r in made) == ["N-1", "N-11", "N-6"]
    asked = [q for id in ids for a in site.show(id)["attempts"] for q in a.get("asked") or []]
    assert sorted((q["as"], q["operation"]) for q in asked) == [("found", "query")] * 3 + [("made", "upsert")] * 3
    froms = [q["from"] for q in asked if q["as"] == "found"]
    assert "answer" in froms and set(froms) <= {"answer", "cache"}
