//! `chinhchu case pictures`: writes the pictures of a decision that waits for an officer into files.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::backend::GalleryArgs;
use crate::cli::case_records::CaseRecords;
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, date, files, options, outcome, print};
use crate::gallery::{PictureOf, RequestId};
use crate::private::{self, Readers};
use crate::workflow::beneficiary::{CasePictures, PicturesKept};

#[derive(Debug, Args)]
pub(super) struct PicturesArgs {
    /// The transaction's id, as sent with VerifyBeneficiary
    #[arg(value_name = "TRANSACTION_ID", value_parser = options::transaction)]
    transaction: RequestId,
    /// Which attempt [default: the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Folder for the files, 0700 where it is made; files are for their owner alone (0600)
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `case pictures` answer; field names are a contract.
#[derive(Serialize)]
struct PicturesShown<'a> {
    found: bool,
    transaction_id: &'a str,
    attempt: u32,
    /// What was written.
    pictures: Vec<PictureShown>,
    /// Until when they are kept, at most.
    kept_until: Option<String>,
    /// `never_kept` or `no_longer_kept`, where there are none.
    none_reason: Option<&'static str>,
    /// Captures and photos of which no picture could be made.
    left_out: u32,
}

#[derive(Serialize)]
struct PictureShown {
    /// `capture` or `chip_photo`.
    kind: &'static str,
    /// Of a capture, its place among those of the request, from 0.
    frame: Option<u32>,
    path: PathBuf,
}

pub(super) async fn run(settings: &Settings, args: PicturesArgs) -> Outcome {
    let records = CaseRecords::open("case/pictures", settings, &args.gallery.place(settings)?).await?;
    let Some(found) = records.pictures(&args.transaction, args.attempt).await? else {
        match args.json {
            true => print::json(&outcome::NotFound::default())?,
            false => print::answer("no such decision")?,
        }
        return Ok(Exit::Negative);
    };
    let attempt = found.key.attempt;
    if !found.pictures.is_empty() {
        private::make_folder(&args.out)
            .map_err(|error| Failure::new(format_args!("{}: {error}; check --out", args.out.display())))?;
    }
    let mut written = Vec::with_capacity(found.pictures.len());
    for picture in &found.pictures {
        let (kind, frame, name) = match picture.of {
            PictureOf::Capture(frame) => ("capture", Some(frame), format!("attempt-{attempt}-capture-{frame}.jpg")),
            PictureOf::Chip => ("chip_photo", None, format!("attempt-{attempt}-chip-photo.jpg")),
        };
        let path = args.out.join(name);
        files::write(&path, Readers::Owner, &picture.jpeg)?;
        written.push(PictureShown { kind, frame, path });
    }
    let exit = if written.is_empty() { Exit::Negative } else { Exit::Success };
    match args.json {
        true => print::json(&shown(&found, written))?,
        false => print::answer(&text(&found, &written))?,
    }
    Ok(exit)
}

fn shown(found: &CasePictures, pictures: Vec<PictureShown>) -> PicturesShown<'_> {
    PicturesShown {
        found: true,
        transaction_id: found.key.transaction.as_str(),
        attempt: found.key.attempt,
        pictures,
        kept_until: match found.kept {
            PicturesKept::Until(until) => Some(date::shown(until)),
            PicturesKept::Never | PicturesKept::NoLonger => None,
        },
        none_reason: found.kept.why_none(),
        left_out: found.left_out,
    }
}

fn text(found: &CasePictures, written: &[PictureShown]) -> String {
    let case = format!("{}, attempt {}", outcome::one_line(found.key.transaction.as_str()), found.key.attempt);
    let mut text = match found.kept {
        PicturesKept::Until(until) => {
            format!("{case}: {} pictures, kept until {} at most", written.len(), date::shown(until))
        }
        PicturesKept::Never => format!(
            "{case}: no pictures were kept: it approved, the gallery lies in the clear, or cases.picture_days was 0"
        ),
        PicturesKept::NoLonger => {
            format!("{case}: the pictures are gone: the transaction is closed, or their time is over")
        }
    };
    for picture in written {
        text += &format!("\n  {}", outcome::one_line(&picture.path.display().to_string()));
    }
    if found.left_out > 0 {
        text += &format!("\n{} could not be read as pictures and were left out", found.left_out);
    }
    text
}
