//! `chinhchu embed`: the photos of a manifest as rows of a `.npy` matrix.

use std::collections::VecDeque;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use clap::Args;
use npyz::WriterBuilder;
use serde::Serialize;

use super::files::{Partial, Readers, unwritable};
use super::manifest::{BadRow, Columns, Manifest, Row};
use super::progress::Progress;
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, outcome, photo, print, runtime};
use crate::face::{FaceError, FacePool, Pack, Ticket, Wants};
use crate::table::{self, CsvLocale};
use crate::workflow::reason::Reason;

const EXAMPLES: &str = "\
Examples:
  chinhchu embed --manifest photos.csv --out templates.npy
  chinhchu embed --manifest photos.csv --out templates.npy --workers 4 --json

The manifest is a CSV file with a column path, one photo a row; other columns are
ignored and relative paths start at the manifest's folder.

templates.npy holds float32 rows of length 1 in manifest order (numpy.load reads it);
the cosine similarity of two is their dot product. A row that failed is zeros and is
listed in templates.errors.csv (row,line,reason,message), row counting from 0, line
being the manifest's. Both files appear only when all rows are done, and only their
owner can read them (0600, whatever the umask).

The rows are templates in the clear, also where a gallery's are sealed: a face is
known again by its row. One line on standard error says so.

Exit code: 0 all rows, 1 some rows failed, 2 the manifest or the pack cannot be used,
the disk is full, or wrong usage.";

/// Photos read ahead per worker.
const ROWS_PER_WORKER: usize = 4;

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EmbedArgs {
    /// CSV file with a column path
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// Where to write the templates
    #[arg(long, value_name = "FILE.npy")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What will be done.
struct EmbedPlan {
    manifest: PathBuf,
    out: PathBuf,
    errors: PathBuf,
    rows: u64,
}

/// The `embed` answer.
#[derive(Serialize)]
struct EmbedAnswer<'a> {
    rows: u64,
    failed: u64,
    dimension: usize,
    recipe: String,
    out: &'a Path,
    errors: &'a Path,
}

/// A row on its way.
struct PendingRow {
    line: u64,
    state: RowState,
}

enum RowState {
    Working(Ticket),
    Failed { reason: &'static str, message: String },
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: EmbedArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    if args.out.extension().is_none_or(|e| e != "npy") {
        return Err(Failure::new(format_args!("--out {}: the name must end in .npy", args.out.display())));
    }
    let plan = EmbedPlan {
        rows: Manifest::count(&args.manifest, Columns::Path)?,
        errors: args.out.with_extension("errors.csv"),
        out: args.out,
        manifest: args.manifest,
    };
    let pack = Pack::load(&settings.pack_folder()?).map_err(Failure::new)?;
    let pool = settings.pool(usize::try_from(plan.rows).unwrap_or(usize::MAX));
    let pool = FacePool::start(&pack, &pool).map_err(Failure::new)?;
    let failed = write(&plan, &pool, pack.dimension(), settings.limits.encoded_bytes_max)?;

    print::note(&format!(
        "{} holds templates in the clear, by which people are known again: keep it as you keep the gallery, and remove \
         it when it is done with",
        outcome::one_line(&plan.out.display().to_string())
    ));
    if args.json {
        print::json(&EmbedAnswer {
            rows: plan.rows,
            failed,
            dimension: pack.dimension(),
            recipe: pack.recipe().to_string(),
            out: &plan.out,
            errors: &plan.errors,
        })?;
    } else {
        let listed = if failed > 0 { format!(", listed in {}", plan.errors.display()) } else { String::new() };
        print::answer(&format!("{} rows in {}, {failed} failed{listed}", plan.rows, plan.out.display()))?;
    }
    Ok(if failed == 0 { Exit::Success } else { Exit::Negative })
}

/// Writes both files under temporary names, then gives them their own. Memory does
/// not grow with the manifest.
fn write(plan: &EmbedPlan, pool: &FacePool, dimension: usize, bytes_max: usize) -> Result<u64, Failure> {
    let failed = |e: io::Error| unwritable(&plan.out, &e);
    let errors_failed = |e: io::Error| unwritable(&plan.errors, &e);
    let matrix_file = Partial::create(&plan.out, Readers::Owner).map_err(failed)?;
    let errors_file = Partial::create(&plan.errors, Readers::Owner).map_err(errors_failed)?;
    let mut matrix = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[plan.rows, dimension as u64])
        .writer(BufWriter::with_capacity(1 << 20, matrix_file.file()))
        .begin_nd()
        .map_err(failed)?;
    // For programs: no byte order mark.
    let columns = ["row", "line", "reason", "message"];
    let mut errors = table::Writer::begin(errors_file.file(), CsvLocale::Plain, &columns, &["row", "line"])
        .map_err(errors_failed)?;

    let zeros = vec![0.0f32; dimension];
    let mut failures = 0;
    let progress = Progress::start(plan.rows);
    let mut manifest = Manifest::open(&plan.manifest, Columns::Path)?;
    let mut pending: VecDeque<PendingRow> = VecDeque::new();
    let (mut read_to_end, mut row) = (false, 0u64);
    loop {
        while !read_to_end && pending.len() < pool.workers() * ROWS_PER_WORKER {
            match manifest.next()? {
                Some(next) => pending.push_back(begin(next, pool, bytes_max)),
                None => read_to_end = true,
            }
        }
        let Some(next) = pending.pop_front() else { break };
        if row == plan.rows {
            return Err(changed(plan));
        }
        match finish(next.state)? {
            Ok(vector) => matrix.extend(vector).map_err(failed)?,
            Err((reason, message)) => {
                matrix.extend(zeros.iter().copied()).map_err(failed)?;
                errors.row([&row.to_string(), &next.line.to_string(), reason, &message]).map_err(errors_failed)?;
                failures += 1;
            }
        }
        row += 1;
        progress.step();
    }
    if row != plan.rows {
        return Err(changed(plan));
    }
    matrix.finish().map_err(failed)?;
    errors.end().map_err(errors_failed)?;
    // The matrix last: where it is, its errors are.
    errors_file.keep().map_err(errors_failed)?;
    matrix_file.keep().map_err(failed)?;
    Ok(failures)
}

fn begin(row: Result<Row, BadRow>, pool: &FacePool, bytes_max: usize) -> PendingRow {
    match row {
        Err(BadRow { line, what }) => {
            PendingRow { line, state: RowState::Failed { reason: "BAD_ROW", message: what.to_owned() } }
        }
        Ok(Row { line, path, .. }) => {
            let state = match photo::read(&path, bytes_max) {
                Ok(bytes) => RowState::Working(pool.analyze(bytes, Wants::default())),
                Err(e) => RowState::Failed { reason: e.reason(), message: outcome::one_line(&e.to_string()) },
            };
            PendingRow { line, state }
        }
    }
}

/// The vector, or why there is none. A pool that stopped stops the run.
fn finish(state: RowState) -> Result<Result<Vec<f32>, (&'static str, String)>, Failure> {
    match state {
        RowState::Failed { reason, message } => Ok(Err((reason, message))),
        RowState::Working(ticket) => match ticket.wait() {
            Ok(analysis) => Ok(Ok(analysis.template.vector().to_vec())),
            Err(FaceError::Cancelled) => Err(Failure::new("the workers stopped; run the same command again")),
            Err(e) => Ok(Err((Reason::of_face(&e).code(), outcome::one_line(&e.to_string())))),
        },
    }
}

fn changed(plan: &EmbedPlan) -> Failure {
    Failure::new(format_args!("manifest {}: it changed while it was read; run again", plan.manifest.display()))
}
