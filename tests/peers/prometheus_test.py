# SPDX-License-Identifier: Apache-2.0
"""Prometheus itself reads our metrics and our rules (Debian's package: prometheus and promtool)."""
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml
from support.site import NO_BREAKER, free_port, project, until
from support.target import answer

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "packaging/prometheus/tieline.rules.yml"
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
pytestmark = pytest.mark.skipif(not (PROMETHEUS and PROMTOOL), reason="prometheus is not installed")


@pytest.fixture
def prometheus(tmp_path):
    """prometheus(port, rules): a server that scrapes 127.0.0.1:port every second; ask(path) is its API."""
    running = []

    def start(port, rules):
        mine = free_port()
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "tieline", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}))
        log = open(tmp_path / "prometheus.log", "wb")
        running.append(subprocess.Popen([PROMETHEUS, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
                                         f"--web.listen-address=127.0.0.1:{mine}"], stdout=log, stderr=log))

        def ask(path, **query):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{mine}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as r:
                    return json.load(r)["data"]
            except OSError:
                return None
        return ask
    yield start
    for p in running:
        p.terminate()
        p.wait(20)


def test_the_rules_are_right_and_name_metrics_that_exist(shop):
    r = subprocess.run([PROMTOOL, "check", "rules", RULES], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    s = shop(flow={"sla": {"success": "99%", "delay_p95": "5m"}}, limits={"rate": "100/s"})
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    there = {line.split()[2] for line in s.call("GET", "/metrics").text.splitlines() if line.startswith("# TYPE")}
    named = {re.sub("_(bucket|sum|count)$", "", n) for g in yaml.safe_load(RULES.read_text())["groups"]
             for rule in g["rules"] for n in re.findall("tieline_[a-z_]+", rule["expr"])}
    rare = {"tieline_flow_held", "tieline_connection_held", "tieline_credential_expires_timestamp_seconds",
            "tieline_source_failing_since_timestamp_seconds", "tieline_source_last_read_timestamp_seconds"}
    assert named - there <= rare, "these are there once something was held, with a certificate, or with a flow that reads"


def test_what_waits_in_a_flow_that_is_gone_is_an_old_backlog_as_with_our_own_rule(tmp_path):
    """Its promise went with it and is no number, which must not stand for a promise that is kept."""
    flow = '{flow="gone",instance="a"}'
    series = [{"series": "tieline_flow_oldest_seconds" + flow, "values": "4000x10"},
              {"series": "tieline_flow_delay_objective_seconds" + flow, "values": " ".join(["NaN"] * 11)}]
    firing = {"expr": 'count(ALERTS{alertname="TielineBacklogOld",alertstate="firing"})', "eval_time": "8m",
              "exp_samples": [{"labels": "{}", "value": 1}]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [
        {"interval": "1m", "input_series": series, "promql_expr_test": [firing]}]}))
    r = subprocess.run([PROMTOOL, "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr


def test_promtool_finds_nothing_in_our_metrics_but_the_names_of_others(shop):
    s = shop()
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    text = s.call("GET", "/metrics").text
    r = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr


def test_prometheus_scrapes_us_and_an_alert_fires_and_resolves(site, target, prometheus):
    target.behave = lambda r: answer(401)
    conf = project(target, limits=NO_BREAKER)
    conf["server"]["metrics"] = {"allow": ["127.0.0.1/32"]}
    s = site(conf).start()
    ask = prometheus(s.port, RULES)
    up = until(lambda: (v := ask("query", query='up{job="tieline"}')) and v["result"], timeout=60)
    assert up[0]["value"][1] == "1"
    s.post({"n": 1})

    def firing():
        return [a["labels"] for a in (ask("alerts") or {"alerts": []})["alerts"] if a["state"] == "firing"]
    until(lambda: any(a["alertname"] == "TielineConnectionAuth" and a["connection"] == "erp" for a in firing()), timeout=60)
    target.behave = None
    s.do("/v1/connections/erp/resume")
    s.wait_counts(delivered=1)
    until(lambda: not any(a["alertname"] == "TielineConnectionAuth" for a in firing()), timeout=60)
    rules = [r for g in ask("rules")["groups"] for r in g["rules"]]
    assert len(rules) >= 15 and all(r["health"] == "ok" for r in rules), [r for r in rules if r["health"] != "ok"]
