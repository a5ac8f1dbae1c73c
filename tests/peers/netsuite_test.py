# SPDX-License-Identifier: Apache-2.0
"""Clients of others (npm: netsuite-rest, nsrestlet; PyPI: zeep, netsuitesdk) against `tieline sim netsuite`: their signatures, their reading of its
answers."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "build/peers/netsuite"


@pytest.fixture(scope="module")
def clients():
    here = ROOT / "tests/peers/netsuite"
    wanted = (here / "package.json").read_text()
    HOME.mkdir(parents=True, exist_ok=True)
    if not (HOME / "installed").exists() or (HOME / "installed").read_text() != wanted:
        shutil.copy(here / "package.json", HOME)
        r = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=HOME, capture_output=True, text=True, timeout=300)
        if r.returncode:
            pytest.skip(f"netsuite-rest and nsrestlet cannot be had: {r.stderr.strip()[-200:]}")
        (HOME / "installed").write_text(wanted)
    return here / "clients.mjs"


def test_clients_of_others_log_in_write_query_and_call_a_script(clients, tmp_path):
    sim = Simulator("netsuite", tmp_path)
    try:
        r = subprocess.run(["node", clients, sim.url], cwd=HOME, capture_output=True, text=True, timeout=60)
        assert r.returncode == 0, r.stderr
        got = json.loads(r.stdout)
        assert got["created"] == [204, "/services/rest/record/v1/customer/1"]
        assert got["read"] == "Peer"
        assert got["rows"] == [{"links": [], "id": "1", "companyname": "Peer"}]
        assert got["missing"] == [404, "NONEXISTENT_ID"]
        assert got["refused"] == 401
        assert got["restlet"] == {"results": [{"ok": True, "id": "2"}]}
        assert "InvalidSignature" in sim.get("/__audit")[-1]
    finally:
        sim.stop()


ZEEP = ["zeep==4.3.3", "netsuitesdk==3.3.0", "setuptools<81"]


@pytest.fixture(scope="module")
def zeep():
    python = HOME / "venv/bin/python"
    if not (HOME / "venv/installed").exists() or (HOME / "venv/installed").read_text() != str(ZEEP):
        for command in ([sys.executable, "-m", "venv", HOME / "venv"], [python, "-m", "pip", "install", "--quiet", *ZEEP]):
            r = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if r.returncode:
                pytest.skip(f"{ZEEP} cannot be had: {r.stderr.strip()[-200:]}")
        (HOME / "venv/installed").write_text(str(ZEEP))
    return python


def test_a_soap_client_made_from_the_wsdl_signs_writes_searches_and_pages(zeep, tmp_path):
    (tmp_path / "seed.json").write_text(json.dumps({"inventoryItem": [{"externalId": "SKU-1", "itemId": "SKU-1"}]}))
    sim = Simulator("netsuite", tmp_path, "--records", "seed.json")
    try:
        r = subprocess.run([zeep, ROOT / "tests/peers/netsuite/soap_client.py", sim.url], capture_output=True, text=True, timeout=120)
        assert r.returncode == 0, r.stderr[-3000:]
        got = json.loads(r.stdout)
        assert got["upsert"] == [True, "1", "Z-0"]
        assert got["list"] == [True] * 12 + [False] and got["why"] == "DUP_ENTITY"
        assert got["order"] == [True, True]
        assert got["search"] == [12, 3, 12] and got["custom"] == "fair"
        assert got["lines"] == [[2.0, 9.0]]
        assert got["refused"] == ["invalidCredentialsFault"] * 2
        assert got["replayed"] == ["taken", "invalidCredentialsFault"]
        assert [line.split(" ", 1)[1] for line in sim.get("/__audit")] == ["InvalidSignature", "UnknownAlgorithm", "nonce_used"]
        assert len(sim.records("customer")) == 12 and len(sim.records("salesOrder")) == 1
    finally:
        sim.stop()


def test_netsuitesdk_writes_finds_pages_and_deletes(zeep, tmp_path):
    (tmp_path / "seed.json").write_text(json.dumps({"subsidiary": [{"name": "Parent"}, {"name": "Germany"}]}))
    sim = Simulator("netsuite", tmp_path, "--records", "seed.json")
    try:
        r = subprocess.run([zeep, ROOT / "tests/peers/netsuite/sdk_client.py", sim.url], capture_output=True, text=True, timeout=120)
        assert r.returncode == 0, r.stderr[-3000:]
        got = json.loads(r.stdout)
        assert len(set(got["created"])) == 25 and got["again"] and got["deleted"]
        assert got["get"] == ["Kunde 3", "030", True]
        assert got["pages"] == [10, 10, 5] and got["found"] == ["K-1"] + [f"K-{n}" for n in range(10, 19)]
        assert got["subsidiaries"] == ["Parent", "Germany"]
        assert [got["gone"], got["refused"], got["login"]] == ["RCRD_DSNT_EXIST", "DUP_ENTITY", "NetSuiteLoginError"]
        assert len(sim.records("customer")) == 24
    finally:
        sim.stop()
