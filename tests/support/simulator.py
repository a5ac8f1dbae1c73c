# SPDX-License-Identifier: Apache-2.0
"""`tieline sim NAME` beside a test: started on a free port, turned through /__control, looked at through /__stats."""
import json
import os
import subprocess
import urllib.request
from pathlib import Path

from support.site import BIN, free_port, until


class Simulator:
    def __init__(self, name, folder, *options):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(Path(folder) / f"sim-{name}.log", "ab")
        self.process = subprocess.Popen([BIN, "sim", name, "--port", str(self.port), *map(str, options)], cwd=folder,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, env=os.environ)
        until(self._is_there)

    def _is_there(self):
        assert self.process.poll() is None, f"the simulator ended: {Path(self.log.name).read_text()}"
        try:
            return self.get("/__stats")
        except OSError:
            return None

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def post(self, path, value=None):
        request = urllib.request.Request(self.url + path, data=json.dumps(value or {}).encode(),
                                         headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def turn(self, **options):
        return self.post("/__control", {name.replace("_", "-"): value for name, value in options.items()})

    def records(self, kind):
        return self.get(f"/__records/{kind}")

    def stop(self):
        self.process.terminate()
        code = self.process.wait(20)
        self.log.close()
        assert code == 0, f"the simulator left with {code}"


def make_key(folder, name="erp"):
    """An EC key and its certificate, as one would upload it: NAME.key, NAME.pem."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                    "-subj", "/CN=tieline", "-keyout", f"{name}.key", "-out", f"{name}.pem"],
                   cwd=folder, check=True, capture_output=True)
    (Path(folder) / f"{name}.key").chmod(0o600)
