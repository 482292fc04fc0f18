// The two languages: which is shown, and the texts that all pages share. Vietnamese first, English beside it.

const KEY = "chinhchu.language";
export const LANGUAGES = [
  { code: "both", label: "Tiếng Việt + English" },
  { code: "vi", label: "Tiếng Việt" },
  { code: "en", label: "English" },
];

/** both, vi or en. */
export function language() {
  const chosen = document.documentElement.dataset.language;
  return LANGUAGES.some((known) => known.code === chosen) ? chosen : "both";
}

/** Shows one language or both, now and on the next visit of this browser. */
export function setLanguage(code) {
  document.documentElement.dataset.language = code;
  document.documentElement.lang = code === "en" ? "en" : "vi";
  try {
    localStorage.setItem(KEY, code);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

export function restoreLanguage() {
  let kept = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    // As above.
  }
  setLanguage(LANGUAGES.some((known) => known.code === kept) ? kept : "both");
}

/** Both languages of a text. */
export const say = (vi, en) => ({ vi, en });

/** A text with its {names} filled in; values may be pairs themselves. */
export function fill(pair, values) {
  const put = (text, side) =>
    text.replace(/\{(\w+)\}/g, (whole, name) => {
      const value = values[name];
      return value === undefined ? whole : typeof value === "object" && value !== null ? value[side] : String(value);
    });
  return { vi: put(pair.vi, "vi"), en: put(pair.en, "en") };
}

/** One string of both, for places that take no elements: titles, options, alternative texts. */
export function plain(pair) {
  const shown = typeof document === "undefined" ? "both" : language();
  if (shown === "vi" || !pair.en || pair.en === pair.vi) return pair.vi;
  return shown === "en" ? pair.en : `${pair.vi} · ${pair.en}`;
}

/** An address of the web as the browser writes it; null for any other, such as a script's. */
export function webAddress(address) {
  try {
    const url = new URL(address);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** A time as people at a counter in Vietnam write it; "" for none. */
export function when(rfc3339, { seconds = false } = {}) {
  const date = new Date(rfc3339 ?? Number.NaN);
  if (Number.isNaN(date.getTime())) return "";
  return new Intl.DateTimeFormat("vi-VN", {
    timeZone: "Asia/Ho_Chi_Minh",
    day: "2-digit",
    month: "2-digit",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: seconds ? "2-digit" : undefined,
    hourCycle: "h23",
  }).format(date);
}

export const SCHEMES = {
  SCHEME_SOCIAL: say("Bảo hiểm xã hội", "Social insurance"),
  SCHEME_HEALTH: say("Bảo hiểm y tế", "Health insurance"),
  SCHEME_UNEMPLOYMENT: say("Bảo hiểm thất nghiệp", "Unemployment insurance"),
};

export const SEXES = {
  SEX_UNSPECIFIED: say("Hồ sơ không ghi", "Not in the record"),
  SEX_FEMALE: say("Nữ", "Female"),
  SEX_MALE: say("Nam", "Male"),
};

/** An outcome in words. One that the page does not know, and none, is a referral. */
export function outcomeWords(outcome) {
  return OUTCOMES[outcome] ?? OUTCOMES.OUTCOME_REFER;
}

export const OUTCOMES = {
  OUTCOME_APPROVE: say("Đã xác nhận", "Confirmed"),
  OUTCOME_REFER: say("Cán bộ xem xét", "An officer will look"),
  OUTCOME_DENY: say("Chưa giải quyết", "Not settled"),
};

/** Which colours an outcome has: good, wait or stop. */
export const outcomeTone = (outcome) => ({ OUTCOME_APPROVE: "good", OUTCOME_DENY: "stop" })[outcome] ?? "wait";

/** Texts of the frame around every page. */
export const SHELL = {
  brand: say("Chính chủ", ""),
  skip: say("Tới nội dung chính", "Skip to the content"),
  language: say("Ngôn ngữ", "Language"),
  navigation: say("Các trang", "Pages"),
  signOut: say("Đăng xuất", "Sign out"),
  signingOut: say("Đang đăng xuất…", "Signing out…"),
  notSignedOut: say("Chưa đăng xuất được: phiên vẫn còn mở", "You are not signed out yet: the session is still open"),
  signIn: say("Đăng nhập", "Sign in"),
  signInTitle: say("Hãy đăng nhập", "Please sign in"),
  signInBody: say("Trang này dành cho cán bộ. Hãy đăng nhập bằng tài khoản của bạn.", "This page is for staff. Sign in with your own account."),
  signInNone: say(
    "Máy này chưa được cấp quyền, và máy chủ chưa có cách đăng nhập. Hãy báo người vận hành.",
    "This machine is not registered, and the server has no sign-in. Tell the operator.",
  ),
  signedOut: say("Bạn đã đăng xuất.", "You have signed out."),
  signedIn: say("Bạn đã đăng nhập lại.", "You are signed in again."),
  signedInBody: say("Hãy đóng thẻ này và trở về thẻ đang làm việc.", "Close this tab and go back to the one you were working in."),
  notYours: say("Trang này không thuộc vai trò của bạn.", "This page is not for your role."),
  unreachable: say("Không kết nối được máy chủ.", "The server cannot be reached."),
  again: say("Thử lại", "Try again"),
  goOn: say("Tiếp tục làm việc", "Go on working"),
  close: say("Đóng", "Close"),
  cancel: say("Hủy", "Cancel"),
  expiredTitle: say("Phiên làm việc đã hết", "The session is over"),
  expiredBody: say(
    "Những gì đã nhập vẫn còn ở trang này. Hãy đăng nhập lại ở thẻ mới, rồi trở về đây.",
    "What you entered is still on this page. Sign in again in a new tab, then come back here.",
  ),
  expiringTitle: say("Phiên làm việc sắp hết", "The session is about to end"),
  expiringBody: say("Phiên sẽ hết trong một phút nữa nếu không tiếp tục.", "It ends within a minute unless you go on."),
  test: say("Đây là hệ thống thử nghiệm. Không dùng cho chi trả thật.", "This is a test set-up. Not for real payments."),
  unit: say("Đơn vị {unit}", "Unit {unit}"),
  desk: say("Bàn tiếp nhận", "Desk"),
  officer: say("Xem xét hồ sơ", "Officer"),
  working: say("Đang tải…", "Loading…"),
  trace: say("Mã tra cứu cho người vận hành: {trace}", "For the operator: {trace}"),
};

/** What is said of an error that brought no sentence of its own, by its code. */
export const CODES = {
  lost: say("Mất kết nối với máy chủ. Chưa nhận được trả lời.", "The connection to the server was lost. No answer has come."),
  unauthenticated: say("Phiên đăng nhập đã hết. Hãy đăng nhập lại.", "The sign-in has expired. Sign in again."),
  permission_denied: say("Bạn không được làm việc này.", "You may not do this."),
  somebody_else: say(
    "Người khác đã đăng nhập ở trình duyệt này. Trang này không gửi gì bằng tên người đó.",
    "Somebody else is signed in at this browser. This page sends nothing in their name.",
  ),
  not_found: say("Không tìm thấy.", "Not found."),
  unavailable: say("Hệ thống tạm thời chưa trả lời được. Hãy thử lại sau giây lát.", "The system cannot answer just now. Try again in a moment."),
  resource_exhausted: say("Hệ thống đang bận. Hãy thử lại sau giây lát.", "The system is busy. Try again in a moment."),
  deadline_exceeded: say("Quá thời gian chờ. Hãy thử lại.", "The answer took too long. Try again."),
  other: say("Hệ thống gặp lỗi. Hãy thử lại, sau đó báo người vận hành.", "The system failed. Try again, then tell the operator."),
};
