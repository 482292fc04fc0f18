//! How a command ends.

use std::fmt;
use std::process::ExitCode;

/// The answer to what was asked for by its name and is not there; the field's name is a contract.
#[derive(Default, serde::Serialize)]
pub(super) struct NotFound {
    found: bool,
}

/// An answer. Wrong usage and unusable input are a [`Failure`] instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Exit code 0: match, found, done.
    Success,
    /// Exit code 1: no match, nothing found, a check failed, or some rows failed.
    Negative,
}

/// Exit code 2: wrong usage, or input that cannot be used. One line of text: what
/// went wrong, then what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

/// What every command returns.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// Makes one line of `message`: whatever a library or a file name put in.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(one_line(&message.to_string()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs of white space and line breaks become one space, other control
/// characters are escaped: a hostile file name cannot forge a line or colour the
/// terminal.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
        }
    }
    line
}

/// Ends the program: prints a failure's one line and gives the exit code.
pub fn finish(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(Exit::Success) => ExitCode::SUCCESS,
        Ok(Exit::Negative) => ExitCode::from(1),
        Err(failure) => {
            super::print::note(&failure.to_string());
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_whatever_it_is_about() {
        let failure = Failure::new("reference a\nb\x1b[31m.jpg:\r\n   no face");
        assert_eq!(failure.to_string(), "reference a b\\u{1b}[31m.jpg: no face");
    }
}
