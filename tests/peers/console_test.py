# SPDX-License-Identifier: Apache-2.0
"""The web console in Debian's Chromium against the real program (tests/peers/console/journeys.mjs)."""
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from support.scene import ROOT, VIEWER, Scene, browse, modules

pytestmark = pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("npm")), reason="chromium or npm is not installed")


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("console")).begin()
    try:
        scene.busy()
        scene.wait(lambda: scene.counts()["dead"] == 12 and scene.counts()["delivered"] > 100)
        yield scene
    finally:
        scene.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    scene = Scene.desk(tmp_path_factory.mktemp("desk"))
    yield scene
    scene.close()


@pytest.fixture(scope="module")
def trouble(tmp_path_factory):
    scene = Scene.trouble(tmp_path_factory.mktemp("trouble"))
    yield scene
    scene.close()


def test_axe_finds_nothing_serious_and_every_page_fits_its_screen(busy):
    browse("journeys.mjs", busy, "accessible", timeout=900)


def test_nothing_is_refused_by_the_content_security_policy_and_nothing_comes_from_elsewhere(busy):
    browse("journeys.mjs", busy, "policy")


def test_a_viewer_sees_every_page_and_no_button_that_changes_something(busy):
    browse("journeys.mjs", busy, "viewer")


def test_the_table_of_events_is_worked_by_keyboard_alone(busy):
    browse("journeys.mjs", busy, "keyboard")


def test_a_connection_is_paused_and_resumed_on_a_telephone(busy):
    browse("journeys.mjs", busy, "pause")


def test_one_event_is_held_found_among_the_held_ones_and_released_on_a_telephone(busy):
    browse("journeys.mjs", busy, "hold")


def test_whatever_can_hold_things_up_is_on_the_overview_and_can_be_ended_where_that_leads(busy):
    browse("journeys.mjs", busy, "troubles")


def test_what_is_gone_left_out_or_removed_is_told_where_it_matters(busy):
    browse("journeys.mjs", busy, "gone")


def test_what_waits_for_a_target_that_is_gone_is_acted_on_alone(busy):
    browse("journeys.mjs", busy, "stranded")


def test_who_compares_mappings_over_masked_payloads_is_told(desk):
    token = desk.post("/v1/tokens", {"name": "desk", "role": "operator", "reason": "may not reveal"})["token"]
    browse("journeys.mjs", desk, "comparison", OPERATOR_TOKEN=token)


def test_the_graph_of_all_flows_is_readable_on_a_telephone(busy):
    browse("journeys.mjs", busy, "graphs")


def test_an_alert_is_explained_acknowledged_and_silenced(busy):
    browse("journeys.mjs", busy, "alert")


def test_a_cause_of_death_is_taken_by_somebody_and_the_audit_log_says_so(busy):
    browse("journeys.mjs", busy, "mark")


def test_what_the_file_would_change_is_seen_before_it_is_reloaded(busy):
    browse("journeys.mjs", busy, "config", CONFIG=str(busy.folder / "tieline.yaml"))


def test_a_failed_order_is_found_by_its_number_explained_mended_and_replayed(busy):
    dead = busy.get("/v1/events?state=dead&class=data&flow=orders-to-erp&limit=1")["events"][0]["id"]
    number = re.search(r'"id":(\d+)', busy.get(f"/v1/events/{dead}")["body"]).group(1)
    whole = next(line for line in busy.orders(400).splitlines() if json.loads(line)["id"] == int(number))
    browse("journeys.mjs", busy, "mend", ORDER=number, WHOLE=whole.decode())


def test_a_mapping_is_tried_on_a_real_event_and_compared_over_the_last_ones(busy):
    browse("journeys.mjs", busy, "mapping")


def test_a_payload_is_shown_as_it_came_mapped_and_as_it_is_sent(busy):
    browse("journeys.mjs", busy, "panes")


def test_personal_data_is_shown_to_whom_the_configuration_lets_for_a_reason_that_is_kept(desk):
    dead = desk.get("/v1/events?state=dead&limit=1")["events"][0]["id"]
    whole = {json.loads(line)["name"]: json.loads(line) for line in desk.orders(60).splitlines()}
    email = whole[desk.get(f"/v1/events/{dead}")["body"]["name"]]["customer"]["email"]
    browse("journeys.mjs", desk, "reveal", EVENT=dead, EMAIL=email)


def test_the_record_of_an_order_on_another_system_is_found_by_its_number(desk):
    browse("journeys.mjs", desk, "lookup")


def test_the_graph_follows_what_happens(busy):
    browse("journeys.mjs", busy, "graph", timeout=240)


def test_axe_finds_nothing_serious_either_when_all_goes_wrong(trouble):
    browse("journeys.mjs", trouble, "accessible", timeout=900)


def test_every_delivery_that_waits_says_why_and_what_ends_it(trouble):
    browse("journeys.mjs", trouble, "reasons")


def test_what_was_meant_for_another_host_is_resumed_from_the_console(trouble):
    browse("journeys.mjs", trouble, "moved")


def test_an_edit_that_may_overwrite_a_newer_state_asks(desk):
    def superseded(row):
        return desk.post("/v1/plan", {"action": "replay", "filter": {"ids": [row["id"]]}})["superseded"]
    desk.control(desk.crm_port, fail=0)
    desk.send("orders-to-crm", 60)
    desk.wait(lambda: desk.counts()["queued"] + desk.counts()["retrying"] == 0)
    browse("journeys.mjs", desk, "superseded", EVENT=next(r for r in desk.get("/v1/events?state=dead&limit=100")["events"] if superseded(r))["id"])


def test_focus_is_never_under_the_bar(busy):
    browse("journeys.mjs", busy, "focus")


def test_words_of_the_filter_are_taken_by_keyboard(busy):
    browse("journeys.mjs", busy, "suggested")


def test_new_events_are_announced_and_do_not_move_the_table(busy):
    send_meanwhile(busy, "tail")


def test_what_happened_in_a_hidden_tab_is_announced(busy):
    send_meanwhile(busy, "hidden")


def send_meanwhile(busy, journey):
    env = {**os.environ, "CONSOLE_URL": busy.url, "CONSOLE_TOKEN": busy.token, "VIEWER_TOKEN": VIEWER,
           "CHROMIUM": shutil.which("chromium"), "CONSOLE_MODULES": str(modules())}
    node = subprocess.Popen(["node", str(ROOT / "tests/peers/console/journeys.mjs"), journey], env=env, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert node.stdout.readline().strip() == "READY", node.stderr.read()
        busy.send("returns-to-erp", 70)
        node.stdin.write("sent\n")
        node.stdin.flush()
        _, err = node.communicate(timeout=60)
        assert node.returncode == 0, err
    finally:
        node.kill()


def test_five_hundred_dead_letters_are_replayed_with_a_plan(tmp_path):
    scene = Scene(tmp_path)
    config = scene.folder / "tieline.yaml"
    config.write_text(config.read_text().replace("attempts: 4, backoff: 200ms..5s", "attempts: 1, backoff: 1ms..1ms")
                      .replace("rate: 40/s }", "rate: 1000/s, breaker_failures: 10000 }"))
    try:
        scene.begin(erp=("--fail", "100", "--status", "400"))
        scene.send("orders-to-erp", 500)

        def all_dead():  # so many alike: the flow holds the rest back; let it go on
            if scene.status()["flows"][0]["held"] == "flow_tripped":
                scene.post("/v1/flows/orders-to-erp/resume", {"reason": "test"})
            return scene.counts()["dead"] == 500
        scene.wait(all_dead)
        browse("journeys.mjs", scene, "bulk")
        assert scene.erp()["unique"] == 500
    finally:
        scene.close()
