# SPDX-License-Identifier: Apache-2.0
"""A key that needs a pass phrase is one sentence, wherever it is loaded: nobody is asked, though somebody could be."""
import contextlib
import os
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.keys import Key, openssl
from support.site import BIN, HANG_GUARD, free_port, project, until


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    own = Key(folder, "own")
    own.certificate("localhost", san="DNS:localhost,IP:127.0.0.1")
    openssl("rsa", "-aes128", "-passout", "pass:secret", "-in", own.path, "-out", folder / "locked.key")
    lines = own.path.with_suffix(".pem").read_text().splitlines()
    lines[1:1] = ["Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF", ""]
    (folder / "locked.pem").write_text("\n".join(lines) + "\n")
    return own


@pytest.fixture
def keyboard():
    """Where a prompt would wait: nothing is typed, and it is not the end either. Without a terminal OpenSSL reads that."""
    reads, writes = os.pipe()
    yield {"stdin": reads, "start_new_session": True}
    os.close(reads)
    os.close(writes)


def tell(s, keyboard, *words):
    return subprocess.run([BIN, *words], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=HANG_GUARD, **keyboard)


@contextlib.contextmanager
def tls_target(key):
    """Shakes hands with whoever comes; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), BaseHTTPRequestHandler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(key.path.with_suffix(".pem"), key.path)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("command", ["check", "run"])
def test_of_the_server_at_the_start(site, target, keys, keyboard, command):
    c = project(target)
    c["server"]["tls"] = {"certificate": str(keys.path.with_suffix(".pem")), "key": str(keys.path.parent / "locked.key")}
    r = tell(site(c), keyboard, command, "tieline.yaml")
    assert r.returncode == 2 and "locked.key: it needs a pass phrase" in r.stderr and "openssl pkey" in r.stderr, r
    assert "Enter" not in r.stdout + r.stderr, r


def test_of_the_authorities_of_clients(site, target, keys, keyboard):
    c = project(target)
    c["server"]["tls"] = {"certificate": str(keys.path.with_suffix(".pem")), "key": str(keys.path), "client_ca": str(keys.path.parent / "locked.pem")}
    r = tell(site(c), keyboard, "check", "tieline.yaml")
    assert r.returncode == 2 and "client authorities file" in r.stderr and "Enter" not in r.stdout + r.stderr, r


def test_of_a_renewal(site, target, keys, keyboard):
    c = project(target)
    c["server"]["tls"] = {"certificate": "server.pem", "key": "server.key"}
    s = site(c)
    shutil.copy(keys.path.with_suffix(".pem"), s.folder / "server.pem")
    shutil.copy(keys.path, s.folder / "server.key")
    s.start(**keyboard)
    shutil.copy(keys.path.parent / "locked.key", s.folder / "new.key")
    os.replace(s.folder / "new.key", s.folder / "server.key")
    line = until(lambda: s.logged("tls.not_renewed"), 40)[0]
    assert "server.key: it needs a pass phrase" in line["text"], line
    shutil.copy(keys.path, s.folder / "new.key")
    os.replace(s.folder / "new.key", s.folder / "server.key")
    until(lambda: s.logged("tls.renewed"), 40)
    assert s.stop() == 0 and "Enter" not in s.log


def test_of_a_connection(site, keys, keyboard):
    c = project("https://127.0.0.1:9")
    own = Key(keys.path.parent, "target")
    own.certificate("127.0.0.1", san="IP:127.0.0.1")
    with tls_target(own) as url:
        c["connections"]["erp"].update(url=url, tls={"ca": str(own.path.with_suffix(".pem"))}, auth={
            "mtls": {"certificate": str(keys.path.with_suffix(".pem")), "certificate_key": str(keys.path.parent / "locked.key")}})
        s = site(c).start(**keyboard)
        s.post({"n": 1})
        words = until(lambda: s.connection()["held_reason"] or s.flow()["held_reason"])
        assert "needs no pass phrase" in words and "locked.key" in words, words
        assert s.stop() == 0 and "Enter" not in s.log


def test_of_tieline_send(site, target, keys, keyboard):
    s = site(project(target))
    r = tell(s, keyboard, "send", "--url", "https://localhost:9/x", "--flow", "orders", "--cert", str(keys.path.with_suffix(".pem")),
             "--key", str(keys.path.parent / "locked.key"))
    assert r.returncode == 2 and "needs a pass phrase" in r.stderr and "Enter" not in r.stderr, r
