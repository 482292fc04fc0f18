//! Presentation attack detection testing (ISO/IEC 30107-3): APCER and BPCER.
//!
//! APCER is the share of presentations of one attack type (PAI species) classified as bona fide;
//! the highest APCER of any type is reported, never a mean over types. BPCER is the share of bona
//! fide presentations classified as attacks.
//!
//! With fewer than 30 errors there is no rate but upper confidence limits: for presentations, as if
//! they were independent, and for people.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::binomial::upper_limit;
use super::histogram::{bin, edge};
use super::pad_frames::FramesReport;
use super::pairs::ScoredComparison;
use super::rates::{Rate, too_few};
use super::view::{Bootstrap, ComparisonView, ERRORS_MIN, Totals, interval};

/// APCERs that BPCER is reported at.
const APCERS: [f64; 2] = [0.05, 0.1];

/// A presentation with its liveness score.
#[derive(Debug, Clone, PartialEq)]
pub struct Presentation {
    /// The attack type; `None` is bona fide.
    pub attack: Option<String>,
    /// The person; presentations of one person are not independent.
    pub subject: u32,
    /// Liveness score, 0…1, 1 is live; `None` if no face was found.
    pub score: Option<f32>,
}

/// Result of a presentation attack detection test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PadReport {
    /// Scores at or above it are classified as bona fide.
    pub threshold: f32,
    /// Bona fide presentations.
    pub bona_fide: u64,
    /// Attack presentations.
    pub attacks: u64,
    /// Presentations without a detected face, by attack type (`bona_fide` for bona fide ones). They
    /// are excluded from the rates: an attack without a face cannot succeed.
    pub no_response: BTreeMap<String, u64>,
    /// BPCER: share of bona fide presentations below the threshold.
    pub bpcer: Rate,
    /// Upper limits if the rate rests on too few errors.
    pub bpcer_limits: Option<ConfidenceLimits>,
    /// The attack type with the highest APCER among those with enough errors.
    pub worst_attack: Option<String>,
    /// By attack type.
    pub apcer: Vec<AttackRate>,
    /// BPCER at thresholds that bound the APCER of every attack type.
    pub bpcer_at_apcer: Vec<BpcerAtApcer>,
    /// Fusion of several captures' scores, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<FramesReport>,
}

/// One-sided exact upper 95 % confidence limits (Clopper and Pearson) for results with too few
/// errors for a rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfidenceLimits {
    /// Upper limit of the share of errors, 0…1, if presentations were independent. Those of one
    /// person are not, so the true limit is higher; `None` for draws of several captures, which
    /// share captures.
    pub presentations: Option<f64>,
    /// People with a presentation in which a face was found.
    pub people: u64,
    /// Those with at least one error.
    pub people_with_errors: u64,
    /// Upper limit of the share of people, 0…1, with at least one error in as many presentations as
    /// each has here.
    pub people_share: f64,
}

impl ConfidenceLimits {
    /// The limits if `rate` has too few errors; `None` if it has enough, or without presentations.
    /// `presentations` are (person, whether it is an error).
    pub(super) fn new(
        rate: &Rate,
        presentations: impl Iterator<Item = (u32, bool)>,
        independent: bool,
    ) -> Option<Self> {
        if rate.rate.is_some() {
            return None;
        }
        let (mut people, mut with_errors) = (BTreeSet::new(), BTreeSet::new());
        for (subject, error) in presentations {
            people.insert(subject);
            if error {
                with_errors.insert(subject);
            }
        }
        let (people, people_with_errors) = (people.len() as u64, with_errors.len() as u64);
        Some(Self {
            presentations: upper_limit(rate.errors, rate.comparisons).filter(|_| independent),
            people,
            people_with_errors,
            people_share: upper_limit(people_with_errors, people)?,
        })
    }
}

/// APCER of one attack type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttackRate {
    /// The attack type.
    pub attack: String,
    /// APCER: share of its presentations classified as bona fide.
    pub apcer: Rate,
    /// Upper limits if the rate rests on too few errors.
    pub apcer_limits: Option<ConfidenceLimits>,
}

/// BPCER at the threshold that bounds the APCER of every attack type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BpcerAtApcer {
    /// The APCER.
    pub apcer: f64,
    /// The lowest threshold with at most this APCER for all types with enough errors.
    pub threshold: Option<f32>,
    /// BPCER there.
    pub bpcer: Rate,
    /// Why there is none.
    pub not_resolved: Option<String>,
}

/// Rates of `presentations` of `subjects` people at a liveness threshold.
pub fn pad(presentations: &[Presentation], subjects: usize, threshold: f32, bootstrap: Bootstrap) -> PadReport {
    let edge_bin = bin(threshold);
    let mut no_response = BTreeMap::new();
    let mut types: BTreeMap<&str, Vec<ScoredComparison>> = BTreeMap::new();
    let mut live: Vec<ScoredComparison> = Vec::new();
    for presentation in presentations {
        let Presentation { attack, subject, score } = presentation;
        let Some(score) = *score else {
            *no_response.entry(attack.clone().unwrap_or_else(|| BONA_FIDE.to_owned())).or_insert(0) += 1;
            continue;
        };
        let pair =
            ScoredComparison { score, a: 0, b: 0, subject_a: *subject, subject_b: *subject, genuine: attack.is_none() };
        match attack {
            Some(attack) => types.entry(attack).or_default().push(pair),
            None => live.push(pair),
        }
    }
    let view = |attacks: &[ScoredComparison], live: &[ScoredComparison]| {
        let totals = Totals::counted(live.iter().chain(attacks).map(|p| (p.subject_a, p.subject_b, p.genuine)));
        ComparisonView::new(live, attacks, totals, subjects)
    };
    let live_view = view(&[], &live);
    let bpcer_at = |at: i32| {
        let rates = live_view.counted();
        Rate::new(rates.misses(at), live.len() as u64, interval(live_view.repeat(bootstrap, |_, rates| rates.fnmr(at))))
    };
    let apcer: Vec<AttackRate> = types
        .iter()
        .map(|(attack, pairs)| {
            let view = view(pairs, &[]);
            let ends = interval(view.repeat(bootstrap, |_, rates| rates.fmr(edge_bin)));
            let errors = view.counted().false_matches(edge_bin);
            let apcer = Rate::new(errors, pairs.len() as u64, ends);
            let each = pairs.iter().map(|pair| (pair.subject_a, bin(pair.score) >= edge_bin));
            AttackRate { attack: (*attack).to_owned(), apcer_limits: ConfidenceLimits::new(&apcer, each, true), apcer }
        })
        .collect();
    let bpcer_at_apcer = APCERS.map(|wanted| {
        let resolved = types.values().filter(|pairs| wanted * pairs.len() as f64 >= ERRORS_MIN as f64);
        let at = resolved.filter_map(|pairs| view(pairs, &[]).counted().threshold(wanted)).max();
        let most = types.values().map(Vec::len).max().unwrap_or(0);
        BpcerAtApcer {
            apcer: wanted,
            threshold: at.map(edge),
            bpcer: at.map_or_else(|| Rate::new(0, live.len() as u64, None), bpcer_at),
            not_resolved: at.is_none().then(|| too_few((wanted * most as f64) as u64, "attacks that may pass")),
        }
    });
    let worst = apcer
        .iter()
        .filter(|a| a.apcer.rate.is_some())
        .max_by(|a, b| a.apcer.rate.unwrap_or(0.0).total_cmp(&b.apcer.rate.unwrap_or(0.0)));
    let bpcer = bpcer_at(edge_bin);
    let each = live.iter().map(|pair| (pair.subject_a, bin(pair.score) < edge_bin));
    PadReport {
        threshold,
        bona_fide: live.len() as u64,
        attacks: types.values().map(|pairs| pairs.len() as u64).sum(),
        no_response,
        bpcer_limits: ConfidenceLimits::new(&bpcer, each, true),
        bpcer,
        worst_attack: worst.map(|worst| worst.attack.clone()),
        apcer,
        bpcer_at_apcer: bpcer_at_apcer.to_vec(),
        frames: None,
    }
}

/// Value of the manifest's column `attack` for a bona fide presentation.
pub const BONA_FIDE: &str = "bona_fide";

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { repetitions: 100, seed: 1 };

    fn made(attack: Option<&str>, count: u32, score: impl Fn(u32) -> f32) -> Vec<Presentation> {
        (0..count)
            .map(|i| Presentation { attack: attack.map(str::to_owned), subject: i % 50, score: Some(score(i)) })
            .collect()
    }

    #[test]
    fn the_worst_attack_is_the_headline_and_rare_ones_are_not_resolved() {
        let mut all = made(None, 500, |i| if i % 10 == 0 { 0.3 } else { 0.9 });
        all.extend(made(Some("print"), 400, |i| if i % 10 == 0 { 0.8 } else { 0.1 }));
        all.extend(made(Some("replay"), 400, |i| if i % 4 == 0 { 0.8 } else { 0.1 }));
        all.extend(made(Some("mask"), 20, |_| 0.9));
        all.push(Presentation { attack: Some("mask".into()), subject: 0, score: None });
        let report = pad(&all, 50, 0.5, BOOTSTRAP);
        assert_eq!((report.bona_fide, report.attacks, report.no_response["mask"]), (500, 820, 1));
        assert_eq!((report.bpcer.rate, report.worst_attack.as_deref()), (Some(0.1), Some("replay")));
        let rate = |name: &str| report.apcer.iter().find(|a| a.attack == name).unwrap().apcer.clone();
        assert_eq!((rate("print").rate, rate("replay").rate), (Some(0.1), Some(0.25)));
        assert!(rate("replay").low.unwrap() <= 0.25 && rate("replay").high.unwrap() >= 0.25);
        assert_eq!((rate("mask").rate, rate("mask").errors), (None, 20));
    }

    #[test]
    fn bpcer_is_read_where_every_attack_type_keeps_its_rate() {
        let mut all = made(None, 1000, |i| i as f32 / 1000.0);
        all.extend(made(Some("print"), 1000, |i| i as f32 / 2000.0));
        all.extend(made(Some("replay"), 1000, |i| 0.2 + i as f32 / 2000.0));
        let report = pad(&all, 50, 0.5, BOOTSTRAP);
        let tenth = &report.bpcer_at_apcer[1];
        // A tenth of the replays lie above 0.65.
        assert!((tenth.threshold.unwrap() - 0.65).abs() < 0.002 && (tenth.bpcer.rate.unwrap() - 0.65).abs() < 0.005);
        let few = pad(&made(Some("print"), 100, |_| 0.1), 50, 0.5, BOOTSTRAP);
        assert!(few.bpcer_at_apcer[0].threshold.is_none() && few.bpcer_at_apcer[0].not_resolved.is_some());
        assert_eq!(few.bpcer.rate, None);
    }

    #[test]
    fn too_few_errors_give_limits_over_presentations_and_over_people_and_no_rate() {
        // Eight people, 24 presentations each; one live capture of one person is an error.
        let eight = |attack: Option<&str>, score: fn(u32) -> f32| {
            let mut made = made(attack, 192, score);
            made.iter_mut().zip(0u32..).for_each(|(one, i)| one.subject = i % 8);
            made
        };
        let mut all = eight(None, |i| if i == 5 { 0.2 } else { 0.9 });
        all.extend(eight(Some("print"), |_| 0.1));
        let report = pad(&all, 8, 0.5, BOOTSTRAP);
        assert_eq!((report.bpcer.rate, report.apcer[0].apcer.rate), (None, None));
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-5, "{value} is not {expected}");
        let attacks = report.apcer[0].apcer_limits.as_ref().unwrap();
        assert_eq!((attacks.people, attacks.people_with_errors), (8, 0));
        near(attacks.presentations.unwrap(), 0.015_482);
        near(attacks.people_share, 0.312_344);
        let live = report.bpcer_limits.as_ref().unwrap();
        assert_eq!((live.people, live.people_with_errors), (8, 1));
        near(live.presentations.unwrap(), 0.024_468);
        near(live.people_share, 0.470_679);
    }

    #[test]
    fn a_rate_that_is_resolved_has_its_interval_and_no_limits() {
        let mut all = made(None, 500, |i| if i % 10 == 0 { 0.3 } else { 0.9 });
        all.extend(made(Some("print"), 400, |i| if i % 10 == 0 { 0.8 } else { 0.1 }));
        let report = pad(&all, 50, 0.5, BOOTSTRAP);
        assert_eq!((report.bpcer_limits, report.apcer[0].apcer_limits.clone()), (None, None));
        let nobody = pad(&[], 0, 0.5, BOOTSTRAP);
        assert_eq!((nobody.bpcer.rate, nobody.bpcer_limits), (None, None));
    }
}
