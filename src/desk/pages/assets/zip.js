// Reads a small ZIP archive: stored and deflated entries, within bounds on their number and size. Names are only ever shown.

export const ENTRIES_MAX = 64;
export const ENTRY_BYTES_MAX = 2 * 1024 * 1024;
export const TOTAL_BYTES_MAX = 8 * 1024 * 1024;
export const ARCHIVE_BYTES_MAX = 16 * 1024 * 1024;

/** Why an archive is not read: not_zip, damaged, encrypted, unsupported, too_many, too_large. */
export class ZipError extends Error {
  constructor(code) {
    super(code);
    this.name = "ZipError";
    this.code = code;
  }
}

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const COMMENT_MAX = 0xffff;
const STORED = 0;
const DEFLATED = 8;
const NAME_SHOWN_MAX = 80;

export const isZip = (bytes) => bytes.length > 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);

/**
 * The files in an archive: [{name, bytes}], in the archive's order, folders left out. An entry that alone is too large is
 * left out and named in `tooLarge`. What the directory says of sizes is not believed: unpacking stops at the bounds.
 */
export async function readZip(bytes) {
  if (bytes.length > ARCHIVE_BYTES_MAX) throw new ZipError("too_large");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = directory(bytes, view);
  const files = [];
  const tooLarge = [];
  let total = 0;
  for (const entry of entries) {
    if (entry.folder) continue;
    if (entry.flags & 1) throw new ZipError("encrypted");
    if (entry.method !== STORED && entry.method !== DEFLATED) throw new ZipError("unsupported");
    if (entry.size > ENTRY_BYTES_MAX) {
      tooLarge.push(entry.name);
      continue;
    }
    const packed = contents(bytes, view, entry);
    const unpacked = entry.method === STORED ? packed.slice() : await inflate(packed, Math.min(ENTRY_BYTES_MAX, TOTAL_BYTES_MAX - total));
    total += unpacked.length;
    if (total > TOTAL_BYTES_MAX) throw new ZipError("too_large");
    if (unpacked.length !== entry.size || crc32(unpacked) !== entry.crc) throw new ZipError("damaged");
    files.push({ name: entry.name, bytes: unpacked });
  }
  return { files, tooLarge };
}

function directory(bytes, view) {
  const end = findEnd(view);
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (count === 0xffff || at === 0xffffffff) throw new ZipError("unsupported");
  if (count > ENTRIES_MAX) throw new ZipError("too_many");
  const entries = [];
  for (let i = 0; i < count; i += 1) {
    if (at + CENTRAL_BYTES > end || view.getUint32(at, true) !== CENTRAL) throw new ZipError("damaged");
    const nameLength = view.getUint16(at + 28, true);
    const next = at + CENTRAL_BYTES + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > end) throw new ZipError("damaged");
    const raw = bytes.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameLength);
    entries.push({
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      local: view.getUint32(at + 42, true),
      folder: raw.length === 0 || raw.at(-1) === 0x2f,
      name: shownName(raw),
    });
    at = next;
  }
  return entries;
}

function findEnd(view) {
  const lowest = Math.max(0, view.byteLength - END_BYTES - COMMENT_MAX);
  for (let at = view.byteLength - END_BYTES; at >= lowest; at -= 1) {
    if (view.getUint32(at, true) === END && at + END_BYTES + view.getUint16(at + 20, true) <= view.byteLength) return at;
  }
  throw new ZipError("not_zip");
}

function contents(bytes, view, entry) {
  const at = entry.local;
  if (at + LOCAL_BYTES > bytes.length || view.getUint32(at, true) !== LOCAL) throw new ZipError("damaged");
  const begin = at + LOCAL_BYTES + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
  if (begin + entry.packed > bytes.length) throw new ZipError("damaged");
  return bytes.subarray(begin, begin + entry.packed);
}

/** Unpacks at most `most` bytes; more is too_large, and whatever follows is never unpacked. */
async function inflate(packed, most) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const chunks = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > most) {
        await reader.cancel().catch(() => {});
        throw new ZipError("too_large");
      }
      chunks.push(value);
    }
  } catch (error) {
    throw error instanceof ZipError ? error : new ZipError("damaged");
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** The last part of a path, without characters that do not print. */
function shownName(raw) {
  const text = new TextDecoder("utf-8").decode(raw);
  const last = text.split(/[\\/]/).filter(Boolean).at(-1) ?? "";
  return last.replace(/\p{C}/gu, "").slice(0, NAME_SHOWN_MAX);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
