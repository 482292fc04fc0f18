//! Where templates come from: a gallery, photos, or vectors with a list of ids.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::labelled::{LabelledArgs, Loader};
use super::super::manifest::{Columns, Manifest, Row};
use super::super::settings::Settings;
use super::super::{Failure, date, evaluate, print, runtime};
use super::filters::{Filters, TemplateColumns};
use crate::audit::{Collection, CollectionError, RowInfo};
use crate::evaluation::PhotoSet;
use crate::face::RecipeDigest;
use crate::gallery::{self, GalleryError, SnapshotHead, SnapshotPart, Subject, Timestamp};
use crate::regular;
use crate::service::local::Snapshot;

/// Rows of a matrix read at a time.
const ROWS_AT_ONCE: usize = 4096;
/// The measure of photos that stands for their quality.
const QUALITY: &str = "capture quality (0-100)";

/// One gallery to be audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Folder of a gallery.
    Gallery(PathBuf),
    /// Photos.
    Manifest(PathBuf),
    /// Vectors, and whose they are.
    Vectors { matrix: PathBuf, ids: PathBuf },
}

/// What a source turned out to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken {
    /// Of a gallery: templates stored later have this id or a higher one.
    pub template_next: Option<u64>,
    /// Templates left out because they were stored after the audit began.
    pub later: u64,
}

/// How sources are read.
pub(super) struct Reading<'a> {
    pub settings: &'a Settings,
    /// Where templates of photos are kept, unless nowhere.
    pub cache: Option<PathBuf>,
}

impl Source {
    /// By what the path is.
    pub(super) fn of_path(path: &Path, ids: Option<&PathBuf>) -> Result<Self, Failure> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let shown = path.display();
        match (extension.as_str(), ids) {
            _ if path.is_dir() => Ok(Self::Gallery(path.to_owned())),
            ("csv", _) => Ok(Self::Manifest(path.to_owned())),
            ("npy", Some(ids)) => Ok(Self::Vectors { matrix: path.to_owned(), ids: ids.clone() }),
            ("npy", None) => Err(Failure::new(format_args!("--against {shown}: name its owners with --against-ids"))),
            _ => Err(Failure::new(format_args!(
                "--against {shown}: it is neither the folder of a gallery nor a .csv nor a .npy file; check the path"
            ))),
        }
    }

    /// What it is called in messages and reports.
    pub(super) fn name(&self) -> String {
        let (Self::Gallery(path) | Self::Manifest(path) | Self::Vectors { matrix: path, .. }) = self;
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// Puts the templates that `filters` let through into `into`. Of a gallery in use,
    /// those stored from the id `before` on are left out.
    pub(super) fn load(
        &self,
        reading: &Reading<'_>,
        filters: &Filters,
        before: Option<u64>,
        into: &mut Collection,
    ) -> Result<Taken, Failure> {
        match self {
            Self::Gallery(folder) => gallery(folder, reading, filters, before, into),
            Self::Manifest(path) => photos(path, reading, filters, into),
            Self::Vectors { matrix, ids } => vectors(matrix, ids, filters, into),
        }
    }
}

/// Told what a gallery is of.
type Begin<'a> = &'a mut dyn FnMut(&SnapshotHead) -> Result<(), Failure>;
/// Told each part of it.
type Visit<'a> = &'a mut dyn FnMut(SnapshotPart) -> Result<(), Failure>;

/// Every part of a gallery as it is at one moment: from its folder, or where a server
/// has that open, from the server.
pub(super) fn visit_gallery(
    folder: &Path,
    settings: &Settings,
    mut begin: impl FnMut(&SnapshotHead) -> Result<(), Failure>,
    mut visit: impl FnMut(SnapshotPart) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match visit_folder(folder, settings, &mut begin, &mut visit)? {
        Read::Whole => Ok(()),
        Read::InUse => visit_served(folder, &mut begin, &mut visit),
    }
}

/// What came of reading a folder.
pub(super) enum Read {
    /// All was told.
    Whole,
    /// Another process has it open; nothing was told.
    InUse,
}

/// Every part of a gallery that nobody has open.
pub(super) fn visit_folder(
    folder: &Path,
    settings: &Settings,
    begin: Begin<'_>,
    visit: Visit<'_>,
) -> Result<Read, Failure> {
    if !gallery::is_at(folder) {
        return Err(Failure::new(format_args!(
            "there is no gallery at {}; check --data, or enrol somebody first",
            folder.display()
        )));
    }
    // What the callbacks refuse goes round the gallery, whose errors are its own.
    let refused = RefCell::new(None);
    let keep = |result: Result<(), Failure>| match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(failure) => {
            *refused.borrow_mut() = Some(failure);
            ControlFlow::Break(GalleryError::Closing)
        }
    };
    let options = settings.gallery_options();
    let read = gallery::read_all(folder, &options, &mut |head| keep(begin(head)), &mut |part| keep(visit(part)));
    match (refused.into_inner(), read) {
        (Some(failure), _) => Err(failure),
        (None, Err(GalleryError::InUse(_))) => Ok(Read::InUse),
        (None, read) => read.map(|()| Read::Whole).map_err(Failure::new),
    }
}

/// Every part of a gallery, from the server that has it open.
fn visit_served(folder: &Path, begin: Begin<'_>, visit: Visit<'_>) -> Result<(), Failure> {
    runtime::wait(async {
        let mut snapshot = Snapshot::open(folder).await.map_err(Failure::new)?;
        print::note(&format!("{} is in use: its server hands on a snapshot", folder.display()));
        begin(&snapshot.head())?;
        while let Some(part) = snapshot.next().await.map_err(Failure::new)? {
            visit(part)?;
        }
        Ok(())
    })
}

fn gallery(
    folder: &Path,
    reading: &Reading<'_>,
    filters: &Filters,
    before: Option<u64>,
    into: &mut Collection,
) -> Result<Taken, Failure> {
    let into = RefCell::new(into);
    let filler = RefCell::new(Filler::new(filters, before));
    visit_gallery(
        folder,
        reading.settings,
        |head| filler.borrow_mut().begin(head, &mut into.borrow_mut()),
        |part| filler.borrow_mut().take(part, &mut into.borrow_mut()),
    )?;
    let taken = filler.into_inner().end(&mut into.borrow_mut());
    Ok(taken)
}

/// Fills a collection with the parts of a snapshot.
pub(super) struct Filler<'a> {
    filters: &'a Filters,
    before: Option<u64>,
    taken: Taken,
}

impl<'a> Filler<'a> {
    pub(super) fn new(filters: &'a Filters, before: Option<u64>) -> Self {
        Self { filters, before, taken: Taken::default() }
    }

    pub(super) fn begin(&mut self, head: &SnapshotHead, into: &mut Collection) -> Result<(), Failure> {
        self.taken.template_next = Some(self.before.unwrap_or(head.template_next));
        into.set_recipe(head.recipe).map_err(Failure::new)?;
        if self.filters.is_empty() {
            // Capped: the number is read from a file.
            into.reserve(usize::try_from(head.templates).unwrap_or(0).min(1 << 26), head.dimension);
        }
        Ok(())
    }

    pub(super) fn take(&mut self, part: SnapshotPart, into: &mut Collection) -> Result<(), Failure> {
        match part {
            SnapshotPart::Subject(subject) => self.subject(&subject, into).map_err(Failure::new),
            SnapshotPart::Cleared(pair) => {
                into.clear(pair.first.as_str(), pair.second.as_str());
                Ok(())
            }
        }
    }

    fn subject(&mut self, subject: &Subject, into: &mut Collection) -> Result<(), CollectionError> {
        let later = |id: u64| self.before.is_some_and(|before| id >= before);
        let fresh = subject.templates.iter().filter(|template| later(template.id)).count() as u64;
        self.taken.later += fresh;
        if let Err(reason) = self.filters.wants_subject(subject) {
            into.leave_out(reason, subject.templates.len() as u64 - fresh);
            return Ok(());
        }
        if fresh == subject.templates.len() as u64 {
            return Ok(());
        }
        let number = into.subject(subject.id.as_str())?;
        let schemes: Vec<&str> = subject.attributes.schemes.iter().map(String::as_str).collect();
        let schemes = into.text_number(&schemes.join(", "));
        let province = into.text_number(subject.attributes.province.as_deref().unwrap_or_default());
        let info = into.facts_mut(number);
        (info.enrolled_at, info.schemes, info.province) = (Some(subject.enrolled_at), schemes, province);
        for template in subject.templates.iter().filter(|template| !later(template.id)) {
            let content = &template.content;
            let facts = RowInfo { subject: number, captured_at: content.captured_at, quality: content.quality };
            let pushed = into.push(&template.id.to_string(), content.template.vector(), facts)?;
            if pushed && subject.vouched.iter().any(|one| one.templates.contains(&template.id)) {
                into.vouch_for_last();
            }
        }
        Ok(())
    }

    pub(super) fn end(self, into: &mut Collection) -> Taken {
        into.leave_out("STORED_LATER", self.taken.later);
        self.taken
    }
}

fn photos(path: &Path, reading: &Reading<'_>, filters: &Filters, into: &mut Collection) -> Result<Taken, Failure> {
    let names = Manifest::open(path, Columns::SubjectAndPath)?.columns();
    let columns = TemplateColumns::find(&names, filters, path)?;
    let filtered: Rc<RefCell<BTreeMap<&'static str, u64>>> = Rc::default();
    let choose = {
        let (filters, columns, filtered) = (filters.clone(), columns.clone(), Rc::clone(&filtered));
        move |manifest: &Manifest| match columns.wanted(manifest, &filters) {
            Ok(()) => true,
            Err(reason) => {
                *filtered.borrow_mut().entry(reason).or_insert(0) += 1;
                false
            }
        }
    };
    let args = LabelledArgs {
        manifest: Some(path.to_owned()),
        photos_max: Collection::ROWS_MAX,
        no_cache: reading.cache.is_none(),
        ..LabelledArgs::default()
    };
    let loader = Loader::new(reading.settings, &args, reading.cache.as_deref(), evaluate::WANTS)?;
    into.set_recipe(loader.recipe()).map_err(Failure::new)?;
    let loaded = loader.for_audit(Box::new(choose)).load(&args, &[])?;
    for (reason, count) in &loaded.inputs.left_out.reasons {
        into.leave_out(reason, *count);
    }
    loaded.inputs.failures.iter().for_each(|(reason, count)| into.leave_out(reason, *count));
    filtered.borrow().iter().for_each(|(reason, count)| into.leave_out(reason, *count));
    take_photos(path, &loaded.set, &columns, into)?;
    Ok(Taken::default())
}

/// Goes through the manifest again, for what the set of photos does not keep: whose they
/// are, and what else is known.
fn take_photos(path: &Path, set: &PhotoSet, columns: &TemplateColumns, into: &mut Collection) -> Result<(), Failure> {
    let changed = || Failure::new(format_args!("manifest {}: it changed while it was read; run again", path.display()));
    let quality = set.measures.iter().find(|measure| measure.name == QUALITY);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut manifest = Manifest::open(path, Columns::SubjectAndPath)?;
    for photo in 0..set.len() as u32 {
        let line = set.lines[photo as usize];
        let Row { subject, path: photo_path, .. } = loop {
            match manifest.next()?.ok_or_else(changed)? {
                Ok(row) if row.line == line => break row,
                Ok(row) if row.line > line => return Err(changed()),
                _ => {}
            }
        };
        let Some(template) = set.template(photo) else { continue };
        let at = |e: CollectionError| Failure::new(format_args!("manifest {}, line {line}: {e}", path.display()));
        let number = into.subject(&subject).map_err(at)?;
        columns.note(&manifest, number, into);
        let facts = RowInfo {
            subject: number,
            captured_at: columns.captured_at(&manifest),
            quality: quality.and_then(|measure| measure.values.get(photo as usize).copied().flatten()),
        };
        let name = photo_path.strip_prefix(folder).unwrap_or(&photo_path).to_string_lossy();
        into.push(&name, template.vector(), facts).map_err(at)?;
    }
    Ok(())
}

fn vectors(matrix: &Path, ids: &Path, filters: &Filters, into: &mut Collection) -> Result<Taken, Failure> {
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
    let mut vector = Vec::with_capacity(ROWS_AT_ONCE.min(dimension));
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
        if let Some(recipe) = columns.recipe(&manifest) {
            let recipe: RecipeDigest =
                recipe.parse().map_err(|e| Failure::new(format_args!("{}, line {line}: {e}", ids.display())))?;
            into.set_recipe(recipe).map_err(at)?;
        }
        if let Err(reason) = columns.wanted(&manifest, filters) {
            into.leave_out(reason, 1);
            continue;
        }
        let number = into.subject(&subject).map_err(at)?;
        columns.note(&manifest, number, into);
        let facts = RowInfo {
            subject: number,
            captured_at: columns.captured_at(&manifest),
            quality: columns.quality(&manifest),
        };
        let name = columns.template_id(&manifest).map_or_else(|| row.to_string(), Cow::into_owned);
        into.push(&name, &vector, facts).map_err(at)?;
    }
    Ok(Taken::default())
}

/// A day or a time as lists have it: `2024-05-31`, with or without a time of day behind
/// it. Days before 1970 are not known to galleries either.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let day = text.trim().get(..10)?;
    date::days(day).map(|days| Timestamp(days * 86_400_000))
}
