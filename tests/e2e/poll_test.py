# SPDX-License-Identifier: Apache-2.0
"""Sources that poll: cursors that stay, keys that are off, positions and what they belong to."""
import pytest
from support.site import project, until
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


def test_a_position_belongs_to_what_is_read(site, targets):
    """Another system's cursor says nothing here; the flow goes on where it was when it comes back."""
    a, b = Pages(orders=[], next="a9"), Pages(orders=[], next="b3")
    first, second, erp = targets(a), targets(b), targets()
    c = project(erp, connections={"a": {"type": "http", "url": first.url}, "b": {"type": "http", "url": second.url}},
                flow={"from": {"read": {"connection": "a", "poll": "/list?since={cursor}", "items": "body.orders",
                                        "cursor": "body.next", "start": "0", "every": "100ms"}},
                      "to": {"connection": "erp", "post": "/sink"}})
    s = site(c).start()
    until(lambda: a.asked[-1:] == ["/list?since=a9"])
    said = []
    for name, pages in (("b", b), ("a", a), ("b", b)):
        before = len(pages.asked)
        s.change(lambda c: c["flows"]["orders"]["from"]["read"].update(connection=name))
        said += [s.do("/v1/reload?dry_run=true")["sources_elsewhere"], s.do("/v1/reload")["sources_elsewhere"]]
        until(lambda: len(pages.asked) > before + 1)
    assert all("reads from another system now" in x[0] for x in said) and b.asked[0] == "/list?since=0"
    assert [x for x in a.asked if x == "/list?since=0"] == a.asked[:1], "it went on where it was"
    assert b.asked.count("/list?since=0") == 1 and s.logged("source.other")


def test_the_same_system_under_another_address_keeps_its_position_where_a_person_says_so(site, targets):
    a, b = Pages(orders=[], next="a9"), Pages(orders=[], next="a9")
    first, second = targets(a), targets(b)
    s = site(polling(first)).start()
    until(lambda: a.asked[-1:] == ["/list?since=a9"])
    s.change(lambda c: c["connections"]["erp"].update(accept_identity=True, url=second.url))
    assert s.do("/v1/reload")["sources_elsewhere"] == []
    until(lambda: b.asked)
    assert b.asked[0] == "/list?since=a9"


def test_a_flow_that_did_not_read_before_reads_from_no_other_system_now(site, targets):
    a = Pages(orders=[], next="a9")
    target = targets(a)
    s = site(project(target)).start()
    s.change(lambda c: c["flows"].update(polling(target)["flows"]))
    assert s.do("/v1/reload")["sources_elsewhere"] == []
    until(lambda: a.asked[-1:] == ["/list?since=a9"])


@pytest.mark.parametrize("reply, said", (
    (answer(200, b"<html>please log in</html>"), "is to be JSON and is not"),
    (answer(200, {"error": "invalid token"}), "neither `items` nor `cursor` finds anything"),
    (answer(200, b'{"orders": [ {"id": 1}'), "is to be JSON and is not"),
    (answer(200, {"orders": [{"id": 1}], "next": "c" * 5000}), "more than 4096 bytes")), ids=("login", "error", "cut", "cursor"))
def test_a_page_that_is_not_what_it_should_be_is_a_failed_read_and_says_so(site, targets, reply, said):
    target = targets(lambda r: reply if r.method == "GET" else None)
    s = site(polling(target, key="id")).start()
    flow = until(lambda: s.flow() if s.flow().get("read_failing_since") else None)
    assert said in flow["read_failure"] and flow["events"] == 0
    until(lambda: s.logged("source.failed"))
    target.behave = Pages(orders=[{"id": 1}], next="1")
    s.wait_counts(delivered=1)
    until(lambda: not s.flow().get("read_failing_since"))


def test_half_a_surrogate_pair_in_one_record_keeps_no_other_one_out(site, targets):
    page = answer(200, b'{"orders": [ {"id": 1, "n": "\\ud800"}, {"id": 2} ], "next": "2"}')
    target = targets(lambda r: page if r.method == "GET" else None)
    s = site(polling(target, key="id")).start()
    s.wait_counts(delivered=2)
    assert sorted(b["id"] for b in target.bodies("/sink")) == [1, 2]
