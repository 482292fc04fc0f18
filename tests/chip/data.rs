//! The shared test data, where it is.

use std::path::PathBuf;

/// The folder of chip files, or `None` and a line that says so.
pub fn chip_data(test: &str) -> Option<PathBuf> {
    data("chip", test)
}

/// A folder of the shared data, or `None` and a line that says so.
pub fn data(folder: &str, test: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CHINHCHU_TESTDATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let root = if root.is_absolute() { root } else { PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(root) };
    let found = root.join(folder);
    if found.is_dir() {
        return Some(found);
    }
    eprintln!("SKIPPED: {test}: no {folder} in the test data; set CHINHCHU_TESTDATA");
    None
}
