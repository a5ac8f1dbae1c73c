# SPDX-License-Identifier: Apache-2.0
"""SNS and PayPal with certificates fetched from their hosts: vendors/inside.py, in namespaces where these hosts are ours. The
program is not told: it finds their names, port 443 and the system's authorities as anywhere else."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMESPACES = ["unshare", "--map-root-user", "--mount", "--net"]


def can():
    try:
        return subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can(), reason="this system gives no namespaces to us")
def test_certificates_of_vendors_come_from_their_hosts_and_from_nowhere_else():
    done = subprocess.run([*NAMESPACES, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           str(Path(__file__).parent / "vendors/inside.py")], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
