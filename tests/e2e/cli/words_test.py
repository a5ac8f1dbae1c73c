# SPDX-License-Identifier: Apache-2.0
"""Words of the command line: help, errors, exit codes, completion, schema, reference."""
import json
import re
import subprocess

import pytest

COMMANDS = ["run", "sim", "init", "check", "reload", "status", "events", "dlq", "pause", "resume", "ledger", "send", "map",
            "test", "secrets", "schema", "reference", "completion", "version"]
BELOW = {"events": ["list", "show", "tail", "cancel", "move", "promote"],
         "dlq": ["list", "groups", "show", "edit", "replay", "discard"],
         "pause": ["flow", "connection"], "resume": ["flow", "connection"], "ledger": ["snapshot"], "map": ["explain"],
         "secrets": ["set", "list", "rm", "rotate", "rekey", "key"]}
ALL = [[c] for c in COMMANDS] + [[c, s] for c, subs in BELOW.items() for s in subs]


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
    (["events", "cancel"], "which events?"),
    (["dlq", "replay"], "which ones?"),
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


def complete(script, *words):
    line = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tieline; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script + "\n" + line, "bash", *words], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_completion_knows_commands_and_options(empty):
    script = empty.ok("completion", "bash").out
    assert complete(script, "tieline", "sta") == ["status"]
    assert "replay" in complete(script, "tieline", "dlq", "")
    assert complete(script, "tieline", "dlq", "replay", "--inc") == ["--include-superseded"]
    assert complete(script, "tieline", "check", "--sec") == ["--secrets"]
    assert empty.run("completion", "fish").code == 2


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
