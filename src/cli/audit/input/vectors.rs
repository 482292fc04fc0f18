//! Vectors of a matrix, and whose they are by a list of ids.

use std::io::BufReader;
use std::path::Path;

use super::super::super::Failure;
use super::super::super::manifest::{Columns, Manifest, Row};
use super::columns::TemplateColumns;
use super::file_name;
use crate::audit::{CollectedTemplate, Collection, CollectionError, Filters, LeftOutRow};
use crate::face::RecipeDigest;
use crate::regular;

/// Values made room for at a time.
const VALUES_AT_ONCE: usize = 4096;

/// Puts the vectors that `filters` let through into `into`.
pub(super) fn load(matrix: &Path, ids: &Path, filters: &Filters, into: &mut Collection) -> Result<(), Failure> {
    let bad = |what: &dyn std::fmt::Display| Failure::new(format_args!("--vectors {}: {what}", matrix.display()));
    let rows = Manifest::count(ids, Columns::Subject)?;
    let file = regular::open(matrix).map_err(|e| bad(&format_args!("cannot be opened ({e}); check the path")))?;
    let npy = npyz::NpyFile::new(BufReader::with_capacity(1 << 20, file))
        .map_err(|e| bad(&format_args!("is no .npy file ({e}); `chinhchu embed` writes one")))?;
    let &[found, dimension] = npy.shape() else {
        return Err(bad(&format_args!("its shape is {:?}; it takes rows of values", npy.shape())));
    };
    if npy.order() != npyz::Order::C {
        return Err(bad(&"it lies column by column; save it row by row (C order)"));
    }
    if found != rows {
        let ids = ids.display();
        return Err(bad(&format_args!("it has {found} rows, {ids} has {rows}; give one line for each vector")));
    }
    let dimension = match usize::try_from(dimension) {
        Ok(dimension @ 1..=4096) => dimension,
        _ => return Err(bad(&format_args!("a vector of {dimension} values is no template; at most 4096"))),
    };
    let mut values = npy.data::<f32>().map_err(|e| bad(&format_args!("its values are not float32 ({e:?})")))?;
    let mut manifest = Manifest::open(ids, Columns::Subject)?;
    let columns = TemplateColumns::find(&manifest.columns(), filters, ids)?;
    if filters.is_empty() {
        into.reserve(usize::try_from(rows).unwrap_or(0).min(1 << 26), dimension);
    }
    let mut vector = Vec::with_capacity(VALUES_AT_ONCE.min(dimension));
    for row in 0..rows {
        vector.clear();
        for value in values.by_ref().take(dimension) {
            vector.push(value.map_err(|e| bad(&format_args!("cannot be read ({e}); write it again")))?);
        }
        let next = manifest.next()?;
        let next = next.ok_or_else(|| Failure::new(format_args!("{}: it changed; run again", ids.display())))?;
        let Row { line, subject, .. } = next.map_err(|bad_row| {
            Failure::new(format_args!("{}, line {}: {}", ids.display(), bad_row.line, bad_row.what))
        })?;
        let at = |e: CollectionError| {
            Failure::new(format_args!("{}, row {row} ({}, line {line}): {e}", matrix.display(), ids.display()))
        };
        let says = columns.read(&manifest, line).map_err(|bad| bad.of(ids))?;
        if !says.recipe.is_empty() {
            let recipe: RecipeDigest =
                says.recipe.parse().map_err(|e| Failure::new(format_args!("{}, line {line}: {e}", ids.display())))?;
            into.set_recipe(recipe).map_err(at)?;
        }
        if let Err(reason) = says.wanted(filters) {
            into.leave_out(reason, 1);
            continue;
        }
        let number = into.subject(&subject).map_err(at)?;
        says.note(number, into);
        let facts = CollectedTemplate { subject: number, captured_at: says.captured_at, quality: says.quality };
        let row = row.to_string();
        let name = if says.template_id.is_empty() { &row } else { &*says.template_id };
        if !into.push(name, &vector, facts).map_err(at)? {
            into.list_left_out(LeftOutRow {
                list: file_name(ids),
                line,
                file: String::new(),
                reason: "NO_TEMPLATE".to_owned(),
                detail: format!("row {row} of {}", file_name(matrix)),
            });
        }
    }
    Ok(())
}
