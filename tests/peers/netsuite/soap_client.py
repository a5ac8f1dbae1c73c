# SPDX-License-Identifier: Apache-2.0
"""zeep, made from the simulator's WSDL: signs a tokenPassport of its own, writes, searches and pages. Prints what came as JSON."""
import base64
import hashlib
import hmac
import json
import secrets
import sys
import time

import requests
from zeep import Client
from zeep.exceptions import Fault
from zeep.transports import Transport

url, account = sys.argv[1], "1234567_SB1"
session = requests.Session()
session.trust_env = False
client = Client(f"{url}/wsdl/v2025_2_0/netsuite.wsdl", transport=Transport(session=session, timeout=20, operation_timeout=20))
core = client.type_factory("urn:core_2025_2.platform.webservices.netsuite.com")
common = client.type_factory("urn:common_2025_2.platform.webservices.netsuite.com")
lists = client.type_factory("urn:relationships_2025_2.lists.webservices.netsuite.com")
sales = client.type_factory("urn:sales_2025_2.transactions.webservices.netsuite.com")


def passport(secret="token-secret", nonce=None, algorithm=hashlib.sha256):
    nonce, now = nonce or secrets.token_hex(10), str(int(time.time()))
    text = "&".join([account, "consumer-key", "token-id", nonce, now])
    mac = hmac.new(f"consumer-secret&{secret}".encode(), text.encode(), algorithm).digest()
    return core.TokenPassport(account=account, consumerKey="consumer-key", token="token-id", nonce=nonce, timestamp=int(now),
                              signature={"_value_1": base64.b64encode(mac).decode(), "algorithm": f"HMAC-{algorithm().name.upper()}"})


def call(name, *args, page=None, **kw):
    header = {"tokenPassport": passport(), "searchPreferences": {"bodyFieldsOnly": False, "pageSize": page or 1000}}
    return getattr(client.service, name)(*args, _soapheaders=header, **kw)


def refused(**how):
    try:
        client.service.getServerTime(_soapheaders={"tokenPassport": passport(**how)})
        return "taken"
    except Fault as fault:
        return [child.tag.rpartition("}")[2] for child in fault.detail][0]


def customer(number):
    note = core.StringCustomFieldRef(scriptId="custentity_lead_source", value="fair")
    return lists.Customer(externalId=f"Z-{number}", companyName=f"Peer {number}", email=f"{number}@peer.example", isPerson=False,
                          customFieldList={"customField": [note]})


got = {"time": str(call("getServerTime").body.getServerTimeResult.serverTime)[:4]}
one = call("upsert", record=customer(0)).body.writeResponse
got["upsert"] = [one.status.isSuccess, one.baseRef.internalId, one.baseRef.externalId]
many = call("upsertList", record=[customer(i) for i in range(12)] + [lists.Customer(externalId="Z-99", companyName="Peer 1")])
got["list"] = [r.status.isSuccess for r in many.body.writeResponseList.writeResponse]
got["why"] = many.body.writeResponseList.writeResponse[-1].status.statusDetail[0].code
item = sales.SalesOrder_item(item=core.RecordRef(externalId="SKU-1"), quantity=2, rate=4.5)
order = sales.SalesOrder(externalId="S-1", entity=core.RecordRef(externalId="Z-0"), tranDate="2026-03-01T12:00:00Z",
                         itemList={"item": [item], "replaceAll": True})
got["order"] = [call("upsertList", record=[order]).body.writeResponseList.writeResponse[0].status.isSuccess for _ in range(2)]

basic = common.CustomerSearchBasic(email=core.SearchStringField(operator="contains", searchValue=["@peer."]))
found = call("search", searchRecord=lists.CustomerSearch(basic=basic), page=5).body.searchResult
names = [r.companyName for r in found.recordList.record]
for index in range(2, found.totalPages + 1):
    page = call("searchMoreWithId", searchId=found.searchId, pageIndex=index, page=5).body.searchResult
    names += [r.companyName for r in page.recordList.record]
got["search"] = [found.totalRecords, found.totalPages, len(set(names))]
got["custom"] = found.recordList.record[0].customFieldList.customField[0].value
basic = common.TransactionSearchBasic(type=core.SearchEnumMultiSelectField(operator="anyOf", searchValue=["_salesOrder"]))
orders = call("search", searchRecord=sales.TransactionSearch(basic=basic)).body.searchResult.recordList.record
got["lines"] = [[line.quantity, line.amount] for line in orders[0].itemList.item]
got["refused"] = [refused(secret="wrong"), refused(algorithm=hashlib.sha1)]
nonce = secrets.token_hex(10)
got["replayed"] = [refused(nonce=nonce), refused(nonce=nonce)]
print(json.dumps(got))
