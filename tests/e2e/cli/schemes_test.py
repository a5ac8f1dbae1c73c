# SPDX-License-Identifier: Apache-2.0
"""`tieline send` is the honest sender of every scheme: what it makes of a configuration, `run` with the same one takes."""
import copy
import json
import subprocess

import pytest
from support.keys import Key
from support.site import BIN, Site, project, until
from support.target import Target, answer

PUBLIC = "https://hooks.example.com/in/"
FORM = "AccountSid=AC1&From=%2B15551234567&MessageSid=SM{{seq}}&Body=hello+{{seq}}"
SECRET = {"secret": "${env:HOOK_SECRET}"}
WHSEC = {"secret": "${env:WHSEC}"}
TWO = {"secret": ["${env:HOOK_SECRET}", "${env:OTHER_SECRET}"]}
JWT = {"issuer": "https://login.example.com/", "audience": "https://hooks.example.com", "claims": {"sub": "billing"}}

# flow: (scheme, its configuration, words for `send`)
CASES = {
    "standard_webhooks": ("standard_webhooks", WHSEC, []),
    "svix": ("svix", WHSEC, []),
    "stripe": ("stripe", TWO, []),
    "github": ("github", SECRET, []),
    "shopify": ("shopify", SECRET, []),
    "slack": ("slack", SECRET, []),
    "hubspot": ("hubspot", SECRET | {"public_url": PUBLIC + "a%20b?x=%21"}, []),
    "hubspot-v2": ("hubspot_v2", SECRET | {"public_url": PUBLIC + "v2"}, []),
    "hubspot-v1": ("hubspot_v1", SECRET, []),
    "twilio": ("twilio", SECRET | {"public_url": PUBLIC + "twilio?a=1"}, ["--content-type", "application/x-www-form-urlencoded", "--file", "form.txt"]),
    "twilio-json": ("twilio", SECRET | {"public_url": PUBLIC + "twilio-json"}, []),
    "zendesk": ("zendesk", SECRET, []),
    "square": ("square", SECRET | {"public_url": PUBLIC + "square"}, []),
    "meta": ("meta", SECRET | {"verify_token": "${env:OTHER_SECRET}"}, []),
    "pagerduty": ("pagerduty", TWO, []),
    "convoy": ("convoy", SECRET | {"hash": "sha512", "encoding": "base64"}, []),
    "convoy-advanced": ("convoy_advanced", SECRET, []),
    "outpost": ("outpost", TWO, []),
    "hookdeck": ("hookdeck", SECRET, []),
    "x": ("x", SECRET, []),
    "okta": ("okta", SECRET, []),
    "microsoft-graph": ("microsoft_graph", SECRET, []),
    "cloudevents": ("cloudevents", SECRET | {"origins": ["*"]}, []),
    "sns": ("sns", {"topic": "arn:aws:sns:eu-west-1:123456789012:orders", "certificate": "signer.pem"}, ["--key", "signer.key"]),
    "paypal": ("paypal", {"webhook_id": "1JE4291016473214C", "certificate": "signer.pem"}, ["--key", "signer.key"]),
    "google-pubsub": ("google_pubsub", {"audience": PUBLIC + "pubsub", "email": "push@p.iam.gserviceaccount.com"}, ["--key", "signer.key"]),
    "jwt": ("jwt", JWT | {"secret": "${file:signer.pub}"}, ["--key", "signer.key"]),
    "jwt-shared": ("jwt", JWT | {"secret": "${env:LONG_SECRET}", "alg": "HS256"}, []),
    "jwt-set": ("jwt", JWT, ["--key", "signer.key"]),
    "client-certificate": ("client_certificate", {"name": "erp.partner.example"}, ["--cert", "partner.pem", "--key", "partner.key"]),
    "salesforce": ("salesforce_outbound", {"organization": "00D5i000000AbCd"}, []),
    "salesforce-mutual": ("salesforce_outbound", {"organization": "00D5i000000AbCd", "name": "erp.partner.example"},
                          ["--cert", "partner.pem", "--key", "partner.key"]),
    "basic": ("basic", {"user": "workday"} | SECRET, []),
    "token": ("token", SECRET | {"header": "x-webhook-token", "prefix": "Token "}, []),
    "generic": ("generic", SECRET | {"header": "x-signature", "prefix": "v1", "syntax": "pairs", "timestamp": "t=",
                                     "signed_text": "{timestamp}.{method}.{body}"}, []),
    "none": ("none", {}, []),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """All schemes in one installation that serves TLS and asks for client certificates."""
    folder = tmp_path_factory.mktemp("schemes")
    target = Target()
    ca, ours, signer = Key(folder, "ca"), Key(folder, "server"), Key(folder, "signer")
    ca.certificate("test authority")
    ours.certificate("127.0.0.1", ca=ca, san="IP:127.0.0.1")
    Key(folder, "partner").certificate("erp.partner.example", ca=ca)
    signer.certificate("sns.amazonaws.com")
    subprocess.run(["openssl", "rsa", "-in", signer.path, "-pubout", "-out", folder / "signer.pub"], check=True, capture_output=True)
    (folder / "signer.pub").chmod(0o600)
    (folder / "form.txt").write_text(FORM)
    keys = Target(lambda r: answer(200, {"keys": [signer.jwk()]}))
    config = project(target, flows={
        name: {"from": {"webhook": {"path": f"/in/{name}", "verify": {scheme: copy.deepcopy(conf)}}}, "to": {"connection": "erp", "post": f"/{name}"}}
        for name, (scheme, conf, _) in CASES.items()})
    for name in ("google-pubsub", "jwt-set"):
        [conf] = config["flows"][name]["from"]["webhook"]["verify"].values()
        conf["jwks_url"] = keys.url + "/jwks"
    config["server"]["tls"] = {"certificate": "server.pem", "key": "server.key", "client_ca": "ca.pem"}
    s = Site(folder, config, {"OTHER_SECRET": "another-one", "LONG_SECRET": "a-secret-of-thirty-two-bytes-or-more"}).start()
    s.target = target
    yield s
    s.clean_up()
    keys.stop()
    target.stop()


def send(s, flow, *words):
    return subprocess.run([BIN, "send", "--flow", flow, "--ca", "ca.pem", "--json", *words], cwd=s.folder, env=s.env, capture_output=True,
                          text=True, timeout=60)


def test_no_scheme_is_forgotten():
    listed = subprocess.run([BIN, "_complete", "3", "send", "--scheme", ""], capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) == {scheme for scheme, _, _ in CASES.values()}


@pytest.mark.parametrize("flow", CASES)
def test_what_send_makes_is_taken_and_delivered(server, flow):
    words = CASES[flow][2]
    done = send(server, flow, "--count", "3", *words)
    assert done.returncode == 0 and json.loads(done.stdout)["accepted"] == 3, (done.stdout, done.stderr)
    until(lambda: server.target.count(f"/{flow}") >= 3)


def duplicates(s, flow, *words):
    """How many of two that are sent twice are known, and what the flow's target has got for the ids from now on."""
    seen = s.target.count(f"/{flow}")
    done = send(s, flow, "--count", "2", "--duplicate", "100", "--concurrency", "1", *words)
    assert done.returncode == 0, (done.stdout, done.stderr)
    until(lambda: s.target.count(f"/{flow}") >= seen + 2)
    return json.loads(done.stdout)["answered_as_duplicate"], s.target.bodies(f"/{flow}")[seen:]


def test_cloudevents_are_sent_in_each_mode_and_known_when_they_come_again(server):
    known, events = duplicates(server, "cloudevents", "--id-prefix", "binary 1")
    assert known == 2 and {e["id"] for e in events} == {"binary 1-1", "binary 1-2"}
    assert all(e["specversion"] == "1.0" and e["datacontenttype"] == "application/json" and e["data"]["currency"] == "EUR" for e in events)
    known, events = duplicates(server, "cloudevents", "--content-type", "application/cloudevents+json")
    assert known == 2 and {e["source"] for e in events} == {"/tieline/send"} and {e["data"]["id"] for e in events} == {1, 2}
    own = {"specversion": "1.0", "id": "own-{{seq}}", "source": "/sap", "type": "order.made", "data": {"n": 1}}
    (server.folder / "event.json").write_text(json.dumps(own))
    known, events = duplicates(server, "cloudevents", "--file", "event.json")
    assert known == 2 and sorted(e["id"] for e in events) == ["own-1", "own-2"] and events[0]["type"] == "order.made"
    (server.folder / "batch.json").write_text(json.dumps([{**own, "id": "batch-{{seq}}"}]))
    known, events = duplicates(server, "cloudevents", "--file", "batch.json", "--content-type", "application/cloudevents-batch+json")
    assert sorted(e["id"] for e in events) == ["batch-1", "batch-2"]
    assert server.flow("cloudevents")["no_key"] == 0 and not server.flow("cloudevents")["other_body"]


@pytest.mark.parametrize("flow", ["sns", "paypal", "google-pubsub", "jwt", "client-certificate"])
def test_without_the_key_of_the_sender_nothing_is_sent_or_taken(server, flow):
    done = send(server, flow)
    if flow == "client-certificate":
        assert done.returncode == 1 and "401" in json.loads(done.stdout)["first_refusal"], done
    else:
        assert done.returncode == 2 and "needs a private key to send with" in done.stderr and not done.stdout, done


def test_a_graph_notification_of_ones_own_keeps_its_shape(server):
    (server.folder / "graph.json").write_text('{"value": [{"subscriptionId": "s{{seq}}", "changeType": "updated", "clientState": "wrong"}]}')
    assert send(server, "microsoft-graph", "--file", "graph.json").returncode == 0
    until(lambda: any(b["value"][0]["changeType"] == "updated" for b in server.target.bodies("/microsoft-graph")))


def test_wrong_files_are_one_sentence(server):
    for words, wanted in ((["--cert", "partner.pem"], "give --key FILE"),
                          (["--cert", "nowhere.pem", "--key", "partner.key"], "nowhere.pem"),
                          (["--cert", "partner.pem", "--key", "signer.key"], "signer.key"),
                          (["--key", "nowhere.key"], "nowhere.key")):
        done = send(server, "github", *words)
        assert done.returncode in (1, 2, 3) and wanted in done.stderr and done.stderr.count("\n") == 1, done
