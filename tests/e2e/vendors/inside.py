# SPDX-License-Identifier: Apache-2.0
"""Amazon and PayPal as they are for the program: their names, port 443, a certificate of an authority that the system trusts. Runs
in namespaces of its own (../vendors_test.py), where /etc/hosts and the system's authorities are ours; the program is as it is."""
import base64
import fcntl
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.keys import Key
from support.site import project, until

AMAZON, OTHER_REGION, PAYPAL = "sns.eu-west-1.amazonaws.com", "sns.us-east-1.amazonaws.com", "api.paypal.com"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
WEBHOOK_ID = "1JE4291016473214C"


class Https:
    """Answers GET with what `pages` has; keeps host and path of each request."""

    def __init__(self, address, key):
        pages, seen = self.pages, self.seen = {}, []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append(self.headers["host"] + self.path)
                text = pages.get(self.path.split("&")[0])
                self.send_response(200 if text else 404)
                self.end_headers()
                self.wfile.write(text or b"")

            def log_message(self, *args):
                pass
        self.server = ThreadingHTTPServer((address, 443), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(key.path.with_suffix(".pem"), key.path)
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def over(path, text, folder):
    """In this mount namespace only."""
    own = folder / Path(path).name
    own.write_bytes(text)
    subprocess.run(["mount", "--bind", str(own), path], check=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vendors")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: up and running
    ca, web, signer = Key(folder, "ca"), Key(folder, "web"), Key(folder, "signer")
    ca.certificate("an authority of the system")
    web.certificate(AMAZON, ca=ca, san=f"DNS:{AMAZON},DNS:{PAYPAL}")
    over("/etc/hosts", f"127.0.0.1 localhost {AMAZON} {PAYPAL}\n127.0.0.2 {OTHER_REGION}\n".encode(), folder)
    over("/etc/ssl/certs/ca-certificates.crt", ca.path.with_suffix(".pem").read_bytes(), folder)
    good = Https("127.0.0.1", web)
    signer.certificate("sns.amazonaws.com")
    good.pages["/SimpleNotificationService-1.pem"] = signer.path.with_suffix(".pem").read_bytes()
    signer.certificate("messageverificationcerts.paypal.com")
    good.pages["/v1/notifications/certs/CERT-1"] = signer.path.with_suffix(".pem").read_bytes()
    good.pages["/?Action=ConfirmSubscription"] = b"<ConfirmSubscriptionResponse/>"
    signer.certificate(OTHER_REGION, san=f"DNS:{OTHER_REGION}")  # signed by nobody: somebody who has taken the name
    bad = Https("127.0.0.2", signer)
    bad.pages |= good.pages
    return good, bad, signer, Key(folder, "stranger")


def by(scheme, target, **conf):
    return project(target, flow={"from": {"webhook": {"path": "/hooks/shop", "verify": {scheme: conf}}}})


def sns(key, type="Notification", host=AMAZON, id="22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", **more):
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    m = {"Type": type, "MessageId": id, "TopicArn": TOPIC, "Message": '{"n": 1}', "Timestamp": at, "SignatureVersion": "2",
         "SigningCertURL": f"https://{host}/SimpleNotificationService-1.pem"}
    if type != "Notification":
        m |= {"Token": "2336412f37f", "SubscribeURL": f"https://{AMAZON}/?Action=ConfirmSubscription&Token=2336412f37f"}
    m |= more
    names = sorted(set(m) & {"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"})
    m["Signature"] = base64.b64encode(key.sign("".join(f"{n}\n{m[n]}\n" for n in names).encode())).decode()
    return json.dumps(m).encode()


def send(s, body):
    return s.sender.raw("POST", "/hooks/shop", body, {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"})


def test_sns_with_a_certificate_from_amazons_host(site, target, world):
    good, bad, signer, stranger = world
    s = site(by("sns", target, topic=TOPIC)).start()
    good.seen.clear()
    assert send(s, sns(signer, "SubscriptionConfirmation")).status == 200
    assert good.seen == [AMAZON + "/SimpleNotificationService-1.pem", AMAZON + "/?Action=ConfirmSubscription&Token=2336412f37f"]
    for n in range(5):
        assert send(s, sns(signer, id=f"message-{n}")).status == 200
    assert send(s, sns(signer, id="message-0")).json["duplicate"]
    s.wait_counts(delivered=5)
    assert len(good.seen) == 2, "one certificate is fetched once"
    assert send(s, sns(stranger, id="forged")).status == 401
    for url in (f"https://{AMAZON}:8443/SimpleNotificationService-1.pem", f"http://{AMAZON}/SimpleNotificationService-1.pem",
                f"https://{AMAZON}.evil.example/SimpleNotificationService-1.pem", f"https://{PAYPAL}/SimpleNotificationService-1.pem",
                f"https://evil@{AMAZON}/SimpleNotificationService-1.pem"):
        assert send(s, sns(signer, id="elsewhere", SigningCertURL=url)).status == 401, url
    assert len(good.seen) == 2


def test_a_host_whose_certificate_nobody_vouches_for_is_not_amazon(site, target, world):
    good, bad, signer, stranger = world
    s = site(by("sns", target, topic=TOPIC)).start()
    r = send(s, sns(signer, host=OTHER_REGION))
    assert r.status == 503, r  # the keys cannot be had: whoever is honest sends again
    assert bad.seen == [] and "certificate" in until(lambda: s.logged("webhook.no_keys"))[0]["text"], s.log
    assert s.flow()["events"] == 0


def test_paypal_with_a_certificate_from_its_host(site, target, world):
    good, bad, signer, stranger = world
    s = site(by("paypal", target, webhook_id=WEBHOOK_ID)).start()
    good.seen.clear()

    def post(id, key=signer, url=f"https://{PAYPAL}/v1/notifications/certs/CERT-1"):
        body = json.dumps({"id": id, "event_type": "PAYMENT.CAPTURE.COMPLETED"}).encode()
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = f"{id}|{at}|{WEBHOOK_ID}|{zlib.crc32(body)}".encode()
        return s.sender.raw("POST", "/hooks/shop", body, {
            "Content-Type": "application/json", "PAYPAL-TRANSMISSION-ID": id, "PAYPAL-TRANSMISSION-TIME": at, "PAYPAL-CERT-URL": url,
            "PAYPAL-TRANSMISSION-SIG": base64.b64encode(key.sign(text)).decode(), "PAYPAL-AUTH-ALGO": "SHA256withRSA"})
    assert post("WH-1").status == 200
    assert post("WH-2").status == 200
    assert good.seen == [PAYPAL + "/v1/notifications/certs/CERT-1"]
    assert post("WH-3", key=stranger).status == 401
    assert post("WH-4", url=f"https://{AMAZON}/v1/notifications/certs/CERT-1").status == 401
    s.wait_counts(delivered=2)
    assert len(good.seen) == 1
