# SPDX-License-Identifier: Apache-2.0
"""What an integration does with simple-salesforce: URL; prints what it got as JSON."""
import json
import sys

import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

session = requests.Session()
token = session.post(sys.argv[1] + "/services/oauth2/token", data={
    "grant_type": "client_credentials", "client_id": "tieline-demo", "client_secret": "demo-secret"}).json()
sf = Salesforce(instance_url=token["instance_url"], session_id=token["access_token"], session=session, version="60.0")
out = {}
made = sf.Account.create({"Name": "a", "ERP_Id__c": "1"})
out["create"] = made["success"]
out["upsert"] = [sf.Account.upsert("ERP_Id__c/1", {"Name": "b"}), sf.Account.upsert("ERP_Id__c/2", {"Name": "c"})]
out["get"] = sf.Account.get(made["id"])["Name"]
out["by_id"] = sf.Account.get_by_custom_id("ERP_Id__c", "2")["Name"]
out["update"] = sf.Account.update(made["id"], {"Name": "d"})
out["query"] = sf.query("SELECT Id, Name FROM Account ORDER BY Name")["totalSize"]
out["describe"] = len(sf.Account.describe()["fields"]) > 10
out["limits"] = sf.limits()["DailyApiRequests"]["Max"]
out["usage"] = sf.api_usage["api-usage"].used > 0
for n in range(11):
    sf.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": [
        {"attributes": {"type": "Lead"}, "LastName": f"l{n}-{k}", "Company": "c"} for k in range(200)]})
out["query_all"] = len(sf.query_all("SELECT Id FROM Lead")["records"])
rows = [{"ERP_Id__c": "1", "Name": "bulk"}, {"ERP_Id__c": "9", "Name": ""}]
res = sf.bulk2.Account.upsert(records=rows, external_id_field="ERP_Id__c")
out["bulk2"] = [res[0]["numberRecordsProcessed"], res[0]["numberRecordsFailed"]]
pages = list(sf.bulk2.Lead.query("SELECT Id, LastName FROM Lead", max_records=1000))
lines = [line for page in pages for line in page.strip().split("\n")]
out["bulk2_query"] = [len(pages), sum(line.startswith('"00Q') for line in lines), lines[0].split(",")[1].strip('"')]
out["delete"] = sf.Account.delete(made["id"])
try:
    sf.Account.create({"Nmae": "x"})
except SalesforceMalformedRequest as e:
    out["error"] = e.content[0]["errorCode"]
print(json.dumps(out))
