# SPDX-License-Identifier: Apache-2.0
"""Words of the command line: help, errors, exit codes, completion, schema, reference."""
import json
import re
import subprocess

import pytest
from support.program import BINARY


def table():
    """The program's own table of commands: who adds one is tested."""
    return json.loads(subprocess.run([BINARY, "help", "--json"], capture_output=True, check=True).stdout)["commands"]


TABLE = {c["command"]: c for c in table()}
ALL = [c.split() for c in TABLE]
COMMANDS = list(dict.fromkeys(words[0] for words in ALL))


def test_without_a_command_all_are_listed_and_the_exit_code_is_2(empty):
    done = empty.run()
    assert done.code == 2 and not done.out
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", done.err, re.M), command
    assert empty.ok("help").out == empty.ok("--help").out == done.err


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help(empty, words):
    done = empty.ok(*words, "--help")
    assert done.out.startswith(f"usage: tieline {' '.join(words)}") and not done.err


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_json(empty, words):
    page = empty.ok(*words, "--help").out
    assert re.search(r"^ +--json ", page, re.M) or words == ["sim"], page
    if "options" in TABLE[" ".join(words)]:
        assert "json" in [o["name"] for o in TABLE[" ".join(words)]["options"]]


# Whatever a command without a server, a configuration or a ledger says with --json, on stdout or stderr, is JSON.
NEEDS = {"ID": "1", "NAME": "x", "FLOW": "x", "PATH": "x.db", "MODEL": "m", "CONNECTION": "c", "bash": "bash"}


@pytest.mark.parametrize("words", [w for w in ALL if w[0] not in ("run", "sim")], ids=" ".join)
def test_what_is_said_with_json_is_json(empty, words):
    needed = [NEEDS[w] for w in TABLE[" ".join(words)]["args"].split() if w in NEEDS]
    done = empty.run(*words, *needed, "--json", stdin="")
    assert done.code in (0, 1, 2, 3, 4, 5), done.code
    if done.out:
        json.loads(done.out)
    if done.err:
        json.loads(done.err)


@pytest.mark.parametrize("words", [["statu"], ["events", "lst"], ["events", "list", "--limt", "3"], ["events", "list", "--limit", "-1"], ["events", "list", "-x"],
                                   ["send", "--count", "abc"], ["events", "show"], ["pause", "flow", "a", "b"], ["completion"], ["completion", "fish"],
                                   ["events", "list", "--all=1"], ["sim", "nope"], ["sim", "--nope"], ["sim", "http", "--nope"],
                                   ["sim", "http", "nope"], ["sim", "http", "--port=x"], ["sim", "http", "--port", "70000"],
                                   ["sim", "http", "--status", "3"], ["run", "--nope"], ["run", "a", "b"], ["events"], [],
                                   ["events", "cancel"], ["map"], ["connect", "erp", "--port", "x"]], ids=" ".join)
@pytest.mark.parametrize("first", [True, False])
def test_wrong_usage_with_json_is_one_line_of_json_on_stderr(empty, words, first):
    done = empty.run(*([*words[:1], "--json", *words[1:]] if first else [*words, "--json"]))
    assert done.code == 2 and not done.out, done.out
    error = json.loads(done.err)["error"]
    assert done.err.count("\n") == 1 and error["code"] == "usage" and error["message"] and error["see"].startswith("tieline")
    assert words[:2] != ["sim", "http"] or error["see"] == "tieline sim http --help"


def test_simulators_are_listed_as_json_and_say_as_json_where_they_are(empty):
    for sim in json.loads(empty.ok("sim", "--json").out)["simulators"]:
        assert "--json" in empty.ok("sim", sim["name"], "--help").out
    with subprocess.Popen([BINARY, "sim", "http", "--port", "0", "--json"], stdout=subprocess.PIPE, cwd=empty.folder) as p:
        assert re.fullmatch(r"http://127.0.0.1:\d+", json.loads(p.stdout.readline())["url"])
        p.terminate()
        assert json.loads(p.stdout.read())["received"] == 0
    done = empty.run("sim", "htpp")
    assert done.code == 2 and "there is no simulator 'htpp'" in done.err


def test_help_before_the_command_is_the_same_page(empty):
    assert empty.ok("help", "events").out == empty.ok("events", "--help").out


@pytest.mark.parametrize("words, wanted", [
    (["statu"], "did you mean 'status'?"),
    (["events", "lst"], "did you mean 'list'?"),
    (["events", "list", "--limt", "3"], "did you mean --limit?"),
    (["quux"], "there is no command 'quux'"),
    (["events", "show"], "missing: ID"),
    (["xref", "forget", "order"], "missing: CONNECTION ID"),
    (["pause", "flow", "a", "b"], "too many words"),
    (["events", "list", "--limit", "x"], "must be a whole number"),
    (["events", "list", "--limit", "0"], "must be a whole number of 1 or more, not '0'"),
    (["events", "list", "--limit", "-1"], "must be a whole number of 1 or more, not '-1'"),
    (["send", "--count", "0"], "must be a whole number of 1 or more, not '0'"),
    (["audit", "list", "--limit", "0"], "must be a whole number of 1 or more, not '0'"),
    (["events", "cancel"], "which events?"),
    (["dlq", "replay"], "which ones?"),
    (["events", "replay"], "which events?"),
    (["events", "replay", "--flow", "orders"], "--state (delivered"),
    (["events", "replay", "--state", "queued"], "it will be delivered yet"),
    (["events", "move", "x"], "--to FLOW is missing"),
    (["map"], "what shall be evaluated?"),
])
def test_wrong_usage_is_2_and_says_what_to_do(empty, words, wanted):
    done = empty.run(*words)
    assert done.code == 2 and wanted in done.err and not done.out


def test_what_a_terminal_would_obey_is_not_repeated(empty):
    assert "\033" not in empty.run("ev\033[31m").err


def test_version(empty):
    assert empty.ok("version").out.startswith("tieline ")
    assert empty.ok("--version").out.startswith("tieline ")
    assert re.fullmatch(r"\d+\.\d+\.\d+", empty.ok("version", "--json").json["version"])


def complete(p, *words):
    line = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tieline; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", p.ok("completion", "bash").out + line, "bash", BINARY, *words], capture_output=True, text=True,
                          check=True, cwd=p.folder)
    return [w for w in done.stdout.split("\n") if w]


def test_completion_knows_commands_and_options(empty):
    assert complete(empty, "sta") == ["status"]
    assert "replay" in complete(empty, "dlq", "")
    assert complete(empty, "dlq", "replay", "--inc") == ["--include-superseded"]
    assert complete(empty, "check", "--sec") == ["--secrets"]
    assert complete(empty, "events", "list", "--state", "de") == ["dead", "delivered"]
    assert complete(empty, "run", "--j") == ["--json"] and complete(empty, "help", "stat") == ["status"]
    assert empty.run("completion", "fish").code == 2


def test_each_state_that_completion_offers_is_one_that_the_command_knows(project):
    project.serve()
    for verb, n in (("list", 8), ("replay", 5), ("hold", 4), ("release", 4), ("cancel", 4), ("move", 4)):
        offered = complete(project, "events", verb, "--state", "")
        assert len(offered) == n, (verb, offered)
        for state in offered:
            more = {"list": [], "move": ["--to", "orders", "--dry-run"]}.get(verb, ["--dry-run"])
            done = project.run("events", verb, "--state", state, *more)
            assert done.code == 0, (verb, state, done.err)


def test_completion_knows_the_names_of_the_configuration(project):
    project.write("other.yaml", "version: 1\nflows: { returns: {}, refunds: 7 }\nconnections: { crm: {} }\nalerts: { receivers: { ops: {} } }\n")
    assert complete(project, "pause", "flow", "") == ["orders"]
    assert complete(project, "resume", "connection", "e") == ["erp"]
    assert complete(project, "send", "--flow", "o") == ["orders"]
    assert complete(project, "send", "--flow", "=", "o") == ["orders"], "bash takes --flow=o apart"
    assert complete(project, "send", "--flow", "=") == ["orders"]
    assert complete(project, "debug", "--for", "1m", "or") == ["orders"]
    assert complete(project, "connect", "") == ["erp"]
    assert complete(project, "dlq", "list", "--config", "other.yaml", "--flow", "") == ["returns", "refunds", "alerts.ops"]
    assert complete(project, "events", "move", "1", "--to", "") == ["orders"]
    assert "tieline.yaml" in complete(project, "check", "tie")


def test_completion_takes_names_of_files_as_they_are(project):
    for name in ("a file.yaml", "x*y", "xay", "$(touch made)"):
        project.write(name, "")
    assert complete(project, "check", "a ") == ["a file.yaml"] and complete(project, "check", "x*") == ["x*y"]
    assert complete(project, "check", "$") == ["$(touch made)"] and not (project.folder / "made").exists()


def test_completion_knows_simulators_and_their_options(empty):
    assert {"http", "netsuite", "salesforce"} <= set(complete(empty, "sim", ""))
    assert complete(empty, "sim", "h") == ["http"]
    for sim in json.loads(empty.ok("sim", "--json").out)["simulators"]:
        assert "--port" in complete(empty, "sim", sim["name"], "--p"), sim
    assert complete(empty, "sim", "http", "--retry") == ["--retry-after"]


def test_names_that_a_shell_would_obey_are_not_offered(empty):
    empty.write("tieline.yaml", "flows: { '$(touch obeyed)': {}, '`touch obeyed`': {}, fine: {} }\n")
    assert complete(empty, "pause", "flow", "") == ["fine"]
    assert not (empty.folder / "obeyed").exists()


def test_the_schema_is_json_and_the_reference_is_markdown(empty):
    schema = json.loads(empty.ok("schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/draft/2020-12")
    page = empty.ok("reference").out
    assert page.startswith("#") and "order_by" in page and "idempotency_header" in page
    commands = empty.ok("reference", "commands").out
    assert all(f"\n## tieline {c}\n" in commands for c in COMMANDS if c not in ("run", "sim"))
    assert empty.run("reference", "nothing").code == 2


def test_without_a_ledger_the_exit_code_is_3(empty):
    done = empty.run("status")
    assert done.code == 3 and "which ledger?" in done.err
    done = empty.run("status", "--data", "nowhere", "--json")
    assert done.code == 3 and json.loads(done.err)["error"]["code"] == "not_found"
