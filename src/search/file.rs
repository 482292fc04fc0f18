//! An index in a file: its codes, keys and labels, not its vectors.
//!
//! A file begins with [`MAGIC`] and the version, and is a run of chunks: kind (four
//! bytes), length (eight), CRC-32 (four) of kind, length, its number in the file and
//! contents, then the contents. All numbers are little-endian. Nothing of a chunk is
//! looked at before its checksum is. The index ends with [`END`], so a file that was
//! cut short is noticed at whatever place; chunks of the owner's may come before and
//! after.
//!
//! | kind | holds |
//! |---|---|
//! | [`OWNER`] and above | whatever the index's owner keeps beside it |
//! | [`COUNT`] | how many vectors there are |
//! | [`BASIS`] | a rotation: dimension, width of the first pass's steps, those of the second, rows |
//! | [`BLOCK`] | full pieces with their codes, see [`block_bytes`] |
//! | [`LOOSE_ENDS`] | keys and labels of vectors without codes here: to be inserted again |
//! | [`END`] | nothing |

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rayon::prelude::*;

use super::SearchError;
use super::basis::RotationBasis;
use super::blocks::{Block, FREE_WORDS, Piece};
use super::codes::{CODE_LINES, Codes, FINE_BYTES, Fine, Group, Line, Next};
use super::index::Index;
use super::tuning::{FINE, GROUP_ROWS, HEAD, PIECE_ROWS};
use super::view::View;
use crate::float32;

const MAGIC: &[u8; 12] = b"chinhchu.idx";
/// Raised with any change to what lies in the file, the constants of the codes
/// among it.
const VERSION: u32 = 4;

const BASIS: u32 = 1;
const BLOCK: u32 = 2;
const LOOSE_ENDS: u32 = 3;
const END: u32 = 4;
const COUNT: u32 = 5;
/// First of the kinds that belong to the index's owner.
const OWNER: u32 = 1000;

/// Blocks that are made of their bytes together, one thread each.
const BLOCKS_TOGETHER: usize = 8;

/// Longest chunk that is read: a block of the largest size takes 29 MiB.
const CHUNK_BYTES_MAX: u64 = 256 << 20;

const GROUP_BYTES: usize = size_of::<Group>();
const NEXT_BYTES: usize = size_of::<Next>();

/// A label that goes into a file.
pub trait Label: Clone + Send + Sync + 'static {
    /// The label as a number.
    fn to_bits(&self) -> u64;
    /// The label that a number stands for.
    fn from_bits(bits: u64) -> Self;
}

impl Label for () {
    fn to_bits(&self) -> u64 {
        0
    }
    fn from_bits(_: u64) -> Self {}
}

impl Label for u64 {
    fn to_bits(&self) -> u64 {
        *self
    }
    fn from_bits(bits: u64) -> Self {
        bits
    }
}

/// Why a file gave no index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system failed to read or write.
    #[error("reading or writing failed: {0}")]
    Io(#[from] io::Error),
    /// Not such a file, cut short, or altered.
    #[error("{0}")]
    Damaged(&'static str),
    /// Another program version wrote it.
    #[error("the file has version {found}, this program reads {VERSION}")]
    OtherVersion {
        /// Version found.
        found: u32,
    },
    /// The index cannot hold it.
    #[error(transparent)]
    Search(#[from] SearchError),
}

/// The chunks of a file, written or read one after the other.
pub struct Chunks<F> {
    file: F,
    number: u64,
}

fn checksum(kind: u32, len: u64, number: u64, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&kind.to_le_bytes());
    hasher.update(&len.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

impl<F: Write> Chunks<F> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn begin(mut file: F) -> Result<Self, FileError> {
        file.write_all(MAGIC)?;
        file.write_all(&VERSION.to_le_bytes())?;
        Ok(Self { file, number: 0 })
    }

    /// Writes a chunk of the owner's, of kind 0 and up.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn put(&mut self, kind: u32, contents: &[u8]) -> Result<(), FileError> {
        self.write(OWNER + kind, &[contents])
    }

    pub(super) fn write(&mut self, kind: u32, parts: &[&[u8]]) -> Result<(), FileError> {
        let len = parts.iter().map(|part| part.len() as u64).sum();
        self.file.write_all(&kind.to_le_bytes())?;
        self.file.write_all(&u64::to_le_bytes(len))?;
        self.file.write_all(&checksum(kind, len, self.number, parts).to_le_bytes())?;
        for part in parts {
            self.file.write_all(part)?;
        }
        self.number += 1;
        Ok(())
    }

    /// Hands the file back.
    pub fn into_inner(self) -> F {
        self.file
    }
}

impl<F: Read> Chunks<F> {
    /// Begins reading a file.
    ///
    /// # Errors
    /// [`FileError::Io`]; [`FileError::OtherVersion`], [`FileError::Damaged`] for what is no such
    /// file.
    pub fn open(mut file: F) -> Result<Self, FileError> {
        let mut head = [0; 16];
        read_exact(&mut file, &mut head)?;
        let (magic, version) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(FileError::Damaged("it is not an index file"));
        }
        let found = number_u32(version).unwrap_or(0);
        if found == VERSION { Ok(Self { file, number: 0 }) } else { Err(FileError::OtherVersion { found }) }
    }

    /// The next chunk, which must be the owner's of this kind.
    ///
    /// # Errors
    /// [`FileError::Io`]; [`FileError::Damaged`] where the next chunk is of another kind, cut short
    /// or altered.
    pub fn take(&mut self, kind: u32) -> Result<Vec<u8>, FileError> {
        let mut contents = Vec::new();
        match self.next(&mut contents)? {
            found if found == OWNER + kind => Ok(contents),
            _ => Err(FileError::Damaged("it holds something else than expected")),
        }
    }

    fn next(&mut self, contents: &mut Vec<u8>) -> Result<u32, FileError> {
        let mut head = [0; 16];
        read_exact(&mut self.file, &mut head)?;
        let damaged = FileError::Damaged("a chunk does not match its checksum");
        let (Some(kind), Some(len), Some(sum)) = (number_u32(&head), number_u64(&head[4..]), number_u32(&head[12..]))
        else {
            return Err(damaged);
        };
        if len > CHUNK_BYTES_MAX {
            return Err(damaged);
        }
        contents.clear();
        // Grows with what is there, not with what a damaged length says.
        let read = (&mut self.file).take(len).read_to_end(contents)?;
        if (read as u64) < len {
            return Err(FileError::Damaged("it was cut short"));
        }
        if checksum(kind, len, self.number, &[contents]) != sum {
            return Err(damaged);
        }
        self.number += 1;
        Ok(kind)
    }
}

fn read_exact(file: &mut impl Read, into: &mut [u8]) -> Result<(), FileError> {
    file.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => FileError::Damaged("it was cut short"),
        _ => error.into(),
    })
}

fn number_u32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|&bytes| u32::from_le_bytes(bytes))
}

fn number_u64(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|&bytes| u64::from_le_bytes(bytes))
}

/// Writes the index as `view` sees it, up to the last chunk; `seen` is told every
/// label.
///
/// # Errors
/// [`FileError::Io`].
pub fn write<L: Label, F: Write>(
    view: &View<L>,
    chunks: &mut Chunks<F>,
    mut seen: impl FnMut(&L),
) -> Result<(), FileError> {
    let state = view.state();
    chunks.write(COUNT, &[&state.live.to_le_bytes()])?;
    let mut bases: HashMap<*const RotationBasis, u32> = HashMap::new();
    let mut loose_ends = Vec::new();
    for block in state.blocks.values() {
        let tags = block.pieces.iter().flat_map(|piece| piece.tags());
        let is_full = |piece: &Arc<Piece<L>>| matches!(piece.rows(), 0 | PIECE_ROWS);
        match &block.codes {
            Some(codes) if block.pieces.iter().all(is_full) && codes.rows() == block.pieces.len() * PIECE_ROWS => {
                let basis_next = bases.len() as u32;
                let basis = *bases.entry(Arc::as_ptr(&codes.basis)).or_insert(basis_next);
                if basis == basis_next {
                    chunks.write(BASIS, &[&basis_bytes(&codes.basis, view.dimension())])?;
                }
                tags.for_each(|(_, _, label)| seen(label));
                let [head, groups, later, tags] = block_bytes(basis, codes, &block.pieces);
                chunks.write(BLOCK, &[&head, &groups, &later, &tags])?;
            }
            _ => {
                for (_, key, label) in tags {
                    seen(label);
                    loose_ends.extend_from_slice(&key.to_le_bytes());
                    loose_ends.extend_from_slice(&label.to_bits().to_le_bytes());
                }
            }
        }
    }
    chunks.write(LOOSE_ENDS, &[&loose_ends])?;
    chunks.write(END, &[])
}

fn basis_bytes(basis: &RotationBasis, dimension: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 * (2 + FINE + basis.rows().len()));
    bytes.extend_from_slice(&(dimension as u32).to_le_bytes());
    float32::append(&mut bytes, &[basis.head_step()]);
    float32::append(&mut bytes, basis.fine_steps());
    float32::append(&mut bytes, basis.rows());
    bytes
}

fn read_basis(bytes: &[u8], dimension: usize) -> Option<RotationBasis> {
    let (head, values) = bytes.split_at_checked(4)?;
    if number_u32(head)? as usize != dimension {
        return None;
    }
    let values = float32::decode(values)?;
    let (&head_step, values) = values.split_first()?;
    let (steps, rows) = values.split_first_chunk::<FINE>()?;
    RotationBasis::from_parts(dimension, rows.to_vec(), head_step, *steps)
}

/// A block in four parts: the head (number of the rotation in the file, of pieces, of
/// rows without codes, then a byte per piece, 0 where it was given up, then the
/// rows without codes), the first pass, the second and then the third, and for each
/// piece that was not given up its freed rows, keys and labels.
fn block_bytes<L: Label>(basis: u32, codes: &Codes, pieces: &[Arc<Piece<L>>]) -> [Vec<u8>; 4] {
    let mut head = Vec::new();
    for number in [basis, pieces.len() as u32, codes.loose.len() as u32] {
        head.extend_from_slice(&number.to_le_bytes());
    }
    head.extend(pieces.iter().map(|piece| u8::from(piece.rows() > 0)));
    codes.loose.iter().for_each(|row| head.extend_from_slice(&row.to_le_bytes()));

    let mut groups = Vec::with_capacity(codes.groups.len() * GROUP_BYTES);
    for group in codes.groups.iter() {
        groups.extend_from_slice(&group.norms.0);
        group.codes.iter().for_each(|line| groups.extend_from_slice(&line.0));
    }
    let mut later = Vec::with_capacity(codes.rows() * (NEXT_BYTES + FINE_BYTES));
    codes.next.iter().for_each(|row| later.extend_from_slice(&row.0));
    codes.fine.iter().for_each(|row| later.extend_from_slice(&row.0));
    let mut tags = Vec::with_capacity(codes.rows() * 16 + pieces.len() * FREE_WORDS * 8);
    for piece in pieces.iter().filter(|piece| piece.rows() > 0) {
        let (keys, labels, free) = piece.parts();
        free.iter().chain(keys).for_each(|word| tags.extend_from_slice(&word.to_le_bytes()));
        labels.iter().for_each(|label| tags.extend_from_slice(&label.to_bits().to_le_bytes()));
    }
    [head, groups, later, tags]
}

fn read_block<L: Label>(bytes: &[u8], bases: &[Arc<RotationBasis>]) -> Option<Block<L>> {
    let (head, rest) = bytes.split_at_checked(12)?;
    let basis = bases.get(number_u32(head)? as usize)?;
    let (count, loose_count) = (number_u32(&head[4..])? as usize, number_u32(&head[8..])? as usize);
    let (present, rest) = rest.split_at_checked(count)?;
    let (loose, rest) = rest.split_at_checked(loose_count.checked_mul(4)?)?;
    let rows = count.checked_mul(PIECE_ROWS)?;
    let (groups, rest) = rest.split_at_checked((rows / GROUP_ROWS).checked_mul(GROUP_BYTES)?)?;
    let (next, rest) = rest.split_at_checked(rows.checked_mul(NEXT_BYTES)?)?;
    let (fine, mut tags) = rest.split_at_checked(rows.checked_mul(FINE_BYTES)?)?;

    let mut codes = Codes::new(Arc::clone(basis), rows);
    codes.loose = loose.as_chunks::<4>().0.iter().map(|&row| u32::from_le_bytes(row)).collect();
    let ascends = codes.loose.is_sorted_by(|a, b| a < b);
    if !ascends || codes.loose.last().is_some_and(|&row| row as usize >= rows) {
        return None;
    }
    for group in groups.as_chunks::<GROUP_BYTES>().0 {
        let (lines, _) = group.as_chunks::<64>();
        let (norms, lines) = lines.split_first()?;
        let lines: &[[u8; 64]; CODE_LINES] = lines.try_into().ok()?;
        codes.groups.push(Group { norms: Line(*norms), codes: lines.map(Line) });
    }
    next.as_chunks::<NEXT_BYTES>().0.iter().for_each(|row| codes.next.push(Line(*row)));
    fine.as_chunks::<FINE_BYTES>().0.iter().for_each(|row| codes.fine.push(Fine(*row)));
    let mut pieces = Vec::with_capacity(count);
    for &is_present in present {
        if is_present == 0 {
            pieces.push(Arc::new(Piece::new()));
            continue;
        }
        let (words, rest) = tags.split_at_checked(8 * (FREE_WORDS + 2 * PIECE_ROWS))?;
        tags = rest;
        let mut words = words.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word));
        let mut free = [0; FREE_WORDS];
        free.iter_mut().zip(&mut words).for_each(|(free, word)| *free = word);
        let keys = words.by_ref().take(PIECE_ROWS).collect();
        let labels = words.map(L::from_bits).collect();
        pieces.push(Arc::new(Piece::outside(keys, labels, free)?));
    }
    tags.is_empty().then_some(Block { codes: Some(Arc::new(codes)), pieces })
}

/// Fills the empty `index`, made with [`IndexOptions::originals`], from the chunks
/// that [`write()`] wrote. All vectors lie outside memory afterwards. Returned are the
/// keys and labels that are not in the index yet: their vectors must be inserted
/// for it to be whole. After an error the index must not be used.
///
/// [`IndexOptions::originals`]: super::IndexOptions::originals
///
/// # Errors
/// [`FileError::Io`], [`FileError::Damaged`]; [`FileError::Search`] where the index has no room for
/// it.
pub fn read<L: Label, F: Read>(
    index: &Index<L>,
    chunks: &mut Chunks<F>,
    mut progress: impl FnMut(u64),
) -> Result<Vec<(u64, L)>, FileError> {
    // The layout of a group is part of the format.
    const { assert!(GROUP_BYTES == 64 * (1 + CODE_LINES) && CODE_LINES * 8 == 2 * HEAD) };
    let inner = index.inner();
    let mut places = inner.places();
    let mut state = super::blocks::State::empty();
    let mut bases = Vec::new();
    let mut loose_ends = Vec::new();
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    let mut live = u64::MAX;
    let damaged = || FileError::Damaged("a chunk makes no sense");
    loop {
        let mut contents = Vec::new();
        let kind = chunks.next(&mut contents)?;
        if kind == BLOCK {
            waiting.push(contents);
            if waiting.len() < BLOCKS_TOGETHER {
                continue;
            }
            contents = Vec::new();
        }
        let blocks: Vec<_> = waiting.par_iter().map(|bytes| read_block(bytes, &bases)).collect();
        waiting.clear();
        for block in blocks {
            if !places.adopt(&mut state, block.ok_or_else(damaged)?) {
                return Err(FileError::Damaged("a key is there twice"));
            }
            progress(state.live);
        }
        match kind {
            BLOCK => {}
            COUNT => {
                live = number_u64(&contents).ok_or_else(damaged)?;
                if live > index.vectors_max() {
                    return Err(SearchError::Full { max: index.vectors_max() }.into());
                }
                // As long as this many may be in it at all.
                places.reserve(usize::try_from(live).unwrap_or(0));
            }
            BASIS => match read_basis(&contents, inner.dimension) {
                Some(basis) => bases.push(Arc::new(basis)),
                None => return Err(FileError::Damaged("it is of other vectors")),
            },
            LOOSE_ENDS => {
                let (pairs, []) = contents.as_chunks::<16>() else { return Err(damaged()) };
                loose_ends.extend(pairs.iter().map(|pair| {
                    let (key, bits) = pair.split_at(8);
                    let number = |bytes| number_u64(bytes).unwrap_or_default();
                    (number(key), L::from_bits(number(bits)))
                }));
            }
            END if live == state.live + loose_ends.len() as u64 => break,
            END => return Err(FileError::Damaged("vectors are missing")),
            _ => return Err(damaged()),
        }
    }
    *inner.published() = Arc::new(state);
    drop(places);
    index.room_for(loose_ends.len() as u64)?;
    Ok(loose_ends)
}
