# SPDX-License-Identifier: Apache-2.0
"""salesforce-pubsub-api-client (on @grpc/grpc-js) against the Pub/Sub API of `tieline sim salesforce`, over TLS; and our client
against a server on @grpc/grpc-js. It is fetched
into build/peers/salesforce_pubsub. The client insists on https for the org's address and on TLS for the stream: the simulator
speaks both with a certificate of the test's own. (underscore: avro-js, which it uses, forgets to name it.)"""
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from support.site import BIN, Site, project, until
from support.target import Target

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
                   "nulled": ["Phone"], "behind": True, "published": "number", "order": ["4711", True], "batch": 2,
                   "lost": [3, "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed"], "refused": 16}


def test_our_client_listens_to_a_server_of_others_and_goes_on_behind_each_broken_stream(npm, tmp_path):
    sim = subprocess.Popen([BIN, "sim", "salesforce", "--port", "0"], stdout=subprocess.PIPE, text=True)
    url = sim.stdout.readline().split()[-1]  # tokens and the id of the org are the simulator's
    server = subprocess.Popen(["node", "server.mjs"], cwd=THERE, stdout=subprocess.PIPE, text=True)
    port, target = int(server.stdout.readline()), Target()
    config = project(target, connections={"crm": {
        "type": "salesforce", "url": url, "pubsub": f"http://127.0.0.1:{port}",
        "auth": {"oauth2_client_credentials": {"client_id": "tieline-demo", "client_secret": "${env:SF_SECRET}"}}}},
        flows={"in": {"from": {"read": {"connection": "crm", "listen": "/event/Order_Placed__e", "via": "pubsub", "all": True,
                                        "every": "1s"}},
                      "to": {"connection": "erp", "post": "/in"}}})
    config["flows"].pop("orders")
    site = Site(tmp_path, config, env={"SF_SECRET": "demo-secret"})
    try:
        site.start()
        until(lambda: len(target.bodies()) >= 200, 40)
        bodies = sorted(target.bodies(), key=lambda b: int(b["Order_Number__c"]))
        assert [int(b["Order_Number__c"]) for b in bodies] == list(range(1, 201)), "each once"
        assert bodies[6] == {"CreatedDate": "2023-11-14T22:13:20.000Z", "CreatedById": "005", "Order_Number__c": "7",
                             "Lines": [{"a": 3.5}, {}]}
        server.terminate()
        seen = json.loads(server.stdout.read())
        assert seen["subscriptions"] >= 5 and seen["most"] <= 400, seen
    finally:
        for p in (server, sim):
            p.kill()
            p.wait()
            p.stdout.close()
        site.clean_up()
        target.stop()
