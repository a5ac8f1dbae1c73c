# SPDX-License-Identifier: Apache-2.0
"""The quickstart: its demo, and that its files are good."""
import os
import subprocess
from pathlib import Path

from support.program import BINARY

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/quickstart"


def test_the_demo_ends_with_equal_figures_and_no_dead_letter():
    done = subprocess.run([EXAMPLE / "demo", "--count", "300"], env=dict(os.environ, TIELINE_BIN=BINARY), timeout=200,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dead letters left: 0" in done.stdout and "DIFFER" not in done.stdout


def test_its_configuration_and_its_mapping_are_good(empty):
    empty.ok("check", EXAMPLE / "tieline.yaml", "--secrets")
    assert "0 failed" in empty.ok("test", EXAMPLE).out
