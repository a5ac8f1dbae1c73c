# SPDX-License-Identifier: Apache-2.0
"""`tieline connect`: the grant that needs a person, and the probe that says who we are and what to do when refused."""
import email.utils
import json
import re
import subprocess
import time
import urllib.request

import pytest
from support.login import ENV, Login, authorization_code, client_credentials
from support.site import BIN, project, until
from support.target import answer


@pytest.fixture
def login():
    s = Login()
    yield s
    s.stop()


@pytest.fixture
def running(site):
    def start(login, auth, **more):
        c = project(login.url)
        c["connections"]["erp"].update(auth=auth, probe="/me", **more)
        return site(c, env=ENV).start()
    return start


def connect(s, *args, **how):
    return subprocess.run([BIN, "connect", "erp", *args], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60, **how)


def agree(s, *args):
    """The person: opens the address that is printed and follows it back."""
    p = subprocess.Popen([BIN, "connect", "erp", *args], cwd=s.folder, env=s.env, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    url = None
    while url is None:
        line = p.stderr.readline()
        assert line, p.stdout.read()
        url = re.search(r"http://\S+", line)
    with urllib.request.urlopen(url.group(0), timeout=20) as r:
        page = r.read().decode()
    assert "may be closed" in page
    out, err = p.communicate(timeout=30)
    return p.returncode, out, err


def test_a_person_agrees_once_and_the_grant_survives_a_restart(running, login):
    s = running(login, authorization_code(login))
    id = s.post({"n": 1})
    until(lambda: s.connection()["held"] == "connection_auth")
    assert "tieline connect erp" in s.connection()["held_reason"] and s.show(id)["event"]["state"] != "dead"
    code, out, err = agree(s)
    assert code == 0 and "it lets us in" in out and "orders.read orders.write" in out, (out, err)
    s.wait_counts(delivered=1)
    assert s.flow()["retries"] == 0
    s.stop()
    tokens = login.token_requests()
    assert not any(t.encode() in f.read_bytes() for f in (s.folder / "data").iterdir() if f.is_file()
                   for t in login.access | login.refresh), "tokens are sealed on disk"
    s.start()
    s.post({"n": 2})
    s.wait_counts(delivered=2)
    assert login.token_requests() == tokens, "the token of before is good still"
    login.forget()
    s.post({"n": 3})
    s.wait_counts(delivered=3)
    assert login.token_requests() == tokens + 1 and login.reused == 0


def test_the_answer_of_a_browser_that_did_not_begin_here_is_refused(running, login):
    s = running(login, authorization_code(login))
    url = s.do("/v1/connections/erp/connect", {"redirect_uri": "http://127.0.0.1:1/callback"})["url"]
    assert "code_challenge=" in url and "the-client-secret" not in url
    for query in ("code=code-1&state=guessed", "", "code=code-1"):
        r = s.call("POST", "/v1/connections/erp/connect/finish", {"query": query})
        assert r.status == 400, r
    assert login.token_requests() == 0


def test_the_address_can_be_pasted_when_the_browser_is_elsewhere(running, login):
    s = running(login, authorization_code(login))
    p = subprocess.Popen([BIN, "connect", "erp", "--paste", "--redirect-uri", "https://ops.example.com/callback", "--json"],
                         cwd=s.folder, env=s.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (url := re.search(r"http://\S+", p.stderr.readline())):
        pass

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args):
            return None
    try:
        urllib.request.build_opener(Stay).open(url.group(0), timeout=20)
    except urllib.error.HTTPError as e:
        back = e.headers["location"]
    assert back.startswith("https://ops.example.com/callback?code=")
    out, _ = p.communicate(back + "\n", timeout=30)
    assert p.returncode == 0 and json.loads(out)["ok"] is True, out


def test_test_says_who_where_scopes_expiry_and_what_is_left(running, login):
    s = running(login, client_credentials(login), limits={"quotas": {"name": "day", "amount": 1000}})
    r = connect(s, "--test")
    assert r.returncode == 0, r
    for words in ("erp (http): it lets us in", login.url, "GET /me: HTTP 200", "oauth2_client_credentials",
                  "orders.read orders.write", "token until", "of 1000 (day)"):
        assert words in r.stdout, r.stdout
    v = json.loads(connect(s, "--test", "--json").stdout)
    assert v["ok"] and v["auth"]["expires_at"] and v["auth"]["paused"] is False and v["budgets"][0]["name"] == "day"


@pytest.mark.parametrize("break_it, theirs, ours", [
    (lambda login: login.clients.clear(), "invalid_client: Client authentication failed", "the client's id or its secret"),
    (lambda login: login.stop(), "token endpoint", "check the address"),
    (lambda login: setattr(login, "api", lambda r: answer(403, {"message": "no role for this user"})),
     "no role for this user", "give the user or client the rights"),
    (lambda login: setattr(login, "api", lambda r: answer(503, b"")), "503", "down or slow"),
])
def test_what_to_do_is_said_in_their_words_and_ours(running, login, break_it, theirs, ours):
    s = running(login, client_credentials(login))
    break_it(login)
    r = connect(s, "--test")
    assert r.returncode == 1 and theirs in r.stdout and ours in r.stdout, r.stdout
    assert ENV["CLIENT_SECRET"] not in r.stdout + r.stderr


def test_a_clock_ten_minutes_off_is_named(running, login):
    s = running(login, {"basic": {"user": "u", "password": "${env:CLIENT_SECRET}"}})
    late = email.utils.formatdate(time.time() + 600, usegmt=True)
    login.behave = lambda r: answer(401, {"message": "signature expired"}, date=late)
    r = connect(s, "--test")
    assert r.returncode == 1 and "our clock is 10 minutes behind theirs" in r.stdout, r.stdout


def test_a_connection_that_lets_us_in_again_goes_on(running, login):
    s = running(login, client_credentials(login))
    good = set(login.clients)
    login.clients.clear()
    s.post({"n": 1})
    until(lambda: s.connection()["held"] == "connection_auth")
    login.clients |= good
    s.do("/v1/connections/erp/resume")
    s.wait_counts(delivered=1)
    assert connect(s, "--test").returncode == 0


def test_without_a_server_it_says_how_to_get_one(site, login):
    c = project(login.url)
    c["connections"]["erp"]["auth"] = client_credentials(login)
    s = site(c, env=ENV).start()
    s.stop()
    r = connect(s)
    assert r.returncode != 0 and "start `tieline run`" in r.stderr, r
    s.start()
    r = connect(s, "--json")
    assert json.loads(r.stdout)["asked"] is False
    r = subprocess.run([BIN, "connect", "erb"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
    assert r.returncode == 3 and "did you mean 'erp'?" in r.stderr, r
