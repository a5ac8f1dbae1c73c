# SPDX-License-Identifier: Apache-2.0
"""A disk that fails: what was acknowledged is there afterwards."""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.sender import Sender
from support.site import HANG_GUARD, project

FAILING_SYNC = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int sync_or_fail(long call, int fd)
{
    const char *broken = getenv("DISK_IS_BROKEN");

    if (broken && access(broken, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}
int fsync(int fd) { return sync_or_fail(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_or_fail(SYS_fdatasync, fd); }
"""


@pytest.fixture
def breakable(tmp_path):
    """Environment under which each sync fails while the file is there, and that file."""
    source, library, broken = tmp_path / "failing.c", tmp_path / "failing.so", tmp_path / "broken"
    source.write_text(FAILING_SYNC)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library), "DISK_IS_BROKEN": str(broken),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}, broken


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
