//! Master keys and custodians' shares, from whatever file is named as one: what is read is written the
//! same but for a byte order mark and white space around it, and shares restore the key that they bear the
//! id of or none.
#![no_main]

use chinhchu::sealing::{MasterKey, Share, restore};
use libfuzzer_sys::fuzz_target;

/// Lines looked at as shares of one key.
const LINES_MAX: usize = 20;

fn is_as_read(written: &str, bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    written.trim_ascii().as_bytes() == bytes.trim_ascii()
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = MasterKey::parse(bytes) {
        assert!(is_as_read(&key.line(), bytes));
    }
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').take(LINES_MAX);
    let mut shares = Vec::new();
    for line in lines {
        if let Ok(share) = Share::parse(line) {
            assert!(is_as_read(&share.line(), line));
            shares.push(share);
        }
    }
    if let Ok(key) = restore(&shares) {
        assert_eq!(Some(key.id()), shares.first().map(Share::key));
    }
});
