//! Does each fault of a photo trigger its own reason and no other's?
//!
//! ```sh
//! cargo run --release --example degradations -- /path/to/cfp-dev/manifest.csv
//! ```
//!
//! Frontal photos that the live profile accepts are spoiled in seeded ways and
//! assessed again; for turned heads the set's profile photos stand in. Prints one line
//! per fault: the share of photos with its own reason and no other, with its own among
//! others, with others only, with none, and those in which no face was found.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chinhchu::face::quality::{Flaw, Profile};
use chinhchu::face::{FaceError, Pack, Pipeline, PoolOptions, Wants};
use clap::Parser;
use serde::Deserialize;

#[path = "../tests/face/degrade.rs"]
mod degrade;
#[path = "../tests/face/picture.rs"]
mod picture;
use degrade::{Fault, degrade};
use picture::{Eyes, Random};

/// Other than that of the fit.
const SEED: u64 = 7;

/// Does each fault of a photo trigger its own reason and no other's?
#[derive(Parser)]
struct Arguments {
    /// CSV file with the columns `subject_id,path,pose`; paths from its folder.
    manifest: PathBuf,
    /// Folder of the model pack.
    #[arg(long, default_value = "models/default")]
    pack: PathBuf,
    /// Look at every so-manieth photo.
    #[arg(long, default_value_t = 5)]
    every: usize,
}

#[derive(Deserialize)]
struct Row {
    path: PathBuf,
    pose: String,
}

/// What came of one spoiled photo.
#[derive(Default)]
struct Tally {
    photos: usize,
    own_alone: usize,
    own_among_others: usize,
    others: BTreeMap<&'static str, usize>,
    nothing: usize,
    no_face: usize,
}

impl Tally {
    fn add(&mut self, own: Flaw, seen: &Result<Vec<Flaw>, FaceError>) {
        self.photos += 1;
        match seen {
            Ok(flaws) if flaws.as_slice() == [own] => self.own_alone += 1,
            Ok(flaws) if flaws.is_empty() => self.nothing += 1,
            Ok(flaws) => {
                self.own_among_others += usize::from(flaws.contains(&own));
                flaws.iter().filter(|&&f| f != own).for_each(|f| *self.others.entry(f.code()).or_default() += 1);
            }
            // The pipeline says it first.
            Err(FaceError::FaceTooSmall { .. }) if own == Flaw::FarAway => self.own_alone += 1,
            Err(FaceError::TooBright) if own == Flaw::Bright => self.own_alone += 1,
            Err(FaceError::TooDark) if own == Flaw::Dark => self.own_alone += 1,
            Err(_) => self.no_face += 1,
        }
    }
}

fn all() -> Vec<Fault> {
    Fault::FITTED.into_iter().chain([Fault::Glare]).collect()
}

fn own(fault: Fault) -> Flaw {
    match fault {
        Fault::Blur => Flaw::Blurred,
        Fault::Dark => Flaw::Dark,
        Fault::Bright => Flaw::Bright,
        Fault::Tilt => Flaw::Tilted,
        Fault::Cover => Flaw::Occluded,
        Fault::Small => Flaw::FarAway,
        Fault::Compress => Flaw::Compressed,
        Fault::Shadow => Flaw::Uneven,
        Fault::Glare => Flaw::Glare,
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("degradations: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let pack = Pack::load(&arguments.pack)?;
    let options = PoolOptions { workers: 1, queue_max: 1, limits: Default::default(), onnxruntime: None };
    let mut pipeline = Pipeline::new(&pack, &options)?;
    let rows = csv::Reader::from_path(&arguments.manifest)?.deserialize().collect::<Result<Vec<Row>, _>>()?;
    let folder = arguments.manifest.parent().unwrap_or(Path::new("."));
    let profile = Profile::live();
    let wants = Wants { quality: true, ..Wants::default() };
    let mut judge = |photo: &[u8]| -> Result<(chinhchu::face::FaceReport, Vec<Flaw>), FaceError> {
        let report = pipeline.assess(photo, wants)?;
        let flaws = report.quality.as_ref().map_or_else(Vec::new, |quality| profile.judge(quality));
        Ok((report, flaws))
    };
    let faults = all();
    let (mut looked_at, mut accepted) = (0, 0);
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tallies: Vec<(String, Tally)> =
        faults.iter().map(|fault| (format!("{fault:?}"), Tally::default())).collect();
    let mut turned = Tally::default();
    for (at, row) in rows.iter().enumerate().filter(|(at, _)| at % arguments.every == 0) {
        let bytes = std::fs::read(folder.join(&row.path))?;
        let seen = judge(&bytes);
        if row.pose == "profile" {
            // A photo too small for any face has another fault than the turn.
            if !matches!(seen, Err(FaceError::FaceTooSmall { .. })) {
                turned.add(Flaw::Turned, &seen.map(|(_, flaws)| flaws));
            }
            continue;
        }
        looked_at += 1;
        let (report, flaws) = seen?;
        flaws.iter().for_each(|flaw| *refused.entry(flaw.code()).or_default() += 1);
        if !flaws.is_empty() {
            continue;
        }
        accepted += 1;
        let face = report.face;
        let eyes = Eyes::of(face.left, face.top, face.width, face.height);
        let photo = image::load_from_memory(&bytes)?.into_rgb8();
        for (i, (fault, (_, tally))) in faults.iter().copied().zip(&mut tallies).enumerate() {
            let mut random = Random(SEED ^ ((at as u64) << 8 | i as u64));
            let spoiled = degrade(&photo, eyes, fault, &mut random);
            tally.add(own(fault), &judge(&spoiled).map(|(_, flaws)| flaws));
        }
    }
    println!("{accepted} of {looked_at} frontal photos accepted as they are; refused: {refused:?}");
    tallies.push(("Turn (profile photos)".to_owned(), turned));
    for (name, tally) in tallies {
        let Tally { photos, own_alone, own_among_others, others, nothing, no_face } = tally;
        println!(
            "{name:22} own alone {:5.1} % of {photos}; own among others {own_among_others}, no reason {nothing}, \
             no usable face {no_face}; others: {others:?}",
            100.0 * own_alone as f64 / photos.max(1) as f64,
        );
    }
    Ok(())
}
