//! Records as they lie on disk.
//!
//! In the clear every value bears a checksum: one byte of version, four bytes of CRC-32
//! (little-endian), then a protobuf message. The CRC covers the version, the
//! table's name, the key and the message, so a record that was altered, or that
//! turned up under another key, is noticed when it is read. Fields are only ever
//! added; a change that an old program must not overlook raises the version.

use std::collections::BTreeMap;

use prost::Message;

use super::fault::StoreError;
use crate::face::{RecipeDigest, Template};
use crate::float32;
use crate::gallery::{
    Attributes, ClearedPair, DecisionHead, DecisionKey, HoldName, LegalBasis, NewCapture, NewTemplate, Note, Outcome,
    PairEntry, PairEntryKind, RecordedBasis, RequestId, Requester, Resolution, RetentionCounts, RetentionRun, Scheme,
    Source, Standing, StandingAction, StandingEntry, StoredCapture, StoredDecision, StoredRequest, StoredTemplate,
    SubjectHead, SubjectId, Timestamp, Vouch, Vouched,
};

/// Version of a record written by this program.
pub(in crate::gallery) const RECORD_VERSION: u8 = 1;
const HEADER_BYTES: usize = 5;

/// What the gallery is.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct GalleryRecord {
    /// Version of the whole layout.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub recipe: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub dimension: u32,
    #[prost(uint64, tag = "4")]
    pub created_at: u64,
    /// Further recipes of which there are templates, oldest first.
    #[prost(message, repeated, tag = "5")]
    pub beside: Vec<RecipeRecord>,
    /// Under which keys it is sealed; none in a clear gallery.
    #[prost(message, optional, tag = "6")]
    pub sealing: Option<SealingRecord>,
}

/// The keys of a sealed gallery that belong to no subject, by their numbers in the key store.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct SealingRecord {
    /// Which key store.
    #[prost(bytes = "vec", tag = "1")]
    pub key_store: Vec<u8>,
    /// The key from which those of the tables are derived.
    #[prost(uint64, tag = "2")]
    pub of_tables: u64,
    /// The key under which names in the keys of rows are hashed.
    #[prost(uint64, tag = "3")]
    pub of_names: u64,
}

/// A recipe of which there are templates beside those of the first.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct RecipeRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub recipe: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub dimension: u32,
}

impl SealingRecord {
    /// Above the numbers of both.
    pub(in crate::gallery) fn keys_to(&self) -> u64 {
        self.of_tables.max(self.of_names) + 1
    }
}

impl GalleryRecord {
    /// Recipes of which there may be templates, each with the number of their values, oldest
    /// first.
    pub(in crate::gallery) fn recipes(&self) -> Result<Vec<(RecipeDigest, usize)>, StoreError> {
        let first = (&self.recipe, self.dimension);
        let all = std::iter::once(first).chain(self.beside.iter().map(|one| (&one.recipe, one.dimension)));
        all.map(|(recipe, dimension)| {
            let digest = <[u8; 32]>::try_from(recipe.as_slice())
                .map_err(|_| StoreError::damaged("the gallery's recipe is not a digest"))?;
            Ok((RecipeDigest(digest), dimension as usize))
        })
        .collect()
    }

    /// The record for these recipes, of which there is at least one.
    pub(in crate::gallery) fn with_recipes(self, recipes: &[(RecipeDigest, usize)]) -> Self {
        // Dimensions were checked when the gallery was opened.
        let mut rows = recipes.iter().map(|(RecipeDigest(digest), dimension)| RecipeRecord {
            recipe: digest.to_vec(),
            dimension: u32::try_from(*dimension).unwrap_or(u32::MAX),
        });
        let Some(RecipeRecord { recipe, dimension }) = rows.next() else { return self };
        let beside: Vec<RecipeRecord> = rows.collect();
        Self { recipe, dimension, beside, ..self }
    }
}

/// What the gallery is known by.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct IdRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
}

/// Numbers that only rise, and the sum over all rows.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::gallery) struct Counters {
    /// Number of the last commit that changed anything.
    #[prost(uint64, tag = "1")]
    pub commit: u64,
    /// Id of the next template.
    #[prost(uint64, tag = "2")]
    pub template_next: u64,
    /// Place of the next request id in the order of their use.
    #[prost(uint64, tag = "3")]
    pub request_next: u64,
    /// Number of the last commit by a program that keeps the table `changes`: another
    /// than `commit` where one came after it that does not.
    #[prost(uint64, tag = "4")]
    pub changes_to: u64,
    /// The table `changes` tells what went and was relabelled in every commit after this one.
    #[prost(uint64, tag = "5")]
    pub changes_from: u64,
    /// Number of the last commit by a program that writes into `changes` what came, too: as with
    /// `changes_to`, another than `commit` where one came after it that does not.
    #[prost(uint64, tag = "6")]
    pub arrivals_to: u64,
    /// The table `changes` tells what came in every commit after this one.
    #[prost(uint64, tag = "7")]
    pub arrivals_from: u64,
    /// Number of the next decision; 0 before the tables that decisions are listed by were made.
    #[prost(uint64, tag = "8")]
    pub decision_next: u64,
    /// Number of the last commit by a program that keeps those tables: as with `changes_to`,
    /// another than `commit` where one came after it that does not.
    #[prost(uint64, tag = "9")]
    pub listed_to: u64,
    /// Number of the last capture.
    #[prost(uint64, tag = "10")]
    pub captures: u64,
    /// Keys of the key store that were ever used here have lower numbers.
    #[prost(uint64, tag = "11")]
    pub keys_to: u64,
    /// In a sealed gallery, the sum over all rows.
    #[prost(bytes = "vec", tag = "12")]
    pub row_sum: Vec<u8>,
    /// Entries of the transparency log.
    #[prost(uint64, tag = "13")]
    pub entries: u64,
    /// In a sealed gallery, what tells its list of destroyed keys from all others; none before it was begun.
    #[prost(bytes = "vec", tag = "14")]
    pub list_of_destroyed: Vec<u8>,
    /// Number of the last request of a person.
    #[prost(uint64, tag = "20")]
    pub subject_requests: u64,
}

impl Counters {
    /// The commit after which the log tells everything.
    pub(in crate::gallery) fn logged_after(&self) -> u64 {
        let is_kept = self.arrivals_to == self.commit && self.changes_to == self.commit;
        if is_kept { self.arrivals_from.max(self.changes_from) } else { self.commit }
    }
}

/// What a commit did to templates and to what subjects are searched by.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct ChangeRecord {
    /// Templates that went.
    #[prost(uint64, repeated, tag = "1")]
    pub removed: Vec<u64>,
    /// Subjects whose attributes changed.
    #[prost(string, repeated, tag = "2")]
    pub relabelled: Vec<String>,
    /// Templates that came have ids from this one on, …
    #[prost(uint64, tag = "3")]
    pub came_from: u64,
    /// … up to the one before this.
    #[prost(uint64, tag = "4")]
    pub came_to: u64,
    /// In a sealed gallery, in place of `relabelled`: templates of those subjects.
    #[prost(uint64, repeated, tag = "5")]
    pub relabelled_templates: Vec<u64>,
}

/// Marks of index files that belong to this database.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct IndexMarksRecord {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub marks: Vec<Vec<u8>>,
    /// Numbers of the keys that these files are sealed under.
    #[prost(uint64, repeated, tag = "2")]
    pub keys: Vec<u64>,
}

/// The head of an index file.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct IndexHeadRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub mark: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub recipe: Vec<u8>,
    /// The commit it was written at.
    #[prost(uint64, tag = "3")]
    pub commit: u64,
    /// Id of the next template at that commit.
    #[prost(uint64, tag = "4")]
    pub template_next: u64,
    /// Numbers of subjects in it.
    #[prost(uint32, tag = "5")]
    pub subjects: u32,
}

/// What the last run of retention did.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct RetentionRecord {
    #[prost(uint64, tag = "1")]
    pub began_at: u64,
    #[prost(uint64, tag = "2")]
    pub ended_at: u64,
    #[prost(uint64, tag = "3")]
    pub decisions: u64,
    #[prost(uint64, tag = "4")]
    pub requests: u64,
    #[prost(uint64, tag = "5")]
    pub standing_entries: u64,
    #[prost(uint64, tag = "6")]
    pub kept: u64,
    #[prost(uint64, tag = "7")]
    pub pictures: u64,
}

impl RetentionRecord {
    pub(in crate::gallery) fn of(run: &RetentionRun) -> Self {
        let RetentionRun { began_at, ended_at, counts } = run;
        let RetentionCounts { decisions, requests, standing_entries, pictures, kept } = *counts;
        Self { began_at: began_at.0, ended_at: ended_at.0, decisions, requests, standing_entries, kept, pictures }
    }

    pub(in crate::gallery) fn restore(self) -> RetentionRun {
        let Self { began_at, ended_at, decisions, requests, standing_entries, kept, pictures } = self;
        let counts = RetentionCounts { decisions, requests, standing_entries, pictures, kept };
        RetentionRun { began_at: Timestamp(began_at), ended_at: Timestamp(ended_at), counts }
    }
}

/// Attributes that can be searched by.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct TraitsRecord {
    #[prost(string, repeated, tag = "1")]
    pub schemes: Vec<String>,
    #[prost(string, optional, tag = "2")]
    pub province: Option<String>,
    #[prost(bool, tag = "20")]
    pub restricted: bool,
}

/// Sets of attributes in the order of their numbers.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct TraitsListRecord {
    #[prost(message, repeated, tag = "1")]
    pub traits: Vec<TraitsRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct SubjectRecord {
    /// Oldest first.
    #[prost(uint64, repeated, tag = "1")]
    pub templates: Vec<u64>,
    #[prost(string, repeated, tag = "2")]
    pub schemes: Vec<String>,
    #[prost(string, optional, tag = "3")]
    pub province: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub unit: Option<String>,
    #[prost(btree_map = "string, uint64", tag = "5")]
    pub last_verified: BTreeMap<String, u64>,
    #[prost(uint64, tag = "6")]
    pub enrolled_at: u64,
    #[prost(uint64, tag = "7")]
    pub updated_at: u64,
    /// Oldest first.
    #[prost(message, repeated, tag = "8")]
    pub vouched: Vec<VouchedRecord>,
    /// The commit that wrote this; 0 by a program that did not note it.
    #[prost(uint64, tag = "9")]
    pub changed_in: u64,
    /// Who enrolled any of its templates, oldest first.
    #[prost(string, repeated, tag = "10")]
    pub enrolled_by: Vec<String>,
    /// The subject id, which in a sealed gallery the row's key does not tell.
    #[prost(string, tag = "11")]
    pub id: String,
    /// What was said of how the record stands, oldest first.
    #[prost(message, repeated, tag = "20")]
    pub standing: Vec<StandingRecord>,
    /// Oldest first.
    #[prost(message, repeated, tag = "21")]
    pub legal_bases: Vec<LegalBasisRecord>,
}

/// What was said of how a record stands.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct StandingRecord {
    /// 1 restricted, 2 lifted, 3 held, 4 released, 5 erasure asked for, 6 one of several lifted.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    #[prost(string, tag = "2")]
    pub by: String,
    #[prost(string, tag = "3")]
    pub reason: String,
    #[prost(uint64, tag = "4")]
    pub at: u64,
    /// 1 the person, 2 an authority, 3 the office; of kinds 1 and 5.
    #[prost(uint32, tag = "5")]
    pub requester: u32,
    /// Of kinds 3 and 4.
    #[prost(string, tag = "6")]
    pub hold: String,
    /// Of kind 5.
    #[prost(bool, tag = "7")]
    pub finding_open: bool,
    /// Of kind 6, the number of what ended.
    #[prost(uint32, tag = "8")]
    pub ended: u32,
}

/// The legal basis of an enrolment.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct LegalBasisRecord {
    #[prost(string, tag = "1")]
    pub reference: String,
    #[prost(uint64, tag = "2")]
    pub at: u64,
}

/// An officer's word that templates are one person's.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct VouchedRecord {
    #[prost(string, tag = "1")]
    pub officer: String,
    #[prost(string, tag = "2")]
    pub reason: String,
    #[prost(uint64, tag = "3")]
    pub at: u64,
    #[prost(uint64, repeated, tag = "4")]
    pub templates: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct TemplateRecord {
    /// Whose it is.
    #[prost(string, tag = "1")]
    pub subject: String,
    #[prost(bytes = "vec", tag = "2")]
    pub recipe: Vec<u8>,
    /// The unit vector, float32 little-endian.
    #[prost(bytes = "vec", tag = "3")]
    pub vector: Vec<u8>,
    #[prost(float, tag = "4")]
    pub norm: f32,
    /// 1 chip, 2 live, 3 other.
    #[prost(uint32, tag = "5")]
    pub source: u32,
    #[prost(uint64, optional, tag = "6")]
    pub captured_at: Option<u64>,
    #[prost(float, optional, tag = "7")]
    pub quality: Option<f32>,
}

/// A request id and what it did.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct RequestRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub content: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub commit: u64,
    #[prost(uint32, tag = "3")]
    pub templates: u32,
    #[prost(uint64, tag = "4")]
    pub done_at: u64,
    /// Number of the request of a person that it entered; 0 where it entered none.
    #[prost(uint64, tag = "5")]
    pub number: u64,
}

/// A decision and its answer. Holds no name, no number, no photo and no vector.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct DecisionRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub content: Vec<u8>,
    #[prost(string, tag = "2")]
    pub subject: String,
    #[prost(string, tag = "3")]
    pub scheme: String,
    /// 1 approve, 2 refer, 3 deny.
    #[prost(uint32, tag = "4")]
    pub outcome: u32,
    #[prost(bytes = "vec", tag = "5")]
    pub answer: Vec<u8>,
    #[prost(uint64, tag = "6")]
    pub decided_at: u64,
    #[prost(uint64, tag = "7")]
    pub commit: u64,
    /// Oldest first. Earlier programs know one at most.
    #[prost(message, repeated, tag = "8")]
    pub resolutions: Vec<ResolutionRecord>,
    /// Place in the order of decisions, from 1; 0 by a program that did not note it.
    #[prost(uint64, tag = "9")]
    pub number: u64,
    /// Codes of reasons, the gravest first.
    #[prost(string, repeated, tag = "10")]
    pub reasons: Vec<String>,
    #[prost(string, optional, tag = "11")]
    pub presented_by: Option<String>,
    #[prost(uint32, tag = "12")]
    pub officers_needed: u32,
    #[prost(string, optional, tag = "13")]
    pub unit: Option<String>,
    #[prost(string, optional, tag = "14")]
    pub province: Option<String>,
    /// The transaction and the attempt, which in a sealed gallery the row's key does not tell.
    #[prost(string, tag = "15")]
    pub transaction: String,
    #[prost(uint32, tag = "16")]
    pub attempt: u32,
    /// Until when pictures were to be kept with it; none where none were.
    #[prost(uint64, optional, tag = "17")]
    pub pictures_until: Option<u64>,
}

/// A capture that took part in a decision.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct CaptureRecord {
    #[prost(string, tag = "1")]
    pub transaction: String,
    #[prost(uint32, tag = "2")]
    pub attempt: u32,
    #[prost(string, tag = "3")]
    pub subject: String,
    #[prost(uint32, tag = "4")]
    pub frame: u32,
    #[prost(string, optional, tag = "5")]
    pub unit: Option<String>,
    #[prost(uint64, tag = "6")]
    pub at: u64,
    #[prost(uint64, tag = "7")]
    pub expires_at: u64,
    #[prost(bytes = "vec", tag = "8")]
    pub fingerprint: Vec<u8>,
    /// Keys of eight bytes, one after another.
    #[prost(bytes = "vec", tag = "9")]
    pub bands: Vec<u8>,
}

/// A decision without its answer, as lists show it. Whether it waits is said by a table.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct DecisionHeadRecord {
    #[prost(string, tag = "1")]
    pub transaction: String,
    #[prost(uint32, tag = "2")]
    pub attempt: u32,
    #[prost(string, tag = "3")]
    pub subject: String,
    #[prost(string, tag = "4")]
    pub scheme: String,
    /// 1 approve, 2 refer, 3 deny.
    #[prost(uint32, tag = "5")]
    pub outcome: u32,
    #[prost(string, repeated, tag = "6")]
    pub reasons: Vec<String>,
    #[prost(uint64, tag = "7")]
    pub decided_at: u64,
    /// As `outcome`; none while no officer has closed it.
    #[prost(uint32, optional, tag = "8")]
    pub resolved: Option<u32>,
    #[prost(string, optional, tag = "9")]
    pub unit: Option<String>,
    #[prost(string, optional, tag = "10")]
    pub province: Option<String>,
}

/// What an officer made of a referral.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct ResolutionRecord {
    #[prost(string, tag = "1")]
    pub officer: String,
    /// 1 approve, 3 deny.
    #[prost(uint32, tag = "2")]
    pub outcome: u32,
    #[prost(string, tag = "3")]
    pub reason: String,
    #[prost(uint64, tag = "4")]
    pub resolved_at: u64,
}

/// Why two subjects may share a face. Lies under both orders of their ids, so that
/// either finds the other by one range.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct ClearedRecord {
    /// The first officer's; earlier programs know nothing else.
    #[prost(string, tag = "1")]
    pub officer: String,
    #[prost(string, tag = "2")]
    pub reason: String,
    #[prost(uint64, tag = "3")]
    pub cleared_at: u64,
    /// What officers said after that, oldest first.
    #[prost(message, repeated, tag = "4")]
    pub later: Vec<PairEntryRecord>,
    /// Number of the entry that the present clearing begins with, from 0.
    #[prost(uint32, tag = "5")]
    pub round_from: u32,
    #[prost(uint32, tag = "6")]
    pub officers_needed: u32,
    #[prost(uint64, optional, tag = "7")]
    pub expires_at: Option<u64>,
    /// The two, which in a sealed gallery the row's key does not tell.
    #[prost(string, tag = "8")]
    pub first: String,
    #[prost(string, tag = "9")]
    pub second: String,
}

/// What an officer said of a pair.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct PairEntryRecord {
    #[prost(string, tag = "1")]
    pub officer: String,
    #[prost(string, tag = "2")]
    pub reason: String,
    #[prost(uint64, tag = "3")]
    pub at: u64,
    /// 1 cleared, 2 ended.
    #[prost(uint32, tag = "4")]
    pub kind: u32,
}

/// Makes the bytes of a record for `key` of `table`.
pub(in crate::gallery) fn seal(table: &str, key: &[u8], record: &impl Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + record.encoded_len());
    bytes.extend_from_slice(&[RECORD_VERSION, 0, 0, 0, 0]);
    bytes.extend_from_slice(&record.encode_to_vec());
    let checksum = checksum(RECORD_VERSION, table, key, &bytes[HEADER_BYTES..]);
    bytes[1..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads a record back, or says why it cannot be trusted.
pub(in crate::gallery) fn unseal<M: Message + Default>(table: &str, key: &[u8], bytes: &[u8]) -> Result<M, StoreError> {
    let Some((&[version, a, b, c, d], message)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(StoreError::damaged(format!("a record of {table} is cut short")));
    };
    if checksum(version, table, key, message) != u32::from_le_bytes([a, b, c, d]) {
        return Err(StoreError::damaged(format!("a record of {table} does not match its checksum")));
    }
    if version != RECORD_VERSION {
        return Err(StoreError::Newer { found: u32::from(version), known: u32::from(RECORD_VERSION) });
    }
    M::decode(message).map_err(|_| StoreError::damaged(format!("a record of {table} cannot be read")))
}

fn checksum(version: u8, table: &str, key: &[u8], message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version, table.len() as u8]);
    hasher.update(table.as_bytes());
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(message);
    hasher.finalize()
}

impl SubjectRecord {
    pub(in crate::gallery) fn of_head(head: &SubjectHead) -> Self {
        let Attributes { schemes, province, unit } = head.attributes.clone();
        Self {
            templates: head.templates.clone(),
            schemes: schemes.into_iter().collect(),
            province,
            unit,
            last_verified: head.last_verified.iter().map(|(scheme, at)| (scheme.clone(), at.0)).collect(),
            enrolled_at: head.enrolled_at.0,
            updated_at: head.updated_at.0,
            vouched: head.vouched.iter().map(VouchedRecord::of).collect(),
            changed_in: head.changed_in,
            enrolled_by: head.enrolled_by.iter().map(|by| by.as_str().to_owned()).collect(),
            id: head.id.as_str().to_owned(),
            standing: head.standing.entries.iter().map(StandingRecord::of).collect(),
            legal_bases: head.legal_bases.iter().map(LegalBasisRecord::of).collect(),
        }
    }

    /// Whose it is, where it lies under `name`; those of earlier programs do not tell.
    pub(in crate::gallery) fn subject(&self, name: &str) -> Result<SubjectId, StoreError> {
        let id = if self.id.is_empty() { name } else { &self.id };
        SubjectId::new(id).map_err(|_| StoreError::damaged("a subject's id is not one"))
    }

    pub(in crate::gallery) fn into_head(self, id: SubjectId) -> Result<SubjectHead, StoreError> {
        Ok(SubjectHead {
            id,
            attributes: self.attributes(),
            templates: self.templates,
            last_verified: self.last_verified.into_iter().map(|(scheme, at)| (scheme, Timestamp(at))).collect(),
            enrolled_at: Timestamp(self.enrolled_at),
            updated_at: Timestamp(self.updated_at),
            vouched: self.vouched.into_iter().map(VouchedRecord::restore).collect::<Result<_, _>>()?,
            changed_in: self.changed_in,
            enrolled_by: self.enrolled_by.into_iter().map(stored_id).collect::<Result<_, _>>()?,
            standing: standing(self.standing)?,
            legal_bases: self.legal_bases.into_iter().map(LegalBasisRecord::restore).collect(),
        })
    }

    /// Whether the record is restricted.
    pub(in crate::gallery) fn is_restricted(&self) -> Result<bool, StoreError> {
        Ok(standing(self.standing.clone())?.is_restricted())
    }

    /// Attributes as the gallery's callers know them.
    pub(in crate::gallery) fn attributes(&self) -> Attributes {
        Attributes {
            schemes: self.schemes.iter().map(|scheme| Scheme::of_stored(scheme).to_owned()).collect(),
            province: self.province.clone(),
            unit: self.unit.clone(),
        }
    }
}

fn standing(entries: Vec<StandingRecord>) -> Result<Standing, StoreError> {
    Ok(Standing { entries: entries.into_iter().map(StandingRecord::restore).collect::<Result<_, _>>()? })
}

impl StandingRecord {
    fn of(entry: &StandingEntry) -> Self {
        let ended = match entry.action {
            StandingAction::LiftOne(number) => number,
            _ => 0,
        };
        let (kind, requester, hold, finding_open) = match &entry.action {
            StandingAction::Restrict(requester) => (1, requester_number(*requester), "", false),
            StandingAction::Lift => (2, 0, "", false),
            StandingAction::LiftOne(_) => (6, 0, "", false),
            StandingAction::Hold(name) => (3, 0, name.as_str(), false),
            StandingAction::Release(name) => (4, 0, name.as_str(), false),
            StandingAction::AskErasure { requester, finding_open } => {
                (5, requester_number(*requester), "", *finding_open)
            }
        };
        Self {
            kind,
            by: entry.by.as_str().to_owned(),
            reason: entry.reason.as_str().to_owned(),
            at: entry.at.0,
            requester,
            hold: hold.to_owned(),
            finding_open,
            ended,
        }
    }

    fn restore(self) -> Result<StandingEntry, StoreError> {
        let action = match self.kind {
            1 => StandingAction::Restrict(requester_of(self.requester)?),
            2 => StandingAction::Lift,
            3 => StandingAction::Hold(HoldName::stored(self.hold)),
            4 => StandingAction::Release(HoldName::stored(self.hold)),
            5 => {
                let requester = requester_of(self.requester)?;
                StandingAction::AskErasure { requester, finding_open: self.finding_open }
            }
            6 => StandingAction::LiftOne(self.ended),
            // Never taken for a record that nothing was said of.
            _ => return Err(StoreError::damaged("what was said of a record's standing is not known")),
        };
        let by = stored_id(self.by)?;
        Ok(StandingEntry { action, by, reason: Note::stored(self.reason), at: Timestamp(self.at) })
    }
}

pub(in crate::gallery) fn requester_number(requester: Requester) -> u32 {
    match requester {
        Requester::Person => 1,
        Requester::Authority => 2,
        Requester::Office => 3,
    }
}

pub(in crate::gallery) fn requester_of(number: u32) -> Result<Requester, StoreError> {
    match number {
        1 => Ok(Requester::Person),
        2 => Ok(Requester::Authority),
        3 => Ok(Requester::Office),
        _ => Err(StoreError::damaged("by whose request a record is restricted is not known")),
    }
}

impl LegalBasisRecord {
    fn of(recorded: &RecordedBasis) -> Self {
        Self { reference: recorded.basis.as_str().to_owned(), at: recorded.at.0 }
    }

    fn restore(self) -> RecordedBasis {
        RecordedBasis { basis: LegalBasis::stored(self.reference), at: Timestamp(self.at) }
    }
}

impl VouchedRecord {
    fn of(vouched: &Vouched) -> Self {
        let Vouched { vouch, at, templates } = vouched;
        Self {
            officer: vouch.officer.as_str().to_owned(),
            reason: vouch.reason.as_str().to_owned(),
            at: at.0,
            templates: templates.clone(),
        }
    }

    pub(in crate::gallery) fn restore(self) -> Result<Vouched, StoreError> {
        let officer = SubjectId::new(self.officer).map_err(|_| StoreError::damaged("an officer's id is not one"))?;
        let vouch = Vouch { officer, reason: Note::stored(self.reason) };
        Ok(Vouched { vouch, at: Timestamp(self.at), templates: self.templates })
    }
}

impl TemplateRecord {
    /// The unit vector.
    pub(in crate::gallery) fn values(&self) -> Result<Vec<f32>, StoreError> {
        float32::decode(&self.vector).ok_or_else(|| StoreError::damaged("a template is cut short"))
    }

    pub(in crate::gallery) fn new(subject: &str, new: &NewTemplate) -> Self {
        let vector = new.template.vector();
        Self {
            subject: subject.to_owned(),
            recipe: new.template.recipe().0.to_vec(),
            vector: float32::encode(vector),
            norm: new.template.norm(),
            source: match new.source {
                Source::Chip => 1,
                Source::Live => 2,
                Source::Other => 3,
            },
            captured_at: new.captured_at.map(|at| at.0),
            quality: new.quality,
        }
    }

    /// The template, if it is what the gallery holds: of one of its recipes, each with the number
    /// of its values, and a unit vector.
    pub(in crate::gallery) fn restore(
        self,
        id: u64,
        recipes: &[(RecipeDigest, usize)],
    ) -> Result<StoredTemplate, StoreError> {
        let own = recipes.iter().find(|(recipe, _)| self.recipe == recipe.0);
        let &(recipe, dimension) = own.ok_or_else(|| StoreError::damaged("a template is of another recipe"))?;
        let vector = self.values()?;
        if vector.len() != dimension {
            return Err(StoreError::damaged("a template has another dimension"));
        }
        let template = Template::from_parts(recipe, vector, self.norm)
            .map_err(|_| StoreError::damaged("a template is not a unit vector"))?;
        let source = match self.source {
            1 => Source::Chip,
            2 => Source::Live,
            3 => Source::Other,
            _ => return Err(StoreError::damaged("a template's source is not known")),
        };
        let captured_at = self.captured_at.map(Timestamp);
        Ok(StoredTemplate { id, content: NewTemplate { template, source, captured_at, quality: self.quality } })
    }
}

impl DecisionRecord {
    pub(in crate::gallery) fn of(decision: &StoredDecision) -> Self {
        Self {
            content: decision.content.to_vec(),
            subject: decision.subject.as_str().to_owned(),
            scheme: decision.scheme.clone(),
            outcome: outcome_number(decision.outcome),
            answer: decision.answer.clone(),
            decided_at: decision.decided_at.0,
            commit: decision.commit,
            resolutions: decision.resolutions.iter().map(ResolutionRecord::of).collect(),
            number: decision.number,
            reasons: decision.reasons.clone(),
            presented_by: decision.presented_by.as_ref().map(|by| by.as_str().to_owned()),
            officers_needed: decision.officers_needed,
            unit: decision.unit.clone(),
            province: decision.province.clone(),
            transaction: decision.key.transaction.as_str().to_owned(),
            attempt: decision.key.attempt,
            pictures_until: decision.pictures_until.map(|until| until.0),
        }
    }

    /// Which decision it is, where it lies under `name`; those of earlier programs do not tell.
    pub(in crate::gallery) fn key(&self, name: &str) -> Result<DecisionKey, StoreError> {
        if self.transaction.is_empty() {
            return decision_key_of(name);
        }
        let transaction = RequestId::new(self.transaction.as_str())
            .map_err(|_| StoreError::damaged("a transaction's id is not one"))?;
        Ok(DecisionKey { transaction, attempt: self.attempt })
    }

    pub(in crate::gallery) fn restore(self, key: DecisionKey) -> Result<StoredDecision, StoreError> {
        Ok(StoredDecision {
            key,
            content: <[u8; 32]>::try_from(self.content)
                .map_err(|_| StoreError::damaged("a decision's digest has another length"))?,
            subject: stored_id(self.subject)?,
            scheme: self.scheme,
            outcome: outcome_of(self.outcome)?,
            reasons: self.reasons,
            presented_by: self.presented_by.map(stored_id).transpose()?,
            unit: self.unit,
            province: self.province,
            answer: self.answer,
            decided_at: Timestamp(self.decided_at),
            commit: self.commit,
            number: self.number,
            resolutions: self.resolutions.into_iter().map(ResolutionRecord::restore).collect::<Result<_, _>>()?,
            officers_needed: self.officers_needed,
            pictures_until: self.pictures_until.map(Timestamp),
        })
    }
}

impl ResolutionRecord {
    fn of(resolution: &Resolution) -> Self {
        Self {
            officer: resolution.officer.as_str().to_owned(),
            outcome: outcome_number(resolution.outcome),
            reason: resolution.reason.as_str().to_owned(),
            resolved_at: resolution.resolved_at.0,
        }
    }

    fn restore(self) -> Result<Resolution, StoreError> {
        Ok(Resolution {
            officer: stored_id(self.officer)?,
            outcome: outcome_of(self.outcome)?,
            reason: Note::stored(self.reason),
            resolved_at: Timestamp(self.resolved_at),
        })
    }
}

impl CaptureRecord {
    pub(in crate::gallery) fn of(capture: &StoredCapture) -> Self {
        Self {
            transaction: capture.key.transaction.as_str().to_owned(),
            attempt: capture.key.attempt,
            subject: capture.subject.as_str().to_owned(),
            frame: capture.frame,
            unit: capture.unit.clone(),
            at: capture.at.0,
            expires_at: capture.expires_at.0,
            fingerprint: capture.content.fingerprint.clone(),
            bands: capture.content.bands.concat(),
        }
    }

    pub(in crate::gallery) fn restore(self, number: u64) -> Result<StoredCapture, StoreError> {
        let transaction =
            RequestId::new(self.transaction).map_err(|_| StoreError::damaged("a transaction's id is not one"))?;
        let (bands, rest) = self.bands.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(StoreError::damaged("the keys of a capture are cut short"));
        }
        Ok(StoredCapture {
            number,
            key: DecisionKey { transaction, attempt: self.attempt },
            subject: stored_id(self.subject)?,
            frame: self.frame,
            unit: self.unit,
            at: Timestamp(self.at),
            expires_at: Timestamp(self.expires_at),
            content: NewCapture { fingerprint: self.fingerprint, bands: bands.to_vec() },
        })
    }
}

impl DecisionHeadRecord {
    pub(in crate::gallery) fn of(decision: &StoredDecision) -> Self {
        Self {
            transaction: decision.key.transaction.as_str().to_owned(),
            attempt: decision.key.attempt,
            subject: decision.subject.as_str().to_owned(),
            scheme: decision.scheme.clone(),
            outcome: outcome_number(decision.outcome),
            reasons: decision.reasons.clone(),
            decided_at: decision.decided_at.0,
            resolved: decision.resolution().map(|closing| outcome_number(closing.outcome)),
            unit: decision.unit.clone(),
            province: decision.province.clone(),
        }
    }

    pub(in crate::gallery) fn restore(self, number: u64, waits: bool) -> Result<DecisionHead, StoreError> {
        let transaction =
            RequestId::new(self.transaction).map_err(|_| StoreError::damaged("a transaction's id is not one"))?;
        Ok(DecisionHead {
            number,
            key: DecisionKey { transaction, attempt: self.attempt },
            subject: stored_id(self.subject)?,
            scheme: self.scheme,
            outcome: outcome_of(self.outcome)?,
            reasons: self.reasons,
            decided_at: Timestamp(self.decided_at),
            resolved: self.resolved.map(outcome_of).transpose()?,
            unit: self.unit,
            province: self.province,
            waits,
            answer_by: None,
        })
    }
}

impl ClearedRecord {
    pub(in crate::gallery) fn of(pair: &ClearedPair) -> Self {
        let mut entries = pair.entries.iter().map(PairEntryRecord::of);
        let first = entries.next().unwrap_or_default();
        Self {
            officer: first.officer,
            reason: first.reason,
            cleared_at: first.at,
            later: entries.collect(),
            round_from: u32::try_from(pair.round_from).unwrap_or(u32::MAX),
            officers_needed: pair.officers_needed,
            expires_at: pair.expires_at.map(|at| at.0),
            first: pair.first.as_str().to_owned(),
            second: pair.second.as_str().to_owned(),
        }
    }

    /// Of whom it is, where it lies under `name`, the one first that the row is of; those of earlier
    /// programs do not tell.
    fn subjects(&self, name: &str) -> Result<(SubjectId, SubjectId), StoreError> {
        if self.first.is_empty() {
            return cleared_ids(name);
        }
        let id = |text: &str| SubjectId::new(text).map_err(|_| StoreError::damaged("a cleared pair's id is not one"));
        Ok((id(&self.first)?, id(&self.second)?))
    }

    /// The pair that lies under `name`.
    pub(in crate::gallery) fn restore_under(self, name: &str) -> Result<ClearedPair, StoreError> {
        let (one, other) = self.subjects(name)?;
        let (first, second) = if one < other { (one, other) } else { (other, one) };
        self.restore(first, second)
    }

    fn restore(self, first: SubjectId, second: SubjectId) -> Result<ClearedPair, StoreError> {
        let cleared = PairEntryRecord { officer: self.officer, reason: self.reason, at: self.cleared_at, kind: 1 };
        let entries = std::iter::once(cleared).chain(self.later).map(PairEntryRecord::restore);
        Ok(ClearedPair {
            first,
            second,
            entries: entries.collect::<Result<_, _>>()?,
            round_from: self.round_from as usize,
            // Of earlier programs, which asked one.
            officers_needed: self.officers_needed.max(1),
            expires_at: self.expires_at.map(Timestamp),
        })
    }
}

impl PairEntryRecord {
    fn of(entry: &PairEntry) -> Self {
        Self {
            officer: entry.officer.as_str().to_owned(),
            reason: entry.reason.as_str().to_owned(),
            at: entry.at.0,
            kind: match entry.kind {
                PairEntryKind::Cleared => 1,
                PairEntryKind::Ended => 2,
            },
        }
    }

    fn restore(self) -> Result<PairEntry, StoreError> {
        Ok(PairEntry {
            kind: match self.kind {
                1 => PairEntryKind::Cleared,
                2 => PairEntryKind::Ended,
                _ => return Err(StoreError::damaged("an officer's entry about a pair is of no known kind")),
            },
            officer: stored_id(self.officer)?,
            reason: Note::stored(self.reason),
            at: Timestamp(self.at),
        })
    }
}

pub(in crate::gallery) fn stored_id(id: String) -> Result<SubjectId, StoreError> {
    SubjectId::new(id).map_err(|_| StoreError::damaged("a stored id is not one"))
}

/// The number an outcome is stored as.
fn outcome_number(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Approve => 1,
        Outcome::Refer => 2,
        Outcome::Deny => 3,
    }
}

fn outcome_of(number: u32) -> Result<Outcome, StoreError> {
    match number {
        1 => Ok(Outcome::Approve),
        2 => Ok(Outcome::Refer),
        3 => Ok(Outcome::Deny),
        // Never taken for an approval.
        _ => Err(StoreError::damaged("a decision's outcome is not known")),
    }
}

impl RequestRecord {
    pub(in crate::gallery) fn of(request: &StoredRequest, done_at: Timestamp) -> Self {
        let StoredRequest { content, commit, templates, number } = request;
        let (content, done_at) = (content.to_vec(), done_at.0);
        Self { content, commit: *commit, templates: *templates, done_at, number: *number }
    }

    pub(in crate::gallery) fn restore(self) -> Result<StoredRequest, StoreError> {
        let content = <[u8; 32]>::try_from(self.content)
            .map_err(|_| StoreError::damaged("a request's digest has another length"))?;
        Ok(StoredRequest { content, commit: self.commit, templates: self.templates, number: self.number })
    }
}

/// The decision that lies under a key, in a clear gallery.
pub(in crate::gallery) fn decision_key_of(name: &str) -> Result<DecisionKey, StoreError> {
    let damaged = || StoreError::damaged("a decision's key is not one");
    let (transaction, attempt) = name.rsplit_once(' ').ok_or_else(damaged)?;
    let transaction = RequestId::new(transaction).map_err(|_| damaged())?;
    Ok(DecisionKey { transaction, attempt: attempt.parse().map_err(|_| damaged())? })
}

/// The two ids of a key of `cleared`, in a clear gallery.
pub(in crate::gallery) fn cleared_ids(name: &str) -> Result<(SubjectId, SubjectId), StoreError> {
    let damaged = || StoreError::damaged("a cleared pair's key is not one");
    let (one, other) = name.split_once('\0').ok_or_else(damaged)?;
    let id = |text: &str| SubjectId::new(text).map_err(|_| damaged());
    Ok((id(one)?, id(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> RequestRecord {
        RequestRecord { content: vec![7; 32], commit: 3, templates: 2, done_at: 11, number: 0 }
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_always_noticed(bit in 0usize..8 * 48) {
            let mut bytes = seal("requests", b"a", &sample());
            let bit = bit % (8 * bytes.len());
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(unseal::<RequestRecord>("requests", b"a", &bytes).is_err());
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unseal::<TemplateRecord>("templates", b"k", &bytes);
            let _ = TemplateRecord::decode(bytes.as_slice())
                .map(|record| record.restore(1, &[(RecipeDigest([0; 32]), 4)]));
            let key = DecisionKey { transaction: crate::gallery::RequestId::new("t").unwrap(), attempt: 1 };
            let _ = DecisionRecord::decode(bytes.as_slice()).map(|record| record.restore(key));
        }
    }

    #[test]
    fn a_record_under_another_key_or_in_another_table_is_noticed() {
        let bytes = seal("requests", b"a", &sample());
        assert_eq!(unseal::<RequestRecord>("requests", b"a", &bytes).unwrap(), sample());
        assert!(unseal::<RequestRecord>("requests", b"b", &bytes).is_err());
        assert!(unseal::<RequestRecord>("subjects", b"a", &bytes).is_err());
        assert!(unseal::<RequestRecord>("requests", b"a", &bytes[..4]).is_err());
    }

    #[test]
    fn a_record_of_a_newer_program_is_told_from_a_damaged_one() {
        let mut bytes = seal("requests", b"a", &sample());
        bytes[0] = RECORD_VERSION + 1;
        let sum = checksum(bytes[0], "requests", b"a", &bytes[HEADER_BYTES..]);
        bytes[1..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
        let error = unseal::<RequestRecord>("requests", b"a", &bytes).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 2, known: 1 }));
    }
}
