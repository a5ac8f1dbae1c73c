# SPDX-License-Identifier: Apache-2.0
"""Encryption at rest: a planted payload is nowhere in the data folder, whatever happens to its event; keys that change."""
import json
import os
import subprocess

import pytest
from support.site import BIN, FAST, NO_BREAKER, hook, project, until
from support.target import answer

PLANTED = "planted-payload-4711"
KEYS = {"LEDGER_KEY": "11" * 32, "OTHER_KEY": "22" * 32}


def encrypted(target, key="${env:LEDGER_KEY}", **more):
    c = project(target, limits=dict(NO_BREAKER))
    c["store"] |= {"encrypt": {"key": key, **more}, "inline_max": "4KB"}
    c["flows"]["split"] = {"from": hook("/hooks/split"), "steps": [{"split": "body.items"}], "order_by": "body.customer",
                           "to": {"connection": "erp", "post": "/items"}, "retry": dict(FAST)}
    return c


def tieline(s, *args, cwd=None, **more):
    return subprocess.run([BIN, *args], cwd=cwd or s.folder, env=s.env, capture_output=True, text=True, timeout=60, **more)


def found(s, text=PLANTED):
    """Files of the data folder that have it: the database, its log, whatever else lies there."""
    return [str(f) for f in (s.folder / "data").rglob("*") if f.is_file() and text.encode() in f.read_bytes()]


def drive(s, target):
    """Small and large bodies, split ones, answers that are kept, errors that quote values, an edit, a replay."""
    target.behave = lambda r: answer(422 if b"refuse" in r.body else 201, {"id": PLANTED, "message": f"no customer '{PLANTED}'"})
    s.post({"n": 1, "name": PLANTED})
    s.post({"n": 2, "pad": "x" * 200_000, "name": PLANTED})
    s.post({"customer": PLANTED, "items": [{"name": PLANTED, "n": n} for n in range(3)]}, path="/hooks/split")
    bad = s.post({"n": 3, "refuse": PLANTED})
    s.wait_counts(delivered=2, dead=1)
    s.wait_counts("split", delivered=3)
    return bad


def test_a_payload_is_nowhere_in_the_data_folder_and_everywhere_for_people(site, target):
    s = site(encrypted(target), env=KEYS).start()
    bad = drive(s, target)
    shown = tieline(s, "events", "show", bad, "--json")
    assert PLANTED in shown.stdout, shown
    assert found(s) == []
    s.stop()
    assert found(s) == []
    assert PLANTED in tieline(s, "events", "show", bad, "--json").stdout, "the command line alone reads it too"
    elsewhere = tieline(s, "events", "list", "--data", str(s.folder / "data"), cwd="/")
    assert elsewhere.returncode != 0 and "is encrypted" in elsewhere.stderr and "store.encrypt.key" in elsewhere.stderr, elsewhere
    assert all(PLANTED.encode() in r.body for r in target.all("/orders") + target.all("/items"))


def test_without_a_key_it_is_there(site, target):
    c = encrypted(target)
    del c["store"]["encrypt"]
    s = site(c, env=KEYS).start()
    drive(s, target)
    assert found(s) != []


@pytest.mark.parametrize("key, words", [
    ("${env:OTHER_KEY}", "encrypted with key"), ("${env:SHORT_KEY}", "32 bytes"), ("${env:NO_SUCH_KEY}", "NO_SUCH_KEY"), (None, "set store.encrypt.key")])
def test_a_wrong_or_missing_key_is_one_sentence_at_the_start_and_loses_nothing(site, target, key, words):
    s = site(encrypted(target), env={**KEYS, "SHORT_KEY": "1234"}).start()
    id = s.post({"n": 1, "name": PLANTED})
    s.wait_counts(delivered=1)
    s.stop()
    s.change(lambda c: c["store"].update(encrypt={"key": key}) if key else c["store"].pop("encrypt"))
    code, said = s.fails()
    assert code == 2 and words in said and len(said.strip().splitlines()) <= 3, said
    s.configure(encrypted(target)).start()
    assert s.show(id)["event"]["state"] == "delivered"
    s.post({"n": 2})
    s.wait_counts(delivered=2)


def test_a_key_is_changed_while_events_wait_and_the_old_one_is_needed_no_longer(site, target):
    target.behave = lambda r: answer(503)

    def config(key, **more):
        c = encrypted(target, key, **more)
        c["flows"]["orders"]["retry"] = {"attempts": 50, "backoff": "200ms..2s", "jitter": "none"}
        return c
    s = site(config("${env:LEDGER_KEY}"), env=KEYS).start()
    ids = [s.post({"n": n, "name": PLANTED}) for n in range(20)]
    s.kill()  # in the middle of the retries
    s.configure(config("${env:OTHER_KEY}", old_keys="${env:LEDGER_KEY}")).start()
    moved = tieline(s, "ledger", "rekey", "--json")
    assert moved.returncode == 0 and json.loads(moved.stdout)["changed"] > 20, moved
    s.kill()
    s.configure(config("${env:OTHER_KEY}"))
    s.env.pop("LEDGER_KEY")
    target.behave = lambda r: answer(201)
    s.start()
    until(lambda: all(s.state(i) == "delivered" for i in ids), timeout=40)
    assert found(s) == []
    assert tieline(s, "ledger", "rekey").returncode == 0


def test_a_ledger_that_was_not_encrypted_is_moved_under_a_key(site, target):
    c = encrypted(target)
    del c["store"]["encrypt"]
    s = site(c, env=KEYS).start()
    bad = drive(s, target)
    refused = tieline(s, "ledger", "rekey")
    assert refused.returncode != 0 and "store.encrypt.key" in refused.stderr, refused
    s.stop()
    s.configure(encrypted(target)).start()
    s.post({"n": 9})
    s.wait_counts(delivered=3)
    s.stop()
    assert found(s) != []
    moved = tieline(s, "ledger", "rekey")
    assert moved.returncode == 0 and "rows moved" in moved.stdout, moved
    assert found(s) == []
    assert PLANTED in tieline(s, "events", "show", bad, "--json").stdout
    copy = s.folder / "copy.db"
    assert tieline(s, "ledger", "snapshot", str(copy)).returncode == 0
    assert PLANTED.encode() not in copy.read_bytes() and os.path.getsize(copy) > 8192
