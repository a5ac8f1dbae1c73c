# SPDX-License-Identifier: Apache-2.0
"""The tables of failure modes in the pages of two systems name tests that are there and run."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def names_that_run(system):
    """Of C only what stands in a table of tests: a function alone is no test."""
    for file in (ROOT / "connectors" / system / "test").glob("*_test.c"):
        yield from re.findall(r"cmocka_unit_test\w*\((\w+)", file.read_text())
    for file in (ROOT / "tests/e2e").glob(f"{system}*_test.py"):
        yield from re.findall(r"^def (test_\w+)", file.read_text(), re.M)


@pytest.mark.parametrize("system", ["netsuite", "salesforce"])
def test_each_of_the_fifteen_failure_modes_names_names_that_run(system):
    page = (ROOT / "docs" / f"{system}.md").read_text().partition("## What goes wrong in practice")[2]
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", page, re.M)
    there = set(names_that_run(system))
    assert [int(number) for number, _ in rows] == list(range(1, 16))
    for number, names in rows:
        named = re.findall(r"`(\w+)`", names)
        assert named and set(named) <= there, f"line {number}: {sorted(set(named) - there)}"
