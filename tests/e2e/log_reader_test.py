# SPDX-License-Identifier: Apache-2.0
"""Who reads the log may stop reading, or leave: events, health and the end of the process do not wait for it."""
import fcntl
import json
import os
import signal
import subprocess
import threading

from support.sender import Sender
from support.site import BIN, HANG_GUARD, each_once, project, until

F_SETPIPE_SZ = 1031  # fcntl.h; Python names it from 3.10 on
SMALLEST = 4096


def run_into(s, fd):
    """The server with its log into fd, which is closed here."""
    s.process = subprocess.Popen([BIN, "run", "tieline.yaml"], cwd=s.folder, env=s.env, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=fd)
    os.close(fd)
    port = int(s.config["server"]["listen"].rsplit(":", 1)[1])

    def ready():
        assert s.process.poll() is None
        try:
            return Sender(port).raw("GET", "/readyz").status == 200
        except OSError:
            return False
    until(ready, timeout=30)
    s.sender = Sender(port)


def end(s):
    """SIGTERM; and so that a hang is this test's failure and not the next one's."""
    s.process.send_signal(signal.SIGTERM)
    try:
        return s.process.wait(HANG_GUARD)
    except subprocess.TimeoutExpired:
        s.process.kill()
        s.process.wait()
        raise AssertionError("it did not stop") from None
    finally:
        s.process = None


def test_a_log_that_nobody_reads_holds_up_nothing_and_loses_no_half_of_a_line(site, target):
    s = site(project(target))
    out, into = os.pipe()
    fcntl.fcntl(into, F_SETPIPE_SZ, SMALLEST)
    run_into(s, into)
    try:
        for n in range(100):  # 40 KB of lines
            assert s.sender.post({"n": n}).status == 200
        s.wait_counts(delivered=100)
        assert s.sender.raw("GET", "/healthz").status == 200
    finally:
        code = end(s)
    assert code == 0
    with os.fdopen(out, "rb") as f:
        text = f.read().decode()
    assert text.endswith("\n") and 0 < len(text) <= SMALLEST
    assert all(json.loads(line, object_pairs_hook=each_once)["event"] for line in text.splitlines())


def test_what_a_reader_did_not_take_meanwhile_it_gets_later(site, target):
    s = site(project(target))
    out, into = os.pipe()
    fcntl.fcntl(into, F_SETPIPE_SZ, SMALLEST)
    run_into(s, into)
    lines = []
    try:
        for n in range(100):
            assert s.sender.post({"n": n}).status == 200
        s.wait_counts(delivered=100)
        reader = threading.Thread(target=lambda: lines.extend(os.fdopen(out, "rb")))
        reader.start()
        until(lambda: sum(b"delivery.outcome" in line for line in lines) == 100)
        assert s.metrics()["tieline_log_lines_lost_total"] == 0
    finally:
        code = end(s)
    reader.join()
    assert code == 0 and b"server.stopped" in lines[-1], lines[-1]


def test_a_reader_that_left_is_only_counted(site, target):
    s = site(project(target))
    out, into = os.pipe()
    run_into(s, into)
    try:
        os.close(out)
        for n in range(20):
            assert s.sender.post({"n": n}).status == 200
        s.wait_counts(delivered=20)
        until(lambda: s.metrics()["tieline_log_lines_lost_total"] >= 20)
    finally:
        code = end(s)
    assert code == 0
