// The calls of a payout counter by openapi-fetch, a client that is made from an OpenAPI document: JSON, and
// photos as parts of a form. With types: `npx openapi-typescript http://HOST:PORT/openapi.json -o schema.d.ts`.
//
//   node openapi.mjs HOST:PORT PHOTOS CARDS
//
// Exit code: 0 where everything went as these photos should, 1 where not.

import { randomUUID } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import createClient from "openapi-fetch";

const FMR = 1e-5; // of 100,000 others, about one would pass
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

async function claim(subjectId, card, number, transactionId) {
  const names = readdirSync(join(cards, card)).sort().filter((name) => name.includes("."));
  const record = { number, name: "Nguyễn Thử Nghiệm", birthDate: "1988", sex: "SEX_MALE" };
  const message = { transactionId, attempt: 1, subjectId, scheme: "SCHEME_SOCIAL", policy: "demo", record };
  return call("/chinhchu.v1.Beneficiary/VerifyBeneficiary", message, [
    ...names.map((name) => ["chipFiles", file(cards, card, name)]),
    ["frames", photo("obama2")],
    ["frames", photo("obama3")],
  ]);
}

const document = await client.GET("/openapi.json");
shown(`OpenAPI ${document.data?.openapi}`, document.data?.openapi === "3.1.0");
for (const [name, expected] of [["obama2", "DECISION_MATCH"], ["biden", "DECISION_NO_MATCH"]]) {
  const parts = [["reference", photo("obama")], ["probes", photo(name)]];
  const { data } = await call("/chinhchu.v1.Verification/Verify", { fmr: FMR }, parts);
  // Act on the decision alone; the score is for the record.
  shown(`obama and ${name}: ${data?.decision}, score ${data?.score.toFixed(3)}`, data?.decision === expected);
}
const refused = await call("/chinhchu.v1.Verification/Verify", {}, [["reference", photo("obama")], ["probes", new Blob(["no photo"])]]);
shown(`${refused.response.status} ${info(refused).reason} in ${info(refused).metadata?.field}: ${info(refused).metadata?.messageVi}`,
  refused.response.status === 400 && info(refused).reason === "IMAGE_FORMAT");
const answer = await claim("fetch-1", "second_card", "999075000023", randomUUID());
const codes = answer.data?.reasons?.map((reason) => reason.code) ?? [];
// An outcome that a program does not know must never pass for an approval.
shown(`a face that is enrolled already, under another card: ${answer.data?.outcome}, ${codes.join(", ")}`,
  answer.data?.outcome === "OUTCOME_REFER" && codes.includes("DUPLICATE_FACE"));
const health = await call("/grpc.health.v1.Health/Check", {});
shown(`health: ${health.data?.status}`, health.data?.status === "SERVING");
process.exit(right ? 0 : 1);
