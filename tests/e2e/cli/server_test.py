# SPDX-License-Identifier: Apache-2.0
"""Commands of a running server, and the same ones on the ledger when none runs."""
import json
import os
import sqlite3
import stat
import subprocess
import urllib.request

import pytest

from support.program import BINARY, SECRET, Project

ORDER = '{"id":{{seq}},"customer":{"id":{{key}}}}'


def send(project, *args, **more):
    project.write("body.json", ORDER)
    return project.run("send", "--file", "body.json", "--json", *args, **more)


def dead_ids(project):
    return [json.loads(line)["id"] for line in project.ok("dlq", "list", "--all", "--json").out.splitlines()]


# ---- send ----
def test_what_send_reports_is_what_the_ledger_and_the_target_have(project):
    project.serve()
    done = send(project, "--count", 200, "--duplicate", 5, "--malformed", "2%", "--concurrency", 4)
    assert done.code == 0
    report = done.json
    assert (report["sent"], report["unique"], report["duplicates"], report["malformed"]) == (210, 200, 10, 4)
    assert report["accepted"] == 210 and report["answered_as_duplicate"] == 10 and report["failed"] == 0
    assert report["latency_ms"]["p50"] <= report["latency_ms"]["p95"] <= report["latency_ms"]["max"]
    project.drained()
    flow, erp = project.status()["flows"][0], project.erp()
    assert flow["events"] == 200 and flow["duplicates"] == 10
    assert flow["counts"]["dead"] == 4 and flow["counts"]["delivered"] == erp["unique"] == 196 and erp["doubles"] == 0


def test_a_refusal_is_1_and_nobody_there_is_4(project):
    done = send(project, "--count", 3)
    assert done.code == 4 and done.json["failed"] == 3
    project.serve()
    done = send(project, "--count", 3, env={"SHOP_SECRET": "another"})
    assert done.code == 1 and done.json["status"] == {"401": 3} and "401" in done.json["first_refusal"]
    assert project.status()["flows"][0]["events"] == 0


def test_send_needs_no_configuration_with_a_url_and_a_scheme(project, tmp_path_factory):
    project.serve()
    other = Project(tmp_path_factory.mktemp("sender"), config=None)
    url = f"http://127.0.0.1:{project.port}/hooks/shop"
    done = other.run("send", "--url", url, "--scheme", "shopify", "--secret-env", "S", "--json", env={"S": SECRET})
    assert done.code == 0 and done.json["accepted"] == 1
    assert other.run("send", "--url", url).code == 1


def test_the_rate_is_kept(project):
    project.serve()
    done = send(project, "--count", 40, "--rate", 50)
    assert done.code == 0 and 0.7 <= done.json["seconds"]


def test_lines_of_a_file_are_sent_in_turn_and_keys_are_set(project):
    project.serve()
    project.write("lines", '{"id":1,"customer":{"id":0}}\n\n{"id":2,"customer":{"id":0}}\n')
    done = project.run("send", "--lines", "-f", "lines", "--key-field", "customer.id", "--keys", 1, "--json")
    assert done.code == 0 and done.json["sent"] == 2
    rows = project.get("/v1/events")["events"]
    bodies = sorted((project.get(f"/v1/events/{r['id']}")["body"] for r in rows), key=lambda b: b["id"])
    assert bodies == [{"id": 1, "customer": {"id": 1}}, {"id": 2, "customer": {"id": 1}}]


# ---- looking ----
def test_a_plan_that_nobody_agrees_to_is_told_as_json(project):
    project.serve()
    project.erp_control(fail=100, status=422)
    send(project, "--count", 3)
    project.wait(lambda: project.counts()["dead"] == 3)
    done = project.run("dlq", "replay", "--all", "--json")
    error = json.loads(done.err)["error"]
    assert done.code == 1 and not done.out and error["code"] == "canceled" and "--yes" in error["message"] and error["plan"]["matching"] == 3
    assert project.counts()["dead"] == 3


def test_an_event_alone_says_how_it_was_asked_for(project):
    project.serve()
    assert send(project, "--count", 1).json["accepted"] == 1
    project.drained()
    id = project.get("/v1/events")["events"][0]["id"]
    request = project.ok("events", "show", id, "--json").json["request"]
    assert (request["method"], request["path"], request["format"]) == ("POST", "/hooks/shop", "json") and request["headers"]["content-length"]
    assert set(request) <= {"method", "path", "query", "headers", "format", "type"}
    assert '"method": "POST"' in project.ok("events", "show", id).out


def test_tables_fit_the_terminal_and_ids_stay_whole(project):
    project.serve()
    project.erp_control(fail=100, status=422)
    send(project, "--count", 3)
    project.wait(lambda: project.counts()["dead"] == 3)
    project.ok("pause", "flow", "orders", "--reason", "the ERP moves to another house, and nobody knows for how long that takes")
    ids = [e["id"] for e in project.get("/v1/events")["events"]]
    for columns in (120, 80, 50):
        for words in (["status"], ["events", "list"], ["dlq", "list"], ["audit", "list"], ["alerts", "list"], ["top", "--once"], ["dlq", "groups"],
                      ["status", "--sla"], ["token", "list"]):
            text = project.on_terminal(*words, columns=columns).decode()
            long = [line for line in text.splitlines() if len(line) > columns and not line.startswith(("tieline", "ledger"))]
            assert not long or columns == 50 and words in (["audit", "list"], ["alerts", "list"], ["status", "--sla"]), (columns, words, text)
            assert words[-1] != "list" or words[0] not in ("events", "dlq") or all(id in text for id in ids), text
    assert len(max(project.ok("events", "list").out.splitlines(), key=len)) > 80, "a pipe has no width"


def test_no_command_hands_what_steers_a_terminal_on_to_it(project):
    project.serve()
    project.write("evil.json", json.dumps({"id": 1, "customer": {"id": "k\x9b31m"}, "a": "x\x1b[31m\x9b31mRED \u202eabc\u2066 \x7f"}, ensure_ascii=False))
    assert project.run("send", "--file", "evil.json", "--json").json["accepted"] == 1
    project.drained()
    id = project.get("/v1/events")["events"][0]["id"]
    for words in (["events", "show", id], ["events", "show", id, "--json"], ["events", "list"], ["events", "list", "--json"],
                  ["map", "a", "evil.json"], ["map", "-r", "a", "evil.json"], ["events", "show", "x\x9b31m"], ["x\u202e"]):
        text = project.on_terminal(*words)
        assert text and not [c for c in ("\x1b[3", "\x9b", "\u202e", "\u2066", "\x7f") if c.encode() in text], (words, text)
    assert b"\\u009b31mRED \\u202eabc\\u2066" in project.on_terminal("events", "show", id)
    assert "\x9b31mRED" in json.dumps(project.ok("events", "show", id, "--json").json, ensure_ascii=False), "nothing is lost for programs"


def test_json_is_what_the_api_said(project):
    project.serve()
    send(project, "--count", 5)
    project.drained()
    assert project.ok("status", "--json").json["flows"] == project.status()["flows"]
    page = project.ok("events", "list", "--json", "--limit", 3)
    assert page.json == project.get("/v1/events?limit=3") and len(page.json["events"]) == 3
    one = page.json["events"][0]["id"]
    assert project.ok("events", "show", one, "--json").json == project.get(f"/v1/events/{one}")


def test_tables_for_people_have_no_colour_in_a_pipe(project):
    project.serve()
    send(project, "--count", 60)
    project.drained()
    for words in (["status"], ["events", "list"], ["dlq", "groups"], ["dlq", "list"]):
        assert "\033" not in project.ok(*words).out
    text = project.ok("events", "list").out
    assert text.splitlines()[0].split() == ["id", "flow", "state", "received", "attempts", "bytes", "reason"]
    assert len(text.splitlines()) == 52 and "there are more" in text
    assert len(project.ok("events", "list", "--all").out.splitlines()) == 61
    assert project.ok("events", "list", "--state", "dead").out.count("\n") == 1
    shown = project.ok("events", "show", text.splitlines()[1].split()[0]).out
    assert "state        delivered" in shown and "outcome" in shown


def test_tail_shows_events_as_they_come(project):
    project.serve()
    tail = subprocess.Popen([BINARY, "events", "tail", "--json", "--limit", "5"], cwd=project.folder, env=project.env,
                            stdout=subprocess.PIPE, text=True)
    send(project, "--count", 5)
    out, _ = tail.communicate(timeout=40)
    assert len({json.loads(line)["id"] for line in out.splitlines()}) == 5


@pytest.mark.parametrize("words, code, wanted", [
    (["events", "show", "0000000000ZZZ"], 3, ""),
    (["events", "show", "no id"], 2, "is not an id"),
    (["events", "list", "--flow", "order"], 3, "did you mean 'orders'?"),
    (["events", "list", "--state", "gone"], 2, "there is no state"),
    (["events", "list", "--from", "noon"], 2, "from must be a time"),
    (["pause", "flow", "nope"], 3, "there is no flow"),
    (["resume", "connection", "epr"], 3, "did you mean 'erp'?"),
    (["dlq", "replay", "0000000000ZZZ", "--yes"], 3, "nothing"),
])
def test_errors_have_their_exit_code(project, words, code, wanted):
    project.serve()
    done = project.run(*words)
    assert done.code == code and wanted in done.err
    assert json.loads(project.run(*words, "--json").err)["error"]["message"]


# ---- dead letters ----
def test_dead_letters_are_edited_and_replayed_until_none_is_left(project):
    project.serve()
    send(project, "--count", 50, "--malformed", 10)
    project.drained()
    ids = dead_ids(project)
    assert len(ids) == 5
    assert sum(g["count"] for g in project.ok("dlq", "groups", "--json").json["groups"]) == 5
    assert project.run("dlq", "edit", ids[0], "--body", "-", stdin="{still bad").code == 1
    for i in ids:
        edited = project.ok("dlq", "edit", i, "--body", "-", "--json", stdin='{"id":1,"customer":{"id":2}}')
        assert edited.json == {"revision": 1}
    plan = project.ok("dlq", "replay", "--flow", "orders", "--dry-run", "--json").json
    assert plan["matching"] == 5 and len(dead_ids(project)) == 5
    assert project.run("dlq", "replay", "--flow", "orders").code == 1 and len(dead_ids(project)) == 5
    done = project.ok("dlq", "replay", "--flow", "orders", "--class", "data", "--yes")
    assert "5 match" in done.out and "5 done" in done.out
    project.drained()
    assert dead_ids(project) == [] and project.erp()["unique"] == 50
    detail = project.get(f"/v1/events/{ids[0]}")
    assert detail["body"] == {"id": 1, "customer": {"id": 2}} and "original_body" in detail


def ids_in(project, state):
    return [e["id"] for e in project.get(f"/v1/events?limit=500&state={state}")["events"]]


def test_what_is_over_is_sent_again_as_a_new_event(project):
    text = (project.folder / "tieline.yaml").read_text()
    project.write("tieline.yaml", text.replace("    steps:\n", "    steps:\n      - when: \"body.id != 2\"\n"))
    project.serve()
    send(project, "--count", 3)
    project.drained()
    [filtered], delivered = ids_in(project, "skipped"), ids_in(project, "delivered")
    for one, state in ((delivered[0], "delivered"), (filtered, "skipped")):
        done = project.run("dlq", "replay", one, "--yes")
        assert done.code == 3 and f"{one} is {state}, not dead: `tieline events replay {one}`" in done.err, done.err
    plan = project.ok("events", "replay", delivered[0], "--dry-run", "--json").json
    assert plan["matching"] == plan["final"] == 1
    asked = project.run("events", "replay", delivered[0])
    assert asked.code == 1 and "--yes does it without asking" in asked.err and "a replay makes new events" in asked.out
    job = project.ok("events", "replay", delivered[0], "--yes", "--json", "--reason", "they lost it").json
    assert job["done"] == 1 and job["ended"]
    project.drained()
    new = next(i for i in ids_in(project, "delivered") if i not in delivered)
    assert project.get(f"/v1/events/{new}")["event"]["replay_of"] == delivered[0] and "they lost it" in project.ok("audit", "list").out
    assert "1 done" in project.ok("events", "replay", "--flow", "orders", "--state", "skipped", "--yes").out
    project.drained()
    assert len(ids_in(project, "skipped")) == 2 and len(ids_in(project, "delivered")) == 3


def test_dead_ones_among_others_are_replayed_and_the_others_are_counted(project):
    project.serve()
    send(project, "--count", 1)
    send(project, "--count", 1, "--first", 2, "--malformed", 100)
    project.drained()
    [dead], [delivered] = dead_ids(project), ids_in(project, "delivered")
    done = project.run("dlq", "replay", dead, delivered, "--yes")
    assert "1 match" in done.out and "1 of those that were named are not dead, and stay as they are" in done.out, done.out
    project.wait(lambda: dead_ids(project) == [dead])
    project.ok("events", "replay", dead, "--yes")
    project.wait(lambda: dead_ids(project) == [dead])
    project.ok("pause", "flow", "orders")
    send(project, "--count", 1, "--first", 3)
    [waits] = ids_in(project, "queued")
    for words, wanted in ((["dlq", "replay", waits], "not dead: it will be delivered yet"), (["events", "replay", waits], "only dead or finished ones")):
        done = project.run(*words, "--yes")
        assert done.code != 0 and wanted in done.out + done.err, (done.out, done.err)


def test_the_deliveries_of_an_event_are_named_by_it(project):
    text = (project.folder / "tieline.yaml").read_text()
    project.write("tieline.yaml", text.replace("    steps:\n", "    steps:\n      - split: \"[$, $]\"\n"))
    project.serve()
    send(project, "--count", 1)
    project.wait(lambda: project.erp()["received"] == 2)
    project.drained()
    event = next(e["event"] for e in project.get("/v1/events?state=delivered")["events"] if e["event"] != e["id"])
    done = project.run("events", "replay", event, "--yes")
    assert done.code == 3 and f"{event} is an event of 2 deliveries" in done.err and f"--event {event} means all of them" in done.err, done.err
    assert "2 done" in project.ok("events", "replay", "--event", event, "--yes").out
    project.wait(lambda: project.erp()["received"] == 4)


def test_the_editor_gets_the_body_and_its_text_is_kept(project):
    project.serve()
    send(project, "--count", 1, "--malformed", 100)
    [one] = dead_ids(project)
    editor = project.write("editor", "#!/bin/sh\ncp \"$1\" seen\nprintf '{\"id\":9,\"customer\":{\"id\":9}}' > \"$1\"\n")
    editor.chmod(0o755)
    project.ok("dlq", "edit", one, env={"EDITOR": str(editor), "VISUAL": str(editor)})
    assert (project.folder / "seen").read_text().startswith('{"id":1')
    project.ok("dlq", "replay", one, "--yes")
    project.drained()
    assert project.get(f"/v1/events/{one}")["body"]["id"] == 9
    assert project.run("dlq", "edit", one, env={"EDITOR": "false", "VISUAL": "false"}).code == 1
    unchanged = project.run("dlq", "edit", one, env={"EDITOR": "true", "VISUAL": "true"})
    assert unchanged.code == 1 and "nothing was changed" in unchanged.err


def test_discard_gives_up_by_id_and_by_fingerprint(project):
    project.serve()
    send(project, "--count", 4, "--malformed", 100)
    ids = dead_ids(project)
    project.ok("dlq", "discard", ids[0], "--yes")
    group = project.ok("dlq", "groups", "--json").json["groups"][0]
    project.ok("dlq", "discard", "--fingerprint", group["fingerprint"], "--yes")
    if dead_ids(project):
        project.ok("dlq", "discard", "--all", "--yes")
    assert dead_ids(project) == [] and project.counts()["discarded"] == 4


# ---- acting ----
def test_why_somebody_changes_something_has_one_word_and_the_old_one_is_taken_everywhere(project):
    project.serve()
    words = [(c["command"], o["name"]) for c in project.ok("help", "--json").json["commands"] for o in c.get("options", [])]
    assert not [w for w in words if w[1] == "why"]
    with_reason = [name for name, o in words if o == "reason"]
    assert len(with_reason) >= 16, with_reason
    for verb, kind, name, word in (("pause", "flow", "orders", "--why"), ("resume", "flow", "orders", "--reason"),
                                   ("pause", "connection", "erp", "--why=x"), ("resume", "connection", "erp", "--why")):
        project.ok(verb, kind, name, *([word] if "=" in word else [word, "x"]))
    entries = project.ok("audit", "list", "--json").json["entries"]
    assert [e["reason"] for e in entries] == ["x"] * 4, entries


def test_a_paused_flow_takes_events_and_delivers_none_until_resumed(project):
    project.serve()
    project.ok("pause", "flow", "orders", "--reason", "the ERP moves")
    send(project, "--count", 10)
    flow = project.status()["flows"][0]
    assert flow["held"] == "flow_paused" and "the ERP moves" in flow["held_reason"] and flow["counts"]["queued"] == 10
    assert "held: flow_paused, the ERP moves" in project.ok("status").out
    ids = [e["id"] for e in project.get("/v1/events")["events"]]
    project.ok("events", "cancel", ids[0], "--yes")
    project.ok("events", "promote", ids[-1])  # the first one: nothing of its key is ahead
    assert "3 match" in project.ok("events", "cancel", *ids[1:4], "--dry-run").out
    project.ok("resume", "flow", "orders")
    project.drained()
    assert project.counts()["delivered"] == 9 and project.counts()["cancelled"] == 1


def test_an_event_is_held_for_a_reason_shown_and_released(project):
    project.serve()
    project.ok("pause", "flow", "orders")
    send(project, "--count", 4)
    ids = [e["id"] for e in project.get("/v1/events")["events"]]
    unsaid = project.run("events", "hold", ids[0], "--yes")
    assert unsaid.code == 2 and "--reason TEXT is missing" in unsaid.err
    plan = project.ok("events", "hold", *ids, "--dry-run").out
    assert "hold: 4 match" in plan, plan
    assert "hold: 1 done" in project.ok("events", "hold", ids[0], "--reason", "wait for the new address", "--yes").out
    project.ok("resume", "flow", "orders")
    project.wait(lambda: project.counts()["delivered"] == 3)
    shown = project.ok("events", "show", ids[0]).out
    assert "event_held" in shown and "wait for the new address" in shown and "held by" in shown, shown
    listed = project.ok("events", "list", "--state", "held").out
    assert ids[0] in listed and "wait for the new address" in listed, listed
    assert "flows; 1 held by a person" in project.ok("status").out
    assert "release: 1 done" in project.ok("events", "release", "--flow", "orders", "--yes").out
    project.drained()
    assert project.counts()["delivered"] == 4 and project.counts()["held"] == 0
    audit = project.ok("audit", "list").out
    assert "hold" in audit and "wait for the new address" in audit, audit


def test_cancel_and_move_take_what_waits_and_say_when_nothing_does(project):
    project.serve()
    send(project, "--count", 4)
    project.drained()
    project.ok("pause", "flow", "orders")
    send(project, "--count", 2, "--first", 5)
    assert "cancel: 2 match" in project.ok("events", "cancel", "--flow", "orders", "--dry-run").out, "what is finished is left alone"
    assert "2 done" in project.ok("events", "cancel", "--flow", "orders", "--yes").out
    again = project.run("events", "cancel", "--flow", "orders", "--yes")
    assert again.code == 3 and "nothing to do" in again.out and "nothing that waits matches" in again.err
    assert project.run("events", "move", "--flow", "orders", "--to", "orders", "--yes", "--json").code == 3
    done = next(e["id"] for e in project.get("/v1/events?state=delivered")["events"])
    refused = project.run("events", "cancel", done, "--yes")
    assert refused.code == 1 and f"{done} is delivered" in refused.out and "replay" not in refused.out
    assert project.run("dlq", "discard", "--all", "--yes").code == 3
    assert project.counts()["delivered"] == 4 and project.counts()["cancelled"] == 2


def test_a_paused_connection_is_not_called(project):
    project.serve()
    project.ok("pause", "connection", "erp")
    send(project, "--count", 3)
    assert project.status()["connections"][0]["held"] == "connection_paused"
    project.ok("resume", "connection", "erp")
    project.drained()
    assert project.erp()["unique"] == 3


def test_reload_says_what_changes_and_moves_what_would_be_left_behind(project):
    project.serve()
    project.ok("pause", "connection", "erp")
    send(project, "--count", 6)
    path = project.folder / "tieline.yaml"
    text = path.read_text()
    path.write_text(text.replace("  orders:\n", "  orders-two:\n"))
    dry = project.ok("reload", "--dry-run", "--json").json
    assert dry["applied"] is False and dry["ledger"]["held_flow_removed"] == 6 and dry["ledger"]["flows_added"] == 1
    done = project.ok("reload")
    assert "flows removed" in done.out and "their flow is gone" in done.out
    project.ok("events", "move", "--flow", "orders", "--to", "orders-two", "--yes")
    project.ok("resume", "connection", "erp")
    project.wait(lambda: project.erp()["unique"] == 6)
    path.write_text(text.replace("order_by", "orderby"))
    done = project.run("reload")
    assert done.code == 2 and "orderby" in done.err and "tieline.yaml:" in done.err
    assert project.run("reload", "--json").json["applied"] is False


def test_a_snapshot_is_a_database_that_others_can_read(project):
    project.serve()
    send(project, "--count", 5)
    project.ok("ledger", "snapshot", "copy.db")
    with sqlite3.connect(project.folder / "copy.db") as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    done = project.run("ledger", "snapshot", "copy.db")
    assert done.code == 1 and "is there already" in done.err


# ---- without a server ----
def test_the_same_commands_work_on_the_ledger_when_no_server_runs(project):
    project.serve()
    send(project, "--count", 20, "--malformed", 10)
    project.drained()
    assert project.stop() == 0
    assert project.run("reload").code == 4
    assert "no server is running" in project.ok("status").out
    assert project.ok("status", "--json").json["flows"][0]["counts"]["delivered"] == 18
    ids = dead_ids(project)
    assert len(ids) == 2
    project.ok("dlq", "edit", ids[0], "--body", "-", stdin='{"id":1,"customer":{"id":2}}')
    assert "1 done" in project.ok("dlq", "replay", ids[0], "--yes").out
    project.ok("dlq", "discard", ids[1], "--yes")
    project.ok("ledger", "snapshot", "copy.db")
    project.ok("pause", "flow", "orders", "--why", "first look")
    project.start("tieline", "run", "tieline.yaml")
    project.wait(project.status)
    assert project.status()["flows"][0]["held"] == "flow_paused"
    project.ok("resume", "flow", "orders")
    project.drained()
    assert project.erp()["unique"] == 19 and project.counts()["dead"] == 0


def test_the_directory_comes_from_the_option_the_configuration_or_the_environment(project, tmp_path_factory):
    project.serve()
    other = Project(tmp_path_factory.mktemp("elsewhere"), config=None)
    assert other.run("status").code == 3
    other.ok("status", "--data", project.folder / "data")
    other.ok("status", "--config", project.folder / "tieline.yaml")
    other.ok("status", env={"TIELINE_DATA": str(project.folder / "data")})


def test_a_faulty_flow_does_not_keep_the_operator_out(project):
    project.serve()
    path = project.folder / "tieline.yaml"
    path.write_text(path.read_text().replace("order_by", "orderby"))
    project.ok("status")


def test_a_ledger_that_another_process_holds_is_4(project):
    project.serve()
    (project.folder / "data/control.sock").rename(project.folder / "data/hidden.sock")
    done = project.run("status")
    assert done.code == 4 and "cannot be opened here" in done.err
    (project.folder / "data/hidden.sock").rename(project.folder / "data/control.sock")


def test_only_the_owner_may_use_the_control_socket(project):
    project.serve()
    assert stat.S_IMODE(os.stat(project.folder / "data/control.sock").st_mode) == 0o600
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://127.0.0.1:{project.port}/v1/status", timeout=10)


def test_a_name_of_any_length_arrives_whole(project):
    project.serve()
    name = "\u00e4 ?" * 500  # 6 KB once it is percent-encoded
    for words, kind in ((["pause", "flow"], "flow"), (["resume", "connection"], "connection"), (["debug"], "flow"),
                        (["connect"], "connection"), (["token", "revoke"], "token")):
        done = project.run(*words, name)
        assert done.code == 3 and f"there is no {kind} '" in done.err, (words, done.code, done.err)
