//! Every pair of records that share a face.
mod checkpoint;
mod collection;
mod names;
mod run;

pub use checkpoint::{CHECKPOINT_VERSION, Checkpoint, CheckpointError, Difference, Identity};
pub use collection::{Collection, CollectionError, Mark, SubjectFacts, TemplateFacts};
pub use names::{Names, Numbers};
pub use run::{OnUnit, RunError, run};
