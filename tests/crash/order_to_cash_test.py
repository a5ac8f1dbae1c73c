# SPDX-License-Identifier: Apache-2.0
"""The example order-to-cash, short: faults on, an outage, kills; it compares the records of both sides itself."""
import os
import subprocess
from pathlib import Path

from support.site import BIN

DEMO = Path(__file__).resolve().parents[2] / "examples/order-to-cash/demo"


def test_nothing_is_missing_or_double_between_shop_netsuite_and_salesforce():
    done = subprocess.run([DEMO, "--orders", "120", "--kills", "3", "--outage", "5"], env={**os.environ, "TIELINE_BIN": BIN},
                          capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing is missing, nothing is double." in done.stdout
