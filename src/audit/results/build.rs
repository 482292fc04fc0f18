//! From pairs, links and rings, by the audit's numbers, to results.

use std::borrow::Cow;

use super::{
    Capture, ClearedFound, Clearing, Compared, LinkFound, LinkKind, PairFound, RecordFound, Results, RingFound, Summary,
};
use crate::audit::chance::{Chance, LinkChance, LocalChance};
use crate::audit::left_out::LeftOutRow;
use crate::audit::links::{ClearedLink, Grade, RecordLink};
use crate::audit::measure::PairOutcome;
use crate::audit::rings::Rings;
use crate::search::Pair;

/// What is known of subjects and templates, by their numbers in the audit.
pub trait RecordFacts {
    /// What is known of a subject.
    fn subject(&self, subject: u32) -> SubjectFacts<'_>;
    /// What is known of a template, by its row.
    fn template(&self, row: u32) -> TemplateFacts<'_>;
    /// The subject of a template, by its row.
    fn owner(&self, row: u32) -> u32 {
        self.template(row).subject
    }
    /// What an investigator found of two subjects, the lower number first.
    fn finding(&self, _subject_a: u32, _subject_b: u32) -> Option<PairOutcome> {
        None
    }
    /// Who cleared two subjects, the lower number first, and why.
    fn clearing(&self, _subject_a: u32, _subject_b: u32) -> Clearing {
        Clearing::default()
    }
}

/// What is known of a subject. Empty texts are not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectFacts<'a> {
    /// Pseudonymous id.
    pub id: Cow<'a, str>,
    /// Schemes, as a person reads them (`health, social`).
    pub schemes: Cow<'a, str>,
    /// Province code.
    pub province: Cow<'a, str>,
    /// Day of enrolment, `YYYY-MM-DD`.
    pub enrolled: Cow<'a, str>,
    /// Of the second gallery of an audit of two against each other.
    pub second_gallery: bool,
}

/// What is known of a template.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateFacts<'a> {
    /// The subject, by its number.
    pub subject: u32,
    /// Id of the template in its gallery; for photos, their path in the manifest.
    pub id: Cow<'a, str>,
    /// Day of the capture, `YYYY-MM-DD`; empty where not known.
    pub captured: Cow<'a, str>,
    /// Quality of the capture, 0–100.
    pub quality: Option<f32>,
    /// Of the second gallery of an audit of two against each other.
    pub second_gallery: bool,
}

/// What was found, by the numbers of the audit.
#[derive(Clone, Copy)]
pub struct ResultsInput<'a> {
    /// Subjects and templates.
    pub records: &'a dyn RecordFacts,
    /// What was compared.
    pub compared: &'a Compared,
    /// Template pairs at or above the threshold, by row; those of cleared subjects may
    /// be among them, and are passed over.
    pub pairs: &'a [Pair],
    /// As `gather` made them of `pairs`.
    pub links: &'a [RecordLink],
    /// Likewise, of subjects that were cleared.
    pub cleared: &'a [ClearedLink],
    /// As `rings` made them of `links`.
    pub rings: &'a Rings,
    /// What chance is expected to give.
    pub chance: &'a Chance,
    /// The same beside what was found, for all of `pairs` that are not cleared.
    pub local: &'a LocalChance,
    /// What the evidence of `links` rests on.
    pub link_chance: &'a LinkChance,
    /// Rows of lists that took no part.
    pub left_out: &'a [LeftOutRow],
}

impl ResultsInput<'_> {
    /// The place of the link of two subjects.
    fn link(&self, a: u32, b: u32) -> Option<u32> {
        let key = (a.min(b), a.max(b));
        self.links.binary_search_by_key(&key, |link| (link.a, link.b)).ok().map(|at| at as u32)
    }

    /// The ring of a link, by its place, and what the link is to it.
    fn kind(&self, link: &RecordLink) -> (Option<u32>, LinkKind) {
        let (a, b) = (self.rings.ring_of(link.a), self.rings.ring_of(link.b));
        match a {
            Some(ring) if a == b && link.evidence.grade() == Grade::Strong => (Some(ring), LinkKind::Strong),
            Some(ring) if a == b => (Some(ring), LinkKind::Doubtful),
            _ => (None, LinkKind::Bridge),
        }
    }

    /// FMR at a score, by the pack's calibration, else by the gallery's own non-mates.
    pub(super) fn fmr(&self, score: f32) -> Option<f64> {
        if let Some(curve) = &self.chance.calibration {
            return Some(curve.fmr(score).rate);
        }
        let expected = self.chance.expected(score)?;
        (self.chance.comparisons > 0).then(|| expected.value / self.chance.comparisons as f64)
    }

    /// Template pairs that have a link, by place, each with the place of that: the best score
    /// first.
    fn listed(&self) -> Vec<(u32, u32)> {
        let mut listed: Vec<(u32, u32)> = (0u32..)
            .zip(self.pairs)
            .filter_map(|(place, pair)| {
                let [a, b] = [pair.a, pair.b].map(|row| self.records.owner(row));
                Some((place, self.link(a, b)?))
            })
            .collect();
        listed.sort_unstable_by(|&(x, _), &(y, _)| {
            let (x, y) = (&self.pairs[x as usize], &self.pairs[y as usize]);
            y.score.total_cmp(&x.score).then((x.a, x.b).cmp(&(y.a, y.b)))
        });
        listed
    }
}

/// Numbers of the audit that results name, which are numbered anew in the same order.
struct Renumbered(Vec<u32>);

impl Renumbered {
    fn of(numbers: impl Iterator<Item = u32>) -> Self {
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        Self(numbers)
    }

    /// The new number; every number asked for is there.
    fn get(&self, number: u32) -> u32 {
        match self.0.binary_search(&number) {
            Ok(at) | Err(at) => at as u32,
        }
    }
}

impl Results {
    /// Makes results of what was found.
    pub fn new(found: &ResultsInput<'_>) -> Self {
        let listed = found.listed();
        let rows = Renumbered::of(listed.iter().flat_map(|&(place, _)| {
            let pair = &found.pairs[place as usize];
            [pair.a, pair.b]
        }));
        let cleared = found.cleared.iter().flat_map(|link| [link.a, link.b]);
        let subjects = Renumbered::of(found.links.iter().flat_map(|link| [link.a, link.b]).chain(cleared));
        let renumbered = |subjects_of: &[u32]| subjects_of.iter().map(|&subject| subjects.get(subject)).collect();

        let records = subjects.0.iter().map(|&subject| {
            let SubjectFacts { id, schemes, province, enrolled, second_gallery } = found.records.subject(subject);
            let [id, schemes, province, enrolled] = [id, schemes, province, enrolled].map(Cow::into_owned);
            RecordFound { id, schemes, province, enrolled, second_gallery, ring: found.rings.ring_of(subject) }
        });
        let captures = rows.0.iter().map(|&row| {
            let TemplateFacts { subject, id, captured, quality, second_gallery } = found.records.template(row);
            let [id, captured] = [id, captured].map(Cow::into_owned);
            Capture { record: subjects.get(subject), id, captured, quality, second_gallery }
        });
        let mut place_of = vec![0u32; found.pairs.len()];
        (0u32..).zip(&listed).for_each(|(at, &(place, _))| place_of[place as usize] = at);
        let links = found.links.iter().map(|link| {
            let (ring, kind) = found.kind(link);
            LinkFound {
                a: subjects.get(link.a),
                b: subjects.get(link.b),
                score: link.score,
                pairs: link.pairs,
                compared: Some(link.compared),
                chance: Some(link.evidence.chance),
                chance_share: Some(link.evidence.chance_share),
                chance_share_high: Some(link.evidence.chance_share_high),
                kind,
                ring,
                best: place_of.get(link.best as usize).copied().unwrap_or_default(),
                finding: found.records.finding(link.a, link.b),
                id: None,
            }
        });
        let cleared = found.cleared.iter().map(|&ClearedLink { a, b, score, pairs }| {
            let clearing = found.records.clearing(a, b);
            ClearedFound { a: subjects.get(a), b: subjects.get(b), score, pairs, id: None, clearing }
        });
        let pairs = listed.iter().map(|&(place, link)| {
            let Pair { a, b, score } = found.pairs[place as usize];
            let chance_pairs = found.chance.expected(score).map(|expected| expected.value);
            PairFound { a: rows.get(a), b: rows.get(b), link, score, fmr: found.fmr(score), chance_pairs }
        });
        let rings = found.rings.rings.iter().map(|ring| RingFound {
            members: renumbered(&ring.members),
            links: ring.links.clone(),
            best_score: ring.best_score,
            weakest_link: ring.weakest_link,
            holds_to: ring.holds_to,
            evidence: ring.evidence,
            evidence_total: Some(ring.evidence_total),
            hangs_on: ring.hangs_on,
            parts: ring.parts.iter().map(|part| renumbered(part)).collect(),
            id: None,
        });
        Self {
            summary: Summary::new(found),
            bands: found.local.bands().to_vec(),
            records: records.collect(),
            captures: captures.collect(),
            links: links.collect(),
            pairs: pairs.collect(),
            rings: rings.collect(),
            bridges: found.rings.bridges.iter().map(|bridge| bridge.link).collect(),
            left_out: found.left_out.to_vec(),
            cleared: cleared.collect(),
            changed_pairs: Vec::new(),
            changed_rings: Vec::new(),
        }
    }
}
