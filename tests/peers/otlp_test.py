# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's own messages (PyPI: opentelemetry-proto) read what we send."""
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.site import NO_BREAKER, project, until
from support.target import Target

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "build/peers/otlp"
WANTED = "opentelemetry-proto==1.27.0"


@pytest.fixture(scope="module")
def python():
    there, mark = HOME / "bin/python", HOME / "wanted"
    if not mark.exists() or mark.read_text() != WANTED:
        steps = [[sys.executable, "-m", "venv", HOME], [there, "-m", "pip", "install", "--quiet", WANTED]]
        for step in steps:
            r = subprocess.run(step, capture_output=True, text=True, timeout=300)
            if r.returncode:
                pytest.skip(f"{WANTED} cannot be had: {r.stderr.strip()[-200:]}")
        mark.write_text(WANTED)
    return there


@pytest.fixture
def collector():
    t = Target()
    yield t
    t.stop()


def test_their_messages_decode_our_spans_and_metrics(python, site, target, collector):
    s = site(project(target, limits={**NO_BREAKER, "rate": "100/s"},
                     telemetry={"url": collector.url, "sample": "100%", "interval": "100ms", "metrics": "1s"})).start()
    for n in range(5):
        s.post({"n": n})
    s.wait_counts(delivered=5)
    until(lambda: s.metrics()['tieline_otlp_spans_total{result="sent"}'] == 5 * 8)
    n = collector.count("/v1/metrics")
    collector.wait(n + 2, path="/v1/metrics")
    r = subprocess.run([python, ROOT / "tests/peers/otlp/check.py"], capture_output=True, text=True, timeout=60, input=json.dumps(
        {"traces": collector.bodies("/v1/traces"), "metrics": collector.bodies("/v1/metrics")}))
    assert r.returncode == 0, r.stderr
    found = json.loads(r.stdout)
    names = [x["name"] for x in found["spans"]]
    assert {n: names.count(n) for n in names} == dict.fromkeys(
        ["receive", "verify", "commit", "deliver", "wait", "map", "call", "acknowledge"], 5)
    assert all(x["trace"] == 16 and x["id"] == 8 and x["ns"] >= 0 and x["error"] == 0 for x in found["spans"])
    assert found["metrics"]["tieline_deliveries_total"] == "sum" and found["metrics"]["tieline_ledger_live"] == "gauge"
    assert found["metrics"]["tieline_call_duration_seconds"] == "histogram" and found["calls"] == 5
