// What is printed: the receipt of a decision and the slip for an officer. Neither names a person, a card or a number of theirs.

import { RECEIPT, RECORD } from "./desk-text.js";
import { h } from "./dom.js";
import { outcomeWords, plain, when } from "./text.js";

const QR_TEXT_MAX = 200;

/** The receipt of a decision. */
export function receipt({ desk, decision, came }) {
  return sheet(desk, RECEIPT.title, [
    [RECEIPT.outcome, outcomeWords(came)],
    [RECORD.subjectId, mono(desk.state.subjectId)],
    [RECEIPT.transaction, mono(desk.state.transactionId)],
    [RECEIPT.attempt, String(decision.attempt || desk.state.attempt)],
    [RECEIPT.time, when(decision.decidedAt) || when(new Date(desk.api.now()).toISOString())],
    [RECEIPT.unit, desk.me.unit || RECEIPT.noUnit],
  ]);
}

/**
 * A sheet with facts, and with the QR code of the transaction where the server knows that. `keep`: what the paper is good
 * for; a paper never promises a case that nobody can open.
 */
export function sheet(desk, title, facts, { isKnown = true, keep = RECEIPT.keep, rest = null } = {}) {
  const { transactionId } = desk.state;
  const tested = desk.me.test || desk.me.signIn === "open";
  return h(
    "section",
    { class: "panel receipt stack", "aria-label": plain(title) },
    h("h3", {}, title),
    tested && h("p", { class: "tested" }, RECEIPT.test),
    h(
      "div",
      { class: "receipt-body" },
      h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      isKnown && transactionId.length <= QR_TEXT_MAX && h("img", { class: "qr", src: `/desk/qr.svg?text=${encodeURIComponent(transactionId)}`, alt: plain(RECEIPT.qr), width: 160, height: 160 }),
    ),
    rest,
    h("p", { class: "hint" }, keep),
  );
}

const mono = (text) => h("span", { class: "mono" }, text);
export { mono };
