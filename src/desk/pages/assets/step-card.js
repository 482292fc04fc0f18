// Step 2: the card's files, from the reader's software or the reader agent; and the ways on without them.

import { filesFromAnswer, isLoopback, loopbackPermission, readCard } from "./agent.js";
import { hasCard } from "./case.js";
import { CARD, DESK, KIND_NAMES } from "./desk-text.js";
import { append, button, focusOn, h, replace } from "./dom.js";
import { droppedFiles, gather } from "./intake.js";
import { CARDS } from "./special.js";
import { fill } from "./text.js";

const kilobytes = (bytes) => Math.max(1, Math.round(bytes / 1000)).toLocaleString("vi-VN");

export function cardStep(desk) {
  const { data } = desk;
  const result = h("div", { class: "stack", id: "card-result" });
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  const left = new AbortController();
  // The reading that was begun last; one before it is dropped, whenever it comes. null: none is under way.
  let reading = null;
  const heading = h("h2", {}, data.person === "collector" ? CARD.titleCollector : CARD.title);
  const next = h("button", { type: "button", class: "primary bigger", on: { click: goOn } }, DESK.next);

  function goOn() {
    if (reading) return complain(CARD.wait);
    if (!hasCard(data)) return complain(CARD.choose);
    data.cardSeen = true;
    desk.go("capture");
  }

  function complain(pair) {
    replace(problem, pair);
    problem.hidden = pair === null;
  }

  function drop() {
    reading?.abort();
    reading = null;
    complain(null);
  }

  /** Begins a reading in the place of the one before: {signal, take(read), end()}. */
  function begin() {
    if (reading) draw(data.card);
    drop();
    const own = new AbortController();
    reading = own;
    const end = () => reading === own && (reading = null);
    return {
      signal: AbortSignal.any([left.signal, own.signal]),
      take: (read) => reading === own && (end(), take(read)),
      end,
    };
  }

  /** Takes what was read; a reading that found two cards or nothing is told and not kept. */
  function take(read) {
    data.card = read.files.length > 0 && read.differing.length === 0 ? read : null;
    if (data.card) data.cardWay = "read";
    complain(null);
    draw(read);
    if (data.card) focusOn(next);
  }

  async function takeFiles(promise) {
    const own = begin();
    data.card = null;
    replace(result, h("p", { class: "note", role: "status" }, CARD.reading));
    own.take(await Promise.resolve(promise).then(gather).catch(() => NOTHING_READ));
  }

  function draw(read) {
    replace(result, read && summary(read), ways(desk, drop));
    if (read && data.card) {
      append(result.firstChild, h("div", {}, button(CARD.clear, clear, { class: "quiet" })));
      desk.announce(fill(CARD.read, { n: read.files.length, size: kilobytes(read.bytes) }));
    }
  }

  function clear() {
    data.card = null;
    draw(null);
    focusOn(heading);
  }

  const sources = h("div", { class: "columns sources" }, dropZone(takeFiles), agentPanel(desk, begin));
  const element = h(
    "section",
    { class: "panel stack" },
    heading,
    sources,
    result,
    problem,
    h("div", { class: "row" }, button(DESK.back, () => history.back()), next),
  );
  draw(data.card);
  const leave = () => {
    reading = null;
    left.abort();
  };
  return { element, heading, leave };
}

const NOTHING_READ = { files: [], differing: [], has: {}, bytes: 0, problems: [{ name: "", code: "unreadable" }] };

/** What a reader's program gave, as files that were chosen. */
function ofAnswer(answer) {
  const read = filesFromAnswer(answer);
  return { ...read, ignored: [], problems: read.unreadable.map((name) => ({ name, code: "unreadable" })) };
}

/** Drag and drop, and two file choosers. */
function dropZone(takeFiles) {
  const chooser = (pair, props) => {
    const input = h("input", { type: "file", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true", multiple: true, ...props });
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      if (files.length > 0) takeFiles(files);
    });
    return [button(pair, () => input.click()), input];
  };
  const zone = h(
    "div",
    { class: "drop stack" },
    h("p", {}, CARD.drop),
    h("div", { class: "row" }, chooser(CARD.files, { name: "files" }), chooser(CARD.folder, { name: "folder", webkitdirectory: true })),
  );
  const over = (is) => (event) => {
    event.preventDefault();
    zone.classList.toggle("over", is);
  };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    over(false)(event);
    takeFiles(droppedFiles(event.dataTransfer));
  });
  return zone;
}

/** The reader at this machine, where the server names an agent. */
function agentPanel(desk, begin) {
  const address = desk.me.desk?.agentUrl;
  if (!address || !isLoopback(address)) return null;
  const state = h("div", { role: "status" });
  let stop = null;
  const read = button(CARD.agentRead, async () => {
    if (stop) return stop.abort();
    stop = new AbortController();
    const reading = begin();
    replace(read, CARD.agentStop);
    replace(state, (await loopbackPermission()) === "prompt" && h("p", { class: "note" }, CARD.agentAsk));
    try {
      const onWaiting = () => state.textContent.includes(CARD.agentWaiting.vi) || replace(state, h("p", { class: "note" }, CARD.agentWaiting));
      const found = await readCard(address, { signal: AbortSignal.any([reading.signal, stop.signal]), onWaiting });
      replace(state, found.state !== "read" && (await said(found.state)));
      if (found.state === "read") reading.take(ofAnswer(found.answer));
    } catch {
      replace(state);
    } finally {
      stop = null;
      reading.end();
      replace(read, CARD.agentRead);
    }
  });
  return h("div", { class: "drop agent stack" }, h("p", {}, CARD.agent), h("div", { class: "row" }, read), state);
}

async function said(state) {
  const texts = { unreadable: CARD.agentUnreadable, refused: CARD.agentRefused, none: CARD.agentNone };
  const denied = state === "unreachable" && (await loopbackPermission()) === "denied";
  return h("p", { class: "note wait" }, texts[state] ?? (denied ? CARD.agentDenied : CARD.agentUnreachable));
}

/** What was read: files and what is missing; no verdict. */
function summary(read) {
  const { files, has } = read;
  const notes = [];
  const note = (tone, pair) => notes.push(h("p", { class: `note ${tone}` }, pair));
  if (read.differing.length > 0) {
    note("wait", fill(CARD.differing, { kinds: read.differing.join(", ") }));
  } else if (read.textOnly) {
    note("wait", CARD.textOnly);
  } else if (files.length === 0) {
    note("wait", CARD.none);
  } else {
    const missing = [!has.sod && "SOD", !has.dg1 && "DG1", !has.dg2 && "DG2"].filter(Boolean);
    note(missing.length > 0 ? "wait" : "info", missing.length > 0 ? fill(CARD.missing, { kinds: missing.join(", ") }) : CARD.complete);
    for (const file of files) if (!file.complete) note("wait", fill(CARD.cut, { kind: file.kind }));
  }
  if (read.verdicts?.length > 0) note("", CARD.verdicts);
  const ignored = (read.ignored?.length ?? 0) + (read.tooLarge?.length ?? 0);
  if (ignored > 0) note("", fill(CARD.ignored, { n: ignored }));
  for (const { name, code } of read.problems ?? []) notes.push(h("p", { class: "note wait" }, name && h("span", { class: "mono" }, `${name}: `), CARD.problems[code] ?? CARD.problems.unreadable));
  const shown = read.differing.length === 0 ? files : [];
  return h(
    "div",
    { class: "stack tight" },
    shown.length > 0 && h("p", {}, h("strong", {}, fill(CARD.read, { n: shown.length, size: kilobytes(read.bytes) }))),
    shown.length > 0 &&
      h(
        "ul",
        { class: "chip-files" },
        shown.map((file) => h("li", {}, h("span", {}, KIND_NAMES[file.kind]), h("span", { class: "muted" }, ` ${kilobytes(file.bytes.length)} KB`))),
      ),
    notes,
  );
}

/** No card, or a chip that cannot be read: both go on. */
function ways(desk, onChosen) {
  const { data } = desk;
  if (data.card) return null;
  const told = h("div", { class: "stack tight", role: "status" });
  const tell = () => {
    const way = CARDS[data.cardWay];
    const { special, covered } = desk.chosenPolicy();
    replace(told, way.tell && h("p", { class: "note info" }, way.tell), way.policy && special && !covered && h("p", { class: "note wait" }, DESK.ordinaryPolicy));
  };
  const toggles = ["noCard", "unreadable"].map((way) =>
    button(
      CARDS[way].label,
      () => {
        data.cardWay = data.cardWay === way ? "read" : way;
        for (const toggle of toggles) toggle.setAttribute("aria-pressed", String(toggle.dataset.way === data.cardWay));
        tell();
        onChosen();
      },
      { data: { way }, "aria-pressed": String(data.cardWay === way), class: "toggle" },
    ),
  );
  tell();
  return h("div", { class: "stack tight" }, h("h3", {}, CARD.way), h("div", { class: "row" }, toggles), told);
}
