//! `chinhchu keys seal | rotate | status`: sealing a gallery that lies in the clear, changing the master
//! key, and how the key store stands.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::sealing::SealingSettings;
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, GlobalArgs, Outcome, outcome, print};
use crate::gallery::{self, GalleryError, LookKeys, Looked, Sealed, SealingState};
use crate::sealing::{CopyFound, Examined, KeyStore, KeyStoreError, KeyStoreOptions, Rotation};

/// Where no gallery is named.
const UNNAMED: &str = "no gallery is named: with --data DIR it is told whether one is sealed";

pub(super) const EXAMPLES: &str = "\
Examples:
  chinhchu --config chinhchu.toml keys seal --data /srv/gallery
  chinhchu --config chinhchu.toml keys status --data /srv/gallery
  chinhchu --config chinhchu.toml keys rotate

[sealing] in the configuration names the master key and the key store (docs/sealing.md).

`seal` seals a gallery that lies in the clear; nobody may have it open meanwhile. (A server seals one
beside its work, with seal = 'while_serving' under [sealing]. Either goes on with what the other has
begun, and `status` says how far that is while nobody has the gallery open.) It makes a sealed copy of
the database, checks it, puts it in place of the clear one and overwrites that; interrupted, it goes on
where it was, and the clear gallery stays in use until the copy is whole. What was copied from the
folder before (backups, snapshots of the file system, cells that a disk has set aside) stays
readable: destroy those, or keep them as you would keep the photos.

`rotate` changes the master key: name the new one as sealing.key and the one until then as
sealing.previous_key. Every key of the key store is sealed anew, and the earlier file is overwritten.
A server with both in its configuration does the same beside its work, from its start on, and says in
its log when it is done; then `previous_key` can go. Interrupted, either goes on. Other commands open
the store with either key, and change nothing of it.

`status` changes no byte. It holds the gallery, where one is named, against its keys as a server does
when it starts, and says what that would refuse.

Exit code: 0 done; 1 `status` found something that is not in order: keys that cannot be opened, a copy
that is not there or differs, no key store yet, a gallery that is not there, lies in the clear, or that
a server would refuse, keys that were given up and are there all the same; 2 it cannot be done (also where the key store cannot be opened, or is not there
although a gallery is sealed), or wrong usage.";

#[derive(Debug, Args)]
pub(super) struct SealArgs {
    /// Folder of the gallery; the configured one unless given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Folder of a gallery, to be told whether it is sealed, or how far that is; the configured one unless given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct SealAnswer {
    /// Whether this call sealed it; false where it was sealed before.
    sealed: bool,
    /// Rows of the sealed gallery, where this call sealed it.
    rows: Option<u64>,
}

/// Seals a gallery.
pub(super) fn seal(global: &GlobalArgs, args: SealArgs) -> Outcome {
    let settings = Settings::new(global)?;
    let Some(folder) = args.data.or_else(|| settings.data.clone()) else {
        return Err(Failure::new("no gallery named; give --data DIR, or `data` under [gallery] in the configuration"));
    };
    configured(&settings)?;
    if !gallery::is_at(&folder) {
        return Err(Failure::new(format_args!("there is no gallery at {}; check --data", folder.display())));
    }
    let options = settings.gallery_options(&folder)?;
    let shows = std::io::stderr().is_terminal();
    let mut progress = |rows: u64| {
        if shows {
            eprint!("\r{rows} rows are sealed");
        }
    };
    let sealed = gallery::seal(&folder, &options, &mut progress).map_err(Failure::new);
    if shows {
        eprintln!();
    }
    let answer = match sealed? {
        Sealed::Now(rows) => SealAnswer { sealed: true, rows: Some(rows) },
        Sealed::Before => SealAnswer { sealed: false, rows: None },
    };
    let text = match answer.rows {
        Some(rows) => format!(
            "{}  sealed: {rows} rows; what lay in the clear is overwritten\n\
             Copies that were made of it before are readable still: backups, snapshots of the file system, and\n\
             cells that a solid-state disk has set aside. Destroy them, or keep them as you would keep the photos.",
            folder.display()
        ),
        None => format!("{}  was sealed before", folder.display()),
    };
    tell(&text, &answer, args.json)
}

/// The `keys status` and `keys rotate` answer; field names are a contract.
#[derive(Default, Serialize)]
struct StoreAnswer {
    /// Whether there is a key store: not before anything is sealed.
    found: bool,
    key_store: PathBuf,
    copy: Option<PathBuf>,
    /// How the copy was found: `alike`, `missing` or `differs`; `null` where none is kept, or nothing is made yet.
    copy_state: Option<&'static str>,
    /// The master key that the keys are sealed under; `null` where there is no key store.
    master_key_id: Option<String>,
    /// Keys that are made, those included that were destroyed.
    keys: u64,
    /// Of these, keys that nobody was given yet: the next ones.
    left: u64,
    /// Of these, keys that were destroyed.
    destroyed: u64,
    /// Keys that cannot be opened, in the store and its copy.
    unreadable: u64,
    /// Of these, the last ones, where nothing lies.
    empty_at_end: u64,
    /// Whether a change of the master key is to be carried through.
    rotation_due: bool,
    /// Of the gallery that was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    gallery: Option<GalleryAnswer>,
}

#[derive(Serialize)]
struct GalleryAnswer {
    data: PathBuf,
    /// `missing`, `clear`, `copying`, `overwriting` or `sealed`.
    state: &'static str,
    /// Rows of the sealed copy that are written, …
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// … of about so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    /// What a server would refuse it for.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// Keys that it has given up and that are in the key store all the same.
    to_destroy: u64,
    /// A server seals it beside its work.
    #[serde(skip)]
    is_sealed_by_server: bool,
}

impl GalleryAnswer {
    /// `None` stands for a gallery that is configured and not there.
    fn new(data: PathBuf, state: Option<SealingState>, settings: &Settings) -> Self {
        let (state, rows, of) = match state {
            None => ("missing", None, None),
            Some(SealingState::Clear) => ("clear", None, None),
            Some(SealingState::Copying { rows, of }) => ("copying", Some(rows), Some(of)),
            Some(SealingState::Overwriting) => ("overwriting", None, None),
            Some(SealingState::Sealed) => ("sealed", None, None),
        };
        Self { data, state, rows, of, fault: None, to_destroy: 0, is_sealed_by_server: settings.seals_while_serving() }
    }

    /// Holds it against its keys.
    fn look(&mut self, settings: &Settings, keys: KeyStoreOptions) -> Result<(), Failure> {
        match gallery::look(&self.data, &[], &settings.looked_at_options(), Some(&LookKeys::Open(keys))) {
            Ok(Looked::Whole(keys)) => self.to_destroy = keys.to_destroy,
            Ok(Looked::NotMade | Looked::InUse | Looked::Closed) => {}
            Err(GalleryError::InUse(data)) => return Err(in_use(&data)),
            // What the state says already.
            Err(GalleryError::NotSealed(_)) => {}
            Err(error) => self.fault = Some(error.to_string()),
        }
        Ok(())
    }

    /// Whether a server would refuse it as it is.
    fn is_refused(&self) -> bool {
        let is_clear = matches!(self.state, "clear" | "copying");
        self.fault.is_some() || self.state == "missing" || (is_clear && !self.is_sealed_by_server)
    }

    fn line(&self) -> String {
        let data = self.data.display();
        let sealing = match self.is_sealed_by_server {
            true => format!("`chinhchu keys seal --data {data}` or the server"),
            false => format!("`chinhchu keys seal --data {data}`"),
        };
        let line = match (self.state, self.rows, self.of) {
            ("missing", ..) => {
                let what = if self.data.is_dir() { "no gallery is in this folder" } else { "this folder is not there" };
                format!("{data}  {what}, which gallery.data in the configuration names: is its disk mounted?")
            }
            ("copying", Some(rows), Some(of)) => {
                format!("{data}  in the clear; {rows} of about {of} rows are sealed, and {sealing} goes on")
            }
            ("overwriting", ..) => {
                format!(
                    "{data}  sealed; what lay in the clear is to be overwritten: start the server, or `chinhchu keys seal`"
                )
            }
            ("sealed", ..) => format!("{data}  sealed"),
            _ if self.fault.is_some() => format!("{data}  in the clear"),
            _ => format!("{data}  in the clear; {sealing} seals it"),
        };
        match &self.fault {
            Some(fault) => format!("{line}\n{data}  refused when it is opened: {}", outcome::one_line(fault)),
            None if self.to_destroy > 0 => format!("{line}\n{data}  {}", to_destroy(self.to_destroy)),
            None => line,
        }
    }
}

/// Changes the master key of a key store that nobody has open.
pub(super) fn rotate(global: &GlobalArgs, args: StoreArgs) -> Outcome {
    let settings = Settings::new(global)?;
    settings.check_keys_apart(settings.data.as_deref())?;
    let options = options(&settings, settings.data.as_deref())?;
    if options.previous.is_none() {
        return Err(Failure::new(
            "name the master key until now as sealing.previous_key, and the new one as sealing.key",
        ));
    }
    let keys = open(options.clone())?;
    let shows = std::io::stderr().is_terminal();
    let progress = &mut |Rotation { done, of }| {
        if shows {
            eprint!("\r{done} of {of} keys");
        }
        ControlFlow::Continue(())
    };
    let rotated = keys.rotate(progress).map_err(Failure::new);
    if shows {
        eprintln!();
    }
    let text = match rotated? {
        true => format!("the master key is {} now; take sealing.previous_key out", keys.master()),
        false => format!("the master key is {} already; take sealing.previous_key out", keys.master()),
    };
    tell(&text, &answer(&keys, options)?, args.json)
}

/// Says how a key store stands.
pub(super) fn status(global: &GlobalArgs, args: StatusArgs) -> Outcome {
    let settings = Settings::new(global)?;
    let sealing = configured(&settings)?;
    let data = args.data.clone().or_else(|| settings.data.clone());
    settings.check_keys_apart(data.as_deref())?;
    let state = match data.as_deref().map(gallery::sealing_state) {
        None => None,
        Some(Ok(state)) => Some(state),
        // One that is configured need not be made yet; one that was typed must be there.
        Some(Err(GalleryError::NotThere(_))) if args.data.is_none() => None,
        Some(Err(GalleryError::InUse(data))) => return Err(in_use(&data)),
        Some(Err(error)) => return Err(Failure::new(error)),
    };
    let mut gallery = data.clone().map(|data| GalleryAnswer::new(data, state, &settings));
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    let is_made = is_there(&sealing.key_store) || sealing.key_store_copy.as_ref().is_some_and(is_there);
    // What is sealed, or half sealed, was so under keys: that they are not there is an error.
    if !is_made && matches!(state, None | Some(SealingState::Clear | SealingState::Copying { rows: 0, .. })) {
        let (key_store, copy) = (sealing.key_store.clone(), sealing.key_store_copy.clone());
        return not_made(StoreAnswer { key_store, copy, gallery, ..StoreAnswer::default() }, args.json);
    }
    let options = KeyStoreOptions { read_only: true, ..options(&settings, data.as_deref())? };
    let keys = open(options.clone())?;
    if let (Some(gallery), true) = (&mut gallery, state.is_some()) {
        gallery.look(&settings, options.clone())?;
    }
    let answer = StoreAnswer { gallery, ..answer(&keys, options)? };
    let mut text = format!(
        "{}  {} keys under the master key {}, {} of them destroyed and {} not handed out yet",
        answer.key_store.display(),
        answer.keys,
        answer.master_key_id.as_deref().unwrap_or_default(),
        answer.destroyed,
        answer.left
    );
    if answer.unreadable > 0 {
        text.push_str(&format!(
            "\n{} keys cannot be opened: what was sealed under them is lost, unless an earlier copy of the key store has them \
             (nothing, where they were given up or not handed out yet)",
            answer.unreadable
        ));
        if answer.empty_at_end > 0 {
            text.push_str(&format!(
                "\n(the last {} are empty: of a block that was being made when the machine went down, which nobody was \
                 given; or lost)",
                answer.empty_at_end
            ));
        }
    }
    match &answer.copy {
        Some(copy) => text.push_str(&format!("\n{}  {}", copy.display(), copy_words(answer.copy_state))),
        None => text.push_str("\nno copy is kept of it (sealing.key_store_copy): whoever loses it loses everybody"),
    }
    if answer.rotation_due {
        text.push_str("\nthe master key is to be changed: `chinhchu keys rotate`, or start the server");
    }
    text.push('\n');
    match &answer.gallery {
        Some(gallery) => text.push_str(&gallery.line()),
        None => text.push_str(UNNAMED),
    }
    let is_in_order = answer.gallery.as_ref().is_none_or(|gallery| !gallery.is_refused() && gallery.to_destroy == 0);
    let is_whole = answer.unreadable == 0 && is_alike(answer.copy_state);
    let exit = if is_in_order && is_whole { Exit::Success } else { Exit::Negative };
    tell(&text, &answer, args.json).map(|_| exit)
}

/// The word for how the copy of a key store was found; part of the contract.
pub(in crate::cli) fn copy_state(found: CopyFound) -> Option<&'static str> {
    match found {
        CopyFound::None => None,
        CopyFound::Alike => Some("alike"),
        CopyFound::Missing => Some("missing"),
        CopyFound::Differs => Some("differs"),
    }
}

/// Whether nothing is out of order with the copy.
pub(in crate::cli) fn is_alike(state: Option<&str>) -> bool {
    matches!(state, None | Some("alike"))
}

/// The same in words.
pub(in crate::cli) fn copy_words(state: Option<&str>) -> &'static str {
    match state {
        Some("missing") => "its copy, which is not there: the next program that opens the store makes it",
        Some("differs") => "its copy, which differs: the next program that opens the store brings both up to date",
        _ => "its copy, like it",
    }
}

/// Says that keys wait to be destroyed.
pub(in crate::cli) fn to_destroy(keys: u64) -> String {
    format!(
        "{keys} keys that were given up are in the key store still or again: an erasure or a removal was interrupted, or \
         somebody has put a key store back from before it; the next program that opens the gallery destroys them before \
         anything else"
    )
}

fn in_use(data: &Path) -> Failure {
    Failure::new(format_args!(
        "the gallery {} is in use, and its server has the key store open; its log says how far sealing is, and \
         `keys status` everything once it has ended",
        data.display()
    ))
}

/// Says that there is no key store, and what that means.
fn not_made(answer: StoreAnswer, json: bool) -> Outcome {
    let mut text = format!("{}  there is no key store yet", answer.key_store.display());
    match &answer.gallery {
        Some(gallery) if gallery.state == "missing" => text.push_str(&format!(
            ": nothing was sealed under this configuration, or the file is lost; then put it back from its copy\n{}",
            gallery.line()
        )),
        Some(gallery) => {
            let data = gallery.data.display();
            text.push_str(&format!(
                ": nothing is sealed\n{data}  in the clear; `chinhchu keys seal --data {data}` seals it, and makes the key store"
            ));
        }
        None => text.push_str(&format!(
            ": nothing was sealed under this configuration, or the file is lost; then put it back from its copy\n{UNNAMED}"
        )),
    }
    tell(&text, &answer, json).map(|_| Exit::Negative)
}

fn answer(keys: &KeyStore, options: KeyStoreOptions) -> Result<StoreAnswer, Failure> {
    let Examined { destroyed, unreadable, empty_at_end } = keys.examine().map_err(Failure::new)?;
    Ok(StoreAnswer {
        found: true,
        destroyed,
        unreadable,
        empty_at_end,
        key_store: options.path,
        copy: options.copy,
        copy_state: copy_state(keys.copy_found()),
        master_key_id: Some(keys.master().to_string()),
        keys: keys.made(),
        left: keys.left(),
        rotation_due: !keys.is_rotated(),
        gallery: None,
    })
}

fn missing() -> Failure {
    Failure::new("nothing is sealed by this configuration; name the keys under [sealing] (docs/sealing.md)")
}

fn configured(settings: &Settings) -> Result<&SealingSettings, Failure> {
    settings.sealing().ok_or_else(missing)
}

fn options(settings: &Settings, data: Option<&Path>) -> Result<KeyStoreOptions, Failure> {
    settings.key_store_options(data)?.ok_or_else(missing)
}

fn open(options: KeyStoreOptions) -> Result<KeyStore, Failure> {
    KeyStore::open(options, false).map_err(|error| match error {
        KeyStoreError::InUse(path) => Failure::new(format_args!(
            "the key store {} is in use; a server that has it open changes the master key by itself, where both \
             keys are in its configuration at its start",
            path.display()
        )),
        error => Failure::new(error),
    })
}

fn tell(text: &str, answer: &impl Serialize, json: bool) -> Outcome {
    match json {
        true => print::json(answer)?,
        false => print::answer(text)?,
    }
    Ok(Exit::Success)
}
