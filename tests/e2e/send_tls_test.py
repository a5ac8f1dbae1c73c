# SPDX-License-Identifier: Apache-2.0
"""`tieline send` over TLS: the server's certificate and name are verified."""
import json
import subprocess

from support.site import BIN, project


def certificate(folder, name, san):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", "/CN=test", "-addext", f"subjectAltName={san}"],
                   cwd=folder, check=True, capture_output=True)


def served(site, target, san="IP:127.0.0.1"):
    config = project(target)
    config["server"]["tls"] = {"certificate": "server.pem", "key": "server.key"}
    s = site(config)
    certificate(s.folder, "server", san)
    return s.start()


def send(s, *args):
    return subprocess.run([BIN, "send", "--flow", "orders", "--json", *args], cwd=s.folder, env=s.env, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, text=True)


def test_events_are_sent_over_tls_to_a_server_whose_certificate_is_known(site, target):
    s = served(site, target)
    r = send(s, "--ca", "server.pem", "--count", "300", "--concurrency", "8", "--duplicate", "10")
    assert r.returncode == 0, r
    report = json.loads(r.stdout)
    assert report["accepted"] == 330 and report["answered_as_duplicate"] == 30 and report["failed"] == 0
    s.wait_counts(delivered=300)


def test_a_certificate_that_nobody_vouches_for_is_refused(site, target):
    s = served(site, target)
    r = send(s)
    assert r.returncode == 4 and "certificate is not accepted" in r.stdout and "--ca" in r.stdout, r
    assert s.flow()["events"] == 0
    r = send(s, "--ca", "nowhere.pem")
    assert r.returncode == 2 and "nowhere.pem" in r.stdout + r.stderr, r


def test_a_certificate_of_another_name_is_refused(site, target):
    s = served(site, target, san="DNS:erp.example.com")
    r = send(s, "--ca", "server.pem")
    assert r.returncode == 4 and "certificate is not accepted" in r.stdout and s.flow()["events"] == 0, r
