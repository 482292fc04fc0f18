//! The record store: subjects, templates, decisions, cleared pairs and request ids, and the
//! log of what changed in them. Knows no rules and no search.

use async_trait::async_trait;

use super::rules::Command;
use super::{
    Attributes, ClearedPair, DecisionKey, GalleryError, GalleryId, GallerySnapshot, NewTemplate, Receipt, RequestId,
    StoredDecision, StoredTemplate, Subject, SubjectHead, SubjectId,
};
use crate::face::RecipeDigest;

/// The number of a commit: the first is 1, every later one is higher; 0 before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Watermark(pub u64);

/// A transactional store of records.
///
/// Acknowledged means durable: when [`RecordStore::commit`] returns `Ok`, what it wrote
/// survives a killed process and a power cut, and every read that begins afterwards sees it.
/// Commits are serialisable: each is planned on all that were committed before it.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// What the gallery is known by, wherever it is stored.
    fn id(&self) -> GalleryId;

    /// Recipe and number of values of the templates that may be stored, the one first that the
    /// gallery was made for.
    fn recipes(&self) -> Vec<(RecipeDigest, usize)>;

    /// Reads everything that is asked for, as of one commit.
    ///
    /// # Errors
    /// [`GalleryError::Damaged`], [`GalleryError::Storage`], [`GalleryError::Closing`].
    async fn read(&self, wanted: ReadSet) -> Result<Records, GalleryError>;

    /// Reads what the command asks for ([`Command::reads`]), has it planned on that
    /// ([`Command::plan`]) and carries out the plan: all of it durably, or nothing. Nothing that
    /// is committed by others comes between the read and the commit.
    ///
    /// # Errors
    /// Whatever the plan refuses with; [`GalleryError::DiskFull`], [`GalleryError::Storage`],
    /// [`GalleryError::Damaged`], [`GalleryError::Closing`].
    async fn commit(&self, command: Command) -> Result<Committed, GalleryError>;

    /// The last commit known to this process that changed templates, or attributes that are
    /// searched by. An index that has applied it lacks nothing that was acknowledged here.
    fn last_change(&self) -> Watermark;

    /// What commits after `after` changed in templates and in the attributes that are searched
    /// by, in the order of commits.
    ///
    /// # Errors
    /// [`GalleryError::LogTooShort`] where the log no longer reaches back so far: then the index
    /// is made anew, from a snapshot. [`GalleryError::Damaged`], [`GalleryError::Storage`],
    /// [`GalleryError::Closing`].
    async fn changes(&self, after: Watermark) -> Result<Changes, GalleryError>;

    /// Everything as of one commit, to be read while writes go on.
    ///
    /// # Errors
    /// [`GalleryError::Damaged`], [`GalleryError::Storage`], [`GalleryError::Closing`].
    async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError>;

    /// Up to `limit` subject ids in byte order, those after `after`.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    async fn subjects_after(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError>;

    /// Up to `limit` cleared pairs in byte order of their ids, those after `after`.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    async fn pairs_after(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError>;

    /// How much is stored.
    fn sizes(&self) -> Sizes;

    /// Finishes the commits that wait and gives up what the store holds. Every later call is
    /// [`GalleryError::Closing`].
    fn close(&self) {}
}

/// How much is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Subjects.
    pub subjects: u64,
    /// Templates of all subjects and recipes.
    pub templates: u64,
}

/// What to read. The default reads nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// What a write with this request id did.
    pub request: Option<RequestId>,
    /// This decision, and the last of its transaction.
    pub decision: Option<DecisionKey>,
    /// Heads of these subjects.
    pub subjects: Vec<SubjectId>,
    /// Whether the head of the subject that [`ReadSet::decision`] is about is read as well.
    pub decided_subject: bool,
    /// Whether their templates are read as well.
    pub templates: bool,
    /// Those with whom this subject was cleared, each with its head.
    pub cleared_with: Option<SubjectId>,
    /// Templates that were committed after this one and are still there.
    pub arrived_after: Option<Watermark>,
}

/// What was read, all of it as of one commit.
#[derive(Clone, Default, PartialEq)]
pub struct Records {
    /// The last commit that is in it.
    pub as_of: Watermark,
    /// Number of the commit that carries a command planned on this.
    pub commit: u64,
    /// Id of the next template: 1 for the first, never given out twice.
    pub template_next: u64,
    /// Templates that there is still room for.
    pub room: u64,
    /// Most templates the store may hold.
    pub templates_max: u64,
    /// What the write with [`ReadSet::request`] did.
    pub request: Option<StoredRequest>,
    /// The decision [`ReadSet::decision`].
    pub decision: Option<StoredDecision>,
    /// The last attempt of its transaction.
    pub last_decision: Option<StoredDecision>,
    /// Those of the subjects asked for that are enrolled, without their vectors.
    pub subjects: Vec<SubjectHead>,
    /// Their templates where asked for, in no order.
    pub templates: Vec<StoredTemplate>,
    /// Those who were cleared with [`ReadSet::cleared_with`], in byte order.
    pub cleared_with: Vec<SubjectId>,
    /// Heads of those of them who are enrolled.
    pub cleared_heads: Vec<SubjectHead>,
    /// What came after [`ReadSet::arrived_after`]; `None` where that was not asked for, or the
    /// log no longer reaches back so far.
    pub arrived: Option<Vec<Arrived>>,
}

impl Records {
    /// The head of a subject that was asked for.
    pub fn head(&self, subject: &SubjectId) -> Option<&SubjectHead> {
        self.subjects.iter().find(|head| head.id == *subject)
    }

    /// A subject that was asked for together with its templates.
    ///
    /// # Errors
    /// [`GalleryError::Storage`] where the store did not give a template that the head names,
    /// which breaks its contract.
    pub fn subject(&self, subject: &SubjectId) -> Result<Option<Subject>, GalleryError> {
        self.head(subject).map(|head| head.clone().with_templates(&self.templates)).transpose()
    }
}

/// What a write with a request id did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// SHA-256 of what was asked for.
    pub content: [u8; 32],
    /// Number of the commit.
    pub commit: u64,
    /// Templates the subject had afterwards.
    pub templates: u32,
}

impl StoredRequest {
    /// The receipt a retry is answered with.
    pub fn receipt(&self) -> Receipt {
        Receipt { commit: self.commit, templates: self.templates, replayed: true }
    }
}

/// A template that came after a watermark.
#[derive(Clone, PartialEq)]
pub struct Arrived {
    /// Whose it is.
    pub subject: SubjectId,
    /// The template.
    pub template: StoredTemplate,
}

/// What a commit did.
#[derive(Clone, PartialEq)]
pub struct Committed {
    /// Proof of it.
    pub receipt: Receipt,
    /// The decision as it is stored, where the command was about one.
    pub decision: Option<StoredDecision>,
}

/// What changed in templates and in the attributes that are searched by.
#[derive(Clone, Default, PartialEq)]
pub struct Changes {
    /// In the order of commits.
    pub changes: Vec<Change>,
    /// The last commit that is in it.
    pub up_to: Watermark,
    /// Id of the next template at that commit.
    pub template_next: u64,
}

/// One change that an index follows. A change may show a later state than that of its commit,
/// where the changes that lead there follow in the same [`Changes`]: a template that came and
/// went again may be in neither, and attributes may be the newest.
#[derive(Clone, PartialEq)]
pub enum Change {
    /// A template came.
    Added {
        /// Whose.
        subject: SubjectId,
        /// What its subject is searched by.
        attributes: Attributes,
        /// Its id.
        id: u64,
        /// Itself.
        content: NewTemplate,
    },
    /// A template went; one that is not there is passed over.
    Removed {
        /// Its id.
        id: u64,
    },
    /// What a subject is searched by has changed, for all its templates.
    Relabelled {
        /// Whose.
        subject: SubjectId,
        /// What it is now.
        attributes: Attributes,
        /// All its templates.
        templates: Vec<u64>,
    },
}
