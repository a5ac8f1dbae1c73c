# SPDX-License-Identifier: Apache-2.0
"""What every test of the whole program has: a place, targets, and a faithful clean-up."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from support.site import Site, project  # noqa: E402
from support.target import Target  # noqa: E402


@pytest.fixture
def target():
    t = Target()
    yield t
    t.stop()


@pytest.fixture
def targets():
    made = []

    def make(behave=None):
        made.append(Target(behave))
        return made[-1]
    yield make
    for t in made:
        t.stop()


@pytest.fixture
def site(tmp_path):
    """site(config): an installation, not started; several in one test have folders of their own."""
    made = []

    def make(config, env=None, folder=None):
        made.append(Site(folder or tmp_path / f"site{len(made) or ''}", config, env))
        return made[-1]
    yield make
    for s in made:
        s.clean_up()


@pytest.fixture
def shop(site, target):
    """shop(flow={...}): one flow from a shop to `target`, running."""
    return lambda **changes: site(project(target, **changes)).start()
