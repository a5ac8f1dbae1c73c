# SPDX-License-Identifier: Apache-2.0
"""Keys of a flow's own: what they take for the same event, and that they take nothing else for it. Those of the pages, too."""
import re
from pathlib import Path

import pytest
import yaml
from support.site import project, until

from poll_test import Pages, polling

DOCS = Path(__file__).resolve().parents[2] / "docs"
ON_THE_PAGE = [yaml.safe_load(x)["idempotency"]["key"]
               for x in re.findall(r"^(idempotency: .*key.*)$", (DOCS / "receive-webhooks.md").read_text(), re.M)]
READING = re.search(r'^ +key: (".*")$', (DOCS / "schedule-and-read.md").read_text(), re.M).group(1)


def order(n, version=None, **more):
    return {"order": {"number": n}, **({} if version is None else {"version": version}), **more}


def taken(s, *bodies):
    """How many of these are new."""
    before = s.flow()["duplicates"]
    for body in bodies:
        s.post(body)
    return len(bodies) - (s.flow()["duplicates"] - before)


def test_the_page_shows_keys():
    assert len(ON_THE_PAGE) == 3 and READING


@pytest.mark.parametrize("key", ON_THE_PAGE)
def test_the_keys_of_the_page_know_the_same_order_and_lose_no_other(shop, key):
    s = shop(flow={"idempotency": {"key": key}})
    assert taken(s, order(1, 1), order(1, 1), order(1, 2), order(2, 1)) == 3
    assert s.flow()["no_key"] == 0
    assert taken(s, {}, {"version": 1}, {"version": 1, "order": {}}, {"version": 1, "order": {"number": None}}) == 4
    assert s.flow()["no_key"] == 4
    if "first" in key:
        assert taken(s, order(3), order(3), order(4), order(3, 2)) == 3 and s.flow()["no_key"] == 4
    else:
        assert taken(s, order(3), order(3), order(4)) == 3 and s.flow()["no_key"] == 7
    if "body.id" in key:
        assert taken(s, order(5, id="a"), order(6, id="a"), order(5, id="b")) == 2


@pytest.mark.parametrize("key", ["[body.n, body.v]", "{'n': body.n, 'v': body.v}", "$append(body.n, body.v)", "$join([body.n, body.v], '/')"])
def test_no_way_of_joining_parts_takes_one_for_the_whole(shop, key):
    s = shop(flow={"idempotency": {"key": key}})
    assert taken(s, {"n": "1"}, {"v": "1"}, {"n": "1"}, {"n": "1", "v": None}) == 4
    assert s.flow()["no_key"] == 4
    assert taken(s, {"n": "1", "v": "2"}, {"n": "1", "v": "2"}, {"n": "2", "v": "1"}) == 2


@pytest.mark.parametrize("key", ["[body.id, body.alt][0]", "body.id ?? body.alt"])
def test_the_first_part_that_there_is_is_a_key(shop, key):
    s = shop(flow={"idempotency": {"key": key}})
    assert taken(s, {"id": "1"}, {"id": "1"}, {"alt": "2"}, {"alt": "2"}, {"id": "1", "alt": "3"}) == 2
    assert s.flow()["no_key"] == 0
    assert taken(s, {}, {"other": 1}) == 2 and s.flow()["no_key"] == 2


def test_a_key_or_an_order_may_be_as_long_as_its_event(shop):
    s = shop(flow={"idempotency": {"key": "body"}, "order_by": "[body.id, body.x]"})
    long = "x" * 5000
    assert taken(s, {"id": 1, "x": long}, {"x": long, "id": 1}, {"id": 2, "x": long}) == 2
    assert s.flow()["no_key"] == 0 and s.flow()["duplicates"] == 1
    assert all(e["key"].startswith("[") for e in s.list())


def test_events_of_one_long_order_stand_in_one_lane_by_its_digest(shop):
    s = shop(flow={"order_by": "body.x"})
    long = "ä" * 5000
    ids = [s.post({"n": n, "x": long + tail}) for n, tail in enumerate(("1", "2", "1"))]
    orders = [s.show(i)["event"]["key"] for i in ids]
    assert orders[0] == orders[2] != orders[1] and all(len(o) < 400 and o.startswith("ää") for o in orders), orders


def test_records_that_are_read_are_known_by_whole_keys_only(site, targets):
    pages = Pages(orders=[{"id": 1, "updated_at": "a"}, {"id": 2}, {"id": 3}, {"id": 3, "updated_at": None}, {"updated_at": "b"}])
    s = site(polling(targets(pages), key=yaml.safe_load(READING))).start()
    s.wait_counts(delivered=5)
    assert s.flow()["no_key"] == 4
    pages.page["orders"] = [{"id": 1, "updated_at": "a"}, {"id": 1, "updated_at": "c"}]
    until(lambda: s.flow()["events"] == 6)
    assert s.flow()["duplicates"] == 1
