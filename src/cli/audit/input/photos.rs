//! Photos of a manifest.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::super::super::labelled::{LabelledArgs, Loader, SkippedRow};
use super::super::super::manifest::{BadRow, Columns, Manifest, Row};
use super::super::super::{Failure, evaluate};
use super::columns::TemplateColumns;
use super::{Reading, file_name};
use crate::audit::{CollectedTemplate, Collection, CollectionError, Filters, LeftOutRow};
use crate::evaluation::PhotoSet;

/// The measure of photos that stands for their quality.
const QUALITY: &str = "capture quality (0-100)";

/// Puts the photos that `filters` let through into `into`.
pub(super) fn load(
    path: &Path,
    reading: &Reading<'_>,
    filters: &Filters,
    into: &mut Collection,
) -> Result<(), Failure> {
    let names = Manifest::open(path, Columns::SubjectAndPath)?.columns();
    let columns = TemplateColumns::find(&names, filters, path)?.of_photos();
    // Before hours are spent on photos.
    check(path, &columns)?;
    let filtered: Rc<RefCell<BTreeMap<&'static str, u64>>> = Rc::default();
    let choose = {
        let (filters, columns, filtered) = (filters.clone(), columns.clone(), Rc::clone(&filtered));
        move |manifest: &Manifest, line: u64| {
            // A cell that went bad since is told when the manifest is gone through again.
            let Ok(says) = columns.read(manifest, line) else { return true };
            says.wanted(&filters).map_err(|reason| *filtered.borrow_mut().entry(reason).or_insert(0) += 1).is_ok()
        }
    };
    let left_out: Rc<RefCell<Vec<SkippedRow>>> = Rc::default();
    let told = {
        let left_out = Rc::clone(&left_out);
        move |line| left_out.borrow_mut().push(line)
    };
    let args = LabelledArgs {
        manifest: Some(path.to_owned()),
        photos_max: Collection::ROWS_MAX,
        no_cache: reading.cache.is_none(),
        ..LabelledArgs::default()
    };
    let loader = Loader::new(reading.settings, &args, reading.cache.as_deref(), evaluate::WANTS)?;
    into.set_recipe(loader.recipe()).map_err(Failure::new)?;
    let loaded = loader.for_audit(Box::new(choose), Box::new(told)).load(&args, &[])?;
    for (reason, count) in loaded.inputs.left_out.reasons.iter().chain(&loaded.inputs.failures) {
        into.leave_out(reason, *count);
    }
    filtered.borrow().iter().for_each(|(reason, count)| into.leave_out(reason, *count));
    let left_out = left_out.take();
    take(path, &loaded.set, &left_out, &columns, into)
}

/// Whether every row says of its photo what can be meant.
fn check(path: &Path, columns: &TemplateColumns) -> Result<(), Failure> {
    let mut manifest = Manifest::open(path, Columns::SubjectAndPath)?;
    while let Some(row) = manifest.next()? {
        // What is wrong with others is told where they are left out.
        if let Ok(Row { line, .. }) = row {
            columns.read(&manifest, line).map_err(|bad| bad.of(path))?;
        }
    }
    Ok(())
}

/// Goes through the manifest again, for what the set of photos does not keep: whose they
/// are, and what else is known; and for the files of those left out.
fn take(
    path: &Path,
    set: &PhotoSet,
    left_out: &[SkippedRow],
    columns: &TemplateColumns,
    into: &mut Collection,
) -> Result<(), Failure> {
    let changed = || Failure::new(format_args!("manifest {}: it changed while it was read; run again", path.display()));
    let quality = set.measures.iter().find(|measure| measure.name == QUALITY);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut manifest = Manifest::open(path, Columns::SubjectAndPath)?;
    let mut left_out = left_out.iter().peekable();
    let mut photos = (0..set.len() as u32).peekable();
    while photos.peek().is_some() || left_out.peek().is_some() {
        let row = manifest.next()?.ok_or_else(changed)?;
        let (Ok(Row { line, .. }) | Err(BadRow { line, .. })) = row;
        if let Some(SkippedRow { reason, what, .. }) = left_out.next_if(|out| out.line == line) {
            into.list_left_out(LeftOutRow {
                list: file_name(path),
                line,
                file: manifest.path_given().into_owned(),
                reason: reason.clone(),
                detail: what.clone(),
            });
        }
        let next = photos.peek().map(|&photo| set.lines[photo as usize]);
        let next_left_out = left_out.peek().map(|out| out.line);
        if next.is_some_and(|next| next < line) || next_left_out.is_some_and(|next| next < line) {
            return Err(changed());
        }
        let Some(photo) = photos.next_if(|_| next == Some(line)) else { continue };
        let Row { subject, path: photo_path, .. } = row.map_err(|_| changed())?;
        let Some(template) = set.template(photo) else { continue };
        let at = |e: CollectionError| Failure::new(format_args!("manifest {}, line {line}: {e}", path.display()));
        let number = into.subject(&subject).map_err(at)?;
        let says = columns.read(&manifest, line).map_err(|bad| bad.of(path))?;
        says.note(number, into);
        let facts = CollectedTemplate {
            subject: number,
            captured_at: says.captured_at,
            quality: quality.and_then(|measure| measure.values.get(photo as usize).copied().flatten()),
        };
        let name = photo_path.strip_prefix(folder).unwrap_or(&photo_path).to_string_lossy();
        into.push(&name, template.vector(), facts).map_err(at)?;
    }
    Ok(())
}
