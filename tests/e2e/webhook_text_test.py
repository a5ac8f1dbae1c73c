# SPDX-License-Identifier: Apache-2.0
"""Bodies whose type is text/plain: a text, or the JSON that it is from end to end."""
import json

import pytest

from support.site import project
from support.target import OK, answer


def shop(target, steps=(), **to):
    to = {"connection": "erp", "post": "/orders", "body": "{'is': $type(body), 'body': body}", **to}
    return project(target, flow={"from": {"webhook": {"path": "/hooks/shop", "unsigned": True}}, "to": to, "steps": list(steps)})


def post(s, body, type="text/plain; charset=UTF-8"):
    r = s.sender.raw("POST", "/hooks/shop", body.encode(), {"Content-Type": type})
    assert r.status == 200, r
    return r.id


@pytest.mark.parametrize("restarted", [False, True])
def test_a_text_that_is_no_json_stays_a_text(site, target, restarted):
    texts = ["[FIRING:1] disk full", "{broken", "5", "true", '"quoted"', "null", "[1] [2]", "a=1"]
    s = site(shop(target)).start()
    if restarted:  # then what is sent was read from the disk
        s.do("/v1/flows/orders/pause")
    for text in texts:
        post(s, text)
    if restarted:
        s.stop()
        s.start()
        s.do("/v1/flows/orders/resume")
    s.wait_counts(delivered=len(texts))
    assert sorted(b["body"] for b in target.bodies()) == sorted(texts) and {b["is"] for b in target.bodies()} == {"string"}


def test_json_that_says_text_is_the_value(site, target):
    s = site(shop(target)).start()
    post(s, ' {"Type": "Notification"}\n')
    post(s, "[1, 2]")
    s.wait_counts(delivered=2)
    assert sorted((b["is"], b["body"]) for b in target.bodies()) == [("array", [1, 2]), ("object", {"Type": "Notification"})]


def test_keys_and_mappings_see_the_same(site, target):
    config = shop(target)
    config["flows"]["orders"]["idempotency"] = {"key": "$type(body)"}
    s = site(config).start()
    ids = {post(s, text) for text in ("5", "[urgent] call", "true")}
    assert len(ids) == 1
    s.wait_counts(delivered=1)
    assert target.bodies() == [{"is": "string", "body": "5"}]


def test_what_steps_or_people_made_of_a_text_is_theirs(site, target):
    target.behave = lambda r: answer(422) if b'"no"' in r.body else OK
    s = site(shop(target, [{"split": "$split(body, ',')"}])).start()
    post(s, "5,yes,no")
    s.wait_counts(delivered=2, dead=1)
    assert sorted(b["body"] for b in target.bodies()) == ["5", "no", "yes"]
    dead = s.list(state="dead")[0]["id"]
    s.do(f"/v1/events/{dead}/edit", b'"[urgent] yes"')
    assert json.loads(s.get(f"/v1/events/{dead}/payloads")["sent"]["body"])["body"] == "[urgent] yes"
    s.job("replay", {"ids": [dead]})
    s.wait_counts(delivered=3)
    assert target.bodies()[-1] == {"is": "string", "body": "[urgent] yes"}


def test_a_text_that_a_person_edited_is_what_they_wrote(site, target):
    target.behave = lambda r: answer(422) if b"no" in r.body else OK
    s = site(shop(target)).start()
    id = post(s, "no")
    s.wait_counts(dead=1)
    s.do(f"/v1/events/{id}/edit", b"7")
    s.job("replay", {"ids": [id]})
    s.wait_counts(delivered=1)
    assert target.bodies()[-1] == {"is": "number", "body": 7}
