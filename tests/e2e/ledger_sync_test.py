# SPDX-License-Identifier: Apache-2.0
"""A ledger that is told not to sync says so, loudly; what it then loses is tested with power cuts (powercut_test.c)."""
import pytest

from support.site import project, until


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_ledger_that_is_not_synced_says_so_at_the_start(site, target, unsafe):
    config = project(target)
    config["store"] = {**config.get("store", {}), "unsafe_no_sync": unsafe}
    s = site(config).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1)
    assert until(lambda: s.logged("server.ready")), "what comes after it in the log"
    assert bool(s.logged("store.not_synced")) == unsafe
    s.stop()
