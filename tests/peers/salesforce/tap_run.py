# SPDX-License-Identifier: Apache-2.0
"""tap-salesforce as it is, in a world where the names of Salesforce lead to the simulator: tap_run.py PORT, then the tap's own
arguments. Certificates are verified (REQUESTS_CA_BUNDLE)."""
import socket
import sys

from tap_salesforce import main

port = int(sys.argv.pop(1))
ask = socket.getaddrinfo


def answer(host, service, *args, **kw):
    if str(host).endswith(".salesforce.com"):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    return ask(host, service, *args, **kw)


socket.getaddrinfo = answer
main()
