// Calls of the server: errors are read, and a lost answer is asked for again with the very same request.
import assert from "node:assert/strict";
import { test } from "node:test";

/** Stands in for the browser's XMLHttpRequest: answers by `server`. */
let server = () => ({ status: 200, body: "{}" });
const requests = [];
globalThis.XMLHttpRequest = class {
  upload = {};
  #headers = {};
  #answer = {};
  open(verb, path) {
    Object.assign(this, { verb, path });
  }
  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }
  getResponseHeader(name) {
    return this.#answer.headers?.[name] ?? null;
  }
  abort() {
    this.aborted = true;
    queueMicrotask(() => this.onabort());
  }
  send(body) {
    requests.push({ verb: this.verb, path: this.path, headers: this.#headers, body });
    queueMicrotask(() => {
      if (this.aborted) return;
      this.#answer = server(requests.at(-1), requests.length);
      if (this.#answer === "lost") return this.onerror();
      if (this.#answer === "late") return this.ontimeout();
      if (this.#answer === "never") return;
      this.status = this.#answer.status;
      this.responseText = this.#answer.body ?? "";
      this.onload();
    });
  }
};

const { Api, ApiError, parseError, retryDelayMs } = await import("../../src/desk/pages/assets/api.js");

function begin(answers) {
  requests.length = 0;
  const queue = [...answers];
  server = () => (queue.length > 1 ? queue.shift() : queue[0]);
  const api = new Api();
  api.me = { csrfToken: "token-1" };
  return api;
}
const refusal = (code, reason, metadata = {}, retryDelay) => ({
  status: 400,
  body: JSON.stringify({
    code,
    message: "for logs",
    details: [
      { type: "google.rpc.ErrorInfo", value: "x", debug: { reason, domain: "chinhchu.v1", metadata } },
      ...(retryDelay ? [{ type: "google.rpc.RetryInfo", debug: { retryDelay } }] : []),
    ],
  }),
});
const ok = { status: 200, body: '{"outcome":"OUTCOME_APPROVE"}' };

test("an error has its code, reason, sentences and metadata", () => {
  const { status, body } = refusal("invalid_argument", "NO_FACE", { field: "frames[1]", messageVi: "Không tìm thấy", messageEn: "None" }, "0.250s");
  const error = parseError(status, JSON.parse(body), (name) => (name === "traceparent" ? "00-abc-def-01" : null));
  assert.deepEqual([error.code, error.reason, error.pair, error.metadata.field, error.retryAfterMs, error.traceId], ["invalid_argument", "NO_FACE", { vi: "Không tìm thấy", en: "None" }, "frames[1]", 250, "abc"]);
});

test("an error without a body still says something in both languages", () => {
  for (const status of [401, 403, 404, 413, 429, 500, 502, 503, 504]) {
    for (const body of [null, {}, [], { code: 5 }, { details: "x" }, { details: [null] }]) {
      const error = parseError(status, body);
      assert.ok(error.pair.vi && error.pair.en, String(status));
    }
  }
  assert.equal(parseError(502, null).lost, true);
  assert.equal(parseError(429, null, () => "2").retryAfterMs, 2000);
});

test("lost answers and busy servers are worth another sending, refusals are not", () => {
  const lost = new ApiError({ code: "lost" });
  assert.deepEqual([1, 2, 3, 9].map((n) => retryDelayMs(lost, n)), [500, 1000, 2000, 8000]);
  assert.equal(retryDelayMs(new ApiError({ code: "resource_exhausted", retryAfterMs: 300 }), 2), 600);
  assert.equal(retryDelayMs(new ApiError({ code: "resource_exhausted" }), 1), null);
  assert.equal(retryDelayMs(new ApiError({ code: "invalid_argument" }), 1), null);
});

test("a call carries the session's token and the deadline", async () => {
  const api = begin([ok]);
  await api.call("Cases/GetDecision", { transactionId: "T" });
  const { verb, path, headers, body } = requests[0];
  assert.deepEqual([verb, path, body], ["POST", "/chinhchu.v1.Cases/GetDecision", '{"transactionId":"T"}']);
  assert.equal(headers["x-csrf-token"], "token-1");
  assert.equal(headers["connect-protocol-version"], "1");
  assert.match(headers["connect-timeout-ms"], /^\d{1,10}$/);
});

test("a decision whose answer is lost is asked for again with the same request and the same bytes", async () => {
  const api = begin(["lost", "late", ok]);
  const retries = [];
  const answer = await api.upload("Beneficiary/VerifyBeneficiary", { transactionId: "T", attempt: 2 }, [["frames", new Blob(["photo"])]], { onRetry: (error) => retries.push(error.code) });
  assert.equal(answer.outcome, "OUTCOME_APPROVE");
  assert.deepEqual(retries, ["lost", "lost"]);
  assert.equal(requests.length, 3);
  for (const { body } of requests) {
    assert.deepEqual(JSON.parse(await body.get("request").text()), { transactionId: "T", attempt: 2 });
    assert.equal(await body.get("frames").text(), "photo");
    assert.equal(body.get("frames").name, "blob");
  }
});

test("after as many sendings as were asked for the error is the caller's", async () => {
  const api = begin(["lost"]);
  await assert.rejects(api.call("Cases/GetDecision", {}, { tries: 2 }), (error) => error.lost);
  assert.equal(requests.length, 2);
});

test("a refusal is not sent again", async () => {
  const api = begin([refusal("failed_precondition", "ATTEMPTS_USED_UP", { attemptsMax: "3" })]);
  await assert.rejects(api.call("Beneficiary/VerifyBeneficiary", {}), (error) => error.reason === "ATTEMPTS_USED_UP");
  assert.equal(requests.length, 1);
});

test("where the session is over, somebody signs in and the same call goes on with the new token", async () => {
  const api = begin([{ status: 401, body: '{"code":"unauthenticated"}' }, ok]);
  let asked = 0;
  api.onSignedOut = async () => {
    asked += 1;
    api.me = { csrfToken: "token-2" };
  };
  await api.call("Cases/GetDecision", { transactionId: "T" });
  assert.equal(asked, 1);
  assert.deepEqual(requests.map(({ headers }) => headers["x-csrf-token"]), ["token-1", "token-2"]);
  assert.equal(requests[0].body, requests[1].body);
});

test("a token that was renewed elsewhere is fetched and the call sent once more; a role that may not stays refused", async () => {
  let token = "token-2";
  const api = begin([ok]);
  server = ({ path, headers }) => (path === "/desk/me" ? { status: 200, body: JSON.stringify({ csrfToken: token }) } : headers["x-csrf-token"] === "token-2" && token === "token-2" ? ok : { status: 403, body: '{"code":"permission_denied"}' });
  assert.equal((await api.call("Cases/GetDecision", {})).outcome, "OUTCOME_APPROVE");
  token = "token-2b";
  api.me = { csrfToken: "token-2b" };
  requests.length = 0;
  await assert.rejects(api.call("Cases/GetDecision", {}), (error) => error.code === "permission_denied");
  assert.equal(requests.length, 2);
});

const answering = (me, more) => ({ path }) => (path === "/desk/me" ? { status: 200, body: JSON.stringify(me) } : more);

test("nothing is sent again under another person, whoever is signed in by then", async () => {
  for (const other of [{ person: "clerk-2", csrfToken: "token-2" }, { machine: "counter-1", csrfToken: "" }]) {
    const api = begin([ok]);
    api.me = { person: "clerk-1", csrfToken: "token-1" };
    let told = 0;
    api.onSomebodyElse = () => (told += 1);
    server = answering(other, { status: 403, body: '{"code":"permission_denied"}' });
    await assert.rejects(api.upload("Beneficiary/VerifyBeneficiary", { transactionId: "T" }, []), (error) => error.code === "somebody_else" && /Người khác/.test(error.pair.vi));
    assert.equal(requests.filter(({ verb }) => verb === "POST").length, 1);
    await assert.rejects(api.logout(), (error) => error.code === "somebody_else");
    assert.deepEqual([told, api.me.person, api.me.csrfToken], [2, "clerk-1", "token-1"]);
  }
});

test("a sign-out ends the session that the same person has by now", async () => {
  const api = begin([ok]);
  api.me = { person: "clerk-1", csrfToken: "old" };
  server = ({ path, headers }) => (path === "/desk/me" ? answering({ person: "clerk-1", csrfToken: "new" })({ path }) : headers["x-csrf-token"] === "new" ? { status: 200, body: '{"endSessionUrl":"https://id.test/end"}' } : { status: 403, body: '{"code":"permission_denied"}' });
  assert.deepEqual(await api.logout(), { endSessionUrl: "https://id.test/end" });
});

test("how long a session lasts, and the time, are the server's, however wrong the clock of this machine is", async () => {
  const real = Date.now;
  const HOUR_MS = 3_600_000;
  const api = begin([ok]);
  api.me = null;
  const expiresAt = new Date(real() + HOUR_MS).toISOString();
  try {
    for (const wrong of [12 * HOUR_MS, -12 * HOUR_MS, 365 * 24 * HOUR_MS]) {
      Date.now = () => real() + wrong;
      server = answering({ person: "clerk-1", expiresAt, secondsLeft: 3600 });
      await api.loadMe();
      assert.ok(Math.abs(api.leftMs() - HOUR_MS) < 5000, String(api.leftMs()));
      assert.ok(Math.abs(api.now() - real()) < 5000);
    }
    // Time that passes counts, also while the machine sleeps.
    const before = api.leftMs();
    Date.now = () => real() + 365 * 24 * HOUR_MS + 60_000;
    assert.ok(before - api.leftMs() > 59_000);
  } finally {
    Date.now = real;
  }
  // A server that does not say how many seconds, and a session without an end.
  api.me = { expiresAt };
  assert.ok(Math.abs(api.leftMs() - HOUR_MS) < 5000);
  api.me = { expiresAt: null };
  assert.ok(Number.isNaN(api.leftMs()));
  assert.ok(Math.abs(api.now() - real()) < 5000);
});

test("a call that is given up is not sent again", async () => {
  const api = begin(["never"]);
  const stop = new AbortController();
  const call = api.call("Verification/Assess", {}, { signal: stop.signal });
  setTimeout(() => stop.abort(new Error("left the step")), 10);
  await assert.rejects(call, /left the step/);
  assert.equal(requests.length, 1);
});

test("an id in a path stays in its place", async () => {
  const api = begin([{ status: 200, body: "{}" }]);
  await api.handoff("../me?x=1#y");
  assert.equal(requests[0].path, "/desk/handoff/..%2Fme%3Fx%3D1%23y");
});

test("what something between here and the server says in its place is no answer", async () => {
  for (const body of ["<html>sign in to the network</html>", "", "null", "[]", '"OUTCOME_APPROVE"']) {
    const api = begin([{ status: 200, body }]);
    await assert.rejects(api.call("Cases/GetDecision", {}, { tries: 1 }), (error) => error.lost, body);
  }
  const { transmit } = await import("../../src/desk/pages/assets/transmit.js");
  const sent = { request: { transactionId: "t-1" }, parts: [] };
  for (const body of ["{}", '{"transactionId":"t-2","outcome":"OUTCOME_APPROVE"}']) {
    const { decision, error } = await transmit(begin([{ status: 200, body }]), sent, () => {});
    assert.ok(decision === undefined && error.lost, body);
  }
  const { decision } = await transmit(begin([{ status: 200, body: '{"transactionId":"t-1"}' }]), sent, () => {});
  assert.equal(decision.transactionId, "t-1");
});

test("a page that nobody works at does not prolong its session", async () => {
  const api = begin([{ status: 200, body: '{"csrfToken":"token-1"}' }]);
  let heard = 0;
  api.onAnswered = () => (heard += 1);
  await api.loadMe({ unattended: true });
  assert.deepEqual([requests.at(-1).headers["x-unattended"], heard], ["1", 0]);
  await api.loadMe();
  assert.deepEqual([requests.at(-1).headers["x-unattended"], heard], [undefined, 1]);
});
