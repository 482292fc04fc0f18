//! Lists that come page by page, as a line each or as one JSON object. What came is written before
//! the next page is asked for, so that a list may be longer than the memory.

use clap::Args;
use serde::Serialize;

use super::{Exit, Failure, Outcome, print};
use crate::workflow::beneficiary::{ListPage, PAGE_MAX, PageRequest};

/// Entries where nobody says how many.
const LIMIT_DEFAULT: usize = 100;

/// How much of a list, and how it is printed.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Most entries [default: 100]
    #[arg(long, value_name = "N", value_parser = limit, conflicts_with = "all")]
    limit: Option<usize>,
    /// However many there are
    #[arg(long)]
    all: bool,
    /// Go on where an earlier list ended: its `next`
    #[arg(long, value_name = "TOKEN")]
    after: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A number of entries as typed.
fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("it takes a whole number, 1 or more; --all for all entries".to_owned()),
    }
}

/// An entry of a list.
pub(super) trait Entry {
    /// For people.
    fn line(&self) -> String;
    /// For programs.
    fn object(&self) -> impl Serialize;
}

/// Prints a list whose array is `name` in JSON; without an entry, people are told `nothing`.
pub(super) async fn print<T: Entry>(
    args: &ListArgs,
    name: &str,
    nothing: &str,
    page: impl AsyncFn(PageRequest) -> Result<ListPage<T>, Failure>,
) -> Outcome {
    let mut left = if args.all { usize::MAX } else { args.limit.unwrap_or(LIMIT_DEFAULT) };
    let mut token = args.after.clone().unwrap_or_default();
    let mut written = 0_u64;
    let mut next = None;
    let mut is_begun = false;
    while left > 0 {
        let size = left.min(PAGE_MAX);
        let ListPage { entries, next: more } = page(PageRequest { size, token }).await?;
        let mut text = String::new();
        if args.json && !is_begun {
            text += &format!("{{\n  {}: [", quoted(name)?);
        }
        is_begun = true;
        for entry in &entries {
            if args.json {
                let object = serde_json::to_string(&entry.object()).map_err(unwritable)?;
                text += &format!("{}\n    {object}", if written > 0 { "," } else { "" });
            } else {
                text += &format!("{}\n", entry.line());
            }
            written += 1;
        }
        left = left.saturating_sub(entries.len());
        next = more;
        if !print::part(&text)? {
            // Nobody reads the rest.
            return Ok(ended(written));
        }
        match &next {
            Some(more) => token = more.clone(),
            None => break,
        }
    }
    let text = match (args.json, &next) {
        (true, next) => {
            let next = next.as_deref().map(quoted).transpose()?.unwrap_or_else(|| "null".to_owned());
            let gap = if written > 0 { "\n  " } else { "" };
            format!("{gap}],\n  \"next\": {next}\n}}\n")
        }
        (false, Some(next)) => format!("there may be more: raise --limit, name --all, or go on with --after {next}\n"),
        (false, None) if written == 0 => format!("{nothing}\n"),
        (false, None) => String::new(),
    };
    print::part(&text)?;
    Ok(ended(written))
}

fn ended(written: u64) -> Exit {
    if written > 0 { Exit::Success } else { Exit::Negative }
}

fn quoted(text: &str) -> Result<String, Failure> {
    serde_json::to_string(text).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::new(format_args!("cannot write the answer as JSON: {error}; this is a defect of chinhchu"))
}
