//! What Identify over gRPC costs in a large gallery, over the search itself and the
//! probe's inference, in turns.
//!
//! ```text
//! cargo bench --bench identify [-- TEMPLATES]       default 1,000,000
//! ```
//!
//! The gallery is the embedded one, on disk under the temporary folder (4 GB for a
//! million), filled with face-like vectors (`tools::Population`) under the pack's own
//! recipe, so that a real photo is the probe. Client and server share the machine.

mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chinhchu::context::RequestContext;
use chinhchu::face::{Pipeline, PoolOptions, Role, Wants};
use chinhchu::gallery::{self, Attributes, EmbeddedOptions, EnrolMode, Filter, Scope, Source, SubjectId};
use chinhchu::service::{Client, ServeOptions, bind};
use chinhchu::workflow::{Engine, EnrolRequest, IdentifyRequest, Photo};

use self::support::{Failure, end, engine_options, fill, is_set_up, jpeg, photo, pool_options};

/// Templates unless told otherwise.
const TEMPLATES: u64 = 1_000_000;
/// Calls measured, after a tenth as many to warm up.
const CALLS: usize = 200;
/// Shorter side of the photos, as in `cfp-dev`.
const SIDE: u32 = 250;
/// Target: medians, at most.
const RATIO_MAX: f64 = 1.5;

fn main() -> ExitCode {
    if !is_set_up() {
        return ExitCode::SUCCESS;
    }
    // Cargo adds `--bench`.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let Ok(templates) = words.next().map_or(Ok(TEMPLATES), |word| word.parse()) else {
        eprintln!("identify: how many templates? give a number, or nothing for {TEMPLATES}");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    end("identify", runtime.block_on(run(templates)))
}

async fn run(templates: u64) -> Result<bool, Failure> {
    let engine = Engine::open(&engine_options(pool_options()))?;
    let dimension = engine.pack().dimension();
    let folder = tempfile::tempdir()?;
    let recipe = engine.recipe();
    let opened = gallery::open(folder.path(), recipe, dimension, EmbeddedOptions::default())?;
    let gallery = Arc::new(opened);
    let began = Instant::now();
    fill(&gallery, recipe, dimension, templates).await?;
    println!("{templates} face-like templates enrolled in {:.0} s", began.elapsed().as_secs_f64());
    let engine = engine.with_gallery(Arc::clone(&gallery) as _)?;
    let enrolled = Photo { bytes: jpeg(&photo("obama.jpg", SIDE)?)?, source: Source::Other, captured_at: None };
    let subject = SubjectId::new("the one")?;
    let request = EnrolRequest {
        by: None,
        request_id: None,
        subject: subject.clone(),
        mode: EnrolMode::Create,
        attributes: Attributes::default(),
        photos: vec![enrolled],
        accept_poor: true,
        legal_basis: None,
        vouch: None,
    };
    engine.enrol(&RequestContext::internal("benchmark"), request).await?;

    let mut serve = ServeOptions::default();
    serve.listen.set_port(0);
    let bound = bind(engine.clone(), serve).await?;
    let client = Client::connect(&format!("http://{}", bound.local_addr())).await?;
    let server = tokio::spawn(bound.serve(std::future::pending()));

    let probe = jpeg(&photo("obama2.jpg", SIDE)?)?;
    let request = IdentifyRequest { probes: vec![probe.clone()], scope: None, filter: Filter::default() };
    let wants = Wants { quality: true, liveness: true, pose: false };
    let mut pipeline = Pipeline::new(engine.pack(), &PoolOptions { workers: 1, ..pool_options() })?;
    let template = pipeline.analyze(&probe, wants)?.template;
    // The networks that Identify runs for a probe, as captures are judged by default.
    let networks = [Role::Detector, Role::Landmarks, Role::Embedder, Role::Liveness];
    let [mut whole, mut searching, mut inferring, mut analysing] = [const { Vec::<Duration>::new() }; 4];
    for call in 0..CALLS + CALLS / 10 {
        let began = Instant::now();
        let outcome = client.identify(request.clone()).await?;
        let took = began.elapsed();
        if outcome.candidates.first().is_none_or(|best| best.subject != subject) {
            return Err("the one was not found".into());
        }
        let score = outcome.threshold.ok_or("an answer without a threshold")?.score;
        let began = Instant::now();
        let found = gallery.search(&template, Scope::Within(score), &Filter::default()).await?;
        let search = began.elapsed();
        if found.len() != outcome.candidates.len() {
            return Err("the search alone finds something else".into());
        }
        let mut bare = Duration::ZERO;
        for role in networks {
            bare += pipeline.time_bare(role).ok_or("a network did not run")?;
        }
        let began = Instant::now();
        pipeline.analyze(&probe, wants)?;
        let analysis = began.elapsed();
        if call >= CALLS / 10 {
            whole.push(took);
            searching.push(search);
            inferring.push(bare);
            analysing.push(analysis);
        }
    }
    server.abort();
    let [whole, searching, inferring, analysing] = [whole, searching, inferring, analysing].map(summary);
    println!("Identify over gRPC        p50 {:>7.2} ms   p99 {:>7.2} ms", whole.0, whole.1);
    println!("the search itself         p50 {:>7.2} ms   p99 {:>7.2} ms", searching.0, searching.1);
    println!("the probe's networks      p50 {:>7.2} ms   p99 {:>7.2} ms", inferring.0, inferring.1);
    println!("the probe, file to answer p50 {:>7.2} ms   p99 {:>7.2} ms", analysing.0, analysing.1);
    let ratio = whole.0 / (searching.0 + inferring.0);
    println!("Identify over search and networks {ratio:.2} (target: at most {RATIO_MAX})");
    println!("… over search and the probe's whole analysis {:.2}", whole.0 / (searching.0 + analysing.0));
    Ok(ratio <= RATIO_MAX)
}

/// Median and 99th percentile, in milliseconds.
fn summary(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    (at(0.5), at(0.99))
}
