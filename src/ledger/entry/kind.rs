//! What an entry is about, with the fields that each kind must have; kinds of principals and digests.
//! Numbers and names are those of `entry.proto` and never change.

use std::fmt;

use super::Entry;

/// Defines an enum from a table of `Variant = number, "name"; doc`.
macro_rules! numbered {
    ($(#[$head:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$head])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant = $number,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in lists and filters.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The one of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }

            pub(super) fn number(self) -> i32 {
                self as i32
            }

            pub(super) fn from_number(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

numbered! {
    /// What an entry is about.
    Kind {
        /// A decision at the counter.
        Decision = 1, "decision";
        /// What an officer answered to a referral.
        OfficerAnswer = 2, "officer_answer";
        /// Two subjects may share a face.
        PairCleared = 3, "pair_cleared";
        /// They may no longer.
        PairUncleared = 4, "pair_uncleared";
        /// A subject was enrolled, or got another template.
        Enrolment = 5, "enrolment";
        /// A subject's templates were replaced.
        Replacement = 6, "replacement";
        /// A subject was removed.
        Removal = 7, "removal";
        /// A record was restricted, or a restriction lifted (the outcome says which).
        Restriction = 8, "restriction";
        /// A search for a face among all.
        Identify = 9, "identify";
        /// A look-up that lists or counts records or cases.
        LookUp = 10, "look_up";
        /// One person's record or case was read.
        RecordRead = 11, "record_read";
        /// A picture was read.
        PictureRead = 12, "picture_read";
        /// Data were written out of the gallery.
        Export = 13, "export";
        /// The whole gallery was handed on.
        Snapshot = 14, "snapshot";
        /// Access control refused a call.
        AccessRefused = 15, "access_refused";
        /// The program was started.
        Start = 16, "start";
        /// A configuration came into force.
        Configuration = 17, "configuration";
        /// Keys were changed.
        KeysChanged = 18, "keys_changed";
        /// Roles were changed.
        RolesChanged = 19, "roles_changed";
        /// A model pack came into force.
        PackChanged = 20, "pack_changed";
        /// A calibration came into force.
        CalibrationChanged = 21, "calibration_changed";
        /// Calls that store nothing, counted.
        Calls = 22, "calls";
        /// Contents of entries were pruned.
        Pruned = 23, "pruned";
        /// A legal hold was put on a record, or released (the outcome says which).
        Hold = 24, "hold";
        /// Everything of a subject was erased, or waits for what stands against it (the outcome says
        /// which).
        Erasure = 25, "erasure";
        /// A request of a person about their record was entered, acknowledged or ended (the outcome says
        /// which).
        SubjectRequest = 26, "subject_request";
        /// Retention took data away: how much, of the kind that is the reason (outcome `done`), or that a
        /// run begins to (`begun`).
        Retention = 27, "retention";
        /// The gallery was restored from a backup (its name is the reason).
        Restored = 28, "restored";
    }
}

numbered! {
    /// The kinds of [`context::Principal`](crate::context::Principal), by the same names.
    PrincipalKind {
        /// Somebody who has not said who they are.
        Anonymous = 1, "anonymous";
        /// A user of the operating system.
        OsUser = 2, "os_user";
        /// A machine.
        Machine = 3, "machine";
        /// A person.
        Person = 4, "person";
        /// The program itself.
        Internal = 5, "internal";
    }
}

numbered! {
    /// What a digest is of.
    DigestOf {
        /// A policy.
        Policy = 1, "policy";
        /// A recipe of templates.
        Recipe = 2, "recipe";
        /// A calibration.
        Calibration = 3, "calibration";
        /// A configuration.
        Configuration = 4, "configuration";
        /// Roles.
        Roles = 5, "roles";
        /// Keys.
        Keys = 6, "keys";
        /// A model pack.
        Pack = 7, "pack";
        /// The program.
        Program = 8, "program";
        /// A backup.
        Backup = 9, "backup";
    }
}

impl Kind {
    /// Whether an entry has what its kind must have, and nothing that only another has.
    pub(super) fn check(self, entry: &Entry) -> Result<(), &'static str> {
        let needs = |is_there: bool, what| if is_there { Ok(()) } else { Err(what) };
        let is_counts = self == Self::Calls;
        needs(is_counts != entry.calls.is_empty(), "has counts where others have none, or none where it must")?;
        needs(is_counts == (entry.since_ms > 0), "says from when on it counts, and no other does")?;
        needs(entry.attempt == 0 || entry.transaction.is_some(), "has an attempt only with a transaction")?;
        match self {
            Self::Decision => {
                needs(entry.transaction.is_some() && entry.attempt > 0, "must have a transaction and an attempt")?;
                needs(entry.subjects.len() == 1, "must have one subject")?;
                needs(entry.outcome.is_some(), "must have an outcome")?;
                needs(entry.digests.iter().any(|digest| digest.of == DigestOf::Policy), "must have its policy's digest")
            }
            Self::OfficerAnswer => {
                needs(entry.transaction.is_some(), "must have a transaction")?;
                needs(entry.outcome.is_some(), "must have an outcome")
            }
            Self::PairCleared | Self::PairUncleared => needs(entry.subjects.len() == 2, "must have two subjects"),
            Self::Enrolment | Self::Replacement | Self::Removal => {
                needs(!entry.subjects.is_empty(), "must have a subject")
            }
            Self::Restriction | Self::Hold | Self::Erasure => {
                needs(!entry.subjects.is_empty() && entry.outcome.is_some(), "must have a subject and an outcome")
            }
            Self::SubjectRequest => needs(entry.outcome.is_some(), "must have an outcome"),
            Self::Identify | Self::LookUp | Self::RecordRead | Self::PictureRead => {
                needs(entry.method.is_some(), "must have a method")
            }
            Self::Export | Self::Snapshot | Self::Pruned | Self::Retention => {
                needs(entry.records.is_some(), "must say how many records")
            }
            Self::Restored => {
                needs(entry.records.is_some(), "must say how many records")?;
                needs(entry.digests.iter().any(|digest| digest.of == DigestOf::Backup), "must have its backup's digest")
            }
            Self::AccessRefused => {
                needs(entry.method.is_some() && !entry.reasons.is_empty(), "must have a method and a reason")
            }
            Self::Start => Ok(()),
            Self::Configuration
            | Self::KeysChanged
            | Self::RolesChanged
            | Self::PackChanged
            | Self::CalibrationChanged => {
                needs(!entry.digests.is_empty() || !entry.replaced.is_empty(), "must have a digest")
            }
            Self::Calls => Ok(()),
        }
    }
}
