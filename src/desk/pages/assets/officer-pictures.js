// Pictures of a case, where the server keeps them while it waits: shown when the officer asks, since every look is
// recorded. Elsewhere the page says that none are kept.

import { button, focusOn, h, replace } from "./dom.js";
import { fill, say, when } from "./text.js";

const NAMES = {
  PICTURE_KIND_CHIP_PHOTO: say("Ảnh trong chip", "Chip photo"),
  PICTURE_KIND_CAPTURE: say("Ảnh chụp {n}", "Capture {n}"),
};

const NONE = {
  NO_PICTURES_NEVER_KEPT: say(
    "Máy chủ không lưu ảnh của trường hợp này. Hãy đối chiếu trực tiếp người đến và giấy tờ gốc.",
    "No pictures of this case are kept. Compare the person who comes and the original papers.",
  ),
  NO_PICTURES_NO_LONGER_KEPT: say(
    "Ảnh của trường hợp này không còn được lưu: đã xử lý xong hoặc hết thời hạn.",
    "Pictures of this case are kept no longer: it was closed, or their time is over.",
  ),
};

/** A section for the case. Nothing is asked of a server that has not said that it keeps pictures. */
export function pictures({ api, me, signal, announce, decision }) {
  const place = h("div", { class: "stack tight" });
  const section = h("section", { class: "panel stack tight pictures" }, h("h2", {}, say("Ảnh", "Pictures")), place);
  if (me.desk?.keepsPictures !== true) {
    place.append(h("p", {}, NONE.NO_PICTURES_NEVER_KEPT));
    return section;
  }
  const look = button(say("Xem ảnh", "Show the pictures"), async () => {
    look.disabled = true;
    const { transactionId, attempt } = decision;
    try {
      const answer = await api.call("Cases/GetPictures", { transactionId, attempt }, { signal });
      const { element, said } = shown(answer);
      replace(place, element);
      announce(said);
      focusOn(section.querySelector("h2"));
    } catch (error) {
      if (signal.aborted) return;
      look.disabled = false;
      replace(problem, h("p", { class: "note stop" }, error.pair ?? String(error)));
    }
  });
  const problem = h("div", { class: "problem", role: "alert" });
  place.append(h("p", { class: "hint" }, say("Mỗi lần xem ảnh được ghi vào nhật ký cùng mã của bạn.", "Every look is entered in the log under your id.")), problem, h("div", {}, look));
  return section;
}

function shown({ pictures: kept = [], noneReason, keptUntil, leftOut = 0 }) {
  if (kept.length === 0) {
    const said = NONE[noneReason] ?? NONE.NO_PICTURES_NEVER_KEPT;
    return { said, element: h("p", {}, said) };
  }
  // The card's photo first, beside the captures.
  const ordered = [...kept].sort((a, b) => Number(isChip(b)) - Number(isChip(a)));
  return {
    said: fill(say("Có {n} ảnh.", "Pictures: {n}."), { n: kept.length }),
    element: [
      h("div", { class: "picture-row" }, ordered.map(figure)),
      leftOut > 0 && h("p", { class: "hint" }, fill(say("{n} ảnh không tạo được.", "Pictures that could not be made: {n}."), { n: leftOut })),
      keptUntil && h("p", { class: "hint" }, fill(say("Được lưu muộn nhất đến {until}, hoặc đến khi xử lý xong.", "Kept until {until} at most, or until the case is closed."), { until: when(keptUntil) })),
    ],
  };
}

const isChip = ({ kind }) => kind === "PICTURE_KIND_CHIP_PHOTO";

function figure(picture) {
  const name = fill(NAMES[isChip(picture) ? "PICTURE_KIND_CHIP_PHOTO" : "PICTURE_KIND_CAPTURE"], { n: (picture.frame ?? 0) + 1 });
  const bytes = Uint8Array.from(atob(picture.image ?? ""), (letter) => letter.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  const image = h("img", { src: url, alt: `${name.vi} · ${name.en}`, on: { load: () => URL.revokeObjectURL(url) } });
  return h("figure", {}, image, h("figcaption", {}, name));
}
