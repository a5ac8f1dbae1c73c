// SPDX-License-Identifier: Apache-2.0
// The senders' own libraries: `sign NAME` prints headers for a body, `check NAME` says whether headers are good for one. The
// request comes as JSON on standard input: {secret, body, url, id, headers}.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
let text = '';
for await (const piece of process.stdin) text += piece;
const { secret, body, url, id, headers = {} } = JSON.parse(text);
const raw = (text) => ({ 'Content-Type': 'application/json', ...text });

async function sign(name) {
  if (name === 'stripe') {
    const { default: Stripe } = await import('stripe');
    return raw({ 'Stripe-Signature': await new Stripe('sk_test_none').webhooks.generateTestHeaderStringAsync({ payload: body, secret }) });
  }
  if (name === 'github') {
    const { sign } = await import('@octokit/webhooks-methods');
    return raw({ 'X-Hub-Signature-256': await sign(secret, body), 'X-GitHub-Delivery': id, 'X-GitHub-Event': 'push' });
  }
  if (name === 'standard_webhooks' || name === 'svix') {
    const { Webhook } = await import(name === 'svix' ? 'svix' : 'standardwebhooks');
    const prefix = name === 'svix' ? 'svix' : 'webhook';
    const at = new Date();
    return raw({ [`${prefix}-id`]: id, [`${prefix}-timestamp`]: String(Math.floor(at / 1000)),
      [`${prefix}-signature`]: new Webhook(secret).sign(id, at, body) });
  }
  const { default: twilio } = await import('twilio'); // a form: names and values are signed with the address
  const form = Object.fromEntries(new URLSearchParams(body));
  return { 'Content-Type': 'application/x-www-form-urlencoded', 'X-Twilio-Signature': twilio.getExpectedTwilioSignature(secret, url, form) };
}

async function check(name) {
  if (name === 'slack') {
    const { default: bolt } = await import('@slack/bolt');
    bolt.verifySlackRequest({ signingSecret: secret, body,
      headers: { 'x-slack-signature': headers['x-slack-signature'], 'x-slack-request-timestamp': Number(headers['x-slack-request-timestamp']) } });
    return true;
  }
  if (name === 'square') {
    const { WebhooksHelper } = await import('square');
    return WebhooksHelper.verifySignature({ requestBody: body, signatureHeader: headers['x-square-hmacsha256-signature'], signatureKey: secret,
      notificationUrl: url });
  }
  if (name === 'shopify') {
    require('@shopify/shopify-api/adapters/node');
    const { shopifyApi, ApiVersion, LogSeverity } = require('@shopify/shopify-api');
    const shop = shopifyApi({ apiSecretKey: secret, apiKey: 'key', hostName: 'hooks.example.com', apiVersion: ApiVersion.October26, isEmbeddedApp: false,
      scopes: [], logger: { level: LogSeverity.Error } });
    const full = { 'x-shopify-topic': 'orders/create', 'x-shopify-api-version': '2026-10', 'x-shopify-shop-domain': 'a.myshopify.com',
      'x-shopify-webhook-id': '1', ...headers };
    const result = await shop.webhooks.validate({ rawBody: body, rawRequest: { method: 'POST', url: '/', headers: full }, rawResponse: {} });
    return result.valid;
  }
  if (name === 'stripe') {
    const { default: Stripe } = await import('stripe');
    return !!new Stripe('sk_test_none').webhooks.constructEvent(body, headers['stripe-signature'], secret);
  }
  if (name === 'github') return (await import('@octokit/webhooks-methods')).verify(secret, body, headers['x-hub-signature-256']);
  const { Webhook } = await import(name === 'svix' ? 'svix' : 'standardwebhooks');
  new Webhook(secret).verify(body, headers);
  return true;
}

const [what, name] = process.argv.slice(2);
let answer;
try {
  answer = await (what === 'sign' ? sign(name) : check(name));
} catch (e) {
  if (what === 'sign' || e instanceof TypeError) throw e;
  answer = false; // these libraries throw for a signature that does not match
}
process.stdout.write(JSON.stringify(answer));
