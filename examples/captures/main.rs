//! Is a capture that took part in another transaction known again, however it was copied, and
//! is no other capture taken for it?
//!
//! ```sh
//! cargo run --release --example captures -- "$(scripts/lib/cfp-dev)" "$(scripts/lib/pad-dev)" "$(scripts/lib/asia-dev)"
//! ```
//!
//! Prints, for every kind of copying, the share that a store finds as the same picture: a copy
//! shares a look-up key with its original and is near enough. Then the false alarms between
//! captures of different people, of one person on different days, and of one sitting; how many
//! captures a look-up compares; and what a fingerprint and a comparison cost.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chinhchu::face::fingerprint::{Band, CaptureFingerprint, CaptureProbe, FingerprintKey, Nearness};
use chinhchu::face::{Analysis, Pack, Pipeline, PoolOptions, Wants};
use clap::Parser;

mod kinds;
mod pairs;

use pairs::{Capture, Looks};

/// Is a capture that took part in another transaction known again?
#[derive(Parser)]
struct Arguments {
    /// CSV files with the columns `subject_id,path`, and `pose` or `attack` where there
    /// are such: profile photos are left out; of attacks, prints are compared with each other.
    manifests: Vec<PathBuf>,
    /// Folder of the model pack.
    #[arg(long, default_value = "models/default")]
    pack: PathBuf,
    /// Copies are made of every so-manieth picture.
    #[arg(long, default_value_t = 25)]
    every: usize,
    /// Write the distance of every pair of one person's captures to this CSV file, with their
    /// paths: in sets gathered from the web, some are one picture.
    #[arg(long)]
    pairs: Option<PathBuf>,
}

/// What became of the copies of one kind.
#[derive(Default)]
struct Found {
    near: usize,
    found: usize,
    found_in_sitting: usize,
    unusable: usize,
    distances: Vec<u32>,
}

/// Time that fingerprints took.
#[derive(Default)]
struct Cost {
    stored: Duration,
    probes: Duration,
    bands: Duration,
    count: u32,
}

struct Measured {
    key: FingerprintKey,
    pipeline: Pipeline,
    cost: Cost,
}

impl Measured {
    fn capture(&mut self, bytes: &[u8]) -> Option<Capture> {
        let Analysis { print, template, .. } = self.pipeline.analyze(bytes, Wants::default()).ok()?;
        let begun = Instant::now();
        let stored = CaptureFingerprint::of(&self.key, bytes, &print, &template);
        let stored_bands: Vec<Band> = stored.bands(&self.key).collect();
        self.cost.stored += begun.elapsed();
        let begun = Instant::now();
        let probe = CaptureProbe::of(&self.key, bytes, &print, &template);
        self.cost.probes += begun.elapsed();
        let begun = Instant::now();
        let mut bands: Vec<Band> = probe.bands(&self.key).collect();
        self.cost.bands += begun.elapsed();
        bands.sort_unstable();
        self.cost.count += 1;
        Some(Capture { probe, stored_bands, bands })
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("captures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let pack = Pack::load(&arguments.pack)?;
    let options = PoolOptions { workers: 1, queue_max: 1, limits: Default::default(), onnxruntime: None };
    // Always the same directions: the figures can be made again.
    let key = FingerprintKey::from_bytes([7; FingerprintKey::BYTES]);
    let mut measured = Measured { key, pipeline: Pipeline::new(&pack, &options)?, cost: Cost::default() };
    let mut table = arguments.pairs.as_ref().map(csv::Writer::from_path).transpose()?;
    if let Some(table) = &mut table {
        table.write_record(["kind", "one", "other", "distance"])?;
    }
    for manifest in &arguments.manifests {
        println!("\n{}", manifest.display());
        measure(arguments, manifest, &mut measured, &mut table)?;
    }
    let cost = &measured.cost;
    let mean = |of: Duration| 1e6 * of.as_secs_f64() / f64::from(cost.count.max(1));
    println!(
        "\nper capture: {:.0} µs to store (with its keys), {:.0} µs for a probe, {:.0} µs for its keys",
        mean(cost.stored),
        mean(cost.probes),
        mean(cost.bands)
    );
    Ok(())
}

fn measure(
    arguments: &Arguments,
    manifest: &Path,
    measured: &mut Measured,
    table: &mut Option<csv::Writer<std::fs::File>>,
) -> Result<(), Box<dyn Error>> {
    let folder = manifest.parent().unwrap_or(Path::new("."));
    let rows = csv::Reader::from_path(manifest)?.deserialize().collect::<Result<Vec<BTreeMap<String, String>>, _>>()?;
    let mut kinds: BTreeMap<usize, Found> = BTreeMap::new();
    let (mut live, mut prints) = (Looks::default(), Looks::default());
    for row in rows.iter().filter(|row| row.get("pose").is_none_or(|pose| pose == "frontal")) {
        let (Some(subject), Some(path)) = (row.get("subject_id"), row.get("path")) else {
            return Err("the columns subject_id and path are needed".into());
        };
        let bytes = std::fs::read(folder.join(path))?;
        let Some(original) = measured.capture(&bytes) else { continue };
        let attack = row.get("attack").is_some_and(|attack| !attack.is_empty());
        if attack {
            prints.add(subject, path, original);
            continue;
        }
        if live.len() % arguments.every == 0 {
            let picture = image::load_from_memory(&bytes)?.into_rgb8();
            for (at, (_, copy)) in kinds::KINDS.iter().enumerate() {
                let found = kinds.entry(at).or_default();
                match measured.capture(&copy(&picture)) {
                    Some(copied) => found.add(&copied, &original),
                    None => found.unusable += 1,
                }
            }
        }
        live.add(subject, path, original);
    }
    println!("copy: found, found within one sitting, near enough whatever the keys; distances median, 90 %, most");
    for (at, found) in kinds {
        found.print(kinds::KINDS[at].0);
    }
    live.print("captures", table)?;
    if prints.len() > 0 {
        prints.print("printed photos before a camera", table)?;
    }
    Ok(())
}

impl Found {
    fn add(&mut self, copy: &Capture, original: &Capture) {
        let nearness = copy.probe.nearness(original.probe.fingerprint());
        let shares = copy.shares_a_band(original);
        self.near += usize::from(nearness.is_same(false));
        self.found += usize::from(shares && nearness.is_same(false));
        self.found_in_sitting += usize::from(shares && nearness.is_same(true));
        self.distances.push(match nearness {
            Nearness::Exact => 0,
            Nearness::Near { distance } => distance,
            Nearness::Other => u32::MAX,
        });
    }

    fn print(mut self, name: &str) {
        let count = self.distances.len().max(1);
        self.distances.sort_unstable();
        let percent = |of: usize| 100.0 * of as f64 / count as f64;
        let at = |share: f64| match self.distances.get((share * (count - 1) as f64) as usize) {
            None | Some(&u32::MAX) => "-".to_owned(),
            Some(distance) => distance.to_string(),
        };
        println!(
            "  {name:34} {count:4}, {} unusable: {:5.1} %, {:5.1} %, {:5.1} %; {} {} {}",
            self.unusable,
            percent(self.found),
            percent(self.found_in_sitting),
            percent(self.near),
            at(0.5),
            at(0.9),
            at(1.0)
        );
    }
}
