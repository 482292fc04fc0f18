//! The transparency log as others see it: exported, with receipts, and checked by a program that
//! shares no code with it; and what was tampered with.

mod log;
mod others;
mod seeds;
mod tampered;
