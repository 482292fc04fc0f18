//! A vector in few bytes, as the three passes of the scan read it.
//!
//! First pass: four bits for each of the [`HEAD`] strongest dimensions and two
//! bytes of norms, [`GROUP_ROWS`] rows interleaved ([`Group`]): 66 bytes a row in
//! one stream. Second pass: eight bits for each of the [`NEXT`] dimensions after
//! these, and norms: a line of the cache for each row ([`Next`]), read for the few
//! that are left. Third pass: eight bits for each of [`FINE`] dimensions, those of
//! the second pass and 160 bytes more ([`Fine`]), for hardly any. What the numbers
//! guarantee stands in `bound`.

use super::basis::RotationBasis;
use super::bound::{self, BATCH_LENGTH_MAX, BATCH_MIDDLE, LENGTH_CODED_MAX, NEXT_STEP, RESIDUAL_STEP, REST_STEP};
use super::memory::Large;
use super::tuning::{FINE, GROUP_ROWS, HEAD, HEAD_LEVELS, NEXT, PIECE_ROWS};
use crate::matching::Dot;

/// A line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; 64]);

/// Dimensions in a line: 16 rows, four bytes each, two dimensions a byte.
const LINE_DIMENSIONS: usize = 8;

/// Lines of codes in a group.
pub(super) const CODE_LINES: usize = 2 * HEAD / LINE_DIMENSIONS;

/// The first pass of [`GROUP_ROWS`] rows, as a kernel reads it from front to back.
///
/// Line 0 holds, for each `l` in 0…15, the bytes `residual(l)`, `rest(l)`,
/// `residual(16 + l)`, `rest(16 + l)`. Line `1 + 2j + h` holds, for each `l`, four
/// bytes of row `16h + l`: the low half of byte `b` is the code of dimension
/// `8j + b`, the high half that of `8j + 4 + b`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Group {
    pub(super) norms: Line,
    pub(super) codes: [Line; CODE_LINES],
}

/// The second pass of one row, a line of the cache. Kernels read all of it and give
/// the norms at its end no weight: [`NEXT`] signed codes; `rest` as the first pass
/// has it; the length of what these codes miss, in [`bound::NEXT_STEP`]s, rounded up;
/// the length of what lies beyond the axes of both passes, in [`bound::FINE_STEP`]s,
/// rounded up, in two bytes, low byte first: [`LOOSE`] where one pass or all say
/// nothing of the row.
pub(super) type Next = Line;

/// The norms at the end of a [`Next`].
#[derive(Clone, Copy)]
pub(super) struct NextNorms {
    pub(super) head_rest: u8,
    pub(super) residual: u8,
    pub(super) rest: u16,
}

impl Next {
    fn of(codes: [i8; NEXT], norms: NextNorms) -> Self {
        let mut line = [0; 64];
        line.iter_mut().zip(codes).for_each(|(byte, code)| *byte = code.cast_unsigned());
        let [low, high] = norms.rest.to_le_bytes();
        line[NEXT..].copy_from_slice(&[norms.head_rest, norms.residual, low, high]);
        Self(line)
    }

    #[inline]
    pub(super) fn norms(&self) -> NextNorms {
        const { assert!(NEXT + 4 == 64) };
        let [.., head_rest, residual, low, high] = self.0;
        NextNorms { head_rest, residual, rest: u16::from_le_bytes([low, high]) }
    }
}

/// Dimensions that the third pass adds to the second: those of the first, and the
/// last ones.
pub(super) const OTHERS: usize = FINE - NEXT;

/// Bytes of the third pass of one row.
pub(super) const FINE_BYTES: usize = OTHERS + 6;

/// The third pass of one row. Kernels read all of it and give the norms at its end
/// no weight: [`OTHERS`] signed codes; the length of what they and those of the
/// second pass miss within the axes, in [`bound::FINE_STEP`]s, rounded up, with
/// [`HEAD_LOOSE`] where the row has no codes for the passes before, [`LOOSE`] where it
/// has none at all; the length of what lies beyond the axes, likewise; then two bytes
/// of norms for the first pass of a batch ([`HeadNorms`]), which reads the first
/// [`HEAD`] codes, less the last bit of each.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Fine(pub(super) [u8; FINE_BYTES]);

/// The norms at the end of a [`Fine`].
#[derive(Clone, Copy)]
pub(super) struct FineNorms {
    pub(super) residual: u16,
    pub(super) rest: u16,
}

/// The norms of a first pass: the length of what codes miss, in [`RESIDUAL_STEP`]s, and
/// of what lies beyond the axes of the pass, in [`REST_STEP`]s, both rounded up.
#[derive(Clone, Copy, Default)]
pub(super) struct HeadNorms {
    pub(super) residual: u8,
    pub(super) rest: u8,
}

impl Fine {
    fn of(codes: [i8; OTHERS], FineNorms { residual, rest }: FineNorms, batched: HeadNorms) -> Self {
        let mut bytes = [0; FINE_BYTES];
        bytes.iter_mut().zip(codes).for_each(|(byte, code)| *byte = code.cast_unsigned());
        let ([a, b], [c, d]) = (residual.to_le_bytes(), rest.to_le_bytes());
        bytes[OTHERS..].copy_from_slice(&[a, b, c, d, batched.residual, batched.rest]);
        Self(bytes)
    }

    #[inline]
    pub(super) fn norms(&self) -> FineNorms {
        let [.., a, b, c, d, _, _] = self.0;
        FineNorms { residual: u16::from_le_bytes([a, b]), rest: u16::from_le_bytes([c, d]) }
    }
}

/// Marks a row that no bound is known for: it is always scored.
pub(super) const LOOSE: u16 = u16::MAX;

/// Marks a row that the first and second pass say nothing of, one in some ten
/// thousand: it always goes through the third.
pub(super) const HEAD_LOOSE: u16 = 1 << 15;

/// Most steps of a norm of the third pass.
const FINE_STEPS_MAX: f64 = (HEAD_LOOSE - 1) as f64;

/// One row's codes, before they are put among others.
pub(super) struct Encoded {
    pub(super) head: [u8; HEAD],
    pub(super) norms: HeadNorms,
    pub(super) next: Next,
    pub(super) fine: Fine,
}

impl Encoded {
    /// A row without codes.
    pub(super) fn loose() -> Self {
        let norms = FineNorms { residual: LOOSE, rest: LOOSE };
        Self::partly([0; NEXT], Fine::of([0; OTHERS], norms, HeadNorms::default()))
    }

    /// A row with codes for the third pass at most, `next` among them.
    fn partly(next: [i8; NEXT], fine: Fine) -> Self {
        let next = Next::of(next, NextNorms { head_rest: 0, residual: 0, rest: LOOSE });
        Self { head: [0; HEAD], norms: HeadNorms::default(), next, fine }
    }

    /// True where one pass or all say nothing of the row.
    pub(super) fn is_loose(&self) -> bool {
        self.fine.norms().residual >= HEAD_LOOSE
    }

    /// Codes a vector. Loose where its length or what its codes miss is beyond
    /// what the bound allows for.
    pub(super) fn new(basis: &RotationBasis, dot: Dot, vector: &[f32]) -> Self {
        let length = bound::length(vector);
        if length > LENGTH_CODED_MAX {
            return Self::loose();
        }
        let error = bound::rotation_error(basis, length);
        let coordinates = basis.rotate(dot, vector);
        let Some((codes, norms)) = fine(basis, length, &coordinates, error) else { return Self::loose() };
        let (next, others) = parted(&codes);
        let head = (|| {
            let rest = bound::rest(basis, length, &coordinates[..HEAD], error);
            let rest = bound::steps_up(rest, REST_STEP, 127.0)? as u8;
            let (head, residual) = head(basis, &coordinates, error)?;
            let residual_batched = residual_batched(basis, &coordinates, &codes, error)?;
            let next = next_norms(basis, length, &coordinates, &codes, error, rest)?;
            Some((head, next, [residual, residual_batched].map(|residual| HeadNorms { residual, rest })))
        })();
        match head {
            Some((head, norms_next, [single, batched])) => {
                Self { head, norms: single, next: Next::of(next, norms_next), fine: Fine::of(others, norms, batched) }
            }
            None => {
                let norms = FineNorms { residual: norms.residual | HEAD_LOOSE, ..norms };
                Self::partly(next, Fine::of(others, norms, HeadNorms::default()))
            }
        }
    }
}

/// Values of all axes, parted into those that the second pass adds and those that the
/// third does.
pub(super) fn parted<T: Copy + Default>(all: &[T; FINE]) -> ([T; NEXT], [T; OTHERS]) {
    let (mut next, mut others) = ([T::default(); NEXT], [T::default(); OTHERS]);
    next.copy_from_slice(&all[HEAD..HEAD + NEXT]);
    others[..HEAD].copy_from_slice(&all[..HEAD]);
    others[HEAD..].copy_from_slice(&all[HEAD + NEXT..]);
    (next, others)
}

/// The length of what is missed by codes that decode to `values`; `None` where these are
/// together longer than `length_max`.
fn missed(coordinates: &[f32], values: impl Iterator<Item = f64>, length_max: f64) -> Option<f64> {
    let (mut missed, mut decoded) = (0.0, 0.0);
    for (&coordinate, value) in coordinates.iter().zip(values) {
        missed += (f64::from(coordinate) - value).powi(2);
        decoded += value * value;
    }
    (decoded.sqrt() <= length_max).then_some(missed.sqrt())
}

/// Codes of the first pass, and the length of what they miss.
fn head(basis: &RotationBasis, coordinates: &[f32; FINE], error: f64) -> Option<([u8; HEAD], u8)> {
    let mut head = [0u8; HEAD];
    let step = f64::from(basis.head_step());
    let middle = f64::from(HEAD_LEVELS) / 2.0;
    let coordinates = &coordinates[..basis.axes().min(HEAD)];
    for (code, &coordinate) in head.iter_mut().zip(coordinates) {
        *code = (f64::from(coordinate) / step + middle).round().clamp(0.0, f64::from(HEAD_LEVELS)) as u8;
    }
    let values = head.iter().map(|&code| step * (f64::from(code) - middle));
    let missed = missed(coordinates, values, LENGTH_CODED_MAX)?;
    // At most 127.
    Some((head, bound::steps_up(missed + error, RESIDUAL_STEP, 127.0)? as u8))
}

/// The length of what the first pass of a batch misses, whose codes are those of the
/// third less a bit.
fn residual_batched(basis: &RotationBasis, coordinates: &[f32; FINE], codes: &[i8; FINE], error: f64) -> Option<u8> {
    let coordinates = &coordinates[..basis.axes().min(HEAD)];
    let value = |(&step, &code): (&f32, &i8)| 2.0 * f64::from(step) * (f64::from(code >> 1) + BATCH_MIDDLE);
    let missed = missed(coordinates, basis.fine_steps().iter().zip(codes).map(value), BATCH_LENGTH_MAX)?;
    // At most 127.
    Some(bound::steps_up(missed + error, RESIDUAL_STEP, 127.0)? as u8)
}

/// Norms of the second pass, whose codes are among those of the third: what they
/// miss, and what lies beyond; `head_rest` is that of the first.
fn next_norms(
    basis: &RotationBasis,
    length: f64,
    coordinates: &[f32; FINE],
    codes: &[i8; FINE],
    error: f64,
    head_rest: u8,
) -> Option<NextNorms> {
    let missed = (HEAD..HEAD + NEXT)
        .map(|i| (f64::from(coordinates[i]) - f64::from(basis.fine_steps()[i]) * f64::from(codes[i])).powi(2));
    let residual = bound::steps_up(missed.sum::<f64>().sqrt() + error, NEXT_STEP, 255.0)?;
    let rest = bound::rest(basis, length, &coordinates[..HEAD + NEXT], error);
    let rest = bound::steps_up(rest, bound::FINE_STEP, f64::from(LOOSE - 1))?;
    // At most 8 and 16 bits.
    Some(NextNorms { head_rest, residual: residual as u8, rest: rest as u16 })
}

/// Codes and norms of the third pass.
fn fine(basis: &RotationBasis, length: f64, coordinates: &[f32; FINE], error: f64) -> Option<([i8; FINE], FineNorms)> {
    let mut codes = [0i8; FINE];
    let steps = &basis.fine_steps()[..basis.axes()];
    for ((code, &coordinate), &step) in codes.iter_mut().zip(coordinates).zip(steps) {
        *code = (f64::from(coordinate) / f64::from(step)).round().clamp(-127.0, 127.0) as i8;
    }
    let values = steps.iter().zip(&codes).map(|(&step, &code)| f64::from(step) * f64::from(code));
    let missed = missed(coordinates, values, LENGTH_CODED_MAX)?;
    let residual = bound::steps_up(missed + error, bound::FINE_STEP, FINE_STEPS_MAX)?;
    let rest = bound::steps_up(bound::rest(basis, length, coordinates, error), bound::FINE_STEP, f64::from(LOOSE - 1))?;
    // At most 16 bits each.
    Some((codes, FineNorms { residual: residual as u16, rest: rest as u16 }))
}

impl Group {
    pub(super) const EMPTY: Self = Self { norms: Line([0; 64]), codes: [Line([0; 64]); CODE_LINES] };

    /// Writes row `row` of the group, which must not have been written before.
    pub(super) fn put(&mut self, row: usize, encoded: &Encoded) {
        let (half, lane) = (row / 16, row % 16);
        let norms = &mut self.norms.0[4 * lane + 2 * half..];
        norms[0] = encoded.norms.residual;
        norms[1] = encoded.norms.rest;
        for (j, eight) in encoded.head.chunks_exact(LINE_DIMENSIONS).enumerate() {
            let bytes = &mut self.codes[2 * j + half].0[4 * lane..4 * lane + 4];
            for (b, byte) in bytes.iter_mut().enumerate() {
                *byte = eight[b] | eight[4 + b] << 4;
            }
        }
    }
}

/// The codes of a run of rows, made with one basis.
#[derive(Clone)]
pub(super) struct Codes {
    pub(super) basis: std::sync::Arc<RotationBasis>,
    pub(super) groups: Large<Group>,
    pub(super) next: Large<Next>,
    pub(super) fine: Large<Fine>,
    /// Rows that one pass or all say nothing of, ascending.
    pub(super) loose: Vec<u32>,
}

impl Codes {
    /// Room for `rows` rows.
    pub(super) fn new(basis: std::sync::Arc<RotationBasis>, rows: usize) -> Self {
        let groups = Large::with_capacity(rows.div_ceil(GROUP_ROWS));
        Self { basis, groups, next: Large::with_capacity(rows), fine: Large::with_capacity(rows), loose: Vec::new() }
    }

    pub(super) fn rows(&self) -> usize {
        self.fine.len()
    }

    pub(super) fn push(&mut self, encoded: &Encoded) {
        let row = self.fine.len();
        if row.is_multiple_of(GROUP_ROWS) {
            self.groups.push(Group::EMPTY);
        }
        if let Some(group) = self.groups.last_mut() {
            group.put(row % GROUP_ROWS, encoded);
        }
        if encoded.is_loose() {
            self.loose.push(row as u32);
        }
        self.next.push(encoded.next);
        self.fine.push(encoded.fine);
    }

    /// Appends rows that nothing lies in.
    pub(super) fn push_given_up(&mut self, rows: usize) {
        let loose = self.loose.len();
        (0..rows).for_each(|_| self.push(&Encoded::loose()));
        // Nothing to score.
        self.loose.truncate(loose);
    }

    /// Appends the rows of piece `piece` of `other`, made with the same basis. All
    /// rows of pieces before the last are there, in both.
    pub(super) fn append(&mut self, other: &Self, piece: usize) {
        const GROUPS: usize = PIECE_ROWS / GROUP_ROWS;
        debug_assert!(self.rows().is_multiple_of(PIECE_ROWS));
        let (from, to) = (piece * PIECE_ROWS, (piece + 1) * PIECE_ROWS);
        let first = self.rows() as u32;
        let cut = |end: usize, len: usize| end.min(len);
        self.groups.extend_from_slice(
            &other.groups[cut(piece * GROUPS, other.groups.len())..cut((piece + 1) * GROUPS, other.groups.len())],
        );
        self.next.extend_from_slice(&other.next[cut(from, other.next.len())..cut(to, other.next.len())]);
        self.fine.extend_from_slice(&other.fine[cut(from, other.fine.len())..cut(to, other.fine.len())]);
        let within = other.loose.iter().filter(|&&row| (from..to).contains(&(row as usize)));
        self.loose.extend(within.map(|row| row - from as u32 + first));
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>()
            + self.next.capacity() * size_of::<Next>()
            + self.fine.capacity() * size_of::<Fine>()
            + self.loose.capacity() * size_of::<u32>()
    }
}
