# SPDX-License-Identifier: Apache-2.0
"""What `check` finds about listeners and senders, who reads /metrics, and refusals in the log."""
import subprocess

import pytest
from support.keys import Key, openssl
from support.site import BIN, hook, project

CERT, KEY = "tls/server.pem", "tls/server.key"


@pytest.fixture
def checked(site, target):
    """checked(change, files): the exit code of `tieline check`, and what it says; files go to tls/."""
    def run(change=None, files=None, **flow):
        s = site(project(target, **flow))
        s.change(change or (lambda c: None))
        (s.folder / "tls").mkdir(exist_ok=True)
        for name, data in (files or {}).items():
            (s.folder / "tls" / name).write_bytes(data)
        r = subprocess.run([BIN, "check"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
        return r.returncode, r.stdout + r.stderr, s
    return run


@pytest.fixture
def pairs(tmp_path):
    """(certificate, key) of `one`, key of `two`, an expired certificate of `one`."""
    one, two = Key(tmp_path, "one"), Key(tmp_path, "two")
    good = one.certificate("hooks.example.com").read_bytes()
    request = openssl("req", "-new", "-key", one.path, "-subj", "/CN=hooks.example.com")
    ended = openssl("x509", "-req", "-days", "-1", "-signkey", one.path, data=request)
    return good, one.path.read_bytes(), two.path.read_bytes(), ended


def with_tls(block):
    def change(c):
        c.setdefault(block, {})["tls"] = {"certificate": CERT, "key": KEY}
    return change


def place(s, key):
    """file:line of a key under tls."""
    lines = (s.folder / "tieline.yaml").read_text().splitlines()
    return f"tieline.yaml:{next(i for i, line in enumerate(lines, 1) if line.strip().startswith(key + ':') and 'tls/' in line)}:"


@pytest.mark.parametrize("block", ["server", "admin"])
def test_check_loads_the_certificate_and_its_key(checked, pairs, block):
    good, key, other, ended = pairs
    code, said, _ = checked(with_tls(block), {"server.pem": good, "server.key": key})
    assert code == 0, said
    for files, at, what, todo in (
            ({"server.pem": b"garbage\n", "server.key": key}, "certificate", "certificate file", "-----BEGIN CERTIFICATE-----"),
            ({"server.pem": good, "server.key": b"garbage\n"}, "key", "key file", "-----BEGIN PRIVATE KEY-----"),
            ({"server.pem": good, "server.key": other}, "key", "not the key of the certificate", "Name the key"),
            ({"server.pem": ended, "server.key": key}, "certificate", "expired", "renewed certificate")):
        code, said, s = checked(with_tls(block), files)
        assert code == 2 and f"{block}.tls" in said and what in said and todo in said and place(s, at) in said, said
        assert (CERT if at == "certificate" else KEY) in said


def test_a_server_with_a_bad_pair_says_the_same_and_does_not_start(checked, pairs):
    good, _, other, _ = pairs
    _, _, s = checked(with_tls("server"), {"server.pem": good, "server.key": other})
    code, said = s.fails()
    assert code == 2 and place(s, "key") in said and "Name the key" in said, said


def test_check_warns_where_keys_are_forgotten_before_the_sender_gives_up(checked):
    def short(c):
        c["store"]["keep_keys"] = "1d"

    def stripe(c):
        short(c)
        c["flows"]["orders"]["from"] = hook("/hooks/shop", "stripe")

    code, said, _ = checked(stripe)
    assert code == 0 and "warning" in said and "flow 'orders'" in said and "3d" in said and "store.keep_keys" in said, said

    def off(c):
        stripe(c)
        c["flows"]["orders"]["idempotency"] = {"off": True}

    def default(c):
        c["flows"]["orders"]["from"] = hook("/hooks/shop", "stripe")

    for change in (short, off, default):  # a sender that does not repeat; no keys; kept for a week
        code, said, _ = checked(change)
        assert code == 0 and "keep_keys" not in said, said


def test_metrics_are_for_the_public_listener_only_where_it_says_so(site, target):
    answers = {}
    for name, value in (("none", None), ("on", True), ("off", False), ("us", {"allow": ["127.0.0.0/8"]}), ("others", {"allow": ["192.0.2.0/24"]})):
        conf = project(target)
        if value is not None:
            conf["server"]["metrics"] = value
        s = site(conf).start()
        answers[name] = s.sender.raw("GET", "/metrics").status
        assert s.sender.raw("GET", "/healthz").status == 200 and s.call("GET", "/metrics").status == 200
        s.stop()
    assert answers == {"none": 404, "on": 200, "off": 404, "us": 200, "others": 403}


def test_refusals_of_one_sender_are_folded_in_the_log_and_counted_one_by_one(site, target):
    s = site(project(target, flows={"other": {"from": hook("/hooks/other"), "to": {"connection": "erp", "post": "/o"}}})).start()
    for _ in range(100):
        assert s.sender.raw("POST", "/hooks/shop", b"{}", {"X-Hub-Signature-256": "sha256=" + "0" * 64}).status == 401
    assert s.sender.raw("POST", "/hooks/other", b"{}", {}).status == 401
    counted = {k: v for k, v in s.metrics().items() if k.startswith("tieline_webhooks_refused_total")}
    assert sorted(counted.values()) == [1, 100]
    s.stop()
    lines = s.logged("webhook.refused")
    firsts = [line for line in lines if "more" not in line]
    assert sorted(line["flow"] for line in firsts) == ["orders", "other"] and all(line["from"] == "127.0.0.1" for line in firsts)
    assert len(lines) <= 6, "a line a minute at most, however slow this machine is"
