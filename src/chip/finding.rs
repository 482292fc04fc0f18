use super::reason::{Effect, Reason};

/// A finding of a chip check: its reason, the data group it concerns, and a technical detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub reason: Reason,
    /// In which data group.
    pub group: Option<u8>,
    /// A technical detail, never about a person.
    pub detail: Option<String>,
}

impl Finding {
    /// A finding about the card as a whole.
    pub fn of(reason: Reason) -> Self {
        Self { reason, group: None, detail: None }
    }

    /// A finding in a data group; 0 for none.
    pub fn in_group(reason: Reason, group: u8) -> Self {
        Self { reason, group: (group != 0).then_some(group), detail: None }
    }

    /// Sorted by effect on the verdict, the gravest first, without duplicates.
    pub(super) fn in_order(mut findings: Vec<Self>) -> Vec<Self> {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.reason.effect()));
        let mut out: Vec<Self> = Vec::with_capacity(findings.len());
        for finding in findings {
            if !out.contains(&finding) {
                out.push(finding);
            }
        }
        out
    }

    /// The finding with a technical detail.
    pub fn with(mut self, detail: impl ToString) -> Self {
        self.detail = Some(detail.to_string());
        self
    }
}

/// The result of a chip check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Every hash and signature holds, up to an anchor the operator supplied.
    Authentic,
    /// Every hash and signature holds, but nothing vouches for the signer.
    Unanchored,
    /// The signer is not to be trusted, the chip's answer is not the original's, the card is of
    /// another country than its signature, or a validity has ended or not begun.
    Untrusted,
    /// A hash or a signature is wrong.
    Altered,
    /// The files needed could not be read, so nothing is known.
    Unreadable,
}

impl Verdict {
    /// The verdict that follows from findings; the gravest effect decides. From the gravest:
    /// altered, untrusted, unreadable, unanchored, lapsed.
    pub fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.reason.effect()).max().unwrap_or(Effect::Note) {
            Effect::Altered => Self::Altered,
            Effect::Untrusted | Effect::Lapsed => Self::Untrusted,
            Effect::Unreadable => Self::Unreadable,
            Effect::Unanchored => Self::Unanchored,
            Effect::Note => Self::Authentic,
        }
    }

    /// By its code.
    pub fn from_code(code: &str) -> Option<Self> {
        let all = [Self::Authentic, Self::Unanchored, Self::Untrusted, Self::Altered, Self::Unreadable];
        all.into_iter().find(|verdict| verdict.code() == code)
    }

    /// `AUTHENTIC`, `UNANCHORED`, …
    pub fn code(self) -> &'static str {
        match self {
            Self::Authentic => "AUTHENTIC",
            Self::Unanchored => "UNANCHORED",
            Self::Untrusted => "UNTRUSTED",
            Self::Altered => "ALTERED",
            Self::Unreadable => "UNREADABLE",
        }
    }
}

/// Result of the hash comparison of one data group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// Its hash is the signed one.
    Matches,
    /// Its hash is not the signed one.
    Differs,
    /// It is there, but the signed list does not name it.
    NotInSod,
    /// The signed list names it, but it is not there.
    Absent,
}

impl GroupState {
    /// `matches`, `differs`, `not_in_sod`, `absent`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Differs => "differs",
            Self::NotInSod => "not_in_sod",
            Self::Absent => "absent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_twice_in_one_place_stands_once_also_with_something_in_between() {
        let group = |number| Finding::in_group(Reason::GroupUnsigned, number);
        let weak = || Finding::of(Reason::WeakHash).with("the data groups");
        let found = Finding::in_order(vec![weak(), group(11), weak(), Finding::of(Reason::CardExpired), group(12)]);
        assert_eq!(found, [Finding::of(Reason::CardExpired), weak(), group(11), group(12)]);
    }

    #[test]
    fn the_gravest_finding_decides_and_nothing_found_is_authentic() {
        let verdict = |reasons: &[Reason]| Verdict::of(&reasons.iter().map(|&r| Finding::of(r)).collect::<Vec<_>>());
        assert_eq!(verdict(&[]), Verdict::Authentic);
        assert_eq!(verdict(&[Reason::WeakHash]), Verdict::Authentic);
        assert_eq!(verdict(&[Reason::CardExpired]), Verdict::Untrusted);
        assert_eq!(verdict(&[Reason::CardExpired, Reason::NoAnchors]), Verdict::Unanchored);
        assert_eq!(verdict(&[Reason::NoAnchors, Reason::PhotoUnreadable]), Verdict::Unreadable);
        assert_eq!(verdict(&[Reason::SignerRevoked, Reason::PhotoUnreadable]), Verdict::Untrusted);
        assert_eq!(verdict(&[Reason::SignerRevoked, Reason::GroupAltered]), Verdict::Altered);
    }
}
