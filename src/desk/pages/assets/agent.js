// The reader agent on loopback, and the JSON that readers' software exports: chip files in base64 under vendors' names.

import { FILE_BYTES_MAX, pick } from "./tags.js";

const DEPTH_MAX = 4;
const VALUES_MAX = 2_000;
const BASE64_CHARS_MAX = Math.ceil((FILE_BYTES_MAX / 3) * 4) + 1024;
/** sod, sodData, sodDataB64, dg13DataBase64, efCom, comData ... once case and separators are taken away. */
const FILE_NAME = /^(?:ef)?(?:sod|com|dg(?:1|2|13|14|15))(?:data|file|raw)?(?:b64|base64)?$/;
/** What vendors' software concluded: not ours to believe. */
const VERDICT_NAME = /^(?:verifysod|ispass|score|similarity|facematch\w*|passiveauth\w*|activeauth\w*|chipauth\w*)$/;
const PHOTO_NAME = /(?:image|photo|face|portrait|avatar|anh)/;
const JPEG_OR_JP2 = /^(?:\/9j\/|AAAADGpQ|\/0\/\/UQ|iVBOR)/;

/**
 * Takes the chip's files out of an answer or export, nested up to three levels deep.
 * Returns what `pick` returns, and {verdicts: [name] that were ignored, unreadable: [name] that is no base64,
 * textOnly: true where there are texts or a photo and nothing that is named as a file of the chip}.
 */
export function filesFromAnswer(answer) {
  const found = [];
  const verdicts = [];
  const unreadable = [];
  let texts = 0;
  let photos = 0;
  let looked = 0;
  const walk = (value, name, depth) => {
    if ((looked += 1) > VALUES_MAX) return;
    const plainName = plain(name);
    if (VERDICT_NAME.test(plainName)) {
      verdicts.push(name);
    } else if (typeof value === "string") {
      if (FILE_NAME.test(plainName)) {
        const bytes = decodeBase64(value);
        if (bytes) found.push({ name, bytes });
        else if (value.trim() !== "") unreadable.push(name);
      } else if (JPEG_OR_JP2.test(value) || value.startsWith("data:image/") || (PHOTO_NAME.test(plainName) && value.length > 1000)) {
        photos += 1;
      } else if (value.trim() !== "") {
        texts += 1;
      }
    } else if (typeof value === "object" && value !== null && depth < DEPTH_MAX) {
      const entry = namedEntry(value);
      if (entry) return walk(entry.contents, entry.name, depth + 1);
      for (const [key, inner] of Object.entries(value)) walk(inner, Array.isArray(value) ? name : key, depth + 1);
    }
  };
  walk(answer, "", 0);
  const picked = pick(found);
  return { ...picked, verdicts, unreadable, textOnly: picked.files.length === 0 && unreadable.length === 0 && texts + photos > 0 };
}

/** A file as an entry of a list: {name: "dg1.bin", data: "..."}; null where it is none. */
function namedEntry(value) {
  const text = (keys) => keys.map((key) => value[key]).find((inner) => typeof inner === "string");
  const name = text(["name", "fileName", "file", "type", "id"])?.replace(/\.(?:bin|dat|der|raw|txt)$/i, "");
  const contents = text(["data", "content", "contents", "value", "base64", "bytes"]);
  return name !== undefined && contents !== undefined && FILE_NAME.test(plain(name)) ? { name, contents } : null;
}

const plain = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** Bytes of standard or URL-safe base64, with padding, line breaks and a data: prefix or without; null where it is none. */
export function decodeBase64(text) {
  if (text.length > BASE64_CHARS_MAX) return null;
  const bare = text.replace(/^data:[^,]*,/, "").replace(/\s+/g, "").replace(/-/g, "+").replace(/_/g, "/").replace(/=+$/, "");
  if (bare === "" || !/^[A-Za-z0-9+/]+$/.test(bare) || bare.length % 4 === 1) return null;
  const binary = atob(bare + "=".repeat((4 - (bare.length % 4)) % 4));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** Whether an agent's address is on this very machine: no other is asked. */
export function isLoopback(address) {
  try {
    const { protocol, hostname, username, password } = new URL(address);
    return /^https?:$/.test(protocol) && !username && !password && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname);
  } catch {
    return false;
  }
}

const POLL_MS = 1_000;
const WAIT_MS_MAX = 120_000;
const ANSWER_MS_MAX = 20_000;

/**
 * Asks the agent once a second until a card lies on the reader. Resolves with {state: "read", answer}, or with a state
 * alone: "unreadable" (the card cannot be read), "unreachable" (no agent, or the browser does not let the page ask it),
 * "refused" (it answers, but not as agreed), "none" (no card within two minutes).
 * `onWaiting()` is called while no card lies there.
 */
export async function readCard(agentUrl, { signal, onWaiting = () => {}, fetcher = fetch, sleep = pause, now = Date.now } = {}) {
  const began = now();
  const address = new URL("card", agentUrl.endsWith("/") ? agentUrl : `${agentUrl}/`);
  while (now() - began < WAIT_MS_MAX) {
    let response;
    try {
      response = await fetcher(address, {
        headers: { "x-chinhchu-agent": "1" },
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: signal ? AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]) : AbortSignal.timeout(ANSWER_MS_MAX),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      return { state: "unreachable" };
    }
    if (response.status === 409) return { state: "unreadable" };
    if (response.status === 200) {
      const answer = await response.json().catch(() => undefined);
      return answer === undefined ? { state: "refused" } : { state: "read", answer };
    }
    if (response.status !== 204) return { state: "refused" };
    onWaiting();
    await sleep(POLL_MS, signal);
  }
  return { state: "none" };
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

/**
 * What the browser says of pages asking this machine (Chrome's Local Network Access): granted, prompt, denied, or
 * unknown where it has no such permission.
 */
export async function loopbackPermission(permissions = navigator.permissions) {
  for (const name of ["loopback-network", "local-network-access"]) {
    try {
      return (await permissions.query({ name })).state;
    } catch {
      // Not known under this name.
    }
  }
  return "unknown";
}
