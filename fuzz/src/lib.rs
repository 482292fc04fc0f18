//! What the fuzz targets share.
//!
//! Image decoders are other people's code, and the engine contains their panics:
//! to a caller, a picture that upsets a decoder is a damaged picture. libFuzzer's
//! own panic hook would end the run at every such panic. Here only a panic that
//! gets out of the engine does.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;

/// What the last panic said and where, contained or not.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Replaces libFuzzer's panic hook. Call it once, in `init` of a target.
pub fn install_hook() {
    panic::set_hook(Box::new(|panic| {
        if let Ok(mut last) = LAST.lock() {
            *last = panic.to_string();
        }
    }));
}

/// Runs a target's body. A panic that gets out of it is told and passed on, and
/// libFuzzer makes a crash of it.
pub fn must_not_panic(body: impl FnOnce()) {
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(body)) {
        if let Ok(last) = LAST.lock() {
            eprintln!("{last}");
        }
        panic::resume_unwind(panic);
    }
}
