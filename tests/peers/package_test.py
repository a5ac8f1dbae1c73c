# SPDX-License-Identifier: Apache-2.0
"""The Debian package: what is in it, and that it installs and runs, in a copy of this system that is thrown away (dpkg, mount, root)."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not (shutil.which("dpkg-deb") and shutil.which("dpkg-shlibdeps")), reason="dpkg-dev is not installed")


def run(*argv, **more):
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=900, **more)
    assert r.returncode == 0, f"{argv}: {r.stdout[-2000:]}\n{r.stderr[-4000:]}"
    return r.stdout


@pytest.fixture(scope="module")
def package():
    run("make", "package", cwd=ROOT)
    deb, = (ROOT / "build/package").glob("tieline_*.deb")
    return deb


def test_it_has_its_parts_and_names_what_it_needs(package, tmp_path):
    depends = run("dpkg-deb", "--field", package, "Depends")
    assert all(lib in depends for lib in ("libc6", "libcurl4", "libsqlite3-0", "libssl3", "adduser"))
    run("dpkg-deb", "--control", package, tmp_path / "control")
    run("dpkg-deb", "--extract", package, tmp_path / "root")
    listed = set((tmp_path / "control/conffiles").read_text().split())
    etc = {"/" + str(f.relative_to(tmp_path / "root")) for f in (tmp_path / "root/etc").rglob("*") if f.is_file()}
    assert listed == etc, "what stands in /etc is a person's"
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", tmp_path / "control" / script)
    yaml.safe_load((tmp_path / "root/etc/tieline/tieline.yaml").read_text())
    assert "tieline" in run(tmp_path / "root/usr/bin/tieline", "version")
    assert os.stat(tmp_path / "root/usr/bin/tieline").st_size < 16 << 20, "stripped"


def test_the_unit_is_right_and_hardened(package, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    run("dpkg-deb", "--extract", package, tmp_path)
    unit = tmp_path / "usr/lib/systemd/system/tieline.service"
    unit.write_text(unit.read_text().replace("/usr/bin/tieline", str(tmp_path / "usr/bin/tieline")))
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    assert "tieline.service" not in said.stderr, said.stderr
    level = run("systemd-analyze", "security", "--offline=true", unit).strip().split("\n")[-1]
    assert float(level.split(":")[1].split()[0]) < 2.5, level


SCRIPT = """
set -e
mount -t tmpfs tmpfs {place}
mkdir {place}/up {place}/work {place}/all
mount -t overlay overlay -o lowerdir=/,upperdir={place}/up,workdir={place}/work {place}/all
cp {deb} {place}/all/tmp/tieline.deb
mount -t proc proc {place}/all/proc
mount --bind /dev {place}/all/dev
chroot {place}/all sh -ec '
dpkg -i /tmp/tieline.deb
getent passwd tieline | grep -q /var/lib/tieline
test "$(stat -c %U:%a /var/lib/tieline)" = tieline:750
test "$(stat -c %a /etc/default/tieline)" = 600
setpriv --reuid tieline --regid tieline --clear-groups tieline check /etc/tieline/tieline.yaml
sed -i "s/127.0.0.1:8080/127.0.0.1:{port}/" /etc/tieline/tieline.yaml
echo "admin: {{ listen: 127.0.0.1:{admin} }}" >> /etc/tieline/tieline.yaml
setpriv --reuid tieline --regid tieline --clear-groups tieline run /etc/tieline/tieline.yaml 2>/tmp/log & pid=$!
for i in $(seq 100); do setpriv --reuid tieline --regid tieline --clear-groups tieline status --data /var/lib/tieline --json >/tmp/status 2>/dev/null && grep -q "\\"running\\":true" /tmp/status && break; sleep 0.1; done
grep "\\"running\\":true" /tmp/status || {{ cat /tmp/log; exit 1; }}
kill $pid; wait $pid
echo kept >> /etc/tieline/tieline.yaml
dpkg -i --force-confold /tmp/tieline.deb
tail -1 /etc/tieline/tieline.yaml | grep -q kept
dpkg --remove tieline
test -e /etc/tieline/tieline.yaml
dpkg --purge tieline 2>/tmp/purge
test ! -e /etc/tieline
grep -q "ledger stays" /tmp/purge && ls /var/lib/tieline | grep -q .
'
"""


def test_it_installs_runs_is_upgraded_and_leaves_the_ledger_alone(package, tmp_path):
    from support.site import free_port
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root, to mount")
    script = SCRIPT.format(place=tmp_path, deb=package, port=free_port(), admin=free_port())
    run("unshare", "--mount", "sh", "-c", script, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"})
