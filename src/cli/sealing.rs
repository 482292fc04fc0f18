//! `[sealing]`: where the master key comes from, and where the keys of subjects lie. The one place where a
//! command takes the configured keys, whatever it does with them.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::config::{Origin, SealClear, SealingSection};
use super::settings::Settings;
use super::{Failure, danger};
use crate::gallery::{self, LookKeys};
use crate::sealing::{DerivedKey, KeyId, KeySource, KeyStoreOptions, MasterKey, check_copy_folder, sealed_under};
use crate::workflow::danger::{MasterKeyPlace, Permissions};

/// Links that are followed from a path at most, as the system does.
const LINKS_MAX: usize = 40;

/// `[sealing]`, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SealingSettings {
    /// The master key.
    pub key: KeySource,
    /// The one before, over a change of keys.
    pub previous_key: Option<KeySource>,
    /// File of the subjects' keys.
    pub key_store: PathBuf,
    /// File that a copy of them is kept in.
    pub key_store_copy: Option<PathBuf>,
    /// Whether a server seals a gallery that lies in the clear.
    pub seal: Option<SealClear>,
}

impl SealingSettings {
    pub(super) fn new(section: SealingSection) -> Result<Self, Failure> {
        let SealingSection { key, previous_key, key_store, key_store_copy, seal } = section;
        let checked =
            |name: &str, source: &KeySource| source.check().map_err(|why| Failure::new(format_args!("{name}: {why}")));
        checked("sealing.key", &key)?;
        previous_key.iter().try_for_each(|source| checked("sealing.previous_key", source))?;
        if previous_key.as_ref() == Some(&key) {
            return Err(Failure::new(
                "sealing.previous_key is the same as key; name the earlier one, or take it out when the change is done",
            ));
        }
        let sealing = Self { key, previous_key, key_store, key_store_copy, seal };
        let files: Vec<PathBuf> = sealing.files().map(|path| resolved(path)).collect();
        if (1..files.len()).any(|at| files[..at].contains(&files[at])) {
            return Err(Failure::new(
                "sealing: key, previous_key, key_store and key_store_copy are files of their own, each another",
            ));
        }
        Ok(sealing)
    }

    /// The master key, and the one before where a change of keys is under way. A command is run here.
    fn read_keys(&self, origin: &Origin) -> Result<(MasterKey, Option<MasterKey>), Failure> {
        let read = |name: &str, source: &KeySource| source.read().map_err(|why| origin.blame(name, why));
        let key = read("sealing.key", &self.key)?;
        let previous = self.previous_key.as_ref().map(|source| read("sealing.previous_key", source)).transpose()?;
        if previous.as_ref().is_some_and(|previous| previous.id() == key.id()) {
            let why = format_args!("it is the key {} as well, so that no key would be changed; take it out", key.id());
            return Err(origin.blame("sealing.previous_key", why));
        }
        Ok((key, previous))
    }

    /// Refuses keys under which the key store that is there is not sealed: what they would seal beside it,
    /// nobody could open with the gallery's.
    fn check_opens(&self, given: &[KeyId], origin: &Origin) -> Result<(), Failure> {
        let Some(needed) = sealed_under(&self.key_store).filter(|needed| !given.contains(needed)) else {
            return Ok(());
        };
        let store = self.key_store.display();
        let why = format_args!(
            "it is the key {}, and {store} is sealed under the master key {needed}: name that one, or the key store that \
             belongs to this one",
            given.first().map(ToString::to_string).unwrap_or_default()
        );
        Err(origin.blame("sealing.key", why))
    }

    /// The key store as a check without a server looks at it: reads keys of files, as commands and credentials may
    /// be out of reach.
    pub(super) fn look_keys(&self, origin: &Origin) -> Result<LookKeys, Failure> {
        if let Some(Err(why)) = self.key_store_copy.as_deref().map(check_copy_folder) {
            return Err(origin.blame("sealing.key_store_copy", why));
        }
        let read = |name: &str, source: &KeySource| match source {
            KeySource::File(_) => source.read().map(Some).map_err(|why| origin.blame(name, why)),
            _ => Ok(None),
        };
        let key = read("sealing.key", &self.key)?;
        let previous = self.previous_key.as_ref().map(|source| read("sealing.previous_key", source)).transpose()?;
        let (path, copy) = (self.key_store.clone(), self.key_store_copy.clone());
        let (master, previous) = match (key, previous) {
            (Some(master), None) => (master, None),
            (Some(master), Some(Some(previous))) => (master, Some(previous)),
            _ => return Ok(LookKeys::Closed { path, copy }),
        };
        let given: Vec<KeyId> = std::iter::once(&master).chain(&previous).map(MasterKey::id).collect();
        self.check_opens(&given, origin)?;
        Ok(LookKeys::Open(KeyStoreOptions { path, copy, master, previous, read_only: true }))
    }

    /// Refuses subjects' keys in the folder whose contents they are erased with: a backup of the folder
    /// would hold both.
    /// `data` is the folder, where it is known: the keys are not in that of another gallery, either.
    pub(super) fn check_apart(&self, data: Option<&Path>, origin: &Origin) -> Result<(), Failure> {
        let stores =
            [("sealing.key_store", Some(&self.key_store)), ("sealing.key_store_copy", self.key_store_copy.as_ref())];
        for (name, path) in stores {
            if let Some((path, folder)) = path.and_then(|path| Some((path, gallery_around(path, data)?))) {
                let why = format_args!(
                    "{} lies in the gallery's folder {}, whose copies would then hold the keys of what is in it; name a \
                     place outside, which other backups take",
                    path.display(),
                    folder.display()
                );
                return Err(origin.blame(name, why));
            }
        }
        Ok(())
    }

    /// Where the keys lie, to be held against the rules about dangerous set-ups.
    pub(super) fn places(&self, data: Option<&Path>) -> Vec<MasterKeyPlace> {
        let named = [("sealing.key", Some(&self.key)), ("sealing.previous_key", self.previous_key.as_ref())];
        let place = |(name, source): (&'static str, Option<&KeySource>)| {
            let mut place =
                MasterKeyPlace { name, path: PathBuf::new(), with_data: false, with_keys: false, program: None };
            match source? {
                KeySource::File(path) => {
                    place.path = path.clone();
                    place.with_data = data.is_some_and(|data| lies_in(path, data));
                    let folder = resolved(path).parent().map(Path::to_owned);
                    let stores = [Some(&self.key_store), self.key_store_copy.as_ref()];
                    let folders =
                        stores.into_iter().flatten().filter_map(|path| resolved(path).parent().map(Path::to_owned));
                    place.with_keys = folders.into_iter().any(|store| Some(store) == folder);
                }
                KeySource::Command(words) => {
                    place.path = PathBuf::from(words.first()?);
                    let program = Permissions::of(&place.path).ok().flatten();
                    place.program = Permissions::of_above(&place.path).or(program);
                }
                KeySource::Credential(_) => return None,
            }
            Some(place)
        };
        named.into_iter().filter_map(place).collect()
    }

    /// Files that nothing else may be written over.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let of_keys = [Some(&self.key), self.previous_key.as_ref()].into_iter().flatten();
        let of_keys = of_keys.filter_map(|source| match source {
            KeySource::File(path) => Some(path),
            _ => None,
        });
        of_keys.chain([&self.key_store]).chain(&self.key_store_copy)
    }
}

impl Settings {
    /// The configured master key, and the one before over a change of keys; `None` without `[sealing]`. `data`
    /// is the gallery's folder, where it is another than the configured one. Nothing is read, and no command
    /// run, where a server would not start for where the keys lie.
    pub(super) fn configured_keys(
        &self,
        data: Option<&Path>,
    ) -> Result<Option<(MasterKey, Option<MasterKey>)>, Failure> {
        let Some(sealing) = self.sealing() else { return Ok(None) };
        danger::check_keys(self, sealing, data.or(self.data.as_deref()))?;
        sealing.read_keys(&self.origin).map(Some)
    }

    /// The same, of which one opens the key store where that is there.
    pub(super) fn master_keys(&self, data: Option<&Path>) -> Result<Option<(MasterKey, Option<MasterKey>)>, Failure> {
        let keys = self.configured_keys(data)?;
        if let (Some(sealing), Some((key, previous))) = (self.sealing(), &keys) {
            let given: Vec<KeyId> = std::iter::once(key).chain(previous).map(MasterKey::id).collect();
            sealing.check_opens(&given, &self.origin)?;
        }
        Ok(keys)
    }

    /// A key derived from the master key for files outside the key store; `None` without `[sealing]`.
    pub(super) fn derived_key(&self, purpose: &str) -> Result<Option<DerivedKey>, Failure> {
        Ok(self.master_keys(None)?.map(|(master, _)| master.derived(purpose)))
    }

    /// The keys of subjects, and what opens them; `None` without `[sealing]`. `data` as in
    /// [`Settings::configured_keys`].
    pub(super) fn key_store_options(&self, data: Option<&Path>) -> Result<Option<KeyStoreOptions>, Failure> {
        let keys = self.master_keys(data)?;
        Ok(self.sealing().zip(keys).map(|(sealing, (master, previous))| {
            let (path, copy) = (sealing.key_store.clone(), sealing.key_store_copy.clone());
            KeyStoreOptions { path, copy, master, previous, read_only: false }
        }))
    }

    /// The keys under which the gallery in a folder is sealed, where any are configured.
    pub(super) fn sealing_options(&self, folder: &Path) -> Result<Option<KeyStoreOptions>, Failure> {
        self.check_keys_apart(Some(folder))?;
        self.key_store_options(Some(folder))
    }

    /// Refuses keys of subjects in the folder of the gallery, or of any other.
    pub(super) fn check_keys_apart(&self, folder: Option<&Path>) -> Result<(), Failure> {
        self.sealing().map_or(Ok(()), |sealing| sealing.check_apart(folder, &self.origin))
    }
}

/// Refuses to write a key, or shares of one, into the folder of a gallery. `data` is the one that is configured.
pub(super) fn check_key_goes_elsewhere(path: &Path, data: Option<&Path>) -> Result<(), Failure> {
    match gallery_around(path, data) {
        None => Ok(()),
        Some(folder) => Err(Failure::new(format_args!(
            "{} lies in the gallery's folder {}: whoever copies the folder would have the key as well; name a place outside",
            path.display(),
            folder.display()
        ))),
    }
}

/// Refuses backups in the folder of a gallery, where they would go with it and be taken for its files, and keys in
/// the folder of backups.
pub(super) fn check_backups_go_elsewhere<'k>(
    path: &Path,
    data: &Path,
    mut keys: impl Iterator<Item = &'k PathBuf>,
) -> Result<(), Failure> {
    if let Some(key) = keys.find(|key| lies_in(key, path)) {
        return Err(Failure::new(format_args!(
            "{} lies in the folder of the backups {}: whoever copies that would have the key as well; keep it elsewhere",
            key.display(),
            path.display()
        )));
    }
    match gallery_around(path, Some(data)) {
        None => Ok(()),
        Some(folder) => Err(Failure::new(format_args!(
            "{} lies in the gallery's folder {}: whoever loses the one loses the other; name a place outside, on another disk",
            path.display(),
            folder.display()
        ))),
    }
}

/// Refuses a place for a restored gallery inside another one, or among the backups: what is done there with the one
/// would be done with the other.
pub(super) fn check_restored_goes_elsewhere(to: &Path, backups: Option<&Path>) -> Result<(), Failure> {
    if let Some(folder) = resolved(to).ancestors().skip(1).find(|folder| gallery::is_at(folder)) {
        return Err(Failure::new(format_args!(
            "--to {}: it lies in the folder of the gallery {}; name a place outside",
            to.display(),
            folder.display()
        )));
    }
    match backups.filter(|backups| lies_in(to, backups)) {
        None => Ok(()),
        Some(backups) => Err(Failure::new(format_args!(
            "--to {}: it lies in the folder of the backups {}; name a place outside",
            to.display(),
            backups.display()
        ))),
    }
}

/// The folder of a gallery that a path leads into: the one given, or one that is there.
fn gallery_around(path: &Path, data: Option<&Path>) -> Option<PathBuf> {
    if let Some(data) = data.filter(|data| lies_in(path, data)) {
        return Some(data.to_owned());
    }
    resolved(path).ancestors().find(|folder| gallery::is_at(folder)).map(Path::to_owned)
}

/// Whether a path leads into a folder, through whatever links and whether it is there yet or not.
fn lies_in(path: &Path, folder: &Path) -> bool {
    resolved(path).starts_with(resolved(folder))
}

/// Where a path leads: links are followed as far as it is there, the rest is taken as it is written.
fn resolved(path: &Path) -> PathBuf {
    let mut left: Vec<OsString> = pieces(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    while let Some(piece) = left.pop() {
        if piece == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&piece);
        match std::fs::read_link(&next) {
            Ok(target) if links < LINKS_MAX => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                left.extend(pieces(&target));
            }
            _ => at = next,
        }
    }
    at
}

/// Names of a path, the last first.
fn pieces(path: &Path) -> Vec<OsString> {
    let name = |piece: Component<'_>| match piece {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    let mut names: Vec<_> = path.components().filter_map(name).collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn settings(key_store: &Path) -> SealingSettings {
        SealingSettings {
            key: KeySource::Credential("master".to_owned()),
            previous_key: None,
            key_store: key_store.to_owned(),
            key_store_copy: None,
            seal: None,
        }
    }

    #[test]
    fn subjects_keys_lie_outside_the_data_whatever_links_lead_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let data = at("data");
        fs::create_dir(&data).unwrap();
        fs::create_dir(at("keys")).unwrap();
        symlink(&data, at("link-to-data")).unwrap();
        symlink("data/keys.new", at("link-to-nothing-yet")).unwrap();
        symlink(at("link-to-data"), at("link-to-a-link")).unwrap();
        symlink(at("keys"), data.join("out")).unwrap();
        symlink("loop-2", at("loop-1")).unwrap();
        symlink("loop-1", at("loop-2")).unwrap();
        for inside in [
            "data/keys",
            "data/a/b/keys",
            "data/../data/keys",
            "keys/../data/keys",
            "none/../data/keys",
            "link-to-data/keys",
            "link-to-a-link/keys",
            "link-to-nothing-yet",
            "./data/./keys",
        ] {
            let refused = settings(&at(inside)).check_apart(Some(&data), &Origin::default());
            let told = refused.expect_err(inside).to_string();
            assert!(told.contains("lies in the gallery's folder"), "{told}");
            // The folder is named by a link.
            assert!(
                settings(&at(inside)).check_apart(Some(&at("link-to-a-link")), &Origin::default()).is_err(),
                "{inside}"
            );
            let copy = SealingSettings { key_store_copy: Some(at(inside)), ..settings(&at("keys/k")) };
            assert!(copy.check_apart(Some(&data), &Origin::default()).is_err(), "{inside}");
        }
        for outside in ["keys/keys", "data-2", "data/../keys", "data/out/keys", "link-to-data/../keys", "loop-1/keys"] {
            settings(&at(outside)).check_apart(Some(&data), &Origin::default()).expect(outside);
        }
    }

    #[test]
    fn a_key_with_the_data_or_beside_the_subjects_keys_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let found = |key: &str| {
            let settings = SealingSettings { key: KeySource::File(at(key)), ..settings(&at("keys/subjects")) };
            let places = settings.places(Some(&at("data")));
            (places[0].with_data, places[0].with_keys)
        };
        assert_eq!(found("data/master.key"), (true, false));
        assert_eq!(found("keys/master.key"), (false, true));
        assert_eq!(found("elsewhere/master.key"), (false, false));
        assert_eq!(settings(&at("k")).places(None), [], "a credential lies where systemd puts it");
    }
}
