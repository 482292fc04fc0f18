//! `chinhchu ledger show`: who did what.

use clap::Args;
use serde::Serialize;

use super::source::LedgerSource;
use crate::cli::backend::GalleryArgs;
use crate::cli::listing::{self, ListArgs};
use crate::cli::settings::Settings;
use crate::cli::{Outcome, date, options};
use crate::gallery::{RequestId, SubjectId, Timestamp};
use crate::ledger::entry::{Entry, Kind, Listed};
use crate::ledger::verify::Leaf;
use crate::workflow::ledger::EntryFilter;

/// Which entries.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct FilterArgs {
    /// Only entries about this transaction
    #[arg(long, value_name = "TRANSACTION_ID", value_parser = transaction)]
    transaction: Option<RequestId>,
    /// Only entries about this subject: who looked at this person's record
    #[arg(long, value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: Option<SubjectId>,
    /// Only entries of this kind: decision, identify, record_read, …; docs/ledger.md lists them
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
    /// Only entries of this machine, person or account
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Only entries from this unit
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// Only entries with this reason
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Only entries of this time or later: 2026-03-05 (its midnight in UTC), or a time with offset
    #[arg(long, value_name = "TIME", value_parser = date::bound)]
    since: Option<Timestamp>,
    /// Only entries of before this time
    #[arg(long, value_name = "TIME", value_parser = date::bound)]
    until: Option<Timestamp>,
}

fn transaction(text: &str) -> Result<RequestId, String> {
    RequestId::new(text).map_err(|error| error.to_string())
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("there is no such kind; there are {}", names.join(", "))
    })
}

impl FilterArgs {
    pub(super) fn filter(self) -> EntryFilter {
        let Self { transaction, subject, kind, principal, unit, reason, since, until } = self;
        EntryFilter { transaction, subject, kind, principal, unit, reason, since, until }
    }
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    gallery: GalleryArgs,
}

pub(super) async fn run(settings: &Settings, args: ShowArgs) -> Outcome {
    let source = LedgerSource::open("ledger/show", settings, &args.gallery.place(settings)?).await?;
    let filter = args.filter.filter();
    let page = async |page| source.entries(&filter, page).await;
    listing::print(&args.list, "entries", "no such entry", page).await
}

impl listing::Entry for Leaf {
    fn line(&self) -> String {
        let Some(entry) = self.opening.as_ref().and_then(Entry::opened) else {
            return format!("{}  (pruned)", self.index);
        };
        let mut words = vec![
            self.index.to_string(),
            date::shown(Timestamp(entry.at_ms)),
            format!("{:<16}", entry.kind.name()),
            match (&entry.principal.name, &entry.principal.machine) {
                (Some(name), Some(machine)) => format!("{} at {}", name.as_str(), machine.as_str()),
                (Some(name), None) => name.as_str().to_owned(),
                _ => entry.principal.kind.name().to_owned(),
            },
        ];
        let mut word = |name: &str, value: Option<String>| words.extend(value.map(|value| format!("{name} {value}")));
        word("unit", entry.unit.as_ref().map(|unit| unit.as_str().to_owned()));
        word("by", entry.named.as_ref().map(|named| named.as_str().to_owned()));
        word("method", entry.method.as_ref().map(|method| method.as_str().to_owned()));
        word("transaction", entry.transaction.map(|digest| digest.to_string()));
        word("attempt", (entry.attempt > 0).then(|| entry.attempt.to_string()));
        word("outcome", entry.outcome.as_ref().map(|outcome| outcome.as_str().to_owned()));
        word("records", entry.records.map(|records| records.to_string()));
        if !entry.reasons.is_empty() {
            words.push(entry.reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", "));
        }
        for calls in &entry.calls {
            words.push(format!("{} {}: {}", calls.method.as_str(), calls.outcome.as_str(), calls.count));
        }
        words.join("  ")
    }

    fn object(&self) -> impl Serialize {
        let entry = self.opening.as_ref().and_then(Entry::opened);
        Shown { index: self.index, commitment: self.commitment.to_string(), entry }
    }
}

/// As [`Listed`], with the entry of its own; field names are a contract.
#[derive(Serialize)]
struct Shown {
    index: u64,
    commitment: String,
    entry: Option<Entry>,
}

/// A line of a list of entries.
pub(super) fn listed<'a>(leaf: &Leaf, entry: Option<&'a Entry>) -> Listed<'a> {
    Listed { index: leaf.index, commitment: leaf.commitment, entry }
}
