// The evidence of a case in words, and its measurements as figures. Takes messages as the JSON API writes
// them (docs/json.md: defaults are left out) and gives texts; nothing here touches the page.

import { CAPTURES, CHIP_VERDICTS, EVIDENCE, FIELDS, FIELD_STATES, ORIGINAL_CHIP, SCHEME_STATES } from "./officer-words.js";
import { say } from "./text.js";

/** Sections of the evidence: [{title, items: [{state, text, label?, notes?}]}]. State: agrees, differs, unsure, absent. */
export function sections(decision) {
  const evidence = decision.evidence ?? {};
  return [
    { title: say("Thẻ và chip", "Card and chip"), items: chipItems(evidence) },
    { title: say("Thẻ so với hồ sơ", "Card against the record"), items: recordItems(evidence) },
    { title: say("Khuôn mặt", "Face"), items: faceItems(evidence, decision) },
    { title: say("Ảnh chụp", "Captures"), items: captureItems(evidence, decision) },
  ].filter(({ items }) => items.length > 0);
}

const item = (state, vi, en, more = {}) => ({ state, text: say(vi, en), ...more });

function chipItems(evidence) {
  const chip = evidence.chip;
  if (!chip) return [item("absent", "Không có dữ liệu chip", "The chip was not read")];
  // Servers of earlier versions say it in a word alone.
  const verdict = CHIP_VERDICTS[chip.chipVerdict] ?? CHIP_VERDICTS[`CHIP_VERDICT_${chip.verdict}`] ?? CHIP_VERDICTS.CHIP_VERDICT_UNREADABLE;
  const items = [{ ...verdict, notes: (chip.reasons ?? []).map(({ messageVi, messageEn }) => say(messageVi ?? "", messageEn ?? "")) }];
  const original = chip.activeAuthenticationResult ?? `ACTIVE_AUTHENTICATION_RESULT_${(chip.activeAuthentication ?? "").toUpperCase()}`;
  if (ORIGINAL_CHIP[original]) items.push(ORIGINAL_CHIP[original]);
  const unread = chip.groupsUnread ?? [];
  if (unread.length > 0) {
    const names = unread.map((number) => `DG${number}`).join(", ");
    items.push(item("absent", `Có ký nhưng chưa đọc: ${names}`, `Signed, but not read: ${names}`));
  }
  if (chip.photoYears !== undefined) {
    items.push(item("note", `Thẻ cấp cách đây ${chip.photoYears} năm`, `The card was issued ${years(chip.photoYears)} ago`));
  }
  return items;
}

const years = (count) => (count === 1 ? "1 year" : `${count} years`);

function recordItems(evidence) {
  const items = [];
  for (const [name, label] of Object.entries(FIELDS)) {
    const found = FIELD_STATES[evidence.record?.[name]];
    if (found) items.push({ ...found, label });
  }
  if (SCHEME_STATES[evidence.scheme]) items.push(SCHEME_STATES[evidence.scheme]);
  if (evidence.recordRestricted) {
    items.push(item("unsure", "Hồ sơ đang bị hạn chế xử lý", "The record is restricted"));
  }
  return items;
}

/** Whether a comparison shows the same person, another, or lies between. Null where scores were not told. */
export function compared(comparison) {
  if (!comparison?.threshold) return null;
  // 0 is left out by JSON.
  const score = comparison.score ?? 0;
  if (score >= (comparison.threshold.score ?? 0)) return "agrees";
  const refer = comparison.referThreshold?.score ?? comparison.threshold.score ?? 0;
  return score < refer ? "differs" : "unsure";
}

const FACE_WORDS = {
  agrees: ["khớp", "matches"],
  differs: ["là của người khác", "is another person's"],
  unsure: ["chưa đủ rõ để kết luận", "is too uncertain to tell"],
};

function faceItem(comparison, name, others, decision) {
  const state = compared(comparison) ?? toldByReasons(others, decision);
  const [vi, en] = FACE_WORDS[state];
  const notes = comparison.widened
    ? [say("Ảnh đã cũ, nên vùng cần người xem rộng hơn.", "The photo is old, so more is left for a person to judge.")]
    : [];
  return item(state, `Khuôn mặt so với ${name[0]}: ${vi}`, `Face against ${name[1]}: ${en}`, { notes });
}

// Without scores, what the reasons say.
function toldByReasons([differs, unsure], decision) {
  const codes = (decision.reasons ?? []).map(({ code }) => code);
  if (codes.includes(differs)) return "differs";
  return codes.includes(unsure) ? "unsure" : "agrees";
}

function faceItems(evidence, decision) {
  const items = [];
  if (evidence.chipFace) {
    const reasons = ["CHIP_FACE_DIFFERS", "CHIP_FACE_UNSURE"];
    items.push(faceItem(evidence.chipFace, ["ảnh trong chip", "the chip photo"], reasons, decision));
  } else if (evidence.chipPhotoUnusable) {
    items.push(item("absent", "Ảnh trong chip không dùng để đối chiếu được", "The photo in the chip cannot be compared with"));
  } else {
    items.push(item("absent", "Chưa đối chiếu với ảnh trong chip", "Not compared with a chip photo"));
  }
  if (evidence.referenceFace) {
    const reasons = ["REFERENCE_FACE_DIFFERS", "REFERENCE_FACE_UNSURE"];
    items.push(faceItem(evidence.referenceFace, ["ảnh đã đăng ký", "the enrolled photo"], reasons, decision));
  } else {
    items.push(item("absent", "Hồ sơ chưa có ảnh đăng ký để đối chiếu", "No enrolled photo to compare with"));
  }
  const templates = evidence.recordTemplates;
  if ((templates?.groups ?? 0) > 1) {
    const { groups } = templates;
    items.push(
      item("differs", `Các ảnh đã đăng ký trông như của ${groups} người`, `The enrolled photos look like ${groups} different people`),
    );
  }
  const duplicates = evidence.duplicates;
  if (!duplicates) {
    items.push(item("absent", "Chưa tìm khuôn mặt này ở hồ sơ khác", "The same face was not searched for on other records"));
  } else if ((duplicates.candidates ?? []).length === 0 && !has(decision, "DUPLICATE_FACE")) {
    items.push(item("agrees", "Không thấy khuôn mặt này ở hồ sơ khác", "The same face is on no other record"));
  } else {
    items.push(item("differs", "Khuôn mặt này có ở hồ sơ khác", "The same face is on another record"));
  }
  if ((duplicates?.cleared ?? 0) > 0) {
    const { cleared } = duplicates;
    items.push(
      item("note", `${cleared} hồ sơ cùng khuôn mặt đã được cán bộ xác nhận là có lý do`, `Records that share the face for a known reason: ${cleared}`),
    );
  }
  return items;
}

const has = (decision, code) => (decision.reasons ?? []).some((reason) => reason.code === code);

function captureItems(evidence, decision) {
  const frames = evidence.frames ?? [];
  const items = [];
  if (CAPTURES[evidence.captures]) items.push(CAPTURES[evidence.captures]);
  if (has(decision, "LIVENESS_LOW")) {
    items.push(item("unsure", "Chưa xác nhận được người thật trước máy ảnh", "It was not shown that a living person stood there"));
  } else if (evidence.liveness !== undefined) {
    items.push(item("agrees", "Người thật trước máy ảnh", "A living person stood before the camera"));
  } else {
    items.push(item("absent", "Chưa kiểm tra người thật", "Liveness was not checked"));
  }
  frames.forEach((frame, number) => {
    const name = [`Ảnh chụp ${number + 1}`, `Capture ${number + 1}`];
    const notes = (frame.flaws ?? []).map(({ messageVi, messageEn, code }) => say(messageVi ?? code, messageEn ?? code));
    if (frame.secondFace) notes.push(say("Có thêm một khuôn mặt trong ảnh.", "Another face is in the picture."));
    if (frame.copyOf === "COPY_OF_CHIP_PHOTO") notes.push(say("Chính là ảnh trong chip.", "It is the photo in the chip."));
    if (frame.copyOf === "COPY_OF_ENROLLED_PHOTO") notes.push(say("Chính là ảnh đã đăng ký.", "It is a photo enrolled in the record."));
    if (notes.length > 0) items.push(item("unsure", `${name[0]}: có vấn đề`, `${name[1]}: something is wrong with it`, { notes }));
    else if (frame.quality === undefined) items.push(item("absent", `${name[0]}: không đo chất lượng`, `${name[1]}: quality was not measured`));
    else items.push(item("agrees", `${name[0]}: không có lỗi`, `${name[1]}: nothing wrong with it`));
  });
  return items;
}

/** Evidence that the policy does without, in words; null where it asks for all. */
export function without(decision) {
  const names = (decision.without ?? []).map((name) => EVIDENCE[name] ?? say(name, name));
  if (names.length === 0) return null;
  const list = (side) => names.map((name) => name[side] || name.vi).join(", ");
  return say(`Chính sách không yêu cầu: ${list("vi")}`, `The policy does without: ${list("en")}`);
}

/** Other records with this face, best first: their ids. */
export function sameFace(decision) {
  const duplicates = decision.evidence?.duplicates;
  return {
    others: (duplicates?.candidates ?? []).map(({ subjectId }) => subjectId ?? "").filter((id) => id !== ""),
    more: duplicates?.truncated === true,
  };
}

/** Captures that took part in other transactions: [{capture, transactionId, attempt, subjectId, unit, at, same}]. */
export function seenBefore(decision) {
  return (decision.evidence?.history?.captures ?? []).map((seen) => ({
    capture: (seen.frame ?? 0) + 1,
    transactionId: seen.transactionId ?? "",
    attempt: seen.attempt ?? 1,
    subjectId: seen.subjectId ?? "",
    unit: seen.unit ?? "",
    at: seen.at,
    // The very file; otherwise another picture of the same picture.
    same: seen.distance === undefined,
  }));
}

/** Earlier attempts: of this transaction, and in short those about the record in others. */
export function earlier(decision) {
  const history = decision.evidence?.history;
  if (!history) return null;
  const attempts = history.attempts ?? 0;
  const days = history.days ?? 0;
  const [denied, referred] = [history.denied ?? 0, history.referred ?? 0];
  return {
    attempts: (history.transaction ?? []).map(({ attempt, outcome, reasons }) => ({ attempt: attempt ?? 1, outcome, reasons: reasons ?? [] })),
    elsewhere:
      attempts === 0
        ? say(`Không có lần thử nào khác về hồ sơ này trong ${days} ngày qua.`, `No other attempts about this record in the last ${days} days.`)
        : say(
            `${attempts} lần thử khác về hồ sơ này trong ${days} ngày qua: ${denied} từ chối, ${referred} chuyển cán bộ.`,
            `Other attempts about this record in the last ${days} days: ${attempts}, of them ${denied} denied and ${referred} referred.`,
          ),
    reasons: (history.reasons ?? []).map(({ code, count }) => ({ code, count: count ?? 0 })),
    lastDay: history.lastDay ?? 0,
  };
}

/** Figures behind the words, for those whose role sees them: [{label, value}]. Never what anything is decided by here. */
export function measurements(decision) {
  const evidence = decision.evidence ?? {};
  const rows = [];
  const add = (vi, en, value) => rows.push({ label: say(vi, en), value });
  for (const [comparison, vi, en] of [
    [evidence.chipFace, "So với ảnh trong chip", "Against the chip photo"],
    [evidence.referenceFace, "So với ảnh đã đăng ký", "Against the enrolled photo"],
  ]) {
    if (!comparison?.threshold) continue;
    add(`${vi}: điểm`, `${en}: score`, figure(comparison.score ?? 0, 3));
    add(`${vi}: cùng người từ`, `${en}: the same person from`, figure(comparison.threshold.score ?? 0, 3));
    if (comparison.referThreshold) add(`${vi}: người khác dưới`, `${en}: another person below`, figure(comparison.referThreshold.score ?? 0, 3));
    if (comparison.fmr) add(`${vi}: tỷ lệ nhận nhầm`, `${en}: false match rate`, rate(comparison.fmr));
  }
  if (evidence.quality !== undefined) add("Chất lượng tốt nhất (0–100)", "Best quality (0–100)", figure(evidence.quality, 0));
  if (evidence.liveness !== undefined) add("Người thật (0–1)", "Liveness (0–1)", figure(evidence.liveness, 2));
  (evidence.frames ?? []).forEach((frame, number) => {
    const parts = [];
    if (frame.quality !== undefined) parts.push(figure(frame.quality, 0));
    if (frame.liveness !== undefined) parts.push(figure(frame.liveness, 2));
    if (parts.length > 0) add(`Ảnh chụp ${number + 1}: chất lượng, người thật`, `Capture ${number + 1}: quality, liveness`, parts.join("; "));
  });
  const duplicates = evidence.duplicates;
  for (const candidate of duplicates?.candidates ?? []) {
    if (!candidate.fmr && candidate.score === undefined) continue;
    const value = figure(candidate.score ?? 0, 3) + (candidate.fmr ? `; ${rate(candidate.fmr)}` : "");
    add(`Hồ sơ ${candidate.subjectId}: điểm, tỷ lệ nhận nhầm`, `Record ${candidate.subjectId}: score, false match rate`, value);
  }
  if (duplicates?.templatesSearched !== undefined) add("Số mẫu đã tìm", "Templates searched", String(duplicates.templatesSearched));
  if (duplicates?.expectedChanceHits !== undefined) {
    add("Số kết quả do ngẫu nhiên", "Hits expected by chance", rate({ rate: duplicates.expectedChanceHits, extrapolated: duplicates.expectedExtrapolated }));
  }
  for (const seen of evidence.history?.captures ?? []) {
    if (seen.distance === undefined) continue;
    add(`Ảnh chụp ${(seen.frame ?? 0) + 1}: số bit khác (trong 1024)`, `Capture ${(seen.frame ?? 0) + 1}: bits that differ (of 1024)`, String(seen.distance));
  }
  return rows;
}

const figure = (value, digits) => Number(value).toFixed(digits);

// Marked with a star where it lies beyond what the calibration's data shows.
function rate({ rate: value, extrapolated }) {
  const text = value === undefined || value === 0 ? "0" : Number(value).toExponential(1);
  return extrapolated ? `${text} *` : text;
}
