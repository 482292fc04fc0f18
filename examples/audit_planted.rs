//! Audits a gallery whose duplicates are known, and says what was found of them.
//!
//! `audit_planted [TEMPLATES [EXPECTED_CHANCE_PAIRS [SEED [OUT]]]]`, by default 20,000
//! templates at the score of FMR 1e-5 (of `-` expected chance pairs, too). Prints one JSON
//! object; exit code 1 where a planted pair was missed or one was made up, or where the
//! rings are not what they are to be (`broken` says how). With OUT the report is written
//! there. See `scripts/audit-planted`.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use chinhchu::audit::{
    Chance, Compared, CsvLocale, LinkChance, LocalChance, Meetings, RecordFacts, Results, ResultsInput,
    SAMPLED_MAX_DEFAULT, SamplingPlan, SamplingSide, SubjectFacts, TemplateFacts, ThresholdAsked, gather, rings,
};
use chinhchu::search::{Join, Matrix, Pair, Side};
use chinhchu::tools::planted::{DIMENSION, Planted, agreement};
use rayon::prelude::*;

/// Look-alikes between rings score so much above the threshold.
const BRIDGE_ABOVE: f32 = 0.01;
/// False match rate where no number of chance pairs is asked for.
const FMR: f64 = 1e-5;
/// Pairs a unit of the join may hold.
const PAIRS_MAX: usize = 5_000_000;

struct Numbers<'a>(&'a Planted);

impl RecordFacts for Numbers<'_> {
    fn subject(&self, subject: u32) -> SubjectFacts<'_> {
        SubjectFacts { id: format!("s{subject:06}").into(), ..SubjectFacts::default() }
    }

    fn template(&self, row: u32) -> TemplateFacts<'_> {
        let subject = self.0.groups()[row as usize];
        TemplateFacts { subject, id: format!("t{row:06}").into(), ..TemplateFacts::default() }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("audit_planted: {e}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).map_or(default, String::as_str).to_owned();
    let (templates, seed) = (arg(0, "20000").parse::<usize>()?, arg(2, "1").parse::<u64>()?);
    let asked = match arg(1, "-").as_str() {
        "-" => None,
        expect => Some(expect.parse::<f64>()?),
    };

    // The bridges' score depends on the threshold, and the threshold on the gallery: made
    // twice. Bridges are too few to move it.
    let sample = |planted: &Planted| -> Result<(Vec<f32>, u64, Chance), Box<dyn Error>> {
        let vectors = planted.vectors();
        let matrix = Matrix::new(DIMENSION, &vectors[..])?;
        let side = Side { vectors: &matrix, groups: planted.groups() };
        let join = Join::within(side, 1.0)?;
        let comparisons = (0..join.units()).map(|unit| join.comparisons(unit)).sum();
        let chance = Chance::sample(&SamplingPlan {
            first: SamplingSide { side, strata: None },
            second: None,
            shared: None,
            comparisons,
            calibration: None,
            sampled_max: SAMPLED_MAX_DEFAULT,
            seed,
        })?;
        Ok((vectors, comparisons, chance))
    };
    let first = Planted::new(seed, templates, 0.6);
    let (_, comparisons, chance) = sample(&first)?;
    let expect = asked.unwrap_or(FMR * comparisons as f64);
    let score = chance.score_for(expect).ok_or("no score is high enough; expect more chance pairs")?;
    let planted = Planted::new(seed, templates, score + BRIDGE_ABOVE);
    drop(first);
    let began = Instant::now();
    let (vectors, comparisons, chance) = sample(&planted)?;
    let chance_seconds = began.elapsed().as_secs_f64();

    let matrix = Matrix::new(DIMENSION, &vectors[..])?;
    let began = Instant::now();
    let join = Join::within(Side { vectors: &matrix, groups: planted.groups() }, score)?;
    let found: Result<Vec<Vec<Pair>>, _> = (0..join.units()).into_par_iter().map(|u| join.run(u, PAIRS_MAX)).collect();
    let mut pairs = found?.concat();
    pairs.sort_unstable_by_key(|pair| (pair.a, pair.b));
    let join_seconds = began.elapsed().as_secs_f64();

    let began = Instant::now();
    let subjects = |pair: &Pair| (planted.groups()[pair.a as usize], planted.groups()[pair.b as usize], pair.score);
    let is_twin = |a: u32, b: u32| planted.twins().binary_search(&(a, b)).is_ok();
    let kept = pairs.iter().map(subjects).filter(|&(a, b, _)| !is_twin(a.min(b), a.max(b)));
    let local = LocalChance::new(&chance, score, kept.map(|(_, _, score)| score));
    let meetings = Meetings::within(planted.groups());
    let mut gathered = gather(pairs.iter().map(subjects), is_twin, |a, b| meetings.pairs(a, b));
    let link_chance = LinkChance::grade(&chance, &meetings, score, &mut gathered.links);
    let rings = rings(&gathered.links);
    let rings_seconds = began.elapsed().as_secs_f64();

    let compared = Compared {
        source: "planted".to_owned(),
        against: None,
        since: None,
        filters: Vec::new(),
        recipe: None,
        threshold: score,
        asked: asked.map_or(ThresholdAsked::Fmr(FMR), ThresholdAsked::ExpectChance),
        templates: planted.groups().len() as u64,
        subjects: planted.truth().len() as u64,
        comparisons,
        left_out: Vec::new(),
        left_out_list: None,
        cleared: gathered.cleared.len() as u64,
    };
    let mut results = Results::new(&ResultsInput {
        records: &Numbers(&planted),
        compared: &compared,
        pairs: &pairs,
        links: &gathered.links,
        cleared: &gathered.cleared,
        rings: &rings,
        chance: &chance,
        local: &local,
        link_chance: &link_chance,
        left_out: &[],
    });
    results.summary.seconds = join_seconds;
    let began = Instant::now();
    if let Some(out) = args.get(3).map(Path::new) {
        fs::create_dir_all(out)?;
        results.write_pairs(File::create(out.join("pairs.csv"))?, CsvLocale::Plain)?;
        results.write_rings(File::create(out.join("rings.csv"))?, CsvLocale::Plain)?;
        results.summary.write(File::create(out.join("summary.json"))?)?;
        results.write_page(File::create(out.join("index.html"))?, None)?;
    }
    let agreement = agreement(&planted, &vectors, score, &pairs, &rings);
    let broken = agreement.broken();
    let summary = &results.summary;
    println!(
        "{}",
        serde_json::json!({
            "templates": summary.templates,
            "subjects": summary.subjects,
            "comparisons": comparisons,
            "threshold": score,
            "strong_from": summary.strong_from,
            "pairs": summary.pairs,
            "links": summary.links,
            "rings": summary.rings,
            "bridges_not_followed": summary.bridges,
            "expected_chance_links": summary.expected_chance_links,
            "strong_chance_max": summary.strong_chance_max,
            "strong_links": summary.strong_links,
            "rings_doubtful": summary.rings_doubtful,
            "cleared": gathered.cleared.len(),
            "chance": summary.chance,
            "sampled": summary.sampled,
            "agreement": agreement,
            "broken": broken,
            "seconds": {
                "chance": chance_seconds,
                "join": join_seconds,
                "rings": rings_seconds,
                "report": began.elapsed().as_secs_f64(),
            },
        })
    );
    Ok(broken.is_empty())
}
