// What to tell the person before the camera: one instruction at a time, and when a capture is taken by itself.

import { say } from "./text.js";

/** Short instructions, by the code of a flaw or the reason of an error. What is not here is said in the server's words. */
export const INSTRUCTIONS = {
  GOOD: say("Tốt. Xin giữ yên", "Good. Please hold still"),
  NO_FACE: say("Đưa mặt vào khung", "Bring the face into the oval"),
  FACE_CUT: say("Đưa mặt vào giữa khung", "Move the face to the middle"),
  WHOLE_FACE: say("Đưa mặt vào giữa khung", "Move the face to the middle"),
  FACE_TOO_SMALL: say("Lại gần máy ảnh hơn", "Move closer"),
  MOVE_CLOSER: say("Lại gần máy ảnh hơn", "Move closer"),
  MOVE_BACK: say("Lùi ra xa một chút", "Move back a little"),
  FACE_AMBIGUOUS: say("Mỗi lần chỉ một người", "One person at a time"),
  ONE_PERSON: say("Mỗi lần chỉ một người", "One person at a time"),
  IMAGE_TOO_DARK: say("Cần thêm ánh sáng phía trước", "More light in front"),
  TOO_DARK: say("Cần thêm ánh sáng phía trước", "More light in front"),
  IMAGE_TOO_BRIGHT: say("Quá sáng. Tránh đèn chiếu thẳng", "Too bright. Turn from the lamp"),
  TOO_BRIGHT: say("Quá sáng. Tránh đèn chiếu thẳng", "Too bright. Turn from the lamp"),
  EVEN_LIGHT: say("Quay mặt về phía ánh sáng", "Turn towards the light"),
  LOW_CONTRAST: say("Lau ống kính, tránh bị lóa", "Clean the lens, avoid glare"),
  BLURRED: say("Xin giữ yên", "Hold still"),
  COMPRESSED: say("Ảnh chưa rõ. Xin giữ yên", "Not clear yet. Hold still"),
  LOOK_STRAIGHT: say("Nhìn thẳng vào máy ảnh", "Look straight into the camera"),
  LEVEL_HEAD: say("Giữ đầu ngang, nhìn thẳng", "Chin level, look straight"),
  HOLD_UPRIGHT: say("Giữ đầu thẳng", "Hold the head upright"),
  UNCOVER_FACE: say("Bỏ khẩu trang, kính, mũ", "Take off mask, glasses, hat"),
  AVOID_GLARE: say("Hơi cúi đầu để kính hết lóa", "Lower the chin: glare on the glasses"),
  OPEN_EYES: say("Mở mắt", "Open the eyes"),
  CLOSE_MOUTH: say("Khép miệng", "Close the mouth"),
  NOT_LIVE: say("Nhìn thẳng vào máy ảnh, tránh lóa", "Look into the camera, avoid glare"),
  POOR_CAPTURE: say("Lại gần, nhìn thẳng, đủ sáng", "Nearer, straight, in good light"),
  POOR_TEMPLATE: say("Lại gần, nhìn thẳng, đủ sáng", "Nearer, straight, in good light"),
  WAITING: say("Nhìn vào máy ảnh", "Look into the camera"),
  SERVER: say("Chưa nhận được hướng dẫn. Có thể chụp bằng tay", "No advice at present. Take the picture by hand"),
};

/**
 * What one assessment comes to: {code, pair, good}. `answer` is that of Verification/Assess, `error` an ApiError in its place.
 * `tolerate`: codes of flaws that the person cannot help; a picture with no others is good.
 */
export function assess({ answer, error, tolerate = new Set() }) {
  if (error) {
    const code = error.code === "invalid_argument" && error.reason ? error.reason : "SERVER";
    return instruct(code, error.pair);
  }
  const flaws = answer?.face?.flaws ?? [];
  const worst = flaws.find((flaw) => !tolerate.has(flaw.code));
  if (worst) return instruct(worst.code, { vi: worst.messageVi, en: worst.messageEn });
  if (!answer?.accepted && flaws.length === 0) return instruct("POOR_CAPTURE");
  return { code: "GOOD", pair: INSTRUCTIONS.GOOD, good: true };
}

function instruct(code, serverPair) {
  return { code, pair: INSTRUCTIONS[code] ?? (serverPair?.vi ? serverPair : INSTRUCTIONS.POOR_CAPTURE), good: false };
}

const SHOWN_MS_MIN = 1_200;

/** Which instruction stands on the screen: each for long enough to be read and followed. */
export class Adviser {
  #shown = null;
  #since = 0;

  /** Takes what was just found; returns it where the screen is to change, otherwise null. */
  next(found, nowMs) {
    if (this.#shown?.code === found.code) return null;
    if (this.#shown && nowMs - this.#since < SHOWN_MS_MIN) return null;
    this.#shown = found;
    this.#since = nowMs;
    return found;
  }
}

/** How many captures are taken, and how far apart: pictures between which nothing moves count as one. */
export const FRAMES_WANTED = 3;
export const FRAMES_MAX = 5;
const GAP_MS = 900;

/** Decides which good pictures become captures. */
export class Shutter {
  #last = -Infinity;

  /** Whether to keep the picture of the time `nowMs`, where `taken` captures are there already. */
  offer({ good, taken, nowMs }) {
    if (!good || taken >= FRAMES_WANTED || nowMs - this.#last < GAP_MS) return false;
    this.#last = nowMs;
    return true;
  }
}
