//! Holds `chinhchu audit` against brute force; see `scripts/audit-exact`.
//!
//! `audit_exact make DIR ROWS` writes face-like templates, a fifth of them of people who
//! are there under another id as well; `audit_exact check DIR AUDIT SCORE` compares each
//! two of them and fails where the audit's `pairs.csv` lists anything else.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use chinhchu::matching::Dot;
use chinhchu::tools::{Like, Population};
use npyz::WriterBuilder;
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", dir, rows] => make(Path::new(dir), rows.parse()?),
        ["check", dir, audit, score] => check(Path::new(dir), Path::new(audit), score.parse()?),
        _ => Err("audit_exact make DIR ROWS | audit_exact check DIR AUDIT SCORE".into()),
    }
}

fn make(dir: &Path, rows: u64) -> Result<(), Box<dyn Error>> {
    let population = Population::new(Like::Faceplugin, 1);
    let mut matrix = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[rows, population.dimension() as u64])
        .writer(BufWriter::new(File::create(dir.join("t.npy"))?))
        .begin_nd()?;
    let mut ids = BufWriter::new(File::create(dir.join("ids.csv"))?);
    writeln!(ids, "subject_id")?;
    for row in 0..rows {
        // Every fifth is another capture of the person four rows before it.
        let (person, capture) = if row % 5 == 4 { (row - 4, row) } else { (row, 0) };
        matrix.extend(population.capture(person, capture))?;
        writeln!(ids, "s{row:07}")?;
    }
    matrix.finish()?;
    Ok(ids.flush()?)
}

fn check(dir: &Path, audit: &Path, score: f32) -> Result<(), Box<dyn Error>> {
    let npy = npyz::NpyFile::new(BufReader::new(File::open(dir.join("t.npy"))?))?;
    let dimension = usize::try_from(npy.shape()[1])?;
    let values: Vec<f32> = npy.into_vec()?;
    let rows: Vec<&[f32]> = values.chunks_exact(dimension).collect();
    let (begun, dot) = (Instant::now(), Dot::best());
    let expected: BTreeMap<(usize, usize), f32> = (0..rows.len())
        .into_par_iter()
        .flat_map_iter(|a| {
            let rows = &rows;
            let scored = (a + 1..rows.len()).map(move |b| ((a, b), dot.score(rows[a], rows[b])));
            scored.filter(|(_, found)| *found >= score)
        })
        .collect();
    let seconds = begun.elapsed().as_secs_f64();
    let mut found = BTreeMap::new();
    for row in csv::Reader::from_path(audit.join("pairs.csv"))?.records() {
        let row = row?;
        let (a, b): (usize, usize) = (row[2].parse()?, row[3].parse()?);
        let scored: f32 = row[4].parse()?;
        if found.insert((a.min(b), a.max(b)), scored).is_some() {
            return Err(format!("rows {a} and {b} are there twice").into());
        }
    }
    let missed = expected.keys().filter(|pair| !found.contains_key(pair)).count();
    let made_up = found.keys().filter(|pair| !expected.contains_key(pair)).count();
    let other = expected.iter().filter(|(pair, score)| found.get(pair).is_some_and(|found| found != *score)).count();
    println!(
        "{} templates at {score}: {} pairs by brute force in {seconds:.1} s; {missed} missed, {made_up} made up, \
         {other} with another score",
        rows.len(),
        expected.len()
    );
    if missed + made_up + other > 0 || expected.is_empty() { Err("the audit is not exact".into()) } else { Ok(()) }
}
