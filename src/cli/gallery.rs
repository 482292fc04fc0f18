//! `chinhchu gallery`: makes a gallery, or says what one is. A gallery is never made by the
//! way: at a path that is mistyped or not mounted everybody would look new.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::retain::{self, RETAIN_AT_SERVER, RunShown};
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, caller, print, runtime};
use crate::face::Pack;
use crate::gallery::{self, EmbeddedOptions, Look};
use crate::ledger::entry::Kind;

const EXAMPLES: &str = "\
Examples:
  chinhchu gallery init people
  chinhchu gallery show people --json
  chinhchu gallery show --data people
  chinhchu gallery retain --data people --config chinhchu.toml --dry-run

The folder must be empty, or not be there yet. The gallery takes templates of the model
pack in use (--pack) and of no other. Its id says which gallery it is wherever the folder
lies; with `id` under [gallery] in the configuration, no other one is opened.

`retain` takes away decisions, requests of people and entries about standing that are older
than [retention] in the configuration says; nothing that an open referral, a legal hold or a
restriction needs. `show` tells what the last run did. docs/rights.md tells more.

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
    /// Take away what [retention] in the configuration keeps no longer; a server does that every day
    #[command(after_help = EXAMPLES)]
    Retain(RetainArgs),
}

#[derive(Debug, Args)]
struct RetainArgs {
    #[command(flatten)]
    of: Of,
    /// Only count what would be taken away
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct Of {
    /// Folder of the gallery [default: as configured]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The same, as other commands take it
    #[arg(long, value_name = "DIR", conflicts_with = "folder")]
    data: Option<PathBuf>,
    /// Taken to say what to do in its place
    #[arg(long, value_name = "URL", hide = true)]
    server: Option<String>,
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
    /// Templates by each pack in use, the first pack's first.
    by_pack: Vec<PackShare>,
    /// What the last run of retention took away; `null` before the first.
    retention: Option<RunShown>,
}

/// Templates that a pack made.
#[derive(Serialize)]
struct PackShare {
    pack: String,
    recipe: String,
    templates: u64,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: GalleryCommandArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    let (of, create, retain) = match args.action {
        GalleryAction::Init(of) => (of, true, None),
        GalleryAction::Show(of) => (of, false, None),
        GalleryAction::Retain(RetainArgs { of, dry_run }) => (of, false, Some(dry_run)),
    };
    if of.server.is_some() {
        return Err(Failure::new(match retain {
            Some(_) => RETAIN_AT_SERVER,
            None => "--server: this command works on a gallery's folder (--data DIR), which no server has open",
        }));
    }
    let Some(folder) = of.folder.or(of.data).or_else(|| settings.data.clone()) else {
        return Err(Failure::new("no gallery named; give its folder, or --data DIR"));
    };
    if let Some(dry_run) = retain {
        return runtime::block_on(retain::run(&settings, &folder, dry_run, of.json));
    }
    let folders = std::iter::once(settings.pack_folder()?).chain(settings.second_pack().map(Path::to_owned));
    let packs: Vec<Pack> = folders.map(|pack| Pack::load(&pack)).collect::<Result<_, _>>().map_err(Failure::new)?;
    let recipes: Vec<_> = packs.iter().map(|pack| (pack.recipe(), pack.dimension())).collect();
    if create && gallery::is_at(&folder) {
        return Err(Failure::new(format_args!("there is a gallery at {} already", folder.display())));
    }
    // One that is made has no id yet that could be asked for.
    let id = settings.gallery_id.filter(|_| !create);
    let options = EmbeddedOptions { create, id, ..settings.gallery_options(&folder)? };
    let gallery = super::backend::opened(&folder, packs[0].name(), &recipes, options)
        .map_err(|e| settings.blame_folder(&folder, e))?;
    runtime::block_on(async {
        let stats = gallery.stats();
        if !create {
            let look = Look { records: Some(stats.subjects), ..Look::new(Kind::LookUp) };
            gallery.enter_look(&caller::context("gallery/show"), look).await.map_err(Failure::new)?;
        }
        let answer = GalleryAnswer {
            gallery: gallery.id().to_string(),
            subjects: stats.subjects,
            templates: stats.templates,
            recipe: packs[0].recipe().to_string(),
            pack: packs[0].name().to_owned(),
            retention: gallery.last_retention().await.map_err(Failure::new)?.as_ref().map(RunShown::of),
            by_pack: packs
                .iter()
                .zip(&stats.by_recipe)
                .map(|(pack, (recipe, templates))| PackShare {
                    pack: pack.name().to_owned(),
                    recipe: recipe.to_string(),
                    templates: *templates,
                })
                .collect(),
        };
        tell(&folder, &answer, create, of.json)?;
        Ok(Exit::Success)
    })
}

fn tell(folder: &Path, answer: &GalleryAnswer, is_new: bool, json: bool) -> Result<(), Failure> {
    if json {
        return print::json(answer);
    }
    let (folder, GalleryAnswer { gallery, subjects, templates, pack, by_pack, .. }) = (folder.display(), answer);
    let shares = match by_pack.as_slice() {
        [_] | [] => format!("{templates} templates of the model pack {pack}"),
        several => {
            let share = |one: &PackShare| format!("{} templates of the model pack {}", one.templates, one.pack);
            several.iter().map(share).collect::<Vec<_>>().join(", ")
        }
    };
    print::answer(&match is_new {
        true => format!("made an empty gallery in {folder} for the model pack {pack}; its id is {gallery}"),
        false => {
            let retention = answer.retention.as_ref().map(|run| run.line()).unwrap_or_default();
            format!("gallery {gallery}: {subjects} subjects, {shares}{retention}")
        }
    })
}
