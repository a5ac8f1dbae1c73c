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

// Metadata: describe, list, read, create, update, upsert; deploy a zip over SOAP and over REST
const crc = b => { let c = ~0; for (const x of b) { c ^= x; for (let k = 0; k < 8; k++) c = c >>> 1 ^ (c & 1 ? 0xedb88320 : 0); } return ~c >>> 0; };
const zip = files => { // APPNOTE 4.3: stored
  const parts = [], central = []; let at = 0;
  for (const [name, text] of Object.entries(files)) {
    const data = Buffer.from(text), n = Buffer.from(name), head = Buffer.alloc(30), entry = Buffer.alloc(46);
    head.writeUInt32LE(0x04034b50, 0); head.writeUInt16LE(20, 4); head.writeUInt32LE(crc(data), 14); head.writeUInt32LE(data.length, 18);
    head.writeUInt32LE(data.length, 22); head.writeUInt16LE(n.length, 26);
    entry.writeUInt32LE(0x02014b50, 0); head.copy(entry, 6, 4, 30); entry.writeUInt32LE(at, 42);
    central.push(entry, n); parts.push(head, n, data); at += 30 + n.length + data.length;
  }
  const dir = Buffer.concat(central), end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0); end.writeUInt16LE(central.length / 2, 8); end.writeUInt16LE(central.length / 2, 10);
  end.writeUInt32LE(dir.length, 12); end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, dir, end]);
};
const ns = 'xmlns="http://soap.sforce.com/2006/04/metadata"';
const object = field => zip({
  'package.xml': `<?xml version="1.0"?><Package ${ns}><types><members>Account</members><name>CustomObject</name></types><version>60.0</version></Package>`,
  'objects/Account.object': `<?xml version="1.0"?><CustomObject ${ns}><fields><fullName>${field}</fullName><label>L</label><type>Text</type><length>40</length></fields></CustomObject>`,
});
const meta = conn.metadata;
meta.pollInterval = 100;
const seen = out.metadata = {};
seen.kinds = (await meta.describe()).metadataObjects.map(o => o.xmlName);
seen.listed = (await meta.list([{ type: 'CustomField' }])).some(f => f.fullName === 'Account.ERP_Id__c' && f.type === 'CustomField');
const field = (name, more) => ({ fullName: name, label: 'Made by jsforce', type: 'Text', length: 30, ...more });
seen.object = (await meta.create('CustomObject', { fullName: 'Peer__c', label: 'Peer', pluralLabel: 'Peers', deploymentStatus: 'Deployed', sharingModel: 'ReadWrite', nameField: { type: 'Text', label: 'Name' } })).success;
const fields = await meta.create('CustomField', [field('Account.Peer_Key__c', { externalId: true, unique: true }), field('Account.Bad'), field('Nobody.X__c')]);
seen.fields = fields.map(f => f.success);
seen.why = fields.filter(f => !f.success).map(f => f.errors[0].statusCode);
seen.twice = (await meta.create('CustomField', field('Account.Peer_Key__c'))).errors[0].statusCode;
const read = await meta.read('CustomField', 'Account.Peer_Key__c');
seen.read = [read.type, read.length, read.externalId, read.unique];
seen.whole = (await meta.read('CustomObject', ['Account'])).map(o => o.fields.some(f => f.fullName === 'Peer_Key__c'));
seen.update = (await meta.update('CustomField', field('Account.No_Such__c'))).errors[0].statusCode;
seen.upsert = (await meta.upsert('CustomField', [field('Account.Peer_Key__c'), field('Account.Peer_Other__c')])).map(r => r.created);
const soap = await meta.deploy(object('Over_Soap__c'), { singlePackage: true }).complete(true);
seen.deploy = [soap.done, soap.success, soap.numberComponentsDeployed];
const bad = await meta.deploy(object('Bad'), { singlePackage: true }).complete(true);
seen.refused = [bad.success, bad.details.componentFailures[0].problem];
seen.rest = (await meta.deployRest(object('Over_Rest__c'), { singlePackage: true })).deployResult.success;
try { await meta.delete('CustomField', ['Account.Peer_Key__c']); } catch (e) { seen.absent = e.errorCode ?? e.name; }
const good = conn.accessToken;
conn.accessToken = 'gone'; conn._refreshDelegate = undefined;
try { await meta.describe(); } catch (e) { seen.session = /INVALID_SESSION_ID/.test(e.errorCode + e.name + e.message); }
conn.accessToken = good;
console.log(JSON.stringify(out));
process.exit(0);
