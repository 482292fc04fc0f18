//! Which rows of a backup are left out of the gallery that is restored from it.
//!
//! Everything that is sealed under a key that was destroyed, alone or with another's, and everything about
//! people who are named or whom a later log says to have been erased; with a row goes what lists it. Left
//! out of every restored gallery are the log of changes, which only index files need, and challenges: they
//! hold for minutes, and one that was used after the backup would count again.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::fault::StoreError;
use super::given_up;
use super::pictures::CasePicturesRecord;
use super::protection::Protection;
use super::record::{
    CaptureRecord, ClearedRecord, DecisionHeadRecord, DecisionRecord, SubjectRecord, TemplateRecord, stored_id,
};
use super::subject_requests::SubjectRequestRecord;
use crate::gallery::{SubjectId, Without};
use crate::ledger::entry::LedgerKey;

/// Digits of a number at the end of the key of what lists something.
const NUMBER_DIGITS: usize = 16;

/// Tells which rows stay.
pub(super) struct RestoreFilter<'a> {
    protection: &'a Protection,
    without: &'a Without,
    /// With which `without.erased` is told.
    key: Option<&'a LedgerKey>,
    destroyed: HashSet<u64>,
    /// What the named are called in keys of rows.
    names: HashSet<String>,
    /// Whom the log's digests were compared with.
    compared: HashMap<String, bool>,
    /// Numbers of what was left out, by the table.
    numbers: HashMap<&'static str, HashSet<u64>>,
    /// Keys of the named that are not destroyed yet.
    pub(super) given_up: BTreeSet<u64>,
    /// Records of people that were left out.
    pub(super) subjects: u64,
    /// Templates of theirs.
    pub(super) templates: u64,
    /// Who was found and left out, but for those whose keys are destroyed: their names are not to be read.
    pub(super) left_out: BTreeSet<SubjectId>,
}

fn number_of(key: &[u8]) -> Result<u64, StoreError> {
    key.try_into().map(u64::from_le_bytes).map_err(|_| StoreError::damaged("a number in a row's key is cut short"))
}

/// The number that the key of what lists something ends with.
fn listed_number(key: &[u8]) -> Result<u64, StoreError> {
    let digits = key.len().checked_sub(NUMBER_DIGITS).and_then(|at| str::from_utf8(&key[at..]).ok());
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.ok_or_else(|| StoreError::damaged("the key of a list is not one"))
}

impl<'a> RestoreFilter<'a> {
    pub(super) fn new(
        protection: &'a Protection,
        without: &'a Without,
        key: Option<&'a LedgerKey>,
    ) -> Result<Self, StoreError> {
        let mut destroyed: HashSet<u64> = HashSet::new();
        let mut given_up = BTreeSet::new();
        if let Some(keys) = protection.keys() {
            destroyed.extend(keys.destroyed()?);
            // A key store that somebody has put back from before brings nobody back.
            given_up = given_up::listed_in(&without.destroyed, protection)?;
            given_up.retain(|number| destroyed.insert(*number));
        }
        Ok(Self {
            names: without.subjects.iter().map(|id| protection.subject(id)).collect(),
            protection,
            without,
            key,
            destroyed,
            compared: HashMap::new(),
            numbers: HashMap::new(),
            given_up,
            subjects: 0,
            templates: 0,
            left_out: BTreeSet::new(),
        })
    }

    /// Whether a row stays.
    pub(super) fn keeps(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<bool, StoreError> {
        let listed_in =
            |of: &Self, table: &str, number: u64| of.numbers.get(table).is_some_and(|out| out.contains(&number));
        let is_out = match table {
            "changes" | "challenges" | "owner_challenges" => true,
            "subjects" => {
                let is_out = self.is_about_somebody_out("subjects", key, value)?;
                self.subjects += u64::from(is_out);
                is_out
            }
            "templates" => {
                let is_out = self.is_about_somebody_out("templates", key, value)?;
                self.templates += u64::from(is_out);
                is_out
            }
            "decisions" => self.is_about_somebody_out("decisions", key, value)?,
            "cleared" => self.is_about_somebody_out("cleared", key, value)?,
            "decision_heads" => self.is_numbered_out("decision_heads", key, value)?,
            "captures" => self.is_numbered_out("captures", key, value)?,
            "subject_requests" => self.is_numbered_out("subject_requests", key, value)?,
            "case_pictures" => self.is_numbered_out("case_pictures", key, value)?,
            "subject_decisions" => listed_in(self, "decision_heads", listed_number(key)?),
            "waiting" => listed_in(self, "decision_heads", number_of(key)?),
            "capture_bands" | "subject_captures" => listed_in(self, "captures", listed_number(key)?),
            "requests_of_subject" => listed_in(self, "subject_requests", listed_number(key)?),
            "open_requests" => listed_in(self, "subject_requests", number_of(key)?),
            "picture_times" => listed_in(self, "case_pictures", number_of(key)?),
            "subject_keys" => {
                let (number, is_named) = (number_of(value)?, self.names.contains(str::from_utf8(key).unwrap_or("")));
                if is_named && !self.destroyed.contains(&number) {
                    self.given_up.insert(number);
                }
                is_named || self.destroyed.contains(&number)
            }
            "doomed_keys" => self.destroyed.contains(&number_of(key)?),
            _ => false,
        };
        Ok(!is_out)
    }

    fn is_numbered_out(&mut self, table: &'static str, key: &[u8], value: &[u8]) -> Result<bool, StoreError> {
        let is_out = self.is_about_somebody_out(table, key, value)?;
        if is_out {
            self.numbers.entry(table).or_default().insert(number_of(key)?);
        }
        Ok(is_out)
    }

    fn is_about_somebody_out(&mut self, table: &'static str, key: &[u8], value: &[u8]) -> Result<bool, StoreError> {
        let keys = self.protection.subject_keys_in(table, value)?;
        if keys.iter().any(|number| self.destroyed.contains(number)) {
            return Ok(true);
        }
        if self.without.is_empty() {
            return Ok(false);
        }
        let mut is_out = false;
        for id in self.about(table, key, value)? {
            is_out |= self.is_somebody_out(id)?;
        }
        // The other key of a pair is somebody else's.
        if let ([number], true) = (keys.as_slice(), is_out) {
            self.given_up.insert(*number);
        }
        Ok(is_out)
    }

    /// Whom a row is about.
    fn about(&self, table: &'static str, key: &[u8], value: &[u8]) -> Result<Vec<String>, StoreError> {
        fn unwrapped<M: prost::Message + Default>(
            protection: &Protection,
            table: &'static str,
            key: &[u8],
            value: &[u8],
            of: fn(M) -> String,
        ) -> Result<Vec<String>, StoreError> {
            Ok(vec![of(protection.unwrap::<M>(table, key, value)?)])
        }
        let name = || str::from_utf8(key).map_err(|_| StoreError::damaged("a key is not text"));
        let protection = self.protection;
        match table {
            "subjects" => {
                let record: SubjectRecord = protection.unwrap(table, key, value)?;
                Ok(vec![record.subject(name()?)?.as_str().to_owned()])
            }
            "cleared" => {
                let record: ClearedRecord = protection.unwrap(table, key, value)?;
                let pair = record.restore_under(name()?)?;
                Ok([pair.first, pair.second].map(|id| id.as_str().to_owned()).to_vec())
            }
            "templates" => unwrapped(protection, table, key, value, |record: TemplateRecord| record.subject),
            "decisions" => unwrapped(protection, table, key, value, |record: DecisionRecord| record.subject),
            "decision_heads" => unwrapped(protection, table, key, value, |record: DecisionHeadRecord| record.subject),
            "captures" => unwrapped(protection, table, key, value, |record: CaptureRecord| record.subject),
            "subject_requests" => {
                unwrapped(protection, table, key, value, |record: SubjectRequestRecord| record.subject)
            }
            _ => unwrapped(protection, table, key, value, |record: CasePicturesRecord| record.subject),
        }
    }

    fn is_somebody_out(&mut self, id: String) -> Result<bool, StoreError> {
        // Of a request whose subject was erased: nobody.
        if id.is_empty() {
            return Ok(false);
        }
        let id: SubjectId = stored_id(id)?;
        if self.without.subjects.contains(&id) {
            self.left_out.insert(id);
            return Ok(true);
        }
        let (Some(key), false) = (self.key, self.without.erased.is_empty()) else { return Ok(false) };
        if let Some(is_out) = self.compared.get(id.as_str()) {
            return Ok(*is_out);
        }
        let is_out = self.without.erased.contains(&key.subject(id.as_str()));
        self.compared.insert(id.as_str().to_owned(), is_out);
        if is_out {
            self.left_out.insert(id);
        }
        Ok(is_out)
    }
}
