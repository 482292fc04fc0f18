//! The chip: genuine documents, forged cards, hostile files.

mod cases;
mod corpus;
mod data;
mod forged;
mod hostile;
mod vectors;
mod verdicts;
