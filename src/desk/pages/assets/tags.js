// Which files of a chip these are: by their first tag, whatever their names. No verdict: the server gives that.

/** First tag of each file that is sent. */
export const KINDS = new Map([
  [0x60, "COM"],
  [0x77, "SOD"],
  [0x61, "DG1"],
  [0x75, "DG2"],
  [0x6d, "DG13"],
  [0x6e, "DG14"],
  [0x6f, "DG15"],
]);

/** In which order files are shown and sent. */
export const ORDER = ["SOD", "DG1", "DG2", "DG13", "DG14", "DG15", "COM"];

/** As the server bounds them. */
export const FILE_BYTES_MAX = 2 * 1024 * 1024;
export const FILES_BYTES_MAX = 8 * 1024 * 1024;

const TEXT_LOOKED_AT = 4096;

/**
 * What a file is: {kind, complete}, or null where it is none of those. `complete` is false where its length says that more
 * should follow. The letters a to w are first tags too, so a text is told apart by its characters.
 */
export function recognise(bytes) {
  const kind = KINDS.get(bytes[0]);
  if (!kind || bytes.length < 2) return null;
  if (isText(bytes)) return null;
  const end = contentEnd(bytes);
  if (end === null) return kind === "SOD" && bytes[1] === 0x80 ? { kind, complete: true } : null;
  return { kind, complete: end <= bytes.length };
}

/** Where the outermost value ends, from the file's beginning; null where the length cannot be read. */
function contentEnd(bytes) {
  const first = bytes[1];
  if (first < 0x80) return 2 + first;
  const count = first & 0x7f;
  if (count < 1 || count > 4 || bytes.length < 2 + count) return null;
  let length = 0;
  for (let i = 0; i < count; i += 1) length = length * 256 + bytes[2 + i];
  return 2 + count + length;
}

function isText(bytes) {
  const head = bytes.subarray(0, TEXT_LOOKED_AT);
  for (const byte of head) if (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13) return false;
  try {
    // A character may be cut at the end of what is looked at.
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: head.length < bytes.length });
    return true;
  } catch {
    return false;
  }
}

/**
 * Picks the chip's files of one card out of what was read: `files` is [{name, bytes}].
 * Returns {files: [{kind, name, bytes, complete}], ignored: [name], tooLarge: [name], differing: [kind], bytes,
 * has: {sod, dg1, dg2}}. `differing` are files that came twice with other content: those of two cards.
 */
export function pick(files) {
  const found = new Map();
  const ignored = [];
  const tooLarge = [];
  const differing = new Set();
  let total = 0;
  for (const { name, bytes } of files) {
    const seen = recognise(bytes);
    if (!seen) {
      ignored.push(name);
      continue;
    }
    const before = found.get(seen.kind);
    if (before) {
      if (!same(before.bytes, bytes)) differing.add(seen.kind);
      continue;
    }
    if (bytes.length > FILE_BYTES_MAX || total + bytes.length > FILES_BYTES_MAX) {
      tooLarge.push(name);
      continue;
    }
    total += bytes.length;
    found.set(seen.kind, { kind: seen.kind, name, bytes, complete: seen.complete });
  }
  return {
    files: ORDER.filter((kind) => found.has(kind)).map((kind) => found.get(kind)),
    ignored,
    tooLarge,
    differing: [...differing],
    bytes: total,
    has: { sod: found.has("SOD"), dg1: found.has("DG1"), dg2: found.has("DG2") },
  };
}

function same(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
