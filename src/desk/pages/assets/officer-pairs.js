// Pairs of records that share a face for a good reason, such as twins: clearing one, and ending that.

import { choices, dialog, field, h, replace } from "./dom.js";
import { officerField, once, reasonField, refusal } from "./officer-answer.js";
import { fill, say, when } from "./text.js";

const CLEAR = "clear";
const END = "end";
const WORDS = {
  [CLEAR]: {
    method: "Beneficiary/ClearPair",
    label: say("Xác nhận hai hồ sơ cùng khuôn mặt là có lý do", "Confirm that two records share a face for a good reason"),
    question: say("Xác nhận cặp hồ sơ này?", "Clear this pair?"),
    effect: say("Hai hồ sơ sẽ không còn bị báo trùng khuôn mặt với nhau.", "Neither will be reported as a duplicate of the other."),
    button: say("Xác nhận cặp…", "Clear the pair…"),
    confirm: say("Xác nhận", "Clear"),
  },
  [END]: {
    method: "Cases/UnclearPair",
    label: say("Chấm dứt xác nhận trước đây", "End an earlier confirmation"),
    question: say("Chấm dứt xác nhận cặp này?", "End the clearing of this pair?"),
    effect: say("Hai hồ sơ sẽ lại bị báo trùng khuôn mặt với nhau.", "Both will be reported as duplicates of each other again."),
    button: say("Chấm dứt…", "End…"),
    confirm: say("Chấm dứt", "End"),
  },
};

/** The view: both ids are typed. */
export async function pairsView(context) {
  const { place } = context;
  const a = h("input", { type: "text", maxlength: "128", autocomplete: "off", spellcheck: "false" });
  const b = h("input", { type: "text", maxlength: "128", autocomplete: "off", spellcheck: "false" });
  const first = field({ label: say("Mã hồ sơ thứ nhất", "First record"), control: a, required: true });
  const second = field({ label: say("Mã hồ sơ thứ hai", "Second record"), control: b, required: true });
  const action = choices({
    name: "pair-action",
    legend: say("Việc cần làm", "What to do"),
    options: [CLEAR, END].map((value) => ({ value, label: WORDS[value].label })),
    value: CLEAR,
  });
  const missing = say("Hãy ghi mã hồ sơ.", "Give the record's id.");
  const form = pairForm(context, {
    action: () => action.value(),
    ids() {
      const ids = [a.value.trim(), b.value.trim()];
      second.setError(ids[1] === "" ? missing : null);
      first.setError(ids[0] === "" ? missing : null);
      if (ids[0] === "") a.focus();
      else if (ids[1] === "") b.focus();
      return ids.includes("") ? null : ids;
    },
    before: [action.element, h("div", { class: "columns" }, first.element, second.element)],
    label: say("Tiếp tục…", "Go on…"),
  });
  replace(
    place,
    h("h1", { tabindex: "-1" }, say("Cặp hồ sơ cùng khuôn mặt", "Records that share a face")),
    h(
      "p",
      {},
      say(
        "Dành cho trường hợp có lý do chính đáng, ví dụ sinh đôi. Hãy so giấy tờ gốc của cả hai người trước.",
        "For a good reason, such as twins. Compare the original papers of both people first.",
      ),
    ),
    h("div", { class: "panel narrow" }, form),
  );
}

/** Clears the pair of a case's record and one that has the same face; closed until it is wanted. */
export function clearForm(context, { a, b }) {
  const summary = h("summary", {}, say("Có lý do chính đáng (ví dụ sinh đôi)", "There is a good reason (such as twins)"));
  return h(
    "details",
    { class: "clear" },
    summary,
    pairForm(context, { action: () => CLEAR, ids: () => [a, b], before: [], label: WORDS[CLEAR].button }),
  );
}

function pairForm({ api, me, announce, signal, tell }, { action, ids, before, label }) {
  const reason = reasonField("");
  const officer = officerField(me);
  const outcome = h("div", { class: "problem", role: "alert" });
  const submit = h("button", { type: "submit" }, label);
  /** Here, or where the officer is by now. */
  const came = async (words, element, [a, b]) => {
    if (signal.aborted) return tell({ words, element: h("div", { class: "stack tight" }, h("p", { class: "mono" }, a, " + ", b), element) });
    replace(outcome, element);
    announce(words);
  };
  const send = once(async () => {
    replace(outcome);
    const pair = ids();
    if (pair === null || !reason.check() || !officer.check()) return;
    const words = WORDS[action()];
    if (!(await asked(words, pair, reason.value(), signal))) return;
    const [subjectIdA, subjectIdB] = pair;
    try {
      const answer = await api.call(words.method, { subjectIdA, subjectIdB, reason: reason.value(), ...officer.named() });
      const said = words === WORDS[CLEAR] ? cleared(answer) : ended(answer);
      await came(said, h("p", { class: "note good" }, said), pair);
    } catch (error) {
      await came(error.pair, h("div", { class: "note stop" }, refusal(error)), pair);
    }
  });
  return h(
    "form",
    { class: "stack", novalidate: true, on: { submit: (event) => (event.preventDefault(), send(submit)) } },
    before,
    reason.element,
    officer.element,
    outcome,
    h("div", {}, submit),
  );
}

async function asked(words, [a, b], reason, signal) {
  const answer = await dialog({
    title: words.question,
    body: h(
      "div",
      { class: "stack tight" },
      h("p", { class: "mono" }, a, " + ", b),
      h("p", {}, words.effect),
      h("p", {}, say("Lý do: ", "Reason: "), h("span", { class: "said" }, reason)),
    ),
    actions: [
      { label: say("Quay lại", "Back"), value: null },
      { label: words.confirm, value: "yes", primary: true },
    ],
    signal,
  });
  return answer === "yes";
}

/** What came of ClearPair. */
function cleared({ officers = 0, officersNeeded = 0, expiresAt }) {
  if (officers < officersNeeded) {
    return fill(say("Đã ghi. Cần thêm cán bộ khác xác nhận ({n}/{of}).", "Recorded. Another officer must clear it as well ({n} of {of})."), {
      n: officers,
      of: officersNeeded,
    });
  }
  return expiresAt
    ? fill(say("Cặp đã được xác nhận, đến {until}.", "The pair is cleared until {until}."), { until: when(expiresAt) })
    : say("Cặp đã được xác nhận.", "The pair is cleared.");
}

function ended({ replayed = false }) {
  return replayed
    ? say("Xác nhận này đã chấm dứt từ trước.", "It had been ended before.")
    : say("Đã chấm dứt. Hai hồ sơ lại được báo trùng khuôn mặt.", "Ended. Both are reported as duplicates again.");
}
