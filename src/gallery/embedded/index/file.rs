//! The index in a file beside the database, so that a large gallery opens in
//! seconds: derived, and never trusted beyond its checksums.
//!
//! `index` (for a further recipe `index-` and the first digits of that) holds the codes, keys and labels of one commit, and the ids and attributes
//! that labels stand for ([`search::write`] has the layout). It bears a random mark;
//! the database knows the marks it accepts, so that a file of another gallery, or of
//! another past of this one (a backup that was restored), is told from its own. It
//! is written as `index.new`, flushed, its mark made known, and only then renamed:
//! whatever is interrupted, the file that is there is whole and accepted, or it is
//! not used.
//!
//! What was committed after the file was written is replayed: new templates are those
//! whose ids were not given out yet, and the table `changes` tells what else became of
//! old ones. A file that cannot be used is taken away, and the index is made from
//! the database.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use redb::Database;

use super::label::{Frozen, Label, Labels};
use crate::gallery::embedded::database::OpenDatabase;
use crate::gallery::embedded::given_up;
use crate::gallery::embedded::protection::Protection;
use crate::gallery::embedded::record::{IndexHeadRecord, TraitsListRecord};
use crate::private::owner_only;
use crate::sealing::Secret;
use crate::sealing::stream::{self, SealedReader, SealedWriter};
use crate::search::{self, Chunks, FileError, Index, View};

/// Kinds of chunks.
const HEAD: u32 = 0;
const IDS: u32 = 1;
const TRAITS: u32 = 2;

/// Ids in a chunk.
const IDS_CHUNK: u32 = 1 << 16;

/// Bytes written or read at a time.
const BUFFER: usize = 1 << 20;

/// Where the files are.
#[derive(Clone)]
pub(super) struct FilePath {
    folder: PathBuf,
    name: String,
    database: Arc<OpenDatabase>,
    /// That of the database when this was made: a file is written and kept as long as it is the same.
    protection: Arc<Protection>,
}

/// A mark that no other file bears.
///
/// # Errors
/// Where the system has no random numbers.
pub(super) fn new_mark() -> std::io::Result<Vec<u8>> {
    crate::random::secret::<16>().map(Vec::from)
}

impl FilePath {
    pub(super) fn new(folder: &Path, name: &str, database: &Arc<OpenDatabase>) -> Self {
        let (folder, name, protection) = (folder.to_owned(), name.to_owned(), database.protection());
        Self { folder, name, database: Arc::clone(database), protection }
    }

    /// The same since the gallery was sealed, where it was: files of before are taken out of the way by
    /// then.
    pub(super) fn renewed(&self) -> Option<Self> {
        let protection = self.database.protection();
        let is_new = !Arc::ptr_eq(&protection, &self.protection);
        is_new.then(|| Self { protection, ..self.clone() })
    }

    /// Does something with the files and the database, both as they were when this was made; `None` where
    /// the gallery was sealed since.
    pub(super) fn while_unchanged<T>(&self, work: impl FnOnce(Option<&Database>) -> T) -> Option<T> {
        self.database.while_under(&self.protection, work)
    }

    /// Its name in the folder, under which the database knows its marks.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn file(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    fn file_new(&self) -> PathBuf {
        self.folder.join(format!("{}.new", self.name))
    }

    /// Writes a new file, flushed, beside the one that is there. The number of its key.
    pub(super) fn write(
        &self,
        head: &IndexHeadRecord,
        view: &View<Label>,
        labels: &Frozen,
    ) -> Result<Option<u64>, FileError> {
        let written = self.try_write(head, view, labels);
        if written.is_err() {
            self.drop_new();
        }
        written
    }

    fn try_write(&self, head: &IndexHeadRecord, view: &View<Label>, labels: &Frozen) -> Result<Option<u64>, FileError> {
        let mut options = OpenOptions::new();
        let options = owner_only(options.write(true).create(true).truncate(true));
        // In the clear it must not come once the gallery is sealed.
        let opened = self.while_unchanged(|_| options.open(self.file_new()));
        let file = opened.unwrap_or_else(|| Err(std::io::Error::other("the gallery was sealed meanwhile")))?;
        let file = BufWriter::with_capacity(BUFFER, file);
        let (mut file, number) = match self.protection.keys() {
            None => (Self::write_to(file, head, view, labels)?, None),
            Some(keys) => {
                let number = keys.hand_out().map_err(std::io::Error::other)?;
                let sealed = SealedWriter::begin(file, number, self.key(number)?)?;
                (Self::write_to(sealed, head, view, labels)?.finish()?, Some(number))
            }
        };
        file.flush()?;
        file.get_ref().sync_all()?;
        Ok(number)
    }

    fn write_to<W: Write>(
        file: W,
        head: &IndexHeadRecord,
        view: &View<Label>,
        labels: &Frozen,
    ) -> Result<W, FileError> {
        let mut chunks = Chunks::begin(file)?;
        chunks.put(HEAD, &head.encode_to_vec())?;
        let mut is_used = vec![false; labels.subjects as usize];
        search::write(view, &mut chunks, |label| {
            if let Some(is_used) = is_used.get_mut(label.subject as usize) {
                *is_used = true;
            }
        })?;
        let mut ids = Vec::new();
        for first in (0..labels.subjects).step_by(IDS_CHUNK as usize) {
            ids.clear();
            for number in first..labels.subjects.min(first.saturating_add(IDS_CHUNK)) {
                let id = if is_used[number as usize] { labels.id(number) } else { "" };
                // Ids have 128 bytes at most.
                ids.push(id.len() as u8);
                ids.extend_from_slice(id.as_bytes());
            }
            chunks.put(IDS, &ids)?;
        }
        chunks.put(TRAITS, &TraitsListRecord { traits: labels.traits() }.encode_to_vec())?;
        Ok(chunks.into_inner())
    }

    /// The key of a sealed file.
    fn key(&self, number: u64) -> Result<Secret, FileError> {
        let found = self.protection.keys().map(|keys| keys.key(number)).transpose().map_err(std::io::Error::other)?;
        found.flatten().ok_or(FileError::Damaged("its key was destroyed"))
    }

    /// The number of the key that a file says it is sealed under.
    fn key_in(&self, file: &Path) -> Option<u64> {
        let mut first = [0; stream::HEAD_BYTES];
        self.protection.keys()?;
        crate::regular::open(file).ok()?.read_exact(&mut first).ok()?;
        stream::key_of(&first)
    }

    /// How names and values lie in the database that knows the files.
    pub(super) fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Destroys the keys that the database has given up, those of files among them.
    pub(super) fn destroy_given_up(&self) {
        if self.protection.keys().is_some()
            && let Err(error) = self.database.read(given_up::destroy)
        {
            tracing::error!(?error, "keys that were given up could not be destroyed yet; the next start tries again");
        }
    }

    /// Destroys the keys of files that are gone.
    pub(super) fn destroy(&self, numbers: &[u64]) {
        if let Some(Err(error)) = self.protection.keys().map(|keys| keys.destroy(numbers)) {
            tracing::error!(%error, "the key of an index file could not be destroyed");
        }
    }

    /// Gives the new file its name; its mark is known by now.
    pub(super) fn keep(&self) -> std::io::Result<()> {
        let before = self.key_in(&self.file());
        fs::rename(self.file_new(), self.file())?;
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        self.destroy(before.as_slice());
        Ok(())
    }

    /// Takes a new file away that was not kept.
    pub(super) fn drop_new(&self) {
        self.remove(&self.file_new());
    }

    fn remove(&self, file: &Path) {
        let key = self.key_in(file);
        // Where it is not there, all is well.
        let _ = fs::remove_file(file);
        self.destroy(key.as_slice());
    }

    /// Takes the file away.
    pub(super) fn take_away(&self) {
        self.remove(&self.file());
        self.drop_new();
    }

    /// The head of the file that is there, if one is, for [`FilePath::read`].
    pub(super) fn open(&self) -> Result<Option<(IndexHeadRecord, IndexFile)>, FileError> {
        let mut file = match crate::regular::open(&self.file()) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut number = None;
        if self.protection.keys().is_some() {
            let mut first = [0; stream::HEAD_BYTES];
            file.read_exact(&mut first).map_err(|_| FileError::Damaged("it was cut short"))?;
            number = Some(stream::key_of(&first).ok_or(FileError::Damaged("it is not sealed"))?);
        }
        let reader: Box<dyn Read> = match number {
            None => Box::new(BufReader::with_capacity(BUFFER, file)),
            Some(number) => Box::new(SealedReader::begin(file, number, self.key(number)?)?),
        };
        let mut chunks = Chunks::open(reader)?;
        let head = IndexHeadRecord::decode(chunks.take(HEAD)?.as_slice())
            .map_err(|_| FileError::Damaged("its head makes no sense"))?;
        Ok(Some((head, IndexFile { chunks, key: number })))
    }
}

/// A file whose head was read.
pub(super) struct IndexFile {
    chunks: Chunks<Box<dyn Read>>,
    /// The number of its key.
    pub(super) key: Option<u64>,
}

impl IndexFile {
    /// Fills the empty `index`. The labels, and keys whose vectors must be inserted
    /// for the index to be whole.
    pub(super) fn read(
        mut self,
        index: &Index<Label>,
        subjects: u32,
        progress: impl FnMut(u64),
    ) -> Result<(Labels, Vec<(u64, Label)>), FileError> {
        let damaged = || FileError::Damaged("its ids make no sense");
        let chunks = &mut self.chunks;
        let loose_ends = search::read(index, chunks, progress)?;
        let mut ids = String::new();
        let mut ends = Vec::new();
        while ends.len() < subjects as usize {
            let bytes = chunks.take(IDS)?;
            let mut rest = bytes.as_slice();
            while let Some((&len, after)) = rest.split_first() {
                let (id, after) = after.split_at_checked(usize::from(len)).ok_or_else(damaged)?;
                ids.push_str(str::from_utf8(id).map_err(|_| damaged())?);
                ends.push(ids.len());
                rest = after;
            }
            if bytes.is_empty() {
                return Err(damaged());
            }
        }
        let traits = TraitsListRecord::decode(chunks.take(TRAITS)?.as_slice()).map_err(|_| damaged())?;
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let each = begins.zip(&ends).map(|(begin, &end)| &ids[begin..end]);
        let labels = Labels::restore(each, traits.traits).ok_or_else(damaged)?;
        // Of every row, so that no search meets a number that means nothing.
        let is_known = |label: &Label| labels.knows(*label);
        let view = index.view();
        if !view.labels().all(|(_, label)| is_known(label)) || !loose_ends.iter().all(|(_, label)| is_known(label)) {
            return Err(damaged());
        }
        labels.count(view.labels().map(|(_, &label)| label), std::iter::empty());
        Ok((labels, loose_ends))
    }
}
