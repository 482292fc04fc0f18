//! Keeps the issuer's keys up to date, and checks tokens by them.
//!
//! Keys come from a file, which is read again when it changes, or from the issuer, which is asked
//! when the server starts, every few minutes, and where a token names a key that is not known: at
//! most once in half a minute, so that made-up tokens cannot make this server hammer it. While
//! the issuer is away its last keys go on, up to a bound, and they are kept on disk for a start
//! without it. All of it is the work of one task; a check waits for that task only where its key
//! is unknown.

mod kept;
mod source;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::source::{FileMark, Source};
pub use self::source::{KeysApproval, KeysError, OpenedTokens};
use crate::access::PersonClaims;
use crate::access::token::{KeySet, TokenError, TokenVerifier};
use crate::hex;

/// Longest time a call waits for an answer about a key that is not known.
const UNKNOWN_KEY_WAIT_MAX: Duration = Duration::from_secs(15);
/// Hexadecimal digits of a key set's digest in the log.
const DIGEST_SHOWN: usize = 8;

/// How often keys are read for other reasons than that it is time.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How often the issuer may be asked because of unknown keys.
    unknown_key: Duration,
    /// How soon an issuer that did not answer is asked again.
    retry: Duration,
    /// How often a file of keys is looked at.
    file: Duration,
}

const PACE: Pace =
    Pace { unknown_key: Duration::from_secs(30), retry: Duration::from_secs(30), file: Duration::from_secs(10) };

/// What is known of the issuer's keys, for health and the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysStatus {
    /// Keys in use.
    pub keys: usize,
    /// SHA-256 of the key set in use.
    pub digest: Option<[u8; 32]>,
    /// When they were read last.
    pub read_at: Option<SystemTime>,
    /// When they are too old to be used, unless they are read again before.
    pub good_until: Option<SystemTime>,
    /// Why the last attempt to read them failed; `None` where it did not.
    pub failure: Option<String>,
}

/// The issuer's keys, kept up to date by a task that ends with this value.
pub struct TokenKeys {
    shared: Arc<Shared>,
    _ends_task: DropGuard,
}

struct Shared {
    verifier: TokenVerifier,
    pace: Pace,
    /// Where keys are kept for the next start.
    folder: Option<PathBuf>,
    source: Mutex<Source>,
    status: Mutex<KeysStatus>,
    asked: Mutex<Asked>,
    /// Wakes the task.
    wake: Notify,
    reads: watch::Sender<Reads>,
}

/// How often the task has begun to read the keys, and how often that was over, well or not.
#[derive(Debug, Clone, Copy, Default)]
struct Reads {
    begun: u64,
    done: u64,
}

/// Whether the task was woken and has not begun yet, and when an unknown key woke it last.
#[derive(Default)]
struct Asked {
    is_woken: bool,
    for_unknown_key_at: Option<Instant>,
}

impl TokenKeys {
    /// Starts with these settings. The issuer is asked once, for at most some twenty seconds; where
    /// it is away, the server starts with the keys that were kept in `folder` (that of the
    /// gallery), or without any: then tokens are refused until it answers.
    pub async fn start(opened: OpenedTokens, folder: Option<PathBuf>) -> Self {
        Self::start_at(PACE, opened, folder).await
    }

    async fn start_at(pace: Pace, opened: OpenedTokens, folder: Option<PathBuf>) -> Self {
        let OpenedTokens { settings, source, keys, mut mark, .. } = opened;
        let shared = Arc::new(Shared {
            verifier: TokenVerifier::new(settings.rules),
            pace,
            folder,
            source: Mutex::new(source.clone()),
            status: Mutex::default(),
            asked: Mutex::default(),
            wake: Notify::new(),
            reads: watch::Sender::default(),
        });
        match keys {
            Some(keys) => shared.install(keys, None, SystemTime::now()),
            None => {
                shared.read(&source, &mut mark).await;
                shared.use_kept(&source).await;
            }
        }
        let end = CancellationToken::new();
        tokio::spawn(end.clone().run_until_cancelled_owned(keep_up(Arc::clone(&shared), mark)));
        Self { shared, _ends_task: end.drop_guard() }
    }

    /// Whom a token names, where it is to be believed now. Where its key is not known, the issuer
    /// is asked first, if it was not just now.
    ///
    /// # Errors
    /// [`TokenError`], which holds no part of the token.
    pub async fn verify(&self, token: &str) -> Result<PersonClaims, TokenError> {
        match self.verify_now(token) {
            Err(TokenError::KeyUnknown) if self.shared.read_for_unknown_key().await => self.verify_now(token),
            answered => answered,
        }
    }

    /// The same by the keys that are here. Never waits.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_now(&self, token: &str) -> Result<PersonClaims, TokenError> {
        self.shared.verifier.verify(token, SystemTime::now())
    }

    /// The verifier, whose keys are kept up to date.
    pub fn verifier(&self) -> &TokenVerifier {
        &self.shared.verifier
    }

    /// Other settings, after a reload: in force at once. Keys of the same issuer stay until it is
    /// asked, which is now.
    pub fn replace(&self, opened: OpenedTokens) {
        let OpenedTokens { settings, source, keys, .. } = opened;
        let mut in_use = locked(&self.shared.source);
        let keep = in_use.is_same_place(&source);
        self.shared.verifier.replace_rules(settings.rules, keep);
        match keys {
            Some(keys) => self.shared.install(keys, None, SystemTime::now()),
            None if keep => {}
            None => *locked(&self.shared.status) = KeysStatus::default(),
        }
        *in_use = source;
        drop(in_use);
        self.shared.wake(&mut locked(&self.shared.asked));
    }

    /// Reads the keys again and waits until that is done.
    pub async fn refresh(&self) {
        let wanted = self.shared.wake(&mut locked(&self.shared.asked));
        self.shared.wait(wanted).await;
    }

    /// What is known of the keys.
    pub fn status(&self) -> KeysStatus {
        locked(&self.shared.status).clone()
    }
}

/// Reads the keys when it is time, when a file of them changes, and when it is woken.
async fn keep_up(shared: Arc<Shared>, mut mark: Option<FileMark>) {
    loop {
        let source = locked(&shared.source).clone();
        let has_failed = locked(&shared.status).failure.is_some();
        let pause = match &source {
            Source::File { .. } => shared.pace.file,
            Source::Issuer { refresh, .. } if has_failed => shared.pace.retry.min(*refresh),
            Source::Issuer { refresh, .. } => *refresh,
        };
        tokio::select! {
            () = sleep(pause) => {
                if let Source::File { path, .. } = source {
                    let found = spawn_blocking(move || source::mark(&path)).await.ok().flatten();
                    // One that could not be used is tried again: it may be approved meanwhile.
                    if found == mark && !has_failed {
                        continue;
                    }
                }
            }
            () = shared.wake.notified() => {}
        }
        // It may have been replaced meanwhile.
        let source = locked(&shared.source).clone();
        shared.read(&source, &mut mark).await;
    }
}

impl Shared {
    /// Reads the keys and puts them in force, or says why not and leaves those that are.
    async fn read(&self, source: &Source, mark: &mut Option<FileMark>) {
        self.begin();
        let read_at = SystemTime::now();
        let read = match source {
            Source::File { path, approval } => {
                let (path, approval) = (path.clone(), approval.clone());
                let in_use = locked(&self.status).digest;
                let read = spawn_blocking(move || {
                    let mark = source::mark(&path);
                    // Those in use need nobody's word.
                    let approval = |digest| match &approval {
                        Some(approval) if Some(digest) != in_use => approval(digest),
                        _ => Ok(()),
                    };
                    (mark, source::read_approved(&path, approval))
                });
                let read = read.await;
                match read {
                    Ok((found, keys)) => {
                        *mark = found;
                        keys.map(|keys| (keys, None))
                    }
                    Err(_) => return self.end(),
                }
            }
            Source::Issuer { issuer, discovery, fetcher, max_age, .. } => {
                let answered = source::ask(fetcher, discovery, issuer).await;
                if let Ok(answered) = &answered {
                    self.keep(issuer, answered.json.clone(), read_at).await;
                }
                answered.map(|answered| (answered.keys, Some(read_at + *max_age)))
            }
        };
        // Settings that were replaced meanwhile have keys of their own.
        let in_use = locked(&self.source);
        if in_use.is_same_place(source) {
            match read {
                Ok((keys, good_until)) => self.install(keys, good_until, read_at),
                Err(error) => {
                    let failure = Some(error.to_string());
                    let before = std::mem::replace(&mut locked(&self.status).failure, failure.clone());
                    // A file is tried every few seconds: the same is told once.
                    match source {
                        Source::File { .. } if before == failure => {}
                        _ => tracing::warn!(%error, "the keys for tokens could not be read; those known go on"),
                    }
                }
            }
        }
        drop(in_use);
        self.end();
    }

    fn install(&self, keys: KeySet, good_until: Option<SystemTime>, read_at: SystemTime) {
        let whole = keys.digest();
        let digest = hex::encode(&whole[..DIGEST_SHOWN / 2]);
        let count = keys.len();
        for (why, count) in keys.skipped() {
            tracing::debug!(%why, count, "keys of the issuer are not used");
        }
        if count == 0 {
            tracing::warn!("the issuer publishes no key that tokens could be checked with; all are refused");
        }
        self.verifier.install(keys, good_until);
        let known = std::mem::replace(
            &mut *locked(&self.status),
            KeysStatus { keys: count, digest: Some(whole), read_at: Some(read_at), good_until, failure: None },
        );
        if known.digest != Some(whole) || known.keys != count || known.failure.is_some() {
            tracing::info!(keys = count, digest, "keys for tokens");
        } else {
            tracing::debug!(keys = count, digest, "keys for tokens");
        }
    }

    /// Where the issuer did not answer at the start: the keys of the last time it did.
    async fn use_kept(&self, source: &Source) {
        let Source::Issuer { issuer, max_age, .. } = source else { return };
        let Some(folder) = self.folder.clone().filter(|_| locked(&self.status).read_at.is_none()) else { return };
        let (issuer, now) = (issuer.clone(), SystemTime::now());
        let found = spawn_blocking(move || kept::find(&folder, &issuer, now)).await.ok().flatten();
        let Some((json, read_at)) = found else { return };
        let Ok(keys) = KeySet::parse(&json) else { return };
        let failure = locked(&self.status).failure.clone();
        self.install(keys, Some(read_at + *max_age), read_at);
        locked(&self.status).failure = failure;
        tracing::warn!("the issuer is away: its keys are those of the last time it answered");
    }

    /// Keeps the keys for the next start. A full disk hinders no check.
    async fn keep(&self, issuer: &str, json: Vec<u8>, read_at: SystemTime) {
        let Some(folder) = self.folder.clone() else { return };
        let issuer = issuer.to_owned();
        let kept = spawn_blocking(move || kept::keep(&folder, &issuer, &json, read_at)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "the issuer's keys could not be kept for the next start");
        }
    }

    /// Has the keys read again, unless that was done for an unknown key just now; `true` once they
    /// were read.
    async fn read_for_unknown_key(&self) -> bool {
        let wanted = {
            let mut asked = locked(&self.asked);
            let reads = *self.reads.borrow();
            let was_just_now = asked.for_unknown_key_at.is_some_and(|at| at.elapsed() < self.pace.unknown_key);
            if asked.is_woken {
                reads.begun + 1
            } else if !was_just_now {
                asked.for_unknown_key_at = Some(Instant::now());
                self.wake(&mut asked)
            } else if reads.begun > reads.done {
                reads.begun
            } else {
                return false;
            }
        };
        self.wait(wanted).await
    }

    /// Wakes the task; the read that it will begin.
    fn wake(&self, asked: &mut Asked) -> u64 {
        asked.is_woken = true;
        self.wake.notify_one();
        self.reads.borrow().begun + 1
    }

    async fn wait(&self, wanted: u64) -> bool {
        let mut reads = self.reads.subscribe();
        let done = timeout(UNKNOWN_KEY_WAIT_MAX, reads.wait_for(|reads| reads.done >= wanted)).await;
        matches!(done, Ok(Ok(_)))
    }

    fn begin(&self) {
        let mut asked = locked(&self.asked);
        asked.is_woken = false;
        self.reads.send_modify(|reads| reads.begun += 1);
    }

    fn end(&self) {
        self.reads.send_modify(|reads| reads.done = reads.begun);
    }
}

impl Source {
    fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { path: one, .. }, Self::File { path: other, .. }) => one == other,
            (Self::Issuer { issuer: one, .. }, Self::Issuer { issuer: other, .. }) => one == other,
            _ => false,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
