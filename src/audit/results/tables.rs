//! `pairs.csv` and `rings.csv`, for people and for programs of others. The columns named first
//! are a contract; further ones follow them. Nothing of ours reads these files any more, but
//! for those of folders that earlier programs made.

use std::io::{self, Write};

use super::{Results, ring_id};
use crate::audit::measure::Outcome;
use crate::table::{CsvLocale, Writer};

impl Results {
    /// Writes `pairs.csv`: every template pair found, the best score first. `chance_share`,
    /// `chance_share_high`, `link_compared` and `link_chance` are those of the link
    /// ([`Evidence`](crate::audit::Evidence)), the same for all pairs of two records.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_pairs(&self, out: impl Write, locale: CsvLocale) -> io::Result<()> {
        let mut table = Writer::begin(out, locale, &PAIR_COLUMNS, &NUMBERS)?;
        for pair in &self.pairs {
            let link = self.link_of(pair);
            let [one, other] = [pair.a, pair.b].map(|capture| &self.captures[capture as usize]);
            let [record_a, record_b] = self.records_of(pair);
            table.row([
                &*record_a.id,
                &*record_b.id,
                &*one.id,
                &*other.id,
                &pair.score.to_string(),
                &known(pair.fmr, listed::scientific),
                &link.ring.map(|ring| ring_id(ring).to_string()).unwrap_or_default(),
                link.kind.name(),
                &known(one.quality, listed::quality),
                &known(other.quality, listed::quality),
                &*one.captured,
                &*other.captured,
                &known(pair.chance_pairs, listed::scientific),
                &known(link.chance_share, listed::share),
                &known(link.chance_share_high, listed::share),
                &link.compared.map(|compared| compared.to_string()).unwrap_or_default(),
                &known(link.chance, listed::scientific),
                link.finding.map_or("", Outcome::name),
            ])?;
        }
        table.end()
    }

    /// Writes `rings.csv`: a row for every member, rings by rank, members by number.
    /// `links`, `best_score`, `weakest_link` and what follows are the ring's; the
    /// `member_` columns and `part` the member's own. `hangs_on_a` and `hangs_on_b` are the
    /// records whose link the ring hangs on, where that is not strong.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_rings(&self, out: impl Write, locale: CsvLocale) -> io::Result<()> {
        let mut table = Writer::begin(out, locale, &RING_COLUMNS, &NUMBERS)?;
        for (place, ring) in (0u32..).zip(&self.rings) {
            let hangs_on = ring.hangs_on.map_or(["", ""], |link| {
                let link = &self.links[link as usize];
                [link.a, link.b].map(|record| &*self.records[record as usize].id)
            });
            for member in self.members(ring) {
                let record = &self.records[member.record as usize];
                table.row([
                    &*ring_id(place).to_string(),
                    &*record.id,
                    &ring.links.len().to_string(),
                    &ring.best_score.to_string(),
                    &ring.weakest_link.to_string(),
                    &ring.members.len().to_string(),
                    &listed::evidence(ring.evidence),
                    &ring.holds_to.to_string(),
                    &member.links.to_string(),
                    &member.best_score.to_string(),
                    &*record.schemes,
                    &*record.province,
                    &*record.enrolled,
                    &known(ring.evidence_total, listed::evidence),
                    &ring.parts.len().to_string(),
                    &member.part.unwrap_or_default().to_string(),
                    hangs_on[0],
                    hangs_on[1],
                ])?;
            }
        }
        table.end()
    }
}

/// The text of what is known, else none.
fn known<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map(text).unwrap_or_default()
}

const PAIR_COLUMNS: [&str; 18] = [
    "subject_a",
    "subject_b",
    "template_a",
    "template_b",
    "score",
    "fmr",
    "ring_id",
    "link",
    "quality_a",
    "quality_b",
    "captured_a",
    "captured_b",
    "chance_pairs",
    "chance_share",
    "chance_share_high",
    "link_compared",
    "link_chance",
    "finding",
];

/// Columns of both that hold numbers made here; all others hold text that others wrote.
pub(in crate::audit) const NUMBERS: [&str; 21] = [
    "score",
    "fmr",
    "ring_id",
    "quality_a",
    "quality_b",
    "chance_pairs",
    "chance_share",
    "chance_share_high",
    "link_compared",
    "link_chance",
    "links",
    "best_score",
    "weakest_link",
    "members",
    "evidence",
    "holds_to",
    "member_links",
    "member_best_score",
    "evidence_total",
    "parts",
    "part",
];

const RING_COLUMNS: [&str; 18] = [
    "ring_id",
    "subject_id",
    "links",
    "best_score",
    "weakest_link",
    "members",
    "evidence",
    "holds_to",
    "member_links",
    "member_best_score",
    "schemes",
    "province",
    "enrolled",
    "evidence_total",
    "parts",
    "part",
    "hangs_on_a",
    "hangs_on_b",
];

/// Figures as the tables have them: with as many digits as mean something.
pub(crate) mod listed {
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
}
