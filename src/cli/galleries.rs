//! Galleries read or changed by a command that is no engine: the one place where the commands of
//! audits and cases meet a gallery's folder, or the server that has it open.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;

use super::connection::ServerAddress;
use super::settings::Settings;
use super::{Failure, caller, print, runtime};
use crate::face::{Pack, RecipeDigest};
use crate::gallery::{
    self, ClearPair, EmbeddedOptions, Gallery, GalleryError, PairState, SnapshotHead, SnapshotPart, Timestamp,
    UnclearPair,
};
use crate::sealing::KeyId;
use crate::service::local::Snapshot;
use crate::workflow::beneficiary::ClearPairRequest;
use crate::workflow::reason::Reason;

/// Told what a gallery is of.
type Begin<'a> = &'a mut dyn FnMut(&SnapshotHead) -> Result<(), Failure>;
/// Told each part of it.
type Visit<'a> = &'a mut dyn FnMut(SnapshotPart) -> Result<(), Failure>;

/// Every part of a gallery as it is at one moment: from its folder, or where a server
/// has that open, from the server.
pub(super) fn visit(
    folder: &Path,
    settings: &Settings,
    mut begin: impl FnMut(&SnapshotHead) -> Result<(), Failure>,
    mut visit: impl FnMut(SnapshotPart) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match visit_folder(folder, settings, &mut begin, &mut visit)? {
        Read::Whole => Ok(()),
        Read::InUse => visit_served(folder, settings, &mut begin, &mut visit),
    }
}

/// What came of reading a folder.
enum Read {
    /// All was told.
    Whole,
    /// Another process has it open; nothing was told.
    InUse,
}

/// Every part of a gallery that nobody has open.
fn visit_folder(folder: &Path, settings: &Settings, begin: Begin<'_>, visit: Visit<'_>) -> Result<Read, Failure> {
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
    let options = settings.gallery_options(folder)?;
    let context = caller::context("audit");
    let read =
        gallery::read_all(&context, folder, &options, &mut |head| keep(begin(head)), &mut |part| keep(visit(part)));
    match (refused.into_inner(), read) {
        (Some(failure), _) => Err(failure),
        (None, Err(GalleryError::InUse(_))) => Ok(Read::InUse),
        (None, read) => read.map(|()| Read::Whole).map_err(Failure::new),
    }
}

/// Every part of a gallery, from the server that has it open.
fn visit_served(folder: &Path, settings: &Settings, begin: Begin<'_>, visit: Visit<'_>) -> Result<(), Failure> {
    runtime::wait(async {
        let mut snapshot = Snapshot::open(folder).await.map_err(Failure::new)?;
        check_master_key(folder, settings, snapshot.head())?;
        print::note(&format!("{} is in use: its server hands on a snapshot", folder.display()));
        begin(snapshot.head())?;
        while let Some(part) = snapshot.next().await.map_err(Failure::new)? {
            visit(part)?;
        }
        Ok(())
    })
}

/// Refuses keys that are not those of a gallery which a server hands on: nothing here opens it with them, and
/// what is written of it would be sealed under a key that nobody keeps for it.
fn check_master_key(folder: &Path, settings: &Settings, head: &SnapshotHead) -> Result<(), Failure> {
    let (Some(needed), Some((key, previous))) = (head.master_key.map(KeyId), settings.master_keys(Some(folder))?)
    else {
        return Ok(());
    };
    if key.id() == needed || previous.is_some_and(|previous| previous.id() == needed) {
        return Ok(());
    }
    let why = format_args!(
        "it is the key {}, and the gallery {}, which is in use, is sealed under the master key {needed}; name that one",
        key.id(),
        folder.display()
    );
    Err(settings.origin.blame("sealing.key", why))
}

/// What came of clearing a pair, or of ending that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairChanged {
    /// It is so now.
    Done,
    /// Another officer must clear it as well.
    AnotherOfficer,
    /// Neither is enrolled any more, or the pair is not there.
    NotThere,
}

/// Clears a pair in a gallery, through the server where one is named.
pub(super) fn clear_pair(
    folder: &Path,
    settings: &Settings,
    server: Option<&ServerAddress>,
    pair: ClearPairRequest,
) -> Result<PairChanged, Failure> {
    let changed = |is_enough: bool| if is_enough { PairChanged::Done } else { PairChanged::AnotherOfficer };
    runtime::wait(async {
        match server {
            Some(server) => match server.connect().await?.clear_pair(pair).await {
                Ok(cleared) => Ok(changed(cleared.officers >= cleared.officers_needed)),
                Err(error) if error.reason == Reason::SubjectUnknown.code() => Ok(PairChanged::NotThere),
                Err(error) => Err(Failure::new(error)),
            },
            None => {
                let gallery = open(folder, settings)?;
                let ClearPairRequest { one: first, other: second, officer, reason } = pair;
                let rules = settings.cases();
                let (officers_needed, lifetime_ms) = (rules.clear_officers, rules.clear_lifetime_ms());
                let pair = ClearPair { first, second, officer, reason, officers_needed, lifetime_ms };
                match gallery.clear_pair(&caller::context("audit"), pair).await {
                    Ok((pair, _)) => Ok(changed(pair.state(Timestamp::now()) == PairState::InForce)),
                    Err(GalleryError::UnknownSubject) => Ok(PairChanged::NotThere),
                    Err(error) => Err(Failure::new(error)),
                }
            }
        }
    })
}

/// Ends the clearing of a pair in a gallery, through the server where one is named.
pub(super) fn unclear_pair(
    folder: &Path,
    settings: &Settings,
    server: Option<&ServerAddress>,
    pair: ClearPairRequest,
) -> Result<PairChanged, Failure> {
    runtime::wait(async {
        match server {
            Some(server) => match server.connect().await?.unclear_pair(pair).await {
                Ok(_) => Ok(PairChanged::Done),
                Err(error) if error.reason == Reason::PairUnknown.code() => Ok(PairChanged::NotThere),
                Err(error) => Err(Failure::new(error)),
            },
            None => {
                let gallery = open(folder, settings)?;
                let ClearPairRequest { one: first, other: second, officer, reason } = pair;
                match gallery
                    .unclear_pair(&caller::context("audit"), UnclearPair { first, second, officer, reason })
                    .await
                {
                    Ok(_) => Ok(PairChanged::Done),
                    Err(GalleryError::UnknownPair) => Ok(PairChanged::NotThere),
                    Err(error) => Err(Failure::new(error)),
                }
            }
        }
    })
}

/// The gallery in a folder that nobody has open, for whatever recipes it holds.
pub(super) fn open(folder: &Path, settings: &Settings) -> Result<Gallery, Failure> {
    let head = head_of(folder, settings)?;
    let Some((&(recipe, dimension), beside)) = head.recipes.split_first() else {
        return Err(Failure::new("the gallery names no recipe; this is a defect of chinhchu"));
    };
    let options = EmbeddedOptions { recipes_beside: beside.to_vec(), ..settings.gallery_options(folder)? };
    gallery::open(folder, recipe, dimension, options).map_err(Failure::new)
}

/// The recipe by which a gallery is audited: its only one, or where it has templates of several,
/// that of the model pack in use.
pub(super) fn audited_recipe(head: &SnapshotHead, settings: &Settings) -> Result<(RecipeDigest, usize), Failure> {
    if let [only] = head.recipes.as_slice() {
        return Ok(*only);
    }
    let pack = Pack::load(&settings.pack_folder()?).map_err(Failure::new)?;
    let own = head.recipes.iter().find(|(recipe, _)| *recipe == pack.recipe());
    own.copied().ok_or_else(|| {
        Failure::new(format_args!(
            "the gallery holds templates of several model packs, none of which is `{}`; name the one to audit by, --pack DIR",
            pack.name()
        ))
    })
}

/// What a gallery that nobody has open is of.
fn head_of(folder: &Path, settings: &Settings) -> Result<SnapshotHead, Failure> {
    let mut found = None;
    let enough = Failure::new("");
    let mut begin = |head: &SnapshotHead| {
        found = Some(head.clone());
        Err(enough.clone())
    };
    let read = visit_folder(folder, settings, &mut begin, &mut |_| Ok(()));
    match (found, read) {
        (Some(head), Err(failure)) if failure == enough => Ok(head),
        (_, Err(failure)) => Err(failure),
        (_, Ok(Read::InUse)) => Err(Failure::new(format_args!(
            "the data folder {} is in use by another process; name the server that has it open, --server URL, or stop it first",
            folder.display()
        ))),
        (_, Ok(Read::Whole)) => Err(Failure::new("the gallery has no beginning; this is a defect of chinhchu")),
    }
}
