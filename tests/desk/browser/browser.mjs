// Chromium for the tests, and what holds on every page: no request leaves the server, nothing is refused by
// the content security policy, and no script fails.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const PACKAGES = resolve('.cache/desk-browser/node_modules');
const { chromium } = await import(pathToFileURL(join(PACKAGES, 'playwright-core/index.mjs')));
const axePath = createRequire(import.meta.url).resolve(join(PACKAGES, 'axe-core/axe.min.js'));
// Pages that are not built into the program yet, for work on them: a folder such as src/desk/pages.
const PAGES = process.env.CHINHCHU_DESK_PAGES && resolve(process.env.CHINHCHU_DESK_PAGES);
const TYPES = { '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };
const SCREENSHOTS = resolve(process.env.CHINHCHU_SCREENSHOTS ?? 'target/desk-screenshots');
// Longest wait for anything a page is to show: decisions of a debug build take seconds.
const WAIT_MS = 30_000;

export async function launch(cameraFile, more = {}) {
  return chromium.launch({
    ...more,
    executablePath: process.env.CHROMIUM,
    // As root, in a container, the sandbox cannot be set up.
    chromiumSandbox: process.getuid() !== 0,
    args: [
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-video-capture=${cameraFile}`,
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-domain-reliability',
      '--no-first-run',
      '--no-pings',
    ],
  });
}

// A browser of one person: its own cookies, a camera that is allowed, and watched requests.
export async function newWindow(browser, url, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1366, height: 768 },
    locale: 'vi-VN',
    permissions: options.camera === false ? [] : ['camera'],
    ...options.context,
  });
  context.setDefaultTimeout(WAIT_MS);
  if (PAGES) await context.route(/\/desk\/(?:officer|assets\/[\w.-]+)?(?:[?#].*)?$/, fromFolder);
  const seen = { requests: [], foreign: [], errors: [] };
  const allowed = [new URL(url).origin, ...(options.origins ?? [])];
  context.on('request', (request) => {
    const to = new URL(request.url());
    if (!['http:', 'https:', 'ws:', 'wss:'].includes(to.protocol)) return;
    seen.requests.push(request.url());
    if (!allowed.includes(to.origin)) seen.foreign.push(request.url());
  });
  context.on('weberror', (error) => seen.errors.push(String(error.error())));
  context.on('console', (message) => {
    const text = message.text();
    if (/Content Security Policy|TrustedHTML|TrustedScript|Permissions policy violation/i.test(text)) seen.errors.push(text);
  });
  return {
    context,
    seen,
    // Ends the window; fails where a page asked another host, broke its policy or had an error.
    async close() {
      await context.close();
      assert.deepEqual(seen.foreign, [], 'no request goes to another host');
      if (!options.errorsExpected) assert.deepEqual(seen.errors, [], 'no script error and no breach of the policy');
    },
  };
}

// The server's answer with its headers, and the file of the folder in it.
async function fromFolder(route) {
  const { pathname } = new URL(route.request().url());
  const file = { '/desk/': 'desk.html', '/desk/officer': 'officer.html' }[pathname] ?? pathname.replace('/desk/', '');
  const response = await route.fetch({ maxRedirects: 0 });
  const isPage = response.status() === 200 || pathname.startsWith('/desk/assets/');
  if (!isPage) return route.fulfill({ response });
  // A file that the program does not have yet comes with the headers of its "not found".
  const contentType = response.status() === 404 ? TYPES[extname(file)] : undefined;
  return route.fulfill({ response, status: 200, contentType, body: await readFile(join(PAGES, file)) });
}

export async function screenshot(page, name) {
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

const axe = await readFile(axePath, 'utf8');

// Fails where axe-core finds a serious barrier on the page as it is.
export async function noBarriers(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    });
    return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 5).map((node) => `${node.html} :: ${node.failureSummary}`) }));
  });
  const grave = found.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(grave, [], `${what}: axe-core finds nothing serious`);
}

// Nothing is wider than the window: no scrolling in two directions.
export async function fits(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${what}: the page is ${over} px wider than the window`);
}
