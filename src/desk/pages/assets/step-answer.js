// Step 4: what is sent and how far it is; then the answer in words for the clerk, for the citizen, and on paper.

import { ANSWER, DESK, RECORD } from "./desk-text.js";
import { append, button, h, isPair, replace, svg } from "./dom.js";
import { mono, receipt } from "./receipt.js";
import { COLLECTORS_REASONS, collectorsWords, isCollectors } from "./special.js";
import { isFinal, mayRetake, outcome, retakesCard } from "./steps.js";
import { fill, outcomeTone, outcomeWords, SHELL } from "./text.js";

export function answerStep(desk) {
  const { phase, failure, lost } = desk.state;
  if (phase === "decided") return decisionView(desk);
  if (phase === "unknown") return unknownView(desk);
  if (phase === "reused") return reusedView(desk);
  if (failure) return failureView(desk, failure);
  return lost ? lostView(desk, lost) : sendingView(desk);
}

const kilobytes = (bytes) => Math.round(bytes / 1000).toLocaleString("vi-VN");

function sendingView() {
  const heading = h("h2", {}, ANSWER.sendingTitle);
  const bar = h("progress", { max: "100", value: 0, "aria-label": "Đang gửi · Sending" });
  const line = h("p", { class: "lead", "aria-live": "off" });
  const state = h("div", { role: "status" });
  return {
    element: h("section", { class: "panel stack sending" }, heading, bar, line, state),
    heading,
    progress({ sent, total, retry }) {
      if (retry) return void replace(state, h("p", { class: "note wait" }, retry.lost ? ANSWER.resending : ANSWER.waiting));
      bar.value = (sent / total) * 100;
      if (sent < total) return void replace(line, fill(ANSWER.sent, { sent: kilobytes(sent), total: kilobytes(total) }));
      replace(line, ANSWER.comparing);
      bar.removeAttribute("value");
    },
  };
}

/** A panel with a heading, which gets the focus. */
function panel(title, ...content) {
  const heading = h("h2", {}, title);
  return { heading, element: h("section", { class: "panel stack" }, heading, content) };
}

/** What was sent before is looked up. While that is open nothing else is entered under the transaction. */
function unknownView(desk) {
  const error = desk.state.unknown;
  return panel(
    error ? ANSWER.unknownTitle : DESK.looking,
    error && [
      h("p", { class: "note wait lead" }, error.pair),
      h("p", {}, ANSWER.unknownBody),
      facts(desk),
      h("div", { class: "row" }, button(ANSWER.lookAgain, () => desk.again(), { class: "primary bigger" }), button(DESK.newCase, () => desk.newCase())),
    ],
  );
}

/** The transaction has the answer to something else, which is never shown as the answer to this. */
function reusedView(desk) {
  const found = desk.state.reused;
  return panel(
    ANSWER.reusedTitle,
    h("p", { class: "note wait lead" }, found ? ANSWER.reusedSame : ANSWER.reusedHandoff),
    facts(desk, found?.subjectId),
    h("div", { class: "row" }, found && button(ANSWER.showEarlier, () => desk.showEarlier()), button(DESK.newCase, () => desk.newCase(), { class: "primary" })),
  );
}

/** Which record and transaction this is about. */
function facts(desk, subjectId) {
  return h(
    "dl",
    { class: "facts" },
    subjectId && [h("dt", {}, RECORD.subjectId), h("dd", {}, mono(subjectId))],
    h("dt", {}, DESK.transaction),
    h("dd", {}, mono(desk.state.transactionId)),
  );
}

/** It is not known what became of the request. It is sent again when the network is back, or by hand. */
function lostView(desk, error) {
  const again = () => {
    removeEventListener("online", again);
    desk.state = { ...desk.state, lost: null };
    desk.show();
    desk.transmit();
  };
  addEventListener("online", again);
  const view = panel(
    ANSWER.lostTitle,
    h("p", { class: "lead" }, error.pair),
    h("p", {}, ANSWER.lostBody),
    facts(desk, desk.outgoing?.request.subjectId),
    h("div", { class: "row" }, button(ANSWER.resend, again, { class: "primary bigger" })),
  );
  return { ...view, leave: () => removeEventListener("online", again) };
}

/** The request was refused for something that the page cannot mend. Nothing was decided. */
function failureView(desk, error) {
  return panel(
    ANSWER.failedTitle,
    h("p", { class: "note wait lead" }, error.pair),
    error.traceId && h("p", { class: "hint" }, fill(SHELL.trace, { trace: error.traceId })),
    h(
      "div",
      { class: "row" },
      button(ANSWER.change, () => desk.change(), { class: "primary" }),
      desk.data.frames.length > 0 && button(ANSWER.resend, () => desk.send()),
    ),
  );
}

function decisionView(desk) {
  const { decision, usedUp } = desk.state;
  const came = outcome(decision);
  const tone = outcomeTone(came);
  const retake = mayRetake(desk.state);
  const heading = h("h2", {}, retake ? (retakesCard(decision) ? ANSWER.retakeCardTitle : ANSWER.retakeTitle) : outcomeWords(came));
  const told = h("div", { class: "stack tight", role: "status" });
  const collects = isCollectors(decision, desk.me.desk?.policies, desk.data.person);
  const own = collects ? collectorsWords(decision, came) : null;
  // The server's sentences speak of an attempt that was not taken.
  const left = decision.retake && !retake ? ANSWER.left[came] : null;
  const citizen = own?.citizen ?? (decision.resolved ? null : left?.citizen) ?? citizenWords(decision, came);
  const clerk = own?.clerk ?? left?.clerk ?? { vi: decision.messageVi, en: decision.messageEn };
  const element = h(
    "div",
    { class: "answer-page" },
    h(
      "section",
      { class: "panel stack no-print" },
      h("div", { class: `verdict ${tone}` }, icon(tone), h("div", { class: "stack tight" }, heading, isPair(clerk) && !decision.resolved && h("p", { class: "lead" }, clerk))),
      facts(desk, desk.state.subjectId),
      decision.resolved && h("p", { class: "note info" }, ANSWER.byOfficer),
      nextNote(desk, came, retake, usedUp),
      reasons(decision, collects),
      retake && tips(decision),
      actions(desk, retake),
      told,
    ),
    h(
      "section",
      { class: "panel stack citizen no-print" },
      h("h3", {}, ANSWER.citizen),
      h("p", { class: "large" }, citizen),
      h("div", { class: "row" }, button(ANSWER.turn, () => turnRound(citizen, tone), { class: "bigger" })),
    ),
    receipt({ desk, decision, came }),
  );
  const drawTold = () => tellOf(desk, told);
  drawTold();
  // The sentence itself is announced; the heading, which has the focus, is read by itself.
  if (isPair(clerk)) desk.announce(clerk);
  return { element, heading, told: drawTold };
}

function citizenWords(decision, came) {
  if (decision.resolved === "OUTCOME_APPROVE") return ANSWER.officerApproved;
  if (decision.resolved === "OUTCOME_DENY") return ANSWER.officerDenied;
  return decision.citizenVi ? { vi: decision.citizenVi, en: decision.citizenEn } : outcomeWords(came);
}

/** What follows for the clerk. A case without another attempt goes to an officer. */
function nextNote(desk, came, retake, usedUp) {
  if (desk.state.decision.resolved || came === "OUTCOME_APPROVE") return null;
  const notes = [];
  if (usedUp || (!retake && came === "OUTCOME_REFER" && desk.state.attempt > 1 && !desk.state.left)) notes.push(ANSWER.usedUp);
  else if (!retake) notes.push(came === "OUTCOME_DENY" ? ANSWER.denied : ANSWER.referred);
  return notes.map((pair) => h("p", { class: "note wait" }, pair));
}

function reasons(decision, collects) {
  const all = decision.reasons ?? [];
  const words = (reason) => (collects && COLLECTORS_REASONS[reason.code]) || { vi: reason.messageVi ?? "", en: reason.messageEn ?? "" };
  // Number, name and date of birth of one card are one thing to say.
  const list = (some) => h("ul", { class: "reasons" }, [...new Map(some.map(words).map((pair) => [pair.vi, pair])).values()].map((pair) => h("li", {}, pair)));
  const standing = all.filter((reason) => reason.consequence !== "CONSEQUENCE_ACCEPT");
  const accepted = all.filter((reason) => reason.consequence === "CONSEQUENCE_ACCEPT");
  return [
    standing.length > 0 && h("div", { class: "stack tight" }, h("h3", {}, ANSWER.reasons), list(standing)),
    accepted.length > 0 && h("details", {}, h("summary", {}, ANSWER.accepted, ` (${accepted.length})`), list(accepted)),
  ];
}

/** What was wrong with the captures, each once. */
function tips(decision) {
  const flaws = new Map();
  for (const frame of decision.evidence?.frames ?? []) for (const flaw of frame.flaws ?? []) flaws.set(flaw.code, flaw);
  if (flaws.size === 0) return null;
  return h("div", { class: "stack tight" }, h("h3", {}, ANSWER.tips), h("ul", {}, [...flaws.values()].map((flaw) => h("li", {}, { vi: flaw.messageVi ?? flaw.code, en: flaw.messageEn }))));
}

function actions(desk, retake) {
  const { state } = desk;
  const waits = isFinal(state) && outcome(state.decision) !== "OUTCOME_APPROVE" && !state.decision.resolved;
  return h(
    "div",
    { class: "row" },
    retake && button(fill(retakesCard(state.decision) ? ANSWER.retakeCard : ANSWER.retake, { n: state.attempt + 1 }), () => desk.retake(), { class: "primary bigger" }),
    button(ANSWER.print, () => print(), { class: retake || desk.handover.id !== null ? undefined : "primary bigger" }),
    retake && button(ANSWER.leaveToOfficer, () => desk.leaveToOfficer()),
    isFinal(state) && button(DESK.newCase, () => desk.newCase()),
    waits && button(ANSWER.refresh, () => desk.refresh(), { class: "quiet" }),
  );
}

/** The way back to the benefit system that opened the page. */
function tellOf(desk, place) {
  if (!desk.handover.telling) return;
  const { state, returnUrl, error } = desk.handover.telling;
  replace(place);
  if (state === "telling") append(place, h("p", {}, ANSWER.finishing));
  else if (state === "failed") append(place, h("p", { class: "note wait" }, ANSWER.notTold, " ", error.pair), h("div", {}, button(SHELL.again, () => desk.tell())));
  else if (returnUrl) append(place, h("div", {}, h("a", { class: "button primary bigger", href: returnUrl, rel: "noreferrer" }, ANSWER.goBack)));
  else append(place, h("p", { class: "note good" }, ANSWER.noReturn));
}

/** The whole screen in large type, for the person on the other side of the desk. */
function turnRound(words, tone) {
  const before = document.activeElement;
  const close = () => {
    screen.close();
    screen.remove();
    before?.focus();
  };
  const screen = h(
    "dialog",
    { class: `turned ${tone}`, "aria-labelledby": "turned-words" },
    h("div", {}, icon(tone), h("p", { id: "turned-words", class: "turned-words", tabindex: "-1", autofocus: true }, words), button(SHELL.close, close, { class: "bigger" })),
  );
  screen.addEventListener("cancel", (event) => (event.preventDefault(), close()));
  document.body.append(screen);
  screen.showModal();
}

/** A tick, an eye, a sheet of paper: never a cross. */
function icon(tone) {
  const stroke = (d) => svg("path", { d });
  const drawing = {
    good: [stroke("M9 17l5 5 10-11")],
    wait: [svg("circle", { cx: 16, cy: 16, r: 8 }), stroke("M16 11v5l3 3")],
    stop: [stroke("M11 8h7l4 4v12H11z"), stroke("M14 16h6M14 20h6")],
  }[tone];
  return svg("svg", { class: "icon", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" }, drawing);
}
