# SPDX-License-Identifier: Apache-2.0
"""A wall clock that was wrong for a while: nothing waits for as long as it was wrong, and nothing comes in a burst."""
import sqlite3
import time

import pytest

from support.preload import TURNED_CLOCK, preload
from support.site import project, until
from support.target import answer

DAY = 86400


class Clock:
    def __init__(self, folder):
        self.file, self.now = folder / "ahead", 0
        self.env = {**preload(folder, TURNED_CLOCK), "CLOCK_IS_AHEAD": str(self.file)}
        self.ahead(0)

    def ahead(self, seconds):
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.file)
        self.now = seconds


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


def schedule(target, cron):
    return project(target, flow={"from": {"schedule": {"cron": cron}}})


def kept(s):
    """Until the ledger knows since when the schedule is in force."""
    def there():
        with sqlite3.connect(f"file:{s.folder}/data/ledger.db?mode=ro", uri=True) as db:
            return db.execute("SELECT 1 FROM position WHERE key='cursor'").fetchone()
    until(there)


def runs(target):
    return [b["scheduled_for"] for b in target.bodies()]


@pytest.mark.parametrize("lives", [True, False])
def test_a_schedule_that_began_under_a_clock_a_day_ahead_goes_on_when_it_is_right(site, target, clock, lives):
    clock.ahead(DAY)
    s = site(schedule(target, "* * * * *"), env=clock.env).start()
    kept(s)
    if not lives:
        s.stop()
    clock.ahead(0)
    if not lives:
        s.start()
    until(lambda: s.logged("source.clock_was_ahead"))
    assert len(s.logged("source.clock_was_ahead")) == 1
    before = len(runs(target))
    clock.ahead(120)
    until(lambda: len(runs(target)) > before)
    s.stop()


def test_a_machine_that_slept_makes_up_for_what_it_missed_once(site, target, clock):
    begin = 360 - int(time.time()) % 300  # a minute after a run, so that none comes by itself
    clock.ahead(begin)
    s = site(schedule(target, "*/5 * * * *"), env=clock.env).start()
    kept(s)
    clock.ahead(begin + 8 * 3600)
    until(lambda: len(runs(target)) == 1)
    clock.ahead(begin + 8 * 3600 + 300)
    until(lambda: len(runs(target)) >= 2)
    s.wait_counts(delivered=2, queued=0)
    assert len(set(runs(target))) == 2
    s.stop()


def test_a_retry_is_made_after_its_pause_though_the_clock_was_set_back_by_an_hour(site, target, clock):
    target.behave = lambda r: answer(500) if target.count() < 3 else None
    s = site(project(target, flow={"retry": {"attempts": 5, "backoff": "2s..2s", "jitter": "none"}}), env=clock.env).start()
    id = s.post({"n": 1})
    until(lambda: target.count() == 1)
    clock.ahead(-3600)
    s.wait_state(id, "delivered")
    assert [n["what"] for n in s.logged("ledger.notice")] == ["clock_was_ahead"]
    s.stop()
