# SPDX-License-Identifier: Apache-2.0
"""Mail: alerts and records to a server that takes, refuses and forgets."""
import subprocess

import pytest
from support.mail import PASSWORD, USER, Server
from support.site import FAST, NO_BREAKER, project, until
from support.target import answer


@pytest.fixture
def server():
    s = Server()
    yield s
    s.stop()


def mailed(server, target=None, **connection):
    post = {"type": "smtp", "url": f"smtp://localhost:{server.port}", "from": "tieline@example.com", "tls": "none", "user": USER,
            "password": "${env:MAIL_PASSWORD}", "timeout": "5s", "limits": NO_BREAKER, **connection}
    return project(target or "http://127.0.0.1:9", connections={"post": {k: v for k, v in post.items() if v is not None}},
                   flow={"to": {"connection": "post", "mail": ["ops@example.com", "erp@example.com"]}, "retry": dict(FAST)})


SECRETS = {"MAIL_PASSWORD": PASSWORD}


def test_a_record_becomes_a_mail(site, server):
    s = site(mailed(server), SECRETS).start()
    s.post({"subject": "Bestellung für Jörg", "text": "Zeile 1\n.\nZeile 3", "html": "<p>hi</p>"})
    s.wait_counts(delivered=1)
    mail, state = server.mails[0]
    assert mail["subject"] == "Bestellung für Jörg" and mail["to"] == "ops@example.com, erp@example.com"
    assert mail.get_body(("plain",)).get_content().strip() == "Zeile 1\n.\nZeile 3"
    assert "<p>hi</p>" in mail.get_body(("html",)).get_content()
    assert state["auth"] and len(state["to"]) == 2 and "<ops@example.com>" in state["to"][0]
    assert PASSWORD not in s.log


def test_what_the_server_says_has_its_class(site, server):
    s = site(mailed(server), SECRETS).start()
    server.refuse = {"RCPT": "550 5.1.1 no such person"}
    dead = s.post({"subject": "a", "text": "b"})
    assert "no such person" in str(s.wait_state(dead, "dead")) or s.show(dead)["event"]["class"] == "data"
    server.refuse = {"END": "451 4.3.0 later"}
    s.post({"subject": "a", "text": "b"})
    until(lambda: server.commands.count("DATA") >= 2)
    server.refuse = {}
    s.wait_counts(delivered=1, dead=1)
    server.refuse = {"AUTH": "535 5.7.8 no"}
    s.post({"subject": "a", "text": "b"})
    until(lambda: s.connection("post")["held"] == "connection_auth")
    server.refuse = {}
    s.do("/v1/connections/post/resume")
    s.wait_counts(delivered=2)


def test_a_mail_whose_end_nobody_confirmed_is_an_unknown_outcome_and_comes_again(site, server):
    s = site(mailed(server), SECRETS).start()
    server.refuse = {"END": ""}
    id = s.post({"subject": "a", "text": "b"})
    until(lambda: server.commands.count("DATA") >= 1)
    server.refuse = {}
    s.wait_counts(delivered=1)
    first = s.show(id)["attempts"][0]
    assert first["error"] == "unknown_outcome" if "error" in first else "unknown" in str(first)


def test_encryption_is_required_unless_said_otherwise(site, server, tmp_path):
    s = site(mailed(server, tls=None), SECRETS).start()
    s.post({"subject": "a", "text": "b"})
    until(lambda: s.flow()["held"] == "flow_config")
    assert "AUTH" not in server.commands, "the password was not sent in the clear"
    s.stop()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "k.pem", "-out", tmp_path / "c.pem",
                    "-days", "5", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    secure = Server((tmp_path / "c.pem", tmp_path / "k.pem"))
    t = site(mailed(secure, tls=None, ca=str(tmp_path / "c.pem")), SECRETS).start()
    t.post({"subject": "a", "text": "b"})
    t.wait_counts(delivered=1)
    assert secure.mails[0][1]["tls"]
    secure.stop()


def test_the_egress_policy_holds_for_mail_too(site, server):
    c = mailed(server)
    c["egress"] = {"allow_private": False}
    s = site(c, SECRETS).start()
    s.post({"subject": "a", "text": "b"})
    until(lambda: s.flow()["held"] == "flow_config")
    assert server.commands == []


def test_an_alert_is_a_mail_and_its_end_answers_it(site, target, server):
    target.behave = lambda r: answer(401)
    c = mailed(server, target)
    c["flows"]["orders"]["to"] = {"connection": "erp", "post": "/orders"}
    c["connections"]["erp"] = {"type": "http", "url": target.url}
    c["alerts"] = {"resolve_after": "1s", "notify": "ops", "receivers": {"ops": {"connection": "post", "notify": "ops@example.com"}}}
    s = site(c, SECRETS).start()
    s.post({"n": 1})
    until(lambda: len(server.mails) == 1)
    first = server.mails[0][0]
    assert first["subject"] == "[page] Connection erp: the credentials are refused"
    assert "What to do: " in first.get_content() and "Waiting: 1 deliveries" in first.get_content()
    target.behave = None
    s.do("/v1/connections/erp/resume")
    until(lambda: len(server.mails) == 2, timeout=30)
    assert server.mails[1][0]["in-reply-to"] == first["message-id"]
