// The counter's page: a case from the record to the answer, and what may go wrong on the way.

import assert from 'node:assert/strict';

import { fits, noBarriers, screenshot } from './browser.mjs';
import { CARDS, NAME, PEOPLE } from './server.mjs';

const DESK = '/desk/';
const button = (page, name) => page.getByRole('button', { name });
const heading = (page, name) => page.getByRole('heading', { name }).first();

async function fillRecord(page, { subject = 'record-1', number = CARDS.card.number, name = NAME } = {}) {
  await page.fill('input[name=subjectId]', subject);
  await page.fill('input[name=number]', number);
  await page.fill('input[name=name]', name);
  await page.fill('input[name=birthDate]', '1988');
  await page.selectOption('select[name=sex]', 'SEX_MALE');
  await button(page, 'Tiếp tục').click();
  await heading(page, 'Thẻ căn cước').waitFor();
}

// Up to the camera. `card`: one of the world's, or a way without one: noCard, unreadable.
async function toCamera(world, page, { card = 'card', ...record } = {}) {
  await fillRecord(page, record);
  if (world.cards[card] && card !== 'unreadable') await page.setInputFiles('input[name=files]', world.cards[card]);
  else await page.locator(`[data-way=${card}]`).click();
  await button(page, 'Tiếp tục').click();
  await heading(page, 'Chụp khuôn mặt').waitFor();
}

// Waits until the page has taken its three captures by itself, and sends them.
async function send(page) {
  await page.getByText('Đủ ảnh').first().waitFor();
  await button(page, 'Gửi để quyết định').click();
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
    await page.getByText('Có đủ SOD, DG1 và DG2').waitFor();
    await noBarriers(page, 'the card');
    await screenshot(page, 'desk-card');
    await button(page, 'Tiếp tục').click();
    await heading(page, 'Chụp khuôn mặt').waitFor();
    await page.getByText('Đủ ảnh').first().waitFor();
    await noBarriers(page, 'the capture');
    await fits(page, 'the capture');
    await screenshot(page, 'desk-capture');
    await button(page, 'Gửi để quyết định').click();
    await page.getByText('Đã xác nhận').first().waitFor();
    await saysNoScore(page);
    await noBarriers(page, 'the answer');
    await fits(page, 'the answer');
    const sizes = await page.locator('main .large').evaluateAll((all) => all.map((one) => parseFloat(getComputedStyle(one).fontSize)));
    assert.ok(sizes.length > 0 && sizes.every((size) => size >= 20), `what a pensioner reads has 20 px: ${sizes}`);
    await screenshot(page, 'desk-approved');
    await page.emulateMedia({ media: 'print' });
    await screenshot(page, 'desk-receipt');
    await page.emulateMedia({ media: 'screen' });
    await window.close();
  });

  scenario('desk: no card is referred to an officer, who finds the case and settles it', async (world) => {
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, { card: 'noCard' });
    const transaction = await transactionOf(page);
    await send(page);
    await page.getByText('Cán bộ xem xét').first().waitFor();
    await saysNoScore(page);
    await screenshot(page, 'desk-referred');
    const officer = await world.caller('officer');
    const said = await officer.call('Beneficiary/ResolveReferral', { transactionId: transaction, outcome: 'OUTCOME_APPROVE', reason: 'đã xem giấy tờ' });
    assert.equal(said.status, 200, JSON.stringify(said.body));
    await officer.close();
    await button(page, 'Xem người có thẩm quyền đã trả lời chưa').click();
    await page.getByText('Người có thẩm quyền đã trả lời').first().waitFor();
    await window.close();
  });

  scenario("desk: another person's face is denied, without an accusation", async (world) => {
    await world.camera.show('other');
    const { window, page } = await world.signedIn('clerk', DESK);
    await toCamera(world, page, {});
    await send(page);
    await page.getByText('Chưa giải quyết').first().waitFor();
    await saysNoScore(page);
    await screenshot(page, 'desk-denied');
    await world.camera.show('good');
    await window.close();
  });
}
