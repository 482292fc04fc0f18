//! Every number that tunes the join. None of them decides what is found. (Some are
//! small in tests, so that small joins go the same ways.)
//!
//! Chosen on populations like two packs (`Population`) on a Zen 5 machine, 100,000 rows;
//! `benches/join.rs` shows what they give.

/// Bytes of a row in the first pass. With 80, 96, 112 and 128, 64 further dimensions beside
/// the first two and 128 beside the others, vectors like those of `default` are decided at
/// 0.8, 1.4, 2.0 and 1.8 billion pairs a second and core at 0.48 and 0.37, 0.8, 1.2 and 1.5
/// at 0.42; like those of `faceplugin` at 2.7, 2.6, 2.3 and 1.9 at 0.55 and 1.4, 2.0, 1.9 and
/// 1.7 at 0.48 (on a busy machine; all in turns).
pub(super) const HEAD_BYTES: usize = 112;

/// Dimensions in the first pass, a byte each; the last word is for norms.
pub(super) const HEAD: usize = HEAD_BYTES - 4;

/// Further dimensions in the second pass, a byte each: two lines of the cache.
pub(super) const FINE: usize = 128;

/// Standard deviations that a code of the first pass covers to either side. More
/// make coarser steps, fewer cut more values off.
pub(super) const HEAD_RANGE: f64 = 3.5;

/// The same for the second pass.
pub(super) const FINE_RANGE: f64 = 4.0;

/// What the range of the norms is wider than those of the sample, to which the
/// rotation was fitted.
pub(super) const NORM_ROOM: f64 = 1.25;

/// Rows a rotation is fitted on at most.
pub(super) const SAMPLE_MAX: usize = 4096;

/// Fewer rows than that, or fewer dimensions, are compared as they are: fitting a
/// rotation takes as long as comparing 4,000 rows of 512 values.
pub(super) const CODED_ROWS_MIN: usize = if cfg!(test) { 1200 } else { 4096 };

/// See [`CODED_ROWS_MIN`].
pub(super) const CODED_DIMENSION_MIN: usize = 32;

/// Rows a first pass compares at a time: four registers of sixteen sums.
pub(crate) const CHUNK_ROWS: usize = 64;

/// Rows that pass by a block of queries: their codes (half a MiB) stay in the second
/// level of the cache for all blocks of the unit.
pub(super) const STRIP_ROWS: usize = if cfg!(test) { 256 } else { 2048 };

/// Queries that a chunk is compared with while it is in the first level.
pub(crate) const BLOCK_QUERIES: usize = 64;

/// Rows that the first pass leaves before the second pass looks at them.
pub(super) const SURVIVORS_WANTED: usize = if cfg!(test) { 100 } else { 4096 };

/// Survivors whose codes are asked for ahead of their use.
pub(super) const AHEAD: usize = 12;

/// Pairs left for the exact score that are looked at together, so that every
/// vector is read once for several of them.
pub(super) const CANDIDATES_WANTED: usize = if cfg!(test) { 50 } else { 16_384 };

/// Rows of a block that is compared without codes.
pub(super) const PLAIN_ROWS: usize = 64;

/// Most rows of a tile: a unit of two such tiles is a billion pairs, about a
/// second of one core.
pub(super) const TILE_ROWS_MAX: usize = 32_768;

/// Fewest rows of a tile: below, the bookkeeping would show.
pub(super) const TILE_ROWS_MIN: usize = 1024;

/// Tiles that a small list is cut into, so that every core has work and little is
/// repeated after a restart.
pub(super) const TILES_WANTED: usize = 16;
