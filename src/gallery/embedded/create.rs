//! Makes the tables of a gallery, and brings those of an earlier program up to date.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable};

use super::EmbeddedOptions;
use super::challenges::{CHALLENGES, OWNER_CHALLENGES};
use super::fault::StoreError;
use super::given_up::{DESTROYED_KEYS, DOOMED_KEYS, new_list};
use super::pictures::{CASE_PICTURES, PICTURE_TIMES};
use super::protection::{Owner, Protection};
use super::read::Recipes;
use super::record::{
    Counters, DecisionHeadRecord, DecisionRecord, GalleryRecord, IdRecord, SealingRecord, TemplateRecord, seal, unseal,
};
use super::row_sum::RowSum;
use super::subject_requests::{OPEN_REQUESTS, REQUESTS_OF_SUBJECT, SUBJECT_REQUESTS};
use super::tables::{
    CAPTURE_BANDS, CAPTURES, CHANGES, CLEARED, COUNTERS_KEY, DECISION_HEADS, DECISIONS, FORMAT_VERSION,
    FORMAT_VERSION_SEALED, GALLERY, GALLERY_KEY, ID_KEY, REQUEST_ORDER, REQUESTS, SUBJECT_CAPTURES, SUBJECT_DECISIONS,
    SUBJECT_KEYS, SUBJECTS, Snapshot, TEMPLATES, Tables, WAITING, attempts_in, decision_key_of, if_there,
    read_counters, read_gallery, read_id, subject_decision_key,
};
use crate::face::RecipeDigest;
use crate::gallery::{GalleryError, GalleryId, StoredDecision, Timestamp};
use crate::search::SearchError;

/// Makes every table of a new gallery, in one transaction.
pub(super) fn initialise(
    database: &Database,
    recipe: RecipeDigest,
    dimension: usize,
    (protection, sealing): &(Protection, Option<SealingRecord>),
) -> Result<(), StoreError> {
    let dimension = u32::try_from(dimension)
        .map_err(|_| GalleryError::Search(SearchError::Dimension { expected: u32::MAX as usize, found: dimension }))?;
    let transaction = database.begin_write()?;
    {
        let mut gallery = transaction.open_table(GALLERY)?;
        let keys_to = sealing.as_ref().map_or(0, SealingRecord::keys_to);
        if sealing.is_some() {
            transaction.open_table(SUBJECT_KEYS)?;
            transaction.open_table(DOOMED_KEYS)?;
            transaction.open_table(DESTROYED_KEYS)?;
        }
        let record = GalleryRecord {
            version: if sealing.is_some() { FORMAT_VERSION_SEALED } else { FORMAT_VERSION },
            recipe: recipe.0.to_vec(),
            dimension,
            created_at: Timestamp::now().0,
            beside: Vec::new(),
            sealing: sealing.clone(),
        };
        put_gallery(&mut gallery, record)?;
        put_id(&mut gallery)?;
        // Template ids begin at 1, so that 0 never means one.
        let counters = Counters { template_next: 1, decision_next: 1, keys_to, ..Counters::default() };
        let list_of_destroyed = if sealing.is_some() { new_list()? } else { Vec::new() };
        let counters = Counters { row_sum: RowSum::after(protection, &[]).bytes(), list_of_destroyed, ..counters };
        let sealed = protection.wrap("gallery", COUNTERS_KEY.as_bytes(), Owner::Table, &counters)?;
        gallery.insert(COUNTERS_KEY, sealed.as_slice())?;
        transaction.open_table(SUBJECTS)?;
        transaction.open_table(TEMPLATES)?;
        transaction.open_table(REQUESTS)?;
        transaction.open_table(REQUEST_ORDER)?;
        transaction.open_table(DECISIONS)?;
        transaction.open_table(CLEARED)?;
        transaction.open_table(CHANGES)?;
        transaction.open_table(DECISION_HEADS)?;
        transaction.open_table(SUBJECT_DECISIONS)?;
        transaction.open_table(WAITING)?;
        transaction.open_table(CAPTURES)?;
        transaction.open_table(CAPTURE_BANDS)?;
        transaction.open_table(SUBJECT_CAPTURES)?;
        transaction.open_table(CHALLENGES)?;
        transaction.open_table(OWNER_CHALLENGES)?;
        transaction.open_table(SUBJECT_REQUESTS)?;
        transaction.open_table(REQUESTS_OF_SUBJECT)?;
        transaction.open_table(OPEN_REQUESTS)?;
        transaction.open_table(CASE_PICTURES)?;
        transaction.open_table(PICTURE_TIMES)?;
    }
    transaction.commit()?;
    Ok(())
}

fn put_id(gallery: &mut redb::Table<'_, &'static str, &'static [u8]>) -> Result<(), StoreError> {
    let id = GalleryId::random().map_err(|error| GalleryError::Storage(error.to_string()))?;
    let record = IdRecord { id: id.bytes().to_vec() };
    gallery.insert(ID_KEY, seal("gallery", ID_KEY.as_bytes(), &record).as_slice())?;
    Ok(())
}

/// Makes the tables, and the id, that came later, in a folder of before.
pub(super) fn complete(database: &Database) -> Result<(), StoreError> {
    {
        let read = database.begin_read()?;
        // Nothing of a newer program's folder, or of none of ours, is touched.
        let record = read_gallery(&read.open_table(GALLERY)?)?;
        let has_newest =
            if_there(read.open_table(OPEN_REQUESTS))?.is_some() && if_there(read.open_table(PICTURE_TIMES))?.is_some();
        // Sealed ones were made with all that is older.
        if record.sealing.is_some() && has_newest {
            return Ok(());
        }
        if has_newest
            && if_there(read.open_table(DECISIONS))?.is_some()
            && if_there(read.open_table(CLEARED))?.is_some()
            && if_there(read.open_table(CHANGES))?.is_some()
            && if_there(read.open_table(DECISION_HEADS))?.is_some()
            && if_there(read.open_table(SUBJECT_CAPTURES))?.is_some()
            && if_there(read.open_table(OWNER_CHALLENGES))?.is_some()
            && is_listed(&read_counters(&read.open_table(GALLERY)?, &Protection::Checksummed)?)
            && read_id(&read.open_table(GALLERY)?)?.is_some()
        {
            return Ok(());
        }
    }
    let transaction = database.begin_write()?;
    transaction.open_table(SUBJECT_REQUESTS)?;
    transaction.open_table(REQUESTS_OF_SUBJECT)?;
    transaction.open_table(OPEN_REQUESTS)?;
    transaction.open_table(CASE_PICTURES)?;
    transaction.open_table(PICTURE_TIMES)?;
    if read_gallery(&transaction.open_table(GALLERY)?)?.sealing.is_some() {
        transaction.commit()?;
        return Ok(());
    }
    transaction.open_table(DECISIONS)?;
    transaction.open_table(CLEARED)?;
    transaction.open_table(CHANGES)?;
    transaction.open_table(CAPTURES)?;
    transaction.open_table(CAPTURE_BANDS)?;
    transaction.open_table(SUBJECT_CAPTURES)?;
    transaction.open_table(CHALLENGES)?;
    transaction.open_table(OWNER_CHALLENGES)?;
    {
        let mut gallery = transaction.open_table(GALLERY)?;
        if read_id(&gallery)?.is_none() {
            put_id(&mut gallery)?;
        }
        let record = read_gallery(&gallery)?;
        if record.version < FORMAT_VERSION {
            put_gallery(&mut gallery, GalleryRecord { version: FORMAT_VERSION, ..record })?;
        }
        let counters = read_counters(&gallery, &Protection::Checksummed)?;
        if !is_listed(&counters) {
            let decision_next = list_decisions(&transaction)?;
            let counters = Counters { decision_next, listed_to: counters.commit, ..counters };
            gallery.insert(COUNTERS_KEY, seal("gallery", COUNTERS_KEY.as_bytes(), &counters).as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// How what is in a gallery can be read.
pub(super) fn protection(
    database: &Database,
    options: &EmbeddedOptions,
    path: &Path,
) -> Result<Protection, StoreError> {
    let read = database.begin_read()?;
    let table = read.open_table(GALLERY)?;
    let record = read_gallery(&table)?;
    // One that lies in the clear is sealed beside the work, where that was asked for.
    let keys = options.sealing.as_ref().filter(|_| record.sealing.is_some() || !options.seal_while_serving);
    let protection = Protection::open(record.sealing.as_ref(), keys, path, read_id(&table)?)?;
    if let (Some(keys), Some(options)) = (protection.keys(), &options.sealing) {
        let Counters { keys_to, .. } = read_counters(&table, &protection)?;
        if keys.made() < keys_to {
            return Err(GalleryError::OlderKeyStore(options.path.clone()).into());
        }
        keys.used_below(keys_to);
    }
    Ok(protection)
}

/// Whether the tables that decisions are listed by are up to date.
fn is_listed(counters: &Counters) -> bool {
    counters.decision_next > 0 && counters.listed_to == counters.commit
}

/// Numbers all decisions in the order of their commits and makes the tables that they are listed
/// by. The number of the next decision.
fn list_decisions(transaction: &redb::WriteTransaction) -> Result<u64, StoreError> {
    transaction.delete_table(DECISION_HEADS)?;
    transaction.delete_table(SUBJECT_DECISIONS)?;
    transaction.delete_table(WAITING)?;
    let mut decisions = transaction.open_table(DECISIONS)?;
    let mut heads = transaction.open_table(DECISION_HEADS)?;
    let mut of_subjects = transaction.open_table(SUBJECT_DECISIONS)?;
    let mut waiting = transaction.open_table(WAITING)?;
    let mut order: Vec<(u64, u64, String)> = Vec::new();
    for row in decisions.iter()? {
        let (name, value) = row?;
        let record: DecisionRecord = unseal("decisions", name.value().as_bytes(), value.value())?;
        order.push((record.commit, record.number, name.value().to_owned()));
    }
    order.sort_unstable();
    for (number, (_, _, name)) in (1u64..).zip(&order) {
        let key = decision_key_of(name)?;
        let attempts = attempts_in(&decisions, &Protection::Checksummed, &key.transaction, usize::MAX)?;
        let is_last = attempts.first().is_some_and(|last| last.key == key);
        let stored = attempts.into_iter().find(|attempt| attempt.key == key);
        let decision = StoredDecision { number, ..stored.ok_or_else(|| StoreError::damaged("a decision is gone"))? };
        decisions
            .insert(name.as_str(), seal("decisions", name.as_bytes(), &DecisionRecord::of(&decision)).as_slice())?;
        let head = seal("decision_heads", &number.to_le_bytes(), &DecisionHeadRecord::of(&decision));
        heads.insert(number, head.as_slice())?;
        of_subjects.insert(
            subject_decision_key(&Protection::Checksummed, &decision.subject, number).as_str(),
            [].as_slice(),
        )?;
        if is_last && decision.waits() {
            waiting.insert(number, [].as_slice())?;
        }
    }
    Ok(order.len() as u64 + 1)
}

/// What the gallery is known by, once it is complete: the id that is asked for, if one is.
pub(super) fn checked_id(database: &Database, options: &EmbeddedOptions, path: &Path) -> Result<GalleryId, StoreError> {
    let read = database.begin_read()?;
    let found =
        read_id(&read.open_table(GALLERY)?)?.ok_or_else(|| StoreError::damaged("the gallery's id is missing"))?;
    match options.id {
        Some(wanted) if wanted != found => {
            Err(GalleryError::OtherGallery { path: path.to_owned(), found, wanted }.into())
        }
        _ => Ok(found),
    }
}

/// Refuses a gallery with templates of a recipe that is not among `given`, or of another
/// dimension than given. Recipes that the gallery names beside others and of which no templates
/// are left need not be given: those are handed back.
pub(super) fn check_recipes(snapshot: &Snapshot, given: &Recipes) -> Result<Vec<RecipeDigest>, StoreError> {
    let record = read_gallery(snapshot.gallery()?)?;
    // Whoever looks without its keys takes it that none are left: opening it will tell.
    let is_closed = record.sealing.is_some() && snapshot.protection().keys().is_none();
    let stored = record.recipes()?;
    let mut unused = Vec::new();
    for &(recipe, expected) in &stored {
        match given.iter().find(|(of, _)| *of == recipe) {
            Some(&(_, found)) if found != expected => {
                return Err(GalleryError::Search(SearchError::Dimension { expected, found }).into());
            }
            Some(_) => {}
            None if unused.len() + 1 < stored.len() && (is_closed || !has_templates(snapshot, recipe)?) => {
                unused.push(recipe);
            }
            None => {
                let template = given.first().map_or(recipe, |(own, _)| *own);
                return Err(GalleryError::OtherRecipe { gallery: recipe, template }.into());
            }
        }
    }
    Ok(unused)
}

fn has_templates(snapshot: &Snapshot, recipe: RecipeDigest) -> Result<bool, StoreError> {
    for row in snapshot.templates()?.iter()? {
        let (id, bytes) = row?;
        let record: TemplateRecord =
            snapshot.protection().unwrap("templates", &id.value().to_le_bytes(), bytes.value())?;
        if record.recipe == recipe.0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes recipes of which no templates are left out of the gallery's record.
pub(super) fn forget_recipes(database: &Database, unused: &[RecipeDigest]) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    {
        let mut gallery = transaction.open_table(GALLERY)?;
        let record = read_gallery(&gallery)?;
        let mut recipes = record.recipes()?;
        recipes.retain(|(recipe, _)| !unused.contains(recipe));
        put_gallery(&mut gallery, record.with_recipes(&recipes))?;
    }
    transaction.commit()?;
    Ok(())
}

/// Writes the gallery's own record.
pub(super) fn put_gallery(
    table: &mut redb::Table<'_, &'static str, &'static [u8]>,
    record: GalleryRecord,
) -> Result<(), StoreError> {
    table.insert(GALLERY_KEY, seal("gallery", GALLERY_KEY.as_bytes(), &record).as_slice())?;
    Ok(())
}
