// Calls of the server: JSON methods, photos as parts of a form with progress, lost answers sent again, errors with reasons.

import { CODES } from "./text.js";

/** Why a call was not answered as hoped. `code` is that of gRPC, or `lost` where no answer came. */
export class ApiError extends Error {
  constructor({ code, reason = "", messageVi, messageEn, metadata = {}, status = 0, retryAfterMs = null, traceId = "", body = null }) {
    super(`${code} ${reason}`.trim());
    this.name = "ApiError";
    const fallback = CODES[code] ?? CODES.other;
    Object.assign(this, { code, reason, metadata, status, retryAfterMs, traceId, body });
    this.messageVi = messageVi || fallback.vi;
    this.messageEn = messageEn || (messageVi ? "" : fallback.en);
  }

  /** The sentence to show, in both languages. */
  get pair() {
    return { vi: this.messageVi, en: this.messageEn };
  }

  /** It is not known whether the server got the request and did it. */
  get lost() {
    return this.code === "lost" || this.code === "deadline_exceeded";
  }
}

/** Code of a call that was not sent again, because somebody else is signed in now. */
const SOMEBODY_ELSE = "somebody_else";

const CODE_OF_STATUS = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  408: "lost",
  409: "already_exists",
  413: "resource_exhausted",
  429: "resource_exhausted",
  502: "lost",
  503: "unavailable",
  504: "lost",
};

/** Reads an error's body (Connect's JSON, or none) into an ApiError. `header(name)` gives a header or null. */
export function parseError(status, body, header = () => null) {
  const details = Array.isArray(body?.details) ? body.details : [];
  const detail = (type) => details.find((one) => one?.type === type)?.debug ?? {};
  const info = detail("google.rpc.ErrorInfo");
  const metadata = typeof info.metadata === "object" && info.metadata !== null ? info.metadata : {};
  const known = typeof body?.code === "string";
  return new ApiError({
    code: known ? body.code : (CODE_OF_STATUS[status] ?? (status >= 500 ? "internal" : "unknown")),
    reason: typeof info.reason === "string" ? info.reason : "",
    messageVi: typeof metadata.messageVi === "string" ? metadata.messageVi : "",
    messageEn: typeof metadata.messageEn === "string" ? metadata.messageEn : "",
    metadata,
    status,
    retryAfterMs: retryAfter(detail("google.rpc.RetryInfo").retryDelay, header("retry-after")),
    traceId: (header("traceparent") ?? "").split("-")[1] ?? "",
    body,
  });
}

function retryAfter(delay, header) {
  const exact = /^(\d+(?:\.\d+)?)s$/.exec(delay ?? "");
  if (exact) return Math.round(Number(exact[1]) * 1000);
  return /^\d+$/.test(header ?? "") ? Number(header) * 1000 : null;
}

const LOST_DELAYS_MS = [500, 1000, 2000, 4000, 8000];
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;

/** How long to wait before the same request is sent again, after `tries` sendings; null where that is not worth it. */
export function retryDelayMs(error, tries) {
  if (error.lost) return LOST_DELAYS_MS[Math.min(tries, LOST_DELAYS_MS.length) - 1];
  if (error.retryAfterMs !== null) return Math.min(Math.max(error.retryAfterMs * tries, RETRY_MS_MIN), RETRY_MS_MAX);
  return null;
}

/** Whether two answers of /desk/me are of one person, or of one machine that nobody is signed in at. */
export const isSame = (a, b) => (a?.person ?? "") === (b?.person ?? "") && (a?.machine ?? "") === (b?.machine ?? "");

/** Calls of the server, in one session. */
export class Api {
  /** Who is signed in: the answer of /desk/me. Never somebody else than at first: what is on the page is theirs. */
  me = null;
  /** When that came, by both clocks: one stands still while the machine sleeps, the other is set by people. */
  #told = null;
  /** Called where somebody else is signed in than at first, and does not return. Set by the frame around the page. */
  onSomebodyElse = null;
  /** Called where the session is over: resolves once somebody is signed in again. Set by the frame around the page. */
  onSignedOut = null;
  /** Called whenever the server answered: it counts the session's idle time anew. */
  onAnswered = () => {};

  /** Who is signed in. `unattended`: nobody works here, so that asking does not prolong the session. */
  async loadMe({ unattended = false } = {}) {
    const headers = unattended ? { "x-unattended": "1" } : {};
    const me = await this.#once("GET", "/desk/me", null, headers, { timeoutMs: 10_000 });
    if (this.me !== null && !isSame(this.me, me)) {
      await this.onSomebodyElse?.();
      throw new ApiError({ code: SOMEBODY_ELSE });
    }
    this.me = me;
    this.#told = { steady: performance.now(), wall: Date.now() };
    return me;
  }

  /** Milliseconds since the server said who is signed in. */
  #sinceTold() {
    return Math.max(performance.now() - this.#told.steady, Date.now() - this.#told.wall, 0);
  }

  /** How long the session still lasts, in milliseconds, whatever this machine's clock says; NaN where it has no end. */
  leftMs() {
    if (typeof this.me?.secondsLeft === "number") return this.me.secondsLeft * 1000 - this.#sinceTold();
    return Date.parse(this.me?.expiresAt ?? "") - Date.now();
  }

  /** The time by the server's clock, as far as it told; by this machine's otherwise. In milliseconds, as Date.now(). */
  now() {
    const ends = Date.parse(this.me?.expiresAt ?? "");
    return Number.isNaN(ends) || typeof this.me.secondsLeft !== "number" ? Date.now() : ends - this.leftMs();
  }

  /** One method, such as "Cases/GetDecision". Errors are ApiError. */
  call(method, message, { signal, timeoutMs = 15_000, tries = 3 } = {}) {
    return this.#patiently("POST", `/chinhchu.v1.${method}`, JSON.stringify(message), connectHeaders(timeoutMs, "application/json"), {
      signal,
      timeoutMs,
      tries,
    });
  }

  /**
   * One method with photos and files as parts of a form. `parts`: [[field, Blob], ...]. The same form is sent again where the
   * answer is lost, so the request must name its transaction. `onProgress(sent, total)` counts bytes; `onRetry(error)` is
   * called before each further sending.
   */
  upload(method, message, parts, { signal, timeoutMs = 40_000, tries = 6, onProgress, onRetry } = {}) {
    const form = new FormData();
    form.append("request", new Blob([JSON.stringify(message)], { type: "application/json" }));
    // File names stay here: "blob" is what goes out.
    for (const [name, blob] of parts) form.append(name, blob, "blob");
    return this.#patiently("POST", `/chinhchu.v1.${method}`, form, connectHeaders(timeoutMs), { signal, timeoutMs, tries, onProgress, onRetry });
  }

  handoff(id) {
    return this.#patiently("GET", `/desk/handoff/${encodeURIComponent(id)}`, null, {}, { timeoutMs: 10_000, tries: 3 });
  }

  handoffDone(id) {
    const headers = { "content-type": "application/json" };
    return this.#patiently("POST", `/desk/handoff/${encodeURIComponent(id)}/done`, "{}", headers, { timeoutMs: 10_000, tries: 4 });
  }

  /** Any other path of the desk's server, such as "/desk/...": JSON in, JSON out. */
  desk(verb, path, message = null, { signal, timeoutMs = 15_000, tries = 3 } = {}) {
    const headers = message === null ? {} : { "content-type": "application/json" };
    return this.#patiently(verb, path, message === null ? null : JSON.stringify(message), headers, { signal, timeoutMs, tries });
  }

  async logout() {
    const end = () => this.#once("POST", "/desk/logout", null, {}, { timeoutMs: 10_000 });
    try {
      return await end();
    } catch (error) {
      if (error.code !== "permission_denied") throw error;
      // The same person has signed in again since: it is that session which ends.
      await this.loadMe();
      return end();
    }
  }

  /** The address that signs in and comes back to `next`. */
  loginUrl(next) {
    const base = this.loginBase ?? "/desk/login";
    return `${base}${base.includes("?") ? "&" : "?"}next=${encodeURIComponent(next)}`;
  }

  /** Sends until it is answered, or sending again is not worth it, or `tries` are used. */
  async #patiently(verb, path, body, headers, { signal, timeoutMs, tries, onProgress, onRetry }) {
    let refreshed = false;
    for (let sent = 1; ; ) {
      let token = this.me?.csrfToken;
      try {
        return await this.#once(verb, path, body, headers, { signal, timeoutMs, onProgress });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.code === "unauthenticated" && this.onSignedOut) {
          await this.onSignedOut(error);
          continue;
        }
        if (error.code === "permission_denied" && !refreshed) {
          // A new session has a new token; the request was refused for the old one.
          refreshed = true;
          // Nothing is sent in the name of another person than the one who began it.
          await this.loadMe().catch((failed) => {
            if (failed.code === SOMEBODY_ELSE) throw failed;
          });
          if (this.me?.csrfToken !== token) continue;
        }
        const delay = retryDelayMs(error, sent);
        if (delay === null || sent >= tries) throw error;
        sent += 1;
        onRetry?.(error);
        await pause(delay, signal);
        await online(signal);
      }
    }
  }

  #once(verb, path, body, headers, { signal, timeoutMs, onProgress }) {
    const all = { ...headers, accept: "application/json" };
    if (verb !== "GET" && this.me?.csrfToken) all["x-csrf-token"] = this.me.csrfToken;
    return exchange(verb, path, body, all, { signal, timeoutMs, onProgress }).then(({ status, text, header }) => {
      const answer = parseJson(text);
      if (status !== 401 && !headers["x-unattended"]) this.onAnswered();
      if (status === 204) return {};
      if (status >= 200 && status < 300 && isObject(answer)) return answer;
      // Something between here and the server answered in its place: a portal, a proxy. What the server did is not known.
      if (status >= 200 && status < 300) throw new ApiError({ code: "lost", status });
      throw parseError(status, answer, header);
    });
  }
}

function connectHeaders(timeoutMs, contentType) {
  const headers = { "connect-protocol-version": "1", "connect-timeout-ms": String(timeoutMs) };
  if (contentType) headers["content-type"] = contentType;
  return headers;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** One request and its answer. XMLHttpRequest, because fetch tells nothing of how much has been sent. */
function exchange(verb, path, body, headers, { signal, timeoutMs, onProgress }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const request = new XMLHttpRequest();
    const lost = () => settle(() => reject(new ApiError({ code: "lost" })));
    const abort = () => request.abort();
    const settle = (how) => {
      signal?.removeEventListener("abort", abort);
      how();
    };
    request.open(verb, path);
    // The server hears of the deadline; the page waits a little longer for its answer.
    request.timeout = timeoutMs + 1000;
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.onload = () =>
      settle(() => resolve({ status: request.status, text: request.responseText, header: (name) => request.getResponseHeader(name) }));
    request.onerror = lost;
    request.ontimeout = lost;
    request.onabort = () => settle(() => reject(signal?.reason ?? new DOMException("aborted", "AbortError")));
    if (onProgress) request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded, event.total);
    signal?.addEventListener("abort", abort);
    request.send(body);
  });
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

const OFFLINE_MS_MAX = 60_000;

/** Waits until the browser has a network again, up to a minute. */
function online(signal) {
  if (globalThis.navigator?.onLine !== false) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, OFFLINE_MS_MAX);
    addEventListener("online", done);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
