//! SIGHUP: certificates, revocation lists and policies are read anew while the server runs, all
//! of them or none.

use chinhchu::gallery::Outcome;
use chinhchu::service::Client;
use chinhchu::tools::forge::{CardDraft, Flaw, KeyKind};

use crate::need_assets;
use crate::program::{Server, configure, write_policies};
use crate::support::*;

/// The revocation list of the test authority, on which the signer of every card here is.
fn revocations() -> Vec<u8> {
    let flaw = Some(Flaw::Revoked);
    let draft = CardDraft { key: KeyKind::P256, flaw, ..CardDraft::new(SEED, b"\xff\xd8\xff".to_vec()) };
    draft.forge().unwrap().revocation_list.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_anchors_lists_and_policies_anew_and_ends_nothing() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    // An authority of another key: the cards are unanchored, which refers.
    configure(folder.path(), POLICIES);
    let csca = folder.path().join("csca");
    let stranger = CardDraft { key: KeyKind::P256, ..CardDraft::new(b"stranger", b"\xff\xd8\xff".to_vec()) };
    std::fs::write(csca.join("test.cer"), stranger.forge().unwrap().csca).unwrap();
    let server = Server::start_configured(folder.path());
    let client = Client::connect(&server.url).await.unwrap();
    let decide = |transaction: &str| {
        let request = claim(transaction, transaction, &FIRST, &["obama2.jpg", "obama3.jpg"]);
        let client = client.clone();
        async move { client.verify_beneficiary(request).await.unwrap() }
    };
    // Nobody is enrolled by these decisions, so none finds the other.
    write_policies(folder.path(), &POLICIES.replace("\"enrol\"", "\"accept\""));
    assert!(server.hang_up("reload").contains("reloaded changed=\"policies "), "policies alone have changed");
    let first = decide("t-1").await;
    assert_decided(&first, Outcome::Refer, &["CHIP_UNANCHORED"]);
    assert_eq!((first.policy_digest.len(), first.anchors_digest.len()), (64, 64));

    std::fs::write(csca.join("test.cer"), &authorities()[0]).unwrap();
    let told = server.hang_up("reload");
    assert!(told.contains("reloaded changed=\"certificates "), "{told}");
    let second = decide("t-2").await;
    assert_decided(&second, Outcome::Approve, &[]);
    assert_eq!(second.policy_digest, first.policy_digest);
    assert_ne!(second.anchors_digest, first.anchors_digest);

    std::fs::write(csca.join("test.crl"), revocations()).unwrap();
    let told = server.hang_up("reload");
    assert!(told.contains("reloaded changed=\"revocation lists ") && told.contains("(1, 1 revoked)"), "{told}");
    let third = decide("t-3").await;
    assert_decided(&third, Outcome::Deny, &["CHIP_UNTRUSTED"]);
    assert_ne!(third.anchors_digest, second.anchors_digest);

    // Only some of the configuration is read anew, which is said.
    let text = std::fs::read_to_string(folder.path().join("chinhchu.toml")).unwrap();
    let text = text.replace("[server]\n", "[server]\ndrain_seconds = 3\n");
    std::fs::write(folder.path().join("chinhchu.toml"), text).unwrap();
    let told = server.hang_up("takes a restart");
    assert!(told.contains("changed=\"nothing\"") && told.contains("[server]"), "{told}");
    // An answer that was given stays as it was.
    assert_eq!(decide("t-1").await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_of_them_cannot_be_used_nothing_changes_and_the_log_says_which() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let policies = POLICIES.replace("\"enrol\"", "\"accept\"");
    configure(folder.path(), &policies);
    let server = Server::start_configured(folder.path());
    let client = Client::connect(&server.url).await.unwrap();
    let strict = policies.replace("first_sight = \"accept\"", "first_sight = \"refer\"");
    let csca = folder.path().join("csca");
    let cut = revocations()[..100].to_vec();
    type Break<'a> = Box<dyn Fn() + 'a>;
    let rate = strict.replace("[policies.careful]", "[policies.careful]\nchip_fmr = 9");
    let dangerous = strict.replace("[policies.careful]", "[policies.careful]\nchip_fmr = 0.4");
    let broken: [(&str, Break<'_>); 5] = [
        ("FMR_VERY_HIGH", Box::new(|| write_policies(folder.path(), &dangerous))),
        ("test.crl", Box::new(|| std::fs::write(csca.join("test.crl"), &cut).unwrap())),
        ("policies.careful.chip_fmr", Box::new(|| write_policies(folder.path(), &rate))),
        ("chinhchu.toml, line 10: ", Box::new(|| write_policies(folder.path(), "\n[policies"))),
        ("no country certificate", Box::new(|| std::fs::remove_file(csca.join("test.cer")).unwrap())),
    ];
    for (attempt, (part, breaks)) in broken.into_iter().enumerate() {
        // Another policy, which could be used, beside something that cannot.
        configure(folder.path(), &strict);
        let _ = std::fs::remove_file(csca.join("test.crl"));
        breaks();
        let told = server.hang_up("reload");
        assert!(
            told.contains("reload failed, and everything stays as it was") && told.contains(part),
            "{part}: {told}"
        );
        assert!(told.contains("certificates ") && told.contains("policies "), "what is in force: {told}");
        let name = format!("t-{attempt}");
        let request = claim(&name, &name, &FIRST, &["obama2.jpg"]);
        let decided = client.verify_beneficiary(request).await.unwrap();
        assert_decided(&decided, Outcome::Approve, &[]);
    }
    // Mended, it is read.
    configure(folder.path(), &strict);
    assert!(server.hang_up("reload").contains("reloaded changed=\"policies "));
}

/// The certificate of another authority.
fn second_authority() -> Vec<u8> {
    let draft = CardDraft { key: KeyKind::P256, ..CardDraft::new(b"second", b"\xff\xd8\xff".to_vec()) };
    draft.forge().unwrap().csca
}

#[test]
fn a_pipe_in_the_place_of_a_file_fails_the_reload_and_the_server_goes_on_and_ends() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), POLICIES);
    let server = Server::start_configured(folder.path());
    let all = [("chinhchu.toml", "chinhchu.toml"), ("csca/test.cer", "test.cer")];
    for (path, named) in all {
        let path = folder.path().join(path);
        let kept = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let told = server.hang_up("reload");
        assert!(told.contains("reload failed") && told.contains(named) && told.contains("pipe"), "{told}");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, kept).unwrap();
        assert!(server.hang_up("reload").contains("reloaded changed=\"nothing\""));
    }
    server.end();
}

#[test]
fn a_file_that_could_be_read_and_no_longer_can_be_fails_the_reload() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), POLICIES);
    let csca = folder.path().join("csca");
    let second = second_authority();
    let path = csca.join("second.cer");
    std::fs::write(&path, &second).unwrap();
    // One that was unreadable from the beginning may stay so.
    std::fs::write(csca.join("old.cer"), "nothing").unwrap();
    let server = Server::start_configured(folder.path());
    let breaks: [&dyn Fn(); 3] = [
        &|| std::fs::write(&path, &second[..second.len() / 2]).unwrap(),
        &|| std::fs::write(&path, "").unwrap(),
        &|| std::os::unix::fs::symlink("gone", &path).unwrap(),
    ];
    for (number, breaks) in breaks.into_iter().enumerate() {
        let _ = std::fs::remove_file(&path);
        breaks();
        let told = server.hang_up("reload");
        assert!(told.contains("reload failed") && told.contains("second.cer cannot be read"), "{number}: {told}");
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, &second).unwrap();
        assert!(server.hang_up("reload").contains("reloaded changed=\"nothing\""), "{number}");
    }
    // Taken out it is not half written: that is meant, and warned of.
    std::fs::remove_file(&path).unwrap();
    let told = server.hang_up("reloaded");
    assert!(told.contains("WARN") && told.contains("country certificates: 1 instead of 2"), "{told}");
}

#[test]
fn fewer_revocations_are_warned_of() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), POLICIES);
    let list = folder.path().join("csca/test.crl");
    std::fs::write(&list, revocations()).unwrap();
    let server = Server::start_configured(folder.path());
    std::fs::remove_file(&list).unwrap();
    let told = server.hang_up("reloaded");
    let line = told.lines().find(|line| line.contains("reloaded")).unwrap();
    for part in ["WARN", "revocation lists: 0 instead of 1", "revoked certificates: 0 instead of 1"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    // More than before is no reason to warn.
    std::fs::write(&list, revocations()).unwrap();
    let told = server.hang_up("reloaded");
    assert!(told.lines().any(|line| line.contains("INFO") && line.contains("reloaded")), "{told}");
}

#[test]
fn a_configuration_that_has_lost_a_section_fails_the_reload() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), POLICIES);
    let path = folder.path().join("chinhchu.toml");
    let whole = std::fs::read_to_string(&path).unwrap();
    let server = Server::start_configured(folder.path());
    let (before, _) = whole.split_once("[policies").unwrap();
    let (_, without_chip) = whole.split_once("[danger]").unwrap();
    for (text, lost) in [
        ("", "[cases]"),
        (" \n\n", "[cases]"),
        ("# nothing but words\n", "[cases]"),
        (before, "[policies]"),
        (&format!("[server]\n[cases]\n[danger]{without_chip}"), "[chip]"),
    ] {
        std::fs::write(&path, text).unwrap();
        let told = server.hang_up("reload");
        assert!(told.contains("reload failed") && told.contains(lost), "{text:?}: {told}");
    }
    // The heading alone says that it is meant; certificates are not given up by it.
    std::fs::write(&path, format!("[server]\n[cases]\n[chip]\n[danger]{without_chip}")).unwrap();
    let told = server.hang_up("reload");
    assert!(told.contains("reload failed") && told.contains("[chip] csca"), "{told}");
    std::fs::write(&path, format!("[capture]\n{whole}")).unwrap();
    assert!(server.hang_up("reload").contains("reloaded"));
    std::fs::write(&path, whole.replace("[danger]", "[capture]\n[danger]")).unwrap();
    assert!(server.hang_up("reload").contains("reloaded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_in_flight_is_made_by_one_set_of_rules_from_its_beginning_to_its_end() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let policies = POLICIES.replace("\"enrol\"", "\"accept\"");
    configure(folder.path(), &policies);
    let server = Server::start_configured(folder.path());
    let client = Client::connect(&server.url).await.unwrap();
    let csca = folder.path().join("csca");
    let mut asked = Vec::new();
    // By turns: no list and a policy that accepts strangers; a list and one that refers them.
    for turn in 0..6 {
        for call in 0..2 {
            let name = format!("t-{turn}-{call}");
            let request = claim(&name, &name, &FIRST, &["obama2.jpg"]);
            let client = client.clone();
            asked.push(tokio::spawn(async move { client.verify_beneficiary(request).await }));
        }
        if turn % 2 == 0 {
            std::fs::write(csca.join("test.crl"), revocations()).unwrap();
            write_policies(folder.path(), &policies.replace("\"accept\"", "\"refer\""));
        } else {
            std::fs::remove_file(csca.join("test.crl")).unwrap();
            write_policies(folder.path(), &policies);
        }
        let told = server.hang_up("reload");
        assert!(told.contains("reloaded changed=\"revocation lists "), "{told}");
    }
    let mut sets = std::collections::BTreeMap::new();
    for call in asked {
        let decided = call.await.unwrap().expect("no call is lost to a reload");
        let set = (decided.policy_digest.clone(), decided.anchors_digest.clone());
        let outcome = decided.decided.outcome;
        assert_eq!(*sets.entry(set).or_insert(outcome), outcome, "one set of rules decides one way");
    }
    assert!(sets.len() <= 2, "rules of two sets were mixed: {sets:?}");
    for ((policy, anchors), outcome) in &sets {
        for ((other_policy, other_anchors), _) in sets.iter().filter(|(_, other)| *other != outcome) {
            assert!(policy != other_policy && anchors != other_anchors, "rules of two sets were mixed: {sets:?}");
        }
    }
}
