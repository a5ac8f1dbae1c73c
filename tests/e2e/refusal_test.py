# SPDX-License-Identifier: Apache-2.0
"""What cannot work is said in one clear sentence, with its place, and the exit code that fits."""
import copy
import re
import socket
import ssl
import subprocess
import urllib.request

import pytest
from support.site import hook, project


def says(s, code, *words):
    got, text = s.fails()
    for word in words:
        assert word in text, text
    assert got == code, f"{got}: {text}"
    first = text.strip().splitlines()[0]
    assert len(first) < 300 and "(null)" not in text and "%s" not in text, text
    return text


def test_yaml_that_is_no_yaml(site):
    text = says(site("version: 1\nflows: { a: [\n"), 2, "tieline.yaml:")
    assert text.count("error") == 1, text


def test_a_file_that_is_not_there(site, target):
    s = site(project(target))
    (s.folder / "tieline.yaml").unlink()
    says(s, 2, "tieline.yaml")


def test_an_unknown_key_with_the_nearest_known_one(site, target):
    config = project(target)
    config["flows"]["orders"]["retri"] = config["flows"]["orders"].pop("retry")
    says(site(config), 2, "retri", "retry", "tieline.yaml:")


def test_all_errors_are_told_at_once_with_line_and_column(site):
    text = """version: 1
store: { path: ./data }
connections:
  erp: { type: htpp, url: "http://127.0.0.1:1" }
flows:
  a:
    from: { webhook: { path: /a, verify: { githup: { secret: "${env:HOOK_SECRET}" } } } }
    order_bi: "body.x"
    to: { connection: erp, post: /x }
"""
    said = says(site(text), 2, "tieline.yaml:4:", "http", "tieline.yaml:7:", "github", "tieline.yaml:8:")
    assert said.count("error:") >= 3


def test_all_expressions_that_do_not_compile_are_told_at_once(site, target):
    said = says(site(project(target, flow={"order_by": "body.[", "steps": [{"when": "(1"}, {"map": {"jsonata": "{ 'a': "}}]})),
                2, "tieline.yaml:")
    assert said.count("error:") == 3 and len(set(re.findall(r"tieline.yaml:(\d+:\d+): error", said))) == 3, said


def test_a_mapping_that_does_not_compile(site, target):
    s = site(project(target, flow={"steps": [{"map": "m"}]}, mappings={"m": {"jsonata": "m.jsonata"}}))
    (s.folder / "m.jsonata").write_text('{\n  "a": $sum(lines.price\n}\n')
    says(s, 2, "m.jsonata:3:2: error:", 'Expected ")", found "}"')


@pytest.mark.parametrize("break_it,words", [
    (lambda c: c["flows"]["orders"]["to"].update(connection="erq"), ["no connection 'erq'", "'erp'"]),
    (lambda c: c["flows"]["orders"]["to"].update(pots="/x"), ["pots", "post"]),
    (lambda c: c["flows"]["orders"].update(retry={"backoff": "10s..1s"}), ["backoff"]),
    (lambda c: c["flows"]["orders"].update(steps=[{"map": "nowhere"}]), ["no mapping 'nowhere'"]),
    (lambda c: c["flows"]["orders"].update(steps=[{"validate": "nowhere"}]), ["no model 'nowhere'"]),
    (lambda c: c["flows"].update(twin=copy.deepcopy(c["flows"]["orders"])), ["same path"]),
    (lambda c: c["flows"]["orders"]["from"]["webhook"].pop("verify"), ["unsigned"]),
    (lambda c: c["connections"]["erp"].update(limits={"rate": "fast"}), ["100/s"]),
    (lambda c: c["server"].update(listen="0.0.0.0:8443"), ["tls", "behind_proxy"]),
    (lambda c: c.update(version=2), ["version"]),
], ids=lambda v: "-".join(v) if isinstance(v, list) else "")
def test_a_configuration_that_is_wrong(site, target, break_it, words):
    config = project(target)
    break_it(config)
    says(site(config), 2, *words)


def test_a_secret_that_is_missing_is_named_without_its_value(site, target):
    s = site(project(target))
    del s.env["HOOK_SECRET"]
    says(s, 2, "HOOK_SECRET", "tieline.yaml:")


def test_a_secret_in_the_configuration_itself_is_refused_and_not_repeated(site, target):
    text = says(site(project(target, flow={"from": hook("/hooks/shop", secret="plain-secret-41")})), 2, "secret")
    assert "plain-secret-41" not in text


def test_a_port_that_another_program_has(site, target):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        config = project(target)
        config["server"]["listen"] = f"127.0.0.1:{port}"
        says(site(config), 1, str(port), "in use")


def test_a_data_directory_that_another_process_has(site, target):
    first = site(project(target)).start()
    config = project(target)
    config["store"]["path"] = str(first.folder / "data")
    says(site(config), 1, "data")
    first.wait_state(first.post({"n": 1}), "delivered")


def test_a_data_directory_that_cannot_be_made(site, target):
    config = project(target)
    config["store"]["path"] = "/proc/nowhere"
    says(site(config), 1, "/proc/nowhere")


def test_a_ledger_that_is_no_ledger(site, target):
    s = site(project(target)).start()
    s.stop()
    [file] = [f for f in (s.folder / "data").iterdir() if f.suffix == ".db"]
    for other in (s.folder / "data").iterdir():
        if other.name.startswith(file.name + "-"):
            other.unlink()
    file.write_bytes(b"this is a text, and no database at all " * 400)
    code, text = s.fails()
    assert code in (1, 2) and file.name in text or "ledger" in text, text


def certificate(folder, cert, key):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", key, "-out", cert], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("what", ["missing", "no certificate", "not its key"])
def test_a_tls_file_that_is_wrong(site, target, what):
    config = project(target)
    config["server"]["tls"] = {"certificate": "cert.pem", "key": "key.pem"}
    s = site(config)
    if what != "missing":
        certificate(s.folder, "cert.pem", "other.pem")
        certificate(s.folder, "other-cert.pem", "key.pem")
        if what == "no certificate":
            (s.folder / "cert.pem").write_text("hello\n")
    code, text = s.fails()
    assert code in (1, 2) and ("cert.pem" in text or "key.pem" in text), (code, text)
    assert "PRIVATE" not in text and text.count("\n") <= 8, text



def test_a_listener_with_tls_serves_tls(site, target):
    config = project(target)
    config["server"]["tls"] = {"certificate": "cert.pem", "key": "key.pem"}
    s = site(config)
    certificate(s.folder, "cert.pem", "key.pem")
    s.start()
    context = ssl.create_default_context(cafile=str(s.folder / "cert.pem"))
    with urllib.request.urlopen(f"https://localhost:{s.port}/readyz", context=context) as r:
        assert r.status == 200
