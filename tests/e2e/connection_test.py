# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of a connection: where it leads, when it last worked, and when its credentials end."""
import base64
import json
import math
import subprocess
import time

from support.login import ENV, Login, client_credentials
from support.site import project, until


def jwt(**claims):
    def part(v):
        return base64.urlsafe_b64encode(json.dumps(v).encode()).rstrip(b"=").decode()
    return f"{part({'alg': 'none'})}.{part(claims)}.c2lnbmF0dXJl"


def certificate(folder, name, days):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days),
                    "-subj", "/CN=tieline", "-keyout", f"{name}.key", "-out", f"{name}.pem"], cwd=folder, check=True, capture_output=True)


def rows(s):
    return {c["name"]: c for c in s.get("/v1/connections")["connections"]}


def fired(s, connection):
    alerts = s.get("/v1/alerts")["alerts"]
    return [a for a in alerts if a["rule"] == "credential_expires" and a["subject"] == connection and a["state"] == "firing"]


def test_a_connection_says_where_it_leads_and_when_it_last_worked(site, target):
    s = site(project(target)).start()
    row = rows(s)["erp"]
    assert (row["type"], row["host"]) == ("http", target.url.removeprefix("http://")), row
    assert row["last_success_at"] is None and row["credentials"] == []
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    at = until(lambda: rows(s)["erp"]["last_success_at"])
    assert s.connection()["last_success_at"] == at and s.connection()["type"] == "http"
    s.stop()
    s.start()
    assert rows(s)["erp"]["last_success_at"] == at, "it survives a restart"


def test_a_certificate_and_a_fixed_token_that_end_soon_are_shown_and_alerted(site, target):
    now = int(time.time())
    more = {name: {"type": "http", "url": target.url, "auth": auth} for name, auth in {
        "soon": {"basic": {"user": "u", "password": "${env:HOOK_SECRET}", "certificate": "soon.pem", "certificate_key": "soon.key"}},
        "later": {"none": {"certificate": "later.pem", "certificate_key": "later.key"}},
        "token": {"bearer": {"token": "${env:TOKEN}"}}}.items()}
    s = site(project(target, connections=more), env={"TOKEN": jwt(iat=now - 3600, exp=now + 3 * 86400)})
    certificate(s.folder, "soon", 10)
    certificate(s.folder, "later", 100)
    s.start()
    until(lambda: fired(s, "soon") and fired(s, "token"))
    assert "certificate soon.pem ends in 9 days" in fired(s, "soon")[0]["summary"]
    assert "token ends in 2 days" in fired(s, "token")[0]["summary"]
    assert not fired(s, "later") and not fired(s, "erp")
    shown = rows(s)
    (soon,), (token,) = shown["soon"]["credentials"], shown["token"]["credentials"]
    assert soon["what"] == "certificate soon.pem" and not soon["renews"] and 9 * 86400e3 < soon["expires_in_ms"] <= 10 * 86400e3
    assert token["what"] == "token" and token["age_ms"] >= 3600e3 and token["expires_in_ms"] <= 3 * 86400e3
    assert "c2lnbmF0dXJl" not in json.dumps(shown), "the token itself is not shown"


def test_the_end_of_a_token_is_forgotten_with_the_token(site, target, tmp_path):
    now = int(time.time())
    files = {name: tmp_path / name for name in ("replaced", "removed")}
    for file in files.values():
        file.write_text(jwt(iat=now - 3600, exp=now + 3 * 86400))
        file.chmod(0o600)
    more = {name: {"type": "http", "url": target.url, "auth": {"bearer": {"token": "${file:%s}" % file}}} for name, file in files.items()}
    s = site(project(target, connections=more, secrets={"every": "200ms"}, alerts={"resolve_after": "0s"})).start()

    def ends():
        head = 'tieline_credential_expires_timestamp_seconds{connection="'
        return {k.removeprefix(head).split('"')[0] for k, v in s.metrics().items() if k.startswith(head) and not math.isnan(v)}
    until(lambda: fired(s, "replaced") and fired(s, "removed"))
    assert ends() == {"replaced", "removed"}
    files["replaced"].write_text("one-that-does-not-say-when-it-ends")
    s.change(lambda c: c["connections"].pop("removed"))
    s.do("/v1/reload")
    until(lambda: not fired(s, "replaced") and not fired(s, "removed"), timeout=40)
    until(lambda: ends() == set(), timeout=15)
    files["replaced"].write_text(jwt(exp=now + 2 * 86400))
    until(lambda: fired(s, "replaced") and ends() == {"replaced"}, timeout=40)


def test_an_access_token_is_counted_down_and_no_alert_because_it_renews_itself(site):
    login = Login()
    try:
        c = project(login.url)
        c["connections"]["erp"].update(auth=client_credentials(login))
        s = site(c, env=ENV).start()
        s.post({"n": 1})
        s.wait_counts(delivered=1)
        (token,) = rows(s)["erp"]["credentials"]
        assert token["what"] == "access token" and token["renews"] and 0 <= token["age_ms"] < 3600e3
        assert 0 < token["expires_in_ms"] <= 3600e3 and s.get("/v1/connections/erp")["credentials"][0]["what"] == "access token"
        assert not fired(s, "erp")
    finally:
        login.stop()
