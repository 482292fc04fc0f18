//! `chinhchu config check`: whether a server would start with a configuration, and what is
//! dangerous about it, without starting one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::approval::CallerFiles;
use super::backup::BackupAnswer;
use super::danger::{self, Judged, SetupArgs};
use super::sealing::SealingSettings;
use super::settings::Settings;
use super::tls::{self, TlsAnswer};
use super::{Exit, Failure, GlobalArgs, Outcome, approval, backend, keys, outcome, print, runtime, source};
use crate::face::Manifest;
use crate::gallery::{self, EmbeddedOptions, KeysLooked, Looked};
use crate::matching::Calibration;
use crate::service::token_keys::OpenedTokens;
use crate::workflow::check_rates;
use crate::{hex, regular, service};

const EXAMPLES: &str = "\
Examples:
  chinhchu config check --config chinhchu.toml
  chinhchu config check --config chinhchu.toml --json
  chinhchu config check --csca csca --data people --strict
  chinhchu config operator-key an.key
  chinhchu config digest --config chinhchu.toml
  chinhchu config approve --config chinhchu.toml --as an --key an.key --digest 5f0c…

Reads the configuration, the certificates and the calibration as `serve` does, and prints every
rule about dangerous set-ups that they break. It looks whether the gallery and its key store would
be opened, by the checks of their opening, and changes no byte of them. Of what a server has open
it looks at the folder alone, and says so. It loads no network. docs/operating.md lists the rules.

A rule either warns or refuses. `serve` does not start where one refuses, unless its code is named
by --insist, or by `insist` under [danger] in the configuration.

Where [access.operators] names operators, a server starts and reloads with what two of them have
approved: the configuration as written, country certificates, model packs and calibrations, keys of
tokens, authorities of clients, and what is typed in place of the configuration. The first `digest`
prints what is approved, each operator's `approve` adds a line to chinhchu.toml.approvals. Who was
named before approves who is named next (docs/operating.md).

Exit code: 0 a server would start, 1 a rule refuses (with --strict: any that is not insisted on, or a
key store or [backup] that is not in order), or operators have not approved it yet, 2 the configuration or what
it names cannot be used, or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConfigArgs {
    #[command(subcommand)]
    action: ConfigAction,
}

#[derive(Debug, Subcommand)]
enum ConfigAction {
    /// Say what is dangerous about a set-up, without starting a server
    #[command(after_help = EXAMPLES)]
    Check(CheckArgs),
    /// Print the digest of what decisions would be made by, for operators to approve
    #[command(after_help = EXAMPLES)]
    Digest(approval::DigestArgs),
    /// Approve a configuration as one of two operators
    #[command(after_help = EXAMPLES)]
    Approve(approval::ApproveArgs),
    /// Make an operator's key
    #[command(after_help = EXAMPLES)]
    OperatorKey(approval::OperatorKeyArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    setup: SetupArgs,
    /// The server would be started with --create: there need not be a gallery yet
    #[arg(long)]
    create: bool,
    /// Exit code 1 for warnings as well
    #[arg(long)]
    strict: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Serialize)]
struct ConfigCheckAnswer {
    /// A server would start.
    starts: bool,
    /// Country certificates that would be trusted.
    certificates: usize,
    /// Certificates left out, as they cannot be read.
    certificates_unreadable: usize,
    /// Which, and why.
    unreadable: Vec<String>,
    revocation_lists: usize,
    policies: usize,
    /// Where connections are encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsAnswer>,
    /// Where what is at rest is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealing: Option<SealingAnswer>,
    /// Where a gallery is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    gallery: Option<GalleryLooked>,
    /// Days for which pictures of cases that wait for an officer would be kept; 0 in a gallery in the clear.
    picture_days: u32,
    /// Where backups are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<BackupAnswer>,
    /// Where operators approve configurations.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovalAnswer>,
    findings: Vec<Judged>,
}

/// Where keys come from and lie; nothing of a key, nor of what a command is given.
#[derive(Serialize)]
struct SealingAnswer {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_key: Option<String>,
    key_store: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_store_copy: Option<PathBuf>,
    /// Whether the server seals a gallery that lies in the clear.
    seals_while_serving: bool,
}

impl SealingAnswer {
    fn new(sealing: &SealingSettings) -> Self {
        Self {
            key: sealing.key.to_string(),
            previous_key: sealing.previous_key.as_ref().map(ToString::to_string),
            key_store: sealing.key_store.clone(),
            key_store_copy: sealing.key_store_copy.clone(),
            seals_while_serving: sealing.seal.is_some(),
        }
    }

    fn line(&self) -> String {
        let previous = self.previous_key.as_ref().map_or(String::new(), |key| format!(", before it {key}"));
        let copy = self.key_store_copy.as_ref().map_or(String::new(), |path| format!(", copied to {}", path.display()));
        let store = self.key_store.display();
        let clear = if self.seals_while_serving { "; a gallery in the clear is sealed while it is served" } else { "" };
        let key = &self.key;
        outcome::one_line(&format!("sealed: the master key is {key}{previous}; subjects' keys in {store}{copy}{clear}"))
    }
}

/// A gallery that was looked at, and could be opened as far as was seen.
#[derive(Serialize)]
struct GalleryLooked {
    data: PathBuf,
    looked: HowFar,
    /// Keys that were given up and are in the key store all the same; the next program that opens the gallery destroys
    /// them.
    #[serde(skip_serializing_if = "is_none")]
    keys_to_destroy: u64,
    /// How the copy of its key store was found, where that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_state: Option<&'static str>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// How far a gallery was looked at.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum HowFar {
    /// There is none yet.
    NotMade,
    /// Another program has it open.
    InUse,
    /// Not what is sealed.
    Closed,
    /// As a server would.
    Whole,
}

impl GalleryLooked {
    fn new(data: PathBuf, looked: Looked) -> Self {
        let (looked, keys) = match looked {
            Looked::NotMade => (HowFar::NotMade, KeysLooked::default()),
            Looked::InUse => (HowFar::InUse, KeysLooked::default()),
            Looked::Closed => (HowFar::Closed, KeysLooked::default()),
            Looked::Whole(keys) => (HowFar::Whole, keys),
        };
        Self { data, looked, keys_to_destroy: keys.to_destroy, copy_state: keys::copy_state(keys.copy) }
    }

    /// Whether its key store is as it should be.
    fn is_in_order(&self) -> bool {
        self.keys_to_destroy == 0 && keys::is_alike(self.copy_state)
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.line()];
        if self.keys_to_destroy > 0 {
            lines.push(format!("warning  {}", keys::to_destroy(self.keys_to_destroy)));
        }
        if !keys::is_alike(self.copy_state) {
            lines.push(format!("warning  the key store has {}", keys::copy_words(self.copy_state)));
        }
        lines
    }

    fn line(&self) -> String {
        let how_far = match self.looked {
            HowFar::NotMade => "is not there yet, and would be made",
            HowFar::InUse => {
                "is in use: what is in it was not looked at, nor whether the keys under [sealing] are its own"
            }
            HowFar::Closed => {
                "its key store is there; the keys come from no file, so that what is sealed was not looked at"
            }
            HowFar::Whole => "would be opened",
        };
        outcome::one_line(&format!("gallery {}: {how_far}", self.data.display()))
    }
}

/// Whether two operators have approved the configuration.
#[derive(Serialize)]
struct ApprovalAnswer {
    digest: String,
    approved: bool,
    /// What is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: ConfigArgs) -> Outcome {
    match args.action {
        ConfigAction::Check(args) => check(global, args),
        ConfigAction::Digest(args) => approval::run_digest(global, args),
        ConfigAction::Approve(args) => approval::run_approve(global, args),
        ConfigAction::OperatorKey(args) => approval::run_operator_key(&args),
    }
}

fn check(global: &GlobalArgs, args: CheckArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    let anchors = source::anchors(args.setup.csca.as_ref(), &settings)?;
    let listen = service::check_exposure(settings.server.listen, settings.tls.is_some(), settings.access.is_some());
    listen.map_err(|refused| settings.origin.blame("server.listen", refused))?;
    settings.check_machines_can_be_known()?;
    if let Some(tokens) = settings.access.as_ref().and_then(|access| access.tokens.clone()) {
        OpenedTokens::open(tokens).map_err(|error| settings.origin.explain(Failure::new(error)))?;
    }
    settings.open_desk(settings.server.listen)?;
    let keys = settings.sealing().map(|sealing| sealing.look_keys(&settings.origin)).transpose()?;
    let tls = tls::load(&settings)?.as_ref().map(TlsAnswer::new);
    let pack = check_calibration(&settings, &settings.pack_folder()?, "engine.pack")?;
    let second = settings.second_pack().map(|folder| check_calibration(&settings, folder, "engine.second_pack"));
    let second = second.transpose()?;
    let recipe = |pack: &Manifest| (pack.recipe(), pack.dimension());
    let mut gallery = None;
    if let Some(folder) = args.setup.data.as_deref().or(settings.data.as_deref()) {
        settings.check_keys_apart(Some(folder))?;
        let recipes: Vec<_> = std::iter::once(&pack).chain(&second).map(recipe).collect();
        let ledger = settings.kept_ledger(folder)?;
        let options = EmbeddedOptions { create: args.create, ledger, ..settings.looked_at_options() };
        let looked = gallery::look(folder, &recipes, &options, keys.as_ref())
            .map_err(|error| settings.blame_folder(folder, backend::not_opened(folder, &pack.name, error)))?;
        gallery = Some(GalleryLooked::new(folder.to_owned(), looked));
    }
    let findings = danger::examine(global, &settings, &args.setup, &anchors)?;
    let approval =
        approval::standing(&settings, &args.setup, &anchors, || CallerFiles::read(&settings))?.map(|standing| {
            ApprovalAnswer {
                digest: hex::encode(&standing.digest),
                approved: standing.missing.is_none(),
                missing: standing.missing,
            }
        });
    let answer = ConfigCheckAnswer {
        starts: !findings.iter().any(Judged::refuses) && approval.as_ref().is_none_or(|approval| approval.approved),
        certificates: anchors.len(),
        certificates_unreadable: anchors.skipped().len(),
        unreadable: anchors.skipped().iter().map(ToString::to_string).collect(),
        revocation_lists: anchors.revocation_lists(),
        policies: settings.policies.iter().count(),
        tls,
        sealing: settings.sealing().map(SealingAnswer::new),
        gallery,
        picture_days: settings.retention_rules().picture_days.unwrap_or(0),
        backup: settings.backup_answer(args.setup.data.as_deref().or(settings.data.as_deref())),
        approval,
        findings,
    };
    if args.json {
        print::json(&answer)?;
    } else {
        print::answer(&answer.text())?;
    }
    let told = answer.findings.iter().any(|one| !one.insisted);
    let told = told || answer.gallery.as_ref().is_some_and(|gallery| !gallery.is_in_order());
    let told = told || answer.backup.as_ref().is_some_and(|backup| !backup.is_in_order());
    Ok(if answer.starts && !(args.strict && told) { Exit::Success } else { Exit::Negative })
}

/// Whether the pack's calibration can answer every rate that is configured. Gives the pack.
fn check_calibration(settings: &Settings, folder: &Path, key: &str) -> Result<Manifest, Failure> {
    let blame = |why: String| settings.origin.blame(key, why);
    let path = folder.join("pack.toml");
    let bytes = regular::read(&path, Manifest::BYTES_MAX)
        .map_err(|e| blame(format!("cannot read {}: {e}; check --pack", path.display())))?;
    let pack = Manifest::parse(&bytes).map_err(|e| blame(format!("{}: {e}", path.display())))?;
    let calibration = Calibration::load(&folder.join("calibration.toml"), pack.recipe());
    let calibration = calibration.map_err(|e| blame(e.to_string()))?;
    check_rates(&calibration, settings.curve, settings.default_fmr, &settings.policies)
        .map_err(|e| settings.blame(e))?;
    Ok(pack)
}

impl ConfigCheckAnswer {
    fn text(&self) -> String {
        let mut lines = vec![format!(
            "{}: {} country certificates, {} revocation lists, {} policies",
            if self.starts { "a server would start" } else { "a server would refuse to start" },
            self.certificates,
            self.revocation_lists,
            self.policies
        )];
        if self.certificates_unreadable > 0 {
            lines.push(format!("{} certificates cannot be read and are left out:", self.certificates_unreadable));
            lines.extend(self.unreadable.iter().map(|one| outcome::one_line(&format!("  {one}"))));
        }
        lines.extend(self.tls.iter().flat_map(TlsAnswer::lines));
        lines.extend(self.sealing.iter().map(SealingAnswer::line));
        lines.extend(self.gallery.iter().flat_map(GalleryLooked::lines));
        lines.push(match (self.picture_days, &self.sealing) {
            (_, None) => "pictures of cases that wait: none, as nothing is sealed".to_owned(),
            (0, _) => "pictures of cases that wait: none (cases.picture_days)".to_owned(),
            (days, _) => format!("pictures of cases that wait: sealed, until closed, at most {days} days"),
        });
        lines.extend(self.backup.iter().flat_map(BackupAnswer::lines));
        if let Some(approval) = &self.approval {
            lines.push(match &approval.missing {
                None => format!("two operators have approved the configuration {}", approval.digest),
                Some(missing) => format!("REFUSED  {missing}"),
            });
        }
        for judged in &self.findings {
            let effect = match (judged.refuses(), judged.insisted) {
                (true, _) => "REFUSED",
                (_, true) => "insisted",
                _ => "warning",
            };
            lines.push(format!("{effect:<8} {judged}"));
        }
        if self.findings.is_empty() {
            lines.push("no rule about dangerous set-ups is broken".to_owned());
        }
        lines.join("\n")
    }
}
