# SPDX-License-Identifier: Apache-2.0
"""netsuitesdk over the simulator's WSDL and SOAP endpoint; prints what came as JSON. Its NetSuiteConnection makes an object for each
record type at once, among them journal entries, which the simulator does not have: so its client and the parts for customers and
subsidiaries are made by hand."""
import json
import logging
import sys

from netsuitesdk.api.customers import Customers
from netsuitesdk.api.subsidiaries import Subsidiaries
from netsuitesdk.internal.client import NetSuiteClient
from netsuitesdk.internal.exceptions import NetSuiteLoginError, NetSuiteRateLimitError, NetSuiteRequestError
from zeep.exceptions import Fault

url = sys.argv[1]
logging.disable(logging.WARNING)  # it names each type of its list that a WSDL lacks
NetSuiteClient.WSDL_URL_TEMPLATE = url + "/wsdl/{wsdl_version}/netsuite.wsdl"
NetSuiteClient.DATACENTER_URL_TEMPLATE = url + "/services/{netsuite_port_version}"


def client(secret="token-secret"):
    made = NetSuiteClient(account="1234567_SB1", caching=False, wsdl_version="2025_2", page_size=10)
    made.connect_tba("consumer-key", "consumer-secret", "token-id", secret)
    return made


ns = client()
customers = Customers(ns)
got = {"created": [ns.upsert(ns.Customer(externalId=f"K-{n}", companyName=f"Kunde {n}", email=f"{n}@k.example"))["internalId"]
                   for n in range(25)]}
got["again"] = ns.upsert(ns.Customer(externalId="K-3", phone="030"))["internalId"] == got["created"][3]
one = customers.get(externalId="K-3")
got["get"] = [one["companyName"], one["phone"], one["internalId"] == got["created"][3]]
got["pages"] = [len(page) for page in customers.get_all_generator()]
got["found"] = sorted(r["externalId"] for r in customers.search("companyName", "Kunde 1", "startsWith"))
got["subsidiaries"] = [s["name"] for page in Subsidiaries(ns).get_all_generator() for s in page]
got["deleted"] = customers.delete(externalId="K-24")["internalId"] == got["created"][24]
try:
    customers.get(externalId="K-24")
except NetSuiteRequestError as e:
    got["gone"] = e.code
try:
    ns.upsert(ns.Customer(externalId="K-99", companyName="Kunde 1"))
except NetSuiteRequestError as e:
    got["refused"] = e.code
try:
    client("wrong").get("Customer", externalId="K-1")
except (NetSuiteLoginError, Fault) as e:
    got["login"] = type(e).__name__
print(json.dumps(got))
