# SPDX-License-Identifier: Apache-2.0
"""Sign-in to the console by OpenID Connect: oidc-provider as the identity provider, and an issuer whose tokens are wrong."""
import http.client
import http.cookiejar
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest
from support.peers import ROOT, npm
from support.scene import VIEWER, modules
from support.site import Site, free_port, project

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
OIDC = {"client_id": "tieline", "client_secret": "${env:OIDC_SECRET}", "scope": "openid email", "claim": "groups", "operator": ["ops"],
        "viewer": ["staff"]}


class World:
    def __init__(self, folder):
        self.port, self.idp = free_port(), free_port()
        # Another site to a browser: its cookies are not sent along from there.
        self.url, self.base = f"http://127.0.0.1:{self.port}", f"http://localhost:{self.idp}"
        self.callback = f"{self.url}/v1/session/oidc/callback"
        where = npm("auth")
        self.node = subprocess.Popen([str(where / "node_modules/.bin/node"), str(where / "oidc.mjs"),
                                      json.dumps({"port": self.idp, "callback": self.callback})], stdout=subprocess.PIPE, text=True)
        assert self.node.stdout.readline().strip() == "ready"
        self.site = Site(folder, project(self.base, admin={"listen": f"127.0.0.1:{self.port}", "oidc": {**OIDC, "issuer": self.base, "redirect_uri": self.callback}}),
                         env={"OIDC_SECRET": "the secret of the client"}).start()

    def tell(self, path):
        urllib.request.urlopen(self.base + path, timeout=20).read()

    def use(self, **oidc):
        self.site.change(lambda c: c["admin"]["oidc"].update(oidc))
        assert self.site.do("/v1/reload", {})["applied"]

    def end(self):
        self.site.clean_up()
        self.node.kill()
        self.node.wait()
        self.node.stdout.close()


class Person:
    """A browser: cookies, redirects."""

    def __init__(self, world):
        self.world, self.jar = world, http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def get(self, path):
        try:
            with self.opener.open(path if path.startswith("http") else self.world.url + path, timeout=30) as r:
                return r.status, r.read().decode(), r.geturl()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read().decode(), e.geturl()

    def sign_in(self):
        return self.get("/v1/session/oidc")

    def me(self):
        status, body, _ = self.get("/v1/session")
        return json.loads(body) if status == 200 else None


def sentence(page):
    return re.search(r"<p>(.*?)<p>", page).group(1).replace("&#39;", "'")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("oidc"))
    yield w
    w.end()


@pytest.fixture
def provider(world):
    world.use(issuer=world.base, name="email")
    return world


@pytest.fixture
def forge(world):
    world.tell("/forge/mode?m=")
    world.use(issuer=world.base + "/forge", name="email")
    return world


def test_a_person_signs_in_and_the_role_follows_from_the_groups(provider):
    for who, role in (("ann", "operator"), ("bob", "viewer")):
        provider.tell(f"/as?account={who}")
        p = Person(provider)
        status, page, where = p.sign_in()
        assert status == 200 and where == provider.url + "/", (status, where, page[:500])
        me = p.me()
        assert (me["who"], me["role"], me["how"]) == (f"oidc {who}@example.com", role, "session"), me
        assert me["csrf"] and me["expires_at"]
        cookie = next(c for c in p.jar if c.name.startswith("tieline_") and not c.name.endswith("_going"))
        assert cookie.has_nonstandard_attr("HttpOnly") and cookie.get_nonstandard_attr("SameSite") == "Strict"
    last = provider.site.get("/v1/audit")["entries"][0]
    assert (last["who"], last["action"]) == ("oidc bob@example.com", "sign in"), last


@pytest.mark.parametrize("who, why", [("eve", "nothing in your claim groups has a role here"), ("joe", "says nothing in the claim groups")])
def test_who_has_no_role_is_told_so_in_one_sentence(provider, who, why):
    provider.tell(f"/as?account={who}")
    p = Person(provider)
    status, page, _ = p.sign_in()
    assert status == 403 and why in sentence(page), page
    assert p.me() is None


def test_the_sign_in_page_knows_where_to_send_people(provider):
    status, body, _ = Person(provider).get("/v1/session")
    assert status == 401 and json.loads(body)["sign_in"]["oidc"] == {"path": "/v1/session/oidc", "label": "localhost"}


def test_an_attempt_counts_once_and_for_its_own_browser_only(provider):
    provider.tell("/as?account=ann")
    seen = []

    class Watch(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, url):
            seen.append(url)
            return super().redirect_request(req, fp, code, msg, headers, url)
    p = Person(provider)
    p.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(p.jar), Watch)
    assert p.sign_in()[0] == 200
    assert "code_challenge_method=S256" in seen[0] and "nonce=" in seen[0] and "state=" in seen[0]
    back = next(u for u in seen if "/callback?" in u)
    status, page, _ = p.get(back)
    assert status == 400 and "start again from the console" in sentence(page), "a second time"
    stranger = Person(provider)
    status, page, _ = stranger.get(back)
    assert status == 400 and stranger.me() is None, "another browser"


def test_an_attempt_is_not_pushed_out_by_others_and_its_cookie_does_not_count_twice(provider):
    provider.tell("/as?account=ann")
    kept = []

    class Crowd(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, url):
            if "/callback?" in url:
                kept.append((url, next(c for c in p.jar if c.name.endswith("_going"))))
                for _ in range(100):  # nobody in particular begins, and does not go on
                    c = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=30)
                    c.request("GET", "/v1/session/oidc")
                    assert c.getresponse().status == 303
                    c.close()
            return super().redirect_request(req, fp, code, msg, headers, url)
    p = Person(provider)
    p.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(p.jar), Crowd)
    assert p.sign_in()[0] == 200 and p.me()["who"] == "oidc ann@example.com"
    (back, cookie), again = kept[0], Person(provider)
    assert provider.callback in back and len(cookie.value) > 200
    for value in (cookie.value, cookie.value[:-2], "x" * 300):
        again.opener.addheaders = [("Cookie", f"{cookie.name}={value}")]
        status, page, _ = again.get(back)
        assert status == 400 and "start again from the console" in sentence(page), page


@pytest.mark.parametrize("mode, why", [
    ("nonce", "belongs to another attempt"), ("iss", "iss"), ("aud", "aud"), ("azp", "another client"), ("several", "for several"), ("exp", "exp"),
    ("old", "older than allowed"), ("sub", "names nobody"), ("none", "ID token"), ("hmac", "ID token"), ("key", "ID token"), ("state", "does not belong to this attempt"),
    ("issuer", "another issuer"), ("silent", "another issuer"), ("denied", "refused: access_denied"), ("client", "invalid_client"), ("no-id", "gave no ID token")])
def test_what_is_wrong_with_an_answer_is_one_sentence_and_no_session(forge, mode, why):
    forge.tell(f"/forge/mode?m={mode}")
    p = Person(forge)
    status, page, _ = p.sign_in()
    assert status in (400, 502) and why in sentence(page), (status, page)
    assert "an-access-token" not in page and "the secret of the client" not in page + forge.site.log
    assert p.me() is None


def test_keys_that_were_rotated_are_fetched_again(forge):
    assert Person(forge).sign_in()[0] == 200
    forge.tell("/forge/mode?m=rotated")
    forge.use(name="sub")  # a reload keeps nothing of what was fetched
    p = Person(forge)
    assert p.sign_in()[0] == 200 and p.me()["who"] == "oidc ann"


def test_another_mapping_of_roles_ends_the_sessions_that_came_from_the_one_before(forge):
    p = Person(forge)
    assert p.sign_in()[0] == 200 and p.me()
    forge.use(operator=["nobody-any-more"])
    assert p.me() is None
    status, page, _ = p.sign_in()
    assert status == 403, page
    forge.use(operator=["ops"])


def test_an_issuer_that_calls_itself_otherwise_is_not_believed(forge):
    forge.tell("/forge/mode?m=mixup")
    forge.use(label="again")
    status, page, _ = Person(forge).sign_in()
    assert status == 502 and "calls itself otherwise" in sentence(page)


def test_addresses_that_would_send_codes_in_the_clear_are_refused_by_check(world, tmp_path):
    c = json.loads(json.dumps(world.site.config))
    c["admin"]["oidc"].update(issuer="http://login.example.com", redirect_uri="https://ops.example.com/back")
    code, said = Site(tmp_path / "bad", c, env={"OIDC_SECRET": "x" * 30}).fails()
    assert code == 2 and "admin.oidc.issuer is not an https address" in said and "does not end with" in said, said


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_a_browser_signs_in_at_another_site_and_is_let_into_the_console(provider):
    provider.tell("/as?account=ann")
    done = subprocess.run(["node", str(ROOT / "tests/peers/console/journeys.mjs"), "sso"], capture_output=True, text=True, timeout=180,
                          env={**os.environ, "CONSOLE_URL": provider.url + "/", "CONSOLE_TOKEN": "", "VIEWER_TOKEN": VIEWER, "WHO": "oidc ann@example.com",
                               "CHROMIUM": shutil.which("chromium"), "CONSOLE_MODULES": str(modules())})
    assert done.returncode == 0, done.stderr[-4000:]
