//! The tables, for people and for programs of others: `pairs.csv`, `rings.csv`, `cleared.csv` and
//! `changes.csv`. Columns keep their names and places; further ones follow them. Nothing of ours
//! reads these files any more, but for those of folders that earlier programs made.
//!
//! A column is declared once: its name, whether it holds numbers that are made here or text that
//! others wrote, and what its cells say of a row.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Capture, ClearedFound, LinkFound, Member, PairFound, RecordFound, Results, RingFound, ring_id};
use crate::audit::ids::StableId;
use crate::audit::measure::PairOutcome;
use crate::dates::Moment;
use crate::table::{CsvLocale, Writer};

/// A column of rows of type `R`.
struct TableColumn<R> {
    name: &'static str,
    is_number: bool,
    cell: fn(&R) -> Cow<'_, str>,
}

/// A column of numbers that are made here.
const fn number<R>(name: &'static str, cell: fn(&R) -> Cow<'_, str>) -> TableColumn<R> {
    TableColumn { name, is_number: true, cell }
}

/// A column of text, whoever wrote it.
const fn text<R>(name: &'static str, cell: fn(&R) -> Cow<'_, str>) -> TableColumn<R> {
    TableColumn { name, is_number: false, cell }
}

fn write_table<R>(
    out: impl Write,
    locale: CsvLocale,
    columns: &[TableColumn<R>],
    rows: impl Iterator<Item = R>,
) -> io::Result<()> {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let numbers: Vec<&str> = columns.iter().filter(|column| column.is_number).map(|column| column.name).collect();
    let mut table = Writer::begin(out, locale, &names, &numbers)?;
    for row in rows {
        let cells: Vec<Cow<'_, str>> = columns.iter().map(|column| (column.cell)(&row)).collect();
        table.cells(cells.iter().map(|cell| &**cell))?;
    }
    table.end()
}

/// Whether a column of this name, in `pairs.csv` or `rings.csv`, holds numbers.
pub(in crate::audit) fn is_number(name: &str) -> bool {
    pair_columns().iter().any(|column| column.name == name && column.is_number)
        || ring_columns().iter().any(|column| column.name == name && column.is_number)
}

/// A template pair.
struct PairCells<'a> {
    pair: &'a PairFound,
    link: &'a LinkFound,
    records: [&'a RecordFound; 2],
    captures: [&'a Capture; 2],
    ring: Option<&'a RingFound>,
}

/// `chance_share`, `chance_share_high`, `link_compared` and `link_chance` are those of the link
/// ([`LinkEvidence`](crate::audit::LinkEvidence)), the same for all template pairs of two records, as are
/// the columns behind them.
fn pair_columns<'a>() -> [TableColumn<PairCells<'a>>; 20] {
    [
        text("subject_a", |row| row.records[0].id.as_str().into()),
        text("subject_b", |row| row.records[1].id.as_str().into()),
        text("template_a", |row| row.captures[0].id.as_str().into()),
        text("template_b", |row| row.captures[1].id.as_str().into()),
        number("score", |row| row.pair.score.to_string().into()),
        number("fmr", |row| known(row.pair.fmr, listed::scientific)),
        number("ring_id", |row| known(row.link.ring, |ring| ring_id(ring).to_string())),
        text("link", |row| row.link.kind.name().into()),
        number("quality_a", |row| known(row.captures[0].quality, listed::quality)),
        number("quality_b", |row| known(row.captures[1].quality, listed::quality)),
        text("captured_a", |row| row.captures[0].captured.as_str().into()),
        text("captured_b", |row| row.captures[1].captured.as_str().into()),
        number("chance_pairs", |row| known(row.pair.chance_pairs, listed::scientific)),
        number("chance_share", |row| known(row.link.chance_share, listed::share)),
        number("chance_share_high", |row| known(row.link.chance_share_high, listed::share)),
        number("link_compared", |row| known(row.link.compared, |compared| compared.to_string())),
        number("link_chance", |row| known(row.link.chance, listed::scientific)),
        text("finding", |row| row.link.finding.map_or("", PairOutcome::name).into()),
        text("pair_id", |row| known(row.link.id, |id| id.to_string())),
        text("ring_stable_id", |row| known(row.ring.and_then(|ring| ring.id), |id| id.to_string())),
    ]
}

/// A member of a ring.
struct MemberCells<'a> {
    number: u64,
    ring: &'a RingFound,
    member: Member,
    record: &'a RecordFound,
    hangs_on: [&'a str; 2],
}

/// `links`, `best_score`, `weakest_link` and what follows are the ring's; the `member_` columns and
/// `part` the member's own. `hangs_on_a` and `hangs_on_b` are the records whose link the ring hangs
/// on, where that is not strong.
fn ring_columns<'a>() -> [TableColumn<MemberCells<'a>>; 19] {
    [
        number("ring_id", |row| row.number.to_string().into()),
        text("subject_id", |row| row.record.id.as_str().into()),
        number("links", |row| row.ring.links.len().to_string().into()),
        number("best_score", |row| row.ring.best_score.to_string().into()),
        number("weakest_link", |row| row.ring.weakest_link.to_string().into()),
        number("members", |row| row.ring.members.len().to_string().into()),
        number("evidence", |row| listed::evidence(row.ring.evidence).into()),
        number("holds_to", |row| row.ring.holds_to.to_string().into()),
        number("member_links", |row| row.member.links.to_string().into()),
        number("member_best_score", |row| row.member.best_score.to_string().into()),
        text("schemes", |row| row.record.schemes.as_str().into()),
        text("province", |row| row.record.province.as_str().into()),
        text("enrolled", |row| row.record.enrolled.as_str().into()),
        number("evidence_total", |row| known(row.ring.evidence_total, listed::evidence)),
        number("parts", |row| row.ring.parts.len().to_string().into()),
        number("part", |row| row.member.part.unwrap_or_default().to_string().into()),
        text("hangs_on_a", |row| row.hangs_on[0].into()),
        text("hangs_on_b", |row| row.hangs_on[1].into()),
        text("ring_stable_id", |row| known(row.ring.id, |id| id.to_string())),
    ]
}

/// A pair that was cleared.
struct ClearedCells<'a> {
    found: &'a ClearedFound,
    records: [&'a str; 2],
}

fn cleared_columns<'a>() -> [TableColumn<ClearedCells<'a>>; 9] {
    [
        text("pair_id", |row| known(row.found.id, |id| id.to_string())),
        text("subject_a", |row| row.records[0].into()),
        text("subject_b", |row| row.records[1].into()),
        number("score", |row| row.found.score.to_string().into()),
        number("template_pairs", |row| row.found.pairs.to_string().into()),
        text("finding", |row| row.found.clearing.outcome.map_or("", PairOutcome::name).into()),
        text("officer", |row| row.found.clearing.officer.as_str().into()),
        text("reason", |row| row.found.clearing.reason.as_str().into()),
        text("cleared_at", |row| known(row.found.clearing.at, listed::moment)),
    ]
}

/// What became of a pair, or of a record in a ring.
struct ChangeCells<'a> {
    what: &'static str,
    change: &'static str,
    id: StableId,
    records: [&'a str; 2],
    score: Option<f32>,
    members: Option<u64>,
    record_change: &'static str,
    others: String,
}

/// Of a pair a row, with both records; of a ring a row for each record that joined or left it, and
/// one where none did.
fn change_columns<'a>() -> [TableColumn<ChangeCells<'a>>; 9] {
    [
        text("what", |row| row.what.into()),
        text("change", |row| row.change.into()),
        text("stable_id", |row| row.id.to_string().into()),
        text("subject_a", |row| row.records[0].into()),
        text("subject_b", |row| row.records[1].into()),
        number("score", |row| known(row.score, |score| score.to_string())),
        number("members", |row| known(row.members, |members| members.to_string())),
        text("record_change", |row| row.record_change.into()),
        text("other_rings", |row| row.others.as_str().into()),
    ]
}

impl Results {
    /// Writes `pairs.csv`: every template pair found, the best score first.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_pairs(&self, out: impl Write, locale: CsvLocale) -> io::Result<()> {
        let rows = self.pairs.iter().map(|pair| {
            let link = self.link_of(pair);
            PairCells {
                pair,
                link,
                records: self.records_of(pair),
                captures: [pair.a, pair.b].map(|capture| &self.captures[capture as usize]),
                ring: link.ring.map(|ring| &self.rings[ring as usize]),
            }
        });
        write_table(out, locale, &pair_columns(), rows)
    }

    /// Writes `rings.csv`: a row for every member, rings by rank, members by number.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_rings(&self, out: impl Write, locale: CsvLocale) -> io::Result<()> {
        let rows = (0u32..).zip(&self.rings).flat_map(|(place, ring)| {
            let hangs_on = ring.hangs_on.map_or(["", ""], |link| {
                let link = &self.links[link as usize];
                [link.a, link.b].map(|record| &*self.records[record as usize].id)
            });
            self.members(ring).into_iter().map(move |member| {
                let record = &self.records[member.record as usize];
                MemberCells { number: ring_id(place), ring, member, record, hangs_on }
            })
        });
        write_table(out, locale, &ring_columns(), rows)
    }

    /// Writes `cleared.csv`: pairs of records that were found and are cleared.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_cleared(&self, out: impl Write, locale: CsvLocale) -> io::Result<()> {
        let rows = self.cleared.iter().map(|found| ClearedCells {
            found,
            records: [found.a, found.b].map(|record| &*self.records[record as usize].id),
        });
        write_table(out, locale, &cleared_columns(), rows)
    }

    /// Writes `changes.csv`: what came and went since the earlier run.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_changes(&self, out: impl Write, locale: CsvLocale) -> io::Result<()> {
        let pairs = self.changed_pairs.iter().map(|pair| ChangeCells {
            what: if pair.change.is_new() { "pair_new" } else { "pair_gone" },
            change: pair.change.name(),
            id: pair.id,
            records: [&pair.records[0], &pair.records[1]],
            score: Some(pair.score),
            members: None,
            record_change: "",
            others: String::new(),
        });
        let rings = self.changed_rings.iter().flat_map(|ring| {
            let others: Vec<String> = ring.others.iter().map(StableId::to_string).collect();
            let row = move |record, record_change| ChangeCells {
                what: "ring",
                change: ring.change.name(),
                id: ring.id,
                records: [record, ""],
                score: None,
                members: Some(ring.members),
                record_change,
                others: others.join(" "),
            };
            let joined = ring.joined.iter().map(|record| (record.as_str(), "joined"));
            let mut records: Vec<_> = joined.chain(ring.left.iter().map(|record| (record.as_str(), "left"))).collect();
            if records.is_empty() {
                records.push(("", ""));
            }
            records.into_iter().map(move |(record, change)| row(record, change))
        });
        write_table(out, locale, &change_columns(), pairs.chain(rings))
    }
}

/// The text of what is known, else none.
fn known<'a, T>(value: Option<T>, text: impl FnOnce(T) -> String) -> Cow<'a, str> {
    value.map(text).unwrap_or_default().into()
}

/// Figures as the tables have them: with as many digits as mean something.
pub(crate) mod listed {
    use super::Moment;

    /// Weight of evidence: three places, and no minus before a nought.
    pub fn evidence(value: f64) -> String {
        match format!("{value:.3}") {
            text if text == "-0.000" => "0.000".to_owned(),
            text => text,
        }
    }

    /// A rate, or a number of pairs that chance gives.
    pub fn scientific(value: f64) -> String {
        format!("{value:.3e}")
    }

    /// A share of chance.
    pub fn share(value: f64) -> String {
        format!("{value:.4}")
    }

    /// Quality of a capture.
    pub fn quality(value: f32) -> String {
        format!("{value:.1}")
    }

    /// A time in milliseconds since 1970, in UTC.
    pub fn moment(at_ms: u64) -> String {
        Moment(i64::try_from(at_ms / 1000).unwrap_or(i64::MAX)).to_string()
    }
}
