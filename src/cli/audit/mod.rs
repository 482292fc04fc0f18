//! `chinhchu audit`: which records of a gallery share a face.

mod filters;
mod folder;
mod input;
mod officer;
mod plan;
mod records;
mod report;
mod show;
mod thumbnails;
mod typed;
mod words;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use self::filters::Filters;
use self::folder::{CACHE, CHECKPOINT, Folder, KeptInputs, SEEN};
use self::input::{Reading, Source};
use self::plan::Plan;
use self::thumbnails::Photos;
use self::typed::Afterwards;
pub use self::typed::AuditArgs;
use self::work::{Scope, Sides, Status, Work, comparisons};
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, evaluate, print, runtime};
use crate::audit::{
    Asked, Chance, Checkpoint, Clock, Collection, Cost, Findings, Identity, KnownTemplates, Mark, Meetings, Rows, Twice,
};
use crate::face::Pack;
use crate::matching::{Calibration, Curve, Fnmr};
use crate::search::Join;

/// Fixes the sample of non-mates.
const SEED: u64 = 1;

/// Runs the command.
pub fn run(global: &GlobalArgs, args: AuditArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    match args.afterwards {
        Some(Afterwards::Show(show)) => show::run(show),
        Some(Afterwards::Decide(decide)) => officer::decide(&Settings::new(global)?, decide),
        Some(Afterwards::Measure(measure)) => officer::measure(measure),
        None => {
            let settings = Settings::new(global)?;
            let plan = Plan::new(&args, &settings)?;
            let folder = Folder::open(&plan.out)?;
            let status = Arc::new(Status::default());
            status.end_at_signals()?;
            evaluate::start_threads(&settings);
            if args.same || args.stale.is_some() {
                return records::run(&settings, &args, &plan, &folder);
            }
            audit(&settings, &args, &plan, &folder, &status)
        }
    }
}

/// The calibration of the model pack, if it is of this recipe and dimension.
fn calibration(settings: &Settings, collection: &Collection) -> Result<Curve, Failure> {
    let pack = Pack::load(&settings.pack_folder()?).map_err(Failure::new)?;
    if let Some(recipe) = collection.recipe()
        && recipe != pack.recipe()
    {
        return Err(Failure::new(format_args!(
            "the templates are of recipe {recipe}, the model pack makes {}; name theirs with --pack, or ask for a --score",
            pack.recipe()
        )));
    }
    if pack.dimension() != collection.dimension() {
        return Err(Failure::new(format_args!(
            "the templates have {} values, those of the model pack {}; name theirs with --pack, or ask for a --score",
            collection.dimension(),
            pack.dimension()
        )));
    }
    let path = pack.calibration().ok_or_else(|| {
        Failure::new("the model pack has no calibration; ask for a --score, or run `chinhchu calibrate`")
    })?;
    let calibration = Calibration::load(&path, pack.recipe()).map_err(Failure::new)?;
    calibration.curve(settings.curve, 1).cloned().map_err(Failure::new)
}

/// Reads the galleries. `before` bounds those in use, one number each.
fn load(
    settings: &Settings,
    args: &AuditArgs,
    plan: &Plan,
    folder: &Folder,
    before: &[Option<u64>],
) -> Result<(Collection, Vec<Option<u64>>), Failure> {
    let reading = Reading { settings, cache: (!args.no_cache).then(|| folder.file(CACHE)) };
    let everything = Filters::default();
    let mut collection = Collection::new();
    let mut template_next = Vec::new();
    for (i, source) in plan.sources().enumerate() {
        let filters = if i == 0 { &plan.filters } else { &everything };
        if i > 0 {
            collection.begin_second();
        }
        let taken = source.load(&reading, filters, before.get(i).copied().flatten(), &mut collection)?;
        if taken.later > 0 {
            print::note(&format!(
                "{} templates were stored after this audit began and are left out; audit them later with --since",
                taken.later
            ));
        }
        template_next.push(taken.template_next);
    }
    collection.finish().map_err(Failure::new)?;
    Ok((collection, template_next))
}

fn audit(settings: &Settings, args: &AuditArgs, plan: &Plan, folder: &Folder, status: &Status) -> Outcome {
    let begun = Instant::now();
    let (mut clock, mut cost) = (Clock::start(), Cost::default());
    // Now, so that what is wrong with them does not show on Monday; findings are read at
    // the end again.
    let since = args.since.as_ref().map(|folder| KnownTemplates::read(&folder.join(SEEN))).transpose();
    let since = since.map_err(Failure::new)?;
    known_findings(args, plan, folder)?;
    if args.restart {
        folder.clear()?;
    }
    let path = folder.file(CHECKPOINT);
    let earlier = Checkpoint::identity(&path).map_err(Failure::new)?;
    // An audit that goes on is of what was there when it began.
    let before = earlier.filter(|_| !folder.is_finished()).map(|identity| identity.before).unwrap_or_default();
    let (collection, template_next) = load(settings, args, plan, folder, &before)?;
    let rows = [collection.first_rows(), collection.rows() - collection.first_rows()];
    if rows[0] == 0 || plan.second.is_some() && rows[1] == 0 {
        return Err(Failure::new(nothing(&collection)));
    }
    cost.reading = clock.lap();
    let marks = collection.marks();
    let digest = crate::hex::encode(&collection.digest(&marks));
    cost.checkpoints = clock.lap();
    let (scope, since) = scope_of(since, plan, &marks);
    let comparisons = comparisons(&collection, &scope);
    // What both galleries hold meets twice; it is found, and expected, once.
    let twice = matches!(scope, Scope::Between).then(|| Twice::find(&marks, collection.first_rows()));
    let again = twice.as_ref().map_or(0, |twice| twice.pairs(&collection.groups()[..collection.first_rows()]));
    let decided = comparisons - again;
    let meetings = meetings(&collection, &scope, twice.as_ref());
    let bytes =
        collection.bytes() + Join::bytes(collection.rows(), collection.dimension()) + 32 * args.pairs_max as u64;
    print::note(&format!(
        "{} templates of {} subjects: {} comparisons on {} threads, up to {} of memory",
        work::grouped(collection.rows() as u64),
        work::grouped(collection.subjects_with_templates() as u64),
        work::grouped(comparisons),
        settings.workers(),
        work::bytes(bytes),
    ));

    let curve = match (calibration(settings, &collection), plan.asked) {
        (Err(failure), Asked::Fmr(_)) => return Err(failure),
        (curve, _) => curve.ok(),
    };
    let sides = Sides::of(&collection)?;
    cost.preparing = clock.lap();
    let chance = chance(&collection, &sides, twice.as_ref(), plan, decided, curve.as_ref(), args.sample)?;
    let score = match plan.asked {
        Asked::Score(score) => score,
        Asked::ExpectChance(pairs) => chance.score_for(pairs).ok_or_else(|| {
            Failure::new(format_args!(
                "no score leaves {pairs} chance pairs{}; ask for a --score or a --fmr",
                chance.not_own.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
            ))
        })?,
        Asked::Fmr(fmr) => match &curve {
            Some(curve) => curve.threshold(fmr).map_err(Failure::new)?.score,
            None => return Err(Failure::new("the model pack has no calibration; ask for a --score")),
        },
    };
    let identity = Identity {
        templates: digest,
        score_bits: score.to_bits(),
        filters: plan.filters.lines.join("; "),
        since,
        units: 0,
        before: template_next,
    };
    let advice = || advice(&chance, decided, args.pairs_max);
    let work = Work {
        sides: &sides,
        scope: &scope,
        score,
        comparisons,
        threads: settings.workers(),
        pairs_max: args.pairs_max,
        status,
        advice: &advice,
    };
    folder.keep_inputs(&KeptInputs { gallery: plan.gallery() })?;
    cost.chance = clock.lap();
    let pairs = work.pairs(folder, identity, &mut cost)?;
    clock.lap();
    let findings = known_findings(args, plan, folder)?;
    let photos = Photos::of(args, plan, &collection, settings.limits);
    let thumbnail = |row: u32| photos.as_ref().and_then(|photos| photos.thumbnail(row));
    let found = report::Found {
        collection: &collection,
        plan,
        chance,
        score,
        comparisons: decided,
        meetings: &meetings,
        pairs,
        findings,
        twice: twice.as_ref(),
        thumbnail: photos.is_some().then_some(&thumbnail),
    };
    // The list of templates before the summary, which says that all is there.
    let seen = KnownTemplates::new(marks.clone());
    folder.write(SEEN, |out| seen.write(out))?;
    let summary = found.write(folder, begun, cost, clock)?;
    if args.json {
        print::json(&summary)?;
    } else {
        print::answer(&report::text(&summary, folder.path()))?;
    }
    Ok(if summary.pairs == 0 { Exit::Success } else { Exit::Negative })
}

/// Why there is nothing to compare.
fn nothing(collection: &Collection) -> String {
    let left_out = words::left_out(collection.left_out());
    let reasons: Vec<String> = left_out.iter().map(|out| format!("{} x {}", out.count, out.en)).collect();
    match reasons.is_empty() {
        true => "nothing to compare: there are no templates".to_owned(),
        false => format!("nothing to compare: no template is left ({})", reasons.join("; ")),
    }
}

/// What is compared with what, and the digest of the earlier audit.
fn scope_of(since: Option<KnownTemplates>, plan: &Plan, marks: &[Mark]) -> (Scope, Option<String>) {
    match (since, &plan.second) {
        (Some(seen), _) => {
            let fresh = marks.iter().map(|mark| !seen.contains(mark)).collect();
            (Scope::Fresh(fresh), Some(seen.digest()))
        }
        (None, Some(_)) => (Scope::Between, None),
        (None, None) => (Scope::Within, None),
    }
}

/// By two records, how many template pairs are compared.
fn meetings(collection: &Collection, scope: &Scope, twice: Option<&Twice>) -> Meetings {
    let groups = collection.groups();
    match scope {
        Scope::Within => Meetings::within(groups),
        Scope::Fresh(fresh) => Meetings::fresh(groups, fresh),
        Scope::Between => {
            let (first, second) = groups.split_at(collection.first_rows());
            Meetings::between(first, second, twice)
        }
    }
}

/// What chance is expected to give.
fn chance(
    collection: &Collection,
    sides: &Sides<'_>,
    twice: Option<&Twice>,
    plan: &Plan,
    comparisons: u64,
    calibration: Option<&Curve>,
    sampled_max: u64,
) -> Result<Chance, Failure> {
    let strata: Vec<Option<u32>> = collection
        .groups()
        .iter()
        .map(|&group| {
            let info = collection.subject_facts(group);
            let known = info.sex > 0 || info.age > 0;
            known.then(|| u32::from(info.sex) << 16 | u32::from(info.age))
        })
        .collect();
    // Where only one of the two is known of anybody, that one tells alike from unlike.
    let known = strata.iter().any(Option::is_some);
    let (first, second) = strata.split_at(collection.first_rows());
    let plan = crate::audit::Plan {
        first: Rows { side: sides.first(), strata: known.then_some(first) },
        second: plan.second.as_ref().map(|_| Rows { side: sides.second(), strata: known.then_some(second) }),
        twice,
        comparisons,
        calibration,
        sampled_max,
        seed: SEED,
    };
    Chance::sample(&plan).map_err(Failure::new)
}

/// What to ask for instead where too many pairs were found.
fn advice(chance: &Chance, comparisons: u64, pairs_max: usize) -> String {
    // A hundredth leaves room for real ones.
    let fewer = pairs_max as f64 / 100.0;
    let resume = "or raise --pairs-max to go on";
    match chance.score_for(fewer) {
        Some(score) => {
            let fmr = chance.calibration.as_ref().map(|curve| curve.fmr(score).rate);
            let fmr = fmr.unwrap_or(fewer / comparisons.max(1) as f64);
            format!(
                "chance alone gives about {} at --score {score:.4} or --fmr {}: ask for that, with --restart, {resume}",
                work::grouped(fewer as u64),
                print::rate(fmr)
            )
        }
        None => format!("ask for a higher score, with --restart, {resume}"),
    }
}

/// What is known of pairs from this audit and those before it.
fn known_findings(args: &AuditArgs, plan: &Plan, folder: &Folder) -> Result<Findings, Failure> {
    let gallery = plan.gallery();
    let mut findings = folder::read_findings(&folder::findings_file(folder.path(), gallery.as_deref()))?;
    for earlier in args.known.iter().chain(&args.since) {
        findings.merge(folder::findings_of(earlier)?);
    }
    Ok(findings)
}

/// The lowest score that at most this share of genuine pairs stays below.
fn score_at_fnmr(curve: &Curve, rate: f64) -> Option<(f32, Fnmr)> {
    let (mut low, mut high) = (-1.0f32, 1.0f32);
    curve.fnmr(low).filter(|at| at.rate <= rate)?;
    while low.next_up() < high {
        let middle = low + (high - low) / 2.0;
        let middle = if middle <= low { low.next_up() } else { middle };
        if curve.fnmr(middle)?.rate <= rate { low = middle } else { high = middle }
    }
    curve.fnmr(low).map(|at| (low, at))
}

/// Numbers of subjects of pairs of ids.
fn pair_numbers<T>(
    collection: &Collection,
    pairs: impl Iterator<Item = (String, String, T)>,
) -> BTreeMap<(u32, u32), T> {
    pairs
        .filter_map(|(a, b, value)| {
            let (a, b) = (collection.find_subject(&a)?, collection.find_subject(&b)?);
            Some(((a.min(b), a.max(b)), value))
        })
        .collect()
}
