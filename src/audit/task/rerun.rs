//! A finished audit that is run again.

use std::path::Path;

use super::Request;
use crate::audit::checkpoint::Checkpoint;
use crate::audit::results::Compared;
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
