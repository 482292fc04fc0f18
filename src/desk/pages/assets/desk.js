// The desk: one case after the other, each through record, card, capture and answer.

import { ANSWER, DESK, STEP_NAMES } from "./desk-text.js";
import { button, dialog, focusOn, h, replace } from "./dom.js";
import { choosePolicy, specialOf } from "./special.js";
import { start } from "./shell.js";
import { answerStep } from "./step-answer.js";
import { captureStep } from "./step-capture.js";
import { cardStep } from "./step-card.js";
import { recordStep } from "./step-record.js";
import { slipStep } from "./step-slip.js";
import * as steps from "./steps.js";
import { claim } from "./tabs.js";
import { fill, SCHEMES, SHELL, webAddress } from "./text.js";
import { composeRequest, transmit } from "./transmit.js";

const STORE = "chinhchu.desk";
const FETCH_WAITS_MS = [0, 700, 1500, 3000];

const VIEWS = { record: recordStep, card: cardStep, capture: captureStep, answer: answerStep, slip: slipStep };

/** What is known of the case at hand. It lives in this object alone, and is gone with the case. */
const emptyCase = () => ({
  subjectId: "",
  scheme: "SCHEME_SOCIAL",
  record: { number: "", name: "", birthDate: "", sex: "SEX_UNSPECIFIED" },
  person: "self",
  homeVisit: false,
  cardWay: "read",
  card: null,
  frames: [],
});

function keepOut(event) {
  if (event.defaultPrevented) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "none";
}

class Desk {
  constructor({ api, me, main, announce, keepAlive }) {
    Object.assign(this, { api, me, main, announce, keepAlive });
    this.data = emptyCase();
    this.state = null;
    this.handoff = null;
    this.notice = null;
    this.view = null;
    this.outgoing = null;
    this.course = 0;
    this.clerk = `${me.person ?? ""} ${me.machine ?? ""}`;
  }

  async begin() {
    addEventListener("popstate", (event) => this.#popped(event.state?.step));
    addEventListener("pagehide", () => this.view?.leave?.());
    // A file that is dropped beside its place would open in the place of the case.
    for (const event of ["dragover", "drop"]) addEventListener(event, keepOut);
    const link = new URLSearchParams(location.search).get("session");
    const kept = steps.fromStore(sessionStorage.getItem(STORE) ?? "", this.clerk);
    if (link !== null) return this.#arrive(link, kept);
    if (kept && (await this.#claim(kept.transactionId))) return this.#resume(kept);
    await this.#fresh(kept ? DESK.otherTab : null);
  }

  /** Comes with a link of a benefit system. */
  async #arrive(link, kept) {
    try {
      this.handoff = await this.api.handoff(link);
    } catch (error) {
      const texts = { 404: DESK.handoffGone, 409: DESK.handoffTaken };
      return this.#fresh(texts[error.status] ?? error.pair);
    }
    const { transactionId, attempt, subjectId, scheme, record } = this.handoff;
    if (!(await this.#claim(transactionId))) return this.#openElsewhere(link, kept);
    this.#fillFrom({ subjectId, scheme, record });
    if (kept?.transactionId === transactionId) return this.#resume(kept);
    const begun = steps.begin({ transactionId, attempt: attempt || 1 });
    // It may have been decided from another browser, or before this tab was closed.
    await this.#lookFirst(begun, 0, [0], () => {
      this.notice = DESK.handedOver;
      this.#store();
      this.show();
    });
  }

  #fillFrom({ subjectId, scheme, record }) {
    this.data.subjectId = subjectId ?? "";
    if (scheme) this.data.scheme = scheme;
    for (const name of Object.keys(this.data.record)) if (record?.[name]) this.data.record[name] = record[name];
  }

  #openElsewhere(link, kept) {
    const heading = h("h2", { tabindex: "-1" }, DESK.handoffOtherTab);
    replace(this.main, h("div", { class: "panel stack" }, heading, h("div", {}, button(SHELL.again, () => this.#arrive(link, kept), { class: "primary" }))));
    focusOn(heading);
  }

  /** Goes on after a reload. */
  async #resume(kept) {
    const goOn = () => {
      if (kept.sent || kept.attempt > 1 || this.handoff) this.notice = fill(DESK.resumed, { n: kept.attempt });
      this.#store();
      this.show();
    };
    const { special, ...transaction } = kept;
    Object.assign(this.data, specialOf(special));
    this.state = steps.begin(transaction);
    history.replaceState({ step: "record" }, "");
    if (!kept.sent) return goOn();
    await this.#lookFirst(this.state, kept.attempt, FETCH_WAITS_MS, goOn);
  }

  /**
   * Looks for an answer that may be there already, and goes on as `begun` only once the server has said that there is none:
   * somebody else's record could be entered under the transaction otherwise.
   */
  async #lookFirst(begun, attempt, waits, goOn) {
    const course = this.course;
    this.again = () => this.#lookFirst(begun, attempt, waits, goOn);
    this.state = steps.unknown(begun);
    history.replaceState({ step: "record" }, "");
    this.show();
    let found;
    try {
      found = await this.#find(attempt, waits);
    } catch (error) {
      return course === this.course && this.#unknown(error);
    }
    if (course !== this.course) return;
    if (found) return this.#goOnWith(found);
    this.state = begun;
    goOn();
  }

  /** It could not be looked up. */
  #unknown(error) {
    this.state = steps.unknown(this.state, error);
    this.announce(error.pair, { urgent: true });
    this.show();
  }

  /** An answer that is there already. */
  #goOnWith(found) {
    const { handoff } = this;
    if (handoff && !steps.isAbout(found, { subjectId: handoff.subjectId, scheme: handoff.scheme || found.scheme })) return this.#reused(null);
    this.data.subjectId = found.subjectId;
    if (found.scheme in SCHEMES) this.data.scheme = found.scheme;
    this.state = steps.decided(this.state, found.decision, found);
    this.notice = DESK.resumedAnswer;
    this.#store();
    history.replaceState({ step: "answer" }, "");
    this.#finished();
    this.show();
  }

  /** The transaction has the answer to something else. `found`: that answer, where it is about the same record. */
  #reused(found) {
    this.state = steps.reused(this.state, found);
    this.announce(ANSWER.reusedTitle, { urgent: true });
    this.show();
  }

  /** Leaves what was entered for the answer that there is. */
  showEarlier() {
    const found = this.state.reused;
    this.forget();
    this.outgoing = null;
    this.#goOnWith(found);
  }

  async #fresh(notice = null) {
    const transactionId = steps.newTransactionId();
    await this.#claim(transactionId);
    this.data = emptyCase();
    this.handoff = null;
    this.outgoing = null;
    this.notice = notice;
    this.state = steps.begin({ transactionId });
    this.#store();
    if (location.search) history.pushState({ step: "record" }, "", location.pathname);
    else history.replaceState({ step: "record" }, "");
    this.show();
  }

  async #claim(transactionId) {
    this.release?.();
    this.release = await claim(transactionId);
    return this.release !== null;
  }

  #store() {
    sessionStorage.setItem(STORE, steps.toStore(this.state, this.clerk, specialOf(this.data)));
  }

  /**
   * Asks for a decision that was made: {decision, subjectId, scheme}, or null where the server says that there is none (yet).
   * Any other error is the caller's: it does not mean that there is none.
   */
  async #find(attempt, waits = [0]) {
    const { transactionId } = this.state;
    for (const wait of waits) {
      if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
      try {
        const { decision, subjectId = "", scheme = "" } = await this.api.call("Cases/GetDecision", { transactionId, attempt }, { tries: 4 });
        return decision ? { decision, subjectId, scheme } : null;
      } catch (error) {
        if (error.code !== "not_found") throw error;
      }
    }
    return null;
  }

  /** Shows the step the case stands at. */
  show(step = this.state.step) {
    this.view?.leave?.();
    this.step = step;
    this.view = VIEWS[step](this);
    const heading = this.view.heading;
    heading.setAttribute("tabindex", "-1");
    replace(this.main, this.#progress(), this.notice && h("p", { class: "note info", role: "status" }, this.notice), this.view.element);
    this.notice = null;
    focusOn(heading);
    scrollTo(0, 0);
    this.view.shown?.();
  }

  /** Goes on to another step; the browser's back button comes back from it. */
  go(step) {
    if (step !== "slip") {
      const next = steps.goTo(this.state, step);
      if (next === this.state && step !== this.state.step) return this.show();
      this.state = next;
    }
    this.#store();
    history.pushState({ step }, "");
    this.show(step);
  }

  #popped(step) {
    if (!this.state) return;
    if (step === "slip" && this.state.phase === "open") return this.show("slip");
    const lands = steps.landOn(this.state, step ?? "record", this.ready());
    if (lands === "answer") {
      if (this.state.phase === "decided") this.notice = DESK.answerStays;
      if (this.step === "answer" && this.state.phase === "sending") return;
      return this.show("answer");
    }
    this.state = { ...steps.goTo(this.state, lands), failure: null };
    this.show(lands);
  }

  ready() {
    const record = steps.subjectIdProblem(this.data.subjectId.trim()) === null && !this.chosenPolicy().byHand;
    return { record, card: this.data.cardWay !== "read" || Boolean(this.data.card?.files.length) };
  }

  chosenPolicy() {
    return choosePolicy({ person: this.data.person, card: this.data.cardWay, homeVisit: this.data.homeVisit }, this.me.desk?.policies ?? {}, this.handoff?.policy ?? "");
  }

  chipBytes() {
    return this.data.cardWay === "read" ? (this.data.card?.bytes ?? 0) : 0;
  }

  /** Sends what was captured. From here on the attempt's content is fixed. */
  async send() {
    if (this.state.phase !== "open" || this.data.frames.length === 0 || this.chosenPolicy().byHand) return;
    this.outgoing = composeRequest(this.state, this.data, this.chosenPolicy().policy);
    this.state = { ...steps.sending(this.state), failure: null };
    this.#store();
    history.pushState({ step: "answer" }, "");
    this.show();
    await this.transmit();
  }

  /** Sends the request, for the first time or again: under its name it is decided once. */
  async transmit() {
    const course = this.course;
    this.state = { ...this.state, lost: null };
    const event = await transmit(this.api, this.outgoing, (progress) => course === this.course && this.view?.progress?.(progress));
    if (course !== this.course) return;
    if (event.decision) return this.#decided(event.decision, { subjectId: this.outgoing.request.subjectId });
    await this.#failed(event.error);
  }

  async #failed(error) {
    const next = steps.afterError(this.state, error);
    switch (next.go) {
      case "number":
        this.state = steps.renumbered(this.state, next.attempt);
        this.outgoing.request.attempt = next.attempt;
        this.#store();
        return this.transmit();
      case "earlier":
        return this.#earlier(next);
      case "frames":
        this.state = steps.reopened(this.state, "capture");
        this.data.frames.forEach((frame, i) => (frame.refused = next.frames === "all" || next.frames.includes(i) ? error.pair : null));
        return this.#changed(error, "capture");
      case "record":
        this.state = steps.reopened(this.state, "record");
        this.recordError = { field: next.field, pair: error.pair };
        return this.#changed(error, "record");
      case "again":
        this.state = { ...this.state, lost: error };
        this.announce(error.pair, { urgent: true });
        return this.show();
    }
    this.state = { ...steps.reopened(this.state, "answer"), failure: error };
    this.#store();
    this.announce(error.pair, { urgent: true });
    this.show();
  }

  /** The transaction was used before: its answer is none to what was sent now. */
  async #earlier({ attempt, usedUp }) {
    const course = this.course;
    this.again = () => this.#earlier({ attempt, usedUp });
    this.state = steps.unknown(this.state);
    this.#store();
    this.show();
    let found = null;
    try {
      found = await this.#find(attempt);
    } catch (error) {
      if (course !== this.course) return;
      // What this clerk may not see is another's.
      if (error.code !== "permission_denied") return this.#unknown(error);
    }
    if (course !== this.course) return;
    const isAbout = steps.isAbout(found, this.outgoing.request);
    if (isAbout && usedUp) return this.#decided(found.decision, { subjectId: found.subjectId, usedUp, notice: DESK.noneLeft });
    if (isAbout) return this.#reused(found);
    if (this.handoff) return this.#reused(null);
    await this.#renew();
  }

  /** Another record than the transaction's: what was entered goes on under a new one, from the record on. */
  async #renew() {
    const transactionId = steps.newTransactionId();
    await this.#claim(transactionId);
    this.state = steps.begin({ transactionId });
    this.outgoing = null;
    this.#store();
    this.notice = DESK.renewed;
    this.announce(DESK.renewed, { urgent: true });
    history.replaceState({ step: "record" }, "");
    this.show();
  }

  /** Back at an earlier step with something to mend. */
  #changed(error, step) {
    this.#store();
    this.notice = error.pair;
    this.announce(error.pair, { urgent: true });
    history.replaceState({ step }, "");
    this.show();
  }

  #decided(decision, { subjectId, usedUp = false, notice = null }) {
    this.state = { ...steps.decided(this.state, decision, { subjectId, usedUp }), lost: null };
    this.notice = notice;
    this.#store();
    this.#finished();
    this.show();
  }

  /** Once nothing more comes of it here, what was typed and taken is forgotten, and a benefit system is told. */
  #finished() {
    this.outgoing = null;
    if (!steps.isFinal(this.state)) return;
    this.forget();
    if (this.handoff) this.tell();
  }

  forget() {
    for (const frame of this.data.frames) URL.revokeObjectURL(frame.url);
    this.data = { ...emptyCase(), ...specialOf(this.data) };
  }

  /** Tells the benefit system that the page is through. */
  async tell() {
    this.told = { state: "telling" };
    try {
      const { returnUrl } = await this.api.handoffDone(this.handoff.id);
      this.told = { state: "told", returnUrl: webAddress(returnUrl) };
    } catch (error) {
      this.told = { state: "failed", error };
    }
    this.view?.told?.();
  }

  retake() {
    this.state = steps.retaken(this.state);
    for (const frame of this.data.frames) URL.revokeObjectURL(frame.url);
    this.data.frames = [];
    this.outgoing = null;
    this.#store();
    const ready = this.ready();
    const step = ready.record ? (ready.card ? "capture" : "card") : "record";
    if (step !== "capture") this.notice = fill(DESK.resumed, { n: this.state.attempt });
    this.state = steps.goTo(this.state, step);
    history.pushState({ step }, "");
    this.show();
  }

  /** No other attempt, though one is left: an officer will look. */
  leaveToOfficer() {
    this.state = steps.leftToOfficer(this.state);
    this.#finished();
    this.show();
  }

  /** Back from a refusal to what can be changed. */
  change() {
    const { record, card } = this.ready();
    const step = record ? (card ? "capture" : "card") : "record";
    this.state = { ...steps.reopened(this.state, step), failure: null };
    history.pushState({ step }, "");
    this.show();
  }

  /** Looks whether an officer has answered since. */
  async refresh() {
    const { course } = this;
    try {
      const found = await this.#find(this.state.decision.attempt);
      if (course !== this.course) return;
      if (found) this.state = { ...this.state, decision: found.decision };
      if (!found?.decision.resolved) this.notice = ANSWER.notYet;
    } catch (error) {
      if (course !== this.course) return;
      this.notice = error.pair;
    }
    this.show();
  }

  /** A new case; asks first where something would be lost. */
  async newCase() {
    const { phase } = this.state;
    const sent = phase === "sending" || phase === "unknown";
    const begun = sent || (phase !== "decided" && (this.data.subjectId || this.data.card || this.data.frames.length > 0));
    if (begun) {
      const chosen = await dialog({
        title: DESK.newCaseTitle,
        body: h("p", {}, sent ? DESK.newCaseSent : DESK.newCaseBody, sent && h("span", { class: "mono" }, ` ${this.state.transactionId}`)),
        actions: [
          { label: DESK.stay, value: "stay", primary: true },
          { label: DESK.leave, value: "leave" },
        ],
      });
      if (chosen !== "leave") return;
    }
    this.course += 1;
    this.forget();
    this.told = null;
    history.pushState({ step: "record" }, "", location.pathname);
    await this.#fresh();
  }

  #progress() {
    const at = steps.STEPS.indexOf(this.step === "slip" ? (this.chosenPolicy().byHand ? "record" : "capture") : this.step);
    const items = steps.STEPS.map((step, i) =>
      h(
        "li",
        { class: i < at ? "done" : i === at ? "now" : undefined, "aria-current": i === at ? "step" : undefined },
        h("span", { class: "number", "aria-hidden": "true" }, i < at ? "✓" : String(i + 1)),
        h("span", {}, STEP_NAMES[step], i < at && h("span", { class: "visually-hidden" }, ` (${DESK.done.vi})`)),
      ),
    );
    return h(
      "div",
      { class: "progress-bar no-print" },
      h("h1", { class: "visually-hidden" }, SHELL.desk),
      h("ol", { class: "steps", "aria-label": `${DESK.steps.vi} · ${DESK.steps.en}` }, items),
      this.state.attempt > 1 && h("span", { class: "badge wait" }, fill(DESK.attempt, { n: this.state.attempt })),
      button(DESK.newCase, () => this.newCase(), { class: "quiet" }),
    );
  }
}

start({ page: "desk", render: (context) => new Desk(context).begin() });
