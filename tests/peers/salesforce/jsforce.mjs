// SPDX-License-Identifier: Apache-2.0
// What an integration does with jsforce: node jsforce.mjs URL; prints what it got as JSON.
import jsforce from 'jsforce';
import streaming from 'jsforce/lib/api/streaming.js';
const base = process.argv[2];
const out = {};
const oauth2 = new jsforce.OAuth2({ loginUrl: base, clientId: 'tieline-demo', clientSecret: 'demo-secret', redirectUri: 'http://127.0.0.1:1/back' });
const conn = new jsforce.Connection({ loginUrl: base, oauth2, version: '60.0' });
await conn.authorize({ grant_type: 'password', username: 'integration@sim.example', password: 'demo-password' });
out.who = conn.userInfo.id;
out.identity = (await conn.identity()).username;
out.describe = (await conn.describe('Account')).fields.length > 10;
out.global = (await conn.describeGlobal()).sobjects.length > 5;
const made = await conn.sobject('Account').create([{ Name: 'a', ERP_Id__c: '1' }, { Name: 'b', ERP_Id__c: '2' }, { ERP_Id__c: '3' }], { allOrNone: false });
out.create = made.map(r => r.success);
out.upsert = (await conn.sobject('Account').upsert({ Name: 'a2', ERP_Id__c: '1' }, 'ERP_Id__c')).success;
out.retrieve = (await conn.sobject('Account').retrieve(made[0].id)).Name;
out.query = (await conn.query("SELECT Id, Name, Owner.Name FROM Account WHERE Name LIKE 'a%' ORDER BY Name")).records.map(r => r.Name);
out.find = (await conn.sobject('Account').find({ ERP_Id__c: '2' }, ['Id', 'Name']).execute()).length;
out.update = (await conn.sobject('Account').update({ Id: made[1].id, Name: 'b2' })).success;
out.limits = (await conn.limits()).DailyApiRequests.Max;
for (let i = 0; i < 11; i++)
  await conn.sobject('Lead').create(Array.from({ length: 200 }, (_, k) => ({ LastName: `l${i}-${k}`, Company: 'c' })), { allOrNone: true });
out.paged = await new Promise((ok, no) => { let n = 0; conn.query('SELECT Id FROM Lead').on('record', () => n++).on('end', () => ok(n)).on('error', no).run({ autoFetch: true, maxFetch: 10000 }); });
const job = conn.bulk2.createJob({ object: 'Account', operation: 'upsert', externalIdFieldName: 'ERP_Id__c' });
await job.open(); await job.uploadData([{ ERP_Id__c: '2', Name: 'bulk, "quoted"' }, { ERP_Id__c: '9' }]); await job.close();
await job.poll(200, 20000);
const res = await job.getAllResults();
out.bulk = [res.successfulResults.length, res.failedResults.length];
const rows = await (await conn.bulk2.query("SELECT Id, Name, CreatedDate, Owner.Name FROM Account WHERE ERP_Id__c = '2'", { pollInterval: 200, pollTimeout: 20000 })).toArray();
out.bulkQuery = [rows.length, rows[0].Name, rows[0]['Owner.Name'], rows[0].CreatedDate.endsWith('Z')];
out.bulkMany = (await (await conn.bulk2.query('SELECT Id FROM Lead', { pollInterval: 200, pollTimeout: 20000 })).toArray()).length;
const client = conn.streaming.createClient([new streaming.StreamingExtension.Replay('/data/AccountChangeEvent', -2)]);
out.event = await new Promise((ok, no) => { setTimeout(() => no(new Error('no event')), 8000); client.subscribe('/data/AccountChangeEvent', m => ok(m.payload.ChangeEventHeader.changeType)); });
client.disconnect();
out.destroy = (await conn.sobject('Account').destroy(made[0].id)).success;
try { await conn.sobject('Account').destroy(made[0].id); } catch (e) { out.again = e.errorCode; }
console.log(JSON.stringify(out));
process.exit(0);
