# SPDX-License-Identifier: Apache-2.0
"""Keys, certificates and signed tokens, by the openssl program."""
import base64
import json
import subprocess
import time


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def openssl(*args, data=None):
    return subprocess.run(["openssl", *map(str, args)], input=data, capture_output=True, check=True).stdout


class Key:
    """An RSA key in a folder: signs, and says its public half as JWK."""

    def __init__(self, folder, kid):
        self.kid, self.path = kid, folder / f"{kid}.key"
        openssl("genrsa", "-out", self.path, 2048)

    def sign(self, data, digest="sha256"):
        return openssl("dgst", f"-{digest}", "-sign", self.path, data=data)

    def jwk(self):
        n = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
        return {"kty": "RSA", "n": b64(bytes.fromhex(n)), "e": "AQAB", "kid": self.kid, "alg": "RS256", "use": "sig"}

    def token(self, kid=None, **claims):
        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "kid": kid or self.kid}
        body = {"iss": "https://login.example.com/", "aud": "https://hooks.example.com", "iat": now, "exp": now + 300, **claims}
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(body).encode())}"
        return f"{text}.{b64(self.sign(text.encode()))}"

    def certificate(self, name, days=30, ca=None, san=None):
        """Self-signed, or signed by `ca` (another Key with a certificate)."""
        path = self.path.with_suffix(".pem")
        args = ["req", "-new", "-key", self.path, "-subj", f"/CN={name}"]
        if san:
            args += ["-addext", f"subjectAltName={san}"]
        if not ca:
            openssl(*args, "-x509", "-days", days, "-out", path)
            return path
        request = openssl(*args)
        openssl("x509", "-req", "-days", days, "-CA", ca.path.with_suffix(".pem"), "-CAkey", ca.path, "-CAcreateserial",
                "-copy_extensions", "copy", "-out", path, data=request)
        return path
