# SPDX-License-Identifier: Apache-2.0
"""Senders that prove themselves with keys of their own: JWT by a JWK set, SNS, PayPal, client certificates."""
import base64
import http.client
import json
import ssl
import time
import zlib

import pytest
from support.keys import Key
from support.site import project, until
from support.target import Target, answer

TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"


@pytest.fixture
def key(tmp_path):
    made = {}
    return lambda kid="one": made.setdefault(kid, None) or made.update({kid: Key(tmp_path, kid)}) or made[kid]


@pytest.fixture
def issuer():
    """The place of a JWK set; `keys` is what it has."""
    t = Target(lambda r: answer(200, {"keys": t.keys}, cache_control="max-age=3600"))
    t.keys = []
    yield t
    t.stop()


def by(scheme, target, **conf):
    return project(target, flow={"from": {"webhook": {"path": "/hooks/shop", "verify": {scheme: conf}}}})


def jwt(target, issuer, **more):
    return by("jwt", target, jwks_url=issuer.url + "/jwks", issuer="https://login.example.com/", audience="https://hooks.example.com", **more)


def post(s, token, body=b'{"n": 1}'):
    return s.sender.raw("POST", "/hooks/shop", body, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})


def test_a_token_is_checked_with_keys_that_are_fetched_once(site, target, issuer, key):
    issuer.keys = [key().jwk()]
    s = site(jwt(target, issuer)).start()
    for n in range(20):
        assert post(s, key().token(), b'{"n": %d}' % n).status == 200
    assert issuer.count() == 1
    for bad in (key().token(aud="https://other.example.com"), key().token(exp=int(time.time()) - 400),
                key().token(iss="https://evil.example/"), key("stranger").token(kid="one"), "x.y.z", ""):
        r = post(s, bad)
        assert r.status == 401 and (not bad or bad not in r.text), r
    assert issuer.count() == 1, "forged tokens cost nobody a request"
    s.wait_counts(delivered=20)
    assert not any(key().token()[:60] in line for line in s.lines)


def test_a_new_key_is_fetched_when_it_is_first_used_and_forgeries_fetch_nothing_more(site, target, issuer, key):
    issuer.keys = [key("old").jwk()]
    s = site(jwt(target, issuer)).start()
    assert post(s, key("old").token()).status == 200
    issuer.keys = [key("old").jwk(), key("new").jwk()]
    # The set was just fetched: an unknown key id is looked for every ten seconds and no sooner.
    assert post(s, key("new").token(), b'{"n": 2}').status == 401
    assert issuer.count() == 1
    until(lambda: post(s, key("new").token(), b'{"n": 2}').status == 200, timeout=30, every=0.5)
    assert post(s, key("old").token(), b'{"n": 3}').status == 200, "in a rotation both are good"
    assert issuer.count() == 2
    for n in range(50):
        assert post(s, key("stranger").token(kid=f"made-up-{n}")).status == 401
    assert issuer.count() <= 3


def test_keys_that_cannot_be_had_send_honest_senders_away_for_a_while(site, target, issuer, key):
    issuer.keys = [key().jwk()]
    issuer.stop()
    s = site(jwt(target, issuer)).start()
    r = post(s, key().token())
    assert r.status == 503 and r.headers["retry-after"], r
    assert until(lambda: s.logged("webhook.no_keys"))
    issuer.start()
    until(lambda: post(s, key().token()).status == 200)
    issuer.stop()
    assert post(s, key().token(), b'{"n": 2}').status == 200, "what was fetched serves while its place is away"


def test_the_set_may_not_hold_secrets_or_be_none(site, target, issuer, key):
    issuer.keys = [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "one"}, key().jwk()]
    s = site(jwt(target, issuer)).start()
    assert post(s, key().token()).status == 503


def sns(key, type="Notification", **more):
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    m = {"Type": type, "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC, "Message": '{"n": 1}', "Timestamp": at,
         "SignatureVersion": "2", "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/a.pem"}
    if type != "Notification":
        m |= {"Token": "2336412f37f", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"}
    m |= more
    names = sorted(set(m) & {"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"})
    m["Signature"] = base64.b64encode(key.sign("".join(f"{n}\n{m[n]}\n" for n in names).encode())).decode()
    return json.dumps(m).encode()


def send_sns(s, body):
    return s.sender.raw("POST", "/hooks/shop", body, {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"})


def test_sns_notifications_become_events_and_are_known_again(site, target, key):
    cert = key().certificate("sns.amazonaws.com")
    s = site(by("sns", target, topic=TOPIC, certificate=str(cert))).start()
    r = send_sns(s, sns(key()))
    assert r.status == 200 and not r.json["duplicate"], r
    assert send_sns(s, sns(key())).json["duplicate"]
    s.wait_counts(delivered=1)
    assert target.bodies("/orders")[0]["Message"] == '{"n": 1}'
    assert send_sns(s, sns(key(), TopicArn=TOPIC + "-of-another")).status == 401
    assert send_sns(s, sns(key("stranger"))).status == 401
    assert send_sns(s, b"raw delivery").status == 400


def test_an_sns_subscription_that_cannot_be_confirmed_is_no_success_and_no_event(site, target, key):
    cert = key().certificate("sns.amazonaws.com")
    s = site(by("sns", target, topic=TOPIC, certificate=str(cert))).start()
    r = send_sns(s, sns(key(), "SubscriptionConfirmation"))  # there is no Amazon here
    assert r.status >= 500, r
    assert until(lambda: s.logged("webhook.subscription"))[0]["type"] == "SubscriptionConfirmation"
    r = send_sns(s, sns(key(), "SubscriptionConfirmation", SubscribeURL="https://evil.example/?Action=ConfirmSubscription"))
    assert r.status == 401, r
    s.change(lambda c: c["flows"]["orders"]["from"]["webhook"]["verify"]["sns"].update(confirm=False))
    s.do("/v1/reload")
    assert send_sns(s, sns(key(), "SubscriptionConfirmation")).status == 200
    assert s.flow()["events"] == 0


def test_a_certificate_is_fetched_from_its_vendor_or_not_at_all(site, target, key, issuer):
    s = site(by("sns", target, topic=TOPIC)).start()
    r = send_sns(s, sns(key(), SigningCertURL=issuer.url + "/a.pem"))
    assert r.status == 401 and issuer.count() == 0, r


def test_paypal(site, target, key):
    cert = key().certificate("messageverificationcerts.paypal.com")
    s = site(by("paypal", target, webhook_id="1JE4291016473214C", certificate=str(cert))).start()
    body = b'{"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED"}'
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = f"t-1|{at}|1JE4291016473214C|{zlib.crc32(body)}".encode()
    headers = {"Content-Type": "application/json", "PAYPAL-TRANSMISSION-ID": "t-1", "PAYPAL-TRANSMISSION-TIME": at,
               "PAYPAL-TRANSMISSION-SIG": base64.b64encode(key().sign(text)).decode(), "PAYPAL-AUTH-ALGO": "SHA256withRSA",
               "PAYPAL-CERT-URL": "https://api.paypal.com/v1/notifications/certs/CERT-1"}
    assert s.sender.raw("POST", "/hooks/shop", body, headers).status == 200
    assert s.sender.raw("POST", "/hooks/shop", body.replace(b"WH-1", b"WH-2"), headers).status == 401
    s.wait_counts(delivered=1)
    stored = json.dumps(s.show(s.list()[0]["id"]))
    assert headers["PAYPAL-TRANSMISSION-SIG"] not in stored, "a signature is not kept"


def test_a_client_certificate_is_a_proof(site, target, key):
    ca, ours = key("ca"), key("server")
    ca.certificate("test authority")
    ours.certificate("127.0.0.1", ca=ca, san="IP:127.0.0.1")
    key("partner").certificate("erp.partner.example", ca=ca)
    key("other").certificate("other.partner.example", ca=ca)
    key("foreign").certificate("erp.partner.example")  # signed by nobody we know
    c = by("client_certificate", target, name="erp.partner.example")
    c["server"]["tls"] = {"certificate": str(ours.path.with_suffix(".pem")), "key": str(ours.path), "client_ca": str(ca.path.with_suffix(".pem"))}
    s = site(c).start()

    def post_as(who):
        t = ssl.create_default_context(cafile=ca.path.with_suffix(".pem"))
        if who:
            t.load_cert_chain(who.path.with_suffix(".pem"), who.path)
        h = http.client.HTTPSConnection("127.0.0.1", s.port, context=t, timeout=20)
        h.request("POST", "/hooks/shop", b'{"n": 1}', {"Content-Type": "application/json"})
        return h.getresponse().status
    assert post_as(key("partner")) == 200
    assert post_as(key("other")) == 401
    assert post_as(None) == 401
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        post_as(key("foreign"))
    s.wait_counts(delivered=1)
