// Where not even a face can be captured: nothing can be decided, and a printed slip leads to an officer.

import { CARDS, HOME_VISIT, PERSONS } from "./special.js";
import { DESK, RECEIPT, SLIP } from "./desk-text.js";
import { button, choices, h, replace } from "./dom.js";
import { mono, sheet } from "./receipt.js";
import { when } from "./text.js";

export function slipStep(desk) {
  const { data } = desk;
  const heading = h("h2", {}, SLIP.title);
  const paper = h("div", {});
  let reason = "medical";
  const made = new Date().toISOString();
  const draw = () => {
    const kinds = [PERSONS[data.person].label, data.cardWay !== "read" && CARDS[data.cardWay].label, data.homeVisit && HOME_VISIT.label].filter(Boolean);
    replace(
      paper,
      sheet(
        desk,
        RECEIPT.slipTitle,
        [
          [RECEIPT.outcome, SLIP.decided],
          [RECEIPT.transaction, mono(desk.state.transactionId)],
          [SLIP.subject, mono(data.subjectId.trim())],
          [SLIP.kind, kinds.map((pair) => h("div", {}, pair))],
          [SLIP.reason, SLIP.reasons[reason]],
          [RECEIPT.time, when(made)],
          [RECEIPT.unit, desk.me.unit || RECEIPT.noUnit],
        ],
        h("p", { class: "large" }, SLIP.citizen),
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
      h("p", { class: "note info" }, SLIP.body),
      why.element,
      h("div", { class: "row" }, button(SLIP.print, () => print(), { class: "primary bigger" }), button(DESK.back, () => history.back()), button(DESK.newCase, () => desk.newCase(), { class: "quiet" })),
    ),
    paper,
  );
  return { element, heading };
}
