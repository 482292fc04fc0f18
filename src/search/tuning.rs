//! Every number that tunes the scan. None of them decides what is found: a
//! worse choice reads or rescores more rows.
//!
//! Chosen on populations like two packs (`population`): `default`, whose rotated dimensions
//! past 64, 96, 128, 192 and 224 hold 36, 20, 10, 3 and 1 per cent of the energy, and
//! `faceplugin` with 25, 11, 3 and 0. One choice serves both, and packs of 128 values, which
//! the first pass then has all of.

/// Dimensions in the first pass, four bits each. Fewer are read and reckoned
/// sooner and leave more rows to the second pass, a line of the cache each. Of a million
/// like `default`, 80, 96, 112 and 128 leave it 14, 3.3, 0.75 and 0.21 per cent in a search
/// for all at 0.48, and 53, 27, 11 and 5 in one for the ten nearest, all its stages
/// together; like `faceplugin`, 80 and 128 leave 0.48 and 0.02 at 0.55, and 7.6 and 0.6.
pub(super) const HEAD: usize = 128;

/// Dimensions that the second pass adds, eight bits each.
pub(super) const NEXT: usize = 60;

/// Dimensions in the third pass, all with eight bits. What lies beyond them, 1.8 per cent of
/// the energy at most, is how far a row may be told from its score without its vector.
pub(super) const FINE: usize = 214;

/// Queries from which on the first pass of a batch takes seven bits of the third pass's
/// codes instead of four of its own: bytes are read once for all of them then, and what
/// counts is how many rows are left to the second pass.
pub(super) const BATCHED_MIN: usize = 4;

/// Rows a group of the first pass interleaves: two registers of 16 lanes.
pub(super) const GROUP_ROWS: usize = 32;

/// Rows of a piece, the unit in which an index grows.
pub(super) const PIECE_ROWS: usize = 1024;

/// Full pieces that are put together into one block with codes side by side: the
/// codes of the first pass then fill whole pages of 2 MiB.
/// (Fewer in tests, so that small indexes have such blocks too.)
pub(super) const BLOCK_PIECES: usize = if cfg!(test) { 4 } else { 93 };

/// Vectors that are copied together when a row is written beside a search.
pub(super) const CHUNK_ROWS: usize = 64;

/// Groups that one thread scans between two pieces of bookkeeping. (Fewer in tests, so that
/// small indexes are searched in several stages.)
pub(super) const UNIT_GROUPS: usize = if cfg!(test) { 2 } else { 128 };

/// Units that a search for the nearest takes together, at first; each later stage
/// takes so many times as many. What a stage finds spares the next one work.
pub(super) const STAGE_UNITS: usize = 1;
/// Growth of the stages.
pub(super) const STAGE_GROWTH: usize = 4;

/// Room for what a search for the nearest leaves of a unit, usually.
pub(super) const SURVIVORS: usize = 96;

/// Survivors of a unit that may be among those looked at first in a search for the
/// nearest.
pub(super) const LIKELIEST: usize = 16;

/// Survivors of all units of a stage that are looked at first: so many, and
/// [`FIRST_LOOK_GROWTH`] times as many as are wanted. Enough for the floor to come
/// near where it ends.
pub(super) const FIRST_LOOK: usize = 96;
/// See [`FIRST_LOOK`].
pub(super) const FIRST_LOOK_GROWTH: usize = 4;

/// Survivors whose line of the second pass is asked for ahead of its use.
pub(super) const AHEAD: usize = 32;

/// Survivors that go through the second pass between two looks at the floor.
pub(super) const SIFTED: usize = 256;

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
pub(super) const FIT_ROUNDS: usize = 6;

/// Values above which a scan is spread over threads. Below (some 0.2 ms of one
/// core) waking them costs more than they bring.
pub(super) const PARALLEL_VALUES_MIN: u64 = 1 << 20;

/// Vectors outside memory that a search for all above a score asks for together.
pub(super) const READ_ROWS: usize = 256;

/// Those that a search for the nearest asks for at first, at least: a few more than
/// usually turn out to be needed.
pub(super) const READ_FIRST: usize = 24;
/// And each time after that.
pub(super) const READ_AGAIN: usize = 16;

/// Bytes of a row's place in the table of keys, growth of the table included.
pub(super) const PLACE_BYTES: u64 = 20;
