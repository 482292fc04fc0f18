// What a tab keeps of its case over a reload (nothing of the citizen), and what a page begins with. No DOM here.

import { ATTEMPT_MAX, TRANSACTION } from "./steps.js";

/**
 * What is kept: transaction, attempt, whether it was sent, whether it is answered, what of that the clerk has left to an
 * officer, which clerk worked, which special case it is, and the hand-overs: `session`, the case's own; `told`, its system
 * knows; `aside`, one that is open while the tab has another case. No name, number or record of the citizen.
 */
export function toStore(state, clerk = "", special = {}, { session = null, told = false, aside = null } = {}) {
  const { transactionId, attempt, phase, left = false } = state;
  const kept = { transactionId, attempt, sent: phase !== "open", answered: phase === "decided", other: phase === "reused", left };
  return JSON.stringify({ ...kept, clerk, special, session, told, aside });
}

/** Reads that back; null for anything else, and for what another clerk left in this tab. */
export function fromStore(text, worksNow = "") {
  try {
    const { transactionId, attempt, sent, answered, other, left, clerk, special, session, told, aside } = JSON.parse(text);
    if (clerk !== worksNow) return null;
    if (!TRANSACTION.test(transactionId) || !Number.isInteger(attempt) || attempt < 1 || attempt > ATTEMPT_MAX) return null;
    return {
      transactionId,
      attempt,
      sent: sent === true,
      answered: answered === true,
      other: other === true,
      left: left === true,
      special: typeof special === "object" && special !== null ? special : {},
      session: handoffId(session),
      told: told === true,
      aside: handoffId(aside),
    };
  } catch {
    return null;
  }
}

const handoffId = (id) => (typeof id === "string" && TRANSACTION.test(id) ? id : null);

/**
 * What a page begins with that was opened with a hand-over's link (null: without one), where `kept` is what the tab keeps:
 *   {go: "kept", aside}     the case that is kept: always where it was sent and its answer is not known
 *   {go: "handoff", aside}  the hand-over of the link
 *   {go: "fresh", aside}    a case of its own: a hand-over's transaction is for its own record
 * `aside`: a hand-over that stays open meanwhile; null for none.
 */
export function beginning(link, kept) {
  if (!kept) return link === null ? { go: "fresh", aside: null } : { go: "handoff", aside: null };
  if (kept.session === link) return { go: link !== null && !kept.sent ? "handoff" : "kept", aside: kept.aside };
  if (kept.sent && !kept.answered) return { go: "kept", aside: link ?? kept.aside };
  const open = kept.session !== null && !kept.told ? kept.session : kept.aside;
  if (link === null) return { go: "fresh", aside: open };
  return { go: "handoff", aside: open === link ? null : open };
}
