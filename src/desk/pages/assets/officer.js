// The officer's page: which view is shown, by the part of the address behind #, so that going back and reloading work.

import { button, focusOn, h, replace } from "./dom.js";
import { caseView } from "./officer-case.js";
import { address, route } from "./officer-cases.js";
import { listView } from "./officer-list.js";
import { pairsView } from "./officer-pairs.js";
import { start } from "./shell.js";
import { say, SHELL } from "./text.js";

const TABS = [
  { view: "waiting", label: say("Chờ xử lý", "Waiting") },
  { view: "denied", label: say("Đã từ chối", "Denied") },
  { view: "pairs", label: say("Cặp cùng khuôn mặt", "Shared faces") },
];

start({ page: "officer", render });

function render({ api, me, main, announce }) {
  const tabs = h("nav", { class: "tabs", "aria-label": "Danh sách · Lists" });
  const place = h("div", { class: "stack" });
  // What came of an answer to a case that the officer has left since.
  const news = h("div", { class: "stack tight" });
  main.append(h("div", { class: "stack" }, h("div", { class: "row spread" }, tabs, findForm()), news, place));

  let leave = new AbortController();
  // What was typed about a case is there again after a look at another one.
  const drafts = new Map();

  /** Shows a view; `note` is what came of an answer to it. Resolves with whether it is still the one that is shown. */
  async function show({ view, id }, note = null) {
    leave.abort();
    leave = new AbortController();
    const { signal } = leave;
    replace(
      tabs,
      TABS.map((tab) => h("a", { href: address(tab.view), "aria-current": tab.view === view ? "page" : undefined }, tab.label)),
    );
    const context = { api, me, announce, signal, drafts, place, view, id, tell: (came, how) => tell({ view, id }, came, how) };
    const views = { case: caseView, pairs: pairsView };
    try {
      await (views[view] ?? listView)(context, note);
    } catch (error) {
      // Left for another view.
      if (!signal.aborted) throw error;
    }
    return !signal.aborted;
  }

  /**
   * Says what came of an answer that was given in a view, wherever the officer is by now: {words, element}. What else is shown
   * stays. `changed`: that view is not as it is shown any more.
   */
  async function tell({ view, id }, { words, element }, { changed = false } = {}) {
    announce(words, { urgent: true });
    const isHere = shown.view === view && shown.id === id;
    if (changed && isHere && (await show({ view, id }, element))) return;
    const about = address(view, id || undefined);
    const link = h("a", { class: "mono", href: about }, id || TABS.find((tab) => tab.view === view).label);
    const item = h("div", { class: "panel stack tight", data: { about } }, h("p", {}, link), element, h("div", {}, button(SHELL.close, () => item.remove(), { class: "quiet" })));
    news.append(item);
  }

  let shown = null;
  const follow = () => {
    const to = route(location.hash);
    if (to === null || (shown && shown.view === to.view && shown.id === to.id)) return;
    shown = to;
    for (const item of [...news.children]) if (item.dataset.about === address(to.view, to.id || undefined)) item.remove();
    show(to).then((isShown) => isShown && focusOn(place.querySelector("h1, h2")));
  };
  addEventListener("hashchange", follow);
  follow();
}

/** Opens a case by its transaction. */
function findForm() {
  const input = h("input", { type: "search", id: "find", maxlength: "128", autocomplete: "off", spellcheck: "false", required: true });
  return h(
    "form",
    {
      class: "find row",
      role: "search",
      on: {
        submit: (event) => {
          event.preventDefault();
          const id = input.value.trim();
          if (id !== "") location.hash = address("case", id);
        },
      },
    },
    h("label", { for: "find" }, say("Mã giao dịch", "Transaction")),
    input,
    h("button", { type: "submit" }, say("Mở", "Open")),
  );
}
