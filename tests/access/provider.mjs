// An OpenID provider on loopback for the tests: oidc-provider, with clients and claims that the
// test names, and a few addresses of its own under /test/.
//
//   node provider.mjs FOLDER      the folder that scripts/setup put oidc-provider into
//
// On standard input, one line: {"clients": {"ID": {"roles": ["officer"], "unit": "u", "province": "p"}}},
// and, if wanted, "port", "issuer" (to pose as another, or behind TLS) and "kids" (how ids of keys begin);
// "desk": {"redirect": "http://…/desk/callback", "people": {"ID": {claims}}, "seconds": 3600} for the client `desk` (secret
// `test`), whose people sign in with a browser by naming themselves.
// Prints {"issuer": "http://127.0.0.1:PORT"} and ends when its standard input does.
//
//   POST /test/rotate             other keys; those before are withdrawn
//   POST /test/answers            what an address answers in place of the provider's own:
//                                 {"/jwks": {"status": 302, "headers": {...}, "body": "..."}}
//   POST /test/sign               signs {"header": {...}, "claims": {...}} by the key of header.alg
//   POST /test/asked              how often each address was asked since the start

import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const folder = resolve(process.argv[2]);
const { Provider } = await import(pathToFileURL(join(folder, 'node_modules/oidc-provider/lib/index.js')));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const options = JSON.parse((await lines.next()).value);

const kinds = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
  RS256: ['rsa', { modulusLength: 2048 }],
};

let keys;
let provider;
let answers = {};
const asked = {};

function key(alg, kid) {
  const [kind, size] = kinds[alg];
  const { privateKey } = generateKeyPairSync(kind, size);
  return { jwk: { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid }, privateKey };
}

function machine(client_id) {
  return { client_id, client_secret: 'test', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
}

function desk({ redirect }) {
  return {
    client_id: 'desk',
    client_secret: 'test',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [redirect],
    response_types: ['code'],
  };
}

function start() {
  const name = options.kids ?? randomUUID();
  keys = Object.fromEntries(Object.keys(kinds).map((alg) => [alg, key(alg, `${name}-${alg}`)]));
  provider = new Provider(issuer, {
    jwks: { keys: Object.values(keys).map(({ jwk }) => jwk) },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
    clients: [...Object.keys(options.clients).map(machine), ...(options.desk ? [desk(options.desk)] : [])],
    extraTokenClaims: (_, token) => options.desk?.people[token.accountId] ?? options.clients[token.clientId],
    findAccount: (_, id) => (options.desk?.people[id] ? { accountId: id, claims: () => ({ sub: id }) } : undefined),
    interactions: { url: (_, { uid }) => `/test/sign-in/${uid}` },
    issueRefreshToken: () => true,
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
    cookies: { keys: ['of a test'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        // urn:AUDIENCE:ALG
        getResourceServerInfo: (_, resource) => {
          const [, audience, alg] = resource.split(':');
          return { scope: '', audience, accessTokenTTL: options.desk?.seconds ?? 3600, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
        },
      },
    },
  });
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return parts.length ? JSON.parse(Buffer.concat(parts)) : {};
}

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed({ header, claims }) {
  const { jwk, privateKey } = keys[header.alg];
  const message = `${encoded({ typ: 'at+jwt', kid: jwk.kid, ...header })}.${encoded(claims)}`;
  const digest = header.alg === 'EdDSA' ? null : 'sha256';
  const signature = sign(digest, Buffer.from(message), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${message}.${signature.toString('base64url')}`;
}

const own = {
  '/test/rotate': async () => start(),
  '/test/answers': async (request) => {
    answers = await body(request);
  },
  '/test/sign': async (request) => signed(await body(request)),
  '/test/asked': async () => JSON.stringify(asked),
};

// What a person sees who signs in with a browser: a form, and back.
async function signIn(request, response) {
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end('<form method="post"><label>Account <input name="account"></label><button>Sign in</button></form>');
    return;
  }
  const parts = [];
  for await (const part of request) parts.push(part);
  const accountId = new URLSearchParams(Buffer.concat(parts).toString()).get('account');
  await provider.interactionFinished(request, response, { login: { accountId } });
}

const server = createServer(async (request, response) => {
  try {
    if (request.url.startsWith('/test/sign-in/')) {
      await signIn(request, response);
      return;
    }
    const answer = own[request.url];
    if (answer) {
      response.end((await answer(request)) ?? '');
      return;
    }
    asked[request.url] = (asked[request.url] ?? 0) + 1;
    const other = answers[request.url];
    if (other) {
      response.writeHead(other.status ?? 200, other.headers ?? {});
      response.end(other.body ?? '');
      return;
    }
    await provider.callback()(request, response);
  } catch (error) {
    response.writeHead(500);
    response.end(String(error));
  }
});

let issuer;
server.listen(options.port ?? 0, '127.0.0.1', () => {
  issuer = options.issuer ?? `http://127.0.0.1:${server.address().port}`;
  start();
  console.log(JSON.stringify({ issuer: `http://127.0.0.1:${server.address().port}` }));
});

while (!(await lines.next()).done);
process.exit(0);
