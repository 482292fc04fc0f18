use super::engine::{check_count, check_fpir};
use super::generation::Generation;
use super::merge::{Hit, answered_together, hits, merged};
use super::{Engine, Field, Frames, WorkflowError};
use crate::context::RequestContext;
use crate::face::FaceReport;
use crate::gallery::{Answered, Filter, Gallery, Look, LookUp, Scheme, Scope, SubjectId};
use crate::ledger::entry::Kind as EntryKind;
use crate::matching::{CurveName, FMR_FLOOR, Fmr, Fnmr, Reference, Threshold};

/// Which candidates to return.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum IdentifyScope {
    /// Every subject at or above the score at which a search of a gallery of this
    /// size gives a chance hit with this probability (false positive
    /// identification rate), at most `limit` of them.
    Fpir {
        /// 0…0.5, ends excluded.
        fpir: f64,
        /// Most candidates to return, 1–1000.
        limit: usize,
    },
    /// The best `k`, whatever their score, 1–1000.
    Nearest(usize),
    /// The same for somebody who looks through the gallery: where it keeps a graph, some
    /// may be missed ([`Gallery::look_up`]). The outcome says how it was answered.
    ///
    /// [`Gallery::look_up`]: crate::gallery::Gallery::look_up
    NearestApproximate(usize),
}

/// 1:N: whose face is this?
#[derive(Clone)]
pub struct IdentifyRequest {
    /// 1–5 encoded captures of one person; several are fused.
    pub probes: Vec<Vec<u8>>,
    /// Which candidates to return; `None` takes the engine's default FPIR.
    pub scope: Option<IdentifyScope>,
    /// Whom to leave out. Where it names who the person says to be (`claimed`), what
    /// is found is a second identity.
    pub filter: Filter,
}

/// A subject found by face.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentifiedCandidate {
    /// Whose template it is.
    pub subject: SubjectId,
    /// Comparison score of its best template.
    pub score: f32,
    /// False match rate of one comparison with this score as threshold.
    pub fmr: Fmr,
    /// Recipe of the template, as text, where it is not [`IdentifyOutcome::recipe`]; its scores
    /// are on a scale of their own.
    pub recipe: Option<String>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentifyOutcome {
    /// Best first; of templates of two recipes by rising false match rate.
    pub candidates: Vec<IdentifiedCandidate>,
    /// How they were found; but for [`IdentifyScope::NearestApproximate`] always exactly.
    pub answered: Answered,
    /// True where more were at or above the score than the limit let through.
    pub truncated: bool,
    /// The score it took of templates of [`Self::recipe`]; `None` for a plain nearest search.
    pub threshold: Option<Threshold>,
    /// Templates compared with: those of subjects who pass the filter.
    pub templates: u64,
    /// Chance hits to expect at or above the threshold (or, in a nearest search,
    /// at or above the last candidate's score) in a gallery of this size.
    pub expected_chance_hits: f64,
    /// True where that number rests on the fitted tail.
    pub expected_extrapolated: bool,
    /// Share of true mates expected to score below the threshold (or the last
    /// candidate), where the calibration says. What an approximate answer misses comes on
    /// top.
    pub expected_miss: Option<Fnmr>,
    /// The calibration curve that all these rates are of.
    pub curve: CurveName,
    /// How many different pictures the probes are: what they count for in all rates.
    pub distinct: u32,
    /// Recipe of all templates that do not name another, as text.
    pub recipe: String,
    /// What was seen in each probe, in order.
    pub probes: Vec<FaceReport>,
    /// What they look like together.
    pub frames: Frames,
}

/// Most candidates one search returns.
pub const CANDIDATES_MAX: usize = 1000;

/// Candidates returned where a request names no limit.
pub const CANDIDATES_DEFAULT: usize = 20;

impl Engine {
    /// Searches the gallery.
    ///
    /// # Errors
    /// As [`Engine::verify`], and [`WorkflowError::OutOfRange`] for a limit or rate
    /// outside its range.
    pub async fn identify(
        &self,
        context: &RequestContext,
        request: IdentifyRequest,
    ) -> Result<IdentifyOutcome, WorkflowError> {
        context.check_deadline()?;
        let gallery = self.gallery()?;
        check_count(request.probes.len())?;
        self.curve(request.probes.len(), Reference::Any)?;
        let scope =
            request.scope.unwrap_or(IdentifyScope::Fpir { fpir: self.default_fpir(), limit: CANDIDATES_DEFAULT });
        let (limit, field) = match scope {
            IdentifyScope::Fpir { limit, .. } => (limit, Field::Named("fpir.limit")),
            IdentifyScope::Nearest(k) | IdentifyScope::NearestApproximate(k) => (k, Field::Named("nearest.k")),
        };
        if !(1..=CANDIDATES_MAX).contains(&limit) {
            let detail = format!("ask for 1 to {CANDIDATES_MAX} candidates");
            return Err(WorkflowError::OutOfRange { field, detail });
        }
        if let IdentifyScope::Fpir { fpir, .. } = scope {
            check_fpir(fpir)?;
        }
        let filter = checked(request.filter)?;
        let generations = self.searched_by(gallery).await?;
        let (_, probe) = self.probe(&generations, Vec::new(), request.probes).await?;
        let distinct = probe.together.distinct();
        // A gallery holds references of every kind.
        let curve = self.curve(distinct, Reference::Any)?;

        let templates = gallery.templates_in(&filter).await?;
        // One rate for the templates of all generations together.
        let fmr = match scope {
            IdentifyScope::Fpir { fpir, .. } => Some(fmr_for(fpir, templates)),
            _ => None,
        };
        let (mut lists, mut ways) = (Vec::new(), Vec::new());
        for (generation, seen) in generations.iter().zip(&probe.by) {
            let (candidates, answered) = match (scope, fmr) {
                (IdentifyScope::NearestApproximate(k), _) => {
                    let LookUp { candidates, answered } = gallery.look_up(&seen.probe, k, &filter).await?;
                    (candidates, answered)
                }
                (_, fmr) => {
                    let curve = generation.curve(distinct, Reference::Any)?;
                    let scope = match fmr {
                        Some(fmr) => Scope::Within(curve.threshold(fmr)?.score),
                        None => Scope::Nearest(limit),
                    };
                    (gallery.search(&seen.probe, scope, &filter).await?, Answered::Exactly)
                }
            };
            lists.push(hits(generation, distinct, candidates)?);
            ways.push(answered);
        }
        let mut found = merged(lists);
        let truncated = fmr.is_some() && found.len() > limit;
        found.truncate(limit);

        let threshold = fmr.map(|fmr| curve.threshold(fmr)).transpose()?;
        let last = found.last();
        let chance = match threshold {
            Some(threshold) => Some(curve.fmr(threshold.score)),
            None => last.map(|hit| hit.fmr),
        };
        let chance = chance.unwrap_or(Fmr { rate: 0.0, extrapolated: false });
        let expected_miss = match fmr {
            Some(fmr) => self.worst_miss(gallery, distinct, fmr).await?,
            None => last.and_then(|hit| hit.fnmr),
        };
        let candidate = |hit: Hit| IdentifiedCandidate {
            subject: hit.subject,
            score: hit.score,
            fmr: hit.fmr,
            recipe: self.recipe_beside(hit.recipe),
        };
        let shown = Look::new(EntryKind::Identify).of_records(found.len());
        let shown = shown.at(found.iter().map(|hit| hit.subject.clone()));
        gallery.enter_look(context, shown).await?;
        Ok(IdentifyOutcome {
            candidates: found.into_iter().map(candidate).collect(),
            answered: answered_together(ways.into_iter()),
            truncated,
            threshold,
            templates,
            expected_chance_hits: templates as f64 * chance.rate,
            expected_extrapolated: chance.extrapolated,
            expected_miss,
            curve: curve.name(),
            // At most five.
            distinct: distinct as u32,
            recipe: self.recipe().to_string(),
            probes: probe.analyses.into_iter().map(|frame| frame.report).collect(),
            frames: probe.together.frames,
        })
    }

    /// Share of true mates expected to be missed at this rate: of the generation that misses most,
    /// among those of which the gallery holds templates; `None` where one of them cannot tell.
    pub(super) async fn worst_miss(
        &self,
        gallery: &Gallery,
        distinct: usize,
        fmr: f64,
    ) -> Result<Option<Fnmr>, WorkflowError> {
        let counts = gallery.templates_by_recipe().await?;
        let holds = |one: &&Generation| counts.iter().any(|(recipe, count)| *recipe == one.recipe() && *count > 0);
        let held: Vec<&Generation> = self.generations().filter(holds).collect();
        let mut worst: Option<Fnmr> = None;
        for generation in if held.is_empty() { vec![self.first()] } else { held } {
            let curve = generation.curve(distinct, Reference::Any)?;
            let Some(miss) = curve.fnmr(curve.threshold(fmr)?.score) else { return Ok(None) };
            if worst.is_none_or(|worst| miss.rate > worst.rate) {
                worst = Some(miss);
            }
        }
        Ok(worst)
    }

    /// The generations by which the gallery must be searched: the first one, and further ones of
    /// which it holds templates.
    async fn searched_by(&self, gallery: &Gallery) -> Result<Vec<&Generation>, WorkflowError> {
        let counts = gallery.templates_by_recipe().await?;
        let is_held = |one: &&Generation| {
            one.recipe() == self.recipe() || counts.iter().any(|(recipe, count)| *recipe == one.recipe() && *count > 0)
        };
        Ok(self.generations().filter(is_held).collect())
    }
}

/// Longest scheme, province or unit, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 128;

/// The filter by the vocabulary. Refuses one that can let nobody through by mistake, or
/// that is too long.
pub(super) fn checked(filter: Filter) -> Result<Filter, WorkflowError> {
    for (name, value) in [("scheme", &filter.scheme), ("province", &filter.province)] {
        let Some(value) = value else { continue };
        if value.is_empty() || value.len() > NAME_BYTES_MAX || value.chars().any(char::is_control) {
            let detail = format!("name one of 1 to {NAME_BYTES_MAX} bytes without control characters, or none");
            return Err(WorkflowError::OutOfRange { field: Field::Named(name), detail });
        }
    }
    if filter.excluded.len() > Filter::EXCLUDED_MAX {
        let detail = format!("at most {} subjects can be excluded", Filter::EXCLUDED_MAX);
        return Err(WorkflowError::OutOfRange { field: Field::Named("excluded_subject_ids"), detail });
    }
    let scheme = match filter.scheme {
        None => None,
        Some(typed) => Some(Scheme::from_text(&typed).ok_or_else(|| WorkflowError::OutOfRange {
            field: Field::Named("scheme"),
            detail: format!("the schemes are {}", Scheme::NAMES),
        })?),
    };
    Ok(Filter { scheme: scheme.map(|scheme| scheme.name().to_owned()), ..filter })
}

/// The false match rate per comparison at which a search of `templates` templates
/// has a chance hit with probability `fpir`, were the comparisons independent:
/// `1 − (1 − fmr)^templates = fpir`.
pub(super) fn fmr_for(fpir: f64, templates: u64) -> f64 {
    let fmr = -f64::exp_m1((-fpir).ln_1p() / templates.max(1) as f64);
    fmr.clamp(FMR_FLOOR, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_names_nothing_or_too_much_is_refused() {
        assert!(checked(Filter::default()).is_ok());
        let named = |scheme: &str| Filter { scheme: Some(scheme.into()), ..Filter::default() };
        for typed in ["health", "Health ", "SCHEME_HEALTH"] {
            assert_eq!(checked(named(typed)).unwrap().scheme.as_deref(), Some("health"));
        }
        // A scheme that nobody can have would find nobody.
        for bad in ["", "a\nb", "heatlh", &"x".repeat(129)] {
            let refused = checked(named(bad)).unwrap_err();
            assert!(matches!(refused, WorkflowError::OutOfRange { field: Field::Named("scheme"), .. }));
        }
        let many = (0..=Filter::EXCLUDED_MAX).map(|i| SubjectId::new(format!("s{i}")).unwrap()).collect();
        assert!(checked(Filter { excluded: many, ..Filter::default() }).is_err());
    }

    #[test]
    fn a_search_of_one_template_has_the_rate_of_one_comparison() {
        assert!((fmr_for(0.01, 1) - 0.01).abs() < 1e-15);
        assert!((fmr_for(0.01, 0) - 0.01).abs() < 1e-15);
    }

    #[test]
    fn a_larger_gallery_asks_for_a_rarer_chance_hit() {
        let (small, large) = (fmr_for(0.01, 1_000), fmr_for(0.01, 1_000_000));
        assert!((small / large - 1000.0).abs() < 0.1, "{small} {large}");
        assert!((1.0 - (1.0 - small).powi(1000) - 0.01).abs() < 1e-9);
    }

    #[test]
    fn a_rate_beyond_any_calibration_is_held_at_the_floor() {
        assert_eq!(fmr_for(1e-9, u64::MAX), FMR_FLOOR);
    }
}
