# SPDX-License-Identifier: Apache-2.0
"""Figures of now and of the last hours, also where nobody scrapes and where there are more flows than there is room."""
from support.site import hook, project, until


def points(s, query):
    return [v for v in s.get(f"/v1/series?{query}")["values"] if v]


def test_how_long_the_oldest_waits_is_known_where_nobody_scrapes(site, target):
    s = site(project(target)).start()
    s.do("/v1/connections/erp/pause", {"reason": "x"})
    s.post({"n": 1})
    first = until(lambda: s.flow()["oldest_ms"], timeout=25)
    assert until(lambda: s.flow()["oldest_ms"] > first)
    s.do("/v1/connections/erp/resume", {"reason": "x"})
    s.wait_counts(delivered=1)
    assert s.flow()["oldest_ms"] is None


def test_delays_of_all_flows_and_times_of_all_calls_of_a_connection_have_quantiles(site, target):
    parts = {"from": hook("/hooks/parts"), "to": {"connection": "erp", "put": "/parts"}}
    s = site(project(target, flows={"parts": parts})).start()

    def after_one_more(query):
        s.post({"n": 1})
        s.post({"n": 1}, path="/hooks/parts")
        return points(s, query)
    assert until(lambda: after_one_more("metric=p95"), 40, 0.5)
    assert points(s, "metric=p95&connection=erp") and points(s, "metric=p95&flow=parts")
    assert s.get("/v1/status")["p95_ms"] is not None and s.connection()["p95_ms"] is not None


def test_with_many_flows_the_whole_and_the_connections_have_figures_and_what_has_none_says_so(site, target):
    many = {f"f{i:03}": {"from": hook(f"/hooks/{i}"), "to": {"connection": "erp", "post": "/x"}} for i in range(400)}
    s = site(project(target, flows=many)).start(timeout=120)

    def after_one_more(query):
        s.post({"n": 1})
        s.post({"n": 1}, path="/hooks/399")
        return points(s, query)
    for query in ("metric=in", "metric=calls&connection=erp", "metric=p95", "metric=p95&connection=erp"):
        assert until(lambda q=query: after_one_more(q), 40, 0.5), query
    status = until(lambda: after_one_more("metric=in") and (v := s.get("/v1/status"))["in_per_s"] and v, 60, 0.5)
    assert until(lambda: after_one_more("metric=in") and s.connection()["calls_per_s"], 60, 0.5)
    rates = [f["in_per_s"] for f in status["flows"]]
    assert rates.count(None) > 0 and rates.count(0) > 100, "unknown is not the same as none"
