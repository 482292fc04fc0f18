//! What the captures come to against each of those they are compared with.

use super::evidence::{Comparison, Duplicate, Duplicates, RecordTemplates};
use super::flow::Observed;
use super::policy::Policy;
use crate::face::Template;
use crate::gallery::{Candidate, Filter, Found, Gallery, Records, Scope, Searched, Source, Subject};
use crate::matching::{Curve, FMR_FLOOR, Reference, compare};
use crate::workflow::identify::{CANDIDATES_DEFAULT, fmr_for};
use crate::workflow::{Engine, WorkflowError};

impl Engine {
    /// The same face under another number, and the search that found or did not find it.
    pub(super) async fn elsewhere(
        &self,
        gallery: &Gallery,
        curve: &Curve,
        seen: &Observed,
        records: &Records,
        policy: &Policy,
    ) -> Result<(Duplicates, Searched), WorkflowError> {
        let own = records.head(&seen.subject).map_or(0, |head| head.templates.len() as u64);
        let templates = gallery.stats().templates.saturating_sub(own);
        let threshold = curve.threshold(fmr_for(policy.fpir, templates))?;
        let scope = Scope::Within(threshold.score);
        let Found { candidates: mut found, as_of } = gallery.find(&seen.probe, scope, &Filter::default()).await?;
        found.retain(|candidate| candidate.subject != seen.subject);
        let before = found.len();
        found.retain(|candidate| records.cleared_with.binary_search(&candidate.subject).is_err());
        let chance = curve.fmr(threshold.score);
        let searched = Searched { probe: seen.probe.clone(), score: threshold.score, as_of };
        let duplicates = Duplicates {
            cleared: u32::try_from(before - found.len()).unwrap_or(u32::MAX),
            truncated: found.len() > CANDIDATES_DEFAULT,
            candidates: found
                .into_iter()
                .take(CANDIDATES_DEFAULT)
                .map(|Candidate { subject, score, .. }| Duplicate { subject, score, fmr: curve.fmr(score) })
                .collect(),
            threshold,
            templates,
            expected_chance_hits: templates as f64 * chance.rate,
            expected_extrapolated: chance.extrapolated,
            expected_miss: curve.fnmr(threshold.score),
        };
        Ok((duplicates, searched))
    }
}

impl Engine {
    /// The captures against the chip's photo.
    pub(super) fn against_chip(
        &self,
        seen: &Observed,
        template: &Template,
        policy: &Policy,
    ) -> Result<Comparison, WorkflowError> {
        // A photo of unknown age is taken for an old one, which approves nobody more.
        let years = seen.chip.as_ref().and_then(|chip| chip.photo_years);
        let widened = years.is_none_or(|years| years >= policy.chip_photo_years_max);
        let refer_fmr = if widened { policy.chip_refer_fmr_old } else { policy.chip_refer_fmr };
        let curve = self.curve(seen.together.distinct(), Reference::Chip)?;
        let score = compare(template, &seen.probe)?;
        Ok(Comparison {
            score,
            fmr: curve.fmr(score),
            threshold: curve.threshold(policy.chip_fmr)?,
            refer_threshold: curve.threshold(refer_fmr)?,
            widened,
            templates: 1,
            against: Reference::Chip,
            curve: Some(curve.name()),
        })
    }

    /// The captures against the subject's templates, each by the curve of what its picture
    /// is. The rarest of `n` scores passes by chance up to `n` times as often as one, so each
    /// is held to an `n`-th of the rate.
    pub(super) fn against_reference(
        &self,
        seen: &Observed,
        subject: &Subject,
        policy: &Policy,
    ) -> Result<Option<Comparison>, WorkflowError> {
        let mut best: Option<(f64, f32, Reference)> = None;
        for stored in &subject.templates {
            let against = match stored.content.source {
                Source::Chip => Reference::Chip,
                Source::Live => Reference::Live,
                Source::Other => Reference::Any,
            };
            let score = compare(&stored.content.template, &seen.probe)?;
            let rate = self.curve(seen.together.distinct(), against)?.fmr(score).rate;
            // Where both are too rare to tell, by the score.
            if best.is_none_or(|(least, most, _)| rate < least || (rate == least && score > most)) {
                best = Some((rate, score, against));
            }
        }
        let count = subject.templates.len();
        let Some((_, score, against)) = best else { return Ok(None) };
        let curve = self.curve(seen.together.distinct(), against)?;
        let share = |fmr: f64| curve.threshold((fmr / count as f64).max(FMR_FLOOR));
        Ok(Some(Comparison {
            score,
            fmr: curve.fmr(score),
            threshold: share(policy.reference_fmr)?,
            refer_threshold: share(policy.reference_refer_fmr)?,
            widened: false,
            templates: u32::try_from(count).unwrap_or(u32::MAX),
            against,
            curve: Some(curve.name()),
        }))
    }

    /// Whether the templates of a record show one person.
    pub(super) fn record_templates(&self, subject: &Subject) -> Result<RecordTemplates, WorkflowError> {
        let threshold = self.agreement()?;
        let groups = subject.groups(threshold.score, self.apart()?)?;
        // At most `Subject::TEMPLATES_MAX`.
        Ok(RecordTemplates {
            templates: groups.len() as u32,
            groups: groups.iter().max().map_or(0, |last| *last as u32 + 1),
            vouched: subject.templates.iter().filter(|template| subject.is_vouched(template.id)).count() as u32,
            threshold,
        })
    }
}
