//! What the captures come to against each of those they are compared with.

use super::evidence::{Comparison, Duplicate, Duplicates, RecordTemplates};
use super::flow::Observed;
use super::policy::Policy;
use crate::face::Template;
use crate::gallery::{Filter, Found, Gallery, Records, Scope, Searched, Source, Subject};
use crate::matching::{FMR_FLOOR, Reference, compare};
use crate::workflow::generation::Generation;
use crate::workflow::identify::{CANDIDATES_DEFAULT, fmr_for};
use crate::workflow::merge::{Hit, hits, merged};
use crate::workflow::{Engine, WorkflowError};

impl Engine {
    /// The same face under another number, and the searches that found or did not find it: one by
    /// each generation.
    pub(super) async fn elsewhere(
        &self,
        gallery: &Gallery,
        seen: &Observed,
        records: &Records,
        policy: &Policy,
    ) -> Result<(Duplicates, Vec<Searched>), WorkflowError> {
        let own = records.head(&seen.subject).map_or(0, |head| head.templates.len() as u64);
        let templates = gallery.stats().templates.saturating_sub(own);
        // One rate for the templates of all generations together.
        let fmr = fmr_for(policy.fpir, templates);
        let distinct = seen.together.distinct();
        let (mut lists, mut searched) = (Vec::new(), Vec::new());
        for (generation, by) in self.generations().zip(&seen.by) {
            // A gallery holds references of every kind.
            let score = generation.curve(distinct, Reference::Any)?.threshold(fmr)?.score;
            let found = gallery.find(&by.probe, Scope::Within(score), &Filter::default()).await?;
            let Found { candidates, as_of } = found;
            lists.push(hits(generation, distinct, candidates)?);
            searched.push(Searched { probe: by.probe.clone(), score, as_of });
        }
        let mut found = merged(lists);
        found.retain(|hit| hit.subject != seen.subject);
        let before = found.len();
        found.retain(|hit| records.cleared_with.binary_search(&hit.subject).is_err());
        let curve = self.curve(distinct, Reference::Any)?;
        let threshold = curve.threshold(fmr)?;
        let chance = curve.fmr(threshold.score);
        let duplicate = |hit: Hit| Duplicate {
            subject: hit.subject,
            score: hit.score,
            fmr: hit.fmr,
            recipe: self.recipe_beside(hit.recipe),
        };
        let duplicates = Duplicates {
            cleared: u32::try_from(before - found.len()).unwrap_or(u32::MAX),
            truncated: found.len() > CANDIDATES_DEFAULT,
            candidates: found.into_iter().take(CANDIDATES_DEFAULT).map(duplicate).collect(),
            threshold,
            templates,
            expected_chance_hits: templates as f64 * chance.rate,
            expected_extrapolated: chance.extrapolated,
            expected_miss: self.worst_miss(gallery, distinct, fmr).await?,
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
        let score = compare(template, &seen.first().probe)?;
        Ok(Comparison {
            score,
            fmr: curve.fmr(score),
            threshold: curve.threshold(policy.chip_fmr)?,
            refer_threshold: curve.threshold(refer_fmr)?,
            widened,
            templates: 1,
            against: Reference::Chip,
            curve: Some(curve.name()),
            recipe: None,
        })
    }

    /// The captures against the subject's templates, each by the curve of what its picture is, in
    /// the generation that made it. The rarest of `n` scores passes by chance up to `n` times as
    /// often as one, so each is held to an `n`-th of the rate.
    pub(super) fn against_reference(
        &self,
        seen: &Observed,
        subject: &Subject,
        policy: &Policy,
    ) -> Result<Option<Comparison>, WorkflowError> {
        struct Best<'e> {
            rate: f64,
            score: f32,
            against: Reference,
            generation: &'e Generation,
        }
        let mut best: Option<Best<'_>> = None;
        let mut count = 0usize;
        for (generation, by) in self.generations().zip(&seen.by) {
            for stored in subject.templates_of(generation.recipe()) {
                let against = match stored.content.source {
                    Source::Chip => Reference::Chip,
                    Source::Live => Reference::Live,
                    Source::Other => Reference::Any,
                };
                count += 1;
                let score = compare(&stored.content.template, &by.probe)?;
                let rate = generation.curve(seen.together.distinct(), against)?.fmr(score).rate;
                let is_better = best.as_ref().is_none_or(|best| {
                    // Where both are too rare to tell, by the score, within one generation.
                    let is_one_scale = best.generation.recipe() == generation.recipe();
                    rate < best.rate || (rate == best.rate && is_one_scale && score > best.score)
                });
                if is_better {
                    best = Some(Best { rate, score, against, generation });
                }
            }
        }
        let Some(Best { score, against, generation, .. }) = best else { return Ok(None) };
        let curve = generation.curve(seen.together.distinct(), against)?;
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
            recipe: self.recipe_beside(generation.recipe()),
        }))
    }

    /// Whether the templates of a record show one person, by every generation.
    pub(super) fn record_templates(&self, subject: &Subject) -> Result<RecordTemplates, WorkflowError> {
        let mut most = (0, self.first().agreement()?);
        for generation in self.generations() {
            let threshold = generation.agreement()?;
            let groups = subject.groups(generation.recipe(), threshold.score, generation.apart()?)?;
            // At most `Subject::TEMPLATES_MAX`.
            let groups = groups.iter().max().map_or(0, |last| *last as u32 + 1);
            if groups > most.0 {
                most = (groups, threshold);
            }
        }
        let (groups, threshold) = most;
        Ok(RecordTemplates {
            // At most `Subject::TEMPLATES_MAX` of each recipe.
            templates: subject.templates.len() as u32,
            groups,
            vouched: subject.templates.iter().filter(|template| subject.is_vouched(template.id)).count() as u32,
            threshold,
        })
    }
}
