# SPDX-License-Identifier: Apache-2.0
"""What the program is started with: descriptors that are closed, and few of them."""
import os
import resource
import signal
import subprocess

import pytest

from support.sender import Sender
from support.site import BIN, HANG_GUARD, project, until


def start(s, redirect):
    """As a shell starts it: it alone can close descriptors before the program runs."""
    return subprocess.Popen(["/bin/sh", "-c", f'exec "$0" run tieline.yaml {redirect}', BIN], cwd=s.folder, env=s.env,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def is_ready(s, port):
    assert s.process.poll() is None, s.process.returncode
    try:
        return Sender(port).raw("GET", "/readyz").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("redirect", ["<&- >&- 2>&-", "<&-", ">&-", "2>&-"])
def test_standard_descriptors_that_are_closed_are_nothing_elses(site, target, redirect):
    s = site(project(target))
    s.process = start(s, redirect)
    port = int(s.config["server"]["listen"].rsplit(":", 1)[1])
    try:
        until(lambda: is_ready(s, port), timeout=30)
        s.sender = Sender(port)
        for n in range(20):
            assert s.sender.post({"n": n}).status == 200
        s.wait_counts(delivered=20)
        assert [os.readlink(f"/proc/{s.process.pid}/fd/{n}") for n in range(3) if redirect.count("-") == 3] in ([], ["/dev/null"] * 3)
        s.process.send_signal(signal.SIGTERM)
        said = s.process.communicate(timeout=HANG_GUARD)[1]
        assert s.process.returncode == 0, (s.process.returncode, said)
    finally:
        s.process.kill()
        s.process = None


@pytest.mark.parametrize("most", [5, 8, 12, 16, 30, 54])
def test_few_descriptors_are_one_sentence_and_exit_1(site, target, most):
    s = site(project(target))
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # noqa: E731
    r = subprocess.run([BIN, "run", "tieline.yaml"], cwd=s.folder, env=s.env, stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=HANG_GUARD, preexec_fn=limit)
    assert r.returncode == 1 and len(r.stderr.splitlines()) == 1, r
    assert "descriptors are needed" in r.stderr and f"which is {most}" in r.stderr and "ulimit -n" in r.stderr, r
