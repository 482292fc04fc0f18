// What follows from a case for an officer: how long it waits, who may answer it, how many it takes. Pure.

import { say } from "./text.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Most characters of a reason; the server's own bound. */
export const REASON_CHARS_MAX = 500;

/** How long ago `at` (RFC 3339) was, in both languages; in whole minutes, hours or days. */
export function age(at, now) {
  const ms = now - Date.parse(at);
  if (!Number.isFinite(ms)) return say("không rõ", "unknown");
  if (ms < MINUTE_MS) return say("vừa xong", "just now");
  if (ms < HOUR_MS) return counted(Math.floor(ms / MINUTE_MS), "phút", "minute");
  if (ms < 2 * DAY_MS) return counted(Math.floor(ms / HOUR_MS), "giờ", "hour");
  return counted(Math.floor(ms / DAY_MS), "ngày", "day");
}

function counted(count, vi, en) {
  return say(`${count} ${vi}`, `${count} ${en}${count === 1 ? "" : "s"}`);
}

/** Whether the time by which an officer was to answer (`answerBy`, RFC 3339) is over; not where there is none. */
export function isOverdue(answerBy, now) {
  return now >= Date.parse(answerBy ?? "");
}

/** Oldest first; equal times by transaction, so that the order does not change between looks. */
export function oldestFirst(cases) {
  const time = ({ decidedAt }) => Date.parse(decidedAt) || 0;
  return [...cases].sort((a, b) => time(a) - time(b) || (a.transactionId < b.transactionId ? -1 : 1));
}

/** A set outcome of an answer; JSON leaves out what is unspecified. */
export function closed(outcome) {
  return outcome === "OUTCOME_APPROVE" || outcome === "OUTCOME_DENY";
}

/** Whether `person` may answer the case that `got` (GetDecisionResponse) holds.
 *
 * `may` is false where the server would surely refuse; what else it refuses it says itself. `why` is said beside
 * the form, whatever `may` is. */
export function answerable(got, person) {
  const decision = got.decision ?? {};
  if (decision.outcome === "OUTCOME_APPROVE") {
    return { may: false, why: say("Máy đã chấp thuận; không cần cán bộ xử lý.", "It was approved; no officer is needed.") };
  }
  if (closed(decision.resolved)) {
    return { may: false, why: say("Trường hợp này đã được xử lý xong.", "This case has been resolved.") };
  }
  if (person && got.clerkId === person) {
    return {
      may: false,
      why: say("Chính ông/bà đã tiếp nhận trường hợp này, nên cán bộ khác phải xử lý.", "You presented this case yourself, so another officer must answer it."),
    };
  }
  const { approved, needed } = officers(decision);
  if (person && approved.includes(person)) {
    return {
      may: false,
      why: say(`Ông/bà đã chấp thuận. Cần thêm cán bộ khác (${approved.length}/${needed}).`, `You have approved. Another officer must as well (${approved.length} of ${needed}).`),
    };
  }
  if (approved.length > 0) {
    return {
      may: true,
      why: say(`Đã có ${approved.length}/${needed} cán bộ chấp thuận. Hãy tự xem xét trước khi trả lời.`, `${approved.length} of ${needed} officers have approved. Look for yourself before you answer.`),
    };
  }
  return { may: true, why: null };
}

/** Officers who have approved so far, and how many it takes; `needed` is 0 where no one has answered yet. */
export function officers(decision) {
  const answers = decision.officerAnswers ?? [];
  return {
    approved: answers.filter(({ outcome }) => outcome === "OUTCOME_APPROVE").map(({ officerId }) => officerId ?? ""),
    needed: decision.officersNeeded ?? 0,
  };
}

// Reasons against which the server asks for two officers (docs/operating.md, Answering).
const SHOWN_WRONG = new Set([
  "CHIP_ALTERED", "CHIP_UNTRUSTED", "CHIP_NOT_ORIGINAL", "CHIP_COUNTRY_DIFFERS", "CHIP_FACE_DIFFERS", "REFERENCE_FACE_DIFFERS",
]);

/** Whether an approval will take two officers, as far as this decision and its earlier attempts show. */
export function takesTwo(decision) {
  if ((decision.officersNeeded ?? 0) > 1) return true;
  const now = (decision.reasons ?? [])
    .filter(({ consequence }) => consequence !== "CONSEQUENCE_ACCEPT")
    .map(({ code }) => code);
  const before = (decision.evidence?.history?.transaction ?? []).flatMap(({ reasons }) => reasons ?? []);
  return [...now, ...before].some((code) => SHOWN_WRONG.has(code));
}

/** What is wrong with a reason before it is sent, in both languages; null where the server is to judge. */
export function reasonFlaw(text) {
  const reason = text.trim();
  if (reason === "") return say("Hãy ghi lý do.", "Give a reason.");
  if ([...reason].length > REASON_CHARS_MAX) {
    return say(`Lý do dài quá ${REASON_CHARS_MAX} ký tự.`, `The reason is longer than ${REASON_CHARS_MAX} characters.`);
  }
  return null;
}

/** A reason in one line, as the server wants it. */
export function oneLine(text) {
  return text.replace(/\s+/gu, " ").trim();
}

// --- addresses within the page --------------------------------------------------------------

/** Which view an address (`#case/T-1`) shows: {view, id}. Null for an address within a view, such as `#main`. */
export function route(hash) {
  const [view, rest] = (hash ?? "").replace(/^#/, "").split(/\/(.*)/s);
  if (view === "case" || view === "record") {
    try {
      const id = decodeURIComponent(rest ?? "");
      if (id !== "") return { view, id };
    } catch {
      // Not an address of this page.
    }
    return { view: "waiting", id: "" };
  }
  if (view === "") return { view: "waiting", id: "" };
  return ["waiting", "denied", "pairs"].includes(view) ? { view, id: "" } : null;
}

export function address(view, id) {
  return id === undefined ? `#${view}` : `#${view}/${encodeURIComponent(id)}`;
}
