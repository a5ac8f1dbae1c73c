# SPDX-License-Identifier: Apache-2.0
"""The user who is careless: each command answers with one sentence that says what, where and what to do, and with a
documented exit code."""
import contextlib
import http.server
import json
import os
import pty
import resource
import signal
import socketserver
import subprocess
import threading
import time
from pathlib import Path

import pytest
from support.program import BINARY


def one_sentence(done, code, *words):
    said = done.err.strip()
    assert done.code == code and len(said.splitlines()) <= 2 and said.startswith("tieline"), (done.code, done.out, done.err)
    for word in words:
        assert word in said, said


# ---- standard output ----
@pytest.mark.parametrize("words", [["schema"], ["reference"], ["help"], ["version"], ["completion", "bash"], ["map", "-n", "1"], ["check"]])
def test_a_full_disk_behind_standard_output_is_a_failure(project, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, *words], cwd=project.folder, env=project.env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "cannot write to standard output" in done.stderr and done.stderr.count("\n") == 1, done


@pytest.mark.parametrize("words", [["schema"], ["reference"], ["help", "--json"]])
def test_a_reader_who_goes_away_ends_it_quietly(empty, words):
    p = subprocess.Popen([BINARY, *words], cwd=empty.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
    p.stdout.close()
    assert p.stderr.read() == b"" and p.wait(20) in (0, -signal.SIGPIPE), p.returncode


def test_without_any_output_there_is_still_an_exit_code(empty):
    done = subprocess.run(f'"{BINARY}" version >&- 2>&-', shell=True, cwd=empty.folder)
    assert done.returncode in (0, 1)


@pytest.mark.parametrize("words", [["events", "show", b"\xff"], ["pause", "flow", b"\xff"], ["resume", "connection", b"\xff"], ["connect", b"\xff", "--test"],
                                   ["events", "list", "--flow", b"\xff"], ["events", "cancel", b"\xff", "--yes"]], ids=lambda w: " ".join(map(str, w)))
@pytest.mark.parametrize("served", [True, False])
def test_a_name_that_is_no_text_is_wrong_usage(project, words, served):
    project.serve()
    if not served:
        project.stop()
    for more in ([], ["--json"]):
        done = subprocess.run([BINARY, *words, *more], cwd=project.folder, env=project.env, capture_output=True)
        said = done.stderr.decode()
        assert done.returncode == 2 and "upstream" not in said and "path" not in said, (done.returncode, said)


# ---- standard input and files ----
@pytest.mark.parametrize("stdin", [b"\xff\xfe\x00garbage", b"{" * 100000, b"\0" * 1000, b"]"], ids=["bytes", "braces", "zeros", "bracket"])
def test_garbage_on_standard_input(empty, stdin):
    done = empty.run("map", "$", stdin=stdin)
    assert done.code == 5 and "Traceback" not in done.err and done.err.count("\n") <= 2, done.err
    one_sentence(empty.run("send", "--url", "http://127.0.0.1:1/x", "-f", "-", "--lines", stdin=b""), 2, "0 bodies")


def test_files_that_cannot_be_read(project):
    shut = project.write("shut.yaml", "version: 1\n")
    shut.chmod(0)
    (project.folder / "folder").mkdir()
    for path, words in (("nowhere.yaml", "nowhere.yaml"), ("folder", "folder"), ("/dev/null", "/dev/null"), ("shut.yaml", "shut.yaml")):
        if path == "shut.yaml" and os.geteuid() == 0:
            continue
        for command in ("check", "run"):
            done = project.run(command, path)
            assert done.code == 2 and words in done.err and done.err.count("error: ") == 1, (command, path, done.err)
    one_sentence(project.run("map", "-f", "folder"), 1, "folder")
    one_sentence(project.run("map", "-f", "nowhere.jsonata"), 3, "nowhere.jsonata")
    one_sentence(project.run("send", "--flow", "orders", "-f", "folder"), 1, "folder")


def test_words_too_many_and_options_that_are_none(empty):
    one_sentence(empty.run("run", "a.yaml", "b.yaml"), 2, "b.yaml")
    one_sentence(empty.run("run", "--jsn"), 2, "--jsn")
    one_sentence(empty.run("run", "-xh"), 2, "there is no option -x")
    done = empty.run("run")
    assert done.code == 2 and "tieline.yaml cannot be read" in done.err and "`tieline init`" in done.err, done.err
    one_sentence(empty.run("send", "--url", "http://nowhere.invalid/x"), 4, "nowhere.invalid")


def test_a_secret_that_is_missing_is_named_with_its_place(project):
    del project.env["SHOP_SECRET"]
    one_sentence(project.run("send", "--flow", "orders"), 2, "tieline.yaml:9:", "SHOP_SECRET")


# ---- names, ids, units ----
@pytest.mark.parametrize("words, code, wanted", [
    (["events", "show", "0"], 2, "'0' is not an id"),
    (["events", "show", "0000000000ABC"], 3, "0000000000ABC"),
    (["events", "show", "../../etc"], 3, "no such id"),
    (["events", "list", "--flow", "ordres"], 3, "orders"),
    (["events", "list", "--from", "yesterday"], 2, "yesterday"),
    (["events", "list", "--state", "daed"], 2, "dead"),
    (["dlq", "list", "--class", "dta"], 2, "data"),
    (["dlq", "show", "zzzz"], 2, "zzzz"),
    (["dlq", "replay", "zzzz", "--yes"], 2, "zzzz"),
    (["events", "show", ""], 2, "an empty word stands where ID is wanted"),
    (["pause", "flow", ""], 2, "an empty word"),
    (["resume", "connection", ""], 2, "an empty word"),
    (["dlq", "replay", "", "--yes"], 2, "an empty word"),
    (["events", "promote", ""], 2, "an empty word"),
    (["token", "revoke", ""], 2, "an empty word"),
    (["xref", "forget", "order", "", "1"], 2, "an empty word"),
    (["dlq", "replay", "0000000000ABC", "--yes"], 3, "nothing with this id"),
    (["dlq", "show", "0000000000ABC"], 3, "0000000000ABC"),
    (["pause", "flow", "ordres"], 3, "orders"),
    (["pause", "connection", "epr"], 3, "erp"),
    (["debug", "orders", "--for", "10"], 2, "10m"),
    (["debug", "ordres"], 3, "orders"),
    (["connect", "epr"], 3, "erp"),
    (["events", "move", "--flow", "orders", "--to", "ordres", "--yes"], 3, "orders"),
    (["ledger", "snapshot", "no/such/folder/x.db"], 1, "no/such/folder"),
    (["ledger", "snapshot", "."], 1, "is there already"),
    (["token", "create", "x", "--role", "kng"], 2, "viewer"),
    (["send", "--flow", "ordres"], 3, "orders"),
    (["send", "--flow", "orders", "--timeout", "5s"], 2, "whole number"),
    (["send", "--flow", "orders", "--count", "100000", "--concurrency", "100000"], 2, "4096"),
    (["send", "--url", "nonsense"], 2, "URL"),
    (["send", "--url", "http://127.0.0.1:1/x", "--scheme", "githup", "--secret-env", "SHOP_SECRET"], 2, "githup"),
    (["send", "--scheme", "github", "--secret-env", "SHOP_SECRET"], 2, "--scheme is of a send without a flow"),
    (["send", "--flow", "orders", "--url", "http://127.0.0.1:1/x", "--secret-env", "SHOP_SECRET"], 2, "--secret-env is of a send without a flow"),
    (["send", "--url", "http://127.0.0.1:1/x", "--secret-env", "SHOP_SECRET"], 2, "--secret-env needs --scheme"),
    (["send", "--url", "http://127.0.0.1:1/x", "--config", "tieline.yaml"], 2, "name it with --flow"),
    (["status", "--config", "nowhere.yaml"], 2, "nowhere.yaml"),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_what_is_not_there_is_named_with_what_is(served, words, code, wanted):
    done = served.run(*words)
    assert done.code == code and wanted in done.err and done.out in ("", "replay: nothing to do\n"), (done.code, done.out, done.err)
    assert len(done.err.strip().splitlines()) <= 2, done.err


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    from support.program import Project
    p = Project(tmp_path_factory.mktemp("served"))
    p.serve()
    yield p
    p.close()


def test_without_yes_and_a_terminal_nothing_is_changed(served):
    served.ok("pause", "flow", "orders")
    served.ok("send", "--flow", "orders", "--count", "3")
    for words in (["events", "cancel", "--flow", "orders"], ["events", "move", "--flow", "orders", "--to", "orders"]):
        done = served.run(*words)
        assert done.code != 0 and ("--yes" in done.err or "orders" in done.err), done.err
    assert served.counts()["cancelled"] == 0
    served.ok("resume", "flow", "orders")
    served.drained()


# ---- ports and directories that are taken ----
def test_a_second_server_of_the_same_ledger_says_who_has_it(served):
    one_sentence(served.run("run", "tieline.yaml"), 1, "data")


@pytest.mark.parametrize("options, wanted", [(["--port", "http"], "--port takes N"), (["--delay", "5 apples"], "--delay takes MS"),
                                             (["--fail", "110"], "--fail takes PERCENT"), (["--outage", "5"], "--outage takes FROM..TO"),
                                             (["--status", "200"], "400 to 599"), (["--order-by", "/a"], "belong together"),
                                             (["--host", "nowhere.invalid"], "nowhere.invalid"), (["--retry-after", "soon"], "SECONDS")])
def test_a_simulator_with_wrong_options(empty, options, wanted):
    done = empty.run("sim", "http", *options)
    one_sentence(done, 1 if "--host" in options else 2, wanted)


@pytest.mark.parametrize("shut", ["data", "data/ledger.db"])
def test_a_ledger_of_somebody_else_is_not_called_none(project, shut):
    project.serve()
    project.stop()
    path = project.folder / shut
    path.chmod(0)
    powerless = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []  # root may read anything otherwise
    for words in (["status"], ["events", "list"], ["dlq", "replay", "--all", "--yes"]):
        done = subprocess.run([*powerless, BINARY, *words], cwd=project.folder, env=project.env, capture_output=True, text=True)
        assert done.returncode == 4 and "permission denied" in done.stderr and "as the user of the server" in done.stderr, done
    path.chmod(0o700)
    one_sentence(project.run("status", "--data", "nowhere"), 3, "there is no ledger in nowhere")


def test_a_disk_that_fails_is_not_called_full(project):
    project.serve()
    project.stop()

    def cannot_write():  # EFBIG, which is not ENOSPC
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    done = subprocess.run([BINARY, "status"], cwd=project.folder, env=project.env, capture_output=True, text=True, preexec_fn=cannot_write)
    assert done.returncode == 1 and "is full" not in done.stderr, done
    assert "cannot be read or written: File too large" in done.stderr and "the system's log" in done.stderr, done


@pytest.mark.parametrize("listen, wanted", [("203.0.113.9:80", "this machine does not have the address 203.0.113.9"), ("127.0.0.1:81", "CAP_NET_BIND_SERVICE")])
def test_what_cannot_be_listened_on_says_what_to_do(project, listen, wanted):
    if listen.endswith(":81") and int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 81:
        pytest.skip("here everybody may listen on port 81")
    config = (project.folder / "tieline.yaml").read_text().replace(f"listen: 127.0.0.1:{project.port}", f"listen: '{listen}', behind_proxy: [127.0.0.1/32]")
    project.write("tieline.yaml", config)
    powerless = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    done = subprocess.run([*powerless, BINARY, "run"], cwd=project.folder, env=project.env, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and wanted in done.stderr, done


def test_a_data_directory_whose_path_is_too_long_for_a_socket(project):
    deep = "d" * 100
    project.write("tieline.yaml", (project.folder / "tieline.yaml").read_text().replace("path: ./data", f"path: ./{deep}"))
    done = project.run("run")
    assert done.code != 0 and "107 bytes at most: choose a shorter directory" in done.err, done.err


# ---- Ctrl-C ----
def interrupted(project, *words, after=0.7, stdin=subprocess.DEVNULL):
    # A shell that started the tests in the background has them ignore SIGINT.
    p = subprocess.Popen([BINARY, *map(str, words)], cwd=project.folder, env=project.env, stdin=stdin, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    time.sleep(after)
    assert p.poll() is None, p.communicate()
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    return p.returncode, out, err


def test_ctrl_c_while_sending_reports_what_was_sent(served):
    code, out, err = interrupted(served, "send", "--flow", "orders", "--count", 100000, "--rate", 20, "--json")
    report = json.loads(out)
    assert code == 130 and 0 < report["sent"] < 1000 and "stopped before the end" in err
    served.drained()


@pytest.mark.parametrize("words", [["events", "tail"], ["map", "$"]])
def test_ctrl_c_ends_what_only_shows(served, words):
    with subprocess.Popen(["sleep", "20"], stdout=subprocess.PIPE) as silent:
        code, _, err = interrupted(served, *words, stdin=silent.stdout)
        silent.kill()
    assert code in (130, -signal.SIGINT) and not err


def test_ctrl_c_while_a_value_is_asked_for_leaves_the_terminal_as_it_was(empty):
    import termios
    key = empty.ok("secrets", "key").out.strip()
    parent, child = pty.openpty()
    p = subprocess.Popen([BINARY, "secrets", "set", "x"], cwd=empty.folder, env={**empty.env, "TIELINE_SECRETS_KEY": key}, stdin=child,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 20
    while termios.tcgetattr(child)[3] & termios.ECHO:
        assert time.monotonic() < end and p.poll() is None
        time.sleep(0.02)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=20)
    assert p.returncode == 130 and b"nothing was changed" in err
    assert termios.tcgetattr(child)[3] & termios.ECHO, "the terminal still hides what is typed"
    os.close(parent)
    os.close(child)


def test_ctrl_c_ends_a_simulator_and_a_server_with_0(empty, tmp_path_factory):
    from support.program import Project
    code, out, _ = interrupted(empty, "sim", "http", "--port", 0)
    assert code == 0 and '"received": 0' in out
    p = Project(tmp_path_factory.mktemp("ctrl-c"))
    code, _, err = interrupted(p, "run", "tieline.yaml", after=2)
    assert code == 0 and "server.stopped" in err


class Stalled(http.server.BaseHTTPRequestHandler):
    """A server whose job never ends; with `hangs` it does not even answer when asked for it."""
    hangs = False
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/v1/jobs/"):
            self.server.asked.set()
            if self.hangs:
                time.sleep(30)
        self.answer({"ended": False, "looked": 1, "total": 3})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.answer({"matching": 3, "last": "0000000000003", "job": "0000000000009"})

    def answer(self, value):
        body = json.dumps(value).encode()
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def address_string(self):
        return "local"

    def log_message(self, *_):
        pass


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False


@pytest.mark.parametrize("hangs", [False, True])
def test_ctrl_c_while_a_job_goes_on_says_where_it_goes_on(empty, hangs):
    (empty.folder / "data").mkdir()
    server = UnixServer(str(empty.folder / "data/control.sock"), type("It", (Stalled,), {"hangs": hangs}))
    server.asked = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    p = subprocess.Popen([BINARY, "events", "cancel", "--flow", "orders", "--yes", "--data", "data"], cwd=empty.folder,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.asked.wait(20)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=20)
    server.shutdown()
    server.server_close()
    assert p.returncode == 130 and "the job 0000000000009 goes on in the server" in err, (p.returncode, err)
