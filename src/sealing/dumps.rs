//! Core dumps off: a crash leaves no copy of memory on a disk.

#![forbid(unsafe_code)]

use std::io;

/// Forbids core dumps of this process, its own and those that another program would take of it
/// (`PR_SET_DUMPABLE`: no other process of the same user may read its memory either, as debuggers
/// do; root still can). Call it first, before there is a key and before there are threads.
///
/// # Errors
/// What the system says. Nothing has to be undone.
pub fn forbid_core_dumps() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
        // Where the kernel hands dumps to a program, the limit does not count; the second does.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}
