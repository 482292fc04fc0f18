// Special cases: who is there, which policy decides, which faults of a picture cannot be helped, and what the clerk is told.

import { say } from "./text.js";

/** Faults of a picture that somebody cannot help who cannot look into a camera. */
const GAZE = ["LOOK_STRAIGHT", "LEVEL_HEAD", "HOLD_UPRIGHT", "OPEN_EYES", "CLOSE_MOUTH", "AVOID_GLARE"];

/**
 * Who is there. `policy`: key in /desk/me's policies. `tolerate`: codes of flaws that do not hold a capture back; the server
 * judges them all the same. `cardFree`: no card is expected. The first that applies decides the policy.
 */
export const PERSONS = {
  self: {
    label: say("Chính người hưởng", "The beneficiary"),
    tolerate: [],
  },
  collector: {
    label: say("Người nhận thay (được ủy quyền)", "An authorised collector"),
    policy: "collector",
    tolerate: [],
    tell: say(
      "Giữ hồ sơ của người hưởng ở bước 1. Ở bước 2 và 3 dùng thẻ và khuôn mặt của người nhận thay. Giấy ủy quyền: xem bản gốc, kẹp cùng phiếu in.",
      "Keep the beneficiary's record in step 1. In steps 2 and 3 use the collector's card and face. See the original authorisation and file it with the receipt.",
    ),
  },
  child: {
    label: say("Trẻ em", "A child"),
    policy: "child",
    tolerate: ["LOOK_STRAIGHT", "LEVEL_HEAD", "HOLD_UPRIGHT", "CLOSE_MOUTH"],
    cardFree: true,
    tell: say(
      "Người lớn bế hoặc đứng sau trẻ, nhưng trong khung chỉ có mặt trẻ. Đưa máy ảnh ngang tầm mắt trẻ. Trẻ chưa có thẻ: chọn “Không có thẻ”.",
      "An adult may hold the child, with only the child's face in the oval. Bring the camera to the child's eye level. No card yet: choose “No card”.",
    ),
  },
  cannotLook: {
    label: say("Không nhìn được vào máy ảnh", "Cannot look into a camera"),
    policy: "cannotLook",
    tolerate: GAZE,
    tell: say(
      "Người mù, nằm liệt, run: đưa máy ảnh tới trước mặt người đó, không bắt người đó xoay. Có thể chụp bằng tay. Mắt nhắm cũng được.",
      "Blind, bedridden, trembling: bring the camera to the face, do not turn the person. Take the pictures by hand. Closed eyes will do.",
    ),
  },
  covered: {
    label: say("Có khăn che hoặc băng trên mặt", "A veil or a bandage"),
    policy: "covered",
    tolerate: ["UNCOVER_FACE", "AVOID_GLARE"],
    tell: say(
      "Khăn: mời vào chỗ kín đáo, cán bộ cùng giới chụp, để hở từ trán tới cằm. Băng: không tháo. Chụp như hiện có; người có thẩm quyền sẽ xem.",
      "Veil: offer a private place and a clerk of the same sex; forehead to chin should be seen. Bandage: do not remove it. Take the picture as it is; an officer will look.",
    ),
  },
};

/** How the card stands. */
export const CARDS = {
  read: { label: say("Đọc được chip", "The chip is read") },
  noCard: {
    label: say("Không có thẻ", "No card"),
    policy: "noCard",
    tell: say(
      "Tiếp tục với hồ sơ và khuôn mặt. Hỏi lý do không có thẻ và xem giấy tờ khác có ảnh.",
      "Go on with the record and the face. Ask why there is no card, and look at another paper with a photo.",
    ),
  },
  unreadable: {
    label: say("Không đọc được chip", "The chip cannot be read"),
    policy: "noCard",
    tell: say(
      "Lau thẻ, đặt lại, thử đầu đọc khác. Vẫn không được: tiếp tục, giữ thẻ lại để người có thẩm quyền xem.",
      "Wipe the card, place it again, try another reader. If it still fails, go on, and have the card at hand for an officer.",
    ),
  },
};

export const HOME_VISIT = {
  label: say("Đang ở nhà người hưởng", "A visit at the person's home"),
  policy: "homeVisit",
  tell: say(
    "Chụp gần cửa sổ, không ngược sáng. Mất mạng: trang giữ ảnh và tự gửi lại khi có mạng; không đóng trang.",
    "Take the pictures near a window, not against the light. Without a network the page keeps the pictures and sends them once it is back; do not close it.",
  ),
};

/** Which special case it is, as far as that was kept and is known: {person, cardWay, homeVisit}. */
export function specialOf({ person, cardWay, homeVisit } = {}) {
  return {
    person: Object.hasOwn(PERSONS, person ?? "") ? person : "self",
    cardWay: Object.hasOwn(CARDS, cardWay ?? "") ? cardWay : "read",
    homeVisit: homeVisit === true,
  };
}

/** Flaws that do not hold back a capture of this person. */
export const tolerated = (person) => new Set(PERSONS[person]?.tolerate ?? []);

/**
 * Which policy decides: {policy, special, covered, byHand}. `special`: the case is special; `covered`: the operator has named
 * a policy for it. Where none is named the ordinary policy decides; but not about a collector, whose card and face it would
 * take for the beneficiary's: that case is `byHand`, and nothing is sent.
 */
export function choosePolicy({ person, card, homeVisit }, policies = {}, handedOver = "") {
  const keys = [PERSONS[person]?.policy, CARDS[card]?.policy, homeVisit && HOME_VISIT.policy].filter(Boolean);
  const ordinary = handedOver || policies[""] || "";
  if (keys.length === 0) return { policy: ordinary, special: false, covered: true, byHand: false };
  const named = policies[keys[0]];
  return { policy: named || ordinary, special: true, covered: Boolean(named), byHand: !named && keys[0] === PERSONS.collector.policy };
}

/** The special cases that the operator has this policy for, in words: what an officer can know of who was there. */
export function casesOf(policy, policies = {}) {
  const labels = [...Object.values(PERSONS), CARDS.noCard, HOME_VISIT].filter((one) => one.policy && policy && policies[one.policy] === policy);
  return labels.map(({ label }) => label);
}

/** Whether a decision is about a collector: its policy is for them alone, or the clerk at hand has chosen so. */
export function isCollectors(decision, policies = {}, person = "self") {
  const { collector } = policies;
  if (!collector || decision?.policy !== collector) return false;
  return person === "collector" || casesOf(collector, policies).length === 1;
}

// What cannot but differ where somebody collects for another, in the words that fit; so that nobody is sent to look for a
// wrong record.
const COLLECTORS_CARD = say(
  "Thẻ là của người nhận thay, nên không trùng với hồ sơ của người hưởng. Hãy xem giấy ủy quyền.",
  "The card is the collector's, so it differs from the beneficiary's record. See the authorisation.",
);
const COLLECTORS_FACE = say(
  "Khuôn mặt là của người nhận thay, nên không giống ảnh trong hồ sơ của người hưởng. Hãy xem giấy ủy quyền.",
  "The face is the collector's, so it differs from the photos of the beneficiary's record. See the authorisation.",
);
export const COLLECTORS_REASONS = {
  NUMBER_DIFFERS: COLLECTORS_CARD,
  NAME_DIFFERS: COLLECTORS_CARD,
  BIRTH_DATE_DIFFERS: COLLECTORS_CARD,
  SEX_DIFFERS: COLLECTORS_CARD,
  REFERENCE_FACE_DIFFERS: COLLECTORS_FACE,
};

/**
 * What is said of a decision on a collector: {clerk, citizen}, or null where the gravest reason is another than that the
 * collector is not the beneficiary, and the server's sentences fit.
 */
export function collectorsWords(decision, outcome) {
  const standing = (decision.reasons ?? []).filter(({ consequence }) => consequence !== "CONSEQUENCE_ACCEPT");
  if (decision.resolved || !(standing[0]?.code in COLLECTORS_REASONS)) return null;
  return COLLECTORS_ANSWERS[outcome] ?? null;
}

const COLLECTORS_ANSWERS = {
  OUTCOME_REFER: {
    clerk: say("Người nhận thay: người có thẩm quyền xem giấy ủy quyền rồi quyết định.", "An authorised collector: an officer sees the authorisation and decides."),
    citizen: say(
      "Ông/bà đến nhận thay. Cán bộ sẽ xem giấy ủy quyền rồi trả lời. Xin giữ phiếu này và giấy ủy quyền.",
      "You have come to collect for somebody else. An officer will look at the authorisation and answer. Keep this receipt and the authorisation.",
    ),
  },
  OUTCOME_DENY: {
    clerk: say(
      "Người nhận thay: không chi trả theo yêu cầu này bằng máy. Người có thẩm quyền xem giấy ủy quyền nếu người dân đề nghị.",
      "An authorised collector: not paid by machine on this request. An officer sees the authorisation if the citizen asks.",
    ),
    citizen: say(
      "Hôm nay chưa chi trả cho người nhận thay được. Ông/bà có thể đề nghị cán bộ xem giấy ủy quyền.",
      "A collector could not be paid today. You may ask for an officer to look at the authorisation.",
    ),
  },
};
