//! A finished audit that is run again.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{BegunAudit, PreparedAudit, Request, TaskError};
use crate::audit::checkpoint::Checkpoint;
use crate::audit::results::{Compared, EarlierRun, Results};
use crate::audit::seen::SeenMarks;
use crate::audit::store::{self, AuditFile, AuditFolder, AuditStoreError};

/// Whether the finished run in the folder is of the audit that is asked for: of the same folders
/// and files, with the same filters, asked in the same way. What these hold may have changed since.
pub(super) fn is_same_audit(request: &Request<'_>, folder: &AuditFolder) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Ok((inputs, summary)) = store::kept(folder.path()) else { return false };
    let Compared { source, against, since, filters, asked, .. } = &summary.compared;
    let sources = match inputs.sources.as_slice() {
        // Earlier programs kept names alone.
        [] => *source == request.source && *against == request.against && inputs.gallery == request.gallery,
        sources => sources == request.sources,
    };
    sources && *since == request.since.map(name) && *filters == request.filters.lines && *asked == request.asked
}

/// Puts a checkpoint in its place that is of the finished run: the program was killed before it did.
pub(super) fn settle(folder: &AuditFolder) -> Result<(), AuditStoreError> {
    let next = Checkpoint::identity(&folder.file(AuditFile::NextCheckpoint));
    let next = next.map_err(|source| AuditStoreError::Checkpoint { folder: folder.path().to_owned(), source })?;
    // A summary that cannot be read is of no run that could have been finished so.
    let finished = store::kept(folder.path()).ok().map(|(_, summary)| summary);
    match (next, finished) {
        (Some(next), Some(summary))
            if summary.run.as_ref().is_some_and(|run| run.templates == next.templates)
                && summary.threshold.to_bits() == next.score_bits
                && summary.compared.filters.join("; ") == next.filters =>
        {
            folder.rename(AuditFile::NextCheckpoint, AuditFile::Checkpoint)
        }
        _ => Ok(()),
    }
}

impl PreparedAudit<'_> {
    /// Gives pairs and rings their stable ids, keeps the finished run that the folder holds and says
    /// what has changed since that, where it is of the same audit. The records that were compared.
    pub(super) fn compare_with_earlier(&self, results: &mut Results) -> Result<SeenMarks, TaskError> {
        let (collection, BegunAudit { request, folder, .. }) = (self.collection, &self.begun);
        let known: Vec<&Path> = request.since.into_iter().chain(request.known.iter().map(PathBuf::as_path)).collect();
        let key = store::key(folder.path(), request.gallery.as_deref(), &known)?;
        let mut subjects = collection.groups().to_vec();
        subjects.par_sort_unstable();
        subjects.dedup();
        let records = subjects.par_iter().map(|&subject| key.record(collection.subject_id(subject)));
        // No record's: it tells which key the list was made under.
        let of_key = key.record("");
        let records = SeenMarks::new(records.chain(rayon::iter::once(of_key)).collect());
        let is_same = is_same_audit(request, folder);
        // A run that is damaged is kept as it is; nothing can be said of what has changed since.
        let kept = folder.keep_finished_run()?.filter(|_| is_same);
        let earlier = kept.as_ref().and_then(|kept| store::open(&kept.path).ok());
        let since = request.since.filter(|_| earlier.is_none()).and_then(|since| store::open(since).ok());
        results.give_ids(&key, earlier.as_ref().or(since.as_ref()).map(|kept| &kept.results));
        if let (Some(kept), Some(earlier)) = (kept, &earlier) {
            let before = SeenMarks::read(&kept.path.join(AuditFile::SeenRecords.name())).ok();
            let before = before.filter(|before| before.contains(&of_key));
            let earlier = EarlierRun { results: &earlier.results, records: before.as_ref(), kept_in: kept.name };
            results.compare(&key, &earlier, &records);
        }
        Ok(records)
    }
}
