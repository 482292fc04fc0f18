// The course of a case: attempts, what an error asks for, and what is kept over a reload.
import assert from "node:assert/strict";
import { test } from "node:test";

import { casesOf, choosePolicy, COLLECTORS_REASONS, collectorsWords, isCollectors, PERSONS, specialOf, tolerated } from "../../src/desk/pages/assets/special.js";
import { beginning, fromStore, toStore } from "../../src/desk/pages/assets/kept.js";
import * as steps from "../../src/desk/pages/assets/steps.js";
import { claim } from "../../src/desk/pages/assets/tabs.js";

const begun = () => steps.begin({ transactionId: "T-1" });
const refused = (reason, metadata = {}, more = {}) => ({ reason, metadata, code: "failed_precondition", retryAfterMs: null, lost: false, ...more });
const referred = { attempt: 1, outcome: "OUTCOME_REFER", retake: true };

test("a retake is the next attempt of the same transaction", () => {
  const state = steps.retaken(steps.decided(steps.sending(begun()), referred));
  assert.deepEqual([state.transactionId, state.attempt, state.step, state.phase], ["T-1", 2, "capture", "open"]);
});

test("there is no retake where the server leaves none, an officer has answered, or it was approved", () => {
  const decided = (decision, more) => steps.decided(begun(), { attempt: 1, ...decision }, more);
  assert.equal(steps.mayRetake(decided({ outcome: "OUTCOME_REFER" })), false);
  assert.equal(steps.mayRetake(decided({ outcome: "OUTCOME_APPROVE", retake: true })), false);
  assert.equal(steps.mayRetake(decided({ ...referred, resolved: "OUTCOME_DENY" })), false);
  assert.equal(steps.mayRetake(decided(referred, { usedUp: true })), false);
  assert.equal(steps.mayRetake(steps.leftToOfficer(decided(referred))), false);
  assert.equal(steps.mayRetake(decided(referred)), true);
  const state = decided({ outcome: "OUTCOME_REFER" });
  assert.equal(steps.retaken(state), state);
});

test("an outcome that is unspecified or unknown is a referral, and an officer's word counts over the engine's", () => {
  assert.equal(steps.outcome({}), "OUTCOME_REFER");
  assert.equal(steps.outcome({ outcome: "OUTCOME_UNSPECIFIED" }), "OUTCOME_REFER");
  assert.equal(steps.outcome({ outcome: "OUTCOME_OF_2031" }), "OUTCOME_REFER");
  assert.equal(steps.outcome({ outcome: "OUTCOME_DENY", resolved: "OUTCOME_APPROVE" }), "OUTCOME_APPROVE");
  assert.equal(steps.outcome({ outcome: "OUTCOME_REFER", resolved: "OUTCOME_UNSPECIFIED" }), "OUTCOME_REFER");
});

test("once it is sent, no step before can be gone to: neither by the page nor by the back button", () => {
  const ready = { record: true, card: true };
  for (const state of [steps.sending(begun()), steps.decided(begun(), referred)]) {
    for (const step of ["record", "card", "capture", "answer", undefined]) assert.equal(steps.landOn(state, step, ready), "answer");
    assert.equal(steps.goTo(state, "capture"), state);
  }
});

test("before it is sent, the back button goes where what is needed is there", () => {
  const state = { ...begun(), step: "capture" };
  assert.equal(steps.landOn(state, "card", { record: true, card: true }), "card");
  assert.equal(steps.landOn(state, "capture", { record: true, card: false }), "card");
  assert.equal(steps.landOn(state, "capture", { record: false, card: false }), "record");
  assert.equal(steps.landOn(state, "answer", { record: true, card: true }), "capture");
  assert.equal(steps.landOn(state, "nonsense", { record: true, card: true }), "capture");
});

test("an attempt out of order goes on with the number that the server expects, and not for ever", () => {
  const error = refused("ATTEMPT_OUT_OF_ORDER", { attemptExpected: "3" });
  let state = begun();
  assert.deepEqual(steps.afterError(state, error), { go: "number", attempt: 3 });
  state = steps.renumbered(state, 3);
  assert.deepEqual(steps.afterError(state, refused("ATTEMPT_OUT_OF_ORDER", { attemptExpected: "4" })), { go: "number", attempt: 4 });
  state = steps.renumbered(state, 4);
  assert.equal(steps.afterError(state, error).go, "earlier");
  for (const attemptExpected of [undefined, "0", "11", "x", "1"]) assert.equal(steps.afterError(begun(), refused("ATTEMPT_OUT_OF_ORDER", { attemptExpected })).go, "earlier");
});

test("a transaction that was used before is looked up, and nothing is decided again", () => {
  assert.deepEqual(steps.afterError(begun(), refused("ATTEMPTS_USED_UP")), { go: "earlier", attempt: 0, usedUp: true });
  for (const reason of ["TRANSACTION_CLOSED", "TRANSACTION_REUSED"]) {
    assert.deepEqual(steps.afterError({ ...begun(), attempt: 2 }, refused(reason)), { go: "earlier", attempt: 0, usedUp: false });
  }
});

test("a decision that was found is about a request only where record and scheme are the same", () => {
  const found = { decision: referred, subjectId: "record-1", scheme: "SCHEME_SOCIAL" };
  assert.equal(steps.isAbout(found, { subjectId: " record-1", scheme: "SCHEME_SOCIAL" }), true);
  for (const [subjectId, scheme] of [["record-77", "SCHEME_SOCIAL"], ["record-1", "SCHEME_HEALTH"], ["", "SCHEME_SOCIAL"], ["record-1", ""]]) {
    assert.equal(steps.isAbout(found, { subjectId, scheme }), false, `${subjectId} ${scheme}`);
  }
  assert.equal(steps.isAbout(null, { subjectId: "record-1", scheme: "SCHEME_SOCIAL" }), false);
});

test("while an earlier request is looked up, and where its transaction has another answer, no step can be gone to", () => {
  const ready = { record: true, card: true };
  for (const state of [steps.unknown(begun()), steps.unknown(begun(), new Error("lost")), steps.reused(begun(), null)]) {
    for (const step of ["record", "card", "capture", "answer"]) {
      assert.equal(steps.landOn(state, step, ready), "answer");
      assert.equal(steps.goTo(state, step), state);
    }
    assert.equal(fromStore(toStore(state)).sent, true, "after a reload it is looked up again");
    assert.equal(steps.mayRetake(state), false);
  }
});

test("a capture that cannot be used is taken again alone; captures of two people are all taken again", () => {
  assert.deepEqual(steps.afterError(begun(), refused("NO_FACE", { field: "frames[1]" })), { go: "frames", frames: [1] });
  assert.deepEqual(steps.afterError(begun(), refused("PROBES_DISAGREE", { field: "frames[0]" })), { go: "frames", frames: "all" });
  assert.deepEqual(steps.afterError(begun(), refused("NO_FACE")), { go: "frames", frames: "all" });
});

test("a bad id leads to the record, a lost answer to the same request, anything else is shown", () => {
  assert.equal(steps.afterError(begun(), refused("ID_IS_NUMBER", { field: "subject_id" })).go, "record");
  assert.equal(steps.afterError(begun(), refused("", {}, { code: "lost", lost: true })).go, "again");
  assert.equal(steps.afterError(begun(), refused("BUSY", {}, { code: "resource_exhausted", retryAfterMs: 500 })).go, "again");
  assert.equal(steps.afterError(begun(), refused("SHUTTING_DOWN", {}, { code: "unavailable" })).go, "again");
  assert.equal(steps.afterError(begun(), refused("POLICY_UNKNOWN", { field: "policy" })).go, "show");
});

test("what is kept over a reload is the transaction, its attempt and its hand-over, and comes back", () => {
  const state = { ...steps.sending({ ...begun(), attempt: 2 }), name: "Nguyễn", subjectId: "record-1", decision: { messageVi: "x" } };
  const special = { person: "collector", cardWay: "noCard", homeVisit: true };
  const own = { transactionId: "T-1", attempt: 2, sent: true, answered: false, other: false, left: false, special, session: "H-1", told: false, aside: "H-0" };
  const text = toStore(state, "clerk-1", special, { session: "H-1", told: false, aside: "H-0" });
  assert.deepEqual(JSON.parse(text), { ...own, clerk: "clerk-1" });
  assert.deepEqual(fromStore(text, "clerk-1"), own);
  assert.deepEqual(specialOf(special), special);
  assert.equal(fromStore(toStore(state, "clerk-1"), "clerk-2"), null, "another clerk does not go on with it");
});

test("that an attempt was left to an officer is kept with it, and ends with the next attempt", () => {
  const referredNow = steps.decided(begun(), referred, { subjectId: "record-1" });
  const kept = fromStore(toStore(steps.leftToOfficer(referredNow)));
  assert.equal(kept.left, true);
  assert.equal(steps.mayRetake(steps.decided(steps.begin(kept), referred)), false, "a reload offers no retake");
  assert.equal(steps.mayRetake(steps.decided(steps.begin(fromStore(toStore(referredNow))), referred)), true);
  assert.equal(steps.retaken(referredNow).left, false);
});

test("a page begins with what was sent and not answered; else with its link; a hand-over's transaction is for its own record", () => {
  const own = fromStore(toStore(begun()));
  const handedOver = fromStore(toStore(begun(), "", {}, { session: "H-1" }));
  const lost = (kept) => ({ ...kept, sent: true });
  const answered = (kept) => ({ ...kept, sent: true, answered: true });
  const cases = [
    [null, null, "fresh", null],
    ["H-1", null, "handoff", null],
    [null, own, "kept", null],
    // The page without the link, while the hand-over is open: a case of its own, and the way back.
    [null, handedOver, "fresh", "H-1"],
    [null, answered(handedOver), "fresh", "H-1"],
    [null, { ...answered(handedOver), told: true }, "fresh", null],
    ["H-1", handedOver, "handoff", null],
    ["H-2", handedOver, "handoff", "H-1"],
    ["H-2", { ...handedOver, aside: "H-0", told: true }, "handoff", "H-0"],
    ["H-1", { ...own, aside: "H-1" }, "handoff", null],
    // What was sent is looked for first, with or without a link.
    ["H-1", lost(handedOver), "kept", null],
    [null, lost(handedOver), "kept", null],
    ["H-2", lost(handedOver), "kept", "H-2"],
    ["H-2", lost(own), "kept", "H-2"],
    ["H-2", answered(own), "handoff", null],
  ];
  for (const [link, kept, go, aside] of cases) assert.deepEqual(beginning(link, kept), { go, aside }, JSON.stringify([link, kept]));
});

test("a retake goes through every step that is empty on this page, and to the card where that is what stands against it", () => {
  assert.equal(steps.goesOnAt({ record: false, card: false }), "record");
  assert.equal(steps.goesOnAt({ record: true, card: false }), "card");
  assert.equal(steps.goesOnAt({ record: true, card: true }), "capture");
  assert.equal(steps.goesOnAt({ record: true, card: true }, { card: true }), "card");
  const against = (code, more = {}) => steps.retakesCard({ reasons: [{ code, consequence: "CONSEQUENCE_REFER", ...more }] });
  for (const code of ["CHIP_MISSING", "CHIP_UNREADABLE", "NUMBER_MISSING", "CHALLENGE_NOT_ISSUED"]) assert.equal(against(code), true, code);
  for (const code of ["CHIP_FACE_UNSURE", "QUALITY_POOR", "REFERENCE_FACE_UNSURE"]) assert.equal(against(code), false, code);
  assert.equal(against("CHIP_FACE_MISSING", { follows: "QUALITY_POOR" }), false);
  assert.equal(against("CHIP_MISSING", { consequence: "CONSEQUENCE_ACCEPT" }), false);
  assert.equal(steps.retakesCard({}), false);
});

test("the browser's history brings no slip of a step that was not gone through", () => {
  const state = { ...begun(), step: "record" };
  assert.equal(steps.landOn(state, "slip", { record: false, card: false, byHand: false }), "record");
  assert.equal(steps.landOn(state, "slip", { record: true, card: false, byHand: false }), "record");
  assert.equal(steps.landOn(state, "slip", { record: true, card: true, byHand: false }), "slip");
  assert.equal(steps.landOn(state, "slip", { record: false, card: false, byHand: true }), "slip");
});

test("what somebody else wrote into the store is not believed", () => {
  for (const text of ["", "{", "null", "[]", '{"transactionId":"a b","attempt":1}', '{"transactionId":"a","attempt":0}', '{"transactionId":"a","attempt":99}', '{"transactionId":"","attempt":1}', `{"transactionId":"${"a".repeat(129)}","attempt":1}`]) {
    assert.equal(fromStore(text), null, text);
  }
});

test("a special case that is none is the ordinary one", () => {
  const ordinary = { person: "self", cardWay: "read", homeVisit: false };
  for (const kept of [undefined, {}, { person: "toString", cardWay: "constructor", homeVisit: "yes" }, { person: 7, cardWay: null }]) assert.deepEqual(specialOf(kept), ordinary);
  assert.deepEqual(fromStore('{"transactionId":"a","attempt":1,"clerk":"","special":7}').special, {});
});

test("transaction numbers are unlike each other and fit the server's rule", () => {
  const ids = new Set(Array.from({ length: 200 }, () => steps.newTransactionId()));
  const plain = steps.newTransactionId({ getRandomValues: (bytes) => bytes.fill(171) });
  assert.equal(ids.size, 200);
  assert.equal(plain, "ab".repeat(16));
  for (const id of ids) assert.notEqual(fromStore(JSON.stringify({ transactionId: id, attempt: 1, clerk: "" })), null);
});

test("a record's id has 1 to 128 bytes", () => {
  assert.equal(steps.subjectIdProblem(""), "empty");
  assert.equal(steps.subjectIdProblem("hồ-sơ-1"), null);
  assert.equal(steps.subjectIdProblem("ồ".repeat(43)), "long");
});

test("the gravest special case names the policy; where none is set the ordinary one decides and it is said", () => {
  const policies = { "": "usual", noCard: "without-card", child: null, collector: "collector" };
  assert.deepEqual(choosePolicy({ person: "self", card: "read" }, policies), { policy: "usual", special: false, covered: true, byHand: false });
  assert.deepEqual(choosePolicy({ person: "self", card: "unreadable" }, policies), { policy: "without-card", special: true, covered: true, byHand: false });
  assert.deepEqual(choosePolicy({ person: "child", card: "noCard" }, policies), { policy: "usual", special: true, covered: false, byHand: false });
  assert.deepEqual(choosePolicy({ person: "collector", card: "read", homeVisit: true }, policies), { policy: "collector", special: true, covered: true, byHand: false });
  assert.deepEqual(choosePolicy({ person: "self", card: "read" }, policies, "handed"), { policy: "handed", special: false, covered: true, byHand: false });
  assert.deepEqual(choosePolicy({ person: "self", card: "read", homeVisit: true }, {}), { policy: "", special: true, covered: false, byHand: false });
});

test("a collector is never sent as if they were the beneficiary", () => {
  assert.deepEqual(choosePolicy({ person: "collector", card: "noCard" }, { "": "usual", noCard: "without-card" }), { policy: "usual", special: true, covered: false, byHand: true });
  assert.equal(choosePolicy({ person: "collector", card: "read" }, { collector: null }, "handed").byHand, true);
});

test("a collector's answer speaks of a collector, where the card and the face are what stands in the way", () => {
  const policies = { noCard: "by_officer", collector: "by_officer", child: "child" };
  const decision = { policy: "by_officer", reasons: [{ code: "FIRST_SIGHT", consequence: "CONSEQUENCE_ACCEPT" }, { code: "NUMBER_DIFFERS" }] };
  assert.equal(isCollectors(decision, policies, "self"), false, "that policy may be of another case");
  assert.equal(isCollectors(decision, policies, "collector"), true);
  assert.equal(isCollectors(decision, { collector: "by_officer" }), true);
  assert.equal(isCollectors({ policy: "default" }, { collector: null }, "collector"), false);
  assert.match(COLLECTORS_REASONS.NUMBER_DIFFERS.vi, /người nhận thay/);
  for (const outcome of ["OUTCOME_REFER", "OUTCOME_DENY"]) {
    const { clerk, citizen } = collectorsWords(decision, outcome);
    assert.match(`${clerk.vi} ${citizen.vi}`, /nhận thay.*nhận thay/i);
    assert.match(`${clerk.en} ${citizen.en}`, /collect.*collect/i);
  }
  for (const other of [{ reasons: [{ code: "NOT_LIVE" }, { code: "NUMBER_DIFFERS" }] }, { reasons: [] }, { ...decision, resolved: "OUTCOME_DENY" }]) {
    assert.equal(collectorsWords(other, "OUTCOME_REFER"), null);
  }
  assert.equal(casesOf("by_officer", policies).length, 2);
  assert.deepEqual(casesOf("", { child: "" }), []);
});

test("every special person has a policy's key and is told what to do", () => {
  for (const [name, person] of Object.entries(PERSONS)) {
    if (name === "self") continue;
    assert.ok(person.policy && person.tell.vi && person.tell.en, name);
  }
  assert.ok(tolerated("cannotLook").has("OPEN_EYES"));
  assert.equal(tolerated("self").size, 0);
});

/** A browser's locks, as far as they are used. */
function locks() {
  const held = new Set();
  return {
    request(name, { ifAvailable }, callback) {
      assert.equal(ifAvailable, true);
      if (held.has(name)) return Promise.resolve(callback(null));
      held.add(name);
      return Promise.resolve(callback({ name })).finally(() => held.delete(name));
    },
  };
}

test("a transaction belongs to one tab until that gives it back", async () => {
  const shared = locks();
  const release = await claim("T-1", shared);
  assert.equal(typeof release, "function");
  assert.equal(await claim("T-1", shared), null);
  assert.equal(typeof (await claim("T-2", shared)), "function");
  release();
  assert.equal(typeof (await claim("T-1", shared)), "function");
});
