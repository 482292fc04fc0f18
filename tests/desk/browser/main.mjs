// Runs all scenarios in one process, one after another: they share a browser and a server, and the camera.
//
//   node main.mjs [PATTERN]      only those whose names match the regular expression

import { after, test } from 'node:test';

import { accessScenarios } from './access.mjs';
import { apartScenarios } from './apart.mjs';
import { attackScenarios } from './attacks.mjs';
import { deskScenarios } from './desk.mjs';
import { oneCaseScenarios } from './one-case.mjs';
import { officerScenarios } from './officer.mjs';
import { providerScenarios } from './provider.mjs';
import { screenshot } from './browser.mjs';
import { makeWorld } from './world.mjs';

const pattern = new RegExp(process.argv[2] ?? '', 'i');
const world = await makeWorld();
after(() => world.end());

// A scenario that fails leaves a picture of every page that was open, and is ended after a while.
const TIME_MS = 120_000;
function scenario(name, run) {
  if (!pattern.test(name)) return;
  test(name, { timeout: TIME_MS }, async (one) => {
    await world.camera.show('good');
    try {
      await run(world, one);
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

for (const scenarios of [officerScenarios, deskScenarios, apartScenarios, oneCaseScenarios, attackScenarios, accessScenarios, providerScenarios]) scenarios(scenario);
