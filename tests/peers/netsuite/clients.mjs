// SPDX-License-Identifier: Apache-2.0
// Clients of others against a simulated account: node clients.mjs URL; prints what they got as JSON.
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const NetsuiteRest = require("netsuite-rest"), nsrestlet = require("nsrestlet");
const url = process.argv[2], out = {};

const api = new NetsuiteRest({ consumer_key: "consumer-key", consumer_secret_key: "consumer-secret", token: "token-id",
                               token_secret: "token-secret", realm: "1234567_SB1", base_url: url });
const made = await api.request({ path: "record/v1/customer", method: "POST", body: JSON.stringify({ companyName: "Peer", externalId: "P-1" }) });
const at = made.rawHeaders[made.rawHeaders.findIndex((h) => h.toLowerCase() === "location") + 1];
out.created = [made.statusCode, at.replace(url, "")];
out.read = (await api.request({ path: "record/v1/customer/eid:P-1" })).data.companyName;
out.rows = (await api.request({ path: "query/v1/suiteql?limit=1&offset=0", method: "POST",
                                body: JSON.stringify({ q: "SELECT id, companyname FROM customer WHERE externalid = 'P-1'" }) })).data.items;
out.missing = await api.request({ path: "record/v1/customer/99" }).catch((e) => [e.response.statusCode, JSON.parse(e.response.body)["o:errorDetails"][0]["o:errorCode"]]);
const wrong = new NetsuiteRest({ ...api, consumer_secret_key: "no", realm: api.realm });
out.refused = await wrong.request({ path: "record/v1/customer/1" }).catch((e) => e.response.statusCode);

const link = nsrestlet.createLink({ accountId: "1234567_SB1", tokenKey: "token-id", tokenSecret: "token-secret", consumerKey: "consumer-key",
                                    consumerSecret: "consumer-secret" },
                                  { url: `${url}/app/site/hosting/restlet.nl?script=customscript_tieline&deploy=customdeploy_tieline` });
out.restlet = await link.post({ records: [{ type: "customer", externalId: "P-2", values: { companyname: "Script" } }] });
console.log(JSON.stringify(out));
