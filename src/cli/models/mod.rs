//! `chinhchu models`: what model packs there are, what is in them, whether their
//! files are the right ones.

mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::settings::{self, Settings};
use super::{Exit, Failure, GlobalArgs, Outcome, outcome, print, runtime};
use crate::face::quality::QualityModel;
use crate::face::{Manifest, NetworkSpec, Pack, RecipeDigest};
use crate::matching::{Calibration, CurveBasis, POOLED};
use crate::{hex, regular};

const EXAMPLES: &str = "\
Examples:
  chinhchu models                    the same as models list
  chinhchu models show
  chinhchu models show yunet --json
  chinhchu models verify
  chinhchu models verify models/default

PACK is a folder, or the name of one under models/ here or near the program. Without
it the pack in use is taken (--pack, CHINHCHU_PACK, the configuration, models/default).

verify reads every file that loading the pack reads, by the same code: networks and
projection against their checksums, calibration and quality model against the pack's recipe.
Where all are right and ONNX Runtime is there, it loads the networks as well.

Exit code: 0 fine, 1 verify found a file that the pack cannot be used with (or list found no
pack), 2 there is no such pack, its pack.toml makes no sense, or wrong usage.";

/// Name of the manifest in a pack's folder.
const PACK_TOML: &str = "pack.toml";
/// Name of the calibration the engine takes.
const CALIBRATION_TOML: &str = "calibration.toml";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct ModelsArgs {
    #[command(subcommand)]
    action: Option<ModelsAction>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ModelsAction {
    /// List the packs under models/
    #[command(after_help = EXAMPLES)]
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what is in a pack: networks, licences, recipe, calibration, quality model
    #[command(after_help = EXAMPLES)]
    Show {
        /// Folder or name of the pack [default: the one in use]
        // Its id may not be that of the global --pack.
        #[arg(value_name = "PACK")]
        which: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Check every file that a pack is loaded from
    #[command(after_help = EXAMPLES)]
    Verify {
        /// Folder or name of the pack [default: the one in use]
        // Its id may not be that of the global --pack.
        #[arg(value_name = "PACK")]
        which: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: ModelsArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    match args.action.unwrap_or(ModelsAction::List { json: args.json }) {
        ModelsAction::List { json } => list(json),
        ModelsAction::Show { which, json } => show(&find(&settings, which)?, json),
        ModelsAction::Verify { which, json } => verify::run(&settings, &find(&settings, which)?, json),
    }
}

/// The folder of a pack: a folder as typed, a name under `models/`, or the one in
/// use.
fn find(settings: &Settings, typed: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let Some(typed) = typed else { return settings.pack_folder() };
    let named = settings::places().into_iter().map(|place| place.join("models").join(&typed));
    std::iter::once(typed.clone()).chain(named).find(|folder| folder.join(PACK_TOML).is_file()).ok_or_else(|| {
        let typed = typed.display();
        Failure::new(format_args!(
            "no model pack {typed}, as a folder or under models/; `chinhchu models list` names them"
        ))
    })
}

fn manifest(folder: &Path) -> Result<Manifest, Failure> {
    let path = folder.join(PACK_TOML);
    let shown = path.display();
    let bytes = regular::read(&path, Manifest::BYTES_MAX)
        .map_err(|e| Failure::new(format_args!("cannot read {shown}: {e}; check --pack")))?;
    Manifest::parse(&bytes).map_err(|e| Failure::new(format_args!("{shown}: {e}")))
}

/// A pack in a list.
#[derive(Serialize)]
struct PackListed {
    folder: PathBuf,
    name: Option<String>,
    description: Option<String>,
    recipe: Option<String>,
    problem: Option<String>,
    /// File of its quality model; `None` where it has none.
    quality: Option<String>,
    /// Why that cannot be used.
    quality_problem: Option<String>,
}

impl PackListed {
    /// Looks at the quality model as well.
    fn with_quality(mut self) -> Self {
        if let Ok(pack) = manifest(&self.folder) {
            self.quality_problem = Pack::quality_of(&self.folder, &pack).err().map(|problem| problem.to_string());
            self.quality = pack.quality;
        }
        self
    }

    fn line(&self) -> String {
        let folder = self.folder.display();
        let Some(name) = &self.name else {
            return format!("{folder}  unusable: {}", self.problem.as_deref().unwrap_or_default());
        };
        let quality = match (&self.quality, &self.quality_problem) {
            (_, Some(problem)) => format!("unusable: {}", outcome::one_line(problem)),
            (Some(file), None) => format!("quality by {file}"),
            (None, None) => "no quality model".to_owned(),
        };
        format!("{folder}  {name}: {}; {quality}", self.description.as_deref().unwrap_or_default())
    }
}

#[derive(Serialize)]
struct PackList {
    packs: Vec<PackListed>,
}

fn list(json: bool) -> Outcome {
    let packs = settings::places().into_iter().map(|place| packs_in(&place.join("models"))).find(|p| !p.is_empty());
    let packs: Vec<PackListed> = packs.unwrap_or_default().into_iter().map(PackListed::with_quality).collect();
    let exit = if packs.is_empty() { Exit::Negative } else { Exit::Success };
    if json {
        print::json(&PackList { packs })?;
    } else if packs.is_empty() {
        print::answer("no model packs under models/, neither here nor near the program; run scripts/setup")?;
    } else {
        print::answer(&packs.iter().map(PackListed::line).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(exit)
}

/// The folder of the pack of this recipe, as one would type it, if there is one under
/// `models/` here or near the program.
pub(super) fn folder_of(recipe: RecipeDigest) -> Option<PathBuf> {
    let recipe = recipe.to_string();
    let mut packs = settings::places().into_iter().flat_map(|place| packs_in(&place.join("models")));
    packs.find(|pack| pack.recipe.as_ref() == Some(&recipe)).map(|pack| pack.folder)
}

/// Every folder with a `pack.toml`, by name; one that makes no sense is listed too.
fn packs_in(models: &Path) -> Vec<PackListed> {
    let Ok(entries) = fs::read_dir(models) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join(PACK_TOML).is_file());
    folders.sort();
    let listed = |folder: PathBuf| match manifest(&folder) {
        Ok(pack) => PackListed {
            recipe: Some(pack.recipe().to_string()),
            name: Some(pack.name),
            description: Some(pack.description),
            problem: None,
            quality: None,
            quality_problem: None,
            folder,
        },
        Err(problem) => PackListed {
            folder,
            name: None,
            description: None,
            recipe: None,
            problem: Some(problem.to_string()),
            quality: None,
            quality_problem: None,
        },
    };
    folders.into_iter().map(listed).collect()
}

/// What is in a pack.
#[derive(Serialize)]
struct Shown {
    folder: PathBuf,
    name: String,
    description: String,
    recipe: String,
    dimension: usize,
    networks: Vec<NetworkShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projection: Option<ProjectionShown>,
    calibration: Vec<CurveShown>,
    calibration_problem: Option<String>,
    quality: Option<QualityShown>,
    quality_problem: Option<String>,
}

#[derive(Serialize)]
struct NetworkShown {
    role: String,
    family: &'static str,
    file: String,
    sha256: String,
    licence: String,
    source: String,
    /// Share of its cosine in the score, where several embedders make the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f32>,
}

#[derive(Serialize)]
struct ProjectionShown {
    file: String,
    sha256: String,
}

#[derive(Serialize)]
struct QualityShown {
    file: String,
    population: String,
    date: String,
    photos: u64,
}

impl QualityShown {
    fn new(file: &str, model: QualityModel) -> Self {
        let QualityModel { population, date, photos, .. } = model;
        Self { file: file.to_owned(), population, date, photos }
    }
}

#[derive(Serialize)]
struct CurveShown {
    probe_frames: u32,
    reference: &'static str,
    group: String,
    weighed: &'static str,
    basis: &'static str,
    population: String,
    date: String,
    subjects: u64,
    impostor_comparisons: u64,
    fmr_supported: Option<f64>,
}

fn show(folder: &Path, json: bool) -> Outcome {
    let pack = manifest(folder)?;
    let (calibration, calibration_problem) = match Calibration::load(&folder.join(CALIBRATION_TOML), pack.recipe()) {
        Ok(calibration) => (calibration.curves, None),
        Err(problem) => (Vec::new(), Some(problem.to_string())),
    };
    let (quality, quality_problem) = match Pack::quality_of(folder, &pack) {
        Ok(model) => (model.zip(pack.quality.as_deref()).map(|(model, file)| QualityShown::new(file, model)), None),
        Err(problem) => (None, Some(problem.to_string())),
    };
    let shown = Shown {
        folder: folder.to_owned(),
        recipe: pack.recipe().to_string(),
        dimension: pack.dimension(),
        networks: pack.networks().map(|spec| network(&pack, spec)).collect(),
        projection: pack
            .projection
            .as_ref()
            .map(|spec| ProjectionShown { file: spec.file.clone(), sha256: hex::encode(&spec.sha256) }),
        name: pack.name,
        description: pack.description,
        calibration: calibration
            .into_iter()
            .map(|curve| CurveShown {
                fmr_supported: curve.knots.last().map(|knot| knot.fmr),
                probe_frames: curve.probe_frames,
                reference: curve.reference.name(),
                group: curve.group,
                weighed: curve.weighed.name(),
                basis: curve.basis.name(),
                population: curve.population,
                date: curve.date,
                subjects: curve.subjects,
                impostor_comparisons: curve.impostor_comparisons,
            })
            .collect(),
        calibration_problem,
        quality,
        quality_problem,
    };
    if json {
        print::json(&shown)?
    } else {
        print::answer(&shown.text())?
    }
    Ok(Exit::Success)
}

fn network(pack: &Manifest, spec: &NetworkSpec) -> NetworkShown {
    let total: f32 = pack.embedders.iter().map(|embedder| embedder.weight).sum();
    let fused = pack.embedders.iter().filter(|_| pack.embedders.len() > 1);
    NetworkShown {
        weight: fused.filter(|e| e.network == *spec).map(|e| e.weight / total).next(),
        role: spec.role.to_string(),
        family: spec.family.name(),
        file: spec.file.clone(),
        sha256: hex::encode(&spec.sha256),
        licence: spec.licence.clone(),
        source: spec.source.clone(),
    }
}

impl Shown {
    fn text(&self) -> String {
        let mut text = format!(
            "{}: {}\nfolder     {}\nrecipe     {}\ntemplates  {} values",
            self.name,
            self.description,
            self.folder.display(),
            self.recipe,
            self.dimension
        );
        for network in &self.networks {
            let NetworkShown { role, family, file, licence, source, weight, .. } = network;
            let weight = weight.map_or(String::new(), |weight| format!("; {:.0} % of the score", 100.0 * weight));
            text += &format!("\n{role:<10} {file} ({family}{weight}; {licence}; {source})");
        }
        if let Some(ProjectionShown { file, .. }) = &self.projection {
            text += &format!("\nprojection {file}");
        }
        for curve in &self.calibration {
            text += &format!(
                "\ncalibrated for {} probe frame(s) against {}, {}{}: {}, {}; {} subjects, {} comparisons, counted down to FMR {}",
                curve.probe_frames,
                curve.reference,
                if curve.group == POOLED { "all people".to_owned() } else { format!("the group {}", curve.group) },
                if curve.basis == CurveBasis::Derived.name() { " (derived)" } else { "" },
                curve.population,
                curve.date,
                curve.subjects,
                curve.impostor_comparisons,
                curve.fmr_supported.map_or("?".to_owned(), print::rate),
            );
        }
        if let Some(problem) = &self.calibration_problem {
            text += &format!("\ncalibration: {problem}");
        }
        text += &match (&self.quality, &self.quality_problem) {
            (_, Some(problem)) => format!("\nquality model: {}", outcome::one_line(problem)),
            (Some(QualityShown { file, population, date, photos }), None) => {
                format!("\nquality    {file}: {}, {date}; {photos} photos", outcome::one_line(population))
            }
            (None, None) => "\nno quality model".to_owned(),
        };
        text
    }
}
