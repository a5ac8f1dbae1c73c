# SPDX-License-Identifier: Apache-2.0
"""Secrets in Vault: taken at the start, followed, used on while Vault is away, waited for when it never was there."""
import base64
import subprocess

import pytest
from support.sender import SECRET
from support.site import BIN, free_port, hook, project, until
from support.target import Target
from support.vault import Vault
from support.web import Web

ROLE = {"role_id": "the-role", "secret_id": "the-secret-id-of-the-role"}


@pytest.fixture
def vault():
    v = Vault()
    v.logins["auth/approle/login"] = ROLE
    v.kv2["kv/shop"] = {"secret": SECRET}
    v.kv2["kv/erp"] = {"password": "the-password-in-vault"}
    yield v
    v.stop()


def config(target, vault, **more):
    login = {"approle": {"role_id": "the-role", "secret_id": "${env:SECRET_ID}"}}
    return project(target, flow={"from": hook("/hooks/shop", secret="${vault:kv/shop#secret}")},
                   secrets={"every": "1s", "vault": {"address": vault.url, "namespace": "team/a", "login": login, "refresh": "1s", **more}})


def with_password(c):
    c["connections"]["erp"]["auth"] = {"basic": {"user": "tieline", "password": "${vault:kv/erp#password}"}}
    return c


@pytest.fixture
def env():
    return {"SECRET_ID": ROLE["secret_id"]}


def test_secrets_of_senders_and_of_connections_come_from_vault(site, target, vault, env):
    s = site(with_password(config(target, vault)), env=env).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert target.all("/orders")[0].headers["authorization"].startswith("Basic ")
    assert all(r.headers["x-vault-namespace"] == "team/a" for r in vault.all())
    v = s.get("/v1/status")["vault"]
    assert v["ok"] and v["references"] == 2 and v["waiting"] == 0 and v["age_ms"] < 60000


def test_a_changed_secret_is_taken_up_without_a_restart(site, target, vault, env):
    s = site(config(target, vault), env=env).start()
    s.post({"n": 1})
    vault.kv2["kv/shop"] = {"secret": "another-secret-of-the-sender"}
    until(lambda: s.sender.post({"n": 2}, secret="another-secret-of-the-sender").status == 200)
    assert s.sender.post({"n": 3}).status == 401


def test_while_vault_is_away_the_last_values_serve_and_their_age_is_shown(site, target, vault, env):
    s = site(with_password(config(target, vault)), env=env).start()
    vault.stop()
    until(lambda: not s.get("/v1/status")["vault"]["ok"])
    until(lambda: s.get("/v1/status")["vault"]["age_ms"] > 2000)
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    said = s.logged("vault.unavailable")
    assert len(said) == 1 and vault.url in said[0]["text"], said
    vault.start()
    until(lambda: s.get("/v1/status")["vault"]["ok"], timeout=30)
    until(lambda: s.get("/v1/status")["vault"]["age_ms"] < 2000)


def test_a_vault_that_is_not_there_at_the_start_holds_what_needs_it_and_loses_nothing(site, target, vault, env):
    vault.stop()
    c = with_password(config(target, vault))
    c["flows"]["open"] = {"from": hook("/hooks/open"), "to": {"connection": "erp", "post": "/orders"}}
    s = site(c, env=env).start(timeout=40)
    said = s.logged("vault.unavailable")
    assert len(said) == 1 and vault.url in said[0]["text"] and said[0]["waiting"] == 2, said
    r = s.sender.post({"n": 1})
    assert r.status == 503 and r.headers["retry-after"], r  # the sender sends again
    assert "Vault" in s.flow()["not_ready"]
    id = s.post({"n": 2}, path="/hooks/open")  # its own secret is here; the target's is not
    until(lambda: s.connection()["held"] == "connection_auth")
    assert "Vault" in s.connection()["held_reason"]
    assert s.show(id)["event"]["state"] in ("queued", "running", "retrying") and target.count() == 0
    vault.start()
    s.wait_counts("open", delivered=1, timeout=30)
    assert s.flow("open")["retries"] == 0, "waiting for a secret uses no attempt"
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert s.flow()["not_ready"] is None


def test_a_key_of_the_ledger_that_vault_cannot_give_yet_is_no_fault_of_the_configuration(site, target, vault, env):
    key = base64.b64encode(bytes(range(32))).decode()
    vault.kv2["kv/ledger"] = {"key": key}
    c = config(target, vault)
    c["store"]["encrypt"] = {"key": "${vault:kv/ledger#key}"}
    vault.stop()
    s = site(c, env=env)
    code, said = s.fails()
    assert code == 1 and "the ledger's key is not there yet" in said and "has not been read from Vault" in said, said
    assert said.count("the ledger's key") == 1, "the words of the cause are not the sentence again"
    vault.start()
    s.start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)


def test_a_start_that_reads_its_configuration_twice_says_what_it_says_once(site, target, vault, env):
    vault.kv2["kv/shop"] = {"secret": "whsec_no base64!"}
    c = config(target, vault)
    c["server"]["limits"] = {"body_memory": "1MB"}
    c["flows"]["orders"]["from"] = hook("/hooks/shop", "standard_webhooks", secret="${vault:kv/shop#secret}")
    code, said = site(c, env=env).fails()
    assert code == 2 and said.count("error: ") == 1 and said.count("server.limits.body_memory has no room for one body of server") == 1, said


def test_a_token_and_a_header_that_vault_gives_later_stop_no_start_and_are_taken_up_when_they_come(site, target, vault, env):
    collector = Target()
    vault.kv2["kv/ours"] = {"token": "a-token-of-the-tests-that-is-long", "key": "for the collector"}
    c = config(target, vault)
    c["flows"]["open"] = {"from": hook("/hooks/open"), "to": {"connection": "erp", "post": "/orders"}}
    c["admin"] = {"listen": f"127.0.0.1:{free_port()}",
                  "tokens": [{"name": "ci", "role": "viewer", "secret": "${vault:kv/ours#token}"}]}
    c["telemetry"] = {"url": collector.url, "sample": "100%", "interval": "100ms", "headers": {"X-Key": "${vault:kv/ours#key}"}}
    vault.stop()
    s = site(c, env=env).start(timeout=40)
    assert "kv/ours#token" in s.logged("admin.token_waits")[0]["text"] and "kv/ours#key" in s.logged("telemetry.waits")[0]["text"]
    s.post({"n": 1}, path="/hooks/open")
    s.wait_counts("open", delivered=1)
    web = Web(s.logged("admin.ready")[-1]["port"], "a-token-of-the-tests-that-is-long")
    assert web.raw("GET", "/v1/status").status == 401 and collector.count() == 0
    vault.start()
    until(lambda: web.raw("GET", "/v1/status").status == 200, timeout=60, every=1)
    until(lambda: collector.count(), timeout=90)
    assert all(r.headers["x-key"] == "for the collector" for r in collector.all())
    collector.stop()


def test_leased_credentials_change_before_they_end(site, target, vault, env):
    vault.lease = 3
    vault.dynamic.add("database/creds/orders")
    c = config(target, vault)
    c["connections"]["erp"]["auth"] = {"api_key": {"key": "${vault:database/creds/orders#password}"}}
    s = site(c, env=env).start()

    def keys():
        s.post({"n": 1})
        return {r.headers["x-api-key"] for r in target.all("/orders")}
    until(lambda: len(keys()) >= 3, every=0.3)
    s.wait_counts(dead=0)


def test_the_user_may_come_from_vault_with_the_password(site, target, vault, env):
    vault.kv2["kv/erp"]["user"] = "user-of-the-day"
    c = with_password(config(target, vault))
    c["connections"]["erp"]["auth"]["basic"]["user"] = "${vault:kv/erp#user}"
    s = site(c, env=env).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    sent = target.all("/orders")[0].headers["authorization"].split()[1]
    assert base64.b64decode(sent) == b"user-of-the-day:the-password-in-vault"


@pytest.mark.parametrize("method", ["token", "kubernetes", "jwt"])
def test_the_other_logins(site, target, vault, env, method, tmp_path):
    vault.logins = {"auth/k8s/login": {"role": "tieline", "jwt": "the.jwt.of-the-pod"},
                    "auth/jwt/login": {"role": "tieline", "jwt": "the.jwt.of-the-pod"}}
    (tmp_path / "jwt").write_text("the.jwt.of-the-pod\n")
    env["JWT"], env["TOKEN"] = "the.jwt.of-the-pod", vault.token()
    login = {"token": {"token": {"token": "${env:TOKEN}"}},
             "kubernetes": {"kubernetes": {"role": "tieline", "mount": "k8s", "jwt_file": str(tmp_path / "jwt")}},
             "jwt": {"jwt": {"role": "tieline", "jwt": "${env:JWT}"}}}[method]
    s = site(config(target, vault, login=login), env=env).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)


def check(s, *more):
    return subprocess.run([BIN, "check", *more, "tieline.yaml"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)


def test_check_says_which_references_resolve_and_never_what_they_are(site, target, vault, env):
    c = with_password(config(target, vault))
    c["connections"]["erp"]["auth"]["basic"]["password"] = "${vault:kv/erp#pasword}"
    s = site(c, env=env)
    r = check(s, "--secrets")
    assert r.returncode == 2 and 'has no text member "pasword"' in r.stderr, r
    r = check(s)
    assert r.returncode == 0 and "(1 do not resolve here)" in r.stdout, r
    assert SECRET not in r.stdout + r.stderr
    s.configure(with_password(config(target, vault)))
    r = check(s, "--secrets")
    assert r.returncode == 0 and "do not resolve" not in r.stdout, r
    env["SECRET_ID"] = "wrong"
    s = site(with_password(config(target, vault)), env=env)
    r = check(s, "--secrets")
    assert r.returncode == 2 and "invalid role or secret ID" in r.stderr and "wrong" not in r.stderr, r
    vault.stop()
    r = check(s)
    assert r.returncode == 0 and vault.url in r.stderr, r


def test_a_reference_without_a_vault_is_an_error_of_the_configuration(site, target):
    s = site(project(target, flow={"from": hook("/hooks/shop", secret="${vault:kv/shop#secret}")}))
    code, said = s.fails()
    assert code == 2 and "no Vault is configured" in said, said


def test_what_opens_vault_is_not_kept_in_vault(site, target, vault, env):
    c = config(target, vault)
    c["secrets"]["vault"]["login"]["approle"]["secret_id"] = "${vault:kv/shop#secret}"
    code, said = site(c, env=env).fails()
    assert code == 2 and "cannot be kept in Vault" in said, said
