// What holds for every page: its size on different screens, its weight, how soon it is seen, and its headers.

import assert from 'node:assert/strict';

import { fits, noBarriers, screenshot } from './browser.mjs';

const PAGES = { desk: ['clerk', '/desk/'], officer: ['officer', '/desk/officer'] };
const SCREENS = {
  desktop: { width: 1366, height: 768 },
  tablet: { width: 820, height: 1180 },
  // A window of 1366 by 768 pixels at 200 % zoom.
  zoomed: { width: 683, height: 384 },
};
const WEIGHT_BYTES_MAX = 300_000;
const FIRST_PAINT_MS_MAX = 1000;

export function accessScenarios(scenario) {
  for (const [name, [who, path]] of Object.entries(PAGES)) {
    scenario(`${name}: fits a desktop, a tablet and 200 % zoom, without a serious barrier`, async (world) => {
      const { window, page } = await world.signedIn(who, path);
      for (const [screen, size] of Object.entries(SCREENS)) {
        await page.setViewportSize(size);
        await page.waitForLoadState('networkidle');
        await fits(page, `${name}, ${screen}`);
        await screenshot(page, `${name}-${screen}`);
      }
      for (const language of ['vi', 'en', 'both']) {
        await page.locator('header select').selectOption(language);
        await noBarriers(page, `${name} in ${language}`);
      }
      // The focus can be seen wherever it goes.
      await page.keyboard.press('Tab');
      const outlined = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(outlined, 'none');
      await window.close();
    });

    scenario(`${name}: weighs under 300 KB, is painted within a second, and comes with its headers`, async (world) => {
      const { window, page } = await world.signedIn(who, path);
      const fresh = await window.context.newPage();
      let bytes = 0;
      const taken = [];
      fresh.on('response', (response) => {
        if (response.status() === 200) taken.push(response.body().then((body) => (bytes += body.length)));
      });
      const response = await fresh.goto(`${world.url}${path}`, { waitUntil: 'networkidle' });
      await Promise.all(taken);
      assert.ok(bytes > 10_000 && bytes < WEIGHT_BYTES_MAX, `${bytes} bytes`);
      const paint = await fresh.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
      assert.ok(paint < FIRST_PAINT_MS_MAX, `first paint after ${paint} ms`);
      const headers = response.headers();
      const policy = headers['content-security-policy'];
      for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"]) {
        assert.ok(policy.includes(rule), `${rule} in ${policy}`);
      }
      assert.doesNotMatch(policy, /unsafe-|\*/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.match(headers['permissions-policy'] ?? '', /camera=\(self\)/);
      await page.close();
      await window.close();
    });
  }

  scenario('both pages: somebody who is not signed in is asked to, and then is where they wanted to be', async (world) => {
    const window = await world.window();
    const page = await window.context.newPage();
    await page.goto(`${world.url}/desk/officer`);
    await page.locator('main a[href^="/desk/login"]').click();
    await page.locator('select[name=person]').waitFor();
    await noBarriers(page, 'the page of test people');
    await screenshot(page, 'sign-in-test');
    await page.selectOption('select[name=person]', 'test-officer');
    await page.click('button[type=submit]');
    await page.waitForURL('**/desk/officer');
    await page.getByRole('heading', { name: 'Trường hợp chờ cán bộ' }).waitFor();
    await page.getByText('Đây là hệ thống thử nghiệm').waitFor();
    await page.getByRole('button', { name: 'Đăng xuất' }).click();
    await page.locator('main a[href^="/desk/login"]').waitFor();
    await window.close();
  });
}
