//! chinhchu ("chính chủ", the rightful owner): is this person the one the card
//! and the benefit belong to?

#[macro_use]
mod words;

pub mod audit;
pub mod chip;
pub mod cli;
pub mod evaluation;
pub mod face;
pub mod gallery;
pub mod imaging;
mod linear;
pub mod matching;
mod numbers;
mod partial;
mod regular;
pub mod search;
pub mod service;
mod table;
mod text;
mod typed;
pub mod workflow;
