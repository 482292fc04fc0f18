// Builds elements without markup in strings: text from outside is only ever text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `props`: attributes; `on` holds listeners, `data` the data attributes, `value`, `checked`, `disabled` and the
 * like are set as properties. false, null and undefined leave a property out. Children: nodes, strings, {vi, en}, arrays.
 */
export function h(tag, props, ...children) {
  return dress(document.createElement(tag), props, children);
}

/** An element of SVG. */
export function svg(tag, props, ...children) {
  return dress(document.createElementNS(SVG, tag), props, children);
}

const AS_PROPERTY = new Set(["value", "checked", "disabled", "hidden", "srcObject", "muted", "playsInline", "autoplay", "indeterminate", "multiple"]);

function dress(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") {
      for (const [key, datum] of Object.entries(value)) element.dataset[key] = datum;
    } else if (AS_PROPERTY.has(name) && name in element) {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

/** Appends nodes, strings, {vi, en} and arrays of them. */
export function append(parent, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    if (child instanceof Node) parent.append(child);
    else if (isPair(child)) parent.append(both(child));
    else parent.append(String(child));
  }
  return parent;
}

/** Puts other children in the place of what is there. */
export function replace(parent, ...children) {
  parent.replaceChildren();
  return append(parent, ...children);
}

export const isPair = (value) => typeof value === "object" && value !== null && typeof value.vi === "string";

/** The two languages of a text, side by side; the language switch hides one. A text that is one in both comes once. */
export function both({ vi, en }) {
  const fragment = document.createDocumentFragment();
  if (!en || en === vi || !vi) {
    const only = h("span", { lang: vi ? "vi" : "en" }, vi || en || "");
    fragment.append(only);
  } else {
    // The space is for those who hear the page or copy its text.
    fragment.append(h("span", { class: "vi", lang: "vi" }, vi), h("span", { class: "en", lang: "en" }, " ", en));
  }
  return fragment;
}

export const button = (pair, onClick, props = {}) => h("button", { type: "button", ...props, on: { ...props.on, click: onClick } }, pair);

let fieldNumber = 0;

/**
 * A control with its label, hint and place for an error. `control` is an input, select or textarea.
 * Returns {element, control, setError(pair | null)}.
 */
export function field({ label, hint, control, required = false }) {
  const id = control.id || `field-${++fieldNumber}`;
  control.id = id;
  const error = h("p", { id: `${id}-error`, class: "error", hidden: true });
  const described = [hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
  control.setAttribute("aria-describedby", described);
  if (required) control.setAttribute("aria-required", "true");
  const element = h("div", { class: "field" }, h("label", { for: id }, label), hint && h("p", { id: `${id}-hint`, class: "hint" }, hint), control, error);
  const setError = (pair) => {
    replace(error, pair);
    error.hidden = !pair;
    if (pair) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  return { element, control, setError };
}

/** Radio buttons in a group. `options`: [{value, label, hint}]. Returns {element, value(), select(value)}. */
export function choices({ name, legend, options, value, onChange }) {
  const inputs = options.map((option) =>
    h("input", { type: "radio", name, value: option.value, checked: option.value === value, on: { change: () => onChange?.(option.value) } }),
  );
  const element = h(
    "fieldset",
    {},
    h("legend", {}, legend),
    h(
      "div",
      { class: "choices" },
      options.map((option, i) => h("label", { class: "choice" }, inputs[i], h("span", {}, option.label, option.hint && h("span", { class: "hint" }, " ", option.hint)))),
    ),
  );
  return {
    element,
    value: () => inputs.find((input) => input.checked)?.value ?? "",
    select: (wanted) => inputs.forEach((input) => (input.checked = input.value === wanted)),
  };
}

let dialogNumber = 0;

/**
 * A modal dialog. `actions`: [{label, value, primary}]; resolves with the value of the action that was chosen, or null where
 * it was dismissed (Escape), which `dismissable: false` rules out, or where `signal` ends what it asks about. Focus goes back
 * to where it was.
 */
export function dialog({ title, body, actions, dismissable = true, className, signal }) {
  const id = `dialog-${++dialogNumber}`;
  const before = document.activeElement;
  return new Promise((resolve) => {
    const close = (value) => {
      signal?.removeEventListener("abort", end);
      element.close();
      element.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(value);
    };
    const element = h(
      "dialog",
      { "aria-labelledby": id, class: className },
      h(
        "div",
        { class: "stack" },
        h("h2", { id }, title),
        body,
        h("div", { class: "row" }, actions.map((action) => button(action.label, () => close(action.value), { class: action.primary ? "primary" : undefined }))),
      ),
    );
    const end = () => close(null);
    element.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (dismissable) close(null);
    });
    if (signal?.aborted) return resolve(null);
    signal?.addEventListener("abort", end);
    document.body.append(element);
    element.showModal();
  });
}

/** Moves focus to an element that is no control, such as the heading of a new step. */
export function focusOn(element) {
  if (!element) return;
  if (!element.hasAttribute("tabindex") && element.tabIndex < 0) element.setAttribute("tabindex", "-1");
  element.focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
}
