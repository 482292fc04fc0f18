//! The caller of a command: the user of the operating system who runs the program.

use nix::unistd::{Uid, User};

use crate::context::{Principal, RequestContext};

/// The context of every request that a command makes: its user, and no deadline.
///
/// The user is the real one of the process, by the system's user database; environment
/// variables, which anybody may set, are not asked.
pub(super) fn context() -> RequestContext {
    let uid = Uid::current();
    // A user without an entry, as in a container, is known by the number alone.
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name.into());
    RequestContext::new(Principal::OperatingSystemUser { uid: uid.as_raw(), name })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_command_is_made_by_the_user_who_runs_it() {
        // Linux gives the files of a process in /proc to its user.
        let Ok(own) = std::fs::metadata("/proc/self/status") else { return };
        let context = context();
        let Principal::OperatingSystemUser { uid, .. } = context.principal() else { panic!("{context:?}") };
        assert_eq!(*uid, own.uid());
        assert_eq!(context.deadline(), None);
    }
}
