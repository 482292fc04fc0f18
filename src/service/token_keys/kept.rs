//! The issuer's last keys on disk, so that a server that starts while the issuer is away can
//! check tokens.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::access::token::KEY_SET_BYTES_MAX;
use crate::private::{self, Readers};
use crate::regular;

/// The file in the gallery's folder.
const NAME: &str = "issuer-keys.json";
/// Largest file that is read, in bytes: a key set, its quotes escaped, and a few words.
const BYTES_MAX: u64 = 2 * KEY_SET_BYTES_MAX as u64 + 4096;
/// How far in the future its time may lie, for clocks that are set.
const AHEAD_MAX: Duration = Duration::from_secs(300);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    issuer: String,
    read_at_s: u64,
    /// The key set as the issuer sent it.
    keys: String,
}

/// Keeps a key set, readable by the owner alone and written atomically.
pub(super) fn keep(folder: &Path, issuer: &str, json: &[u8], read_at: SystemTime) -> io::Result<()> {
    let keys = String::from_utf8(json.to_vec()).map_err(io::Error::other)?;
    let file = File {
        issuer: issuer.to_owned(),
        read_at_s: read_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        keys,
    };
    private::write(&folder.join(NAME), Readers::Owner, &serde_json::to_vec(&file)?)
}

/// The key set of this issuer that was kept, and when it was read.
pub(super) fn find(folder: &Path, issuer: &str, now: SystemTime) -> Option<(Vec<u8>, SystemTime)> {
    let bytes = regular::read(&folder.join(NAME), BYTES_MAX).ok()?;
    let file: File = serde_json::from_slice(&bytes).ok()?;
    let read_at = UNIX_EPOCH.checked_add(Duration::from_secs(file.read_at_s))?;
    let is_ours = file.issuer == issuer && read_at <= now + AHEAD_MAX;
    is_ours.then(|| (file.keys.into_bytes(), read_at))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_kept_is_found_again_for_the_same_issuer_alone() {
        let folder = tempfile::tempdir().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(find(folder.path(), "https://a.vn", now), None);
        keep(folder.path(), "https://a.vn", br#"{"keys": [ ]}"#, now).unwrap();
        assert_eq!(find(folder.path(), "https://a.vn", now), Some((br#"{"keys": [ ]}"#.to_vec(), now)));
        assert_eq!(find(folder.path(), "https://b.vn", now), None);
        assert_eq!(find(folder.path(), "https://a.vn", now - Duration::from_secs(3600)), None, "from the future");
        let path = folder.path().join(NAME);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for damaged in [&b"{"[..], br#"{"issuer":"https://a.vn"}"#, &[0; BYTES_MAX as usize + 1]] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(find(folder.path(), "https://a.vn", now), None);
        }
        assert!(keep(folder.path(), "https://a.vn", b"\xff", now).is_err(), "no text");
    }
}
