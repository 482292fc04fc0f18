//! `chinhchu ledger export`: entries as CSV or lines of JSON, and the tree as tiles.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::show::{FilterArgs, listed};
use super::source::{self, LedgerSource};
use crate::cli::backend::{GalleryArgs, Place};
use crate::cli::csv_locale::CsvLocaleArg;
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, print, runtime};
use crate::gallery::{GalleryError, LedgerTiles};
use crate::ledger::entry::{Entry, EntryTable};
use crate::ledger::tile::{self, TileFolder, TileNodes};
use crate::ledger::witness::compare;
use crate::private::{self, Partial, Readers};
use crate::workflow::beneficiary::{PAGE_MAX, PageRequest};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Write entries as a table (docs/tables.md), a row each
    #[arg(long, value_name = "FILE", conflicts_with_all = ["jsonl", "tiles"], required_unless_present_any = ["jsonl", "tiles"])]
    csv: Option<PathBuf>,
    /// How numbers are written in the table, and by what cells are parted
    #[arg(long, value_enum, default_value_t, requires = "csv")]
    csv_locale: CsvLocaleArg,
    /// Write entries as lines of JSON
    #[arg(long, value_name = "FILE", conflicts_with = "tiles")]
    jsonl: Option<PathBuf>,
    /// Write the tree, without contents, into this folder for any web server (C2SP tlog-tiles), or
    /// bring it up to date; of a gallery that nobody has open
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    gallery: GalleryArgs,
}

pub(super) fn run(settings: &Settings, args: &ExportArgs) -> Outcome {
    let place = args.gallery.place(settings)?;
    match (&args.tiles, &args.csv, &args.jsonl) {
        (Some(folder), _, _) => export_tiles(settings, &place, folder),
        (None, Some(file), _) => runtime::wait(export(settings, args, &place, file, true)),
        (None, None, Some(file)) => runtime::wait(export(settings, args, &place, file, false)),
        (None, None, None) => Err(Failure::new("name what to write: --csv FILE, --jsonl FILE or --tiles DIR")),
    }
}

/// Where entries are written.
enum Sink {
    Table(Box<EntryTable<BufWriter<File>>>),
    Lines(BufWriter<File>),
}

async fn export(settings: &Settings, args: &ExportArgs, place: &Place, file: &Path, is_table: bool) -> Outcome {
    let failed = |why: std::io::Error| Failure::new(format_args!("cannot write {}: {why}", file.display()));
    source::check_out(file, settings, place)?;
    let source = LedgerSource::open("ledger/export", settings, place).await?;
    let filter = args.filter.clone().filter();
    // Whole or not at all, and for its owner alone: who did what is nobody else's business.
    let partial = Partial::create(file, Readers::Owner).map_err(failed)?;
    let out = BufWriter::new(partial.file().try_clone().map_err(failed)?);
    let mut sink = match is_table {
        true => Sink::Table(Box::new(EntryTable::begin(out, args.csv_locale.into()).map_err(failed)?)),
        false => Sink::Lines(out),
    };
    let (mut token, mut written) = (String::new(), 0);
    loop {
        let page = source.entries(&filter, PageRequest { size: PAGE_MAX, token }).await?;
        for leaf in &page.entries {
            let entry = leaf.opening.as_ref().and_then(Entry::opened);
            let listed = listed(leaf, entry.as_ref());
            match &mut sink {
                Sink::Table(table) => table.row(&listed).map_err(failed)?,
                Sink::Lines(out) => writeln!(out, "{}", listed.to_json()).map_err(failed)?,
            }
            written += 1;
        }
        match page.next {
            Some(next) => token = next,
            None => break,
        }
    }
    match sink {
        Sink::Table(table) => table.end().map_err(failed)?,
        Sink::Lines(mut out) => out.flush().map_err(failed)?,
    }
    source.exported(written).await?;
    partial.keep().map_err(failed)?;
    private::sync_folder(file.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    print::note(&format!("{written} entries written to {}", file.display()));
    Ok(Exit::Success)
}

fn export_tiles(settings: &Settings, place: &Place, folder: &Path) -> Outcome {
    let Place::Folder(data) = place else {
        return Err(Failure::new("--tiles is made of a gallery's folder, of a copy, say: --data DIR"));
    };
    let size = source::read_folder(data, settings, |tables| {
        let head = tables.head()?.ok_or(GalleryError::NoLedger)?;
        let size = head.signed();
        let keys = head.keys()?;
        let Some(checkpoint) = head.checkpoint else { return Ok(None) };
        let nodes = TileNodes::new(LedgerTiles(tables), size);
        // What was published before goes on, or stays.
        let told = |why: String| Failure::new(format_args!("{}: {why}", folder.display()));
        if folder.join("checkpoint").symlink_metadata().is_ok() {
            let before = TileFolder::new(folder).checkpoint().map_err(|why| told(why.to_string()))?;
            let before = keys.verify(&before).map_err(|why| told(why.to_string()))?;
            let now = keys.verify(&checkpoint).map_err(|why| told(why.to_string()))?;
            let stands = compare(&before, &now, &nodes).map_err(|why| told(why.to_string()))?;
            stands.map_err(|why| told(format!("{why}; nothing was written")))?;
        }
        let leaf = |index: u64| {
            let found = tables.entries(index, 1)?.into_iter().find(|leaf| leaf.index == index);
            Ok::<_, GalleryError>(found.map(|leaf| leaf.commitment))
        };
        tile::export(folder, &nodes, leaf, &checkpoint).map_err(Failure::new)?;
        Ok(Some(size))
    })?;
    match size {
        Some(size) => {
            print::note(&format!("a tree of {size} entries is in {}", folder.display()));
            Ok(Exit::Success)
        }
        None => {
            print::note("nothing is signed yet: a server signs within a second");
            Ok(Exit::Negative)
        }
    }
}
