//! Small photos for the page, where they are at hand and were asked for.

use std::path::{Path, PathBuf};

use super::super::photo;
use super::input::AuditInput;
use super::plan::AuditPlan;
use crate::audit::Capture;
use crate::imaging::{Limits, decode_scaled, resized_jpeg};

/// Height in pixels: enough to see who it is.
const HEIGHT: u32 = 96;
/// Quality on the scale of the Independent JPEG Group.
const QUALITY: u8 = 75;

/// Where the photos of an audit are.
pub(super) struct ThumbnailSource {
    /// Folder of each side's manifest; `None` for a side without photos.
    folders: [Option<PathBuf>; 2],
    limits: Limits,
}

impl ThumbnailSource {
    /// `None` where nobody asked for them.
    pub(super) fn of(plan: &AuditPlan, limits: Limits) -> Option<Self> {
        let folder = |source: &AuditInput| match source {
            AuditInput::Manifest(path) => Some(path.parent().unwrap_or(Path::new("")).to_owned()),
            _ => None,
        };
        let folders = [folder(&plan.first), plan.second.as_ref().and_then(folder)];
        plan.thumbnails.then_some(Self { folders, limits })
    }

    /// The photo of a capture; `None` where it cannot be had any more.
    pub(super) fn thumbnail(&self, capture: &Capture) -> Option<Vec<u8>> {
        let path = self.folders[usize::from(capture.second_gallery)].as_ref()?.join(&capture.id);
        let bytes = photo::read(&path, self.limits.encoded_bytes_max).ok()?;
        let decoded = decode_scaled(&bytes, &self.limits, HEIGHT).ok()?.image;
        let narrow = u64::from(decoded.width()) * u64::from(HEIGHT) / u64::from(decoded.height());
        let narrow = u32::try_from(narrow).ok()?.clamp(1, 3 * HEIGHT);
        resized_jpeg(&decoded, narrow, HEIGHT, QUALITY)
    }
}
