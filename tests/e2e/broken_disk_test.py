# SPDX-License-Identifier: Apache-2.0
"""A disk that fails, and an operator who takes the ledger's files away: what was acknowledged is there afterwards."""
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.preload import FAILING_SYNC, preload
from support.sender import Sender
from support.site import HANG_GUARD, project, until

@pytest.fixture
def breakable(tmp_path):
    """Environment under which each sync fails while the file is there, and that file."""
    broken = tmp_path / "broken"
    return {**preload(tmp_path, FAILING_SYNC), "DISK_IS_BROKEN": str(broken)}, broken


def test_when_a_sync_fails_nothing_is_acknowledged_and_the_process_leaves_with_70(site, target, breakable):
    env, broken = breakable
    s = site(project(target), env=env).start()
    acknowledged = {s.post({"n": n}) for n in range(50)}
    broken.touch()

    def post(n):
        try:
            return Sender(s.port).post({"n": n}).status
        except OSError:  # it is gone
            return None
    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(post, range(100, 140)))
    assert s.process.wait(HANG_GUARD) == 70
    s.reader.join()
    assert not [a for a in answers if a and a < 500], answers
    assert len(s.logged("ledger.fatal")) == 1
    assert s.fails()[0] != 0, "nor does it start on such a disk"
    broken.unlink()
    s.start()
    assert {s.wait_state(i, "delivered")["event"]["id"] for i in acknowledged} == acknowledged
    s.wait_counts(queued=0, retrying=0, dead=0)
    s.stop()


def why(s):
    return [n for n in s.logged("ledger.notice") if n["what"] == "intake_stopped"][-1]["text"]


def stopped(s):
    """Nothing is taken in, and everybody is told why."""
    until(lambda: s.sender.raw("GET", "/readyz").status == 503)
    r = s.sender.post({"n": 1000})
    assert r.status == 503 and int(r.headers["retry-after"]) > 0
    assert s.sender.raw("GET", "/healthz").status == 200
    assert "place" in s.sender.raw("GET", "/readyz").text
    assert "moved" in why(s)


def test_while_the_ledgers_file_is_moved_away_nothing_is_taken_in(site, target):
    s = site(project(target)).start()
    first = s.post({"n": 1})
    data = s.folder / "data"
    (data / "ledger.db").rename(data / "aside.db")
    stopped(s)
    until(lambda: [a for a in s.get("/v1/alerts")["alerts"] if a["rule"] == "intake_stopped" and "place" in a["summary"]])
    (data / "aside.db").rename(data / "ledger.db")
    until(lambda: s.sender.raw("GET", "/readyz").status == 200)
    second = s.post({"n": 2})
    s.stop()
    s.start()
    assert s.wait_state(first, "delivered") and s.wait_state(second, "delivered")
    s.stop()


def test_a_ledger_that_was_deleted_under_the_server_can_be_copied_from_it_as_the_log_says(site, target):
    s = site(project(target)).start()
    accepted = {s.post({"n": n}) for n in range(20)}
    s.wait_counts(delivered=20)
    data, names = s.folder / "data", ("ledger.db", "ledger.db-wal")
    for name in names:
        (data / name).unlink()
    stopped(s)
    assert "/proc/" in why(s)
    open_files = [f"/proc/{s.process.pid}/fd/{fd}" for fd in os.listdir(f"/proc/{s.process.pid}/fd")]
    of = {os.readlink(f).removesuffix(" (deleted)"): f for f in open_files}
    for name in names:
        shutil.copyfile(of[str(data.resolve() / name)], s.folder / name)
    s.kill()
    for name in names:
        (s.folder / name).rename(data / name)
    s.start()
    assert {i for i in accepted if s.state(i) == "delivered"} == accepted
    s.stop()
