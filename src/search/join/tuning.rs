//! Every number that tunes the join. None of them decides what is found.

/// Most rows of a tile: a unit of two such tiles is a billion pairs, about a
/// second of one core.
pub(super) const TILE_ROWS_MAX: usize = 32_768;

/// Fewest rows of a tile: below, the bookkeeping would show.
pub(super) const TILE_ROWS_MIN: usize = 1024;

/// Tiles that a small list is cut into, so that every core has work and little is
/// repeated after a restart.
pub(super) const TILES_WANTED: usize = 16;
