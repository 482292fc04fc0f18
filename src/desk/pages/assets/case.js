// What is entered of the case at hand: in the memory of one tab, and gone with the case.

import { subjectIdProblem } from "./steps.js";
import { SCHEMES } from "./text.js";

export const emptyCase = () => ({
  subjectId: "",
  scheme: "SCHEME_SOCIAL",
  record: { number: "", name: "", birthDate: "", sex: "SEX_UNSPECIFIED" },
  person: "self",
  homeVisit: false,
  cardWay: "read",
  card: null,
  frames: [],
  // The steps that the clerk has gone through on this page: after a reload they are empty, and not to be skipped.
  recordSeen: false,
  cardSeen: false,
});

/** Fills in what a benefit system or an earlier answer says of the record. */
export function fillFrom(data, { subjectId, scheme, record }) {
  data.subjectId = subjectId ?? "";
  if (scheme in SCHEMES) data.scheme = scheme;
  for (const name of Object.keys(data.record)) if (record?.[name]) data.record[name] = record[name];
}

/** What the clerk has gone through and is sound: record, card; `byHand`: a record of which nothing is sent. */
export function ready(data, { byHand }) {
  const record = data.recordSeen && subjectIdProblem(data.subjectId.trim()) === null;
  return { record: record && !byHand, byHand: record && byHand, card: data.cardSeen && hasCard(data) };
}

/** Whether the card was read, or the clerk has said that it cannot be. */
export const hasCard = (data) => data.cardWay !== "read" || Boolean(data.card?.files.length);

export const chipBytes = (data) => (data.cardWay === "read" ? (data.card?.bytes ?? 0) : 0);
