//! The configuration file, as written. [`super::settings`] checks and merges it.

mod example;
mod origin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub(super) use example::EXAMPLE;
pub(super) use origin::Origin;

use super::Failure;
use crate::access::AccessSettings;
use crate::chip::Unreadable;
use crate::desk::DeskSection;
use crate::face::quality::Range;
use crate::matching::CurveChoice;
use crate::sealing::KeySource;
use crate::service::tls::{ClientCertificates, MinVersion};
use crate::workflow::beneficiary::PolicyFile;
use crate::workflow::{LegalBasisRule, Level, NumberIds};
use crate::{regular, typed};

/// Largest configuration file read, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// What the reader says of a value that should be one of a few words and is a number or a list.
const NO_WORD: &str = "wanted string or table";

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub engine: EngineSection,
    pub images: ImagesSection,
    pub server: ServerSection,
    pub tls: Option<TlsSection>,
    pub gallery: GallerySection,
    pub capture: CaptureSection,
    pub chip: ChipSection,
    pub ids: IdsSection,
    pub access: Option<AccessSettings>,
    pub cases: CasesSection,
    pub rights: RightsSection,
    pub retention: RetentionSection,
    pub ledger: Option<LedgerSection>,
    pub sealing: Option<SealingSection>,
    pub backup: BackupSection,
    pub desk: DeskSection,
    pub danger: DangerSection,
    pub policies: BTreeMap<String, PolicyFile>,
}

// Whole numbers are read with their sign: so one below 0 is told the bounds of its key, as one above them is.

/// `[engine]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EngineSection {
    pub pack: Option<PathBuf>,
    pub second_pack: Option<PathBuf>,
    pub onnxruntime: Option<PathBuf>,
    pub workers: Option<i64>,
    pub queue_max: Option<i64>,
    pub curve: Option<CurveChoice>,
    pub default_fmr: Option<f64>,
    pub default_fpir: Option<f64>,
}

/// `[images]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ImagesSection {
    pub encoded_bytes_max: Option<i64>,
    pub pixels_max: Option<i64>,
    pub decode_bytes_max: Option<i64>,
}

/// `[server]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ServerSection {
    pub listen: Option<String>,
    pub requests_in_flight_max: Option<i64>,
    pub turn_wait_seconds_max: Option<f64>,
    pub message_bytes_max: Option<i64>,
    pub deadline_seconds_max: Option<i64>,
    pub drain_seconds: Option<i64>,
}

/// `[tls]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsSection {
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub client_ca: Option<PathBuf>,
    pub client_crl: Vec<PathBuf>,
    pub client_certificates: Option<ClientCertificates>,
    pub min_version: Option<MinVersion>,
}

/// `[capture]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CaptureSection {
    pub quality: Option<Level>,
    pub liveness: Option<Level>,
    pub liveness_min: Option<f32>,
    pub live: BTreeMap<String, Range>,
    pub chip: BTreeMap<String, Range>,
}

/// `[gallery]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GallerySection {
    pub data: Option<PathBuf>,
    pub id: Option<String>,
    pub templates_max: Option<i64>,
    pub memory_bytes_max: Option<i64>,
    pub graph: Option<bool>,
    pub legal_basis: Option<LegalBasisRule>,
}

/// `[chip]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChipSection {
    pub csca: Option<PathBuf>,
    pub csca_unreadable: Option<Unreadable>,
}

/// `[danger]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DangerSection {
    pub insist: Vec<String>,
}

/// `[cases]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CasesSection {
    pub history_days: Option<i64>,
    pub capture_days: Option<i64>,
    pub capture_key: Option<PathBuf>,
    pub picture_days: Option<i64>,
    pub answer_hours: Option<i64>,
    pub challenge_minutes: Option<i64>,
    pub clear_officers: Option<i64>,
    pub clear_days: Option<i64>,
}

/// `[rights]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RightsSection {
    pub acknowledge_days: Option<i64>,
    pub complete_days: Option<i64>,
    pub erase_days: Option<i64>,
}

/// `[retention]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RetentionSection {
    pub decision_days: Option<i64>,
    pub request_days: Option<i64>,
    pub standing_days: Option<i64>,
}

/// `[ledger]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LedgerSection {
    pub origin: String,
    #[serde(default = "LedgerSection::signing_key")]
    pub signing_key: PathBuf,
    pub replaces: Option<PathBuf>,
    #[serde(default = "LedgerSection::digest_key")]
    pub digest_key: PathBuf,
    pub retention_days: Option<i64>,
}

impl LedgerSection {
    fn signing_key() -> PathBuf {
        "ledger-signing.key".into()
    }

    fn digest_key() -> PathBuf {
        "ledger-digest.key".into()
    }
}

/// `[sealing]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealingSection {
    pub key: KeySource,
    pub previous_key: Option<KeySource>,
    pub key_store: PathBuf,
    pub key_store_copy: Option<PathBuf>,
    pub seal: Option<SealClear>,
}

/// What a server does with a gallery that lies in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SealClear {
    /// Seals it beside its work.
    WhileServing,
}

impl SealingSection {
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let of_keys = [Some(&mut self.key), self.previous_key.as_mut()].into_iter().flatten();
        of_keys.filter_map(path_of_key).chain([&mut self.key_store]).chain(&mut self.key_store_copy)
    }
}

/// `[backup]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BackupSection {
    pub to: Option<PathBuf>,
    pub key: Option<KeySource>,
    pub previous_key: Option<KeySource>,
    pub keep: Option<i64>,
    pub keep_days: Option<i64>,
    pub rate_mb: Option<i64>,
}

impl BackupSection {
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let of_keys = [self.key.as_mut(), self.previous_key.as_mut()].into_iter().flatten();
        of_keys.filter_map(path_of_key).chain(&mut self.to)
    }
}

/// The file of a key that lies in one.
fn path_of_key(source: &mut KeySource) -> Option<&mut PathBuf> {
    match source {
        KeySource::File(path) => Some(path),
        KeySource::Credential(_) | KeySource::Command(_) => None,
    }
}

/// `[ids]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct IdsSection {
    pub numbers: Option<NumberIds>,
}

impl ConfigFile {
    /// Reads `path`, and which line each of its keys stands in. Relative paths in it are
    /// taken from the file's own folder.
    pub(super) fn read(path: &Path) -> Result<(Self, Origin), Failure> {
        let shown = path.display();
        let unreadable = |why: &dyn std::fmt::Display| {
            Failure::new(format_args!(
                "cannot read the configuration {shown}: {why}; correct --config or CHINHCHU_CONFIG"
            ))
        };
        let bytes = regular::read(path, BYTES_MAX).map_err(|e| unreadable(&e))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is not UTF-8 text"))?;
        let mut file = Self::parse(&text)
            .map_err(|(line, what)| Failure::new(format_args!("configuration {shown}, line {line}: {what}")))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let paths = [
            &mut file.engine.pack,
            &mut file.engine.second_pack,
            &mut file.engine.onnxruntime,
            &mut file.gallery.data,
            &mut file.chip.csca,
            &mut file.cases.capture_key,
        ];
        let of_tls = file.tls.iter_mut().flat_map(|tls| {
            let named = [&mut tls.certificate, &mut tls.key, &mut tls.client_ca];
            named.into_iter().flatten().chain(&mut tls.client_crl)
        });
        let tokens = file.access.as_mut().and_then(|access| access.tokens.as_mut());
        let of_tokens = tokens.into_iter().flat_map(|tokens| [&mut tokens.keys, &mut tokens.ca]).flatten();
        let of_ledger = file.ledger.iter_mut().flat_map(|ledger| {
            [&mut ledger.signing_key, &mut ledger.digest_key].into_iter().chain(&mut ledger.replaces)
        });
        let of_sealing = file.sealing.iter_mut().flat_map(SealingSection::paths);
        let of_backup = file.backup.paths();
        let of_desk = file.desk.paths();
        let more = of_tls.chain(of_tokens).chain(of_ledger).chain(of_sealing).chain(of_backup).chain(of_desk);
        for value in paths.into_iter().flatten().chain(more) {
            *value = folder.join(&value);
        }
        Ok((file, Origin::new(path, &text)))
    }

    /// The line number, from 1, and what is wrong there, where it cannot be used.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].iter().filter(|&&b| b == b'\n').count() + 1;
            (line, choices(text, &error).unwrap_or_else(|| typed::plain(error.message())))
        })
    }
}

/// What may stand in the place of a value that is neither text nor a table, where the key
/// takes one of a few words: the reader names them only to those who wrote some word.
fn choices(text: &str, error: &toml::de::Error) -> Option<String> {
    if error.message() != NO_WORD {
        return None;
    }
    let span = error.span()?;
    let quoted = toml::Value::String(text.get(span.clone())?.to_owned()).to_string();
    let asked = format!("{}{quoted}{}", text.get(..span.start)?, text.get(span.end..)?);
    let named = toml::from_str::<ConfigFile>(&asked).err()?;
    (named.span()?.start == span.start).then(|| named.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_parses() {
        let file = ConfigFile::parse(EXAMPLE).expect("the example");
        assert_eq!(file.server.listen.as_deref(), Some("127.0.0.1:50051"));
        assert_eq!(file.engine.default_fmr, Some(1e-5));
        assert_eq!(file.engine.curve, Some(CurveChoice::default()));
    }

    #[test]
    fn what_the_example_shows_of_tls_parses_once_it_is_no_comment() {
        let lines = EXAMPLE.lines().skip_while(|line| *line != "# [tls]" && !line.starts_with("# [tls] "));
        let lines = lines.take_while(|line| !line.is_empty()).map(|line| line.trim_start_matches("# "));
        let tls = ConfigFile::parse(&lines.collect::<Vec<_>>().join("\n")).expect("the example").tls.expect("[tls]");
        // Every key is there, the optional ones with their defaults.
        assert!(tls.certificate.is_some() && tls.key.is_some() && tls.client_ca.is_some());
        assert_eq!(tls.client_crl.len(), 1);
        assert_eq!(tls.client_certificates, Some(ClientCertificates::default()));
        assert_eq!(tls.min_version, Some(MinVersion::default()));
    }

    #[test]
    fn what_the_example_shows_of_backups_parses_once_it_is_no_comment() {
        let lines = EXAMPLE.lines().skip_while(|line| !line.starts_with("# [backup]"));
        let lines = lines.take_while(|line| !line.is_empty()).map(|line| line.trim_start_matches("# "));
        let mut backup = ConfigFile::parse(&lines.collect::<Vec<_>>().join("\n")).expect("the example").backup;
        assert_eq!(backup.paths().count(), 3, "every file can be named");
        let BackupSection { to, key, previous_key, keep, keep_days, rate_mb } = backup;
        assert!(to.is_some() && key.is_some() && previous_key.is_some(), "every key is there");
        assert!(keep.is_some() && keep_days.is_some() && rate_mb.is_some(), "every key is there");
    }

    #[test]
    fn what_the_example_shows_of_retention_parses_once_it_is_no_comment() {
        let lines = EXAMPLE.lines().skip_while(|line| !line.starts_with("# [retention]"));
        let lines = lines.take_while(|line| !line.is_empty()).map(|line| line.trim_start_matches("# "));
        let RetentionSection { decision_days, request_days, standing_days } =
            ConfigFile::parse(&lines.collect::<Vec<_>>().join("\n")).expect("the example").retention;
        assert!(decision_days.is_some() && request_days.is_some() && standing_days.is_some(), "every key is there");
    }

    #[test]
    fn what_the_example_shows_of_sealing_parses_once_it_is_no_comment() {
        let lines = EXAMPLE.lines().skip_while(|line| !line.starts_with("# [sealing]"));
        let lines = lines.take_while(|line| !line.is_empty()).map(|line| line.trim_start_matches("# "));
        let sealing = ConfigFile::parse(&lines.collect::<Vec<_>>().join("\n")).expect("the example").sealing;
        let mut sealing = sealing.expect("[sealing]");
        assert_eq!(sealing.key, KeySource::Credential("chinhchu-master".to_owned()));
        assert_eq!(sealing.paths().count(), 3, "every file can be named");
        assert_eq!(sealing.seal, Some(SealClear::WhileServing));
    }

    #[test]
    fn what_the_example_shows_of_the_pages_parses_once_it_is_no_comment() {
        let lines = EXAMPLE.lines().skip_while(|line| !line.starts_with("# [desk]"));
        let lines = lines.take_while(|line| !line.is_empty()).map(|line| line.trim_start_matches("# "));
        let mut desk = ConfigFile::parse(&lines.collect::<Vec<_>>().join("\n")).expect("the example").desk;
        assert_eq!(desk.paths().count(), 2, "every file can be named");
        assert_eq!(desk.policies.named().count(), 6, "every case is there");
        let settings = desk.check().expect("values that can be").expect("pages");
        assert!(settings.sign_in.is_some() && settings.agent.is_some() && !settings.systems.is_empty());
        let defaults = DeskSection::default().check().unwrap().unwrap();
        assert_eq!(settings.sessions, defaults.sessions, "it shows the defaults");
    }

    #[test]
    fn a_master_key_has_one_source_of_the_three_and_none_is_a_variable() {
        for (key, part) in [
            ("{ env = \"KEY\" }", "one source"),
            ("{ file = \"a\", credential = \"b\" }", "one source"),
            ("{}", "one source"),
            ("{ command = \"sh -c x\" }", "expected"),
            ("3", "command"),
            ("\"chinhchu-master-key-v1:AAAA\"", "never written into the configuration"),
        ] {
            let text = format!("[sealing]\nkey = {key}\nkey_store = \"k\"\n");
            let (line, what) = ConfigFile::parse(&text).expect_err(key);
            assert_eq!(line, 2, "{key}: {what}");
            assert!(what.contains(part) && !what.contains("AAAA"), "{key}: {what}");
        }
        let (_, what) = ConfigFile::parse("[sealing]\nkey_store = \"k\"\n").expect_err("no key");
        assert!(what.contains("key"), "{what}");
        let (_, what) = ConfigFile::parse("[sealing]\nkey = { credential = \"m\" }\n").expect_err("no store");
        assert!(what.contains("key_store"), "{what}");
        let more = "[sealing]\nkey = { credential = \"m\" }\nkey_store = \"k\"\nkey_stor_copy = \"c\"\n";
        let (line, what) = ConfigFile::parse(more).expect_err("a typo");
        assert!(line == 4 && what.contains("key_stor_copy"), "{line} {what}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let (line, what) = ConfigFile::parse("[engine]\nqueue_max = 3\nwrokers = 2\n").expect_err("a typo");
        assert_eq!(line, 3);
        assert!(what.contains("wrokers") && what.contains("workers"), "{what}");
        let (line, what) = ConfigFile::parse("\n[sever]\n").expect_err("a typo");
        assert!(line == 2 && what.contains("sever"), "{line} {what}");
        let (line, what) = ConfigFile::parse("[policies.p]\nfpir = 0.1\nwithot = []\n").expect_err("a typo");
        assert!(line == 3 && what.contains("withot"), "{line} {what}");
        let (line, what) = ConfigFile::parse("[policies.p.on]\nname_difers = \"deny\"\n").expect_err("a typo");
        assert!(line >= 1 && what.contains("name_difers") && what.contains("name_differs"), "{line} {what}");
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_line() {
        let (line, _) = ConfigFile::parse("[server]\nlisten = 50051\n").expect_err("a number is no address");
        assert_eq!(line, 2);
    }

    #[test]
    fn a_wrong_type_is_told_in_words_and_not_in_the_programs_types() {
        for (text, expected) in [
            ("[engine]\nqueue_max = \"many\"", "expected a whole number"),
            ("[policies.p]\nattempts_max = -1", "a whole number, 0 or more"),
            ("[engine]\nqueue_max = 99999999999999999999", "is too large"),
            ("[engine]\nworkers = 1.5", "expected a whole number"),
            ("[images]\npixels_max = true", "expected a whole number"),
            ("[engine]\ndefault_fmr = \"1e-5\"", "expected a number"),
            ("[capture]\nliveness_min = \"x\"", "expected a number"),
            ("[policies.p]\nattempts_max = \"3\"", "expected a whole number"),
            ("[policies.p]\nfpir = []", "expected a number"),
            ("[gallery]\ngraph = 1", "expected true or false"),
            ("[gallery]\ndata = 1", "expected text"),
        ] {
            let (_, what) = ConfigFile::parse(text).expect_err(text);
            assert!(what.contains(expected), "{text}: {what}");
            for no in ["usize", "u64", "u32", "f64", "f32", "i64", "128", "boolean", "sequence", "string"] {
                assert!(!what.contains(no), "{text}: {what}");
            }
        }
    }

    #[test]
    fn whoever_writes_no_word_where_one_of_a_few_stands_is_told_them() {
        for (text, line, words) in [
            ("[engine]\ncurve = 3\n", 2, ["`3`", "`worst-group`", "`pooled`"]),
            ("[engine]\nqueue_max = 64\ncurve = [\"pooled\"] # a list\n", 3, ["pooled", "`worst-group`", "`pooled`"]),
            ("[engine]\ncurve = true\n[server]\nlisten = 1", 2, ["`true`", "`worst-group`", "`pooled`"]),
            ("[capture]\nquality = 0.5\n", 2, ["`off`", "`advisory`", "`required`"]),
            ("[ids]\nnumbers = 3\n", 2, ["`3`", "`refuse`", "`accept`"]),
            ("[gallery]\nlegal_basis = 3\n", 2, ["`3`", "`optional`", "`required`"]),
            ("[policies.p]\nfirst_sight = 3\n", 2, ["`refer`", "`accept`", "`enrol`"]),
            ("[policies.p]\nwithout = [3]\n", 2, ["`chip`", "`liveness`", "`duplicates`"]),
            ("[policies.p.on]\nquality_poor = 3\n", 2, ["`accept`", "`refer`", "`deny`"]),
        ] {
            let (at, what) = ConfigFile::parse(text).expect_err(text);
            assert_eq!(at, line, "{what}");
            assert!(words.iter().all(|word| what.contains(word)), "{what}");
        }
    }

    #[test]
    fn paths_are_taken_from_the_files_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chinhchu.toml");
        std::fs::write(&path, "[gallery]\ndata = \"people\"\n[engine]\npack = \"/opt/pack\"\n").unwrap();
        let (file, _) = ConfigFile::read(&path).unwrap();
        assert_eq!(file.gallery.data, Some(folder.path().join("people")));
        assert_eq!(file.engine.pack, Some(PathBuf::from("/opt/pack")));
    }
}
