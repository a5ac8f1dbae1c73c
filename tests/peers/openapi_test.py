# SPDX-License-Identifier: Apache-2.0
"""The description of the API is read by a validator of others, and its routes are driven from it by schemathesis."""
import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support.site import Site, free_port, project
from support.target import Target
from support.web import client

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build/peers/openapi"


@pytest.fixture(scope="module")
def tools():
    """openapi-spec-validator and schemathesis in an environment of their own."""
    if not (TOOLS / "bin/schemathesis").exists():
        venv.create(TOOLS, with_pip=True)
        done = subprocess.run([TOOLS / "bin/pip", "install", "-q", "openapi-spec-validator", "schemathesis"],
                              capture_output=True, text=True, timeout=600)
        if done.returncode:
            pytest.skip(f"not to be had: {done.stderr[-300:]}")
    return TOOLS / "bin"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = Target()
    s = Site(tmp_path_factory.mktemp("openapi"), project(target, admin={"listen": f"127.0.0.1:{free_port()}"})).start()
    s.wait_state(s.post({"n": 1}), "delivered")
    yield s
    s.clean_up()
    target.stop()


def test_a_validator_of_others_finds_nothing_wrong(site, tools, tmp_path):
    (tmp_path / "openapi.json").write_text(json.dumps(client(site).get("/v1/openapi.json")))
    done = subprocess.run([tools / "python", "-m", "openapi_spec_validator", tmp_path / "openapi.json"], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_request_that_the_description_allows_makes_the_server_fail(site, tools, tmp_path):
    web = client(site)
    done = subprocess.run([tools / "schemathesis", "run", f"http://127.0.0.1:{web.port}/v1/openapi.json", "-H",
                           f"Authorization: Bearer {web.token}", "--checks", "not_a_server_error", "--max-examples", "15",
                           "--exclude-path-regex", "stream|snapshot|session|tokens|reload|diff|connect"],
                          capture_output=True, text=True, timeout=400, cwd=tmp_path)
    assert site.process.poll() is None, "the server is still there"
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
