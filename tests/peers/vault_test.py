# SPDX-License-Identifier: Apache-2.0
"""Our Vault client against the real core of HashiCorp Vault (tests/peers/vault), and the credentials that its database engine
makes in a real PostgreSQL."""
import base64
import json
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest
from support.peers import go
from support.postgres import Postgres, programs
from support.sender import SECRET
from support.site import BIN, hook, project, until

pytestmark = [pytest.mark.skipif(not shutil.which("go"), reason="go is not installed"),
              pytest.mark.skipif(not programs(), reason="PostgreSQL is not installed")]
POLICY = """path "kv/data/*" { capabilities = ["read"] }
path "old/*" { capabilities = ["read"] }
path "database/creds/*" { capabilities = ["read"] }"""


class VaultServer:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = json.loads(self.process.stdout.readline())
        self.url, self.root = said["address"], said["root_token"]

    def call(self, method, path, body=None, token=None):
        r = urllib.request.Request(f"{self.url}/v1/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
                                   headers={"X-Vault-Token": token or self.root})
        with urllib.request.urlopen(r, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def tokens(self):
        """Accessors of those that logged in with the role."""
        keys = self.call("LIST", "auth/token/accessors")["data"]["keys"]
        found = []
        for accessor in keys:
            try:
                one = self.call("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
            except urllib.error.HTTPError:  # it ended between the two
                continue
            if one["path"] == "auth/approle/login":
                found.append(one)
        return found

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture(scope="module")
def server():
    v = VaultServer(go("vault"))
    v.call("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
    v.call("POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
    v.call("POST", "sys/mounts/database", {"type": "database"})
    v.call("PUT", "sys/policies/acl/tieline", {"policy": POLICY})
    v.call("POST", "sys/auth/approle", {"type": "approle"})
    yield v
    v.stop()


@pytest.fixture(scope="module")
def postgres():
    p = Postgres()
    yield p
    p.stop()


@pytest.fixture
def vault(server):
    """With a role whose tokens live long, and secrets in both versions of KV."""
    until(lambda: write_kv(server, "kv/data/shop", {"data": {"secret": SECRET}}), timeout=30)  # version 2 needs a moment after its mount
    server.call("POST", "old/erp", {"password": "the-password-in-version-1"})
    role(server, token_ttl="1h")
    return server


def write_kv(server, path, body):
    try:
        server.call("POST", path, body)
        return True
    except urllib.error.HTTPError as e:
        assert e.code == 400 and b"pgrad" in e.read(), e  # "Upgrading from non-versioned to versioned data"
        return False


def role(server, **settings):
    server.call("POST", "auth/approle/role/tieline", {"token_policies": "tieline", "token_max_ttl": "24h", **settings})


def login(server):
    role_id = server.call("GET", "auth/approle/role/tieline/role-id")["data"]["role_id"]
    return {"approle": {"role_id": role_id, "secret_id": "${env:SECRET_ID}"}}, server.call("POST", "auth/approle/role/tieline/secret-id")["data"]["secret_id"]


def start(site, target, server, auth=None, flow=None, every="300ms"):
    how, secret_id = login(server)
    c = project(target, flow=flow or {"from": hook("/hooks/shop", secret="${vault:kv/shop#secret}")},
                secrets={"every": every, "vault": {"address": server.url, "login": how, "refresh": "1s"}})
    if auth:
        c["connections"]["erp"]["auth"] = auth
    return site(c, env={"SECRET_ID": secret_id}).start(timeout=60)


def status(s):
    return s.get("/v1/status")["vault"]


def basic(r):
    return base64.b64decode(r.headers["authorization"].split()[1]).decode().split(":", 1)


def test_approle_and_both_versions_of_kv(site, target, vault):
    s = start(site, target, vault, auth={"basic": {"user": "tieline", "password": "${vault:old/erp#password}"}})
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert basic(target.all("/orders")[0]) == ["tieline", "the-password-in-version-1"]
    v = status(s)
    assert v["ok"] and v["references"] == 2 and v["waiting"] == 0, v
    vault.call("POST", "kv/data/shop", {"data": {"secret": "the-next-version-of-the-secret"}})
    until(lambda: s.sender.post({"n": 2}, secret="the-next-version-of-the-secret").status == 200)
    assert s.sender.post({"n": 3}).status == 401
    r = subprocess.run([BIN, "check", "--secrets", "tieline.yaml"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
    assert r.returncode == 0 and "do not resolve" not in r.stdout + r.stderr, r


def test_vaults_own_words_say_what_is_refused(site, target, vault):
    s = start(site, target, vault, auth={"basic": {"user": "u", "password": "${vault:elsewhere/erp#password}"}})
    r = subprocess.run([BIN, "check", "--secrets", "tieline.yaml"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
    assert r.returncode == 2 and "elsewhere" in r.stderr, r
    bad = subprocess.run([BIN, "check", "--secrets", "tieline.yaml"], cwd=s.folder, env={**s.env, "SECRET_ID": "not-the-secret-id"},
                         capture_output=True, text=True, timeout=60)
    assert bad.returncode == 2 and "invalid" in bad.stderr and "not-the-secret-id" not in bad.stderr, bad


def test_a_token_is_renewed_and_at_its_end_there_is_another(site, target, vault):
    role(vault, token_ttl="2s", token_max_ttl="6s")
    before = {t["accessor"] for t in vault.tokens()}
    s = start(site, target, vault)
    seen, renewed = set(), set()

    def lived():
        for t in vault.tokens():
            if t["accessor"] not in before:
                seen.add(t["accessor"])
                if t.get("last_renewal"):
                    renewed.add(t["accessor"])
        return len(seen) >= 2 and renewed
    until(lived, timeout=60, every=0.1)
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert status(s)["ok"] and not s.logged("vault.unavailable"), s.log


def test_after_a_revoked_token_it_logs_in_again(site, target, vault):
    before = {t["accessor"] for t in vault.tokens()}
    s = start(site, target, vault)
    mine = [t["accessor"] for t in vault.tokens() if t["accessor"] not in before]
    assert len(mine) == 1
    vault.call("POST", "auth/token/revoke-accessor", {"accessor": mine[0]})
    until(lambda: {t["accessor"] for t in vault.tokens()} - before - set(mine), timeout=30)
    vault.call("POST", "kv/data/shop", {"data": {"secret": "written-after-the-revoke"}})
    until(lambda: s.sender.post({"n": 2}, secret="written-after-the-revoke").status == 200, timeout=30)
    until(lambda: status(s)["ok"])


def test_while_it_is_sealed_the_last_values_serve_and_their_age_is_shown(site, target, vault):
    s = start(site, target, vault)
    vault.tell("seal")
    try:
        until(lambda: not status(s)["ok"] and status(s)["age_ms"] > 2000, timeout=30)
        s.post({"n": 1})
        s.wait_counts(delivered=1)
        said = s.logged("vault.unavailable")
        assert len(said) == 1 and "sealed" in said[0]["text"] and vault.url in said[0]["text"], said
        shown = subprocess.run([BIN, "status"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60).stdout
        assert "sealed" in shown or "vault" in shown.lower(), shown
    finally:
        vault.tell("unseal")
    until(lambda: status(s)["ok"] and status(s)["age_ms"] < 2000, timeout=90)


def test_a_vault_that_cannot_be_reached_is_said_once(site, target):
    own = VaultServer(go("vault"))
    own.call("POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
    own.call("PUT", "sys/policies/acl/tieline", {"policy": POLICY})
    own.call("POST", "sys/auth/approle", {"type": "approle"})
    own.call("POST", "old/shop", {"secret": SECRET})
    role(own, token_ttl="1h")
    s = start(site, target, own, flow={"from": hook("/hooks/shop", secret="${vault:old/shop#secret}")})
    own.stop()
    until(lambda: not status(s)["ok"] and status(s)["age_ms"] > 1500, timeout=30)
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    said = s.logged("vault.unavailable")
    assert len(said) == 1 and own.url in said[0]["text"], said


def test_database_credentials_are_renewed_and_replaced_while_they_are_good(site, target, vault, postgres):
    vault.call("POST", "database/config/shop", {
        "plugin_name": "postgresql-database-plugin", "allowed_roles": "orders", "username": "admin", "password": postgres.password,
        "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{postgres.port}/shop?sslmode=disable"})
    vault.call("POST", "database/roles/orders", {
        "db_name": "shop", "default_ttl": "2s", "max_ttl": "6s",
        "creation_statements": ["CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"]})
    s = start(site, target, vault, auth={"basic": {"user": "${vault:database/creds/orders#username}",
                                                   "password": "${vault:database/creds/orders#password}"}})
    used = []

    def several():
        n = len(target.all("/orders"))
        s.post({"n": n})
        until(lambda: len(target.all("/orders")) > n)
        user, password = basic(target.all("/orders")[-1])
        assert postgres.ask("SELECT 1", user, password).stdout == "1\n", "what is sent is good at PostgreSQL"
        used.append(user)
        return len(set(used)) >= 3
    until(several, timeout=60, every=0.3)
    leases = [n for n in used if n == used[0]]
    assert len(leases) >= 2, "one credential serves for more than one delivery"
    assert s.flow()["counts"]["dead"] == 0
    gone = until(lambda: postgres.ask(f"SELECT count(*) FROM pg_roles WHERE rolname='{used[0]}'").stdout == "0\n", timeout=30)
    assert gone, "Vault has dropped the first one"
