# SPDX-License-Identifier: Apache-2.0
"""Mutual TLS outwards, with authorities of our own: whom the connection trusts, and what we prove ourselves with."""
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.keys import Key
from support.site import free_port, project, until


class Server:
    """Lets in whom `ca` has signed; keeps their names; every token is `the-token`."""

    def __init__(self, ca, own):
        seen = self.seen = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                name = dict(x[0] for x in self.connection.getpeercert()["subject"])["commonName"]
                seen.append((self.path, name, self.headers.get("authorization"), body))
                text = json.dumps({"access_token": "the-token", "token_type": "Bearer", "expires_in": 600}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(own.path.with_suffix(".pem"), own.path)
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(ca.path.with_suffix(".pem"))
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certified")
    ca, own, client = Key(folder, "ca"), Key(folder, "server"), Key(folder, "client")
    ca.certificate("an authority of ours")
    own.certificate("127.0.0.1", ca=ca, san="IP:127.0.0.1")
    client.certificate("tieline", ca=ca)
    return ca, own, client


@pytest.fixture
def world(certified):
    ca, own, client = certified
    server = Server(ca, own)
    yield server, str(ca.path.with_suffix(".pem")), {"certificate": str(client.path.with_suffix(".pem")), "certificate_key": str(client.path)}
    server.server.shutdown()


def test_the_connection_says_whom_it_trusts_and_the_auth_block_who_we_are(site, world):
    server, ca, proof = world
    c = project(server.url)
    c["connections"]["erp"] |= {"tls": {"ca": ca}, "auth": {"mtls": proof}}
    s = site(c).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert [(x[0], x[1]) for x in server.seen] == [("/orders", "tieline")]


def test_what_only_https_needs_is_in_memory_from_the_first_such_call_on(site, world):
    server, ca, proof = world
    c = project(server.url)
    c["connections"]["erp"] |= {"tls": {"ca": ca}, "auth": {"mtls": proof}}
    s = site(c).start()

    def libraries():
        with open(f"/proc/{s.process.pid}/maps") as f:
            return [line for line in f if "libcurl" in line or "libgnutls" in line or "libldap" in line]
    assert libraries() == []
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert libraries() != []


def test_a_token_server_behind_an_authority_of_ours(site, target, world):
    server, ca, proof = world
    auth = {"token_url": server.url + "/token", "client_id": "tieline", "client_auth": "tls", "ca": ca, **proof}
    c = project(target)
    c["connections"]["erp"]["auth"] = {"oauth2_client_credentials": auth}
    s = site(c).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert target.all("/orders")[0].headers["authorization"] == "Bearer the-token"
    path, name, authorization, body = server.seen[0]
    assert (path, name, authorization) == ("/token", "tieline", None) and "client_id=tieline" in body and "secret" not in body


def test_a_token_server_that_nobody_vouches_for_is_not_asked(site, target, world):
    server, _, proof = world
    c = project(target)
    c["connections"]["erp"]["auth"] = {"oauth2_client_credentials": {
        "token_url": server.url + "/token", "client_id": "tieline", "client_auth": "tls", **proof}}
    s = site(c).start()
    s.post({"n": 1})
    until(lambda: "certificate" in (s.connection()["held_reason"] or json.dumps(s.list())), timeout=30)
    assert server.seen == [] and target.count() == 0
