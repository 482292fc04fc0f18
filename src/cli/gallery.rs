//! `chinhchu gallery`: makes a gallery, or says what one is. A gallery is never made by the
//! way: at a path that is mistyped or not mounted everybody would look new.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, print, runtime};
use crate::face::Pack;
use crate::gallery::{self, EmbeddedOptions};

const EXAMPLES: &str = "\
Examples:
  chinhchu gallery init people
  chinhchu gallery show people --json
  chinhchu gallery show --data people

The folder must be empty, or not be there yet. The gallery takes templates of the model
pack in use (--pack) and of no other. Its id says which gallery it is wherever the folder
lies; with `id` under [gallery] in the configuration, no other one is opened.

Exit code: 0 done, 2 the folder or the pack cannot be used, or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GalleryCommandArgs {
    #[command(subcommand)]
    action: GalleryAction,
}

#[derive(Debug, Subcommand)]
enum GalleryAction {
    /// Make an empty gallery
    #[command(after_help = EXAMPLES)]
    Init(Of),
    /// Say what a gallery is: id, model pack, how many are in it
    #[command(after_help = EXAMPLES)]
    Show(Of),
}

#[derive(Debug, Args)]
struct Of {
    /// Folder of the gallery [default: as configured]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The same, as other commands take it
    #[arg(long, value_name = "DIR", conflicts_with = "folder")]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Serialize)]
struct GalleryAnswer {
    gallery: String,
    subjects: u64,
    templates: u64,
    recipe: String,
    pack: String,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: GalleryCommandArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    let (of, create) = match args.action {
        GalleryAction::Init(of) => (of, true),
        GalleryAction::Show(of) => (of, false),
    };
    let Some(folder) = of.folder.or(of.data).or_else(|| settings.data.clone()) else {
        return Err(Failure::new("no gallery named; give its folder, or --data DIR"));
    };
    let pack = Pack::load(&settings.pack_folder()?).map_err(Failure::new)?;
    if create && gallery::is_at(&folder) {
        return Err(Failure::new(format_args!("there is a gallery at {} already", folder.display())));
    }
    // One that is made has no id yet that could be asked for.
    let id = settings.gallery_id.filter(|_| !create);
    let options = EmbeddedOptions { create, id, ..settings.gallery_options() };
    let gallery = super::backend::opened(&folder, &pack, options).map_err(|e| settings.blame_folder(&folder, e))?;
    runtime::block_on(async {
        let stats = gallery.stats();
        let answer = GalleryAnswer {
            gallery: gallery.id().to_string(),
            subjects: stats.subjects,
            templates: stats.templates,
            recipe: stats.recipe.to_string(),
            pack: pack.name().to_owned(),
        };
        tell(&folder, &answer, create, of.json)?;
        Ok(Exit::Success)
    })
}

fn tell(folder: &Path, answer: &GalleryAnswer, is_new: bool, json: bool) -> Result<(), Failure> {
    if json {
        return print::json(answer);
    }
    let (folder, GalleryAnswer { gallery, subjects, templates, pack, .. }) = (folder.display(), answer);
    print::answer(&match is_new {
        true => format!("made an empty gallery in {folder} for the model pack {pack}; its id is {gallery}"),
        false => format!("gallery {gallery}: {subjects} subjects, {templates} templates of the model pack {pack}"),
    })
}
