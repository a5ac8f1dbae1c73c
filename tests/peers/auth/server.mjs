// SPDX-License-Identifier: Apache-2.0
// Two peers on one port of loopback: oidc-provider, with clients for each way that a client proves itself, and under
// /jose what the library jose makes of our assertions (/jose/token) and tokens that it signs (/jose/sign, /jose/jwks).
// argv: JSON {port, keys: {RS256: jwk, ...}, tls: {port, key, cert, ca, self}}: our clients' public keys, and for mutual TLS the
// files of the server, of the authority that it knows, and the certificate (base64 DER) of the client that signs its own. Prints "ready".
import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';

const { port, keys, tls } = JSON.parse(process.argv[2]);
const base = `http://127.0.0.1:${port}`;
const { Provider } = await import('oidc-provider');
const jose = await import('jose');

// ---- oidc-provider ----
const machine = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope: 'api' };
const clients = [
  { client_id: 'basic', client_secret: 'secret with a space+&', token_endpoint_auth_method: 'client_secret_basic', ...machine },
  { client_id: 'post', client_secret: 'post-secret', token_endpoint_auth_method: 'client_secret_post', ...machine },
  ...Object.entries(keys).map(([alg, jwk]) => ({ client_id: `key-${alg}`, token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: alg, jwks: { keys: [jwk] }, ...machine })),
  { client_id: 'tls', token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=tieline', ...machine },
  { client_id: 'self', token_endpoint_auth_method: 'self_signed_tls_client_auth', ...machine,
    jwks: { keys: [{ ...new X509Certificate(Buffer.from(tls.self, 'base64')).publicKey.export({ format: 'jwk' }), x5c: [tls.self] }] } },
  { client_id: 'person', client_secret: 'person-secret', redirect_uris: ['http://127.0.0.1/callback'], application_type: 'native',
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] },
];
const provider = new Provider(base, {
  clients,
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false },
    resourceIndicators: { enabled: false },
    mTLS: { enabled: true, tlsClientAuth: true, selfSignedTlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
      certificateAuthorized: (ctx) => ctx.socket.authorized === true,
      certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_subject_dn'
        && ctx.socket.getPeerX509Certificate().subject === expected } },
  scopes: ['openid', 'offline_access', 'api'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: { AccessToken: 3, ClientCredentials: 600, RefreshToken: 3600, Grant: 3600, Interaction: 600, Session: 3600 },
  interactions: { url: (ctx, i) => `/interaction/${i.uid}` },
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'],
  enabledJWA: { clientAuthSigningAlgValues: Object.keys(keys) },
  cookies: { keys: ['a key of the tests'] },
});
let refused = 0; // refresh tokens that came a second time, and other refused grants
provider.on('grant.error', () => { refused += 1; });

async function agree(req, res) { // the person who says yes to everything
  const { prompt, params, session } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') return provider.interactionFinished(req, res, { login: { accountId: 'ann' } });
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

// ---- jose ----
const pairs = {};
for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA']) pairs[alg] = await jose.generateKeyPair(alg, { extractable: true });
const set = { keys: await Promise.all(Object.entries(pairs).map(async ([alg, p]) => ({ ...(await jose.exportJWK(p.publicKey)), kid: alg, alg, use: 'sig' }))) };
const seen = [];

async function token(form) { // RFC 7523: the assertion is the grant, or the client's proof
  const jwt = form.get('assertion') ?? form.get('client_assertion');
  const { alg } = jose.decodeProtectedHeader(jwt);
  const { payload, protectedHeader } = await jose.jwtVerify(jwt, await jose.importJWK(keys[alg], alg), { audience: `${base}/jose/token`,
    algorithms: Object.keys(keys), maxTokenAge: '5m', requiredClaims: ['iss', 'exp', 'jti'] });
  seen.push({ payload, alg: protectedHeader.alg, grant: form.get('grant_type') });
  return { access_token: 'token-of-jose', token_type: 'Bearer', expires_in: 600 };
}

async function mine(path, query, body) {
  if (path === '/jose/jwks') return set;
  if (path === '/jose/seen') return { seen, refused };
  if (path === '/jose/token') return token(new URLSearchParams(body));
  const alg = query.get('alg');
  const jwt = new jose.SignJWT({ sub: 'billing' }).setIssuer(base).setAudience('us').setIssuedAt();
  if (!query.has('no_exp')) jwt.setExpirationTime(query.get('exp') ?? '5m');
  if (alg === 'HS256') // the public key, as if it were a shared secret
    return { token: await jwt.setProtectedHeader({ alg, kid: 'RS256' }).sign(new TextEncoder().encode(await jose.exportSPKI(pairs.RS256.publicKey))) };
  if (alg === 'none') return { token: new jose.UnsecuredJWT({ sub: 'billing' }).setIssuer(base).setAudience('us').setExpirationTime('5m').encode() };
  return { token: await jwt.setProtectedHeader({ alg, kid: alg, typ: 'JWT' }).sign(pairs[alg].privateKey) };
}

const served = async (req, res) => {
  const { pathname, searchParams } = new URL(req.url, base);
  try {
    if (pathname.startsWith('/interaction/')) return await agree(req, res);
    if (!pathname.startsWith('/jose/')) return provider.callback()(req, res);
    let body = '';
    for await (const piece of req) body += piece;
    res.setHeader('content-type', 'application/json').end(JSON.stringify(await mine(pathname, searchParams, body)));
  } catch (e) {
    res.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error: 'invalid_grant', error_description: String(e) }));
  }
};
// A certificate is asked for and looked at by the provider: the TLS layer alone cannot know a self-signed one.
https.createServer({ key: fs.readFileSync(tls.key), cert: fs.readFileSync(tls.cert), ca: fs.readFileSync(tls.ca), requestCert: true,
  rejectUnauthorized: false }, served).listen(tls.port, '127.0.0.1', () => http.createServer(served).listen(port, '127.0.0.1', () => console.log('ready')));
