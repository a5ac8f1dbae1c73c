# SPDX-License-Identifier: Apache-2.0
"""kill -9 around the rotation of a refresh token: the grant is never dead, and no event is lost."""
import random
import threading
import time

import pytest
from support.login import ENV, Login, refresh_token
from support.site import NO_BREAKER, project, until

ROUNDS = 15


@pytest.fixture
def start(site):
    made = []

    def make(**how):
        login = Login(**how)
        made.append(login)
        c = project(login.url, limits=NO_BREAKER, flow={"retry": {"attempts": 50, "backoff": "10ms..50ms"}})
        c["connections"]["erp"]["auth"] = refresh_token(login)
        return login, site(c, env={**ENV, "REFRESH_TOKEN": login.grant()})
    yield make
    for login in made:
        login.stop()


def test_a_kill_after_the_new_token_is_on_disk_and_before_it_was_used(start):
    """The server is as strict as can be: a refresh token that comes twice kills the grant."""
    login, s = start()
    answering = threading.Event()
    plain = login.behave

    def behave(r):
        a = plain(r)
        if r.path == "/token":
            answering.set()
        elif a.status == 200 and answering.is_set():
            time.sleep(0.4)  # the new access token is on its way, its use has not been answered
        return a
    login.behave = behave
    s.start()
    s.post({"n": 0})
    s.wait_counts(delivered=1)
    for n in range(1, ROUNDS + 1):
        login.forget()
        answering.clear()
        s.post({"n": n})
        assert answering.wait(20)
        until(lambda: any(r.path == "/orders" and r.headers["authorization"][7:] in login.access for r in login.all()[-3:]))
        s.kill()
        answering.clear()
        s.start()
        s.wait_counts(queued=0, running=0, retrying=0, dead=0, timeout=60)
    assert login.reused == 0 and s.counts()["delivered"] == ROUNDS + 1


def test_a_kill_at_any_moment_of_a_renewal(start):
    """With a server that forgives a lost answer (the token before is good until the new ones are used), no moment is fatal."""
    login, s = start(grace=True)
    s.start()
    s.post({"n": 0})
    s.wait_counts(delivered=1)
    for n in range(1, ROUNDS + 1):
        before = login.token_requests()
        login.forget()
        s.post({"n": n})
        until(lambda b=before: login.token_requests() > b, every=0.001)
        time.sleep(random.random() * 0.02)
        s.kill()
        s.start()
        s.wait_counts(queued=0, running=0, retrying=0, dead=0, timeout=60)
        assert s.connection()["held"] is None
    assert login.reused == 0 and s.counts()["delivered"] == ROUNDS + 1
