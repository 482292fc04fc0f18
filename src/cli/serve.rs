//! `chinhchu serve`: the gRPC service.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::danger::SetupArgs;
use super::duties::Duties;
use super::ledger_work::LedgerWork;
use super::reload::{self, AccessPart, DecisionRules, Part, Reloader};
use super::settings::{self, ServerSettings, Settings};
use super::tls::{self, TlsFiles};
use super::{Exit, Failure, GlobalArgs, Outcome, approval, backend, config, runtime, version};
use crate::gallery::{EmbeddedOptions, Gallery};
use crate::service::local::Snapshots;
use crate::service::tls::Tls;
use crate::service::token_keys::{OpenedTokens, TokenKeys};
use crate::service::{self, AccessControl, Desk, Hangups, LogKey, ServeOptions, TestTokens, TokenCheck};

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub struct ServeArgs {
    /// IP address and port; port 0 takes a free one [default: 127.0.0.1:50051, or as configured]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    setup: SetupArgs,
    /// Make the gallery where there is none
    #[arg(long)]
    create: bool,
}

fn help() -> String {
    format!(
        "\
Examples:
  chinhchu serve --data people                  a gallery that is there
  chinhchu serve --data people --create         or is made
  chinhchu serve --data people --listen 127.0.0.1:0 --log-format json
  chinhchu serve --config chinhchu.toml

The log on standard error names the address once the server is ready. SIGTERM and
Ctrl-C let requests in flight finish, for a bounded time, then the server ends.
SIGHUP reads country certificates, revocation lists and policies anew: all of them, or
none where one cannot be used; the log says which have changed. Decisions that have begun
are made by those they began with. Other changes of the configuration take a restart.
Where the set-up is dangerous it warns, or refuses to start: `chinhchu config check` prints
what, and how to insist.
Without [tls] in the configuration connections are plain text, and only loopback addresses
are taken. The files of [tls] are read anew at SIGHUP, and within a minute after one of them
has changed; calls in flight go on. docs/tls.md says more.

While it has the gallery open it hands on snapshots of it, for `chinhchu audit`, to
processes of the same user on this machine, over the socket snapshots.sock in the folder.

A configuration file, with the defaults:

{}
Relative paths in it start at its own folder. A flag goes before an environment
variable, that before the file.

Exit code: 0 after a shutdown that was asked for, 2 where it cannot start or fails.",
        config::EXAMPLE
    )
}

/// What will be done.
struct Plan {
    options: ServeOptions,
    data: Option<PathBuf>,
    create: bool,
}

impl Plan {
    fn new(args: ServeArgs, settings: &Settings) -> Result<Self, Failure> {
        let ServerSettings { listen, requests_in_flight_max, turn_wait_max, message_bytes_max, deadline_max, drain } =
            settings.server;
        let listen = match &args.listen {
            Some(text) => settings::address("--listen", text)?,
            None => listen,
        };
        // The service refuses it too; here it is told before networks are loaded.
        service::check_exposure(listen, settings.tls.is_some(), settings.access.is_some()).map_err(
            |refused| match args.listen {
                Some(_) => Failure::new(refused),
                None => settings.origin.blame("server.listen", refused),
            },
        )?;
        settings.check_machines_can_be_known()?;
        let default = ServeOptions::default();
        let options = ServeOptions {
            listen,
            requests_in_flight_max: requests_in_flight_max.unwrap_or(default.requests_in_flight_max),
            turns_max: ServeOptions::turns_for(settings.workers()),
            turn_wait_max: turn_wait_max.unwrap_or(default.turn_wait_max),
            message_bytes_max: message_bytes_max.unwrap_or(default.message_bytes_max),
            deadline_max: deadline_max.unwrap_or(default.deadline_max),
            drain: drain.unwrap_or(default.drain),
            tls: tls::load(settings)?.map(Tls::new),
            desk: settings.open_desk(listen)?,
            ..default
        };
        Ok(Self { options, data: args.setup.data.or_else(|| settings.data.clone()), create: args.create })
    }
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: ServeArgs) -> Outcome {
    runtime::start_log(global, runtime::SERVER_LOG)?;
    let mut settings = Settings::new(global)?;
    let typed = args.setup.clone();
    // What is insisted on holds for the keys of the gallery as well, which others read.
    settings.insist.extend(&typed.insist);
    let Plan { mut options, data, create } = Plan::new(args, &settings)?;

    runtime::block_on_threads(async {
        // From here on a signal is a wish to end well, not a kill.
        let shutdown = service::signals().map_err(Failure::new)?;
        let hangups = Hangups::new().map_err(Failure::new)?;
        tracing::info!(commit = version::COMMIT, "chinhchu {}", version::NUMBER);
        let mut engine = settings
            .open_engine(usize::MAX)?
            .with_number_ids(settings.number_ids)
            .with_legal_basis(settings.legal_basis);
        // Before the gallery, which may take minutes.
        let rules = Box::new(DecisionRules { engine: engine.clone(), typed: typed.clone(), global: global.clone() });
        let mut parts: Vec<Box<dyn Part>> = vec![rules];
        match &settings.access {
            Some(access) => {
                let tokens = match &access.tokens {
                    None => None,
                    Some(tokens) => {
                        let opened = OpenedTokens::open(tokens.clone()).map_err(Failure::new);
                        let opened = opened.map_err(|failure| settings.origin.explain(failure))?;
                        let opened = opened.approved_by(approval::of_token_keys(&settings, &typed));
                        // A folder that is not there yet keeps the issuer's keys from the next start on.
                        let kept = data.clone().filter(|folder| folder.is_dir());
                        Some(Arc::new(TokenKeys::start(opened, kept).await))
                    }
                };
                let mut check = tokens.clone().map(|tokens| tokens as Arc<dyn TokenCheck>);
                if let Some(people) = options.desk.as_ref().and_then(Desk::test_people) {
                    tracing::warn!("[desk.test_people]: whoever opens a page on this machine can be any of them");
                    check = Some(Arc::new(TestTokens::new(people, check)));
                }
                let control = AccessControl::new(access.rules.clone(), check);
                options.access = Some(control.clone());
                parts.push(Box::new(AccessPart { control, tokens, typed: typed.clone() }));
            }
            None => tracing::warn!("no [access] in the configuration: whoever connects may call everything"),
        }
        if let Some(tls) = &options.tls {
            parts.push(Box::new(TlsFiles::new(tls.clone(), typed.clone())));
        }
        let reloader = Reloader::start(global, settings.clone(), parts)?;
        let (mut snapshots, mut ledger, mut duties) = (None, None, None);
        match &data {
            Some(folder) => {
                let gallery_options = EmbeddedOptions { create, ..settings.served_gallery_options(folder)? };
                let gallery = backend::gallery_of(folder, &engine, gallery_options)
                    .map_err(|failure| settings.blame_folder(folder, failure))?;
                tracing::info!(id = %gallery.id(), "gallery");
                approval::remember(&settings, &typed)?;
                options.log_key = log_key(folder);
                snapshots = hand_on_snapshots(folder, Arc::clone(&gallery));
                duties = Some(Duties { gallery: Arc::clone(&gallery), retention: settings.retention_rules() });
                ledger = LedgerWork::open(&settings, folder, &gallery).await?;
                engine = engine.with_gallery(gallery).map_err(Failure::new)?;
                if let Some(key) = settings.capture_key(folder)? {
                    engine = engine.with_capture_key(key);
                }
            }
            None => tracing::warn!("no --data: only Verify will work"),
        }
        tracing::info!(in_force = reload::list(reloader.in_force()), "decisions");
        if let Some(ledger) = &ledger {
            ledger.enter_start(&settings, &engine, reloader.in_force()).await?;
        } else if data.is_some() {
            tracing::warn!("no [ledger] in the configuration: nothing proves afterwards what was done");
        }
        let has_pages = options.desk.is_some();
        let bound = service::bind(engine, options).await.map_err(Failure::new)?;
        let closing = CancellationToken::new();
        let (changes, reloads) = mpsc::unbounded_channel();
        tokio::spawn(reloader.follow(hangups, changes, closing.clone()));
        // It signs to the end of the last call, which may wait for that.
        let served_all = CancellationToken::new();
        let ledger = ledger.map(|ledger| tokio::spawn(ledger.run(reloads, served_all.clone())));
        let snapshots = snapshots.map(|of| tokio::spawn(of.serve(closing.clone().cancelled_owned())));
        let duties = duties.map(|duties| tokio::spawn(duties.run(closing.clone())));
        tracing::info!("listening on {}", bound.local_addr());
        if has_pages {
            let scheme = if settings.tls.is_some() { "https" } else { "http" };
            tracing::info!("pages at {scheme}://{}/desk/", bound.local_addr());
        }
        let shutdown = async {
            shutdown.await;
            // They may take long, and can be asked for again: the drain is not for them.
            closing.cancel();
        };
        let served = bound.serve(shutdown).await;
        closing.cancel();
        served_all.cancel();
        if let Some(duties) = duties {
            let _ = duties.await;
        }
        if let Some(ledger) = ledger {
            let _ = ledger.await;
        }
        if let Some(snapshots) = snapshots {
            // So that their socket goes before the folder's lock does.
            let _ = snapshots.await;
        }
        served.map_err(Failure::new)?;
        Ok(Exit::Success)
    })
}

/// The key of the log's digests. Where none can be kept, people are served all the same.
fn log_key(folder: &Path) -> Option<LogKey> {
    match LogKey::read_or_make(folder) {
        Ok(key) => Some(key),
        Err(error) => {
            tracing::warn!(%error, "no log.key in the data folder: the log's digests of transactions are of this run");
            None
        }
    }
}

/// The socket for snapshots. Where there can be none, people are served all the same.
fn hand_on_snapshots(folder: &Path, gallery: Arc<Gallery>) -> Option<Snapshots> {
    match Snapshots::bind(folder, gallery) {
        Ok(snapshots) => Some(snapshots),
        Err(error) => {
            tracing::warn!(%error, "no socket in the data folder: an audit has to wait until this server has ended");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_beyond_this_machine_is_refused_with_an_explanation() {
        let settings = Settings::new(&GlobalArgs::default()).unwrap();
        let args = ServeArgs { listen: Some("0.0.0.0:50051".into()), setup: SetupArgs::default(), create: false };
        let failure = Plan::new(args, &settings).err().expect("refused").to_string();
        assert!(
            failure.contains("loopback") && failure.contains("not encrypted") && failure.contains("[tls]"),
            "{failure}"
        );
    }

    #[test]
    fn the_configuration_in_the_help_is_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chinhchu.toml");
        std::fs::write(&path, config::EXAMPLE).unwrap();
        let with = Settings::new(&GlobalArgs { config: Some(path), ..GlobalArgs::default() }).unwrap();
        let without = Settings::new(&GlobalArgs::default()).unwrap();
        assert_eq!((with.queue_max, with.limits), (without.queue_max, without.limits));
        assert_eq!((with.default_fmr, with.default_fpir), (without.default_fmr, without.default_fpir));
        assert_eq!((&with.policies, &with.csca), (&without.policies, &None));
        assert_eq!(with.desk, without.desk);
        let plan = |settings: &Settings| {
            let args = ServeArgs { listen: None, setup: SetupArgs::default(), create: false };
            let options = Plan::new(args, settings).unwrap().options;
            assert!(options.desk.is_some(), "there are pages unless somebody wants none");
            // Each is the same as itself alone.
            ServeOptions { desk: None, ..options }
        };
        assert_eq!(plan(&with), plan(&without));
    }
}
