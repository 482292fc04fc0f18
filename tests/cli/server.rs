//! `chinhchu serve`, and the other commands as its clients.

use std::process::Stdio;
use std::time::Duration;

use crate::need_assets;
use crate::support::{Serving, chinhchu, manifest, photo, ran, run, text};

#[test]
fn with_a_server_the_answers_are_the_same_as_without() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let [local, remote] = ["local", "remote"].map(|name| folder.path().join(name));
    let server = Serving::start(&remote);
    let [obama, obama2, obama3, biden] =
        ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    let here = ["--data".to_owned(), text(&local)];
    let there = ["--server".to_owned(), server.url.clone()];

    run(["gallery", "init", &text(&local)]).ended(0);
    let both = |args: &[&str], code: i32| {
        let args =
            |place: &[String]| args.iter().map(|a| (*a).to_owned()).chain(place.iter().cloned()).collect::<Vec<_>>();
        let (a, b) = (run(args(&here)).ended(code), run(args(&there)).ended(code));
        assert_eq!(a.stderr, b.stderr);
        if a.stdout.is_empty() {
            assert_eq!(b.stdout, "");
            return serde_json::Value::Null;
        }
        assert_eq!(a.json(), b.json());
        a.json()
    };
    both(&["enroll", "person-1", &obama, "--json", "--source", "live", "--scheme", "health"], 0);
    both(&["enroll", "person-1", &obama, "--json"], 2);
    both(&["enroll", "person-1", &obama2, "--add", "--request-id", "once", "--json"], 0);
    let replayed = both(&["enroll", "person-1", &obama2, "--add", "--request-id", "once", "--json"], 0);
    assert_eq!(replayed["replayed"], true);
    let list = text(&manifest(folder.path(), [("person-2", biden.clone()), ("person-3", "no.jpg".to_owned())]));
    both(&["enroll", "--manifest", &list, "--json"], 1);
    both(&["enroll", "--manifest", &list, "--json"], 1);
    let found = both(&["identify", &obama3, "--json"], 0);
    assert_eq!(found["candidates"][0]["subject_id"], "person-1");
    both(&["identify", &obama3, "--nearest", "2", "--json"], 0);
    both(&["identify", &list, "--json"], 2);
    both(&["remove", "person-1", "--json"], 0);
    both(&["remove", "person-1", "--json"], 1);
    both(&["identify", &obama3, "--fpir", "0.001", "--json"], 1);

    let verify = |more: &[&str]| run(["verify", &obama, &obama2, "--json"].iter().chain(more)).ended(0).json();
    assert_eq!(verify(&[]), verify(&["--server", &server.url]));
    run(["verify", &obama, &list, "--server", &server.url]).refused(&[&format!("probe {list}: "), "image"]);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_server_with_a_graph_looks_up_by_it_and_says_so() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("chinhchu.toml");
    std::fs::write(&config, "[gallery]\ngraph = true\n").unwrap();
    let server = Serving::start_with(&folder.path().join("people"), &["--config", &text(&config)]);
    let [obama, obama2, biden] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    run(["enroll", "person-1", &obama, "--server", &server.url]).ended(0);
    run(["enroll", "person-2", &biden, "--server", &server.url, "--scheme", "health"]).ended(0);
    let identify = |more: &[&str]| {
        let all = ["identify", &obama2, "--server", &server.url, "--nearest", "5", "--json"];
        run(all.iter().chain(more).copied()).ended(0).json()
    };
    let exact = identify(&[]);
    assert_eq!((&exact["exact"], &exact["exact_because"]), (&true.into(), &serde_json::Value::Null));
    let begun = std::time::Instant::now();
    let found = loop {
        let found = identify(&["--approximate"]);
        assert_eq!(found["candidates"], exact["candidates"], "exact scores whichever way it was answered");
        if found["exact"] == false {
            break found;
        }
        assert_eq!(found["exact_because"], "graph_not_ready");
        assert!(begun.elapsed() < crate::support::PATIENCE);
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(found["graph_recall"], 1.0);
    let health = identify(&["--approximate", "--scheme", "health"]);
    assert_eq!(health["candidates"].as_array().unwrap().len(), 1);
    assert_eq!(health["candidates"][0]["subject_id"], "person-2");
    let told = run(["identify", &obama2, "--server", &server.url, "--nearest", "5", "--approximate"]).ended(0);
    assert!(told.stdout.contains("approximate: of the nearest the graph finds 100.0 %"), "{told:?}");
    run(["remove", "person-1", "--server", &server.url]).ended(0);
    let left = identify(&["--approximate"]);
    assert_eq!(left["candidates"].as_array().unwrap().len(), 1);
    assert_eq!(left["candidates"][0]["subject_id"], "person-2");
    assert_eq!(server.terminate(), Some(0));
    // Off unless it is asked for, and never of a decision's kind of search.
    let server = Serving::start(&folder.path().join("people"));
    let all = ["identify", &obama2, "--server", &server.url, "--nearest", "5", "--approximate", "--json"];
    assert_eq!(run(all).ended(0).json()["exact_because"], "graph_off");
    assert_eq!(server.terminate(), Some(0));
    run(["identify", &obama2, "--data", &text(folder.path()), "--approximate"]).refused(&["--nearest"]);
}

#[test]
fn a_data_folder_in_use_is_refused_and_free_again_after_the_drain() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(folder.path());
    let (obama, data) = (text(&photo("obama.jpg")), text(folder.path()));
    run(["enroll", "p", &obama, "--data", &data, "--create"]).refused(&["in use", &data]);
    run(["serve", "--listen", "127.0.0.1:0", "--data", &data, "--log", "off"]).refused(&["in use"]);
    run(["enroll", "p", &obama, "--server", &server.url]).ended(0);
    assert_eq!(server.terminate(), Some(0));
    run(["identify", &obama, "--data", &data]).ended(0);
}

#[test]
fn a_request_in_flight_is_answered_before_the_server_ends() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(folder.path());
    let [obama, obama2] = ["obama.jpg", "obama2.jpg"].map(|name| text(&photo(name)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let mut verify = chinhchu();
            verify.args(["verify", &obama, &obama2, &obama2, &obama2, "--json", "--server", &server.url]);
            verify.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.terminate(), Some(0));
    for client in clients {
        // Answered, or (where it came too late) told in one line; never left hanging.
        let client = ran(client.wait_with_output().unwrap());
        if client.code != Some(0) {
            client.refused(&[]);
        }
    }
}

#[test]
fn a_taken_port_is_told_in_one_line() {
    need_assets!();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(["serve", "--listen", &address, "--log", "off"]).refused(&[&address, "--listen"]);
}
