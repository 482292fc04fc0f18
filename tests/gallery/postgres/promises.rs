//! What the record store in PostgreSQL promises beyond the contract: whom it talks to, what it does with a
//! schema that it does not know, and what is kept when a connection is cut or several processes commit.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chinhchu::gallery::{
    self, Attributes, Change, Command, EnrolMode, Enrolment, GalleryError, PostgresOptions, ReadSet, RecordStore,
    Watermark,
};

use super::server::{BY_NOTHING, BY_PASSWORD, Server, program};
use super::{open, server};
use crate::support::*;

fn refused(options: PostgresOptions) -> String {
    match gallery::open_postgres(RECIPE, DIMENSION, options) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was opened"),
    }
}

fn enrol(subject: &str, mode: EnrolMode, seeds: &[u64]) -> Command {
    Command::Enrol(enrolment(subject, mode, seeds), None)
}

/// A connection beside the store's, which may do what the store would not.
struct Beside {
    client: tokio_postgres::Client,
    runtime: tokio::runtime::Runtime,
}

impl Beside {
    fn new(server: &Server, schema: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(server.connect(schema));
        Self { client, runtime }
    }

    fn run(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap();
    }

    fn number(&self, sql: &str) -> i64 {
        self.runtime.block_on(self.client.query_one(sql, &[])).unwrap().get(0)
    }

    /// Cuts every connection of the store; how many there were.
    fn cut_others(&self) -> i64 {
        self.number("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'chinhchu'")
    }
}

#[test]
fn a_server_of_another_root_is_refused() {
    let Some(server) = server() else { return };
    let told = refused(PostgresOptions { roots: server.file("other-ca.pem"), ..server.options() });
    assert!(told.contains("UnknownIssuer") || told.contains("certificate"), "{told}");
}

#[test]
fn a_server_under_another_name_is_refused() {
    let Some(server) = server() else { return };
    let told = refused(PostgresOptions { host: "localhost".to_owned(), ..server.options() });
    assert!(told.contains("certificate"), "{told}");
}

#[test]
fn a_wrong_password_is_refused_and_not_told() {
    let Some(server) = server() else { return };
    let told = refused(PostgresOptions { password_file: server.file("wrong-password"), ..server.options() });
    assert!(told.contains("password authentication failed"), "{told}");
    assert!(!told.contains("another password"), "{told}");
    let told = refused(PostgresOptions { password_file: PathBuf::from("/nowhere"), ..server.options() });
    assert!(told.contains("/nowhere"), "{told}");
}

/// A server in the middle that has a certificate of the root, and no more than that, gets no further: the login
/// is bound to the connection, or there is none.
#[test]
fn a_login_that_is_not_bound_to_the_connection_is_refused() {
    let Some(server) = server() else { return };
    let options = server.options();
    drop(open(options.clone()));
    let beside = Beside::new(server, &options.schema);
    beside.run(&format!(
        "DO $$ BEGIN CREATE ROLE {BY_PASSWORD} SUPERUSER LOGIN PASSWORD 'a password of tests'; \
         CREATE ROLE {BY_NOTHING} SUPERUSER LOGIN; END $$"
    ));
    for user in [BY_PASSWORD, BY_NOTHING] {
        let told = refused(PostgresOptions { user: user.to_owned(), ..options.clone() });
        assert!(told.contains("channel binding"), "{user}: {told}");
    }
}

#[test]
fn a_server_that_knows_no_newer_tls_is_refused() {
    let Some(native) = server().and_then(|_| program()) else { return };
    let old = Server::start(&native, &["fsync = off", "ssl_max_protocol_version = 'TLSv1.2'"]);
    let told = refused(old.options());
    assert!(told.to_lowercase().contains("protocol"), "{told}");
}

#[test]
fn a_schema_of_a_newer_program_is_refused_and_left_as_it_is() {
    let Some(server) = server() else { return };
    let options = server.options();
    drop(open(options.clone()));
    let beside = Beside::new(server, &options.schema);
    beside.run("INSERT INTO schema_versions (version) VALUES (99)");
    let told = refused(options.clone());
    assert!(told.contains("of version 99") && told.contains("run a chinhchu that is as new"), "{told}");
    beside.run("DELETE FROM schema_versions WHERE version = 99");
    drop(open(options));
}

#[test]
fn a_gallery_is_made_where_that_is_asked_for_and_found_again_by_its_id() {
    let Some(server) = server() else { return };
    let options = server.options();
    let never = PostgresOptions { create: false, ..options.clone() };
    assert!(matches!(
        gallery::open_postgres(RECIPE, DIMENSION, never.clone()),
        Err(GalleryError::NotThere(place)) if place.to_string_lossy().contains(&options.schema)
    ));
    let id = open(options).id();
    let again = gallery::open_postgres(RECIPE, DIMENSION, PostgresOptions { id: Some(id), ..never.clone() }).unwrap();
    assert!(again.id() == id);
    let other = open(server.options()).id();
    let wrong = gallery::open_postgres(RECIPE, DIMENSION, PostgresOptions { id: Some(other), ..never });
    assert!(matches!(wrong, Err(GalleryError::OtherGallery { .. })));
    let bad = refused(PostgresOptions { schema: "Not a name".to_owned(), ..server.options() });
    assert!(bad.contains("no name of a schema"), "{bad}");
}

#[test]
fn of_several_processes_that_open_a_new_gallery_at_once_one_makes_it() {
    let Some(server) = server() else { return };
    let options = server.options();
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let options = options.clone();
            std::thread::spawn(move || open(options).id())
        })
        .collect();
    let ids: Vec<_> = opening.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn what_was_committed_is_there_when_the_store_is_opened_again() {
    let Some(server) = server() else { return };
    let options = server.options();
    let store = open(options.clone());
    block_on(async {
        store.commit(&by(), enrol("a", EnrolMode::Create, &[1, 2])).await.unwrap();
        let changed = store.last_change();
        store.close();
        let store = open(options.clone());
        assert_eq!((store.sizes().subjects, store.sizes().templates, store.last_change()), (1, 2, changed));
        let log = store.changes(Watermark(0)).await.unwrap();
        assert_eq!((log.changes.len(), log.template_next), (2, 3));
    });
    // Templates of a recipe without an index would be missed by every search.
    let other = gallery::open_postgres(chinhchu::face::RecipeDigest([8; 32]), DIMENSION, options);
    assert!(matches!(other, Err(GalleryError::OtherRecipe { .. })));
}

/// A caller that gives up takes nothing back: the command ends on its own.
#[test]
fn a_command_whose_caller_has_gone_is_carried_out() {
    let Some(server) = server() else { return };
    let options = server.options();
    let store = open(options.clone());
    let beside = Beside::new(server, &options.schema);
    beside.run("BEGIN; SELECT 1 FROM gate FOR UPDATE");
    block_on(async {
        let by = by();
        tokio::select! {
            biased;
            _ = store.commit(&by, enrol("a", EnrolMode::Create, &[1])) => panic!("the gate is taken"),
            () = std::future::ready(()) => {}
        }
    });
    beside.run("COMMIT");
    block_on(async {
        store.commit(&by(), enrol("b", EnrolMode::Create, &[2])).await.unwrap();
        let wanted = ReadSet { subjects: vec![id("a"), id("b")], ..ReadSet::default() };
        assert_eq!(store.read(wanted).await.unwrap().subjects.len(), 2);
    });
}

/// A process that hangs while it holds the gate loses it when its transaction has lasted too long, and whoever
/// waited is carried out.
#[test]
fn whoever_waits_for_a_process_that_hangs_is_carried_out_when_its_time_is_over() {
    let Some(server) = server() else { return };
    let transaction_timeout = Duration::from_secs(2);
    let options = PostgresOptions { transaction_timeout, ..server.options() };
    let store = open(options.clone());
    let hangs = Beside::new(server, &options.schema);
    hangs.run("SET transaction_timeout = 2000");
    hangs.run("BEGIN; UPDATE gate SET commit = 99");
    let begun = Instant::now();
    block_on(async {
        let committed = store.commit(&by(), enrol("a", EnrolMode::Create, &[1])).await.unwrap();
        assert_eq!(committed.receipt.commit, 1, "what hung has left nothing");
    });
    assert!(begun.elapsed() > Duration::from_secs(1));
}

/// Connections are kept open; the server may have been started anew meanwhile.
#[test]
fn connections_that_were_cut_between_two_calls_are_made_again() {
    let Some(native) = server().and_then(|_| program()) else { return };
    let own = Server::start(&native, &["fsync = off"]);
    let options = own.options();
    let store = open(options.clone());
    let beside = Beside::new(&own, &options.schema);
    let commit = |subject: &str| block_on(store.commit(&by(), enrol(subject, EnrolMode::Create, &[1])));
    commit("a").unwrap();
    block_on(store.read(ReadSet::default())).unwrap();
    for round in 0..5 {
        assert!(beside.cut_others() > 0);
        commit(&format!("b{round}")).unwrap();
        assert!(beside.cut_others() > 0);
        block_on(store.read(ReadSet::default())).unwrap();
    }
    assert_eq!(store.sizes().subjects, 6);
}

/// Cut in the midst of the COMMIT itself: the answer is lost, and what the caller is told is what was kept.
#[test]
fn a_commit_whose_answer_is_lost_is_looked_up_by_its_tag() {
    let Some(native) = server().and_then(|_| program()) else { return };
    let own = Server::start(&native, &["fsync = off"]);
    let options = own.options();
    let store = open(options.clone());
    let beside = Beside::new(&own, &options.schema);
    // Deferred to the COMMIT, which waits until it is cut.
    beside.run(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON subjects DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW WHEN (NEW.name = 'slow') EXECUTE FUNCTION wait()",
    );
    let slow = {
        let store = Arc::clone(&store);
        std::thread::spawn(move || {
            block_on(async { store.commit(&by(), enrol("slow", EnrolMode::Create, &[1])).await })
        })
    };
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    while beside.number(waiting) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(beside.cut_others() > 0);
    let told = slow.join().unwrap().err().unwrap().to_string();
    assert!(told.contains("nothing was kept"), "{told}");
    beside.run("DROP TRIGGER waits ON subjects");
    block_on(async {
        assert_eq!(store.read(ReadSet::default()).await.unwrap().as_of, Watermark(0));
        store.commit(&by(), enrol("slow", EnrolMode::Create, &[1])).await.unwrap();
    });
}

/// Cut behind the COMMIT, while that waited for a standby: it was kept, and so the caller is told, but not before a
/// standby could have it.
#[test]
fn a_commit_that_was_kept_is_answered_though_its_answer_was_lost() {
    let Some(native) = server().and_then(|_| program()) else { return };
    let own = Server::start(&native, &["fsync = off"]);
    let options = own.options();
    let store = open(options.clone());
    let beside = Beside::new(&own, &options.schema);
    beside.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    beside.run("SELECT pg_reload_conf()");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    while beside.number("SELECT (current_setting('synchronous_standby_names') = 'nobody')::int4::int8") == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let commit = {
        let store = Arc::clone(&store);
        std::thread::spawn(move || block_on(async { store.commit(&by(), enrol("a", EnrolMode::Create, &[1])).await }))
    };
    let until_one_waits = || {
        while beside.number(waiting) == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    until_one_waits();
    assert!(beside.cut_others() > 0);
    // Another commit behind it waits as it did.
    std::thread::sleep(Duration::from_millis(100));
    until_one_waits();
    assert!(!commit.is_finished());
    beside.run("ALTER SYSTEM RESET synchronous_standby_names");
    beside.run("SELECT pg_reload_conf()");
    let committed = commit.join().unwrap().unwrap();
    assert_eq!((committed.receipt.commit, committed.receipt.replayed), (1, false));
    let wanted = ReadSet { subjects: vec![id("a")], ..ReadSet::default() };
    assert_eq!(block_on(store.read(wanted)).unwrap().subjects.len(), 1);
}

/// One row that cannot be read fails whoever needs it, and none of those who came with them.
#[test]
fn a_damaged_row_fails_nobody_else_of_its_group() {
    let Some(server) = server() else { return };
    let options = server.options();
    let store = open(options.clone());
    let beside = Beside::new(server, &options.schema);
    block_on(async {
        store.commit(&by(), enrol("a", EnrolMode::Create, &[1])).await.unwrap();
    });
    beside.run("UPDATE subjects SET value = value || '\\x00'; BEGIN; SELECT 1 FROM gate FOR UPDATE");
    let commits: Vec<_> = ["x", "a", "b", "c"]
        .map(|subject| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                let mode = if subject == "a" { EnrolMode::Add } else { EnrolMode::Create };
                block_on(async { store.commit(&by(), enrol(subject, mode, &[2])).await.map(|_| subject) })
            })
        })
        .into();
    std::thread::sleep(Duration::from_millis(200));
    beside.run("COMMIT");
    let told: Vec<_> = commits.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(told.iter().flatten().copied().collect::<Vec<_>>(), ["x", "b", "c"]);
    assert!(told.iter().any(|one| matches!(one, Err(GalleryError::Damaged { .. }))), "{told:?}");
}

/// Two processes over one schema: every commit has a number of its own without gaps, each follows all.
#[test]
fn two_stores_over_one_schema_commit_one_after_another_and_each_sees_all() {
    let Some(server) = server() else { return };
    let options = server.options();
    let stores = [open(options.clone()), open(options.clone())];
    const EACH: usize = 60;
    let work: Vec<_> = (0..2)
        .map(|of| {
            let store = Arc::clone(&stores[of]);
            std::thread::spawn(move || {
                block_on(async {
                    let mut at = Vec::new();
                    for round in 0..EACH {
                        let subject = format!("s-{of}-{round}");
                        at.push(store.commit(&by(), enrol(&subject, EnrolMode::Create, &[1])).await.unwrap());
                    }
                    at.into_iter().map(|one| one.receipt.commit).collect::<Vec<_>>()
                })
            })
        })
        .collect();
    let commits: Vec<Vec<u64>> = work.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(commits.iter().all(|own| own.is_sorted()));
    let all: BTreeSet<u64> = commits.iter().flatten().copied().collect();
    assert!(all.into_iter().eq(1..=2 * EACH as u64), "no number twice, none left out");
    let beside = Beside::new(server, &options.schema);
    assert_eq!(beside.number("SELECT count(*) FROM commits"), 2 * EACH as i64);
    block_on(async {
        for store in &stores {
            let log = store.changes(Watermark(0)).await.unwrap();
            let came = log.changes.iter().filter(|change| matches!(change, Change::Added { .. })).count();
            assert_eq!((came, log.up_to), (2 * EACH, Watermark(2 * EACH as u64)));
            assert_eq!(store.last_change(), log.up_to);
            assert_eq!(store.sizes().subjects, 2 * EACH as u64);
        }
    });
}

/// Whoever follows the log while others commit misses nothing: what is visible ends at its watermark.
#[test]
fn a_follower_of_the_log_misses_nothing_while_several_commit() {
    let Some(server) = server() else { return };
    let options = server.options();
    let (writers, follower) = ([open(options.clone()), open(options.clone())], open(options));
    const EACH: usize = 100;
    let work: Vec<_> = (0..8)
        .map(|of| {
            let store: Arc<dyn RecordStore> = Arc::clone(&writers[of % 2]);
            std::thread::spawn(move || {
                block_on(async {
                    for round in 0..EACH {
                        let attributes =
                            Attributes { province: Some((round % 9).to_string()), ..Attributes::default() };
                        let own =
                            Enrolment { attributes, ..enrolment(&format!("s-{of}-{round}"), EnrolMode::Create, &[1]) };
                        store.commit(&by(), Command::Enrol(own, None)).await.unwrap();
                    }
                })
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    let mut up_to = Watermark(0);
    block_on(async {
        while seen.len() < 8 * EACH {
            let is_over = work.iter().all(|thread| thread.is_finished());
            let log = follower.changes(up_to).await.unwrap();
            assert!(log.up_to >= up_to);
            up_to = log.up_to;
            for change in log.changes {
                let Change::Added { id, .. } = change else { panic!("nothing else was done") };
                assert!(seen.insert(id), "told twice");
            }
            assert_eq!(seen.len() as u64, up_to.0, "one template a commit");
            assert!(!is_over || seen.len() == 8 * EACH, "the log has lost some");
        }
    });
    work.into_iter().for_each(|thread| thread.join().unwrap());
}
