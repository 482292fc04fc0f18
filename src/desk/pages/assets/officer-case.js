// One case: what the engine decided and why, the evidence, earlier attempts, who else has the face, and the answer.

import { h, replace } from "./dom.js";
import { answerForm, answers } from "./officer-answer.js";
import { address, isOverdue, takesTwo } from "./officer-cases.js";
import { earlier, measurements, sameFace, sections, seenBefore, without } from "./officer-evidence.js";
import { clearForm } from "./officer-pairs.js";
import { pictures } from "./officer-pictures.js";
import { CONSEQUENCES, outcomeWords, reasonWords, schemeWords } from "./officer-words.js";
import { casesOf } from "./special.js";
import { fill, outcomeTone, say, when } from "./text.js";

/** Shows the case `context.id`. `note`: what came of an answer to it. */
export async function caseView(context, note = null) {
  const { api, announce, signal, place, id } = context;
  const back = h("a", { href: address("waiting") }, say("‹ Về danh sách", "Back to the list"));
  replace(place, h("div", {}, back), h("p", { class: "muted" }, say("Đang tải…", "Loading…")));
  let got;
  try {
    got = await api.call("Cases/GetDecision", { transactionId: id }, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    replace(
      place,
      h("div", {}, back),
      h("h1", { tabindex: "-1" }, say("Không mở được trường hợp này", "This case cannot be opened")),
      h("p", { class: "mono" }, id),
      h("div", { class: "note stop", role: "alert" }, h("p", {}, error.pair ?? String(error))),
    );
    return;
  }
  signal.throwIfAborted();
  const decision = got.decision ?? {};
  replace(
    place,
    h("div", {}, back),
    h("h1", { tabindex: "-1" }, say("Trường hợp", "Case"), " ", h("span", { class: "mono" }, id)),
    note,
    h(
      "div",
      { class: "case-columns" },
      h("div", { class: "stack" }, summary(got, context.me, api.now()), pictures({ ...context, decision }), reasons(decision), evidence(decision), others(got, context), history(decision)),
      h(
        "div",
        { class: "stack case-side" },
        answers(decision),
        answerForm(got, context),
        figures(decision),
      ),
    ),
  );
  announce(fill(say("Đã mở trường hợp {id}", "Case {id} is open"), { id }));
}

const panel = (title, ...children) => h("section", { class: "panel stack tight" }, h("h2", {}, title), children);

function deadline(by, now) {
  const time = when(by);
  return isOverdue(by, now) ? h("strong", {}, say(`${time}, đã quá hạn`, `${time}, overdue`)) : time;
}

function summary(got, me, now) {
  const { decision = {} } = got;
  const facts = [
    [say("Hồ sơ", "Record"), h("a", { class: "mono", href: address("record", got.subjectId ?? "") }, got.subjectId ?? "")],
    [say("Chế độ", "Scheme"), schemeWords(got.scheme)],
    [say("Quyết định lúc", "Decided at"), when(decision.decidedAt)],
    got.waits && got.answerBy && [say("Hạn trả lời", "Answer by"), deadline(got.answerBy, now)],
    [say("Lần thử", "Attempt"), String(decision.attempt ?? 1)],
    [say("Người tiếp nhận", "Presented by"), got.clerkId ? h("span", { class: "mono" }, got.clerkId) : say("không ghi", "not named")],
    [say("Chính sách", "Policy"), h("span", { class: "mono" }, decision.policy ?? "")],
  ].filter(Boolean);
  // Which case a policy is for is all that the decision has of who was there.
  const special = casesOf(decision.policy, me.desk?.policies);
  if (special.length > 0) facts.push([say("Chính sách này dành cho", "That policy is for"), special.map((label) => h("div", {}, label))]);
  const omitted = without(decision);
  return h(
    "section",
    { class: `panel stack tight verdict ${outcomeTone(decision.outcome)}` },
    h("h2", {}, say("Máy quyết định: ", "The engine decided: "), h("span", { class: `badge ${outcomeTone(decision.outcome)}` }, outcomeWords(decision.outcome))),
    h("p", { class: "lead" }, say(decision.messageVi ?? "", decision.messageEn ?? "")),
    takesTwo(decision) &&
      h("p", { class: "note wait" }, say("Để chấp thuận trường hợp này cần hai cán bộ.", "To approve this case takes two officers.")),
    h("dl", { class: "facts" }, facts.map(([label, value]) => [h("dt", {}, label), h("dd", {}, value)])),
    omitted && h("p", { class: "hint" }, omitted),
    h(
      "div",
      { class: "note" },
      h("p", { class: "hint" }, say("Câu đã nói với người dân", "What the citizen was told")),
      h("p", {}, say(decision.citizenVi ?? "", decision.citizenEn ?? "")),
    ),
  );
}

/** Causes in full; what merely follows from one in a few words below it. */
function reasons(decision) {
  const all = decision.reasons ?? [];
  if (all.length === 0) return null;
  const known = new Set(all.map(({ code }) => code));
  const causes = all.filter(({ follows }) => !follows || !known.has(follows));
  const following = (cause) => all.filter((reason) => reason !== cause && reason.follows === cause.code);
  return panel(
    say("Lý do", "Reasons"),
    h(
      "ol",
      { class: "reasons" },
      causes.map((reason) =>
        h(
          "li",
          {},
          h(
            "div",
            { class: "row" },
            h("strong", {}, reasonWords(reason.code)),
            CONSEQUENCES[reason.consequence] && h("span", { class: `badge ${tone(reason.consequence)}` }, CONSEQUENCES[reason.consequence]),
          ),
          h("p", {}, say(reason.messageVi ?? "", reason.messageEn ?? "")),
          following(reason).length > 0 && [
            h("p", { class: "hint" }, say("Hệ quả của lý do này:", "What follows from it:")),
            h("ul", { class: "notes" }, following(reason).map(({ code }) => h("li", {}, reasonWords(code)))),
          ],
        ),
      ),
    ),
  );
}

const tone = (consequence) => ({ CONSEQUENCE_DENY: "stop", CONSEQUENCE_REFER: "wait" })[consequence] ?? "";

const MARKS = {
  agrees: ["✓", say("đạt", "good")],
  differs: ["✕", say("khác", "wrong")],
  unsure: ["?", say("cần xem", "to be looked at")],
  absent: ["–", say("không có", "not there")],
  note: ["i", say("ghi chú", "note")],
};

function evidence(decision) {
  return panel(
    say("Bằng chứng", "Evidence"),
    sections(decision).map(({ title, items }) => [
      h("h3", {}, title),
      h(
        "ul",
        { class: "evidence" },
        items.map((item) =>
          h(
            "li",
            { class: `is-${item.state}` },
            h("span", { class: "mark", "aria-hidden": "true" }, MARKS[item.state][0]),
            h(
              "div",
              {},
              h("span", { class: "visually-hidden" }, MARKS[item.state][1], ": "),
              item.label && h("strong", {}, item.label, ": "),
              h("span", {}, item.text),
              (item.notes ?? []).length > 0 && h("ul", { class: "notes" }, item.notes.map((note) => h("li", {}, note))),
            ),
          ),
        ),
      ),
    ]),
  );
}

function others(got, context) {
  const { decision = {}, subjectId = "" } = got;
  const { others: found, more } = sameFace(decision);
  const seen = seenBefore(decision);
  const parts = [];
  if (found.length > 0) {
    parts.push(
      panel(
        say("Khuôn mặt này có ở hồ sơ khác", "Other records with this face"),
        h("p", {}, say("Giống nhất trước. Hãy so giấy tờ gốc của các hồ sơ.", "Most alike first. Compare the original papers of the records.")),
        h(
          "ul",
          { class: "plain stack tight" },
          found.map((subject) =>
            h(
              "li",
              { class: "other" },
              h("a", { class: "mono", href: address("record", subject) }, subject),
              subjectId !== "" && clearForm(context, { a: subjectId, b: subject }),
            ),
          ),
        ),
        more && h("p", { class: "hint" }, say("Còn nữa; chỉ các hồ sơ giống nhất được nêu.", "There are more; only the most alike are named.")),
      ),
    );
  }
  if (seen.length > 0) {
    parts.push(
      panel(
        say("Ảnh chụp đã dùng trước đây", "Captures seen before"),
        h(
          "ul",
          {},
          seen.map((one) =>
            h(
              "li",
              {},
              one.same
                ? say(`Ảnh chụp ${one.capture}: đúng tệp này đã dùng ở giao dịch `, `Capture ${one.capture}: this very file was used in transaction `)
                : say(`Ảnh chụp ${one.capture}: cùng một ảnh đã dùng ở giao dịch `, `Capture ${one.capture}: the same picture was used in transaction `),
              " ",
              h("a", { class: "mono", href: address("case", one.transactionId) }, one.transactionId),
              h(
                "span",
                { class: "hint" },
                " ",
                say(`lần thử ${one.attempt}, hồ sơ `, `attempt ${one.attempt}, record `),
                h("span", { class: "mono" }, one.subjectId),
                one.unit && [" · ", one.unit],
                " · ",
                when(one.at),
              ),
            ),
          ),
        ),
      ),
    );
  }
  return parts;
}

function history(decision) {
  const before = earlier(decision);
  if (before === null) return null;
  return panel(
    say("Các lần thử trước", "Earlier attempts"),
    before.attempts.length === 0
      ? h("p", {}, say("Đây là lần thử đầu tiên của giao dịch.", "This is the transaction's first attempt."))
      : h(
          "ol",
          { class: "plain" },
          before.attempts.map((one) =>
            h(
              "li",
              {},
              h("strong", {}, say(`Lần ${one.attempt}`, `Attempt ${one.attempt}`)),
              " ",
              h("span", { class: `badge ${outcomeTone(one.outcome)}` }, outcomeWords(one.outcome)),
              h("ul", {}, one.reasons.map((code) => h("li", {}, reasonWords(code)))),
            ),
          ),
        ),
    h("p", {}, before.elsewhere),
    before.reasons.length > 0 && h("ul", {}, before.reasons.map(({ code, count }) => h("li", {}, reasonWords(code), ` × ${count}`))),
    h(
      "p",
      { class: "hint" },
      say(`Trong 24 giờ: ${before.lastDay} lần thử về hồ sơ này, kể cả lần này.`, `Attempts about this record in 24 hours, this one included: ${before.lastDay}.`),
    ),
  );
}

/** Scores and the like, closed at first: an officer judges by the person and the papers. */
function figures(decision) {
  const rows = measurements(decision);
  if (rows.length === 0) return null;
  return h(
    "details",
    { class: "panel figures" },
    h("summary", {}, say("Số đo", "Measurements")),
    h("p", { class: "hint" }, say("Chỉ để tham khảo; đừng quyết định theo con số.", "For reference only; do not decide by a figure.")),
    h("dl", {}, rows.map(({ label, value }) => [h("dt", {}, label), h("dd", { class: "mono" }, value)])),
    h("p", { class: "hint" }, say("* ngoài phạm vi dữ liệu hiệu chuẩn", "* beyond what the calibration's data shows")),
  );
}
