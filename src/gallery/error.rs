use std::path::PathBuf;

use super::GalleryId;
use crate::face::RecipeDigest;
use crate::sealing::KeyStoreError;
use crate::search::SearchError;

/// Why the gallery refused or failed. The variants tell the caller's fault, the
/// service's fault and damaged data apart; [`GalleryError::fault`] says which.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GalleryError {
    /// Not 1–128 bytes of text.
    #[error("a subject id is 1 to 128 bytes of text without control characters or spaces around it")]
    BadSubjectId,
    /// Not 1–128 printable ASCII characters.
    #[error("a request id is 1 to 128 printable ASCII characters without spaces")]
    BadRequestId,
    /// No templates, or too many.
    #[error("an enrolment holds 1 to {max} templates, this one would make {found}")]
    TemplateCount {
        /// How many there would be.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// The id is taken.
    #[error("the subject is already enrolled; replace it or add to it")]
    SubjectExists,
    /// The id is not there.
    #[error("no such subject is enrolled")]
    UnknownSubject,
    /// The templates of one enrolment are of different faces.
    #[error(
        "the photos do not show one and the same person; send those of one person, or let an officer look and vouch \
         for them"
    )]
    PhotosDisagree,
    /// The templates of an enrolment are of another face than the subject's.
    #[error(
        "the photos do not show the person of this record; check that the right record is open, or let an officer look \
         and vouch for them"
    )]
    RecordDisagrees,
    /// A request id came back with other content.
    #[error("the request id was used before for something else; use a new one for a new request")]
    RequestIdReused,
    /// A transaction came back with other content.
    #[error(
        "the transaction id and attempt were used before for something else; a new transaction needs a new id, a retake the next attempt number"
    )]
    TransactionReused,
    /// Not the attempt that follows the last one.
    #[error("the next attempt of this transaction is number {expected}")]
    AttemptOutOfOrder {
        /// The one that would be accepted.
        expected: u32,
    },
    /// The transaction was approved or resolved.
    #[error("the transaction is closed: it was approved, or an officer has resolved it; begin a new one")]
    TransactionClosed,
    /// No such transaction.
    #[error("there is no such transaction")]
    UnknownTransaction,
    /// A transaction that is there, without this attempt.
    #[error("the transaction has no such attempt")]
    UnknownAttempt,
    /// Not a decision that an officer can take up.
    #[error("this attempt was approved, or a later attempt follows it; only the last attempt can be resolved")]
    NotReferred,
    /// An officer answered otherwise.
    #[error("this referral has been resolved before, and not in this way")]
    AlreadyResolved,
    /// The officer presented the case, or enrolled the subject.
    #[error("this officer presented the case or enrolled the record; another officer must answer")]
    OfficerInvolved,
    /// Photos that need no officer's word.
    #[error("these photos agree and need no officer's word; a registrar enrols them")]
    VouchNotNeeded,
    /// The pair was never cleared.
    #[error("this pair was not cleared; check the two ids")]
    UnknownPair,
    /// What a decision rests on has changed since it was read: its subject, the pairs cleared for
    /// it, the challenge that it uses up, or somebody with the same face came after the search. It
    /// must be made anew.
    #[error("what the decision rests on has changed meanwhile; decide again")]
    Outdated,
    /// An index has not applied a commit that must be in its answer.
    #[error("the index has not caught up with the gallery yet; try again")]
    Behind,
    /// A log of changes that does not reach back as far as was asked for.
    #[error("the log of changes does not reach back that far; the index must be made anew")]
    LogTooShort,
    /// An officer's reason that is empty, too long or holds a number.
    #[error("a reason is 1 to 500 characters in one line and holds no number of nine or more digits")]
    BadNote,
    /// A name of a hold that is none.
    #[error(
        "the name of a legal hold has 1 to 64 of A-Z a-z 0-9 _ . / - and is nobody's number; take that of the case file"
    )]
    BadHoldName,
    /// A reference to a legal basis that is empty, too long or holds a number.
    #[error(
        "a legal basis is a reference of 1 to 200 characters in one line and holds no number of nine or more digits"
    )]
    BadLegalBasis,
    /// A record that must stay as it is.
    #[error(
        "the record must stay as it is: a referral of it waits for an officer, it is restricted, or a legal hold is on \
         it; where it is to go, ask for its erasure, which restricts it until that ends"
    )]
    RecordKept,
    /// A record that is restricted.
    #[error(
        "the record is restricted: nothing is added to it and no decision about it approves by itself; an officer \
         decides, or an auditor lifts the restriction"
    )]
    RecordRestricted,
    /// A restriction to lift where there is none, or none of that number.
    #[error(
        "the record has no such restriction in force; there is nothing to lift. `subject show` lists those that are"
    )]
    NotRestricted,
    /// A restriction to lift where several are in force, and none is named.
    #[error(
        "several restrictions are in force on the record, with the numbers {}; say which one ends: `subject lift ID \
         --number N`, or `number` of the call. The record takes part again when all have ended",
        numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    )]
    SeveralRestrictions {
        /// Numbers of those that are in force, lowest first.
        numbers: Vec<u32>,
    },
    /// A hold under the name of another.
    #[error(
        "a legal hold of this name is on the record already, for another reason, and a release would end both; give \
         this one a name of its own"
    )]
    HoldNameTaken,
    /// A hold to release that is not there.
    #[error("no legal hold of this name is on the record; `subject show` lists those that are")]
    UnknownHold,
    /// No request of a person has this number.
    #[error("no request of a person has this number; `subject request list` lists those that there are")]
    UnknownRequest,
    /// A request of a person that has ended, and otherwise.
    #[error("this request of a person has ended before, and not in this way; enter another one")]
    RequestClosed,
    /// A pair of one.
    #[error("a pair is of two different subjects")]
    SamePair,
    /// A template of another recipe.
    #[error(
        "the gallery holds templates of recipe {gallery}, this one is of {template}; use the model pack the gallery was made with"
    )]
    OtherRecipe {
        /// What the gallery holds.
        gallery: RecipeDigest,
        /// What was given.
        template: RecipeDigest,
    },
    /// The index refused: a template of the wrong dimension, a score that is no
    /// number, or a full gallery.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Another process uses the folder.
    #[error("the data folder {0} is in use by another process; stop it or use another folder")]
    InUse(PathBuf),
    /// There is no gallery, and none was to be made.
    #[error(
        "there is no gallery at {}; check the path (--data), and whether the disk is mounted. A new one is made by \
         `chinhchu gallery init`", .0.display()
    )]
    NotThere(PathBuf),
    /// A gallery was to be made among files that are not ours.
    #[error("{} holds other files; make the gallery in an empty folder", .0.display())]
    OtherFiles(PathBuf),
    /// Not the gallery that was asked for.
    #[error("the gallery {} has the id {found}, and not {wanted}, which is asked for; check the path", path.display())]
    OtherGallery {
        /// The folder.
        path: PathBuf,
        /// The id it has.
        found: GalleryId,
        /// The id that is asked for.
        wanted: GalleryId,
    },
    /// A newer program wrote the folder.
    #[error("the data folder {path} has version {found}, this program reads up to {known}; use the newer program")]
    NewerVersion {
        /// The folder.
        path: PathBuf,
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// A store that hands on no rows.
    #[error("this gallery's store is backed up by its own means, and not by chinhchu")]
    NoBackup,
    /// Nobody's folder is written over.
    #[error("there is a gallery in {} already; restore into an empty folder, and then change the two by their names", .0.display())]
    AlreadyThere(PathBuf),
    /// A restoring that did not end: what it left is no gallery, and no other is made in its place.
    #[error("restoring into {} has not ended, and no gallery is there; where it was interrupted, run `chinhchu restore` into it again, or empty the folder", .0.display())]
    RestoringInterrupted(PathBuf),
    /// What is stored does not make sense.
    #[error("the data folder {path} is damaged ({detail}); restore it from a backup")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong, without any stored content.
        detail: String,
    },
    /// The disk is full: nothing of this write was kept, all acknowledged before was.
    #[error("the disk is full; nothing of this write was kept. Free some space and try again")]
    DiskFull,
    /// The store failed otherwise.
    #[error("the gallery's storage failed ({0}); check the disk and what the system says of it, then try again")]
    Storage(String),
    /// The database server failed, or is not one that may be used.
    #[error("PostgreSQL: {0}")]
    Postgres(String),
    /// The system does not let this user at the folder.
    #[error(
        "the data folder {} cannot be used: {detail}; it and its files must belong to the user who runs chinhchu \
         (`ls -ld`, `chown`)", path.display()
    )]
    NotAllowed {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A gallery with a transparency log, opened without its key.
    #[error(
        "this gallery keeps a transparency log, and nothing is read or done in it that is not entered there; name the \
         log's key: [ledger] in the configuration, by --config FILE"
    )]
    LedgerNeeded,
    /// The key of another log.
    #[error(
        "the key of the log's digests is another one than this gallery's log was begun with; restore the file from a \
         backup: with another key no earlier entry would be found by its transaction or subject"
    )]
    LedgerKey,
    /// A gallery without a transparency log.
    #[error("this gallery keeps no transparency log; [ledger] in the configuration begins one")]
    NoLedger,
    /// No such entry, or one that is found no more.
    #[error(
        "the log has no such entry, or its contents were pruned; an entry whose number is known can be proven still"
    )]
    UnknownEntry,
    /// The signing key is not the log's.
    #[error(
        "the signing key is not the one that signs this gallery's log now; name that one, or change keys: both keys are \
         needed over the change"
    )]
    LedgerSigner,
    /// What is known of the log is not in order.
    #[error("the transparency log is not in order: {0}; `chinhchu ledger verify` says more")]
    Ledger(String),
    /// What was to be done cannot be entered.
    #[error("nothing was done: it cannot be entered in the log ({0}); this is a defect of chinhchu")]
    Entry(String),
    /// The gallery is sealed, and no key was given.
    #[error(
        "the gallery {0} is sealed, and is opened with its keys alone; name them under [sealing] in the configuration"
    )]
    SealingNeeded(PathBuf),
    /// A key was given, and the gallery is not sealed.
    #[error(
        "the gallery {0} is not sealed, though [sealing] is in the configuration; `chinhchu keys seal` seals it while nobody has it open, and a server with seal = \"while_serving\" under [sealing] beside its work; or take [sealing] out"
    )]
    NotSealed(PathBuf),
    /// The gallery lies in the clear, and was sealed before.
    #[error(
        "the gallery {} lies in the clear, and its key store {} has served it sealed: the folder is from before it was \
         sealed, or somebody has put it in the sealed one's place. Nothing of it was sealed or served. Put the sealed \
         folder back, or a backup made since; whoever means this one, and gives up what came after it, names new files \
         as sealing.key_store and sealing.key_store_copy, and keeps the present ones as long as anything sealed under \
         them is needed",
        path.display(), key_store.display()
    )]
    SealedBefore {
        /// The folder.
        path: PathBuf,
        /// The key store.
        key_store: PathBuf,
    },
    /// The key store is another gallery's.
    #[error("the key store {0} is not the one of this gallery; check sealing.key_store")]
    OtherKeyStore(PathBuf),
    /// The key store is of another gallery than the one that is to be sealed.
    #[error(
        "the key store {} has the keys of the gallery {gallery}, which is another one: where that was meant, put its folder \
         back or name it. Each gallery has a key store of its own, as whoever loses or moves one for two would lose \
         both: for this one name another file as sealing.key_store, and another copy",
        path.display()
    )]
    KeyStoreTaken {
        /// The key store.
        path: PathBuf,
        /// The gallery that its keys are of.
        gallery: GalleryId,
    },
    /// Keys that the gallery uses are not in the key store.
    #[error(
        "the key store {0} is older than the gallery and lacks keys that it uses; put the present one back (its copy, where \
         that has them)"
    )]
    OlderKeyStore(PathBuf),
    /// The key store cannot be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// The store is shutting down.
    #[error("the gallery is closing; try again")]
    Closing,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is wrong; the same request fails again.
    Caller,
    /// The service cannot at present; the same request may succeed later.
    Service,
    /// Stored data is damaged; a person must act.
    Data,
}

impl GalleryError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Damaged { .. }
            | Self::NewerVersion { .. }
            | Self::Ledger(_)
            | Self::OtherKeyStore(_)
            | Self::OlderKeyStore(_)
            | Self::KeyStore(
                KeyStoreError::Damaged { .. } | KeyStoreError::KeyDamaged { .. } | KeyStoreError::Newer { .. },
            ) => Fault::Data,
            Self::Search(
                SearchError::Full { .. }
                | SearchError::Memory { .. }
                | SearchError::Unreadable
                | SearchError::Missing
                | SearchError::Stopped,
            ) => Fault::Service,
            Self::Outdated
            | Self::Behind
            | Self::LogTooShort
            | Self::DiskFull
            | Self::Storage(_)
            | Self::Postgres(_)
            | Self::NotAllowed { .. }
            | Self::Closing
            | Self::LedgerNeeded
            | Self::LedgerKey
            | Self::NoLedger
            | Self::LedgerSigner
            | Self::Entry(_)
            | Self::SealingNeeded(_)
            | Self::NotSealed(_)
            | Self::SealedBefore { .. }
            | Self::KeyStoreTaken { .. }
            | Self::KeyStore(_)
            | Self::InUse(_)
            | Self::NotThere(_)
            | Self::AlreadyThere(_)
            | Self::RestoringInterrupted(_)
            | Self::NoBackup
            | Self::OtherFiles(_)
            | Self::OtherGallery { .. } => Fault::Service,
            _ => Fault::Caller,
        }
    }
}
