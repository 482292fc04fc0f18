// What is entered of the case at hand: in the memory of one tab, and gone with the case.

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
