# SPDX-License-Identifier: Apache-2.0
"""server.proxy_protocol, by a raw socket: the address in the header is the client's, and only the proxy may say it."""
import socket
import ssl
import struct

import pytest
from support.keys import Key
from support.sender import github
from support.site import hook, project, until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(source="203.0.113.7", command=1, extra=b""):
    family, what = (socket.AF_INET6, 0x21) if ":" in source else (socket.AF_INET, 0x11)
    block = socket.inet_pton(family, source) + socket.inet_pton(family, "::1" if ":" in source else "127.0.0.1") + struct.pack(">HH", 40000, 443)
    return SIGNATURE + bytes([0x20 | command, what]) + struct.pack(">H", len(block + extra)) + block + extra


def ask(s, first, request, context=None):
    with socket.create_connection(("127.0.0.1", s.port), timeout=30) as sock:
        sock.sendall(first if context else first + request)
        try:
            if context:
                sock = context.wrap_socket(sock, server_hostname="localhost")
                sock.sendall(request)
            out = b""
            while piece := sock.recv(65536):
                out += piece
        except (ConnectionResetError, ssl.SSLError):
            out = b""
        finally:
            sock.close()
    return int(out.split(b" ", 2)[1]) if out else 0


def get(path="/healthz"):
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()


def post(path, good=True, **headers):
    body = b'{"n":1}'
    signed = github(body) if good else {**github(body), "X-Hub-Signature-256": "sha256=" + "0" * 64}
    lines = "".join(f"{n}: {v}\r\n" for n, v in {**signed, **headers}.items())
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


def proxied(target, **server):
    c = project(target, flows={"inner": {"from": hook("/hooks/inner", allow=["203.0.113.0/24"]), "to": {"connection": "erp", "post": "/inner"}}})
    c["server"].update(proxy_protocol=True, behind_proxy="127.0.0.1", **server)
    return c


def test_the_client_that_the_header_names_counts_for_allow_lists_and_the_log(site, target):
    s = site(proxied(target, allow=["203.0.113.0/24", "198.51.100.0/24", "2001:db8::/32"])).start()
    assert ask(s, header("203.0.113.7"), post("/hooks/inner")) == 200
    assert ask(s, header("198.51.100.7"), post("/hooks/inner")) == 403
    assert ask(s, header("198.51.100.7"), post("/hooks/inner", **{"X-Forwarded-For": "203.0.113.7"})) == 403, "the client's own word"
    assert ask(s, header("2001:db8::7"), post("/hooks/shop")) == 200
    assert ask(s, header("192.0.2.1"), get()) == 0
    assert ask(s, header("203.0.113.9", extra=b"\x04\0\0"), post("/hooks/shop", good=False)) == 401
    until(lambda: s.logged("webhook.refused"))
    assert s.logged("webhook.refused")[0]["from"] in ("203.0.113.9", "198.51.100.7")
    assert any(line["from"] == "203.0.113.9" for line in s.logged("webhook.refused"))
    s.wait_counts(flow="inner", delivered=1)


def test_who_does_not_begin_with_a_whole_header_is_closed(site, target):
    s = site(proxied(target, limits={"handshake_timeout": "300ms"})).start()
    for first in (b"", b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n", header(command=2), header(extra=b"\x04\0"), SIGNATURE + b"\x21\0\0\0",
                  SIGNATURE + b"\x21\x12" + header()[14:], SIGNATURE + b"\x21\x11\xff\xff"):
        assert ask(s, first, get()) == 0, first
    assert ask(s, header(), get()) == 200
    assert ask(s, SIGNATURE + b"\x20\0\0\0", get()) == 200, "the proxy looks whether we are there"
    with socket.create_connection(("127.0.0.1", s.port), timeout=30) as silent:
        silent.sendall(header()[:20])
        assert silent.recv(10) == b""
    seen = s.metrics()
    assert seen['tieline_http_refused_total{listener="public",reason="malformed"}'] == 7
    assert seen['tieline_http_refused_total{listener="public",reason="timeout"}'] == 1


def test_only_the_proxy_may_connect(site, target):
    c = proxied(target)
    c["server"]["behind_proxy"] = "192.0.2.1"
    s = site(c).start()
    assert ask(s, header(), get()) == 0
    assert s.metrics()['tieline_http_refused_total{listener="public",reason="address"}'] == 1


def test_connections_are_counted_for_each_client(site, target):
    s = site(proxied(target, limits={"connections_per_address": 1})).start()
    with socket.create_connection(("127.0.0.1", s.port), timeout=30) as held:
        held.sendall(header("203.0.113.7") + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert held.recv(12) == b"HTTP/1.1 200"
        assert ask(s, header("203.0.113.7"), get()) == 0
        assert ask(s, header("203.0.113.8"), get()) == 200


def test_tls_comes_behind_the_header(site, target):
    s = site(proxied(target, tls={"certificate": "one.pem", "key": "one.key"}, allow=["203.0.113.0/24"]))
    certificate = Key(s.folder, "one").certificate("localhost", san="DNS:localhost")
    s.start()
    context = ssl.create_default_context(cafile=str(certificate))
    assert ask(s, header(), post("/hooks/inner"), context) == 200
    assert ask(s, header("198.51.100.7"), get(), context) == 0
    assert ask(s, b"", get(), context) == 0


@pytest.mark.parametrize("block", ["server", "admin"])
def test_without_a_proxy_it_is_refused_with_its_place(site, target, block):
    c = project(target)
    c.setdefault(block, {})["proxy_protocol"] = True
    s = site(c)
    line = next(i for i, text in enumerate((s.folder / "tieline.yaml").read_text().splitlines(), 1) if "proxy_protocol" in text)
    code, said = s.fails()
    assert code == 2 and f"tieline.yaml:{line}:" in said and f"{block}.proxy_protocol" in said and "`behind_proxy`" in said, said
