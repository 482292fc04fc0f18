// An officer's answer to a case: the form, the question before it is sent, what was said before, and refusals in words.

import { choices, dialog, field, h, replace } from "./dom.js";
import { answerable, officers, oneLine, REASON_CHARS_MAX, reasonFlaw } from "./officer-cases.js";
import { outcomeWords } from "./officer-words.js";
import { fill, outcomeTone, say, when } from "./text.js";

// After these the case is not as it was shown: it is shown anew, with what the server said.
const CHANGED = new Set(["ALREADY_RESOLVED", "NOT_REFERRED", "TRANSACTION_CLOSED"]);
const OFFICER_KEY = "chinhchu.officer-id";

/** What officers said of the case so far. */
export function answers(decision) {
  const said = decision.officerAnswers ?? [];
  if (said.length === 0) return null;
  const { approved, needed } = officers(decision);
  const open = (decision.resolved ?? "OUTCOME_UNSPECIFIED") === "OUTCOME_UNSPECIFIED";
  return h(
    "section",
    { class: "panel stack tight" },
    h("h2", {}, say("Cán bộ đã trả lời", "Officers' answers")),
    open && needed > 1 && h("p", { class: "note wait" }, say(`${approved.length}/${needed} cán bộ đã chấp thuận; cần thêm cán bộ khác.`, `${approved.length} of ${needed} officers have approved; another must.`)),
    h(
      "ol",
      { class: "plain stack tight" },
      said.map((answer) =>
        h(
          "li",
          {},
          h("span", { class: `badge ${outcomeTone(answer.outcome)}` }, outcomeWords(answer.outcome)),
          " ",
          h("span", { class: "mono" }, answer.officerId ?? ""),
          h("span", { class: "hint" }, " · ", when(answer.answeredAt)),
          h("p", { class: "said" }, answer.reason ?? ""),
        ),
      ),
    ),
  );
}

/** The form, or why there is none. `tell` says what came of it, wherever the officer is by then. */
export function answerForm(got, { api, me, signal, drafts, tell }) {
  const { may, why } = answerable(got, me.person);
  const title = h("h2", {}, say("Trả lời", "Your answer"));
  if (!may) return h("section", { class: "panel stack tight" }, title, h("p", { class: "note info" }, why));
  const decision = got.decision ?? {};
  const key = `${decision.transactionId}/${decision.attempt}`;
  const draft = drafts.get(key) ?? { outcome: "", reason: "" };
  const keep = () => drafts.set(key, { outcome: chosen.value(), reason: reason.value() });
  const chosen = choices({
    name: "outcome",
    legend: say("Sau khi xem người và giấy tờ:", "Having seen the person and the papers:"),
    options: [
      { value: "OUTCOME_APPROVE", label: say("Chấp thuận", "Approve") },
      { value: "OUTCOME_DENY", label: say("Từ chối", "Deny") },
    ],
    value: draft.outcome,
    onChange: keep,
  });
  const unchosen = h("p", { class: "error", id: "outcome-error", hidden: true }, say("Hãy chọn chấp thuận hoặc từ chối.", "Choose to approve or to deny."));
  chosen.element.setAttribute("aria-describedby", unchosen.id);
  const reason = reasonField(draft.reason, keep);
  const officer = officerField(me);
  const problem = h("div", { class: "problem", role: "alert" });

  const send = once(async () => {
    replace(problem);
    const outcome = chosen.value();
    unchosen.hidden = outcome !== "";
    const reasonSound = reason.check();
    const officerSound = officer.check();
    if (outcome === "") return void chosen.element.querySelector("input").focus();
    if (!reasonSound || !officerSound) return;
    if (!(await asked(decision, outcome, reason.value(), signal))) return;
    const { transactionId, attempt } = decision;
    try {
      const answer = await api.call("Beneficiary/ResolveReferral", { transactionId, attempt, outcome, reason: reason.value(), ...officer.named() });
      drafts.delete(key);
      await tell(resolvedNote(answer), { changed: true });
    } catch (error) {
      const element = h("div", { class: "note stop" }, refusal(error));
      const changed = CHANGED.has(error.reason);
      if (changed || signal.aborted) return void (await tell({ words: error.pair, element }, { changed }));
      replace(problem, element);
      if (error.reason === "BAD_NOTE") reason.focus();
    }
  });
  const submit = h("button", { type: "submit", class: "primary wide" }, say("Gửi trả lời…", "Send the answer…"));
  const form = h(
    "form",
    { class: "stack", novalidate: true, on: { submit: (event) => (event.preventDefault(), send(submit)) } },
    chosen.element,
    unchosen,
    reason.element,
    officer.element,
    problem,
    submit,
  );
  return h("section", { class: "panel stack" }, title, why && h("p", { class: "note info" }, why), form);
}

/** Runs one at a time: a second press while the first is under way does nothing. */
export function once(work) {
  let busy = false;
  return async (control) => {
    if (busy) return;
    busy = true;
    control.setAttribute("aria-disabled", "true");
    try {
      await work();
    } finally {
      busy = false;
      control.removeAttribute("aria-disabled");
    }
  };
}

/** A reason with its rules. Whatever else is wrong with it the server says. */
export function reasonField(value, onInput = () => {}) {
  const control = h("textarea", { rows: "3", maxlength: String(REASON_CHARS_MAX * 2), spellcheck: "true", on: { input: onInput } });
  control.value = value;
  const { element, setError } = field({
    label: say("Lý do", "Reason"),
    hint: say(
      "Một câu, tối đa 500 ký tự. Không ghi họ tên, số thẻ hay số bảo hiểm.",
      "One sentence, at most 500 characters. No names, card or insurance numbers.",
    ),
    control,
    required: true,
  });
  return {
    element,
    value: () => oneLine(control.value),
    focus: () => control.focus(),
    check() {
      const flaw = reasonFlaw(oneLine(control.value));
      setError(flaw);
      if (flaw) control.focus();
      return flaw === null;
    },
  };
}

/** On a server that does not know who calls, officers give their pseudonym; elsewhere there is nothing to ask. */
export function officerField(me) {
  if (me.person || me.signIn !== "open") return { element: null, check: () => true, named: () => ({}) };
  const control = h("input", { type: "text", maxlength: "128", autocomplete: "off", spellcheck: "false" });
  control.value = sessionStorage.getItem(OFFICER_KEY) ?? "";
  const { element, setError } = field({
    label: say("Mã cán bộ của bạn", "Your officer id"),
    hint: say("Mã riêng, không phải số thẻ.", "A pseudonym, never a card number."),
    control,
    required: true,
  });
  return {
    element,
    check() {
      const flaw = control.value.trim() === "" ? say("Hãy ghi mã cán bộ.", "Give your officer id.") : null;
      setError(flaw);
      if (flaw) control.focus();
      return flaw === null;
    },
    named() {
      const officerId = control.value.trim();
      sessionStorage.setItem(OFFICER_KEY, officerId);
      return { officerId };
    },
  };
}

async function asked(decision, outcome, reason, signal) {
  const approve = outcome === "OUTCOME_APPROVE";
  const answer = await dialog({
    title: approve ? say("Chấp thuận trường hợp này?", "Approve this case?") : say("Từ chối trường hợp này?", "Deny this case?"),
    body: h(
      "div",
      { class: "stack tight" },
      h("p", {}, say("Giao dịch", "Transaction"), " ", h("span", { class: "mono" }, decision.transactionId)),
      h("p", {}, say("Lý do: ", "Reason: "), h("span", { class: "said" }, reason)),
      h("p", { class: "hint" }, say("Trả lời được ghi cùng mã của bạn và không sửa được.", "It is recorded under your id, and cannot be changed.")),
    ),
    actions: [
      { label: say("Quay lại", "Back"), value: null },
      { label: approve ? say("Chấp thuận", "Approve") : say("Từ chối", "Deny"), value: "yes", primary: true },
    ],
    signal,
  });
  return answer === "yes";
}

function resolvedNote(answer) {
  const waits = answer.outcome !== "OUTCOME_APPROVE" && answer.outcome !== "OUTCOME_DENY";
  const words = waits
    ? fill(say("Đã ghi. Cần thêm cán bộ khác chấp thuận ({n}/{of}).", "Recorded. Another officer must approve as well ({n} of {of})."), {
        n: answer.officers ?? 1,
        of: answer.officersNeeded ?? 2,
      })
    : answer.outcome === "OUTCOME_APPROVE"
      ? say("Đã chấp thuận.", "Approved.")
      : say("Đã từ chối.", "Denied.");
  const citizen = !waits && h("p", {}, say("Nói với người dân: ", "Tell the citizen: "), say(answer.citizenVi ?? "", answer.citizenEn ?? ""));
  return { words, element: h("div", { class: `note ${waits ? "wait" : "good"}` }, h("p", {}, h("strong", {}, words)), citizen) };
}

/** A refusal in words; after a lost answer, that sending it again is safe. */
export function refusal(error) {
  if (!error.pair) throw error;
  const parts = [h("p", {}, error.pair)];
  if (error.lost) {
    parts.push(h("p", {}, say("Chưa rõ đã ghi hay chưa. Hãy gửi lại: cùng một trả lời chỉ được ghi một lần.", "It is not known whether it was recorded. Send it again: the same answer is recorded once.")));
  }
  return parts;
}

