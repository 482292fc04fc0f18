// Pictures of a case, where the server keeps them while it waits; elsewhere the page says that none are kept.

import { h } from "./dom.js";
import { say } from "./text.js";

const KINDS = {
  PICTURE_KIND_CHIP: say("Ảnh trong chip", "Chip photo"),
  PICTURE_KIND_CAPTURE: say("Ảnh chụp", "Capture"),
  PICTURE_KIND_REFERENCE: say("Ảnh của hồ sơ khác", "Photo of the other record"),
};

/** A section for the case. Nothing is asked of a server that has not said that it keeps pictures. */
export async function pictures({ api, me, signal, decision }) {
  const title = h("h2", {}, say("Ảnh", "Pictures"));
  const section = (...children) => h("section", { class: "panel stack tight pictures" }, title, children);
  if (me.desk?.keepsPictures !== true) {
    return section(
      h(
        "p",
        {},
        say(
          "Máy chủ không lưu ảnh của trường hợp này. Hãy đối chiếu trực tiếp người đến và giấy tờ gốc.",
          "No pictures of this case are kept. Compare the person who comes and the original papers.",
        ),
      ),
    );
  }
  const { transactionId, attempt } = decision;
  let kept;
  try {
    ({ pictures: kept = [] } = await api.call("Cases/GetPictures", { transactionId, attempt }, { signal }));
  } catch (error) {
    if (signal.aborted) throw error;
    return section(h("p", { class: "note stop" }, error.pair));
  }
  if (kept.length === 0) {
    return section(h("p", {}, say("Ảnh của trường hợp này không còn được lưu.", "Pictures of this case are kept no longer.")));
  }
  return section(
    h("p", { class: "hint" }, say("Mỗi lần xem đều được ghi lại.", "Every look is recorded.")),
    h("div", { class: "picture-row" }, kept.map((picture) => figure(picture))),
  );
}

function figure({ kind, image, frame }) {
  const name = KINDS[kind] ?? say("Ảnh", "Picture");
  const number = kind === "PICTURE_KIND_CAPTURE" ? ` ${(frame ?? 0) + 1}` : "";
  // The type is read from the bytes by the browser; scripts in pictures are never run by <img>.
  const bytes = Uint8Array.from(atob(image ?? ""), (letter) => letter.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes]));
  const img = h("img", { src: url, alt: `${name.vi}${number} · ${name.en}${number}`, on: { load: () => URL.revokeObjectURL(url) } });
  return h("figure", {}, img, h("figcaption", {}, name, number));
}
