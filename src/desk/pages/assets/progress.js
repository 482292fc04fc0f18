// The head of every step: how far the case is, its attempt, a new case, and a hand-over that is still open beside it.

import { DESK, STEP_NAMES } from "./desk-text.js";
import { button, h } from "./dom.js";
import { linkOf } from "./handover.js";
import { STEPS } from "./steps.js";
import { fill, SHELL } from "./text.js";

export function progress(desk) {
  const at = STEPS.indexOf(desk.step === "slip" ? (desk.chosenPolicy().byHand ? "record" : "capture") : desk.step);
  const items = STEPS.map((step, i) =>
    h(
      "li",
      { class: i < at ? "done" : i === at ? "now" : undefined, "aria-current": i === at ? "step" : undefined },
      h("span", { class: "number", "aria-hidden": "true" }, i < at ? "✓" : String(i + 1)),
      h("span", {}, STEP_NAMES[step], i < at && h("span", { class: "visually-hidden" }, " ", DESK.done)),
    ),
  );
  const { aside } = desk.handover;
  return [
    h(
      "div",
      { class: "progress-bar no-print" },
      h("h1", { class: "visually-hidden" }, SHELL.desk),
      h("ol", { class: "steps", "aria-label": `${DESK.steps.vi} · ${DESK.steps.en}` }, items),
      desk.state.attempt > 1 && h("span", { class: "badge wait" }, fill(DESK.attempt, { n: desk.state.attempt })),
      button(DESK.newCase, () => desk.newCase(), { class: "quiet" }),
    ),
    aside && h("p", { class: "note wait no-print" }, DESK.aside, " ", h("a", { href: linkOf(aside) }, DESK.openAside)),
  ];
}
