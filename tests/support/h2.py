# SPDX-License-Identifier: Apache-2.0
"""A client for HTTP/2 on the h2 library: many requests at once on one connection, over TLS or (tls None) by prior knowledge."""
import socket

import h2.config
import h2.connection
import h2.events

from support.sender import Reply


class H2:
    def __init__(self, port, tls=None, timeout=60):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if tls:
            tls.set_alpn_protocols(["h2"])
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
            assert self.sock.selected_alpn_protocol() == "h2"
        self.scheme = "https" if tls else "http"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.streams = {}  # id -> [status, headers, body, ended]
        self.goaway = self.closed = False
        self.unsent = {}
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def send(self, method, path, body=None, headers=None):
        """Begin a request; its stream."""
        id = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", self.scheme), (":authority", "localhost"), (":path", path)]
        head += [(n.lower(), v) for n, v in (headers or {}).items()]
        self.streams[id] = [0, {}, b"", False]
        self.h2.send_headers(id, head, end_stream=body is None)
        if body is not None:
            self.unsent[id] = body
            self.push(id)
        self.flush()
        return id

    def push(self, id):
        """As much of the body as the windows let out."""
        while id in self.unsent:
            n = min(self.h2.local_flow_control_window(id), self.h2.max_outbound_frame_size)
            piece, rest = self.unsent[id][:n], self.unsent[id][n:]
            if n == 0 and rest:
                return
            self.h2.send_data(id, piece, end_stream=not rest)
            if rest:
                self.unsent[id] = rest
            else:
                del self.unsent[id]

    def turn(self):
        """What the server says next; False when it has closed."""
        data = self.sock.recv(65536)
        if not data:
            self.closed = True
            return False
        for e in self.h2.receive_data(data):
            s = self.streams.get(getattr(e, "stream_id", None))
            if isinstance(e, h2.events.ResponseReceived):
                s[1] = dict(e.headers)
                s[0] = int(s[1][":status"])
            elif isinstance(e, h2.events.DataReceived):
                s[2] += e.data
                self.h2.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
            elif isinstance(e, (h2.events.StreamEnded, h2.events.StreamReset)):
                s[3] = True
            elif isinstance(e, h2.events.ConnectionTerminated):
                self.goaway = True
        if not self.goaway:
            for id in list(self.unsent):
                self.push(id)
        self.flush()
        return True

    def reply(self, id):
        while not self.streams[id][3]:
            assert self.turn(), f"the connection ended before the answer: {self.streams[id]}"
        status, headers, body, _ = self.streams[id]
        return Reply(status, headers, body.decode())

    def wait_body(self, id, part):
        while part not in self.streams[id][2]:
            assert not self.streams[id][3] and self.turn(), self.streams[id]
        return self.streams[id][2]

    def rest(self):
        """The types of the frames until the server closes: the library hears nothing after the first GOAWAY."""
        data, types = b"", []
        while piece := self.sock.recv(65536):
            data += piece
        while len(data) >= 9:
            types.append(data[3])
            data = data[9 + int.from_bytes(data[:3], "big"):]
        return types

    def close(self):
        self.sock.close()
