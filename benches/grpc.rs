//! What gRPC costs: Verify over loopback against the same engine called directly,
//! in one run; and the latency with Poisson arrivals at half of capacity. What TLS
//! costs: Verify with certificates of both ends against plain text.
//!
//! ```text
//! cargo bench --bench grpc
//! cargo bench --bench grpc -- mtls             (mtls short: a look whether it works)
//! cargo bench --bench grpc -- soak URL PID REQUESTS    (scripts/soak-server)
//! ```
//!
//! Client, server and workers share the machine's cores, as they do where a counter
//! program runs beside its server; so the client's own cost is in the figures.

mod support;

use std::fs::Permissions;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chinhchu::context::RequestContext;
use chinhchu::face::PoolOptions;
use chinhchu::gallery::{Attributes, EnrolMode, Filter, RequestId, Source, SubjectId};
use chinhchu::service::tls::{Loaded, Tls, TlsOptions};
use chinhchu::service::{Client, ClientOptions, ServeOptions, bind};
use chinhchu::tools::{Leaf, Purpose, TestAuthority};
use chinhchu::workflow::{Engine, EnrolRequest, IdentifyRequest, Photo, VerifyRequest};

use self::support::{Failure, end, engine_options, jpeg, photo, pool_options};

/// Calls kept in flight per worker when saturating: enough that no worker waits.
const IN_FLIGHT_PER_WORKER: usize = 4;
/// Rounds of each kind, alternating, and the length of one.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(4);
/// Rounds of each kind with TLS and without: their difference is small.
const TLS_ROUNDS: usize = 15;
/// Least share of the throughput of plain text.
const TLS_SHARE_MIN: f64 = 0.93;
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
        ["mtls"] => runtime.block_on(compare_tls(TLS_ROUNDS, ROUND)),
        ["mtls", "short"] => runtime.block_on(compare_tls(3, ROUND / 4)),
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
        saturate(in_flight, ROUND, request.clone(), move |r| {
            let engine = engine.clone();
            async move { engine.verify(&RequestContext::internal("benchmark"), r).await.map(drop).map_err(Failure::from) }
        })
        .await
    };
    let remote = async || saturate(in_flight, ROUND, request.clone(), by(&client)).await;
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

/// Verify by a client.
fn by(
    client: &Client,
) -> impl Fn(VerifyRequest) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> + Clone + Send + 'static {
    let client = client.clone();
    move |request| {
        let client = client.clone();
        Box::pin(async move { client.verify(request).await.map(drop).map_err(Failure::from) })
    }
}

/// Two servers of one engine, one inside TLS with certificates of both ends.
async fn compare_tls(rounds: usize, round: Duration) -> Result<(), Failure> {
    let engine = Engine::open(&engine_options(PoolOptions { queue_max: 256, ..pool_options() }))?;
    let request = request()?;
    let folder = tempfile::tempdir()?;
    let authority = TestAuthority::new()?;
    let write = |name: &str, text: &str| -> Result<PathBuf, Failure> {
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(path)
    };
    let ips = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let server = authority.issue(&Leaf { ips, ..Leaf::new(Purpose::Server, "server") })?;
    let own = authority.issue(&Leaf::new(Purpose::Client, "client"))?;
    let ca = write("ca.pem", authority.certificate())?;
    let tls = TlsOptions {
        certificate: write("server.pem", &server.certificate)?,
        key: write("server.key", &server.key)?,
        client_ca: Some(ca.clone()),
        client_crl: vec![write("ca.crl", &authority.revocation_list()?)?],
        client_certificates: Default::default(),
        min_version: Default::default(),
    };
    let options = ClientOptions {
        ca: Some(ca),
        certificate: Some(write("client.pem", &own.certificate)?),
        key: Some(write("client.key", &own.key)?),
        token_file: None,
    };
    let bound = async |tls: Option<Tls>| {
        let mut serve = ServeOptions::default();
        serve.listen.set_port(0);
        serve.tls = tls;
        bind(engine.clone(), serve).await
    };
    let (plain, inside) = (bound(None).await?, bound(Some(Tls::new(Loaded::read(&tls)?))).await?);
    let [plain_url, inside_url] =
        [format!("http://{}", plain.local_addr()), format!("https://{}", inside.local_addr())];
    let servers =
        [tokio::spawn(plain.serve(std::future::pending())), tokio::spawn(inside.serve(std::future::pending()))];
    let plain = Client::connect(&plain_url).await?;
    let inside = Client::connect_with(&inside_url, &options).await?;

    let in_flight = engine.pool().workers() * IN_FLIGHT_PER_WORKER;
    let through = async |client: &Client| saturate(in_flight, round, request.clone(), by(client)).await;
    // Warm both.
    through(&plain).await?;
    through(&inside).await?;
    let mut rates = [Vec::new(), Vec::new()];
    let mut shares = Vec::new();
    for number in 0..rounds {
        // Alternate who goes first, so that a drift of the machine favours neither.
        let (of_plain, of_inside) = if number % 2 == 0 {
            let first = through(&plain).await?;
            (first, through(&inside).await?)
        } else {
            let first = through(&inside).await?;
            (through(&plain).await?, first)
        };
        rates[0].push(of_plain);
        rates[1].push(of_inside);
        shares.push(of_inside / of_plain);
    }
    let [plain, inside] = rates.map(median);
    println!(
        "workers {}, calls in flight {in_flight}, two photos of {SIDE} px a call, {rounds} rounds",
        engine.pool().workers()
    );
    println!("plain text  {plain:8.1} verifications/s");
    println!("mTLS 1.3    {inside:8.1} verifications/s");
    println!(
        "ratio       {:8.3}  (target: at least {TLS_SHARE_MIN}); of the rounds' own ratios the median {:.3}",
        inside / plain,
        median(shares)
    );
    servers.iter().for_each(|server| server.abort());
    Ok(())
}

/// Calls per second with `in_flight` calls at all times, for a `round`.
async fn saturate<F>(
    in_flight: usize,
    round: Duration,
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
            while began.elapsed() < round {
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
                    legal_basis: None,
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
