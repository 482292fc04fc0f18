// How many bytes one decision may send, and how each capture is made to fit.

/** Bound on what is sent for one decision with the advice before it: a slow line carries it in some ten seconds. */
export const SENT_BYTES_MAX = 1_500_000;
/** What is sent for advice while looking, until the clerk asks for more. */
export const LOOK_BYTES_MAX = 450_000;
/** What is left for the decision. */
export const REQUEST_BYTES_MAX = SENT_BYTES_MAX - LOOK_BYTES_MAX;
/** The form around the parts, and the record's fields. */
const FORM_BYTES = 16_384;
/** More than this per capture shows nothing that the engine uses. */
const FRAME_BYTES_MAX = 420_000;
/** With less than this a face of usual size is compressed too strongly. */
const FRAME_BYTES_MIN = 60_000;
/** Longest side of a capture, in pixels. */
export const FRAME_SIDE_MAX = 1920;
/** Longest side of what is sent for advice. */
export const LOOK_SIDE_MAX = 640;

/** How large each of `frames` captures may be beside `chipBytes` of chip files. */
export function frameBytesMax({ chipBytes, frames }) {
  const share = Math.floor((REQUEST_BYTES_MAX - FORM_BYTES - chipBytes) / Math.max(frames, 1));
  return Math.min(Math.max(share, FRAME_BYTES_MIN), FRAME_BYTES_MAX);
}

/**
 * How long after one look the next one begins, where `looked` bytes were sent for advice, and `found` somebody's face or not:
 * at most twice a second, slower with time, and slower before an empty chair. Infinity: not before the clerk asks.
 */
export function lookEveryMs(looked, found) {
  if (looked >= LOOK_BYTES_MAX) return Infinity;
  const pace = looked < LOOK_BYTES_MAX / 2 ? 500 : looked < (LOOK_BYTES_MAX * 3) / 4 ? 1000 : 2500;
  return found ? pace : Math.max(pace, 1500);
}

/** What will be sent, in bytes. */
export function sentBytes({ chipBytes, frames }) {
  return FORM_BYTES + chipBytes + frames.reduce((sum, bytes) => sum + bytes, 0);
}

/** Size of a picture whose longest side is at most `sideMax`; never enlarged. */
export function fitted(width, height, sideMax) {
  const scale = Math.min(1, sideMax / Math.max(width, height, 1));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Share of the size, and JPEG quality: pixels are given up before quality, which the engine judges. */
const LADDER = [
  [1, 0.92],
  [1, 0.88],
  [0.85, 0.9],
  [0.7, 0.9],
  [0.6, 0.88],
  [0.5, 0.88],
  [0.4, 0.86],
];

/**
 * The first encoding of at most `bytesMax`; the smallest where none is. `encode(scale, quality)` resolves with something
 * that has a size in bytes.
 */
export async function encodeWithin(encode, bytesMax) {
  let smallest = null;
  for (const [scale, quality] of LADDER) {
    const encoded = await encode(scale, quality);
    if (encoded.size <= bytesMax) return encoded;
    if (!smallest || encoded.size < smallest.size) smallest = encoded;
  }
  return smallest;
}
