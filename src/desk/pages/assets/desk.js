// The desk: one case after the other, each through record, card, capture and answer.

import { emptyCase, fillFrom, ready } from "./case.js";
import { ANSWER, DESK } from "./desk-text.js";
import { button, dialog, focusOn, h, replace } from "./dom.js";
import { HandOver } from "./handover.js";
import { beginning, fromStore, toStore } from "./kept.js";
import { progress } from "./progress.js";
import { choosePolicy, specialOf } from "./special.js";
import { start } from "./shell.js";
import { answerStep } from "./step-answer.js";
import { captureStep } from "./step-capture.js";
import { cardStep } from "./step-card.js";
import { recordStep } from "./step-record.js";
import { slipStep } from "./step-slip.js";
import * as steps from "./steps.js";
import { claim } from "./tabs.js";
import { fill, SHELL } from "./text.js";
import { composeRequest, transmit } from "./transmit.js";

const STORE = "chinhchu.desk";
const FETCH_WAITS_MS = [0, 700, 1500, 3000];
/** Why a hand-over cannot be worked on at this page, by the status of the server's answer. */
const HANDOFF_GONE = { 404: DESK.handoffGone, 409: DESK.handoffTaken };

const VIEWS = { record: recordStep, card: cardStep, capture: captureStep, answer: answerStep, slip: slipStep };

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
    this.handover = new HandOver(api);
    this.notice = null;
    this.view = null;
    this.outgoing = null;
    this.course = 0;
    this.clerk = `${me.person ?? ""} ${me.machine ?? ""}`;
  }

  async begin() {
    addEventListener("popstate", (event) => this.#popped(event.state ?? {}));
    addEventListener("pagehide", () => this.view?.leave?.());
    // A file that is dropped beside its place would open in the place of the case.
    for (const event of ["dragover", "drop"]) addEventListener(event, keepOut);
    const link = new URLSearchParams(location.search).get("session");
    const kept = fromStore(sessionStorage.getItem(STORE) ?? "", this.clerk);
    const { go, aside } = beginning(link, kept);
    this.handover.aside = aside;
    if (go === "kept" && (await this.#claim(kept.transactionId))) return this.#resume(kept, link);
    if (link !== null) return this.#arrive(link, kept?.session === link ? kept : null);
    await this.#fresh(go === "kept" ? DESK.otherTab : null);
  }

  /** Comes with a link of a benefit system. `kept`: what this tab kept of that case. */
  async #arrive(link, kept = null, notice = DESK.handedOver) {
    const again = () => this.#arrive(link, kept, notice);
    try {
      await this.handover.open(link);
    } catch (error) {
      const gone = HANDOFF_GONE[error.status];
      if (!gone) return this.#notNow(link, error.pair, again);
      if (this.handover.aside === link) this.handover.aside = null;
      return this.#fresh(gone);
    }
    const { transactionId, attempt } = this.handover.details;
    if (!(await this.#claim(transactionId))) return this.#notNow(link, DESK.handoffOtherTab, again);
    fillFrom(this.data, this.handover.details);
    if (kept) return this.#resume(kept, link);
    // It may have been decided from another browser, or before this tab was closed.
    await this.#lookFirst(steps.begin({ transactionId, attempt: attempt || 1 }), 0, [0], () => this.#goOn(notice));
  }

  /** The hand-over of the link cannot be worked on just now; the address stays. */
  #notNow(link, text, again) {
    const heading = h("h2", { tabindex: "-1" }, text);
    const leave = () => {
      this.handover.leave();
      this.handover.aside = link;
      this.#fresh();
    };
    replace(this.main, h("div", { class: "panel stack" }, heading, h("div", { class: "row" }, button(SHELL.again, again, { class: "primary" }), button(DESK.newCase, leave))));
    focusOn(heading);
  }

  /** Goes on after a reload. What was sent is looked for first, whatever the page was opened with (`link`). */
  async #resume(kept, link) {
    const { handover } = this;
    if (handover.id !== kept.session) handover.resume(kept);
    Object.assign(this.data, specialOf(kept.special));
    this.state = steps.begin(kept);
    const isOther = link !== null && link !== kept.session;
    if (kept.sent) {
      const found = async (decision) => {
        const { course } = this;
        await handover.complete().catch(() => {});
        if (course !== this.course) return;
        if (handover.details) fillFrom(this.data, handover.details);
        if (kept.other && handover.id !== null && handover.details === null) return this.#reused(null);
        this.#goOnWith(decision);
      };
      return this.#lookFirst(this.state, kept.attempt, FETCH_WAITS_MS, () => {
        // Nothing came of it.
        if (isOther) {
          handover.leave();
          return this.#arrive(link, null, fill(DESK.firstNotDecided, { id: kept.transactionId }));
        }
        const unsent = { ...kept, sent: false, looked: true };
        return handover.id === null || handover.details ? this.#resume(unsent, link) : this.#arrive(handover.id, unsent);
      }, found);
    }
    if (kept.attempt === 1) return this.#goOn(kept.looked || handover.id !== null ? DESK.resumed : null);
    const notice = fill(DESK.enterAgain, { n: kept.attempt });
    // Every attempt is about the record of the one before.
    const about = ({ subjectId, scheme }) => {
      this.state = { ...steps.begin(kept), subjectId, scheme };
      fillFrom(this.data, { subjectId, scheme });
      this.#goOn(notice);
    };
    await this.#lookFirst(this.state, kept.attempt - 1, [0], () => this.#goOn(notice), about);
  }

  #goOn(notice) {
    this.notice = notice;
    this.#mark("record");
    this.#store();
    this.show();
  }

  /**
   * Looks for an answer that may be there already, and goes on as `begun` only once the server has said that there is none:
   * somebody else's record could be entered under the transaction otherwise.
   */
  async #lookFirst(begun, attempt, waits, goOn, goOnWith = (found) => this.#goOnWith(found)) {
    const course = this.course;
    this.again = () => this.#lookFirst(begun, attempt, waits, goOn, goOnWith);
    this.state = steps.unknown(begun);
    this.#mark("record");
    this.show();
    let found;
    try {
      found = await this.#find(attempt, waits);
    } catch (error) {
      return course === this.course && this.#unknown(error);
    }
    if (course !== this.course) return;
    if (found) return goOnWith(found);
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
    const { details } = this.handover;
    if (details && !steps.isAbout(found, { subjectId: details.subjectId, scheme: details.scheme || found.scheme })) return this.#reused(null);
    fillFrom(this.data, found);
    this.state = steps.decided(this.state, found.decision, found);
    this.notice = DESK.resumedAnswer;
    this.#mark("answer");
    this.#store();
    this.#finished();
    this.show();
  }

  /** The transaction has the answer to something else. `found`: that answer, where it is about the same record. */
  #reused(found) {
    this.state = steps.reused(this.state, found);
    this.#store();
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

  /** A case of its own transaction. */
  async #fresh(notice = null, { isNext = false } = {}) {
    const transactionId = steps.newTransactionId();
    await this.#claim(transactionId);
    this.data = emptyCase();
    this.handover.leave();
    this.outgoing = null;
    this.notice = notice;
    this.state = steps.begin({ transactionId });
    this.#mark("record", isNext);
    this.#store();
    this.show();
  }

  async #claim(transactionId) {
    this.release?.();
    this.release = await claim(transactionId);
    return this.release !== null;
  }

  #store() {
    const { id, told, aside } = this.handover;
    sessionStorage.setItem(STORE, toStore(this.state, this.clerk, specialOf(this.data), { session: id, told, aside }));
  }

  /** Notes in the browser's history which step of which case this is, under the case's own address. */
  #mark(step, isNext = false) {
    history[isNext ? "pushState" : "replaceState"]({ step, transaction: this.state.transactionId }, "", this.handover.address);
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
    replace(this.main, progress(this), this.notice && h("p", { class: "note info", role: "status" }, this.notice), this.view.element);
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
    this.#mark(step, true);
    this.show(step);
  }

  #popped({ step, transaction }) {
    if (!this.state) return;
    const isOther = transaction !== this.state.transactionId;
    // Of another case nothing is left but its place in the history, which becomes this one's.
    const lands = isOther ? this.state.step : steps.landOn(this.state, step ?? "record", ready(this.data, this.chosenPolicy()));
    if (isOther || (lands !== step && this.state.phase === "open")) this.#mark(lands);
    if (lands === "answer") {
      if (this.state.phase === "decided") this.notice = DESK.answerStays;
      if (this.step === "answer" && this.state.phase === "sending") return;
      return this.show("answer");
    }
    if (lands === "slip") return this.show("slip");
    this.state = { ...steps.goTo(this.state, lands), failure: null };
    this.show(lands);
  }

  chosenPolicy() {
    return choosePolicy({ person: this.data.person, card: this.data.cardWay, homeVisit: this.data.homeVisit }, this.me.desk?.policies ?? {}, this.handover.details?.policy ?? "");
  }

  /** Sends what was captured. From here on the attempt's content is fixed. */
  async send() {
    if (this.state.phase !== "open" || this.data.frames.length === 0 || this.chosenPolicy().byHand) return;
    this.outgoing = composeRequest(this.state, this.data, this.chosenPolicy().policy);
    this.state = { ...steps.sending(this.state), failure: null };
    this.#store();
    this.#mark("answer", true);
    this.show();
    await this.transmit();
  }

  /** Sends the request, for the first time or again: under its name it is decided once. */
  async transmit() {
    const course = this.course;
    this.state = { ...this.state, lost: null };
    const event = await transmit(this.api, this.outgoing, (progress) => course === this.course && this.view?.progress?.(progress));
    if (course !== this.course) return;
    if (event.decision) return this.#decided(event.decision, this.outgoing.request);
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
    if (isAbout && usedUp) return this.#decided(found.decision, { ...found, usedUp, notice: DESK.noneLeft });
    if (isAbout) return this.#reused(found);
    if (this.handover.id !== null) return this.#reused(null);
    await this.#renew();
  }

  /** Another record than the transaction's: what was entered goes on under a new one, from the record on. */
  async #renew() {
    const transactionId = steps.newTransactionId();
    await this.#claim(transactionId);
    this.state = steps.begin({ transactionId });
    this.outgoing = null;
    this.data.recordSeen = false;
    this.announce(DESK.renewed, { urgent: true });
    this.#goOn(DESK.renewed);
  }

  /** Back at an earlier step with something to mend. */
  #changed(error, step) {
    this.#store();
    this.notice = error.pair;
    this.announce(error.pair, { urgent: true });
    this.#mark(step);
    this.show();
  }

  #decided(decision, { subjectId, scheme, usedUp = false, notice = null }) {
    this.state = { ...steps.decided(this.state, decision, { subjectId, scheme, usedUp }), lost: null };
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
    if (this.handover.id !== null) this.tell();
  }

  forget() {
    for (const frame of this.data.frames) URL.revokeObjectURL(frame.url);
    this.data = { ...emptyCase(), ...specialOf(this.data) };
  }

  /** Tells the benefit system that the page is through. */
  async tell() {
    await this.handover.tell(() => {
      this.#store();
      this.view?.told?.();
    });
  }

  /** The next attempt, from the first step on that is not filled in on this page. */
  async retake() {
    const { course, handover } = this;
    const wasWhole = handover.id === null || handover.details !== null;
    try {
      // What the benefit system says of record and policy holds for every attempt.
      await handover.complete();
    } catch (error) {
      if (course === this.course) this.notice = HANDOFF_GONE[error.status] ?? error.pair;
      return course === this.course && this.show();
    }
    if (course !== this.course || this.state.phase !== "decided") return;
    if (!wasWhole) fillFrom(this.data, handover.details);
    const card = steps.retakesCard(this.state.decision);
    this.state = steps.retaken(this.state);
    for (const frame of this.data.frames) URL.revokeObjectURL(frame.url);
    this.data.frames = [];
    this.outgoing = null;
    const step = steps.goesOnAt(ready(this.data, this.chosenPolicy()), { card });
    if (step === "record") this.notice = fill(DESK.enterAgain, { n: this.state.attempt });
    if (step === "card") this.notice = DESK.readCard;
    if (card) this.data.cardSeen = false;
    this.#startAt(step);
  }

  /** No other attempt, though one is left: an officer will look. */
  leaveToOfficer() {
    this.state = steps.leftToOfficer(this.state);
    this.#store();
    this.#finished();
    this.show();
  }

  /** Back from a refusal to what can be changed. */
  change() {
    const step = steps.goesOnAt(ready(this.data, this.chosenPolicy()));
    this.state = { ...steps.reopened(this.state, step), failure: null };
    this.#startAt(step);
  }

  #startAt(step) {
    this.state = steps.goTo(this.state, step);
    this.#mark(step, true);
    this.#store();
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
    await this.#fresh(null, { isNext: true });
  }
}

start({ page: "desk", render: (context) => new Desk(context).begin() });
