//! `chinhchu enroll --manifest`: bad rows, and a kill in the middle.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use chinhchu::face::Pack;
use chinhchu::gallery::{self, EmbeddedOptions, Source};

use crate::need_assets;
use crate::support::{PATIENCE, chinhchu, manifest, photo, read_lines, root, run, signal, text, with_comment};

/// A photo of its own bytes for every number, of the same picture.
pub fn variant(folder: &Path, jpeg: &[u8], number: usize) -> PathBuf {
    let path = folder.join(format!("{number}.jpg"));
    if !path.exists() {
        fs::write(&path, with_comment(jpeg, &format!("number {number}"))).unwrap();
    }
    path
}

/// A sample photo scaled down: tests are built without optimisation.
fn small(name: &str) -> Vec<u8> {
    let picture = image::load_from_memory(&fs::read(photo(name)).unwrap()).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.thumbnail(320, 320).into_rgb8().write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// What is in a gallery: per subject its templates' vectors (as bits) and sources.
type State = BTreeMap<String, Vec<(Vec<u32>, Source)>>;

fn state(data: &Path) -> State {
    let pack = Pack::load(&root().join("models/default")).unwrap();
    let gallery = gallery::open(data, pack.recipe(), pack.dimension(), EmbeddedOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut state = State::new();
        for id in gallery.list(None, 100_000).await.unwrap() {
            let subject = gallery.subject(&id).await.unwrap().unwrap();
            let template = |stored: &chinhchu::gallery::StoredTemplate| {
                let vector = stored.content.template.vector();
                (vector.iter().map(|v| v.to_bits()).collect(), stored.content.source)
            };
            state.insert(id.as_str().to_owned(), subject.templates.iter().map(template).collect());
        }
        state
    })
}

/// A gallery enrolled before the default pack changed still holds people: it opens with its
/// own pack, is never compared with templates of another, and whoever opens it otherwise
/// reads what to do.
#[test]
fn a_gallery_of_another_pack_answers_with_its_own_pack_and_says_which_that_is() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = text(&folder.path().join("data"));
    let obama = text(&photo("obama.jpg"));
    let old = ["--pack", "models/faceplugin"];
    run(["enroll", "p1", &obama, "--data", &data, "--create"].into_iter().chain(old)).ended(0);
    let again = text(&photo("obama2.jpg"));
    let refused = run(["identify", &again, "--data", &data]).ended(2);
    assert!(refused.stderr.contains("--pack models/faceplugin"), "{}", refused.stderr);
    let refused = run(["enroll", "p2", &again, "--data", &data, "--create"]).ended(2);
    assert!(refused.stderr.contains("--pack models/faceplugin"), "{}", refused.stderr);
    let found = run(["identify", &again, "--data", &data, "--json"].into_iter().chain(old)).ended(0).json();
    assert_eq!(found["candidates"][0]["subject_id"], "p1");
    assert_eq!(found["candidates"].as_array().unwrap().len(), 1);
}

#[test]
fn a_bad_row_is_listed_by_line_and_the_others_are_enrolled() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let obama = small("obama.jpg");
    let biden = small("biden.jpg");
    fs::write(folder.path().join("text.jpg"), "no photo").unwrap();
    variant(folder.path(), &obama, 1);
    variant(folder.path(), &obama, 2);
    variant(folder.path(), &biden, 3);
    let path = folder.path().join("people.csv");
    let csv = "\u{feff}subject_id,path,note\r\np1,1.jpg,x\r\np1,2.jpg,\r\np2,text.jpg,\r\np2,missing.jpg,\r\n\
        p3,3.jpg\r\np2,3.jpg,\r\np2,3.jpg,x,y\r\n";
    fs::write(&path, csv).unwrap();
    let data = folder.path().join("data");
    let args = ["enroll", "--manifest", &text(&path), "--data", &text(&data), "--create", "--json", "--source", "chip"];

    let first = run(args).ended(1);
    let answer = first.json();
    assert_eq!([&answer["rows"], &answer["enrolled"], &answer["unchanged"]], [7, 3, 0]);
    let failed: Vec<_> =
        answer["failed"].as_array().unwrap().iter().map(|f| (f["line"].clone(), f["reason"].clone())).collect();
    assert_eq!(
        failed,
        [(4, "IMAGE_FORMAT"), (5, "FILE_MISSING"), (6, "BAD_ROW"), (8, "BAD_ROW")]
            .map(|(line, reason)| (line.into(), reason.into()))
    );
    assert!(first.stderr.contains("line 4: IMAGE_FORMAT") && first.stderr.lines().count() == 4, "{first:?}");
    assert!(first.stderr.contains("fewer cells") && first.stderr.contains("more cells"), "{first:?}");
    assert!(!first.stderr.contains("p2") && !first.stderr.contains("missing.jpg"), "{first:?}");

    let before = state(&data);
    assert_eq!(before.iter().map(|(id, t)| (id.as_str(), t.len())).collect::<Vec<_>>(), [("p1", 2), ("p2", 1)]);
    assert!(before.values().flatten().all(|(_, source)| *source == Source::Chip));

    let again = run(args).ended(1).json();
    assert_eq!([&again["enrolled"], &again["unchanged"]], [0, 3]);
    assert_eq!(state(&data), before);
}

#[test]
fn a_subject_that_was_removed_is_enrolled_again_by_the_same_manifest() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let jpeg = small("obama.jpg");
    let rows = [1, 2, 3].map(|i| ("p", text(&variant(folder.path(), &jpeg, i))));
    let list = text(&manifest(folder.path(), rows));
    let data = folder.path().join("data");
    let enroll = ["enroll", "--manifest", &list, "--data", &text(&data), "--create", "--json"];
    for _ in 0..3 {
        assert_eq!(run(enroll).ended(0).json()["enrolled"], 3);
        assert_eq!(run(enroll).ended(0).json()["unchanged"], 3);
        assert_eq!(state(&data)["p"].len(), 3);
        run(["remove", "p", "--data", &text(&data)]).ended(0);
    }
}

#[test]
fn a_subject_enrolled_by_others_is_not_touched_unless_asked_for() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let jpeg = small("obama.jpg");
    let data = text(&folder.path().join("data"));
    run(["enroll", "p", &text(&photo("biden.jpg")), "--data", &data, "--create"]).ended(0);
    let rows = [1, 2].map(|i| ("p", text(&variant(folder.path(), &jpeg, i))));
    let list = text(&manifest(folder.path(), rows));
    let refused = run(["enroll", "--manifest", &list, "--data", &data, "--create", "--json"]).ended(1).json();
    assert_eq!(refused["failed"][1]["reason"], "SUBJECT_EXISTS");
    assert_eq!(state(Path::new(&data))["p"].len(), 1);
    // The list is of another person than the record's, who would be taken for its owner afterwards.
    let added = run(["enroll", "--manifest", &list, "--data", &data, "--create", "--add", "--json"]).ended(1).json();
    let reasons: Vec<_> = added["failed"].as_array().unwrap().iter().map(|row| row["reason"].clone()).collect();
    assert_eq!(reasons, ["RECORD_DISAGREES"; 2]);
    assert_eq!(state(Path::new(&data))["p"].len(), 1);
    // An officer vouches photo by photo, with a reason.
    let one = text(&photo("obama.jpg"));
    let add = ["enroll", "p", &one, "--data", &data, "--create", "--add"];
    run(add).refused(&["do not show the person of this record", "officer"]);
    run(add.into_iter().chain(["--officer", "o-7"])).refused(&["--reason"]);
    run(add.into_iter().chain(["--officer", "o-7", "--reason", "looked at both"])).ended(0);
    assert_eq!(state(Path::new(&data))["p"].len(), 2);
    run(["enroll", "--manifest", &list, "--data", &data, "--create", "--add"]).ended(0);
    assert_eq!(state(Path::new(&data))["p"].len(), 4);
    run(["enroll", "--manifest", &list, "--data", &data, "--create", "--replace"]).ended(0);
    run(["enroll", "--manifest", &list, "--data", &data, "--create", "--replace"]).ended(0);
    assert_eq!(state(Path::new(&data))["p"].len(), 2);
}

/// A bad row tells that the run is in the middle: many rows before it are through, and of those
/// behind it more are left than it can do before it is killed.
#[test]
fn killed_in_the_middle_and_run_again_it_ends_as_an_undisturbed_run() {
    need_assets!();
    const ROWS: usize = 40;
    const BAD: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let photos = ["obama.jpg", "biden.jpg"].map(small);
    let subjects: Vec<String> = (0..ROWS).map(|i| format!("p{}", i / 2)).collect();
    let rows = || {
        subjects.iter().enumerate().map(|(i, subject)| {
            let path = folder.path().join(format!("{i}.jpg"));
            (subject.as_str(), text(&path))
        })
    };
    for i in (0..ROWS).filter(|i| *i != BAD) {
        variant(folder.path(), &photos[i / 2 % 2], i);
    }
    fs::write(folder.path().join(format!("{BAD}.jpg")), "no photo").unwrap();

    let list = text(&manifest(folder.path(), rows()));
    let data = folder.path().join("killed");
    let data_text = text(&data);
    let enroll = ["enroll", "--manifest", &list, "--data", &data_text, "--create", "--json"];
    let mut child =
        chinhchu().args(enroll).args(["--workers", "1"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = read_lines(child.stderr.take().unwrap());
    let begun = Instant::now();
    loop {
        let line = lines.recv_timeout(PATIENCE).expect("the bad row is told of");
        if line.contains(&format!("line {}", BAD + 2)) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE);
    }
    signal(&child, libc::SIGKILL);
    child.wait().unwrap();
    let killed = state(&data);
    let (all, kept) = (ROWS / 2, killed.len());
    assert!(kept > 2 && kept < all, "{kept} of {all} subjects when killed");

    // Killed again at some other moment, whatever it is.
    for wait_ms in [150, 450] {
        let mut child = chinhchu().args(enroll).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let again = run(enroll).ended(1).json();
    assert!(again["unchanged"].as_u64().unwrap() >= killed.values().map(Vec::len).sum::<usize>() as u64, "{again}");
    assert_eq!(again["failed"].as_array().unwrap().len(), 1);

    let undisturbed = folder.path().join("undisturbed");
    let straight =
        run(["enroll", "--manifest", &list, "--data", &text(&undisturbed), "--create", "--json"]).ended(1).json();
    assert_eq!(straight["enrolled"].as_u64(), Some(ROWS as u64 - 1));
    assert_eq!(state(&data), state(&undisturbed));
}

#[test]
fn a_spreadsheets_list_with_attributes_is_enrolled_with_them_and_a_pipe_is_no_photo() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    variant(folder.path(), &small("obama.jpg"), 1);
    variant(folder.path(), &small("biden.jpg"), 2);
    let pipe = folder.path().join("pipe.jpg");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let list = "sep=;\r\nsubject_id;path;province;schemes;captured_at\r\n\
                '=p1;1.jpg;79;BHXH|BHYT;2024-03-05\r\np2;2.jpg;;;\r\np3;pipe.jpg;1;health;\r\n\
                p4;1.jpg;1;health;05/03/2024\r\n";
    let utf16: Vec<u8> = format!("\u{feff}{list}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let path = folder.path().join("people.csv");
    fs::write(&path, utf16).unwrap();
    let data = folder.path().join("data");
    let args = [
        "enroll",
        "--manifest",
        &text(&path),
        "--data",
        &text(&data),
        "--create",
        "--json",
        "--province",
        "48",
        "--scheme",
        "unemployment",
    ];
    let ran = run(args).ended(1);
    let answer = ran.json();
    assert_eq!([&answer["rows"], &answer["enrolled"]], [4, 2], "{ran:?}");
    let failed: Vec<_> =
        answer["failed"].as_array().unwrap().iter().map(|f| (f["line"].clone(), f["reason"].clone())).collect();
    // Lines of the file as an editor shows it, with the line that names the separator.
    assert_eq!(failed, [(5.into(), "FILE_UNREADABLE".into()), (6.into(), "BAD_ROW".into())]);
    assert!(ran.stderr.contains("pipe") && ran.stderr.contains("2024-03-05"), "{ran:?}");

    {
        let pack = Pack::load(&root().join("models/default")).unwrap();
        let gallery = gallery::open(&data, pack.recipe(), pack.dimension(), EmbeddedOptions::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let subject = |id: &str| {
            let id = chinhchu::gallery::SubjectId::new(id).unwrap();
            runtime.block_on(gallery.subject(&id)).unwrap().unwrap()
        };
        let (first, second) = (subject("=p1"), subject("p2"));
        assert_eq!(Vec::from_iter(&first.attributes.schemes), ["health", "social"]);
        assert_eq!(first.attributes.province.as_deref(), Some("79"));
        assert_eq!(first.templates[0].content.captured_at.map(|at| at.0), Some(19_787 * 86_400_000));
        assert_eq!(Vec::from_iter(&second.attributes.schemes), ["unemployment"]);
        assert_eq!(second.attributes.province.as_deref(), Some("48"));
        assert_eq!(second.templates[0].content.captured_at, None);
    }
    // The same list again does nothing twice.
    let again = run(args).ended(1).json();
    assert_eq!([&again["enrolled"], &again["unchanged"]], [0, 2]);
}

#[test]
fn nothing_but_a_regular_file_is_read_as_a_photo_a_list_or_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = text(&folder.path().join("pipe.cer"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let data = text(&folder.path().join("data"));
    run(["verify", &pipe, &pipe]).refused(&["reference", "pipe"]);
    run(["verify", "/dev/zero", "/dev/zero"]).refused(&["reference", "device"]);
    run(["enroll", "--manifest", &pipe, "--data", &data]).refused(&["manifest", "pipe"]);
    run(["embed", "--manifest", &pipe, "--out", &text(&folder.path().join("t.npy"))]).refused(&["manifest", "pipe"]);
    run(["config", "check", "--csca", &pipe]).refused(&["--csca", "pipe"]);
    run(["audit", "--vectors", &pipe, "--ids", &pipe, "--out", &data]).refused(&["pipe"]);
    run(["evaluate", "--pairs", &pipe, "--out", &data]).refused(&["pipe"]);
}
