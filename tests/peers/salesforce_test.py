# SPDX-License-Identifier: Apache-2.0
"""Clients of others against `tieline sim salesforce` (jsforce, cometd, simple-salesforce, tap-salesforce), and our CometD client against a Bayeux
server of others (faye). They are fetched into build/peers/salesforce."""
import base64
import hashlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
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


def test_jsforce_logs_in_writes_queries_runs_bulk_jobs_listens_and_deploys(npm, sim):
    got = run(["node", "jsforce.mjs", sim()])
    assert got.pop("metadata") == {
        "kinds": ["CustomObject", "PermissionSet", "PlatformEventChannelMember"], "listed": True, "object": True,
        "fields": [True, False, False], "why": ["FIELD_INTEGRITY_EXCEPTION", "INVALID_CROSS_REFERENCE_KEY"],
        "twice": "DUPLICATE_DEVELOPER_NAME", "read": ["Text", 30, True, True], "whole": [True],
        "update": "INVALID_CROSS_REFERENCE_KEY", "upsert": [False, True], "deploy": [True, True, 1],
        "refused": [False, "a custom field's name ends in __c"], "rest": True, "absent": "sf:INVALID_OPERATION", "session": True}
    assert got == {"who": "0055i000000UsErAAK", "identity": "integration@sim.example", "describe": True, "global": True,
                   "create": [True, True, False], "upsert": True, "retrieve": "a2", "query": ["a2"], "find": 1, "update": True,
                   "limits": 100000, "paged": 2200, "bulk": [1, 1],
                   "bulkQuery": [1, 'bulk, "quoted"', "Integration User", True], "bulkMany": 2200, "event": "CREATE", "destroy": True,
                   "again": "ENTITY_IS_DELETED"}


def test_the_client_of_the_cometd_project_listens_and_goes_back_to_a_replay_id(npm, sim):
    assert run(["node", "cometd.mjs", sim()]) == {"name": "of cometd", "type": "CREATE", "same": True}


def certificate(folder, name):
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name], check=True, capture_output=True)
    return cert, key


def test_simple_salesforce_works_over_tls(npm, sim, tmp_path):
    cert, key = certificate(tmp_path, "localhost")
    fetch("venv/bin/python", sys.executable, "-m", "venv", "venv")
    fetch("venv/simple", "sh", "-c", "venv/bin/pip install -q simple-salesforce==1.12.10 && touch venv/simple")
    url = sim("--tls-cert", cert, "--tls-key", key).replace("127.0.0.1", "localhost")
    got = run(["venv/bin/python", "simple_salesforce_run.py", url], REQUESTS_CA_BUNDLE=cert)
    assert got == {"create": True, "upsert": [200, 201], "get": "b", "by_id": "c", "update": 204, "query": 2, "describe": True,
                   "limits": 100000, "usage": True, "query_all": 2200, "bulk2": [2, 1], "bulk2_query": [3, 2200, "LastName"], "delete": 204, "error": "INVALID_FIELD"}


def connect(url):
    return http.client.HTTPSConnection(url.removeprefix("https://"), context=ssl._create_unverified_context(), timeout=20)


def log_in(url):
    """As a person would in the browser: the answer with access and refresh token."""
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    there = connect(url)
    back = "http://127.0.0.1:1/back"
    there.request("GET", "/services/oauth2/authorize?" + urllib.parse.urlencode({
        "response_type": "code", "client_id": "tieline-demo", "redirect_uri": back, "state": "s", "scope": "api refresh_token",
        "code_challenge": challenge, "code_challenge_method": "S256"}))
    answer = there.getresponse()
    answer.read()
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(answer.getheader("Location")).query)["code"][0]
    there.request("POST", "/services/oauth2/token", urllib.parse.urlencode({
        "grant_type": "authorization_code", "client_id": "tieline-demo", "client_secret": "demo-secret", "code": code,
        "redirect_uri": back, "code_verifier": verifier}), {"content-type": "application/x-www-form-urlencoded"})
    return json.load(there.getresponse())


def tap(port, cert, folder, *options):
    """What a run prints."""
    r = subprocess.run([THERE / "tap/bin/python", HERE / "tap_run.py", str(port), "--config", "config.json", *options], cwd=folder,
                       capture_output=True, text=True, timeout=90, env={**os.environ, "REQUESTS_CA_BUNDLE": cert})
    assert r.returncode == 0, r.stderr[-3000:]
    return r.stdout


def test_tap_salesforce_discovers_syncs_and_goes_on_from_its_bookmark(npm, sim, tmp_path):
    cert, key = certificate(tmp_path, "login.salesforce.com")
    fetch("tap/bin/python", sys.executable, "-m", "venv", "tap")
    fetch("tap/installed", "sh", "-c", "tap/bin/pip install -q 'setuptools<81' tap-salesforce==2.8.1 && touch tap/installed")
    (tmp_path / "Lead.json").write_text(json.dumps([{"LastName": f"l{n}", "Company": "c"} for n in range(2100)]))
    url = sim("--tls-cert", cert, "--tls-key", key, "--seed", str(tmp_path / "Lead.json"), "--instance", "https://login.salesforce.com")
    port, tokens = url.rpartition(":")[2], log_in(url)
    (tmp_path / "config.json").write_text(json.dumps({
        "client_id": "tieline-demo", "client_secret": "demo-secret", "refresh_token": tokens["refresh_token"],
        "start_date": "2020-01-01T00:00:00Z", "api_type": "REST", "select_fields_by_default": True}))
    catalog = json.loads(tap(port, cert, tmp_path, "--discover"))
    streams = {s["stream"]: s for s in catalog["streams"]}
    assert streams["Account"]["schema"]["properties"]["ERP_Id__c"]["type"] == ["null", "string"]
    for name, stream in streams.items():
        whole = next(m["metadata"] for m in stream["metadata"] if m["breadcrumb"] == [])
        whole["selected"] = name in ("Account", "Lead")
        whole["replication-method"], whole["replication-key"] = "INCREMENTAL", "SystemModstamp"
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    seeded = int(time.time())
    until(lambda: int(time.time()) > seeded)  # times of records have seconds
    there = connect(url)
    there.request("POST", "/services/data/v61.0/sobjects/Lead", json.dumps({"LastName": "late", "Company": "c"}),
                  {"content-type": "application/json", "host": "login.salesforce.com",
                   "authorization": "Bearer " + tokens["access_token"]})
    assert there.getresponse().status == 201
    said = [json.loads(line) for line in tap(port, cert, tmp_path, "--properties", "catalog.json").splitlines()]
    leads = [m["record"]["LastName"] for m in said if m["type"] == "RECORD" and m["stream"] == "Lead"]
    assert len(leads) == 2101 == len(set(leads))
    state = [m["value"] for m in said if m["type"] == "STATE"][-1]
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert state["bookmarks"]["Lead"]["SystemModstamp"] > "2020"
    again = [json.loads(line) for line in tap(port, cert, tmp_path, "--properties", "catalog.json", "--state", "state.json").splitlines()]
    assert [m["record"]["LastName"] for m in again if m["type"] == "RECORD" and m["stream"] == "Lead"] == ["late"]


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
