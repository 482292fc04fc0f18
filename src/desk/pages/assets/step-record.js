// Step 1: the record that is claimed, and whether the case is a special one.

import { DESK, RECORD } from "./desk-text.js";
import { append, choices, field, focusOn, h } from "./dom.js";
import { HOME_VISIT, PERSONS } from "./special.js";
import { subjectIdProblem } from "./steps.js";
import { SCHEMES, SEXES } from "./text.js";

const textInput = (value, props = {}) => h("input", { type: "text", value, autocomplete: "off", spellcheck: "false", autocapitalize: "off", ...props });

export function recordStep(desk) {
  const { data } = desk;
  const isHandedOver = desk.handover.id !== null;
  // Every attempt is about the record of the one before.
  const about = desk.state.subjectId;
  const keep = (target, name) => (event) => (target[name] = event.target.value);

  const subject = field({
    label: RECORD.subjectId,
    hint: isHandedOver ? RECORD.fromSystem : about ? RECORD.ofTransaction : RECORD.subjectIdHint,
    required: true,
    // The transaction is the system's, for this record.
    control: textInput(data.subjectId, { maxlength: "128", name: "subjectId", readonly: isHandedOver || about !== "", on: { input: keep(data, "subjectId") } }),
  });
  const scheme = field({
    label: RECORD.scheme,
    control: h("select", { name: "scheme", disabled: Boolean(desk.handover.details?.scheme || desk.state.scheme), on: { change: keep(data, "scheme") } }, options(SCHEMES)),
  });
  scheme.control.value = data.scheme;
  const fields = {
    subject_id: subject,
    scheme,
    number: field({ label: RECORD.number, control: textInput(data.record.number, { name: "number", inputmode: "numeric", maxlength: "40", on: { input: keep(data.record, "number") } }) }),
    name: field({ label: RECORD.name, control: textInput(data.record.name, { name: "name", maxlength: "200", lang: "vi", autocapitalize: "words", on: { input: keep(data.record, "name") } }) }),
    birth_date: field({
      label: RECORD.birthDate,
      hint: RECORD.birthDateHint,
      control: textInput(data.record.birthDate, { name: "birthDate", maxlength: "20", on: { input: keep(data.record, "birthDate") } }),
    }),
    sex: field({ label: RECORD.sex, control: h("select", { name: "sex", on: { change: keep(data.record, "sex") } }, options(SEXES)) }),
  };
  fields.sex.control.value = data.record.sex;

  const next = (event) => {
    event.preventDefault();
    const problem = subjectIdProblem(data.subjectId.trim());
    subject.setError(problem && (problem === "empty" ? RECORD.idEmpty : RECORD.idLong));
    if (problem) return focusOn(subject.control);
    data.recordSeen = true;
    desk.go(desk.chosenPolicy().byHand ? "slip" : "card");
  };

  const heading = h("h2", {}, RECORD.title);
  const element = h(
    "form",
    { class: "panel stack", novalidate: true, on: { submit: next } },
    heading,
    h(
      "div",
      { class: "columns" },
      h("div", { class: "stack" }, subject.element, scheme.element, fields.sex.element),
      h("div", { class: "stack" }, fields.number.element, fields.name.element, fields.birth_date.element),
    ),
    h("p", { class: "hint" }, RECORD.asItStands),
    specialCases(desk),
    h("div", { class: "row" }, h("button", { type: "submit", class: "primary bigger" }, DESK.next)),
  );

  return {
    element,
    heading,
    shown() {
      const problem = desk.recordError;
      desk.recordError = null;
      if (!problem) return;
      const name = problem.field.replace(/^record\./, "");
      const at = fields[name] ?? subject;
      at.setError(problem.pair);
      focusOn(at.control);
    },
  };
}

// An option holds no elements, so it shows both languages whatever the switch says.
const options = (pairs) => Object.entries(pairs).map(([value, pair]) => h("option", { value }, `${pair.vi} · ${pair.en}`));

/** Who is there, and where; what the clerk is to do follows the choice. */
function specialCases(desk) {
  const { data } = desk;
  const told = h("div", { class: "stack tight", role: "status" });
  const tell = () => {
    told.replaceChildren();
    const notes = [PERSONS[data.person].tell, data.homeVisit && HOME_VISIT.tell].filter(Boolean);
    for (const note of notes) append(told, h("p", { class: "note info" }, note));
    const { special, covered, byHand } = desk.chosenPolicy();
    if (special && !covered) append(told, h("p", { class: "note wait" }, byHand ? DESK.collectorByHand : DESK.ordinaryPolicy));
  };
  const person = choices({
    name: "person",
    legend: RECORD.person,
    value: data.person,
    options: Object.entries(PERSONS).map(([value, { label }]) => ({ value, label })),
    onChange(value) {
      data.person = value;
      tell();
    },
  });
  const home = h("input", {
    type: "checkbox",
    name: "homeVisit",
    checked: data.homeVisit,
    on: {
      change() {
        data.homeVisit = home.checked;
        tell();
      },
    },
  });
  tell();
  return h(
    "details",
    { class: "special", open: data.person !== "self" || data.homeVisit },
    h("summary", {}, h("strong", {}, RECORD.special), h("span", { class: "hint" }, RECORD.specialHint)),
    h("div", { class: "stack" }, person.element, h("label", { class: "choice alone" }, home, h("span", {}, HOME_VISIT.label)), told),
  );
}

