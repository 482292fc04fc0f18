//! Tools: what is made, fitted and measured beside the engine, and what no decision hangs on.
//!
//! - [`forge`]: marked test cards, for `chinhchu chip forge-test-card`, demonstrations and tests;
//! - [`TestAuthority`]: certificates for trying out TLS, for `chinhchu keys`, demonstrations and tests;
//! - [`fit_quality`]: the training of a pack's quality model, for `examples/fit_quality.rs`;
//! - [`Population`]: vectors that look like faces and are nobody's, and [`planted`]: galleries whose
//!   duplicates are known, for benchmarks and for measuring an audit;
//! - [`PlainScan`], [`PlainJoin`]: the search and the join that others do, to be measured against.
//!
//! The engine's own modules import nothing of it, their tests may; `cli` does for the commands that
//! need it.

pub mod forge;
mod plain_join;
mod plain_scan;
pub mod planted;
mod population;
mod quality_fit;
mod small_net;
mod test_authority;

pub use crate::random::SplitMix;
pub use plain_join::PlainJoin;
pub use plain_scan::PlainScan;
pub use population::{Like, Population};
pub use quality_fit::{Example, Shows, fit_quality};
pub use test_authority::{Issued, Leaf, Purpose, TestAuthority, TestAuthorityError};

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The modules that make up the engine; their tests, in files of their own or behind
    /// `#[cfg(test)]`, may import tools.
    const ENGINE: [&str; 10] =
        ["audit", "chip", "evaluation", "face", "gallery", "imaging", "matching", "search", "service", "workflow"];

    fn look(folder: &Path, found: &mut Vec<String>) -> usize {
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                files += look(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                found.extend(code.contains("crate::tools").then(|| path.display().to_string()));
                files += 1;
            }
        }
        files
    }

    #[test]
    fn the_engine_imports_no_tools() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        for module in ENGINE {
            assert!(look(&source.join(module), &mut found) > 0, "{module}");
        }
        assert_eq!(found, [""; 0]);
    }
}
