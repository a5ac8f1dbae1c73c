# SPDX-License-Identifier: Apache-2.0
"""The real program in a folder of its own, for tests of the whole: commands, a server, simulators, the control socket."""
import contextlib
import fcntl
import http.client
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import urllib.request
from pathlib import Path

BINARY = os.environ.get("TIELINE_BIN", "tieline")
SECRET = "a-secret-of-the-tests"
OPEN = ("queued", "running", "retrying")

CONFIG = """\
version: 1
server: {{ listen: 127.0.0.1:{port} }}
store: {{ path: ./data }}
egress: {{ allow_private: true }}
connections:
  erp: {{ type: http, url: "http://127.0.0.1:{erp}", timeout: 2s }}
flows:
  orders:
    from: {{ webhook: {{ path: /hooks/shop, verify: {{ shopify: {{ secret: "${{env:SHOP_SECRET}}" }} }} }} }}
    order_by: body.customer.id
    steps:
      - map: {{ jsonata: "{{'number': id, 'customer': customer.id}}" }}
    to: {{ connection: erp, post: /orders }}
    retry: {{ attempts: 3, backoff: 50ms..200ms }}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Done:
    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout.decode(), process.stderr.decode()

    @property
    def json(self):
        return json.loads(self.out)


class Control(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Project:
    """A folder with a configuration; commands run in it. Ends what it started."""

    def __init__(self, folder, config=CONFIG):
        self.folder = Path(folder)
        self.port, self.erp_port = free_port(), free_port()
        self.env = dict(os.environ, SHOP_SECRET=SECRET, LC_ALL="C.UTF-8")
        self.env.pop("TIELINE_DATA", None)
        self.procs = {}
        if config:
            self.write("tieline.yaml", config.format(port=self.port, erp=self.erp_port))

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *args, stdin="", env=None, timeout=60):
        return Done(subprocess.run([BINARY, *map(str, args)], cwd=self.folder, env={**self.env, **(env or {})},
                                   input=stdin.encode() if isinstance(stdin, str) else stdin, capture_output=True,
                                   timeout=timeout))

    def on_terminal(self, *args, columns=80, timeout=60):
        """What stands on a terminal of this width afterwards, as bytes."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        seen = []

        def read():
            with contextlib.suppress(OSError):  # EIO: the last writer has gone
                while chunk := os.read(master, 65536):
                    seen.append(chunk)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            subprocess.run([BINARY, *map(str, args)], cwd=self.folder, env={**self.env, "NO_COLOR": "1", "TERM": "xterm"}, stdin=slave,
                           stdout=slave, stderr=slave, timeout=timeout)
        finally:
            os.close(slave)
            reader.join()
            os.close(master)
        return b"".join(seen).replace(b"\r\n", b"\n")

    def ok(self, *args, **more):
        done = self.run(*args, **more)
        assert done.code == 0, f"tieline {args}: {done.code}\n{done.out}\n{done.err}"
        return done

    def start(self, name, *args):
        log = open(self.folder / f"{name}.log", "ab")
        self.procs[name] = subprocess.Popen([BINARY, *map(str, args)], cwd=self.folder, env=self.env,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        return self.procs[name]

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def wait(self, test, seconds=40):
        end = time.monotonic() + seconds
        while True:
            for name, process in self.procs.items():
                assert process.poll() is None, f"{name} ended by itself: {self.log(name)}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                value = test()
                if value:
                    return value
            assert time.monotonic() < end, "not in time; the server's log ends with: " + self.log("tieline")[-3000:]
            time.sleep(0.05)

    def serve(self, *sim):
        """The simulated target and the server."""
        self.start("erp", "sim", "http", "--port", self.erp_port, "--quiet", *sim)
        self.wait(self.erp)
        self.start("tieline", "run", "tieline.yaml")
        self.wait(self.status)

    def stop(self, name="tieline", how=signal.SIGTERM):
        process = self.procs.pop(name)
        process.send_signal(how)
        return process.wait(40)

    def close(self):
        for name in list(self.procs):
            self.procs[name].kill()
            self.procs[name].wait(10)

    def get(self, target):
        with contextlib.closing(Control(self.folder / "data/control.sock")) as c:
            c.request("GET", target)
            answer = c.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            return json.loads(body)

    def status(self):
        return self.get("/v1/status")

    def counts(self, flow=0):
        return self.status()["flows"][flow]["counts"]

    def drained(self):
        return self.wait(lambda: not any(self.counts()[s] for s in OPEN))

    def erp(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.erp_port}/__stats", timeout=10) as answer:
            return json.load(answer)

    def erp_control(self, **options):
        request = urllib.request.Request(f"http://127.0.0.1:{self.erp_port}/__control", data=json.dumps(options).encode(),
                                         headers={"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=10).read()
