# SPDX-License-Identifier: Apache-2.0
"""What is in packaging/: the dashboard names metrics and labels that exist."""
import json
import re
import subprocess
from pathlib import Path

from support.site import BIN

ROOT = Path(__file__).resolve().parents[2]


def reference():
    """name -> (type, labels), as the program itself documents them."""
    page = subprocess.run([BIN, "reference", "metrics"], capture_output=True, text=True, check=True, timeout=30).stdout
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", page, re.M)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_the_dashboard_names_metrics_and_labels_that_exist():
    board = json.loads((ROOT / "packaging/grafana/tieline.json").read_text())
    known = reference()
    assert len(known) > 40
    used, ids = set(), [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids)) and board["uid"] == "tieline"
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"]
            for name, selector in re.findall(r"\b((?:tieline|process)_[a-z_]+)(?:\{([^}]*)\})?", expr):
                plain = re.sub("_(bucket|sum|count)$", "", name)
                assert plain in known, f"{panel['title']}: there is no metric {plain}"
                assert (name != plain) <= (known[plain][0] == "histogram"), f"{panel['title']}: {name}"
                labels = set(re.findall(r"(\w+)=", selector))
                assert labels <= known[plain][1] | {"instance", "job", "le"}, f"{panel['title']}: {plain} has no {labels}"
                used.add(plain)
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert label == "instance" or any(label in known[re.sub("_(bucket|sum|count)$", "", n)][1]
                                                  for n in re.findall(r"\b((?:tieline)_[a-z_]+)", expr)), f"{panel['title']}: {label}"
    assert len(used) > 20
    for v in board["templating"]["list"]:
        for name in re.findall(r"label_values\((\w+),", v.get("definition", "")):
            assert name in known
