# SPDX-License-Identifier: Apache-2.0
"""What docs/run-in-production.md says of backups: a snapshot is put back, and the deliveries go on."""
import shutil
import subprocess

from support.site import BIN, project, until
from support.target import answer


def tell(s, *words):
    done = subprocess.run([BIN, *words], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    return done.stdout


def test_a_snapshot_that_is_put_back_goes_on_delivering(site, target):
    up = {"is": True}
    target.behave = lambda r: answer(200 if up["is"] else 503)
    s = site(project(target, flow={"order_by": "body.k"})).start()
    for n in range(5):
        s.post({"n": n, "k": n % 2}, id=f"first-{n}")
    s.wait_counts(delivered=5)
    up["is"] = False
    waiting = {s.post({"n": n, "k": n % 2}, id=f"second-{n}") for n in range(5, 9)}
    until(lambda: target.count("/orders") > 5)
    (s.folder / "backup").mkdir()
    assert "consistent copy" in tell(s, "ledger", "snapshot", "backup/ledger.db")
    s.post({"n": 99, "k": 7}, id="later")  # after the snapshot: it is not in it
    s.stop()

    # the steps of the page
    shutil.rmtree(s.folder / "data")
    (s.folder / "data").mkdir(mode=0o700)
    shutil.copy(s.folder / "backup/ledger.db", s.folder / "data/ledger.db")
    up["is"] = True
    s.start()
    for event in waiting:
        s.wait_state(event, "delivered")
    s.wait_counts(delivered=9)
    numbers = [b["n"] for b in target.bodies("/orders")]
    assert {5, 6, 7, 8} <= set(numbers)
    for k in (0, 1):  # the last time that each was sent: in the order of its key
        last = {n: max(i for i, v in enumerate(numbers) if v == n) for n in (5, 6, 7, 8) if n % 2 == k}
        assert sorted(last, key=last.get) == sorted(last)
    # the door is open again, and what was known is known
    assert s.sender.post({"n": 0, "k": 0}, id="first-0").json["duplicate"]
    s.post({"n": 100, "k": 1}, id="new")
    s.wait_counts(delivered=10)
    assert 100 in [b["n"] for b in target.bodies("/orders")]
    assert "follows from the one before it" in tell(s, "audit", "verify")
