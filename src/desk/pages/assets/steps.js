// The course of one case: steps, attempts of its transaction, and what follows from each answer or error. No DOM here.

export const STEPS = ["record", "card", "capture", "answer"];

export const TRANSACTION = /^[\x21-\x7e]{1,128}$/;
export const ATTEMPT_MAX = 10;

/** A case that begins, or goes on after a reload: `left` where this attempt was left to an officer. Nothing of the person is in it. */
export function begin({ transactionId, attempt = 1, left = false }) {
  return { transactionId, attempt, left, phase: "open", step: "record", decision: null, subjectId: "", scheme: "", usedUp: false, renumbered: 0 };
}

/**
 * phase: open (things may be changed), sending, decided; unknown (it is not known yet whether what was sent before was
 * decided, so nothing else is taken); reused (the transaction has the answer to something else than what was entered).
 */
export function canGo(state, step) {
  if (state.phase === "sending") return false;
  if (step === "answer") return state.phase === "decided";
  return state.phase === "open";
}

/** Where the page may be after the browser's back or forward: the step, or where the case really stands. A slip comes after the card. */
export function landOn(state, step, ready) {
  if (state.phase !== "open") return "answer";
  if (step === "slip") return ready.byHand || (ready.record && ready.card) ? "slip" : state.step;
  const wanted = STEPS.indexOf(step);
  if (wanted < 0 || step === "answer") return state.step;
  if (wanted > 0 && !ready.record) return "record";
  if (wanted > 1 && !ready.card) return "card";
  return step;
}

/** Whether an earlier request was decided is being looked up; `error` says why that failed. */
export const unknown = (state, error = null) => ({ ...state, phase: "unknown", step: "answer", unknown: error });

/** The transaction was used for something else. `found` is its answer where that may be shown, null where it may not. */
export const reused = (state, found) => ({ ...state, phase: "reused", step: "answer", reused: found });

export const goTo = (state, step) => (canGo(state, step) ? { ...state, step } : state);

/** The request is on its way: from here on this attempt's content is fixed. */
export const sending = (state) => ({ ...state, phase: "sending", step: "answer" });

/** The request was refused before anything was decided: it may be changed and sent under the same attempt. */
export const reopened = (state, step) => ({ ...state, phase: "open", step });

/** A decision came, or was fetched. `subjectId`, `scheme`: what it is about, and every attempt after it. */
export function decided(state, decision, { subjectId = "", scheme = "", usedUp = false } = {}) {
  return { ...state, phase: "decided", step: "answer", decision, subjectId, scheme, attempt: decision.attempt || state.attempt, usedUp };
}

/**
 * Whether a decision that was found is about the record and the scheme of a request. It is no answer to that request all the
 * same: card and face may be another person's.
 */
export function isAbout(found, { subjectId, scheme }) {
  return Boolean(found) && same(found.subjectId, subjectId) && (found.scheme ?? "") === scheme;
}

const same = (a, b) => (a ?? "").trim().normalize("NFC") === (b ?? "").trim().normalize("NFC");

/** Another try with new captures: the next attempt of the same transaction. */
export function retaken(state) {
  if (!mayRetake(state)) return state;
  return { ...state, phase: "open", step: "capture", attempt: state.attempt + 1, decision: null, left: false, renumbered: 0 };
}

const OF_THE_CARD = /^(?:CHIP_(?!FACE_UNSURE$)|CHALLENGE_|NUMBER_|NAME_|BIRTH_DATE_|SEX_)/;

/** Whether the server advises to read the card for the next attempt: where something of the chip stands against it. */
export function retakesCard(decision) {
  return (decision?.reasons ?? []).some(({ code, consequence, follows }) => consequence !== "CONSEQUENCE_ACCEPT" && !follows && OF_THE_CARD.test(code));
}

/** The step at which a case goes on: the first that the clerk has not gone through on this page; `card`: not after the card's. */
export function goesOnAt(ready, { card = false } = {}) {
  if (!ready.record) return "record";
  return ready.card && !card ? "capture" : "card";
}

/** The server says whether the policy leaves an attempt; once an officer has answered there is none. */
export function mayRetake(state) {
  const { decision } = state;
  return Boolean(decision?.retake) && !state.usedUp && !state.left && outcome(decision) !== "OUTCOME_APPROVE" && !decision.resolved && state.attempt < ATTEMPT_MAX;
}

/** The clerk leaves it to an officer, though an attempt is left. */
export const leftToOfficer = (state) => ({ ...state, left: true });

/** What a decision comes to now: an officer's word where that closed it. Whatever the page does not know is a referral. */
export function outcome(decision) {
  const resolved = known(decision?.resolved);
  return resolved ?? known(decision?.outcome) ?? "OUTCOME_REFER";
}

const known = (value) => (["OUTCOME_APPROVE", "OUTCOME_REFER", "OUTCOME_DENY"].includes(value) ? value : undefined);

/** Whether nothing more will come of it at this desk: approved, or no attempt is left. */
export const isFinal = (state) => state.phase === "decided" && !mayRetake(state);

const FACE_REASONS = new Set([
  "NO_FACE",
  "FACE_CUT",
  "FACE_AMBIGUOUS",
  "FACE_TOO_SMALL",
  "IMAGE_TOO_BRIGHT",
  "IMAGE_TOO_DARK",
  "IMAGE_EMPTY",
  "IMAGE_TOO_LARGE",
  "IMAGE_FORMAT",
  "IMAGE_ANIMATED",
  "IMAGE_DAMAGED",
  "CAPTURE_REFUSED",
  "NOT_LIVE",
  "INFERENCE",
  "PHOTO_COUNT",
]);
const ALL_FRAMES = new Set(["PROBES_DISAGREE", "FRAMES_REPEATED"]);
const RENUMBERED_MAX = 2;

/**
 * What an error of VerifyBeneficiary asks for:
 *   {go: "number", attempt}     send the same content under this attempt number
 *   {go: "earlier", attempt, usedUp}  the transaction was used before: look what that was (0: its last attempt)
 *   {go: "frames", frames}      take these captures again (numbers from 0; "all")
 *   {go: "record", field}       the record's step, at this field
 *   {go: "again"}               it is not known what became of it: send the same again
 *   {go: "show"}                nothing the clerk can mend: show the sentence
 */
export function afterError(state, error) {
  const { reason, metadata = {} } = error;
  const field = metadata.field ?? "";
  if (reason === "ATTEMPT_OUT_OF_ORDER") {
    const expected = Number(metadata.attemptExpected);
    if (Number.isInteger(expected) && expected >= 1 && expected <= ATTEMPT_MAX && expected !== state.attempt && state.renumbered < RENUMBERED_MAX) {
      return { go: "number", attempt: expected };
    }
    return { go: "earlier", attempt: 0, usedUp: false };
  }
  if (reason === "ATTEMPTS_USED_UP") return { go: "earlier", attempt: 0, usedUp: true };
  if (reason === "TRANSACTION_CLOSED" || reason === "TRANSACTION_REUSED") return { go: "earlier", attempt: 0, usedUp: false };
  if (ALL_FRAMES.has(reason)) return { go: "frames", frames: "all" };
  const frame = /^frames\[(\d+)\]$/.exec(field);
  if (frame) return { go: "frames", frames: [Number(frame[1])] };
  if (FACE_REASONS.has(reason)) return { go: "frames", frames: "all" };
  if (["BAD_SUBJECT_ID", "ID_IS_NUMBER"].includes(reason)) return { go: "record", field: field || "subject_id" };
  if (reason === "OUT_OF_RANGE" && /^(?:scheme|record\b)/.test(field)) return { go: "record", field };
  if (error.lost || error.retryAfterMs !== null || error.code === "unavailable") return { go: "again" };
  return { go: "show" };
}

export const renumbered = (state, attempt) => ({ ...state, attempt, renumbered: state.renumbered + 1 });

/** A number for a new case: 122 random bits. */
export function newTransactionId(crypto = globalThis.crypto) {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Why a record's id cannot be sent: empty, long; null where it can. Whether it is somebody's number the server says. */
export function subjectIdProblem(id) {
  const bytes = new TextEncoder().encode(id).length;
  return bytes === 0 ? "empty" : bytes > 128 ? "long" : null;
}
