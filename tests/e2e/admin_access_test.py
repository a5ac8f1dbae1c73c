# SPDX-License-Identifier: Apache-2.0
"""Who may do what over TCP: tokens, roles, sessions of browsers, wrong tokens, what other sites' pages can do."""
import http.client
import socket
import stat
import subprocess
import threading
import time

import pytest
from support.h2 import H2
from support.site import Site, free_port, project, until
from support.target import Target
from support.web import Web, client, local_token, tls_client


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = Target()
    config = project(target, admin={"listen": f"127.0.0.1:{free_port()}", "session": "1h",
                                    "tokens": [{"name": "board", "role": "viewer", "secret": "${env:BOARD_TOKEN}"}]})
    s = Site(tmp_path_factory.mktemp("admin"), config, env={"BOARD_TOKEN": "b" * 40}).start()
    yield s
    s.clean_up()
    target.stop()


def test_the_first_token_is_in_the_data_directory_for_its_owner_only(site):
    path = site.folder / "data/admin.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    me = client(site).get("/v1/session")
    assert (me["who"], me["role"], me["how"]) == ("token local", "admin", "token")
    assert local_token(site) not in site.log


def test_without_a_token_nothing_is_told_but_how_to_sign_in(site):
    port = client(site).port
    for path in ("/v1/session", "/v1/status", "/v1/events", "/v1/config", "/v1/nothing"):
        r = Web(port).raw("GET", path)
        assert r.status == 401 and "orders" not in r.text
        assert r.json["sign_in"]["token"] is True and r.headers["www-authenticate"].startswith("Bearer")


def test_a_token_of_the_configuration_has_its_role(site):
    board = Web(client(site).port, "b" * 40)
    assert board.get("/v1/session")["role"] == "viewer"
    assert board.get("/v1/status")["running"] is True
    assert board.raw("POST", "/v1/flows/orders/pause", {"reason": "x"}).status == 403


def test_a_token_is_made_shown_once_kept_as_a_hash_and_revoked(site):
    web = client(site)
    made = web.post("/v1/tokens", {"name": "ci", "role": "operator", "expires": "90d", "reason": "deploys"})
    assert made["token"].startswith("tl_") and made["expires_at"]
    ci = Web(web.port, made["token"])
    assert ci.get("/v1/session")["who"] == "token ci"
    listed = web.raw("GET", "/v1/tokens")
    assert made["token"] not in listed.text and {t["name"] for t in listed.json["tokens"]} >= {"local", "board", "ci"}
    assert web.raw("POST", "/v1/tokens", {"name": "ci", "reason": "again"}).status == 409
    assert ci.raw("GET", "/v1/tokens").status == 403, "an operator does not see who has tokens"
    ledger = b"".join(p.read_bytes() for p in (site.folder / "data").glob("ledger.db*"))
    assert made["token"].encode() not in ledger
    assert web.raw("DELETE", "/v1/tokens/ci?reason=left").status == 200
    assert ci.raw("GET", "/v1/session").status == 401
    assert web.raw("DELETE", "/v1/tokens/ci?reason=left").status == 404
    assert web.raw("DELETE", "/v1/tokens/board?reason=left").status == 409


def test_a_browser_signs_in_with_a_cookie_that_scripts_and_other_sites_cannot_use(site):
    port = client(site).port
    browser = Web(port)
    r = browser.sign_in(local_token(site))
    cookie = r.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert local_token(site) not in cookie
    me = browser.get("/v1/session")
    assert me["how"] == "session" and me["csrf"] == browser.csrf and me["expires_at"]
    browser.post("/v1/flows/orders/pause", {"reason": "a look"})
    browser.post("/v1/flows/orders/resume", {"reason": "seen"})


@pytest.mark.parametrize("how", ["no header", "a wrong one", "another site's page"])
def test_a_change_in_a_session_needs_what_only_our_page_can_add(site, how):
    browser = Web(client(site).port)
    browser.sign_in(local_token(site))
    if how == "no header":
        browser.csrf = None
    elif how == "a wrong one":
        browser.csrf = "x" * len(browser.csrf)
    headers = {"Sec-Fetch-Site": "cross-site"} if how == "another site's page" else {}
    assert browser.raw("POST", "/v1/flows/orders/pause", {"reason": "x"}, headers).status == 403
    assert site.flow()["held"] is None
    if how == "another site's page":
        assert Web(browser.port).raw("POST", "/v1/session", {"token": local_token(site)}, headers).status == 403


def test_signing_out_ends_the_session_and_so_does_the_end_of_its_token(site):
    web = client(site)
    browser = Web(web.port)
    browser.sign_in(local_token(site))
    assert browser.raw("DELETE", "/v1/session").status == 200
    assert browser.raw("GET", "/v1/status").status == 401
    token = web.post("/v1/tokens", {"name": "guest", "reason": "a visit"})["token"]
    guest = Web(web.port)
    guest.sign_in(token)
    assert guest.get("/v1/session")["role"] == "viewer"
    web.raw("DELETE", "/v1/tokens/guest?reason=over")
    assert guest.raw("GET", "/v1/session").status == 401


def test_no_answer_can_be_framed_sniffed_or_given_scripts_of_others(site):
    web = client(site)
    for path in ("/", "/events", "/v1/status", "/v1/nothing", "/no.js", "/healthz", "/readyz", "/metrics"):
        r = web.raw("GET", path)
        policy = r.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy and "unsafe" not in policy, path
        assert r.headers["x-frame-options"] == "DENY" and r.headers["x-content-type-options"] == "nosniff"


# Each request, and what the answer is called. What no handler sees is answered by the server itself.
BELOW = [(b"PUT /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405), (b"GET /healthz\r\n\r\n", 400), (b"GET  / HTTP/1.1\r\n\r\n", 400),
         (b"GET /" + b"x" * 300 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414), (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 20 + b"\r\n", 431),
         (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501), (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
         (b"POST /v1/plan HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n", 413),
         (b"POST /v1/plan HTTP/1.1\r\nHost: a\r\nExpect: cake\r\n\r\n", 417),
         (b"GET / HTTP/1.1\r\nHos", 408), (b"POST /v1/plan HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{", 408)]


def test_nor_can_an_answer_that_no_handler_gave(tmp_path):
    target = Target()
    listener = {"listen": f"127.0.0.1:{free_port()}", "behind_proxy": "127.0.0.1", "body_limit": "1KB",
                "limits": {"head_timeout": "200ms", "body_grace": "200ms", "request_line": "256", "headers": 8}}
    s = Site(tmp_path, project(target, admin=listener)).start()
    try:
        secure = [n for n in client(s).raw("GET", "/healthz").headers if n.startswith(("content-security", "x-", "cross-", "referrer-", "permissions-"))]
        assert len(secure) == 7, secure
        for reloaded in (False, True):
            if reloaded:
                s.change(lambda c: c["admin"]["limits"].update(headers=9))
                assert s.do("/v1/reload")["needs_restart"] == []
            for request, want in BELOW:
                with socket.create_connection(("127.0.0.1", client(s).port), timeout=30) as sock:
                    sock.sendall(request)
                    answer = http.client.HTTPResponse(sock)
                    answer.begin()
                    assert answer.status == want, request
                    for name in secure:
                        assert len(answer.headers.get_all(name, [])) == 1, (request, name)
        h2 = H2(client(s).port)
        for method, path, want in (("GET", "/healthz", 200), ("PUT", "/healthz", 405), ("GET", "/" + "x" * 300, 414), ("GET", "/x", 200)):
            got = h2.reply(h2.send(method, path))
            assert got.status == want and set(secure) <= set(got.headers), (path, got.headers)
        h2.close()
    finally:
        s.clean_up()
        target.stop()


# POST because of what they are asked with, not because they change something: who may look may call them.
LOOKS = {"/v1/plan", "/v1/mappings/evaluate", "/v1/mappings/shadow", "/v1/mappings/samples/run", "/v1/mappings/samples/propose",
         "/v1/connections/{name}/prepare"}
ADMINS = {("post", "/v1/reload"), ("post", "/v1/snapshot"), ("get", "/v1/tokens"), ("post", "/v1/tokens"), ("delete", "/v1/tokens/{name}"),
          ("post", "/v1/ledger/rekey"), ("post", "/v1/mappings/samples")}


def test_a_viewer_changes_nothing_and_an_operator_neither_configuration_nor_tokens(site):
    """Over every operation of the description, so that a new one is in it by itself."""
    viewer, operator = client(site, "viewer", "v1"), client(site, "operator", "o1")
    roles = {(method, path): op["x-role"] for path, of in viewer.get("/v1/openapi.json")["paths"].items() for method, op in of.items()
             if path.startswith("/v1/") and not path.startswith("/v1/session")}
    assert ADMINS <= {k for k, role in roles.items() if role == "admin"}, "an operator may not do these"
    for (method, path), role in roles.items():
        if method == "get" and role == "viewer":
            continue
        assert method == "get" or role != "viewer" or path in LOOKS, f"{method} {path} changes something and takes no role"
        url = path.replace("{flow}", "orders").replace("{id}", "0000000000001").replace("{fingerprint}", "0000000000001").replace("{name}", "orders")
        if role != "viewer":
            r = viewer.raw(method.upper(), url, {"reason": "x"})
            assert r.status == 403 and role in r.text, (path, r)
        if role == "admin":
            r = operator.raw(method.upper(), url, {"reason": "x"})
            assert r.status == 403 and "admin" in r.text, (path, r)
        elif path != "/v1/events/{id}/reveal":  # that one asks the configuration besides
            assert operator.raw(method.upper(), url, {"reason": "x"}).status != 403, path


def test_a_body_holds_what_the_description_says_and_nothing_else(site):
    web, wrong = client(site), {"string": 7, "boolean": "yes", "integer": "three", "object": []}
    for path, of in web.get("/v1/openapi.json")["paths"].items():
        schema = of.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if "properties" not in schema:
            continue
        assert schema["additionalProperties"] is False
        url = path.replace("{flow}", "orders").replace("{id}", "0000000000001").replace("{fingerprint}", "0000000000001").replace("{name}", "orders")
        r = web.raw("POST", url, {"reason": "x", "no_such_member": 1})
        assert r.status == 400 and "`no_such_member`" in r.text and path in r.text, (path, r)
        for name, member in schema["properties"].items():
            if "type" in member:
                r = web.raw("POST", url, {"reason": "x", name: wrong[member["type"]]})
                assert r.status == 400 and f"`{name}` must be" in r.text, (path, name, r)
    assert site.flow()["held"] is None
    r = web.raw("DELETE", "/v1/tokens/board", {"reasn": "typo"})
    assert r.status == 400 and "did you mean `reason`?" in r.text, r


def test_a_wrong_token_waits_longer_each_time_and_a_right_one_does_not_wait_for_it(site):
    port, web = client(site).port, client(site)
    began = time.monotonic()
    times = []
    for _ in range(4):
        t = time.monotonic()
        assert Web(port, "tl_wrong", source="127.0.0.7").raw("GET", "/v1/status").status == 401
        times.append(time.monotonic() - t)
    assert times[0] >= 0.25 and times[3] >= 2.0, times
    slow = threading.Thread(target=lambda: Web(port, "tl_wrong", source="127.0.0.7").raw("GET", "/v1/status"))
    slow.start()
    t = time.monotonic()
    web.get("/v1/session")
    assert time.monotonic() - t < time.monotonic() - began
    assert slow.is_alive(), "the right token was answered while the wrong one still waited"
    slow.join()


def test_many_wrong_tokens_at_once_are_sent_away_and_a_right_one_of_their_address_is_let_in(site):
    web, got = client(site), []

    def one():
        got.append(Web(web.port, "tl_wrong", source="127.0.0.9").raw("GET", "/v1/status").status)

    threads = [threading.Thread(target=one) for _ in range(40)]
    for t in threads:
        t.start()
    until(lambda: got.count(429) >= 20)  # 16 wait now
    right = [Web(web.port, web.token, source="127.0.0.9").raw("GET", "/v1/session").status for _ in range(3)]
    still_waiting = any(t.is_alive() for t in threads)
    for t in threads:
        t.join()
    assert right == [200, 200, 200] and still_waiting, "behind a proxy or a tunnel one address is everybody"
    assert got.count(429) >= 20 and got.count(401) >= 1 and set(got) == {401, 429}, got


def test_a_session_ends_with_its_token(site):
    web = client(site)
    token = web.post("/v1/tokens", {"name": "brief", "role": "operator", "expires": "2s", "reason": "a test"})
    browser = Web(web.port)
    r = browser.sign_in(token["token"])
    assert r.json["expires_at"] == token["expires_at"] == browser.get("/v1/session")["expires_at"]
    assert int(r.headers["set-cookie"].split("Max-Age=")[1].split(";")[0]) <= 2
    until(lambda: Web(web.port, token["token"]).raw("GET", "/v1/session").status == 401)
    assert browser.raw("GET", "/v1/session").status == 401
    assert browser.raw("POST", "/v1/flows/orders/pause", {"reason": "x"}).status == 401 and site.flow()["held"] is None


def test_a_token_that_has_no_place_is_not_made_and_expired_ones_take_none(site):
    web, made = client(site), []
    web.post("/v1/tokens", {"name": "brief-too", "expires": "1s", "reason": "a test"})
    for i in range(300):
        r = web.raw("POST", "/v1/tokens", {"name": f"t{i}", "reason": "a test"})
        if r.status != 201:
            break
        made.append(r.json["token"])
    assert r.status == 413 and "revoke" in r.text, r
    assert len(made) > 200
    for token in (made[0], made[-1]):
        assert Web(web.port, token).raw("GET", "/v1/session").status == 200, "what was shown works"
    for i in range(len(made)):
        web.raw("DELETE", f"/v1/tokens/t{i}?reason=over")


def test_the_head_of_a_stream_is_answered_and_takes_no_place(site):
    web = client(site)
    for _ in range(70):  # there are places for 64
        r = web.raw("HEAD", "/v1/stream", timeout=10)
        assert r.status == 200 and r.headers["content-type"] == "text/event-stream", r


def test_the_first_token_is_for_this_machine_only(tmp_path, target):
    """Behind a proxy the caller is whoever the proxy names."""
    config = project(target, admin={"listen": f"127.0.0.1:{free_port()}", "behind_proxy": ["127.0.0.1"]})
    s = Site(tmp_path, config).start()
    try:
        web = client(s)
        assert web.get("/v1/session")["role"] == "admin"
        assert web.raw("GET", "/v1/session", headers={"X-Forwarded-For": "203.0.113.9"}).status == 401
        made = web.post("/v1/tokens", {"name": "far", "role": "admin", "reason": "a test"})["token"]
        assert Web(web.port, made).raw("GET", "/v1/session", headers={"X-Forwarded-For": "203.0.113.9"}).status == 200
    finally:
        s.clean_up()


def stream_lines(port, tls):
    c = http.client.HTTPSConnection("localhost", port, timeout=20, context=tls)
    try:
        c.request("GET", "/v1/stream")
        r = c.getresponse()
        assert r.status == 200
        while line := r.readline():
            yield line.decode()
    finally:
        c.close()


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


def test_a_client_certificate_has_the_role_that_its_name_is_given(tmp_path, target):
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(tmp_path, "req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test ca")
    for name in ("localhost", "ops.example.com", "stranger.example.com"):
        openssl(tmp_path, "req", *ec, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}",
                "-addext", f"subjectAltName=DNS:{name}")
        openssl(tmp_path, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-copy_extensions", "copy", "-out", f"{name}.pem")
    tls = {"certificate": "localhost.pem", "key": "localhost.key", "client_ca": "ca.pem"}
    certificates = [{"name": "ops.example.com", "role": "operator"}]
    s = Site(tmp_path, project(target, admin={"listen": f"127.0.0.1:{free_port()}", "tls": tls, "certificates": certificates})).start()
    try:
        port = s.logged("admin.ready")[-1]["port"]
        ca = tmp_path / "ca.pem"
        ops = Web(port, tls=tls_client(ca, tmp_path / "ops.example.com.pem", tmp_path / "ops.example.com.key"))
        me = ops.get("/v1/session")
        assert (me["who"], me["role"], me["how"]) == ("certificate ops.example.com", "operator", "certificate")
        site_of_others = {"Origin": "https://evil.example"}
        for headers in ({"Sec-Fetch-Site": "cross-site", **site_of_others}, {"Sec-Fetch-Site": "same-site"}, site_of_others,
                        {"Origin": "null"}, {"Origin": f"http://localhost:{port}"}, {"Origin": "https://localhost:1"}):
            r = ops.raw("POST", "/v1/flows/orders/pause?reason=csrf", b"", {"Content-Type": "text/plain", **headers})
            assert r.status == 403 and "another site" in r.text and s.flow()["held"] is None, (headers, r)
        assert ops.raw("GET", "/v1/events", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
        for headers in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": f"https://localhost:{port}"}):
            assert ops.raw("POST", "/v1/flows/orders/resume?reason=ours", headers=headers).status == 200, headers
        other = tls_client(ca, tmp_path / "stranger.example.com.pem", tmp_path / "stranger.example.com.key")
        assert Web(port, tls=other).raw("GET", "/v1/session").status == 401
        browser = Web(port, tls=tls_client(ca))
        assert "; Secure" in browser.sign_in(local_token(s)).headers["set-cookie"]
        lines = stream_lines(port, ops.tls)
        assert next(lines).startswith("retry")
        s.configure(project(target, admin={"listen": f"127.0.0.1:{port}", "tls": tls})).do("/v1/reload")
        assert any("signed out" in line for line in lines), "the stream ends with what let it in"
    finally:
        s.clean_up()


def test_nothing_listens_beyond_loopback_unless_asked_and_then_only_with_tls(tmp_path, target):
    config = project(target)
    config["server"]["listen"] = f"127.0.0.1:{free_port()}"
    s = Site(tmp_path, config).start()
    try:
        listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout
        mine = [line.split()[3] for line in listening.splitlines() if f"pid={s.process.pid}," in line]
        assert mine and all(a.startswith("127.0.0.1:") for a in mine), mine
    finally:
        s.clean_up()
    config["admin"] = {"listen": "0.0.0.0:19090"}
    code, said = Site(tmp_path / "far", config).fails()
    assert code == 2 and "admin.listen" in said and "tls" in said


def test_a_taken_default_port_is_a_warning_and_a_taken_written_one_an_error(tmp_path, target):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        config = project(target, admin={"listen": f"127.0.0.1:{other.getsockname()[1]}"})
        code, said = Site(tmp_path, config).fails()
        assert code != 0 and str(other.getsockname()[1]) in said


def test_a_short_token_in_the_configuration_is_refused(tmp_path, target):
    config = project(target, admin={"listen": f"127.0.0.1:{free_port()}", "tokens": [{"name": "x", "secret": "${env:SHORT}"}]})
    code, said = Site(tmp_path, config, env={"SHORT": "abc"}).fails()
    assert code == 2 and "shorter" in said and "abc" not in said


def test_a_first_token_that_others_can_read_is_refused(tmp_path, target):
    s = Site(tmp_path, project(target, admin={"listen": f"127.0.0.1:{free_port()}"})).start()
    s.stop()
    (tmp_path / "data/admin.token").chmod(0o644)
    code, said = s.fails()
    assert code == 2 and "chmod 600" in said
    s.clean_up()
