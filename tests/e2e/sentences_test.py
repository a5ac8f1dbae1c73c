# SPDX-License-Identifier: Apache-2.0
"""Faults that cost people an afternoon: each gets one clear sentence, with what is wrong, where, and what to do."""
import email.utils
import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from support.keys import Key, openssl
from support.login import ENV, Login, client_credentials
from support.site import BIN, free_port, project, until
from support.target import answer


def look(s):
    r = subprocess.run([BIN, "connect", "erp", "--test", "--json"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
    return json.loads(r.stdout)["error"]


@pytest.fixture
def connection(site, target):
    def make(auth, url=None, **more):
        c = project(url or target)
        c["connections"]["erp"].update(auth=auth, probe="/me", **more)
        return site(c, env=ENV).start()
    return make


def test_a_key_of_the_wrong_type(connection, tmp_path):
    key = tmp_path / "ec.key"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    key.chmod(0o600)
    s = connection({"oauth2_jwt_bearer": {"token_url": "https://login.example.com/token", "client_id": "c", "private_key": "${file:%s}" % key,
                                          "alg": "RS256"}})
    e = look(s)
    assert "RS256" in e["text"] and "P-256" in e["text"] and "erp" in e["text"], e
    assert e["class"] == "config" and "tieline reload" in e["fix"], e


def certificate(key, name, began, ends):
    """A certificate with these dates; openssl x509 knows only days from now."""
    folder = key.path.parent
    (folder / "ca.txt").write_text("")
    (folder / "ca.cnf").write_text(f"""[ca]\ndefault_ca=d\n[d]\ndir={folder}\nnew_certs_dir={folder}\ndatabase={folder}/ca.txt\nrand_serial=yes
default_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=IP:127.0.0.1\n""")
    request = folder / "r.csr"
    request.write_bytes(openssl("req", "-new", "-key", key.path, "-subj", f"/CN={name}"))
    out = key.path.with_suffix(".pem")
    openssl("ca", "-batch", "-selfsign", "-notext", "-config", folder / "ca.cnf", "-keyfile", key.path, "-in", request, "-startdate", began,
            "-enddate", ends, "-out", out)
    return out


def test_our_client_certificate_has_expired(connection, tmp_path):
    key = Key(tmp_path, "client")
    cert = certificate(key, "tieline", "20200101000000Z", "20210101000000Z")
    s = connection({"mtls": {"certificate": str(cert), "certificate_key": str(key.path)}})
    e = look(s)
    assert "our client certificate" in e["text"] and str(cert) in e["text"] and "2021-01-01" in e["text"], e
    assert "renew it" in e["fix"]
    s.post({"n": 1})
    until(lambda: s.connection()["held"] == "connection_auth")
    assert "2021-01-01" in s.connection()["held_reason"] or "our client certificate" in s.connection()["held_reason"]


def test_their_certificate_has_expired(connection, tmp_path):
    key = Key(tmp_path, "server")
    cert = certificate(key, "127.0.0.1", "20200101000000Z", "20210101000000Z")

    class Hello(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass
    server = HTTPServer(("127.0.0.1", free_port()), Hello)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key.path)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    s = connection({"none": {}}, url=f"https://127.0.0.1:{server.server_port}", tls={"ca": str(cert)})
    e = look(s)
    server.shutdown()
    assert "expired" in e["text"] and "they must renew it" in e["fix"], e


@pytest.mark.parametrize("seconds, words", [(600, "our clock is 10 minutes behind theirs"), (-600, "our clock is 10 minutes ahead of theirs")])
def test_a_clock_ten_minutes_off(connection, target, seconds, words):
    target.behave = lambda r: answer(401, {"message": "expired"}, date=email.utils.formatdate(time.time() + seconds, usegmt=True))
    e = look(connection({"bearer": {"token": "${env:CLIENT_SECRET}"}}))
    assert words in e["fix"] and "NTP" in e["fix"], e


def test_a_truncated_token_file(site):
    login = Login()
    c = project(login.url)
    c["connections"]["erp"]["auth"] = client_credentials(login)
    s = site(c, env=ENV).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    s.stop()
    key = s.folder / "data/token.key"
    whole = key.read_bytes()
    key.write_bytes(whole[:10])
    code, said = s.fails()
    assert code == 2 and "token.key is damaged (32 bytes are needed)" in said and "connect again" in said, said
    key.write_bytes(bytes(32))  # another key: the stored tokens cannot be opened
    s.start()
    s.post({"n": 2})
    until(lambda: s.flow()["held"] or s.connection()["held"])
    reason = s.flow()["held_reason"] or s.connection()["held_reason"]
    assert "the stored tokens of erp cannot be read" in reason and "tieline connect erp" in reason, reason
    assert s.flow()["counts"]["dead"] == 0
    login.stop()
