# SPDX-License-Identifier: Apache-2.0
"""Who is told: Slack, PagerDuty, Opsgenie and a signed webhook, each a flow of the ledger, against their simulators."""
import base64
import hashlib
import hmac
import http.client
import json
import subprocess
import urllib.request

import pytest
from support.sender import WHSEC
from support.site import BIN, NO_BREAKER, free_port, hook, project, until
from support.target import Target, answer


class Sim:
    """`tieline sim NAME` on a port of its own."""

    def __init__(self, name):
        self.port = free_port()
        self.process = subprocess.Popen([BIN, "sim", name, "--port", str(self.port), "--quiet"], stdout=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{self.port}"

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as r:
                return json.load(r)
        except OSError:
            return None

    def control(self, **options):
        r = urllib.request.Request(self.url + "/__control", json.dumps(options).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(r, timeout=10).read()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(10) == 0


@pytest.fixture
def sims():
    running = {name: Sim(name) for name in ("slack", "pagerduty", "opsgenie")}
    until(lambda: running["slack"].get("/__messages") is not None and running["pagerduty"].get("/__incidents") is not None
          and running["opsgenie"].get("/__alerts") is not None)
    yield running
    for s in running.values():
        s.stop()


@pytest.fixture
def partner():
    t = Target()
    yield t
    t.stop()


def config(target, sims, partner):
    connections = {"chat": {"type": "slack", "url": sims["slack"].url + "/api", "token": "${env:SLACK}"},
                   "pager": {"type": "pagerduty", "url": sims["pagerduty"].url, "routing_key": "${env:PD}"},
                   "genie": {"type": "opsgenie", "url": sims["opsgenie"].url, "key": "${env:GENIE}"},
                   "partner": {"type": "http", "url": partner.url,
                               "auth": {"standard_webhooks": {"secret": "${env:WHSEC}"}}}}
    alerts = {"resolve_after": "1s", "notify": "all", "receivers": {"all": [
        {"connection": "chat", "notify": "#ops"}, {"connection": "pager", "notify": "tieline-test"},
        {"connection": "genie", "notify": "integration"},
        {"connection": "partner", "post": "/hook", "idempotency_header": "webhook-id"}]}}
    return project(target, limits=NO_BREAKER, connections=connections, alerts=alerts)


SECRETS = {"SLACK": "xoxb-sim", "PD": "R0UT1NGK3Y", "GENIE": "eb243592"}


def test_all_of_them_hear_of_an_alert_and_of_its_end(site, target, sims, partner):
    target.behave = lambda r: answer(401)
    s = site(config(target, sims, partner), SECRETS).start()
    s.post({"n": 1})
    incident, = until(lambda: sims["pagerduty"].get("/__incidents"), timeout=15)
    assert (incident["status"], incident["payload"]["severity"], incident["payload"]["component"]) == ("triggered", "critical", "erp")
    assert incident["payload"]["custom_details"]["held"] == 1
    message, = until(lambda: sims["slack"].get("/__messages"))
    assert "the credentials are refused" in message["text"] and message["channel"] == "#ops"
    assert [b["type"] for b in message["blocks"]][:2] == ["header", "section"]
    alert, = until(lambda: sims["opsgenie"].get("/__alerts"))
    assert alert["status"] == "open" and alert["alert"]["responders"] == [{"name": "integration", "type": "team"}]
    r = partner.wait(1)[0]
    key = base64.b64decode(WHSEC)
    signed = b".".join([r.headers["webhook-id"].encode(), r.headers["webhook-timestamp"].encode(), r.body])
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert "." not in r.headers["webhook-id"] and r.headers["webhook-signature"] == expected
    assert json.loads(r.body)["type"] == "tieline.alert.firing"
    target.behave = None
    s.do("/v1/connections/erp/resume")
    until(lambda: sims["pagerduty"].get("/__incidents")[0]["status"] == "resolved", timeout=20)
    until(lambda: sims["opsgenie"].get("/__alerts")[0]["status"] == "closed")
    until(lambda: len(sims["slack"].get("/__messages")) == 2)
    partner.wait(2)
    s.wait_counts("alerts.all", delivered=8)
    assert len(sims["pagerduty"].get("/__incidents")) == 1
    assert not any(v in s.log for v in SECRETS.values())


def test_a_wrong_key_pauses_its_connection_and_the_others_are_told_of_it(site, target, sims, partner):
    target.behave = lambda r: answer(401)
    c = config(target, sims, partner)
    c["alerts"]["receivers"] = {"pager": {"connection": "pager", "notify": "t"}, "chat": {"connection": "chat", "notify": "#ops"}}
    c["alerts"]["notify"] = ["pager", "chat"]
    s = site(c, {**SECRETS, "PD": "wrong"}).start()
    s.post({"n": 1})
    until(lambda: s.connection("pager")["held"] == "connection_auth", timeout=20)
    until(lambda: any("Connection pager" in m["text"] for m in sims["slack"].get("/__messages")), timeout=20)
    assert sims["pagerduty"].get("/__incidents") == []


def test_a_refusal_of_slack_is_told_apart(site, target, sims, partner):
    target.behave = lambda r: answer(401)
    c = config(target, sims, partner)
    c["alerts"]["receivers"] = {"all": {"connection": "chat", "notify": "#ops"}}
    sims["slack"].control(archived=True)
    s = site(c, SECRETS).start()
    s.post({"n": 1})
    until(lambda: s.flow("alerts.all")["held"] == "flow_config", timeout=20)
    sims["slack"].control(archived=False)
    s.do("/v1/flows/alerts.all/resume")
    until(lambda: sims["slack"].get("/__messages"), timeout=20)


@pytest.mark.parametrize("how", ({}, {"idempotency_header": "webhook-id"}, {"idempotency_header": "Idempotency-Key"}), ids=("plain", "id", "key"))
def test_a_signed_delivery_keeps_its_id_over_attempts_and_we_take_it_in_once(site, target, partner, how):
    """standardwebhooks.com: the id is the same whenever the message is sent again, and has no full stop."""
    to = {"connection": "partner", "post": "/in", **how}
    s = site(project(target, flow={"to": to}, connections={"partner": {"type": "http", "url": partner.url, "limits": NO_BREAKER,
                                                                       "auth": {"standard_webhooks": {"secret": "${env:WHSEC}"}}}},
                     flows={"in": {"from": hook("/in", "standard_webhooks", "${env:WHSEC}"), "to": {"connection": "erp", "post": "/orders"}}})).start()
    seen = []

    def relay(r):
        """Hands on to us what it gets, and loses our first two answers."""
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
        c.request("POST", "/in", r.body, {n: v for n, v in r.headers.items() if n.startswith("webhook-") or n == "content-type"})
        seen.append((c.getresponse().status, r.headers["webhook-id"]))
        c.close()
        return answer(500) if len(seen) < 3 else answer(200)
    partner.behave = relay
    s.wait_state(s.post({"n": 1}), "delivered")
    assert [status for status, _ in seen] == [200] * 3 and len({id for _, id in seen}) == 1 and "." not in seen[0][1], seen
    s.wait_counts("in", delivered=1)
    assert target.bodies() == [{"n": 1}]
