# SPDX-License-Identifier: Apache-2.0
"""Secrets are planted wherever one can be, the other side repeats them in every answer, every failure path is taken; then
all that was written or printed is searched for them, in every spelling."""
import base64
import copy
import http.client
import json
import subprocess
import urllib.parse

import pytest
from support.login import Login, authorization_code, client_credentials, refresh_token
from support.sender import github
from support.site import BIN, NO_BREAKER, free_port, hook, project, until
from support.target import DROP, Target, answer
from support.vault import Vault

PLANTED = {
    "env": "planted-env/secret+1", "file": "planted-file-secret-2", "store": "planted-store-secret-3", "vault": "planted-vault-secret-4",
    "vault_id": "planted-vault-secret-id-5", "hook": "planted-hook-secret-6", "query": "planted query key&7", "cookie": "planted-cookie-8",
    "bearer_in": "planted-incoming-bearer-9", "client": "planted-client-secret-10", "consumer": "planted-consumer-11",
    "token_secret": "planted-token-secret-12", "refresh": "planted-refresh-13", "hmac": "planted-hmac-secret-14",
    "header": "planted-header-value-15", "sig": "planted-incoming-signature-16", "old_hook": "planted-old-hook-17",
    "password": "planted-password-18", "link": "planted-signed-url-19", "theirs": "planted-token-of-theirs-20", "admin": "planted-admin-token-21-long-enough",
    "own_link": "planted-own-signed-url-22",
}


def spellings(value):
    v = value.encode()
    yield v
    yield urllib.parse.quote(value, safe="").encode()
    yield urllib.parse.quote_plus(value).encode()
    yield json.dumps(value)[1:-1].encode()
    yield base64.b64encode(v)[:len(v) // 3 * 4]
    for user in ("tieline", "u"):  # Basic
        pair = f"{user}:{value}".encode()
        yield base64.b64encode(pair)[:len(pair) // 3 * 4]


LINK = "https://files.example.com/up?X-Amz-Expires=60&X-Amz-Signature=" + PLANTED["link"]


class Echo(Target):
    """Repeats what it was sent, in every answer: headers, address and body of the request, as careless systems do."""

    def __init__(self):
        self.status = 500
        super().__init__(self._echo)

    def _echo(self, r):
        if self.status == "drop":
            return DROP
        text = json.dumps({"error": {"message": " ".join(f"{n}={v}" for n, v in r.headers.items()) + " " + r.path}, "headers": r.headers,
                           "authorization": r.headers.get("authorization"), "url": r.path,
                           "id": f"{r.path} {r.headers.get('authorization')} {r.headers.get('cookie')} {r.headers.get('x-signature')}"})
        if self.status == 201:  # the address of what was made, asked for as this was: it stays as the answer
            return answer(201, b"", location=self.url + r.path + "/4711")
        if self.status == "bare":  # no words in it: all of it is what it says
            return answer(422, json.dumps({"n": 1, "access_token": PLANTED["theirs"], "upload": LINK}).encode(), location=LINK)
        if self.status == "text":
            return answer(200, f"<html><title>{r.headers} {r.path} {LINK}</title>".encode())
        return answer(self.status, text.encode(), x_echo=r.headers.get("authorization", "none"), set_cookie="session=" + PLANTED["cookie"])


class EchoLogin(Login):
    def _answer(self, r):
        a = super()._answer(r)
        if r.path == "/token" and a.status >= 400:
            body = json.loads(a.body)
            body["error_description"] = f"you sent {r.body.decode()} {urllib.parse.unquote_plus(r.body.decode())} {r.headers}"
            return a._replace(body=json.dumps(body).encode())
        return a


@pytest.fixture
def world(site, tmp_path):
    echo, login, vault = Echo(), EchoLogin(), Vault()
    login.clients = {("tieline", PLANTED["client"])}
    vault.logins["auth/approle/login"] = {"role_id": "role", "secret_id": PLANTED["vault_id"]}
    vault.kv2["kv/a"] = {"password": PLANTED["vault"]}
    file = tmp_path / "planted.secret"
    file.write_text(PLANTED["file"])
    file.chmod(0o600)
    env = {"P_ENV": PLANTED["env"], "P_VAULT": PLANTED["vault_id"], "HOOK_SECRET": PLANTED["hook"], "OLD_HOOK": PLANTED["old_hook"],
           "P_QUERY": PLANTED["query"], "CLIENT_SECRET": PLANTED["client"], "P_CONSUMER": PLANTED["consumer"],
           "P_TOKEN": PLANTED["token_secret"], "REFRESH_TOKEN": PLANTED["refresh"], "P_HMAC": PLANTED["hmac"],
           "P_HEADER": PLANTED["header"], "P_ADMIN": PLANTED["admin"], "P_LINK": PLANTED["own_link"], "P_PASSWORD": PLANTED["password"],
           "TIELINE_SECRETS_KEY": base64.b64encode(b"k" * 32).decode()}
    auths = {
        "basic_env": {"basic": {"user": "u", "password": "${env:P_ENV}"}},
        "basic_file": {"basic": {"user": "u", "password": "${file:%s}" % file}},
        "basic_store": {"basic": {"user": "u", "password": "${store:planted}"}},
        "basic_vault": {"basic": {"user": "u", "password": "${vault:kv/a#password}"}},
        "query": {"api_key": {"in": "query", "name": "key", "key": "${env:P_QUERY}"}},
        "signed_link": {"api_key": {"in": "query", "name": "sig", "key": "${env:P_LINK}"}},
        "cookie": {"api_key": {"in": "cookie", "name": "session", "key": "${env:P_PASSWORD}"}},
        "bearer": {"bearer": {"token": "${env:P_ENV}"}},
        "oauth1": {"oauth1": {"consumer_key": "ck", "consumer_secret": "${env:P_CONSUMER}", "token": "t", "token_secret": "${env:P_TOKEN}"}},
        "signed": {"hmac": {"secret": "${env:P_HMAC}", "header": "x-signature"}},
        "client": client_credentials(login, client_auth="client_secret_post"),
        "client_basic": client_credentials(login),
        "refresh": refresh_token(login),
        "password": {"oauth2_password": {"user": "u", "password": "${env:P_PASSWORD}", "token_url": login.url + "/token", "client_id": "tieline",
                                         "client_secret": "${env:CLIENT_SECRET}"}},
        "code": authorization_code(login),
    }
    c = project(echo, log={"format": "json", "level": "debug"},
                secrets={"every": "300ms", "vault": {"address": vault.url, "login": {"approle": {"role_id": "role", "secret_id": "${env:P_VAULT}"}}}})
    c["connections"], c["flows"] = {}, {}
    for name, auth in auths.items():
        c["connections"][name] = {"type": "http", "url": echo.url, "timeout": "2s", "auth": auth, "probe": "/me", "limits": dict(NO_BREAKER),
                                  "headers": {"x-planted": "${env:P_HEADER}"}}
        c["flows"][name] = {"from": hook(f"/hooks/{name}"), "to": {"connection": name, "post": f"/{name}"},
                            "retry": {"attempts": 2, "backoff": "10ms..20ms", "jitter": "none"}}
    c["connections"]["nobody"] = {"type": "http", "url": "https://127.0.0.1:1", "auth": copy.deepcopy(auths["query"]), "probe": "/me"}
    c["flows"]["nobody"] = {"from": hook("/hooks/nobody"), "to": {"connection": "nobody", "post": "/x"}}
    c["admin"] = {"listen": f"127.0.0.1:{free_port()}", "tokens": [{"name": "console", "role": "admin", "secret": "${env:P_ADMIN}"}]}
    c["flows"]["basic_env"]["from"]["webhook"]["verify"]["github"]["secret"] = ["${env:HOOK_SECRET}", "${env:OLD_HOOK}"]
    s = site(c, env=env)
    done = subprocess.run([BIN, "secrets", "set", "planted"], cwd=s.folder, env=s.env, input=PLANTED["store"], capture_output=True, text=True)
    assert done.returncode == 0, done
    yield s, echo, login, vault
    for t in (echo, login, vault):
        t.stop()


def run(s, *args):
    r = subprocess.run([BIN, *args], cwd=s.folder, env=s.env, capture_output=True, timeout=60)
    return r.stdout + r.stderr


def drive(s, echo, login, vault):
    """Every failure path; what was printed on the way."""
    out, bad = [], {"authorization": "Bearer " + PLANTED["bearer_in"], "cookie": "sid=" + PLANTED["cookie"], "x-hub-signature": PLANTED["sig"]}
    flows = list(s.config["flows"])
    for f in flows:
        out.append(json.dumps(s.do(f"/v1/flows/{f}/debug", {"for": "10m", "bodies": True})).encode())
    for status in (500, 403, 429, 400, 422, "bare", 200, 201, "text", 302, 204, "drop", 503, 401):
        echo.status = status
        if status == 400:
            login.clients, good = set(), login.clients
        for f in flows:
            r = s.sender.post({"n": 1}, path=f"/hooks/{f}", headers=bad, secret=PLANTED["hook"])
            out.append(r.text.encode())
            forged = s.sender.raw("POST", f"/hooks/{f}", b"{}", {**github(b"{}", secret="x"), **bad})
            out.append(forged.text.encode())
        until(lambda: not any(f["counts"]["running"] for f in s.get("/v1/status")["flows"]), timeout=30)
        for c in s.config["connections"]:
            if status in (403, 400, "text", 401):
                out.append(run(s, "connect", c, "--test", "--json"))
                out.append(run(s, "connect", c, "--test"))
            s.do(f"/v1/connections/{c}/resume")
        if status == 400:
            login.clients = good
    vault.sealed = True
    vault.kv2.clear()
    echo.stop()
    for f in flows:
        s.sender.post({"n": 2}, path=f"/hooks/{f}", secret=PLANTED["hook"])
    until(lambda: s.get("/v1/status")["vault"]["age_ms"] > 500)
    return out


def every_answer(s):
    """All that the console can ask for: each GET of the API's own description, on the operators' listener, as an admin."""
    port, head, ids = s.config["admin"]["listen"].rsplit(":", 1)[1], {"Authorization": "Bearer " + PLANTED["admin"]}, [e["id"] for e in s.list()]
    paths, out = s.get("/v1/openapi.json")["paths"], []
    for path, methods in paths.items():
        if "get" not in methods or "stream" in path or "feed" in path or path.endswith("/body"):
            continue  # a body is the event's own payload
        kinds = {"{flow}": s.config["flows"], "{connection}": s.config["connections"], "{id}": ids,
                 "{name}": [*s.config["flows"], *s.config["connections"]]}
        wanted = [w for w in kinds if w in path]
        for value in kinds[wanted[0]] if wanted else [""]:
            conn = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
            conn.request("GET", path.replace(wanted[0], urllib.parse.quote(value)) if wanted else path, headers=head)
            answer_ = conn.getresponse()
            out.append(answer_.read())
            assert answer_.status != 401, path
            conn.close()
    assert len(out) > 60 and sum(b'"error"' not in o[:20] for o in out) > 40, len(out)
    return out


def look(s):
    out = [run(s, *args) for args in (("status",), ("status", "--json"), ("events", "list", "--json"), ("dlq", "list"), ("dlq", "groups", "--json"),
                                      ("check",), ("check", "--json", "--secrets"), ("secrets", "list"))]
    for e in s.list():
        out.append(run(s, "events", "show", e["id"], "--json"))
    out.append(s.call("GET", "/metrics").text.encode())
    out.append(s.call("GET", "/v1/config").text.encode())
    return out


def find(name, text, values):
    for label, value in values.items():
        for spelled in spellings(value):
            at = text.find(spelled)
            assert at < 0, f"{label} is in {name}: ...{text[max(at - 200, 0):at + 60]!r}"


def test_no_secret_is_in_anything_that_is_written_or_printed(world):
    s, echo, login, vault = world
    s.start()
    printed = drive(s, echo, login, vault)
    printed += look(s)
    printed += every_answer(s)
    requests = {r.path.split("?")[0]: r for r in echo.all()}
    assert "/basic_vault" in requests and "/client" in requests and "/oauth1" in requests, "they were really used"
    assert requests["/query"].path != "/query" and "authorization" in requests["/basic_file"].headers
    values = dict(PLANTED)
    values |= {f"access token {n}": t for n, t in enumerate(login.access)} | {f"refresh token {n}": t for n, t in enumerate(login.refresh | login.used)}
    values |= {f"signature {n}": r.headers["x-signature"] for n, r in enumerate(echo.all("/signed"))}
    values |= {f"vault token {n}": t for n, t in enumerate(vault.tokens)}
    signature = "oauth_signature=\""
    values |= {f"oauth1 {n}": r.headers["authorization"].split(signature)[1].split('"')[0] for n, r in enumerate(echo.all("/oauth1"))}
    assert len(values) > len(PLANTED) + 10
    with open(f"/proc/{s.process.pid}/limits") as f:
        assert any(line.startswith("Max core file size") and line.split()[4] == "0" for line in f), "no core dump holds them"
    s.stop()
    find("what was printed", b"\n".join(printed), values)
    find("the log", s.log.encode(), values)
    for f in (s.folder / "data").rglob("*"):
        if f.is_file():
            find(str(f), f.read_bytes(), values)
    store = (s.folder / "secrets.tls").read_bytes()
    find("the store", store, values)
