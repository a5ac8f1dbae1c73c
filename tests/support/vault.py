# SPDX-License-Identifier: Apache-2.0
"""As much of a Vault as our client speaks: logins, KV 1 and 2, leased credentials, token and lease renewal. Written from
the API's documentation; the real server is met in tests/peers."""
import itertools
import json

from support.target import Target, answer


class Vault(Target):
    def __init__(self, lease=3600):
        self.kv2 = {}  # "kv/erp" -> {"id": ...}
        self.kv1 = {}
        self.dynamic = set()
        self.logins = {}  # "auth/approle/login" -> the body it wants
        self.tokens, self.leases, self.lease = {}, {}, lease
        self.down = self.sealed = False
        self.counter = itertools.count(1)
        super().__init__(self._answer)

    def token(self, ttl=3600):
        t = f"hvs.token-of-the-tests-{next(self.counter)}"
        self.tokens[t] = ttl
        return t

    def _mount(self, path):
        for kind, paths in (("kv2", self.kv2), ("kv1", self.kv1), ("database", self.dynamic)):
            if path in paths:
                mount = path.split("/")[0] + "/"
                return {"path": mount, "type": "kv" if kind != "database" else kind,
                        "options": {"version": kind[2:]} if kind != "database" else None}

    def _answer(self, r):
        if self.sealed:
            return answer(503, {"errors": ["Vault is sealed"]})
        path = r.path.removeprefix("/v1/")
        body = json.loads(r.body) if r.body else {}
        if path.startswith("auth/") and path.endswith("/login"):
            if self.logins.get(path) != body:
                return answer(400, {"errors": ["invalid role or secret ID"]})
            return answer(200, {"auth": {"client_token": self.token(), "lease_duration": 3600, "renewable": True}})
        if r.headers.get("x-vault-token") not in self.tokens:
            return answer(403, {"errors": ["permission denied"]})
        if path == "auth/token/lookup-self":
            return answer(200, {"data": {"ttl": 3600, "renewable": True}})
        if path == "auth/token/renew-self":
            return answer(200, {"auth": {"lease_duration": 3600, "renewable": True}})
        if path.startswith("sys/internal/ui/mounts/"):
            mount = self._mount(path.removeprefix("sys/internal/ui/mounts/"))
            return answer(200, {"data": mount}) if mount else answer(403, {"errors": ["preflight capability check returned 403"]})
        if path == "sys/leases/renew":
            return answer(200, {"lease_duration": self.lease, "renewable": True})
        if path in self.dynamic:
            n = next(self.counter)
            return answer(200, {"lease_id": f"{path}/{n}", "renewable": False, "lease_duration": self.lease,
                                "data": {"username": f"user-{n}", "password": f"password-of-user-{n}"}})
        mount, _, rest = path.partition("/")
        if path in self.kv1:
            return answer(200, {"data": self.kv1[path]})
        if rest.startswith("data/") and f"{mount}/{rest[5:]}" in self.kv2:
            return answer(200, {"data": {"data": self.kv2[f"{mount}/{rest[5:]}"], "metadata": {"version": 1}}})
        return answer(404, {"errors": []})
