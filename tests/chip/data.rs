//! The shared test data, where it is.

use std::path::PathBuf;

/// The folder of chip files, or `None` and a line that says so.
pub fn chip_data(test: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CHINHCHU_TESTDATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let root = if root.is_absolute() { root } else { PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(root) };
    let chip = root.join("chip");
    if chip.is_dir() {
        return Some(chip);
    }
    eprintln!("SKIPPED: {test}: no chip test data; set CHINHCHU_TESTDATA");
    None
}
