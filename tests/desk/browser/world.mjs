// What every scenario stands on: a browser with its camera, a server with an empty gallery and test people,
// synthetic cards. Made once; scenarios run one after another.

import assert from 'node:assert/strict';
import { mkdtemp, mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

import { launch, newWindow } from './browser.mjs';
import { makeCamera } from './camera.mjs';
import { CARDS, NAME, PEOPLE, makeCards, startServer, testPeople } from './server.mjs';

const PHOTOS = resolve('.cache/photos');

export async function makeWorld() {
  const folder = await mkdtemp(join(tmpdir(), 'chinhchu-desk-'));
  const films = join(folder, 'films');
  await mkdir(films);
  const browser = await launch(join(films, 'camera.mjpeg'));
  try {
    const [cards, camera] = await Promise.all([
      makeCards(PHOTOS, join(folder, 'cards')),
      makeCamera(browser, PHOTOS, films),
    ]);
    await camera.show('good');
    const server = await startServer(folder, testPeople());
    return new World(folder, browser, cards, camera, server);
  } catch (error) {
    await browser.close();
    throw error;
  }
}

class World {
  #case = 0;

  constructor(folder, browser, cards, camera, server) {
    Object.assign(this, { folder, browser, cards, camera, server, url: server.url });
  }

  async end() {
    await this.browser.close();
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  // A transaction's name that no other scenario has.
  transaction(name) {
    this.#case += 1;
    return `${name}-${this.#case}`;
  }

  window(options) {
    return newWindow(this.browser, this.url, options);
  }

  // A window in which one of PEOPLE is signed in, and the page `path` in it.
  async signedIn(who, path, options) {
    const window = await this.window(options);
    const page = await window.context.newPage();
    await this.signIn(page, who, path);
    return { window, page };
  }

  // Signs in as somebody who opens the page does.
  async signIn(page, who, path) {
    await page.goto(`${this.url}/desk/login?next=${encodeURIComponent(path)}`);
    await page.selectOption('select[name=person]', PEOPLE[who].id);
    await page.click('button[type=submit]');
    await page.waitForURL(`${this.url}${path}`);
  }

  // Calls of one person, past the pages: call(method, message, {files}) -> {status, body}.
  async caller(who) {
    const window = await this.window();
    const page = await window.context.newPage();
    await this.signIn(page, who, PEOPLE[who].roles.includes('officer') ? '/desk/officer' : '/desk/');
    await page.close();
    const me = await (await window.context.request.get(`${this.url}/desk/me`)).json();
    return {
      me,
      context: window.context,
      close: () => window.context.close(),
      call: async (method, message, files = null) => {
        const headers = { 'x-csrf-token': me.csrfToken, 'connect-protocol-version': '1', origin: this.url };
        let request;
        if (files === null) {
          request = { headers: { ...headers, 'content-type': 'application/json' }, data: JSON.stringify(message) };
        } else {
          const form = new FormData();
          form.append('request', new Blob([JSON.stringify(message)], { type: 'application/json' }), 'request.json');
          for (const [field, bytes, name = 'blob'] of files) form.append(field, new Blob([bytes]), name);
          request = { headers, multipart: form };
        }
        const answer = await window.context.request.post(`${this.url}/chinhchu.v1.${method}`, request);
        return { status: answer.status(), body: await answer.json() };
      },
    };
  }

  // A decision, made past the pages. `card`: one of `cards`, or null for none.
  async decide(caller, transactionId, { subject, card, photos = ['obama2.jpg', 'obama3.jpg'], record = {}, policy = '' }) {
    const files = [];
    for (const path of card ? this.cards[card] : []) files.push(['chipFiles', await readFile(path), basename(path)]);
    for (const photo of photos) files.push(['frames', await readFile(join(PHOTOS, photo)), photo]);
    const number = CARDS[card]?.number ?? CARDS.card.number;
    const message = {
      transactionId, attempt: 1, subjectId: subject, scheme: 'SCHEME_SOCIAL', policy,
      record: { number, name: NAME, birthDate: '1988', sex: 'SEX_MALE', ...record },
    };
    const { status, body } = await caller.call('Beneficiary/VerifyBeneficiary', message, files);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }
}
