use std::path::PathBuf;
use std::sync::Arc;

use super::beneficiary::{DecisionService, Policies};
use super::generation::{Generation, GenerationOptions};
use super::requests::RequestClocks;
use super::{CaptureRules, CaseRules, Field, LegalBasisRule, NumberIds, PROBE_FRAMES_MAX, WorkflowError};
use crate::chip::Anchors;
use crate::face::fingerprint::FingerprintKey;
use crate::face::{FacePool, Pack, PoolOptions, RecipeDigest};
use crate::gallery::{Gallery, GalleryError, Records, SubjectId};
use crate::imaging::Limits;
use crate::matching::{Calibration, Curve, CurveChoice, Reference};

/// What an engine is made of.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Folder of the model pack.
    pub pack: PathBuf,
    /// Calibration file; `None` takes `calibration.toml` in the pack.
    pub calibration: Option<PathBuf>,
    /// A second generation, by which people are enrolled and searched for as well.
    pub second: Option<GenerationOptions>,
    /// Which of the calibration's curves turns scores into error rates.
    pub curve: CurveChoice,
    /// Workers, queue, image limits, ONNX Runtime.
    pub pool: PoolOptions,
    /// False match rate where a request names none.
    pub default_fmr: f64,
    /// False positive identification rate where a request names none.
    pub default_fpir: f64,
    /// What is asked of captures.
    pub capture: CaptureRules,
}

/// The engine: one or two model generations and, where there is one, a gallery. Cheap
/// to clone; all clones share everything.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    gallery: Option<Arc<Gallery>>,
    decisions: Arc<DecisionService>,
    number_ids: NumberIds,
    legal_basis: LegalBasisRule,
    case_rules: CaseRules,
    request_clocks: RequestClocks,
    /// Without one, no fingerprints of captures are kept.
    capture_key: Option<Arc<FingerprintKey>>,
}

struct Shared {
    first: Generation,
    /// At most one.
    further: Vec<Generation>,
    default_fmr: f64,
    default_fpir: f64,
    rules: CaptureRules,
    limits: Limits,
}

impl Engine {
    /// Loads the pack, starts the workers, binds the calibration.
    ///
    /// # Errors
    /// [`WorkflowError::Pack`] where a file of the pack is missing, altered or does
    /// not run; [`WorkflowError::Calibration`] where the calibration is not this
    /// recipe's or cannot answer the default rate.
    pub fn open(options: &EngineOptions) -> Result<Self, WorkflowError> {
        let EngineOptions { curve, default_fmr, default_fpir, .. } = *options;
        let open = |of: &GenerationOptions| Generation::open(of, curve, default_fmr, &options.pool);
        check_fpir(default_fpir)?;
        let first = GenerationOptions { pack: options.pack.clone(), calibration: options.calibration.clone() };
        let first = open(&first)?;
        let further: Vec<Generation> = options.second.iter().map(open).collect::<Result<_, _>>()?;
        if further.iter().any(|one| one.recipe() == first.recipe()) {
            return Err(WorkflowError::SameGeneration { pack: first.pack().name().to_owned() });
        }
        let rules = options.capture.clone();
        let limits = options.pool.limits;
        let shared = Arc::new(Shared { first, further, default_fmr, default_fpir, rules, limits });
        Ok(Self {
            shared,
            gallery: None,
            decisions: Arc::default(),
            number_ids: NumberIds::default(),
            legal_basis: LegalBasisRule::default(),
            case_rules: CaseRules::default(),
            request_clocks: RequestClocks::default(),
            capture_key: None,
        })
    }

    /// The same engine with a gallery, whose recipes must be those of the engine's generations.
    ///
    /// # Errors
    /// [`GalleryError::OtherRecipe`] for a gallery of another recipe.
    pub fn with_gallery(mut self, gallery: Arc<Gallery>) -> Result<Self, WorkflowError> {
        let held: Vec<RecipeDigest> = gallery.recipes().collect();
        let made: Vec<RecipeDigest> = self.generations().map(Generation::recipe).collect();
        let is_first = gallery.recipe() == self.recipe();
        // Of a recipe that only one side knows, templates would be missed.
        let alone = held.iter().find(|one| !made.contains(one)).or(made.iter().find(|one| !held.contains(one)));
        if let Some(&recipe) = alone.or((!is_first).then_some(&held[0])) {
            return Err(GalleryError::OtherRecipe { gallery: recipe, template: self.recipe() }.into());
        }
        self.gallery = Some(gallery);
        Ok(self)
    }

    /// The same engine with the country certificates and the policies it decides by.
    /// Without, no certificate is trusted and the one policy requires everything.
    ///
    /// # Errors
    /// [`WorkflowError::PolicyRate`] where the calibration cannot answer a rate of a
    /// policy.
    pub fn with_decision_rules(mut self, anchors: Anchors, policies: Policies) -> Result<Self, WorkflowError> {
        self.check_policies(&policies)?;
        self.decisions = Arc::default();
        self.decisions.replace(anchors, policies);
        Ok(self)
    }

    /// Whether the calibration can answer every rate of the policies.
    ///
    /// # Errors
    /// [`WorkflowError::PolicyRate`] names the first it cannot.
    pub fn check_policies(&self, policies: &Policies) -> Result<(), WorkflowError> {
        self.generations().try_for_each(|one| one.check_policies(self.shared.default_fmr, policies))
    }

    /// Decides by other certificates and policies from now on; every clone of this engine does.
    /// Decisions that have begun are made by those they began with.
    ///
    /// # Errors
    /// As for [`Engine::with_decision_rules`]; then everything stays as it was.
    pub fn replace_decision_rules(&self, anchors: Anchors, policies: Policies) -> Result<(), WorkflowError> {
        self.check_policies(&policies)?;
        self.replace_checked(anchors, policies);
        Ok(())
    }

    /// The same with policies that [`Engine::check_policies`] has let pass. One that it has not
    /// fails at the first decision by it.
    pub(crate) fn replace_checked(&self, anchors: Anchors, policies: Policies) {
        self.decisions.replace(anchors, policies);
    }

    /// The country certificates and revocation lists that decisions are made by now.
    pub(crate) fn anchors_in_force(&self) -> Arc<Anchors> {
        Arc::clone(&self.decisions.in_force().anchors)
    }

    /// The same engine with another rule for ids that look like somebody's number.
    pub fn with_number_ids(mut self, rule: NumberIds) -> Self {
        self.number_ids = rule;
        self
    }

    /// The same engine with another rule for the legal basis of enrolments.
    pub fn with_legal_basis(mut self, rule: LegalBasisRule) -> Self {
        self.legal_basis = rule;
        self
    }

    /// Whether an enrolment must name its legal basis.
    pub(super) fn legal_basis(&self) -> LegalBasisRule {
        self.legal_basis
    }

    /// The same engine with other rules for what officers do.
    pub fn with_case_rules(mut self, rules: CaseRules) -> Self {
        self.case_rules = rules;
        self
    }

    /// The same engine with other clocks for requests of people.
    pub fn with_request_clocks(mut self, clocks: RequestClocks) -> Self {
        self.request_clocks = clocks;
        self
    }

    /// Within how many days requests of people are answered.
    pub(super) fn request_clocks(&self) -> RequestClocks {
        self.request_clocks
    }

    /// The same engine with a key for fingerprints of captures, by which one that took part in
    /// another transaction is known again. Without, none are kept, and nothing is looked up.
    pub fn with_capture_key(mut self, key: FingerprintKey) -> Self {
        self.capture_key = Some(Arc::new(key));
        self
    }

    /// The key of fingerprints, where they are kept.
    pub(super) fn capture_key(&self) -> Option<&Arc<FingerprintKey>> {
        self.capture_key.as_ref().filter(|_| self.case_rules.capture_days > 0)
    }

    /// Whether pictures of cases that wait for an officer are kept: as the rules say, where the gallery is
    /// sealed. Cheap; may change from no to yes while a gallery is sealed beside the work.
    pub fn keeps_pictures(&self) -> bool {
        self.case_rules.picture_days > 0 && self.gallery().is_ok_and(Gallery::is_sealed)
    }

    /// What officers do, and how far back a record's history is looked at.
    pub(super) fn case_rules(&self) -> &CaseRules {
        &self.case_rules
    }

    /// What becomes of numbers in place of ids.
    pub(super) fn number_ids(&self) -> NumberIds {
        self.number_ids
    }

    /// Checks the id of an officer, which the request has in `field`.
    pub(super) fn check_officer(&self, id: &SubjectId, field: &'static str) -> Result<(), WorkflowError> {
        self.number_ids.check(id, field)
    }

    /// Checks the id of a subject; one that is enrolled goes on being one.
    pub(super) async fn check_subject(
        &self,
        gallery: &Gallery,
        id: &SubjectId,
        field: &'static str,
    ) -> Result<(), WorkflowError> {
        self.number_ids.check_subject(gallery, id, field).await
    }

    /// The same where its records have been read already.
    pub(super) fn check_subject_of(
        &self,
        records: &Records,
        id: &SubjectId,
        field: &'static str,
    ) -> Result<(), WorkflowError> {
        self.number_ids.check_subject_of(records, id, field)
    }

    /// Anchors, policies, and whose turn each transaction is.
    pub(super) fn decision_service(&self) -> &DecisionService {
        &self.decisions
    }

    /// The generation that decides where one is enough: it measures captures, and compares photos
    /// with each other.
    pub fn first(&self) -> &Generation {
        &self.shared.first
    }

    /// All generations, the first one first.
    pub fn generations(&self) -> impl Iterator<Item = &Generation> + Clone {
        std::iter::once(&self.shared.first).chain(&self.shared.further)
    }

    /// Recipe and number of values of the templates of each generation, the first one's first.
    pub fn recipes(&self) -> Vec<(RecipeDigest, usize)> {
        self.generations().map(|one| (one.recipe(), one.pack().dimension())).collect()
    }

    /// The model pack of the first generation.
    pub fn pack(&self) -> &Pack {
        self.first().pack()
    }

    /// The workers of the first generation.
    pub fn pool(&self) -> &FacePool {
        self.first().pool()
    }

    /// Recipe of the templates of the first generation.
    pub fn recipe(&self) -> RecipeDigest {
        self.first().recipe()
    }

    /// The recipe of a template, where it is not the first generation's, as text: answers name
    /// that one once.
    pub(super) fn recipe_beside(&self, recipe: RecipeDigest) -> Option<String> {
        (recipe != self.recipe()).then(|| recipe.to_string())
    }

    /// The calibration of the first generation.
    pub fn calibration(&self) -> &Calibration {
        self.first().calibration()
    }

    /// The first generation's [`Generation::curve`].
    pub(super) fn curve(&self, frames: usize, against: Reference) -> Result<&Curve, WorkflowError> {
        self.first().curve(frames, against)
    }

    /// False match rate where a request names none.
    pub(super) fn default_fmr(&self) -> f64 {
        self.shared.default_fmr
    }

    /// False positive identification rate where a request names none.
    pub(super) fn default_fpir(&self) -> f64 {
        self.shared.default_fpir
    }

    /// What is asked of captures.
    pub(super) fn rules(&self) -> &CaptureRules {
        &self.shared.rules
    }

    /// What the cost of decoding a picture is bound by.
    pub(super) fn image_limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// The gallery, or the error that says there is none.
    pub(super) fn gallery(&self) -> Result<&Gallery, WorkflowError> {
        self.gallery.as_deref().ok_or(WorkflowError::NoGallery)
    }
}

/// Whether a calibration can answer the default rate and every rate of the policies: what it
/// refuses should stop a start, not the first request.
///
/// # Errors
/// [`WorkflowError::Calibration`] for the default, [`WorkflowError::PolicyRate`] for the first of
/// a policy.
pub fn check_rates(
    calibration: &Calibration,
    choice: CurveChoice,
    default_fmr: f64,
    policies: &Policies,
) -> Result<(), WorkflowError> {
    for reference in REFERENCES {
        let curve = calibration.curve_for(choice, 1, reference)?;
        curve.threshold(default_fmr)?;
        for (name, policy) in policies.iter() {
            for (key, rate) in policy.rates() {
                let key = || format!("policies.{name}.{key}");
                curve.threshold(rate).map_err(|source| WorkflowError::PolicyRate { key: key(), source })?;
            }
        }
    }
    Ok(())
}

/// Every kind of reference.
const REFERENCES: [Reference; 3] = [Reference::Any, Reference::Live, Reference::Chip];

/// A worker frees a place in about the time one photo takes; callers are told to
/// wait a little longer than that.
pub(super) const BUSY_RETRY_AFTER_MS: u64 = 100;

/// 1–5 photos of one person.
pub(super) fn check_count(found: usize) -> Result<(), WorkflowError> {
    if (1..=PROBE_FRAMES_MAX).contains(&found) {
        Ok(())
    } else {
        Err(WorkflowError::PhotoCount { found, max: PROBE_FRAMES_MAX })
    }
}

/// A false positive identification rate one can ask for.
pub(super) fn check_fpir(fpir: f64) -> Result<(), WorkflowError> {
    if fpir > 0.0 && fpir <= 0.5 {
        Ok(())
    } else {
        Err(WorkflowError::OutOfRange { field: Field::Rate, detail: "fpir lies above 0 and is at most 0.5".into() })
    }
}
