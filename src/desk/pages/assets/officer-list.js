// Lists of cases: those that wait, those that were denied, and all about one record. Oldest first, in pages.

import { button, h, replace } from "./dom.js";
import { address, age, closed, isOverdue, oldestFirst } from "./officer-cases.js";
import { outcomeWords, reasonWords, schemeWords } from "./officer-words.js";
import { fill, outcomeTone, say, when } from "./text.js";

const PAGE_SIZE = 25;
// A page of the server may be empty and yet not the last: so many are asked for in a row.
const EMPTY_PAGES_MAX = 20;
const REASONS_SHOWN = 3;
const DENIED_DAYS = [1, 7, 30];

const TEXTS = {
  waiting: {
    title: say("Trường hợp chờ cán bộ", "Cases that wait for an officer"),
    none: say("Không có trường hợp nào đang chờ.", "No case waits."),
  },
  denied: {
    title: say("Trường hợp máy đã từ chối", "Cases that were denied"),
    none: say("Không có trường hợp nào bị từ chối trong thời gian này.", "No case was denied in this time."),
  },
  record: {
    title: say("Các trường hợp về hồ sơ {id}", "Cases about record {id}"),
    none: say("Không có trường hợp nào về hồ sơ này mà bạn được xem.", "There are no cases about this record that you may see."),
  },
};

export async function listView({ api, announce, signal, place, view, id }) {
  const texts = TEXTS[view];
  const rows = h("ul", { class: "cases" });
  const state = h("p", { class: "muted" });
  const problem = h("div", { class: "problem" });
  const more = button(say("Xem thêm", "More"), () => load(), { hidden: true });
  const days = denied(view, api);
  replace(
    place,
    h(
      "div",
      { class: "row spread" },
      h("h1", { tabindex: "-1" }, fill(texts.title, { id })),
      h("div", { class: "row" }, days?.element, button(say("Tải lại", "Refresh"), () => reload())),
    ),
    problem,
    state,
    rows,
    h("div", {}, more),
  );
  days?.select.addEventListener("change", () => reload());

  let token = "";
  // The loading that is under way: a new one takes its place, so that what is shown is what was asked for last.
  let loading = null;
  signal.addEventListener("abort", () => loading?.abort(signal.reason));

  async function reload() {
    token = "";
    rows.replaceChildren();
    await load();
  }

  async function ask(signal) {
    const page = { pageSize: PAGE_SIZE, pageToken: token };
    if (view === "waiting") {
      const { referrals = [], nextPageToken = "" } = await api.call("Cases/ListReferrals", page, { signal });
      return { found: referrals, nextPageToken };
    }
    const filter = view === "denied" ? { outcome: "OUTCOME_DENY", since: days.since() } : { subjectId: id };
    const { decisions = [], nextPageToken = "" } = await api.call("Cases/ListDecisions", { ...filter, ...page }, { signal });
    return { found: decisions, nextPageToken };
  }

  async function load() {
    loading?.abort();
    const current = new AbortController();
    loading = current;
    more.disabled = true;
    replace(state, say("Đang tải…", "Loading…"));
    replace(problem);
    try {
      for (let page = 0; page < EMPTY_PAGES_MAX; page += 1) {
        const { found, nextPageToken } = await ask(current.signal);
        current.signal.throwIfAborted();
        token = nextPageToken;
        rows.append(...oldestFirst(found).map((one) => row(one, api.now())));
        if (found.length > 0 || token === "") break;
      }
      const count = rows.childElementCount;
      const words = count === 0 ? texts.none : counted(count, token !== "");
      replace(state, words);
      announce(words);
    } catch (error) {
      if (current.signal.aborted) return;
      replace(state);
      replace(problem, h("div", { class: "note stop", role: "alert" }, h("p", {}, error.pair ?? String(error))));
    } finally {
      if (loading === current) {
        more.hidden = token === "";
        more.disabled = false;
      }
    }
  }

  await load();
}

function counted(count, hasMore) {
  return hasMore
    ? say(`${count} trường hợp, còn nữa.`, `${count} cases, and there are more.`)
    : say(`${count} trường hợp.`, count === 1 ? "1 case." : `${count} cases.`);
}

/** Since when denied cases are listed. */
function denied(view, api) {
  if (view !== "denied") return null;
  const select = h(
    "select",
    { id: "since" },
    DENIED_DAYS.map((days) => h("option", { value: String(days) }, `${days} ngày qua · last ${days === 1 ? "day" : `${days} days`}`)),
  );
  select.value = "7";
  const since = () => new Date(api.now() - Number(select.value) * 86_400_000).toISOString();
  return { element: h("span", {}, h("label", { for: "since", class: "visually-hidden" }, say("Thời gian", "Time")), select), select, since };
}

function row(one, now) {
  const reasons = one.reasons ?? [];
  const shown = reasons.slice(0, REASONS_SHOWN).map((code) => h("li", {}, reasonWords(code)));
  const rest = reasons.length - REASONS_SHOWN;
  if (rest > 0) shown.push(h("li", { class: "muted" }, say(`và ${rest} lý do khác`, `and ${rest} more`)));
  const title = `case-${one.transactionId}-${one.attempt}`;
  return h(
    "li",
    { class: "case" },
    h(
      "div",
      { class: "case-head" },
      h("a", { class: "case-link mono", id: title, href: address("case", one.transactionId) }, one.transactionId),
      h("span", { class: `badge ${outcomeTone(one.outcome)}` }, outcomeWords(one.outcome)),
      closed(one.resolved) &&
        h("span", { class: `badge ${outcomeTone(one.resolved)}` }, say("Cán bộ: ", "Officer: "), outcomeWords(one.resolved)),
      one.waits && h("span", { class: `waits ${isOverdue(one.answerBy, now) ? "long" : ""}` }, waitWords(one, now)),
    ),
    reasons.length > 0 && h("ul", { class: "reasons-short" }, shown),
    h(
      "dl",
      { class: "case-facts" },
      fact(say("Hồ sơ", "Record"), h("span", { class: "mono" }, one.subjectId ?? "")),
      fact(say("Chế độ", "Scheme"), schemeWords(one.scheme)),
      fact(say("Lúc", "At"), when(one.decidedAt)),
      one.waits && one.answerBy && fact(say("Hạn trả lời", "Answer by"), when(one.answerBy)),
      fact(say("Lần thử", "Attempt"), String(one.attempt ?? 1)),
      one.unit && fact(say("Đơn vị", "Unit"), one.unit),
    ),
  );
}

function waitWords({ decidedAt, answerBy }, now) {
  if (now - Date.parse(decidedAt) < 60_000) return say("Vừa chuyển đến", "just referred");
  const { vi, en } = age(decidedAt, now);
  const late = isOverdue(answerBy, now);
  return say(`Đã chờ ${vi}${late ? ", quá hạn" : ""}`, `waits for ${en}${late ? ", overdue" : ""}`);
}

const fact = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));
