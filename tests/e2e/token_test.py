# SPDX-License-Identifier: Apache-2.0
"""The token manager in the whole program: one request however many wait, failures that lose nothing, a broken credential
under a large backlog, rotation under load."""
import json
import subprocess
import threading
import time

import pytest
from support.login import CLIENT, ENV, Login, client_credentials
from support.sender import SECRET, Sender
from support.site import BIN, NO_BREAKER, project, until
from support.target import answer


@pytest.fixture
def login():
    s = Login()
    yield s
    s.stop()


def through(login, auth=None, flow=None, limits=None, **more):
    c = project(login.url, flow=flow, limits=limits, **more)
    c["connections"]["erp"]["auth"] = auth or client_credentials(login)
    return c


def send(s, count, *args):
    r = subprocess.run([BIN, "send", "--flow", "orders", "--count", str(count), "--json", *map(str, args)], cwd=s.folder, env=s.env,
                       capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, r
    return json.loads(r.stdout)


def test_five_hundred_deliveries_that_need_one_expired_token_cause_one_request(site, login):
    s = site(through(login, limits={"concurrency": 500, "fixed": True, **NO_BREAKER}), env=ENV).start()
    s.post({"n": 0})
    s.wait_counts(delivered=1)
    assert login.token_requests() == 1
    s.do("/v1/connections/erp/pause", {"why": "to gather a backlog"})
    send(s, 500)
    login.forget()
    slow = login.behave

    def behave(r):
        if r.path == "/token":
            time.sleep(0.5)  # so that all of them wait for it
        return slow(r)
    login.behave = behave
    s.do("/v1/connections/erp/resume")
    s.wait_counts(delivered=501, timeout=60)
    assert login.token_requests() == 2
    assert s.flow()["retries"] == 0 and s.flow()["counts"]["dead"] == 0


def test_a_token_endpoint_that_fails_three_times_loses_nothing(site, login):
    s = site(through(login, flow={"retry": {"attempts": 8, "backoff": "20ms..80ms", "jitter": "none"}}), env=ENV).start()
    login.fail = [503, 500, 503]
    for n in range(50):
        s.post({"n": n})
    s.wait_counts(delivered=50, dead=0, timeout=60)
    assert login.token_requests() == 4
    assert sorted(b["n"] for b in login.bodies("/orders")) == list(range(50))


def test_a_restart_with_a_broken_credential_does_not_try_it_again_at_once(site, login):
    s = site(through(login), env=ENV).start()
    login.clients = set()
    s.post({"n": 1})
    until(lambda: s.connection()["held"] == "connection_auth")
    for _ in range(5):
        s.stop()
        s.start()
        until(lambda: s.connection()["held"] == "connection_auth")
    assert login.token_requests() == 1
    assert s.flow()["counts"]["dead"] == 0


class Load:
    """Posts until told to stop; every answer that is not 200 is kept."""

    def __init__(self, s, secrets=lambda: SECRET):
        self.bad, self.sent, self.stopping = [], 0, False
        self.threads = [threading.Thread(target=self._run, args=(s.port, secrets)) for _ in range(4)]
        for t in self.threads:
            t.start()

    def _run(self, port, secrets):
        me = Sender(port)
        while not self.stopping:
            r = me.post({"n": 1}, secret=secrets())
            self.sent += 1
            if r.status != 200:
                self.bad.append(r)
        me.close()

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join()


def put(path, text):
    path.write_text(text)
    path.chmod(0o600)


def test_rotating_a_webhook_secret_under_load_rejects_no_honest_sender(site, target, tmp_path):
    new, old = tmp_path / "new.secret", tmp_path / "old.secret"
    put(new, SECRET)
    put(old, SECRET)
    c = project(target, secrets={"every": "200ms"})
    c["flows"]["orders"]["from"]["webhook"]["verify"] = {"github": {"secret": ["${file:%s}" % new, "${file:%s}" % old]}}
    s = site(c).start()
    now = [SECRET]
    load = Load(s, lambda: now[0])
    for n in range(4):
        fresh = f"secret-number-{n}-of-the-sender"
        put(old, now[0])
        time.sleep(1)
        put(new, fresh)
        until(lambda f=fresh: s.sender.post({"n": 0}, secret=f).status == 200, timeout=20)
        now[0] = fresh  # the sender changes over, while requests signed with the old one are under way
        time.sleep(1)
    load.stop()
    assert not load.bad, load.bad[:3]
    s.wait_counts(queued=0, running=0, retrying=0, dead=0, timeout=60)
    assert s.flow()["events"] >= load.sent > 100
    assert s.sender.post({"n": 0}, secret=SECRET).status == 401, "the first one is good no more"


def test_rotating_a_client_secret_under_load_drops_no_event(site, login, tmp_path):
    secret = tmp_path / "client.secret"
    put(secret, CLIENT[1])
    login.expires_in = 3  # a token request every other second
    auth = client_credentials(login, client_secret="${file:%s}" % secret)
    s = site(through(login, auth=auth, secrets={"every": "200ms"}), env=ENV).start()
    load = Load(s)
    for n in range(3):
        fresh = f"client-secret-number-{n}"
        login.clients.add((CLIENT[0], fresh))  # both are good for a while, as every server that rotates does
        put(secret, fresh)
        until(lambda f=fresh: login.used_secret == f, timeout=20)
        login.clients = {(CLIENT[0], fresh)}
        time.sleep(3)
    load.stop()
    assert not load.bad
    s.wait_counts(queued=0, running=0, retrying=0, dead=0, timeout=60)
    assert s.flow()["counts"]["delivered"] == load.sent and s.connection()["failed"]["auth"] == 0


def test_a_refused_secret_that_is_replaced_is_tried_at_once(site, login, tmp_path):
    secret = tmp_path / "client.secret"
    put(secret, "wrong-client-secret")
    auth = client_credentials(login, client_secret="${file:%s}" % secret)
    s = site(through(login, auth=auth, secrets={"every": "200ms"}), env=ENV).start()
    s.post({"n": 1})
    until(lambda: s.connection()["held"] == "connection_auth")
    put(secret, CLIENT[1])
    s.wait_counts(delivered=1, timeout=15)
    assert login.token_requests() == 2 and s.flow()["retries"] == 0


def test_a_connection_that_refuses_a_fresh_token_is_paused_with_its_events(site, login):
    login.api = lambda r: answer(401, {"error": "insufficient_user_authentication"})
    s = site(through(login), env=ENV).start()
    id = s.post({"n": 1})
    until(lambda: s.connection()["held"] == "connection_auth")
    assert login.token_requests() == 2, "one renewal after the first 401, and no more"
    assert login.count("/orders") == 2
    assert s.show(id)["event"]["state"] in ("queued", "running")
