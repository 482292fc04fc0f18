// A card's files: recognised by their first tag, taken out of vendors' JSON, folders and archives.
import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeBase64, filesFromAnswer, isLoopback, loopbackPermission, readCard } from "../../src/desk/pages/assets/agent.js";
import { CARD } from "../../src/desk/pages/assets/desk-text.js";
import { gather } from "../../src/desk/pages/assets/intake.js";
import { pick, recognise } from "../../src/desk/pages/assets/tags.js";
import { archive } from "./archive.mjs";

/** A file with this first tag and a value of `length` bytes. */
function chipFile(tag, length = 40, fill = 7) {
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Uint8Array.from([...head, ...new Array(length).fill(fill)]);
}
const SOD = chipFile(0x77, 900);
const DG1 = chipFile(0x61, 93);
const DG2 = chipFile(0x75, 3000);
const base64 = (bytes) => Buffer.from(bytes).toString("base64");

test("each file is known by its first tag, whatever its name", () => {
  const kinds = [0x60, 0x77, 0x61, 0x75, 0x6d, 0x6e, 0x6f].map((tag) => recognise(chipFile(tag)).kind);
  assert.deepEqual(kinds, ["COM", "SOD", "DG1", "DG2", "DG13", "DG14", "DG15"]);
  for (const tag of [0x63, 0x76, 0x30, 0xff, 0x00]) assert.equal(recognise(chipFile(tag)), null);
});

test("a text that begins with a tag's letter is no file of a chip", () => {
  for (const text of ["a note about this card", "mã số của thẻ: không đọc được", "who read it?\r\n", "um", "`x"]) {
    assert.equal(recognise(new TextEncoder().encode(text)), null, text);
  }
  // Also where a letter of several bytes lies across the end of what is looked at.
  assert.equal(recognise(new TextEncoder().encode(`a${"x".repeat(4094)}ế và nữa`)), null);
});

test("a file that is cut short is known, and said to be cut", () => {
  assert.deepEqual(recognise(DG2.subarray(0, 500)), { kind: "DG2", complete: false });
  assert.deepEqual(recognise(DG2), { kind: "DG2", complete: true });
  assert.equal(recognise(new Uint8Array([0x75])), null);
  assert.equal(recognise(new Uint8Array()), null);
});

test("files of two cards are not taken for one; the same file twice is", () => {
  const other = chipFile(0x61, 93, 8);
  assert.deepEqual(pick([{ name: "a", bytes: DG1 }, { name: "b", bytes: other }]).differing, ["DG1"]);
  const twice = pick([{ name: "a", bytes: DG1 }, { name: "b", bytes: DG1.slice() }]);
  assert.deepEqual([twice.differing, twice.files.length], [[], 1]);
});

test("all names that vendors use are mapped, in any case and nested", () => {
  const names = ["sodData", "sodDataB64", "sod", "SOD_DATA_BASE64", "efSod", "EF-SOD"];
  for (const name of names) assert.equal(filesFromAnswer({ [name]: base64(SOD) }).has.sod, true, name);
  for (const n of [1, 2, 13, 14, 15]) {
    const tag = { 1: 0x61, 2: 0x75, 13: 0x6d, 14: 0x6e, 15: 0x6f }[n];
    for (const name of [`dg${n}DataB64`, `dg${n}DataBase64`, `DG${n}`, `Dg${n}Data`]) {
      assert.deepEqual(filesFromAnswer({ [name]: base64(chipFile(tag)) }).files.map(({ kind }) => kind), [`DG${n}`], name);
    }
  }
  for (const name of ["comData", "efCom", "COM"]) assert.equal(filesFromAnswer({ data: { chip: { [name]: base64(chipFile(0x60)) } } }).files[0].kind, "COM", name);
  assert.equal(filesFromAnswer({ result: [{ dg2DataB64: base64(DG2) }] }).has.dg2, true);
});

test("bytes are named by their tag where the vendor's name is wrong", () => {
  const read = filesFromAnswer({ sod: base64(DG1), dg1: base64(SOD), dg2: base64(new Uint8Array([1, 2, 3, 4])) });
  assert.deepEqual(read.files.map(({ kind }) => kind), ["SOD", "DG1"]);
  assert.deepEqual(read.ignored, ["dg2"]);
});

test("vendors' verdicts are left out and named", () => {
  const read = filesFromAnswer({ verifySOD: true, isPass: "true", score: 0.99, sodData: base64(SOD), dg1: base64(DG1), dg2: base64(DG2) });
  assert.deepEqual(read.verdicts, ["verifySOD", "isPass", "score"]);
  assert.deepEqual(read.has, { sod: true, dg1: true, dg2: true });
  assert.equal(read.textOnly, false);
});

test("an agent that gives only text and a photo is told apart from one that gives nothing", () => {
  assert.equal(filesFromAnswer({ fullName: "Nguyễn Thử Nghiệm", faceImage: `/9j/${"A".repeat(4000)}` }).textOnly, true);
  assert.equal(filesFromAnswer({ data: { image: `data:image/png;base64,${"A".repeat(10)}` } }).textOnly, true);
  assert.equal(filesFromAnswer({}).textOnly, false);
  assert.equal(filesFromAnswer({ isPass: true }).textOnly, false);
});

test("files may come as entries of a list, and one that is damaged is named", () => {
  const files = [{ name: "EF.SOD", data: base64(SOD) }, { fileName: "dg1.bin", content: base64(DG1) }, { name: "DG2", base64: "not base64!" }];
  const read = filesFromAnswer({ result: { files } });
  assert.deepEqual(read.has, { sod: true, dg1: true, dg2: false });
  assert.deepEqual([read.unreadable, read.textOnly], [["DG2"], false]);
  assert.equal(filesFromAnswer({ sod: "damaged!" }).textOnly, false);
});

test("base64 of every kind is read, and anything else is none", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const standard = base64(bytes);
  const urls = Buffer.from(bytes).toString("base64url");
  for (const text of [standard, urls, standard.replace(/=+$/, ""), standard.replace(/(.{64})/g, "$1\r\n"), `data:application/octet-stream;base64,${standard}`]) {
    assert.deepEqual(decodeBase64(text), bytes);
  }
  for (const text of ["", "?", "AAAAA", "nguyễn", "A".repeat(4_000_000)]) assert.equal(decodeBase64(text), null);
});

test("an answer of great depth or size is looked through within bounds", () => {
  let deep = { sod: base64(SOD) };
  for (let i = 0; i < 10_000; i += 1) deep = { deep };
  assert.equal(filesFromAnswer(deep).files.length, 0);
  const began = performance.now();
  filesFromAnswer(Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`k${i}`, "x"])));
  assert.ok(performance.now() - began < 10_000);
});

test("only this very machine is asked for a card", () => {
  for (const address of ["http://127.0.0.1:8765", "http://localhost:1", "https://[::1]:99/x", "http://127.1.2.3"]) assert.equal(isLoopback(address), true, address);
  for (const address of ["http://10.0.0.1", "http://127.0.0.1.evil.test", "http://localhost.evil.test", "javascript:1", "http://u:p@127.0.0.1", "", null]) {
    assert.equal(isLoopback(address), false, String(address));
  }
});

test("the agent is asked until a card lies there, with the header that says who asks", async () => {
  const statuses = [204, 204, 200];
  const seen = [];
  const fetcher = async (url, options) => {
    seen.push([String(url), options.headers["x-chinhchu-agent"], options.credentials]);
    const status = statuses.shift();
    return new Response(status === 200 ? JSON.stringify({ sod: "AA==" }) : null, { status });
  };
  const found = await readCard("http://127.0.0.1:8765", { fetcher, sleep: async () => {} });
  assert.deepEqual(found, { state: "read", answer: { sod: "AA==" } });
  assert.deepEqual(seen, new Array(3).fill(["http://127.0.0.1:8765/card", "1", "omit"]));
});

test("every other answer of an agent has its own name", async () => {
  const state = async (respond) => (await readCard("http://127.0.0.1:1", { fetcher: respond, sleep: async () => {} })).state;
  assert.equal(await state(async () => new Response(null, { status: 409 })), "unreadable");
  assert.equal(await state(async () => new Response("oops", { status: 500 })), "refused");
  assert.equal(await state(async () => new Response("no json", { status: 200 })), "refused");
  assert.equal(await state(() => Promise.reject(new TypeError("Failed to fetch"))), "unreachable");
  let time = 0;
  const none = await readCard("http://127.0.0.1:1", { fetcher: async () => new Response(null, { status: 204 }), sleep: async () => {}, now: () => (time += 40_000) });
  assert.equal(none.state, "none");
});

test("a reading that was stopped says so, and asks no more", async () => {
  const stop = new AbortController();
  let asked = 0;
  const fetcher = async () => {
    asked += 1;
    stop.abort(new Error("stopped"));
    return new Response(null, { status: 204 });
  };
  await assert.rejects(readCard("http://127.0.0.1:1", { fetcher, signal: stop.signal, sleep: async (_, signal) => signal.throwIfAborted() }), /stopped/);
  assert.equal(asked, 1);
});

test("the browser's permission is found under either of its names", async () => {
  const knows = (name, state) => ({ query: async (asked) => (asked.name === name ? { state } : Promise.reject(new TypeError("unknown"))) });
  assert.equal(await loopbackPermission(knows("local-network-access", "denied")), "denied");
  assert.equal(await loopbackPermission(knows("loopback-network", "prompt")), "prompt");
  assert.equal(await loopbackPermission(knows("camera", "granted")), "unknown");
});

const file = (name, bytes) => new File([bytes], name);

test("a folder, an archive and an export give the same card", async () => {
  const loose = [file("x1", SOD), file("x2", DG1), file("x3", DG2), file("readme.txt", "a note")];
  const zipped = [file("export.zip", archive([{ name: "a/1", bytes: SOD }, { name: "a/2", bytes: DG1 }, { name: "a/3", bytes: DG2 }]))];
  const exported = [file("card.json", JSON.stringify({ data: { sodDataB64: base64(SOD), dg1DataB64: base64(DG1), dg2DataB64: base64(DG2) }, isPass: true }))];
  for (const files of [loose, zipped, exported]) {
    const read = await gather(files);
    assert.deepEqual(read.files.map(({ kind }) => kind), ["SOD", "DG1", "DG2"]);
    assert.deepEqual(read.files.map(({ bytes }) => bytes), [SOD, DG1, DG2]);
  }
  assert.deepEqual((await gather(loose)).ignored, ["readme.txt"]);
  assert.deepEqual((await gather(exported)).verdicts, ["isPass"]);
});

test("an archive in an archive is named as such, and one that was cut short says so", async () => {
  const card = archive([{ name: "a/1", bytes: SOD }]);
  const read = await gather([file("all.zip", archive([{ name: "card.zip", bytes: card }, { name: "dg1", bytes: DG1 }])), file("cut.zip", card.subarray(0, card.length - 30))]);
  assert.deepEqual(read.problems, [
    { name: "card.zip", code: "nested" },
    { name: "cut.zip", code: "not_zip" },
  ]);
  assert.deepEqual([read.has.dg1, read.ignored], [true, []]);
  for (const { code } of read.problems) assert.match(CARD.problems[code].vi, /Hãy/);
});

test("what cannot be read is named, and the rest is read", async () => {
  const read = await gather([file("bad.zip", "PK\u0003\u0004xxxxxxxxxxxxxxxxxxxxxxxxxxxx"), file("sod", SOD), { name: "gone", size: 5, arrayBuffer: () => Promise.reject(new Error()) }]);
  assert.deepEqual(read.problems, [
    { name: "bad.zip", code: "not_zip" },
    { name: "gone", code: "unreadable" },
  ]);
  assert.equal(read.has.sod, true);
});

test("a text-only export beside the chip's files does not count against them", async () => {
  const text = file("info.json", JSON.stringify({ name: "Nguyễn Thử Nghiệm", photo: "/9j/AAAA" }));
  assert.equal((await gather([text])).textOnly, true);
  assert.equal((await gather([text, file("s", SOD)])).textOnly, false);
});
