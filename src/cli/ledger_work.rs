//! What a server does for the transparency log of its gallery: says that it began and by what, signs,
//! and prunes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::caller;
use super::ledger_keys::LedgerSettings;
use super::reload::Item;
use super::settings::Settings;
use crate::context::RequestContext;
use crate::gallery::{Gallery, Timestamp, last_start};
use crate::ledger::entry::{Digest, DigestOf, Entry, Kind, LedgerKey};
use crate::ledger::note::SigningKey;
use crate::workflow::Engine;

/// How long entries gather before a checkpoint is signed: with the next commit well under a second.
const GATHER_FOR: Duration = Duration::from_millis(400);
/// How often contents that are old enough are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);
/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// One item of the configuration in force that has changed, and what it was.
pub(super) type Changed = (Item, Option<[u8; 32]>);

/// The log of a gallery that is served.
pub(super) struct LedgerWork {
    gallery: Arc<Gallery>,
    signing: Arc<SigningKey>,
    settings: LedgerSettings,
}

impl LedgerWork {
    /// Checks that the keys are the log's, and changes them where that is configured. `None` where no
    /// log is kept.
    pub(super) async fn open(
        settings: &Settings,
        data: &Path,
        gallery: &Arc<Gallery>,
    ) -> Result<Option<Self>, Failure> {
        let Some(ledger) = settings.ledger.clone() else { return Ok(None) };
        let head = gallery.ledger_head().await.map_err(Failure::new)?;
        ledger.check_origin(&head, &settings.origin)?;
        let signing = ledger.signing_key(&settings.origin)?;
        let context = caller::context("serve");
        if let Some(replaced) = ledger.replaced_key(&settings.origin)? {
            let changed = gallery.change_signer(&context, &replaced, &signing).await;
            let changed = changed.map_err(|why| settings.origin.blame("ledger.replaces", why))?;
            if changed {
                tracing::warn!(key = %signing.verifier(), "the transparency log has another signing key from here on");
            } else {
                tracing::info!("the change of keys by ledger.replaces is done; take it out of the configuration");
            }
        }
        // Now, so that a key that is not the log's is told before anybody is served.
        let signed = gallery.sequence(&signing).await;
        let entries = signed.map_err(|why| settings.origin.blame("ledger.signing_key", why))?;
        if ledger.lies_with_data(data) {
            tracing::warn!("the log's signing key lies in the gallery's folder: whoever copies the one has the other");
        }
        tracing::info!(origin = %head.origin(), entries, first_key = %head.first_key, "transparency log");
        Ok(Some(Self { gallery: Arc::clone(gallery), signing, settings: ledger }))
    }

    /// Enters that the server begins, by what, and what has changed since it began last.
    pub(super) async fn enter_start(
        &self,
        settings: &Settings,
        engine: &Engine,
        in_force: &[Item],
    ) -> Result<(), Failure> {
        let digests = digests(settings, engine, in_force);
        let before = self.gallery.read_ledger(last_start).await.map_err(Failure::new)?;
        let context = caller::context("serve");
        let enter = async |kind, digests: Vec<Digest>, replaced: Vec<Digest>| {
            let fill = move |entry: &mut Entry, _: &LedgerKey| (entry.digests, entry.replaced) = (digests, replaced);
            self.gallery.enter_with(&context, kind, fill).await.map_err(Failure::new)
        };
        enter(Kind::Start, digests.clone(), Vec::new()).await?;
        let Some(before) = before else { return Ok(()) };
        for (of, kind) in KINDS {
            let of_it = |all: &[Digest]| all.iter().filter(|one| one.of == of).copied().collect::<Vec<_>>();
            let (now, earlier) = (of_it(&digests), of_it(&before.digests));
            if now != earlier {
                enter(kind, now, earlier).await?;
            }
        }
        Ok(())
    }

    /// Signs and prunes, and enters what is read anew, until `closing`; then signs once more.
    pub(super) async fn run(self, mut reloads: mpsc::UnboundedReceiver<Vec<Changed>>, closing: CancellationToken) {
        tokio::select! {
            () = closing.cancelled() => {}
            never = self.gallery.keep_sequencing(&self.signing, GATHER_FOR) => match never {},
            never = self.prune() => match never {},
            never = async {
                while let Some(changed) = reloads.recv().await {
                    self.enter_reload(changed).await;
                }
                std::future::pending::<std::convert::Infallible>().await
            } => match never {},
        }
        if let Err(error) = self.gallery.sequence(&self.signing).await {
            tracing::warn!(%error, "the last entries of the transparency log are signed at the next start");
        }
    }

    async fn prune(&self) -> std::convert::Infallible {
        let Some(days) = self.settings.retention_days else { return std::future::pending().await };
        loop {
            let before = Timestamp(Timestamp::now().0.saturating_sub(u64::from(days) * DAY_MS));
            match self.gallery.prune_entries(&RequestContext::internal("retention"), before).await {
                Ok(0) => {}
                Ok(pruned) => tracing::info!(pruned, days, "contents of entries in the transparency log were pruned"),
                Err(error) => tracing::error!(%error, "contents of entries could not be pruned; trying again"),
            }
            tokio::time::sleep(PRUNE_EVERY).await;
        }
    }

    async fn enter_reload(&self, changed: Vec<Changed>) {
        let context = caller::context("reload");
        for (item, before) in changed {
            let of = of_item(&item);
            let digest = |sha256| Digest { of, sha256 };
            let (now, before) = (vec![digest(item.digest)], before.map(digest).into_iter().collect());
            let fill = move |entry: &mut Entry, _: &LedgerKey| (entry.digests, entry.replaced) = (now, before);
            let kind = KINDS.iter().find(|(one, _)| *one == of).map_or(Kind::Configuration, |(_, kind)| *kind);
            if let Err(error) = self.gallery.enter_with(&context, kind, fill).await {
                tracing::error!(%error, "what was read anew could not be entered in the transparency log");
            }
        }
    }
}

/// What is entered where digests of a kind have changed.
const KINDS: [(DigestOf, Kind); 5] = [
    (DigestOf::Configuration, Kind::Configuration),
    (DigestOf::Roles, Kind::RolesChanged),
    (DigestOf::Keys, Kind::KeysChanged),
    (DigestOf::Recipe, Kind::PackChanged),
    (DigestOf::Calibration, Kind::CalibrationChanged),
];

fn of_item(item: &Item) -> DigestOf {
    match item.name {
        "access" => DigestOf::Roles,
        "token keys" | "tls" => DigestOf::Keys,
        _ => DigestOf::Configuration,
    }
}

/// What a server works by.
fn digests(settings: &Settings, engine: &Engine, in_force: &[Item]) -> Vec<Digest> {
    use sha2::{Digest as _, Sha256};
    let program = format!("{} {}", super::version::NUMBER, super::version::COMMIT);
    let mut digests = vec![Digest { of: DigestOf::Program, sha256: Sha256::digest(program).into() }];
    digests.push(Digest { of: DigestOf::Configuration, sha256: settings.origin.digest() });
    digests.extend(engine.generations().flat_map(|one| one.digests()));
    digests.extend(in_force.iter().map(|item| Digest { of: of_item(item), sha256: item.digest }));
    digests.truncate(crate::ledger::entry::DIGESTS_MAX);
    digests
}
