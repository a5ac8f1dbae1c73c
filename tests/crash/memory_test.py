# SPDX-License-Identifier: Apache-2.0
"""What large bodies took is given back. Here, and not in tests/e2e, because sanitizers keep what is freed."""
import threading

from support.sender import Sender
from support.site import hook, project, until

MB = 1 << 20


def resident(s, what="VmRSS"):
    with open(f"/proc/{s.process.pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(what + ":"))


def at_once(s, bodies):
    def one(n, body):
        sender = Sender(s.port)
        assert sender.post(body, id=f"{len(body)}-{n}").status == 200
        sender.close()

    threads = [threading.Thread(target=one, args=(n, body)) for n, body in enumerate(bodies)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def test_memory_of_large_bodies_is_given_back(site, target):
    s = site(project(target, flow={"from": hook("/hooks/shop", body_limit="10MB")})).start()
    s.post({"n": 0})
    before = resident(s)
    for size, count in ((9 * MB, 20), (700_000, 60)):
        at_once(s, [b'{"pad":"' + b"p" * (size - n) + b'"}' for n in range(count)])
        s.wait_counts(delivered=1 + count if size > MB else 81)
    assert resident(s, "VmHWM") > before + 100 * MB, "the bodies were in memory, else this shows nothing"
    until(lambda: resident(s) < before + 80 * MB, timeout=60, every=0.1)  # a cache of 32 MB, buffers of connections
