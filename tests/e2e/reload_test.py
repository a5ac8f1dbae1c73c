# SPDX-License-Identifier: Apache-2.0
"""A changed configuration: nothing is lost, nothing is sent to the wrong place, all of it counted in the answer."""
import json
import os
import re
import signal
import subprocess
import threading
import time

from support.keys import Key
from support.sender import Sender
from support.site import BIN, FAST, NO_BREAKER, hook, project, until
from support.target import answer


def two_flows(target, **more):
    return project(target, flow={"order_by": "'k'"}, flows={"other": {"from": hook("/hooks/other"), "to": {"connection": "erp", "post": "/other"},
                                            "retry": dict(FAST)}}, **more)


def hold(s, n, **how):
    s.do("/v1/flows/orders/pause")
    return [s.post({"n": i}, **how) for i in range(n)]


def test_events_of_a_removed_flow_are_held_and_can_be_moved(site, target):
    s = site(two_flows(target)).start()
    ids = hold(s, 5)
    s.change(lambda c: c["flows"].pop("orders"))
    dry = s.do("/v1/reload?dry_run=true")
    assert dry["applied"] is False and dry["ledger"]["flows_removed"] == 1 and dry["ledger"]["held_flow_removed"] == 5
    assert s.sender.post({"n": 9}).status == 200, "a dry run changes nothing"
    done = s.do("/v1/reload")
    assert done["applied"] and (done["ledger"]["flows_removed"], done["ledger"]["held_flow_removed"]) == (1, 6)
    assert s.sender.post({"n": 10}).status == 404
    assert s.flow()["removed"] and s.flow()["held"] == "flow_removed" and s.counts()["queued"] == 6
    s.stop()
    s.start()
    assert s.flow()["held"] == "flow_removed" and s.counts()["queued"] == 6 and target.count() == 0
    s.job("move", {"flow": "orders"}, to="other")
    s.wait_counts("other", delivered=6)
    assert [b["n"] for b in target.bodies("/other")][:5] == list(range(5)) and s.state(ids[0]) == "delivered"


def cli(s, *args):
    return subprocess.run([BIN, "events", *args], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=30)


def test_events_of_a_target_that_left_the_configuration_are_found_by_its_name(site, targets):
    good, bad = targets(), targets(lambda r: answer(503))
    config = project(good, connections={"other": {"type": "http", "url": bad.url, "limits": NO_BREAKER}},
                     flow={"retry": {"attempts": 100, "backoff": "1s..1s"}})
    config["flows"]["orders"]["to"] = [{"connection": "erp", "post": "/orders"}, {"connection": "other", "post": "/x", "name": "ledger"}]
    s = site(config).start()
    event = s.post({"n": 1})
    s.wait_counts(delivered=1, retrying=1)
    (left,) = [e["id"] for e in s.list(q="target:ledger")]
    s.change(lambda c: c["flows"]["orders"]["to"].pop())
    s.do("/v1/reload")
    for _ in range(2):
        assert [e["id"] for e in s.list(q="target:ledger")] == [left] == [e["id"] for e in s.list(target="ledger", flow="orders")]
        (row,) = s.list(q="target:ledger", state="retrying")
        assert (row["event"], row["target"]) == (event, "ledger")
        assert [e["target"] for e in s.list(q="target:erp")] == ["erp"]
        said = cli(s, "list", "--target", "ledger")
        assert said.returncode == 0 and left in said.stdout and said.stdout.count("retrying") == 1, said
        r = s.call("GET", "/v1/events?q=target:ledgre")
        assert r.status == 404 and "the ledger knows none of that name; did you mean 'ledger'?" in r.text, r
        s.stop()
        said = cli(s, "list", "--target", "ledger")
        assert left in said.stdout, "without a server too"
        s.start()
    assert cli(s, "cancel", "--target", "ledgre", "--yes").returncode != 0
    assert cli(s, "move", "--target", "ledger", "--to", "orders", "--to-target", "erp", "--yes").returncode == 0
    s.wait_counts(delivered=2)
    assert good.count() == 2


def test_a_reload_that_is_refused_for_a_path_changes_nothing(site, target):
    s = site(two_flows(target)).start()

    def change(c):
        c["flows"]["orders"]["to"]["post"] = "/new"
        del c["flows"]["other"]
        c["flows"]["third"] = {"from": hook("/healthz"), "to": {"connection": "erp", "post": "/third"}}
    s.change(change)
    for way in ("/v1/reload?dry_run=true", "/v1/reload"):
        refused = s.call("POST", way)
        assert refused.status == 422 and "the server's own" in str(refused), refused
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert target.bodies("/new") == [] and [f["name"] for f in s.get("/v1/status")["flows"]] == ["orders", "other"]


def test_events_of_a_connection_that_left_the_configuration_are_found_by_its_name(site, targets):
    good, bad = targets(), targets(lambda r: answer(503))
    config = project(good, connections={"other": {"type": "http", "url": bad.url, "limits": NO_BREAKER}},
                     flow={"retry": {"attempts": 100, "backoff": "1s..1s"}})
    config["flows"]["orders"]["to"] = [{"connection": "erp", "post": "/orders"}, {"connection": "other", "post": "/x", "name": "ledger"}]
    config["flows"]["more"] = {"from": hook("/more"), "to": {"connection": "other", "post": "/more"}}
    s = site(config).start()
    s.post({"n": 1})
    more = s.post({"n": 2}, path="/more")
    s.wait_counts(delivered=1, retrying=1)
    (left,) = [e["id"] for e in s.list(q="target:ledger")]
    s.change(lambda c: c["flows"]["orders"]["to"].pop() and c["flows"].pop("more") and c["connections"].pop("other"))
    s.do("/v1/reload")
    for _ in range(2):
        assert sorted(e["id"] for e in s.list(q="connection:other")) == sorted([left, more])
        assert {e["connection"] for e in s.list(connection="other")} == {"other"}
        assert [e["id"] for e in s.list(q="connection:other%20target:ledger")] == [left]
        assert [e["connection"] for e in s.list(q="connection:erp")] == ["erp"]
        r = s.call("GET", "/v1/events?q=connection:othr")
        assert r.status == 404 and "no flow has the connection 'othr', and the ledger knows no target that led to it last; did you mean 'other'?" in r.text, r
        s.stop()
        s.start()


def test_what_waits_for_another_connection_than_its_target_has_now_is_found_by_both(site, targets):
    bad, other = targets(lambda r: answer(503)), targets()
    s = site(project(bad, flow={"retry": {"attempts": 100, "backoff": "1s..1s"}}, connections={"erp": {"type": "http", "url": bad.url, "limits": NO_BREAKER}})).start()
    event = s.post({"n": 1})
    s.wait_counts(retrying=1)
    s.change(lambda c: c["connections"].update(new={"type": "http", "url": other.url}) or c["connections"].pop("erp") and
             c["flows"]["orders"]["to"].update(connection="new"))
    s.do("/v1/reload")
    for name in ("erp", "new"):
        assert [e["id"] for e in s.list(q=f"connection:{name}")] == [event]
    assert other.count() == 0


def test_a_flow_that_comes_back_goes_on_with_what_was_held(site, target):
    s = site(two_flows(target)).start()
    s.do("/v1/connections/erp/pause")
    for n in range(3):
        s.post({"n": n})
    flow = s.config["flows"]["orders"]
    s.change(lambda c: c["flows"].pop("orders"))
    assert s.do("/v1/reload")["ledger"]["held_flow_removed"] == 3
    s.do("/v1/connections/erp/resume")
    time.sleep(0.2)
    assert target.count() == 0
    s.change(lambda c: c["flows"].update(orders=flow))
    assert s.do("/v1/reload")["ledger"]["flows_back"] == 1
    s.wait_counts(delivered=3)


def test_a_connection_to_another_host_holds_what_waits_until_it_is_accepted(site, targets):
    old, new = targets(), targets()
    old.behave = lambda r: answer(500)
    config = project(old, flow={"retry": {"attempts": 50, "backoff": "100ms..300ms"}}, limits={"breaker_failures": 1000})
    s = site(config).start()
    for n in range(5):
        s.post({"n": n})
    until(lambda: old.count() >= 5)
    s.change(lambda c: c["connections"]["erp"].update(url=new.url))
    assert s.do("/v1/reload")["ledger"]["held_identity"] == 5
    s.post({"n": 5})
    time.sleep(0.6)
    assert new.count() <= 1, "what was queued for the old host must not go to the new one"
    assert s.connection()["held"] == "identity_changed" and s.counts()["dead"] == 0
    s.stop()
    s.start()
    time.sleep(0.3)
    assert all(b["n"] == 5 for b in new.bodies()), "nor after a restart"
    s.change(lambda c: c["connections"]["erp"].update(accept_identity=True))
    s.do("/v1/reload")
    s.wait_counts(delivered=6)
    assert sorted(b["n"] for b in new.bodies()) == list(range(6))


def test_a_path_or_a_limit_is_no_new_identity(site, target):
    s = site(project(target)).start()
    hold(s, 3)
    s.change(lambda c: (c["flows"]["orders"]["to"].update(post="/v2/orders"),
                        c["connections"]["erp"].update(limits={"concurrency": 2})))
    assert s.do("/v1/reload")["ledger"]["held_identity"] == 0
    s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=3)
    assert target.count("/v2/orders") == 3, "a queued delivery runs under the configuration of its start"


def test_a_changed_order_by_keeps_the_lanes_as_stored(site, target):
    s = site(project(target, flow={"order_by": "body.a"})).start()
    s.do("/v1/flows/orders/pause")
    for n in range(6):
        s.post({"n": n, "a": n % 2, "b": "one"})
    s.change(lambda c: c["flows"]["orders"].update(order_by="body.b"))
    answer_ = s.do("/v1/reload")
    assert answer_["applied"] and answer_["ledger"]["live"] == 6
    for n in range(6, 12):
        s.post({"n": n, "a": n % 2, "b": "one"})
    s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=12)
    came = [b["n"] for b in target.bodies()]
    assert [n for n in came if n < 6 and n % 2 == 0] == [0, 2, 4] and [n for n in came if n < 6 and n % 2] == [1, 3, 5]
    assert [n for n in came if n >= 6] == list(range(6, 12))


def test_a_bad_configuration_is_refused_with_its_places_and_the_old_one_goes_on(site, target):
    s = site(project(target)).start()
    keys = {"order_by": "body.[", "steps": [{"map": {"jsonata": "{ 'a': "}}]}
    for changes, words in (({"order_bye": "body.x", "retires": 3}, ["order_by", "retry"]), (keys, ["compile", "compile"])):
        before = dict(s.config["flows"]["orders"])
        s.change(lambda c: c["flows"]["orders"].update(changes))
        r = s.call("POST", "/v1/reload")
        assert r.status == 422 and r.json["applied"] is False
        errors = r.json["errors"]
        assert len(errors) == 2 and all(e["line"] > 0 and e["column"] > 0 and "tieline.yaml" in e["file"] for e in errors), errors
        assert all(word in json.dumps(e) for word, e in zip(words, errors)), errors
        s.change(lambda c: c["flows"].update(orders=before))
    s.change(lambda c: c["flows"]["orders"].update(order_by="body.["))
    assert s.call("POST", "/v1/reload").status == 422
    s.wait_state(s.post({"n": 1}), "delivered")


def test_sighup_reloads_and_a_bad_file_is_only_logged(site, target):
    s = site(project(target)).start()
    s.change(lambda c: c["flows"]["orders"]["to"].update(post="/new"))
    s.process.send_signal(signal.SIGHUP)
    until(lambda: s.logged("config.reloaded"))
    s.wait_state(s.post({"n": 1}), "delivered")
    assert target.count("/new") == 1
    s.configure("version: 1\nflows: [")
    s.process.send_signal(signal.SIGHUP)
    until(lambda: s.logged("config.refused"))
    s.wait_state(s.post({"n": 2}), "delivered")


def test_a_new_value_of_a_secret_brings_no_edit_into_force_and_is_kept_out_by_none(site, target):
    config = project(target, flow={"from": hook("/hooks/shop", secret="${file:hook.secret}"),
                                   "to": {"connection": "erp", "post": "/orders", "map": "m"}},
                     mappings={"m": {"jsonata": "m.jsonata"}})
    s = site(config)
    secret, mapping = s.folder / "hook.secret", s.folder / "m.jsonata"
    secret.write_text("first-one")
    secret.chmod(0o600)
    mapping.write_text('{"v": 1}')
    s.start()
    mapping.write_text('{"v": 2}')
    s.change(lambda c: c["flows"].update(draft={"from": hook("/hooks/draft"), "to": {"connection": "erp", "post": "/d"}}))
    for value in ("second-one", "third-one"):
        secret.write_text(value)
        until(lambda: s.sender.post({"n": 1}, secret=value).status == 200, timeout=40, every=0.2)
        assert [f["name"] for f in s.get("/v1/status")["flows"]] == ["orders"]
        s.configure("version: 1\nflows: [")  # somebody is in the middle of writing it
        mapping.unlink(missing_ok=True)
    until(lambda: target.count() >= 2)
    assert all(b == {"v": 1} for b in target.bodies())
    assert not s.logged("config.refused") and s.call("POST", "/v1/reload").status == 422


def test_a_rotated_secret_is_read_by_a_reload(site, target):
    config = project(target, flow={"from": hook("/hooks/shop", secret="${file:hook.secret}")})
    s = site(config)
    (s.folder / "hook.secret").write_text("first")
    (s.folder / "hook.secret").chmod(0o600)
    s.start()
    assert s.sender.post({}, secret="first").status == 200
    (s.folder / "hook.secret").write_text("second")
    s.do("/v1/reload")
    assert [s.sender.post({}, secret=x).status for x in ("first", "second")] == [401, 200]


def test_reloads_under_load_drop_no_event(site, target):
    s = site(project(target, flow={"order_by": "body.k"})).start()
    sent, stop, failures = [0] * 4, threading.Event(), []

    def send(k):
        me = Sender(s.port)
        while not stop.is_set():
            r = me.post({"k": k, "n": sent[k]})
            if r.status != 200:
                failures.append(r)
                return
            sent[k] += 1
    threads = [threading.Thread(target=send, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    for i in range(8):
        s.change(lambda c: c["flows"]["orders"]["to"].update(headers={"x-version": str(i)}))
        assert s.do("/v1/reload")["applied"]
        time.sleep(0.1)
    stop.set()
    [t.join() for t in threads]
    assert not failures, failures
    s.wait_counts(delivered=sum(sent), timeout=40)
    got = target.bodies()
    assert all([b["n"] for b in got if b["k"] == k] == list(range(sent[k])) for k in range(4))


def test_an_identity_is_accepted_by_resuming_the_connection(site, targets):
    old, new = targets(), targets()
    s = site(project(old)).start()
    ids = hold(s, 3)
    s.change(lambda c: c["connections"]["erp"].update(url=new.url))
    assert s.do("/v1/reload")["ledger"]["held_identity"] == 3
    s.do("/v1/flows/orders/resume")
    time.sleep(0.3)
    assert new.count() == old.count() == 0
    s.do("/v1/connections/erp/resume")
    s.wait_counts(delivered=3)
    assert new.count() == 3 and s.state(ids[0]) == "delivered"


def test_going_back_to_the_old_host_releases_what_was_held(site, targets):
    old, new = targets(), targets()
    s = site(project(old)).start()
    hold(s, 3)
    s.change(lambda c: c["connections"]["erp"].update(url=new.url))
    s.do("/v1/reload")
    s.change(lambda c: c["connections"]["erp"].update(url=old.url))
    s.do("/v1/reload")
    s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=3)
    assert old.count() == 3 and new.count() == 0


def test_a_flow_that_sends_to_another_connection_keeps_what_waits_and_asks_first(site, targets):
    old, new = targets(), targets()
    s = site(project(old)).start()
    ids = hold(s, 3)
    s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=3)
    s.do("/v1/connections/erp/pause")
    ids = [s.post({"n": n}) for n in range(3, 6)]
    s.change(lambda c: (c["connections"].update(erp2={**c["connections"]["erp"], "url": new.url}),
                        c["flows"]["orders"]["to"].update(connection="erp2")))
    ledger = s.do("/v1/reload")["ledger"]
    assert (ledger["held_identity"], ledger["held_flow_removed"]) == (3, 0)
    assert s.flow()["held"] == "target_changed" and s.flow()["removed"] is False
    s.stop()
    s.start()
    assert s.flow()["held"] == "target_changed" and new.count() == 0
    assert s.do("/v1/flows/orders/resume")["held"] is None
    s.wait_counts(delivered=6)
    assert sorted(b["n"] for b in new.bodies()) == [3, 4, 5] and s.state(ids[0]) == "delivered" and old.count() == 3


def test_a_pause_does_not_stand_for_an_accepted_identity(site, targets):
    old, new = targets(), targets()
    s = site(project(old)).start()
    s.do("/v1/connections/erp/pause")
    s.post({"n": 0})
    s.change(lambda c: c["connections"]["erp"].update(url=new.url))
    assert s.do("/v1/reload")["ledger"]["held_identity"] == 1
    assert s.connection()["held"] == "connection_paused"
    assert s.do("/v1/connections/erp/resume")["held"] == "identity_changed"
    assert s.connection()["held"] == "identity_changed" and new.count() == old.count() == 0
    assert s.do("/v1/connections/erp/resume")["held"] is None
    s.wait_counts(delivered=1)
    assert new.count() == 1


def test_a_change_of_identity_between_two_runs_holds_too(site, targets):
    old, new = targets(), targets()
    s = site(project(old)).start()
    hold(s, 3)
    s.stop()
    s.change(lambda c: c["connections"]["erp"].update(url=new.url))
    s.start()
    s.do("/v1/flows/orders/resume")
    time.sleep(0.3)
    assert new.count() == 0 and s.connection()["held"] == "identity_changed"


def test_a_secret_that_is_gone_at_a_reload_keeps_its_last_value(site, target):
    config = project(target, flow={"from": hook("/hooks/shop", secret="${file:hook.secret}")})
    s = site(config)
    (s.folder / "hook.secret").write_text("first")
    (s.folder / "hook.secret").chmod(0o600)
    s.start()
    (s.folder / "hook.secret").unlink()
    s.do("/v1/reload")
    assert s.sender.post({}, secret="first").status == 200


# ---- certificates ----
def served_name(s, asked="localhost"):
    """The common name of the certificate that a new connection gets."""
    out = subprocess.run(["openssl", "s_client", "-connect", s.config["server"]["listen"], "-servername", asked], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=30)
    return re.search(r"CN ?= ?(\S+)", out.stdout)[1]


def put_certificate(s, file, name, san="DNS:localhost"):
    key = Key(s.folder, f"{file}-{name}")
    key.certificate(name, san=san)
    os.replace(s.folder / f"{key.kid}.pem", s.folder / f"{file}.pem")
    os.replace(key.path, s.folder / f"{file}.key")


def test_renewed_certificates_are_served_without_a_restart_and_a_bad_pair_is_not(site, target):
    config = project(target)
    config["server"]["tls"] = {"certificate": "server.pem", "key": "server.key",
                               "others": {"certificate": "other.pem", "key": "other.key"}}
    s = site(config)
    put_certificate(s, "server", "first")
    put_certificate(s, "other", "partner", san="DNS:partner.example.com")
    s.start()
    assert served_name(s) == "first" and served_name(s, "partner.example.com") == "partner"
    put_certificate(s, "server", "second")
    until(lambda: served_name(s) == "second", 40, every=0.2)
    assert s.logged("tls.renewed")
    (s.folder / "server.pem").write_text("garbage")
    until(lambda: s.logged("tls.not_renewed"), 40)
    assert "server.pem" in str(s.logged("tls.not_renewed")[0]) and served_name(s) == "second"
    refused = s.call("POST", "/v1/reload")
    assert refused.status >= 400 and "server.pem" in refused.text and served_name(s) == "second", refused
    put_certificate(s, "third", "third")
    s.change(lambda c: c["server"]["tls"].update(certificate="third.pem", key="third.key"))
    assert s.do("/v1/reload")["needs_restart"] == []
    assert served_name(s) == "third" and served_name(s, "partner.example.com") == "partner"


def test_a_reload_says_what_only_a_restart_brings_into_force(site, target):
    s = site(project(target)).start()
    s.change(lambda c: (c["server"].update(threads=1), c["store"].update(inline_max="2KB"), c["flows"]["orders"].update(order_by="body.k")))
    looked = s.do("/v1/reload?dry_run=true")
    assert not s.logged("config.needs_restart"), "looking is no change"
    said = s.do("/v1/reload")
    assert said["needs_restart"] == looked["needs_restart"]
    assert said["needs_restart"] == ["server.threads", "store.inline_max"], said
    assert len(said["changes"]) == 3
    until(lambda: s.logged("config.needs_restart"))
    s.change(lambda c: (c["server"].update(metrics=True), c["store"].update(inline_max="64KB")))
    said = s.do("/v1/reload")
    assert s.sender.raw("GET", "/metrics").status == 200
    assert said["needs_restart"] == ["server.threads"], "still, and what is again as it was at the start is not"
    s.change(lambda c: c["server"].pop("threads"))
    assert s.do("/v1/reload")["needs_restart"] == []


def test_what_left_the_configuration_and_has_nothing_left_leaves_the_status_too(site, targets):
    erp, other = targets(lambda r: answer(503)), targets()
    second = {"from": hook("/hooks/second"), "to": {"connection": "second", "post": "/orders"}, "retry": {"attempts": 100, "backoff": "20ms..80ms"}}
    s = site(project(other, flows={"second": second}, connections={"second": {"type": "http", "url": erp.url, "limits": {"breaker_failures": 2}}})).start()
    s.post({"n": 1}, path="/hooks/second")
    until(lambda: s.connection("second")["breaker"] == "open")

    def leave(c):
        del c["flows"]["second"], c["connections"]["second"]
    s.change(leave)
    s.do("/v1/reload")
    said = shown(s)
    assert "second" in said and "held: flow_removed" in said
    s.job("move", {"flow": "second"}, to="orders")
    s.wait_counts(delivered=1)
    until(lambda: s.flow("second")["held"] is None and s.connection("second")["held"] is None)
    assert s.flow("second")["removed"] and "second" not in shown(s)


def shown(s):
    return subprocess.run([BIN, "status"], cwd=s.folder, env=s.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, text=True, check=True).stdout
