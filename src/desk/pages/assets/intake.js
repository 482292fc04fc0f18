// The card's files out of whatever was dropped or chosen: files, folders, ZIP archives, JSON exports of readers' software.

import { filesFromAnswer } from "./agent.js";
import { pick } from "./tags.js";
import { ARCHIVE_BYTES_MAX, isZip, readZip, ZipError } from "./zip.js";

const FILES_MAX = 200;
const FOLDER_DEPTH_MAX = 16;

/**
 * Reads files (File objects, or anything with name, size, arrayBuffer()) and picks the chip's out of them. Returns what
 * `pick` returns, and {verdicts, textOnly, problems: [{name, code}]}; codes are those of ZipError, nested (an
 * archive in an archive) and unreadable.
 */
export async function gather(files) {
  const loose = [];
  const verdicts = [];
  const problems = [];
  const other = [];
  let textOnly = false;
  if (files.length > FILES_MAX) problems.push({ name: "", code: "too_many" });
  for (const file of files.slice(0, FILES_MAX)) {
    if (file.size > ARCHIVE_BYTES_MAX) {
      problems.push({ name: file.name, code: "too_large" });
      continue;
    }
    let bytes;
    try {
      bytes = new Uint8Array(await file.arrayBuffer());
    } catch {
      problems.push({ name: file.name, code: "unreadable" });
      continue;
    }
    if (isZip(bytes)) {
      try {
        const archive = await readZip(bytes);
        for (const name of archive.tooLarge) problems.push({ name, code: "too_large" });
        for (const inner of archive.files) {
          if (isZip(inner.bytes)) problems.push({ name: inner.name, code: "nested" });
          else take(inner);
        }
      } catch (error) {
        if (!(error instanceof ZipError)) throw error;
        problems.push({ name: file.name, code: error.code });
      }
    } else {
      take({ name: file.name, bytes });
    }
  }

  function take({ name, bytes }) {
    const json = parseJson(bytes);
    if (json === undefined) return void loose.push({ name, bytes });
    const inside = filesFromAnswer(json);
    verdicts.push(...inside.verdicts);
    textOnly ||= inside.textOnly;
    for (const found of inside.unreadable) problems.push({ name: `${name}: ${found}`, code: "unreadable" });
    if (inside.files.length === 0) other.push(name);
    for (const found of inside.files) loose.push({ name: `${name}: ${found.name}`, bytes: found.bytes });
  }

  const picked = pick(loose);
  return { ...picked, ignored: [...picked.ignored, ...other], verdicts, textOnly: textOnly && picked.files.length === 0, problems };
}

/** The JSON in a file; undefined where it is none. */
function parseJson(bytes) {
  const begin = bytes.findIndex((byte) => byte > 0x20 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf);
  if (begin < 0 || (bytes[begin] !== 0x7b && bytes[begin] !== 0x5b)) return undefined;
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** All files in what was dropped, folders opened. The entries must be taken at once: they are gone after the event. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return [...transfer.files];
  const files = [];
  for (const entry of entries) await open(entry, files, 0);
  return files;
}

async function open(entry, files, depth) {
  if (files.length > FILES_MAX) return;
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } else if (entry.isDirectory && depth < FOLDER_DEPTH_MAX) {
    const reader = entry.createReader();
    for (;;) {
      const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (batch.length === 0) break;
      for (const inner of batch) await open(inner, files, depth + 1);
    }
  }
}
