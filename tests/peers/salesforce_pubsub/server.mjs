// SPDX-License-Identifier: Apache-2.0
// A Pub/Sub API on @grpc/grpc-js, with the messages and the Avro library that salesforce-pubsub-api-client brings along, for
// our client to listen to: node server.mjs; prints its port. Each stream is broken off after 40 events; numbers run on.
import fs from 'node:fs';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import avro from 'avro-js';

const there = 'node_modules/salesforce-pubsub-api-client/';
const proto = loader.loadSync(there + fs.readdirSync(there).find(f => f.endsWith('.proto')), {});
const { PubSub } = grpc.loadPackageDefinition(proto).eventbus.v1;
const schema = {
  type: 'record', name: 'Order_Placed__e', namespace: 'com.sforce.eventbus', fields: [
    { name: 'CreatedDate', type: 'long', doc: 'CreatedDate:DateTime' },
    { name: 'CreatedById', type: 'string' },
    { name: 'Order_Number__c', type: ['null', 'string'], default: null },
    { name: 'Lines', type: { type: 'array', items: { type: 'map', values: 'double' } } }] };
const type = avro.parse(schema);
const LAST = 200;
const seen = { subscriptions: 0, most: 0 };

function replayOf(n) { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b; }
function refused(call) {
  return ['accesstoken', 'instanceurl', 'tenantid'].every(k => call.metadata.get(k).length === 1) ? null
    : Object.assign(new Error('who is it?'), { code: grpc.status.UNAUTHENTICATED });
}
function event(n) {
  const payload = type.toBuffer({
    CreatedDate: 1700000000000, CreatedById: '005', Order_Number__c: { string: String(n) }, Lines: [{ a: n / 2 }, {}] });
  return { event: { id: 'id-' + n, schemaId: 's1', payload }, replayId: replayOf(n) };
}
function subscribe(call) {
  let next = 0, credit = 0, sent = 0;
  const bad = refused(call);
  if (bad) return call.emit('error', bad);
  seen.subscriptions++;
  call.on('data', q => {
    if (!next) next = q.replayPreset === 'CUSTOM' || q.replayPreset === 2 ? Number(q.replayId.readBigUInt64BE()) + 1 : 1;
    credit += q.numRequested;
    seen.most = Math.max(seen.most, credit);
    while (credit > 0 && next <= LAST && sent < 40) {
      const events = [];
      for (; events.length < 7 && credit > 0 && next <= LAST && sent < 40; credit--, sent++) events.push(event(next++));
      call.write({ events, latestReplayId: replayOf(next - 1), rpcId: 'r', pendingNumRequested: credit });
    }
    if (sent >= 40) call.emit('error', Object.assign(new Error('maintenance'), { code: grpc.status.UNAVAILABLE }));
  });
  call.on('end', () => call.end());
}
const server = new grpc.Server();
server.addService(PubSub.service, {
  Subscribe: subscribe,
  GetTopic: (call, done) => done(refused(call), { topicName: call.request.topicName, canSubscribe: true, schemaId: 's1' }),
  GetSchema: (call, done) => done(refused(call), { schemaJson: JSON.stringify(schema), schemaId: call.request.schemaId }) });
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (err, port) => { console.log(port); });
process.on('SIGTERM', () => { console.log(JSON.stringify(seen)); process.exit(0); });
