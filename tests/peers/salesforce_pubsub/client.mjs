// SPDX-License-Identifier: Apache-2.0
// What an integration does with salesforce-pubsub-api-client: node client.mjs URL PUBSUB_HOST:PORT; prints what it got as JSON.
import PubSubApiClient from 'salesforce-pubsub-api-client';

const [base, endpoint] = process.argv.slice(2);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const out = {};
const form = { grant_type: 'client_credentials', client_id: 'tieline-demo', client_secret: 'demo-secret' };
const token = await (await fetch(base + '/services/oauth2/token', { method: 'POST', body: new URLSearchParams(form) })).json();
const org = token.id.split('/').at(-2);

async function rest(method, path, body) {
  const headers = { Authorization: 'Bearer ' + token.access_token, 'Content-Type': 'application/json' };
  const r = await fetch(base + '/services/data/v60.0' + path, { method, headers, body: JSON.stringify(body) });
  return r.status === 204 ? null : r.json();
}

async function connect(accessToken) {
  const client = new PubSubApiClient({
    authType: 'user-supplied', accessToken, instanceUrl: base, organizationId: org, pubSubEndpoint: endpoint,
    rejectUnauthorizedSsl: false }, quiet);
  await client.connect();
  return client;
}

// n events, or what the stream ended with; a client of its own, since one has one stream a topic
async function take(subscribe, n, accessToken = token.access_token) {
  const client = await connect(accessToken);
  const got = await new Promise((ok, no) => {
    const events = [];
    setTimeout(() => no(new Error('no events')), 20000).unref();
    subscribe(client, (subscription, type, data) => {
      if (type === 'event' && events.push(data) === n) ok(events);
      if (type === 'error') ok({ error: data });
    });
  });
  client.close();
  return got;
}

const a = await rest('POST', '/sobjects/Account', { Name: 'a', Phone: '1', AnnualRevenue: 7 });
await rest('PATCH', '/sobjects/Account/' + a.id, { Name: 'b', Phone: null });
const channel = '/data/AccountChangeEvent';
const changes = await take((client, cb) => client.subscribeFromEarliestEvent(channel, cb, 2), 2);
out.types = changes.map(e => e.payload.ChangeEventHeader.changeType);
out.names = changes.map(e => e.payload.Name?.string ?? e.payload.Name);
out.revenue = changes[0].payload.AnnualRevenue?.double ?? changes[0].payload.AnnualRevenue;
out.changed = changes[1].payload.ChangeEventHeader.changedFields;
out.nulled = changes[1].payload.ChangeEventHeader.nulledFields;
const rest_ = await take((client, cb) => client.subscribeFromReplayId(channel, cb, 1, changes[0].replayId), 1);
out.behind = rest_[0].replayId === changes[1].replayId;

const publisher = await connect(token.access_token);
const published = await publisher.publish('/event/Order_Placed__e', {
  CreatedDate: Date.now(), CreatedById: '0055i000000UsErAAK', Order_Number__c: { string: '4711' }, Amount__c: { double: 2.5 },
  Status__c: null });
out.published = typeof published.replayId;
const order = (await take((client, cb) => client.subscribeFromEarliestEvent('/event/Order_Placed__e', cb, 1), 1))[0];
out.order = [order.payload.Order_Number__c?.string ?? order.payload.Order_Number__c, order.replayId === published.replayId];
const batch = ['a', 'b'].map(n => ({ payload: {
  CreatedDate: Date.now(), CreatedById: '0055i000000UsErAAK', Order_Number__c: { string: n }, Amount__c: null, Status__c: null } }));
out.batch = (await new Promise(ok => publisher.publishBatch('/event/Order_Placed__e', batch,
  (info, type, data) => type === 'publishResponse' && ok(data)))).results.length;
publisher.close();

const lost = await take((client, cb) => client.subscribeFromReplayId(channel, cb, 1, 999999), 1);
out.lost = [lost.error?.code, lost.error?.metadata?.get?.('error-code')?.[0]];
const refused = await take((client, cb) => client.subscribe(channel, cb, 1), 1, '00D5i000000SiMu!nobody');
out.refused = refused.error?.code;
console.log(JSON.stringify(out));
process.exit(0);
