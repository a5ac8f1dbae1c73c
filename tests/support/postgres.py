# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of its own: an unprivileged user, a temporary folder, a free port on the loopback."""
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.site import free_port, until


def programs():
    """The folder of Debian's newest PostgreSQL; None: not installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    return Path(found[-1]).parent if found else None


class Postgres:
    """Its superuser is `admin` with `password`, database `shop`."""
    password = "the-password-of-the-admin"

    def __init__(self):
        self.bin, self.port = programs(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="tieline-pg-", dir="/tmp"))
        self.user = {}
        if os.geteuid() == 0:  # the server refuses root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        words = self.folder / "words"
        words.write_text(self.password)
        words.chmod(0o644)
        self._run("initdb", "-D", "data", "-U", "admin", "--pwfile", str(words), "-A", "scram-sha-256", "--no-sync")
        self.process = subprocess.Popen([str(self.bin / "postgres"), "-D", "data", "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                                         "-c", f"unix_socket_directories={self.folder}", "-c", "fsync=off"], cwd=self.folder,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.user)
        until(lambda: self.ask("SELECT 1", database="postgres").returncode == 0, timeout=60)
        assert self.ask("CREATE DATABASE shop", database="postgres").returncode == 0

    def _run(self, program, *args):
        done = subprocess.run([str(self.bin / program), *args], cwd=self.folder, capture_output=True, text=True, **self.user)
        assert done.returncode == 0, done.stderr

    def ask(self, sql, user="admin", password=password, database="shop"):
        return subprocess.run([str(self.bin / "psql"), "-XAtq", "-h", "127.0.0.1", "-p", str(self.port), "-U", user, "-d", database, "-c", sql],
                              env={**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10"}, capture_output=True, text=True)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
