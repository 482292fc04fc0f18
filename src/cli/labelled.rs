//! Labelled photos: from a manifest, or from a list of pairs, to a set of templates.
//!
//! A row that cannot be used is left out, with its line and the reason; the others are
//! used. Nothing here says whose a photo is: messages name lines.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::{BadRow, Columns, Manifest, Row};
use super::progress::Progress;
use super::settings::Settings;
use super::template_cache::{Fact, FactsOf, PhotoKey, TemplateCache};
use super::{Failure, photo};
use crate::evaluation::{
    BadLine, Column, Inputs, LeftOut, ListedPair, ListedPhotos, Measure, PairList, PhotoSet, Plan, Protocol,
    SamePictures,
};
use crate::face::quality::Measure as Quality;
use crate::face::{FaceError, FacePool, FaceReport, Pack, RecipeDigest, Template, Ticket, Wants};
use crate::workflow::words::Reason;

/// Photos read ahead per worker.
const ROWS_PER_WORKER: usize = 4;
/// Photos taken where nobody says otherwise: 2 KiB each in memory.
const PHOTOS_MAX_DEFAULT: u64 = 1_000_000;
/// Pairs of a list taken.
const PAIRS_MAX: usize = 20_000_000;

/// Which photos, as typed.
#[derive(Debug, Clone, Default, Args)]
pub struct LabelledArgs {
    /// CSV file with the columns subject_id and path, and any others
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Compare these pairs instead of all: a CSV file with the columns a,b,label, LFW's
    /// pairs.txt, or a CFP protocol folder
    #[arg(long, value_name = "PATH")]
    pub(super) pairs: Option<PathBuf>,
    /// Folder the paths of --pairs start at [default: the list's own]
    #[arg(long, value_name = "DIR", requires = "pairs")]
    pub(super) images: Option<PathBuf>,
    /// Which part of a CFP protocol folder
    #[arg(long, value_enum, default_value_t, value_name = "PART", requires = "pairs")]
    pub(super) protocol: Part,
    /// Take templates from here instead of looking at photos: a .npy matrix with a row for
    /// each of the manifest's, as `chinhchu embed` writes
    #[arg(long, value_name = "FILE.npy", requires = "manifest", conflicts_with = "pairs")]
    pub(super) templates: Option<PathBuf>,
    /// Only photos whose COLUMN of the manifest is VALUE; may be given several times
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = condition, requires = "manifest")]
    pub(super) only: Vec<(String, String)>,
    /// Most photos looked at; rows after those are left out
    #[arg(long, value_name = "N", default_value_t = PHOTOS_MAX_DEFAULT)]
    pub(super) photos_max: u64,
    /// Keep no templates in the output folder: an interrupted run begins anew
    #[arg(long)]
    pub(super) no_cache: bool,
}

/// Which part of a CFP protocol folder.
// The variants have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Part {
    #[default]
    Ff,
    Fp,
}

fn condition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => Ok((column.to_owned(), value.to_owned())),
        _ => Err("write COLUMN=VALUE, for example pose=frontal".to_owned()),
    }
}

/// A photo to be looked at.
struct Wanted {
    line: u64,
    subject: u32,
    path: PathBuf,
    values: Vec<String>,
}

/// What was loaded.
pub(super) struct Loaded {
    pub set: PhotoSet,
    pub pairs: Option<Vec<ListedPair>>,
    pub inputs: Inputs,
}

impl Loaded {
    /// What is to be compared.
    pub(super) fn plan(&self, comparisons_max: u64, seed: u64) -> Plan<'_> {
        match &self.pairs {
            Some(pairs) => Plan::Listed(pairs),
            None => Plan::AllPairs { comparisons_max, seed },
        }
    }
}

/// Numbers kept of every photo, whose higher values are expected to be better.
const MEASURES: [&str; 8] = [
    "capture quality (0-100)",
    "predicted utility (0-100)",
    "embedding norm",
    "detector score",
    "eye distance (px)",
    "sharpness (octaves)",
    "evenness of light",
    LIVENESS,
];
/// Name of the liveness score.
pub(super) const LIVENESS: &str = "liveness";
/// Those that say how much a photo is worth: tried as weights of fused captures.
const OVERALL: usize = 3;

/// The values of [`MEASURES`].
fn measures_of(report: &FaceReport) -> [Option<f32>; MEASURES.len()] {
    let quality = report.quality.as_ref();
    let measure = |of| quality.and_then(|q| q.get(of));
    [
        quality.map(|q| q.capture),
        quality.and_then(|q| q.utility),
        report.norm,
        Some(report.detection),
        Some(report.eye_distance),
        measure(Quality::Sharpness),
        measure(Quality::Evenness),
        report.liveness,
    ]
}

/// A column of values to come.
fn measure((i, name): (usize, &&str)) -> Measure {
    Measure { name: (*name).to_owned(), overall: i < OVERALL, values: Vec::new() }
}

/// What values depend on beside the recipe: the pack's model of quality.
fn revision(pack: &Pack) -> [u8; 32] {
    // Serialising numbers and text cannot fail; were it to, measures would be kept longer.
    Sha256::digest(serde_json::to_vec(&pack.quality()).unwrap_or_default()).into()
}

/// Turns labelled photos into templates.
pub(super) struct Loader<'a> {
    settings: &'a Settings,
    pack: Pack,
    pool: Option<FacePool>,
    cache: Option<TemplateCache>,
    wants: Wants,
    left_out: LeftOut,
    failures: BTreeMap<String, u64>,
    set: PhotoSet,
    /// By path, half of its SHA-256: owner and line. Not used for lists of pairs.
    seen: HashMap<[u8; 16], (u32, u64)>,
    /// By SHA-256 of a photo: owner and line.
    pictures: HashMap<PhotoKey, (u32, u64)>,
    same_pictures: SamePictures,
    /// By path of a photo: its number in the set, or why it has none.
    photo_of: HashMap<PathBuf, Result<u32, &'static str>>,
    /// Whether `photo_of` is needed.
    by_path: bool,
    /// Owners with a photo in the set, numbered as they come: the set has nobody else.
    numbered: HashMap<u32, u32>,
    photos_max: u64,
    /// Whether a photo that is there under two names is taken twice: an error in labelled
    /// photos, and what an audit looks for.
    conflicts_are_kept: bool,
    /// Asked of each row, where not all are wanted.
    choose: Option<Choose>,
}

/// Whether the row that was read last is wanted.
pub(super) type Choose = Box<dyn FnMut(&Manifest) -> bool>;

/// A photo on its way.
struct Pending {
    wanted: Wanted,
    state: State,
}

enum State {
    Known(Fact),
    Working(Ticket, PhotoKey),
    LeftOut { reason: &'static str, what: String },
}

impl Pending {
    /// A row that names no photo. It waits its turn, so that what was left out is told in
    /// the order of the manifest, however many photos are read ahead.
    fn left_out(line: u64, reason: &'static str, what: &str) -> Self {
        let wanted = Wanted { line, subject: 0, path: PathBuf::new(), values: Vec::new() };
        Self { wanted, state: State::LeftOut { reason, what: what.to_owned() } }
    }
}

impl<'a> Loader<'a> {
    /// Loads the pack; `cache` is where templates are kept, if anywhere.
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
        let cache = cache.map(|path| TemplateCache::open(path, of)).transpose()?;
        Ok(Self {
            settings,
            pack,
            pool: None,
            cache,
            wants,
            left_out: LeftOut::default(),
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
        })
    }

    /// Takes a photo that is there under two names twice, and of all rows those that
    /// `choose` wants.
    pub(super) fn for_audit(self, choose: Choose) -> Self {
        Self { conflicts_are_kept: true, choose: Some(choose), ..self }
    }

    /// Recipe of the templates.
    pub(super) fn recipe(&self) -> RecipeDigest {
        self.pack.recipe()
    }

    /// Folder of the pack.
    pub(super) fn pack_folder(&self) -> &Path {
        self.pack.dir()
    }

    /// Looks at everything `args` names. `columns` of the manifest are needed besides.
    pub(super) fn load(mut self, args: &LabelledArgs, columns: &[String]) -> Result<Loaded, Failure> {
        self.set.measures = MEASURES.iter().enumerate().map(measure).collect();
        let source = args.pairs.as_ref().or(args.manifest.as_ref());
        let source = source.and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let pairs = match (&args.manifest, &args.pairs) {
            (Some(manifest), pairs) => {
                self.manifest(manifest, args, columns)?;
                pairs.as_ref().map(|list| self.pairs_of_manifest(list, args)).transpose()?
            }
            (None, Some(list)) => Some(self.pairs_alone(list, args)?),
            (None, None) => return Err(Failure::new("no photos named; give --manifest FILE, or --pairs PATH")),
        };
        // A measure that no photo has says nothing.
        self.set.measures.retain(|measure| measure.values.iter().any(Option::is_some));
        let inputs = Inputs {
            pack: self.pack.name().to_owned(),
            recipe: self.pack.recipe().to_string(),
            source,
            date: None,
            only: args.only.iter().map(|(column, value)| format!("{column}={value}")).collect(),
            left_out: self.left_out,
            failures: self.failures,
            same_pictures: self.same_pictures,
        };
        Ok(Loaded { set: self.set, pairs, inputs })
    }

    fn manifest(&mut self, path: &Path, args: &LabelledArgs, needed: &[String]) -> Result<(), Failure> {
        let rows = Manifest::count(path, Columns::SubjectAndPath)?;
        let mut manifest = Manifest::open(path, Columns::SubjectAndPath)?;
        let names = manifest.columns()?;
        let index = |name: &str| {
            names.iter().position(|n| n == name).ok_or_else(|| {
                Failure::new(format_args!(
                    "manifest {}: there is no column {name}; its first line names {}",
                    path.display(),
                    names.join(", ")
                ))
            })
        };
        let conditions: Vec<(usize, &str)> =
            args.only.iter().map(|(name, value)| Ok((index(name)?, value.as_str()))).collect::<Result<_, Failure>>()?;
        let columns: Vec<usize> = needed.iter().map(|name| index(name)).collect::<Result<_, _>>()?;
        self.set.columns = needed.iter().map(|name| (name.clone(), Column::default())).collect();
        let mut matrix = args.templates.as_deref().map(|path| Rows::open(path, rows, &self.pack)).transpose()?;

        let progress = Progress::start(rows);
        let mut people: HashMap<[u8; 16], u32> = HashMap::new();
        let mut pending: VecDeque<Pending> = VecDeque::new();
        let (mut at_end, mut taken) = (false, 0u64);
        loop {
            while !at_end && pending.len() < self.window() {
                let template = matrix.as_mut().map(Rows::next).transpose()?;
                let Some(row) = manifest.next()? else {
                    at_end = true;
                    break;
                };
                progress.step();
                let Row { line, subject, path } = match row {
                    Ok(row) => row,
                    Err(BadRow { line, what }) => {
                        pending.push_back(Pending::left_out(line, "BAD_ROW", what));
                        continue;
                    }
                };
                if conditions.iter().any(|(column, value)| manifest.field(*column) != *value) {
                    continue;
                }
                if self.choose.as_mut().is_some_and(|wants| !wants(&manifest)) {
                    continue;
                }
                if taken == self.photos_max {
                    pending.push_back(Pending::left_out(line, "TOO_MANY", "more photos than --photos-max"));
                    continue;
                }
                taken += 1;
                let next = people.len() as u32;
                let subject = *people.entry(short_digest(subject.as_bytes())).or_insert(next);
                let values = columns.iter().map(|column| manifest.field(*column).to_owned()).collect();
                let wanted = Wanted { line, subject, path, values };
                match template {
                    Some(Some(template)) => {
                        let none = vec![None; MEASURES.len()];
                        pending.push_back(Pending { wanted, state: State::Known(Fact::Template(template, none)) });
                    }
                    Some(None) => {
                        let fact = Fact::Failure("NO_TEMPLATE".to_owned());
                        pending.push_back(Pending { wanted, state: State::Known(fact) });
                    }
                    None => {
                        let begun = self.begin(wanted, true)?;
                        pending.push_back(begun);
                    }
                }
            }
            let Some(next) = pending.pop_front() else { break };
            self.finish(next)?;
        }
        Ok(())
    }

    /// Photos on their way at a time.
    fn window(&self) -> usize {
        self.settings.workers() * ROWS_PER_WORKER
    }

    /// Reads a photo and looks at it, unless that was done before.
    fn begin(&mut self, wanted: Wanted, each_row: bool) -> Result<Pending, Failure> {
        let left_out = |wanted, reason, what: String| Ok(Pending { wanted, state: State::LeftOut { reason, what } });
        if each_row {
            match self.seen.entry(short_digest(wanted.path.as_os_str().as_encoded_bytes())) {
                Entry::Occupied(earlier) => {
                    let &(subject, line) = earlier.get();
                    let same = subject == wanted.subject;
                    if !same && self.conflicts_are_kept {
                        return self.look_at(wanted, each_row);
                    }
                    return match same {
                        true => left_out(wanted, "DUPLICATE_ROW", format!("the same photo as in line {line}")),
                        false => left_out(
                            wanted,
                            "CONFLICTING_LABEL",
                            format!("the same photo as in line {line}, under another subject_id"),
                        ),
                    };
                }
                Entry::Vacant(place) => place.insert((wanted.subject, wanted.line)),
            };
        }
        self.look_at(wanted, each_row)
    }

    fn look_at(&mut self, wanted: Wanted, each_row: bool) -> Result<Pending, Failure> {
        let left_out = |wanted, reason, what: String| Ok(Pending { wanted, state: State::LeftOut { reason, what } });
        let bytes = match photo::read(&wanted.path, self.settings.limits.encoded_bytes_max) {
            Ok(bytes) => bytes,
            Err(e) => return left_out(wanted, e.reason(), super::outcome::one_line(&e.to_string())),
        };
        let key: PhotoKey = Sha256::digest(&bytes).into();
        if each_row {
            match self.pictures.get(&key) {
                // Some data sets have them; whoever made it decides what that means.
                Some(&(subject, line)) => self.same_pictures.add(wanted.line, line, subject == wanted.subject),
                None => drop(self.pictures.insert(key, (wanted.subject, wanted.line))),
            }
        }
        if let Some(fact) = self.cache.as_ref().and_then(|cache| cache.get(&key)) {
            return Ok(Pending { wanted, state: State::Known(fact) });
        }
        if self.pool.is_none() {
            let pool = FacePool::start(&self.pack, &self.settings.pool(usize::MAX)).map_err(Failure::new)?;
            self.pool = Some(pool);
        }
        match &self.pool {
            Some(pool) => Ok(Pending { wanted, state: State::Working(pool.analyze(bytes, self.wants), key) }),
            None => Err(Failure::new("the workers did not start; run the same command again")),
        }
    }

    /// Waits for a photo, keeps what came of it, and puts it into the set.
    fn finish(&mut self, Pending { wanted, state }: Pending) -> Result<(), Failure> {
        let fact = match state {
            State::LeftOut { reason, what } => {
                if self.by_path {
                    // Lines of a list are told, each once, and not those of its photos.
                    self.photo_of.insert(wanted.path, Err(reason));
                } else {
                    self.left_out.add(wanted.line, reason, &what);
                }
                return Ok(());
            }
            State::Known(fact) => fact,
            State::Working(ticket, key) => {
                let fact = match ticket.wait() {
                    Ok(analysis) => {
                        let values = measures_of(&analysis.report).to_vec();
                        Fact::Template(analysis.template, values)
                    }
                    Err(FaceError::Cancelled) => {
                        return Err(Failure::new("the workers stopped; run the same command again"));
                    }
                    Err(e) => Fact::Failure(Reason::of_face(&e).code().to_owned()),
                };
                if let Some(cache) = &mut self.cache {
                    cache.put(key, &fact)?;
                }
                fact
            }
        };
        let photo = self.set.len() as u32;
        let (template, values) = match fact {
            Fact::Template(template, values) => (Some(template), values),
            Fact::Failure(code) => {
                *self.failures.entry(code).or_insert(0) += 1;
                (None, vec![None; MEASURES.len()])
            }
        };
        let next = self.numbered.len() as u32;
        self.set.push(*self.numbered.entry(wanted.subject).or_insert(next), template);
        self.set.lines.push(wanted.line);
        self.set.measures.iter_mut().zip(values).for_each(|(measure, value)| measure.values.push(value));
        self.set.columns.iter_mut().zip(&wanted.values).for_each(|((_, column), value)| column.push(value));
        if self.by_path {
            self.photo_of.insert(wanted.path, Ok(photo));
        }
        Ok(())
    }

    /// The pairs of a list whose photos and owners a manifest names.
    fn pairs_of_manifest(&mut self, list: &Path, args: &LabelledArgs) -> Result<Vec<ListedPair>, Failure> {
        let mut list = open_list(list, args)?;
        let mut kept = Kept::default();
        while let Some(row) = list.next_pair().map_err(Failure::new)? {
            let row = match row {
                Ok(row) => row,
                Err(BadLine { line, what }) => {
                    self.left_out.add(line, "BAD_ROW", what);
                    continue;
                }
            };
            let find = |path: &PathBuf| self.photo_of.get(path).copied().unwrap_or(Err("NOT_IN_MANIFEST"));
            let refused = match (find(&row.a), find(&row.b)) {
                (Ok(a), Ok(b)) if (self.set.subject(a) == self.set.subject(b)) != row.genuine => {
                    Err(("CONFLICTING_LABEL", "the label contradicts the manifest"))
                }
                (Ok(a), Ok(b)) => kept.push(a, b, row.genuine),
                (Err(reason), _) | (_, Err(reason)) => Err((reason, "one of its photos was left out")),
            };
            if let Err((reason, what)) = refused {
                self.left_out.add(row.line, reason, what);
            }
        }
        Ok(kept.pairs)
    }

    /// The pairs of a list that stands alone: it says whose photos are, or genuine pairs
    /// do.
    fn pairs_alone(&mut self, path: &Path, args: &LabelledArgs) -> Result<Vec<ListedPair>, Failure> {
        let mut list = open_list(path, args)?;
        let mut photos: Vec<(PathBuf, u64)> = Vec::new();
        let mut number: HashMap<PathBuf, u32> = HashMap::new();
        let mut people: HashMap<String, u32> = HashMap::new();
        let mut owner: Vec<Option<u32>> = Vec::new();
        let mut rows: Vec<(u64, u32, u32, bool)> = Vec::new();
        while let Some(row) = list.next_pair().map_err(Failure::new)? {
            let row = match row {
                Ok(row) => row,
                Err(BadLine { line, what }) => {
                    self.left_out.add(line, "BAD_ROW", what);
                    continue;
                }
            };
            if rows.len() == PAIRS_MAX || photos.len() as u64 + 2 > self.photos_max {
                self.left_out.add(row.line, "TOO_MANY", "more pairs or photos than are taken");
                continue;
            }
            let mut intern = |path: PathBuf, subject: Option<&String>| -> u32 {
                let next = photos.len() as u32;
                let at = *number.entry(path.clone()).or_insert(next);
                if at == next {
                    photos.push((path, row.line));
                    owner.push(subject.map(|name| {
                        let next = people.len() as u32;
                        *people.entry(name.clone()).or_insert(next)
                    }));
                }
                at
            };
            let named = row.subjects.as_ref();
            let (a, b) = (intern(row.a, named.map(|s| &s[0])), intern(row.b, named.map(|s| &s[1])));
            rows.push((row.line, a, b, row.genuine));
        }
        if rows.is_empty() {
            return Err(Failure::new(format_args!("pair list {}: it has no pair that can be used", path.display())));
        }
        let owners = owners(&owner, &rows);
        let progress = Progress::start(photos.len() as u64);
        let mut pending: VecDeque<Pending> = VecDeque::new();
        let mut wanted = photos.iter().zip(&owners).map(|((path, line), subject)| Wanted {
            line: *line,
            subject: *subject,
            path: path.clone(),
            values: Vec::new(),
        });
        loop {
            while pending.len() < self.window() {
                let Some(next) = wanted.next() else { break };
                let begun = self.begin(next, false)?;
                pending.push_back(begun);
                progress.step();
            }
            let Some(next) = pending.pop_front() else { break };
            self.finish(next)?;
        }
        let mut kept = Kept::default();
        for (line, a, b, genuine) in rows {
            let find =
                |photo: u32| self.photo_of.get(&photos[photo as usize].0).copied().unwrap_or(Err("FILE_MISSING"));
            let refused = match (find(a), find(b)) {
                (Ok(_), Ok(_)) if (owners[a as usize] == owners[b as usize]) != genuine => {
                    Err(("CONFLICTING_LABEL", "other lines say the opposite of these two photos"))
                }
                (Ok(a), Ok(b)) => kept.push(a, b, genuine),
                (Err(reason), _) | (_, Err(reason)) => Err((reason, "one of its photos was left out")),
            };
            if let Err((reason, what)) = refused {
                self.left_out.add(line, reason, what);
            }
        }
        Ok(kept.pairs)
    }
}

/// Pairs taken, each once.
#[derive(Default)]
struct Kept {
    pairs: Vec<ListedPair>,
    seen: std::collections::HashSet<(u32, u32)>,
}

impl Kept {
    fn push(&mut self, a: u32, b: u32, genuine: bool) -> Result<(), (&'static str, &'static str)> {
        if a == b {
            return Err(("BAD_ROW", "a photo is compared with itself"));
        }
        if self.pairs.len() == PAIRS_MAX {
            return Err(("TOO_MANY", "more pairs than are taken"));
        }
        if !self.seen.insert((a.min(b), a.max(b))) {
            return Err(("DUPLICATE_ROW", "the same pair as in an earlier line"));
        }
        self.pairs.push(ListedPair { a, b, genuine });
        Ok(())
    }
}

fn open_list(path: &Path, args: &LabelledArgs) -> Result<PairList, Failure> {
    let protocol = match args.protocol {
        Part::Ff => Protocol::FrontalFrontal,
        Part::Fp => Protocol::FrontalProfile,
    };
    PairList::open(path, &ListedPhotos { folder: args.images.clone(), protocol }).map_err(Failure::new)
}

/// Whose each photo is: as named, else the same person's as the photos that genuine pairs
/// tie it to.
fn owners(named: &[Option<u32>], rows: &[(u64, u32, u32, bool)]) -> Vec<u32> {
    if let Some(all) = named.iter().copied().collect::<Option<Vec<u32>>>() {
        return all;
    }
    let mut parent: Vec<u32> = (0..named.len() as u32).collect();
    fn root(parent: &mut [u32], mut of: u32) -> u32 {
        while parent[of as usize] != of {
            parent[of as usize] = parent[parent[of as usize] as usize];
            of = parent[of as usize];
        }
        of
    }
    for &(_, a, b, _) in rows.iter().filter(|row| row.3) {
        let (a, b) = (root(&mut parent, a), root(&mut parent, b));
        parent[a.max(b) as usize] = a.min(b);
    }
    let mut number: HashMap<u32, u32> = HashMap::new();
    (0..named.len() as u32)
        .map(|photo| {
            let next = number.len() as u32;
            *number.entry(root(&mut parent, photo)).or_insert(next)
        })
        .collect()
}

/// Half of the SHA-256 of a subject id: remembering ids would take more.
fn short_digest(bytes: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// Rows of a `.npy` matrix of float32.
struct Rows {
    shown: String,
    values: npyz::NpyReader<f32, std::io::BufReader<File>>,
    dimension: usize,
    recipe: RecipeDigest,
}

impl Rows {
    fn open(path: &Path, rows: u64, pack: &Pack) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let bad = |what: &dyn std::fmt::Display| Failure::new(format_args!("--templates {shown}: {what}"));
        let file = File::open(path).map_err(|e| bad(&format_args!("cannot be opened ({e}); check the path")))?;
        let npy = npyz::NpyFile::new(std::io::BufReader::new(file))
            .map_err(|e| bad(&format_args!("is no .npy file ({e}); `chinhchu embed` writes one")))?;
        let dimension = pack.dimension();
        if npy.shape() != [rows, dimension as u64] || npy.order() != npyz::Order::C {
            let shape = format!("{:?}", npy.shape());
            return Err(bad(&format_args!("its shape is {shape}, not [{rows}, {dimension}]: rows of this manifest")));
        }
        let values = npy.data::<f32>().map_err(|e| bad(&format_args!("its values are not float32 ({e:?})")))?;
        Ok(Self { shown, values, dimension, recipe: pack.recipe() })
    }

    /// The next template; `None` for a row of zeros, or beyond the last.
    fn next(&mut self) -> Result<Option<Template>, Failure> {
        let mut vector = Vec::with_capacity(self.dimension);
        for value in self.values.by_ref().take(self.dimension) {
            vector.push(value.map_err(|e| {
                Failure::new(format_args!("--templates {}: cannot be read ({e}); write it again", self.shown))
            })?);
        }
        // What is not of length 1 is no template: a row that failed is zeros.
        Ok(Template::from_parts(self.recipe, vector, 1.0).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genuine_pairs_say_whose_photos_are_where_nobody_else_does() {
        let rows = [(2, 0, 1, true), (3, 1, 2, true), (4, 3, 4, true), (5, 0, 3, false), (6, 5, 0, false)];
        assert_eq!(owners(&[None; 6], &rows), [0, 0, 0, 1, 1, 2]);
        assert_eq!(owners(&[Some(4), Some(4), Some(1)], &[]), [4, 4, 1]);
    }

    #[test]
    fn conditions_name_a_column() {
        assert_eq!(condition("pose=a=b").unwrap(), ("pose".to_owned(), "a=b".to_owned()));
        assert!(condition("pose").is_err() && condition("=x").is_err());
    }
}
