// A payout counter in JavaScript, as an integrator would begin to write one: the official client of the
// Connect protocol, with code generated from proto/. It speaks JSON over HTTP/1.1, protobuf, or gRPC: one
// line chooses.
//
// It enrols two people, compares faces, is told why a picture is of no use, decides on claims with
// synthetic cards, and lets an officer answer a referral. `scripts/test-clients` runs it against a real
// server; README.md beside the folder says how to run it by hand.
//
//   node counter.mjs HOST:PORT PHOTOS CARDS
//
// Exit code: 0 where everything went as these photos should, 1 where not.

import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";

import { Cases } from "./gen/chinhchu/v1/cases_pb.js";
import { Beneficiary, ChipVerdict, Outcome, Scheme, Sex } from "./gen/chinhchu/v1/decision_pb.js";
import { EnrollMode, Gallery, Source } from "./gen/chinhchu/v1/gallery_pb.js";
import { Decision, Verification } from "./gen/chinhchu/v1/verification_pb.js";
import * as rpc from "./gen/google/rpc/error_details_pb.js";

const FMR = 1e-5; // of 100,000 others, about one would pass
const DEADLINE_MS = 20_000; // a clerk will not wait longer
const TRIES_MAX = 5;
const LANGUAGE = "vi";

const [server, photos, cards] = process.argv.slice(2);
const photo = (name) => readFileSync(join(photos, `${name}.jpg`));
const chipFiles = (card) =>
  readdirSync(join(cards, card)).sort().filter((name) => name.includes(".")).map((name) => readFileSync(join(cards, card, name)));

let right = true;
function shown(what, isRight) {
  right = right && isRight;
  console.log(`  ${what}${isRight ? "" : "   <- NOT AS IT SHOULD BE"}`);
}

// A refusal, taken apart. Branch on `reason` or `code`, never on text.
function taken(error) {
  const refused = ConnectError.from(error);
  const one = (schema) => refused.findDetails(schema)[0];
  const delay = one(rpc.RetryInfoSchema)?.retryDelay;
  return {
    code: Code[refused.code],
    reason: one(rpc.ErrorInfoSchema)?.reason ?? "",
    metadata: one(rpc.ErrorInfoSchema)?.metadata ?? {},
    sentence: one(rpc.LocalizedMessageSchema)?.message ?? refused.rawMessage,
    fields: one(rpc.BadRequestSchema)?.fieldViolations.map((violation) => violation.field) ?? [],
    retryAfterMs: delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6,
    // Tell the operator this: the server's log has the call under it.
    trace: (refused.metadata.get("traceparent") ?? "--").split("-")[1],
  };
}

// Calls, and calls again where the server says that and when it is worth it. Every call may be repeated:
// questions change nothing, writes and decisions are named by the caller and done once.
async function call(method, request) {
  for (let attempt = 1; ; attempt++) {
    // A trace of your tracing system, or one that begins here.
    const traceparent = `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
    try {
      return await method(request, { timeoutMs: DEADLINE_MS, headers: { "accept-language": LANGUAGE, traceparent } });
    } catch (error) {
      const { retryAfterMs } = taken(error);
      if (retryAfterMs === undefined || attempt === TRIES_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, retryAfterMs * attempt));
    }
  }
}

// What a call is refused with; nothing where it is answered.
async function refusal(promise) {
  return promise.then(() => undefined, taken);
}

class Counter {
  constructor(transport) {
    this.verification = createClient(Verification, transport);
    this.gallery = createClient(Gallery, transport);
    this.beneficiary = createClient(Beneficiary, transport);
    this.cases = createClient(Cases, transport);
  }

  verify(reference, probe) {
    return call(this.verification.verify, { reference, probes: [probe], fmr: FMR });
  }

  async enrol(subjectId, image) {
    const request = {
      requestId: randomUUID(),
      subjectId, // a pseudonym of your own, never the card number
      mode: EnrollMode.REPLACE,
      attributes: { schemes: ["social"] },
      photos: [{ image, source: Source.OTHER }],
    };
    const first = await call(this.gallery.enroll, request);
    const again = await call(this.gallery.enroll, request); // as after a lost answer
    return first.commit === again.commit && again.replayed;
  }

  claim(subjectId, card, number, transactionId, attempt = 1) {
    return call(this.beneficiary.verifyBeneficiary, {
      transactionId,
      attempt,
      subjectId,
      scheme: Scheme.SOCIAL,
      policy: "demo",
      record: { number, name: "Nguyễn Thử Nghiệm", birthDate: "1988", sex: Sex.MALE },
      chipFiles: chipFiles(card),
      frames: [photo("obama2"), photo("obama3")],
    });
  }
}

const baseUrl = `http://${server}`;
const transports = {
  "JSON over HTTP/1.1": createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "JSON over HTTP/2": createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
  "protobuf over HTTP/1.1": createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  "gzip over HTTP/1.1": createConnectTransport({
    baseUrl, httpVersion: "1.1", useBinaryFormat: false, sendCompression: compressionGzip,
  }),
  "gRPC": createGrpcTransport({ baseUrl }),
};

const answers = [];
for (const [name, transport] of Object.entries(transports)) {
  console.log(name);
  const counter = new Counter(transport);
  for (const [other, expected] of [["obama2", Decision.MATCH], ["biden", Decision.NO_MATCH]]) {
    const { decision, score } = await counter.verify(photo("obama"), photo(other));
    // Act on the decision alone; the score is for the record.
    shown(`obama and ${other}: ${Decision[decision]}, score ${score.toFixed(3)}`, decision === expected);
    answers.push(Math.fround(score)); // 32 bits; JSON has the digits that tell it apart
  }
  const refused = await refusal(counter.verify(photo("obama"), new TextEncoder().encode("no photo")));
  const said = `${refused?.code} ${refused?.reason} in ${refused?.metadata.field}: ${refused?.sentence}`;
  shown(said, refused?.code === "InvalidArgument" && refused.reason === "IMAGE_FORMAT" && refused.fields[0] === "probes[0]");
  shown(`trace ${refused?.trace}`, refused?.trace.length === 32);
  const absent = await refusal(call(counter.gallery.getSubject, { subjectId: "nobody-of-this-name" }));
  shown(`who is not enrolled: ${absent?.code} ${absent?.reason}`, absent?.code === "NotFound");
}
shown("the same scores over each", answers.every((score, index) => score === answers[index % 2]));

console.log("A counter's day, in JSON");
const counter = new Counter(transports["JSON over HTTP/1.1"]);
for (const [subject, name] of [["javascript-1", "obama"], ["javascript-2", "biden"]]) {
  shown(`${subject} from ${name}; a retry is recognised`, await counter.enrol(subject, photo(name)));
}
let transaction = randomUUID();
let answer = await counter.claim("javascript-1", "card", "999088000017", transaction);
shown(`the person's own card: ${Outcome[answer.outcome]}`, answer.outcome === Outcome.APPROVE);
shown(`the chip: ${ChipVerdict[answer.evidence.chip.chipVerdict]}`, answer.evidence.chip.chipVerdict === ChipVerdict.AUTHENTIC);
let refused = await refusal(counter.claim("javascript-1", "card", "999088000017", transaction, 3));
shown(`an attempt after the end: ${refused?.reason}`, refused?.reason === "TRANSACTION_CLOSED");

transaction = randomUUID();
answer = await counter.claim("javascript-3", "second_card", "999075000023", transaction);
const codes = answer.reasons.map((reason) => reason.code);
// An outcome that a program does not know must never pass for an approval.
shown(`the same face under a second card: ${codes.join(", ")}`,
  answer.outcome !== Outcome.APPROVE && codes.includes("DUPLICATE_FACE"));
refused = await refusal(counter.claim("javascript-3", "second_card", "999075000023", transaction, 5));
shown(`attempt 5: ${refused?.reason}, ${refused?.metadata.attemptExpected} is expected`, refused?.metadata.attemptExpected === "2");
const resolved = await call(counter.beneficiary.resolveReferral, {
  transactionId: transaction, attempt: 1, officerId: "officer-1", outcome: Outcome.DENY, reason: "draws under another record",
});
shown(`to the citizen: ${resolved.citizenVi}`, resolved.outcome === Outcome.DENY);
const kept = await call(counter.cases.getDecision, { transactionId: transaction, attempt: 1 });
shown("the decision is kept", kept.decision !== undefined);
process.exit(right ? 0 : 1);
