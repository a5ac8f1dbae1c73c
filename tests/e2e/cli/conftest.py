# SPDX-License-Identifier: Apache-2.0
import pytest

from support.program import Project


@pytest.fixture
def project(tmp_path):
    p = Project(tmp_path)
    yield p
    p.close()


@pytest.fixture
def empty(tmp_path):
    p = Project(tmp_path, config=None)
    yield p
    p.close()
