//! Two operators for every change of what decisions are made by: the digest that they approve, the
//! approvals beside the configuration, and `chinhchu config digest`, `approve` and `operator-key`.

mod digest;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

pub(super) use self::digest::CallerFiles;
use self::digest::digest;
use super::danger::SetupArgs;
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, print, runtime, source};
use crate::access::{Approval, Operators, new_operator_key, public_key};
use crate::chip::Anchors;
use crate::private::{self, Readers};
use crate::service::token_keys::KeysApproval;
use crate::{gallery, hex, regular};

/// What the file of approvals is called: the configuration's name with this behind it.
const SUFFIX: &str = ".approvals";
/// In the data folder: the operators who approve the next change.
const REMEMBERED: &str = "operators.approved";
/// Largest file of approvals, keys or remembered operators read, in bytes.
const BYTES_MAX: u64 = 64 << 10;

/// Checks that two operators have approved what a server would decide by, where the configuration
/// names operators, or where a server of this data folder did.
pub(super) fn check(settings: &Settings, typed: &SetupArgs, anchors: &Anchors) -> Result<(), Failure> {
    match standing(settings, typed, anchors, || CallerFiles::read(settings))? {
        None => {}
        Some(Standing { digest, missing: None }) => {
            tracing::info!(digest = hex::encode(&digest), "two operators have approved this configuration");
        }
        Some(Standing { missing: Some(why), .. }) => return Err(settings.origin.blame_file(why)),
    }
    Ok(())
}

/// The same for a part that is read anew by itself, with the files as it has read them and everything
/// else as it is now. Costs nothing where nobody approves.
pub(super) fn check_callers(
    settings: &Settings,
    typed: &SetupArgs,
    callers: impl FnOnce() -> Result<CallerFiles, Failure>,
) -> Result<(), Failure> {
    if in_force(settings, typed)?.is_empty() {
        return Ok(());
    }
    let anchors = source::anchors(typed.csca.as_ref(), settings)?;
    match standing(settings, typed, &anchors, callers)?.and_then(|standing| standing.missing) {
        None => Ok(()),
        Some(why) => Err(settings.origin.blame_file(why)),
    }
}

/// What keys of tokens are shown to that come while the server runs.
pub(super) fn of_token_keys(settings: &Settings, typed: &SetupArgs) -> KeysApproval {
    let (settings, typed) = (settings.clone(), typed.clone());
    Arc::new(move |digest| {
        let callers = || CallerFiles::with_tokens(Some(digest), &settings);
        check_callers(&settings, &typed, callers).map_err(|failure| failure.to_string())
    })
}

/// The file of approvals, where a configuration takes any: another one may make a change good.
pub(super) fn watched(settings: &Settings, typed: &SetupArgs) -> Option<PathBuf> {
    in_force(settings, typed).is_ok_and(|who| !who.is_empty()).then(|| approvals_file(settings))
}

/// How a configuration that takes approvals stands.
pub(super) struct Standing {
    pub digest: [u8; 32],
    /// What is missing, in words.
    pub missing: Option<String>,
}

/// How a configuration stands; `None` where it takes no approvals.
pub(super) fn standing(
    settings: &Settings,
    typed: &SetupArgs,
    anchors: &Anchors,
    callers: impl FnOnce() -> Result<CallerFiles, Failure>,
) -> Result<Option<Standing>, Failure> {
    let remembered = remembered_by(settings, typed)?;
    let who = remembered.as_ref().unwrap_or(settings.operators());
    if who.is_empty() {
        return Ok(None);
    }
    let digest = digest(settings, typed, anchors, callers()?)?;
    let refused = who.check(&digest, &approvals(settings)?).err();
    let missing = refused.map(|refused| format!("{refused}; {}", advice(&remembered)));
    Ok(Some(Standing { digest, missing }))
}

/// Keeps in the data folder, once there is a gallery in it, who approves the next change: the
/// operators of a configuration that was approved and is in force.
pub(super) fn remember(settings: &Settings, typed: &SetupArgs) -> Result<(), Failure> {
    let named = settings.operators();
    let Some(kept) = remembered_in(settings, typed).filter(|kept| kept.parent().is_some_and(gallery::is_at)) else {
        return Ok(());
    };
    if remembered(&kept)?.unwrap_or_default() == *named {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(named).map_err(Failure::new)?;
    private::write(&kept, Readers::Owner, &text)
        .map_err(|error| Failure::new(format_args!("cannot write {}: {error}", kept.display())))
}

fn advice(remembered: &Option<Operators>) -> &'static str {
    match remembered {
        Some(_) => "the operators of the configuration before this one approve it",
        None => "the operators under [access.operators] approve it",
    }
}

/// Where the operators who approve the next change are remembered.
fn remembered_in(settings: &Settings, typed: &SetupArgs) -> Option<PathBuf> {
    typed.data.as_deref().or(settings.data.as_deref()).map(|folder| folder.join(REMEMBERED))
}

/// The operators whom the data folder remembers; `None` where it remembers none.
fn remembered_by(settings: &Settings, typed: &SetupArgs) -> Result<Option<Operators>, Failure> {
    Ok(remembered_in(settings, typed).as_deref().map(remembered).transpose()?.flatten())
}

/// The operators who approve the next change.
fn in_force(settings: &Settings, typed: &SetupArgs) -> Result<Operators, Failure> {
    Ok(remembered_by(settings, typed)?.unwrap_or_else(|| settings.operators().clone()))
}

fn remembered(path: &Path) -> Result<Option<Operators>, Failure> {
    match regular::read(path, BYTES_MAX) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let why = "restore it, or take it away with the data folder's owner looking on";
            Failure::new(format_args!("{} is damaged ({error}); {why}", path.display()))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(format_args!("cannot read {}: {error}", path.display()))),
    }
}

/// The approvals beside the configuration.
fn approvals(settings: &Settings) -> Result<Vec<Approval>, Failure> {
    let path = approvals_file(settings);
    match regular::read(&path, BYTES_MAX) {
        Ok(bytes) => Ok(Approval::read(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Failure::new(format_args!("cannot read {}: {error}", path.display()))),
    }
}

fn approvals_file(settings: &Settings) -> PathBuf {
    let mut name = settings.origin.path().as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

/// `chinhchu config digest`.
#[derive(Debug, Args)]
pub(super) struct DigestArgs {
    #[command(flatten)]
    setup: SetupArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// `chinhchu config approve`.
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    setup: SetupArgs,
    /// The operator's name under [access.operators]
    #[arg(long = "as", value_name = "NAME")]
    operator: String,
    /// The operator's key, as `config operator-key` made it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The digest that was read and agreed on; another one is refused
    #[arg(long, value_name = "DIGEST")]
    digest: String,
}

/// `chinhchu config operator-key`.
#[derive(Debug, Args)]
pub(super) struct OperatorKeyArgs {
    /// Where the key goes; a file that is there is never overwritten
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The `config digest` answer; field names are a contract.
#[derive(Serialize)]
struct DigestAnswer {
    digest: String,
    /// Two operators have approved it.
    approved: bool,
}

pub(super) fn run_digest(global: &GlobalArgs, args: DigestArgs) -> Outcome {
    let (settings, anchors) = set_up(global, &args.setup)?;
    let digest = digest(&settings, &args.setup, &anchors, CallerFiles::read(&settings)?)?;
    let approved = in_force(&settings, &args.setup)?.check(&digest, &approvals(&settings)?).is_ok();
    let digest = hex::encode(&digest);
    match args.json {
        true => print::json(&DigestAnswer { digest, approved })?,
        false => print::answer(&digest)?,
    }
    Ok(Exit::Success)
}

pub(super) fn run_approve(global: &GlobalArgs, args: ApproveArgs) -> Outcome {
    let (settings, anchors) = set_up(global, &args.setup)?;
    let digest = digest(&settings, &args.setup, &anchors, CallerFiles::read(&settings)?)?;
    if !args.digest.eq_ignore_ascii_case(&hex::encode(&digest)) {
        return Err(Failure::new(format_args!(
            "--digest: this configuration is {}; read it again before you approve it",
            hex::encode(&digest)
        )));
    }
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new(format_args!(
            "--key {}: {error}; make one with `chinhchu config operator-key`",
            args.key.display()
        ))
    };
    let key = private::read_secret(&args.key, BYTES_MAX).map_err(|error| unreadable(&error))?;
    let public = public_key(&key).ok_or_else(|| unreadable(&"this is no key"))?;
    match in_force(&settings, &args.setup)?.key_of(&args.operator) {
        Some(theirs) if theirs == public => {}
        Some(_) => return Err(Failure::new(format_args!("--key: this is not the key of {}", args.operator))),
        None => {
            let problem =
                format_args!("--as {}: no operator who approves this configuration has that name", args.operator);
            return Err(Failure::new(problem));
        }
    }
    let approval = Approval::sign(&args.operator, &digest, &key).ok_or_else(|| unreadable(&"this is no key"))?;
    let path = approvals_file(&settings);
    // The same key signs the same digest the same way.
    if approvals(&settings)?.contains(&approval) {
        print::answer(&format!("{} has approved it before; that stands in {}", args.operator, path.display()))?;
        return Ok(Exit::Success);
    }
    let written = std::fs::OpenOptions::new().create(true).append(true).open(&path).and_then(|mut file| {
        // One write: two operators at once leave two lines.
        file.write_all(format!("{}\n", approval.line()).as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Failure::new(format_args!("cannot write {}: {error}", path.display())))?;
    print::answer(&format!("approved; the approval stands in {}", path.display()))?;
    Ok(Exit::Success)
}

pub(super) fn run_operator_key(args: &OperatorKeyArgs) -> Outcome {
    let shown = args.file.display();
    let none = || Failure::new("the system gave no random numbers; see to /dev/urandom");
    let (key, public) = new_operator_key().ok_or_else(none)?;
    let mut options = std::fs::OpenOptions::new();
    private::owner_only(&mut options).write(true).create_new(true);
    let written = options.open(&args.file).and_then(|mut file| {
        file.write_all(&key)?;
        file.sync_all()
    });
    written.map_err(|error| {
        Failure::new(format_args!("cannot write {shown}: {error}; choose a file that is not there"))
    })?;
    debug_assert_eq!(public_key(&key).as_ref(), Some(&public));
    print::answer(&format!(
        "the key is in {shown}, for its owner alone; in the configuration:\n[access.operators]\nNAME = \"{public}\""
    ))?;
    Ok(Exit::Success)
}

fn set_up(global: &GlobalArgs, setup: &SetupArgs) -> Result<(Settings, Anchors), Failure> {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    if settings.origin.path().as_os_str().is_empty() {
        return Err(Failure::new("there is no configuration to approve; name one with --config"));
    }
    let anchors = source::anchors(setup.csca.as_ref(), &settings)?;
    Ok((settings, anchors))
}
