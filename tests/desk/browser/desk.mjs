// The counter's page: a case from the record to the answer, and what may go wrong on the way.

import assert from 'node:assert/strict';

import { INSTRUCTIONS } from '../../../src/desk/pages/assets/advice.js';
import { ANSWER, CAPTURE, CARD, DESK as TEXTS } from '../../../src/desk/pages/assets/desk-text.js';
import { OUTCOMES, SHELL, fill } from '../../../src/desk/pages/assets/text.js';
import { fits, noBarriers, screenshot } from './browser.mjs';
import { CARDS, NAME, PEOPLE } from './server.mjs';

const DESK = '/desk/';
const [APPROVED, REFERRED, DENIED] = ['APPROVE', 'REFER', 'DENY'].map((outcome) => OUTCOMES[`OUTCOME_${outcome}`].vi);
// What the server says of a case without the chip's data: read the card.
const RETAKE = ANSWER.retakeCardTitle.vi;
const MARKUP = '<img src=x onerror=window.pwned=1>';
export const button = (page, name) => page.getByRole('button', { name });
export const heading = (page, name) => page.getByRole('heading', { name }).first();

export async function fillRecord(page, { subject = 'record-1', number = CARDS.card.number, name = NAME } = {}) {
  await page.fill('input[name=subjectId]', subject);
  await page.fill('input[name=number]', number);
  await page.fill('input[name=name]', name);
  await page.fill('input[name=birthDate]', '1988');
  await page.selectOption('select[name=sex]', 'SEX_MALE');
  await button(page, TEXTS.next.vi).click();
  await heading(page, CARD.title.vi).waitFor();
}

// Up to the camera. `card`: one of the world's, or a way without one: noCard, unreadable.
export async function toCamera(world, page, { card = 'card', ...record } = {}) {
  await fillRecord(page, record);
  if (world.cards[card] && card !== 'unreadable') {
    await page.setInputFiles('input[name=files]', world.cards[card]);
    await page.locator('.chip-files').waitFor();
  } else {
    await page.locator(`[data-way=${card}]`).click();
  }
  await button(page, TEXTS.next.vi).click();
  await heading(page, CAPTURE.title.vi).waitFor();
}

// Waits until the page has taken its three captures by itself, and sends them.
export async function send(page) {
  await page.getByText(CAPTURE.enough.vi).first().waitFor();
  await button(page, CAPTURE.send.vi).click();
}

const transactionOf = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem('chinhchu.desk')).transactionId);

// Nothing on the page is a score, a rate or an accusation.
async function saysNoScore(page) {
  // A transaction's number may look like anything.
  const text = (await page.locator('main').innerText()).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '');
  assert.doesNotMatch(text, /\d[.,]\d{2,}|e-\d|gian lận|giả mạo|fraud|score|điểm số/i);
}

export function deskScenarios(scenario) {
  scenario('desk: approve, with words for the clerk and for the citizen, and a receipt', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await noBarriers(page, 'the record');
    await fits(page, 'the record');
    await fillRecord(page);
    await page.setInputFiles('input[name=files]', world.cards.card);
    await page.getByText(CARD.complete.vi).waitFor();
    await noBarriers(page, 'the card');
    await screenshot(page, 'desk-card');
    await button(page, TEXTS.next.vi).click();
    await heading(page, CAPTURE.title.vi).waitFor();
    await page.getByText(CAPTURE.enough.vi).first().waitFor();
    await noBarriers(page, 'the capture');
    await fits(page, 'the capture');
    await screenshot(page, 'desk-capture');
    await button(page, CAPTURE.send.vi).click();
    await page.getByText(APPROVED).first().waitFor();
    await saysNoScore(page);
    await noBarriers(page, 'the answer');
    await fits(page, 'the answer');
    const sizes = await page.locator('main .large').evaluateAll((all) => all.map((one) => parseFloat(getComputedStyle(one).fontSize)));
    assert.ok(sizes.length > 0 && sizes.every((size) => size >= 20), `what a pensioner reads has 20 px: ${sizes}`);
    await screenshot(page, 'desk-approved');
    await page.emulateMedia({ media: 'print' });
    const printed = await page.locator('.receipt dt, .receipt dd, .receipt p, .receipt .en').evaluateAll((all) => all.map((one) => parseFloat(getComputedStyle(one).fontSize)));
    assert.ok(printed.length > 10 && printed.every((size) => size >= 20), `and on paper: ${printed}`);
    await screenshot(page, 'desk-receipt');
    await page.emulateMedia({ media: 'screen' });
    await window.close();
  });

  scenario('desk: no card is referred to an officer, who finds the case and settles it', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, { card: 'noCard' });
    const transaction = await transactionOf(page);
    await send(page);
    // The policy leaves a retake, which the clerk does not take.
    await heading(page, RETAKE).waitFor();
    await saysNoScore(page);
    await noBarriers(page, 'a retake');
    await screenshot(page, 'desk-retake');
    await button(page, ANSWER.leaveToOfficer.vi).click();
    await heading(page, REFERRED).waitFor();
    // Nobody is told to try again, and a reload does not offer it.
    await page.locator('.citizen').getByText(ANSWER.left.OUTCOME_REFER.citizen.vi).waitFor();
    await page.locator('.verdict').getByText(ANSWER.left.OUTCOME_REFER.clerk.vi).waitFor();
    await screenshot(page, 'desk-referred');
    await page.reload();
    await heading(page, REFERRED).waitFor();
    assert.equal(await button(page, fill(ANSWER.retakeCard, { n: 2 }).vi).count(), 0);
    const officer = await world.caller('officer');
    const said = await officer.call('Beneficiary/ResolveReferral', { transactionId: transaction, outcome: 'OUTCOME_APPROVE', reason: 'đã xem giấy tờ' });
    assert.equal(said.status, 200, JSON.stringify(said.body));
    await button(page, ANSWER.refresh.vi).click();
    await heading(page, APPROVED).waitFor();
    await window.close();
  });

  scenario("desk: another person's face is denied, without an accusation", async (world) => {
    await world.camera.show('other');
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, {});
    await send(page);
    await heading(page, DENIED).waitFor();
    await saysNoScore(page);
    await noBarriers(page, 'a denial');
    await screenshot(page, 'desk-denied');
    await window.close();
  });

  scenario('desk: a chip that cannot be read is said so, and goes on to an officer', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await fillRecord(page);
    await page.setInputFiles('input[name=files]', world.cards.unreadable);
    await page.getByText(fill(CARD.cut, { kind: 'SOD' }).vi).waitFor();
    await screenshot(page, 'desk-unreadable');
    await button(page, TEXTS.next.vi).click();
    await send(page);
    await heading(page, RETAKE).waitFor();
    await window.close();
  });

  // What the page says of each flaw, one instruction at a time; nothing is taken by itself meanwhile.
  const FLAWS = {
    nobody: ['NO_FACE'],
    dark: ['TOO_DARK', 'IMAGE_TOO_DARK'],
    blurred: ['BLURRED'],
    leaning: ['HOLD_UPRIGHT', 'LOOK_STRAIGHT'],
    far: ['MOVE_CLOSER', 'FACE_TOO_SMALL'],
    covered: ['UNCOVER_FACE'],
    two: ['ONE_PERSON', 'FACE_AMBIGUOUS'],
  };
  scenario('desk: while looking, the page says what is wrong with each picture and takes none of them', async (world) => {
    await world.camera.show('nobody');
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, { card: 'noCard' });
    for (const [film, codes] of Object.entries(FLAWS)) {
      const words = new RegExp(codes.map((code) => INSTRUCTIONS[code].vi).join('|'));
      await world.camera.show(film);
      // The camera is opened anew with the step.
      await button(page, TEXTS.back.vi).click();
      await heading(page, CARD.title.vi).waitFor();
      await button(page, TEXTS.next.vi).click();
      await page.locator('.advice', { hasText: words }).waitFor().catch(async () => {
        assert.fail(`${film}: the page says ${await page.locator('.advice').innerText()}`);
      });
      assert.equal(await page.locator('.frames img').count(), 0, `${film} is not taken`);
      await screenshot(page, `desk-advice-${film}`);
    }
    await window.close();
  });

  scenario('desk: pictures without a face are taken again under the same attempt', async (world) => {
    await world.camera.show('nobody');
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, {});
    await page.locator('.advice', { hasText: INSTRUCTIONS.NO_FACE.vi }).waitFor();
    await button(page, CAPTURE.shoot.vi).click();
    await page.locator('.frames .badge', { hasText: INSTRUCTIONS.NO_FACE.vi }).waitFor();
    await button(page, CAPTURE.send.vi).click();
    await page.locator('.frames .badge.stop').waitFor();
    await screenshot(page, 'desk-retake-frame');
    await world.camera.show('good');
    await page.reload();
    await toCamera(world, page, {});
    await send(page);
    await heading(page, APPROVED).waitFor();
    assert.equal(await page.locator('.badge', { hasText: fill(TEXTS.attempt, { n: 2 }).vi }).count(), 0);
    await window.close();
  });

  scenario('desk: a retake is the next attempt of the same transaction', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, { card: 'unreadable' });
    const transaction = await transactionOf(page);
    await send(page);
    await heading(page, RETAKE).waitFor();
    await button(page, fill(ANSWER.retakeCard, { n: 2 }).vi).click();
    await page.getByText(fill(TEXTS.attempt, { n: 2 }).vi).first().waitFor();
    // The advice is to read the card, so that is where it leads.
    await heading(page, CARD.title.vi).waitFor();
    await page.getByText(TEXTS.readCard.vi).waitFor();
    await button(page, TEXTS.next.vi).click();
    await send(page);
    await heading(page, RETAKE).waitFor();
    assert.equal(await transactionOf(page), transaction);
    const officer = await world.caller('officer');
    const { body } = await officer.call('Cases/GetDecision', { transactionId: transaction });
    assert.equal(body.decision.attempt, 2);
    await window.close();
  });

  scenario('desk: a network lost in the middle, and an answer lost on its way, decide once', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    let sent = 0;
    await page.route('**/chinhchu.v1.Beneficiary/VerifyBeneficiary', async (route) => {
      sent += 1;
      if (sent > 1) return route.continue();
      await route.fetch();
      return route.abort('connectionreset');
    });
    await toCamera(world, page, {});
    await page.getByText(CAPTURE.enough.vi).first().waitFor();
    await window.context.setOffline(true);
    await button(page, CAPTURE.send.vi).click();
    await page.getByText(ANSWER.resending.vi).first().waitFor();
    await screenshot(page, 'desk-offline');
    await window.context.setOffline(false);
    await heading(page, APPROVED).waitFor();
    assert.ok(sent >= 2, `sent ${sent} times`);
    const officer = await world.caller('officer');
    const { body } = await officer.call('Cases/GetDecision', { transactionId: await transactionOf(page) });
    assert.equal(body.decision.attempt, 1);
    await window.close();
  });

  scenario('desk: a session that is over is taken up again, and the pictures are still there', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, {});
    await page.getByText(CAPTURE.enough.vi).first().waitFor();
    await window.context.clearCookies();
    await button(page, CAPTURE.send.vi).click();
    const cover = page.locator('dialog', { hasText: SHELL.expiredTitle.vi });
    await cover.waitFor();
    const [tab] = await Promise.all([window.context.waitForEvent('page'), cover.getByRole('link').click()]);
    await tab.selectOption('select[name=person]', PEOPLE.clerk.id);
    await tab.click('button[type=submit]');
    await heading(page, APPROVED).waitFor();
    await window.close();
  });

  scenario('desk: back and reload lose no answer and send nothing again; a second tab begins a case of its own', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, { card: 'noCard' });
    const transaction = await transactionOf(page);
    let sent = 0;
    page.on('request', (request) => (sent += request.url().endsWith('VerifyBeneficiary') ? 1 : 0));
    await send(page);
    await heading(page, RETAKE).waitFor();
    await page.goBack();
    await heading(page, RETAKE).waitFor();
    await page.reload();
    await heading(page, RETAKE).waitFor();
    await page.getByText(TEXTS.resumedAnswer.vi).first().waitFor();
    assert.equal(await transactionOf(page), transaction);
    assert.equal(sent, 1);
    // A tab that was duplicated has a copy of what this one keeps.
    const [copy] = await Promise.all([window.context.waitForEvent('page'), page.evaluate(() => void window.open(location.href))]);
    await copy.getByText(TEXTS.otherTab.vi).first().waitFor();
    assert.notEqual(await transactionOf(copy), transaction);
    await window.close();
  });

  scenario('desk: everything can be done with the keyboard alone', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await page.locator('input[name=subjectId]').waitFor();
    const tabTo = async (where) => {
      for (let press = 0; press < 60; press += 1) {
        await page.keyboard.press('Tab');
        if (await page.evaluate((css) => document.activeElement?.matches(css) === true, where)) return;
      }
      assert.fail(`Tab does not reach ${where}`);
    };
    await tabTo('input[name=subjectId]');
    await page.keyboard.type('record-1');
    await tabTo('input[name=number]');
    await page.keyboard.type(CARDS.card.number);
    await tabTo('button.primary.bigger');
    await page.keyboard.press('Enter');
    await heading(page, CARD.title.vi).waitFor();
    await tabTo('[data-way=noCard]');
    await page.keyboard.press('Space');
    await tabTo('button.primary.bigger');
    await page.keyboard.press('Enter');
    // The three pictures are taken, and the focus is on what comes next.
    await page.getByText(CAPTURE.enough.vi).first().waitFor();
    await page.waitForFunction(() => document.activeElement?.matches('button.primary.wide'));
    await page.keyboard.press('Enter');
    await heading(page, RETAKE).waitFor();
    await window.close();
  });

  scenario('desk: without a camera the page says why, and photos come from files', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK, { camera: false });
    await window.context.clearPermissions();
    await window.context.grantPermissions([]);
    await toCamera(world, page, {});
    await page.getByText(CAPTURE.causes.denied.vi).waitFor();
    await noBarriers(page, 'the capture without a camera');
    await screenshot(page, 'desk-no-camera');
    const photos = world.camera.stills('good').slice(0, 2).map((buffer, n) => ({ name: `${MARKUP}${n}.jpg`, mimeType: 'image/jpeg', buffer }));
    await page.setInputFiles('input[name=photos]', [...photos, { name: `${MARKUP}.jpg`, mimeType: 'image/jpeg', buffer: Buffer.from('no picture') }]);
    // The name of a file is text, whatever it holds.
    await page.getByText(`${MARKUP}.jpg`).first().waitFor();
    assert.equal(await page.locator('.frames img').count(), 2);
    await button(page, CAPTURE.send.vi).click();
    await heading(page, APPROVED).waitFor();
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
    await window.close();
  });

  scenario("desk: a reader's program gives the card's files under its own names, and its verdicts count for nothing", async (world) => {
    await world.agent.lay(world.cards.card);
    const { window, page } = await world.signedIn('clerk', DESK, { origins: [world.agent.url] });
    await fillRecord(page);
    await button(page, new RegExp(`^${CARD.agentRead.vi} ?${CARD.agentRead.en}`)).click();
    await page.getByText(CARD.complete.vi).waitFor();
    await page.getByText(CARD.verdicts.vi).waitFor();
    await screenshot(page, 'desk-agent');
    await button(page, CARD.clear.vi).click();
    world.agent.say(200, { hoTen: 'x', image: 'y'.repeat(2000), verifySOD: true });
    await button(page, new RegExp(`^${CARD.agentRead.vi} ?${CARD.agentRead.en}`)).click();
    await page.getByText(CARD.textOnly.vi).waitFor();
    world.agent.say(409);
    await button(page, new RegExp(`^${CARD.agentRead.vi} ?${CARD.agentRead.en}`)).click();
    await page.getByText(CARD.agentUnreadable.vi).waitFor();
    // Markup in a file's name is text.
    await page.setInputFiles('input[name=files]', [{ name: `${MARKUP}.zip`, mimeType: 'application/zip', buffer: Buffer.from('PK\x03\x04 damaged') }]);
    await page.getByText(`${MARKUP}.zip`).waitFor();
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
    await window.close();
  });
}
