# SPDX-License-Identifier: Apache-2.0
"""One reading finds all that is wrong, each with its place, and nothing that only follows from something else."""
import json
import subprocess

import pytest
from support.keys import Key
from support.site import BIN, project

CONFIG = """\
version: 1
server: { listen: "0.0.0.0:{port}" }
store: { path: ./data, keep_keys: 7 }
egress: { allow_private: true }
secrets: {}
connections:
  erp: { type: http, url: "http://127.0.0.1:1", limits: { rate: fast } }
  crm: { type: http, url: "http://127.0.0.1:1", timeout: 5 }
  shop: { type: htpp, url: "http://127.0.0.1:1" }
mappings:
  good: { jsonata: mappings/good.jsonata }
  broken: { jsonata: mappings/broken.jsonata }
  gone: { jsonata: mappings/gone.jsonata }
flows:
  a:
    from: { webhook: { path: /a, verify: { github: { secret: "${vault:kv/a#b}" } } } }
    order_by: "body.["
    steps:
      - map: broken
      - map: gone
      - map: nowhere
      - validate: order
    to: { connection: shop, post: /x }
    retry: { attempts: many }
  b:
    from: { schedule: "61 * * * *" }
    to:
      - { connection: crm, post: /x, map: good }
      - { connection: erb, post: /x }
      - { connection: erp, pots: /x, name: third }
    steps:
      - route: [{ to: third }, { when: "$nope(1)", to: erb }]
"""
BROKEN = '{\n  "a": $sum(lines.price),\n  "b": (1 +\n}\n'

# line, column, a part of what is said
WANTED = [
    ("tieline.yaml", 2, 19, "beyond loopback"),
    ("tieline.yaml", 3, 35, "store.keep_keys must be a duration"),
    ("tieline.yaml", 7, 3, "the rate 'fast'"),
    ("tieline.yaml", 8, 58, "connections.crm.timeout must be a duration"),
    ("tieline.yaml", 9, 17, "`htpp` is not known"),
    ("tieline.yaml", 13, 20, "mappings/gone.jsonata, which is not there"),
    ("tieline.yaml", 16, 62, "no Vault is configured"),
    ("tieline.yaml", 17, 22, "this jsonata does not compile"),
    ("tieline.yaml", 21, 14, "there is no mapping 'nowhere'"),
    ("tieline.yaml", 22, 19, "there is no model 'order'"),
    ("tieline.yaml", 24, 24, "flows.a.retry.attempts must be a whole number"),
    ("tieline.yaml", 26, 23, "the minute has"),
    ("tieline.yaml", 29, 23, "there is no connection 'erb'"),
    ("tieline.yaml", 30, 28, "http has no operation `pots`"),
    ("tieline.yaml", 32, 41, "calls $nope, and there is no such function"),
    ("mappings/broken.jsonata", 4, 2, "this jsonata does not compile"),
]


def check(s, *words, command="check"):
    done = subprocess.run([BIN, command, *words, "--json"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout or done.stderr


def faults(s, **more):
    code, text = check(s, **more)
    assert code == 2, text
    return [e for e in json.loads(text)["errors"] if e["severity"] == "error"]


@pytest.fixture
def faulty(site, target):
    s = site(CONFIG.replace("{port}", str(18080)))
    (s.folder / "mappings").mkdir()
    (s.folder / "mappings/good.jsonata").write_text("{'a': 1}")
    (s.folder / "mappings/broken.jsonata").write_text(BROKEN)
    return s


def as_wanted(errors):
    got = sorted((e["file"], e["line"], e["column"], e["message"]) for e in errors)
    wanted = sorted(WANTED)
    assert [g[:3] for g in got] == [w[:3] for w in wanted], "\n".join(map(str, got))
    assert all(w[3] in g[3] for g, w in zip(got, wanted)), "\n".join(map(str, got))


def test_one_reading_finds_exactly_what_is_wrong(faulty):
    as_wanted(faults(faulty))


def test_what_a_missing_variable_would_give_is_not_looked_at(site):
    """`check` away from production."""
    s = site("""version: 1
connections: { erp: { type: http, url: "${env:NOT_HERE}", timeout: "${env:NOT_HERE}" }, crm: { type: http, url: "http://h" } }
flows:
  a:
    from: { webhook: { path: "${env:NOT_HERE}", unsigned: true } }
    to:
      - { connection: erp, post: "/x", idempotency_header: "${env:NOT_HERE}" }
      - { connection: crm, post: "${env:NOT_HERE}", body: "${env:NOT_HERE}", headers: { a: "${env:NOT_HERE}" } }
""")
    done = subprocess.run([BIN, "check"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "is good" in done.stdout and "NOT_HERE is not set here" in done.stderr, done
    done = subprocess.run([BIN, "send"], cwd=s.folder, env=s.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "a variable that is not set here" in done.stderr, done


def test_the_line_of_a_fault_in_jq(site):
    s = site("version: 1\nmappings: { j: { jq: j.jq } }\n")
    (s.folder / "j.jq").write_text(".a |\n  foo(\n")
    [e] = faults(s)
    assert e["file"] == "j.jq" and e["line"] == 2, e


def test_an_error_at_the_end_of_a_mapping_is_shown_in_its_last_line(faulty):
    (faulty.folder / "mappings/broken.jsonata").write_text("{\n  'a': $sum(lines\n")
    done = subprocess.run([BIN, "check"], cwd=faulty.folder, env=faulty.env, capture_output=True, text=True, timeout=60)
    assert "mappings/broken.jsonata:2:18: error: this jsonata does not compile" in done.stderr, done.stderr
    assert "      'a': $sum(lines\n                     ^\n" in done.stderr, done.stderr


def test_a_start_finds_the_same(faulty):
    as_wanted(faults(faulty, command="run"))


def test_a_reload_finds_the_same(site, target, faulty):
    s = site(project(target)).start()
    for name in ("good", "broken"):
        (s.folder / "mappings").mkdir(exist_ok=True)
        (s.folder / f"mappings/{name}.jsonata").write_bytes((faulty.folder / f"mappings/{name}.jsonata").read_bytes())
    (s.folder / "tieline.yaml").write_text((faulty.folder / "tieline.yaml").read_text())
    done = subprocess.run([BIN, "reload", "--json"], cwd=s.folder, env=s.env | {"TIELINE_DATA": str(s.folder / "data")},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done
    as_wanted([e for e in json.loads(done.stdout)["errors"] if e["severity"] == "error"])
    done = subprocess.run([BIN, "reload"], cwd=s.folder, env=s.env | {"TIELINE_DATA": str(s.folder / "data")}, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 2 and all(f"{w[0]}:{w[1]}:{w[2]}: error: " in done.stderr for w in WANTED), done.stderr


def test_secrets_that_do_not_resolve_are_told_in_the_same_round(faulty):
    (faulty.folder / "tieline.yaml").write_text((faulty.folder / "tieline.yaml").read_text().replace(
        'secret: "${vault:kv/a#b}"', 'secret: "${env:NOT_THERE_AT_ALL}"'))
    code, text = check(faulty, "--secrets")
    errors = [e for e in json.loads(text)["errors"] if e["severity"] == "error"]
    assert code == 2 and len(errors) == len(WANTED), text
    assert any("NOT_THERE_AT_ALL" in e["message"] and e["line"] == 16 for e in errors), text


def test_wrong_tls_files_are_told_in_the_same_round(faulty):
    (faulty.folder / "tieline.yaml").write_text((faulty.folder / "tieline.yaml").read_text().replace(
        'server: { listen: "0.0.0.0:18080" }', 'server: { listen: "0.0.0.0:18080", tls: { certificate: cert.pem, key: key.pem } }'))
    for name in ("cert.pem", "key.pem"):
        (faulty.folder / name).write_text("no PEM\n")
    errors = faults(faulty)
    assert len(errors) == len(WANTED), errors
    assert [e["line"] for e in errors if "server.tls" in e["message"]] == [2], errors


def test_each_pair_of_tls_files_that_is_wrong_is_told_in_its_place(site, tmp_path):
    for name in ("a", "b"):
        Key(tmp_path, name).certificate(name)
    s = site(f"""version: 1
server:
  listen: 127.0.0.1:18080
  tls:
    certificate: {tmp_path}/a.pem
    key: {tmp_path}/b.key
    others:
      - {{ certificate: {tmp_path}/b.pem, key: {tmp_path}/b.key }}
      - certificate: {tmp_path}/b.pem
        key: {tmp_path}/a.key
""")
    errors = faults(s)
    assert [(e["line"], e["message"].split(":")[0]) for e in sorted(errors, key=lambda e: e["line"])] == [
        (6, "server.tls"), (10, "server.tls.others[1]")], errors


@pytest.mark.parametrize("text, wanted", [
    # what a name leads to has a fault of its own
    ("connections: { Erp: { type: http, url: 'http://h' } }\nflows:\n  a: { from: { schedule: '@daily' }, to: { connection: Erp, post: /x } }\n",
     ["`Erp` is not a name"]),
    ("connections: 5\nflows:\n  a: { from: { schedule: '@daily' }, to: { connection: erp, post: /x } }\n", ["connections must be a map"]),
    ("mappings: [a]\nconnections: { erp: { type: http, url: 'http://h' } }\nflows:\n"
     "  a: { from: { schedule: '@daily' }, steps: [{ map: m }], to: { connection: erp, post: /x } }\n", ["mappings must be a map"]),
    # a webhook whose proof is misspelled is not called unsigned too; nor is a flow without a source
    ("connections: { erp: { type: http, url: 'http://h' } }\nflows:\n"
     "  a: { from: { webhook: { path: /a, verfy: { github: { secret: '${env:X}' } } } }, to: { connection: erp, post: /x } }\n",
     ["`verfy` is not known"]),
    ("connections: { erp: { type: http, url: 'http://h' } }\nflows:\n  a: { to: { connection: erp, post: /x } }\n", ["flows.a lacks `from`"]),
    ("connections: { erp: { type: http, url: 'http://h' } }\nflows:\n  a: { from: { wbhook: {} }, to: { connection: erp, post: /x } }\n",
     ["`wbhook` is not known"]),
    # a step that cannot be read, and one whose parts are wrong
    ("connections: { erp: { type: http, url: 'http://h' } }\nflows:\n"
     "  a:\n    from: { schedule: '@daily' }\n    steps: [{ mp: m }, { lookup: { connection: erp, get: 5, ass: x } }, { lookup: 7 }, "
     "{ xref: { model: m } }, { map: {} }]\n    to: { connection: erp, post: /x }\n",
     ["`mp` is not known", "`ass` is not known", "a lookup is a map", "xref lacks", "a map needs exactly one", "the lookup lacks `as`",
      "the path `5` does not begin with /"]),
    ("connections: { erp: { type: http, url: 'http://h' } }\nflows:\n  a: { from: { schedule: '@daily' }, to: [] }\n", ["has 0 targets"]),
    ("flows:\n  a: 7\n", ["flows.a must be a map"]),
    ("admin: { oidc: { issuer: 'http://id.example.com', client_id: a } }\n", ["admin.oidc.issuer is not an https", "lacks `redirect_uri`"]),
    ("alerts: { receivers: 7, notify: ops }\n", ["receivers must be a map"]),
    ("alerts: { receivers: {}, notify: ops, rules: { calls_slow: { hold: x } } }\n", ["there is no receiver 'ops'", "must be a duration"]),
    ("connections: { erp: &e { type: http, url: 'http://h' }, crm: *e }\n", ["anchors", "aliases"]),
    ("connections: { erp: { type: http, url: 'http://h' }, erp: { type: http, url: 'http://h', tmeout: 5s } }\n", ["given twice"]),
    ("server: 5\nstore: 6\nlog: 7\negress: 8\nsecrets: 9\ntelemetry: 1\nmodels: 2\nschemas: 3\nflows: 4\nadmin: 5\n",
     [f"{w} must be a map" for w in ("server", "store", "log", "egress", "secrets", "telemetry", "models", "schemas", "flows", "admin")]),
], ids=lambda v: v[0].split()[-1] if isinstance(v, list) else "")
def test_what_follows_from_a_fault_is_not_told(site, text, wanted):
    errors = faults(site("version: 1\n" + text))
    for words in wanted:
        assert any(words in e["message"] for e in errors), (words, errors)
    assert all(any(words in e["message"] for words in wanted) for e in errors), errors
    assert all(e["line"] > 0 and e["column"] > 0 for e in errors), errors


def test_a_file_that_cannot_be_read_hides_no_faults_of_others_and_makes_none(site):
    s = site("include: [one.yaml, two.yaml, three.yaml]\nflows:\n  a: { from: { schedule: '@dayly' }, steps: [{ map: m }], "
             "to: { connection: erp, post: /x } }\n")
    (s.folder / "one.yaml").write_text("version: 1\nconnections:\n  erp: { type: http\n")
    (s.folder / "two.yaml").write_text("mappings: { m: { text: '(1' } }\n")
    errors = faults(s)
    assert [(e["file"], e["line"]) for e in sorted(errors, key=lambda e: e["file"])] == [
        ("one.yaml", 4), ("tieline.yaml", 1), ("tieline.yaml", 3), ("two.yaml", 1)], errors


@pytest.mark.parametrize("text, place", [
    ('order_by: "body.["', (8, 22)),
    ("order_by: 'body.['", (8, 22)),
    ("order_by: body.[", (8, 21)),
    ("order_by: |\n      body\n        .[", (10, 11)),
    ("order_by: |\n      (body\n        ]\n      )", (10, 10)),
    ("order_by: >\n      body\n      .[", (8, 15)),  # folded: the place of the text
])
def test_the_place_of_an_error_in_a_text_is_its_place_in_the_file(site, text, place):
    s = site("version: 1\nconnections:\n  erp: { type: http, url: 'http://h' }\n\nflows:\n  a:\n    from: { schedule: '@daily' }\n    "
             + text + "\n    to: { connection: erp, post: /x }\n")
    [e] = faults(s)
    assert (e["line"], e["column"]) == place, e
    assert ("its line" in e["message"]) == (place == (8, 15)), e


# All that is a map somewhere: sources, targets, steps, connections and what a connector's operation holds.
MAPS = {
    "version": 1,
    "server": {"listen": "127.0.0.1:18080", "limits": {"body_memory": "64MB"}},
    "store": {"path": "./data"},
    "egress": {"allow_private": True},
    "secrets": {"every": "1m"},
    "log": {"level": "info"},
    "admin": {"listen": "127.0.0.1:18081"},
    "telemetry": {},
    "alerts": {"receivers": {"ops": {"connection": "chat", "notify": "#ops"}}, "notify": "ops",
               "rules": {"calls_slow": {"threshold": "5s"}}},
    "connections": {
        "erp": {"type": "http", "url": "http://127.0.0.1:1", "auth": {"basic": {"user": "a", "password": "b"}},
                "headers": {"x-a": "1"}, "limits": {"concurrency": 4, "quotas": [{"name": "daily", "amount": 5, "per": "1d"}]}},
        "chat": {"type": "slack", "token": "xoxb-1"},
    },
    "models": {"order": "order.json"},
    "mappings": {"good": {"text": "body"}},
    "flows": {
        "a": {
            "from": {"webhook": {"path": "/a", "verify": {"github": {"secret": "s"}}}},
            "idempotency": {"key": "body.id"},
            "steps": [
                {"map": {"jsonata": "body"}},
                {"validate": "order"},
                {"lookup": {"connection": "erp", "get": "/x", "as": "x", "on_unavailable": {"default": "1"}}},
                {"call": {"connection": "erp", "post": "/x", "as": "y", "headers": {"x-b": "1"}}},
                {"xref": {"model": "m", "from": "crm", "id": "body.id", "to": "erp", "as": "z",
                          "match_by": {"get": "/x", "value": "id"}}},
                {"route": [{"when": "true", "to": "erp"}]},
            ],
            "to": [{"connection": "erp", "post": "/x", "headers": {"x-c": "1"}, "map": {"jsonata": "body"},
                    "retry": {"attempts": 3}, "xref": {"model": "m", "from": "crm", "id": "body.id", "answer": "id"}}],
            "retry": {"attempts": 3},
            "sla": {"owner": "me"},
            "on_dead": {"notify": "ops"},
        },
        "b": {"from": {"schedule": {"cron": "@daily", "body": {"a": 1}}}, "to": {"connection": "erp", "post": "/x"}},
        "c": {"from": {"read": {"connection": "erp", "poll": "/x?since={cursor}", "cursor": "$max(body.n)", "every": "1m"}},
              "to": {"connection": "erp", "post": "/x"}},
    },
}


def places(node, here=()):
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if isinstance(value, dict):
            yield (*here, key)
        yield from places(value, (*here, key))


def with_text(node, place, text, anchor=None):
    """As YAML; `text` stands at that place, and the first value of all has the anchor."""
    whole = json.loads(json.dumps(node))
    at = whole
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = "@@"
    out = json.dumps(whole, indent=1).replace('"@@"', text)
    return out.replace('"version": 1', f'"version": &{anchor} 1') if anchor else out


@pytest.mark.parametrize("place", list(places(MAPS)), ids=lambda p: ".".join(map(str, p)))
def test_what_stands_in_place_of_a_map_is_told_and_ends_nothing(site, place):
    s = site("version: 1\n")
    (s.folder / "order.json").write_text("{}")

    def found(text, anchor=None):
        (s.folder / "tieline.yaml").write_text(with_text(MAPS, place, text, anchor))
        code, out = check(s, "--allow-literal-secrets")
        assert code in (0, 2), (place, text, code, out)
        return [e for e in json.loads(out)["errors"] if e["severity"] == "error"]

    for anchor, wanted in (None, ["aliases"]), ("x", ["anchors", "aliases"]):
        said = [e["message"] for e in found("*x", anchor)]
        assert len(said) == len(wanted) and all(w in m for w, m in zip(wanted, said)), (place, said)
    for text in "7", "null", '"some text"', "[]", "[7]", "[[*x]]":
        errors = found(text)
        assert all(e["line"] > 0 and e["column"] > 0 for e in errors), (place, text, errors)
        assert errors or text != "[[*x]]", place


def test_the_maps_that_are_replaced_are_sound_themselves(site):
    s = site("version: 1\n")
    (s.folder / "order.json").write_text("{}")
    (s.folder / "tieline.yaml").write_text(json.dumps(MAPS, indent=1))
    code, out = check(s, "--allow-literal-secrets")
    assert code == 0, out
