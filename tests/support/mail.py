# SPDX-License-Identifier: Apache-2.0
"""A mail server for tests: enough of SMTP (RFC 5321) to take, refuse and forget mails; STARTTLS where it has a certificate."""
import base64
import email
import email.policy
import socket
import ssl
import threading

USER, PASSWORD = "tieline", "mail-p4ssw0rd-of-the-tests"


class Server:
    """`refuse` maps the start of a command (RCPT, DATA, AUTH ...) to the line that answers it; "" closes the connection."""

    def __init__(self, cert=None):
        self.mails, self.refuse, self.commands = [], {}, []
        self.cert = cert
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        state = {"to": [], "auth": False, "tls": False}
        try:
            c.sendall(b"220 test\r\n")
            f = c.makefile("rb")
            while line := f.readline(2000).decode("latin-1").strip():
                self.commands.append(line.split()[0])
                refusal = next((v for k, v in self.refuse.items() if line.upper().startswith(k)), None)
                if refusal == "":
                    return
                answer = refusal or self._answer(line, state, f, c)
                if answer is None:
                    return
                c.sendall(answer.encode() + b"\r\n")
                if line.upper() == "STARTTLS" and not refusal:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(*self.cert)
                    c = context.wrap_socket(c, server_side=True)
                    f, state["tls"] = c.makefile("rb"), True
        except OSError:
            pass
        finally:
            c.close()

    def _answer(self, line, state, f, c):
        verb = line.split()[0].upper()
        if verb == "EHLO":
            tls = "250-STARTTLS\r\n" if self.cert and not state["tls"] else ""
            return f"250-test\r\n{tls}250-AUTH PLAIN\r\n250 8BITMIME"
        if verb == "AUTH":
            given = line.split()[2] if len(line.split()) > 2 else None
            if given is None:
                c.sendall(b"334 \r\n")
                given = f.readline(2000).decode().strip()
            state["auth"] = base64.b64decode(given) == f"\0{USER}\0{PASSWORD}".encode()
            return "235 good" if state["auth"] else "535 5.7.8 who are you?"
        if verb == "MAIL":
            state["from"] = line
            return "250 ok"
        if verb == "RCPT":
            state["to"].append(line)
            return "250 ok"
        if verb == "DATA":
            c.sendall(b"354 go on\r\n")
            body = b""
            while (piece := f.readline(2000)) not in (b".\r\n", b""):
                body += piece
            if self.refuse.get("END") == "":
                return None
            if "END" in self.refuse:
                return self.refuse["END"]
            self.mails.append((email.message_from_bytes(body, policy=email.policy.default), dict(state, to=list(state["to"]))))
            return "250 kept"
        return {"QUIT": "221 bye", "STARTTLS": "220 go on"}.get(verb, "250 ok")
