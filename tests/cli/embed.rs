//! `chinhchu embed`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chinhchu::matching::dot;

use crate::need_assets;
use crate::support::{SmallDisk, dimension, photo, run, text};

fn rows(path: &Path) -> Vec<Vec<f32>> {
    let npy = npyz::NpyFile::new(fs::File::open(path).unwrap()).unwrap();
    let shape = npy.shape().to_vec();
    assert_eq!((shape.len(), npy.order()), (2, npyz::Order::C));
    let values: Vec<f32> = npy.into_vec().unwrap();
    values.chunks(shape[1] as usize).map(<[f32]>::to_vec).collect()
}

#[test]
fn rows_are_unit_vectors_in_manifest_order_and_failed_ones_are_zeros_and_listed() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    for name in ["obama.jpg", "biden.jpg", "obama2.jpg"] {
        fs::copy(photo(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("text.jpg"), "no, \"photo\"").unwrap();
    let list = folder.path().join("m.csv");
    fs::write(
        &list,
        "subject_id,path,pose\na,obama.jpg,frontal\nb,text.jpg,x\nc,biden.jpg,\nd,gone.jpg,\na,obama2.jpg,\n",
    )
    .unwrap();
    let out = folder.path().join("templates.npy");
    let args = ["embed", "--manifest", &text(&list), "--out", &text(&out), "--json"];
    let answer = run(args).ended(1).json();
    assert_eq!([&answer["rows"], &answer["failed"], &answer["dimension"]], [5, 2, dimension()]);

    let first = rows(&out);
    assert_eq!(first.len(), 5);
    for (i, row) in first.iter().enumerate() {
        let length = dot(row, row);
        if [1, 3].contains(&i) {
            assert!(row.iter().all(|v| *v == 0.0), "row {i}");
        } else {
            assert!((length - 1.0).abs() < 1e-5, "row {i} has length {length}");
        }
    }
    assert!(dot(&first[0], &first[4]) > 0.5, "the same person");
    assert!(dot(&first[0], &first[2]) < 0.35, "two people");

    let errors = folder.path().join("templates.errors.csv");
    let listed: Vec<_> = csv::Reader::from_path(&errors)
        .unwrap()
        .records()
        .map(|r| r.unwrap())
        .map(|r| (r[0].to_owned(), r[1].to_owned(), r[2].to_owned()))
        .collect();
    let expected = [("1", "3", "IMAGE_FORMAT"), ("3", "5", "FILE_MISSING")];
    assert_eq!(listed, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));

    // Again, with other parallelism: the same bits, and no stale list of errors.
    let bits = fs::read(&out).unwrap();
    let mode = fs::metadata(&out).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "templates are their owner's alone");
    run(args.iter().chain(&["--workers", "1"])).ended(1);
    assert_eq!(fs::read(&out).unwrap(), bits);
    fs::write(&list, "path\nobama.jpg\n").unwrap();
    run(args).ended(0);
    assert_eq!(fs::read_to_string(&errors).unwrap().lines().count(), 1);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().ends_with(".partial")), "{left:?}");
}

#[test]
fn an_unusable_manifest_or_place_is_refused_and_nothing_is_written() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let list = text(&folder.path().join("m.csv"));
    let out = folder.path().join("out.npy");
    run(["embed", "--manifest", &list, "--out", &text(&out)]).refused(&["m.csv", "check the path"]);
    fs::write(&list, "photo\nx.jpg\n").unwrap();
    run(["embed", "--manifest", &list, "--out", &text(&out)]).refused(&["column"]);
    fs::write(&list, "path\n").unwrap();
    run(["embed", "--manifest", &list, "--out", &text(&out)]).refused(&["no rows"]);
    fs::write(&list, format!("path\n{}\n", text(&photo("obama.jpg")))).unwrap();
    run(["embed", "--manifest", &list, "--out", "/no/such/folder/out.npy"]).refused(&["/no/such/folder/out.npy"]);
    assert!(!out.exists());
}

#[test]
fn a_full_disk_leaves_the_older_file_whole() {
    need_assets!();
    let Some(disk) = SmallDisk::mount(module_path!(), 64 << 10) else { return };
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("m.csv");
    fs::write(&list, format!("path\n{}\n", text(&photo("obama.jpg")))).unwrap();
    let out = disk.path().join("templates.npy");
    run(["embed", "--manifest", &text(&list), "--out", &text(&out)]).ended(0);
    let before = fs::read(&out).unwrap();
    let photo = format!("{}\n", text(&photo("obama.jpg")));
    fs::write(&list, format!("path\n{}", photo.repeat(60))).unwrap();
    run(["embed", "--manifest", &text(&list), "--out", &text(&out), "--json"])
        .refused(&["disk is full", "free some space"]);
    assert_eq!(fs::read(&out).unwrap(), before);
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 2, "no partial file is left");
}
