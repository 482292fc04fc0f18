//! Options that select labelled photos and comparisons, shared by `evaluate` and `calibrate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::evaluation::{GROUP_PEOPLE_MIN, GroupBy};
use crate::matching::Weighting;

/// Default of the most photos read: 2 KiB each in memory.
const PHOTOS_MAX_DEFAULT: u64 = 1_000_000;

/// Which photos, as typed.
#[derive(Debug, Clone, Default, Args)]
pub struct LabelledArgs {
    /// CSV file with the columns subject_id and path, and any others
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) manifest: Option<PathBuf>,
    /// Compare these pairs instead of all: a CSV file with the columns a,b,label, LFW's
    /// pairs.txt, or a CFP protocol folder
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) pairs: Option<PathBuf>,
    /// Folder the paths of --pairs start at [default: the list's own]
    #[arg(long, value_name = "DIR", requires = "pairs")]
    pub(in crate::cli) images: Option<PathBuf>,
    /// Which part of a CFP protocol folder
    #[arg(long, value_enum, default_value_t, value_name = "PART", requires = "pairs")]
    pub(in crate::cli) protocol: CfpPart,
    /// Take templates from here instead of looking at photos: a .npy matrix with a row for
    /// each of the manifest's, as `chinhchu embed` writes
    #[arg(long, value_name = "FILE.npy", requires = "manifest", conflicts_with = "pairs")]
    pub(in crate::cli) templates: Option<PathBuf>,
    /// Only photos whose COLUMN of the manifest is VALUE; may be given several times
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = condition, requires = "manifest")]
    pub(in crate::cli) only: Vec<(String, String)>,
    /// Most photos looked at; rows after those are left out
    #[arg(long, value_name = "N", default_value_t = PHOTOS_MAX_DEFAULT)]
    pub(in crate::cli) photos_max: u64,
    /// Keep no templates in the output folder: an interrupted run begins anew
    #[arg(long)]
    pub(in crate::cli) no_cache: bool,
}

impl LabelledArgs {
    /// Prefix of messages about the manifest.
    pub(in crate::cli) fn manifest_named(&self) -> String {
        self.manifest.as_ref().map_or(String::new(), |path| format!("manifest {}: ", path.display()))
    }
}

/// Which comparisons are made of all, and what counts the same in rates.
#[derive(Debug, Clone, Default, Args)]
pub struct RulesArgs {
    /// Only comparisons of two photos with the same value of a column, or of several, as
    /// set+sex
    #[arg(long, value_name = "COLUMN[+COLUMN]", value_parser = GroupBy::parse)]
    pub(in crate::cli) within: Option<GroupBy>,
    /// What counts the same: every comparison; or every pair of people, and in genuine
    /// comparisons every person, however many photos there are of them
    #[arg(long, value_enum, default_value_t, value_name = "WHAT", conflicts_with = "pairs")]
    pub(in crate::cli) weigh: Weigh,
    /// People a group must have to be the worst group
    #[arg(long, value_name = "N", default_value_t = GROUP_PEOPLE_MIN, value_parser = clap::value_parser!(u64).range(10..))]
    pub(in crate::cli) people_min: u64,
}

/// What counts the same in rates.
// The variants have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Weigh {
    #[default]
    Comparisons,
    People,
}

impl From<Weigh> for Weighting {
    fn from(typed: Weigh) -> Self {
        match typed {
            Weigh::Comparisons => Self::Comparisons,
            Weigh::People => Self::People,
        }
    }
}

/// Which part of a CFP protocol folder.
// The variants have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum CfpPart {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_name_a_column() {
        assert_eq!(condition("pose=a=b").unwrap(), ("pose".to_owned(), "a=b".to_owned()));
        assert!(condition("pose").is_err() && condition("=x").is_err());
    }
}
