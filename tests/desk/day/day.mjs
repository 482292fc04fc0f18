// A day at a counter: cases that go through the page in a real browser or as JSON, by turns, and once more over
// gRPC to a server of its own, with the same bytes in the same order. Decisions, officers' answers and what the
// transparency logs say of them must be the same.
//
//   node day.mjs CASES PYTHON STUBS     PYTHON with examples/clients/python's packages, STUBS made from proto/
//
// scripts/desk-day runs it.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { button, fillRecord, heading, send, toCamera } from '../browser/desk.mjs';
import { CARDS, NAME, PEOPLE, PROGRAM, startServer } from '../browser/server.mjs';
import { makeWorld } from '../browser/world.mjs';

const [cases, python, stubs] = [Number(process.argv[2]), process.argv[3], process.argv[4]];
const LEDGER = '[ledger]\norigin = "day.test/log"\n\n';

// What comes to a counter: a card and a face before the camera, about a record; and what it must come to.
const KINDS = [
  { name: 'own card', card: 'card', film: 'good', outcome: 'OUTCOME_APPROVE' },
  { name: 'no card', card: null, film: 'good', outcome: 'OUTCOME_REFER' },
  { name: 'second card of the face', card: 'second_card', film: 'good', outcome: 'OUTCOME_REFER', isOther: true },
  { name: 'photo exchanged', card: 'altered', film: 'other', outcome: 'OUTCOME_DENY' },
  { name: 'own card again', card: 'card', film: 'good', outcome: 'OUTCOME_APPROVE' },
  { name: 'chip that cannot be read', card: 'unreadable', film: 'good', outcome: 'OUTCOME_REFER' },
  { name: "somebody else's face", card: 'card', film: 'other', outcome: 'OUTCOME_DENY' },
];

// Calls over gRPC, one after another.
function grpcSide(address) {
  const child = spawn(python, ['tests/desk/day/grpc_side.py', address], {
    env: { ...process.env, PYTHONPATH: stubs, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async call(name, message, files = []) {
      const encoded = files.map(([field, bytes]) => [field, Buffer.from(bytes).toString('base64')]);
      child.stdin.write(`${JSON.stringify({ call: name, message, files: encoded })}\n`);
      const { value, done } = await lines.next();
      assert.ok(!done, 'the client over gRPC goes on');
      return JSON.parse(value);
    },
    end: () => child.stdin.end(),
  };
}

// Stands between the browser and the server, changes nothing, and remembers the last decision that was asked for:
// browsers do not tell what was in a form's files.
async function recorder(url) {
  const to = new URL(url);
  const seen = {};
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    if (request.url.endsWith('/VerifyBeneficiary')) Object.assign(seen, { body, kind: request.headers['content-type'] });
    const { url: path, method, headers } = request;
    const asked = ask({ host: to.hostname, port: to.port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    asked.on('error', () => response.destroy());
    asked.end(body);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}`, seen, stop: () => server.closeAllConnections() || server.close() };
}

// What a page sent: the message and the files of its form.
async function sent({ body, kind }) {
  const form = await new Response(body, { headers: { 'content-type': kind } }).formData();
  const files = [];
  let message = {};
  for (const [field, value] of form) {
    if (field === 'request') message = JSON.parse(typeof value === 'string' ? value : await value.text());
    else files.push([field.replace(/\[\d+\]$/, ''), Buffer.from(await value.arrayBuffer())]);
  }
  return { message, files };
}

// What must be the same, however a case came.
function essence(decision) {
  const { outcome, reasons = [], without = [], retake = false, enrolled = false, attempt, messageVi, citizenVi } = decision;
  const told = reasons.map(({ code, evidence, consequence, follows = '' }) => ({ code, evidence, consequence, follows }));
  return { outcome, reasons: told, without, retake, enrolled, attempt, messageVi, citizenVi };
}

// A case at the page: what it sent and what it was answered.
async function atThePage(world, page, kind, subject) {
  await world.camera.show(kind.film);
  const answered = page.waitForResponse((response) => response.url().endsWith('/VerifyBeneficiary'), { timeout: 60_000 });
  // Of whatever goes wrong before, that is told.
  answered.catch(() => {});
  const number = CARDS[kind.card]?.number ?? CARDS.card.number;
  if (kind.card === 'unreadable') {
    await fillRecord(page, { subject, number });
    await page.setInputFiles('input[name=files]', world.cards.unreadable);
    await button(page, 'Tiếp tục').click();
    await heading(page, 'Chụp khuôn mặt').waitFor();
  } else {
    await toCamera(world, page, { card: kind.card ?? 'noCard', subject, number });
  }
  await send(page);
  const response = await answered;
  assert.equal(response.status(), 200, await response.text());
  const decision = await response.json();
  await page.locator('.answer-page').waitFor();
  await button(page, 'Hồ sơ mới').first().click();
  await page.locator('input[name=subjectId]').waitFor();
  return { ...(await sent(world.recorder.seen)), decision };
}

// The same as JSON, with pictures of the same film.
async function asJson(world, kind, subject) {
  const files = [];
  for (const path of kind.card ? world.cards[kind.card] : []) files.push(['chipFiles', await readFile(path)]);
  for (const still of world.camera.stills(kind.film)) files.push(['frames', still]);
  const number = CARDS[kind.card]?.number ?? CARDS.card.number;
  const message = {
    transactionId: world.transaction('day'), attempt: 1, subjectId: subject, scheme: 'SCHEME_SOCIAL',
    record: { number, name: NAME, birthDate: '1988', sex: 'SEX_MALE' },
  };
  const clerk = await world.caller('clerk');
  const { status, body } = await clerk.call('Beneficiary/VerifyBeneficiary', message, files);
  assert.equal(status, 200, JSON.stringify(body));
  return { message, files, decision: body };
}

// What the log of a folder says of each decision and answer, in their order.
async function ledger(folder) {
  const here = ['--config', join(folder, 'chinhchu.toml'), '--data', join(folder, 'people')];
  const run = (args) => promisify(execFile)(PROGRAM, ['ledger', ...args, ...here], { maxBuffer: 1 << 28 });
  await run(['verify']);
  const entries = [];
  for (const kind of ['decision', 'officer_answer']) {
    const { stdout } = await run(['show', '--kind', kind, '--all', '--json']);
    for (const { entry } of JSON.parse(stdout).entries) {
      const { outcome, reasons, attempt, evidence, chip_verdict: chip } = entry;
      entries.push({ kind, outcome, reasons, attempt, evidence, chip });
    }
  }
  return entries;
}

const world = await makeWorld(LEDGER);
const other = join(world.folder, 'grpc');
await mkdir(other);
await cp(join(world.folder, 'cards'), join(other, 'cards'), { recursive: true });
const server = await startServer(other, LEDGER);
world.recorder = await recorder(world.url);
world.url = world.recorder.url;
const grpc = grpcSide(new URL(server.url).host);
let seconds = 0;
try {
  const { unit, province } = PEOPLE.registrar;
  const enrolled = await grpc.call('Enroll', {
    requestId: 'enrol-record-1', subjectId: 'record-1', mode: 'ENROLL_MODE_REPLACE',
    attributes: { schemes: ['social'], unit, province },
    photos: [{ image: (await readFile('.cache/photos/obama.jpg')).toString('base64'), source: 'SOURCE_OTHER' }],
  });
  assert.ok(enrolled.answer, JSON.stringify(enrolled));
  const officer = await world.caller('officer');
  const { window, page } = await world.signedIn('clerk', '/desk/');
  await page.locator('input[name=subjectId]').waitFor();
  const counted = {};
  const began = Date.now();
  for (let number = 0; number < cases; number += 1) {
    const kind = KINDS[number % KINDS.length];
    const subject = kind.isOther ? `record-other-${number}` : 'record-1';
    const way = Math.floor(number / KINDS.length + number) % 2 === 0 ? 'page' : 'JSON';
    const { message, files, decision } =
      way === 'page' ? await atThePage(world, page, kind, subject) : await asJson(world, kind, subject);
    const by = { clerkId: PEOPLE.clerk.id, unit: PEOPLE.clerk.unit };
    const again = await grpc.call('VerifyBeneficiary', { ...message, ...by }, files);
    assert.ok(again.answer, `case ${number}, ${kind.name}: ${JSON.stringify(again)}`);
    assert.deepEqual(essence(decision), essence(again.answer), `case ${number}, ${kind.name}, by ${way} and over gRPC`);
    assert.equal(decision.outcome, kind.outcome, `case ${number}, ${kind.name}: ${decision.messageVi}`);
    // What did not approve goes to an officer, who sees most of them through.
    if (decision.outcome !== 'OUTCOME_APPROVE' && number % 3 !== 0) {
      const outcome = number % 2 === 0 ? 'OUTCOME_APPROVE' : 'OUTCOME_DENY';
      const answer = { transactionId: message.transactionId, attempt: 1, outcome, reason: 'đã xem giấy tờ' };
      const said = await officer.call('Beneficiary/ResolveReferral', answer);
      const saidAgain = await grpc.call('ResolveReferral', { ...answer, officerId: PEOPLE.officer.id });
      assert.equal(said.status, 200, JSON.stringify(said.body));
      const told = ({ outcome: made, officers, officersNeeded, citizenVi }) => ({ made, officers, officersNeeded, citizenVi });
      assert.deepEqual(told(said.body), told(saidAgain.answer ?? saidAgain), `the officer's answer to case ${number}`);
    }
    const key = `${decision.outcome.replace('OUTCOME_', '')} by ${way}`;
    counted[key] = (counted[key] ?? 0) + 1;
  }
  seconds = (Date.now() - began) / 1000;
  await window.close();
  for (const [what, count] of Object.entries(counted).sort()) console.log(`  ${String(count).padStart(4)}  ${what}`);
  await world.server.stop();
  await server.stop();
  const [ours, theirs] = [await ledger(world.folder), await ledger(other)];
  assert.ok(ours.length >= cases, `${ours.length} entries`);
  assert.deepEqual(ours, theirs, 'the logs say the same');
  console.log(`${cases} cases in ${seconds.toFixed(0)} s: decisions, answers and ${ours.length} entries of the log agree with gRPC's`);
} finally {
  grpc.end();
  world.recorder.stop();
  await server.stop();
  await world.end();
}
