# SPDX-License-Identifier: Apache-2.0
"""What the service manager hears: readiness, life, the end; and the unit file that we ship."""
import os
import shutil
import signal
import socket
import subprocess

import pytest

from support.site import project, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNIT = os.path.join(ROOT, "packaging", "systemd", "tieline.service")


class Manager:
    def __init__(self, address):
        self.socket, self.heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), []
        self.socket.bind(address)
        self.socket.settimeout(0.05)

    def listen(self):
        try:
            while True:
                self.heard.append(self.socket.recv(1000).decode())
        except TimeoutError:
            pass
        return self.heard

    def hears(self, what):
        until(lambda: what in self.listen())


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    m = Manager(str(tmp_path / "notify") if request.param == "path" else f"\0tieline-test-{os.getpid()}")
    m.name = str(tmp_path / "notify") if request.param == "path" else f"@tieline-test-{os.getpid()}"
    yield m
    m.socket.close()


def test_systemd_hears_that_we_are_ready_alive_and_stopping(site, target, manager):
    s = site(project(target))
    s.env.update(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="200000")
    s.start()
    manager.hears("READY=1")
    manager.heard.clear()
    until(lambda: manager.listen().count("WATCHDOG=1") >= 3)
    s.process.send_signal(signal.SIGSTOP)  # it hangs: nothing more is heard, and systemd would start it again
    manager.listen()
    manager.heard.clear()
    manager.socket.settimeout(0.5)
    assert manager.listen() == []
    s.process.send_signal(signal.SIGCONT)
    s.stop()
    manager.hears("STOPPING=1")


def test_without_a_service_manager_nothing_is_said(site, target, tmp_path):
    s = site(project(target))
    s.env.update(NOTIFY_SOCKET=str(tmp_path / "nobody"), WATCHDOG_USEC="200000")
    s.start()
    s.stop()


def test_another_process_s_watchdog_is_not_ours(site, target, manager):
    s = site(project(target))
    s.env.update(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="50000", WATCHDOG_PID="1")
    s.start()
    manager.hears("READY=1")
    manager.socket.settimeout(0.3)
    assert "WATCHDOG=1" not in manager.listen()
    s.stop()


def test_the_unit_file_is_good():
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    r = subprocess.run(["systemd-analyze", "verify", "--man=no", UNIT], capture_output=True, text=True)
    ours = [line for line in r.stderr.splitlines() if "tieline" in line and "is not executable" not in line
            and "No such file" not in line]
    assert not ours, r.stderr
