// What a tab keeps, its address and what it shows belong to one case: hand-overs, the browser's history, reloads, cards.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';

import { ANSWER, CAPTURE, CARD, DESK as TEXTS, RECORD, SLIP } from '../../../src/desk/pages/assets/desk-text.js';
import { OUTCOMES, SHELL, fill } from '../../../src/desk/pages/assets/text.js';
import { noBarriers, screenshot } from './browser.mjs';
import { button, fillRecord, heading, send, toCamera } from './desk.mjs';
import { CARDS } from './server.mjs';

const DESK = '/desk/';
const APPROVED = OUTCOMES.OUTCOME_APPROVE.vi;
const VERIFY = '**/chinhchu.v1.Beneficiary/VerifyBeneficiary';
const kept = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem('chinhchu.desk')));
const subject = (page) => page.locator('input[name=subjectId]');

// Hands `record-1` over: what a benefit system and the server would say of it, as long as `here.answers`.
async function handOver(world, page, id) {
  const here = { id, link: `${world.url}${DESK}?session=${id}`, transaction: world.transaction(id), answers: true, told: 0 };
  const record = { number: CARDS.card.number, name: 'Nguyễn Thử Nghiệm', birthDate: '1988', sex: 'SEX_MALE' };
  const handed = { id, transactionId: here.transaction, subjectId: 'record-1', scheme: 'SCHEME_SOCIAL', attempt: 1, record };
  await page.route(`**/desk/handoff/${id}**`, (route) => {
    if (!here.answers) return here.status ? route.fulfill({ status: here.status, json: {} }) : route.abort('connectionreset');
    if (route.request().method() === 'POST') here.told += 1;
    return route.fulfill({ json: handed });
  });
  return here;
}

// From the record that was handed over to the camera, with a card or without one.
async function onToCamera(world, page, card) {
  await subject(page).waitFor();
  await button(page, TEXTS.next.vi).click();
  await heading(page, CARD.title.vi).waitFor();
  if (card) await page.setInputFiles('input[name=files]', world.cards[card]);
  if (card) await page.locator('.chip-files').waitFor();
  else await page.locator('[data-way=noCard]').click();
  await button(page, TEXTS.next.vi).click();
}

// Sends what was captured; the server decides it, and every reply is lost.
async function sendAndLose(page) {
  await page.route(VERIFY, async (route) => {
    await route.fetch().catch(() => {});
    await route.abort('connectionreset').catch(() => {});
  });
  await send(page);
  await page.getByText(ANSWER.resending.vi).first().waitFor();
  await page.unroute(VERIFY);
}

export function oneCaseScenarios(scenario) {
  scenario("one case: a hand-over's transaction is for its own record; the page without its link begins another, and leads back", async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    const handed = await handOver(world, page, 'left-open');
    await page.goto(handed.link);
    await page.getByText(TEXTS.handedOver.vi).first().waitFor();
    assert.equal((await kept(page)).transactionId, handed.transaction);
    await page.locator('header nav a', { hasText: SHELL.desk.vi }).click();
    await page.getByText(TEXTS.aside.vi).waitFor();
    await noBarriers(page, 'a hand-over that is still open');
    await screenshot(page, 'desk-handover-open');
    assert.equal(await subject(page).inputValue(), '');
    assert.notEqual((await kept(page)).transactionId, handed.transaction);
    // Another person, at the page as it is now.
    await toCamera(world, page, { subject: 'record-81', card: 'noCard' });
    await send(page);
    await page.locator('.receipt').getByText('record-81').waitFor();
    const officer = await world.caller('officer');
    assert.equal((await officer.call('Cases/GetDecision', { transactionId: handed.transaction })).body.code, 'not_found');
    assert.equal(handed.told, 0);
    await page.getByRole('link', { name: TEXTS.openAside.vi }).click();
    await page.getByText(TEXTS.handedOver.vi).first().waitFor();
    assert.deepEqual([await subject(page).inputValue(), (await kept(page)).transactionId, (await kept(page)).aside], ['record-1', handed.transaction, null]);
    // "New case" leaves it open as well.
    await button(page, TEXTS.newCase.vi).click();
    await button(page, TEXTS.leave.vi).click();
    await page.getByText(TEXTS.aside.vi).waitFor();
    assert.equal(page.url(), `${world.url}${DESK}`);
    await window.close();
  });

  scenario("one case: the back button brings no finished hand-over's address over the next case, nor its answer", async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    const handed = await handOver(world, page, 'finished');
    await page.goto(handed.link);
    await onToCamera(world, page, 'card');
    await send(page);
    await heading(page, APPROVED).waitFor();
    await page.getByText(ANSWER.noReturn.vi).waitFor();
    await button(page, TEXTS.newCase.vi).first().click();
    await subject(page).waitFor();
    assert.equal(await page.getByText(TEXTS.aside.vi).count(), 0, 'that one is finished');
    // Answer, capture, card and record of the one before.
    for (let back = 0; back < 4; back += 1) {
      await page.goBack();
      await subject(page).waitFor();
      assert.equal(page.url(), `${world.url}${DESK}`, `${back}`);
    }
    await toCamera(world, page, { subject: 'record-82', card: 'noCard', number: '' });
    const own = (await kept(page)).transactionId;
    await sendAndLose(page);
    await page.reload();
    await page.locator('.receipt').getByText('record-82').waitFor();
    await page.getByText(TEXTS.resumedAnswer.vi).first().waitFor();
    assert.deepEqual([(await kept(page)).transactionId, (await kept(page)).answered], [own, true]);
    assert.equal(await heading(page, APPROVED).count(), 0);
    await window.close();
  });

  scenario('one case: a lost answer is looked for by its own transaction, whatever becomes of the hand-over and of other links', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    const handed = await handOver(world, page, 'unreachable');
    await page.goto(handed.link);
    await onToCamera(world, page, 'card');
    await sendAndLose(page);
    handed.answers = false;
    const another = await handOver(world, page, 'another');
    // Another hand-over in the same tab: the answer of the first comes first, at its own address.
    await page.goto(another.link);
    await heading(page, APPROVED).waitFor();
    await page.getByText(TEXTS.aside.vi).waitFor();
    assert.equal(page.url(), handed.link);
    assert.equal((await kept(page)).transactionId, handed.transaction);
    await screenshot(page, 'desk-first-case-first');
    // The server was started anew and does not know the hand-over any more.
    handed.status = 404;
    await page.reload();
    await heading(page, APPROVED).waitFor();
    await page.locator('.receipt').getByText('record-1', { exact: true }).waitFor();
    assert.equal((await kept(page)).transactionId, handed.transaction);
    await page.getByRole('link', { name: TEXTS.openAside.vi }).click();
    await page.getByText(TEXTS.handedOver.vi).first().waitFor();
    assert.equal((await kept(page)).transactionId, another.transaction);
    // One that was not sent, and cannot be asked for now, is not dropped for a case of another transaction.
    another.answers = false;
    await page.reload();
    await button(page, SHELL.again.vi).waitFor();
    assert.equal(await page.locator('main input').count(), 0);
    another.answers = true;
    await button(page, SHELL.again.vi).click();
    await subject(page).waitFor();
    assert.equal(await subject(page).inputValue(), 'record-1');
    assert.equal(page.url(), another.link);
    await window.close();
  });

  scenario('one case: a retake after a reload goes through record and card again, for the same record', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, { subject: 'record-1', card: 'noCard' });
    await send(page);
    await heading(page, ANSWER.retakeCardTitle.vi).waitFor();
    await page.reload();
    await button(page, fill(ANSWER.retakeCard, { n: 2 }).vi).click();
    // As it is after the reload, and after one more before anything was sent.
    for (const again of [false, true]) {
      if (again) await page.reload();
      await page.getByText(fill(TEXTS.enterAgain, { n: 2 }).vi).first().waitFor();
      await page.getByText(RECORD.ofTransaction.vi).waitFor();
      assert.deepEqual([await subject(page).inputValue(), await subject(page).getAttribute('readonly')], ['record-1', '']);
      assert.equal(await page.inputValue('input[name=number]'), '');
    }
    await noBarriers(page, 'the record of a retake');
    await screenshot(page, 'desk-retake-record');
    await page.fill('input[name=number]', CARDS.card.number);
    await button(page, TEXTS.next.vi).click();
    await heading(page, CARD.title.vi).waitFor();
    await button(page, TEXTS.next.vi).click();
    await send(page);
    await heading(page, ANSWER.retakeCardTitle.vi).waitFor();
    const officer = await world.caller('officer');
    const { body } = await officer.call('Cases/GetDecision', { transactionId: (await kept(page)).transactionId });
    assert.deepEqual([body.subjectId, body.decision.attempt], ['record-1', 2]);
    await window.close();
  });

  scenario('one case: a retake of a hand-over after a reload has its record again, and none begins without it', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    const handed = await handOver(world, page, 'retaken');
    await page.goto(handed.link);
    await onToCamera(world, page, null);
    await send(page);
    await heading(page, ANSWER.retakeCardTitle.vi).waitFor();
    const retake = button(page, fill(ANSWER.retakeCard, { n: 2 }).vi);
    Object.assign(handed, { answers: false, status: 404 });
    await page.reload();
    await retake.click();
    await page.getByText(TEXTS.handoffGone.vi).first().waitFor();
    await retake.waitFor();
    handed.answers = true;
    await retake.click();
    await page.getByText(fill(TEXTS.enterAgain, { n: 2 }).vi).first().waitFor();
    assert.deepEqual([await subject(page).inputValue(), await page.inputValue('input[name=number]')], ['record-1', CARDS.card.number]);
    await page.reload();
    await page.getByText(fill(TEXTS.enterAgain, { n: 2 }).vi).first().waitFor();
    assert.deepEqual([await subject(page).inputValue(), await page.inputValue('input[name=number]')], ['record-1', CARDS.card.number]);
    assert.deepEqual([(await kept(page)).transactionId, (await kept(page)).attempt], [handed.transaction, 2]);
    await window.close();
  });

  scenario('one case: of two cards the last one counts, and going on waits for its reading', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    // Reading one file of the second card takes as long as this test wants.
    await page.evaluate((slow) => {
      const read = Blob.prototype.arrayBuffer;
      globalThis.held = [];
      Blob.prototype.arrayBuffer = async function arrayBuffer() {
        if (this.size === slow) await new Promise((done) => globalThis.held.push(done));
        return read.call(this);
      };
    }, sizeOfItsOwn(world.cards));
    const release = () => page.evaluate(() => globalThis.held.splice(0).forEach((done) => done()));
    const readings = () => page.waitForFunction(() => globalThis.held.length > 0);
    await fillRecord(page);
    await page.setInputFiles('input[name=files]', world.cards.second_card);
    await readings();
    await page.setInputFiles('input[name=files]', world.cards.card);
    await page.locator('.chip-files').waitFor();
    const shown = await page.locator('#card-result').innerText();
    await release();
    await page.evaluate(() => new Promise((done) => setTimeout(done, 500)));
    assert.equal(await page.locator('#card-result').innerText(), shown, 'an earlier reading changes nothing');
    await page.setInputFiles('input[name=files]', world.cards.second_card);
    await readings();
    await button(page, TEXTS.next.vi).click();
    await page.getByText(CARD.wait.vi).waitFor();
    assert.equal(await heading(page, CAPTURE.title.vi).count(), 0);
    await release();
    await page.locator('.chip-files').waitFor();
    assert.notEqual(await page.locator('#card-result').innerText(), shown);
    await button(page, TEXTS.next.vi).click();
    await heading(page, CAPTURE.title.vi).waitFor();
    await window.close();
  });

  scenario('one case: a picture that is still being opened is not kept for the next one', async (world) => {
    await world.camera.show('nobody');
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, { subject: 'record-86', card: 'noCard' });
    // Opening it takes as long as this test wants.
    await page.evaluate(() => {
      const open = globalThis.createImageBitmap;
      globalThis.held = [];
      globalThis.createImageBitmap = async (...all) => {
        await new Promise((done) => globalThis.held.push(done));
        return open(...all);
      };
    });
    await page.setInputFiles('input[name=photos]', { name: 'photo.jpg', mimeType: 'image/jpeg', buffer: world.camera.stills('good')[0] });
    await page.waitForFunction(() => globalThis.held.length > 0);
    await button(page, TEXTS.newCase.vi).first().click();
    await button(page, TEXTS.leave.vi).click();
    await page.evaluate(() => globalThis.held.splice(0).forEach((done) => done()));
    await toCamera(world, page, { subject: 'record-87', card: 'noCard' });
    assert.equal(await page.locator('.frames img').count(), 0);
    await window.close();
  });

  scenario('one case: the back button makes no slip for the next one', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, { subject: 'record-84', card: 'noCard' });
    await button(page, CAPTURE.noFace.vi).click();
    await heading(page, SLIP.title.vi).waitFor();
    await button(page, TEXTS.newCase.vi).first().click();
    await button(page, TEXTS.leave.vi).click();
    await subject(page).fill('record-85');
    await page.goBack();
    await heading(page, RECORD.title.vi).waitFor();
    assert.equal(await page.locator('.receipt').count(), 0);
    assert.equal(await subject(page).inputValue(), 'record-85');
    // What those hear who do not see the page is in the language that they chose.
    await button(page, TEXTS.next.vi).click();
    await heading(page, CARD.title.vi).waitFor();
    await page.locator('header select').selectOption('en');
    assert.match(await page.locator('.steps li').first().innerText(), /\(done\)/);
    assert.doesNotMatch(await page.locator('.steps li').first().innerText(), /đã xong/);
    await window.close();
  });
}

// The size of a file of the second card that no file of the first one has.
function sizeOfItsOwn({ card, second_card: second }) {
  const sizes = new Set(card.map((path) => statSync(path).size));
  return second.map((path) => statSync(path).size).find((size) => !sizes.has(size));
}
