//! Where templates come from: a gallery, photos, or vectors with a list of ids.

mod columns;
mod photos;
mod vectors;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::super::settings::Settings;
use super::super::{Failure, galleries, print};
use crate::audit::{Collection, Filters, SnapshotFiller, SnapshotTaken};

/// One gallery to be audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AuditInput {
    /// Folder of a gallery.
    Gallery(PathBuf),
    /// Photos.
    Manifest(PathBuf),
    /// Vectors, and whose they are.
    Vectors { matrix: PathBuf, ids: PathBuf },
}

/// How sources are read.
pub(super) struct Reading<'a> {
    pub settings: &'a Settings,
    /// Where templates of photos are kept, unless nowhere.
    pub cache: Option<PathBuf>,
}

impl AuditInput {
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

    /// Every folder and file it is of.
    pub(super) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Gallery(path) | Self::Manifest(path) => vec![path],
            Self::Vectors { matrix, ids } => vec![matrix, ids],
        }
    }

    /// What it is called in messages and reports.
    pub(super) fn name(&self) -> String {
        let (Self::Gallery(path) | Self::Manifest(path) | Self::Vectors { matrix: path, .. }) = self;
        file_name(path)
    }

    /// Puts the templates that `filters` let through into `into`. Of a gallery in use,
    /// those stored from the id `before` on are left out.
    fn load(
        &self,
        reading: &Reading<'_>,
        filters: &Filters,
        before: Option<u64>,
        into: &mut Collection,
    ) -> Result<SnapshotTaken, Failure> {
        match self {
            Self::Gallery(folder) => gallery(folder, reading, filters, before, into),
            Self::Manifest(path) => photos::load(path, reading, filters, into).map(|()| SnapshotTaken::default()),
            Self::Vectors { matrix, ids } => {
                vectors::load(matrix, ids, filters, into).map(|()| SnapshotTaken::default())
            }
        }
    }
}

/// Reads the sources, the first with `filters`. `before` bounds those in use, by place. With the
/// templates comes what [`SnapshotTaken`] says of either.
pub(super) fn load<'a>(
    sources: impl Iterator<Item = &'a AuditInput>,
    reading: &Reading<'_>,
    filters: &Filters,
    before: impl Fn(usize) -> Option<u64>,
) -> Result<(Collection, Vec<Option<u64>>), Failure> {
    let everything = Filters::default();
    let mut collection = Collection::new();
    let mut template_next = Vec::new();
    for (i, source) in sources.enumerate() {
        let filters = if i == 0 { filters } else { &everything };
        if i > 0 {
            collection.begin_second();
        }
        let taken = source.load(reading, filters, before(i), &mut collection)?;
        if taken.later > 0 {
            print::note(&format!(
                "{} templates were stored after this audit began and are left out; audit them later with --since",
                taken.later
            ));
        }
        template_next.push(taken.template_next);
    }
    collection.finish().map_err(Failure::new)?;
    Ok((collection, template_next))
}

fn gallery(
    folder: &Path,
    reading: &Reading<'_>,
    filters: &Filters,
    before: Option<u64>,
    into: &mut Collection,
) -> Result<SnapshotTaken, Failure> {
    let into = RefCell::new(into);
    let filler = RefCell::new(SnapshotFiller::new(filters, before));
    galleries::visit(
        folder,
        reading.settings,
        |head| {
            let recipe = galleries::audited_recipe(head, reading.settings)?;
            if head.recipes.len() > 1 {
                print::note(
                    "the gallery holds templates of several model packs; those of --pack are compared, and whoever has \
                     none of them is counted under OTHER_RECIPE: audit those with their pack as well",
                );
            }
            filler.borrow_mut().begin(head, recipe, &mut into.borrow_mut()).map_err(Failure::new)
        },
        |part| filler.borrow_mut().take(part, &mut into.borrow_mut()).map_err(Failure::new),
    )?;
    let taken = filler.into_inner().end(&mut into.borrow_mut());
    Ok(taken)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
