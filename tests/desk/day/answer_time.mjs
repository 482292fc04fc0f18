// How long a clerk waits: from the third capture to the answer, at the page in a real browser, one user; and what
// the page weighs and how soon it paints.
//
//   node answer_time.mjs [CASES]      scripts/bench-desk runs it

import { button, fillRecord, heading } from '../browser/desk.mjs';
import { makeWorld } from '../browser/world.mjs';

const cases = Number(process.argv[2] ?? 15);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const world = await makeWorld();
try {
  const { window, page } = await world.signedIn('clerk', '/desk/');
  const paints = [];
  let bytes = 0;
  for (let number = 0; number < 5; number += 1) {
    await page.goto(`${world.url}/desk/`);
    await page.locator('input[name=subjectId]').waitFor();
    paints.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN));
  }
  // What was loaded, asked for once more: sizes of what comes from the browser's cache are not told.
  bytes = await page.evaluate(async () => {
    const loaded = performance.getEntriesByType('resource').map(({ name }) => name);
    const pages = [location.href, ...loaded.filter((name) => name.includes('/desk/assets/'))];
    const sizes = await Promise.all(pages.map((name) => fetch(name).then((answer) => answer.arrayBuffer())));
    return sizes.reduce((sum, { byteLength }) => sum + byteLength, 0);
  });
  const waits = [];
  for (let number = 0; number < cases; number += 1) {
    await fillRecord(page);
    await page.setInputFiles('input[name=files]', world.cards.card);
    await button(page, 'Tiếp tục').click();
    await heading(page, 'Chụp khuôn mặt').waitFor();
    // By the clock of the page: pressed as soon as there are three, and until the answer is there.
    const waited = await page.evaluate(
      () =>
        new Promise((done) => {
          let began = null;
          const look = () => {
            const send = [...document.querySelectorAll('button')].find((one) => one.textContent.includes('Gửi để quyết định'));
            if (began === null && send && !send.disabled && document.querySelectorAll('.frames img').length >= 3) {
              began = performance.now();
              send.click();
            }
            if (began !== null && document.querySelector('.answer-page .verdict')) {
              watch.disconnect();
              done(performance.now() - began);
            }
          };
          const watch = new MutationObserver(look);
          watch.observe(document.body, { subtree: true, childList: true, attributes: true });
          look();
        }),
    );
    waits.push(waited);
    await button(page, 'Hồ sơ mới').first().click();
    await page.locator('input[name=subjectId]').waitFor();
  }
  await window.close();
  console.log(`from the third capture to the answer, ${cases} cases: median ${(median(waits) / 1000).toFixed(2)} s, ` +
    `longest ${(Math.max(...waits) / 1000).toFixed(2)} s (target: 1.2 s at the median)`);
  console.log(`the page: ${(bytes / 1000).toFixed(0)} KB (target: 300), first paint ${median(paints).toFixed(0)} ms (target: 1000)`);
} finally {
  await world.end();
}
