use std::path::PathBuf;
use std::sync::Arc;

use super::WorkflowError;
use crate::face::PoolOptions;
use crate::gallery::Gallery;

/// What an engine is made of.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Folder of the model pack.
    pub pack: PathBuf,
    /// Calibration file; `None` takes `calibration.toml` in the pack.
    pub calibration: Option<PathBuf>,
    /// Workers, queue, image limits, ONNX Runtime.
    pub pool: PoolOptions,
    /// False match rate where a request names none.
    pub default_fmr: f64,
    /// False positive identification rate where a request names none.
    pub default_fpir: f64,
}

/// The engine: networks, calibration and, where there is one, a gallery. Cheap
/// to clone; all clones share everything.
#[derive(Clone)]
pub struct Engine;

impl Engine {
    /// Loads the pack, starts the workers, binds the calibration.
    pub fn open(_options: &EngineOptions) -> Result<Self, WorkflowError> {
        Err(WorkflowError::NoGallery)
    }

    /// The same engine with a gallery, whose recipe must be the pack's.
    pub fn with_gallery(self, _gallery: Arc<dyn Gallery>) -> Result<Self, WorkflowError> {
        Ok(self)
    }
}
