//! Our side of `scripts/bench-large`: large photos to pixels and to templates,
//! one thread, on request.
//!
//! The script starts this program and its peer (`scripts/bench_large_peer.py`)
//! and lets them work in turn, so that both meet the same machine. A line of
//! JSON in asks for work, a line of JSON out gives the milliseconds of each run:
//!
//! ```text
//! {"do":"decode","path":"p.jpg","denominator":2,"times":20}
//! {"ms":[2.9,2.8]}
//! {"do":"template","path":"p.jpg","times":20}
//! {"ms":[13.1,13.0],"template":[0.01]}
//! ```

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use chinhchu::face::{FacePool, Pack, PoolOptions, Wants};
use chinhchu::imaging::{Limits, decode_scaled};

type Failure = Box<dyn std::error::Error>;

#[derive(serde::Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Work {
    Decode { path: String, denominator: u32, times: usize },
    Template { path: String, times: usize },
}

#[derive(serde::Serialize, Default)]
struct Done {
    ms: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<Vec<f32>>,
}

fn main() -> ExitCode {
    if !std::env::args().any(|word| word == "work") {
        println!("large_captures: measured by scripts/bench-large, which runs this program beside its peer");
        return ExitCode::SUCCESS;
    }
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("large_captures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pack = Pack::load(&root.join("models/default"))?;
    let options = PoolOptions { workers: 1, queue_max: 1, limits: Limits::default(), onnxruntime: None };
    let pool = FacePool::start(&pack, &options)?;
    for line in std::io::stdin().lock().lines() {
        let done = match serde_json::from_str(&line?)? {
            Work::Decode { path, denominator, times } => decode(&std::fs::read(path)?, denominator, times)?,
            Work::Template { path, times } => template(&pool, &std::fs::read(path)?, times)?,
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&done)?)?;
        out.flush()?;
    }
    Ok(())
}

fn decode(photo: &[u8], denominator: u32, times: usize) -> Result<Done, Failure> {
    let limits = Limits::default();
    let full = decode_scaled(photo, &limits, u32::MAX)?.full_size;
    let side_min = full.0.min(full.1).div_ceil(denominator);
    let mut done = Done::default();
    for _ in 0..times {
        let clock = Instant::now();
        let decoded = decode_scaled(photo, &limits, side_min)?;
        done.ms.push(clock.elapsed().as_secs_f64() * 1e3);
        if decoded.scale != denominator {
            return Err(format!("decoded at 1/{}, not at 1/{denominator}", decoded.scale).into());
        }
    }
    Ok(done)
}

fn template(pool: &FacePool, photo: &[u8], times: usize) -> Result<Done, Failure> {
    let mut done = Done::default();
    for _ in 0..times {
        let photo = photo.to_vec();
        let clock = Instant::now();
        let analysis = pool.analyze(photo, Wants::default()).wait()?;
        done.ms.push(clock.elapsed().as_secs_f64() * 1e3);
        done.template = Some(analysis.template.vector().to_vec());
    }
    Ok(done)
}
