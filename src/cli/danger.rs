//! Dangerous set-ups: collects what `serve` would start with, and holds it against the rules of
//! [`crate::workflow::danger`]. `serve` refuses or warns by them at its start and at SIGHUP,
//! `config check` prints them; whatever command takes the master key refuses by those about it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::sealing::SealingSettings;
use super::settings::Settings;
use super::{Failure, GlobalArgs, options, outcome, tls};
use crate::chip::{Anchors, Moment};
use crate::service::tls::MinVersion;
use crate::workflow::danger::{self, Effect, Finding, Permissions, Rule, Setup};

/// What is typed of the set-up: it goes before the configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct SetupArgs {
    /// Folder of the gallery; without one only Verify works [default: as configured]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Country certificates for decisions: a file, a master list (.ml), or a folder of them
    /// [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub(super) csca: Option<PathBuf>,
    /// Start although a rule about dangerous set-ups refuses: the rule's code, which the refusal
    /// names; may be repeated [default: as configured]
    #[arg(long, value_name = "CODE", value_parser = options::rule)]
    pub(super) insist: Vec<&'static Rule>,
}

/// A finding, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Judged {
    pub code: &'static str,
    pub effect: Effect,
    /// The operator insists: it is told, and nothing else.
    pub insisted: bool,
    /// Key of the configuration, flag or path.
    pub place: String,
    /// Where in the configuration file that stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured: Option<String>,
    pub found: String,
    pub why: &'static str,
    pub mend: String,
}

impl Judged {
    fn new(finding: Finding, settings: &Settings, typed: &SetupArgs) -> Self {
        let Finding { rule, place, found } = finding;
        let insisted = typed.insist.iter().chain(&settings.insist).any(|one| one.code == rule.code);
        let configured = settings.origin.of(&place).filter(|_| place != "chip.csca" || typed.csca.is_none());
        let place = match &typed.csca {
            Some(path) if place == "chip.csca" => format!("--csca {}", path.display()),
            _ => place,
        };
        let Rule { code, effect, why, mend } = *rule;
        // Those about permissions are of one path.
        let mend = mend.replace("FOLDER", &place).replace("PATH", &place);
        Self { code, effect, insisted, place, configured, found, why, mend }
    }

    /// Whether a server does not start for it.
    pub(super) fn refuses(&self) -> bool {
        self.effect == Effect::Refuse && !self.insisted
    }
}

impl std::fmt::Display for Judged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, place, found, why, mend, .. } = self;
        let configured = self.configured.as_ref().map_or(String::new(), |configured| format!(" ({configured})"));
        let text = format!("{code}: {place}{configured}: {found}: {why}; {mend}");
        f.write_str(&outcome::one_line(&text))
    }
}

/// Holds what a server would start with against every rule.
pub(super) fn examine(
    global: &GlobalArgs,
    settings: &Settings,
    typed: &SetupArgs,
    anchors: &Anchors,
) -> Result<Vec<Judged>, Failure> {
    let permissions = |path: &Path| {
        let unreadable =
            |e| Failure::new(format_args!("cannot look at {}: {e}; check its permissions", path.display()));
        Permissions::of(path).map_err(unreadable)
    };
    let data = typed.data.as_ref().or(settings.data.as_ref());
    let pack = settings.pack_folder().ok();
    let config = global.config.as_ref().filter(|path| !path.as_os_str().is_empty());
    let deciding = [config, typed.csca.as_ref().or(settings.csca.as_ref()), pack.as_ref()];
    let mut deciding_found = Vec::new();
    for path in deciding.into_iter().flatten().chain(tls::deciding(settings)) {
        deciding_found.extend(permissions(path)?);
        let above = Permissions::of_above(path);
        // One folder above several is told once.
        deciding_found.extend(above.filter(|above| !deciding_found.contains(above)));
    }
    let setup = Setup {
        anchors,
        policies: &settings.policies,
        default_fmr: settings.default_fmr,
        default_fpir: settings.default_fpir,
        capture: &settings.capture,
        curve: settings.curve,
        number_ids: settings.number_ids,
        tls_1_2: settings.tls.as_ref().is_some_and(|tls| tls.min_version == MinVersion::Tls12),
        log: global.log.as_deref(),
        // An empty folder holds nobody's data, and is made private when it becomes a gallery.
        data: data.filter(|path| !is_empty(path)).map(|path| permissions(path)).transpose()?.flatten(),
        deciding: deciding_found,
        master_keys: settings.sealing().map(|sealing| sealing.places(data.map(PathBuf::as_path))).unwrap_or_default(),
        user: danger::user(),
        now: Moment::now(),
    };
    Ok(danger::findings(&setup).into_iter().map(|finding| Judged::new(finding, settings, typed)).collect())
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// The same for a server: warns in the log, and fails where a rule refuses.
pub(super) fn check(
    global: &GlobalArgs,
    settings: &Settings,
    typed: &SetupArgs,
    anchors: &Anchors,
) -> Result<(), Failure> {
    let (refused, told): (Vec<Judged>, Vec<Judged>) =
        examine(global, settings, typed, anchors)?.into_iter().partition(Judged::refuses);
    for judged in told {
        let insisted = if judged.insisted { "insisted on, " } else { "" };
        tracing::warn!("dangerous set-up: {insisted}{judged}");
    }
    refusal(&refused, |code| format!("--insist {code}, or insist = [\"{code}\"] under [danger]"))
}

/// Where the master key lies, for a command that is about to read it.
pub(super) fn check_keys(settings: &Settings, sealing: &SealingSettings, data: Option<&Path>) -> Result<(), Failure> {
    let found = danger::of_master_keys(&sealing.places(data));
    let judged = found.into_iter().map(|finding| Judged::new(finding, settings, &SetupArgs::default()));
    let refused: Vec<Judged> = judged.filter(Judged::refuses).collect();
    refusal(&refused, |code| format!("insist = [\"{code}\"] under [danger]"))
}

/// What is told where rules refuse; `insist` says how to go on with one.
fn refusal(refused: &[Judged], insist: impl Fn(&str) -> String) -> Result<(), Failure> {
    match refused {
        [] => Ok(()),
        [first, others @ ..] => {
            let others = match others {
                [] => String::new(),
                _ => {
                    let codes: Vec<&str> = others.iter().map(|one| one.code).collect();
                    format!(" (and {}: see `chinhchu config check`)", codes.join(", "))
                }
            };
            let insist = insist(first.code);
            Err(Failure::new(format_args!("dangerous set-up: {first}{others}. If it is meant: {insist}")))
        }
    }
}
