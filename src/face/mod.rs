//! Pixels to template: detect, find landmarks, align, embed; pose and liveness
//! beside them. Model packs and the sessions that run them.

mod report;
mod template;

pub use report::{Analysis, FaceError, FaceReport, Pose, Rect, Wants};
pub use template::{RecipeDigest, Template, TemplateError};

use std::path::{Path, PathBuf};

// --- interface, bodies to come ---------------------------------------------

/// A model pack, read from its `pack.toml` and verified file by file.
pub struct Pack;

/// Why a model pack cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A file is missing, altered or makes no sense.
    #[error("{0}")]
    Bad(String),
}

impl Pack {
    /// Reads `dir/pack.toml` and checks every file it names against its SHA-256.
    pub fn load(_dir: &Path) -> Result<Self, PackError> {
        Err(PackError::Bad("no pack".into()))
    }

    /// The folder it was loaded from.
    pub fn dir(&self) -> &Path {
        Path::new("")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        ""
    }

    /// Digest of the recipe its templates are made by.
    pub fn recipe(&self) -> RecipeDigest {
        RecipeDigest([0; 32])
    }

    /// Values in a template.
    pub fn dimension(&self) -> usize {
        0
    }
}

/// How the pool works.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// Worker threads, each with its own sessions. 0 means one per core.
    pub workers: usize,
    /// Pictures that may wait for a worker before [`FacePool::try_analyze`] says busy.
    pub queue_max: usize,
    /// Bounds on pictures.
    pub limits: crate::imaging::Limits,
    /// The ONNX Runtime library; `None` looks in the usual places.
    pub onnxruntime: Option<PathBuf>,
}

/// Worker threads that turn pictures into templates.
pub struct FacePool;

impl FacePool {
    /// Starts the workers and loads every network once, so that a pack that
    /// cannot run is refused here.
    pub fn start(_pack: &Pack, _options: &PoolOptions) -> Result<Self, PackError> {
        Err(PackError::Bad("no pool".into()))
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        0
    }

    /// Queues a picture, waiting for a place in the queue if need be.
    pub fn analyze(&self, _photo: Vec<u8>, _wants: Wants) -> Ticket {
        Ticket
    }

    /// Queues a picture, or `None` at once where the queue is full.
    pub fn try_analyze(&self, _photo: Vec<u8>, _wants: Wants) -> Option<Ticket> {
        None
    }
}

/// A picture on its way. Await it, or [`Ticket::wait`] for it. Dropping it
/// cancels the work: not begun if it waits, stopped at the next step if it runs.
pub struct Ticket;

impl Ticket {
    /// Blocks until the picture is done.
    pub fn wait(self) -> Result<Analysis, FaceError> {
        Err(FaceError::Cancelled)
    }
}

impl Future for Ticket {
    type Output = Result<Analysis, FaceError>;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::task::Poll::Ready(Err(FaceError::Cancelled))
    }
}
