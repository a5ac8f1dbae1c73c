# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 at the door, with clients of others (curl; the h2 library): what comes in that way is what comes in over HTTP/1.1."""
import json
import subprocess

import pytest
from support.h2 import H2
from support.keys import Key
from support.sender import github
from support.site import free_port, hook, project
from support.web import local_token, tls_client


GOAWAY = 7


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("door")
    key = Key(folder, "server")
    key.certificate("localhost", san="DNS:localhost,IP:127.0.0.1")
    return key


def served(site, target, own, **more):
    c = project(target, **more)
    c["server"]["tls"] = {"certificate": str(own.path.with_suffix(".pem")), "key": str(own.path)}
    return c


def context(own):
    return tls_client(own.path.with_suffix(".pem"))


def curl(url, *args):
    """(version, status, body)"""
    r = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_version} %{http_code}",
                        url, *args], capture_output=True, text=True)
    assert r.returncode == 0, r
    body, _, last = r.stdout.rpartition("\n")
    version, status = last.split()
    return version, int(status), body


def test_a_webhook_over_http2_is_verified_and_ledgered_as_over_http1(site, target, own):
    s = site(served(site, target, own)).start()
    body = json.dumps({"n": 1}).encode()
    signed = [x for n, v in github(body, id="one").items() for x in ("-H", f"{n}: {v}")]
    ca = ["--cacert", str(own.path.with_suffix(".pem"))]
    url = f"https://localhost:{s.port}/hooks/shop"
    version, status, text = curl(url, "--http2", *ca, *signed, "--data-binary", body.decode())
    assert (version, status) == ("2", 200), text
    id = json.loads(text)["id"]
    version, status, text = curl(url, "--http1.1", *ca, *signed, "--data-binary", body.decode())
    assert version == "1.1" and json.loads(text)["id"] == id  # the same delivery: a duplicate
    assert s.wait_state(id, "delivered")["event"]["id"] == id
    assert [json.loads(x.body) for x in target.all("/orders")] == [{"n": 1}]
    version, status, text = curl(url, "--http2", *ca, *signed, "--data-binary", '{"n":2}')
    assert (version, status) == ("2", 401)
    version, status, text = curl(f"https://localhost:{s.port}/none", "--http2", *ca)
    assert (version, status) == ("2", 404)


def test_hundreds_at_once_on_one_connection_arrive_once_each_large_ones_too(site, target, own):
    s = site(served(site, target, own)).start()
    c = H2(s.port, context(own))
    wanted, ids = {}, []
    for batch in range(4):
        streams = []
        for k in range(60):
            n = batch * 60 + k
            body = json.dumps({"n": n, "text": "x" * (200_000 if k == 7 else 100)}).encode()
            streams.append(c.send("POST", "/hooks/shop", body, github(body)))
            wanted[n] = len(body)
        replies = [c.reply(i) for i in streams]
        assert {r.status for r in replies} == {200}, replies
        ids += [r.id for r in replies]
    assert len(set(ids)) == 240
    s.wait_counts(delivered=240, timeout=60)
    assert {json.loads(x.body)["n"]: len(x.body) for x in target.all("/orders")}.keys() == wanted.keys() and target.count() == 240
    assert not c.goaway
    c.close()


def test_a_method_in_lower_case_is_not_that_method(site, target, own):
    s = site(served(site, target, own)).start()
    c = H2(s.port, context(own))
    for method in ("post", "Post", "head"):
        r = c.reply(c.send(method, "/hooks/shop", b"{}", github(b"{}", id=method)))
        assert r.status == 405 and "POST" in r.headers["allow"], (method, r)
    assert c.reply(c.send("POST", "/hooks/shop", b"{}", github(b"{}", id="one"))).status == 200
    c.close()


def test_the_consoles_stream_goes_on_beside_other_requests(site, target, own):
    tls = {"certificate": str(own.path.with_suffix(".pem")), "key": str(own.path)}
    s = site(project(target, admin={"listen": f"127.0.0.1:{free_port()}", "tls": tls})).start()
    bearer = {"Authorization": f"Bearer {local_token(s)}"}
    c = H2(s.logged("admin.ready")[-1]["port"], context(own))
    stream = c.send("GET", "/v1/stream?topics=rows", headers=bearer)
    while c.streams[stream][0] == 0:
        assert c.turn()
    assert c.streams[stream][0] == 200 and c.streams[stream][1]["content-type"] == "text/event-stream"
    for n in range(3):
        id = s.post({"n": n})
        c.wait_body(stream, id.encode())
        assert c.reply(c.send("GET", f"/v1/events/{id}", headers=bearer)).json["event"]["id"] == id
    assert c.reply(c.send("GET", "/v1/status")).status == 401
    assert not c.goaway
    s.stop()
    assert GOAWAY in c.rest()


def test_a_proxy_may_speak_it_without_tls_and_nobody_else(site, target):
    c = project(target, flows={"inner": {"from": hook("/hooks/inner", allow=["192.0.2.0/24"]), "to": {"connection": "erp", "post": "/inner"}}})
    c["server"]["behind_proxy"] = ["127.0.0.1/32"]
    s = site(c).start()
    client = H2(s.port)
    body = b'{"n":1}'
    inside = client.send("POST", "/hooks/inner", body, {**github(body), "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"})
    assert client.reply(inside).status == 200
    outside = client.send("POST", "/hooks/inner", body, {**github(body), "X-Forwarded-For": "198.51.100.7"})
    assert client.reply(outside).status == 403
    client.close()
    s.wait_counts(flow="inner", delivered=1)
    s.stop()
    s.change(lambda c: c["server"].pop("behind_proxy")).start()
    r = subprocess.run(["curl", "--silent", "--max-time", "30", "--http2-prior-knowledge", f"http://127.0.0.1:{s.port}/healthz"], capture_output=True)
    assert r.returncode != 0


def test_who_does_not_want_it_switches_it_off(site, target, own):
    c = served(site, target, own)
    c["server"]["http2"] = False
    s = site(c).start()
    version, status, _ = curl(f"https://localhost:{s.port}/healthz", "--http2", "--cacert", str(own.path.with_suffix(".pem")))
    assert (version, status) == ("1.1", 200)
    with pytest.raises(Exception):  # a client that knows nothing else is told by TLS (RFC 7301 3.2)
        H2(s.port, context(own))


def test_tls_1_2_with_a_cipher_that_http2_forbids_is_spoken_to_in_http1(site, target, own):
    s = site(served(site, target, own)).start()
    ca = ["--cacert", str(own.path.with_suffix(".pem")), "--tls-max", "1.2", "--http2"]
    assert curl(f"https://localhost:{s.port}/healthz", *ca, "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")[0] == "2"
    assert curl(f"https://localhost:{s.port}/healthz", *ca, "--ciphers", "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256")[0] == "1.1"


def test_a_stop_finishes_what_is_under_way(site, target, own):
    s = site(served(site, target, own)).start()
    c = H2(s.port, context(own))
    body = json.dumps({"n": 1}).encode()
    assert c.reply(c.send("POST", "/hooks/shop", body, github(body))).status == 200
    s.wait_counts(delivered=1)
    s.stop()
    assert GOAWAY in c.rest()
