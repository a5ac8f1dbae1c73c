# SPDX-License-Identifier: Apache-2.0
"""Clients of others against `tieline sim salesforce` (jsforce, cometd, simple-salesforce), and our CometD client against a Bayeux
server of others (faye). They are fetched into build/peers/salesforce."""
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.site import BIN, Site, free_port, project, until
from support.target import Target

HERE = Path(__file__).resolve().parent / "salesforce"
THERE = Path(__file__).resolve().parents[2] / "build/peers/salesforce"
pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")


def fetch(name, *command):
    """Once: what the command installs into THERE."""
    THERE.mkdir(parents=True, exist_ok=True)
    if (THERE / name).exists():
        return
    r = subprocess.run(command, cwd=THERE, capture_output=True, text=True, timeout=600)
    if r.returncode:
        pytest.skip(f"{command[0]} fetches nothing: {r.stderr[-300:]}")


@pytest.fixture(scope="module")
def npm():
    THERE.mkdir(parents=True, exist_ok=True)
    for file in HERE.iterdir():
        shutil.copy(file, THERE / file.name)
    fetch("node_modules/cometd", "npm", "install", "--no-audit", "--no-fund", "--no-package-lock")


@pytest.fixture
def sim():
    running = []

    def start(*options):
        p = subprocess.Popen([BIN, "sim", "salesforce", "--port", "0", *options], stdout=subprocess.PIPE, text=True)
        running.append(p)
        url = p.stdout.readline().split()[-1]
        threading.Thread(target=p.stdout.read, daemon=True).start()
        return url
    yield start
    for p in running:
        p.terminate()
        p.wait(10)


def run(command, **env):
    r = subprocess.run(command, cwd=THERE, capture_output=True, text=True, timeout=90, env={**os.environ, **env})
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    return json.loads(r.stdout.strip().split("\n")[-1])


def test_jsforce_logs_in_writes_queries_runs_bulk_jobs_and_listens(npm, sim):
    got = run(["node", "jsforce.mjs", sim()])
    assert got == {"who": "0055i000000UsErAAK", "identity": "integration@sim.example", "describe": True, "global": True,
                   "create": [True, True, False], "upsert": True, "retrieve": "a2", "query": ["a2"], "find": 1, "update": True,
                   "limits": 100000, "paged": 2200, "bulk": [1, 1],
                   "bulkQuery": [1, 'bulk, "quoted"', "Integration User", True], "bulkMany": 2200, "event": "CREATE", "destroy": True,
                   "again": "ENTITY_IS_DELETED"}


def test_the_client_of_the_cometd_project_listens_and_goes_back_to_a_replay_id(npm, sim):
    assert run(["node", "cometd.mjs", sim()]) == {"name": "of cometd", "type": "CREATE", "same": True}


def test_simple_salesforce_works_over_tls(npm, sim, tmp_path):
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    fetch("venv/bin/python", sys.executable, "-m", "venv", "venv")
    fetch("venv/simple", "sh", "-c", "venv/bin/pip install -q simple-salesforce==1.12.10 && touch venv/simple")
    url = sim("--tls-cert", cert, "--tls-key", key).replace("127.0.0.1", "localhost")
    got = run(["venv/bin/python", "simple_salesforce_run.py", url], REQUESTS_CA_BUNDLE=cert)
    assert got == {"create": True, "upsert": [200, 201], "get": "b", "by_id": "c", "update": 204, "query": 2, "describe": True,
                   "limits": 100000, "usage": True, "query_all": 2200, "bulk2": [2, 1], "bulk2_query": [3, 2200, "LastName"], "delete": 204, "error": "INVALID_FIELD"}


def test_our_cometd_client_listens_to_faye(npm, tmp_path):
    port, target = free_port(), Target()
    faye = subprocess.Popen(["node", "faye.mjs", str(port)], cwd=THERE, stdout=subprocess.PIPE, text=True)
    config = project(target, connections={"crm": {
        "type": "salesforce", "url": f"http://127.0.0.1:{port}",
        "auth": {"oauth2_client_credentials": {"client_id": "x", "client_secret": "${env:SF_SECRET}"}}}},
        flows={"in": {"from": {"read": {"connection": "crm", "listen": "/event/Order_Placed__e", "every": "1s"}},
                      "to": {"connection": "erp", "post": "/in"}}})
    config["flows"].pop("orders")
    site = Site(tmp_path, config, env={"SF_SECRET": "a-secret"})
    try:
        assert faye.stdout.readline().strip() == "ready"
        site.start()
        target.wait(20)
        numbers = [int(b["Order_Number__c"]) for b in target.bodies()]
        assert len(set(numbers)) == len(numbers), "none came twice"
        first = min(numbers)
        until(lambda: {int(b["Order_Number__c"]) for b in target.bodies()} >= set(range(first, first + 20)), 10)
    finally:
        faye.kill()
        faye.wait()
        faye.stdout.close()
        site.clean_up()
        target.stop()
