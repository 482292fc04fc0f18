//! What gRPC costs: Verify over loopback against the same engine called directly,
//! in one run; and the latency with Poisson arrivals at half of capacity. What TLS
//! costs: Verify with certificates of both ends against plain text.
//!
//! ```text
//! cargo bench --bench grpc
//! cargo bench --bench grpc -- mtls             (mtls short: a look whether it works)
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
use chinhchu::service::tls::{Loaded, Tls, TlsOptions};
use chinhchu::service::{Client, ClientOptions, ServeOptions, bind};
use chinhchu::tools::{Leaf, Purpose, TestAuthority};
use chinhchu::workflow::{Engine, VerifyRequest};

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
