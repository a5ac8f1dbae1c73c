// SPDX-License-Identifier: Apache-2.0
// A Bayeux server that no one here wrote, with a token endpoint beside it: node faye.mjs PORT
import http from 'node:http';
import faye from 'faye';

const bayeux = new faye.NodeAdapter({ mount: '/cometd', timeout: 3 });
const server = http.createServer((req, res) => {
  if (req.url === '/services/oauth2/token') {
    res.setHeader('Content-Type', 'application/json');
    res.end(JSON.stringify({ access_token: 'faye-token', token_type: 'Bearer', instance_url: `http://${req.headers.host}` }));
    return;
  }
  res.statusCode = 404;
  res.end('[]');
});
bayeux.attach(server);
let n = 0;
setInterval(() => {
  n += 1;
  bayeux.getClient().publish('/event/Order_Placed__e', { payload: { Order_Number__c: `${n}` }, event: { replayId: n, EventUuid: `u${n}` } });
}, 100);
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
