# SPDX-License-Identifier: Apache-2.0
"""Senders: what a shop or a code host does to its webhooks."""
import base64
import hashlib
import hmac
import http.client
import json
import time
import uuid

SECRET = "s3cret-of-the-sender"
WHSEC = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def github(body, id=None, secret=SECRET):
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": "sha256=" + mac, "X-GitHub-Delivery": id or str(uuid.uuid4()), "X-GitHub-Event": "push"}


def shopify(body, id=None, secret=SECRET):
    mac = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"X-Shopify-Hmac-Sha256": base64.b64encode(mac).decode(), "X-Shopify-Webhook-Id": id or str(uuid.uuid4()),
            "X-Shopify-Topic": "orders/create"}


def standard_webhooks(body, id=None, secret=WHSEC, at=None):
    id, at = id or str(uuid.uuid4()), str(int(at or time.time()))
    mac = hmac.new(base64.b64decode(secret), b".".join([id.encode(), at.encode(), body]), hashlib.sha256).digest()
    return {"webhook-id": id, "webhook-timestamp": at, "webhook-signature": "v1," + base64.b64encode(mac).decode()}


def slack(body, secret=SECRET, at=None):
    at = str(int(at or time.time()))
    mac = hmac.new(secret.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": "v0=" + mac}


class Reply:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def id(self):
        return self.json["id"]

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


class Sender:
    """One keep-alive connection; not for several threads."""

    def __init__(self, port, path="/hooks/shop", sign=github, timeout=30):
        self.port, self.path, self.sign, self.timeout = port, path, sign, timeout
        self.connection = None

    def raw(self, method, path, body=None, headers=None):
        for again in (True, False):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
                again = False
            try:
                self.connection.request(method, path, body, headers or {})
                r = self.connection.getresponse()
                return Reply(r.status, dict((n.lower(), v) for n, v in r.getheaders()), r.read().decode("utf-8", "replace"))
            except (OSError, http.client.HTTPException):
                self.close()
                if not again:  # a fresh connection failed: that is news
                    raise

    def post(self, value, id=None, path=None, headers=None, **how):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        signed = self.sign(body, id=id, **how) if id else self.sign(body, **how)
        return self.raw("POST", path or self.path, body, {"Content-Type": "application/json", **signed, **(headers or {})})

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None
