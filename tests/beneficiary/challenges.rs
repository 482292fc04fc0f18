//! Active Authentication: a chip counts as the original only where it answered a challenge that the
//! server issued for this transaction to this caller.

use std::sync::Arc;

use chinhchu::chip::{ActiveAuthentication, ChallengeResponse};
use chinhchu::context::{Principal, RequestContext};
use chinhchu::gallery::{self, CHALLENGES_MAX, EmbeddedOptions, GalleryError, Outcome, RequestId};
use chinhchu::service::{Client, pb};
use chinhchu::tools::forge::{CardDraft, ForgedCard, HolderDraft, KeyKind};
use chinhchu::workflow::beneficiary::{BeneficiaryOutcome, BeneficiaryRequest, ChallengeState};
use chinhchu::workflow::{CaseRules, WorkflowError};

use crate::need_assets;
use crate::program::Server;
use crate::support::*;

/// The card of the first person, whose chip can do Active Authentication.
fn active_card() -> ForgedCard {
    let holder = HolderDraft { number: FIRST.number.to_owned(), ..HolderDraft::nobody() };
    let draft = CardDraft {
        key: KeyKind::P256,
        active: Some(KeyKind::P256),
        holder,
        ..CardDraft::new(SEED, photo(FIRST.photo))
    };
    draft.forge().expect("a test card")
}

fn answer(card: &ForgedCard, challenge: &[u8]) -> ChallengeResponse {
    let response = card.answer(challenge).expect("a chip with a key");
    ChallengeResponse { challenge: challenge.to_vec(), response }
}

/// The first person claims with that card, whose chip answered.
fn claim_with(card: &ForgedCard, transaction: &str, attempt: u32, active: ChallengeResponse) -> BeneficiaryRequest {
    BeneficiaryRequest {
        key: key(transaction, attempt),
        chip_files: card.files.iter().map(|(_, bytes)| bytes.clone()).collect(),
        active: Some(active),
        ..claim(transaction, "record-1", &FIRST, &["obama2.jpg"])
    }
}

async fn asked(client: &Client, transaction: &str) -> [u8; 8] {
    client.new_challenge(&RequestId::new(transaction).unwrap()).await.unwrap().challenge
}

/// What the chip proved, and what its challenge was.
fn proved(outcome: &BeneficiaryOutcome) -> (ActiveAuthentication, Option<ChallengeState>) {
    let chip = outcome.evidence.chip.as_ref().expect("a chip");
    (chip.active_authentication, chip.challenge)
}

#[track_caller]
fn assert_in_vain(outcome: &BeneficiaryOutcome, challenge: ChallengeState) {
    assert_eq!(proved(outcome), (ActiveAuthentication::Unproven, Some(challenge)));
    assert_decided(outcome, Outcome::Refer, &["CHALLENGE_NOT_ISSUED"]);
    assert_eq!(accepted(outcome), ["CHIP_NOT_PROVEN"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chip_that_answers_what_the_server_asked_is_proven_and_a_challenge_is_never_the_same() {
    need_assets!();
    let counter = Counter::open().await;
    let card = active_card();
    let challenge = asked(&counter.client, "t-1").await;
    let request = claim_with(&card, "t-1", 1, answer(&card, &challenge));
    let outcome = counter.decide(request.clone()).await;
    assert_decided(&outcome, Outcome::Approve, &[]);
    assert_eq!(proved(&outcome), (ActiveAuthentication::Proven, Some(ChallengeState::Issued)));
    assert!(accepted(&outcome).is_empty(), "nothing is left unproven");
    // Sent again, it is the same answer, though its challenge is used up.
    assert_eq!(counter.decide(request).await, outcome);
    let mut seen = vec![challenge];
    for _ in 0..20 {
        let next = asked(&counter.client, "t-2").await;
        assert!(!seen.contains(&next) && next != [0; 8]);
        seen.push(next);
    }
    // A transaction that never was decided, and an exchange that never came, are as they were.
    let without = counter.decide(claim("t-3", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_decided(&without, Outcome::Approve, &[]);
    assert_eq!(proved(&without), (ActiveAuthentication::Absent, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_any_other_challenge_proves_nothing_and_says_so() {
    need_assets!();
    let counter = Counter::open().await;
    let card = active_card();
    let client = &counter.client;
    // Recorded once, as it would be by whoever had the card for a moment.
    let recorded = answer(&card, &asked(client, "t-recorded").await);
    let proven = counter.decide(claim_with(&card, "t-recorded", 1, recorded.clone())).await;
    assert_eq!(proved(&proven).0, ActiveAuthentication::Proven);
    // One that was issued to another caller for the same transaction.
    let other = RequestContext::internal("another caller");
    let others = counter.engine.new_challenge(&other, &RequestId::new("t-others").unwrap()).await.unwrap();
    asked(client, "t-zeros").await;
    let in_vain = [
        ("t-replayed", recorded),
        ("t-elsewhere", answer(&card, &asked(client, "t-asked").await)),
        ("t-others", answer(&card, &others.challenge)),
        // What public reader code sends, and what a caller chooses.
        ("t-zeros", answer(&card, &[0; 8])),
        ("t-own", answer(&card, &[7; 8])),
    ];
    for (transaction, exchange) in in_vain {
        let outcome = counter.decide(claim_with(&card, transaction, 1, exchange)).await;
        assert_in_vain(&outcome, ChallengeState::NotIssued);
        assert!(outcome.decided.retake, "the reader can ask first");
        let told = pb::VerifyBeneficiaryResponse::from(outcome);
        let reason = told.reasons.iter().find(|one| one.code == "CHALLENGE_NOT_ISSUED").unwrap();
        assert_eq!(reason.evidence, "chip");
        assert!(reason.message_en.contains("recorded answer") && reason.message_vi.contains("thu sẵn"), "{reason:?}");
        let chip = told.evidence.unwrap().chip.unwrap();
        assert_eq!(chip.active_authentication_result(), pb::ActiveAuthenticationResult::Unproven);
        assert_eq!(chip.challenge_state(), pb::ChallengeState::NotIssued);
    }
    // A retake that asks first is proven.
    let exchange = answer(&card, &asked(client, "t-zeros").await);
    let retake = counter.decide(claim_with(&card, "t-zeros", 2, exchange)).await;
    assert_decided(&retake, Outcome::Approve, &[]);
    assert_eq!(proved(&retake).0, ActiveAuthentication::Proven);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clerk_is_one_asker_at_every_desk_and_neither_the_desk_nor_another_clerk() {
    need_assets!();
    let counter = Counter::open().await;
    let card = active_card();
    let clerk = |id: &str, desk: Option<&str>| {
        RequestContext::new(Principal::Person { id: id.into(), machine: desk.map(Into::into) })
    };
    let desk = || RequestContext::new(Principal::Machine { name: "desk-1".into() });
    let proven = (ActiveAuthentication::Proven, Some(ChallengeState::Issued));
    let in_vain = (ActiveAuthentication::Unproven, Some(ChallengeState::NotIssued));
    for (at, (asker, answerer, expected)) in [
        (clerk("c-1", Some("desk-1")), clerk("c-1", Some("desk-1")), proven),
        (clerk("c-1", Some("desk-1")), clerk("c-1", Some("desk-2")), proven),
        (clerk("c-1", None), clerk("c-1", Some("desk-1")), proven),
        (desk(), desk(), proven),
        (clerk("c-1", Some("desk-1")), clerk("c-2", Some("desk-1")), in_vain),
        // A reader that asks as the machine, and a clerk who sends the answer as themselves.
        (desk(), clerk("c-1", Some("desk-1")), in_vain),
        (clerk("desk-1", None), desk(), in_vain),
    ]
    .into_iter()
    .enumerate()
    {
        let transaction = format!("t-{at}");
        let issued =
            counter.engine.new_challenge(&asker, &RequestId::new(transaction.as_str()).unwrap()).await.unwrap();
        let request = claim_with(&card, &transaction, 1, answer(&card, &issued.challenge));
        let outcome = counter.engine.verify_beneficiary(&answerer, request).await.unwrap();
        assert_eq!(proved(&outcome), expected, "case {at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_used_once_and_a_wrong_answer_uses_it_too() {
    need_assets!();
    let counter = Counter::open().await;
    let card = active_card();
    let exchange = answer(&card, &asked(&counter.client, "t-1").await);
    // Another person's face: the chip was there, and that is no approval.
    let first =
        BeneficiaryRequest { frames: vec![photo("biden.jpg")], ..claim_with(&card, "t-1", 1, exchange.clone()) };
    let denied = counter.decide(first).await;
    assert_decided(&denied, Outcome::Deny, &["CHIP_FACE_DIFFERS"]);
    assert_eq!(proved(&denied).0, ActiveAuthentication::Proven);
    assert_in_vain(&counter.decide(claim_with(&card, "t-1", 2, exchange)).await, ChallengeState::Used);
    // An answer that fails is a forged one, and its challenge is not tried again.
    let challenge = asked(&counter.client, "t-2").await;
    let forged = ChallengeResponse { response: vec![1; 64], ..answer(&card, &challenge) };
    let copied = counter.decide(claim_with(&card, "t-2", 1, forged)).await;
    assert_decided(&copied, Outcome::Deny, &["CHIP_NOT_ORIGINAL"]);
    assert_eq!(proved(&copied), (ActiveAuthentication::Failed, Some(ChallengeState::Issued)));
    let late = counter.decide(claim_with(&card, "t-2", 2, answer(&card, &challenge))).await;
    assert_in_vain(&late, ChallengeState::Used);
    // A capture without a face decides nothing, and uses nothing up.
    let exchange = answer(&card, &asked(&counter.client, "t-3").await);
    let request = claim_with(&card, "t-3", 1, exchange);
    assert_eq!(
        counter.refused(BeneficiaryRequest { frames: vec![vec![0; 9]], ..request.clone() }).await,
        "IMAGE_FORMAT"
    );
    assert_eq!(proved(&counter.decide(request).await).0, ActiveAuthentication::Proven);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_attempts_that_bring_the_answer_to_one_challenge_at_once_one_is_proven() {
    need_assets!();
    let counter = Counter::open().await;
    let card = active_card();
    for round in 0..3 {
        let transaction = format!("t-{round}");
        let exchange = answer(&card, &asked(&counter.client, &transaction).await);
        let attempt = |attempt, capture: &str| {
            let frames = vec![photo(capture)];
            let request = BeneficiaryRequest { frames, ..claim_with(&card, &transaction, attempt, exchange.clone()) };
            let client = counter.client.clone();
            async move {
                loop {
                    match client.verify_beneficiary(request.clone()).await {
                        // The second came before the first.
                        Err(error) if error.reason == "ATTEMPT_OUT_OF_ORDER" => tokio::task::yield_now().await,
                        other => return other.unwrap(),
                    }
                }
            }
        };
        let (first, second) = tokio::join!(attempt(1, "biden.jpg"), attempt(2, "obama2.jpg"));
        assert_eq!(proved(&first), (ActiveAuthentication::Proven, Some(ChallengeState::Issued)));
        assert_in_vain(&second, ChallengeState::Used);
    }
}

/// The two engines know nothing of each other: each has its own turns.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_engines_that_are_brought_the_answer_to_one_challenge_one_decides_by_it() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let first = engine_alone(anchors(), None);
    let (recipe, dimension) = (first.recipe(), first.pack().dimension());
    let gallery = Arc::new(gallery::open(folder.path(), recipe, dimension, EmbeddedOptions::default()).unwrap());
    let engines = [first, engine_alone(anchors(), None)].map(|one| one.with_gallery(Arc::clone(&gallery)).unwrap());
    let (card, caller) = (active_card(), RequestContext::internal("desk"));
    for round in 0..3 {
        let transaction = format!("t-{round}");
        let issued = engines[0].new_challenge(&caller, &RequestId::new(transaction.as_str()).unwrap()).await.unwrap();
        let exchange = answer(&card, &issued.challenge);
        let claims = ["biden.jpg", "obama2.jpg"].into_iter().zip(&engines).map(|(capture, engine)| {
            let request = claim_with(&card, &transaction, 1, exchange.clone());
            let request = BeneficiaryRequest { frames: vec![photo(capture)], ..request };
            let (engine, caller) = (engine.clone(), caller.clone());
            tokio::spawn(async move { engine.verify_beneficiary(&caller, request).await })
        });
        let mut proven = 0;
        for claim in claims.collect::<Vec<_>>() {
            match claim.await.unwrap() {
                Ok(outcome) => {
                    assert_eq!(proved(&outcome), (ActiveAuthentication::Proven, Some(ChallengeState::Issued)));
                    proven += 1;
                }
                Err(error) => {
                    assert!(matches!(error, WorkflowError::Gallery(GalleryError::TransactionReused)), "{error}");
                }
            }
        }
        assert_eq!(proven, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_the_time_is_over_proves_nothing() {
    need_assets!();
    // None is that short in a configuration: over as soon as it is issued.
    let rules = CaseRules { challenge_minutes: 0, ..CaseRules::default() };
    let counter = Counter::open_by(anchors(), rules, None).await;
    let card = active_card();
    let exchange = answer(&card, &asked(&counter.client, "t-1").await);
    let late = counter.decide(claim_with(&card, "t-1", 1, exchange)).await;
    assert_eq!(proved(&late).0, ActiveAuthentication::Unproven);
    assert_decided(&late, Outcome::Refer, &["CHALLENGE_NOT_ISSUED"]);
    // It may have been forgotten already.
    assert_ne!(proved(&late).1, Some(ChallengeState::Issued));
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_so_many_challenges_of_a_transaction_the_oldest_ends() {
    need_assets!();
    let counter = Counter::open().await;
    let card = active_card();
    let oldest = asked(&counter.client, "t-1").await;
    for _ in 0..CHALLENGES_MAX {
        asked(&counter.client, "t-1").await;
    }
    let newest = asked(&counter.client, "t-1").await;
    let ended = counter.decide(claim_with(&card, "t-1", 1, answer(&card, &oldest))).await;
    assert_in_vain(&ended, ChallengeState::NotIssued);
    let proven = counter.decide(claim_with(&card, "t-1", 2, answer(&card, &newest))).await;
    assert_eq!(proved(&proven).0, ActiveAuthentication::Proven);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_readers_cannot_ask_first_a_policy_accepts_it_and_no_chip_counts_as_proven() {
    need_assets!();
    let counter = Counter::open().await;
    let card = active_card();
    let decided = async |transaction: &str, policy: &str, exchange: ChallengeResponse| {
        let request = claim_with(&card, transaction, 1, exchange);
        counter.decide(BeneficiaryRequest { policy: policy.into(), ..request }).await
    };
    let outcome = decided("t-1", "any_challenge", answer(&card, &[0; 8])).await;
    assert_decided(&outcome, Outcome::Approve, &[]);
    assert_eq!(proved(&outcome).0, ActiveAuthentication::Unproven);
    assert_eq!(accepted(&outcome), ["CHALLENGE_NOT_ISSUED", "CHIP_NOT_PROVEN"]);
    let told = pb::VerifyBeneficiaryResponse::from(outcome);
    assert!(told.message_en.contains("that the chip is the original"), "{}", told.message_en);
    // A policy that asks for the original is not got around with it.
    let outcome = decided("t-2", "original", answer(&card, &[0; 8])).await;
    assert_decided(&outcome, Outcome::Refer, &["CHIP_NOT_PROVEN"]);
    let exchange = answer(&card, &asked(&counter.client, "t-3").await);
    assert_decided(&decided("t-3", "original", exchange).await, Outcome::Approve, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_question_and_answer_a_server_knows_what_it_asked_and_what_was_used() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let card = active_card();
    let mut logs = String::new();
    let mut restarted = async |server: Option<Server>| {
        if let Some(server) = server {
            logs += &server.kill();
        }
        let server = Server::start(folder.path());
        let client = Client::connect(&server.url).await.unwrap();
        (server, client)
    };
    let (server, client) = restarted(None).await;
    let challenge = asked(&client, "t-1").await;
    let exchange = answer(&card, &challenge);
    let (server, client) = restarted(Some(server)).await;
    let request =
        BeneficiaryRequest { frames: vec![photo("biden.jpg")], ..claim_with(&card, "t-1", 1, exchange.clone()) };
    let decided = client.verify_beneficiary(request.clone()).await.unwrap();
    assert_eq!(proved(&decided), (ActiveAuthentication::Proven, Some(ChallengeState::Issued)));
    let (server, client) = restarted(Some(server)).await;
    assert_eq!(client.verify_beneficiary(request).await.unwrap(), decided);
    let again = client.verify_beneficiary(claim_with(&card, "t-1", 2, exchange)).await.unwrap();
    assert_in_vain(&again, ChallengeState::Used);
    drop(client);
    logs += &server.kill();
    assert!(logs.contains("NewChallenge"), "{logs}");
    // The challenge itself is in no file.
    let stored = std::fs::read_dir(folder.path().join("people")).unwrap();
    for file in stored.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(8).any(|window| window == challenge), "{}", file.display());
    }
}
