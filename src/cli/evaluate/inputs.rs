//! The inputs of an evaluation, kept in its folder so that `chinhchu calibrate` can be run on the
//! same photos.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::Failure;
use super::super::labelled::{CfpPart, LabelledArgs};
use super::{EvaluateArgs, json_bytes};

/// File name within the folder of the evaluation.
const INPUTS_FILE: &str = "inputs.json";

/// The options that select photos; paths are absolute.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredInputs {
    manifest: Option<PathBuf>,
    pairs: Option<PathBuf>,
    images: Option<PathBuf>,
    protocol: CfpPart,
    templates: Option<PathBuf>,
    only: Vec<(String, String)>,
    photos_max: u64,
}

/// Stores the inputs of an evaluation in its folder.
pub(super) fn keep_inputs(args: &EvaluateArgs) -> Result<(), Failure> {
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(|p| std::path::absolute(p).unwrap_or_else(|_| p.clone()));
    let LabelledArgs { manifest, pairs, images, protocol, templates, only, photos_max, .. } = &args.labelled;
    let inputs = StoredInputs {
        manifest: absolute(manifest),
        pairs: absolute(pairs),
        images: absolute(images),
        protocol: *protocol,
        templates: absolute(templates),
        only: only.clone(),
        photos_max: *photos_max,
    };
    args.write(INPUTS_FILE, &json_bytes(&inputs)?)
}

/// The inputs of the evaluation in `folder`.
pub(in crate::cli) fn kept_inputs(folder: &Path) -> Result<LabelledArgs, Failure> {
    let path = folder.join(INPUTS_FILE);
    let what = |e: &dyn std::fmt::Display| {
        Failure::new(format_args!("{}: {e}; --evaluation takes the folder of a `chinhchu evaluate`", path.display()))
    };
    let bytes = fs::read(&path).map_err(|e| what(&e))?;
    let StoredInputs { manifest, pairs, images, protocol, templates, only, photos_max } =
        serde_json::from_slice(&bytes).map_err(|e| what(&e))?;
    Ok(LabelledArgs { manifest, pairs, images, protocol, templates, only, photos_max, no_cache: false })
}
