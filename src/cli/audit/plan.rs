//! What will be done, checked before anything is opened.

use std::path::{Path, PathBuf};

use super::super::settings::Settings;
use super::super::{Failure, date};
use super::input::AuditInput;
use super::typed::AuditArgs;
use crate::audit::{CsvLocale, Filters, ThresholdAsked};
use crate::chip::Date;
use crate::gallery::{Scheme, Timestamp};

/// False match rate where nobody asks for anything.
const FMR_DEFAULT: f64 = 1e-6;

/// What will be done.
pub(super) struct AuditPlan {
    pub first: AuditInput,
    pub second: Option<AuditInput>,
    pub out: PathBuf,
    pub asked: ThresholdAsked,
    pub filters: Filters,
    pub since: Option<PathBuf>,
    /// Folders of audits whose findings are known besides.
    pub known: Vec<PathBuf>,
    pub csv_locale: CsvLocale,
    pub sample: u64,
    pub pairs_max: usize,
    /// Whether templates of photos are kept.
    pub cache: bool,
    pub thumbnails: bool,
    pub restart: bool,
    pub json: bool,
    /// Each record by itself instead.
    pub each: Option<Each>,
}

/// What is looked at of each record by itself.
pub(super) struct Each {
    /// Captures that do not match: share of genuine pairs that score too low.
    pub same_fnmr: Option<f64>,
    pub stale: Option<StalePlan>,
}

/// Records without a verification for long.
pub(super) struct StalePlan {
    /// Folder of the gallery.
    pub gallery: PathBuf,
    pub months: u32,
    /// As typed.
    pub as_of: String,
    pub day: Date,
}

impl AuditPlan {
    pub(super) fn new(args: AuditArgs, settings: &Settings) -> Result<Self, Failure> {
        let data = args.data.as_ref().or(settings.data.as_ref().filter(|_| args.manifest.is_none()));
        let first = match (&args.manifest, &args.vectors, &args.ids, data) {
            (Some(manifest), ..) => AuditInput::Manifest(manifest.clone()),
            (None, Some(matrix), Some(ids), _) => AuditInput::Vectors { matrix: matrix.clone(), ids: ids.clone() },
            (None, _, _, Some(data)) => AuditInput::Gallery(data.clone()),
            _ => {
                return Err(Failure::new(
                    "nothing to audit; give --data DIR, --manifest FILE, or --vectors FILE.npy with --ids FILE",
                ));
            }
        };
        let second =
            args.against.as_ref().map(|path| AuditInput::of_path(path, args.against_ids.as_ref())).transpose()?;
        let out = args.out.clone().ok_or_else(|| Failure::new("name a folder with --out DIR"))?;
        let asked = match (args.fmr, args.expect_chance, args.score) {
            (Some(fmr), ..) => ThresholdAsked::Fmr(fmr),
            (_, Some(pairs), _) => ThresholdAsked::ExpectChance(pairs),
            (_, _, Some(score)) => ThresholdAsked::Score(score),
            _ => ThresholdAsked::Fmr(FMR_DEFAULT),
        };
        let (filters, each) = (filters_of(&args)?, each_of(&args, &first)?);
        Ok(Self {
            first,
            second,
            out,
            asked,
            filters,
            each,
            since: args.since,
            known: args.known,
            csv_locale: args.csv_locale.into(),
            sample: args.sample,
            pairs_max: args.pairs_max,
            cache: !args.no_cache,
            thumbnails: args.thumbnails,
            restart: args.restart,
            json: args.json,
        })
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &AuditInput> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// Folder of the gallery, if it is one.
    pub(super) fn gallery(&self) -> Option<PathBuf> {
        match &self.first {
            AuditInput::Gallery(folder) => Some(from_root(folder)),
            _ => None,
        }
    }
}

/// A path as it is called from every folder.
pub(super) fn from_root(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn each_of(args: &AuditArgs, source: &AuditInput) -> Result<Option<Each>, Failure> {
    let stale = args.stale.map(|months| {
        let AuditInput::Gallery(gallery) = source else {
            return Err(Failure::new("--stale looks at when records of a gallery were verified; give --data DIR"));
        };
        let as_of = args.as_of.clone().unwrap_or_else(date::today);
        let day = date::days(&as_of).and_then(|days| i64::try_from(days).ok());
        let day = day.ok_or_else(|| Failure::new(format_args!("--as-of {as_of}: it is no day from 1970 on")))?;
        Ok(StalePlan { gallery: gallery.clone(), months, as_of, day: Date::from_days_since_1970(day) })
    });
    let stale = stale.transpose()?;
    Ok((args.same || stale.is_some()).then(|| Each { same_fnmr: args.same.then_some(args.fnmr), stale }))
}

fn filters_of(args: &AuditArgs) -> Result<Filters, Failure> {
    let day = |text: &String, and: u64| {
        let days = date::days(text).ok_or_else(|| Failure::new(format_args!("{text} is no day from 1970 on")))?;
        Ok::<_, Failure>(Timestamp((days + and) * 86_400_000))
    };
    let enrolled_from = args.enrolled_from.as_ref().map(|text| day(text, 0)).transpose()?;
    let enrolled_before = args.enrolled_to.as_ref().map(|text| day(text, 1)).transpose()?;
    if let (Some(from), Some(before)) = (enrolled_from, enrolled_before)
        && from >= before
    {
        return Err(Failure::new("--enrolled-from is after --enrolled-to; nobody is enrolled then"));
    }
    let mut lines = Vec::new();
    let mut note = |name: &str, values: &[String]| {
        if !values.is_empty() {
            lines.push(format!("{name} {}", values.join(", ")));
        }
    };
    let sorted = |values: &[String]| {
        let mut values = values.to_vec();
        values.sort();
        values.dedup();
        values
    };
    // A list may have schemes of its own; those of the vocabulary go by their names.
    let named: Vec<String> = args.scheme.iter().map(|typed| Scheme::of_stored(typed).to_owned()).collect();
    let (schemes, provinces) = (sorted(&named), sorted(&args.province));
    note("scheme", &schemes);
    note("province", &provinces);
    note("enrolled from", args.enrolled_from.as_slice());
    note("enrolled to", args.enrolled_to.as_slice());
    Ok(Filters { schemes, provinces, enrolled_from, enrolled_before, lines })
}
