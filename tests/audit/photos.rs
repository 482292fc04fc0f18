//! Audits of photos, with the real networks.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::made::{csv_rows, results};
use crate::need_assets;
use crate::support::*;

#[test]
fn a_person_under_two_names_and_one_photo_under_two_names_are_found() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        ("a", photo("obama.jpg")),
        ("b", photo("obama2.jpg")),
        ("c", photo("biden.jpg")),
        // The same file, stored for somebody else.
        ("d", photo("biden.jpg")),
        ("e", folder.path().join("none.jpg")),
    ];
    let list = manifest(folder.path(), rows.iter().map(|(id, path)| (*id, text(path))));
    let out = folder.path().join("out");
    let args = ["audit", "--manifest", &text(&list), "--fmr", "1e-4", "--out", &text(&out), "--json"];
    let summary = run(args).ended(1).json();
    let pairs = csv_rows(&out.join("pairs.csv"));
    let found: Vec<_> = pairs.iter().map(|row| (row["subject_a"].as_str(), row["subject_b"].as_str())).collect();
    assert_eq!(found, [("c", "d"), ("a", "b")]);
    assert!(pairs[0]["score"].parse::<f32>().unwrap() > 0.999 && !pairs[1]["quality_a"].is_empty());
    assert!(pairs.iter().all(|row| row["fmr"].parse::<f64>().unwrap() <= 1e-4));
    assert_eq!(
        (summary["templates"].clone(), summary["compared"]["left_out"][0]["count"].clone()),
        (4.into(), 1.into())
    );

    // Faces are on the page only where they were asked for.
    let page = || std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(!page().contains("data:image/jpeg"));
    run([&args[..], &["--thumbnails"]].concat()).ended(1);
    assert_eq!(page().matches("data:image/jpeg").count(), 4);

    // Templates are kept: without the runtime it goes on, because no photo is looked at again.
    let mut again = chinhchu();
    again.args(args).env("CHINHCHU_ONNXRUNTIME", folder.path().join("no-runtime"));
    assert_eq!(ran(again.output().unwrap()).ended(1).json()["links"], 2);
}

/// They were only counted: nobody could tell which photos were not compared.
#[test]
fn every_photo_that_is_left_out_is_listed_with_its_line_its_file_as_given_and_why() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::copy(photo("obama.jpg"), dir.join("a.jpg")).unwrap();
    std::fs::copy(photo("biden.jpg"), dir.join("b.jpg")).unwrap();
    image::RgbImage::from_pixel(320, 320, image::Rgb([90, 90, 90])).save(dir.join("grey.png")).unwrap();
    let absolute = text(&dir.join("none.jpg"));
    let list = dir.join("people.csv");
    let rows = format!(
        "subject_id,path,province\na,a.jpg,79\nb,b.jpg,79\na,a.jpg,79\nc,grey.png,79\n\nd,{absolute},79\n,b.jpg,79\ne,other.jpg,01\n"
    );
    std::fs::write(&list, rows).unwrap();
    let out = dir.join("out");
    let args = ["audit", "--manifest", &text(&list), "--province", "79", "--score", "0.5", "--out", &text(&out)];
    let ran = run(args).ended(0);
    let rows = csv_rows(&out.join("left_out.csv"));
    let told: Vec<_> = rows.iter().map(|row| (&*row["line"], &*row["file"], &*row["reason"])).collect();
    let expected = [
        ("4", "a.jpg", "DUPLICATE_ROW"),
        ("5", "grey.png", "NO_FACE"),
        ("7", &*absolute, "FILE_MISSING"),
        ("8", "b.jpg", "BAD_ROW"),
    ];
    assert_eq!(told, expected);
    assert_eq!(&*rows[0]["detail"], "the same photo as in line 2");
    assert!(rows.iter().all(|row| row["list"] == "people.csv" && !row["en"].is_empty() && !row["vi"].is_empty()));
    // Whom the filter left out was asked for: counted, not listed.
    assert!(
        ran.stdout.contains("5 were left out (") && ran.stdout.contains("1 templates: of another province"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("left_out.csv lists each row with its line, file and reason"), "{ran:?}");
    let same = ["audit", "--same", "--manifest", &text(&list), "--out", &text(&dir.join("same")), "--json"];
    let same = run(same).ended(0).json()["same"].clone();
    assert_eq!(same["left_out_list"], "left_out.csv");
    assert_eq!(csv_rows(&dir.join("same/left_out.csv")).len(), 5);
}

#[test]
fn captures_of_one_record_that_do_not_match_are_found() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let rows = [("a", "obama.jpg"), ("a", "obama2.jpg"), ("b", "obama3.jpg"), ("b", "biden.jpg")];
    let list = manifest(folder.path(), rows.iter().map(|(id, name)| (*id, text(&photo(name)))));
    let out = folder.path().join("out");
    let args = ["audit", "--same", "--manifest", &text(&list), "--fnmr", "0.01", "--out", &text(&out), "--json"];
    let same = run(args).ended(1).json()["same"].clone();
    assert_eq!((same["found"].clone(), same["comparisons"].clone()), (1.into(), 2.into()), "{same}");
    let rows = csv_rows(&out.join("same.csv"));
    assert_eq!((rows.len(), rows[0]["subject_id"].as_str(), rows[0]["captures_before"].as_str()), (1, "b", "1"));
}

/// Small photos of two people under many names, each a file of its own. Small, so that most
/// of the time goes into networks.
fn many(folder: &Path) -> PathBuf {
    let small = ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"].map(|name| {
        let mut jpeg = std::io::Cursor::new(Vec::new());
        image::open(photo(name)).unwrap().thumbnail(320, 320).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        jpeg.into_inner()
    });
    let rows: Vec<(String, String)> = (0..40usize)
        .map(|i| {
            let path = folder.join(format!("{i}.jpg"));
            std::fs::write(&path, with_comment(&small[i % small.len()], &i.to_string())).unwrap();
            (format!("s{}", i / 2), text(&path))
        })
        .collect();
    manifest(folder, rows.iter().map(|(id, path)| (id.as_str(), path.clone())))
}

/// An interruption is nobody's fault: whoever was looked at just then is looked at again.
/// Ending by `exit` tore ONNX Runtime down under the workers, and people were left out of
/// this audit for good.
#[test]
fn an_audit_of_photos_gives_the_same_whenever_and_however_it_was_interrupted() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let list = many(folder.path());
    let args =
        |out: &Path| ["audit", "--manifest", &text(&list), "--fmr", "1e-4", "--out", &text(out)].map(str::to_owned);
    let whole = folder.path().join("whole");
    run(args(&whole)).ended(1);
    let expected = results(&whole);
    for (sent, times) in [(libc::SIGINT, 3u64), (libc::SIGTERM, 2), (libc::SIGKILL, 1)] {
        let out = folder.path().join(format!("out-{sent}"));
        let cache = out.join("templates.cache");
        let kept = || std::fs::metadata(&cache).map_or(0, |metadata| metadata.len());
        for time in 1..=times {
            let mut child = chinhchu().args(args(&out)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let (begun, before) = (Instant::now(), kept());
            while child.try_wait().unwrap().is_none() && kept() < before + 1000 {
                assert!(begun.elapsed() < PATIENCE, "no photo was looked at");
                std::thread::sleep(Duration::from_millis(1));
            }
            // In the middle of the photos that come next.
            std::thread::sleep(Duration::from_millis(time * 70));
            signal(&child, sent);
            let said: Vec<String> = read_lines(child.stderr.take().unwrap()).iter().collect();
            wait(&mut child);
            assert!(!said.iter().any(|line| line.contains("onnxruntime")), "signal {sent}: {said:?}");
        }
        run(args(&out)).ended(1);
        assert_eq!(results(&out), expected, "signal {sent}");
    }
}
