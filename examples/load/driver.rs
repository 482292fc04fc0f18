//! Sends the calls: at a rate that answers do not change (open loop), or as soon as the last
//! one was answered (closed loop).

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chinhchu::service::pb;
use pb::gallery_client::GalleryClient;
use pb::verification_client::VerificationClient;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::overload::Overload;
use super::window::{Answer, Came, Window, processor_seconds, resident_bytes};

pub type Failure = Box<dyn Error + Send + Sync>;

/// Seed of the arrival times.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// So long somebody who is told to come back goes on trying.
const PATIENCE: Duration = Duration::from_secs(20);
/// Matches what the server takes.
const FRAME_BYTES: u32 = 256 << 10;
/// Pause after a measurement, for the server to finish what it had let in.
const REST: Duration = Duration::from_secs(1);
/// Time between two looks at the server's memory.
const MEMORY_EVERY: Duration = Duration::from_secs(1);

/// What a caller does with a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: in an open loop the next call comes when it comes, in a closed loop at once.
    Ignores,
    /// Comes back when it was told to, on top of those that come anyway, for as long as
    /// [`PATIENCE`] lasts.
    Honours,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ignores => "ignores hints,",
            Self::Honours => "honours hints,",
        }
    }
}

/// Calls a second.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    pub verify: f64,
    pub enrol: f64,
}

/// What a connection inside TLS is made with, in files of PEM.
pub struct Tls {
    /// Certificates that the server's must come from.
    pub ca: PathBuf,
    /// This machine's certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    fn config(&self) -> Result<ClientTlsConfig, Failure> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(&self.ca)?));
        Ok(match &self.identity {
            Some((certificate, key)) => config.identity(Identity::from_pem(read(certificate)?, read(key)?)),
            None => config,
        })
    }
}

/// Connections, taken in turn.
pub struct Clients {
    clients: Vec<(VerificationClient<tonic::transport::Channel>, GalleryClient<tonic::transport::Channel>)>,
    next: AtomicUsize,
}

impl Clients {
    pub async fn connect(url: &str, tls: Option<&Tls>, count: usize) -> Result<Self, Failure> {
        let mut endpoint = Endpoint::from_shared(url.to_owned())?.max_frame_size(FRAME_BYTES);
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls.config()?)?;
        }
        let mut clients = Vec::new();
        for _ in 0..count.max(1) {
            let channel = endpoint.connect().await?;
            clients.push((VerificationClient::new(channel.clone()), GalleryClient::new(channel)));
        }
        Ok(Self { clients, next: AtomicUsize::new(0) })
    }

    fn next(&self) -> (VerificationClient<tonic::transport::Channel>, GalleryClient<tonic::transport::Channel>) {
        self.clients[self.next.fetch_add(1, Ordering::Relaxed) % self.clients.len()].clone()
    }
}

/// What is sent to whom.
pub struct Driver {
    pub clients: Clients,
    pub verify: pb::VerifyRequest,
    pub enrol: pb::EnrollRequest,
    /// Of every call.
    pub deadline: Duration,
    /// The server's process.
    pub pid: u32,
}

impl Driver {
    /// Poisson arrivals, each a call of its own.
    pub async fn open(
        self: &Arc<Self>,
        calls: Calls,
        kind: Kind,
        warm: Duration,
        length: Duration,
    ) -> Result<Window, Failure> {
        let (told, mut answers) = unbounded_channel();
        let began = Instant::now();
        let (from, until) = (began + warm, began + warm + length);
        let arrivals = self.arrive(calls, kind, began, until, &told);
        let window = self.measure(from, until).await?;
        arrivals.join_all().await;
        drop(told);
        tokio::time::sleep(REST).await;
        Ok(collect(window, &mut answers, from, until))
    }

    /// Verify at a rate below capacity, then far above it, then at once as before: what the overload was like, what
    /// memory the server took meanwhile, and what became of the calls on both sides of it. All of it open loops.
    pub async fn overload(
        self: &Arc<Self>,
        calm: Calls,
        over: Calls,
        warm: Duration,
        hold: Duration,
        beside: Duration,
    ) -> Result<Overload, Failure> {
        let [mut before, mut during, mut after] = [const { None }; 3];
        let [tell_before, tell_during, tell_after] = [&mut before, &mut during, &mut after].map(|answers| {
            let (told, came) = unbounded_channel();
            *answers = Some(came);
            told
        });
        let began = Instant::now();
        let from = began + warm + beside;
        let (until, end) = (from + hold, from + hold + beside);
        let arrivals = [
            self.arrive(calm, Kind::Ignores, began, from, &tell_before),
            self.arrive(over, Kind::Ignores, from, until, &tell_during),
            self.arrive(calm, Kind::Ignores, until, end, &tell_after),
        ];
        drop((tell_before, tell_during, tell_after));
        let watched = tokio::spawn(watch_memory(self.pid, from, until));
        let window = self.measure(from, until).await?;
        let memory = watched.await??;
        for one in arrivals {
            one.join_all().await;
        }
        tokio::time::sleep(REST).await;
        let all = |answers: Option<UnboundedReceiver<Came>>| {
            let mut all = Vec::new();
            if let Some(mut answers) = answers {
                while let Ok(came) = answers.try_recv() {
                    all.push(came);
                }
            }
            all
        };
        let mut window = window;
        all(during).into_iter().filter(|came| came.at < until).for_each(|came| window.add(came));
        let mut before = all(before);
        before.retain(|came| came.due() >= began + warm);
        Ok(Overload { window, memory, before, after: all(after), ended: until })
    }

    /// Begins arrivals from one moment to another; they are over when what is returned is.
    fn arrive(
        self: &Arc<Self>,
        calls: Calls,
        kind: Kind,
        began: Instant,
        until: Instant,
        told: &UnboundedSender<Came>,
    ) -> JoinSet<()> {
        let streams = [(calls.verify, false), (calls.enrol, true)];
        let mut arrivals = JoinSet::new();
        for (seed, (rate, enrols)) in streams.into_iter().enumerate().filter(|(_, (rate, _))| *rate > 0.0) {
            let (driver, told) = (Arc::clone(self), told.clone());
            arrivals.spawn(async move {
                let mut state = SEED + seed as u64;
                let (mut due, mut callers) = (began, JoinSet::new());
                loop {
                    due += Duration::from_secs_f64(-(1.0 - uniform(&mut state)).ln() / rate);
                    if due > until {
                        break;
                    }
                    tokio::time::sleep_until(due.into()).await;
                    let (driver, told) = (Arc::clone(&driver), told.clone());
                    callers.spawn(async move { driver.caller(enrols, kind, due, until, &told).await });
                    while callers.try_join_next().is_some() {}
                }
                // Callers that are to come back later end with the measurement.
                callers.join_all().await;
            });
        }
        arrivals
    }

    /// So many callers, each of whom calls again once answered.
    pub async fn closed(
        self: &Arc<Self>,
        callers: usize,
        warm: Duration,
        length: Duration,
        kind: Kind,
    ) -> Result<Window, Failure> {
        let (told, mut answers) = unbounded_channel();
        let began = Instant::now();
        let (from, until) = (began + warm, began + warm + length);
        let mut all = JoinSet::new();
        for _ in 0..callers {
            let (driver, told) = (Arc::clone(self), told.clone());
            all.spawn(async move {
                while Instant::now() < until {
                    driver.caller(false, kind, Instant::now(), until, &told).await;
                }
            });
        }
        let window = self.measure(from, until).await?;
        all.join_all().await;
        drop(told);
        tokio::time::sleep(REST).await;
        Ok(collect(window, &mut answers, from, until))
    }

    /// The server's processor time from one moment to the other.
    async fn measure(&self, from: Instant, until: Instant) -> Result<Window, Failure> {
        tokio::time::sleep_until(from.into()).await;
        let (began, before) = (Instant::now(), processor_seconds(self.pid)?);
        tokio::time::sleep_until(until.into()).await;
        let cpu = processor_seconds(self.pid)? - before;
        Ok(Window::new(began.elapsed(), cpu))
    }

    /// One caller, from the time the call was due, so that a stall of this program counts
    /// for every call it holds up.
    async fn caller(&self, enrols: bool, kind: Kind, due: Instant, until: Instant, told: &UnboundedSender<Came>) {
        let mut due = due;
        let give_up = due + PATIENCE;
        loop {
            let status = if enrols { self.enrol().await } else { self.verify().await };
            let (took, now) = (due.elapsed(), Instant::now());
            let hint = status.as_ref().err().and_then(|status| status.get_details_retry_info()?.retry_delay);
            let answer = match &status {
                Ok(()) if took <= self.deadline => Answer::Good,
                Ok(()) => Answer::Late,
                Err(status) if status.code() == Code::DeadlineExceeded => Answer::Late,
                // tonic's own timer says so with this code.
                Err(status) if status.code() == Code::Cancelled && took >= self.deadline => Answer::Late,
                Err(status) if status.code() == Code::ResourceExhausted && hint.is_some() => Answer::Refused,
                Err(status) => Answer::Failed(format!("{:?} {}", status.code(), status.message())),
            };
            // Fails where nobody listens any more.
            let _ = told.send(Came { at: now, took, answer, enrols, hint });
            match hint {
                Some(hint) if kind == Kind::Honours && now + hint < give_up.min(until) => {
                    tokio::time::sleep(hint).await;
                    due = now + hint;
                }
                _ => return,
            }
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        request
    }

    async fn verify(&self) -> Result<(), Status> {
        let (mut client, _) = self.clients.next();
        client.verify(self.request(self.verify.clone())).await.map(drop)
    }

    async fn enrol(&self) -> Result<(), Status> {
        static SUBJECT: AtomicUsize = AtomicUsize::new(0);
        let number = SUBJECT.fetch_add(1, Ordering::Relaxed);
        let (request_id, subject_id) = (format!("load-{number}"), format!("load-{}", number % 50));
        let (_, mut client) = self.clients.next();
        client.enroll(self.request(pb::EnrollRequest { request_id, subject_id, ..self.enrol.clone() })).await.map(drop)
    }
}

/// The server's resident memory, in bytes, at regular times between two moments.
async fn watch_memory(pid: u32, from: Instant, until: Instant) -> Result<Vec<u64>, Failure> {
    let (mut seen, mut at) = (Vec::new(), from);
    while at < until {
        tokio::time::sleep_until(at.into()).await;
        seen.push(resident_bytes(pid)?);
        at += MEMORY_EVERY;
    }
    Ok(seen)
}

/// The answers that came within the window.
fn collect(mut window: Window, answers: &mut UnboundedReceiver<Came>, from: Instant, until: Instant) -> Window {
    while let Ok(came) = answers.try_recv() {
        if (from..until).contains(&came.at) {
            window.add(came);
        }
    }
    window
}

/// 0…1, 1 excluded, by xorshift64*: the same arrivals in every run.
fn uniform(state: &mut u64) -> f64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
}
