# SPDX-License-Identifier: Apache-2.0
"""Sources that poll: cursors that stay, keys that are off, positions and what they belong to."""
import json
import time

import pytest
from support.site import FAST, project, until
from support.target import answer


class Pages:
    """Answers every GET with the records it has now; what it was asked is kept."""

    def __init__(self, **page):
        self.page, self.asked = page, []

    def __call__(self, r):
        if r.method != "GET":
            return None
        self.asked.append(r.path)
        return answer(200, self.page)

    def rounds(self, n=2):
        """So many reads later."""
        seen = len(self.asked)
        until(lambda: len(self.asked) >= seen + n)


def polling(target, flow=None, **more):
    read = {"connection": "erp", "poll": "/list?since={cursor}", "items": "body.orders", "cursor": "body.next", "start": "0",
            "every": "100ms", **more}
    return project(target, flow={"from": {"read": read}, "to": {"connection": "erp", "post": "/sink"}, **(flow or {})})


@pytest.mark.parametrize("next", [{}, {"next": "0"}])
def test_a_page_at_a_cursor_that_stays_is_taken_in_once(site, targets, next):
    pages = Pages(orders=[{"id": 1}, {"id": 2}], **next)
    target = targets(pages)
    s = site(polling(target)).start()
    s.wait_counts(delivered=2)
    pages.rounds(3)
    s.stop()
    s.start()
    pages.rounds(3)
    assert s.flow()["events"] == 2
    [line] = [x for x in s.logged("source.remark")][:1]
    assert "Give `key`" in line["remark"] and ("finds nothing" in line["remark"]) == (not next)
    pages.page["orders"] = [{"id": 1}, {"id": 2}, {"id": 3}]
    until(lambda: s.flow()["events"] == 5)  # nobody can tell what of it is new: nothing is lost
    pages.page["orders"] = []
    pages.rounds(2)
    pages.page["orders"] = [{"id": 1}, {"id": 2}, {"id": 3}]
    until(lambda: s.flow()["events"] == 8)


def test_with_a_key_a_page_that_grows_brings_only_what_is_new(site, targets):
    pages = Pages(orders=[{"id": 1}])
    s = site(polling(targets(pages), key="id")).start()
    s.wait_counts(delivered=1)
    pages.page["orders"] = [{"id": 1}, {"id": 2}]
    s.wait_counts(delivered=2)
    pages.rounds(2)
    assert s.flow()["events"] == 2 and s.flow()["duplicates"] == 1 and not s.logged("source.remark")


def test_records_have_no_key_where_it_is_off(site, targets):
    at = iter(range(1, 1000))
    def behave(r):
        n = next(at) if r.method == "GET" else 0
        return answer(200, {"orders": [{"id": 1}] if 0 < n <= 3 else [], "next": n}) if r.method == "GET" else None
    s = site(polling(targets(behave), {"idempotency": {"off": True}}, key="id")).start()
    s.wait_counts(delivered=3)
    assert s.flow()["duplicates"] == 0
