# SPDX-License-Identifier: Apache-2.0
"""salesforce-pubsub-api-client (on @grpc/grpc-js) against the Pub/Sub API of `tieline sim salesforce`, over TLS. It is fetched
into build/peers/salesforce_pubsub. The client insists on https for the org's address and on TLS for the stream: the simulator
speaks both with a certificate of the test's own. (underscore: avro-js, which it uses, forgets to name it.)"""
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from support.site import BIN

HERE = Path(__file__).resolve().parent / "salesforce_pubsub"
THERE = Path(__file__).resolve().parents[2] / "build/peers/salesforce_pubsub"
pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")


@pytest.fixture(scope="module")
def npm():
    THERE.mkdir(parents=True, exist_ok=True)
    for file in HERE.iterdir():
        shutil.copy(file, THERE / file.name)
    if not (THERE / "node_modules/salesforce-pubsub-api-client").exists():
        r = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=THERE, capture_output=True,
                           text=True, timeout=600)
        if r.returncode:
            pytest.skip(f"npm fetches nothing: {r.stderr[-300:]}")


@pytest.fixture
def sim(tmp_path):
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    p = subprocess.Popen([BIN, "sim", "salesforce", "--port", "0", "--tls-cert", cert, "--tls-key", key], stdout=subprocess.PIPE,
                         text=True)
    url, streams = (p.stdout.readline().split()[-1].replace("127.0.0.1", "localhost") for _ in range(2))
    threading.Thread(target=p.stdout.read, daemon=True).start()
    yield url, streams.removeprefix("https://"), cert
    p.terminate()
    p.wait(10)


def test_the_vendors_clients_library_subscribes_replays_and_publishes(npm, sim):
    url, streams, cert = sim
    r = subprocess.run(["node", "client.mjs", url, streams], cwd=THERE, capture_output=True, text=True, timeout=90,
                       env={**os.environ, "NODE_EXTRA_CA_CERTS": cert})
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    got = json.loads(r.stdout.strip().split("\n")[-1])
    assert got == {"types": ["CREATE", "UPDATE"], "names": ["a", "b"], "revenue": 7, "changed": ["Name", "Phone"],
                   "nulled": ["Phone"], "behind": True, "published": "number", "order": ["4711", True],
                   "lost": [3, "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed"], "refused": 16}
