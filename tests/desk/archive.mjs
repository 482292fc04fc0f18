// Makes ZIP archives for tests, right ones and such as lie about themselves.
import { deflateRawSync } from "node:zlib";

import { crc32 } from "../../src/desk/pages/assets/zip.js";

/** An archive of [{name, bytes, stored, claim: {size, packed, crc, method, flags, local}}]. */
export function archive(entries, { comment = "" } = {}) {
  const locals = [];
  const centrals = [];
  let at = 0;
  for (const { name, bytes, stored = false, claim = {} } of entries) {
    const packed = stored ? Buffer.from(bytes) : deflateRawSync(bytes);
    const method = claim.method ?? (stored ? 0 : 8);
    const raw = Buffer.from(name);
    const fields = (header, offset) => {
      header.writeUInt16LE(claim.flags ?? 0, offset + 2);
      header.writeUInt16LE(method, offset + 4);
      header.writeUInt32LE(claim.crc ?? crc32(bytes), offset + 10);
      header.writeUInt32LE(claim.packed ?? packed.length, offset + 14);
      header.writeUInt32LE(claim.size ?? bytes.length, offset + 18);
      header.writeUInt16LE(raw.length, offset + 22);
    };
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    fields(local, 4);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    fields(central, 6);
    central.writeUInt32LE(claim.local ?? at, 42);
    locals.push(local, raw, packed);
    centrals.push(central, raw);
    at += 30 + raw.length + packed.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(comment.length, 20);
  return new Uint8Array(Buffer.concat([...locals, directory, end, Buffer.from(comment)]));
}
