// The frame around every page: who is signed in, navigation, language, announcements, and the end of a session.

import { Api, isSame } from "./api.js";
import { append, both, button, dialog, focusOn, h, replace } from "./dom.js";
import { fill, language, LANGUAGES, plain, restoreLanguage, setLanguage, SHELL, webAddress } from "./text.js";

const PAGES = { desk: { href: "/desk/", label: SHELL.desk }, officer: { href: "/desk/officer", label: SHELL.officer } };
const SIGNED_IN = "chinhchu.signed-in";
const ACTIVE = "chinhchu.active";
const WHO = "chinhchu.who";
const SIGNED_OUT = "signed out";
const POLL_MS = 10_000;
const WARN_MS = 60_000;
const LOOK_EVERY_MS = 5_000;
// Which part of the page was asked for before somebody signed in: no server is told what stands behind #.
const WANTED = "chinhchu.wanted";

/**
 * Builds the frame and, once it is known who is signed in and that the page is theirs, calls `render(context)`.
 * context: {api, me, main, announce(pair, {urgent}), keepAlive()}. `page`: "desk" or "officer".
 */
export async function start({ page, render }) {
  restoreLanguage();
  // A page that the browser keeps for its back button has nobody's case on it, and begins anew.
  addEventListener("pagehide", wipe);
  addEventListener("pageshow", cameBack);
  const frame = {
    page,
    api: new Api(),
    header: document.getElementById("header"),
    main: document.getElementById("main"),
  };
  document.title = `${plain(PAGES[page].label)} · Chính chủ`;
  if (new URLSearchParams(location.search).has("signed-in")) return signedIn(frame);
  replace(frame.main, h("p", { class: "muted" }, SHELL.working));
  let me;
  try {
    me = await frame.api.loadMe();
  } catch (error) {
    return error.code === "unauthenticated" ? askToSignIn(frame, error.body) : unreachable(frame, error, { page, render });
  }
  showWanted(page);
  frame.api.onSomebodyElse = startAnew;
  frame.others = watchOthers(frame.api);
  drawHeader(frame, me);
  if (!me.pages?.includes(page)) return notYours(frame, me);
  const session = new Session(frame.api, page);
  frame.api.onSignedOut = () => session.signInAgain();
  frame.main.replaceChildren();
  await render({ api: frame.api, me, main: frame.main, announce, keepAlive: () => session.touch() });
}

/** Says a text to those who hear the page. `urgent` interrupts. */
export function announce(pair, { urgent = false } = {}) {
  const place = document.getElementById(urgent ? "urgent" : "polite");
  if (!place) return;
  // The same text twice is not said twice unless the place was empty between.
  place.replaceChildren();
  requestAnimationFrame(() => append(place, both(pair)));
}

function drawHeader(frame, me) {
  const { header, api, page } = frame;
  const select = h(
    "select",
    { "aria-label": plain(SHELL.language), on: { change: () => setLanguage(select.value) } },
    LANGUAGES.map(({ code, label }) => h("option", { value: code }, label)),
  );
  select.value = language();
  const known = me?.pages?.filter((name) => PAGES[name]) ?? [];
  const who = [me?.person ?? me?.machine, me?.unit && fill(SHELL.unit, { unit: me.unit })].filter(Boolean);
  const leaves = me && (me.signIn === "oidc" || me.signIn === "test");
  replace(
    header,
    h(
      "div",
      { class: "bar" },
      h(
        "div",
        { class: "bar-inner" },
        h("span", { class: "brand" }, "Chính chủ"),
        h(
          "nav",
          { "aria-label": plain(SHELL.navigation) },
          known.map((name) => h("a", { href: PAGES[name].href, "aria-current": name === page ? "page" : undefined }, PAGES[name].label)),
        ),
        select,
        who.length > 0 && h("div", { class: "who" }, who.map((line) => h("span", {}, line))),
        leaves && button(SHELL.signOut, () => signOut(frame)),
      ),
    ),
    (me?.test || me?.signIn === "open") && h("p", { class: "test-banner" }, SHELL.test),
  );
}

/** Ends the session in all tabs: what is on the page goes first, whatever comes of the call. */
async function signOut(frame) {
  wipe();
  sessionStorage.clear();
  Object.assign(frame, { header: document.getElementById("header"), main: document.getElementById("main") });
  panel(frame, SHELL.signingOut);
  let ended = {};
  try {
    ended = await frame.api.logout();
  } catch (error) {
    if (error.code !== "unauthenticated") {
      return panel(frame, SHELL.notSignedOut, h("p", {}, error.pair), h("div", {}, button(SHELL.again, () => signOut(frame), { class: "primary" })));
    }
  }
  frame.others.postMessage(SIGNED_OUT);
  // Where the provider can end its session as well, so that the next person is asked who they are.
  location.assign(webAddress(ended.endSessionUrl) ?? PAGES[frame.page].href);
}

/** Tells the other tabs who is signed in here, and begins anew where another tab signs out or has somebody else. */
function watchOthers(api) {
  const others = new BroadcastChannel(WHO);
  others.onmessage = ({ data }) => {
    if (data === SIGNED_OUT || !isSame(api.me, data)) startAnew();
  };
  others.postMessage({ person: api.me.person, machine: api.me.machine });
  return others;
}

/** Takes everything off the page. What is still under way draws into elements that nobody sees. */
function wipe() {
  for (const open of document.querySelectorAll("dialog")) open.remove();
  for (const id of ["header", "main", "polite", "urgent"]) {
    const place = document.getElementById(id);
    place?.replaceWith(place.cloneNode(false));
  }
}

function cameBack(event) {
  if (!event.persisted) return;
  wipe();
  location.reload();
}

function panel(frame, title, ...rest) {
  if (!frame.header.hasChildNodes()) drawHeader(frame, null);
  const heading = h("h1", { tabindex: "-1" }, title);
  replace(frame.main, h("div", { class: "panel stack" }, heading, rest));
  focusOn(heading);
}

/** Keeps what stands behind # while this tab is at the sign-in. */
function keepWanted(page) {
  if (location.hash) sessionStorage.setItem(WANTED, JSON.stringify({ page, hash: location.hash }));
}

/** The page that was asked for with a # is shown so after the sign-in; once. */
function showWanted(page) {
  const kept = JSON.parse(sessionStorage.getItem(WANTED) ?? "null");
  sessionStorage.removeItem(WANTED);
  if (kept?.page === page && !location.hash) history.replaceState(null, "", kept.hash);
}

function askToSignIn(frame, body) {
  frame.api.loginBase = body?.loginUrl;
  if (body?.signIn === "none") return panel(frame, SHELL.signInTitle, h("p", {}, SHELL.signInNone));
  const next = location.pathname + location.search;
  keepWanted(frame.page);
  panel(
    frame,
    SHELL.signInTitle,
    h("p", {}, SHELL.signInBody),
    h("div", {}, h("a", { class: "button primary", href: frame.api.loginUrl(next) }, SHELL.signIn)),
  );
}

function unreachable(frame, error, again) {
  panel(frame, SHELL.unreachable, h("p", {}, error.pair), h("div", {}, button(SHELL.again, () => start(again), { class: "primary" })));
}

function notYours(frame, me) {
  const others = me.pages.filter((name) => PAGES[name]);
  panel(
    frame,
    SHELL.notYours,
    h("div", { class: "row" }, others.map((name) => h("a", { class: "button", href: PAGES[name].href }, PAGES[name].label))),
  );
}

/** What the tab shows that was opened to sign in again. */
function signedIn(frame) {
  new BroadcastChannel(SIGNED_IN).postMessage("signed in");
  window.close();
  panel(frame, SHELL.signedIn, h("p", {}, SHELL.signedInBody));
}

/**
 * The session's time: kept alive while somebody works, warned of before it ends, asked for anew without losing what is typed.
 * Whoever leaves the desk leaves a covered page, and only a new sign-in uncovers it.
 */
class Session {
  #api;
  #page;
  #touched = Date.now();
  #heard = Date.now();
  #asked = 0;
  #warning = false;
  #warnedOfEnd = false;
  #waiting = null;
  #others = new BroadcastChannel(ACTIVE);

  constructor(api, page) {
    this.#api = api;
    this.#page = page;
    api.onAnswered = () => (this.#heard = Date.now());
    for (const event of ["pointerdown", "keydown"]) addEventListener(event, () => this.touch(), { passive: true, capture: true });
    // Work in one tab is work in all of this session.
    this.#others.onmessage = () => (this.#touched = Date.now());
    if (api.me.signIn !== "oidc" && api.me.signIn !== "test") return;
    setInterval(() => this.#look(), LOOK_EVERY_MS);
    // Whoever comes back to the tab, or signs in elsewhere, may be somebody else.
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && !this.#waiting && this.#ask());
    new BroadcastChannel(SIGNED_IN).addEventListener("message", () => this.#waiting || this.#ask());
  }

  /** Somebody works here. */
  touch() {
    const now = Date.now();
    if (now - this.#touched > LOOK_EVERY_MS) this.#others.postMessage("active");
    this.#touched = now;
  }

  async #look() {
    if (this.#waiting || this.#warning) return;
    const now = Date.now();
    const idleMs = (this.#api.me.idleSeconds ?? 0) * 1000;
    const idle = now - this.#touched;
    if (idleMs && idle >= idleMs) return void this.#leave();
    const left = this.#api.leftMs();
    // The end may have moved since: ask while somebody works.
    if (left < WARN_MS && idle < WARN_MS && now - this.#asked > WARN_MS / 2) return void (await this.#ask());
    // The server's word counts, not what is reckoned here; without it the page is covered.
    if (left <= 0) return void ((await this.#ask()) || this.signInAgain());
    const idleSoon = idleMs > 2 * WARN_MS && idle > idleMs - WARN_MS;
    if (idleSoon || (left < WARN_MS && !this.#warnedOfEnd)) return void (await this.#warn(left < WARN_MS));
    // Typing and looking are work too, and the server does not see them.
    if (idleMs && now - this.#heard > idleMs / 3 && this.#touched > this.#heard) await this.#ask();
  }

  async #warn(ends) {
    this.#warning = true;
    this.#warnedOfEnd ||= ends;
    const stop = setTimeout(closeWarning, WARN_MS);
    const chosen = await dialog({
      title: SHELL.expiringTitle,
      body: h("p", {}, SHELL.expiringBody),
      actions: [{ label: SHELL.goOn, value: "go on", primary: true }],
      className: "expiring",
    });
    clearTimeout(stop);
    this.#warning = false;
    if (chosen) {
      this.touch();
      await this.#ask();
    }
  }

  /** Asks the server who is signed in, and for how long; false where it does not answer. */
  async #ask() {
    this.#asked = Date.now();
    try {
      await this.#api.loadMe();
    } catch (error) {
      if (error.code !== "unauthenticated") return false;
      await this.signInAgain(error);
    }
    return true;
  }

  /** Nobody has worked here for as long as a session may idle: it ends for the server as well. */
  async #leave() {
    const covered = this.signInAgain(null, { anew: true });
    await this.#api.logout().catch(() => {});
    await covered;
  }

  /** Covers the page until somebody is signed in again; another person begins with an empty page. */
  signInAgain(error = null, { anew = false } = {}) {
    this.#waiting ??= this.#cover(error?.body, anew).finally(() => (this.#waiting = null));
    return this.#waiting;
  }

  async #cover(body, anew) {
    const { csrfToken } = this.#api.me;
    if (body?.loginUrl) this.#api.loginBase = body.loginUrl;
    closeWarning();
    const before = document.activeElement;
    document.body.classList.add("locked");
    const state = h("p", { role: "status" });
    const next = `${PAGES[this.#page].href}?signed-in=1`;
    const link = h("a", { class: "button primary", href: this.#api.loginUrl(next), target: "_blank", rel: "noopener" }, SHELL.signIn);
    const cover = h(
      "dialog",
      { "aria-labelledby": "expired-title" },
      h("div", { class: "stack" }, h("h2", { id: "expired-title" }, SHELL.expiredTitle), h("p", {}, SHELL.expiredBody), h("div", { class: "row" }, link), state),
    );
    cover.addEventListener("cancel", (event) => event.preventDefault());
    // Escape twice closes a dialog whatever its listeners say.
    cover.addEventListener("close", () => cover.isConnected && cover.showModal());
    document.body.append(cover);
    cover.showModal();
    const channel = new BroadcastChannel(SIGNED_IN);
    try {
      for (;;) {
        await new Promise((resolve) => {
          channel.onmessage = resolve;
          addEventListener("focus", resolve, { once: true });
          setTimeout(resolve, POLL_MS);
        });
        try {
          const me = await this.#api.loadMe({ unattended: anew });
          if (!anew || me.csrfToken !== csrfToken) break;
          // The session that was left is still there: its end was lost on the way.
          await this.#api.logout().catch(() => {});
        } catch (error) {
          replace(state, error.code === "unauthenticated" ? null : error.pair);
        }
      }
    } finally {
      channel.close();
    }
    this.touch();
    this.#warnedOfEnd = false;
    cover.remove();
    document.body.classList.remove("locked");
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    announce(SHELL.signedIn);
  }
}

function closeWarning() {
  document.querySelector("dialog.expiring")?.dispatchEvent(new Event("cancel", { cancelable: true }));
}

/** Somebody else has signed in, or nobody is any more: nothing of the one before stays. Never returns. */
function startAnew() {
  wipe();
  sessionStorage.clear();
  location.reload();
  return new Promise(() => {});
}
