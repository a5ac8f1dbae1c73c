# SPDX-License-Identifier: Apache-2.0
"""A system on the other side: a small threaded HTTP server that keeps every request it read whole, in order, and
answers what the test tells it to."""
import collections
import json
import socket
import threading
import time

Request = collections.namedtuple("Request", "at method path headers body key")
Answer = collections.namedtuple("Answer", "status headers body delay")
DROP = Answer(0, {}, b"", 0)  # the request was read, the connection is closed without a word


def answer(status=200, body=b"{}", delay=0.0, **headers):
    """answer(429, retry_after=1): an underscore in a header's name stands for a dash."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): str(v) for name, v in headers.items()}, body, delay)


OK = answer(200)


class Target:
    """`behave(request)` gives an Answer; None means OK. It is called under no lock, in the order of arrival of each
    connection."""

    def __init__(self, behave=None, tls=None):
        self.behave = behave
        self.tls = tls  # an ssl.SSLContext of a server, or None: plain
        self.requests = []
        self.now = 0  # requests being answered
        self.most = 0
        self.changed = threading.Condition()
        self.connections = set()
        self.listener = None
        self.port = 0
        self.start()

    # ---- for tests ----
    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def bodies(self, path=None):
        return [json.loads(r.body) for r in self.all(path)]

    def all(self, path=None):
        with self.changed:
            return [r for r in self.requests if path is None or r.path == path]

    def count(self, path=None):
        return len(self.all(path))

    def wait(self, n, timeout=20.0, path=None):
        """Until n requests have come; all of them."""
        end = time.monotonic() + timeout
        with self.changed:
            while sum(path is None or r.path == path for r in self.requests) < n:
                left = end - time.monotonic()
                assert left > 0, f"{self.count_unlocked(path)} of {n} requests came in {timeout} s"
                self.changed.wait(left)
        return self.all(path)

    def count_unlocked(self, path):
        return sum(path is None or r.path == path for r in self.requests)

    def stop(self):
        """An outage: connections are refused and the open ones broken."""
        listener, self.listener = self.listener, None
        if listener:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        with self.changed:
            broken, self.connections = self.connections, set()
        for c in broken:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def start(self):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", self.port))
        s.listen(512)
        self.port = s.getsockname()[1]
        self.listener = s
        threading.Thread(target=self._accept, args=(s,), daemon=True).start()

    # ---- the server ----
    def _accept(self, listener):
        while True:
            try:
                c, _ = listener.accept()
            except OSError:
                return
            if self.listener is not listener:
                c.close()
                return
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                self.connections.add(c)
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        try:
            if self.tls:
                c = self.tls.wrap_socket(c, server_side=True)
            with c, c.makefile("rb", 65536) as f:
                while self._one(c, f):
                    pass
        except (OSError, ValueError):
            pass
        with self.changed:
            self.connections.discard(c)

    def _one(self, c, f):
        line = f.readline(65536)
        if not line:
            return False
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers = {}
        while (line := f.readline(65536)) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if "chunked" in headers.get("transfer-encoding", ""):
            body = b""
            while size := int(f.readline().split(b";")[0], 16):
                body += f.read(size)
                f.readline()
            f.readline()
        else:
            n = int(headers.get("content-length", 0))
            if headers.get("expect"):
                c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = f.read(n)
            if len(body) < n:
                return False
        r = Request(time.monotonic(), method, path, headers, body, headers.get("idempotency-key"))
        with self.changed:
            self.requests.append(r)
            self.now += 1
            self.most = max(self.most, self.now)
            self.changed.notify_all()
        try:
            a = (self.behave(r) if self.behave else None) or OK
            if a.delay:
                time.sleep(a.delay)
        finally:
            with self.changed:
                self.now -= 1
        if a is DROP:
            c.shutdown(socket.SHUT_RDWR)
            return False
        head = "".join(f"{name}: {value}\r\n" for name, value in a.headers.items())
        c.sendall(f"HTTP/1.1 {a.status} x\r\nContent-Type: application/json\r\n{head}"
                  f"Content-Length: {len(a.body)}\r\n\r\n".encode() + a.body)
        return True
