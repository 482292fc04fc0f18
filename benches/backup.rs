//! How fast a sealed gallery is backed up, verified and restored, and what that costs those who search and enrol
//! meanwhile.
//!
//! ```text
//! cargo bench --bench backup [-- TEMPLATES]
//! ```

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chinhchu::backup::{BackupReader, Repository, verify};
use chinhchu::context::RequestContext;
use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    self, Agreement, Attributes, EmbeddedOptions, EnrolMode, Enrolment, Filter, Gallery, GalleryError, NewTemplate,
    RestoreFrom, Scope, Source, SubjectId, Without,
};
use chinhchu::ledger::entry::Code;
use chinhchu::sealing::{KeyStoreOptions, MasterKey, Secret};
use chinhchu::tools::{Like, Population};

use self::support::{Failure, back_up, back_up_beside, backup_keys};

/// Templates where none are asked for: some 500 MB of rows.
const TEMPLATES: u64 = 200_000;
/// Values of a template.
const DIMENSION: usize = 512;
/// Calls that are timed while nothing else is done; while a backup is taken as many as it lets.
const CALLS: usize = 60;
/// Targets: megabytes of rows a second of a first backup, at least; the time of a call while one is taken over that
/// while none is, at most.
const MB_A_SECOND_MIN: f64 = 200.0;
const SERVING_RATIO_MAX: f64 = 1.10;

const RECIPE: RecipeDigest = RecipeDigest([1; 32]);

fn main() -> ExitCode {
    let templates = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(TEMPLATES);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    support::end("backup", runtime.block_on(run(templates)))
}

fn options(folder: &Path) -> EmbeddedOptions {
    let master = MasterKey::new(Secret::copied(&[7; 32]));
    let keys = KeyStoreOptions { path: folder.join("keys"), copy: None, master, previous: None, read_only: false };
    EmbeddedOptions { sealing: Some(keys), ..EmbeddedOptions::default() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Searches and enrols until there are as many calls as wanted, or the backup has ended: milliseconds of each.
async fn calls(
    gallery: &Gallery,
    first: u64,
    wanted: usize,
    has_ended: &AtomicBool,
) -> Result<(Vec<f64>, Vec<f64>), Failure> {
    let like = Like::ALL.into_iter().find(|like| like.dimension() == DIMENSION);
    let population = Population::new(like.ok_or("no population has templates of this dimension")?, 1);
    let context = RequestContext::internal("benchmark");
    let (mut searches, mut enrolments) = (Vec::new(), Vec::new());
    for number in first.. {
        if searches.len() >= wanted || has_ended.load(Ordering::Acquire) {
            break;
        }
        let face = population.capture((1 << 41) + number, 0);
        let probe = Template::from_raw(RECIPE, &face).map_err(|_| "a vector without a length")?;
        let began = Instant::now();
        gallery.search(&probe, Scope::Nearest(10), &Filter::default()).await?;
        searches.push(began.elapsed().as_secs_f64() * 1e3);
        let new = NewTemplate { template: probe, source: Source::Chip, captured_at: None, quality: None };
        let enrolment = Enrolment {
            subject: SubjectId::new(format!("z{number:012}"))?,
            mode: EnrolMode::Create,
            attributes: Attributes::default(),
            templates: vec![new],
            agreement: Agreement::Known,
            by: None,
            legal_basis: None,
        };
        let began = Instant::now();
        gallery.enrol(&context, enrolment, None).await?;
        enrolments.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok((searches, enrolments))
}

async fn run(templates: u64) -> Result<bool, Failure> {
    let folder = tempfile::tempdir()?;
    let (data, to) = (folder.path().join("data"), folder.path().join("backups"));
    let gallery = Arc::new(gallery::open(&data, RECIPE, DIMENSION, options(folder.path()))?);
    support::fill(&gallery, RECIPE, DIMENSION, templates).await?;
    let never = AtomicBool::new(false);
    calls(&gallery, 0, CALLS, &never).await?;
    let (alone_searches, alone_enrolments) = calls(&gallery, 1000, CALLS, &never).await?;

    let has_ended = Arc::new(AtomicBool::new(false));
    let backup = back_up_beside(&gallery, &to, &has_ended);
    let (searches, enrolments) = calls(&gallery, 2000, usize::MAX, &has_ended).await?;
    let (first, beside) = backup.join().map_err(|_| "the backup's thread ended by a fault")??;
    let megabytes = first.manifest.bytes() as f64 / 1e6;
    println!("first backup, beside calls: {megabytes:.0} MB in {beside:.2} s, {:.0} MB/s", megabytes / beside);
    let mut is_reached = true;
    for (what, alone, beside) in
        [("the nearest ten", alone_searches, searches), ("an enrolment", alone_enrolments, enrolments)]
    {
        let count = beside.len();
        let (alone, beside) = (median(alone), median(beside));
        let ratio = beside / alone;
        println!(
            "{what}: {alone:.2} ms, while a backup is taken {beside:.2} ms ({count} calls), ratio {ratio:.2} \
             (target: at most {SERVING_RATIO_MAX})"
        );
        is_reached &= ratio <= SERVING_RATIO_MAX;
    }

    let (again, took) = back_up(&gallery, &folder.path().join("more")).await?;
    let rate = again.manifest.bytes() as f64 / 1e6 / took;
    println!("first backup, alone: {rate:.0} MB/s (target: at least {MB_A_SECOND_MIN:.0})");
    is_reached &= rate >= MB_A_SECOND_MIN;
    calls(&gallery, 3000, 10, &never).await?;
    let (next, took) = back_up(&gallery, &to).await?;
    let written = next.bytes_written as f64 / 1e6;
    println!("ten enrolments later: {took:.2} s, {} of {} chunks, {written:.1} MB", next.chunks_written, next.chunks);
    drop(gallery);

    let repository = Repository::open(&to)?;
    let began = Instant::now();
    let verified = verify(&repository, &backup_keys(), &next.manifest, &mut |_| {})?;
    let rate = verified.bytes as f64 / 1e6 / began.elapsed().as_secs_f64();
    println!("verified: {rate:.0} MB/s");
    let began = Instant::now();
    let mut reader = BackupReader::begin(Arc::new(repository), backup_keys(), next.manifest.clone())?;
    let manifest = next.manifest;
    let name = Code::new(format!("backup.{}", manifest.id))?;
    let from = RestoreFrom { head: manifest.head, name, digest: manifest.digest, without: Without::default() };
    let context = RequestContext::internal("benchmark");
    let restored =
        gallery::restore(&context, &folder.path().join("restored"), &options(folder.path()), &from, &mut || {
            reader.next_batch().map_err(|error| GalleryError::Storage(error.to_string()))
        })?;
    let seconds = began.elapsed().as_secs_f64();
    println!("restored: {} templates in {seconds:.1} s", restored.templates);
    Ok(is_reached && verified.damage.is_empty())
}
