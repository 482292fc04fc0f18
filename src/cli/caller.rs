//! The caller of a command: the user of the operating system who runs the program.

use crate::context::{Principal, RequestContext};

/// The context of every request that a command makes: its user, its name, and no deadline.
pub(super) fn context(command: &'static str) -> RequestContext {
    RequestContext::new(Principal::of_this_process()).with_method(command)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_command_is_made_by_the_user_who_runs_it() {
        // Linux gives the files of a process in /proc to its user.
        let Ok(own) = std::fs::metadata("/proc/self/status") else { return };
        let context = context("enroll");
        let Principal::OperatingSystemUser { uid, .. } = context.principal() else { panic!("{context:?}") };
        assert_eq!(*uid, own.uid());
        assert_eq!(context.deadline(), None);
    }
}
