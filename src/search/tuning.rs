//! Every number that tunes the scan. None of them decides what is found: a
//! worse choice reads or rescores more rows.
//!
//! Chosen on embeddings of the default pack, whose rotated dimensions past 64,
//! 96, 128 and 192 hold 25, 11, 3 and 0 per cent of the energy, on a Zen 4
//! machine that reads some 25 GB/s.

/// Dimensions in the first pass, four bits each. With 64, eight times as many
/// rows survive it; with 128 it reads a third more.
pub(super) const HEAD: usize = 96;

/// Dimensions in the second pass, eight bits each.
pub(super) const FINE: usize = 160;

/// Rows a group of the first pass interleaves: two registers of 16 lanes.
pub(super) const GROUP_ROWS: usize = 32;

/// Rows of a piece, the unit in which an index grows.
pub(super) const PIECE_ROWS: usize = 1024;

/// Full pieces that are put together into one block with codes side by side: the
/// first pass then fills one page of 2 MiB.
/// (Fewer in tests, so that small indexes have such blocks too.)
pub(super) const BLOCK_PIECES: usize = if cfg!(test) { 4 } else { 40 };

/// Vectors that are copied together when a row is written beside a search.
pub(super) const CHUNK_ROWS: usize = 64;

/// Groups that one thread scans between two pieces of bookkeeping.
pub(super) const UNIT_GROUPS: usize = 128;

/// Groups that every query of a batch passes over while they are in the first
/// level of the cache (32 KiB).
pub(super) const STRIP_GROUPS: usize = 16;

/// Units that a search for the nearest takes together, at first; each later stage
/// takes so many times as many. What a stage finds spares the next one work.
pub(super) const STAGE_UNITS: usize = 1;
/// Growth of the stages.
pub(super) const STAGE_GROWTH: usize = 8;

/// Survivors of a unit that are looked at first in a search for the nearest.
pub(super) const LIKELIEST: usize = 16;

/// Survivors whose second pass is asked for ahead of its use.
pub(super) const AHEAD: usize = 8;

/// Queries searched together at most.
pub(super) const BATCH_MAX: usize = 64;

/// Levels of a four-bit code, from 0.
pub(super) const HEAD_LEVELS: u8 = 15;

/// Width of a step of a four-bit code in standard deviations: the one with the
/// least squared error for a normal distribution (Max 1960, table II).
pub(super) const HEAD_STEP: f64 = 0.3352;

/// Standard deviations that an eight-bit code covers to either side.
pub(super) const FINE_RANGE: f64 = 5.0;

/// Rows before a rotation is fitted; fewer are scanned as they are.
pub(super) const FIT_MIN: usize = 2048;

/// The rotation is fitted again when the index has grown this many times.
pub(super) const REFIT_GROWTH: u64 = 16;

/// Beyond so many rows the population is known: no further fit.
pub(super) const REFIT_MAX: u64 = 1 << 20;

/// Rows above which a new fit happens beside the work instead of within it.
pub(super) const REFIT_BESIDE: u64 = 1 << 16;

/// Rows a rotation is fitted on at most.
pub(super) const SAMPLE_MAX: usize = 8192;

/// Rounds of the iteration that finds the rotation. Dimensions of nearly equal
/// energy are still mixed after these, which costs nothing.
pub(super) const FIT_ROUNDS: usize = 12;

/// Values above which a scan is spread over threads. Below (some 0.2 ms of one
/// core) waking them costs more than they bring.
pub(super) const PARALLEL_VALUES_MIN: u64 = 1 << 20;
