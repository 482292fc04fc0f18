// What every scenario stands on: a browser with its camera, a server with an empty gallery and test people,
// synthetic cards. Made once; scenarios run one after another.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { startAgent } from './agent.mjs';
import { launch, newWindow } from './browser.mjs';
import { makeCamera } from './camera.mjs';
import { CARDS, NAME, PEOPLE, PROGRAM, makeCards, startServer, testPeople } from './server.mjs';

const PHOTOS = resolve('.cache/photos');
// Pictures of cases that wait are kept in sealed galleries alone.
const SEALING = '[sealing]\nkey = { file = "master/master.key" }\nkey_store = "keys/subjects.keys"\n\n';

// `more`: further configuration of its server.
export async function makeWorld(more = '') {
  const folder = await mkdtemp(join(tmpdir(), 'chinhchu-desk-'));
  const films = join(folder, 'films');
  await mkdir(films);
  const world = new World(folder, await launch(join(films, 'camera.mjpeg')));
  try {
    [world.cards, world.camera] = await Promise.all([
      makeCards(PHOTOS, join(folder, 'cards')),
      makeCamera(world.browser, PHOTOS, films),
    ]);
    await world.camera.show('good');
    await mkdir(join(folder, 'master'), { mode: 0o700 });
    await promisify(execFile)(PROGRAM, ['keys', 'new-master', join(folder, 'master', 'master.key')]);
    world.agent = await startAgent();
    world.server = await startServer(folder, `${SEALING}${more}[desk]\nagent = "${world.agent.url}"\n\n${testPeople()}`);
    world.url = world.server.url;
    world.agent.allow(world.url);
    await world.enrol('record-1', 'obama.jpg');
    return world;
  } catch (error) {
    await world.end();
    throw error;
  }
}

class World {
  #case = 0;
  #callers = {};

  constructor(folder, browser) {
    Object.assign(this, { folder, browser });
  }

  async end() {
    await this.browser.close();
    await this.server?.stop();
    await this.agent?.stop();
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

  // Calls of one person, past the pages, in a session of their own: call(method, message, files) gives
  // {status, body}. One for the whole run.
  async caller(who) {
    this.#callers[who] ??= this.#signedInCaller(who);
    return this.#callers[who];
  }

  async #signedInCaller(who) {
    const form = new URLSearchParams({ person: PEOPLE[who].id, next: '/desk/' });
    const signIn = { method: 'POST', body: form, redirect: 'manual', headers: { origin: this.url } };
    const cookie = (await fetch(`${this.url}/desk/test-login`, signIn)).headers.getSetCookie().map((one) => one.split(';')[0]).join('; ');
    const me = await (await fetch(`${this.url}/desk/me`, { headers: { cookie } })).json();
    const own = { cookie, origin: this.url, 'x-csrf-token': me.csrfToken };
    return {
      me,
      cookie,
      call: async (method, message, files = null, headers = own) => {
        let body = JSON.stringify(message);
        const all = { 'connect-protocol-version': '1', ...headers };
        if (files === null) {
          all['content-type'] = 'application/json';
        } else {
          const parts = new FormData();
          parts.append('request', new Blob([body], { type: 'application/json' }));
          for (const [field, bytes] of files) parts.append(field, new Blob([bytes]));
          body = parts;
        }
        const answer = await fetch(`${this.url}/chinhchu.v1.${method}`, { method: 'POST', body, headers: all });
        return { status: answer.status, body: await answer.json() };
      },
    };
  }

  // Enrols a record of the unit of most people here.
  async enrol(subjectId, photo) {
    const registrar = await this.caller('registrar');
    const { unit, province } = PEOPLE.registrar;
    const message = {
      requestId: `enrol-${subjectId}`, subjectId, mode: 'ENROLL_MODE_REPLACE',
      attributes: { schemes: ['social'], unit, province },
      photos: [{ image: (await readFile(join(PHOTOS, photo))).toString('base64'), source: 'SOURCE_OTHER' }],
    };
    const { status, body } = await registrar.call('Gallery/Enroll', message);
    assert.equal(status, 200, JSON.stringify(body));
  }

  // A decision, made past the pages. `card`: one of `cards`, or null for none.
  async decide(caller, transactionId, { subject, card, photos = ['obama2.jpg', 'obama3.jpg'], record = {}, policy = '' }) {
    const files = [];
    for (const path of card ? this.cards[card] : []) files.push(['chipFiles', await readFile(path)]);
    for (const photo of photos) files.push(['frames', await readFile(join(PHOTOS, photo))]);
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
