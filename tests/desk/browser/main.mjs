// Runs all scenarios in one process, one after another: they share a browser and a server, and the camera.

import { after, before, test } from 'node:test';

import { accessScenarios } from './access.mjs';
import { attackScenarios } from './attacks.mjs';
import { deskScenarios } from './desk.mjs';
import { officerScenarios } from './officer.mjs';
import { screenshot } from './browser.mjs';
import { makeWorld } from './world.mjs';

let world;
before(async () => {
  world = await makeWorld();
});
after(async () => {
  await world?.end();
});

// A scenario that fails leaves a picture of every page that was open, and is ended after a while.
const TIME_MS = 60_000;
function scenario(name, run) {
  test(name, { timeout: TIME_MS }, async () => {
    try {
      await run(world);
    } catch (error) {
      const pages = world.browser.contexts().flatMap((context) => context.pages());
      const file = `FAILED ${name.replace(/[^\w]+/g, '-').slice(0, 60)}`;
      await Promise.all(pages.map((page, number) => screenshot(page, `${file}-${number}`).catch(() => {})));
      throw error;
    } finally {
      // What a scenario left open would be seen by the next one.
      await Promise.all(world.browser.contexts().map((context) => context.close().catch(() => {})));
    }
  });
}

for (const scenarios of [officerScenarios, deskScenarios, attackScenarios, accessScenarios]) scenarios(scenario);
