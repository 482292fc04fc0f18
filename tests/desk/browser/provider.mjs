// Somebody who signs in at a real OpenID provider (oidc-provider on loopback), with the code flow and PKCE.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { SHELL } from '../../../src/desk/pages/assets/text.js';
import { newWindow, screenshot } from './browser.mjs';
import { startServer } from './server.mjs';

const PACKAGE = resolve('.cache/oidc-provider');
const ACCOUNT = 'o-17';
const FONTS = 'https://fonts.googleapis.com';

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function startProvider(redirect) {
  const child = spawn('node', ['tests/access/provider.mjs', PACKAGE], { stdio: ['pipe', 'pipe', 'ignore'] });
  const people = { [ACCOUNT]: { roles: ['officer'], unit: 'Q1', province: '79' } };
  child.stdin.write(`${JSON.stringify({ clients: {}, desk: { redirect, people, seconds: 3600 } })}\n`);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { issuer } = JSON.parse((await lines.next()).value);
  const ended = new Promise((done) => child.on('exit', done));
  return { issuer, stop: () => (child.stdin.end(), ended) };
}

export function providerScenarios(scenario) {
  scenario('sign-in: at a provider, again after the session is over, and out of both', async (world, test) => {
    if (!(await stat(PACKAGE).catch(() => null))) {
      console.log('SKIPPED: no OpenID provider: scripts/setup fetches it where node and npm are');
      return test.skip();
    }
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const provider = await startProvider(`${url}/desk/callback`);
    const folder = join(world.folder, 'oidc');
    await mkdir(folder);
    await cp(join(world.folder, 'cards'), join(folder, 'cards'), { recursive: true });
    await writeFile(join(folder, 'secret'), 'test\n', { mode: 0o600 });
    const configuration = `
[access.tokens]
issuer = "${provider.issuer}"
audience = "chinhchu"

[desk]
address = "${url}"

[desk.sign_in]
client_id = "desk"
client_secret = "secret"
resource = "urn:chinhchu:ES256"
`;
    const server = await startServer(folder, configuration, `127.0.0.1:${port}`);
    // The provider's own page of signing out wants a font.
    const window = await newWindow(world.browser, url, { origins: [provider.issuer, FONTS] });
    await window.context.route(`${FONTS}/**`, (route) => route.abort());
    try {
      const page = await window.context.newPage();
      const asked = [];
      page.on('request', (request) => asked.push(request.url()));
      await page.goto(`${url}/desk/officer#pairs`);
      await page.locator('main a[href^="/desk/login"]').click();
      await page.fill('input[name=account]', ACCOUNT);
      await page.getByRole('button').click();
      // What was asked for stands behind #, which neither the provider nor the way back knows of.
      await page.waitForURL(`${url}/desk/officer#pairs`);
      await page.locator('header', { hasText: ACCOUNT }).waitFor();
      await page.getByRole('link', { name: 'Chờ xử lý' }).click();
      await page.locator('main').getByText('Không có trường hợp nào đang chờ.').waitFor();
      const begun = new URL(asked.find((one) => one.startsWith(provider.issuer)));
      assert.equal(begun.searchParams.get('code_challenge_method'), 'S256');
      // The browser has a cookie of this server, and no token.
      const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
      assert.doesNotMatch(kept, /eyJ/);

      await window.context.clearCookies({ domain: '127.0.0.1', name: 'chinhchu-desk' });
      await page.getByRole('button', { name: 'Tải lại' }).click();
      const cover = page.locator('dialog', { hasText: SHELL.expiredTitle.vi });
      await cover.waitFor();
      // The provider still knows the person: the new tab comes back by itself.
      await cover.getByRole('link').click();
      await cover.waitFor({ state: 'detached' });
      await page.locator('main').getByText('Không có trường hợp nào đang chờ.').waitFor();
      await screenshot(page, 'officer-by-provider');

      await page.getByRole('button', { name: SHELL.signOut.vi }).click();
      await page.waitForURL((address) => address.origin === provider.issuer);
      const me = await window.context.request.get(`${url}/desk/me`);
      assert.equal(me.status(), 401);
      assert.equal((await me.json()).signIn, 'oidc');
      await window.close();
    } finally {
      await server.stop();
      await provider.stop();
    }
  });
}
