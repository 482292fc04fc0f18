// The officer's page: which view is shown, by the part of the address behind #, so that going back and reloading work.

import { focusOn, h, replace } from "./dom.js";
import { caseView } from "./officer-case.js";
import { address, route } from "./officer-cases.js";
import { listView } from "./officer-list.js";
import { pairsView } from "./officer-pairs.js";
import { start } from "./shell.js";
import { say } from "./text.js";

const TABS = [
  { view: "waiting", label: say("Chờ xử lý", "Waiting") },
  { view: "denied", label: say("Đã từ chối", "Denied") },
  { view: "pairs", label: say("Cặp cùng khuôn mặt", "Shared faces") },
];

start({ page: "officer", render });

function render({ api, me, main, announce }) {
  const tabs = h("nav", { class: "tabs", "aria-label": "Danh sách · Lists" });
  const place = h("div", { class: "stack" });
  main.append(h("div", { class: "stack" }, h("div", { class: "row spread" }, tabs, findForm()), place));

  let leave = new AbortController();
  // What was typed about a case is there again after a look at another one.
  const drafts = new Map();

  async function show({ view, id }) {
    leave.abort();
    leave = new AbortController();
    const { signal } = leave;
    replace(
      tabs,
      TABS.map((tab) => h("a", { href: address(tab.view), "aria-current": tab.view === view ? "page" : undefined }, tab.label)),
    );
    const context = { api, me, announce, signal, drafts, again: () => show({ view, id }) };
    const views = { case: caseView, pairs: pairsView };
    try {
      await (views[view] ?? listView)({ ...context, place, view, id });
    } catch (error) {
      // Left for another view.
      if (!signal.aborted) throw error;
    }
  }

  let shown = null;
  const follow = () => {
    const to = route(location.hash);
    if (to === null || (shown && shown.view === to.view && shown.id === to.id)) return;
    shown = to;
    show(to).then(() => focusOn(place.querySelector("h1, h2")));
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
