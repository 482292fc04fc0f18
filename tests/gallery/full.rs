//! A disk that is really full.

use std::path::Path;
use std::process::Command;

use chinhchu::face::Template;
use chinhchu::gallery::{self, EmbeddedOptions, Gallery, GalleryError, NewTemplate, Source};
use chinhchu::sealing::KeyStoreOptions;

use crate::support::*;

/// Values in a template here: large ones fill the disk soon.
const DIMENSION_LARGE: usize = 512;

/// A small file system in memory; taken away when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    /// `None` where this user may not mount.
    fn new(mebibytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "chinhchu-test"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

fn open_large(dir: &Path) -> Result<Gallery, GalleryError> {
    gallery::open(dir, RECIPE, DIMENSION_LARGE, options())
}

fn person(number: u32) -> chinhchu::gallery::Enrolment {
    let raw: Vec<f32> = (0..DIMENSION_LARGE as u32).map(|i| ((i * 31 + number * 17) % 23) as f32 - 11.0).collect();
    let template = Template::from_raw(RECIPE, &raw).unwrap();
    let new = NewTemplate { template, source: Source::Other, captured_at: None, quality: None };
    chinhchu::gallery::Enrolment {
        templates: vec![new; 8],
        ..enrolment(&format!("s{number:05}"), Default::default(), &[1])
    }
}

#[test]
fn a_full_disk_loses_nothing_acknowledged_and_writes_go_on_when_there_is_room() {
    let Some(mount) = Mount::new(8) else {
        eprintln!("SKIPPED: a full disk: this user may not mount a small file system");
        return;
    };
    let ballast = mount.path().join("ballast");
    std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let dir = mount.path().join("data");
    let gallery = open_large(&dir).unwrap();
    block_on(async {
        let mut enrolled = 0;
        let error = loop {
            match gallery.enrol(&by(), person(enrolled), Some(retry(format!("r{enrolled}"), 1))).await {
                Ok(_) => enrolled += 1,
                Err(error) => break error,
            }
            assert!(enrolled < 10_000, "the disk never filled");
        };
        assert!(matches!(error, GalleryError::DiskFull), "{error}");
        assert!(error.to_string().contains("Free some space"));
        for _ in 0..3 {
            let again =
                gallery.enrol(&by(), person(enrolled), Some(retry(format!("r{enrolled}"), 1))).await.unwrap_err();
            assert!(matches!(again, GalleryError::DiskFull), "{again}");
        }
        // Searching goes on.
        assert_eq!(gallery.stats().subjects, u64::from(enrolled));
        let probe = person(0).templates[0].template.clone();
        assert_eq!(gallery.nearest(&probe, 1).await.unwrap()[0].subject, id("s00000"));

        std::fs::remove_file(&ballast).unwrap();
        let receipt = gallery.enrol(&by(), person(enrolled), Some(retry(format!("r{enrolled}"), 1))).await.unwrap();
        assert!(!receipt.replayed, "nothing of the failed write was kept");
        drop(gallery);

        let gallery = open_large(&dir).unwrap();
        assert_eq!(gallery.stats().subjects, u64::from(enrolled) + 1);
        for number in 0..=enrolled {
            assert!(gallery.subject(&person(number).subject).await.unwrap().is_some());
        }
    });
}

#[test]
fn a_folder_cannot_be_made_on_a_full_disk_and_can_when_there_is_room() {
    let Some(mount) = Mount::new(4) else {
        eprintln!("SKIPPED: a full disk: this user may not mount a small file system");
        return;
    };
    let ballast = mount.path().join("ballast");
    std::fs::write(&ballast, vec![1; (4 << 20) - 8192]).unwrap();
    let dir = mount.path().join("data");
    let error = open(&dir).unwrap_err();
    assert!(matches!(error, GalleryError::DiskFull), "{error:?}");
    std::fs::remove_file(&ballast).unwrap();
    open(&dir).unwrap();
}

#[test]
fn a_full_disk_under_the_key_files_loses_nobody_and_new_people_come_when_there_is_room() {
    let Some(mount) = Mount::new(1) else {
        eprintln!("SKIPPED: a full disk: this user may not mount a small file system");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    // The store, or its copy, lies where there is no room.
    for (number, is_copy_full) in [false, true].into_iter().enumerate() {
        let here = |name: &str| dir.path().join(format!("{number}-{name}"));
        let (near, far) = (here("keys"), mount.path().join(format!("{number}-keys")));
        let (path, copy) = if is_copy_full { (near, far) } else { (far, near) };
        let sealing = sealed(dir.path()).sealing.map(|keys| KeyStoreOptions { path, copy: Some(copy), ..keys });
        let options = EmbeddedOptions { sealing, ..options() };
        let open = || gallery::open(&here("data"), RECIPE, DIMENSION, options.clone());
        let gallery = open().unwrap();
        let ballast = mount.path().join("ballast");
        // Until nothing more goes in.
        let mut file = std::fs::File::create(&ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 1024]).is_ok() {}
        drop(file);
        let name = |number: u32| format!("s{number:05}");
        block_on(async {
            let mut enrolled = 0;
            let error = loop {
                match create(&gallery, &name(enrolled), &[1]).await {
                    Ok(_) => enrolled += 1,
                    Err(error) => break error,
                }
                assert!(enrolled < 2_000, "no more keys were needed");
            };
            assert!(matches!(error, GalleryError::KeyStore(_)), "{error}");
            let again = create(&gallery, &name(enrolled), &[1]).await.unwrap_err();
            assert!(matches!(again, GalleryError::KeyStore(_)), "{again}");
            assert!(gallery.subject(&id(name(0))).await.unwrap().is_some(), "who is there is served");
            assert_eq!(gallery.within(&template(1), 0.9).await.unwrap().len(), enrolled as usize);

            std::fs::remove_file(&ballast).unwrap();
            create(&gallery, &name(enrolled), &[1]).await.unwrap();
            drop(gallery);
            let gallery = open().unwrap();
            for number in 0..=enrolled {
                assert!(gallery.subject(&id(name(number))).await.unwrap().is_some());
            }
            assert_eq!(gallery.stats().subjects, u64::from(enrolled) + 1);
        });
        for file in std::fs::read_dir(mount.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}
