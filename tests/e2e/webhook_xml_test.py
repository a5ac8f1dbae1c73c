# SPDX-License-Identifier: Apache-2.0
"""XML bodies: what expressions see of them, and what becomes of those that are no XML."""
from support.site import project

ORDER = b'<order id="o-7"><customer><id>c1</id></customer><line><sku>A</sku></line><line><sku>B</sku></line></order>'


def shop(target, mapping, steps=(), **webhook):
    to = {"connection": "erp", "post": "/orders", "map": {"jsonata": mapping}}
    return project(target, flow={"from": {"webhook": {"path": "/hooks/shop", "unsigned": True, **webhook}}, "to": to,
                                 "idempotency": {"key": "body.order.'@id'"}, "steps": list(steps)})


def post(s, body):
    return s.sender.raw("POST", "/hooks/shop", body, {"Content-Type": "application/xml"})


def test_expressions_see_the_tree_of_an_xml_body(site, target):
    steps = [{"when": "body.order.'@id' != 'o-8'"}, {"split": "body.order.line"}]
    s = site(shop(target, '{"sku": sku}', steps)).start()
    first, again = post(s, ORDER), post(s, ORDER)
    assert not first.json["duplicate"] and again.json["duplicate"], "the key is read from the tree"
    assert post(s, ORDER.replace(b"o-7", b"o-8")).status == 200
    s.wait_counts(delivered=2, skipped=1)
    assert sorted(b["sku"] for b in target.bodies()) == ["A", "B"]


def test_a_mapping_that_reads_the_xml_itself_goes_on_working(site, target):
    steps = [{"when": "$tl.parseXml(body).order.'@id' = 'o-7'"}]
    s = site(shop(target, '{"id": $tl.parseXml($).order."@id"}', steps)).start()
    assert post(s, ORDER).status == 200
    s.wait_counts(delivered=1)
    assert target.bodies() == [{"id": "o-7"}]


def test_xml_that_is_not_well_formed_is_stored_dead_and_answered_with_success(site, target):
    s = site(shop(target, '{"n": 1}')).start()
    for bad in (ORDER[:-3], b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"):
        assert post(s, bad).status == 200
    s.wait_counts(dead=2)
    assert {e["class"] for e in s.list(state="dead")} == {"data"} and target.count() == 0


def test_a_flow_may_ask_for_the_text_as_it_came(site, target):
    s = site(shop(target, '{"text": $, "id": $tl.parseXml($).order."@id"}', xml="text")).start()
    assert post(s, ORDER).status == 200
    s.wait_counts(delivered=1)
    assert target.bodies() == [{"text": ORDER.decode(), "id": "o-7"}]


def test_a_body_that_does_not_parse_is_no_proof_where_the_proof_is_in_the_body(site, target):
    config = shop(target, "body")
    config["flows"]["orders"]["from"] = {"webhook": {"path": "/hooks/shop", "verify": {"microsoft_graph": {"secret": "${env:HOOK_SECRET}"}}}}
    s = site(config).start()
    assert post(s, ORDER[:-3]).status == 401
    assert s.sender.raw("POST", "/hooks/shop", b"{broken", {"Content-Type": "application/json"}).status == 401
    assert s.flow()["events"] == 0
