// A payout counter's day (that of examples/counter.rs) by openapi-fetch, a client that is made from an OpenAPI document:
// JSON, and photos as parts of a form. With types: `npx openapi-typescript http://HOST:PORT/openapi.json -o schema.d.ts`.
//
//   node openapi.mjs HOST:PORT PHOTOS CARDS
//
// Exit code: 0 where everything went as these photos should, 1 where not.

import { randomUUID } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";

import createClient from "openapi-fetch";

const FMR = 1e-5; // of 100,000 others, about one would pass
const FPIR = 0.01; // one search in a hundred for a stranger may find somebody
const DEADLINE_MS = 20_000; // a clerk will not wait longer

const [server, photos, cards] = process.argv.slice(2);
const client = createClient({
  baseUrl: `http://${server}`,
  headers: { "accept-language": "vi", "connect-timeout-ms": String(DEADLINE_MS) },
});

let right = true;
function shown(what, isRight) {
  right = right && isRight;
  console.log(`  ${what}${isRight ? "" : "   <- NOT AS IT SHOULD BE"}`);
}

const file = (...path) => new Blob([readFileSync(join(...path))]);
const photo = (name) => file(photos, `${name}.jpg`);

// A call whose photos go as parts, each named by its field.
function call(path, message, parts = []) {
  const bodySerializer = (body) => {
    const form = new FormData();
    form.append("request", new Blob([JSON.stringify(body)], { type: "application/json" }));
    for (const [name, content] of parts) form.append(name, content);
    return form;
  };
  // fetch names the boundary itself.
  return client.POST(path, parts.length ? { body: message, bodySerializer } : { body: message });
}

// The reason of a refusal. Branch on it, never on text.
const info = ({ error }) => error?.details?.find((detail) => detail.type === "google.rpc.ErrorInfo")?.debug ?? {};

// A wall instead of a person, as a PNG: a gradient with grain.
function wall(width = 640, height = 480) {
  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = 90 + x / 8 + y / 12 + Math.random() * 16;
  }
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 8; // bits, of grey
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  const parts = [signature, chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))];
  return new Blob([Buffer.concat(parts)]);
}

async function claim(subjectId, card, number, transactionId, captures = ["obama2", "obama3"]) {
  const names = readdirSync(join(cards, card)).sort().filter((name) => name.includes("."));
  const record = { number, name: "Nguyễn Thử Nghiệm", birthDate: "1988", sex: "SEX_MALE" };
  const message = { transactionId, attempt: 1, subjectId, scheme: "SCHEME_SOCIAL", policy: "demo", record };
  return call("/chinhchu.v1.Beneficiary/VerifyBeneficiary", message, [
    ...names.map((name) => ["chipFiles", file(cards, card, name)]),
    ...captures.map((name) => ["frames", photo(name)]),
  ]);
}

const document = await client.GET("/openapi.json");
shown(`OpenAPI ${document.data?.openapi}`, document.data?.openapi === "3.1.0");
for (const [subjectId, name] of [["fetch-1", "obama"], ["fetch-2", "biden"]]) {
  const message = {
    requestId: randomUUID(), // sending the same again with the same id does it once
    subjectId, // a pseudonym of your own, never the card number
    mode: "ENROLL_MODE_REPLACE",
    attributes: { schemes: ["social"] },
    photos: [{ source: "SOURCE_OTHER" }],
  };
  const enrol = () => call("/chinhchu.v1.Gallery/Enroll", message, [["photos[0].image", photo(name)]]);
  const [first, again] = [await enrol(), await enrol()]; // as after a lost answer
  shown(`${subjectId} from ${name}; a retry is recognised`, first.data?.commit === again.data?.commit && again.data?.replayed);
}
for (const [name, expected] of [["obama2", "DECISION_MATCH"], ["biden", "DECISION_NO_MATCH"]]) {
  const parts = [["reference", photo("obama")], ["probes", photo(name)]];
  const { data } = await call("/chinhchu.v1.Verification/Verify", { fmr: FMR }, parts);
  // Act on the decision alone; the score is for the record.
  shown(`obama and ${name}: ${data?.decision}, score ${data?.score.toFixed(3)}`, data?.decision === expected);
}
const found = await call("/chinhchu.v1.Verification/Identify", { fpir: { fpir: FPIR, limit: 5 } }, [["probes", photo("obama3")]]);
const candidates = found.data?.candidates?.map((candidate) => candidate.subjectId) ?? [];
shown(`found ${candidates.join(", ")}`, candidates.join() === "fetch-1");
for (const [picture, reason] of [[new Blob(["no photo"]), "IMAGE_FORMAT"], [wall(), "NO_FACE"]]) {
  const refused = await call("/chinhchu.v1.Verification/Verify", { fmr: FMR }, [["reference", photo("obama")], ["probes", picture]]);
  const { metadata } = info(refused);
  shown(`${refused.response.status} ${info(refused).reason} in ${metadata?.field}: ${metadata?.messageVi}`,
    refused.response.status === 400 && info(refused).reason === reason && metadata?.field === "probes[0]");
}
const transaction = randomUUID();
// Where the reader can ask the chip: it answers these eight bytes, and they count once, for this transaction.
const issued = await call("/chinhchu.v1.Beneficiary/NewChallenge", { transactionId: transaction });
shown("a challenge for the chip", Buffer.from(issued.data?.challenge ?? "", "base64").length === 8);
const own = await claim("fetch-1", "card", "999088000017", transaction);
shown(`the person's own card: ${own.data?.outcome}`, own.data?.outcome === "OUTCOME_APPROVE");
const lost = await claim("fetch-1", "card", "999088000017", transaction); // the answer was lost: the same again
shown("sent again, decided once", lost.data?.commit === own.data?.commit);
const second = await claim("fetch-3", "second_card", "999075000023", randomUUID());
const codes = second.data?.reasons?.map((reason) => reason.code) ?? [];
const other = second.data?.evidence?.duplicates?.candidates?.[0]?.subjectId;
// An outcome that a program does not know must never pass for an approval.
shown(`the same face under a second card: ${second.data?.outcome}, ${codes.join(", ")}`,
  second.data?.outcome === "OUTCOME_REFER" && codes.includes("DUPLICATE_FACE") && other === "fetch-1");
const altered = await claim("fetch-1", "altered_card", "999088000017", randomUUID(), ["biden"]);
shown(`a card whose photo was exchanged: ${altered.data?.outcome}`, altered.data?.outcome === "OUTCOME_DENY");
const health = await call("/grpc.health.v1.Health/Check", {});
shown(`health: ${health.data?.status}`, health.data?.status === "SERVING");
process.exit(right ? 0 : 1);
