//! What gRPC costs: Verify over loopback against the same engine called directly,
//! in one run; and the latency with Poisson arrivals at half of capacity.
//!
//! ```text
//! cargo bench --bench grpc
//! cargo bench --bench grpc -- soak URL PID REQUESTS    (scripts/soak-server)
//! ```
//!
//! Client, server and workers share the machine's cores, as they do where a counter
//! program runs beside its server; so the client's own cost is in the figures.

mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chinhchu::context::RequestContext;
use chinhchu::face::PoolOptions;
use chinhchu::gallery::{Attributes, EnrolMode, Filter, RequestId, Source, SubjectId};
use chinhchu::service::{Client, ServeOptions, bind};
use chinhchu::workflow::{Engine, EnrolRequest, IdentifyRequest, Photo, VerifyRequest};

use self::support::{Failure, end, engine_options, jpeg, photo, pool_options};

/// Calls kept in flight per worker when saturating: enough that no worker waits.
const IN_FLIGHT_PER_WORKER: usize = 4;
/// Rounds of each kind, alternating, and the length of one.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(4);
/// Arrivals in the latency part.
const ARRIVALS: usize = 3000;
/// Seed of the arrival times.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Shorter side of the photos, as in `cfp-dev`.
const SIDE: u32 = 250;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["soak", url, pid, requests] => runtime.block_on(soak(url, pid, requests)),
        _ => runtime.block_on(compare()),
    };
    end("grpc", done.map(|()| true))
}

/// A sample photo as JPEG.
fn capture(name: &str, side: u32) -> Result<Vec<u8>, Failure> {
    jpeg(&photo(name, side)?)
}

fn request() -> Result<VerifyRequest, Failure> {
    Ok(VerifyRequest {
        reference: capture("obama.jpg", SIDE)?,
        probes: vec![capture("obama2.jpg", SIDE)?],
        fmr: None,
        against: Default::default(),
    })
}

async fn compare() -> Result<(), Failure> {
    let engine = Engine::open(&engine_options(PoolOptions { queue_max: 256, ..pool_options() }))?;
    let request = request()?;
    let mut serve = ServeOptions::default();
    serve.listen.set_port(0);
    let bound = bind(engine.clone(), serve).await?;
    let client = Client::connect(&format!("http://{}", bound.local_addr())).await?;
    let server = tokio::spawn(bound.serve(std::future::pending()));

    let in_flight = engine.pool().workers() * IN_FLIGHT_PER_WORKER;
    let direct = async || {
        let engine = engine.clone();
        saturate(in_flight, request.clone(), move |r| {
            let engine = engine.clone();
            async move { engine.verify(&RequestContext::internal("benchmark"), r).await.map(drop).map_err(Failure::from) }
        })
        .await
    };
    let remote = async || {
        let client = client.clone();
        saturate(in_flight, request.clone(), move |r| {
            let client = client.clone();
            async move { client.verify(r).await.map(drop).map_err(Failure::from) }
        })
        .await
    };
    // Warm both.
    direct().await?;
    remote().await?;
    let (mut inside, mut over) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Alternate who goes first, so that a drift of the machine favours neither.
        if round % 2 == 0 {
            inside.push(direct().await?);
            over.push(remote().await?);
        } else {
            over.push(remote().await?);
            inside.push(direct().await?);
        }
    }
    let (inside, over) = (median(inside), median(over));
    println!("workers {}, calls in flight {in_flight}, two photos of {SIDE} px a call", engine.pool().workers());
    println!("in process  {inside:8.1} verifications/s");
    println!("over gRPC   {over:8.1} verifications/s");
    println!("ratio       {:8.3}  (target: at least 0.9)", over / inside);

    let mut latencies = poisson(&client, &request, over / 2.0).await?;
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("Poisson arrivals at {:.1}/s, {ARRIVALS} of them, over gRPC", over / 2.0);
    println!("p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(0.5), at(0.9), at(0.99), at(1.0));
    println!("p99 / p50   {:8.2}  (target: under 3)", at(0.99) / at(0.5));
    server.abort();
    Ok(())
}

/// Calls per second with `in_flight` calls at all times.
async fn saturate<F>(
    in_flight: usize,
    request: VerifyRequest,
    call: impl Fn(VerifyRequest) -> F + Clone + Send + 'static,
) -> Result<f64, Failure>
where
    F: Future<Output = Result<(), Failure>> + Send,
{
    let done = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (done, call, request) = (Arc::clone(&done), call.clone(), request.clone());
        callers.spawn(async move {
            while began.elapsed() < ROUND {
                call(request.clone()).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

/// Latencies with arrivals at `rate` a second, from the time a call was due, so
/// that a stall counts for every call it held up.
async fn poisson(client: &Client, request: &VerifyRequest, rate: f64) -> Result<Vec<Duration>, Failure> {
    let mut state = SEED;
    let mut calls = tokio::task::JoinSet::new();
    let began = Instant::now();
    let mut due = began;
    for _ in 0..ARRIVALS {
        let gap = -(1.0 - uniform(&mut state)).ln() / rate;
        due += Duration::from_secs_f64(gap);
        tokio::time::sleep_until(due.into()).await;
        let (client, request) = (client.clone(), request.clone());
        calls.spawn(async move { client.verify(request).await.map(|_| due.elapsed()) });
    }
    let mut latencies = Vec::with_capacity(ARRIVALS);
    while let Some(call) = calls.join_next().await {
        latencies.push(call??);
    }
    Ok(latencies)
}

/// xorshift64*: the same arrivals on every machine.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// 0…1, 1 excluded.
fn uniform(state: &mut u64) -> f64 {
    (next(state) >> 11) as f64 / (1u64 << 53) as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Requests between two looks at the server's memory.
const SAMPLE_EVERY: usize = 100;
/// Growth from the first quarter after warm-up to the last that is still flat: what
/// an allocator keeps for itself.
const GROWTH_MAX: f64 = 0.05;

/// Sends a mixture of requests and watches the server's resident memory.
async fn soak(url: &str, pid: &str, requests: &str) -> Result<(), Failure> {
    let requests: usize = requests.parse()?;
    let client = Client::connect(url).await?;
    let pictures: Vec<Vec<u8>> = [
        capture("obama.jpg", SIDE)?,
        capture("obama2.jpg", SIDE)?,
        capture("biden.jpg", 480)?,
        capture("obama3.jpg", 1080)?,
    ]
    .into();
    let in_flight = Arc::new(tokio::sync::Semaphore::new(8));
    let mut calls = tokio::task::JoinSet::new();
    let mut samples = Vec::new();
    let mut state = SEED;
    for number in 0..requests {
        let place = Arc::clone(&in_flight).acquire_owned().await?;
        let (client, dice) = (client.clone(), next(&mut state));
        let pick = |shift: u32| pictures[(dice >> shift) as usize % pictures.len()].clone();
        let (one, other) = (pick(8), pick(16));
        calls.spawn(async move {
            let _place = place;
            send(&client, number, dice % 20, one, other).await
        });
        if number % SAMPLE_EVERY == 0 {
            samples.push(resident_mib(pid)?);
            while let Some(call) = calls.try_join_next() {
                call??;
            }
        }
    }
    while let Some(call) = calls.join_next().await {
        call??;
    }
    samples.push(resident_mib(pid)?);
    // The first fifth warms caches, arenas and the gallery.
    let warm = &samples[samples.len() / 5..];
    let quarter = (warm.len() / 4).max(1);
    let (first, last) = (median(warm[..quarter].to_vec()), median(warm[warm.len() - quarter..].to_vec()));
    let most = samples.iter().copied().fold(0.0, f64::max);
    println!("{requests} requests; resident memory: start {:.0} MiB, most {most:.0} MiB", samples[0]);
    println!("first quarter after warm-up {first:.1} MiB, last quarter {last:.1} MiB");
    let growth = last / first - 1.0;
    println!("growth {:+.1} %  (flat: at most {:.0} %)", growth * 100.0, GROWTH_MAX * 100.0);
    if growth > GROWTH_MAX { Err("the server's memory grows".into()) } else { Ok(()) }
}

/// One of twenty kinds of request: mostly Verify, some of all others, some that are
/// refused.
async fn send(client: &Client, number: usize, kind: u64, one: Vec<u8>, other: Vec<u8>) -> Result<(), Failure> {
    let subject = SubjectId::new(format!("soak-{}", number % 50))?;
    match kind {
        0 => {
            let photos = vec![Photo { bytes: one, source: Source::Live, captured_at: None }];
            let request_id = Some(RequestId::new(format!("soak-{}-{number}", std::process::id()))?);
            let (mode, attributes) = (EnrolMode::Replace, Attributes::default());
            client
                .enrol(EnrolRequest {
                    by: None,
                    request_id,
                    subject,
                    mode,
                    attributes,
                    photos,
                    accept_poor: true,
                    vouch: None,
                })
                .await?;
        }
        1 | 2 => {
            drop(client.identify(IdentifyRequest { probes: vec![one], scope: None, filter: Filter::default() }).await?)
        }
        3 => {
            let broken = one[..one.len() / 2].to_vec();
            let request =
                VerifyRequest { reference: broken, probes: vec![other], fmr: None, against: Default::default() };
            if client.verify(request).await.is_ok() {
                return Err("half a photo was accepted".into());
            }
        }
        4 => match client.subject(&subject).await {
            Err(error) if error.reason != "SUBJECT_UNKNOWN" => return Err(error.into()),
            _ => {}
        },
        _ => drop(
            client
                .verify(VerifyRequest { reference: one, probes: vec![other], fmr: None, against: Default::default() })
                .await?,
        ),
    }
    Ok(())
}

/// Resident memory of a process, in MiB (Linux).
fn resident_mib(pid: &str) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| format!("the server's memory cannot be read: {error}"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS in /proc")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure in VmRSS")?.parse()?;
    Ok(kib / 1024.0)
}
