//! How an embedded gallery works.

use std::sync::Arc;

use super::budget;
use crate::face::RecipeDigest;
use crate::gallery::{GalleryId, LedgerSetup};
use crate::sealing::KeyStoreOptions;
use crate::search::VECTORS_MAX_DEFAULT;

/// Told how many templates are loaded, of how many.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How an embedded gallery works.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// Most templates it may hold. More are refused with
    /// [`SearchError::Full`](crate::search::SearchError::Full).
    pub templates_max: u64,
    /// Most bytes of memory for the index. It holds the templates' vectors as far as
    /// they fit (2 KiB each at 512 values) and reads the others from the database
    /// when a search needs them; what it cannot do without are some 250 bytes a
    /// template. Where these do not fit, templates are refused with
    /// [`SearchError::Memory`](crate::search::SearchError::Memory). Beside it, ids take
    /// their own length and some ten bytes a subject.
    pub memory_bytes_max: u64,
    /// Writes that may wait; the next one waits for a place in the queue.
    pub queue_max: usize,
    /// Memory for the database's cache, in bytes.
    pub cache_bytes: usize,
    /// A database of up to so many bytes is read and checked whole at opening. The
    /// index of a larger one lies in a file of its own and is read from there: then
    /// records are checked when they are read, and damage to the database's own
    /// structure may show later.
    pub checked_bytes_max: u64,
    /// Request ids remembered at most; the oldest are forgotten first.
    pub requests_max: u64,
    /// How long a request id is remembered, in milliseconds.
    pub request_age_max_ms: u64,
    /// Keep a graph for [`Gallery::look_up`](crate::gallery::Gallery::look_up): built beside
    /// the work, on half of the cores, and again when a twentieth of it is out of date. It
    /// takes some 4 KiB of memory a template at 512 values, of `memory_bytes_max`, twice
    /// that while it is rebuilt where that fits; without the memory there is none, and
    /// it goes where templates need its place.
    pub graph: bool,
    /// Make a gallery where there is none. Otherwise that is
    /// [`GalleryError::NotThere`](crate::gallery::GalleryError::NotThere): at a path that is
    /// mistyped, or not mounted, everybody would look new.
    pub create: bool,
    /// The id the gallery must have; a new one has another.
    pub id: Option<GalleryId>,
    /// Further recipes, each with the number of values in its templates, of which templates may
    /// be stored beside those of the recipe that the gallery is opened for. An index is kept for
    /// each, within an equal share of `memory_bytes_max`.
    pub recipes_beside: Vec<(RecipeDigest, usize)>,
    /// With what the transparency log is kept. A gallery that has one is opened with its key alone;
    /// one that has none begins it where there is a key to begin it with.
    pub ledger: Option<LedgerSetup>,
    /// Where the keys are under which it is sealed, or is to be where it is made now. A sealed gallery is
    /// opened with its keys alone, a clear one without.
    pub sealing: Option<KeyStoreOptions>,
    /// Seal a gallery that lies in the clear beside the work, with the keys of `sealing`; otherwise it is
    /// refused where there are keys.
    pub seal_while_serving: bool,
    /// Where `sealing` has a previous master key, seal every key anew under the one that follows it, beside the work.
    /// Otherwise either opens it, and nothing is changed.
    pub rotate_keys: bool,
    /// Told now and then while the index is filled, and once at the end.
    pub progress: Option<Progress>,
}

impl EmbeddedOptions {
    /// Request ids remembered unless told otherwise: about 1 GB on disk.
    pub const REQUESTS_MAX: u64 = 10_000_000;
    /// Read and checked in some seconds.
    pub const CHECKED_BYTES_MAX: u64 = 1 << 30;
    /// A month: no client retries for longer.
    pub const REQUEST_AGE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1000;
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            templates_max: VECTORS_MAX_DEFAULT,
            memory_bytes_max: budget::default_bytes(),
            queue_max: 4096,
            cache_bytes: 64 << 20,
            checked_bytes_max: Self::CHECKED_BYTES_MAX,
            requests_max: Self::REQUESTS_MAX,
            request_age_max_ms: Self::REQUEST_AGE_MAX_MS,
            graph: false,
            create: true,
            id: None,
            recipes_beside: Vec::new(),
            ledger: None,
            sealing: None,
            seal_while_serving: false,
            rotate_keys: false,
            progress: None,
        }
    }
}
