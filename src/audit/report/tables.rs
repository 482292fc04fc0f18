//! `pairs.csv` and `rings.csv`.

use std::io::{self, Write};

use super::{ReportData, ring_id};
use crate::audit::measure::Outcome;
use crate::table::{CsvLocale, Writer};

impl ReportData<'_> {
    /// Writes `pairs.csv`: every template pair found, the best score first. `chance_share`,
    /// `chance_share_high`, `link_compared` and `link_chance` are those of the link ([`Evidence`]), the same for
    /// all pairs of two records.
    ///
    /// [`Evidence`]: crate::audit::Evidence
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_pairs(&self, out: impl Write, locale: CsvLocale) -> io::Result<()> {
        let mut table = Writer::begin(out, locale, &PAIR_COLUMNS, &TABLE_NUMBERS)?;
        let mut order: Vec<u32> = (0..self.pairs.len() as u32).collect();
        order.sort_unstable_by(|&x, &y| {
            let (x, y) = (&self.pairs[x as usize], &self.pairs[y as usize]);
            y.score.total_cmp(&x.score).then((x.a, x.b).cmp(&(y.a, y.b)))
        });
        for pair in order.iter().map(|&place| &self.pairs[place as usize]) {
            let [one, other] = [pair.a, pair.b].map(|row| self.records.template(row));
            let Some(link) = self.link(one.subject, other.subject) else { continue };
            let [subject_a, subject_b] = [one.subject, other.subject].map(|subject| self.records.subject(subject));
            let (ring, kind) = self.kind(link);
            let expected = self.chance.expected(pair.score);
            let finding = self.records.finding(link.a, link.b);
            table.row([
                &*subject_a.id,
                &*subject_b.id,
                &*one.id,
                &*other.id,
                &pair.score.to_string(),
                &self.fmr(pair.score).map(scientific).unwrap_or_default(),
                &ring.map(|ring| ring_id(ring).to_string()).unwrap_or_default(),
                kind.name(),
                &quality(one.quality),
                &quality(other.quality),
                &*one.captured,
                &*other.captured,
                &expected.map(|e| scientific(e.value)).unwrap_or_default(),
                &format!("{:.4}", link.evidence.chance_share),
                &format!("{:.4}", link.evidence.chance_share_high),
                &link.compared.to_string(),
                &scientific(link.evidence.chance),
                finding.map_or("", Outcome::name),
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
        let mut table = Writer::begin(out, locale, &RING_COLUMNS, &TABLE_NUMBERS)?;
        for (place, ring) in (0u32..).zip(&self.rings.rings) {
            // Links lie there the best first, so a member's first is its best.
            let mut own: Vec<(u64, f32)> = vec![(0, 0.0); ring.members.len()];
            for link in ring.links.iter().map(|&link| &self.links[link as usize]) {
                for member in [link.a, link.b].iter().filter_map(|m| ring.members.binary_search(m).ok()) {
                    own[member].1 = if own[member].0 == 0 { link.score } else { own[member].1 };
                    own[member].0 += 1;
                }
            }
            let hangs_on = ring.hangs_on.map_or_else(Default::default, |link| {
                let link = &self.links[link as usize];
                [link.a, link.b].map(|subject| self.records.subject(subject).id)
            });
            let mut part_of = vec![0usize; ring.members.len()];
            for (part, members) in (1..).zip(&ring.parts) {
                members.iter().filter_map(|m| ring.members.binary_search(m).ok()).for_each(|at| part_of[at] = part);
            }
            for ((&member, (links, best)), part) in ring.members.iter().zip(own).zip(part_of) {
                let facts = self.records.subject(member);
                table.row([
                    &*ring_id(place).to_string(),
                    &*facts.id,
                    &ring.links.len().to_string(),
                    &ring.best_score.to_string(),
                    &ring.weakest_link.to_string(),
                    &ring.members.len().to_string(),
                    &nought(ring.evidence),
                    &ring.holds_to.to_string(),
                    &links.to_string(),
                    &best.to_string(),
                    &*facts.schemes,
                    &*facts.province,
                    &*facts.enrolled,
                    &nought(ring.evidence_total),
                    &ring.parts.len().to_string(),
                    &part.to_string(),
                    &*hangs_on[0],
                    &*hangs_on[1],
                ])?;
            }
        }
        table.end()
    }
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
pub(crate) const TABLE_NUMBERS: [&str; 21] = [
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

/// Three places, and no minus before a nought.
fn nought(value: f64) -> String {
    match format!("{value:.3}") {
        text if text == "-0.000" => "0.000".to_owned(),
        text => text,
    }
}

fn scientific(value: f64) -> String {
    format!("{value:.3e}")
}

fn quality(quality: Option<f32>) -> String {
    quality.map(|quality| format!("{quality:.1}")).unwrap_or_default()
}
