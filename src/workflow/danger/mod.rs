//! Set-ups that would let the wrong people through, or people's data out: one table of rules,
//! each with what is dangerous, how to mend it, and whether a server refuses to start with it
//! or warns. Whoever means it all the same insists on a rule by its code.
//!
//! Pure: [`Setup`] is what was read and resolved, [`findings`] says what is wrong with it.

mod anchors;
mod folders;
mod keys;
mod policies;

pub use folders::{Permissions, user};
pub use keys::MasterKeyPlace;

use crate::chip::{Anchors, Moment};
use crate::matching::CurveChoice;
use crate::workflow::beneficiary::Policies;
use crate::workflow::{CaptureRules, Level, NumberIds};

/// Share of a code's letters that must be right for it to be guessed.
const LIKENESS_MIN: f64 = 0.6;

/// What becomes of a server that is set up so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It starts, and its log says so.
    Warn,
    /// It does not start, or goes on as before where it was told to read files anew, unless the
    /// operator insists.
    Refuse,
}

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable, in capitals.
    pub code: &'static str,
    /// What becomes of a server.
    pub effect: Effect,
    /// Why it is dangerous.
    pub why: &'static str,
    /// What to do instead.
    pub mend: &'static str,
}

/// A rule that a set-up breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static Rule,
    /// Key of the configuration or path that it is about; empty where it is about what is not
    /// there.
    pub place: String,
    /// What was found there.
    pub found: String,
}

/// What a server is set up with.
pub struct Setup<'a> {
    /// The country certificates.
    pub anchors: &'a Anchors,
    /// The policies.
    pub policies: &'a Policies,
    /// False match rate where a request names none.
    pub default_fmr: f64,
    /// False positive identification rate where a request names none.
    pub default_fpir: f64,
    /// What is asked of captures in Verify and Identify.
    pub capture: &'a CaptureRules,
    /// Whose error rates are stated.
    pub curve: CurveChoice,
    /// Ids that look like somebody's number.
    pub number_ids: NumberIds,
    /// TLS 1.2 is spoken.
    pub tls_1_2: bool,
    /// Filter of the log, as it was typed.
    pub log: Option<&'a str>,
    /// Who may read the gallery's folder and what is in it.
    pub data: Option<Permissions>,
    /// Who may write what decides: configuration, certificates, model pack.
    pub deciding: Vec<Permissions>,
    /// The master keys, and where they lie.
    pub master_keys: Vec<MasterKeyPlace>,
    /// User id of this process, where it is known.
    pub user: Option<u32>,
    /// The clock.
    pub now: Moment,
}

macro_rules! rules {
    ($($name:ident, $effect:ident, $why:literal, $mend:literal;)*) => {
        $(pub(super) static $name: Rule = Rule {
            code: stringify!($name), effect: Effect::$effect, why: $why, mend: $mend,
        };)*

        /// Every rule there is.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    TEST_ANCHOR, Refuse,
        "anybody can make cards that this authority vouches for: its key is published, or it says of itself that it is for tests",
        "take it out of the folder of certificates";
    WEB_ROOTS, Refuse,
        "certificates that are no country's authority for documents are trusted to vouch for cards, as roots of the web are",
        "install the country certificates alone, in a folder of their own";
    ANCHOR_UNLIKE, Warn,
        "a certificate bears no mark of a country's authority for documents (ICAO 9303-12)",
        "make sure that it is one";
    NO_ANCHOR, Warn,
        "no country certificate is installed: every card is UNANCHORED at best, and no card is known to be genuine",
        "name the certificates with --csca or [chip] csca";
    NO_ANCHOR_OF_VIETNAM, Warn,
        "no certificate of Vietnam is installed: every citizen card is UNANCHORED at best",
        "install Vietnam's";
    REVOCATIONS_UNSIGNED, Warn,
        "a revocation list is signed by no installed authority, so it revokes nothing",
        "install the certificate of its issuer, or take the list out";
    REVOCATIONS_STALE, Warn,
        "the successor of a revocation list was due: signers revoked since pass",
        "fetch the newer list and send SIGHUP";
    UNANCHORED_SUFFICES, Refuse,
        "a card that anybody can make is believed, and nobody enrolled is needed: whoever makes one is approved under any record",
        "leave chip_unanchored at refer, or first_sight";
    UNANCHORED_ACCEPTED, Warn,
        "a card that anybody can make passes for genuine",
        "install the country certificate, then let chip_unanchored refer";
    CHIP_PHOTO_AS_CAPTURE, Refuse,
        "the photo on the card passes for its holder: whoever has the card is approved",
        "let capture_is_chip_photo refer";
    STILL_PICTURES_ACCEPTED, Warn,
        "a picture sent again, or an enrolled photo, passes for somebody who is there",
        "let capture_is_enrolled_photo, frames_repeated and frames_still refer";
    IDENTITY_UNCHECKED, Refuse,
        "nothing ties the card to the record: any genuine card is approved under any record that nobody is enrolled for",
        "require the number, or let first_sight refer";
    NUMBER_UNCHECKED, Warn,
        "the card's number is not compared with the record's",
        "require it";
    RECORD_DIFFERENCES_ACCEPTED, Warn,
        "a card that disagrees with the record, or a record that is not of the scheme, is no reason to look",
        "let it refer";
    FMR_VERY_HIGH, Refuse,
        "at this false match rate one stranger in a hundred or more is approved",
        "name a rate of 1e-3 or lower; 1e-5 is the default";
    FMR_HIGH, Warn,
        "at this false match rate more than one stranger in a thousand is approved",
        "name a rate of 1e-3 or lower; 1e-5 is the default";
    LIVENESS_OFF, Warn,
        "a printed photo or a screen passes for a person",
        "require liveness, with liveness_min of some 0.5";
    CAPTURE_LIVENESS_OFF, Warn,
        "Verify and Identify do not look whether somebody is there: a printed photo or a screen passes for a person",
        "leave liveness under [capture] at advisory or required, with liveness_min of some 0.5";
    FPIR_HIGH, Warn,
        "at this false positive identification rate more than one search in ten names a stranger: whoever has to look at so many looks no more",
        "name a rate of some 0.01";
    DUPLICATES_OFF, Warn,
        "nobody looks for the same face on other records, or at a rate (fpir) at which next to none is found",
        "require duplicates, with an fpir of some 0.01";
    ATTEMPTS_MANY, Warn,
        "every attempt is another chance at the false match rate",
        "allow 3";
    WEAK_CHIP_ACCEPTED, Warn,
        "signatures that can be forged (SHA-1, short RSA keys) pass for genuine",
        "let chip_weak refer";
    CURVE_POOLED, Warn,
        "error rates of all people together are too low for people who are alike in sex and origin",
        "leave engine.curve at worst-group";
    NUMBERS_AS_IDS, Warn,
        "numbers of citizens may become ids, which are stored and answered in the clear",
        "use pseudonyms, and leave ids.numbers at refuse";
    DATA_OPEN, Refuse,
        "every user of this machine can get at the gallery: templates cannot be changed like a password",
        "run `chmod -R go= FOLDER`";
    DATA_OPEN_TO_GROUP, Warn,
        "the group of the gallery's folder can get at it",
        "run `chmod -R go= FOLDER`, unless the group is the service's own";
    RULES_OPEN, Refuse,
        "every user of this machine can change what is approved",
        "run `chmod -R o-w PATH`";
    RULES_OPEN_TO_GROUP, Warn,
        "a group can change what is approved",
        "run `chmod -R g-w PATH`, unless the group is the operators'";
    RULES_OWNED_BY_OTHER, Warn,
        "another user than root and the server's own owns it, and can change what is approved",
        "run `chown -R root PATH`, unless that user is an operator";
    MASTER_KEY_WITH_DATA, Refuse,
        "the master key lies in the gallery's folder: whoever copies the folder has what opens it, and sealing protects nobody",
        "keep it elsewhere: a systemd credential, or a file outside that other backups take";
    MASTER_KEY_WITH_KEYS, Warn,
        "the master key lies in the folder of the subjects' keys: whoever copies the folder has those and what opens them",
        "keep it elsewhere: a systemd credential, or a file of another folder";
    KEY_COMMAND_OPEN, Refuse,
        "every user of this machine can put another program in the place of the one that gives the master key",
        "run `chmod o-w PATH`";
    TLS_1_2, Warn,
        "TLS 1.2 shows who connects, and has a history of attacks that 1.3 has not; only its suites with ECDHE and AEAD are spoken",
        "leave tls.min_version at 1.3 as soon as no Windows 10 or Windows Server 2019 calls";
    LOG_OF_LIBRARIES, Warn,
        "libraries log at a level at which nobody promises that no personal data is in it",
        "name our own alone: --log chinhchu=debug";
}

impl Rule {
    /// The rule of a code.
    pub fn of(code: &str) -> Option<&'static Rule> {
        RULES.iter().copied().find(|rule| rule.code == code)
    }

    /// The rule that a misspelt code most likely means, where one is near enough.
    pub fn like(code: &str) -> Option<&'static Rule> {
        let typed = code.trim().to_ascii_uppercase().replace(['-', ' ', '.'], "_");
        let likeness = |rule: &Rule| strsim::normalized_damerau_levenshtein(&typed, rule.code);
        let nearest = RULES.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
        (likeness(nearest) >= LIKENESS_MIN).then_some(nearest)
    }

    fn at(&'static self, place: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding { rule: self, place: place.into(), found: found.into() }
    }
}

/// Every rule that a set-up breaks: those that refuse first.
pub fn findings(setup: &Setup<'_>) -> Vec<Finding> {
    let mut all = anchors::findings(setup);
    all.extend(setup.policies.iter().flat_map(|(name, policy)| policies::findings(name, policy)));
    all.extend(policies::of_rate("engine.default_fmr", setup.default_fmr));
    all.extend(policies::of_fpir("engine.default_fpir", setup.default_fpir));
    all.extend(of_capture(setup.capture));
    if setup.curve == CurveChoice::Pooled {
        all.push(CURVE_POOLED.at("engine.curve", "pooled"));
    }
    if setup.number_ids == NumberIds::Accept {
        all.push(NUMBERS_AS_IDS.at("ids.numbers", "accept"));
    }
    if setup.tls_1_2 {
        all.push(TLS_1_2.at("tls.min_version", "1.2"));
    }
    all.extend(folders::findings(setup));
    all.extend(of_master_keys(&setup.master_keys));
    all.extend(setup.log.filter(|filter| is_of_everything(filter)).map(|filter| LOG_OF_LIBRARIES.at("--log", filter)));
    all.sort_by_key(|finding| finding.rule.effect != Effect::Refuse);
    all
}

/// The rules about where master keys lie that a set-up breaks.
pub fn of_master_keys(keys: &[MasterKeyPlace]) -> Vec<Finding> {
    keys.iter().flat_map(keys::findings).collect()
}

/// What Verify and Identify do without.
fn of_capture(rules: &CaptureRules) -> Option<Finding> {
    if rules.liveness == Level::Off {
        return Some(CAPTURE_LIVENESS_OFF.at("capture.liveness", "off"));
    }
    let unheard = rules.liveness_min < policies::LIVENESS_HEARD;
    unheard.then(|| CAPTURE_LIVENESS_OFF.at("capture.liveness_min", rules.liveness_min.to_string()))
}

/// Whether a filter of the log has a level of its own, for all there is, beyond what is meant for
/// operators.
fn is_of_everything(filter: &str) -> bool {
    let loud = |word: &str| ["debug", "trace"].iter().any(|level| word.trim().eq_ignore_ascii_case(level));
    filter.split(',').any(loud)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_code_of_its_own_and_says_why_and_what_to_do() {
        let mut codes = std::collections::HashSet::new();
        for rule in RULES {
            assert!(codes.insert(rule.code), "{}", rule.code);
            assert_eq!(Rule::of(rule.code), Some(*rule));
            assert!(rule.why.len() > 20 && rule.mend.len() > 5, "{}", rule.code);
        }
        assert_eq!(Rule::of("NO_SUCH_RULE"), None);
    }

    #[test]
    fn the_documentation_lists_every_rule_as_it_is() {
        let page = include_str!("../../../docs/operating.md");
        for Rule { code, effect, why, mend } in RULES {
            let effect = if *effect == Effect::Refuse { "refuses" } else { "warns" };
            let row = format!("| `{code}` | {effect} | {why} | {mend} |");
            assert!(page.contains(&row), "docs/operating.md lacks the row\n{row}");
        }
    }

    #[test]
    fn captures_that_nobody_looks_at_for_liveness_are_told_with_the_key() {
        let found = |liveness, liveness_min| {
            let rules = CaptureRules { liveness, liveness_min, ..CaptureRules::default() };
            of_capture(&rules).map(|finding| (finding.rule.code, finding.place))
        };
        let told = |key: &str| Some(("CAPTURE_LIVENESS_OFF", key.to_owned()));
        assert_eq!(found(Level::Off, 0.5), told("capture.liveness"));
        assert_eq!(found(Level::Required, 0.01), told("capture.liveness_min"));
        assert_eq!(found(Level::Advisory, 0.5), None);
        assert_eq!(of_capture(&CaptureRules::default()), None);
    }

    #[test]
    fn a_misspelt_code_is_guessed_and_rubbish_is_not() {
        for (typed, meant) in [
            ("web_roots", "WEB_ROOTS"),
            ("Web-Roots", "WEB_ROOTS"),
            (" WEBROOTS", "WEB_ROOTS"),
            ("TEST_ANCHORS", "TEST_ANCHOR"),
            ("data_opne", "DATA_OPEN"),
            ("liveness off", "LIVENESS_OFF"),
        ] {
            assert_eq!(Rule::like(typed).map(|rule| rule.code), Some(meant), "{typed}");
        }
        for typed in ["", "x", "all", "everything", "--"] {
            assert_eq!(Rule::like(typed), None, "{typed}");
        }
    }

    #[test]
    fn only_a_level_for_all_libraries_is_told() {
        for filter in ["debug", "info,TRACE", "chinhchu=info,debug"] {
            assert!(is_of_everything(filter), "{filter}");
        }
        for filter in ["info", "chinhchu=trace", "warn,h2=debug", "off"] {
            assert!(!is_of_everything(filter), "{filter}");
        }
    }
}
