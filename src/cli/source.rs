//! Where a face comes from: a photo, the DG2 file of a chip, or a folder of chip
//! files, told apart by what they hold.

use std::path::{Path, PathBuf};

use super::settings::Settings;
use super::{Failure, outcome, photo};
use crate::chip::{Anchors, CheckOptions, ChipFiles, Dg2, Dg2Photo, Inspection, Verdict, inspect};

/// First byte of a DG2 file (ICAO 9303-10, table 36). No picture format begins so.
const DG2_TAG: u8 = 0x75;

/// A picture to compare, and the check of the chip it came from.
pub(super) struct FaceSource {
    /// The picture's encoded bytes.
    pub picture: Vec<u8>,
    /// The check, where a folder of chip files was named.
    pub chip: Option<Inspection>,
    /// It is the photo of a chip, whether that was checked or not.
    pub is_of_chip: bool,
}

impl FaceSource {
    /// Reads what `path` names; `role` says which argument it is.
    pub(super) fn read(path: &Path, role: &str, bytes_max: usize, anchors: &Anchors) -> Result<Self, Failure> {
        let fail = |why: &dyn std::fmt::Display| Failure::new(format_args!("{role} {}: {why}", path.display()));
        if path.is_dir() {
            let files = ChipFiles::from_folder(path).map_err(|e| fail(&e))?;
            if files.is_empty() {
                return Err(fail(
                    &"no chip file (EF.SOD, DG1, DG2, …) is in this folder; name a photo or another folder",
                ));
            }
            let chip = inspect(&files, anchors, &CheckOptions::default());
            let Some(photo) = best_photo(&chip) else {
                return Err(fail(&format_args!(
                    "the chip is {} and has no photo; `chinhchu chip inspect` says more",
                    chip.verdict.code()
                )));
            };
            return Ok(Self { picture: photo.bytes.clone(), chip: Some(chip), is_of_chip: true });
        }
        let bytes = photo::read(path, bytes_max).map_err(|e| fail(&e))?;
        if bytes.first() != Some(&DG2_TAG) {
            return Ok(Self { picture: bytes, chip: None, is_of_chip: false });
        }
        let dg2 = Dg2::parse(&bytes).map_err(|e| fail(&format_args!("a DG2 file, but {e}; read the chip again")))?;
        let known = dg2.photos.iter().position(|photo| photo.format.is_some());
        // A parsed DG2 has at least one picture.
        let picture = dg2.photos.into_iter().nth(known.unwrap_or(0)).map(|photo| photo.bytes);
        let picture = picture.ok_or_else(|| fail(&"a DG2 file without a photo"))?;
        Ok(Self { picture, chip: None, is_of_chip: true })
    }

    /// Whether a match may be believed: a bare picture or DG2 file says of itself that
    /// nobody vouches for it, a chip that was checked must not have failed the check.
    pub(super) fn is_sound(&self) -> bool {
        self.chip.as_ref().is_none_or(|chip| matches!(chip.verdict, Verdict::Authentic | Verdict::Unanchored))
    }
}

/// The signed photo of a chip; of one that failed the check, the photo it has.
pub(super) fn best_photo(chip: &Inspection) -> Option<&Dg2Photo> {
    let first = |photos: &'_ [Dg2Photo]| photos.iter().position(|photo| photo.format.is_some()).unwrap_or(0);
    chip.photo().or_else(|| chip.dg2.as_ref().and_then(|dg2| dg2.photos.get(first(&dg2.photos))))
}

/// The country certificates: as typed, or as configured, or none. One that cannot be read
/// is left out with a line in the log, or stops the command, as configured.
pub(super) fn anchors(typed: Option<&PathBuf>, settings: &Settings) -> Result<Anchors, Failure> {
    match typed.or(settings.csca.as_ref()) {
        None => Ok(Anchors::none()),
        Some(path) => {
            let anchors = Anchors::load_with(path, settings.csca_unreadable).map_err(|e| {
                let why = format!("{}: {e}; name a certificate, a master list or a folder", path.display());
                match typed {
                    Some(_) => Failure::new(format_args!("--csca {why}")),
                    None => settings.origin.blame("chip.csca", why),
                }
            })?;
            for skipped in anchors.skipped() {
                tracing::warn!("country certificates: {}; it is left out", outcome::one_line(&skipped.to_string()));
            }
            Ok(anchors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::forge::{CardDraft, Flaw, KeyKind};

    const PICTURE: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3, 4, 5, 6, 7, 8];

    fn read(path: &Path) -> Result<FaceSource, Failure> {
        FaceSource::read(path, "reference", 1 << 20, &Anchors::none())
    }

    fn card(folder: &Path, flaw: Option<Flaw>) {
        let draft = CardDraft { key: KeyKind::P256, flaw, ..CardDraft::new(b"source", PICTURE.to_vec()) };
        draft.forge().unwrap().write(folder).unwrap();
    }

    #[test]
    fn a_photo_a_dg2_file_and_a_folder_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        card(folder.path(), None);
        let whole = read(folder.path()).unwrap();
        assert_eq!(whole.picture, PICTURE);
        assert!(whole.is_sound() && whole.chip.unwrap().verdict == Verdict::Unanchored);

        // Whatever its name.
        let dg2 = folder.path().join("photo.jpg");
        std::fs::rename(folder.path().join("DG2.bin"), &dg2).unwrap();
        let bare = read(&dg2).unwrap();
        assert!(bare.picture == PICTURE && bare.chip.is_none() && bare.is_sound() && bare.is_of_chip);

        let picture = folder.path().join("DG2.bin");
        std::fs::write(&picture, PICTURE).unwrap();
        let photo = read(&picture).unwrap();
        assert!(photo.picture == PICTURE && !photo.is_of_chip);
    }

    #[test]
    fn a_chip_that_failed_its_check_is_not_sound() {
        for flaw in [Flaw::AlteredPhoto, Flaw::WrongSigner, Flaw::ForgedCurve, Flaw::PhotoNotSigned, Flaw::SodCut] {
            let folder = tempfile::tempdir().unwrap();
            card(folder.path(), Some(flaw));
            assert!(!read(folder.path()).unwrap().is_sound(), "{flaw:?}");
        }
    }

    #[test]
    fn a_folder_without_a_chip_or_a_photo_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).err().unwrap().to_string().contains("no chip file"));
        card(folder.path(), Some(Flaw::NoPhoto));
        assert!(read(folder.path()).err().unwrap().to_string().contains("no photo"));
        let broken = folder.path().join("broken");
        std::fs::write(&broken, [DG2_TAG, 0x82, 0, 1, 0]).unwrap();
        assert!(read(&broken).err().unwrap().to_string().contains("DG2"));
    }
}
