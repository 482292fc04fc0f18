// Words for the codes and values of cases, each in both languages. Nothing here touches the page.

import { SCHEMES, say } from "./text.js";

// What is found of a piece of evidence. State: agrees, differs, unsure (a person must look), absent (not to be had).
const finding = (state, vi, en) => ({ state, text: say(vi, en) });

/** Reasons of a decision in a few words, as lists show them. The sentences of a case come from the server. */
export const REASONS = {
  CHIP_ALTERED: say("Dữ liệu chip đã bị sửa", "Chip data altered"),
  CHIP_UNTRUSTED: say("Chứng thư ký chip không đáng tin cậy", "Chip signer not trusted"),
  CHIP_NOT_ORIGINAL: say("Chip không phải bản gốc", "Not the original chip"),
  CHIP_COUNTRY_DIFFERS: say("Thẻ và chữ ký của hai nước khác nhau", "Card and signature of two countries"),
  CHIP_FACE_DIFFERS: say("Khuôn mặt không khớp ảnh trong chip", "Face differs from the chip photo"),
  NUMBER_DIFFERS: say("Số định danh không khớp", "Number differs"),
  REFERENCE_FACE_DIFFERS: say("Khuôn mặt không khớp ảnh đã đăng ký", "Face differs from the enrolled photo"),
  RECORD_DISAGREES: say("Các ảnh trong hồ sơ không cùng một người", "Photos in the record disagree"),
  DUPLICATE_FACE: say("Khuôn mặt có ở hồ sơ khác", "Same face on another record"),
  ATTEMPTS_MANY: say("Thử quá nhiều lần trong một ngày", "Too many attempts in one day"),
  CAPTURE_IS_CHIP_PHOTO: say("Ảnh chụp chính là ảnh trong chip", "Capture is the chip photo"),
  CAPTURE_IS_ENROLLED_PHOTO: say("Ảnh chụp chính là ảnh đã đăng ký", "Capture is an enrolled photo"),
  CAPTURE_SEEN_BEFORE: say("Ảnh chụp đã dùng ở giao dịch khác", "Capture used in another transaction"),
  FRAMES_REPEATED: say("Các ảnh chụp là cùng một ảnh", "Captures are the same picture"),
  FRAMES_STILL: say("Các ảnh chụp không có chuyển động", "Nothing moves between captures"),
  LIVENESS_LOW: say("Chưa xác nhận được người thật", "Living person not shown"),
  CHIP_NUMBERS_DISAGREE: say("Hai số trên chip khác nhau", "Two numbers on the chip differ"),
  NAME_DIFFERS: say("Họ tên không khớp", "Name differs"),
  BIRTH_DATE_DIFFERS: say("Ngày sinh không khớp", "Date of birth differs"),
  SEX_DIFFERS: say("Giới tính không khớp", "Sex differs"),
  SCHEME_NOT_IN_RECORD: say("Hồ sơ không có chế độ này", "Record does not have this scheme"),
  RECORD_RESTRICTED: say("Hồ sơ đang bị hạn chế xử lý", "Record is restricted"),
  CHIP_UNREADABLE: say("Không đọc được chip", "Chip unreadable"),
  CHIP_INCOMPLETE: say("Chưa đọc đủ dữ liệu chip", "Chip not read completely"),
  CHIP_MISSING: say("Không có dữ liệu chip", "No chip data"),
  CHIP_LAPSED: say("Thẻ đã hết hạn", "Card expired"),
  CHIP_NOT_YET_VALID: say("Thẻ chưa có hiệu lực", "Card not valid yet"),
  CHIP_SIGNER_NOT_YET_VALID: say("Chứng thư ký thẻ chưa có hiệu lực", "Card signer not valid yet"),
  CHIP_UNANCHORED: say("Chưa có chứng thư gốc để xác nhận thẻ", "No authority certificate for the card"),
  CHIP_WEAK: say("Thẻ dùng mật mã yếu", "Card relies on weak cryptography"),
  CHALLENGE_NOT_ISSUED: say("Chip trả lời câu hỏi không do máy chủ này đưa ra", "Chip answered a challenge not of this server"),
  CHIP_NOT_PROVEN: say("Chưa chứng minh được chip gốc có mặt", "Original chip not proven"),
  NUMBER_UNREADABLE: say("Số trong hồ sơ không đọc được", "Number in the record unreadable"),
  CHIP_NUMBER_UNREADABLE: say("Số trên chip không đọc được", "Number on the chip unreadable"),
  NAME_UNREADABLE: say("Họ tên trong hồ sơ không đọc được", "Name in the record unreadable"),
  CHIP_NAME_UNREADABLE: say("Họ tên trên chip không đọc được", "Name on the chip unreadable"),
  BIRTH_DATE_UNREADABLE: say("Ngày sinh trong hồ sơ không đọc được", "Date of birth in the record unreadable"),
  CHIP_BIRTH_DATE_UNREADABLE: say("Ngày sinh trên chip không đọc được", "Date of birth on the chip unreadable"),
  FACE_TOO_CLOSE: say("Khuôn mặt quá gần máy ảnh", "Face too close to the camera"),
  QUALITY_POOR: say("Ảnh chụp chưa đạt chất lượng", "Captures of poor quality"),
  CHIP_FACE_UNSURE: say("Chưa chắc khuôn mặt khớp ảnh trong chip", "Unsure against the chip photo"),
  REFERENCE_FACE_UNSURE: say("Chưa chắc khuôn mặt khớp ảnh đã đăng ký", "Unsure against the enrolled photo"),
  CHIP_FACE_MISSING: say("Chưa đối chiếu được với ảnh trong chip", "Not compared with a chip photo"),
  REFERENCE_FACE_MISSING: say("Chưa đối chiếu được với ảnh đã đăng ký", "Not compared with an enrolled photo"),
  NUMBER_MISSING: say("Chưa đối chiếu được số định danh", "Number not compared"),
  NAME_MISSING: say("Chưa đối chiếu được họ tên", "Name not compared"),
  BIRTH_DATE_MISSING: say("Chưa đối chiếu được ngày sinh", "Date of birth not compared"),
  SEX_MISSING: say("Chưa đối chiếu được giới tính", "Sex not compared"),
  SCHEME_MISSING: say("Hồ sơ chưa ghi chế độ", "Record names no scheme"),
  LIVENESS_MISSING: say("Chưa kiểm tra người thật", "Liveness not checked"),
  QUALITY_MISSING: say("Chưa đo chất lượng ảnh", "Quality not measured"),
  DUPLICATES_MISSING: say("Chưa tìm khuôn mặt trùng", "No search for the same face"),
  HISTORY_MISSING: say("Chưa xem các lần thử trước", "Earlier attempts not looked at"),
};

/** Words of a reason; those of a later version are shown by their code. */
export function reasonWords(code) {
  return REASONS[code] ?? say(code, "");
}

export const OUTCOMES = {
  OUTCOME_APPROVE: say("Chấp thuận", "Approved"),
  OUTCOME_REFER: say("Chuyển cán bộ", "Referred"),
  OUTCOME_DENY: say("Từ chối", "Denied"),
};

/** Words of an outcome. One that this page does not know must not pass for an approval: it is a referral. */
export function outcomeWords(outcome) {
  return OUTCOMES[outcome] ?? OUTCOMES.OUTCOME_REFER;
}

export function schemeWords(scheme) {
  return SCHEMES[scheme] ?? say("Chưa rõ chế độ", "Scheme not named");
}

export const FIELDS = {
  number: say("Số định danh", "Number"),
  name: say("Họ tên", "Name"),
  birthDate: say("Ngày sinh", "Date of birth"),
  sex: say("Giới tính", "Sex"),
};

export const FIELD_STATES = {
  FIELD_STATE_AGREES: finding("agrees", "khớp với hồ sơ", "agrees with the record"),
  FIELD_STATE_AGREES_WITHOUT_MARKS: finding("agrees", "khớp khi bỏ dấu", "agrees without marks"),
  FIELD_STATE_AGREES_PADDED: finding("agrees", "khớp sau khi thêm số 0 ở đầu", "agrees with zeros put in front"),
  FIELD_STATE_AGREES_FORMER: finding("agrees", "khớp với số chứng minh cũ", "agrees with the number of an earlier card"),
  FIELD_STATE_DIFFERS: finding("differs", "không khớp với hồ sơ", "differs from the record"),
  FIELD_STATE_NOT_ON_CHIP: finding("absent", "không có trên chip", "not on the chip"),
  FIELD_STATE_NOT_IN_RECORD: finding("absent", "không có trong hồ sơ", "not in the record"),
  FIELD_STATE_UNREADABLE: finding("unsure", "trong hồ sơ ghi không đọc được", "unreadable in the record"),
  FIELD_STATE_UNREADABLE_ON_CHIP: finding("unsure", "trên chip ghi không đọc được", "unreadable on the chip"),
};

export const CHIP_VERDICTS = {
  CHIP_VERDICT_AUTHENTIC: finding("agrees", "Chip là thật: mọi chữ ký đều đúng", "The chip is genuine: every signature holds"),
  CHIP_VERDICT_UNANCHORED: finding("unsure", "Dữ liệu chip nhất quán, nhưng chưa có chứng thư gốc để xác nhận nơi cấp", "The chip is consistent, but nothing vouches for its issuer"),
  CHIP_VERDICT_UNTRUSTED: finding("differs", "Chip không đáng tin cậy", "The chip is not to be trusted"),
  CHIP_VERDICT_ALTERED: finding("differs", "Dữ liệu chip đã bị sửa", "The chip data was altered"),
  CHIP_VERDICT_UNREADABLE: finding("absent", "Không đọc được chip", "The chip could not be read"),
};

export const ORIGINAL_CHIP = {
  ACTIVE_AUTHENTICATION_RESULT_ABSENT: finding("absent", "Chưa hỏi chip có phải bản gốc không", "The chip was not asked to prove that it is the original"),
  ACTIVE_AUTHENTICATION_RESULT_UNPROVEN: finding("unsure", "Chip đã trả lời nhưng chưa chứng minh được là bản gốc", "The chip answered, which did not prove it the original"),
  ACTIVE_AUTHENTICATION_RESULT_PROVEN: finding("agrees", "Chip đã chứng minh là bản gốc", "The chip proved to be the original"),
  ACTIVE_AUTHENTICATION_RESULT_FAILED: finding("differs", "Chip không phải bản gốc", "The chip is not the original"),
};

export const SCHEME_STATES = {
  SCHEME_STATE_IN_RECORD: finding("agrees", "Hồ sơ có chế độ này", "The record has this scheme"),
  SCHEME_STATE_NOT_IN_RECORD: finding("differs", "Hồ sơ chỉ có chế độ khác", "The record has other schemes only"),
  SCHEME_STATE_NONE_NAMED: finding("unsure", "Hồ sơ chưa ghi chế độ nào", "The record names no scheme"),
};

export const CAPTURES = {
  FRAMES_SINGLE: finding("absent", "Chỉ có một ảnh chụp", "One capture only"),
  FRAMES_NATURAL: finding("agrees", "Các ảnh chụp khác nhau, có chuyển động tự nhiên", "Different captures of a person who moved"),
  FRAMES_REPEATED: finding("unsure", "Có ảnh chụp là cùng một ảnh", "Some captures are the same picture"),
  FRAMES_STILL: finding("unsure", "Khuôn mặt không chuyển động giữa các ảnh chụp", "The face does not move between captures"),
};

/** What the evidence is about, by the name that `without` and reasons use. */
export const EVIDENCE = {
  chip: say("chip", "chip"),
  number: say("số định danh", "number"),
  name: say("họ tên", "name"),
  birth_date: say("ngày sinh", "date of birth"),
  sex: say("giới tính", "sex"),
  scheme: say("chế độ", "scheme"),
  quality: say("chất lượng ảnh", "quality"),
  liveness: say("kiểm tra người thật", "liveness"),
  chip_face: say("ảnh trong chip", "chip photo"),
  reference_face: say("ảnh đã đăng ký", "enrolled photo"),
  duplicates: say("tìm khuôn mặt trùng", "search for the same face"),
  history: say("các lần thử trước", "earlier attempts"),
};

export const CONSEQUENCES = {
  CONSEQUENCE_ACCEPT: say("chấp nhận", "accepted"),
  CONSEQUENCE_REFER: say("cần xem xét", "refers"),
  CONSEQUENCE_DENY: say("từ chối", "denies"),
};
