//! Where the configuration's values come from: the file, and the line of each key. So an
//! error about a value can name the line it stands in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::de::{DeTable, DeValue};

use crate::cli::Failure;

/// Where the policy `default` stands.
const FALLBACK_POLICY: &str = "policies.default";

/// The configuration file, and the line of every key whose value is in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Origin {
    path: PathBuf,
    /// SHA-256 of the file as it was read; of nothing where there is none.
    digest: [u8; 32],
    /// From `engine.workers` to its line, from 1.
    lines: BTreeMap<String, usize>,
}

impl Origin {
    /// The keys of a file that was read.
    pub(super) fn new(path: &Path, text: &str) -> Self {
        let mut lines = BTreeMap::new();
        if let Ok(table) = DeTable::parse(text) {
            add(&mut lines, text, "", table.get_ref());
        }
        Self { path: path.to_owned(), digest: Sha256::digest(text).into(), lines }
    }

    /// The sections of the file, and the policy that requests fall back to: without its section
    /// it would become another without a word.
    pub(in crate::cli) fn sections(&self) -> Vec<String> {
        let is_section = |key: &&String| !key.contains('.') || *key == FALLBACK_POLICY;
        self.lines.keys().filter(is_section).cloned().collect()
    }

    /// The file; empty where there is none.
    pub(in crate::cli) fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file as it was read.
    pub(in crate::cli) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// An error about the whole file.
    pub(in crate::cli) fn blame_file(&self, why: impl std::fmt::Display) -> Failure {
        match self.path.as_os_str().is_empty() {
            true => Failure::new(format_args!("no configuration is named (--config): {why}")),
            false => Failure::new(format_args!("configuration {}: {why}", self.path.display())),
        }
    }

    /// A flag or a variable goes before the file: its value is no longer that of the key.
    pub(in crate::cli) fn forget(&mut self, key: &str) {
        self.lines.remove(key);
    }

    /// `configuration chinhchu.toml, line 3`, where the value in use is the file's.
    pub(in crate::cli) fn of(&self, key: &str) -> Option<String> {
        self.lines.get(key).map(|line| format!("configuration {}, line {line}", self.path.display()))
    }

    /// An error that begins with a key of the file is told with the file and the line.
    pub(in crate::cli) fn explain(&self, failure: Failure) -> Failure {
        let text = failure.to_string();
        // The longest key: `policies.clinic.on.name_differs`, and not `policies.clinic.on`.
        let key = self.lines.keys().rev().find(|key| begins_with_key(&text, key));
        match key.and_then(|key| self.of(key)) {
            Some(place) => Failure::new(format_args!("{place}: {text}")),
            None => failure,
        }
    }

    /// An error about the value of a key; where that is the file's, with file and line.
    pub(in crate::cli) fn blame(&self, key: &str, why: impl std::fmt::Display) -> Failure {
        match self.of(key) {
            Some(place) => Failure::new(format_args!("{place}: {key}: {why}")),
            None => Failure::new(why),
        }
    }
}

fn begins_with_key(text: &str, key: &str) -> bool {
    text.strip_prefix(key).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'))
    })
}

fn add(lines: &mut BTreeMap<String, usize>, text: &str, above: &str, table: &DeTable<'_>) {
    for (name, value) in table {
        let key = if above.is_empty() { name.get_ref().to_string() } else { format!("{above}.{}", name.get_ref()) };
        if let DeValue::Table(inner) = value.get_ref() {
            add(lines, text, &key, inner);
        }
        let start = name.span().start.min(text.len());
        lines.insert(key, text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[engine]\nworkers = 2\n\n[policies.clinic]\nfpir = 0.1\non.name_differs = \"deny\"\n\
                        [capture]\nlive = { roll = { min = 1.0 } }\n";

    #[test]
    fn every_key_has_its_line() {
        let origin = Origin::new(Path::new("c.toml"), TEXT);
        for (key, line) in [
            ("engine", 1),
            ("engine.workers", 2),
            ("policies.clinic", 4),
            ("policies.clinic.fpir", 5),
            ("policies.clinic.on.name_differs", 6),
            ("capture.live.roll.min", 8),
        ] {
            assert_eq!(origin.of(key), Some(format!("configuration c.toml, line {line}")), "{key}");
        }
        assert_eq!(origin.of("engine.queue_max"), None);
    }

    #[test]
    fn an_error_names_the_line_of_the_longest_key_it_begins_with() {
        let mut origin = Origin::new(Path::new("c.toml"), TEXT);
        let told = |origin: &Origin, text: &str| origin.explain(Failure::new(text)).to_string();
        assert_eq!(told(&origin, "engine.workers is 0"), "configuration c.toml, line 2: engine.workers is 0");
        assert!(told(&origin, "policies.clinic.on.name_differs is x").contains("line 6"));
        assert!(told(&origin, "capture.live: roll is wrong").contains("line 8"));
        // Another key, a flag, and a value that a flag stands in for.
        assert_eq!(told(&origin, "engines is 0"), "engines is 0");
        assert_eq!(told(&origin, "--workers is 0"), "--workers is 0");
        assert_eq!(origin.blame_file("bad").to_string(), "configuration c.toml: bad");
        let none = Origin::default().blame_file("bad").to_string();
        assert_eq!(none, "no configuration is named (--config): bad");
        origin.forget("engine.workers");
        assert_eq!(origin.blame("engine.workers", "bad").to_string(), "bad");
    }
}
