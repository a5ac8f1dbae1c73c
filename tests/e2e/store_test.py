# SPDX-License-Identifier: Apache-2.0
"""The local encrypted store of secrets, from the command line into a running server."""
import os
import subprocess

BIN = os.environ["TIELINE_BIN"]

CONFIG = """\
version: 1
connections: { erp: { type: http, url: "http://127.0.0.1:9" } }
flows:
  orders:
    from: { webhook: { path: /h, verify: { github: { secret: "${store:hook}" } } } }
    to: { connection: erp, post: /orders }
"""


def tieline(args, env, **more):
    return subprocess.run([BIN, *args], env=env, capture_output=True, text=True, timeout=60, **more)


def test_a_secret_of_the_store_resolves_with_its_key_only(tmp_path):
    env = dict(os.environ, TIELINE_SECRETS=str(tmp_path / "secrets.tls"))
    key = tieline(["secrets", "key"], env).stdout.strip()
    env["TIELINE_SECRETS_KEY"] = key
    assert tieline(["secrets", "set", "hook"], env, input="a-secret-kept-in-the-store").returncode == 0
    (tmp_path / "tieline.yaml").write_text(CONFIG)
    good = tieline(["check", "--json", str(tmp_path / "tieline.yaml")], env)
    assert good.returncode == 0 and "do not resolve" not in good.stdout + good.stderr
    assert b"a-secret-kept" not in (tmp_path / "secrets.tls").read_bytes()
    env["TIELINE_SECRETS_KEY"] = tieline(["secrets", "key"], env).stdout.strip()
    other = tieline(["run", str(tmp_path / "tieline.yaml")], env)
    assert other.returncode == 2 and "key" in other.stderr, other.stderr
