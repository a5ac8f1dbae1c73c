# SPDX-License-Identifier: Apache-2.0
"""Clients of others (npm: netsuite-rest, nsrestlet) against `tieline sim netsuite`: their signatures, their reading of its answers."""
import json
import shutil
import subprocess
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
