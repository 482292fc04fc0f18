// Texts: both languages everywhere, no forbidden word, and pages that a strict content security policy lets through.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { fill, plain, say, webAddress, when } from "../../src/desk/pages/assets/text.js";

const pages = new URL("../../src/desk/pages/", import.meta.url);
const assets = new URL("assets/", pages);
const scripts = readdirSync(assets).filter((name) => name.endsWith(".js"));

/** Every {vi, en} in what a module exports. */
function* pairs(value, path) {
  if (typeof value !== "object" || value === null) return;
  if (typeof value.vi === "string") yield [path, value];
  else for (const [key, inner] of Object.entries(value)) yield* pairs(inner, `${path}.${key}`);
}

const withoutDom = scripts.filter((name) => /(?:text|advice|special)\.js$/.test(name));

test("every text has both languages, and both fill in the same names", async () => {
  let seen = 0;
  for (const name of withoutDom) {
    for (const [path, { vi, en }] of pairs(await import(new URL(name, assets)), name)) {
      seen += 1;
      assert.ok(vi.trim(), path);
      assert.ok(en.trim() || path.endsWith("SHELL.brand"), path);
      const names = (text) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort().join();
      assert.equal(names(vi), names(en), path);
    }
  }
  assert.ok(seen > 150, String(seen));
});

test("no page speaks of fraud or shows a score", async () => {
  for (const name of withoutDom) {
    for (const [path, { vi, en }] of pairs(await import(new URL(name, assets)), name)) {
      assert.doesNotMatch(`${vi} ${en}`, /gian lận|lừa đảo|giả mạo|fraud|cheat|\bscore\b|điểm số/i, path);
    }
  }
});

test("the desk reads no score, rate or threshold out of an answer", () => {
  for (const name of scripts.filter((name) => /^(?:desk|step-|receipt|transmit)/.test(name))) {
    assert.doesNotMatch(readFileSync(new URL(name, assets), "utf8"), /\.(?:score|fmr|threshold|liveness|quality)\b/, name);
  }
});

test("texts become elements without markup, and pages have no inline script, style or foreign address", () => {
  for (const name of scripts) {
    const source = readFileSync(new URL(name, assets), "utf8");
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\("style"|DOMParser|srcdoc/, name);
    assert.doesNotMatch(source.replace("http://www.w3.org/2000/svg", ""), /["'`](?:https?:)?\/\/[a-z0-9]/i, name);
  }
  for (const name of readdirSync(pages).filter((name) => name.endsWith(".html"))) {
    const source = readFileSync(new URL(name, pages), "utf8");
    assert.doesNotMatch(source, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?:\/\//i, name);
  }
});

/** What a page loads, by its first module. */
function loadedBy(first) {
  const loaded = new Set();
  const load = (name) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const [, inner] of readFileSync(new URL(name, assets), "utf8").matchAll(/from "\.\/([\w-]+\.js)"/g)) load(inner);
  };
  load(first);
  return loaded;
}

test("all that the desk loads has less than 300 KB", () => {
  const loaded = [...loadedBy("desk.js"), "base.css", "desk.css", "icon.svg"];
  const bytes = loaded.reduce((sum, name) => sum + readFileSync(new URL(name, assets)).length, readFileSync(new URL("desk.html", pages)).length);
  assert.ok(bytes < 300_000, String(bytes));
});

test("the desk's page asks for all its modules at once, and for no other", () => {
  const html = readFileSync(new URL("desk.html", pages), "utf8");
  const asked = [...html.matchAll(/rel="modulepreload" href="\/desk\/assets\/([\w-]+\.js)"/g)].map(([, name]) => name);
  assert.deepEqual([...asked, "desk.js"].sort(), [...loadedBy("desk.js")].sort());
});

test("values are filled into both languages, pairs by their side", () => {
  assert.deepEqual(fill(say("Lần {n}: {what}", "Try {n}: {what}"), { n: 2, what: say("ảnh", "picture") }), { vi: "Lần 2: ảnh", en: "Try 2: picture" });
  assert.deepEqual(fill(say("{x}", "{x}"), {}), { vi: "{x}", en: "{x}" });
  assert.equal(plain(say("Nam", "Male")), "Nam · Male");
});

test("times are written as in Vietnam, and a time that is none is nothing", () => {
  assert.match(when("2026-11-30T20:05:00Z"), /03:05.*01\/12\/2026|01\/12\/2026.*03:05/);
  for (const none of ["", null, undefined, "yesterday"]) assert.equal(when(none), "");
});

test("only addresses of the web are followed", () => {
  assert.equal(webAddress("https://payments.test/back?session=1"), "https://payments.test/back?session=1");
  for (const address of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "", null, undefined, "/relative"]) assert.equal(webAddress(address), null);
});
