// What somebody may try who wants more than their role, or somebody else's session.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';

import { PEOPLE } from './server.mjs';

const OFFICER = '/desk/officer';
const MARKUP = '<img/src=x/onerror=window.pwned=1>';
// More than a form may have (docs/json.md).
const LARGE_BYTES = 95_000_000;
const COOKIE = 'chinhchu-desk';

// A site of somebody else, on another port of loopback. Gives its address and an end.
async function otherSite(pages) {
  const server = createServer((asked, answer) => {
    answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    answer.end(pages[asked.url] ?? '');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://localhost:${server.address().port}`, close: () => new Promise((done) => server.close(done)) };
}

// A request whose path goes out as it is written: browsers and fetch would tidy it up first.
function raw(url, { method = 'GET', path, headers = {}, body = '' }) {
  const { hostname, port } = new URL(url);
  return new Promise((done, failed) => {
    const sent = request({ hostname, port, method, path, headers }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString('utf8') }));
    });
    sent.on('error', failed);
    sent.end(body);
  });
}

export function attackScenarios(scenario) {
  scenario('attack: markup in ids and reasons stays text', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = `${MARKUP}${world.transaction('x')}`;
    const subject = `"><script>window.pwned=1</script>`;
    await world.decide(clerk, transaction, { subject, card: null, record: { name: `${MARKUP}`, number: '' } });
    const { window, page } = await world.signedIn('officer', OFFICER);
    await page.locator('.case-link', { hasText: transaction }).click();
    await page.getByRole('heading', { level: 1, name: transaction }).waitFor();
    await page.getByText(subject).first().waitFor();
    const form = page.locator('form', { has: page.locator('input[name=outcome]') });
    await form.locator('input[value=OUTCOME_DENY]').check();
    await form.locator('textarea').fill(`${MARKUP}<svg onload=window.pwned=1>`);
    await form.locator('button[type=submit]').click();
    await page.locator('dialog').getByText('<svg onload', { exact: false }).waitFor();
    await page.locator('dialog button.primary').click();
    await page.locator('.said', { hasText: '<svg onload' }).waitFor();
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
    assert.equal(await page.locator('main img, main svg, main script').count(), 0);
    // An address made by somebody else.
    await page.goto(`${world.url}${OFFICER}#case/${encodeURIComponent(MARKUP)}`);
    await page.getByText(MARKUP).first().waitFor();
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
    await window.close();
  });

  scenario('attack: no call without the token of the session, and none from another site', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('csrf');
    await world.decide(clerk, transaction, { subject: 'record-c', card: null });
    const officer = await world.caller('officer');
    const message = { transactionId: transaction, outcome: 'OUTCOME_APPROVE', reason: 'x' };
    const own = { cookie: officer.cookie, origin: world.url, 'x-csrf-token': officer.me.csrfToken };
    for (const changed of [
      { 'x-csrf-token': '' }, { 'x-csrf-token': clerk.me.csrfToken }, { cookie: '' },
      // Even with the token.
      { origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' },
    ]) {
      const { status } = await officer.call('Beneficiary/ResolveReferral', message, null, { ...own, ...changed });
      assert.ok(status === 401 || status === 403, `${JSON.stringify(changed)}: ${status}`);
    }

    // Nobody is signed in as somebody else by a form of another site.
    const planted = await raw(world.url, {
      method: 'POST', path: '/desk/test-login', body: `person=${PEOPLE.clerk.id}&next=/desk/`,
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    });
    assert.deepEqual([planted.status, planted.headers['set-cookie']], [403, undefined]);
    // Nor does a sign-in lead to another site.
    const led = await raw(world.url, {
      method: 'POST', path: '/desk/test-login', body: `person=${PEOPLE.clerk.id}&next=${encodeURIComponent('//evil.example/desk/')}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    assert.doesNotMatch(led.headers.location ?? '', /evil/);

    // The same in a browser: a form, a fetch and a sign-out of another site.
    const address = `${world.url}/chinhchu.v1.Beneficiary/ResolveReferral`;
    const site = await otherSite({
      '/': `<!doctype html><title>x</title><form id="f" method="post" enctype="text/plain" action="${address}"><input name='${JSON.stringify(message).slice(0, -1)},"a":"' value='"}'></form>`,
    });
    const { window, page } = await world.signedIn('officer', OFFICER);
    const evil = await window.context.newPage();
    await evil.goto(`${site.url}/`);
    const outcomes = await evil.evaluate(async ({ url, address: to, message: body }) => {
      const tried = [];
      for (const [path, options] of [
        [to, { method: 'POST', body, credentials: 'include', headers: { 'content-type': 'application/json' } }],
        [to, { method: 'POST', body, credentials: 'include', mode: 'no-cors' }],
        [`${url}/desk/me`, { credentials: 'include' }],
        [`${url}/desk/logout`, { method: 'POST', credentials: 'include', mode: 'no-cors' }],
      ]) {
        tried.push(await fetch(path, options).then((answer) => `${answer.type} ${answer.status}`, () => 'refused'));
      }
      return tried;
    }, { url: world.url, address, message: JSON.stringify(message) });
    assert.deepEqual([outcomes[0], outcomes[2]], ['refused', 'refused'], 'nothing of an answer is read by another site');
    await evil.evaluate(() => document.getElementById('f').submit());
    await evil.waitForLoadState();
    assert.deepEqual((await clerk.call('Cases/GetDecision', { transactionId: transaction })).body.decision.officerAnswers ?? [], []);
    await page.reload();
    await page.getByRole('heading', { name: 'Trường hợp chờ cán bộ' }).waitFor();
    await site.close();
    await window.context.close();
  });

  scenario('attack: no page of this server stands in a frame of another site', async (world) => {
    const site = await otherSite({
      '/': `<!doctype html><title>x</title><iframe src="${world.url}/desk/"></iframe><iframe src="${world.url}/desk/officer"></iframe><iframe src="${world.url}/desk/login"></iframe>`,
    });
    const window = await world.window({ errorsExpected: true, origins: [site.url] });
    const page = await window.context.newPage();
    const refused = [];
    page.on('requestfailed', (asked) => refused.push(`${new URL(asked.url()).pathname} ${asked.failure().errorText}`));
    await page.goto(`${site.url}/`, { waitUntil: 'load' });
    await page.waitForTimeout(300);
    assert.equal(refused.filter((one) => /^\/desk\/\S* net::ERR_BLOCKED_BY_RESPONSE/.test(one)).length, 3, refused.join('\n'));
    await window.close();
    await site.close();
  });

  scenario('attack: a path leads to no other file', async (world) => {
    const ups = ['..', '%2e%2e', '%2E%2E', '..%2f..', '%252e%252e', '..%5c..', '..\\..', '....//....'];
    for (const up of ups) {
      for (const path of [
        `/desk/assets/${up}/officer.html`, `/desk/assets/${up}/${up}/${up}/etc/passwd`, `/desk/${up}/Cargo.toml`, `/desk/assets/${up}%2fchinhchu.toml`,
      ]) {
        const { status, text } = await raw(world.url, { path });
        assert.ok(status === 404 || status === 400, `${path}: ${status}`);
        assert.doesNotMatch(text, /root:|\[package\]|test_people|<main id/);
      }
    }
    for (const path of ['/desk/assets/', '/desk/assets', '/desk/assets/desk.html', '/desk/assets/base.css/', '/desk/assets/base.css%00.js', '/desk/officer/x']) {
      assert.notEqual((await raw(world.url, { path })).status, 200, path);
    }
  });

  scenario('attack: a session is new with every sign-in and dead after the sign-out', async (world) => {
    const planted = 'a'.repeat(64);
    const window = await world.window();
    await window.context.addCookies([{ name: COOKIE, value: planted, url: world.url }]);
    const page = await window.context.newPage();
    const session = async () => (await window.context.cookies()).find(({ name }) => name.endsWith(COOKIE));
    await world.signIn(page, 'clerk', '/desk/');
    const first = await session();
    assert.notEqual(first.value, planted);
    assert.deepEqual([first.httpOnly, first.sameSite, first.path], [true, 'Lax', '/']);
    await world.signIn(page, 'clerk', '/desk/');
    const second = await session();
    assert.notEqual(second.value, first.value);
    const me = async (value) => (await raw(world.url, { path: '/desk/me', headers: { cookie: `${COOKIE}=${value}` } })).status;
    assert.equal(await me(planted), 401);
    assert.equal(await me(second.value), 200);
    await page.getByRole('button', { name: 'Đăng xuất' }).click();
    await page.locator('select[name=person], main a[href^="/desk/login"]').first().waitFor();
    assert.equal(await me(second.value), 401, 'whoever copied the cookie has nothing');
    await window.close();
  });

  scenario("attack: a clerk's session opens nothing of the officer's", async (world) => {
    const clerk = await world.caller('clerk');
    const officer = await world.caller('officer');
    const transaction = world.transaction('role');
    await world.decide(clerk, transaction, { subject: 'record-p', card: null });
    for (const [method, message] of [
      ['Cases/ListReferrals', {}],
      ['Cases/ListDecisions', {}],
      ['Beneficiary/ResolveReferral', { transactionId: transaction, outcome: 'OUTCOME_APPROVE', reason: 'x' }],
      ['Beneficiary/ClearPair', { subjectIdA: 'a', subjectIdB: 'b', reason: 'x' }],
      ['Cases/UnclearPair', { subjectIdA: 'a', subjectIdB: 'b', reason: 'x' }],
    ]) {
      assert.equal((await clerk.call(method, message)).status, 403, method);
    }
    const { window, page } = await world.signedIn('clerk', '/desk/');
    await page.goto(`${world.url}${OFFICER}`);
    await page.locator('main').waitFor();
    await page.getByText(/không (thuộc vai trò|dành cho tài khoản)/).waitFor();
    assert.equal(await page.locator('.cases').count(), 0);
    // Nobody names somebody else as the author.
    const named = await officer.call('Beneficiary/ResolveReferral', {
      transactionId: transaction, outcome: 'OUTCOME_APPROVE', reason: 'x', officerId: PEOPLE.second.id,
    });
    assert.equal(named.body.details?.[0].debug.reason, 'NOT_YOUR_ID');
    await window.context.close();
  });

  scenario('attack: an upload that is too large is refused, and slow ones hold nobody up', async (world) => {
    const clerk = await world.caller('clerk');
    const head = {
      cookie: clerk.cookie, 'x-csrf-token': clerk.me.csrfToken, 'content-type': 'multipart/form-data; boundary=b', 'connect-protocol-version': '1',
    };
    const { hostname, port } = new URL(world.url);
    const path = '/chinhchu.v1.Beneficiary/VerifyBeneficiary';
    // Writes a request's head and some of its body; gives what comes back until the server ends it or `ms` are over.
    const half = (headers, body, ms) =>
      new Promise((done) => {
        let text = '';
        const socket = connect(Number(port), hostname, () => {
          const lines = Object.entries({ host: `${hostname}:${port}`, ...headers }).map(([key, one]) => `${key}: ${one}`);
          socket.write(`POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
        });
        const end = () => (clearTimeout(timer), socket.destroy(), done(text));
        const timer = setTimeout(end, ms);
        socket.on('data', (part) => ((text += part), /\r\n\r\n.*\}$/s.test(text) && end()));
        socket.on('close', end);
        socket.on('error', end);
      });
    const large = await clerk.call('Beneficiary/VerifyBeneficiary', { transactionId: 'large' }, [['frames', Buffer.alloc(LARGE_BYTES)]]);
    assert.deepEqual([large.status, large.body.details[0].debug.reason], [429, 'MESSAGE_TOO_LARGE']);

    // A body that does not go on is given up at its deadline.
    const slow = { ...head, 'content-length': '500000', 'connect-timeout-ms': '1500' };
    const began = Date.now();
    const slows = Array.from({ length: 8 }, () => half(slow, '--b\r\ncontent-disposition: form-data; name="frames"\r\n\r\n', 10_000));
    const { window, page } = await world.signedIn('officer', OFFICER);
    await page.getByRole('heading', { name: 'Trường hợp chờ cán bộ' }).waitFor();
    assert.ok(Date.now() - began < 5_000, 'a page is there meanwhile');
    for (const text of await Promise.all(slows)) assert.match(text, /^HTTP\/1\.1 (504|408|429) /, text.slice(0, 200));
    await window.close();
  });
}
