// Real servers for the tests, each with a folder of its own, and the synthetic cards they trust.

import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

export const PROGRAM = resolve(process.env.CHINHCHU_PROGRAM ?? 'target/debug/chinhchu');
const SOON_MS = 60_000;

// What the cards say. Made up; numbers that begin with 999 belong to nobody.
export const NAME = 'Nguyễn Thử Nghiệm';
export const CARDS = {
  card: { photo: 'obama.jpg', number: '999088000017' },
  second_card: { photo: 'obama3.jpg', number: '999075000023' },
};

// People that may sign in, all with roles of docs/access.md. The two officers are of one unit.
export const PEOPLE = {
  clerk: { id: 'test-clerk', roles: ['counter'], unit: 'Q1', province: '79' },
  nurse: { id: 'test-nurse', roles: ['clinic'], unit: 'BV1', province: '79' },
  officer: { id: 'test-officer', roles: ['officer'], unit: 'Q1', province: '79' },
  second: { id: 'test-second-officer', roles: ['officer'], unit: 'Q1', province: '79' },
  elsewhere: { id: 'test-officer-elsewhere', roles: ['officer'], unit: 'Q9', province: '01' },
  registrar: { id: 'test-registrar', roles: ['counter', 'registrar'], unit: 'Q1', province: '79' },
  both: { id: 'test-clerk-and-officer', roles: ['counter', 'officer'], unit: 'Q1', province: '79' },
};

// Press photos are no live captures, and are shown again and again here: so this policy does without some
// evidence and accepts what follows from that. What a policy makes of it otherwise is tested elsewhere.
const POLICY = `
first_sight = "enrol"
attempts_per_day_max = 100
on.attempts_many = "accept"
on.capture_seen_before = "accept"
on.frames_repeated = "accept"
on.frames_still = "accept"
on.capture_is_enrolled_photo = "accept"
`;

function configuration(extra) {
  return `
[chip]
csca = "cards/card/csca"

# Anybody can make cards of the test authority: never outside a test.
[danger]
insist = ["TEST_ANCHOR"]

[policies.default]
without = ["liveness", "quality"]
${POLICY}
[policies.strict]
without = ["liveness"]
${POLICY}
${extra}`;
}

// Three synthetic cards of one test authority: a sound one, a second one of the same face under another
// number, and the first with somebody else's photo put in. And one whose security file is damaged.
export async function makeCards(photos, folder) {
  const forge = (photo, number, name) =>
    promisify(execFile)(PROGRAM, [
      'chip', 'forge-test-card', join(photos, photo), '--seed', 'demo', '--number', number, '--out', join(folder, name),
    ]);
  await mkdir(folder, { recursive: true });
  await Promise.all([
    ...Object.entries(CARDS).map(([name, { photo, number }]) => forge(photo, number, name)),
    forge('biden.jpg', CARDS.card.number, 'foreign'),
  ]);
  await cp(join(folder, 'card'), join(folder, 'altered'), { recursive: true });
  await cp(join(folder, 'foreign', 'DG2.bin'), join(folder, 'altered', 'DG2.bin'));
  await cp(join(folder, 'card'), join(folder, 'unreadable'), { recursive: true });
  const files = {};
  for (const name of [...Object.keys(CARDS), 'foreign', 'altered', 'unreadable']) {
    const inside = await readdir(join(folder, name), { withFileTypes: true });
    const paths = inside.filter((entry) => entry.isFile()).map((entry) => join(folder, name, entry.name));
    if (name === 'unreadable') {
      const sod = paths.find((path) => /sod/i.test(path));
      await writeFile(sod, (await readFile(sod)).subarray(0, 40));
    }
    files[name] = paths;
  }
  return files;
}

// Starts a server with an empty gallery in `folder`, which has the cards, and says where it listens.
export async function startServer(folder, extra, listen = '127.0.0.1:0') {
  await writeFile(join(folder, 'chinhchu.toml'), configuration(extra));
  const args = ['serve', '--listen', listen, '--create', '--data', join(folder, 'people')];
  const child = spawn(PROGRAM, [...args, '--config', join(folder, 'chinhchu.toml')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  let ended = false;
  child.stdout.on('data', (part) => (log += part));
  child.stderr.on('data', (part) => (log += part));
  child.on('exit', () => (ended = true));
  const began = Date.now();
  for (;;) {
    const address = /127\.0\.0\.1:[1-9]\d*/.exec(log)?.[0];
    if (address) {
      return {
        url: `http://${address}`,
        log: () => log,
        stop: () =>
          new Promise((done) => {
            if (ended) return done();
            child.on('exit', done);
            child.kill('SIGTERM');
            return undefined;
          }),
      };
    }
    if (ended || Date.now() - began > SOON_MS) throw new Error(`the server did not start; it said:\n${log}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

// What says in the server's configuration who may sign in: test people, on loopback alone.
export function testPeople() {
  const quoted = (values) => JSON.stringify(values);
  const people = Object.values(PEOPLE)
    .map(
      ({ id, roles, unit, province }) =>
        `[desk.test_people.${id}]\nroles = ${quoted(roles)}\nunit = "${unit}"\nprovince = "${province}"\n`,
    )
    .join('\n');
  return `[access]\n\n${people}`;
}
