//! Where the master key lies, and who may change the program that gives it.

use std::path::PathBuf;

use super::{Finding, KEY_COMMAND_OPEN, MASTER_KEY_WITH_DATA, MASTER_KEY_WITH_KEYS, Permissions};

const OTHERS_WRITE: u32 = 0o002;

/// A master key, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKeyPlace {
    /// Its key in the configuration.
    pub name: &'static str,
    /// The file, or the program that gives the key.
    pub path: PathBuf,
    /// The file lies in the gallery's folder.
    pub with_data: bool,
    /// The file lies in the folder of the subjects' keys, or of their copy.
    pub with_keys: bool,
    /// Who may write the program, or a folder above it.
    pub program: Option<Permissions>,
}

pub(super) fn findings(key: &MasterKeyPlace) -> Vec<Finding> {
    let mut all = Vec::new();
    let found = key.path.display().to_string();
    if key.with_data {
        all.push(MASTER_KEY_WITH_DATA.at(key.name, &found));
    } else if key.with_keys {
        all.push(MASTER_KEY_WITH_KEYS.at(key.name, &found));
    }
    if let Some(Permissions { path, mode, .. }) = key.program.as_ref().filter(|one| one.mode & OTHERS_WRITE != 0) {
        all.push(KEY_COMMAND_OPEN.at(path.display().to_string(), format!("mode {mode:04o}")));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_lies_with_what_it_opens_is_told_and_so_is_a_program_that_anybody_can_change() {
        let place = |with_data, with_keys, mode: Option<u32>| MasterKeyPlace {
            name: "sealing.key",
            path: "k".into(),
            with_data,
            with_keys,
            program: mode.map(|mode| Permissions { path: "p".into(), mode, owners: Vec::new() }),
        };
        let codes = |place| findings(&place).iter().map(|finding| finding.rule.code).collect::<Vec<_>>();
        assert_eq!(codes(place(true, true, None)), ["MASTER_KEY_WITH_DATA"]);
        assert_eq!(codes(place(false, true, None)), ["MASTER_KEY_WITH_KEYS"]);
        assert_eq!(codes(place(false, false, Some(0o757))), ["KEY_COMMAND_OPEN"]);
        assert_eq!(codes(place(false, false, Some(0o755))), [""; 0]);
        assert_eq!(codes(place(false, false, None)), [""; 0]);
    }
}
