// The hand-over of a benefit system that a case belongs to: its record, its place in the address, and telling the system.

import { webAddress } from "./text.js";

export class HandOver {
  #api;
  /** In the address of the page; null for a case that the desk began. */
  id = null;
  /** What the system handed over; null where it cannot be asked for. */
  details = null;
  /** How far telling the system is, for the page; and whether it knows, also from before a reload. */
  telling = null;
  told = false;
  /** Another hand-over, which stays open while the tab has this case; null for none. */
  aside = null;

  constructor(api) {
    this.#api = api;
  }

  /** The page's address for this case. */
  get address() {
    return this.id === null ? location.pathname : linkOf(this.id);
  }

  /** Goes on with what a tab kept. */
  resume({ session, told }) {
    Object.assign(this, { id: session, details: null, telling: null, told });
  }

  /** Takes one over by its id; fails as the server says. */
  async open(id) {
    const details = await this.#api.handoff(id);
    if (this.id !== id) this.resume({ session: id, told: false });
    this.details = details;
    if (this.aside === id) this.aside = null;
  }

  /** What was handed over, where this case belongs to a hand-over and has not got that yet. */
  async complete() {
    if (this.id !== null && this.details === null) await this.open(this.id);
  }

  /** The case ends for this page; one whose system knows of no end stays open. */
  leave() {
    if (this.id !== null && !this.told) this.aside = this.id;
    this.resume({ session: null, told: false });
  }

  /** Tells the system that the page is through; `changed` is called with every step of it. */
  async tell(changed) {
    const { id } = this;
    const set = (telling) => {
      const isTold = telling.state === "told";
      if (this.id === id) {
        this.telling = telling;
        this.told ||= isTold;
      } else if (isTold && this.aside === id) {
        // The clerk has another case by now; this one is finished all the same.
        this.aside = null;
      } else {
        return;
      }
      changed();
    };
    set({ state: "telling" });
    try {
      const { returnUrl } = await this.#api.handoffDone(id);
      set({ state: "told", returnUrl: webAddress(returnUrl) });
    } catch (error) {
      set({ state: "failed", error });
    }
  }
}

/** The page's address for a hand-over. */
export const linkOf = (id) => `${location.pathname}?session=${encodeURIComponent(id)}`;
