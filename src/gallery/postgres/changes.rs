//! The log of what commits changed, as an index follows it and as a decision is compared with it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::record::fault::StoreError;
use super::super::record::message::{ChangeRecord, stored_id};
use super::read::{heads, template_in};
use super::sql::{Gate, Sql, bytes, number, signed};
use crate::gallery::{Arrived, Change, Changes, GalleryError, StoredTemplate, SubjectHead, SubjectId, Watermark};

/// What commits after `after` did, oldest first.
async fn logged(sql: &Sql<'_>, after: u64) -> Result<Vec<ChangeRecord>, StoreError> {
    let found = "SELECT commit, changed FROM commits WHERE changed IS NOT NULL AND commit > $1 ORDER BY commit";
    let rows = sql.rows(found, &[&signed(after)]).await?;
    let restore = |row| sql.protection().unwrap("changes", &number(row, 0)?.to_le_bytes(), bytes(row, 1)?);
    rows.iter().map(restore).collect()
}

/// Those of these templates that are there still, each with whose it is.
async fn arrivals(sql: &Sql<'_>, ids: &[u64]) -> Result<BTreeMap<u64, (SubjectHead, StoredTemplate)>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<i64> = ids.iter().copied().map(signed).collect();
    let rows = sql.rows("SELECT id, value FROM templates WHERE id = ANY($1)", &[&ids]).await?;
    let found: Vec<(String, StoredTemplate)> =
        rows.iter().map(|row| template_in(sql, row)).collect::<Result<_, _>>()?;
    let owners: BTreeSet<SubjectId> =
        found.iter().map(|(owner, _)| stored_id(owner.clone())).collect::<Result<_, _>>()?;
    let owners: BTreeMap<String, SubjectHead> = heads(sql, &owners.into_iter().collect::<Vec<_>>())
        .await?
        .into_iter()
        .map(|head| (head.id.as_str().to_owned(), head))
        .collect();
    let with_owner = |(owner, template): (String, StoredTemplate)| {
        let head = owners.get(&owner).ok_or_else(|| StoreError::damaged("a template belongs to nobody"))?;
        Ok((template.id, (head.clone(), template)))
    };
    found.into_iter().map(with_owner).collect()
}

/// Heads of subjects whose attributes these commits changed; those who have gone since may be missing.
async fn relabelled(sql: &Sql<'_>, changes: &[ChangeRecord]) -> Result<BTreeMap<SubjectId, SubjectHead>, StoreError> {
    let names = changes.iter().flat_map(|change| &change.relabelled).cloned();
    let names: BTreeSet<SubjectId> = names.map(stored_id).collect::<Result<_, _>>()?;
    let found = heads(sql, &names.into_iter().collect::<Vec<_>>()).await?;
    Ok(found.into_iter().map(|head| (head.id.clone(), head)).collect())
}

/// Templates of commits after `after`, and those of subjects who are searched by something else since;
/// `None` where the log does not reach back so far.
pub(super) async fn arrived(sql: &Sql<'_>, gate: &Gate, after: u64) -> Result<Option<Vec<Arrived>>, StoreError> {
    if gate.log_from > after {
        return Ok(None);
    }
    let logged = logged(sql, after).await?;
    let mut ids: BTreeSet<u64> = logged.iter().flat_map(|change| change.came_from..change.came_to).collect();
    // Who is searched by something else was perhaps not found before: one whose restriction ended.
    ids.extend(relabelled(sql, &logged).await?.into_values().flat_map(|head| head.templates));
    let found = arrivals(sql, &ids.into_iter().collect::<Vec<_>>()).await?;
    let arrived = |(SubjectHead { id: subject, standing, .. }, template)| Arrived {
        subject,
        restricted: standing.is_restricted(),
        template,
    };
    Ok(Some(found.into_values().map(arrived).collect()))
}

/// What commits after `after` changed.
pub(super) async fn changes(sql: &Sql<'_>, gate: &Gate, after: u64) -> Result<Changes, StoreError> {
    if gate.log_from > after {
        return Err(GalleryError::LogTooShort.into());
    }
    let logged = logged(sql, after).await?;
    let ids: Vec<u64> = logged.iter().flat_map(|change| change.came_from..change.came_to).collect();
    let (mut came, relabelled) = (arrivals(sql, &ids).await?, relabelled(sql, &logged).await?);
    let mut changes = Vec::new();
    for change in logged {
        changes.extend(change.removed.iter().map(|&id| Change::Removed { id }));
        for id in change.came_from..change.came_to {
            let Some((owner, template)) = came.remove(&id) else { continue };
            let (restricted, content) = (owner.standing.is_restricted(), template.content);
            let SubjectHead { id: subject, attributes, .. } = owner;
            changes.push(Change::Added { subject, attributes, restricted, id, content });
        }
        for id in change.relabelled {
            // One that was removed afterwards has no templates left.
            if let Some(head) = relabelled.get(&stored_id(id)?) {
                let restricted = head.standing.is_restricted();
                let SubjectHead { id: subject, attributes, templates, .. } = head.clone();
                changes.push(Change::Relabelled { subject, attributes, restricted, templates });
            }
        }
    }
    Ok(Changes { changes, up_to: Watermark(gate.commit), template_next: gate.template_next })
}
