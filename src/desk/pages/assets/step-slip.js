// Where nothing can be sent for a decision (no picture of the face, or a collector at a desk without a policy for them): a
// printed slip for an officer. Nothing of it is in the system, and page and paper say so.

import { CARDS, HOME_VISIT, PERSONS } from "./special.js";
import { DESK, RECEIPT, SLIP } from "./desk-text.js";
import { button, choices, h, replace } from "./dom.js";
import { mono, sheet } from "./receipt.js";
import { when } from "./text.js";

export function slipStep(desk) {
  const { data } = desk;
  const { byHand } = desk.chosenPolicy();
  // Attempts before this one were decided, and can be opened.
  const isKnown = desk.state.attempt > 1;
  const heading = h("h2", {}, byHand ? SLIP.collectorTitle : SLIP.title);
  const paper = h("div", {});
  let reason = "medical";
  const made = new Date(desk.api.now()).toISOString();
  const draw = () => {
    const kinds = [PERSONS[data.person].label, data.cardWay !== "read" && CARDS[data.cardWay].label, data.homeVisit && HOME_VISIT.label].filter(Boolean);
    replace(
      paper,
      sheet(
        desk,
        RECEIPT.slipTitle,
        [
          [RECEIPT.outcome, SLIP.decided],
          isKnown && [RECEIPT.transaction, mono(desk.state.transactionId)],
          [SLIP.subject, mono(data.subjectId.trim())],
          [SLIP.kind, kinds.map((pair) => h("div", {}, pair))],
          [SLIP.reason, byHand ? SLIP.collectorReason : SLIP.reasons[reason]],
          [RECEIPT.time, when(made)],
          [RECEIPT.unit, desk.me.unit || RECEIPT.noUnit],
        ].filter(Boolean),
        {
          isKnown,
          keep: isKnown ? RECEIPT.keepSlipEarlier : RECEIPT.keepSlip,
          rest: h("p", { class: "large" }, byHand ? SLIP.collectorCitizen : SLIP.citizen),
        },
      ),
    );
  };
  const why = choices({
    name: "why",
    legend: SLIP.why,
    value: reason,
    options: Object.entries(SLIP.reasons).map(([value, label]) => ({ value, label })),
    onChange(value) {
      reason = value;
      draw();
    },
  });
  draw();
  const element = h(
    "div",
    { class: "answer-page" },
    h(
      "section",
      { class: "panel stack no-print" },
      heading,
      h("p", { class: "note info" }, byHand ? SLIP.collectorBody : SLIP.body),
      !byHand && why.element,
      h("div", { class: "row" }, button(SLIP.print, () => print(), { class: "primary bigger" }), button(DESK.back, () => history.back()), button(DESK.newCase, () => desk.newCase(), { class: "quiet" })),
    ),
    paper,
  );
  return { element, heading };
}
