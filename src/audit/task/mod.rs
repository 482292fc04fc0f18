//! The audit as a task: from what is asked for, over templates that the caller loads, to results
//! that are kept in a folder. Free of terminals and transport; how far it is goes to an
//! [`Observer`].
//!
//! ```text
//! Request ─ Begun ─ (the caller loads templates) ─ Prepared ─ run ─ Results
//! ```

mod chance;
mod compare;
mod error;
mod rerun;
mod scope;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Instant;

use self::chance::{sampled, threshold};
pub use self::compare::{Observer, Resumed};
use self::compare::{Sides, Work};
pub use self::error::{AskInstead, TaskError};
use self::rerun::{is_same_audit, settle};
use self::scope::AuditScope;
use super::chance::{Chance, LinkChance, LocalChance, Meetings};
use super::checkpoint::{Checkpoint, Identity};
use super::collection::{Collection, Mark};
use super::cost::{AuditCost, Clock};
use super::filters::Filters;
use super::findings::{Findings, principal_name};
use super::left_out::{EngineWords, left_out, write_left_out};
use super::links::gather;
use super::records::Audited;
use super::results::{Compared, Results, ResultsInput, RunInfo, ThresholdAsked};
use super::rings::rings;
use super::seen::SeenMarks;
use super::shared_templates::SharedTemplates;
use super::store::{self, AuditFile, AuditFolder, AuditInputs, AuditStoreError, ReportOptions};
use crate::context::RequestContext;
use crate::dates::Moment;
use crate::hex;
use crate::matching::Curve;
use crate::sealing::DerivedKey;
use crate::search::{Join, Pair};
use crate::table::CsvLocale;

/// Memory that a pair takes from when it is found until it is written, in bytes, about.
const PAIR_BYTES: u64 = 128;

/// What is asked of an audit.
pub struct Request<'a> {
    /// What is audited, as reports name it.
    pub source: String,
    /// What it is compared with, where that is another gallery.
    pub against: Option<String>,
    /// Folder of the gallery that is audited, where it is one.
    pub gallery: Option<PathBuf>,
    /// Every folder and file that is audited, from the root: what tells a run of the same audit
    /// from one of another.
    pub sources: Vec<PathBuf>,
    /// What the report says of the run.
    pub command: CommandLine,
    /// At which score.
    pub asked: ThresholdAsked,
    /// Which records of the first gallery.
    pub filters: &'a Filters,
    /// Folder of the earlier audit whose pairs are left out.
    pub since: Option<&'a Path>,
    /// Folders of audits whose findings are known besides.
    pub known: &'a [PathBuf],
    /// Whether what an earlier run left in the folder is given up.
    pub restart: bool,
    /// Comparisons sampled at most to estimate what chance gives.
    pub sampled_max: u64,
    /// Pairs held at most.
    pub pairs_max: usize,
    /// Threads that compare.
    pub threads: usize,
    /// How tables are written.
    pub locale: CsvLocale,
    /// What the engine says of photos without a template.
    pub words: EngineWords<'a>,
    /// Under which the checkpoint is sealed; in the clear without one.
    pub key: Option<DerivedKey>,
}

/// What the report says of a run beside what it finds itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The command as it was typed.
    pub line: String,
    /// Version of the program.
    pub version: String,
    /// The model pack, where one is at hand.
    pub pack: Option<String>,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSize {
    /// Templates.
    pub templates: u64,
    /// Their subjects.
    pub subjects: u64,
    /// Comparisons.
    pub comparisons: u64,
    /// Memory it takes at most, in bytes, about.
    pub bytes: u64,
}

/// An audit whose templates are not loaded yet.
pub struct BegunAudit<'a> {
    request: &'a Request<'a>,
    folder: &'a AuditFolder,
    since: Option<SeenMarks>,
    before: Vec<Option<u64>>,
    at: Instant,
    run: RunInfo,
    clock: Clock,
    cost: AuditCost,
}

/// An audit that knows what is compared with what.
pub struct PreparedAudit<'a> {
    begun: BegunAudit<'a>,
    collection: &'a Collection,
    template_next: Vec<Option<u64>>,
    marks: Vec<Mark>,
    digest: String,
    scope: AuditScope,
    since: Option<String>,
    /// Comparisons made, and pairs of templates decided: what both galleries hold meets twice.
    comparisons: u64,
    decided: u64,
    shared: Option<SharedTemplates>,
    meetings: Meetings,
}

/// Writes the table of rows that took no part, where there are any; its name.
///
/// # Errors
/// What the system says.
pub fn keep_left_out(
    folder: &AuditFolder,
    collection: &Collection,
    words: EngineWords<'_>,
    locale: CsvLocale,
) -> Result<Option<&'static str>, AuditStoreError> {
    let rows = collection.left_out_rows();
    if rows.is_empty() {
        return Ok(None);
    }
    folder.write(AuditFile::LeftOut, |out| write_left_out(rows, words, out, locale))?;
    Ok(Some(AuditFile::LeftOut.name()))
}

impl<'a> BegunAudit<'a> {
    /// Begins an audit for whoever asks for it. Reads what earlier ones left now, so that what is
    /// wrong with it does not show on Monday; findings are read at the end again.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(context: &RequestContext, request: &'a Request<'a>, folder: &'a AuditFolder) -> Result<Self, TaskError> {
        let (at, clock) = (Instant::now(), Clock::start());
        let CommandLine { line, version, pack } = request.command.clone();
        let (began, user) = (Moment::now().to_string(), principal_name(context));
        let run = RunInfo { began, version, pack, user, command: line, ..RunInfo::default() };
        let since = request.since.map(|folder| SeenMarks::read(&folder.join(AuditFile::Seen.name()))).transpose();
        let since = since.map_err(AuditStoreError::from)?;
        findings(request, folder)?;
        store::read_key(folder.path(), request.gallery.as_deref())?;
        if request.restart {
            folder.clear()?;
        }
        settle(folder)?;
        let unfinished = if folder.is_finished() { AuditFile::NextCheckpoint } else { AuditFile::Checkpoint };
        let earlier = Checkpoint::identity(&folder.file(unfinished));
        let earlier =
            earlier.map_err(|source| AuditStoreError::Checkpoint { folder: folder.path().to_owned(), source })?;
        // An audit that goes on is of what was there when it began.
        let before = earlier.map(|identity| identity.before).unwrap_or_default();
        Ok(Self { request, folder, since, before, at, run, clock, cost: AuditCost::default() })
    }

    /// What bounds a gallery in use, by its place: templates with this id or a higher one were
    /// stored after the audit began.
    pub fn before(&self, place: usize) -> Option<u64> {
        self.before.get(place).copied().flatten()
    }

    /// Goes on with the templates of both galleries. `template_next` has what
    /// [`SnapshotTaken`](super::SnapshotTaken) says of either.
    ///
    /// # Errors
    /// [`TaskError::Nothing`] where there is nothing to compare.
    pub fn loaded(
        mut self,
        collection: &'a Collection,
        template_next: Vec<Option<u64>>,
    ) -> Result<PreparedAudit<'a>, TaskError> {
        let Request { words, locale, .. } = *self.request;
        let first = collection.first_rows();
        if first == 0 || collection.has_second() && collection.rows() == first {
            // What a finished audit left there is that audit's.
            let list = match self.folder.is_finished() {
                true => None,
                false => keep_left_out(self.folder, collection, words, locale)?,
            };
            return Err(TaskError::Nothing { left_out: left_out(collection.left_out(), words), list });
        }
        self.cost.reading = self.clock.lap();
        let marks = collection.marks();
        let digest = hex::encode(&collection.digest(&marks));
        self.cost.checkpoints = self.clock.lap();
        let since = self.since.as_ref().map(SeenMarks::digest);
        let scope = AuditScope::of(collection, self.since.as_ref(), &marks);
        let comparisons = scope.comparisons(collection);
        // What both galleries hold meets twice; it is found, and expected, once.
        let shared = matches!(scope, AuditScope::Between).then(|| SharedTemplates::find(&marks, first));
        let again = shared.as_ref().map_or(0, |shared| shared.pairs(&collection.groups()[..first]));
        let meetings = scope.meetings(collection, shared.as_ref());
        let decided = comparisons - again;
        Ok(PreparedAudit {
            begun: self,
            collection,
            template_next,
            marks,
            digest,
            scope,
            since,
            comparisons,
            decided,
            shared,
            meetings,
        })
    }
}

impl PreparedAudit<'_> {
    /// How much there is to do.
    pub fn size(&self) -> AuditSize {
        let collection = self.collection;
        let pairs = PAIR_BYTES * self.comparisons.min(self.begun.request.pairs_max as u64);
        AuditSize {
            templates: collection.rows() as u64,
            subjects: collection.subjects_with_templates() as u64,
            comparisons: self.comparisons,
            bytes: collection.bytes() + Join::bytes(collection.rows(), collection.dimension()) + pairs,
        }
    }

    /// Compares, from where an earlier run stopped, and keeps what was found. `curve` is the
    /// model pack's calibration, where it has one for these templates.
    ///
    /// # Errors
    /// Why it stopped; what was done until then is kept.
    pub fn run(
        mut self,
        curve: Option<&Curve>,
        report: ReportOptions<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Results, TaskError> {
        let collection = self.collection;
        let BegunAudit { request, folder, at, .. } = self.begun;
        let (mut clock, mut cost) = (self.begun.clock, self.begun.cost);
        let sides = Sides::of(collection)?;
        cost.preparing = clock.lap();
        let chance = sampled(collection, &sides, self.shared.as_ref(), self.decided, curve, request.sampled_max)?;
        let score = threshold(request.asked, &chance, curve)?;
        let work = Work {
            sides: &sides,
            is_same_audit: is_same_audit(request, folder),
            scope: &self.scope,
            score,
            comparisons: self.comparisons,
            threads: request.threads,
            pairs_max: request.pairs_max,
            key: request.key.as_ref(),
            instead: &|| AskInstead::of(&chance, self.decided, request.pairs_max),
        };
        let run = RunInfo { templates: self.digest.clone(), ..self.begun.run.clone() };
        let identity = Identity {
            templates: std::mem::take(&mut self.digest),
            score_bits: score.to_bits(),
            filters: request.filters.lines.join("; "),
            since: self.since.take(),
            units: 0,
            before: std::mem::take(&mut self.template_next),
        };
        cost.chance = clock.lap();
        // Until then the folder may turn out to be another audit's, which stays as it is.
        let (pairs, checkpoint) = work.pairs(folder, identity, &mut cost, observer)?;
        clock.lap();
        let mut results = self.found(pairs, &chance, score)?;
        results.summary.run = Some(RunInfo { finished: Moment::now().to_string(), ..run });
        let records = self.compare_with_earlier(&mut results)?;
        folder.keep_inputs(&AuditInputs { gallery: request.gallery.clone(), sources: request.sources.clone() })?;
        if keep_left_out(folder, collection, request.words, request.locale)?.is_none() {
            folder.remove(AuditFile::LeftOut)?;
        }
        // The lists of templates and records before the summary, which says that all is there.
        let seen = SeenMarks::new(std::mem::take(&mut self.marks));
        folder.write(AuditFile::Seen, |out| seen.write(out))?;
        folder.write(AuditFile::SeenRecords, |out| records.write(out))?;
        folder.keep_results(&mut results, report, at, cost, clock)?;
        if checkpoint == AuditFile::NextCheckpoint {
            folder.rename(checkpoint, AuditFile::Checkpoint)?;
        }
        Ok(results)
    }

    /// From pairs of rows of both sides to results.
    fn found(&self, pairs: Vec<Pair>, chance: &Chance, score: f32) -> Result<Results, TaskError> {
        let collection = self.collection;
        let pairs = in_one_order(collection, self.shared.as_ref(), pairs);
        let findings = findings(self.begun.request, self.begun.folder)?;
        let records = Audited::new(collection, &findings);
        let is_cleared = |a: u32, b: u32| records.is_cleared(a, b);
        let owner = |row: u32| collection.groups()[row as usize];
        let kept = pairs.iter().filter(|pair| {
            let (a, b) = (owner(pair.a), owner(pair.b));
            !is_cleared(a.min(b), a.max(b))
        });
        let local = LocalChance::new(chance, score, kept.map(|pair| pair.score));
        let by_owner = pairs.iter().map(|pair| (owner(pair.a), owner(pair.b), pair.score));
        let mut gathered = gather(by_owner, is_cleared, |a, b| self.meetings.pairs(a, b));
        let link_chance = LinkChance::grade(chance, &self.meetings, score, &mut gathered.links);
        let rings = rings(&gathered.links);
        let compared = self.compared(score, gathered.cleared.len() as u64);
        Ok(Results::new(&ResultsInput {
            records: &records,
            compared: &compared,
            pairs: &pairs,
            links: &gathered.links,
            cleared: &gathered.cleared,
            rings: &rings,
            chance,
            local: &local,
            link_chance: &link_chance,
            left_out: collection.left_out_rows(),
        }))
    }

    fn compared(&self, score: f32, cleared: u64) -> Compared {
        let Self { collection, begun: BegunAudit { request, .. }, .. } = self;
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let listed = !collection.left_out_rows().is_empty();
        Compared {
            source: request.source.clone(),
            against: request.against.clone(),
            since: request.since.map(name),
            filters: request.filters.lines.clone(),
            recipe: collection.recipe().map(|recipe| recipe.to_string()),
            threshold: score,
            asked: request.asked,
            templates: collection.rows() as u64,
            subjects: collection.subjects_with_templates() as u64,
            comparisons: self.decided,
            left_out: left_out(collection.left_out(), request.words),
            left_out_list: listed.then(|| AuditFile::LeftOut.name().to_owned()),
            cleared,
        }
    }
}

/// What is known of pairs from this audit and those before it.
fn findings(request: &Request<'_>, folder: &AuditFolder) -> Result<Findings, TaskError> {
    let file = store::findings_file(folder.path(), request.gallery.as_deref());
    let mut findings = Findings::read(&file).map_err(AuditStoreError::from)?;
    for earlier in request.known.iter().map(PathBuf::as_path).chain(request.since) {
        findings.merge(store::findings_of(earlier)?);
    }
    Ok(findings)
}

/// Rows of one collection instead of two sides; a pair that was met from either side is
/// one.
fn in_one_order(collection: &Collection, shared: Option<&SharedTemplates>, mut pairs: Vec<Pair>) -> Vec<Pair> {
    if !collection.has_second() {
        return pairs;
    }
    let offset = collection.first_rows() as u32;
    pairs.retain(|pair| !shared.is_some_and(|shared| shared.is_second_time(pair.a, pair.b)));
    pairs.iter_mut().for_each(|pair| pair.b += offset);
    pairs
}
