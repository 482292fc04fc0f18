//! Cache of templates and measures by photo, so that an interrupted evaluation continues and no
//! photo is analysed twice.
//!
//! # The file
//! Append-only. A header (magic, version, recipe, dimension, revision and names of measures,
//! CRC-32), then records of `length, CRC-32, payload`. A payload is the SHA-256 of the photo's
//! bytes and the result: a template with its measures, or the reason code of a failure. Each record
//! is a single write, so that results survive Ctrl-C and crashes; a truncated record and all after
//! it are dropped when the file is opened. A file of another recipe, version or set of measures is
//! replaced.
//!
//! The key is the content, not path, size and time: reading a photo costs a hundredth of analysing
//! it, photos may be moved, and replaced photos are noticed.
//!
//! # It is biometric data
//! The file holds templates. It is readable by its owner alone (mode 0600). With `[sealing]` in the
//! configuration each payload is sealed under a key that is derived from the master key (version 2,
//! whose header has the master key's id as well); the header, which says nothing of anybody, is what a
//! payload belongs to. A file that is in the clear or under another key is replaced. Delete it, or use
//! `--no-cache`, where that is not enough.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::face::{RecipeDigest, Template};
use crate::sealing::{DerivedKey, aead};
use crate::workflow::reason::Reason;
use crate::{float32, private};

const MAGIC: &[u8; 8] = b"CHCHEVAL";
/// Version of the format, and of the way measures are computed.
const VERSION: u32 = 1;
/// The same, sealed.
const VERSION_SEALED: u32 = 2;
/// Longest payload: a template of 4096 values and as many measures.
const PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// Reasons that may not recur and are not cached: see [`FaceError::is_of_the_picture`].
///
/// [`FaceError::is_of_the_picture`]: crate::face::FaceError::is_of_the_picture
const PASSING: [Reason; 2] = [Reason::Inference, Reason::ImageTooLarge];

/// SHA-256 of a photo's bytes.
pub(super) type PhotoKey = [u8; 32];

/// Result of analysing a photo.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    /// A template, and a value per measure.
    Template(Template, Vec<Option<f32>>),
    /// No template: the code of the reason.
    Failure(String),
}

/// What the results in a file depend on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FactsOf {
    pub recipe: RecipeDigest,
    pub dimension: usize,
    /// Digest of what measures depend on beside the recipe.
    pub revision: [u8; 32],
    pub measures: Vec<String>,
}

/// What the key of these files is derived for.
pub(super) const KEY_PURPOSE: &str = "templates.cache";

/// The open file, locked by this process.
pub(super) struct TemplateCache {
    file: File,
    path: PathBuf,
    of: FactsOf,
    /// `None` for a file in the clear.
    key: Option<DerivedKey>,
    header: Vec<u8>,
    /// Where a payload is, and how long.
    places: HashMap<PhotoKey, (u64, u32)>,
    end: u64,
}

impl TemplateCache {
    /// Opens or creates the file, and drops truncated records and those that do not open.
    pub(super) fn open(path: &Path, of: FactsOf, key: Option<DerivedKey>) -> Result<Self, Failure> {
        let failed = |e: io::Error| unusable(path, &e);
        let file = private::open(path).map_err(failed)?;
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(Failure::new(format_args!("{} is in use by another process", path.display())));
        }
        private::tighten(&file).map_err(failed)?;
        let header = header(&of, key.as_ref());
        let mut cache = Self { file, path: path.to_owned(), of, key, header, places: HashMap::new(), end: 0 };
        cache.scan().map_err(failed)?;
        Ok(cache)
    }

    /// Indexes the complete records and truncates the file after the last of them.
    fn scan(&mut self) -> io::Result<()> {
        let header = &self.header;
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(1 << 20, &self.file);
        let mut found = vec![0; header.len()];
        if read_whole(&mut reader, &mut found)? && found == *header {
            self.end = header.len() as u64;
            let mut payload = Vec::new();
            loop {
                let mut frame = [0; 8];
                if !read_whole(&mut reader, &mut frame)? {
                    break;
                }
                let [l0, l1, l2, l3, c0, c1, c2, c3] = frame;
                let length = u32::from_le_bytes([l0, l1, l2, l3]);
                if length as usize > PAYLOAD_BYTES_MAX + aead::OVERHEAD_BYTES {
                    break;
                }
                payload.resize(length as usize, 0);
                if !read_whole(&mut reader, &mut payload)?
                    || crc32fast::hash(&payload) != u32::from_le_bytes([c0, c1, c2, c3])
                {
                    break;
                }
                let Some(opened) = self.opened(&payload) else { break };
                let Some(key) = opened.first_chunk::<32>() else { break };
                self.places.insert(*key, (self.end + 8, length));
                self.end += 8 + u64::from(length);
            }
            self.file.set_len(self.end)?;
        } else {
            self.file.set_len(0)?;
            self.file.write_all_at(header, 0)?;
            self.end = header.len() as u64;
        }
        Ok(())
    }

    /// The cached result of a photo.
    pub(super) fn get(&self, key: &PhotoKey) -> Option<Fact> {
        let &(at, length) = self.places.get(key)?;
        let mut payload = vec![0; length as usize];
        // What cannot be read again is worked out again.
        self.file.read_exact_at(&mut payload, at).ok()?;
        self.decode(self.opened(&payload)?.get(32..)?)
    }

    /// A payload as it was before it was sealed; `None` where it was not sealed so.
    fn opened<'a>(&self, payload: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match &self.key {
            None => Some(Cow::Borrowed(payload)),
            Some(key) => aead::open(&key.key, &[&self.header], payload).ok().map(|opened| Cow::Owned(opened.to_vec())),
        }
    }

    /// Stores the result of a photo.
    pub(super) fn put(&mut self, key: PhotoKey, fact: &Fact) -> Result<(), Failure> {
        let mut payload = encode(&key, fact);
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Ok(());
        }
        if let Some(key) = &self.key {
            payload = aead::seal(&key.key, &[&self.header], &payload).map_err(|e| unusable(&self.path, &e))?;
        }
        let Ok(length) = u32::try_from(payload.len()) else { return Ok(()) };
        let mut record = length.to_le_bytes().to_vec();
        record.extend(crc32fast::hash(&payload).to_le_bytes());
        record.extend(payload);
        self.file.write_all_at(&record, self.end).map_err(|e| unusable(&self.path, &e))?;
        self.places.insert(key, (self.end + 8, length));
        self.end += record.len() as u64;
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Option<Fact> {
        match bytes.split_first()? {
            // Earlier versions kept failures that were not the photo's own, too.
            (0, code) if PASSING.iter().any(|reason| reason.code().as_bytes() == code) => None,
            (0, code) => Some(Fact::Failure(String::from_utf8(code.to_vec()).ok()?)),
            (1, rest) => {
                let values = float32::decode(rest)?;
                let (norm, values) = values.split_first()?;
                let (measures, vector) = values.split_at_checked(self.of.measures.len())?;
                if vector.len() != self.of.dimension {
                    return None;
                }
                let template = Template::from_parts(self.of.recipe, vector.to_vec(), *norm).ok()?;
                Some(Fact::Template(template, measures.iter().map(|v| Some(*v).filter(|v| !v.is_nan())).collect()))
            }
            _ => None,
        }
    }
}

fn encode(key: &PhotoKey, fact: &Fact) -> Vec<u8> {
    let mut payload = key.to_vec();
    match fact {
        Fact::Failure(code) => {
            payload.push(0);
            payload.extend(code.as_bytes());
        }
        Fact::Template(template, measures) => {
            payload.push(1);
            float32::append(&mut payload, &[template.norm()]);
            let measures: Vec<f32> = measures.iter().map(|measure| measure.unwrap_or(f32::NAN)).collect();
            float32::append(&mut payload, &measures);
            float32::append(&mut payload, template.vector());
        }
    }
    payload
}

fn header(of: &FactsOf, key: Option<&DerivedKey>) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(if key.is_some() { VERSION_SEALED } else { VERSION }.to_le_bytes());
    header.extend(key.iter().flat_map(|key| key.master.0));
    header.extend(of.recipe.0);
    header.extend((of.dimension as u32).to_le_bytes());
    header.extend(of.revision);
    header.extend((of.measures.len() as u32).to_le_bytes());
    for name in &of.measures {
        header.extend((name.len() as u32).to_le_bytes());
        header.extend(name.as_bytes());
    }
    header.extend(crc32fast::hash(&header).to_le_bytes());
    header
}

/// Fills the buffer; `false` where the file ends before.
fn read_whole(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format_args!(
        "{}: {error}; free some space or check the folder's permissions, and run again: what was done is kept",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing::{MasterKey, Secret};

    fn of(recipe: u8) -> FactsOf {
        FactsOf {
            recipe: RecipeDigest([recipe; 32]),
            dimension: 4,
            revision: [5; 32],
            measures: vec!["a".into(), "b".into()],
        }
    }

    fn fact(of: &FactsOf, seed: f32) -> Fact {
        let template = Template::from_raw(of.recipe, &[seed, 1.0, 2.0, 3.0]).unwrap();
        Fact::Template(template, vec![Some(seed), None])
    }

    fn filled(path: &Path) -> Vec<(PhotoKey, Fact)> {
        filled_under(path, &None)
    }

    fn filled_under(path: &Path, key: &Option<DerivedKey>) -> Vec<(PhotoKey, Fact)> {
        let mut cache = TemplateCache::open(path, of(1), key.clone()).unwrap();
        let facts: Vec<(PhotoKey, Fact)> = (0..5)
            .map(|i| ([i; 32], fact(&of(1), f32::from(i))))
            .chain([([9; 32], Fact::Failure("NO_FACE".into()))])
            .collect();
        facts.iter().for_each(|(key, fact)| cache.put(*key, fact).unwrap());
        facts
    }

    #[test]
    fn what_was_put_is_there_after_opening_again_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.cache");
        let facts = filled(&path);
        let cache = TemplateCache::open(&path, of(1), None).unwrap();
        facts.iter().for_each(|(key, fact)| assert_eq!(cache.get(key).as_ref(), Some(fact)));
        assert_eq!(cache.get(&[7; 32]), None);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(TemplateCache::open(&path, of(1), None).is_err(), "one process at a time");
    }

    #[test]
    fn wherever_the_file_is_cut_what_was_whole_before_is_kept_and_more_can_be_put() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.cache");
        let facts = filled(&path);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut cache = TemplateCache::open(&path, of(1), None).unwrap();
            let kept = facts.iter().take_while(|(key, _)| cache.get(key).is_some()).count();
            assert!(facts[..kept].iter().all(|(key, fact)| cache.get(key).as_ref() == Some(fact)));
            assert!(facts[kept..].iter().all(|(key, _)| cache.get(key).is_none()), "cut at {length}");
            cache.put([77; 32], &facts[0].1).unwrap();
            drop(cache);
            assert_eq!(TemplateCache::open(&path, of(1), None).unwrap().get(&[77; 32]).as_ref(), Some(&facts[0].1));
        }
    }

    #[test]
    fn a_flipped_bit_is_never_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.cache");
        let facts = filled(&path);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 4;
            fs::write(&path, &spoilt).unwrap();
            let cache = TemplateCache::open(&path, of(1), None).unwrap();
            for (key, fact) in &facts {
                assert!(cache.get(key).is_none_or(|found| found == *fact), "byte {at}");
            }
        }
    }

    fn key(byte: u8) -> DerivedKey {
        MasterKey::new(Secret::copied(&[byte; 32])).derived(KEY_PURPOSE)
    }

    #[test]
    fn a_sealed_file_has_no_template_in_it_and_opens_under_its_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.cache");
        let facts = filled_under(&path, &Some(key(1)));
        let kept = |key: Option<DerivedKey>| {
            let cache = TemplateCache::open(&path, of(1), key).unwrap();
            facts.iter().filter(|(photo, fact)| cache.get(photo).as_ref() == Some(fact)).count()
        };
        assert_eq!(kept(Some(key(1))), facts.len());
        let bytes = fs::read(&path).unwrap();
        for (photo, fact) in &facts {
            let clear = encode(photo, fact);
            // From the photo's digest on: no part of any payload.
            let records = &bytes[header(&of(1), Some(&key(1))).len()..];
            assert!(clear.windows(8).all(|part| !records.windows(8).any(|place| place == part)));
        }
        // Cut or changed anywhere, what is left is right.
        for at in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 4;
            fs::write(&path, &spoilt).unwrap();
            let cache = TemplateCache::open(&path, of(1), Some(key(1))).unwrap();
            for (photo, fact) in &facts {
                assert!(cache.get(photo).is_none_or(|found| found == *fact), "byte {at}");
            }
        }
        // Another key, and none: it is made anew. So is one in the clear where there is a key.
        fs::write(&path, &bytes).unwrap();
        assert_eq!((kept(Some(key(2))), kept(Some(key(1)))), (0, 0));
        fs::write(&path, &bytes).unwrap();
        assert_eq!((kept(None), kept(Some(key(1)))), (0, 0));
        filled(&path);
        assert_eq!((kept(Some(key(1))), kept(None)), (0, 0));
    }

    /// A network that failed once, or a limit that was lower, leaves nobody out for good.
    #[test]
    fn failures_that_may_be_gone_the_next_time_are_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = TemplateCache::open(&folder.path().join("t.cache"), of(1), None).unwrap();
        for (key, code) in [(1, "INFERENCE"), (2, "IMAGE_TOO_LARGE"), (3, "NO_FACE")] {
            cache.put([key; 32], &Fact::Failure(code.into())).unwrap();
        }
        assert_eq!((cache.get(&[1; 32]), cache.get(&[2; 32])), (None, None));
        assert_eq!(cache.get(&[3; 32]), Some(Fact::Failure("NO_FACE".into())));
    }

    #[test]
    fn facts_of_another_recipe_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.cache");
        let facts = filled(&path);
        assert!(TemplateCache::open(&path, of(2), None).unwrap().get(&facts[0].0).is_none());
        let renamed = FactsOf { measures: vec!["a".into(), "c".into()], ..of(1) };
        filled(&path);
        assert!(TemplateCache::open(&path, renamed, None).unwrap().get(&facts[0].0).is_none());
        let revised = FactsOf { revision: [6; 32], ..of(1) };
        filled(&path);
        assert!(TemplateCache::open(&path, revised, None).unwrap().get(&facts[0].0).is_none());
    }
}
