# SPDX-License-Identifier: Apache-2.0
"""server.limits: each number is changed and its effect seen at the socket; none is without such a case."""
import json
import socket
import subprocess

import pytest
from support.h2 import H2
from support.keys import Key
from support.sender import github
from support.site import BIN, free_port, hook, project, until

H = b"Host: a\r\n"
CLOSE = b"Connection: close\r\n"


def limited(site, target, limits=None, **server):
    c = project(target)
    c["server"].update(limits=limits or {}, **server)
    return site(c).start()


def dial(s):
    return socket.create_connection(("127.0.0.1", s.port), timeout=30)


def rest(sock):
    """All that comes until the other side closes."""
    out = b""
    try:
        while piece := sock.recv(65536):
            out += piece
    except ConnectionResetError:
        pass
    return out


def talk(s, *pieces):
    with dial(s) as sock:
        for piece in pieces:
            sock.sendall(piece)
        return rest(sock)


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer else 0


def refused(s, reason):
    return s.metrics().get(f'tieline_http_refused_total{{listener="public",reason="{reason}"}}', 0)


def request_line(site, target):
    s = limited(site, target, {"request_line": "300"})
    assert status(talk(s, b"GET /" + b"x" * 400 + b" HTTP/1.1\r\n" + H + CLOSE + b"\r\n")) == 414
    assert status(talk(s, b"GET /" + b"x" * 200 + b" HTTP/1.1\r\n" + H + CLOSE + b"\r\n")) == 404


def headers(site, target):
    many = b"".join(b"X-%d: 1\r\n" % i for i in range(150))
    for limit, want in ((100, 431), (200, 200)):
        assert status(talk(limited(site, target, {"headers": limit}), b"GET /healthz HTTP/1.1\r\n" + H + CLOSE + many + b"\r\n")) == want


def header_bytes(site, target):
    head = b"GET /healthz HTTP/1.1\r\n" + H + CLOSE + b"X: " + b"x" * 80000 + b"\r\n\r\n"
    for limit, want in (("64KB", 431), ("90KB", 200)):
        assert status(talk(limited(site, target, {"header_bytes": limit}), head)) == want


def chunk_extension(site, target):
    body = b"POST /hooks/shop HTTP/1.1\r\n" + H + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"e" * 300 + b"\r\n{}\r\n0\r\n\r\n"
    for limit, want in (("256", 400), ("1KB", 401)):
        assert status(talk(limited(site, target, {"chunk_extension": limit}), body)) == want


def body_memory(site, target):
    for memory, want in (("1MB", 503), ("4MB", 401)):
        s = limited(site, target, {"body_memory": memory}, body_limit="1MB")
        head = b"POST /hooks/shop HTTP/1.1\r\n" + H + CLOSE + b"Content-Length: 900000\r\n\r\n"
        with dial(s) as first:
            first.sendall(head + b"x" * 700000)
            until(lambda: s.metrics()['tieline_http_body_memory_bytes{listener="public"}'] > 600000)
            with dial(s) as second:
                second.sendall(head)
                if want != 503:
                    second.sendall(b"x" * 900000)
                assert status(rest(second)) == want


def handshake_timeout(site, target):
    c = project(target)
    c["server"].update(tls={"certificate": "one.pem", "key": "one.key"}, limits={"handshake_timeout": "200ms"})
    s = site(c)
    Key(s.folder, "one").certificate("localhost")
    s.start()
    with dial(s) as sock:
        assert rest(sock) == b""
    assert refused(s, "timeout") == 1


def head_timeout(site, target):
    s = limited(site, target, {"head_timeout": "200ms"})
    with dial(s) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHos")
        assert status(rest(sock)) == 408


def slow_body(s):
    with dial(s) as sock:
        sock.sendall(b"POST /hooks/shop HTTP/1.1\r\n" + H + CLOSE + b"Content-Length: 500\r\n\r\nabc")
        return status(rest(sock))


def body_grace(site, target):
    assert slow_body(limited(site, target, {"body_grace": "200ms"})) == 408


def body_rate(site, target):
    s = limited(site, target, {"body_grace": "1s", "body_rate": "1MB"})
    with dial(s) as sock:  # 100 KB in the first second would do by default
        sock.sendall(b"POST /hooks/shop HTTP/1.1\r\n" + H + CLOSE + b"Content-Length: 500000\r\n\r\n" + b"x" * 100000)
        assert status(rest(sock)) == 408


def write_timeout(site, target):
    s = limited(site, target, {"write_timeout": "200ms", "body_rate": "1MB", "requests_per_connection": 100000}, metrics=True)
    with dial(s) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0.5)
        try:
            for _ in range(3000):
                sock.sendall(b"GET /metrics HTTP/1.1\r\n" + H + b"\r\n")
        except OSError:
            pass  # it takes no more, for nobody reads the answers
        until(lambda: refused(s, "timeout") == 1)


def idle_timeout(site, target):
    s = limited(site, target, {"idle_timeout": "200ms"})
    with dial(s) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\n" + H + b"\r\n")
        answer = rest(sock)
    assert status(answer) == 200 and b"Connection: close" not in answer


def requests_per_connection(site, target):
    s = limited(site, target, {"requests_per_connection": 2})
    answer = talk(s, (b"GET /healthz HTTP/1.1\r\n" + H + b"\r\n") * 3)
    assert answer.count(b"HTTP/1.1 200") == 2 and answer.count(b"Connection: close") == 1


def one_too_many(s):
    socks = [dial(s) for _ in range(3)]
    assert rest(socks[2]) == b""
    for sock in socks[:2]:
        sock.sendall(b"GET /healthz HTTP/1.1\r\n" + H + CLOSE + b"\r\n")
        assert status(rest(sock)) == 200
    for sock in socks:
        sock.close()


def connections(site, target):
    one_too_many(limited(site, target, {"connections": 2}))


def connections_per_address(site, target):
    one_too_many(limited(site, target, {"connections_per_address": 2}))


def told(site, target, **limits):
    """The settings that a client of HTTP/2 is told, and its window for all of a connection."""
    s = limited(site, target, limits, behind_proxy="127.0.0.1")
    client = H2(s.port)
    assert client.reply(client.send("GET", "/healthz")).status == 200
    settings, window = client.h2.remote_settings, client.h2.outbound_flow_control_window
    client.close()
    return settings, window


def http2_streams(site, target):
    assert told(site, target)[0].max_concurrent_streams == 100
    assert told(site, target, http2_streams=7)[0].max_concurrent_streams == 7


def http2_stream_window(site, target):
    assert told(site, target)[0].initial_window_size == 256 << 10
    assert told(site, target, http2_stream_window="1MB")[0].initial_window_size == 1 << 20


def http2_window(site, target):
    assert told(site, target)[1] == 1 << 20
    assert told(site, target, http2_window="3MB")[1] == 3 << 20


def pings(client, n):
    """So many, each answered before the next; False: the server has sent us away."""
    for _ in range(n):
        client.h2.ping(b"question")
        client.flush()
        if not client.turn() or client.goaway:
            return False
    return True


def http2_control_frames(site, target):
    for limits, stays in (({}, True), ({"http2_control_frames": 100, "http2_control_rate": 1}, False)):
        s = limited(site, target, limits, behind_proxy="127.0.0.1")
        client = H2(s.port)
        assert pings(client, 300) == stays
        client.close()
        assert refused(s, "malformed") == (0 if stays else 1)


def http2_control_rate(site, target):
    """What was used comes back: of 3,000 all, where more comes back than one can ask."""
    for rate, stays in ((1, False), (100000, True)):
        client = H2(limited(site, target, {"http2_control_frames": 100, "http2_control_rate": rate}, behind_proxy="127.0.0.1").port)
        assert pings(client, 3000) == stays
        client.close()


CASES = {f.__name__: f for f in (
    request_line, headers, header_bytes, chunk_extension, body_memory, handshake_timeout, head_timeout, body_grace, body_rate, write_timeout,
    idle_timeout, requests_per_connection, connections, connections_per_address, http2_streams, http2_stream_window, http2_window,
    http2_control_frames, http2_control_rate)}


@pytest.mark.parametrize("name", CASES)
def test_the_limit_is_kept(site, target, name):
    CASES[name](site, target)


def test_a_signature_behind_many_other_headers_is_seen(site, target):
    s = limited(site, target, {"headers": 200})
    many = {f"x-{n}": "1" for n in range(150)}
    assert s.sender.raw("POST", "/hooks/shop", b"{}", {**many, **github(b"{}")}).status == 200


def test_there_is_no_limit_without_a_case():
    schema = json.loads(subprocess.run([BIN, "schema"], capture_output=True, check=True, timeout=60).stdout)
    assert set(schema["$defs"]["server.limits"]["properties"]) == set(CASES)
    assert set(schema["$defs"]["admin.limits"]["properties"]) == set(CASES)


def test_a_connection_that_stands_is_held_to_the_new_limit(site, target):
    s = limited(site, target, {"http2_control_rate": 1}, behind_proxy="127.0.0.1")
    client = H2(s.port)
    assert pings(client, 300)
    s.config["server"]["limits"]["http2_control_frames"] = 100
    s.configure(s.config)
    assert s.do("/v1/reload")["needs_restart"] == []
    assert not pings(client, 300)
    client.close()


def test_the_console_has_limits_of_its_own(site, target):
    s = site(project(target, admin={"listen": f"127.0.0.1:{free_port()}", "limits": {"connections": 2}}))
    s.start()
    s.port = s.logged("admin.ready")[0]["port"]
    one_too_many(s)


@pytest.mark.parametrize("limits,words", [
    ({"headers": 2}, "server.limits.headers must be at least 8"),
    ({"header_bytes": "1MB"}, "server.limits.header_bytes must be at most 96.0 KB"),
    ({"request_line": "64KB"}, "server.limits.request_line must be at most 24.0 KB"),
    ({"idle_timeout": "0s"}, "server.limits.idle_timeout must be at least 100ms"),
    ({"connections": 0}, "server.limits.connections must be at least 1"),
    ({"http2_control_frames": 5}, "server.limits.http2_control_frames must be at least 100"),
    ({"http2_control_rate": 0}, "server.limits.http2_control_rate must be at least 1"),
    ({"http2_stream": 5}, "http2_streams"),
])
def test_a_limit_that_cannot_be_is_one_sentence_with_its_place(site, target, limits, words):
    c = project(target)
    c["server"]["limits"] = limits
    code, said = site(c).fails()
    assert code == 2 and words in said and "tieline.yaml:" in said and said.count("error") == 1, said


def test_bodies_that_never_fit_are_warned_of(site, target):
    c = project(target)
    c["server"].update(body_limit="1GB")
    c["flows"]["orders"]["from"] = hook("/hooks/shop", body_limit="512MB")
    for memory, warned in (("256MB", 2), ("600MB", 1), ("1GB", 0)):
        c["server"]["limits"] = {"body_memory": memory}
        s = site(c)
        r = subprocess.run([BIN, "check"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
        said = r.stdout + r.stderr
        assert r.returncode == 0 and said.count("has no room for one body") == warned and said.count("warning") >= warned, said


def test_a_stop_waits_as_long_as_it_is_told(site, target):
    s = limited(site, target, drain="1s")
    body = b"{}"
    with dial(s) as sock:
        head = b"".join(f"{n}: {v}\r\n".encode() for n, v in github(body).items())
        sock.sendall(b"POST /hooks/shop HTTP/1.1\r\n" + H + head + b"Content-Length: 2\r\n\r\n{")
        until(lambda: s.metrics()['tieline_http_connections{listener="public"}'] == 1)
        s.stop(timeout=20)  # 30 s by default
        assert rest(sock) == b""
