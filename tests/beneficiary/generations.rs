//! Two model generations over one gallery: people enrolled by the old pack are found, verified and
//! added to while the new pack takes over, and no score of one is compared with a score of the
//! other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chinhchu::context::RequestContext;
use chinhchu::face::{PoolOptions, RecipeDigest};
use chinhchu::gallery::{self, EmbeddedOptions, EnrolMode, Filter, GalleryError, Outcome, Source};
use chinhchu::imaging::Limits;
use chinhchu::matching::Reference;
use chinhchu::workflow::beneficiary::{BeneficiaryRequest, CopyOf};
use chinhchu::workflow::{
    Engine, EngineOptions, EnrolRequest, GenerationOptions, IdentifyOutcome, IdentifyRequest, IdentifyScope, Photo,
    VerifyRequest, WorkflowError,
};

use crate::need_assets;
use crate::support::*;

const NEW: &str = "default";
const OLD: &str = "faceplugin";

fn pack(name: &str) -> PathBuf {
    root().join("models").join(name)
}

fn opened(pack_name: &str, second: Option<&str>) -> Result<Engine, WorkflowError> {
    let engine = Engine::open(&EngineOptions {
        pack: pack(pack_name),
        calibration: None,
        second: second.map(|name| GenerationOptions { pack: pack(name), calibration: None }),
        curve: Default::default(),
        pool: PoolOptions { workers: 1, queue_max: 64, limits: Limits::default(), onnxruntime: None },
        default_fmr: 1e-5,
        default_fpir: 0.01,
        capture: Default::default(),
    })?;
    engine.with_decision_rules(anchors(), policies(POLICIES))
}

/// An engine over the gallery in `folder`.
fn engine_of(folder: &Path, pack_name: &str, second: Option<&str>) -> Result<Engine, WorkflowError> {
    let engine = opened(pack_name, second)?;
    let [(recipe, dimension), beside @ ..] = &engine.recipes()[..] else { panic!("one at least") };
    let options = EmbeddedOptions { recipes_beside: beside.to_vec(), ..EmbeddedOptions::default() };
    let gallery = gallery::open(folder, *recipe, *dimension, options)?;
    engine.with_gallery(Arc::new(gallery))
}

fn desk() -> RequestContext {
    RequestContext::internal("desk")
}

async fn enrol(engine: &Engine, subject: &str, mode: EnrolMode, names: &[&str]) -> Result<u32, WorkflowError> {
    let photos = names.iter().map(|name| Photo { bytes: photo(name), source: Source::Live, captured_at: None });
    let request = EnrolRequest {
        by: None,
        request_id: None,
        subject: id(subject),
        mode,
        attributes: chinhchu::gallery::Attributes { schemes: ["social".to_owned()].into(), ..Default::default() },
        photos: photos.collect(),
        accept_poor: true,
        legal_basis: None,
        vouch: None,
    };
    Ok(engine.enrol(&desk(), request).await?.receipt.templates)
}

async fn identify(engine: &Engine, name: &str, scope: Option<IdentifyScope>) -> IdentifyOutcome {
    let request = IdentifyRequest { probes: vec![photo(name)], scope, filter: Filter::default() };
    engine.identify(&desk(), request).await.expect("an answer")
}

/// Subjects found, and whether by a template of a recipe that the answer does not name itself.
fn named(outcome: &IdentifyOutcome) -> Vec<(&str, bool)> {
    outcome.candidates.iter().map(|one| (one.subject.as_str(), one.recipe.is_some())).collect()
}

/// Without a card: the enrolled record alone.
fn without_card(transaction: &str, subject: &str, capture: &str) -> BeneficiaryRequest {
    BeneficiaryRequest {
        policy: "clinic".into(),
        chip_files: Vec::new(),
        ..claim(transaction, subject, &FIRST, &[capture])
    }
}

async fn made_by(engine: &Engine, subject: &str) -> Vec<RecipeDigest> {
    let subject = engine.subject(&desk(), &id(subject)).await.expect("enrolled");
    subject.templates.iter().map(|stored| stored.content.template.recipe()).collect()
}

/// A gallery whose two people were enrolled by the old pack.
async fn old_gallery() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_of(folder.path(), OLD, None).unwrap();
    assert_eq!(enrol(&engine, "record-1", EnrolMode::Create, &["obama.jpg"]).await.unwrap(), 1);
    assert_eq!(enrol(&engine, "record-9", EnrolMode::Create, &["biden.jpg"]).await.unwrap(), 1);
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_the_old_pack_are_found_verified_and_added_to_while_the_new_one_takes_over() {
    need_assets!();
    let folder = old_gallery().await;
    let engine = engine_of(folder.path(), NEW, Some(OLD)).unwrap();
    let [new, old] = [0, 1].map(|number| engine.recipes()[number].0);

    let found = identify(&engine, "obama2.jpg", None).await;
    assert_eq!(named(&found), [("record-1", true)]);
    assert_eq!((found.candidates[0].recipe.clone(), found.recipe.clone()), (Some(old.to_string()), new.to_string()));
    assert!(found.candidates[0].fmr.rate < 1e-4 && found.templates == 2);

    // The same face under another number, which only the old pack's template can tell.
    let elsewhere = engine.verify_beneficiary(&desk(), claim("t-1", "record-2", &SECOND_CARD, &["obama2.jpg"])).await;
    let elsewhere = elsewhere.unwrap();
    assert_decided(&elsewhere, Outcome::Refer, &["DUPLICATE_FACE"]);
    let duplicates = elsewhere.evidence.duplicates.unwrap();
    assert_eq!(duplicates.candidates[0].recipe, Some(old.to_string()));
    assert!(!elsewhere.enrolled);

    // Verified by the old template; and its own photo is known for a copy.
    let verified = engine.verify_beneficiary(&desk(), without_card("t-2", "record-1", "obama2.jpg")).await.unwrap();
    assert_decided(&verified, Outcome::Approve, &[]);
    assert_eq!(verified.evidence.reference_face.unwrap().recipe, Some(old.to_string()));
    let copied = engine.verify_beneficiary(&desk(), without_card("t-3", "record-1", "obama.jpg")).await.unwrap();
    assert_eq!(copied.evidence.frames[0].copy_of, Some(CopyOf::EnrolledPhoto));
    let stranger = engine.verify_beneficiary(&desk(), without_card("t-4", "record-1", "biden.jpg")).await.unwrap();
    assert_ne!(stranger.decided.outcome, Outcome::Approve);

    // A photo is added by both packs; somebody else's is refused by the old template.
    let refused = enrol(&engine, "record-1", EnrolMode::Add, &["biden.jpg"]).await.unwrap_err();
    assert!(matches!(refused, WorkflowError::Gallery(GalleryError::RecordDisagrees)), "{refused}");
    assert_eq!(enrol(&engine, "record-1", EnrolMode::Add, &["obama3.jpg"]).await.unwrap(), 3);
    assert_eq!(made_by(&engine, "record-1").await, [old, new, old]);
    let found = identify(&engine, "obama2.jpg", None).await;
    assert_eq!(found.candidates.len(), 1, "each subject once, by its rarest template");
    let again = engine.verify_beneficiary(&desk(), without_card("t-5", "record-1", "obama2.jpg")).await.unwrap();
    assert_decided(&again, Outcome::Approve, &[]);
    let comparison = again.evidence.reference_face.unwrap();
    assert_eq!((comparison.templates, again.evidence.record_templates.unwrap().groups), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_for_the_first_time_is_enrolled_by_both_packs() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_of(folder.path(), NEW, Some(OLD)).unwrap();
    let first = engine.verify_beneficiary(&desk(), claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await.unwrap();
    assert_decided(&first, Outcome::Approve, &[]);
    let recipes: Vec<RecipeDigest> = engine.recipes().iter().map(|(recipe, _)| *recipe).collect();
    assert!(first.enrolled && made_by(&engine, "record-1").await == recipes);
    let stats = engine.stats(&desk()).await.unwrap();
    assert_eq!(stats.by_recipe, [(recipes[0], 1), (recipes[1], 1)]);
    // Found by the pack that decides, as long as both have a template.
    let elsewhere = engine.verify_beneficiary(&desk(), claim("t-2", "record-2", &SECOND_CARD, &["obama2.jpg"])).await;
    let duplicates = elsewhere.unwrap().evidence.duplicates.unwrap();
    assert_eq!((duplicates.candidates.len(), duplicates.templates), (1, 2));
    drop(engine);

    // Neither pack opens the gallery alone: whom the other enrolled would not be found.
    for alone in [NEW, OLD] {
        let refused = engine_of(folder.path(), alone, None).err().expect("refused");
        assert!(matches!(refused, WorkflowError::Gallery(GalleryError::OtherRecipe { .. })), "{refused}");
    }
    // Together they do in either order.
    let engine = engine_of(folder.path(), OLD, Some(NEW)).unwrap();
    assert_eq!(identify(&engine, "obama3.jpg", None).await.candidates.len(), 1);
}

/// A second pack that nobody is enrolled by changes no answer, not by a bit.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_pack_changes_no_answer_about_people_of_the_first() {
    need_assets!();
    let folder = old_gallery().await;
    let alone = engine_of(folder.path(), OLD, None).unwrap();
    let nearest = Some(IdentifyScope::Nearest(5));
    let request = || VerifyRequest {
        reference: photo("obama.jpg"),
        probes: vec![photo("obama2.jpg"), photo("obama3.jpg")],
        fmr: None,
        against: Reference::Any,
    };
    let before = (
        identify(&alone, "obama2.jpg", None).await,
        identify(&alone, "obama2.jpg", nearest).await,
        alone.verify(&desk(), request()).await.unwrap(),
    );
    drop(alone);
    let together = engine_of(folder.path(), OLD, Some(NEW)).unwrap();
    let after = (
        identify(&together, "obama2.jpg", None).await,
        identify(&together, "obama2.jpg", nearest).await,
        together.verify(&desk(), request()).await.unwrap(),
    );
    assert_eq!(before, after);
}

/// Nearest of two packs: by how rare the scores are, not by the scores, whose scales differ.
#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_of_two_packs_are_ordered_by_false_match_rate() {
    need_assets!();
    let folder = old_gallery().await;
    let engine = engine_of(folder.path(), NEW, Some(OLD)).unwrap();
    enrol(&engine, "record-2", EnrolMode::Create, &["obama3.jpg"]).await.unwrap();
    for scope in [IdentifyScope::Nearest(3), IdentifyScope::NearestApproximate(3)] {
        let found = identify(&engine, "obama2.jpg", Some(scope)).await;
        let rates: Vec<f64> = found.candidates.iter().map(|one| one.fmr.rate).collect();
        assert!(rates.is_sorted() && rates.len() == 3, "{rates:?}");
        assert_eq!(found.candidates[2].subject, id("record-9"), "the stranger last");
        // One chance in so many templates as there are of both.
        assert_eq!(found.templates, 4);
    }
}

#[test]
fn a_pack_beside_itself_is_refused() {
    need_assets!();
    let refused = opened(NEW, Some(NEW)).err().expect("refused");
    assert!(matches!(refused, WorkflowError::SameGeneration { .. }), "{refused}");
}
