//! The files of the pages, built into the program. `build.rs` lists what lies under `src/desk/pages`.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::hex;

/// Paths below `src/desk/pages`, and what stands there.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/desk_pages.rs"));

/// A file of the pages.
#[derive(Debug)]
pub struct Asset {
    /// Its content.
    pub bytes: &'static [u8],
    /// Its media type.
    pub kind: &'static str,
    /// What tells it from another version of itself, in quotation marks, as `etag` says it.
    pub etag: String,
}

/// A page: `desk`, `officer`.
pub fn page(name: &str) -> Option<&'static Asset> {
    find(&format!("{name}.html"))
}

/// A file that pages load. A name that is not in the list is not there, whatever it leads to elsewhere.
pub fn asset(name: &str) -> Option<&'static Asset> {
    find(&format!("assets/{name}"))
}

fn find(path: &str) -> Option<&'static Asset> {
    static ASSETS: LazyLock<Vec<(&str, Asset)>> = LazyLock::new(|| {
        let of = |&(path, bytes): &(&'static str, &'static [u8])| {
            let etag = format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..16]));
            Some((path, Asset { bytes, kind: kind(path)?, etag }))
        };
        FILES.iter().filter_map(of).collect()
    });
    ASSETS.iter().find(|(name, _)| *name == path).map(|(_, asset)| asset)
}

/// The media type of a file by its name; `None` for one that no page loads.
fn kind(path: &str) -> Option<&'static str> {
    match path.rsplit('.').next()? {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "woff2" => Some("font/woff2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most bytes of all files together: what a desk loads over a slow line before its first case.
    const BYTES_MAX: usize = 300_000;

    #[test]
    fn every_file_is_served_and_all_of_them_are_light() {
        for (path, bytes) in FILES {
            let found = find(path).unwrap_or_else(|| panic!("{path} has a kind that is not served"));
            assert_eq!(found.bytes, *bytes);
        }
        let bytes: usize = FILES.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < BYTES_MAX, "{bytes} bytes");
    }

    #[test]
    fn a_path_that_is_not_in_the_list_leads_nowhere() {
        for name in ["", ".", "..", "../desk.html", "../../mod.rs", "/etc/passwd", "desk.html", "base.css/"] {
            assert!(asset(name).is_none(), "{name}");
        }
        assert!(page("../pages/desk").is_none() && page("assets/base").is_none());
    }
}
