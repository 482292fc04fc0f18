//! A disk that is really full.

use std::path::Path;
use std::process::Command;

use chinhchu::face::Template;
use chinhchu::gallery::{self, Gallery, GalleryError, NewTemplate, Source};

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
