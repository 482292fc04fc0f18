//! Who may call a method, and which records and cases such a call reaches.

use crate::context::{Reach, Role, Roles};

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// Whoever can connect: probes of load balancers have no identity.
    Anyone,
    /// Callers with one of these roles; what each reaches.
    Roles(&'static [(Role, Reach)]),
}

impl Callers {
    /// What a caller with these roles reaches: the widest of what its roles do. `None` where none
    /// of them may call.
    pub fn reach(self, roles: Roles) -> Option<Reach> {
        match self {
            Self::Anyone => Some(Reach::Everything),
            Self::Roles(rows) => {
                let mut own = rows.iter().filter(|(role, _)| roles.contains(*role)).map(|(_, reach)| *reach).peekable();
                own.peek()?;
                Some(if own.any(|reach| reach == Reach::Everything) { Reach::Everything } else { Reach::OwnPlace })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_reaches_what_the_widest_of_its_roles_does_and_without_one_nothing() {
        use Reach::{Everything, OwnPlace};
        let callers = Callers::Roles(&[(Role::Officer, OwnPlace), (Role::Auditor, Everything)]);
        let reach = |roles: &[Role]| callers.reach(roles.iter().copied().collect());
        assert_eq!(reach(&[]), None);
        assert_eq!(reach(&[Role::Counter, Role::Operator]), None);
        assert_eq!(reach(&[Role::Officer, Role::Counter]), Some(OwnPlace));
        assert_eq!(reach(&[Role::Officer, Role::Auditor]), Some(Everything));
        assert_eq!(Callers::Anyone.reach(Roles::NONE), Some(Everything));
    }
}
