//! The tables of the database, and reading them.
//!
//! | table | key | value |
//! |---|---|---|
//! | `gallery` | `gallery`, `counters` | [`GalleryRecord`], [`Counters`] |
//! | `subjects` | subject id | [`SubjectRecord`]: everything but the vectors |
//! | `templates` | template id | [`TemplateRecord`]: the vector and whose it is |
//! | `requests` | request id | [`RequestRecord`]: what a retried write is answered with |
//! | `request_order` | 0, 1, 2, … | request id, oldest first, for pruning |
//!
//! Keys order by bytes, numbers by value. All values but the last table's are
//! sealed as `record` says.

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition};

use super::fault::StoreError;
use super::record::{Counters, GalleryRecord, RequestRecord, SubjectRecord, TemplateRecord, unseal};

/// Version of the layout of folder and tables.
pub(super) const FORMAT_VERSION: u32 = 1;

pub(super) const GALLERY: TableDefinition<&str, &[u8]> = TableDefinition::new("gallery");
pub(super) const SUBJECTS: TableDefinition<&str, &[u8]> = TableDefinition::new("subjects");
pub(super) const TEMPLATES: TableDefinition<u64, &[u8]> = TableDefinition::new("templates");
pub(super) const REQUESTS: TableDefinition<&str, &[u8]> = TableDefinition::new("requests");
pub(super) const REQUEST_ORDER: TableDefinition<u64, &str> = TableDefinition::new("request_order");

/// Keys of the table `gallery`.
pub(super) const GALLERY_KEY: &str = "gallery";
pub(super) const COUNTERS_KEY: &str = "counters";

pub(super) type Rows<K> = ReadOnlyTable<K, &'static [u8]>;

/// Everything in one consistent state, for reading.
pub(super) struct Snapshot {
    pub(super) gallery: Rows<&'static str>,
    pub(super) subjects: Rows<&'static str>,
    pub(super) templates: Rows<u64>,
    pub(super) requests: Rows<&'static str>,
}

impl Snapshot {
    pub(super) fn new(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            gallery: transaction.open_table(GALLERY)?,
            subjects: transaction.open_table(SUBJECTS)?,
            templates: transaction.open_table(TEMPLATES)?,
            requests: transaction.open_table(REQUESTS)?,
        })
    }

    pub(super) fn template(&self, id: u64) -> Result<TemplateRecord, StoreError> {
        read_template(&self.templates, id)?.ok_or_else(|| StoreError::damaged("a subject's template is missing"))
    }
}

pub(super) fn read_subject(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &str,
) -> Result<Option<SubjectRecord>, StoreError> {
    table.get(id)?.map(|value| unseal("subjects", id.as_bytes(), value.value())).transpose()
}

pub(super) fn read_template(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: u64,
) -> Result<Option<TemplateRecord>, StoreError> {
    table.get(id)?.map(|value| unseal("templates", &id.to_le_bytes(), value.value())).transpose()
}

pub(super) fn read_request(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &str,
) -> Result<Option<RequestRecord>, StoreError> {
    table.get(id)?.map(|value| unseal("requests", id.as_bytes(), value.value())).transpose()
}

/// What the gallery is. The version is looked at before anything else is.
pub(super) fn read_gallery(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<GalleryRecord, StoreError> {
    let value = table.get(GALLERY_KEY)?.ok_or_else(|| StoreError::damaged("the gallery's own record is missing"))?;
    let record: GalleryRecord = unseal("gallery", GALLERY_KEY.as_bytes(), value.value())?;
    if record.version > FORMAT_VERSION {
        return Err(StoreError::Newer { found: record.version, known: FORMAT_VERSION });
    }
    Ok(record)
}

pub(super) fn read_counters(table: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Counters, StoreError> {
    let value = table.get(COUNTERS_KEY)?.ok_or_else(|| StoreError::damaged("the counters are missing"))?;
    unseal("gallery", COUNTERS_KEY.as_bytes(), value.value())
}
