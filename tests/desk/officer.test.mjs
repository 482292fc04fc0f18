// The officer's page without a page: words, rules and addresses.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import * as cases from "../../src/desk/pages/assets/officer-cases.js";
import * as evidence from "../../src/desk/pages/assets/officer-evidence.js";
import * as words from "../../src/desk/pages/assets/officer-words.js";

const docs = await readFile(new URL("../../docs/reasons.md", import.meta.url), "utf8");
const proto = async (name) => readFile(new URL(`../../proto/chinhchu/v1/${name}.proto`, import.meta.url), "utf8");

// Values of an enumeration in the contract, but the first.
function values(source, name) {
  const body = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(source)[1];
  return [...body.matchAll(/^\s+([A-Z_]+) = [1-9]/gm)].map(([, value]) => value);
}

test("every reason of a decision has words in both languages, and no other has", () => {
  const section = docs.slice(docs.indexOf("## Reasons of a decision"), docs.indexOf("### Beside them"));
  const codes = [...section.matchAll(/^### `([A-Z_]+)`$/gm)].map(([, code]) => code);
  assert.ok(codes.length > 40);
  assert.deepEqual(Object.keys(words.REASONS).sort(), codes.sort());
  for (const { vi, en } of Object.values(words.REASONS)) assert.ok(vi && en && vi !== en);
});

test("every value of the contract's enumerations has words", async () => {
  const [decision, verification] = [await proto("decision"), await proto("verification")];
  const tables = [
    [decision, "FieldState", words.FIELD_STATES],
    [decision, "ChipVerdict", words.CHIP_VERDICTS],
    [decision, "ActiveAuthenticationResult", words.ORIGINAL_CHIP],
    [decision, "SchemeState", words.SCHEME_STATES],
    [decision, "Outcome", words.OUTCOMES],
    [decision, "Consequence", words.CONSEQUENCES],
    [verification, "Frames", words.CAPTURES],
  ];
  for (const [source, name, table] of tables) assert.deepEqual(Object.keys(table).sort(), values(source, name).sort(), name);
});

test("an outcome or reason that this page does not know is never an approval", () => {
  assert.equal(words.outcomeWords("OUTCOME_LATER"), words.OUTCOMES.OUTCOME_REFER);
  assert.equal(words.outcomeWords(undefined), words.OUTCOMES.OUTCOME_REFER);
  assert.equal(words.reasonWords("LATER_CODE").vi, "LATER_CODE");
});

test("how long a case waits is said in whole minutes, hours and days", () => {
  const now = Date.parse("2026-11-30T12:00:00Z");
  const ago = (ms) => cases.age(new Date(now - ms).toISOString(), now).en;
  assert.equal(ago(20_000), "just now");
  assert.equal(ago(60_000), "1 minute");
  assert.equal(ago(3 * 3_600_000 + 5), "3 hours");
  assert.equal(ago(47 * 3_600_000), "47 hours");
  assert.equal(ago(49 * 3_600_000), "2 days");
  assert.equal(cases.age(undefined, now).en, "unknown");
  assert.equal(cases.isOverdue("2026-11-30T12:00:00Z", now), true);
  assert.equal(cases.isOverdue("2026-11-30T12:00:01Z", now), false);
  assert.equal(cases.isOverdue(undefined, now), false);
});

test("the oldest case comes first, in an order that does not change", () => {
  const one = (transactionId, decidedAt) => ({ transactionId, decidedAt });
  const sorted = cases.oldestFirst([one("c", "2026-11-30T10:00:00Z"), one("b", "2026-11-30T09:00:00.5Z"), one("a", "2026-11-30T10:00:00Z")]);
  assert.deepEqual(sorted.map(({ transactionId }) => transactionId), ["b", "a", "c"]);
});

test("who may answer", () => {
  const denied = { clerkId: "clerk-1", decision: { outcome: "OUTCOME_DENY", reasons: [] } };
  assert.deepEqual(cases.answerable(denied, "officer-1"), { may: true, why: null });
  assert.equal(cases.answerable(denied, "clerk-1").may, false, "whoever presented it does not");
  assert.equal(cases.answerable({ decision: { outcome: "OUTCOME_APPROVE" } }, "officer-1").may, false);
  assert.equal(cases.answerable({ decision: { outcome: "OUTCOME_REFER", resolved: "OUTCOME_DENY" } }, "officer-1").may, false);
  const half = {
    decision: { outcome: "OUTCOME_DENY", officersNeeded: 2, officerAnswers: [{ officerId: "officer-1", outcome: "OUTCOME_APPROVE" }] },
  };
  assert.equal(cases.answerable(half, "officer-1").may, false, "nobody approves twice");
  assert.match(cases.answerable(half, "officer-2").why.en, /1 of 2/);
  assert.equal(cases.answerable(half, "officer-2").may, true);
});

test("an approval against what was shown to be wrong takes two, also where an earlier attempt showed it", () => {
  const reason = (code, consequence) => ({ reasons: [{ code, consequence }] });
  assert.equal(cases.takesTwo(reason("CHIP_ALTERED", "CONSEQUENCE_DENY")), true);
  assert.equal(cases.takesTwo(reason("CHIP_MISSING", "CONSEQUENCE_REFER")), false);
  assert.equal(cases.takesTwo({ evidence: { history: { transaction: [{ attempt: 1, reasons: ["CHIP_FACE_DIFFERS"] }] } } }), true);
  assert.equal(cases.takesTwo({ officersNeeded: 2 }), true);
});

test("a reason is one line of 1 to 500 characters", () => {
  assert.equal(cases.oneLine("  a\n b\t c "), "a b c");
  assert.match(cases.reasonFlaw("  ").en, /Give a reason/);
  assert.equal(cases.reasonFlaw("ợ".repeat(500)), null);
  assert.match(cases.reasonFlaw("x".repeat(501)).en, /longer than 500/);
});

test("addresses lead back to the view they were made of, and others to the list", () => {
  for (const id of ["T-1", "a/b#c?d", "%", "ký tự"]) assert.deepEqual(cases.route(cases.address("case", id)), { view: "case", id });
  assert.deepEqual(cases.route(""), { view: "waiting", id: "" });
  assert.deepEqual(cases.route("#pairs"), { view: "pairs", id: "" });
  assert.deepEqual(cases.route("#case/%E0%A4%A"), { view: "waiting", id: "" });
  assert.equal(cases.route("#main"), null, "the skip link stays in its view");
});

test("a comparison is what its thresholds say, also at zero, which JSON leaves out", () => {
  const bounds = { threshold: { score: 0.5 }, referThreshold: { score: 0.3 } };
  assert.equal(evidence.compared({ ...bounds, score: 0.5 }), "agrees");
  assert.equal(evidence.compared({ ...bounds, score: 0.4 }), "unsure");
  assert.equal(evidence.compared({ ...bounds, score: 0.29 }), "differs");
  assert.equal(evidence.compared(bounds), "differs");
  assert.equal(evidence.compared({ threshold: {}, referThreshold: { score: -0.2 } }), "agrees");
  assert.equal(evidence.compared({ score: 0.9 }), null, "a role without scores");
});

const DECISION = {
  outcome: "OUTCOME_DENY",
  reasons: [{ code: "CHIP_ALTERED", consequence: "CONSEQUENCE_DENY" }, { code: "DUPLICATE_FACE", consequence: "CONSEQUENCE_REFER" }],
  without: ["liveness"],
  evidence: {
    chip: { chipVerdict: "CHIP_VERDICT_ALTERED", groupsUnread: [13], photoYears: 1, reasons: [{ code: "GROUP_ALTERED", messageVi: "v", messageEn: "e" }] },
    record: { number: "FIELD_STATE_AGREES", name: "FIELD_STATE_DIFFERS", birthDate: "FIELD_STATE_NOT_ON_CHIP" },
    scheme: "SCHEME_STATE_IN_RECORD",
    chipFace: { score: 0.61, threshold: { score: 0.5 }, referThreshold: { score: 0.3 }, fmr: { rate: 1.8e-10, extrapolated: true } },
    frames: [{ quality: 71.2, flaws: [{ code: "TOO_DARK", messageVi: "tối", messageEn: "dark" }] }, {}],
    captures: "FRAMES_NATURAL",
    quality: 71.2,
    duplicates: { candidates: [{ subjectId: "record-2", score: 0.7, fmr: { rate: 1e-9 } }], cleared: 1, templatesSearched: "12", expectedChanceHits: 0.0004 },
    history: {
      transaction: [{ attempt: 1, outcome: "OUTCOME_REFER", reasons: ["CHIP_MISSING"] }],
      attempts: 3, denied: 1, referred: 2, days: 90, lastDay: 4,
      captures: [{ transactionId: "T-9", attempt: 1, subjectId: "record-9", unit: "Q2", at: "2026-11-01T00:00:00Z" }],
    },
  },
};

test("evidence is told in words, without a figure of a comparison", () => {
  const items = evidence.sections(DECISION).flatMap((section) => section.items);
  const told = items.map((item) => `${item.state}: ${item.label?.en ?? ""} ${item.text.en}`);
  assert.ok(told.includes("differs:  The chip data was altered"));
  assert.ok(told.includes("agrees: Number agrees with the record"));
  assert.ok(told.includes("differs: Name differs from the record"));
  assert.ok(told.includes("agrees:  Face against the chip photo: matches"));
  assert.ok(told.includes("differs:  The same face is on another record"));
  assert.ok(told.includes("absent:  No enrolled photo to compare with"));
  assert.ok(told.includes("absent:  Liveness was not checked"));
  assert.ok(told.includes("absent:  Signed, but not read: DG13"));
  assert.doesNotMatch(JSON.stringify(items), /0\.\d|e-\d/);
});

test("evidence of a decision without any, and of an earlier server, is told too", () => {
  assert.ok(evidence.sections({}).length > 0);
  const [chip] = evidence.sections({ evidence: { chip: { verdict: "UNANCHORED", activeAuthentication: "absent" } } });
  assert.equal(chip.items[0].text, words.CHIP_VERDICTS.CHIP_VERDICT_UNANCHORED.text);
});

test("without scores the reasons say whose face it is", () => {
  const told = (code) => evidence.sections({ evidence: { chipFace: {} }, reasons: code ? [{ code }] : [] }).find(({ title }) => title.en === "Face").items[0];
  assert.equal(told("CHIP_FACE_DIFFERS").state, "differs");
  assert.equal(told("CHIP_FACE_UNSURE").state, "unsure");
  assert.equal(told().state, "agrees");
});

test("others with the face, captures seen before and earlier attempts", () => {
  assert.deepEqual(evidence.sameFace(DECISION), { others: ["record-2"], more: false });
  assert.equal(evidence.seenBefore(DECISION)[0].same, true);
  assert.equal(evidence.earlier(DECISION).attempts[0].outcome, "OUTCOME_REFER");
  assert.match(evidence.earlier(DECISION).elsewhere.en, /3, of them 1 denied and 2 referred/);
  assert.equal(evidence.earlier({}), null);
  assert.match(evidence.without(DECISION).en, /liveness/);
  assert.equal(evidence.without({}), null);
});

test("measurements are figures with their star, and none where the role sees none", () => {
  const rows = evidence.measurements(DECISION).map(({ label, value }) => `${label.en}=${value}`);
  assert.ok(rows.includes("Against the chip photo: score=0.610"));
  assert.ok(rows.includes("Against the chip photo: false match rate=1.8e-10 *"));
  assert.ok(rows.includes("Record record-2: score, false match rate=0.700; 1.0e-9"));
  assert.ok(rows.includes("Templates searched=12"));
  assert.deepEqual(evidence.measurements({ evidence: { chipFace: {}, frames: [{}] } }), []);
});
