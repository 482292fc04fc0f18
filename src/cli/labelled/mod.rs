//! Loads labelled photos, from a manifest or a list of pairs, into a set of templates.
//!
//! Rows that cannot be used are left out, with line and reason; the others are used. Messages name
//! lines, never people.

mod args;
mod matrix;
mod measures;
mod pairs;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::{BadRow, Columns, Manifest, Row};
use super::progress::Progress;
use super::settings::Settings;
use super::template_cache::{Fact, FactsOf, KEY_PURPOSE, PhotoKey, TemplateCache};
use super::{Failure, photo};
pub(super) use crate::evaluation::SkippedRow;
use crate::evaluation::{
    ComparisonPlan, EvaluationInputs, GroupBy, ListedPair, ManifestColumn, PhotoSet, SamePictures, SkippedRows,
};
use crate::face::{FaceError, FacePool, Pack, RecipeDigest, Ticket, Wants};
use crate::workflow::reason::Reason;
pub(super) use args::{CfpPart, LabelledArgs, RulesArgs};
use matrix::TemplateMatrix;
pub(super) use measures::LIVENESS;
use measures::{MEASURES, measure, measures_of, revision};

/// Photos read ahead per worker.
const ROWS_PER_WORKER: usize = 4;

/// A row of the manifest with a photo to analyse.
struct PhotoRow {
    line: u64,
    subject: u32,
    path: PathBuf,
    values: Vec<String>,
}

/// A loaded set with its comparisons.
pub(super) struct LabelledSet {
    pub set: PhotoSet,
    pub pairs: Option<Vec<ListedPair>>,
    pub inputs: EvaluationInputs,
}

impl LabelledSet {
    /// Which comparisons to make.
    pub(super) fn plan(&self, comparisons_max: u64, seed: u64) -> ComparisonPlan<'_> {
        match &self.pairs {
            Some(pairs) => ComparisonPlan::Listed(pairs),
            None => ComparisonPlan::AllPairs { comparisons_max, seed },
        }
    }
}

/// Turns labelled photos into templates.
pub(super) struct Loader<'a> {
    settings: &'a Settings,
    pack: Pack,
    pool: Option<FacePool>,
    cache: Option<TemplateCache>,
    wants: Wants,
    /// Most photos in progress. Computed once, because asking the system for the number of cores
    /// takes longer than reading a row.
    window: usize,
    left_out: SkippedRows,
    failures: BTreeMap<String, u64>,
    set: PhotoSet,
    /// Person and line of each path, by half of the path's SHA-256. Not used for lists of pairs.
    seen: HashMap<[u8; 16], (u32, u64)>,
    /// Person and line of each picture, by its SHA-256.
    pictures: HashMap<PhotoKey, (u32, u64)>,
    same_pictures: SamePictures,
    /// Number in the set of each photo by path, or the reason code if it has none.
    photo_of: HashMap<PathBuf, Result<u32, &'static str>>,
    /// Whether `photo_of` is needed.
    by_path: bool,
    /// Numbers in the set of the people with a photo in it, in order of appearance.
    numbered: HashMap<u32, u32>,
    photos_max: u64,
    /// Whether a photo listed for two people is loaded for both: an error in labelled photos, but
    /// what an audit looks for.
    conflicts_are_kept: bool,
    /// Selects rows; `None` takes all.
    choose: Option<RowFilter>,
    /// Called with each row without a template, if the caller lists them all.
    without_template: Option<SkippedRowSink>,
}

/// Whether to take the row that was read last, given its line.
pub(super) type RowFilter = Box<dyn FnMut(&Manifest, u64) -> bool>;
/// Receives rows that were left out, in the order of the manifest.
pub(super) type SkippedRowSink = Box<dyn FnMut(SkippedRow)>;

/// A photo in progress.
struct PendingPhoto {
    row: PhotoRow,
    state: PhotoState,
}

enum PhotoState {
    Known(Fact),
    Working(Ticket, PhotoKey),
    LeftOut { reason: &'static str, what: String },
}

impl PendingPhoto {
    /// A row that is left out. It is queued like others, so that reports keep the order of the
    /// manifest however many photos are read ahead.
    fn left_out(line: u64, reason: &'static str, what: &str) -> Self {
        let row = PhotoRow { line, subject: 0, path: PathBuf::new(), values: Vec::new() };
        Self { row, state: PhotoState::LeftOut { reason, what: what.to_owned() } }
    }
}

impl<'a> Loader<'a> {
    /// Loads the pack; `cache` is the file of the template cache, if any.
    pub(super) fn new(
        settings: &'a Settings,
        args: &LabelledArgs,
        cache: Option<&Path>,
        wants: Wants,
    ) -> Result<Self, Failure> {
        let pack = Pack::load(&settings.pack_folder()?).map_err(Failure::new)?;
        let of = FactsOf {
            recipe: pack.recipe(),
            dimension: pack.dimension(),
            revision: revision(&pack),
            measures: MEASURES.map(str::to_owned).to_vec(),
        };
        let cache = cache.filter(|_| !args.no_cache && args.templates.is_none());
        let cache = match cache {
            Some(path) => {
                let key = settings.derived_key(KEY_PURPOSE)?;
                Some(TemplateCache::open(path, of, key)?)
            }
            None => None,
        };
        Ok(Self {
            settings,
            pack,
            pool: None,
            cache,
            wants,
            window: settings.workers() * ROWS_PER_WORKER,
            left_out: SkippedRows::default(),
            failures: BTreeMap::new(),
            set: PhotoSet::default(),
            seen: HashMap::new(),
            pictures: HashMap::new(),
            same_pictures: SamePictures::default(),
            photo_of: HashMap::new(),
            by_path: args.pairs.is_some(),
            numbered: HashMap::new(),
            photos_max: args.photos_max,
            conflicts_are_kept: false,
            choose: None,
            without_template: None,
        })
    }

    /// Loads photos listed for two people for both, and only rows that `choose` accepts;
    /// `without_template` receives every such row without a template.
    pub(super) fn for_audit(self, choose: RowFilter, without_template: SkippedRowSink) -> Self {
        Self { conflicts_are_kept: true, choose: Some(choose), without_template: Some(without_template), ..self }
    }

    /// Reports a row without a template.
    fn tell(&mut self, line: u64, reason: &str, what: &str) {
        if let Some(told) = &mut self.without_template {
            told(SkippedRow { line, reason: reason.to_owned(), what: what.to_owned() });
        }
    }

    /// Recipe of the templates.
    pub(super) fn recipe(&self) -> RecipeDigest {
        self.pack.recipe()
    }

    /// Folder of the pack.
    pub(super) fn pack_folder(&self) -> &Path {
        self.pack.dir()
    }

    /// Loads everything that `args` selects, with the required `columns` of the manifest, each
    /// once.
    pub(super) fn load(self, args: &LabelledArgs, columns: &[String]) -> Result<LabelledSet, Failure> {
        self.load_with(args, columns, &[])
    }

    /// As [`Self::load`], with `wished` columns that are read if the manifest has them.
    pub(super) fn load_with(
        mut self,
        args: &LabelledArgs,
        columns: &[String],
        wished: &[&str],
    ) -> Result<LabelledSet, Failure> {
        self.set.measures = MEASURES.iter().enumerate().map(measure).collect();
        let source = args.pairs.as_ref().or(args.manifest.as_ref());
        let source = source.and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let pairs = match (&args.manifest, &args.pairs) {
            (Some(manifest), pairs) => {
                self.manifest(manifest, args, columns, wished)?;
                pairs.as_ref().map(|list| self.pairs_of_manifest(list, args)).transpose()?
            }
            (None, Some(list)) => Some(self.pairs_alone(list, args)?),
            (None, None) => return Err(Failure::new("no photos named; give --manifest FILE, or --pairs PATH")),
        };
        // Measures that no photo has are dropped.
        self.set.measures.retain(|measure| measure.values.iter().any(Option::is_some));
        let inputs = EvaluationInputs {
            pack: self.pack.name().to_owned(),
            recipe: self.pack.recipe().to_string(),
            source,
            date: None,
            only: args.only.iter().map(|(column, value)| format!("{column}={value}")).collect(),
            left_out: self.left_out,
            failures: self.failures,
            same_pictures: self.same_pictures,
        };
        Ok(LabelledSet { set: self.set, pairs, inputs })
    }

    fn manifest(
        &mut self,
        path: &Path,
        args: &LabelledArgs,
        needed: &[String],
        wished: &[&str],
    ) -> Result<(), Failure> {
        let rows = Manifest::count(path, Columns::SubjectAndPath)?;
        let mut manifest = Manifest::open(path, Columns::SubjectAndPath)?;
        let names = manifest.columns();
        let index = |name: &str| {
            manifest.column(&names, name)?.ok_or_else(|| {
                Failure::new(format_args!(
                    "manifest {}: there is no column {name}; its first line names {}",
                    path.display(),
                    names.join(", ")
                ))
            })
        };
        let conditions: Vec<(usize, &str)> =
            args.only.iter().map(|(name, value)| Ok((index(name)?, value.as_str()))).collect::<Result<_, Failure>>()?;
        let mut columns: Vec<usize> = needed.iter().map(|name| index(name)).collect::<Result<_, _>>()?;
        for name in wished {
            columns.extend(manifest.column(&names, name)?);
        }
        columns.sort_unstable();
        columns.dedup();
        self.set.columns = columns.iter().map(|&column| (names[column].clone(), ManifestColumn::default())).collect();
        let mut matrix =
            args.templates.as_deref().map(|path| TemplateMatrix::open(path, rows, &self.pack)).transpose()?;

        let progress = Progress::start(rows);
        let mut people: HashMap<[u8; 16], u32> = HashMap::new();
        let mut pending: VecDeque<PendingPhoto> = VecDeque::new();
        let (mut at_end, mut taken) = (false, 0u64);
        loop {
            while !at_end && pending.len() < self.window {
                let template = matrix.as_mut().map(TemplateMatrix::next).transpose()?;
                let Some(row) = manifest.next()? else {
                    at_end = true;
                    break;
                };
                progress.step();
                let Row { line, subject, path } = match row {
                    Ok(row) => row,
                    Err(BadRow { line, what }) => {
                        pending.push_back(PendingPhoto::left_out(line, "BAD_ROW", what));
                        continue;
                    }
                };
                if conditions.iter().any(|(column, value)| manifest.field(*column) != *value) {
                    continue;
                }
                if self.choose.as_mut().is_some_and(|wants| !wants(&manifest, line)) {
                    continue;
                }
                if taken == self.photos_max {
                    pending.push_back(PendingPhoto::left_out(line, "TOO_MANY", "more photos than --photos-max"));
                    continue;
                }
                taken += 1;
                let next = people.len() as u32;
                let subject = *people.entry(short_digest(subject.as_bytes())).or_insert(next);
                let values = columns.iter().map(|column| manifest.field(*column).into_owned()).collect();
                let row = PhotoRow { line, subject, path, values };
                match template {
                    Some(Some(template)) => {
                        let none = vec![None; MEASURES.len()];
                        pending
                            .push_back(PendingPhoto { row, state: PhotoState::Known(Fact::Template(template, none)) });
                    }
                    Some(None) => {
                        let fact = Fact::Failure("NO_TEMPLATE".to_owned());
                        pending.push_back(PendingPhoto { row, state: PhotoState::Known(fact) });
                    }
                    None => {
                        let begun = self.start(row, true)?;
                        pending.push_back(begun);
                    }
                }
            }
            let Some(next) = pending.pop_front() else { break };
            self.finish(next)?;
        }
        Ok(())
    }

    /// Reads a photo and starts its analysis, unless its result is cached.
    fn start(&mut self, row: PhotoRow, each_row: bool) -> Result<PendingPhoto, Failure> {
        let left_out =
            |row, reason, what: String| Ok(PendingPhoto { row, state: PhotoState::LeftOut { reason, what } });
        if each_row {
            match self.seen.entry(short_digest(row.path.as_os_str().as_encoded_bytes())) {
                Entry::Occupied(earlier) => {
                    let &(subject, line) = earlier.get();
                    let is_same_person = subject == row.subject;
                    if !is_same_person && self.conflicts_are_kept {
                        return self.start_analysis(row, each_row);
                    }
                    return match is_same_person {
                        true => left_out(row, "DUPLICATE_ROW", format!("the same photo as in line {line}")),
                        false => left_out(
                            row,
                            "CONFLICTING_LABEL",
                            format!("the same photo as in line {line}, under another subject_id"),
                        ),
                    };
                }
                Entry::Vacant(place) => place.insert((row.subject, row.line)),
            };
        }
        self.start_analysis(row, each_row)
    }

    fn start_analysis(&mut self, row: PhotoRow, each_row: bool) -> Result<PendingPhoto, Failure> {
        let left_out =
            |row, reason, what: String| Ok(PendingPhoto { row, state: PhotoState::LeftOut { reason, what } });
        let bytes = match photo::read(&row.path, self.settings.limits.encoded_bytes_max) {
            Ok(bytes) => bytes,
            Err(e) => return left_out(row, e.reason(), super::outcome::one_line(&e.to_string())),
        };
        let key: PhotoKey = Sha256::digest(&bytes).into();
        if each_row {
            match self.pictures.get(&key) {
                // Some data sets contain duplicates; they are reported, not refused.
                Some(&(subject, line)) => self.same_pictures.add(row.line, line, subject == row.subject),
                None => drop(self.pictures.insert(key, (row.subject, row.line))),
            }
        }
        if let Some(fact) = self.cache.as_ref().and_then(|cache| cache.get(&key)) {
            return Ok(PendingPhoto { row, state: PhotoState::Known(fact) });
        }
        if self.pool.is_none() {
            let pool = FacePool::start(&self.pack, &self.settings.pool(usize::MAX)).map_err(Failure::new)?;
            self.pool = Some(pool);
        }
        match &self.pool {
            Some(pool) => Ok(PendingPhoto { row, state: PhotoState::Working(pool.analyze(bytes, self.wants), key) }),
            None => Err(Failure::new("the workers did not start; run the same command again")),
        }
    }

    /// Waits for a photo's analysis, caches the result, and adds it to the set.
    fn finish(&mut self, PendingPhoto { row, state }: PendingPhoto) -> Result<(), Failure> {
        let fact = match state {
            PhotoState::LeftOut { reason, what } => {
                if self.by_path {
                    // For lists, rows of pairs are reported instead of photos.
                    self.photo_of.insert(row.path, Err(reason));
                } else {
                    self.left_out.add(row.line, reason, &what);
                    self.tell(row.line, reason, &what);
                }
                return Ok(());
            }
            PhotoState::Known(fact) => fact,
            PhotoState::Working(ticket, key) => {
                let answer = ticket.wait();
                let lasts = answer.as_ref().err().is_none_or(FaceError::is_of_the_picture);
                let fact = match answer {
                    Ok(analysis) => {
                        let values = measures_of(&analysis.report).to_vec();
                        Fact::Template(analysis.template, values)
                    }
                    Err(FaceError::Cancelled) => {
                        return Err(Failure::new("the workers stopped; run the same command again"));
                    }
                    Err(e) => Fact::Failure(Reason::of_face(&e).code().to_owned()),
                };
                // Failures not caused by the photo are not cached: they may not recur.
                if let Some(cache) = self.cache.as_mut().filter(|_| lasts) {
                    cache.put(key, &fact)?;
                }
                fact
            }
        };
        let photo = self.set.len() as u32;
        let (template, values) = match fact {
            Fact::Template(template, values) => (Some(template), values),
            Fact::Failure(code) => {
                self.tell(row.line, &code, "");
                *self.failures.entry(code).or_insert(0) += 1;
                (None, vec![None; MEASURES.len()])
            }
        };
        let next = self.numbered.len() as u32;
        self.set.push(*self.numbered.entry(row.subject).or_insert(next), template);
        self.set.lines.push(row.line);
        self.set.measures.iter_mut().zip(values).for_each(|(measure, value)| measure.values.push(value));
        self.set.columns.iter_mut().zip(&row.values).for_each(|((_, column), value)| column.push(value));
        if self.by_path {
            self.photo_of.insert(row.path, Ok(photo));
        }
        Ok(())
    }
}

/// Refuses binned groups of a column without any number.
pub(super) fn check_numbers<'a>(
    set: &PhotoSet,
    args: &LabelledArgs,
    grouped: impl IntoIterator<Item = &'a GroupBy>,
) -> Result<(), Failure> {
    for name in grouped.into_iter().flat_map(GroupBy::numbers) {
        let Some(column) = set.column(name) else { continue };
        let mut values = (0..set.len() as u32).map(|photo| column.value(photo).trim());
        if !set.is_empty() && !values.any(|value| value.parse::<f64>().is_ok_and(f64::is_finite)) {
            return Err(Failure::new(format_args!(
                "{}no value of the column {name} is a number; leave out the step after its colon",
                args.manifest_named()
            )));
        }
    }
    Ok(())
}

/// Half of a SHA-256, which takes less memory than the text.
fn short_digest(bytes: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}
