# SPDX-License-Identifier: Apache-2.0
"""What the checkers share: the files of the tree, C text without comments and strings, waivers, the report."""
import os
import re
import sys
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent
# Made by tools, or not ours to shape: vectors, seeds, captured payloads.
SKIPPED_FOLDERS = {".git", "build", "data", "node_modules", "__pycache__", ".pytest_cache", "dist"}
SKIPPED_PATHS = ("fuzz/seeds/", "fuzz/regressions/")


def files():
    """Every file of ours, sorted. Walks the tree, so that it also works where there is no Git."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS)
        for name in sorted(names):
            path = Path(folder) / name
            rel = str(path.relative_to(ROOT))
            if not rel.startswith(SKIPPED_PATHS) and not path.is_symlink():
                found.append(path)
    return found


_TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip_c(text):
    """C text with comments, strings and character constants blanked; lines stay where they were."""
    def blank(m):
        s = m.group(0)
        if s[0] in "\"'":
            return s[0] + " " * (len(s) - 2) + s[0]
        return "".join(c if c == "\n" else " " for c in s)
    return _TOKENS.sub(blank, text)


class Waivers:
    """tools/waivers.txt: `checker kind path[:name] reason`. A waiver without a reason, or one that nothing needs, is a finding."""

    def __init__(self, checker):
        self.entries, self.used, self.bad = {}, set(), []
        path = ROOT / "tools" / "waivers.txt"
        for n, line in enumerate(path.read_text().split("\n") if path.exists() else [], 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            parts = line.split(None, 3)
            if len(parts) < 4:
                self.bad.append(("tools/waivers.txt", n, "a waiver is: checker kind path[:name] reason"))
            elif parts[0] == checker:
                self.entries[(parts[1], parts[2])] = n

    def allows(self, rel, kind, name=None):
        for key in ((kind, rel), (kind, f"{rel}:{name}")):
            if key in self.entries:
                self.used.add(key)
                return True
        return False

    def unused(self):
        return self.bad + [("tools/waivers.txt", n, f"nothing needs this waiver any more: {kind} {what}")
                           for (kind, what), n in self.entries.items() if (kind, what) not in self.used]


def folder_of(rel):
    parts = rel.split("/")
    return "/".join(parts[:2]) if parts[0] in ("src", "connectors", "tests") and len(parts) > 2 else parts[0]


def report(checker, findings, argv):
    if "--summary" in argv:
        for folder, n in sorted(Counter(folder_of(f[0]) for f in findings).items()):
            print(f"{n:5} {folder}")
    else:
        for rel, line, what in sorted(findings):
            print(f"{rel}:{line}: {what}")
    if findings:
        print(f"check-{checker}: {len(findings)} findings")
        return 1
    return 0
