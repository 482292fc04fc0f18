//! chinhchu ("chính chủ", the rightful owner): is this person the one the card
//! and the benefit belong to?

#[macro_use]
mod words;

pub mod audit;
pub mod chip;
pub mod cli;
mod dates;
pub mod evaluation;
pub mod face;
mod float32;
pub mod gallery;
mod hex;
pub mod imaging;
mod linear;
pub mod matching;
mod numbers;
mod private;
mod random;
mod regular;
pub mod search;
pub mod service;
mod table;
mod text;
pub mod tools;
mod typed;
pub mod workflow;
