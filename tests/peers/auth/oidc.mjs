// SPDX-License-Identifier: Apache-2.0
// An identity provider for the console's sign-in: oidc-provider, where /as?account=NAME says who comes next, and under /forge
// an issuer of our own (jose) whose ID token is wrong in the way that /forge/mode?m=... says. argv: JSON {port, callback}.
import http from 'node:http';

const { port, callback } = JSON.parse(process.argv[2]);
const base = `http://localhost:${port}`;
const { Provider } = await import('oidc-provider');
const jose = await import('jose');

const people = {
  ann: { email: 'ann@example.com', email_verified: true, groups: ['staff', 'ops'] },
  bob: { email: 'bob@example.com', email_verified: true, groups: ['staff'] },
  eve: { email: 'eve@example.com', email_verified: false, groups: ['marketing'] },
  joe: { email: 'joe@example.com', email_verified: true },
};
let account = 'ann';
const provider = new Provider(base, {
  clients: [{ client_id: 'tieline', client_secret: 'the secret of the client', redirect_uris: [callback], grant_types: ['authorization_code'],
    response_types: ['code'], token_endpoint_auth_method: 'client_secret_basic' }],
  features: { devInteractions: { enabled: false } },
  claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: [] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  interactions: { url: (ctx, i) => `/interaction/${i.uid}` },
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, ...people[id] }) }),
  cookies: { keys: ['a key of the tests'] },
});

async function agree(req, res) {
  const { prompt, params, session } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') return provider.interactionFinished(req, res, { login: { accountId: account } });
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

// ---- the forger ----
const issuer = `${base}/forge`;
let { privateKey, publicKey } = await jose.generateKeyPair('RS256', { extractable: true });
let kid = 'k1', mode = '', nonce = '', asked = 0;
const stranger = (await jose.generateKeyPair('RS256')).privateKey;

async function idToken() {
  const jwt = new jose.SignJWT({ nonce: mode === 'nonce' ? 'another' : nonce, groups: ['ops'], email: 'ann@example.com', ...(mode === 'azp' ? { azp: 'another' } : {}) })
    .setIssuer(mode === 'iss' ? `${base}/other` : issuer).setSubject(mode === 'sub' ? '' : 'ann')
    .setAudience(mode === 'aud' ? 'another' : mode === 'several' ? ['tieline', 'another'] : 'tieline')
    .setIssuedAt(mode === 'old' ? '-2h' : undefined).setExpirationTime(mode === 'exp' ? '-10m' : '5m');
  if (mode === 'none')
    return new jose.UnsecuredJWT({ nonce, groups: ['ops'] }).setIssuer(issuer).setSubject('ann').setAudience('tieline').setIssuedAt().setExpirationTime('5m').encode();
  if (mode === 'hmac')
    return jwt.setProtectedHeader({ alg: 'HS256', kid }).sign(new TextEncoder().encode(await jose.exportSPKI(publicKey)));
  return jwt.setProtectedHeader({ alg: 'RS256', kid }).sign(mode === 'key' ? stranger : privateKey);
}

async function forge(path, query, body, res) {
  const json = (v, status = 200) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(v));
  if (path === '/.well-known/openid-configuration')
    return json({ issuer: mode === 'mixup' ? base : issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`,
      ...(mode === 'silent' ? { authorization_response_iss_parameter_supported: true } : {}) });
  if (path === '/jwks') return json({ keys: [{ ...(await jose.exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' }] });
  if (path === '/mode') {
    mode = query.get('m');
    if (mode === 'rotated') {
      ({ privateKey, publicKey } = await jose.generateKeyPair('RS256', { extractable: true }));
      kid = 'k2';
    }
    return json({ asked });
  }
  if (path === '/auth') {
    nonce = query.get('nonce');
    const back = new URL(query.get('redirect_uri'));
    if (mode === 'denied') back.searchParams.set('error', 'access_denied');
    else back.searchParams.set('code', 'a-code');
    back.searchParams.set('state', mode === 'state' ? 'another' : query.get('state'));
    if (mode === 'issuer') back.searchParams.set('iss', `${base}/other`);
    return res.writeHead(302, { location: back.href }).end();
  }
  asked += 1;
  if (mode === 'client') return json({ error: 'invalid_client' }, 401);
  return json({ access_token: 'an-access-token', token_type: 'Bearer', expires_in: 60, ...(mode === 'no-id' ? {} : { id_token: await idToken() }) });
}

http.createServer(async (req, res) => {
  const { pathname, searchParams } = new URL(req.url, base);
  if (pathname === '/as') {
    account = searchParams.get('account');
    return res.end('ok');
  }
  if (pathname.startsWith('/interaction/')) return agree(req, res);
  if (!pathname.startsWith('/forge/')) return provider.callback()(req, res);
  let body = '';
  for await (const piece of req) body += piece;
  return forge(pathname.slice(6), searchParams, body, res);
}).listen(port, '127.0.0.1', () => console.log('ready'));
