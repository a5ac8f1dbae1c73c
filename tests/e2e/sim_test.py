# SPDX-License-Identifier: Apache-2.0
"""`tieline sim NAME` as a program: what its exit status says, and what a control that is no JSON is told."""
import json
import socket
import subprocess
import urllib.error
import urllib.request

import pytest
from support.simulator import Simulator
from support.site import BIN

NAMES = ["http", "netsuite", "opsgenie", "pagerduty", "salesforce", "slack"]


def sim(*words):
    return subprocess.run([BIN, "sim", *words], capture_output=True, text=True, timeout=20)


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        yield str(s.getsockname()[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_simulator_that_cannot_listen_says_so_and_fails(name, taken):
    done = sim(name, "--port", taken)
    assert done.returncode == 1 and done.stderr.startswith(f"tieline sim {name}: ") and taken in done.stderr, done


@pytest.mark.parametrize("name", NAMES)
def test_help_is_no_error_and_a_wrong_word_is_one(name):
    done = sim(name, "--help")
    assert done.returncode == 0 and "--port N" in done.stdout and not done.stderr
    for words, wanted in ((["--port", "70000"], "--port goes up to 65535"), (["--port"], "a value is missing after --port"),
                          (["--quiet=perhaps"], "--quiet takes no value, not perhaps"), (["--nonsense", "1"], "--nonsense")):
        done = sim(name, *words)
        assert done.returncode == 2 and wanted in done.stderr and not done.stdout, (words, done)


def refusal(url, body):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, body), timeout=30)
    return refused.value.code, json.load(refused.value)


@pytest.mark.parametrize("name", ["http", "netsuite", "salesforce"])
def test_a_control_that_is_no_json_changes_nothing(name, tmp_path):
    s = Simulator(name, tmp_path, "--fail", "7")
    paths = ["/__control"] + ["/__outbound"] * (name == "salesforce")
    for path in paths:
        for body in (b"", b"{", b'{"fail": 1, "object": "Account", "url": "http://x"', b"[" * 2000):
            code, _ = refusal(s.url + path, body)
            assert code == 400, (path, body)
    assert s.turn() == s.turn(fail=7)
    s.stop()
