// Captures: which instruction is given, when a picture is taken by itself, and how many bytes a decision sends.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Adviser, assess, FRAMES_WANTED, INSTRUCTIONS, Shutter } from "../../src/desk/pages/assets/advice.js";
import { encodeWithin, fitted, frameBytesMax, LOOK_BYTES_MAX, lookEveryMs, REQUEST_BYTES_MAX, SENT_BYTES_MAX, sentBytes } from "../../src/desk/pages/assets/budget.js";
import { causeOf } from "../../src/desk/pages/assets/camera.js";
import { tolerated } from "../../src/desk/pages/assets/special.js";

const flaw = (code) => ({ code, messageVi: `vi ${code}`, messageEn: `en ${code}` });

test("the gravest flaw is the one instruction", () => {
  const found = assess({ answer: { face: { flaws: [flaw("TOO_DARK"), flaw("LOOK_STRAIGHT")] } } });
  assert.deepEqual(found, { code: "TOO_DARK", pair: INSTRUCTIONS.TOO_DARK, good: false });
});

test("an accepted picture is good; one that was not accepted for no named reason is not", () => {
  assert.equal(assess({ answer: { face: {}, accepted: true } }).good, true);
  assert.equal(assess({ answer: { face: {} } }).good, false);
  assert.equal(assess({ answer: {} }).good, false);
});

test("what somebody cannot help does not hold their picture back, and everything else does", () => {
  const answer = { face: { flaws: [flaw("OPEN_EYES"), flaw("LOOK_STRAIGHT")] } };
  assert.equal(assess({ answer, tolerate: tolerated("cannotLook") }).good, true);
  assert.equal(assess({ answer, tolerate: tolerated("covered") }).good, false);
  assert.equal(assess({ answer: { face: { flaws: [flaw("OPEN_EYES"), flaw("TOO_DARK")] } }, tolerate: tolerated("cannotLook") }).code, "TOO_DARK");
});

test("a picture without a face is advice; a server that does not answer is no fault of the picture", () => {
  assert.equal(assess({ error: { code: "invalid_argument", reason: "NO_FACE" } }).pair, INSTRUCTIONS.NO_FACE);
  for (const code of ["lost", "resource_exhausted", "internal"]) assert.equal(assess({ error: { code, reason: "BUSY" } }).code, "SERVER");
});

test("a flaw of a later server is said in its own words", () => {
  assert.deepEqual(assess({ answer: { face: { flaws: [flaw("SMILE_LESS")] } } }).pair, { vi: "vi SMILE_LESS", en: "en SMILE_LESS" });
});

test("every code of the engine about one picture has a short instruction", () => {
  const page = readFileSync(new URL("../../docs/reasons.md", import.meta.url), "utf8");
  const section = page.split("## What is wrong with a picture")[1].split("## Why a request is refused")[0];
  const codes = [...section.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1]);
  assert.ok(codes.length >= 15, codes.join());
  for (const code of codes) assert.ok(INSTRUCTIONS[code], `${code} has no short instruction`);
});

test("an instruction stands long enough to be read", () => {
  const adviser = new Adviser();
  const [dark, closer] = [assess({ answer: { face: { flaws: [flaw("TOO_DARK")] } } }), assess({ answer: { face: { flaws: [flaw("MOVE_CLOSER")] } } })];
  assert.equal(adviser.next(dark, 0), dark);
  assert.equal(adviser.next(closer, 600), null);
  assert.equal(adviser.next(dark, 900), null);
  assert.equal(adviser.next(closer, 1300), closer);
  assert.equal(adviser.next(closer, 5000), null);
});

test("three good pictures are taken, apart from each other, and no bad one", () => {
  const shutter = new Shutter();
  let taken = 0;
  const at = [];
  for (let nowMs = 0; nowMs < 10_000; nowMs += 500) {
    const good = nowMs !== 1000;
    if (shutter.offer({ good, taken, nowMs })) {
      taken += 1;
      at.push(nowMs);
      assert.ok(good);
    }
  }
  assert.equal(taken, FRAMES_WANTED);
  for (let i = 1; i < at.length; i += 1) assert.ok(at[i] - at[i - 1] >= 900, at.join());
});

test("a picture that is taken away is taken anew", () => {
  const shutter = new Shutter();
  for (const [taken, nowMs] of [[0, 0], [1, 1000], [2, 2000]]) assert.equal(shutter.offer({ good: true, taken, nowMs }), true);
  assert.equal(shutter.offer({ good: true, taken: 3, nowMs: 9000 }), false);
  assert.equal(shutter.offer({ good: true, taken: 2, nowMs: 9500 }), true);
});

test("whatever the chip's files take, up to 700 KB, a decision and the advice before it send less than 1.5 MB", () => {
  assert.ok(REQUEST_BYTES_MAX + LOOK_BYTES_MAX <= SENT_BYTES_MAX);
  for (const frames of [1, 2, 3, 4, 5]) {
    for (let chipBytes = 0; chipBytes <= 1_180_000; chipBytes += 20_000) {
      const each = frameBytesMax({ chipBytes, frames });
      const most = chipBytes <= 700_000 ? REQUEST_BYTES_MAX : SENT_BYTES_MAX;
      assert.ok(sentBytes({ chipBytes, frames: new Array(frames).fill(each) }) <= most, `${frames} beside ${chipBytes}`);
    }
  }
});

test("looking is at most twice a second, grows slower, and ends until the clerk asks for more", () => {
  const LOOK_BYTES = 20_000;
  let seconds = 0;
  let last = 0;
  let looked = 0;
  for (; lookEveryMs(looked, true) < Infinity; looked += LOOK_BYTES) {
    const pace = lookEveryMs(looked, true);
    assert.ok(pace >= 500 && pace >= last, String(pace));
    assert.ok(lookEveryMs(looked, false) >= 1500, "an empty chair is looked at less often");
    last = pace;
    seconds += pace / 1000;
  }
  assert.ok(looked <= LOOK_BYTES_MAX + LOOK_BYTES);
  assert.ok(seconds > 20, `somebody who cannot hold still has ${seconds} s`);
});

test("a capture is never squeezed until the face is lost, even beside large files", () => {
  assert.ok(frameBytesMax({ chipBytes: 8_000_000, frames: 3 }) >= 60_000);
});

test("a picture is made smaller before it is compressed harder, and the first that fits is taken", async () => {
  const tried = [];
  const encode = async (scale, quality) => {
    tried.push([scale, quality]);
    return { size: Math.round(1_000_000 * scale * scale * quality), scale };
  };
  const taken = await encodeWithin(encode, 500_000);
  assert.ok(taken.size <= 500_000);
  assert.ok(tried.every(([, quality]) => quality >= 0.85));
  const smallest = await encodeWithin(encode, 1);
  assert.equal(smallest.scale, 0.4);
});

test("a large photo is bounded on its longest side, a small one stays", () => {
  assert.deepEqual(fitted(4000, 3000, 1920), { width: 1920, height: 1440 });
  assert.deepEqual(fitted(3000, 4000, 1920), { width: 1440, height: 1920 });
  assert.deepEqual(fitted(640, 480, 1920), { width: 640, height: 480 });
});

test("each cause of a refused camera is told apart", () => {
  const here = { secure: true, supported: true };
  const named = (name) => causeOf({ name }, here);
  assert.deepEqual(["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError", "Odd"].map(named), ["denied", "none", "busy", "none", "other"]);
  assert.equal(causeOf({ name: "NotAllowedError" }, { secure: false, supported: true }), "insecure");
  assert.equal(causeOf({}, { secure: true, supported: false }), "unsupported");
});
