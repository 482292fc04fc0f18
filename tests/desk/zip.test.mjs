// The ZIP reader: what it reads, and that no archive costs more than its bounds.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ENTRIES_MAX, ENTRY_BYTES_MAX, isZip, readZip, ZipError } from "../../src/desk/pages/assets/zip.js";
import { archive } from "./archive.mjs";

const refused = (code) => (error) => error instanceof ZipError && error.code === code;
const words = new TextEncoder().encode("chip file ".repeat(500));

test("stored and deflated entries come out as they went in, folders left out", async () => {
  const bytes = archive([
    { name: "card/", bytes: new Uint8Array(), stored: true },
    { name: "card/EF_SOD.bin", bytes: words },
    { name: "card/DG1.bin", bytes: words.subarray(0, 77), stored: true },
  ]);
  assert.equal(isZip(bytes), true);
  const { files } = await readZip(bytes);
  assert.deepEqual(files.map(({ name }) => name), ["EF_SOD.bin", "DG1.bin"]);
  assert.deepEqual(files[0].bytes, words);
  assert.deepEqual(files[1].bytes, words.subarray(0, 77));
});

test("an archive with a comment at its end is read", async () => {
  const { files } = await readZip(archive([{ name: "a", bytes: words }], { comment: "made by a reader" }));
  assert.equal(files.length, 1);
});

test("names with paths and control characters are only their last part", async () => {
  const { files } = await readZip(
    archive([
      { name: "../../etc/passwd", bytes: words },
      { name: "..\\..\\windows\\x\u0000y\u202ez.bin", bytes: words },
      { name: `${"n".repeat(500)}`, bytes: words },
    ]),
  );
  assert.deepEqual(files.slice(0, 2).map(({ name }) => name), ["passwd", "xyz.bin"]);
  assert.equal(files[2].name.length, 80);
});

test("an entry that unpacks to more than it says stops at the bound", async () => {
  const bomb = archive([{ name: "bomb", bytes: new Uint8Array(ENTRY_BYTES_MAX * 4), claim: { size: 1000 } }]);
  await assert.rejects(readZip(bomb), refused("too_large"));
});

test("an entry that says it is too large is left out and named; the others are read", async () => {
  const { files, tooLarge } = await readZip(archive([{ name: "film.mp4", bytes: new Uint8Array(ENTRY_BYTES_MAX + 1) }, { name: "DG1", bytes: words }]));
  assert.deepEqual(tooLarge, ["film.mp4"]);
  assert.deepEqual(files.map(({ name }) => name), ["DG1"]);
});

test("many entries are bounded together, also where all point at one and the same", async () => {
  const once = new Uint8Array(ENTRY_BYTES_MAX);
  const entries = Array.from({ length: 6 }, (_, i) => ({ name: `${i}`, bytes: once, claim: i > 0 ? { local: 0 } : {} }));
  await assert.rejects(readZip(archive(entries)), refused("too_large"));
});

test("more than 64 entries are refused", async () => {
  const entries = Array.from({ length: ENTRIES_MAX + 1 }, (_, i) => ({ name: `${i}`, bytes: words.subarray(0, 5), stored: true }));
  await assert.rejects(readZip(archive(entries)), refused("too_many"));
});

test("passwords and other packings are told apart from damage", async () => {
  await assert.rejects(readZip(archive([{ name: "a", bytes: words, claim: { flags: 1 } }])), refused("encrypted"));
  await assert.rejects(readZip(archive([{ name: "a", bytes: words, claim: { method: 12 } }])), refused("unsupported"));
  await assert.rejects(readZip(archive([{ name: "a", bytes: words, claim: { crc: 1 } }])), refused("damaged"));
  await assert.rejects(readZip(new TextEncoder().encode("PK\u0003\u0004 no archive")), refused("not_zip"));
});

test("an archive cut or changed anywhere is an error of its own or comes out whole, and never anything else", async () => {
  const whole = archive([
    { name: "SOD", bytes: words },
    { name: "DG1", bytes: words.subarray(0, 99), stored: true },
  ]);
  for (let length = 0; length < whole.length; length += 1) {
    await assert.rejects(readZip(whole.slice(0, length)), (error) => error instanceof ZipError, `cut at ${length}`);
  }
  for (let at = 0; at < whole.length; at += 1) {
    const changed = whole.slice();
    changed[at] ^= 0xff;
    try {
      for (const { bytes } of (await readZip(changed)).files) assert.ok(bytes.length <= ENTRY_BYTES_MAX);
    } catch (error) {
      assert.ok(error instanceof ZipError, `changed at ${at}: ${error}`);
    }
  }
});
