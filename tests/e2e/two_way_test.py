# SPDX-License-Identifier: Apache-2.0
"""The configurations of docs/two-way.md, as they stand there."""
import json
import threading
from pathlib import Path

import pytest
import yaml
from support.sender import SECRET, WHSEC, shopify, standard_webhooks
from support.site import free_port, hook, project, until
from support.target import answer

PAGE = Path(__file__).resolve().parents[2] / "docs/two-way.md"


def blocks():
    """Each whole configuration of the page, in its order."""
    for part in PAGE.read_text().split("```yaml\n")[1:]:
        text = yaml.safe_load(part.split("```")[0])
        if "flows" in text:
            yield text["flows"]


UPSERT, TWO_TARGETS = blocks()


class Orders:
    """A system that keeps orders: by PUT to any reference, or by POST, and then by its own id."""

    def __init__(self, target, prefix, upserts):
        self.target, self.prefix, self.upserts, self.rows, self.lock = target, prefix, upserts, {}, threading.Lock()
        target.behave = self.take

    def take(self, r):
        ref = r.path.removeprefix("/orders").lstrip("/")
        if r.method == "PUT" and ref not in self.rows and not self.upserts:
            return answer(404, {"error": "there is no such order"})
        with self.lock:
            new = f"{self.prefix}-{len(self.rows) + 1}"
            row = self.rows.setdefault(ref or new, {"id": new})
            row.update({k: v for k, v in json.loads(r.body).items() if k != "id"})
            return answer(200, {"id": row["id"]})


def served(site, erp, shop, flows):
    connections = {n: {"type": "http", "url": t.url} for n, t in (("erp", erp), ("shop", shop))}
    return site({"version": 1, "server": {"listen": f"127.0.0.1:{free_port()}"}, "store": {"path": "./data", "reserve": "1MB"}, "log": {"format": "json"},
                 "egress": {"allow_private": True}, "connections": connections, "flows": flows},
                env={"SHOP_SECRET": SECRET, "ERP_SECRET": "whsec_" + WHSEC}).start()


def told(s, path, sign, body, secret):
    r = s.sender.raw("POST", path, body, {"Content-Type": "application/json", **sign(body, secret=secret)})
    assert r.status == 200, r
    return r.id


def by_shop(s, body):
    return told(s, "/hooks/shop", shopify, body, SECRET)


def by_erp(s, body):
    return told(s, "/hooks/erp", standard_webhooks, body, WHSEC)


@pytest.mark.parametrize("flows", [UPSERT, {**UPSERT, **TWO_TARGETS}], ids=["upsert", "two targets"])
def test_an_order_goes_both_ways_and_no_write_comes_back(site, targets, flows):
    erp, shop = Orders(targets(), "E", upserts=flows is UPSERT), Orders(targets(), "S", upserts=True)
    s = served(site, erp.target, shop.target, flows)
    s.wait_state(by_shop(s, b'{"id": "S-1", "status": "open", "total": 5}'), "delivered")  # nobody has seen it before
    assert [r["status"] for r in erp.rows.values()] == ["open"] and not shop.rows
    echo = by_erp(s, b'{"id": "E-1", "status": "open", "total": 5}')
    s.wait_state(echo, "skipped")
    assert s.show(echo)["event"]["reason"] == "own_write" and not shop.rows
    s.wait_state(by_erp(s, b'{"id": "E-1", "status": "shipped", "total": 5}'), "delivered")
    assert {k: r["status"] for k, r in shop.rows.items()} == {"S-1": "shipped"}
    s.wait_state(by_shop(s, b'{"id": "S-1", "status": "shipped", "total": 5}'), "skipped")
    s.wait_state(by_shop(s, b'{"id": "S-1", "status": "paid", "total": 5}'), "delivered")
    assert [r["status"] for r in erp.rows.values()] == ["paid"], "changed, and not made again"
    until(lambda: s.get("/v1/status")["ledger"]["live"] == 0)
    assert s.get("/v1/xrefs?id=S-1")["xrefs"] and not s.list(state="dead")


def test_many_new_orders_are_all_made(site, targets):
    erp = Orders(targets(), "E", upserts=True)
    s = served(site, erp.target, targets(), UPSERT)
    for n in range(20):
        by_shop(s, b'{"id": "S-%d", "status": "open", "total": 5}' % n)
    s.wait_counts("shop-to-erp", delivered=20, dead=0)
    assert len(erp.rows) == 20


@pytest.mark.parametrize("auth, headers, given", [
    ({"bearer": {"token": "${env:TOKEN}"}}, None, lambda r: "shop1-77"),
    (None, {"x-key": "${env:TOKEN}"}, lambda r: "shop1-77"),
    ({"standard_webhooks": {"secret": "${env:SIGNING}"}}, None, lambda r: r.headers["webhook-id"]),
], ids=["a short token", "a short header", "the message's id"])
def test_an_id_stays_as_it_was_given_whatever_credentials_it_holds(site, targets, auth, headers, given):
    shop = targets()
    shop.behave = lambda r: answer(201, {"id": given(r)}) if r.method == "POST" else answer(204, b"")
    change = {"from": hook("/hooks/change"), "to": {"connection": "erp", "put": "/orders/{known}"},
              "steps": [{"xref": {"model": "order", "from": "crm", "id": "body.id", "to": "erp", "as": "known", "required": True}}]}
    config = project(shop, flow={"to": {"connection": "erp", "post": "/orders", "xref": {"model": "order", "from": "crm", "id": "body.id"}}},
                     flows={"change": change})
    config["connections"]["erp"].update({k: v for k, v in (("auth", auth), ("headers", headers)) if v})
    s = site(config, env={"TOKEN": "shop1", "SIGNING": "whsec_" + WHSEC}).start()
    made = s.post({"id": "C-1"})
    s.wait_state(made, "delivered")
    id = given(shop.requests[0])
    assert [x["to_id"] for x in s.get("/v1/xrefs")["xrefs"]] == [id]
    assert s.show(made)["attempts"][-1]["answer"] == id.replace("shop1", "***"), "what is shown has no credentials"
    s.wait_state(s.post({"id": "C-1"}, path="/hooks/change"), "delivered")
    assert shop.requests[-1].path == "/orders/" + id


def test_what_a_call_gives_is_not_torn_by_a_short_token(site, targets):
    erp, shop = targets(), targets(lambda r: answer(201, b"", location="/orders/shop1-77"))
    call = {"call": {"connection": "shop", "post": "/orders", "as": "made"}}
    s = site(project(erp, flow={"steps": [call, {"map": {"jsonata": "{ 'made': $made }"}}]}, connections={
        "shop": {"type": "http", "url": shop.url, "auth": {"bearer": {"token": "${env:TOKEN}"}}}}), env={"TOKEN": "shop1"}).start()
    s.wait_state(s.post({"id": "C-1"}), "delivered")
    assert json.loads(erp.requests[0].body) == {"made": "/orders/shop1-77"}
