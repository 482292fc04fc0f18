//! Small things every test here needs.

use std::future::Future;

use chinhchu::context::RequestContext;
use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    self, Agreement, AgreementScores, Attributes, EmbeddedOptions, EnrolMode, Enrolment, Gallery, GalleryError,
    NewTemplate, Receipt, RequestId, Retry, Source, SubjectId, Timestamp,
};
use chinhchu::sealing::{KeyStoreOptions, MasterKey, Secret};

/// Who writes in tests.
pub fn by() -> RequestContext {
    RequestContext::internal("test")
}

pub const RECIPE: RecipeDigest = RecipeDigest([7; 32]);
pub const DIMENSION: usize = 8;

/// Runs a future on a runtime with one thread, as the command line does.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Unlike the default, a cache small enough that reads go to the storage.
pub fn options() -> EmbeddedOptions {
    EmbeddedOptions { cache_bytes: 64 << 10, ..EmbeddedOptions::default() }
}

pub fn open(dir: &std::path::Path) -> Result<Gallery, GalleryError> {
    gallery::open(dir, RECIPE, DIMENSION, options())
}

/// The same of a gallery that is sealed: its data in `data`, its keys in `keys`, both in `dir`.
pub fn sealed(dir: &std::path::Path) -> EmbeddedOptions {
    let (path, copy) = (dir.join("keys"), Some(dir.join("copy-of-keys")));
    let master = MasterKey::new(Secret::copied(&[3; 32]));
    EmbeddedOptions {
        sealing: Some(KeyStoreOptions { path, copy, master, previous: None, read_only: false }),
        ..options()
    }
}

pub fn open_sealed(dir: &std::path::Path) -> Result<Gallery, GalleryError> {
    gallery::open(&dir.join("data"), RECIPE, DIMENSION, sealed(dir))
}

pub fn id(id: impl Into<String>) -> SubjectId {
    SubjectId::new(id).expect("a subject id")
}

pub fn retry(id: impl Into<String>, content: u8) -> Retry {
    Retry { request_id: RequestId::new(id).expect("a request id"), content: [content; 32] }
}

/// One of a few directions, so that ties and near misses are common.
pub fn vector(seed: u64) -> Vec<f32> {
    let mut raw = vec![0.0; DIMENSION];
    raw[seed as usize % DIMENSION] = 1.0;
    raw[(seed as usize / DIMENSION) % DIMENSION] += 0.5;
    raw[(seed as usize / 64) % DIMENSION] -= 0.25;
    raw
}

pub fn template(seed: u64) -> Template {
    Template::from_raw(RECIPE, &vector(seed)).expect("a vector")
}

pub fn new_template(seed: u64) -> NewTemplate {
    NewTemplate {
        template: template(seed),
        source: [Source::Chip, Source::Live, Source::Other][seed as usize % 3],
        captured_at: seed.is_multiple_of(2).then_some(Timestamp(seed)),
        quality: seed.is_multiple_of(5).then_some(seed as f32),
    }
}

pub fn enrolment(subject: &str, mode: EnrolMode, seeds: &[u64]) -> Enrolment {
    Enrolment {
        by: None,
        legal_basis: None,
        subject: id(subject),
        mode,
        attributes: Attributes::default(),
        templates: seeds.iter().map(|&seed| new_template(seed)).collect(),
        agreement: Agreement::Known,
    }
}

/// Templates of [`RECIPE`] must agree by these scores.
pub fn asked(alike: Vec<f32>, apart: f32) -> Agreement {
    Agreement::Asked(vec![AgreementScores { recipe: RECIPE, alike, apart }])
}

pub async fn create(gallery: &Gallery, subject: &str, seeds: &[u64]) -> Result<Receipt, GalleryError> {
    gallery.enrol(&by(), enrolment(subject, EnrolMode::Create, seeds), None).await
}
