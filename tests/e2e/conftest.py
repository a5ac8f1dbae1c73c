# SPDX-License-Identifier: Apache-2.0
"""The test of the schedule waits for a minute to begin: its installation starts first and is looked at last."""
import time

import pytest
from support.site import Site, project, until
from support.target import Target


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: "ticking" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def ticking(tmp_path_factory):
    target = Target()
    flows = {"tick": {"from": {"schedule": {"cron": "* * * * *", "body": {"run": "sync"}}}, "order_by": "body.run",
                      "to": {"connection": "erp", "post": "/tick"}}}
    site = Site(tmp_path_factory.mktemp("ticking"), project(target, flows=flows)).start()
    yield site, target
    site.clean_up()
    target.stop()


@pytest.fixture(scope="session")
def missed(tmp_path_factory):
    """Started for the first time and stopped, before its minute came; and when."""
    target = Target()
    site = Site(tmp_path_factory.mktemp("missed"), project(target, flow={"from": {"schedule": {"cron": "* * * * *"}}})).start()
    until(lambda: site.get("/v1/status")["flows"])
    time.sleep(0.3)
    site.stop()
    yield site, time.time()
    site.clean_up()
    target.stop()


@pytest.fixture(scope="session", autouse=True)
def early(request):
    if any("ticking" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("ticking")
        request.getfixturevalue("missed")
