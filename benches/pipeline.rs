//! What the pipeline adds to the bare networks, and how it scales.
//!
//! ```text
//! cargo bench --bench pipeline
//! ```
//!
//! On a 250x250 JPEG, made from a sample photo: decode, detect, landmarks, align
//! and embed on one core, against the three networks run once more on the same
//! inputs, in turns; then what quality and liveness add, in turns; then two workers
//! against one, in turns. Medians, and the ratio of medians.

mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chinhchu::face::{FacePool, Pack, Pipeline, PoolOptions, Role, StageTimes, Wants};

use self::support::{Failure, end, is_set_up, jpeg, photo, pool_options, root};

/// Pictures measured one by one, after a warm-up of a tenth as many.
const PICTURES: usize = 400;
/// Rounds of each pool, alternating, and the pictures in one.
const ROUNDS: usize = 9;
const PICTURES_PER_ROUND: usize = 120;
/// Side of the photo, in pixels.
const SIDE: u32 = 250;
/// Targets: at most, at least.
const OVERHEAD_MAX: f64 = 1.15;
const QUALITY_MAX: f64 = 0.55;
const LIVENESS_MAX: f64 = 0.60;
const SCALING_MIN: f64 = 1.8;

fn main() -> ExitCode {
    if !is_set_up() {
        return ExitCode::SUCCESS;
    }
    end("pipeline", run().map(|()| true))
}

fn run() -> Result<(), Failure> {
    let pack = Pack::load(&root().join("models/default"))?;
    let photo = portrait()?;
    println!("{SIDE}x{SIDE} JPEG of {} bytes", photo.len());
    overhead(&pack, &photo)?;
    beside(&pack, &photo)?;
    scaling(&pack, &photo)
}

/// The head and shoulders of a sample photo as a small JPEG.
fn portrait() -> Result<Vec<u8>, Failure> {
    let small = photo("obama.jpg", SIDE)?;
    let left = (small.width() - SIDE) / 2;
    jpeg(&image::imageops::crop_imm(&small, left, 0, SIDE, SIDE).to_image())
}

fn options(workers: usize) -> PoolOptions {
    PoolOptions { workers, queue_max: 2 * workers, ..pool_options() }
}

fn overhead(pack: &Pack, photo: &[u8]) -> Result<(), Failure> {
    let mut pipeline = Pipeline::new(pack, &options(1))?;
    let mut whole = Vec::new();
    let mut stages: Vec<StageTimes> = Vec::new();
    // The landmark network looks twice.
    let roles = [Role::Detector, Role::Landmarks, Role::Landmarks, Role::Embedder];
    let mut bare = [const { Vec::new() }; 4];
    for picture in 0..PICTURES + PICTURES / 10 {
        let clock = Instant::now();
        pipeline.analyze(photo, Wants::default())?;
        let took = clock.elapsed();
        let times = pipeline.times();
        let runs = roles.map(|role| pipeline.time_bare(role));
        if picture < PICTURES / 10 {
            continue;
        }
        whole.push(took);
        stages.push(times);
        for (all, run) in bare.iter_mut().zip(runs) {
            all.push(run.ok_or("a network did not run")?);
        }
    }
    let sums: Vec<Duration> = (0..PICTURES).map(|i| bare.iter().map(|runs| runs[i]).sum()).collect();
    let (whole, sum) = (median(whole), median(sums));
    let bare = bare.map(median);
    let stage = |of: fn(&StageTimes) -> Duration| median(stages.iter().map(of).collect());

    println!("\none picture, one core          median    bare network");
    let lines = [
        ("decode", stage(|t| t.decode), None),
        ("detect", stage(|t| t.detect), Some(bare[0])),
        ("landmarks, two looks", stage(|t| t.landmarks), Some(bare[1] + bare[2])),
        ("align", stage(|t| t.align), None),
        ("embed", stage(|t| t.embed), Some(bare[3])),
        ("all", whole, Some(sum)),
    ];
    for (name, took, bare) in lines {
        let bare = bare.map_or(String::new(), |bare| format!("{:9.3} ms", ms(bare)));
        println!("  {name:<26} {:7.3} ms {bare}", ms(took));
    }
    println!("  overhead {:.3} times the bare networks (target: at most {OVERHEAD_MAX})", ms(whole) / ms(sum));
    Ok(())
}

/// What quality with pose from the points, liveness, and an assessment without
/// embedding cost beside the plain analysis.
fn beside(pack: &Pack, photo: &[u8]) -> Result<(), Failure> {
    let mut pipeline = Pipeline::new(pack, &options(1))?;
    let wants =
        [Wants::default(), Wants { quality: true, ..Wants::default() }, Wants { liveness: true, ..Wants::default() }];
    let mut took = [const { Vec::new() }; 4];
    for picture in 0..PICTURES + PICTURES / 10 {
        for (kind, all) in took.iter_mut().enumerate() {
            let clock = Instant::now();
            match wants.get(kind) {
                Some(&wants) => drop(pipeline.analyze(photo, wants)?),
                None => drop(pipeline.assess(photo, wants[1])?),
            }
            if picture >= PICTURES / 10 {
                all.push(clock.elapsed());
            }
        }
    }
    let [plain, quality, liveness, assess] = took.map(median).map(ms);
    println!("\nbeside the plain analysis of {plain:.3} ms");
    println!("  quality and pose {:+.3} of it (target: at most {QUALITY_MAX})", quality / plain - 1.0);
    println!("  liveness         {:+.3} of it (target: at most {LIVENESS_MAX})", liveness / plain - 1.0);
    println!("  an assessment     {:.3} of it", assess / plain);
    Ok(())
}

fn scaling(pack: &Pack, photo: &[u8]) -> Result<(), Failure> {
    let pools = [FacePool::start(pack, &options(1))?, FacePool::start(pack, &options(2))?];
    let mut rounds = [const { Vec::new() }; 2];
    // The first round warms up.
    for round in 0..=ROUNDS {
        for (pool, all) in pools.iter().zip(&mut rounds) {
            let clock = Instant::now();
            let tickets: Vec<_> =
                (0..PICTURES_PER_ROUND).map(|_| pool.analyze(photo.to_vec(), Wants::default())).collect();
            for ticket in tickets {
                ticket.wait()?;
            }
            if round > 0 {
                all.push(clock.elapsed() / PICTURES_PER_ROUND as u32);
            }
        }
    }
    let [one, two] = rounds.map(median);
    println!("\nthroughput, {PICTURES_PER_ROUND} pictures a round");
    for (workers, took) in [(1, one), (2, two)] {
        println!("  {workers} workers {:9.1} pictures/s", 1e3 / ms(took));
    }
    println!("  scaling {:.2} (target: at least {SCALING_MIN})", ms(one) / ms(two));
    Ok(())
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[values.len() / 2]
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
