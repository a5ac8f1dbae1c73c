# SPDX-License-Identifier: Apache-2.0
"""Every setting is applied by a reload, and its effect seen, or named as needing a restart. There is no third kind."""
import copy
import json
import socket
import subprocess

import pytest
from support.h2 import H2
from support.keys import Key
from support.sender import Sender, github
from support.site import BIN, free_port, hook, project, until
from support.web import Web

TOKEN = "tl_a-token-of-24-characters-at-least"


def settings():
    """Paths of all settings; of those in a list, a map or a choice, that of the whole; of tls and telemetry likewise."""
    schema = json.loads(subprocess.run([BIN, "schema"], capture_output=True, check=True, timeout=60).stdout)
    paths = set()

    def walk(name, path):
        for key, field in schema["$defs"][name]["properties"].items():
            inner = field["allOf"][0].get("$ref", "").removeprefix("#/$defs/")
            if not path and inner in ("server", "admin", "store", "log", "egress"):
                walk(inner, key + ".")
            else:
                paths.add(path + key)
    walk(schema["$ref"].removeprefix("#/$defs/"), "")
    return paths


def put(c, path, value):
    *way, last = path.split(".")
    for key in way:
        c = c.setdefault(key, {})
    c[last] = value


def base(target):
    c = project(target, flows={"inner": {"from": hook("/hooks/inner", allow=["203.0.113.0/24"]), "to": {"connection": "erp", "post": "/inner"}}},
                admin={"listen": f"127.0.0.1:{free_port()}", "behind_proxy": ["127.0.0.1"]})
    c["server"]["behind_proxy"] = ["127.0.0.1"]
    return c


# ---- what is named ----
RESTART = {
    "server.listen": "127.0.0.1:1", "server.tls": {"certificate": "one.pem", "key": "one.key"}, "server.proxy_protocol": True, "server.threads": 7,
    "admin.listen": "127.0.0.1:1", "admin.tls": {"certificate": "one.pem", "key": "one.key"}, "admin.proxy_protocol": True, "admin.off": True,
    "store.path": "./other", "store.inline_max": "2KB", "store.unsafe_no_sync": True, "store.encrypt": {"key": "${file:ledger.key}"},
    "log.format": "text", "telemetry": {"url": "http://127.0.0.1:1"},
}


def test_what_only_a_start_reads_is_named(site, target):
    s = site(base(target))
    Key(s.folder, "one").certificate("localhost")
    (s.folder / "ledger.key").write_text(subprocess.run([BIN, "secrets", "key"], capture_output=True, check=True, text=True, timeout=60).stdout)
    (s.folder / "ledger.key").chmod(0o600)
    s.start()
    for path, value in RESTART.items():
        c = base(target)
        c["server"]["listen"], c["admin"]["listen"] = s.config["server"]["listen"], s.config["admin"]["listen"]
        before = copy.deepcopy(s.config)
        put(c, path, value)
        s.configure(c)
        named = s.do("/v1/reload?dry_run=true")["needs_restart"]
        assert named and all(n == path or n.startswith(path + ".") for n in named), (path, named)
        s.configure(before)
    assert s.do("/v1/reload?dry_run=true")["needs_restart"] == []


# ---- what is applied ----
def health(port, headers=None):
    return Sender(port).raw("GET", "/healthz", headers=headers).status


def inner(s, *from_):
    return [s.sender.post({}, path="/hooks/inner", headers={"X-Forwarded-For": a}).status for a in from_]


def speaks_h2(port):
    try:
        client = H2(port)
        return client.reply(client.send("GET", "/healthz")).status == 200
    except (OSError, AssertionError, KeyError):
        return False


def many_headers(port):
    return health(port, {f"x-{i}": "1" for i in range(20)})


def admin(s):
    return int(s.config["admin"]["listen"].split(":")[1])


def debug_line(s):
    s.post({"n": 1})
    return any('"level":"debug"' in line for line in s.lines)


def console(s):
    return Web(admin(s), TOKEN).raw("GET", "/v1/status").status


def dies(s):
    """What is sent to the target now does not come there; the flow is held for its configuration."""
    s.post({"n": 1})
    return until(lambda: s.flow()["held"] or s.connection()["held"])


FAR = {"X-Forwarded-For": "198.51.100.9"}
# path: new value, what is seen before and after
APPLIED = {
    "version": None,  # there is one
    "server.behind_proxy": (["192.0.2.1"], lambda s: inner(s, "203.0.113.9"), [200], [403]),
    "server.allow": (["203.0.113.0/24"], lambda s: health(s.port, FAR), 200, 403),
    "server.body_limit": ("1KB", lambda s: s.sender.post({"x": "x" * 5000}).status, 200, 413),
    "server.limits": ({"headers": 12}, lambda s: many_headers(s.port), 200, 431),
    "server.http2": (False, lambda s: speaks_h2(s.port), True, False),
    "server.metrics": (True, lambda s: s.sender.raw("GET", "/metrics").status, 404, 200),
    "server.drain": None,  # test_a_shorter_drain_is_that_of_the_next_stop
    "admin.behind_proxy": (["192.0.2.1"], lambda s: Web(admin(s), s.first_token).raw("GET", "/v1/session", headers=FAR).status, 401, 200),
    "admin.allow": (["203.0.113.0/24"], lambda s: health(admin(s), FAR), 200, 403),
    "admin.body_limit": ("1KB", lambda s: Web(admin(s), s.first_token).raw("POST", "/v1/plan", json.dumps({"x": "x" * 5000})).status, 400, 413),
    "admin.limits": ({"headers": 12}, lambda s: many_headers(admin(s)), 200, 431),
    "admin.http2": (False, lambda s: speaks_h2(admin(s)), True, False),
    "admin.tokens": ([{"name": "m", "role": "viewer", "secret": "${env:TOKEN}"}], console, 401, 200),
    "admin.reveal": None, "admin.session": None, "admin.certificates": None, "admin.oidc": None,  # handed to the console as one, with the tokens
    "store.keep_keys": None, "store.keep_events": None,  # a minute at least: what_is_to_be_kept_may_change_with_the_configuration
    "store.reserve": ("100000GB", lambda s: until(lambda: s.sender.post({}).status in s.wanted), True, True),
    "log.level": ("debug", debug_line, False, True),
    "egress.allow_private": (False, dies, None, "any"),
    "egress.allow": None,  # with the ones beside it: one policy
    "egress.deny": (["127.0.0.0/8"], dies, None, "any"),
    "include": None,  # test_a_file_that_is_included_is_read_again
    "secrets": None,  # read from the plan in force at each round
    "connections": None, "models": None, "schemas": None, "mappings": None, "flows": None, "alerts": None,  # reload_test, alerts_test
}


def test_a_file_that_is_included_is_read_again(site, target):
    s = site(base(target)).start()
    (s.folder / "more").mkdir()
    (s.folder / "more/one.yaml").write_text(json.dumps({"flows": {"more": {"from": {"webhook": {"path": "/more", "unsigned": True}},
                                                                            "to": {"connection": "erp", "post": "/more"}}}}))
    assert s.sender.raw("POST", "/more", b"{}").status == 404
    s.change(lambda c: c.update(include=["more/*.yaml"])).do("/v1/reload")
    assert s.sender.raw("POST", "/more", b"{}").status == 200


def test_a_setting_is_of_one_kind():
    assert not set(APPLIED) & set(RESTART)
    assert set(APPLIED) | set(RESTART) == settings()


@pytest.mark.parametrize("path", [p for p, case in APPLIED.items() if case])
def test_it_is_applied_at_once(site, target, path):
    value, look, before, after = APPLIED[path]
    s = site(base(target), env={"TOKEN": TOKEN}).start()
    s.first_token = (s.folder / "data/admin.token").read_text().strip()
    if path == "store.reserve":
        s.wanted = (200,)
        assert look(s)
        s.wanted = (503,)
    elif before is not None:
        assert look(s) == before
    put(s.config, path, value)
    s.configure(s.config)
    said = s.do("/v1/reload")
    assert said["applied"] and said["needs_restart"] == [] and said["changes"], said
    s.sender.close()
    assert until(lambda: look(s) if after == "any" else look(s) == after, every=0.05)


def test_a_shorter_drain_is_that_of_the_next_stop(site, target):
    s = site(project(target)).start()
    s.change(lambda c: c["server"].update(drain="1s"))
    assert s.do("/v1/reload")["needs_restart"] == []
    with socket.create_connection(("127.0.0.1", s.port)) as sock:
        head = "".join(f"{n}: {v}\r\n" for n, v in github(b"{}").items())
        sock.sendall(f"POST /hooks/shop HTTP/1.1\r\nHost: a\r\n{head}Content-Length: 2\r\n\r\n{{".encode())
        until(lambda: s.metrics()['tieline_http_connections{listener="public"}'] == 1)
        s.stop(timeout=20)  # 30 s by default


def test_http2_over_tls_follows_a_reload_too(site, target):
    c = project(target)
    c["server"].update(tls={"certificate": "one.pem", "key": "one.key"})
    s = site(c)
    Key(s.folder, "one").certificate("localhost")
    s.start()

    def chosen():
        out = subprocess.run(["openssl", "s_client", "-connect", c["server"]["listen"], "-alpn", "h2,http/1.1"], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=30).stdout
        return out.split("ALPN protocol: ")[1].split()[0]
    assert chosen() == "h2"
    for on, want in ((False, "http/1.1"), (True, "h2")):
        s.change(lambda c: c["server"].update(http2=on))
        assert s.do("/v1/reload")["needs_restart"] == [] and chosen() == want


def test_a_dry_run_applies_nothing(site, target):
    s = site(base(target)).start()
    s.change(lambda c: (c["server"].update(body_limit="1KB", allow=["203.0.113.0/24"]), c["log"].update(level="debug"),
                        c["egress"].update(deny=["127.0.0.0/8"])))
    assert s.do("/v1/reload?dry_run=true")["applied"] is False
    s.wait_state(s.post({"x": "x" * 5000}), "delivered")
    assert not any('"level":"debug"' in line for line in s.lines)
