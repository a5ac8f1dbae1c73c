# SPDX-License-Identifier: Apache-2.0
"""An installation in a folder of its own: `tieline run` from $TIELINE_BIN, its log and its control socket."""
import copy
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import yaml

from support.sender import SECRET, WHSEC, Reply, Sender

BIN = os.environ.get("TIELINE_BIN") or str(Path(__file__).resolve().parents[2] / "build/release/bin/tieline")
FAST = {"attempts": 4, "backoff": "20ms..80ms", "jitter": "none"}
HANG_GUARD = 40.0  # seconds. Measures nothing: what takes so long hangs
LONG_DRAIN = "20m"  # of a server that must not wait for it: it would run into the guard
NO_BREAKER = {"breaker_failures": 10000}


def project(target, flow=None, limits=None, connections=None, flows=None, **top):
    """One webhook flow from a code host to `target`; `flow` changes its keys."""
    url = target if isinstance(target, str) else target.url
    erp = {"type": "http", "url": url, "timeout": "5s"}
    if limits:
        erp["limits"] = limits
    orders = {"from": hook("/hooks/shop"), "to": {"connection": "erp", "post": "/orders"}, "retry": dict(FAST)}
    orders.update(flow or {})
    return {"version": 1, "server": {"listen": f"127.0.0.1:{free_port()}"}, "store": {"path": "./data", "reserve": "100MB"},
            "log": {"format": "json"}, "egress": {"allow_private": True},
            "connections": {"erp": erp, **(connections or {})}, "flows": {"orders": orders, **(flows or {})}, **top}


def free_port():
    """A port that nobody has; below the range that outgoing connections take theirs from."""
    for port in _ports:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


_ports = iter(random.sample(range(20000, 32000), 12000))


def hook(path, scheme="github", secret="${env:HOOK_SECRET}", **more):
    return {"webhook": {"path": path, "verify": {scheme: {"secret": secret}}, **more}}


def each_once(members):
    """For json.loads: an object in which no name is twice."""
    o = dict(members)
    assert len(o) == len(members) and "left_out" not in o, members
    return o


def until(what, timeout=20.0, every=0.01):
    """Ask again until it is true; its value."""
    end = time.monotonic() + timeout
    while not (value := what()):
        assert time.monotonic() < end, f"this did not become true in {timeout} s"
        time.sleep(every)
        every = min(every * 1.3, 0.1)
    return value


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.unix_path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


class Site:
    def __init__(self, folder, config, env=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.env = {**os.environ, "HOOK_SECRET": SECRET, "WHSEC": "whsec_" + WHSEC, **(env or {})}
        self.process = self.reader = self.sender = None
        self.lines = []  # everything ever written to stderr
        self.ready = threading.Event()
        self.port = 0
        self.configure(config)

    # ---- configuration ----
    def configure(self, config):
        self.config = copy.deepcopy(config) if isinstance(config, dict) else config
        text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
        (self.folder / "tieline.yaml").write_text(text)
        return self

    def change(self, fn):
        """Change the configuration's tree in place and write it."""
        fn(self.config)
        return self.configure(self.config)

    # ---- the process ----
    def start(self, timeout=30.0, **how):
        self.ready.clear()
        self.process = subprocess.Popen([BIN, "run", "tieline.yaml"], cwd=self.folder, env=self.env, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, **{"stdin": subprocess.DEVNULL, **how})
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        end = time.monotonic() + timeout
        while not self.ready.wait(0.05):
            assert self.process.poll() is None, f"it left with {self.process.returncode}: {self.log[-2000:]}"
            assert time.monotonic() < end, f"not ready in {timeout} s: {self.log[-2000:]}"
        if self.sender:
            self.sender.close()
        self.sender = Sender(self.port)
        return self

    def _read(self, pipe):
        for raw in pipe:
            line = raw.decode("utf-8", "replace")
            self.lines.append(line)
            if '"server.ready"' in line:
                self.port = json.loads(line)["port"]
                self.ready.set()

    def fails(self, timeout=30.0):
        """Start what cannot start: (exit code, what it said)."""
        r = subprocess.run([BIN, "run", "tieline.yaml"], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                           capture_output=True, timeout=timeout, text=True)
        assert "AddressSanitizer" not in r.stderr and "LeakSanitizer" not in r.stderr, r.stderr
        return r.returncode, r.stderr

    def stop(self, timeout=HANG_GUARD, code=0):
        """SIGTERM, and the exit code that it gives."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._ended(timeout, code)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()

    def _ended(self, timeout, code):
        try:
            got = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop in {timeout} s: {self.log[-2000:]}") from None
        self.reader.join()
        assert code is None or got == code, f"exit code {got}: {self.log[-4000:]}"
        return got

    def clean_up(self):
        if self.process and self.process.poll() is None:
            self.stop(code=None)
        if self.process:
            self.reader.join()
            self.process.stderr.close()
        assert "Sanitizer" not in self.log and "runtime error" not in self.log, self.log[-8000:]

    @property
    def log(self):
        return "".join(self.lines)

    def logged(self, name):
        lines = (json.loads(line, object_pairs_hook=each_once) for line in self.lines if line.startswith("{") and f'"{name}"' in line)
        return [line for line in lines if line["event"] == name]

    # ---- the operator ----
    def call(self, method, path, body=None, timeout=30):
        c = UnixConnection(self.folder / "data/control.sock", timeout)
        try:
            c.request(method, path, body if body is None or isinstance(body, bytes) else json.dumps(body).encode(),
                      {"Content-Type": "application/json"})
            r = c.getresponse()
            return Reply(r.status, dict((n.lower(), v) for n, v in r.getheaders()), r.read().decode())
        finally:
            c.close()

    def get(self, path):
        r = self.call("GET", path)
        assert r.status == 200, r
        return r.json

    def do(self, path, body=None):
        r = self.call("POST", path, body)
        assert r.status in (200, 202), r
        return r.json

    def show(self, id):
        return self.get(f"/v1/events/{id}")

    def state(self, id):
        return self.show(id)["event"]["state"]

    def wait_state(self, id, state, timeout=20.0):
        until(lambda: self.state(id) == state, timeout)
        return self.show(id)

    def flow(self, name="orders"):
        return next(f for f in self.get("/v1/status")["flows"] if f["name"] == name)

    def connection(self, name="erp"):
        return next(c for c in self.get("/v1/status")["connections"] if c["name"] == name)

    def counts(self, name="orders"):
        return self.flow(name)["counts"]

    def wait_counts(self, flow="orders", timeout=20.0, **wanted):
        """Until the flow has so many in each state; wait_counts(delivered=3, dead=1)."""
        try:
            until(lambda: all(self.counts(flow)[s] == n for s, n in wanted.items()), timeout)
        except AssertionError:
            raise AssertionError(f"{self.counts(flow)} after {timeout} s, not {wanted}") from None

    def list(self, **filter):
        out, query = [], "&".join(f"{k}={v}" for k, v in filter.items())
        cursor = ""
        while True:
            page = self.get(f"/v1/events?limit=1000&{query}&cursor={cursor}")
            out += page["events"]
            cursor = page["cursor"]
            if not cursor:
                return out

    def job(self, action, filter=None, timeout=30.0, **more):
        """Plan, confirm, wait: (plan, job)."""
        request = {"action": action, "filter": filter or {}, **more}
        plan = self.do("/v1/plan", request)
        id = self.do("/v1/jobs", {**request, "last": plan["last"]})["job"]
        until(lambda: self.get(f"/v1/jobs/{id}")["ended"], timeout)
        return plan, self.get(f"/v1/jobs/{id}")

    # ---- senders ----
    def post(self, value, **how):
        """Send, and be sure that it was accepted; the event's id."""
        r = self.sender.post(value, **how)
        assert r.status == 200, r
        return r.id

    def metrics(self):
        """name{labels} -> value."""
        r = self.call("GET", "/metrics")
        assert r.status == 200, r
        return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in r.text.splitlines() if line and line[0] != "#")}
