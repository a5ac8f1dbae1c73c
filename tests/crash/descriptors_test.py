# SPDX-License-Identifier: Apache-2.0
"""Without free descriptors the ledger goes on. Here, and not in tests/e2e, because it wants many commits."""
import os
import resource
import socket

from support.sender import Sender
from support.site import NO_BREAKER, project, until


def test_without_free_descriptors_events_are_taken_and_the_log_is_moved(site, target):
    s = site(project(target, limits=NO_BREAKER)).start()
    sender = Sender(s.port)
    assert sender.post({"n": 0}).status == 200
    s.wait_counts(delivered=1)
    s.do("/v1/flows/orders/pause")
    pid = s.process.pid
    free = len(os.listdir(f"/proc/{pid}/fd")) + 10
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
    idle = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(40)]
    count = 900  # of five pages each: the log comes to its 2,500, and the connection not to its 1,000 requests
    assert all(sender.post({"pad": "x" * 30000, "n": n}).status == 200 for n in range(count))
    assert s.process.poll() is None and max(os.path.getsize(os.path.join(d, name)) for d, _, names in os.walk(s.folder)
                                            for name in names if name.endswith(".db-wal")) < 60 << 20
    for c in idle:
        c.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free + 100, free + 100))

    def resumed():  # who comes before the descriptors are back is closed at the door
        try:
            s.do("/v1/flows/orders/resume")
            return True
        except OSError:
            return False
    until(resumed)
    s.wait_counts(delivered=count + 1)
