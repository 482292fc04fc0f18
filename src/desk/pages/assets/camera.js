// The camera and pictures: opening it, why it was refused, grabbing frames, and JPEG of a bounded size.

import { encodeWithin, fitted, FRAME_SIDE_MAX, LOOK_SIDE_MAX } from "./budget.js";

const LOOK_QUALITY = 0.75;

/** Why there is no camera: insecure, unsupported, denied, none, busy, other. */
export function causeOf(error, { secure = globalThis.isSecureContext, supported = Boolean(globalThis.navigator?.mediaDevices) } = {}) {
  if (!secure) return "insecure";
  if (!supported) return "unsupported";
  switch (error?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "none";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    default:
      return "other";
  }
}

/** A camera that shows itself in a video element. */
export class Camera {
  #stream = null;

  constructor(video) {
    this.video = video;
  }

  /** Opens a camera: the one of `deviceId`, or else the one that looks at the person. `onEnded` is called where it is unplugged. */
  async open({ deviceId = "", onEnded = () => {} } = {}) {
    this.stop();
    if (!globalThis.isSecureContext || !navigator.mediaDevices) throw new DOMException("no camera here", "SecurityError");
    const size = { width: { ideal: 1280 }, height: { ideal: 960 } };
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...size, ...which } });
    this.#stream = stream;
    for (const track of stream.getVideoTracks()) track.addEventListener("ended", onEnded);
    this.video.srcObject = stream;
    await this.video.play().catch(() => {});
    return stream;
  }

  get isOpen() {
    return this.#stream !== null;
  }

  get ready() {
    return this.isOpen && this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && this.video.videoWidth > 0;
  }

  /** The camera in use: {deviceId, facesPerson}. */
  get current() {
    const settings = this.#stream?.getVideoTracks()[0]?.getSettings() ?? {};
    return { deviceId: settings.deviceId ?? "", facesPerson: settings.facingMode === "user" };
  }

  /** Switches it off: its light goes out. */
  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.video.srcObject = null;
  }

  /** The picture of this moment, as a canvas. */
  grab() {
    return drawn(this.video, this.video.videoWidth, this.video.videoHeight, FRAME_SIDE_MAX);
  }
}

/** Cameras of this machine; names are there once one was allowed. */
export async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput");
}

function drawn(source, width, height, sideMax) {
  const size = fitted(width, height, sideMax);
  const canvas = document.createElement("canvas");
  canvas.width = size.width;
  canvas.height = size.height;
  canvas.getContext("2d").drawImage(source, 0, 0, size.width, size.height);
  return canvas;
}

const jpeg = (canvas, quality) =>
  new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no JPEG"))), "image/jpeg", quality));

/** A small copy for advice. */
export function lookCopy(canvas) {
  return jpeg(drawn(canvas, canvas.width, canvas.height, LOOK_SIDE_MAX), LOOK_QUALITY);
}

/** A JPEG of at most `bytesMax` bytes, as far as that goes. */
export function boundedJpeg(canvas, bytesMax) {
  const longest = Math.max(canvas.width, canvas.height);
  return encodeWithin((scale, quality) => {
    const picture = scale === 1 ? canvas : drawn(canvas, canvas.width, canvas.height, longest * scale);
    return jpeg(picture, quality);
  }, bytesMax);
}

/** A photo from a file, upright, bounded, without what the file says of place and device; throws where it is no picture. */
export async function opened(blob) {
  const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  try {
    return drawn(bitmap, bitmap.width, bitmap.height, FRAME_SIDE_MAX);
  } finally {
    bitmap.close();
  }
}
