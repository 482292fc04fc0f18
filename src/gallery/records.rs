//! What is read of a record store, and what it tells of its commits.

use super::ledger::LedgerHead;
use super::{
    Attributes, CaptureBand, ChallengeOwner, ClearedPair, DecisionHead, DecisionKey, Erasure, GalleryError,
    NewTemplate, Receipt, RequestId, RetentionRun, StoredCapture, StoredChallenge, StoredDecision, StoredPictures,
    StoredTemplate, Subject, SubjectHead, SubjectId, SubjectRequest, Timestamp, Watermark,
};
use crate::ledger::commitment::Commitment;

/// Most decisions that [`ReadSet::recent`] reads.
pub const RECENT_MAX: usize = 100;

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
    /// Whether all attempts of the transaction of [`ReadSet::decision`] are read as well.
    pub attempts: bool,
    /// Whether the pictures of [`ReadSet::decision`] are read as well.
    pub pictures: bool,
    /// How many pictures are kept of decisions about this subject.
    pub pictures_of: Option<SubjectId>,
    /// Numbers of decisions, up to so many, whose pictures were kept before this time, or whose time is over.
    pub expired_pictures: Option<(Timestamp, usize)>,
    /// The newest decisions about this subject, those that were committed at this time or later,
    /// [`RECENT_MAX`] at most.
    pub recent: Option<(SubjectId, Timestamp)>,
    /// Who presented the newest decisions about these subjects, [`RECENT_MAX`] of each.
    pub presented_about: Vec<SubjectId>,
    /// Every decision about this subject.
    pub decisions_about: Option<SubjectId>,
    /// The number of the newest decision about this subject.
    pub newest_of: Option<SubjectId>,
    /// Those with whom this subject was cleared, each with its head, and the pairs, also those
    /// that are not in force.
    pub cleared_with: Option<SubjectId>,
    /// Captures with at least this number that share one of these keys; those whose time is over
    /// are left out.
    pub captures_since: Option<(u64, Vec<CaptureBand>)>,
    /// The challenges of this owner, also those that were used or whose time is over.
    pub challenges_of: Option<ChallengeOwner>,
    /// The request of a person with this number.
    pub subject_request: Option<u64>,
    /// Every request about this subject.
    pub requests_of: Option<SubjectId>,
    /// Whether the store has a key for this subject, apart from its record: what was sealed under it can be
    /// read as long as it has.
    pub key_of: Option<SubjectId>,
    /// What the last run of retention did.
    pub last_retention: bool,
    /// Templates that were committed after this one and are still there, and those of subjects who
    /// are searched by something else since.
    pub arrived_after: Option<Watermark>,
    /// So many entries of the log, at most, that are not in its tree yet.
    pub unsequenced: Option<usize>,
    /// How many of the oldest entries whose contents are kept were entered before this time, up to
    /// so many.
    pub entered_before: Option<(Timestamp, usize)>,
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
    /// The attempts of the transaction, oldest first, where asked for.
    pub attempts: Vec<StoredDecision>,
    /// The decisions of [`ReadSet::recent`], newest first.
    pub recent: Vec<DecisionHead>,
    /// Of each decision about [`ReadSet::presented_about`] the subject, and who presented it.
    pub presented: Vec<(SubjectId, Option<SubjectId>)>,
    /// The decisions about [`ReadSet::decisions_about`], oldest first.
    pub about: Vec<DecisionHead>,
    /// Number of the newest decision about [`ReadSet::newest_of`]; 0 where there is none.
    pub newest: u64,
    /// Number of the next decision: 1 for the first.
    pub decision_next: u64,
    /// The captures of [`ReadSet::captures_since`], oldest first.
    pub captures: Vec<StoredCapture>,
    /// Number of the next capture: 1 for the first.
    pub capture_next: u64,
    /// The challenges of [`ReadSet::challenges_of`], oldest first.
    pub challenges: Vec<StoredChallenge>,
    /// Number of the next challenge, where challenges are asked for: above those of all that are kept.
    pub challenge_next: u64,
    /// The requests of [`ReadSet::subject_request`] and [`ReadSet::requests_of`], lowest number first.
    pub subject_requests: Vec<SubjectRequest>,
    /// Whether there is a key for [`ReadSet::key_of`].
    pub has_key: bool,
    /// What the last run of retention did, where asked for.
    pub last_retention: Option<RetentionRun>,
    /// Number of the next request of a person: 1 for the first.
    pub subject_request_next: u64,
    /// Those who are cleared with [`ReadSet::cleared_with`], in byte order.
    pub cleared_with: Vec<SubjectId>,
    /// Every pair of that subject, however it stands, in byte order of the other.
    pub pairs: Vec<ClearedPair>,
    /// Heads of those of them who are enrolled.
    pub cleared_heads: Vec<SubjectHead>,
    /// What came after [`ReadSet::arrived_after`]; `None` where that was not asked for, or the
    /// log no longer reaches back so far.
    pub arrived: Option<Vec<Arrived>>,
    /// Whether what is stored lies sealed: always told.
    pub is_sealed: bool,
    /// The pictures of [`ReadSet::decision`], where asked for and there.
    pub pictures: Option<StoredPictures>,
    /// How many pictures are kept of decisions about [`ReadSet::pictures_of`]; those whose time is over are
    /// left out.
    pub pictures_kept: u64,
    /// The numbers of [`ReadSet::expired_pictures`], lowest first.
    pub expired_pictures: Vec<u64>,
    /// Whether the gallery keeps a transparency log: always told.
    pub has_ledger: bool,
    /// Number of the next entry of that log, from 0, where a command is planned.
    pub entry_next: Option<u64>,
    /// Its log, where [`ReadSet::unsequenced`] or [`ReadSet::entered_before`] is asked for and it
    /// keeps one.
    pub ledger: Option<LedgerRecords>,
}

/// What is read of the transparency log for a command.
#[derive(Clone, PartialEq)]
pub struct LedgerRecords {
    /// What is known of it besides its entries.
    pub head: LedgerHead,
    /// The entries behind the tree's end, in their order.
    pub unsequenced: Vec<Commitment>,
    /// How many entries from [`LedgerHead::pruned`] on were entered before
    /// [`ReadSet::entered_before`].
    pub expired: u64,
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
    /// Number of the request of a person that it entered; of an erasure, one more than the number of its
    /// entry in the log; 0 where there is none.
    pub number: u64,
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
    /// Whether that record is restricted now.
    pub restricted: bool,
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
    /// The pair as it is stored, where the command was about one.
    pub pair: Option<ClearedPair>,
    /// The challenge as it is stored, where the command issued one.
    pub challenge: Option<StoredChallenge>,
    /// What the command came to, where it was an erasure.
    pub erasure: Option<Erasure>,
    /// Number of its entry in the log, from 0, where it was an erasure and a log is kept.
    pub entry: Option<u64>,
    /// Whether the key of a subject was given up, of which nothing is left: it is to be destroyed
    /// ([`RecordStore::destroy_keys`](super::RecordStore::destroy_keys)).
    pub gives_up_key: bool,
    /// The request of a person as it is stored, where the command was about one.
    pub subject_request: Option<SubjectRequest>,
    /// How many decisions, requests or entries it took away, where it was one of retention.
    pub taken: u64,
}

impl Committed {
    /// Of a command about nothing that is told beside the receipt.
    pub(super) fn of(receipt: Receipt) -> Self {
        Self {
            receipt,
            decision: None,
            pair: None,
            challenge: None,
            erasure: None,
            entry: None,
            gives_up_key: false,
            subject_request: None,
            taken: 0,
        }
    }
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
        /// Whether its subject is restricted.
        restricted: bool,
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
        /// Whether the subject is restricted.
        restricted: bool,
        /// All its templates.
        templates: Vec<u64>,
    },
}
