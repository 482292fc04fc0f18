use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{GalleryError, LegalBasis, Note, RecordedBasis, Restricted, Standing};
use crate::face::{RecipeDigest, Template};
use crate::matching::{RecipeMismatch, TemplateLikeness, compare, person_groups};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The clock now.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The number of a commit: the first is 1, every later one is higher; 0 before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Watermark(pub u64);

/// Pseudonymous id of an enrolled person: 1–128 bytes of UTF-8 without control
/// characters, compared by bytes. Never the card number itself.
///
/// `Debug` hides it: ids stay out of logs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SubjectId(String);

impl SubjectId {
    /// Longest id, in bytes.
    pub const BYTES_MAX: usize = 128;

    /// Checks and wraps an id.
    ///
    /// # Errors
    /// [`GalleryError::BadSubjectId`].
    pub fn new(id: impl Into<String>) -> Result<Self, GalleryError> {
        let id = id.into();
        if id.is_empty() || id.len() > Self::BYTES_MAX || id.chars().any(char::is_control) || id.trim() != id {
            return Err(GalleryError::BadSubjectId);
        }
        Ok(Self(id))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether two ids of clerks or officers stand for one person: they differ at most in capital
    /// letters, which people type as they like.
    pub fn is_of_same_person(&self, other: &Self) -> bool {
        self == other || self.0.to_lowercase() == other.0.to_lowercase()
    }
}

impl<'de> Deserialize<'de> for SubjectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectId(…)")
    }
}

/// The caller's name for one write, so that a retry is done once: 1–128 bytes of
/// printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(String);

impl RequestId {
    /// Checks and wraps a request id.
    ///
    /// # Errors
    /// [`GalleryError::BadRequestId`].
    pub fn new(id: impl Into<String>) -> Result<Self, GalleryError> {
        let id = id.into();
        if id.is_empty() || id.len() > 128 || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(GalleryError::BadRequestId);
        }
        Ok(Self(id))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What makes a write safe to retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The caller's name for the write.
    pub request_id: RequestId,
    /// SHA-256 of what was asked for, from the caller's bytes on: the same id with
    /// another digest is a mistake and is refused.
    pub content: [u8; 32],
}

/// What is known of a subject beside the face. Personal data: never logged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Names of the schemes the subject draws from ([`super::Scheme`]); from stores of
    /// earlier programs also what the vocabulary does not know.
    pub schemes: BTreeSet<String>,
    /// Province code.
    pub province: Option<String>,
    /// Unit that enrolled the subject.
    pub unit: Option<String>,
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attributes(…)")
    }
}

impl Attributes {
    /// Whether a search by attributes treats both alike.
    pub(super) fn are_searched_alike(&self, other: &Self) -> bool {
        self.schemes == other.schemes && self.province == other.province
    }
}

/// Where a template's picture came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The photo in a card's chip.
    Chip,
    /// A capture of the person present.
    Live,
    /// Anything else: a scan, an archive.
    Other,
}

/// A template about to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTemplate {
    /// The vector and its recipe.
    pub template: Template,
    /// Where its picture came from.
    pub source: Source,
    /// When the picture was taken, where known.
    pub captured_at: Option<Timestamp>,
    /// Quality of the picture, 0–100, where measured.
    pub quality: Option<f32>,
}

/// A template in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTemplate {
    /// Its id: unique in the store, never used again.
    pub id: u64,
    /// What was stored.
    pub content: NewTemplate,
}

/// An enrolled person.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Pseudonymous id.
    pub id: SubjectId,
    /// What is known beside the face.
    pub attributes: Attributes,
    /// At least one template, and at most [`Subject::TEMPLATES_MAX`] of each recipe, oldest first.
    pub templates: Vec<StoredTemplate>,
    /// Per scheme, the last successful verification.
    pub last_verified: BTreeMap<String, Timestamp>,
    /// First enrolment.
    pub enrolled_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// What officers vouched for, oldest first.
    pub vouched: Vec<Vouched>,
    /// Pseudonymous ids of those who enrolled any of its templates, where callers named them;
    /// each once, oldest first.
    pub enrolled_by: Vec<SubjectId>,
    /// What is said of how the record stands.
    pub standing: Standing,
    /// The legal bases of its enrolments, where they were given, oldest first.
    pub legal_bases: Vec<RecordedBasis>,
}

/// An enrolled person without the vectors.
#[derive(Clone, PartialEq)]
pub struct SubjectHead {
    /// Pseudonymous id.
    pub id: SubjectId,
    /// What is known beside the face.
    pub attributes: Attributes,
    /// Ids of the templates, oldest first.
    pub templates: Vec<u64>,
    /// Per scheme, the last successful verification.
    pub last_verified: BTreeMap<String, Timestamp>,
    /// First enrolment.
    pub enrolled_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// What officers vouched for, oldest first.
    pub vouched: Vec<Vouched>,
    /// Pseudonymous ids of those who enrolled any of its templates, where callers named them;
    /// each once, oldest first.
    pub enrolled_by: Vec<SubjectId>,
    /// What is said of how the record stands.
    pub standing: Standing,
    /// The legal bases of its enrolments, where they were given, oldest first.
    pub legal_bases: Vec<RecordedBasis>,
    /// The commit that last changed any of this; 0 where an earlier version of the program did.
    pub changed_in: u64,
}

impl fmt::Debug for SubjectHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectHead(…)")
    }
}

impl SubjectHead {
    /// Whether this officer enrolled some of its templates, or vouched for them.
    pub fn was_enrolled_by(&self, officer: &SubjectId) -> bool {
        let is_theirs = |by: &SubjectId| by.is_of_same_person(officer);
        self.enrolled_by.iter().any(is_theirs) || self.vouched.iter().any(|one| is_theirs(&one.vouch.officer))
    }

    /// The subject, with its templates out of `templates`, in whatever order these are.
    ///
    /// # Errors
    /// [`GalleryError::Storage`] where one is missing.
    pub fn with_templates(self, templates: &[StoredTemplate]) -> Result<Subject, GalleryError> {
        let find = |key: &u64| templates.iter().find(|template| template.id == *key).cloned();
        let templates: Option<Vec<StoredTemplate>> = self.templates.iter().map(find).collect();
        let templates =
            templates.ok_or_else(|| GalleryError::Storage("a subject was read without all its templates".into()))?;
        Ok(self.holding(templates))
    }

    /// The subject, with these as its templates.
    pub(super) fn holding(self, templates: Vec<StoredTemplate>) -> Subject {
        let Self { id, attributes, last_verified, enrolled_at, updated_at, vouched, .. } = self;
        let Self { enrolled_by, standing, legal_bases, .. } = self;
        Subject {
            id,
            attributes,
            templates,
            last_verified,
            enrolled_at,
            updated_at,
            vouched,
            enrolled_by,
            standing,
            legal_bases,
        }
    }

    /// Whether searches treat both alike.
    pub(super) fn is_searched_as(&self, other: &Self) -> bool {
        self.attributes.are_searched_alike(&other.attributes)
            && self.standing.is_restricted() == other.standing.is_restricted()
    }
}

impl Subject {
    /// Most templates of one recipe that one subject may have.
    pub const TEMPLATES_MAX: usize = 64;

    /// Its templates that a recipe made, oldest first.
    pub fn templates_of(&self, recipe: RecipeDigest) -> impl Iterator<Item = &StoredTemplate> {
        self.templates.iter().filter(move |stored| stored.content.template.recipe() == recipe)
    }

    /// The number of each group, from 0, in which the templates of one recipe fall, oldest first:
    /// more than one where they do not show one person. `alike` is the score at which two are,
    /// `apart` the one below which they keep their groups apart.
    ///
    /// # Errors
    /// [`RecipeMismatch`] where two are of different dimensions.
    pub fn groups(&self, recipe: RecipeDigest, alike: f32, apart: f32) -> Result<Vec<usize>, RecipeMismatch> {
        let templates: Vec<&StoredTemplate> = self.templates_of(recipe).collect();
        let mut mismatch = None;
        let vouched = |at: usize| self.is_vouched(templates[at].id);
        let groups = groups_of_one_record(templates.len(), vouched, |i, j| {
            let [one, other] = [i, j].map(|at| &templates[at].content.template);
            match compare(one, other) {
                Ok(score) => TemplateLikeness::of(score, alike, apart),
                Err(error) => {
                    mismatch = Some(error);
                    TemplateLikeness::Open
                }
            }
        });
        mismatch.map_or(Ok(groups), Err)
    }

    /// Whether an officer vouched for this template.
    pub fn is_vouched(&self, template: u64) -> bool {
        self.vouched.iter().any(|one| one.templates.contains(&template))
    }
}

/// The number of each template's group within one record. Two that are both vouched for are
/// of one group: whoever vouches does so for all that is there. One that is vouched for is
/// apart from none, and two that are each alike with one that is vouched for are not apart
/// from each other: an officer has seen how little alike this person's pictures are.
pub(crate) fn groups_of_one_record(
    count: usize,
    vouched: impl Fn(usize) -> bool,
    mut link: impl FnMut(usize, usize) -> TemplateLikeness,
) -> Vec<usize> {
    let mut like_a_vouched_one = vec![false; count];
    for i in (0..count).filter(|&i| !vouched(i)) {
        let mut alike = |v: usize| matches!(link(i.min(v), i.max(v)), TemplateLikeness::Alike(_));
        like_a_vouched_one[i] = (0..count).any(|v| vouched(v) && alike(v));
    }
    let seen = |i: usize| vouched(i) || like_a_vouched_one[i];
    person_groups(count, |i, j| match link(i, j) {
        _ if vouched(i) && vouched(j) => TemplateLikeness::Alike(f32::INFINITY),
        TemplateLikeness::Apart if vouched(i) || vouched(j) || (seen(i) && seen(j)) => TemplateLikeness::Open,
        other => other,
    })
}

/// An officer's word that the templates of a record are one person's, however little alike
/// they are. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Vouch {
    /// Pseudonymous id of the officer.
    pub officer: SubjectId,
    /// Why, in the officer's words.
    pub reason: Note,
}

impl fmt::Debug for Vouch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vouch(…)")
    }
}

/// A [`Vouch`] as it is kept with the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Who, and why.
    pub vouch: Vouch,
    /// When it was committed.
    pub at: Timestamp,
    /// All templates the record had then.
    pub templates: Vec<u64>,
}

/// What is asked of the templates of an enrolment before they are stored: that they show
/// one person, and where they are added to a record, the person of that record.
#[derive(Debug, Clone, PartialEq)]
pub enum Agreement {
    /// Nothing: for templates of which it is known, as those of a single photo.
    Known,
    /// By each of these recipes, each template is alike with another one, over such pairs all are
    /// with each other and with the record's, and none is apart from another. Otherwise
    /// [`GalleryError::PhotosDisagree`] or [`GalleryError::RecordDisagrees`]; the latter also
    /// where the record has templates, and none of a recipe that made the new ones.
    Asked(Vec<AgreementScores>),
    /// An officer has looked, which is kept with the record.
    Vouched(Vouch),
    /// The same, for templates that would be refused without it, and for no others
    /// ([`GalleryError::VouchNotNeeded`]): so that one who may vouch does not enrol by it.
    VouchedWhereNeeded(Vouch, Vec<AgreementScores>),
}

/// Scores at which templates of one recipe show one person.
#[derive(Debug, Clone, PartialEq)]
pub struct AgreementScores {
    /// The recipe.
    pub recipe: RecipeDigest,
    /// Item `k − 1` is the score that two reach where a template is compared with `k` others;
    /// beyond the last item, the last.
    pub alike: Vec<f32>,
    /// Two that score less are apart.
    pub apart: f32,
}

/// How an enrolment treats what is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EnrolMode {
    /// A new subject; [`GalleryError::SubjectExists`] where the id is taken.
    #[default]
    Create,
    /// The subject becomes exactly this, whether it was there or not.
    Replace,
    /// Templates are added to a subject, attributes given here replace the old
    /// ones where they are set; created where it was not there.
    Add,
}

/// One subject to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolment {
    /// Whose.
    pub subject: SubjectId,
    /// How to treat what is there.
    pub mode: EnrolMode,
    /// What is known beside the face.
    pub attributes: Attributes,
    /// At least one.
    pub templates: Vec<NewTemplate>,
    /// Whether they show one person; checked in the commit.
    pub agreement: Agreement,
    /// Pseudonymous id of who enrols, where the caller named one.
    pub by: Option<SubjectId>,
    /// What it rests on in law, where the caller said so.
    pub legal_basis: Option<LegalBasis>,
}

/// Proof that a write was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Number of the commit that carried it; rises with every commit.
    pub commit: u64,
    /// Templates the subject has after the write; 0 after a removal.
    pub templates: u32,
    /// True where an earlier write with the same request id had done it.
    pub replayed: bool,
}

/// A subject found by face.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Whose template it is.
    pub subject: SubjectId,
    /// The template that scored best.
    pub template_id: u64,
    /// Its comparison score.
    pub score: f32,
}

impl Candidate {
    /// Higher scores first, then by subject id.
    pub fn best_first(one: &Self, other: &Self) -> Ordering {
        let by_score = other.score.partial_cmp(&one.score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| one.subject.cmp(&other.subject))
    }
}

/// What an interactive look-up found, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct LookUp {
    /// Best first, ties by subject id.
    pub candidates: Vec<Candidate>,
    /// How they were found.
    pub answered: Answered,
}

/// How a search was answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answered {
    /// Exactly: nobody was missed.
    Exactly,
    /// Exactly, though an approximate answer would have done.
    ExactlyInstead(Instead),
    /// By walking a graph, which may miss some: those named score what they are said to.
    Approximately {
        /// Share of the true nearest that the graph found when it was last compared with
        /// the exact search, on some of the gallery's own templates. 0…1.
        recall: f64,
    },
}

/// Why a look-up was answered exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// The gallery keeps no graph.
    Off,
    /// It is being built or measured, there is no memory for it, or too much was enrolled
    /// since it was built.
    NotReady,
    /// So few pass the filter that a scan is quicker.
    FewPass,
}

/// Which subjects a search is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scope {
    /// Everybody with a template at or above the score.
    Within(f32),
    /// Those whose best template scores highest, so many.
    Nearest(usize),
}

/// Whom a search leaves out. The default leaves out nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// If set, only subjects that draw from this scheme match.
    pub scheme: Option<String>,
    /// If set, only subjects of this province match.
    pub province: Option<String>,
    /// These subjects do not match, enrolled or not.
    pub excluded: BTreeSet<SubjectId>,
    /// If set, neither this subject matches nor those an officer has cleared with it.
    pub claimed: Option<SubjectId>,
    /// Whether restricted records match.
    pub restricted: Restricted,
}

impl Filter {
    /// Most subjects that can be excluded by name.
    pub const EXCLUDED_MAX: usize = 1000;
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter(…)")
    }
}

/// Size of a gallery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Subjects.
    pub subjects: u64,
    /// Templates of all subjects and recipes.
    pub templates: u64,
    /// Templates of each recipe, that of the gallery first; at least one.
    pub by_recipe: Vec<(RecipeDigest, u64)>,
}
