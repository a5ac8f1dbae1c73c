# SPDX-License-Identifier: Apache-2.0
"""Signed webhooks into Salesforce: `tieline run` against `tieline sim salesforce`."""
import json
import sqlite3
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest
from support.site import BIN, FAST, hook, project, until


class Org:
    """The simulator as a program of its own."""

    def __init__(self, *options):
        self.process = subprocess.Popen([BIN, "sim", "salesforce", "--port", "0", *options], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        assert self.url.startswith("http"), self.url
        self.pubsub = self.process.stdout.readline().split()[-1]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def ask(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(self.url + path, data, timeout=10) as r:
            return json.loads(r.read() or "null")

    def query(self, soql):
        return self.ask("/__query?q=" + urllib.parse.quote(soql))["records"]

    def control(self, **options):
        return self.ask("/__control", options)

    @property
    def stats(self):
        return self.ask("/__stats")

    def close(self):
        self.process.terminate()
        assert self.process.wait(10) == 0


@pytest.fixture
def orgs():
    all = []

    def start(*options):
        all.append(Org(*options))
        return all[-1]
    yield start
    for org in all:
        org.close()


def crm(org, **more):
    return {"type": "salesforce", "url": org.url, "pubsub": org.pubsub,
            "auth": {"oauth2_client_credentials": {"client_id": "tieline-demo", "client_secret": "${env:SF_SECRET}"}}, **more}


def to_accounts(org, flow=None, **connection):
    flow = {"from": hook("/hooks/shop"),
            "steps": [{"map": {"jsonata": "{'ERP_Id__c': id, 'Name': name, 'AnnualRevenue': revenue}"}}],
            "to": {"connection": "crm", "upsert": "Account", "external_id": "ERP_Id__c"}, "retry": dict(FAST), **(flow or {})}
    return project("http://127.0.0.1:1", flow=flow, connections={"crm": crm(org, **connection)})


ENV = {"SF_SECRET": "demo-secret"}


def test_signed_webhooks_become_accounts_each_once(site, orgs):
    org = orgs()
    s = site(to_accounts(org), env=ENV).start()
    for n in range(30):
        s.post({"id": f"A{n % 20}", "name": f"Account {n}", "revenue": n})
    s.wait_counts(delivered=30)
    accounts = org.query("SELECT ERP_Id__c, Name FROM Account ORDER BY ERP_Id__c")
    assert len(accounts) == 20 and {a["ERP_Id__c"] for a in accounts} == {f"A{n}" for n in range(20)}
    assert org.stats["tokens"] == 1


def test_the_bad_record_of_a_batch_dies_with_the_words_of_the_org_and_the_others_arrive(site, orgs):
    org = orgs()
    s = site(to_accounts(org), env=ENV).start()
    good = [s.post({"id": f"G{n}", "name": "x"}) for n in range(5)]
    bad = s.post({"id": "B", "name": "y" * 300})
    worse = s.post({"id": "C", "name": "z", "revenue": "much"})
    for id in good:
        s.wait_state(id, "delivered")
    assert "STRING_TOO_LONG" in json.dumps(s.wait_state(bad, "dead"))
    assert "JSON_PARSER_ERROR" in json.dumps(s.wait_state(worse, "dead"))
    assert len(org.query("SELECT Id FROM Account")) == 5


def test_nothing_is_lost_or_doubled_through_locks_expired_sessions_and_lost_answers(site, orgs):
    org = orgs("--lock-every", "7", "--expire-every", "9", "--fail", "10", "--drop", "5", "--unavailable", "5")
    s = site(to_accounts(org, flow={"retry": {**FAST, "attempts": 40}}), env=ENV).start()
    for n in range(200):
        s.post({"id": f"A{n}", "name": f"Account {n}"})
    s.wait_counts(delivered=200, timeout=60)
    accounts = org.query("SELECT ERP_Id__c FROM Account")
    assert sorted(a["ERP_Id__c"] for a in accounts) == sorted(f"A{n}" for n in range(200))


def test_a_session_that_ended_is_renewed_and_a_dead_grant_pauses_without_losing_anything(site, orgs):
    org = orgs()
    s = site(to_accounts(org), env=ENV).start()
    s.wait_state(s.post({"id": "1", "name": "a"}), "delivered")
    org.ask("/__expire", {})
    s.wait_state(s.post({"id": "2", "name": "b"}), "delivered")
    assert org.stats["tokens"] == 2
    org.control(**{"refuse-grant": True})
    org.ask("/__expire", {})
    waiting = s.post({"id": "3", "name": "c"})
    until(lambda: "invalid_grant" in s.log)
    assert s.state(waiting) in ("queued", "retrying", "held")


def test_the_daily_quota_is_never_exceeded_by_one_call(site, orgs):
    org = orgs("--daily", "100")
    s = site(to_accounts(org, daily_calls=100, keep="10%"), env=ENV).start()
    for n in range(150):
        s.post({"id": f"A{n}", "name": "x"})
        if n < 100:
            until(lambda: s.counts()["delivered"] > n or org.stats["api_used"] >= 90, timeout=5)
    until(lambda: '"quota"' in s.call("GET", "/v1/status").text)
    stats = org.stats
    assert stats["over_limit"] == 0 and 80 <= stats["api_used"] <= 90, stats
    assert s.counts()["dead"] == 0


@pytest.mark.parametrize("keep, most", [("0%", 150), ("20%", 120)], ids=["all of it", "a fifth left to others"])
def test_flows_that_share_a_connection_never_pass_its_quota_by_one_call_also_over_kills(site, orgs, keep, most):
    """The org counts the calls: two flows, one call a record, a tenth of them failing, sessions that end, and kill -9 on the way."""
    org = orgs("--daily", "150", "--fail", "8", "--drop", "4", "--expire-every", "29")
    config = to_accounts(org, flow={"to": {"connection": "crm", "upsert": "Account", "external_id": "ERP_Id__c", "batch": 1},
                                    "retry": {"attempts": 50, "backoff": "10ms..50ms"}}, daily_calls=150, keep=keep)
    config["connections"]["crm"]["limits"] = {"breaker_failures": 10000}
    config["flows"]["people"] = {"from": hook("/hooks/people"), "steps": [{"map": {"jsonata": "{'LastName': name, 'Company': id}"}}],
                                 "to": {"connection": "crm", "create": "Lead", "batch": 1}, "retry": {"attempts": 50, "backoff": "10ms..50ms"}}
    s = site(config, env=ENV).start()
    for n in range(120):
        s.post({"id": f"A{n}", "name": "x"})
        s.post({"id": f"P{n}", "name": "x"}, path="/hooks/people")
        if n in (30, 60):
            until(lambda: org.stats["api_used"] > n)
            s.kill()
            s.start()
    until(lambda: '"quota"' in s.call("GET", "/v1/status").text, timeout=60)
    until(lambda: all(s.counts(f)["running"] == 0 for f in ("orders", "people")))
    stats = org.stats
    assert stats["over_limit"] == 0 and most - 20 <= stats["api_used"] <= most, stats
    for flow in ("orders", "people"):
        counts = s.counts(flow)
        assert counts["dead"] == 0 and counts["delivered"] + counts["queued"] + counts["retrying"] == 120, counts


def copies(org, source, **more):
    """What comes from the org goes to a target that keeps it."""
    return {"from": {"read": {"connection": "crm", **source}}, "to": {"connection": "erp", "post": "/in"}, "retry": dict(FAST), **more}


def from_org(target, org, source, **more):
    p = project(target, flow=None, connections={"crm": crm(org)}, flows={"in": copies(org, source, **more)})
    p["flows"].pop("orders")
    return p


def change(org, method, path, body=None):
    """What somebody else does to an account of the org's."""
    token = json.loads(urllib.request.urlopen(org.url + "/services/oauth2/token", urllib.parse.urlencode({
        "grant_type": "client_credentials", "client_id": "tieline-demo", "client_secret": "demo-secret"}).encode()).read())
    r = urllib.request.Request(org.url + "/services/data/v60.0/sobjects/Account/" + path, json.dumps(body).encode() if body else None,
                               {"Authorization": "Bearer " + token["access_token"], "Content-Type": "application/json"}, method=method)
    return json.loads(urllib.request.urlopen(r).read() or "null")


def add(org, n, **more):
    """A record that the org got from somebody else."""
    return change(org, "POST", "", {"Name": f"n{n}", "ERP_Id__c": f"{n}", **more})["id"]


def positions(s):
    """Where the source goes on after a restart, from its ledger."""
    with sqlite3.connect(f"file:{s.folder}/data/ledger.db?mode=ro", uri=True) as db:
        return {key: bytes(value).decode() for key, value in db.execute("SELECT key, value FROM position WHERE key LIKE 'cursor%'")}


def test_changed_records_are_read_from_where_the_last_read_ended(site, orgs, target):
    org = orgs()
    for n in range(10):
        add(org, n)
    s = site(from_org(target, org, {"read": "Account", "fields": ["Name", "ERP_Id__c"], "lag": "0s", "every": "1s"}), env=ENV).start()
    target.wait(10)
    s.stop()
    add(org, 10)
    s.start()
    target.wait(11)
    names = [b["Name"] for b in target.bodies()]
    assert sorted(names) == sorted(f"n{n}" for n in range(11)), "each once"


def test_a_large_first_read_goes_in_ranges_and_survives_kills_in_the_middle(site, orgs, target, tmp_path):
    (tmp_path / "Account.csv").write_text("Name,ERP_Id__c\n" + "".join(f"n{n},{n}\n" for n in range(2000)))
    org = orgs("--seed", tmp_path / "Account.csv", "--delay", "100ms")
    s = site(from_org(target, org, {"read": "Account", "fields": "Name", "mode": "rest", "page": 200, "lag": "0s", "every": "1s",
                                    "deleted": True, "ranges": 4, "ranges_from": 500}), env=ENV).start()
    for share in (500, 1200):
        until(lambda: s.flow("in")["events"] >= share)
        s.kill()
        if share == 500:
            add(org, 2000)  # while nothing is under way: it belongs to none of the ranges
            change(org, "PATCH", org.query("SELECT Id FROM Account WHERE Name = 'n7'")[0]["Id"], {"Name": "changed"})
            change(org, "DELETE", org.query("SELECT Id FROM Account WHERE Name = 'n1999'")[0]["Id"])
        s.start()
    wanted = {f"n{n}" for n in range(2001)} - {"n7", "n1999"} | {"changed"}
    until(lambda: any(b["IsDeleted"] for b in target.bodies()) and wanted <= {b["Name"] for b in target.bodies()}, 60)
    s.wait_counts("in", delivered=s.flow("in")["events"], timeout=60)
    bodies = {(b["Id"], b["SystemModstamp"]): b for b in target.bodies()}
    assert {b["Name"] for b in bodies.values()} - {"n7", "n1999"} == wanted
    assert s.flow("in")["events"] == len(bodies) <= 2003, "each state of a record was taken in once"
    kept = positions(s)
    assert sum(k.startswith("cursor/") for k in kept) >= 4 and " ranges " not in kept["cursor"], kept


def test_a_query_job_survives_a_kill_and_is_not_made_again(site, orgs, target):
    org = orgs("--job", "3s")
    for n in range(25):
        add(org, n)
    second = int(time.time())
    until(lambda: int(time.time()) > second)  # a job reads up to the last second that is over
    read = {"read": "Account", "fields": ["Name", "ERP_Id__c"], "lag": "0s", "every": "1h", "mode": "bulk"}
    s = site(from_org(target, org, read), env=ENV).start()
    made = until(lambda: org.stats["query_jobs"] == 1 and org.stats)["api_calls"]
    until(lambda: org.stats["api_calls"] > made)  # it is asked after, so the ledger knows of it
    s.kill()
    assert not target.bodies()
    s.start()
    target.wait(25)
    assert sorted(b["Name"] for b in target.bodies()) == sorted(f"n{n}" for n in range(25)), "each once"
    assert org.stats["query_jobs"] == 1
    s.wait_counts("in", delivered=25)


def test_a_job_as_large_as_ours_are_is_carried_out_whole(orgs):
    org = orgs("--job", "0")
    token = json.loads(urllib.request.urlopen(org.url + "/services/oauth2/token", urllib.parse.urlencode({
        "grant_type": "client_credentials", "client_id": "tieline-demo", "client_secret": "demo-secret"}).encode()).read())

    def ask(method, path, body=None, type="application/json"):
        r = urllib.request.Request(org.url + "/services/data/v60.0/jobs/ingest" + path, body, method=method, headers={
            "Authorization": "Bearer " + token["access_token"], "Content-Type": type})
        return json.loads(urllib.request.urlopen(r, timeout=60).read() or "null")
    id = ask("POST", "", json.dumps({"object": "Account", "operation": "insert", "contentType": "CSV", "lineEnding": "LF"}).encode())["id"]
    ask("PUT", f"/{id}/batches", ("Name,ERP_Id__c\n" + "".join(f"n{i},{i}\n" for i in range(10000))).encode(), "text/csv")
    ask("PATCH", f"/{id}", b'{"state":"UploadComplete"}')
    job = ask("GET", f"/{id}")
    assert (job["state"], job["numberRecordsProcessed"], org.stats["created"]) == ("JobComplete", 10000, 10000), job


def daily(s):
    return next(b for b in s.connection("crm")["budgets"] if b["name"] == "daily_api_calls")


@pytest.mark.parametrize("how", ["bulk", "by external id", "look-up and write"])
def test_each_request_of_a_call_is_counted_as_the_org_counts_it(site, orgs, how):
    """A job is opened, filled, closed, asked after, and has two results; records of one external id go in a call after another."""
    org = orgs("--job", "200ms")
    to = {"bulk": {"upsert": "Account", "external_id": "ERP_Id__c", "mode": "bulk"},
          "by external id": {"update": "Account", "external_id": "ERP_Id__c"},
          "look-up and write": {"upsert": "Account", "external_id": "ERP_Id__c"}}[how]
    steps = [{"map": {"jsonata": "{'ERP_Id__c': id, 'Name': name, 'AnnualRevenue': revenue}"}}]
    if how == "look-up and write":
        steps.insert(0, {"lookup": {"connection": "crm", "query": "SELECT Id FROM Account WHERE ERP_Id__c = {body.id}", "as": "known"}})
    for n in range(20):
        add(org, n)
    s = site(to_accounts(org, flow={"steps": steps, "to": {"connection": "crm", "linger": "1s", **to}}), env=ENV).start()
    before = org.stats["api_used"]
    for n in range(60):
        s.post({"id": str(n % 20), "name": f"Account {n}"})
    s.wait_counts(delivered=60, timeout=60)
    calls = org.stats["api_used"] - before
    assert calls > 1 and daily(s)["used"] == calls, (calls, s.connection("crm"))


def test_the_further_requests_of_a_call_do_not_pass_the_quota_either(site, orgs):
    org = orgs("--daily", "40", "--job", "200ms")
    config = to_accounts(org, daily_calls=40, keep="0%", flow={
        "to": {"connection": "crm", "upsert": "Account", "external_id": "ERP_Id__c", "mode": "bulk", "job_rows": 5}})
    s = site(config, env=ENV).start()
    for n in range(80):  # sixteen jobs of six requests at least
        s.post({"id": str(n), "name": "x"})
    until(lambda: s.connection("crm")["held"] == "quota" or daily(s)["used"] >= 40, 60)
    until(lambda: s.counts()["running"] == 0 or daily(s)["used"] >= 40, 60)
    stats = org.stats
    assert stats["over_limit"] == 0 and 30 <= stats["api_used"] <= 40, stats
    assert s.counts()["dead"] == 0


def connect(s, *args, **how):
    return subprocess.run([BIN, "connect", "crm", *args], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60, **how)


def test_what_the_flows_need_is_prepared_after_a_yes_and_only_once(site, orgs):
    org = orgs("--job", "200ms")
    s = site(to_accounts(org, flow={"steps": [{"map": {"jsonata": "{'Shop_Id__c': id, 'Name': name}"}}],
                                    "to": {"connection": "crm", "upsert": "Account", "external_id": "Shop_Id__c"}}), env=ENV).start()
    r = connect(s, "--prepare", input="n\n")
    assert r.returncode == 1 and "missing" in r.stdout and "custom field Account.Shop_Id__c" in r.stdout, r.stdout + r.stderr
    assert "nothing was changed" in r.stdout and org.stats["deployments"] == 0
    r = connect(s, "--prepare", "--yes")
    assert r.returncode == 0 and "made:" in r.stdout, r.stdout + r.stderr
    r = connect(s, "--prepare", "--yes")
    assert r.returncode == 0 and "missing" not in r.stdout and org.stats["deployments"] == 1, r.stdout
    s.wait_state(s.post({"id": "1", "name": "a"}), "delivered")
    assert org.query("SELECT Shop_Id__c, Name FROM Account")[0]["Shop_Id__c"] == "1"


def outbound(org, target, **more):
    p = project(target, flow={"from": {"webhook": {"path": "/hooks/sf", "verify": {"salesforce_outbound": {
        "organization": "00D5i000000SiMuEAK"}}}}, "order_by": "body.sObject.Id", "retry": dict(FAST), **more})
    return p


# 11.15 Outbound redelivery.
def test_outbound_messages_come_in_once_however_often_they_are_sent(site, orgs, target):
    org = orgs("--outbound-twice")
    s = site(outbound(org, target)).start()
    org.ask("/__outbound", {"object": "Account", "url": f"http://127.0.0.1:{s.port}/hooks/sf"})
    for n in range(5):
        add(org, n)
    s.wait_counts(delivered=5)
    s.kill()
    for n in range(5, 10):
        add(org, n)  # nobody listens: the org tries again
    s.start()
    s.wait_counts(delivered=10)
    until(lambda: org.stats["outbound_acks"] >= 2 and s.flow()["duplicates"] >= 5)
    assert sorted(b["sObject"]["Name"] for b in target.bodies()) == sorted(f"n{n}" for n in range(10)), "each once"
    assert {b["sObject"]["type"] for b in target.bodies()} == {"Account"}
    assert len({b["Id"] for b in target.bodies()}) == 10


def test_an_outbound_message_of_another_organization_is_refused(site, orgs, target):
    org = orgs()
    p = outbound(org, target)
    p["flows"]["orders"]["from"]["webhook"]["verify"]["salesforce_outbound"]["organization"] = "00D5i000000OthEAAA"
    s = site(p).start()
    org.ask("/__outbound", {"object": "Account", "url": f"http://127.0.0.1:{s.port}/hooks/sf"})
    add(org, 1)
    until(lambda: org.stats["outbound_sent"] >= 2)
    assert org.stats["outbound_acks"] == 0 and s.flow()["events"] == 0
    assert "OrganizationId is not the one configured" in s.log


def test_change_events_survive_a_kill_and_a_forgotten_session_without_loss(site, orgs, target):
    org = orgs("--hold", "2s", "--forget-client-every", "5")
    s = site(from_org(target, org, {"listen": "/data/AccountChangeEvent", "all": True, "every": "1s"}), env=ENV).start()
    for n in range(5):
        add(org, n)
    target.wait(5)
    s.kill()
    for n in range(5, 10):
        add(org, n)
    s.start()
    until(lambda: {b["Name"] for b in target.bodies()} == {f"n{n}" for n in range(10)})
    until(lambda: s.counts("in")["delivered"] == 10), "each event was taken in once"
    assert {b["ChangeEventHeader"]["changeType"] for b in target.bodies()} == {"CREATE"}


@pytest.mark.parametrize("via", ["cometd", "pubsub"])
def test_a_kill_before_the_first_event_loses_none_of_those_until_the_restart(site, orgs, target, via):
    org = orgs("--hold", "20s")  # it says nothing before the kill, so no replay id is known
    s = site(from_org(target, org, {"listen": "/data/AccountChangeEvent", "via": via, "every": "1s"}), env=ENV).start()
    until(lambda: positions(s))
    s.kill()
    for n in range(3):
        add(org, n)
    s.start()
    target.wait(3)
    assert sorted(b["Name"] for b in target.bodies()) == ["n0", "n1", "n2"]


def test_change_events_over_grpc_survive_kills_broken_streams_and_dead_tokens_without_loss(site, orgs, target):
    org = orgs("--hold", "1s", "--break-stream-every", "4")
    source = {"listen": "/data/AccountChangeEvent", "via": "pubsub", "all": True, "every": "1s", "watchdog": "5s"}
    s = site(from_org(target, org, source), env=ENV).start()
    for n in range(300):
        add(org, n)
        if n == 100:
            s.kill()
            s.start()
        if n in (50, 200):
            org.ask("/__expire", {})
    until(lambda: {b["Name"] for b in target.bodies()} == {f"n{n}" for n in range(300)}, 60)
    until(lambda: s.counts("in")["delivered"] == 300), "each event was taken in once"
    assert org.stats["subscriptions"] > 3 and org.stats["connects"] == 0


def test_a_bulk_job_survives_a_kill_and_every_row_has_its_verdict(site, orgs):
    org = orgs("--job", "1s")
    s = site(to_accounts(org, flow={
        "to": {"connection": "crm", "upsert": "Account", "external_id": "ERP_Id__c", "mode": "bulk"}}), env=ENV).start()
    ids = [s.post({"id": f"A{n}", "name": "x" * (300 if n == 7 else 3)}) for n in range(60)]
    until(lambda: org.stats["jobs"] > 0)
    s.kill()
    s.start()
    s.wait_counts(delivered=59, dead=1, timeout=90)
    assert "STRING_TOO_LONG" in json.dumps(s.show(ids[7]))
    stats = org.stats
    assert stats["created"] == 59 and stats["updated"] == 0, "no row was submitted twice"


def test_a_row_of_a_bulk_job_leaves_its_cross_reference_though_steps_made_it(site, orgs):
    org = orgs("--job", "1s")
    s = site(to_accounts(org, flow={
        "to": {"connection": "crm", "upsert": "Account", "external_id": "ERP_Id__c", "mode": "bulk",
               "xref": {"model": "customer", "from": "shop", "id": "body.ERP_Id__c"}}}), env=ENV).start()
    event = s.post({"id": "A1", "name": "one"})
    until(lambda: org.stats["jobs"] > 0)
    child = s.show(event)["deliveries"][0]
    assert child["running"] and child["job"]["name"].startswith("bulk job 750"), child
    s.wait_counts(delivered=1, timeout=60)
    pair = s.get("/v1/xrefs?model=customer&id=A1")["xrefs"][0]
    assert json.dumps(pair).count(org.query("SELECT Id FROM Account WHERE ERP_Id__c = 'A1'")[0]["Id"]) == 1, pair
