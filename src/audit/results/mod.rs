//! What an audit found, as plain data: what its files, its page, the commands after it and
//! a service are views of.
//!
//! Only records and captures that a pair found names are here, numbered from 0 in the order of
//! the audit. The same findings give the same results: nothing here depends on the clock, but
//! for `seconds`, `cost` and `run` in the summary, which the caller states, and what has changed
//! since an earlier run, which depends on that.
//!
//! Results name subjects, because that is their purpose. Nothing else does: they print
//! nothing of it by `Debug`, and no error of this module carries an id.

mod asked;
mod build;
mod changes;
mod cleared;
mod named;
mod run;
mod summary;
mod tables;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::asked::{Compared, ThresholdAsked};
pub use self::build::{RecordFacts, ResultsInput, SubjectFacts, TemplateFacts};
pub use self::changes::{ChangedPair, ChangedRing, ChangesSummary, EarlierRun, PairChange, RingChange};
pub use self::cleared::{ClearedFound, Clearing};
pub use self::named::PairNamed;
pub use self::run::RunInfo;
pub use self::summary::{Sampled, Summary};
pub(super) use self::tables::is_number;
pub(crate) use self::tables::listed;
use super::chance::Band;
use super::findings::Findings;
use super::ids::StableId;
use super::left_out::LeftOutRow;
use super::measure::{Case, MeasuredPrecision, PairOutcome, measured};

/// All that an audit found.
#[derive(Clone, PartialEq)]
pub struct Results {
    /// The figures.
    pub summary: Summary,
    /// Template pairs found beside those of chance, by band of scores; none in folders of
    /// earlier programs, which did not keep them.
    pub bands: Vec<Band>,
    /// Records with a link.
    pub records: Vec<RecordFound>,
    /// Their captures that a pair names.
    pub captures: Vec<Capture>,
    /// Links between records, by their numbers.
    pub links: Vec<LinkFound>,
    /// Template pairs, the best score first.
    pub pairs: Vec<PairFound>,
    /// Rings, the surest first.
    pub rings: Vec<RingFound>,
    /// Links that were not followed, by their places, the best score first.
    pub bridges: Vec<u32>,
    /// Rows of lists that took no part.
    pub left_out: Vec<LeftOutRow>,
    /// Pairs of records that were cleared, by their numbers: none of them is a link.
    pub cleared: Vec<ClearedFound>,
    /// Pairs of records that came or went since the earlier run, new ones first.
    pub changed_pairs: Vec<ChangedPair>,
    /// Rings that are not as they were in the earlier run.
    pub changed_rings: Vec<ChangedRing>,
}

/// A record with a link. Empty texts are not known.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordFound {
    /// Pseudonymous id.
    pub id: String,
    /// Schemes, as a person reads them (`health, social`).
    pub schemes: String,
    /// Province code.
    pub province: String,
    /// Day of enrolment, `YYYY-MM-DD`.
    pub enrolled: String,
    /// Of the second gallery alone, in an audit of two against each other.
    pub second_gallery: bool,
    /// Its ring, by place.
    pub ring: Option<u32>,
}

/// A template that a pair names.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    /// Its record, by number.
    pub record: u32,
    /// Id of the template in its gallery; for photos, their path in the manifest.
    pub id: String,
    /// Day of the capture, `YYYY-MM-DD`; empty where not known.
    pub captured: String,
    /// Quality of the capture, 0–100.
    pub quality: Option<f32>,
    /// Of the second gallery, in an audit of two against each other.
    pub second_gallery: bool,
}

/// Two records some of whose templates score at or above the threshold. What is absent was
/// not kept by the program that made the audit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LinkFound {
    /// The record with the lower number.
    pub a: u32,
    /// The record with the higher number.
    pub b: u32,
    /// Best score of the template pairs.
    pub score: f32,
    /// Template pairs found of the two.
    pub pairs: u32,
    /// Template pairs compared of the two.
    pub compared: Option<u64>,
    /// How likely as high scores are among so many of two strangers, at most.
    pub chance: Option<f64>,
    /// Share of chance among links like it.
    pub chance_share: Option<f64>,
    /// The same at the upper end of what chance gives.
    pub chance_share_high: Option<f64>,
    /// What it is to the rings.
    pub kind: LinkKind,
    /// Its ring, by place; absent of a bridge.
    pub ring: Option<u32>,
    /// The best template pair, by place.
    pub best: u32,
    /// What an investigator had found of the two when the audit ended.
    pub finding: Option<PairOutcome>,
    /// The pair's stable id; not given by the first programs.
    #[serde(default)]
    pub id: Option<StableId>,
}

/// A pair of templates at or above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "PairParts", into = "PairParts")]
pub struct PairFound {
    /// Capture of one record.
    pub a: u32,
    /// Capture of the other.
    pub b: u32,
    /// The link of the two records, by place.
    pub link: u32,
    /// The score.
    pub score: f32,
    /// FMR at that score.
    pub fmr: Option<f64>,
    /// Pairs at or above that score that chance is expected to give.
    pub chance_pairs: Option<f64>,
}

/// A pair as it is kept: there may be millions, so without names.
type PairParts = (u32, u32, u32, f32, Option<f64>, Option<f64>);

impl From<PairParts> for PairFound {
    fn from((a, b, link, score, fmr, chance_pairs): PairParts) -> Self {
        Self { a, b, link, score, fmr, chance_pairs }
    }
}

impl From<PairFound> for PairParts {
    fn from(of: PairFound) -> Self {
        (of.a, of.b, of.link, of.score, of.fmr, of.chance_pairs)
    }
}

/// Records that belong together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RingFound {
    /// At least two, ascending.
    pub members: Vec<u32>,
    /// The links inside, by place, the best score first.
    pub links: Vec<u32>,
    /// Best score of a link inside.
    pub best_score: f32,
    /// Lowest score of a link inside.
    pub weakest_link: f32,
    /// The highest score up to which the ring holds together.
    pub holds_to: f32,
    /// Weight of the link it hangs on, in powers of ten.
    pub evidence: f64,
    /// Sum of the weights of the best links that hold it together; not kept by the first
    /// programs.
    pub evidence_total: Option<f64>,
    /// The link it hangs on, by place, where that is not strong.
    pub hangs_on: Option<u32>,
    /// Members by part that strong links alone hold together; empty where not kept.
    pub parts: Vec<Vec<u32>>,
    /// The ring's stable id; not given by the first programs.
    #[serde(default)]
    pub id: Option<StableId>,
}

/// A member of a ring, with what links it there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// The record.
    pub record: u32,
    /// Its links inside.
    pub links: u64,
    /// The best score of those.
    pub best_score: f32,
    /// Its part, from 1; absent where not kept.
    pub part: Option<u64>,
}

/// What a link is to the rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// Within a ring; chance hardly gives a link like it.
    Strong,
    /// Within a ring; chance may give a link like it.
    Doubtful,
    /// Not followed: doubtful, or likely chance.
    Bridge,
}

impl LinkKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Strong, Self::Doubtful, Self::Bridge];

    /// As in `pairs.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Doubtful => "doubtful",
            Self::Bridge => "bridge",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The number a ring goes by: its rank, from 1.
pub fn ring_id(place: u32) -> u64 {
    u64::from(place) + 1
}

impl Results {
    /// A ring by its number.
    pub fn ring(&self, id: u64) -> Option<&RingFound> {
        self.rings.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    /// A template pair by the number of its row in `pairs.csv`, from 1.
    pub fn pair(&self, number: u64) -> Option<&PairFound> {
        self.pairs.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// The records of a template pair, in its order.
    pub fn records_of(&self, pair: &PairFound) -> [&RecordFound; 2] {
        [pair.a, pair.b].map(|capture| &self.records[self.captures[capture as usize].record as usize])
    }

    /// The link of a template pair.
    pub fn link_of(&self, pair: &PairFound) -> &LinkFound {
        &self.links[pair.link as usize]
    }

    /// The members of a ring with what links them to it.
    pub fn members(&self, ring: &RingFound) -> Vec<Member> {
        let new = |&record: &u32| Member { record, links: 0, best_score: 0.0, part: None };
        let mut members: Vec<Member> = ring.members.iter().map(new).collect();
        // Links lie there the best first, so a member's first is its best.
        for link in ring.links.iter().map(|&link| &self.links[link as usize]) {
            for end in [link.a, link.b].iter().filter_map(|end| ring.members.binary_search(end).ok()) {
                let member = &mut members[end];
                member.best_score = if member.links == 0 { link.score } else { member.best_score };
                member.links += 1;
            }
        }
        for (part, of_part) in (1..).zip(&ring.parts) {
            of_part
                .iter()
                .filter_map(|record| ring.members.binary_search(record).ok())
                .for_each(|at| members[at].part = Some(part));
        }
        members
    }

    /// What holds of the two records of a link, also after the audit ended: what `since` says, and
    /// where that has no entry of them, what an investigator had found by then.
    pub fn finding(&self, link: &LinkFound, since: &Findings) -> Option<PairOutcome> {
        let [a, b] = [link.a, link.b].map(|record| &self.records[record as usize].id);
        match since.history(a, b).last() {
            Some(last) => last.outcome(),
            None => link.finding,
        }
    }

    /// How precise the audit was, going by what investigators found.
    pub fn measure(&self, findings: &Findings) -> MeasuredPrecision {
        let links = self.links.iter().map(|link| {
            let [a, b] = [link.a, link.b].map(|record| self.records[record as usize].id.as_str());
            (if a <= b { (a, b) } else { (b, a) }, link.score)
        });
        let cases = findings.iter().filter_map(|finding| {
            let case = Case { score: finding.score, outcome: finding.outcome()? };
            Some((finding.subject_a.as_str(), finding.subject_b.as_str(), case))
        });
        measured(self.summary.threshold, links.collect(), cases)
    }

    /// Whether every number in it is one of something that is there, so that no view of it
    /// looks beyond an end.
    pub(super) fn is_whole(&self) -> bool {
        let Self { records, captures, links, pairs, rings, bridges, cleared, .. } = self;
        let within = |of: u32, all: usize| (of as usize) < all;
        let ring = |of: Option<u32>| of.is_none_or(|of| within(of, rings.len()));
        let record = |of: &u32| within(*of, records.len());
        records.iter().all(|of| ring(of.ring))
            && captures.iter().all(|of| record(&of.record))
            && links.iter().all(|of| record(&of.a) && record(&of.b) && ring(of.ring) && within(of.best, pairs.len()))
            && pairs
                .iter()
                .all(|of| within(of.link, links.len()) && within(of.a, captures.len()) && within(of.b, captures.len()))
            && rings.iter().all(|of| {
                let link = |of: &u32| within(*of, links.len());
                of.members.iter().all(record)
                    && of.members.is_sorted()
                    && of.links.iter().all(link)
                    && of.hangs_on.iter().all(link)
                    && of.parts.iter().flatten().all(record)
            })
            && bridges.iter().all(|of| within(*of, links.len()))
            && cleared.iter().all(|of| record(&of.a) && record(&of.b))
    }
}

// Who shares a face with whom stays out of logs.
impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Results({} pairs, {} links, {} rings)", self.pairs.len(), self.links.len(), self.rings.len())
    }
}

impl fmt::Debug for RecordFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordFound(…)")
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Capture(…)")
    }
}
