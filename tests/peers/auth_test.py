# SPDX-License-Identifier: Apache-2.0
"""Authentication against software of others: oidc-provider and jose as authorization servers and JWT peers, oauthlib as
the judge of OAuth 1.0a, the senders' own libraries for what they sign."""
import base64
import http.cookiejar
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest
from support.keys import Key, b64, openssl
from support.peers import ROOT, npm, pypi
from support.site import BIN, free_port, project, until

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
SCRIPTS = ROOT / "tests/peers/auth"
ALGS = ("RS256", "PS256", "ES256", "EdDSA")


@pytest.fixture(scope="module")
def node():
    """node(script): the command that runs it, with the node that the packages want."""
    folder = npm("auth")
    return lambda script: [str(folder / "node_modules/.bin/node"), str(folder / script)]


# ---- the senders' libraries ----
WHSEC = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNERS = {"stripe": "whsec_stripe_secret", "github": "It's a Secret to Everybody", "standard_webhooks": WHSEC, "svix": WHSEC,
           "twilio": "12345678901234567890123456789012"}
CHECKERS = {"slack": "8f742231b10e8888abcd99yyyzzz85a5", "shopify": "hush", "square": "asdf1234", "stripe": "whsec_stripe_secret",
            "github": "It's a Secret to Everybody", "standard_webhooks": WHSEC, "svix": WHSEC}
PUBLIC = "https://hooks.example.com/hooks/shop"


def ask(node, *args, **request):
    done = subprocess.run([*node("webhooks.mjs"), *args], input=json.dumps(request), capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("scheme", SIGNERS)
def test_what_the_senders_library_signs_is_accepted_and_nothing_else(site, target, node, scheme):
    verify = {"secret": "${env:S}", **({"public_url": PUBLIC} if scheme == "twilio" else {})}
    s = site(project(target, flow={"from": {"webhook": {"path": "/hooks/shop", "verify": {scheme: verify}}}}), env={"S": SIGNERS[scheme]}).start()
    body = "Body=Gr%C3%BC%C3%9Fe+%26+more&From=%2B14158675309&MessageSid=SM1" if scheme == "twilio" else '{"id":"evt_1","note":"café €"}'
    headers = ask(node, "sign", scheme, secret=SIGNERS[scheme], body=body, url=PUBLIC, id="msg_1")
    assert s.sender.raw("POST", "/hooks/shop", body.encode(), headers).status == 200
    s.wait_counts(delivered=1)
    assert s.sender.raw("POST", "/hooks/shop", body.replace("1", "2").encode(), headers).status == 401
    other = ask(node, "sign", scheme, secret=SIGNERS[scheme][:-1] + "A", body=body, url=PUBLIC, id="msg_1")
    assert s.sender.raw("POST", "/hooks/shop", body.encode(), other).status == 401


@pytest.mark.parametrize("scheme", CHECKERS)
def test_what_we_sign_is_accepted_by_the_senders_library(site, target, node, scheme):
    s = site(project(target))
    body = '{"id":"evt_1","note":"café €"}'
    (s.folder / "body.json").write_text(body)
    done = subprocess.run([BIN, "send", "--url", target.url + "/hooks/shop", "--scheme", scheme, "--secret-env", "S", "--file", "body.json"],
                          cwd=s.folder, env={**s.env, "S": CHECKERS[scheme]}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    sent = target.all()[0]
    request = {"secret": CHECKERS[scheme], "body": sent.body.decode(), "url": target.url + "/hooks/shop", "headers": sent.headers}
    assert ask(node, "check", scheme, **request) is True
    assert ask(node, "check", scheme, **{**request, "body": request["body"].replace("1", "2")}) is False


# ---- oidc-provider and jose ----
def okp_jwk(path):
    der = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(der[-32:])}


def ec_jwk(path):
    point = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")[-64:]
    return {"kty": "EC", "crv": "P-256", "x": b64(point[:32]), "y": b64(point[32:])}


def pem(key):
    return str(key.path.with_suffix(".pem"))


class Server:
    def __init__(self, node, folder):
        rsa = Key(folder, "rsa")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "ec.key")
        openssl("genpkey", "-algorithm", "ed25519", "-out", folder / "ed.key")
        self.files = {"RS256": rsa.path, "PS256": rsa.path, "ES256": folder / "ec.key", "EdDSA": folder / "ed.key"}
        for f in set(self.files.values()):
            f.chmod(0o600)
        plain = {k: v for k, v in rsa.jwk().items() if k in ("kty", "n", "e")}
        jwks = {"RS256": {**plain, "alg": "RS256"}, "PS256": {**plain, "alg": "PS256"}, "ES256": ec_jwk(folder / "ec.key"),
                "EdDSA": okp_jwk(folder / "ed.key")}
        self.url, self.tls_url = f"http://127.0.0.1:{(port := free_port())}", f"https://127.0.0.1:{(tls_port := free_port())}"
        self.ca, own = Key(folder, "ca"), Key(folder, "server")
        self.ca.certificate("an authority of ours")
        own.certificate("127.0.0.1", ca=self.ca, san="IP:127.0.0.1")
        self.signed, self.self_signed, self.stranger = Key(folder, "signed"), Key(folder, "self"), Key(folder, "stranger")
        self.signed.certificate("tieline", ca=self.ca)
        self.self_signed.certificate("tieline")
        self.stranger.certificate("tieline")
        der = openssl("x509", "-in", self.self_signed.path.with_suffix(".pem"), "-outform", "DER")
        tls = {"port": tls_port, "key": str(own.path), "cert": pem(own), "ca": pem(self.ca), "self": base64.b64encode(der).decode()}
        self.process = subprocess.Popen([*node("server.mjs"), json.dumps({"port": port, "keys": jwks, "tls": tls})],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        while "ready" not in (line := self.process.stdout.readline()):
            assert line, "the server of the peers ended"

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as r:
            return json.load(r)


@pytest.fixture(scope="module")
def server(node, tmp_path_factory):
    s = Server(node, tmp_path_factory.mktemp("idp"))
    yield s
    s.process.kill()
    s.process.wait()


def through(target, auth):
    c = project(target)
    c["connections"]["erp"]["auth"] = auth
    return c


def delivered(site, target, auth, **env):
    s = site(through(target, auth), env=env).start()
    s.post({"n": 1})
    s.wait_counts(delivered=1, timeout=30)
    return target.all("/orders")[-1].headers["authorization"], s


@pytest.mark.parametrize("client, how, secret", [("basic", "client_secret_basic", "secret with a space+&"), ("post", "client_secret_post", "post-secret")])
def test_oidc_provider_client_credentials(site, target, server, client, how, secret):
    auth = {"token_url": server.url + "/token", "client_id": client, "client_secret": "${env:C}", "client_auth": how, "scope": "api"}
    token, s = delivered(site, target, {"oauth2_client_credentials": auth}, C=secret)
    assert token.startswith("Bearer ")
    r = subprocess.run([BIN, "connect", "erp", "--test", "--json"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
    assert json.loads(r.stdout)["auth"]["scopes"] == "api", r
    bad = site(through(target, {"oauth2_client_credentials": auth}), env={"C": "wrong"}).start()
    bad.post({"n": 1})
    until(lambda: "invalid_client" in bad.connection()["held_reason"])


@pytest.mark.parametrize("alg", ALGS)
def test_oidc_provider_takes_our_private_key_jwt(site, target, server, alg):
    auth = {"token_url": server.url + "/token", "client_id": f"key-{alg}", "private_key": "${file:%s}" % server.files[alg], "alg": alg,
            "client_auth": "private_key_jwt", "scope": "api"}
    token, _ = delivered(site, target, {"oauth2_client_credentials": auth})
    assert token.startswith("Bearer ")


@pytest.mark.parametrize("client, good, bad", [("tls", "signed", "stranger"), ("self", "self_signed", "stranger"), ("self", "self_signed", "signed")])
def test_oidc_provider_knows_us_by_our_certificate(site, target, server, client, good, bad):
    def auth(key):
        return {"oauth2_client_credentials": {"token_url": server.tls_url + "/token", "client_id": client, "client_auth": "tls", "scope": "api",
                                              "ca": pem(server.ca), "certificate": pem(key), "certificate_key": str(key.path)}}
    token, _ = delivered(site, target, auth(getattr(server, good)))
    assert token.startswith("Bearer ")
    refused = site(through(target, auth(getattr(server, bad)))).start()
    refused.post({"n": 1})
    until(lambda: "invalid_client" in refused.connection()["held_reason"], timeout=30)
    assert target.count() == 1


def test_oidc_provider_authorization_code_with_pkce_and_rotating_refresh_tokens(site, target, server):
    port, refused = free_port(), server.get("/jose/seen")["refused"]
    auth = {"authorize_url": server.url + "/auth?prompt=consent", "token_url": server.url + "/token", "client_id": "person",
            "client_secret": "${env:C}", "scope": "openid offline_access"}
    s = site(through(target, {"oauth2_authorization_code": auth}), env={"C": "person-secret"}).start()
    p = subprocess.Popen([BIN, "connect", "erp", "--port", str(port)], cwd=s.folder, env=s.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    while not (url := re.search(r"http://\S+", p.stderr.readline())):
        pass
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with browser.open(url.group(0), timeout=30) as page:  # signs in and agrees by redirects
        assert "may be closed" in page.read().decode()
    out, err = p.communicate(timeout=30)
    assert p.returncode == 0 and "openid offline_access" in out, (out, err)
    tokens = set()

    def renewed():
        s.post({"n": 1})
        tokens.update(r.headers["authorization"] for r in target.all("/orders"))
        return len(tokens) >= 4  # each lives for three seconds
    until(renewed, timeout=40, every=0.5)
    s.stop()
    s.start()
    s.post({"n": 1})
    s.wait_counts(queued=0, running=0, retrying=0, dead=0, timeout=30)
    assert server.get("/jose/seen")["refused"] == refused, "no refresh token was used twice"


@pytest.mark.parametrize("alg", ALGS)
def test_jose_takes_our_jwt_bearer_assertion(site, target, server, alg):
    auth = {"token_url": server.url + "/jose/token", "client_id": "ours", "private_key": "${file:%s}" % server.files[alg], "alg": alg,
            "issuer": "the-issuer", "subject": "ann@example.com"}
    token, _ = delivered(site, target, {"oauth2_jwt_bearer": auth})
    assert token == "Bearer token-of-jose"
    last = [x for x in server.get("/jose/seen")["seen"] if x["alg"] == alg][-1]
    assert last["payload"]["iss"] == "the-issuer" and last["payload"]["sub"] == "ann@example.com"
    assert last["grant"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"


def test_we_take_the_tokens_of_jose_and_refuse_its_forgeries(site, target, server):
    verify = {"jwt": {"jwks_url": server.url + "/jose/jwks", "issuer": server.url, "audience": "us", "alg": list(ALGS), "claims": {"sub": "billing"},
                      "skew": "5s"}}
    s = site(project(target, flow={"from": {"webhook": {"path": "/hooks/shop", "verify": verify}}})).start()

    def post(query, n):
        token = server.get(f"/jose/sign?{urllib.parse.urlencode(query)}")["token"]
        return s.sender.raw("POST", "/hooks/shop", json.dumps({"n": n}).encode(), {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
    for n, alg in enumerate(ALGS):
        assert post({"alg": alg}, n).status == 200, alg
    for query in ({"alg": "none"}, {"alg": "HS256"}, {"alg": "ES256", "exp": "-10m"}, {"alg": "RS256", "no_exp": 1}):
        assert post(query, 99).status == 401, query
    s.wait_counts(delivered=len(ALGS))


# ---- oauthlib ----
@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT"])
def test_oauthlib_agrees_with_our_signatures(site, target, method):
    python = pypi("oauthlib==4.0.1")
    auth = {"oauth1": {"consumer_key": "consumer-key", "consumer_secret": "${env:C}", "token": "token-id", "token_secret": "${env:T}",
                       "realm": "1234567_SB1", "method": method}}
    c = through(target, auth)
    paths = ["/orders", "/a?b=1&b=%20x&a=%C3%A9&c", "/it's/(here)?q=a+b&r=a%2Bb&oauth=1", "/x?=empty&e="]
    c["flows"] = {f"f{n}": {"from": {"webhook": {"path": f"/hooks/{n}", "unsigned": True}}, "to": {"connection": "erp", "post": path}}
                  for n, path in enumerate(paths)}
    s = site(c, env={"C": "consumer secret & more", "T": "token+secret"}).start()
    for n in range(len(paths)):
        assert s.sender.raw("POST", f"/hooks/{n}", b'{"n": 1}', {"Content-Type": "application/json"}).status == 200
    sent = target.wait(len(paths))
    lines = [json.dumps({"method": r.method, "url": target.url + r.path, "body": r.body.decode(),
                         "headers": {"Authorization": r.headers["authorization"], "Content-Type": r.headers["content-type"]}}) for r in sent]
    broken = [line.replace('"method": "POST"', '"method": "PUT"') for line in lines] if method != "PLAINTEXT" else []
    done = subprocess.run([python, SCRIPTS / "oauth1.py"], input="\n".join(lines + broken) + "\n", capture_output=True, text=True, timeout=60)
    verdicts = [json.loads(v) for v in done.stdout.split()]
    assert verdicts == [True] * len(lines) + [False] * len(broken), (verdicts, [r.path for r in sent], done.stderr[-2000:])
