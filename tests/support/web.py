# SPDX-License-Identifier: Apache-2.0
"""The operator's API over TCP: a program with a token, or a browser with its cookie."""
import http.client
import json
import ssl

from support.sender import Reply


class Web:
    def __init__(self, port, token=None, tls=None, source="127.0.0.1"):
        self.port, self.token, self.tls, self.source = port, token, tls, source
        self.cookie = self.csrf = None

    def raw(self, method, path, body=None, headers=None, timeout=60):
        h = dict(headers or {})
        if self.token:
            h.setdefault("Authorization", f"Bearer {self.token}")
        if self.cookie:
            h.setdefault("Cookie", self.cookie)
        if self.csrf and method not in ("GET", "HEAD"):
            h.setdefault("X-Tieline-CSRF", self.csrf)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            h.setdefault("Content-Type", "application/json")
        if self.tls:
            c = http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=self.tls)
        else:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout, source_address=(self.source, 0))
        try:
            c.request(method, path, body, h)
            r = c.getresponse()
            return Reply(r.status, dict((n.lower(), v) for n, v in r.getheaders()), r.read().decode("utf-8", "replace"))
        finally:
            c.close()

    def get(self, path, status=200):
        r = self.raw("GET", path)
        assert r.status == status, r
        return r.json

    def post(self, path, body=None, status=(200, 201, 202), **more):
        r = self.raw("POST", path, {} if body is None else body, **more)
        assert r.status in (status if isinstance(status, tuple) else (status,)), r
        return r.json

    def sign_in(self, token):
        """As a browser does: from now on with the cookie."""
        r = self.raw("POST", "/v1/session", {"token": token})
        assert r.status == 200, r
        self.cookie = r.headers["set-cookie"].split(";")[0]
        self.csrf = r.json["csrf"]
        return r


def local_token(site):
    return (site.folder / "data/admin.token").read_text().strip()


def client(site, role=None, name=None):
    """Of a running site whose configuration has `admin`; with a token of its own where a role is given."""
    port = site.logged("admin.ready")[-1]["port"]
    web = Web(port, local_token(site))
    if role:
        web = Web(port, web.post("/v1/tokens", {"name": name or role, "role": role, "reason": "a test"})["token"])
    return web


def tls_client(ca, cert=None, key=None):
    context = ssl.create_default_context(cafile=str(ca))
    if cert:
        context.load_cert_chain(str(cert), str(key))
    return context
