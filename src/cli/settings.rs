//! What will be used: flags, environment, configuration file and defaults merged
//! and checked, before anything is opened or bound.

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::backup::BackupSettings;
use super::config::{CaptureSection, CasesSection, ConfigFile, Origin, RetentionSection, RightsSection, SealClear};
use super::ledger_keys::LedgerSettings;
use super::sealing::SealingSettings;
use super::{Failure, GlobalArgs, options, progress};
use crate::access::token::TokenSettings;
use crate::access::{AccessRules, AccessSettings, Operators};
use crate::chip::Unreadable;
use crate::desk::DeskSettings;
use crate::face::fingerprint::FingerprintKey;
use crate::face::quality::Profile;
use crate::face::{PackError, PoolOptions};
use crate::gallery::{self, EmbeddedOptions, GalleryId, LedgerSetup, RetentionRules};
use crate::imaging::Limits;
use crate::matching::CurveChoice;
use crate::service::tls::TlsOptions;
use crate::service::{self, Desk};
use crate::workflow::beneficiary::{DEFAULT_POLICY, Policies};
use crate::workflow::danger::Rule;
use crate::workflow::requests::RequestClocks;
use crate::workflow::{
    CaptureRules, CaseRules, Engine, EngineOptions, GenerationOptions, LegalBasisRule, NumberIds, WorkflowError,
};

/// Where the default pack is looked for, below each of the [`places`].
const PACK_DEFAULT: &str = "models/default";
/// False match rate where nobody names one: about once in 100,000 comparisons.
const FMR_DEFAULT: f64 = 1e-5;
/// False positive identification rate where nobody names one.
const FPIR_DEFAULT: f64 = 0.01;
/// Photos that may wait for a worker.
const QUEUE_MAX_DEFAULT: usize = 64;
/// The key of fingerprints of captures in a gallery's folder.
const CAPTURE_KEY: &str = "captures.key";
/// Address where nobody names one: this machine only.
const LISTEN_DEFAULT: &str = "127.0.0.1:50051";

/// Settings every command shares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pack: Option<PathBuf>,
    second_pack: Option<PathBuf>,
    onnxruntime: Option<PathBuf>,
    workers: Option<usize>,
    pub queue_max: usize,
    pub curve: CurveChoice,
    pub default_fmr: f64,
    pub default_fpir: f64,
    pub limits: Limits,
    pub capture: CaptureRules,
    pub data: Option<PathBuf>,
    pub gallery_id: Option<GalleryId>,
    templates_max: Option<u64>,
    memory_bytes_max: Option<u64>,
    graph: bool,
    pub server: ServerSettings,
    /// TLS; `None` for plain text.
    pub tls: Option<TlsOptions>,
    /// Country certificates.
    pub csca: Option<PathBuf>,
    /// What to do about one of them that cannot be read.
    pub csca_unreadable: Unreadable,
    pub policies: Policies,
    pub number_ids: NumberIds,
    pub legal_basis: LegalBasisRule,
    cases: CaseRules,
    /// Within how many days requests of people are answered.
    pub request_clocks: RequestClocks,
    /// For how long each kind of data is kept.
    pub retention: RetentionRules,
    capture_key: Option<PathBuf>,
    /// Who may call a server; `None` for an open one.
    pub access: Option<Access>,
    /// The transparency log; `None` where none is kept.
    pub ledger: Option<LedgerSettings>,
    /// What is sealed at rest, and under which key; `None` for nothing.
    sealing: Option<SealingSettings>,
    /// Where backups lie, and under which key.
    pub backup: BackupSettings,
    /// The pages; `None` for none.
    pub desk: Option<DeskSettings>,
    /// Rules about dangerous set-ups that the operator insists on breaking.
    pub insist: Vec<&'static Rule>,
    /// Where in the configuration the values stand.
    pub origin: Origin,
}

/// Who may call a server, and what tells one such configuration from another.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Access {
    pub rules: AccessRules,
    /// How people are known; `None` where nobody is known by a token.
    pub tokens: Option<TokenSettings>,
    /// Who approves changes.
    pub operators: Operators,
    /// SHA-256 of the configuration.
    pub digest: [u8; 32],
}

impl Access {
    fn new(settings: &AccessSettings, number_ids: NumberIds) -> Result<Self, Failure> {
        let methods: Vec<_> = service::methods().into_iter().map(|(name, _)| name).collect();
        let rules = AccessRules::new(settings, &methods).map_err(Failure::new)?;
        let tokens = settings.tokens.as_ref().map(|tokens| tokens.check().map_err(Failure::new)).transpose()?;
        let tokens = tokens.map(|tokens| match number_ids {
            NumberIds::Refuse => tokens,
            NumberIds::Accept => TokenSettings { rules: tokens.rules.accepting_numbers(), ..tokens },
        });
        let operators = Operators::new(&settings.operators).map_err(Failure::new)?;
        let text = serde_json::to_vec(settings).map_err(Failure::new)?;
        Ok(Self { rules, tokens, operators, digest: Sha256::digest(text).into() })
    }
}

/// Settings of `serve`. `None` leaves a bound to the service's own default.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServerSettings {
    pub listen: SocketAddr,
    pub requests_in_flight_max: Option<usize>,
    pub turn_wait_max: Option<Duration>,
    pub message_bytes_max: Option<usize>,
    pub deadline_max: Option<Duration>,
    pub drain: Option<Duration>,
}

impl Settings {
    /// Merges what was typed with the configuration file, and checks every value.
    pub(super) fn new(global: &GlobalArgs) -> Result<Self, Failure> {
        let set = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        let (file, mut origin) = match &set(&global.config) {
            Some(path) => ConfigFile::read(path)?,
            None => Default::default(),
        };
        let typed = [
            ("engine.pack", set(&global.pack).is_some()),
            ("engine.second_pack", set(&global.second_pack).is_some()),
            ("engine.onnxruntime", set(&global.onnxruntime).is_some()),
            ("engine.workers", global.workers.is_some()),
            ("engine.curve", global.curve.is_some()),
        ];
        typed.into_iter().filter(|(_, is_typed)| *is_typed).for_each(|(key, _)| origin.forget(key));
        Self::merged(global, file, origin.clone()).map_err(|failure| origin.explain(failure))
    }

    fn merged(global: &GlobalArgs, file: ConfigFile, origin: Origin) -> Result<Self, Failure> {
        let set = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        let ConfigFile {
            engine,
            images,
            server,
            tls,
            gallery,
            capture,
            chip,
            ids,
            access,
            cases,
            rights,
            retention,
            ledger,
            sealing,
            backup,
            desk,
            danger,
            policies,
        } = file;
        let default = Limits::default();
        let listen = server.listen.as_deref().unwrap_or(LISTEN_DEFAULT);
        Ok(Self {
            pack: set(&global.pack).or(engine.pack),
            second_pack: set(&global.second_pack).or(engine.second_pack),
            onnxruntime: set(&global.onnxruntime).or(engine.onnxruntime),
            workers: match global.workers {
                Some(workers) => Some(within("--workers", workers, 1, 1024)?),
                None => whole("engine.workers", engine.workers, 1, 1024)?,
            },
            queue_max: whole("engine.queue_max", engine.queue_max, 8, 100_000)?.unwrap_or(QUEUE_MAX_DEFAULT),
            curve: global.curve.map(CurveChoice::from).or(engine.curve).unwrap_or_default(),
            default_fmr: within("engine.default_fmr", engine.default_fmr.unwrap_or(FMR_DEFAULT), 1e-12, 0.5)?,
            default_fpir: within("engine.default_fpir", engine.default_fpir.unwrap_or(FPIR_DEFAULT), 1e-9, 0.5)?,
            limits: Limits {
                encoded_bytes_max: whole("images.encoded_bytes_max", images.encoded_bytes_max, 1 << 10, 1 << 30)?
                    .unwrap_or(default.encoded_bytes_max),
                pixels_max: whole("images.pixels_max", images.pixels_max, 1 << 10, 1 << 32)?
                    .unwrap_or(default.pixels_max),
                decode_bytes_max: whole("images.decode_bytes_max", images.decode_bytes_max, 1 << 20, 1 << 36)?
                    .unwrap_or(default.decode_bytes_max),
            },
            capture: rules(&capture)?,
            csca: chip.csca,
            csca_unreadable: chip.csca_unreadable.unwrap_or_default(),
            policies: Policies::new(&policies).map_err(Failure::new)?,
            number_ids: ids.numbers.unwrap_or_default(),
            legal_basis: gallery.legal_basis.unwrap_or_default(),
            cases: case_rules(&cases)?,
            request_clocks: request_clocks(&rights)?,
            retention: retention_rules(&retention, &cases)?,
            capture_key: cases.capture_key,
            access: access.as_ref().map(|access| Access::new(access, ids.numbers.unwrap_or_default())).transpose()?,
            ledger: ledger.map(LedgerSettings::new).transpose()?,
            sealing: sealing.map(SealingSettings::new).transpose()?,
            backup: BackupSettings::new(backup)?,
            desk: desk.check().map_err(Failure::new)?,
            insist: insisted(&danger.insist)?,
            data: gallery.data,
            gallery_id: gallery.id.as_deref().map(gallery_id).transpose()?,
            templates_max: whole("gallery.templates_max", gallery.templates_max, 1, 1 << 32)?,
            memory_bytes_max: whole("gallery.memory_bytes_max", gallery.memory_bytes_max, 16 << 20, 1 << 44)?,
            graph: gallery.graph.unwrap_or(false),
            server: ServerSettings {
                listen: address("server.listen", listen)?,
                requests_in_flight_max: whole(
                    "server.requests_in_flight_max",
                    server.requests_in_flight_max,
                    1,
                    10_000,
                )?,
                turn_wait_max: optional("server.turn_wait_seconds_max", server.turn_wait_seconds_max, 0.0, 600.0)?
                    .map(Duration::from_secs_f64),
                message_bytes_max: whole("server.message_bytes_max", server.message_bytes_max, 64 << 10, 2 << 30)?,
                deadline_max: whole("server.deadline_seconds_max", server.deadline_seconds_max, 1, 3600)?
                    .map(Duration::from_secs),
                drain: whole("server.drain_seconds", server.drain_seconds, 0, 600)?.map(Duration::from_secs),
            },
            tls: tls.map(super::tls::options).transpose()?,
            origin,
        })
    }

    /// Keys whose values differ in `new` and that a running server does not read anew.
    pub(super) fn held_until_restart(&self, new: &Self) -> Vec<&'static str> {
        let all = [
            ("engine.pack", self.pack != new.pack),
            ("engine.second_pack", self.second_pack != new.second_pack),
            ("engine.onnxruntime", self.onnxruntime != new.onnxruntime),
            ("engine.workers", self.workers != new.workers),
            ("engine.queue_max", self.queue_max != new.queue_max),
            ("engine.curve", self.curve != new.curve),
            ("engine.default_fmr", self.default_fmr != new.default_fmr),
            ("engine.default_fpir", self.default_fpir != new.default_fpir),
            ("[images]", self.limits != new.limits),
            ("[capture]", self.capture != new.capture),
            ("[ids]", self.number_ids != new.number_ids),
            ("[cases]", self.cases != new.cases || self.capture_key != new.capture_key),
            ("[rights]", self.request_clocks != new.request_clocks),
            ("[retention]", self.retention != new.retention),
            ("[ledger]", self.ledger != new.ledger),
            ("[sealing]", self.sealing != new.sealing),
            ("[desk]", self.desk != new.desk),
            ("gallery.data", self.data != new.data),
            ("gallery.id", self.gallery_id != new.gallery_id),
            ("gallery.templates_max", self.templates_max != new.templates_max),
            ("gallery.memory_bytes_max", self.memory_bytes_max != new.memory_bytes_max),
            ("gallery.graph", self.graph != new.graph),
            ("gallery.legal_basis", self.legal_basis != new.legal_basis),
            ("[server]", self.server != new.server),
            // Whether there is one at all: what it says is read anew.
            ("[access]", self.access.is_some() != new.access.is_some()),
            ("[access.tokens]", self.has_tokens() != new.has_tokens()),
            ("[tls]", self.tls.is_none() && new.tls.is_some()),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }

    /// What an engine takes that will see at most `photos` photos at a time: more
    /// workers than that would only load networks for nothing.
    pub(super) fn engine(&self, photos: usize) -> Result<EngineOptions, Failure> {
        Ok(EngineOptions {
            pack: self.pack_folder()?,
            calibration: None,
            second: self.second_pack.clone().map(|pack| GenerationOptions { pack, calibration: None }),
            curve: self.curve,
            pool: self.pool(photos),
            default_fmr: self.default_fmr,
            default_fpir: self.default_fpir,
            capture: self.capture.clone(),
        })
    }

    /// Refuses machines that could never be known: certificates of clients are asked for, and checked,
    /// only where their authorities are named.
    pub(super) fn check_machines_can_be_known(&self) -> Result<(), Failure> {
        let has_machines = self.access.as_ref().is_some_and(|access| access.rules.machines() > 0);
        match has_machines && self.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none()) {
            true => Err(self.origin.blame(
                "access.machines",
                "no machine can be known: tls.client_ca names no authorities of clients' certificates; name them under \
                 [tls], or take the machines out",
            )),
            false => Ok(()),
        }
    }

    /// The pages of a server that listens there; `None` for none. Reads files.
    pub(super) fn open_desk(&self, listen: SocketAddr) -> Result<Option<Desk>, Failure> {
        let Some(desk) = &self.desk else { return Ok(None) };
        for (key, policy) in desk.policies.named() {
            if self.policies.find(policy).is_none() {
                let key = format!("desk.policies.{key}");
                return Err(self
                    .origin
                    .blame(&key, format_args!("there is no policy `{policy}`; name one of [policies]")));
            }
            let is_named = |access: &Access| policy == DEFAULT_POLICY || access.rules.roles().desks_may_name(policy);
            if !self.access.as_ref().is_none_or(is_named) {
                let key = format!("desk.policies.{key}");
                let why = format_args!(
                    "no desk may name `{policy}`, so that every such case would be refused; name it in \
                     [access.roles.counter] or [access.roles.clinic] policies as well"
                );
                return Err(self.origin.blame(&key, why));
            }
        }
        for name in desk.systems.keys() {
            if self.access.as_ref().is_some_and(|access| access.rules.machine_named(name).is_none()) {
                let why = "there is no machine of this name in [access.machines], which is how a system is known";
                return Err(self.origin.blame(&format!("desk.systems.{name}"), why));
            }
        }
        if !desk.test_people.is_empty() && self.access.is_none() {
            let why =
                "they have roles, and without [access] whoever connects may call everything: add an empty [access]";
            return Err(self.origin.blame("desk.test_people", why));
        }
        let tokens = self.access.as_ref().and_then(|access| access.tokens.as_ref());
        let opened = Desk::open(desk.clone(), tokens, self.tls.is_some(), listen.ip().is_loopback());
        opened.map(Some).map_err(|error| self.origin.explain(Failure::new(error)))
    }

    /// Whether people are known by tokens.
    fn has_tokens(&self) -> bool {
        self.access.as_ref().is_some_and(|access| access.tokens.is_some())
    }

    /// The operators who approve changes; none where the configuration names none.
    pub(super) fn operators(&self) -> &Operators {
        static NONE: LazyLock<Operators> = LazyLock::new(Operators::default);
        self.access.as_ref().map_or(&NONE, |access| &access.operators)
    }

    /// How cases are kept.
    pub(super) fn cases(&self) -> &CaseRules {
        &self.cases
    }

    /// What is kept no longer. A gallery keeps pictures where it is sealed.
    pub(super) fn retention_rules(&self) -> RetentionRules {
        let picture_days = self.sealing.is_some().then_some(self.cases.picture_days);
        RetentionRules { picture_days, ..self.retention }
    }

    /// The key of fingerprints of captures: of the file that is named, else in the gallery's folder,
    /// made where there is none; `None` where none are kept.
    pub(super) fn capture_key(&self, folder: &Path) -> Result<Option<FingerprintKey>, Failure> {
        if self.cases.capture_days == 0 {
            return Ok(None);
        }
        let path = self.capture_key.clone().unwrap_or_else(|| folder.join(CAPTURE_KEY));
        let key = FingerprintKey::load_or_create(&path);
        key.map(Some)
            .map_err(|error| self.origin.blame("cases.capture_key", format_args!("{}: {error}", path.display())))
    }

    /// Whether the key of fingerprints of captures is to lie in a gallery's folder, and does not.
    pub(super) fn lacks_capture_key(&self, folder: &Path) -> bool {
        self.cases.capture_days > 0 && self.capture_key.is_none() && !folder.join(CAPTURE_KEY).exists()
    }

    /// Folder of the second model pack, where one is named.
    pub(super) fn second_pack(&self) -> Option<&Path> {
        self.second_pack.as_deref()
    }

    /// The engine, or why there is none, with the configuration's line where that is to blame.
    pub(super) fn open_engine(&self, photos: usize) -> Result<Engine, Failure> {
        let engine = Engine::open(&self.engine(photos)?).map_err(|error| self.blame(error))?;
        Ok(engine.with_case_rules(self.cases.clone()).with_request_clocks(self.request_clocks))
    }

    /// The failure of an error about what the settings name.
    pub(super) fn blame(&self, error: WorkflowError) -> Failure {
        let key = match &error {
            WorkflowError::Pack(PackError::Runtime { .. }) => "engine.onnxruntime",
            WorkflowError::SameGeneration { .. } => "engine.second_pack",
            // The error names the folder.
            WorkflowError::Pack(_) if self.second_pack.is_some() => return self.origin.explain(Failure::new(error)),
            WorkflowError::Pack(_) => "engine.pack",
            WorkflowError::Calibration(_) => "engine.default_fmr",
            WorkflowError::OutOfRange { .. } => "engine.default_fpir",
            _ => return self.origin.explain(Failure::new(error)),
        };
        self.origin.blame(key, error)
    }

    /// A failure about the gallery's folder, with the configuration's line where it names it.
    pub(super) fn blame_folder(&self, folder: &Path, failure: Failure) -> Failure {
        match self.data.as_deref() == Some(folder) {
            true => self.origin.blame("gallery.data", failure),
            false => failure,
        }
    }

    /// What a pool of workers takes, likewise.
    pub(super) fn pool(&self, photos: usize) -> PoolOptions {
        PoolOptions {
            workers: self.workers().min(photos.max(1)),
            queue_max: self.queue_max,
            limits: self.limits,
            onnxruntime: self.onnxruntime.clone(),
        }
    }

    /// What the embedded gallery in a folder takes, with the keys of its log where one is configured.
    pub(super) fn gallery_options(&self, folder: &Path) -> Result<EmbeddedOptions, Failure> {
        let default = EmbeddedOptions::default();
        let ledger = self.ledger.as_ref().map(|ledger| ledger.setup(folder, &self.origin)).transpose()?;
        let sealing = self.sealing_options(folder)?;
        Ok(EmbeddedOptions {
            ledger,
            sealing,
            templates_max: self.templates_max.unwrap_or(default.templates_max),
            memory_bytes_max: self.memory_bytes_max.unwrap_or(default.memory_bytes_max),
            progress: Some(progress::opening_bar()),
            create: false,
            id: self.gallery_id,
            ..default
        })
    }

    /// The same for a server, which has a log, and the time to build a graph.
    pub(super) fn served_gallery_options(&self, folder: &Path) -> Result<EmbeddedOptions, Failure> {
        let progress = Some(progress::opening_log());
        let options = self.gallery_options(folder)?;
        // A server has a sequencer, and changes keys.
        let ledger = options.ledger.map(|setup| LedgerSetup { sign_at_once: Vec::new(), ..setup });
        let seal_while_serving = self.seals_while_serving();
        Ok(EmbeddedOptions { graph: self.graph, progress, ledger, seal_while_serving, rotate_keys: true, ..options })
    }

    /// With what it is looked at whether a gallery could be opened; the keys of its log and those of `[sealing]` go
    /// beside.
    pub(super) fn looked_at_options(&self) -> EmbeddedOptions {
        let (id, seal_while_serving) = (self.gallery_id, self.seals_while_serving());
        EmbeddedOptions { create: false, id, seal_while_serving, ..EmbeddedOptions::default() }
    }

    /// The keys of the log that the gallery in a folder keeps; `None` where it keeps none yet. None is made.
    pub(super) fn kept_ledger(&self, folder: &Path) -> Result<Option<LedgerSetup>, Failure> {
        let Some(ledger) = &self.ledger else { return Ok(None) };
        let keeps = gallery::keeps_ledger(folder).map_err(|error| self.blame_folder(folder, Failure::new(error)))?;
        keeps.then(|| ledger.setup(folder, &self.origin)).transpose()
    }

    /// Whether a server seals a gallery that lies in the clear.
    pub(super) fn seals_while_serving(&self) -> bool {
        self.sealing().is_some_and(|sealing| sealing.seal == Some(SealClear::WhileServing))
    }

    /// What is sealed at rest, and under which key; `None` where nothing is.
    pub(super) fn sealing(&self) -> Option<&SealingSettings> {
        self.sealing.as_ref()
    }

    /// The ONNX Runtime library, where one is named.
    pub(super) fn onnxruntime(&self) -> Option<&Path> {
        self.onnxruntime.as_deref()
    }

    /// Workers where there is enough to do: as set, or one per core.
    pub(super) fn workers(&self) -> usize {
        self.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
    }

    /// The pack's folder: as set, or the default one where it is found.
    pub(super) fn pack_folder(&self) -> Result<PathBuf, Failure> {
        if let Some(pack) = &self.pack {
            return Ok(pack.clone());
        }
        places().into_iter().map(|place| place.join(PACK_DEFAULT)).find(|pack| pack.join("pack.toml").is_file()).ok_or_else(
            || {
                Failure::new(format_args!(
                    "no model pack at {PACK_DEFAULT}, neither here nor near the program; run scripts/setup or name one with --pack DIR"
                ))
            },
        )
    }
}

/// Folders in which the program's own files are looked for: the current one, then
/// the program's and those above it.
pub(super) fn places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::new()];
    if let Ok(program) = std::env::current_exe() {
        places.extend(program.ancestors().skip(1).map(Path::to_owned));
    }
    places
}

/// A socket address such as `127.0.0.1:50051`.
pub(super) fn address(name: &str, text: &str) -> Result<SocketAddr, Failure> {
    text.parse().map_err(|_| {
        Failure::new(format_args!(
            "{name} is `{text}`; it takes an IP address and a port, for example {LISTEN_DEFAULT}"
        ))
    })
}

/// What is asked of captures: the defaults with what the file names replaced.
fn rules(file: &CaptureSection) -> Result<CaptureRules, Failure> {
    let default = CaptureRules::default();
    let profile = |name: &str, base: Profile, changes| {
        base.with(changes).map_err(|e| Failure::new(format_args!("capture.{name}: {e}")))
    };
    Ok(CaptureRules {
        quality: file.quality.unwrap_or(default.quality),
        liveness: file.liveness.unwrap_or(default.liveness),
        liveness_min: within("capture.liveness_min", file.liveness_min.unwrap_or(default.liveness_min), 0.0, 1.0)?,
        live: profile("live", default.live, &file.live)?,
        chip: profile("chip", default.chip, &file.chip)?,
    })
}

fn within<T: PartialOrd + Display>(name: &str, value: T, least: T, most: T) -> Result<T, Failure> {
    if value >= least && value <= most { Ok(value) } else { Err(out_of_bounds(name, &value, &least, &most)) }
}

fn out_of_bounds(name: &str, value: &dyn Display, least: &dyn Display, most: &dyn Display) -> Failure {
    Failure::new(format_args!("{name} is {value}; it lies between {least} and {most}"))
}

/// A whole number of the file, which may be below 0 where it must not.
pub(super) fn whole<T>(name: &str, value: Option<i64>, least: T, most: T) -> Result<Option<T>, Failure>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    let fit = |value: i64| T::try_from(value).ok().filter(|fit| *fit >= least && *fit <= most);
    value.map(|value| fit(value).ok_or_else(|| out_of_bounds(name, &value, &least, &most))).transpose()
}

fn case_rules(file: &CasesSection) -> Result<CaseRules, Failure> {
    let default = CaseRules::default();
    Ok(CaseRules {
        history_days: whole("cases.history_days", file.history_days, 1, 3650)?.unwrap_or(default.history_days),
        capture_days: whole("cases.capture_days", file.capture_days, 0, 3650)?.unwrap_or(default.capture_days),
        picture_days: whole("cases.picture_days", file.picture_days, 0, 30)?.unwrap_or(default.picture_days),
        answer_hours: whole("cases.answer_hours", file.answer_hours, 1, 8760)?.unwrap_or(default.answer_hours),
        challenge_minutes: whole("cases.challenge_minutes", file.challenge_minutes, 1, 60)?
            .unwrap_or(default.challenge_minutes),
        clear_officers: whole("cases.clear_officers", file.clear_officers, 1, 2)?.unwrap_or(default.clear_officers),
        clear_days: whole("cases.clear_days", file.clear_days, 1, 36_500)?,
    })
}

fn request_clocks(file: &RightsSection) -> Result<RequestClocks, Failure> {
    let default = RequestClocks::default();
    let days =
        |name: &str, value, default: u32, most| Ok::<_, Failure>(whole(name, value, 1, most)?.unwrap_or(default));
    let clocks = RequestClocks {
        acknowledge_days: days("rights.acknowledge_days", file.acknowledge_days, default.acknowledge_days, 60)?,
        complete_days: days("rights.complete_days", file.complete_days, default.complete_days, 365)?,
        erase_days: days("rights.erase_days", file.erase_days, default.erase_days, 365)?,
    };
    let RequestClocks { acknowledge_days, complete_days, erase_days } = clocks;
    match acknowledge_days <= complete_days.min(erase_days) {
        true => Ok(clocks),
        false => Err(Failure::new(format_args!(
            "rights.acknowledge_days is {acknowledge_days}; a request is acknowledged before it is carried out, so it \
             is no more than complete_days and erase_days"
        ))),
    }
}

fn retention_rules(file: &RetentionSection, cases: &CasesSection) -> Result<RetentionRules, Failure> {
    let CaseRules { history_days, capture_days, .. } = case_rules(cases)?;
    // What is evidence in the next decision, or belongs to a capture that is known again, stays.
    let decisions_least = history_days.max(capture_days);
    Ok(RetentionRules {
        decision_days: whole("retention.decision_days", file.decision_days, decisions_least, 36_500)?,
        request_days: whole("retention.request_days", file.request_days, 1, 36_500)?,
        standing_days: whole("retention.standing_days", file.standing_days, 1, 36_500)?,
        // See `Settings::retention_rules`.
        picture_days: None,
    })
}

fn insisted(codes: &[String]) -> Result<Vec<&'static Rule>, Failure> {
    let rule = |code: &String| options::rule(code).map_err(|why| Failure::new(format_args!("danger.insist: {why}")));
    codes.iter().map(rule).collect()
}

fn gallery_id(text: &str) -> Result<GalleryId, Failure> {
    let bad = || Failure::new("gallery.id is no id of 32 hexadecimal digits; see `chinhchu gallery show`");
    GalleryId::from_text(text).ok_or_else(bad)
}

fn optional<T: PartialOrd + Display>(name: &str, value: Option<T>, least: T, most: T) -> Result<Option<T>, Failure> {
    value.map(|value| within(name, value, least, most)).transpose()
}

#[cfg(test)]
mod tests {
    use super::super::options::CurveArg;
    use super::*;

    fn with_file(text: &str, mut global: GlobalArgs) -> Result<Settings, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chinhchu.toml");
        std::fs::write(&path, text).unwrap();
        global.config = Some(path);
        Settings::new(&global)
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let text = "[engine]\nworkers = 3\ndefault_fmr = 1e-4\n";
        let typed = GlobalArgs { workers: Some(7), ..GlobalArgs::default() };
        let settings = with_file(text, typed).unwrap();
        assert_eq!((settings.workers(), settings.default_fmr, settings.default_fpir), (7, 1e-4, FPIR_DEFAULT));
        assert_eq!(with_file(text, GlobalArgs::default()).unwrap().workers(), 3);
    }

    #[test]
    fn the_worst_groups_curve_speaks_unless_somebody_chooses() {
        let chosen = |text, typed| {
            let typed = GlobalArgs { curve: typed, ..GlobalArgs::default() };
            with_file(text, typed).unwrap().engine(1).unwrap().curve
        };
        let pack = "[engine]\npack = \"p\"\n";
        let pooled = "[engine]\npack = \"p\"\ncurve = \"pooled\"\n";
        assert_eq!(chosen(pack, None), CurveChoice::WorstGroup);
        assert_eq!(chosen(pooled, None), CurveChoice::Pooled);
        assert_eq!(chosen(pooled, Some(CurveArg::WorstGroup)), CurveChoice::WorstGroup);
        assert!(with_file("[engine]\ncurve = \"best\"\n", GlobalArgs::default()).is_err());
    }

    #[test]
    fn a_value_out_of_range_is_refused_by_name() {
        for (text, name) in [
            ("[engine]\nworkers = 0", "engine.workers"),
            ("[engine]\ndefault_fmr = 0.9", "engine.default_fmr"),
            ("[engine]\ndefault_fpir = nan", "engine.default_fpir"),
            ("[images]\npixels_max = 1", "images.pixels_max"),
            ("[server]\nlisten = \"localhost\"", "server.listen"),
            ("[capture]\nliveness_min = 2.0", "capture.liveness_min"),
            ("[capture.live]\nrol = { min = 1.0 }", "capture.live"),
            ("[capture.chip]\nroll = { min = 2.0, max = 1.0 }", "capture.chip"),
            ("[server]\nmessage_bytes_max = 5", "server.message_bytes_max"),
            ("[tls]\ncertificate = \"c.pem\"", "tls: key is missing"),
            ("[tls]\nkey = \"c.key\"", "tls: certificate is missing"),
            ("[tls]\ncertificate = \"c.pem\"\nkey = \"k\"\nclient_crl = [\"l\"]", "tls.client_crl needs client_ca"),
            ("[tls]\nclient_certificates = \"optional\"", "tls.client_certificates needs client_ca"),
            ("[tls]\nmin_version = \"1.1\"", "1.3"),
            ("[sealing]\nkey = { credential = \"a/b\" }\nkey_store = \"k\"", "sealing.key: "),
            ("[sealing]\nkey = { command = [\"unseal\"] }\nkey_store = \"k\"", "sealing.key: "),
            ("[sealing]\nkey = { file = \"k\" }\nkey_store = \"./k\"", "sealing: key"),
            (
                "[sealing]\nkey = { file = \"k\" }\nprevious_key = { file = \"k\" }\nkey_store = \"s\"",
                "sealing.previous_key",
            ),
            ("[server]\ndrain_seconds = 100000", "server.drain_seconds"),
            ("[cases]\nchallenge_minutes = 0", "cases.challenge_minutes"),
            ("[cases]\nchallenge_minutes = 61", "cases.challenge_minutes"),
            ("[cases]\npicture_days = 31", "cases.picture_days"),
            ("[cases]\nanswer_hours = 0", "cases.answer_hours is 0; it lies between 1 and 8760"),
            ("[rights]\nacknowledge_days = 0", "rights.acknowledge_days"),
            ("[rights]\nacknowledge_days = -1", "rights.acknowledge_days is -1; it lies between 1 and 60"),
            ("[engine]\nworkers = -1", "engine.workers is -1; it lies between 1 and 1024"),
            ("[server]\ndrain_seconds = -1", "server.drain_seconds is -1; it lies between 0 and 600"),
            ("[gallery]\ntemplates_max = -9", "gallery.templates_max is -9; it lies between 1 and"),
            ("[retention]\nrequest_days = -1", "retention.request_days is -1; it lies between 1 and 36500"),
            ("[cases]\ncapture_days = 99999999999", "cases.capture_days is 99999999999; it lies between 0 and 3650"),
            (
                "[ledger]\norigin = \"o.vn/l\"\nretention_days = -1",
                "ledger.retention_days is -1; it lies between 1 and",
            ),
            ("[retention]\ndecision_days = 89", "retention.decision_days"),
            ("[cases]\nhistory_days = 365\n[retention]\ndecision_days = 364", "retention.decision_days"),
            ("[retention]\nrequest_days = 0", "retention.request_days"),
            ("[retention]\nstanding_days = 36501", "retention.standing_days"),
            ("[rights]\ncomplete_days = 366", "rights.complete_days"),
            ("[rights]\nerase_days = 1", "rights.acknowledge_days"),
            ("[desk]\nidle_minutes = 0", "desk.idle_minutes"),
            ("[policies.clinic]\nfpir = 2.0", "policies.clinic.fpir"),
            ("[policies.clinic.on]\nchip_altered = \"accept\"", "policies.clinic.on.chip_altered"),
        ] {
            let failure = with_file(text, GlobalArgs::default()).expect_err(name).to_string();
            assert!(failure.contains(name), "{failure}");
        }
    }

    #[test]
    fn a_value_of_the_file_is_refused_with_its_line_and_one_that_was_typed_without() {
        for (text, line, key) in [
            ("[engine]\n\nworkers = 0\n", 3, "engine.workers"),
            ("[policies.clinic]\nchip_fmr = 2.0\n", 2, "policies.clinic.chip_fmr"),
            ("[policies.clinic.on]\nchip_altered = \"accept\"\n", 2, "policies.clinic.on.chip_altered"),
            ("[policies.\"a b\"]\nfpir = 0.1\n", 1, "policies.a b"),
            ("[gallery]\nid = \"x\"\n", 2, "gallery.id"),
            ("[server]\nlisten = \"x\"\n", 2, "server.listen"),
            ("[capture.live]\nrol = { min = 1.0 }", 1, "capture.live"),
        ] {
            let told = with_file(text, GlobalArgs::default()).expect_err(key).to_string();
            let expected = format!("chinhchu.toml, line {line}: {key}");
            assert!(told.starts_with("configuration ") && told.contains(&expected), "{told}");
        }
        let typed = GlobalArgs { workers: Some(0), ..GlobalArgs::default() };
        let told = with_file("[engine]\nworkers = 3\n", typed).expect_err("0 workers").to_string();
        assert!(told.starts_with("--workers is 0"), "{told}");
    }

    #[test]
    fn there_are_never_more_workers_than_photos() {
        let typed = GlobalArgs { workers: Some(8), ..GlobalArgs::default() };
        let settings = Settings::new(&typed).unwrap();
        assert_eq!(settings.pool(2).workers, 2);
        assert_eq!(settings.pool(usize::MAX).workers, 8);
    }
}
