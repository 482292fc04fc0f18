// Step 3: the live camera, advice while looking, three captures taken by themselves, by hand, or from files.

import { Adviser, assess, FRAMES_MAX, FRAMES_WANTED, INSTRUCTIONS, Shutter } from "./advice.js";
import { frameBytesMax, lookEveryMs, REQUEST_BYTES_MAX, sentBytes } from "./budget.js";
import { boundedJpeg, Camera, cameras, causeOf, lookCopy, opened } from "./camera.js";
import { chipBytes } from "./case.js";
import { CAPTURE, DESK } from "./desk-text.js";
import { append, both, button, focusOn, h, replace, svg } from "./dom.js";
import { PERSONS, tolerated } from "./special.js";
import { fill, plain } from "./text.js";

const ASSESS_MS_MAX = 5_000;

export function captureStep(desk) {
  const stage = new Stage(desk);
  return { element: stage.element, heading: stage.heading, shown: () => stage.begin(), leave: () => stage.end() };
}

class Stage {
  #desk;
  /** The case's data: what was begun for one case is never kept for the next. */
  #data;
  #left = new AbortController();
  #adviser = new Adviser();
  #shutter = new Shutter();
  #tolerate;
  /** Bytes that were sent for advice, and whether the last look found a face. */
  #looked = 0;
  #found = true;
  #goOn = null;

  constructor(desk) {
    this.#desk = desk;
    this.#data = desk.data;
    this.#tolerate = tolerated(desk.data.person);
    this.heading = h("h2", {}, desk.data.person === "collector" ? CAPTURE.titleCollector : CAPTURE.title);
    this.video = h("video", { autoplay: true, muted: true, playsInline: true, "aria-label": plain(CAPTURE.video) });
    this.camera = new Camera(this.video);
    this.view = h("div", { class: "viewfinder" }, this.video, oval());
    this.trouble = h("div", { class: "stack", role: "alert" });
    // What is said changes often; it is announced at the pace at which it is shown.
    this.advice = h("p", { class: "advice", role: "status", "aria-live": "polite", "aria-atomic": "true" }, CAPTURE.starting);
    this.list = h("ol", { class: "frames", "aria-label": plain(CAPTURE.frames) });
    this.size = h("p", { class: "hint" });
    this.message = h("p", { class: "error", role: "alert", hidden: true });
    this.send = h("button", { type: "button", class: "primary bigger wide", on: { click: () => desk.send() } }, CAPTURE.send);
    this.shoot = button(CAPTURE.shoot, () => this.#byHand());
    this.select = h("select", { "aria-label": plain(CAPTURE.camera), hidden: true, on: { change: () => this.#open(this.select.value) } });
    const chooser = h("input", { type: "file", accept: "image/*", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true", multiple: true, name: "photos" });
    chooser.addEventListener("change", () => {
      const files = [...chooser.files];
      chooser.value = "";
      this.#fromFiles(files);
    });
    const tell = PERSONS[desk.data.person].tell;
    this.element = h(
      "section",
      { class: "panel capture" },
      h("div", { class: "capture-head" }, this.heading, this.advice),
      h(
        "div",
        { class: "capture-view stack tight" },
        this.trouble,
        this.view,
        h("div", { class: "row" }, this.shoot, button(CAPTURE.file, () => chooser.click()), chooser, this.select),
        h("div", { class: "row spread" }, button(DESK.back, () => history.back(), { class: "quiet" }), button(CAPTURE.noFace, () => desk.go("slip"), { class: "quiet" })),
      ),
      h(
        "div",
        { class: "capture-side stack tight" },
        this.list,
        this.message,
        this.send,
        this.size,
        tell && h("p", { class: "note info" }, tell),
      ),
    );
    this.#draw();
  }

  async begin() {
    this.#open();
    this.#look();
    await this.#fit();
    this.#draw();
  }

  /** Leaves the step: the camera's light goes out. */
  end() {
    this.#left.abort();
    this.camera.stop();
  }

  async #open(deviceId = "") {
    replace(this.trouble);
    try {
      const onEnded = () => this.#noCamera("ended");
      await this.camera.open({ deviceId, onEnded });
      if (this.#left.signal.aborted) return this.camera.stop();
      this.view.hidden = false;
      this.shoot.disabled = false;
      replace(this.advice, this.#frames.length < FRAMES_WANTED ? INSTRUCTIONS.WAITING : CAPTURE.enough);
      this.view.classList.toggle("mirrored", this.camera.current.facesPerson);
      await this.#listCameras();
    } catch (error) {
      this.camera.stop();
      this.#noCamera(causeOf(error));
    }
  }

  async #listCameras() {
    const known = await cameras().catch(() => []);
    this.select.hidden = known.length < 2;
    replace(
      this.select,
      known.map((device, i) => h("option", { value: device.deviceId }, device.label || plain(fill(CAPTURE.cameraNumber, { n: i + 1 })))),
    );
    this.select.value = this.camera.current.deviceId;
  }

  #noCamera(cause) {
    if (this.#left.signal.aborted) return;
    this.camera.stop();
    this.view.hidden = true;
    this.shoot.disabled = true;
    replace(
      this.trouble,
      h(
        "div",
        { class: "note wait stack tight" },
        h("p", {}, CAPTURE.causes[cause]),
        h("p", {}, CAPTURE.wayOut),
        h("div", {}, button(CAPTURE.retry, () => this.#open())),
      ),
    );
    if (this.#frames.length < FRAMES_WANTED) replace(this.advice, CAPTURE.file);
  }

  /** Looks at what the camera sees, one picture at a time, until the step is left, or so much was sent that the clerk is asked. */
  async #look() {
    const { signal } = this.#left;
    while (!signal.aborted) {
      const began = performance.now();
      try {
        const shown = !document.hidden && !document.body.classList.contains("locked");
        if (shown && this.camera.ready && this.#frames.length < FRAMES_WANTED) await this.#lookOnce(signal);
      } catch (error) {
        if (signal.aborted) return;
        // A picture that cannot be drawn now can be in a moment.
      }
      const pause = lookEveryMs(this.#looked, this.#found) - (performance.now() - began);
      if (pause === Infinity && this.#frames.length < FRAMES_WANTED) await this.#paused(signal);
      else await new Promise((resolve) => setTimeout(resolve, pause === Infinity ? 500 : Math.max(50, pause)));
    }
  }

  /** Nothing more is sent by itself until the clerk goes on. Pictures can be taken by hand all the while. */
  async #paused(signal) {
    replace(this.advice, CAPTURE.paused);
    this.advice.classList.remove("good");
    this.view.classList.remove("good");
    await new Promise((resolve) => {
      this.#goOn = button(CAPTURE.goOn, resolve, { class: "primary" });
      this.shoot.before(this.#goOn);
      signal.addEventListener("abort", resolve, { once: true });
    });
    this.#goOn.remove();
    this.#goOn = null;
    this.#looked = 0;
    this.#adviser = new Adviser();
  }

  async #lookOnce(signal) {
    const picture = this.camera.grab();
    const copy = await lookCopy(picture);
    this.#looked += copy.size;
    const found = await this.#assess(copy, signal);
    if (signal.aborted) return;
    this.#found = found.code !== "NO_FACE";
    // Somebody before the camera is work; an empty chair is not.
    if (found.code !== "NO_FACE" && found.code !== "SERVER") this.#desk.keepAlive();
    this.#say(found);
    // The picture kept is the one that was found good, not the one after it.
    if (this.#shutter.offer({ good: found.good, taken: this.#frames.length, nowMs: performance.now() })) await this.#keep(picture, { found });
  }

  async #assess(blob, signal) {
    try {
      const answer = await this.#desk.api.upload("Verification/Assess", { kind: "CAPTURE_KIND_LIVE" }, [["image", blob]], { tries: 1, timeoutMs: ASSESS_MS_MAX, signal });
      return assess({ answer, tolerate: this.#tolerate });
    } catch (error) {
      if (signal.aborted) throw error;
      return assess({ error });
    }
  }

  #say(found) {
    const shown = this.#adviser.next(found, performance.now());
    if (!shown) return;
    replace(this.advice, shown.pair);
    this.advice.classList.toggle("good", shown.good);
    this.view.classList.toggle("good", shown.good);
  }

  async #byHand() {
    if (!this.camera.ready || this.#full()) return;
    const picture = this.camera.grab();
    await this.#keepAndLook(picture);
  }

  async #fromFiles(files) {
    for (const file of files) {
      if (this.#left.signal.aborted || this.#full()) return;
      let picture;
      try {
        picture = await opened(file);
      } catch {
        this.#complain(fill(CAPTURE.noFile, { name: file.name }));
        continue;
      }
      await this.#keepAndLook(picture);
    }
  }

  /** Keeps a picture whatever it is like, and says what it is like: the clerk chose it. */
  async #keepAndLook(picture) {
    try {
      const frame = await this.#keep(picture, { found: null });
      frame.found = await this.#assess(await lookCopy(picture), this.#left.signal);
      this.#draw();
    } catch {
      // The step was left.
    }
  }

  async #keep(picture, { found }) {
    const blob = await boundedJpeg(picture, frameBytesMax({ chipBytes: chipBytes(this.#data), frames: Math.max(FRAMES_WANTED, this.#frames.length + 1) }));
    this.#left.signal.throwIfAborted();
    const frame = { blob, url: URL.createObjectURL(blob), found, refused: null };
    this.#frames.push(frame);
    await this.#fit();
    this.#complain(null);
    this.#draw();
    const n = this.#frames.length;
    if (n === FRAMES_WANTED) {
      replace(this.advice, CAPTURE.enough);
      this.advice.classList.add("good");
      focusOn(this.send);
    } else {
      this.#desk.announce(fill(CAPTURE.taken, { n }));
    }
    return frame;
  }

  /** Makes captures smaller that were taken when less was to be sent beside them: fewer captures, or another card. */
  async #fit() {
    const bytes = chipBytes(this.#data);
    const frames = this.#frames;
    if (sentBytes({ chipBytes: bytes, frames: frames.map(({ blob }) => blob.size) }) <= REQUEST_BYTES_MAX) return;
    const bytesMax = frameBytesMax({ chipBytes: bytes, frames: frames.length });
    for (const frame of frames) {
      if (frame.blob.size <= bytesMax) continue;
      frame.blob = await boundedJpeg(await opened(frame.blob), bytesMax);
      URL.revokeObjectURL(frame.url);
      frame.url = URL.createObjectURL(frame.blob);
    }
  }

  #again(frame) {
    const at = this.#frames.indexOf(frame);
    if (at < 0) return;
    URL.revokeObjectURL(frame.url);
    this.#frames.splice(at, 1);
    this.#adviser = new Adviser();
    replace(this.advice, INSTRUCTIONS.WAITING);
    this.advice.classList.remove("good");
    this.#draw();
    this.#goOn?.click();
    focusOn(this.heading);
  }

  #full() {
    const full = this.#frames.length >= FRAMES_MAX;
    if (full) this.#complain(CAPTURE.full);
    return full;
  }

  #complain(pair) {
    replace(this.message, pair);
    this.message.hidden = !pair;
  }

  get #frames() {
    return this.#data.frames;
  }

  #draw() {
    const frames = this.#frames;
    const slots = Math.max(FRAMES_WANTED, frames.length);
    replace(
      this.list,
      Array.from({ length: slots }, (_, i) => this.#slot(frames[i], i + 1)),
    );
    const refused = frames.some((frame) => frame.refused);
    this.send.disabled = frames.length === 0 || refused;
    if (this.#goOn) this.#goOn.hidden = frames.length >= FRAMES_WANTED;
    const bytes = sentBytes({ chipBytes: chipBytes(this.#data), frames: frames.map((frame) => frame.blob.size) });
    const kilobytes = Math.round(bytes / 1000).toLocaleString("vi-VN");
    replace(this.size);
    if (frames.length > 0) append(this.size, fill(CAPTURE.willSend, { size: kilobytes }));
    if (bytes > REQUEST_BYTES_MAX) append(this.size, " ", both(CAPTURE.large));
    if (frames.length > 0 && frames.length < FRAMES_WANTED) append(this.size, " ", both(CAPTURE.fewer));
  }

  #slot(frame, n) {
    const name = fill(CAPTURE.frame, { n });
    if (!frame) return h("li", { class: "empty" }, h("span", {}, name), h("span", { class: "hint" }, CAPTURE.empty));
    const state = frame.refused ? CAPTURE.replace : frame.found ? (frame.found.good ? CAPTURE.good : frame.found.pair) : CAPTURE.looking;
    const againButton = button(CAPTURE.again, () => this.#again(frame));
    append(againButton, h("span", { class: "visually-hidden" }, " ", name));
    const tone = frame.refused ? "stop" : frame.found?.good ? "good" : "wait";
    return h(
      "li",
      {},
      h("img", { src: frame.url, alt: plain(name) }),
      h("div", { class: "stack tight grow" }, h("span", { class: `badge ${tone}` }, state), againButton),
    );
  }
}

/** The oval that the face belongs in, over the picture. */
function oval() {
  const ellipse = (props) => svg("ellipse", { cx: 200, cy: 146, rx: 70, ry: 94, ...props });
  return svg(
    "svg",
    { class: "oval", viewBox: "0 0 400 300", preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true", focusable: "false" },
    svg("mask", { id: "hole" }, svg("rect", { x: -400, y: -300, width: 1200, height: 900, fill: "#fff" }), ellipse({ fill: "#000" })),
    svg("rect", { class: "shade", x: -400, y: -300, width: 1200, height: 900, mask: "url(#hole)" }),
    ellipse({ class: "rim" }),
  );
}
