# SPDX-License-Identifier: Apache-2.0
"""An authorization server and the API behind it: client credentials, authorization code with PKCE, refresh tokens that
rotate and whose second use kills the grant. What it gives out, and what it refused, can be looked at."""
import base64
import hashlib
import itertools
import threading
import urllib.parse

from support.target import Target, answer

CLIENT = ("tieline", "the-client-secret-of-the-tests")


class Login(Target):
    """grace: the refresh token before is taken while nothing that came of it has been used (a lost answer)."""

    def __init__(self, expires_in=3600, api=None, grace=False):
        self.grace, self.before = grace, None
        self.clients = {CLIENT}
        self.expires_in, self.api = expires_in, api
        self.access, self.refresh, self.used, self.codes = set(), set(), set(), {}
        self.used_secret = None  # of the last token request that was granted
        self.fail = []  # statuses that the next token requests get
        self.reused = 0  # refresh tokens that came a second time: the grant is dead then
        self.refused = 0  # calls of the API with a token that is none
        self.count_up = itertools.count(1)
        self.lock = threading.Lock()
        super().__init__(self._answer)

    def token_requests(self):
        return self.count("/token")

    def forget(self):
        """All access tokens are dead."""
        with self.lock:
            self.access.clear()

    def grant(self):
        with self.lock:
            return self._tokens(True)["refresh_token"]

    def _tokens(self, refresh):
        n = next(self.count_up)
        t = {"access_token": f"access-token-{n}-of-the-tests", "token_type": "Bearer", "expires_in": self.expires_in,
             "scope": "orders.read orders.write"}
        self.access.add(t["access_token"])
        if refresh:
            t["refresh_token"] = f"refresh-token-{n}-of-the-tests"
            self.refresh.add(t["refresh_token"])
        return t

    def _client(self, r, form):
        kind, _, value = r.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            name, _, secret = base64.b64decode(value).decode().partition(":")
            return urllib.parse.unquote(name), urllib.parse.unquote(secret)
        return form.get("client_id"), form.get("client_secret")

    def _answer(self, r):
        path, _, query = r.path.partition("?")
        if path == "/authorize":
            return self._authorize(dict(urllib.parse.parse_qsl(query)))
        if path != "/token":
            kind, _, token = r.headers.get("authorization", "").partition(" ")
            with self.lock:
                good = kind == "Bearer" and token in self.access
                self.before = None if good else self.before
                self.refused += not good
            if not good:
                return answer(401, {"error": "invalid_token"})
            return self.api(r) if self.api else answer(200, {"path": path})
        with self.lock:
            return self._token(r, dict(urllib.parse.parse_qsl(r.body.decode())))

    def _authorize(self, q):
        assert q["response_type"] == "code" and q["code_challenge_method"] == "S256"
        with self.lock:
            code = f"code-{next(self.count_up)}"
            self.codes[code] = q
        back = urllib.parse.urlencode({"code": code, "state": q["state"]})
        return answer(302, b"", location=f"{q['redirect_uri']}?{back}")

    def _token(self, r, form):
        if self.fail:
            return answer(self.fail.pop(0), {"error": "temporarily_unavailable"})
        client = self._client(r, form)
        if client not in self.clients:
            return answer(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        self.used_secret = client[1]
        kind = form.get("grant_type")
        if kind == "client_credentials":
            return answer(200, self._tokens(False))
        if kind == "authorization_code":
            q = self.codes.pop(form["code"], None)
            proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
            good = q and q["code_challenge"] == proof and q["redirect_uri"] == form["redirect_uri"]
            return answer(200, self._tokens(True)) if good else answer(400, {"error": "invalid_grant"})
        token = form.get("refresh_token")
        if token in self.refresh:
            self.refresh.remove(token)
            self.used.add(token)
            self.before = token
            return answer(200, self._tokens(True))
        if self.grace and token == self.before:
            self.refresh.clear()
            return answer(200, self._tokens(True))
        if token in self.used:
            self.reused += 1
            self.refresh.clear()
        return answer(400, {"error": "invalid_grant", "error_description": "the refresh token was used before"})


def client_credentials(login, **more):
    return {"oauth2_client_credentials": {"token_url": login.url + "/token", "client_id": CLIENT[0],
                                          "client_secret": "${env:CLIENT_SECRET}", **more}}


def authorization_code(login, **more):
    return {"oauth2_authorization_code": {"authorize_url": login.url + "/authorize", "token_url": login.url + "/token",
                                          "client_id": CLIENT[0], "client_secret": "${env:CLIENT_SECRET}",
                                          "scope": "orders.read orders.write", **more}}


ENV = {"CLIENT_SECRET": CLIENT[1]}


def refresh_token(login, **more):
    return {"oauth2_refresh_token": {"token_url": login.url + "/token", "client_id": CLIENT[0],
                                     "client_secret": "${env:CLIENT_SECRET}", "refresh_token": "${env:REFRESH_TOKEN}", **more}}
