// The officer's page: lists, a case, answers, pairs; and what may go wrong on the way.

import assert from 'node:assert/strict';

import { fits, noBarriers, screenshot } from './browser.mjs';
import { PEOPLE } from './server.mjs';

const OFFICER = '/desk/officer';
const answerForm = (page) => page.locator('form', { has: page.locator('input[name=outcome]') });

// Opens a case from the list.
async function open(page, transaction) {
  await page.getByRole('link', { name: transaction, exact: true }).click();
  await page.getByRole('heading', { level: 1, name: transaction }).waitFor();
}

async function fillAnswer(page, outcome, reason) {
  const form = answerForm(page);
  await form.locator(`input[value=${outcome}]`).check();
  await form.locator('textarea').fill(reason);
  return form;
}

async function answer(page, outcome, reason) {
  const form = await fillAnswer(page, outcome, reason);
  await form.locator('button[type=submit]').click();
  await page.locator('dialog button.primary').click();
}

async function answersOf(caller, transactionId) {
  const { body } = await caller.call('Cases/GetDecision', { transactionId });
  return body.decision.officerAnswers ?? [];
}

export function officerScenarios(scenario) {
  scenario('officer: a referral is found, read in words, and approved with a reason', async (world) => {
    const clerk = await world.caller('clerk');
    const [first, second] = [world.transaction('refer'), world.transaction('refer')];
    await world.decide(clerk, first, { subject: 'record-r1', card: null });
    await world.decide(clerk, second, { subject: 'record-r1', card: null, photos: ['obama2.jpg'] });

    const { window, page } = await world.signedIn('officer', OFFICER);
    const names = page.locator('.case-link');
    await names.first().waitFor();
    const shown = await names.allTextContents();
    assert.ok(shown.indexOf(first) >= 0 && shown.indexOf(first) < shown.indexOf(second), 'the oldest first');
    await fits(page, 'the list');
    await noBarriers(page, 'the list');
    await screenshot(page, 'officer-list');

    await open(page, first);
    await page.getByText('Không có dữ liệu chip').first().waitFor();
    await page.getByText('No chip data').first().waitFor();
    // The pictures that were presented, while the case waits.
    await page.getByRole('button', { name: 'Xem ảnh' }).click();
    await page.locator('.pictures figure', { hasText: 'Ảnh chụp 2' }).waitFor();
    const widths = await page.locator('.pictures img').evaluateAll((all) => Promise.all(all.map((img) => img.decode().then(() => img.naturalWidth, () => img.naturalWidth))));
    assert.ok(widths.length === 2 && widths.every((width) => width > 100 && width <= 640), `${widths}`);
    await fits(page, 'a case');
    await noBarriers(page, 'a case');
    await screenshot(page, 'officer-case');

    const form = await fillAnswer(page, 'OUTCOME_APPROVE', 'đã xem giấy tờ gốc và người đến');
    await form.locator('button[type=submit]').click();
    await noBarriers(page, 'the question before it is sent');
    await screenshot(page, 'officer-question');
    await page.locator('dialog button.primary').click();
    await page.locator('.note.good', { hasText: 'Đã chấp thuận.' }).waitFor();
    await screenshot(page, 'officer-answered');
    assert.equal(await answerForm(page).count(), 0, 'no second answer');

    await page.reload();
    await page.getByText('Trường hợp này đã được xử lý xong.').waitFor();
    await page.getByRole('button', { name: 'Xem ảnh' }).click();
    await page.locator('.pictures').getByText('không còn được lưu').waitFor();
    await page.goBack();
    await page.locator('.cases').waitFor();
    await page.getByRole('link', { name: second, exact: true }).waitFor();
    assert.equal(await page.getByRole('link', { name: first, exact: true }).count(), 0, 'it waits no longer');
    const [said] = await answersOf(await world.caller('second'), first);
    assert.deepEqual([said.officerId, said.outcome, said.reason], [PEOPLE.officer.id, 'OUTCOME_APPROVE', 'đã xem giấy tờ gốc và người đến']);
    await window.close();
  });

  scenario("officer: the server's refusal of a reason is shown, and what was typed stays", async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('number');
    await world.decide(clerk, transaction, { subject: 'record-r2', card: null });
    const { window, page } = await world.signedIn('officer', `${OFFICER}`);
    await open(page, transaction);
    const form = answerForm(page);
    await form.locator('button[type=submit]').click();
    await page.getByText('Hãy chọn chấp thuận hoặc từ chối.').waitFor();
    await page.getByText('Hãy ghi lý do.').waitFor();
    await noBarriers(page, 'a form with errors');
    await answer(page, 'OUTCOME_DENY', 'so 001088123456 khac');
    await page.locator('.note.stop').getByText('không ghi số thẻ hay số bảo hiểm', { exact: false }).waitFor();
    assert.equal(await form.locator('textarea').inputValue(), 'so 001088123456 khac');
    assert.deepEqual(await answersOf(clerk, transaction), []);
    await answer(page, 'OUTCOME_DENY', 'giấy tờ không khớp');
    await page.locator('.note.good', { hasText: 'Đã từ chối.' }).waitFor();
    await window.close();
  });

  scenario('officer: against an altered card it takes two', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('altered');
    const decided = await world.decide(clerk, transaction, { subject: 'record-a', card: 'altered', photos: ['biden.jpg'] });
    assert.equal(decided.outcome, 'OUTCOME_DENY');

    const one = await world.signedIn('officer', OFFICER);
    await one.page.getByRole('link', { name: 'Đã từ chối' }).click();
    await open(one.page, transaction);
    await one.page.getByText('Để chấp thuận trường hợp này cần hai cán bộ.').waitFor();
    await screenshot(one.page, 'officer-denied');
    await answer(one.page, 'OUTCOME_APPROVE', 'đã xác minh với nơi cấp thẻ');
    await one.page.getByText('Cần thêm cán bộ khác chấp thuận (1/2)').first().waitFor();
    assert.equal(await answerForm(one.page).count(), 0, 'nobody approves twice');
    await screenshot(one.page, 'officer-one-of-two');
    await one.window.close();

    const two = await world.signedIn('second', OFFICER);
    await open(two.page, transaction);
    await two.page.getByText(PEOPLE.officer.id).first().waitFor();
    await answer(two.page, 'OUTCOME_APPROVE', 'đã xem giấy tờ gốc');
    await two.page.locator('.note.good', { hasText: 'Đã chấp thuận.' }).waitFor();
    assert.equal((await answersOf(clerk, transaction)).length, 2);
    await two.window.close();
  });

  scenario('officer: a shared face is cleared for a reason, and that is ended again', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('twin');
    await world.decide(clerk, transaction, { subject: 'record-2', card: 'second_card' });
    const { window, page } = await world.signedIn('officer', OFFICER);
    await open(page, transaction);
    await page.getByRole('heading', { name: 'Khuôn mặt này có ở hồ sơ khác' }).waitFor();
    await page.locator('.other a', { hasText: 'record-1' }).waitFor();
    assert.equal(await page.locator('details.figures').getAttribute('open'), null, 'figures are closed at first');
    await page.locator('details.figures summary').click();
    await page.getByText('Chỉ để tham khảo').waitFor();
    await page.locator('details.clear summary').click();
    await page.locator('details.clear textarea').fill('hai anh em sinh đôi, đã xem giấy khai sinh');
    await screenshot(page, 'officer-duplicate');
    await page.locator('details.clear button[type=submit]').click();
    await page.locator('dialog button.primary').click();
    await page.locator('.note.good', { hasText: 'Cặp đã được xác nhận' }).waitFor();
    // The face is reported no more.
    const after = await world.decide(clerk, world.transaction('twin'), { subject: 'record-2', card: 'second_card' });
    assert.ok(!(after.reasons ?? []).some(({ code }) => code === 'DUPLICATE_FACE'));

    await page.getByRole('link', { name: 'Cặp cùng khuôn mặt' }).click();
    await page.getByLabel('Chấm dứt xác nhận trước đây').check();
    await page.getByLabel('Mã hồ sơ thứ nhất').fill('record-1');
    await page.getByLabel('Mã hồ sơ thứ hai').fill('record-2');
    await page.locator('form.stack textarea').fill('xác nhận nhầm');
    await fits(page, 'pairs');
    await noBarriers(page, 'pairs');
    await screenshot(page, 'officer-pairs');
    await page.locator('form.stack button[type=submit]').click();
    await page.locator('dialog button.primary').click();
    await page.locator('.note.good', { hasText: 'Đã chấm dứt' }).waitFor();
    // A pair that was never cleared is refused in words.
    await page.getByLabel('Mã hồ sơ thứ hai').fill('record-none');
    await page.locator('form.stack button[type=submit]').click();
    await page.locator('dialog button.primary').click();
    await page.locator('.note.stop', { hasText: 'chưa từng được xác nhận' }).waitFor();
    await window.close();
  });

  scenario('officer: whoever presented a case does not answer it', async (world) => {
    const both = await world.caller('both');
    const transaction = world.transaction('own');
    await world.decide(both, transaction, { subject: 'record-o', card: null });
    const { window, page } = await world.signedIn('both', OFFICER);
    await open(page, transaction);
    await page.getByText('Chính ông/bà đã tiếp nhận trường hợp này').waitFor();
    assert.equal(await answerForm(page).count(), 0);
    // The server says so too.
    const refused = await both.call('Beneficiary/ResolveReferral', { transactionId: transaction, outcome: 'OUTCOME_APPROVE', reason: 'x' });
    assert.equal(refused.body.details[0].debug.reason, 'OFFICER_INVOLVED');
    await window.close();
  });

  scenario('officer: a case of another unit is not shown', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('unit');
    await world.decide(clerk, transaction, { subject: 'record-u', card: null });
    const { window, page } = await world.signedIn('elsewhere', OFFICER);
    await page.locator('main').getByText('Không có trường hợp nào đang chờ.').waitFor();
    await page.getByLabel('Mã giao dịch').fill(transaction);
    await page.getByRole('button', { name: 'Mở' }).click();
    await page.getByText('thuộc đơn vị hoặc tỉnh khác', { exact: false }).waitFor();
    await page.getByLabel('Mã giao dịch').fill('no-such');
    await page.getByRole('button', { name: 'Mở' }).click();
    await page.getByText('Không có giao dịch này', { exact: false }).waitFor();
    await screenshot(page, 'officer-not-found');
    await window.close();
  });

  scenario('officer: of two tabs the second learns that the case was answered', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('tabs');
    await world.decide(clerk, transaction, { subject: 'record-t', card: null });
    const { window, page } = await world.signedIn('officer', OFFICER);
    const other = await window.context.newPage();
    await other.goto(`${world.url}${OFFICER}#case/${transaction}`);
    await answerForm(other).waitFor();
    await open(page, transaction);
    await answer(page, 'OUTCOME_APPROVE', 'đã xem giấy tờ');
    await page.locator('.note.good').waitFor();
    await answer(other, 'OUTCOME_DENY', 'không khớp');
    await other.locator('.note.stop', { hasText: 'đã được xử lý theo cách khác' }).waitFor();
    assert.equal(await answerForm(other).count(), 0);
    assert.equal((await answersOf(clerk, transaction)).length, 1);
    await window.close();
  });

  scenario('officer: a link to a case leads to it through the sign-in', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('linked');
    await world.decide(clerk, transaction, { subject: 'record-k', card: null });
    const window = await world.window();
    const page = await window.context.newPage();
    await page.goto(`${world.url}${OFFICER}#case/${transaction}`);
    await page.locator('main a[href^="/desk/login"]').click();
    await page.selectOption('select[name=person]', PEOPLE.officer.id);
    await page.click('button[type=submit]');
    await page.waitForURL(`${world.url}${OFFICER}#case/${transaction}`);
    await answerForm(page).waitFor();
    await window.close();
  });

  scenario('officer: an answer whose reply is lost, or that is sent twice, is recorded once', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('lost');
    await world.decide(clerk, transaction, { subject: 'record-l', card: null });
    const { window, page } = await world.signedIn('officer', OFFICER);
    await open(page, transaction);
    let sent = 0;
    await page.route('**/chinhchu.v1.Beneficiary/ResolveReferral', async (route) => {
      sent += 1;
      if (sent > 1) return route.continue();
      // It arrives, and the line breaks before the reply does.
      await route.fetch();
      return route.abort('connectionreset');
    });
    const form = await fillAnswer(page, 'OUTCOME_APPROVE', 'đã xem giấy tờ');
    await form.locator('button[type=submit]').dblclick();
    assert.equal(await page.locator('dialog[open]').count(), 1, 'a double click asks once');
    await page.locator('dialog button.primary').click();
    await page.locator('.note.good', { hasText: 'Đã chấp thuận.' }).waitFor();
    assert.equal(sent, 2);
    assert.equal((await answersOf(clerk, transaction)).length, 1);
    await window.close();
  });

  scenario('officer: what came of an answer is told wherever the officer is by then, and what is shown there stays', async (world) => {
    const clerk = await world.caller('clerk');
    const [first, second] = [world.transaction('away'), world.transaction('away')];
    for (const transaction of [first, second]) await world.decide(clerk, transaction, { subject: `record-${transaction}`, card: null, photos: ['biden.jpg'] });
    const { window, page } = await world.signedIn('officer', OFFICER);
    let release;
    const hold = () => {
      const released = new Promise((done) => (release = done));
      return page.route('**/chinhchu.v1.Beneficiary/ResolveReferral', async (route) => {
        await released;
        await route.continue();
      }, { times: 1 });
    };
    const toList = () => page.getByRole('link', { name: 'Về danh sách' }).click();
    const news = (transaction) => page.locator('[data-about]', { has: page.getByRole('link', { name: transaction, exact: true }) });
    await open(page, first);
    await hold();
    await answer(page, 'OUTCOME_DENY', 'giấy tờ không khớp');
    await toList();
    await open(page, second);
    await fillAnswer(page, 'OUTCOME_APPROVE', 'đang xem giấy tờ');
    release();
    await news(first).locator('.note.good', { hasText: 'Đã từ chối.' }).waitFor();
    await page.locator('#urgent', { hasText: 'Đã từ chối.' }).waitFor({ state: 'attached' });
    assert.equal(await answerForm(page).locator('textarea').inputValue(), 'đang xem giấy tờ');
    await page.getByRole('heading', { level: 1, name: second }).waitFor();
    await noBarriers(page, 'what came of another case');
    await screenshot(page, 'officer-away');
    await news(first).getByRole('button', { name: 'Đóng' }).click();
    assert.equal(await news(first).count(), 0);
    // A refusal is told as well, and what was typed is there when the officer comes back by the link.
    await hold();
    await answer(page, 'OUTCOME_DENY', 'so 001088123456 khac');
    await toList();
    await page.locator('.case-link', { hasText: second }).waitFor();
    release();
    await news(second).locator('.note.stop').getByText('không ghi số thẻ hay số bảo hiểm', { exact: false }).waitFor();
    await page.getByRole('heading', { name: 'Trường hợp chờ cán bộ' }).waitFor();
    await news(second).getByRole('link').click();
    await page.getByRole('heading', { level: 1, name: second }).waitFor();
    assert.equal(await news(second).count(), 0);
    assert.equal(await answerForm(page).locator('textarea').inputValue(), 'so 001088123456 khac');
    // The question goes with the view that it is about: nothing is confirmed that cannot be seen.
    await answerForm(page).locator('textarea').fill('không khớp');
    await answerForm(page).locator('button[type=submit]').click();
    await page.locator('dialog[open]').waitFor();
    await page.goBack();
    await page.locator('.cases').waitFor();
    await page.waitForFunction(() => document.querySelectorAll('dialog').length === 0);
    assert.deepEqual(await answersOf(clerk, second), []);
    assert.equal((await answersOf(clerk, first)).length, 1);
    await window.close();
  });

  scenario('officer: a session that is over is taken up again without losing what was typed', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('expired');
    await world.decide(clerk, transaction, { subject: 'record-e', card: null });
    const { window, page } = await world.signedIn('officer', OFFICER);
    await open(page, transaction);
    const form = await fillAnswer(page, 'OUTCOME_DENY', 'giấy tờ không khớp');
    await window.context.clearCookies();
    await form.locator('button[type=submit]').click();
    await page.locator('dialog button.primary').click();
    const cover = page.locator('dialog', { hasText: 'Phiên làm việc đã hết' });
    await cover.waitFor();
    await screenshot(page, 'session-over');
    const [tab] = await Promise.all([window.context.waitForEvent('page'), cover.getByRole('link').click()]);
    await tab.selectOption('select[name=person]', PEOPLE.officer.id);
    await tab.click('button[type=submit]');
    await page.locator('.note.good', { hasText: 'Đã từ chối.' }).waitFor();
    await page.locator('.said', { hasText: 'giấy tờ không khớp' }).waitFor();
    await window.close();
  });

  scenario('officer: everything can be done with the keyboard alone', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('keys');
    await world.decide(clerk, transaction, { subject: 'record-k', card: null });
    const { window, page } = await world.signedIn('officer', OFFICER);
    await page.locator('.case-link').first().waitFor();
    // Tab until `where` has the focus, which must be seen.
    const tabTo = async (where) => {
      for (let press = 0; press < 80; press += 1) {
        await page.keyboard.press('Tab');
        if (await page.evaluate((css) => document.activeElement?.matches(css) === true, where)) return;
      }
      assert.fail(`Tab does not reach ${where}`);
    };
    await page.keyboard.press('Control+Home');
    await tabTo('#find');
    await page.keyboard.type(transaction);
    await page.keyboard.press('Enter');
    await answerForm(page).waitFor();
    await tabTo('input[name=outcome]');
    await page.keyboard.press('ArrowDown');
    assert.equal(await page.locator('input[value=OUTCOME_DENY]').isChecked(), true);
    await tabTo('form textarea');
    await page.keyboard.type('giấy tờ không khớp');
    await tabTo('form button.primary');
    await page.keyboard.press('Enter');
    const dialog = page.locator('dialog[open]');
    await dialog.waitFor();
    // Escape goes back, and the focus with it.
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.matches('form button.primary')), true);
    await page.keyboard.press('Enter');
    await dialog.waitFor();
    await tabTo('dialog button.primary');
    await page.keyboard.press('Enter');
    await page.locator('.note.good', { hasText: 'Đã từ chối.' }).waitFor();
    await window.close();
  });

  scenario('officer: a long list comes in pages, and what is overdue is marked', async (world) => {
    const { window, page } = await world.signedIn('officer', OFFICER);
    const days = (count) => new Date(Date.now() - count * 86_400_000).toISOString();
    const one = (number, at) => ({
      transactionId: `P-${number}`, attempt: 1, subjectId: `record-${number}`, scheme: 'SCHEME_HEALTH', outcome: 'OUTCOME_REFER', waits: true,
      reasons: ['CHIP_MISSING', 'LATER_CODE'], decidedAt: at, answerBy: new Date(Date.parse(at) + 86_400_000).toISOString(),
    });
    const pages = {
      '': { referrals: Array.from({ length: 25 }, (_, number) => one(number, days(3))), nextPageToken: 'second' },
      // A page may be empty and not the last.
      second: { nextPageToken: 'third' },
      third: { referrals: [one('last', days(0.1))] },
    };
    await page.route('**/chinhchu.v1.Cases/ListReferrals', (route) => route.fulfill({ json: pages[route.request().postDataJSON().pageToken] }));
    await page.goto(`${world.url}${OFFICER}`);
    const cases = page.locator('.case');
    await cases.nth(24).waitFor();
    assert.equal(await cases.count(), 25);
    assert.equal(await page.locator('.waits.long').count(), 25);
    await page.getByRole('button', { name: 'Xem thêm' }).click();
    await cases.nth(25).waitFor();
    assert.equal(await page.locator('.waits.long').count(), 25);
    assert.match(await cases.first().textContent(), /quá hạn.*Hạn trả lời/s);
    await page.getByText('26 trường hợp.').first().waitFor();
    // A reason that this page does not know is shown by its code.
    await page.getByText('LATER_CODE').first().waitFor();
    assert.equal(await page.getByRole('button', { name: 'Xem thêm' }).count(), 0);
    await window.close();
  });

  // A list of another time under the chosen one would hide a case that waits for its answer.
  scenario('officer: a list is of the time that was chosen last, however slow the one before is', async (world) => {
    const { window, page } = await world.signedIn('officer', OFFICER);
    let release;
    const released = new Promise((done) => (release = done));
    const at = new Date().toISOString();
    const one = (name) => ({ transactionId: name, attempt: 1, subjectId: 'record-t', scheme: 'SCHEME_HEALTH', outcome: 'OUTCOME_DENY', decidedAt: at });
    await page.route('**/chinhchu.v1.Cases/ListDecisions', async (route) => {
      const days = Math.round((Date.now() - Date.parse(route.request().postDataJSON().since)) / 86_400_000);
      if (days === 7) await released;
      await route.fulfill({ json: { decisions: [one(`T-${days}`)] } }).catch(() => {});
    });
    await page.goto(`${world.url}${OFFICER}#denied`);
    await page.locator('#since').selectOption('30');
    await page.getByRole('link', { name: 'T-30' }).waitFor();
    release();
    await page.getByText('1 trường hợp.').first().waitFor();
    assert.deepEqual(await page.locator('.case-link').allTextContents(), ['T-30']);
    await page.getByRole('button', { name: 'Tải lại' }).click();
    await page.getByText('1 trường hợp.').first().waitFor();
    assert.deepEqual(await page.locator('.case-link').allTextContents(), ['T-30']);
    await window.close();
  });

  scenario('officer: pictures are asked for where the server says that it keeps them, and nowhere else', async (world) => {
    const clerk = await world.caller('clerk');
    const transaction = world.transaction('pictures');
    await world.decide(clerk, transaction, { subject: 'record-q', card: null });
    const { window, page } = await world.signedIn('officer', OFFICER);
    await open(page, transaction);
    assert.ok(!window.seen.requests.some((asked) => asked.endsWith('GetPictures')));
    await page.route('**/desk/me', async (route) => {
      const me = await (await route.fetch()).json();
      await route.fulfill({ json: { ...me, desk: { ...me.desk, keepsPictures: true } } });
    });
    const image = world.camera.stills('good')[0].toString('base64');
    const asked = [];
    let answer = { pictures: [{ kind: 'PICTURE_KIND_CAPTURE', image }, { kind: 'PICTURE_KIND_CHIP_PHOTO', image }], keptUntil: '2026-12-30T00:00:00Z', attempt: 1 };
    await page.route('**/chinhchu.v1.Cases/GetPictures', (route) => {
      asked.push(route.request().postDataJSON());
      return route.fulfill({ json: answer });
    });
    await page.reload();
    await page.getByText('Mỗi lần xem ảnh được ghi vào nhật ký').waitFor();
    assert.deepEqual(asked, [], 'a look is entered in the log: nothing is looked at unasked');
    await page.getByRole('button', { name: 'Xem ảnh' }).click();
    await page.waitForFunction(() => [...document.querySelectorAll('.pictures img')].filter((img) => img.naturalWidth > 0).length === 2);
    assert.deepEqual(asked, [{ transactionId: transaction, attempt: 1 }]);
    assert.match(await page.locator('.pictures figcaption').first().innerText(), /Ảnh trong chip/);
    await page.getByText('Được lưu muộn nhất đến').waitFor();
    await fits(page, 'pictures of a case');
    await noBarriers(page, 'pictures of a case');
    await screenshot(page, 'officer-pictures');
    answer = { noneReason: 'NO_PICTURES_NO_LONGER_KEPT', attempt: 1 };
    await page.reload();
    await page.getByRole('button', { name: 'Xem ảnh' }).click();
    await page.locator('.pictures').getByText('không còn được lưu').waitFor();
    await window.close();
  });
}
