//! The files of a chip (EF.COM, EF.SOD, data groups), recognised by their first tag, not by their
//! names.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::finding::Finding;
use super::reason::Reason;
use super::text_form;
use super::tlv::TlvHeader;
use crate::regular;

/// Largest file of a chip. DG2 of a genuine card has 15 to 60 KB; with several photos or
/// fingerprints a few hundred.
pub const FILE_BYTES_MAX: usize = 2 << 20;
/// Largest total size of a chip's files; bounds the time for hashing.
pub const CHIP_BYTES_MAX: usize = 8 << 20;
/// Largest text tested for being hexadecimal or base64.
const TEXT_BYTES_MAX: usize = 3 * FILE_BYTES_MAX;
/// Most files looked at in a folder.
pub const FOLDER_FILES_MAX: usize = 256;
/// Most files of a chip sent by a caller: EF.COM, EF.SOD and sixteen data groups, with some room
/// for duplicates.
pub const CHIP_FILES_MAX: usize = 32;

/// Which file of a chip (ICAO 9303-10, table 36).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileId {
    /// EF.COM, the index.
    Com,
    /// EF.SOD, the signed hashes.
    Sod,
    /// A data group, 1…16.
    Group(u8),
}

impl FileId {
    /// By the first tag of the file.
    pub fn from_tag(tag: u32) -> Option<Self> {
        Some(match tag {
            0x60 => Self::Com,
            0x77 => Self::Sod,
            0x61 => Self::Group(1),
            0x75 => Self::Group(2),
            0x63 => Self::Group(3),
            0x76 => Self::Group(4),
            0x65 => Self::Group(5),
            0x66 => Self::Group(6),
            0x67 => Self::Group(7),
            0x68 => Self::Group(8),
            0x69 => Self::Group(9),
            0x6A => Self::Group(10),
            0x6B => Self::Group(11),
            0x6C => Self::Group(12),
            0x6D => Self::Group(13),
            0x6E => Self::Group(14),
            0x6F => Self::Group(15),
            0x70 => Self::Group(16),
            _ => return None,
        })
    }

    /// `COM`, `SOD`, `DG2`.
    pub fn label(self) -> String {
        match self {
            Self::Com => "COM".to_owned(),
            Self::Sod => "SOD".to_owned(),
            Self::Group(number) => format!("DG{number}"),
        }
    }
}

/// The files of one chip as they were read. Personal data: `Debug` does not show their content, and
/// they are not stored.
#[derive(Clone, Default)]
pub struct ChipFiles {
    files: BTreeMap<FileId, Vec<u8>>,
    findings: Vec<Finding>,
    unrecognised: usize,
}

impl ChipFiles {
    /// Reads a folder. Files that are no chip files are counted and ignored; sub-folders are not
    /// read.
    ///
    /// # Errors
    /// What the system said, and [`std::io::ErrorKind::InvalidData`] for files that are too large
    /// or too many.
    pub fn from_folder(folder: &Path) -> std::io::Result<Self> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            // Symbolic links to files are followed; pipes and devices are ignored.
            if std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
                names.push(entry.path());
            }
        }
        // Sorted, because the order of directory entries is arbitrary and findings must not depend
        // on it.
        names.sort();
        let mut out = Self::default();
        if names.len() > FOLDER_FILES_MAX {
            out.findings.push(Finding::of(Reason::FilesTooMany));
            names.truncate(FOLDER_FILES_MAX);
        }
        for name in names {
            let mut bytes = Vec::new();
            // One byte more than allowed is read, to detect a file that is too large.
            regular::open(&name)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
            out.add(bytes);
        }
        Ok(out)
    }

    /// The files that a caller sent, in any order.
    pub fn from_bytes(files: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut out = Self::default();
        for (count, bytes) in files.into_iter().enumerate() {
            if count == CHIP_FILES_MAX {
                out.findings.push(Finding::of(Reason::FilesTooMany));
                break;
            }
            out.add(bytes);
        }
        out
    }

    /// Adds one file.
    pub fn add(&mut self, mut bytes: Vec<u8>) {
        let (id, end) = match recognise(&bytes) {
            Some(found) => found,
            None => {
                self.unrecognised += 1;
                // Reported, not decoded: the content of a file must not depend on guessing its
                // encoding.
                if bytes.len() <= TEXT_BYTES_MAX
                    && let Some((id, _)) = text_form::decode(&bytes).and_then(|bytes| recognise(&bytes))
                {
                    self.findings.push(place(id, Reason::FileIsText));
                }
                return;
            }
        };
        let place = |reason| place(id, reason);
        let held: usize = self.files.values().map(Vec::len).sum();
        let again = self.files.get(&id) == Some(&bytes);
        if bytes.len() > FILE_BYTES_MAX || (!again && held + bytes.len() > CHIP_BYTES_MAX) {
            self.findings.push(place(Reason::FileTooLarge));
            return;
        }
        match end {
            None => {
                self.findings.push(place(Reason::FileDamaged));
                return;
            }
            Some(end) if end < bytes.len() => {
                self.findings.push(place(Reason::TrailingBytes));
                bytes.truncate(end);
            }
            Some(_) => {}
        }
        // Identical duplicates do not contradict each other.
        if let Some(held) = self.files.get(&id) {
            if *held != bytes {
                self.findings.push(place(Reason::FileTwice));
            }
            return;
        }
        self.files.insert(id, bytes);
    }

    /// The bytes of a file, without trailing bytes.
    pub fn get(&self, id: FileId) -> Option<&[u8]> {
        self.files.get(&id).map(Vec::as_slice)
    }

    /// Numbers and bytes of the data groups that are there.
    pub fn groups(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.files.iter().filter_map(|(id, bytes)| match id {
            FileId::Group(number) => Some((*number, bytes.as_slice())),
            _ => None,
        })
    }

    /// Findings about the files as such: too large, truncated, duplicated.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Number of files that are no chip files.
    pub fn unrecognised(&self) -> usize {
        self.unrecognised
    }

    /// Whether no chip file was found, not even a damaged one.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.findings.is_empty()
    }
}

impl std::fmt::Debug for ChipFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.files.keys()).finish()
    }
}

/// Whether the bytes begin with the tag of an EF.SOD, a DG1 or a DG2.
pub fn is_chip_file(bytes: &[u8]) -> bool {
    recognise(bytes).is_some()
}

fn place(id: FileId, reason: Reason) -> Finding {
    match id {
        FileId::Group(number) => Finding::in_group(reason, number),
        FileId::Com | FileId::Sod => Finding::of(reason).with(id.label()),
    }
}

/// Which chip file this is, and its end; no end if its length exceeds the bytes.
fn recognise(bytes: &[u8]) -> Option<(FileId, Option<usize>)> {
    let header = TlvHeader::parse(bytes).ok()?;
    let id = FileId::from_tag(header.tag)?;
    // The letters a to w are the first tags of data groups, so text files are told apart by their
    // characters.
    let is_text = |bytes: &[u8]| bytes.iter().all(|&byte| byte >= 0x20 || matches!(byte, b'\t' | b'\r' | b'\n'));
    if is_text(&bytes[..bytes.len().min(4096)]) && std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    let end = match header.length {
        Some(length) => header.bytes.checked_add(length).filter(|&end| end <= bytes.len()),
        // EF.SOD may have an indefinite length: its end is found when it is parsed.
        None if id == FileId::Sod => Some(bytes.len()),
        None => None,
    };
    Some((id, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reasons(files: &ChipFiles) -> Vec<Reason> {
        files.findings().iter().map(|finding| finding.reason).collect()
    }

    #[test]
    fn a_file_is_known_by_its_first_tag_and_cut_at_its_end() {
        let files = ChipFiles::from_bytes([vec![0x75, 0x01, 0x00, 0x90, 0x00], vec![0x61, 0x02, 0x01, 0x02]]);
        assert_eq!(files.get(FileId::Group(2)), Some(&[0x75, 0x01, 0x00][..]));
        assert_eq!(files.get(FileId::Group(1)).map(<[u8]>::len), Some(4));
        assert_eq!(reasons(&files), [Reason::TrailingBytes]);
    }

    #[test]
    fn a_note_beside_the_files_is_not_a_data_group() {
        let files = ChipFiles::from_bytes([b"a note about this card\n".to_vec(), vec![0xFF, 0xD8, 0xFF], vec![]]);
        assert_eq!((files.is_empty(), files.unrecognised()), (true, 3));
    }

    #[test]
    fn files_are_bounded_together() {
        let group = |tag: u8| {
            let mut bytes = vec![tag, 0x83, 0x1F, 0xFF, 0xFB];
            bytes.resize(FILE_BYTES_MAX, 0);
            bytes
        };
        let files = ChipFiles::from_bytes([0x61, 0x63, 0x76, 0x65, 0x66].map(group));
        assert_eq!((reasons(&files), files.groups().count()), (vec![Reason::FileTooLarge], 4));
    }

    #[test]
    fn twice_too_large_and_cut_short_are_found() {
        let two_versions = ChipFiles::from_bytes([vec![0x75, 0x01, 0x00], vec![0x75, 0x01, 0x01]]);
        assert_eq!(reasons(&two_versions), [Reason::FileTwice]);
        // An identical file sent again is no finding.
        let repeated = ChipFiles::from_bytes([vec![0x75, 0x01, 0x00], vec![0x75, 0x01, 0x00]]);
        assert_eq!((reasons(&repeated), repeated.groups().count()), (vec![], 1));
        let mut huge = vec![0x75, 0x84, 0x06, 0x00, 0x00, 0x00];
        huge.resize(100 << 20, 0);
        assert_eq!(reasons(&ChipFiles::from_bytes([huge])), [Reason::FileTooLarge]);
        assert_eq!(reasons(&ChipFiles::from_bytes([vec![0x75, 0x05, 0x00]])), [Reason::FileDamaged]);
        let many = ChipFiles::from_bytes((0..100).map(|_| vec![0x75, 0x01, 0x00]));
        assert!(reasons(&many).contains(&Reason::FilesTooMany));
    }

    #[test]
    fn a_file_in_hexadecimal_or_base64_is_called_what_it_is() {
        // Regression: such a file counted as no chip file, and DG2 as missing.
        let files = ChipFiles::from_bytes([b"75 02 01 02\n".to_vec(), b"dwIwAA==".to_vec(), b"abcd".to_vec()]);
        assert_eq!(reasons(&files), [Reason::FileIsText; 2]);
        assert_eq!((files.findings()[0].group, files.findings()[1].detail.as_deref()), (Some(2), Some("SOD")));
        assert_eq!(files.groups().count(), 0);
    }

    proptest! {
        #[test]
        fn any_files_are_taken(files in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6)) {
            let _ = ChipFiles::from_bytes(files);
        }
    }
}
