# SPDX-License-Identifier: Apache-2.0
"""Programs of others for tests/peers, fetched into build/peers at test time and kept there while what is asked for stays."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def npm(name):
    """A folder with what tests/peers/NAME/package.json asks for (exact versions) and the scripts beside it."""
    here, there = ROOT / "tests/peers" / name, ROOT / "build/peers" / name
    there.mkdir(parents=True, exist_ok=True)
    wanted, mark = (here / "package.json").read_bytes(), there / "installed.json"
    if not mark.exists() or mark.read_bytes() != wanted:
        shutil.copy(here / "package.json", there / "package.json")
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=there, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        mark.write_bytes(wanted)
    for script in here.glob("*.mjs"):
        shutil.copy(script, there / script.name)
    return there


def go(name):
    """The program of tests/peers/NAME, a Go module of ours. Its cache stays in build/peers: only the first build takes long."""
    here, there = ROOT / "tests/peers" / name, ROOT / "build/peers" / name
    there.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["go", "build", "-mod=readonly", "-p", "2", "-o", str(there / name), "."], cwd=here, capture_output=True, text=True,
                          env={**os.environ, "GOCACHE": str(ROOT / "build/peers/go-cache"), "GOFLAGS": "-buildvcs=false"})
    assert done.returncode == 0, done.stdout + done.stderr
    return there / name


def pypi(*requirements):
    """The interpreter of an environment that has these (name==version)."""
    there = ROOT / "build/peers" / ("-".join(requirements).replace("==", "-"))
    python = there / "bin/python"
    if not (there / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(there)], check=True)
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        (there / "installed").touch()
    return python
