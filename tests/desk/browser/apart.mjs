// What keeps one person's case apart from another's: answers, sessions, what the browser keeps, and clocks.

import assert from 'node:assert/strict';

import { ANSWER, CARD, DESK as TEXTS, RECEIPT, SLIP } from '../../../src/desk/pages/assets/desk-text.js';
import { OUTCOMES, SHELL } from '../../../src/desk/pages/assets/text.js';
import { launch, newWindow, noBarriers, screenshot } from './browser.mjs';
import { button, fillRecord, heading, send, toCamera } from './desk.mjs';
import { PEOPLE } from './server.mjs';

const DESK = '/desk/';
const OFFICER = '/desk/officer';
const APPROVED = OUTCOMES.OUTCOME_APPROVE.vi;
const GET_DECISION = '**/chinhchu.v1.Cases/GetDecision';
const HALF_A_DAY_MS = 12 * 3_600_000;

const refused = (status, code) => ({ status, contentType: 'application/json', body: JSON.stringify({ code }) });
const kept = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem('chinhchu.desk')));

// A tab whose answer was lost: the server has approved `subject` under a transaction, and the page was loaded anew.
// `answers`: what becomes of GetDecision, one after the other; the last one stays.
async function afterLostAnswer(world, page, name, answers) {
  const transaction = world.transaction(name);
  const decision = await world.decide(await world.caller('clerk'), transaction, { subject: 'record-1', card: 'card' });
  assert.equal(decision.outcome, 'OUTCOME_APPROVE');
  await page.locator('input[name=subjectId]').waitFor();
  await page.evaluate((transactionId) => {
    const was = JSON.parse(sessionStorage.getItem('chinhchu.desk'));
    sessionStorage.setItem('chinhchu.desk', JSON.stringify({ ...was, transactionId, attempt: 1, sent: true }));
  }, transaction);
  await page.route(GET_DECISION, (route) => route.fulfill(answers.length > 1 ? answers.shift() : answers[0]));
  await page.reload();
  return transaction;
}

export function apartScenarios(scenario) {
  scenario("apart: an earlier claimant's approval is never shown to the next one", async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    const transaction = await afterLostAnswer(world, page, 'next-person', [refused(500, 'internal'), refused(404, 'not_found')]);
    // It is not known yet what was decided: nothing can be entered, and going back leads nowhere.
    await heading(page, ANSWER.unknownTitle.vi).waitFor();
    assert.equal(await page.locator('main input').count(), 0);
    await page.getByText(transaction).first().waitFor();
    await noBarriers(page, 'a look-up that failed');
    await screenshot(page, 'desk-unknown');
    await button(page, ANSWER.lookAgain.vi).click();
    await page.locator('input[name=subjectId]').waitFor();
    await page.unroute(GET_DECISION);
    // The next person, under the transaction of the one before.
    await toCamera(world, page, { subject: 'record-77', card: 'noCard', number: '', name: 'Trần Thử' });
    await send(page);
    await page.getByText(TEXTS.renewed.vi).first().waitFor();
    assert.equal(await page.getByText(APPROVED).count(), 0);
    assert.notEqual((await kept(page)).transactionId, transaction);
    assert.equal(await page.inputValue('input[name=subjectId]'), 'record-77');
    await screenshot(page, 'desk-renewed');
    // What was entered goes on under a transaction of its own.
    await button(page, TEXTS.next.vi).click();
    await heading(page, CARD.title.vi).waitFor();
    await button(page, TEXTS.next.vi).click();
    await send(page);
    await page.locator('.receipt').getByText('record-77').waitFor();
    // A reload knows which case it was, and nothing of the person.
    assert.deepEqual((await kept(page)).special, { person: 'self', cardWay: 'noCard', homeVisit: false });
    const officer = await world.caller('officer');
    const { body } = await officer.call('Cases/GetDecision', { transactionId: (await kept(page)).transactionId });
    assert.equal(body.subjectId, 'record-77');
    await window.close();
  });

  scenario('apart: other pictures under one record are not given the answer to the first ones', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await afterLostAnswer(world, page, 'same-record', [refused(404, 'not_found')]);
    await page.locator('input[name=subjectId]').waitFor();
    await page.unroute(GET_DECISION);
    await toCamera(world, page, { card: 'noCard' });
    await send(page);
    await heading(page, ANSWER.reusedTitle.vi).waitFor();
    assert.equal(await page.getByText(APPROVED).count(), 0);
    await page.goBack();
    await heading(page, ANSWER.reusedTitle.vi).waitFor();
    await noBarriers(page, 'a transaction that was used');
    await screenshot(page, 'desk-reused');
    await button(page, ANSWER.showEarlier.vi).click();
    await heading(page, APPROVED).waitFor();
    await page.getByText(TEXTS.resumedAnswer.vi).first().waitFor();
    await page.locator('.receipt').getByText('record-1', { exact: true }).waitFor();
    await window.close();
  });

  scenario("apart: a hand-over is not given the answer that its transaction has about another record", async (world) => {
    const transaction = world.transaction('handed-over');
    await world.decide(await world.caller('clerk'), transaction, { subject: 'record-1', card: 'card' });
    const { window, page } = await world.signedIn('clerk', DESK);
    const handoff = { id: 'h-1', transactionId: transaction, subjectId: 'record-88', scheme: 'SCHEME_SOCIAL', attempt: 1, record: { name: 'Trần Thử' } };
    let told = 0;
    await page.route('**/desk/handoff/**', (route) => {
      if (route.request().method() === 'POST') told += 1;
      return route.fulfill({ json: handoff });
    });
    await page.goto(`${world.url}${DESK}?session=h-1`);
    await page.getByText(ANSWER.reusedHandoff.vi).first().waitFor();
    assert.equal(await page.getByText(APPROVED).count(), 0);
    assert.equal(await button(page, ANSWER.showEarlier.vi).count(), 0);
    assert.equal(told, 0, 'the benefit system is not told that this was decided');
    // One that was decided about the record that is handed over is shown, and a record stays the one that came.
    handoff.subjectId = 'record-1';
    await page.reload();
    await heading(page, APPROVED).waitFor();
    Object.assign(handoff, { id: 'h-2', transactionId: world.transaction('not-yet') });
    await page.goto(`${world.url}${DESK}?session=h-2`);
    await page.getByText(TEXTS.handedOver.vi).first().waitFor();
    assert.equal(await page.locator('input[name=subjectId]').getAttribute('readonly'), '');
    await window.close();
  });

  scenario('apart: whoever signs in or out in one tab leaves nothing of the one before in another', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await fillRecord(page, { subject: 'record-of-the-clerk' });
    const second = await window.context.newPage();
    await world.signIn(second, 'nurse', DESK);
    await page.locator('header', { hasText: PEOPLE.nurse.id }).waitFor();
    assert.equal(await page.inputValue('input[name=subjectId]'), '');
    await page.fill('input[name=name]', 'Tên của người dân');
    await button(second, SHELL.signOut.vi).click();
    await second.locator('select[name=person], main a[href^="/desk/login"]').first().waitFor();
    await page.locator('select[name=person], main a[href^="/desk/login"]').first().waitFor();
    assert.equal(await page.locator('input[name=name]').count(), 0);
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    await window.close();
  });

  scenario('apart: a page sends nothing in the name of somebody who has signed in since', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('other-officer');
    await world.decide(clerk, transaction, { subject: 'record-o', card: null });
    const { window, page } = await world.signedIn('officer', OFFICER);
    await page.goto(`${world.url}${OFFICER}#case/${transaction}`);
    const form = page.locator('form', { has: page.locator('input[name=outcome]') });
    await form.locator('input[value=OUTCOME_DENY]').check();
    await form.locator('textarea').fill('chưa đủ giấy tờ');
    // Past the pages, so that no other tab can tell this one.
    const signIn = { form: { person: PEOPLE.second.id, next: DESK }, maxRedirects: 0, headers: { origin: world.url } };
    await window.context.request.post(`${world.url}/desk/test-login`, signIn);
    await form.locator('button[type=submit]').click();
    await page.locator('dialog button.primary').click();
    await page.locator('header', { hasText: PEOPLE.second.id }).waitFor();
    const { body } = await clerk.call('Cases/GetDecision', { transactionId: transaction });
    assert.deepEqual(body.decision.officerAnswers ?? [], []);
    await window.close();
  });

  scenario("apart: after the sign-out the browser's back button brings no case back", async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('back');
    await world.decide(clerk, transaction, { subject: 'record-b', card: null });
    // Playwright switches off what every browser has that people use.
    const browser = await launch('', { ignoreDefaultArgs: ['--disable-back-forward-cache'] });
    try {
      const window = await newWindow(browser, world.url);
      const page = await window.context.newPage();
      await world.signIn(page, 'officer', OFFICER);
      await page.goto(`${world.url}${OFFICER}#case/${transaction}`);
      await page.getByText('record-b').first().waitFor();
      await page.getByRole('button', { name: SHELL.signOut.vi }).click();
      const signIn = page.locator('select[name=person], main a[href^="/desk/login"]').first();
      await signIn.waitFor();
      await page.goBack();
      assert.equal(await page.getByText('record-b').count(), 0, 'not for a moment');
      await signIn.waitFor();
      assert.equal(await page.getByText('record-b').count(), 0);
      await window.close();
    } finally {
      await browser.close();
    }
  });

  scenario('apart: a clock that is half a day ahead covers nothing; the end that the server tells is warned of', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    let secondsLeft = null;
    await page.route('**/desk/me', async (route) => {
      const me = await (await route.fetch()).json();
      await route.fulfill({ json: secondsLeft === null ? me : { ...me, secondsLeft } });
    });
    await page.clock.install({ time: Date.now() + HALF_A_DAY_MS });
    await page.reload();
    await page.fill('input[name=name]', 'Tên của người dân');
    for (let look = 0; look < 3; look += 1) {
      await page.clock.runFor(6_000);
      await page.waitForLoadState('networkidle');
    }
    assert.equal(await page.locator('dialog').count(), 0);
    assert.equal(await page.inputValue('input[name=name]'), 'Tên của người dân');
    secondsLeft = 40;
    await page.reload();
    await page.locator('input[name=name]').waitFor();
    const warning = page.locator('dialog', { hasText: SHELL.expiringTitle.vi });
    for (let look = 0; look < 4 && (await warning.count()) === 0; look += 1) {
      await page.clock.runFor(6_000);
      await page.waitForLoadState('networkidle');
    }
    assert.equal(await warning.count(), 1);
    await window.close();
  });

  scenario('apart: a slip promises no case in the system, for no face and for a collector without a policy', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    let sent = 0;
    page.on('request', (request) => (sent += request.url().endsWith('VerifyBeneficiary') ? 1 : 0));
    const saysSo = async () => {
      await page.locator('.receipt').getByText(RECEIPT.keepSlip.vi).waitFor();
      assert.equal(await page.locator('.receipt img').count(), 0, 'no code of a number that leads nowhere');
      assert.equal(await page.locator('.receipt').getByText((await kept(page)).transactionId).count(), 0);
    };
    await page.locator('details.special summary').click();
    await page.locator('input[value=collector]').check();
    await page.getByText(TEXTS.collectorByHand.vi).waitFor();
    await page.fill('input[name=subjectId]', 'record-1');
    await button(page, TEXTS.next.vi).click();
    await heading(page, SLIP.collectorTitle.vi).waitFor();
    await saysSo();
    await noBarriers(page, 'the slip for a collector');
    await screenshot(page, 'desk-slip-collector');
    await button(page, TEXTS.back.vi).click();
    await page.locator('input[value=self]').check();
    await toCamera(world, page, { card: 'unreadable' });
    await button(page, 'Không chụp được khuôn mặt nào').click();
    await heading(page, SLIP.title.vi).waitFor();
    await saysSo();
    await screenshot(page, 'desk-slip');
    assert.equal(sent, 0);
    await window.close();
  });
}
