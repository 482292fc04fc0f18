//! The configuration file, as written. [`super::settings`] checks and merges it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Failure;
use crate::chip::Unreadable;
use crate::face::quality::Range;
use crate::matching::CurveChoice;
use crate::workflow::beneficiary::PolicyFile;
use crate::workflow::{Level, NumberIds};

/// Largest configuration file read, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// What the reader says of a value that should be one of a few words and is a number or a list.
const NO_WORD: &str = "wanted string or table";

/// A configuration file with every key and its default; shown in the help of
/// `serve` and parsed in a test.
pub(super) const EXAMPLE: &str = r#"[engine]
pack = "models/default"        # folder of the model pack
# onnxruntime = "libonnxruntime.so.1.31.1"
# workers = 2                  # default: one per core
queue_max = 64                 # photos that may wait for a worker
curve = "worst-group"          # whose error rates are stated: worst-group, or pooled
default_fmr = 1e-5             # where a 1:1 request names no false match rate
default_fpir = 0.01            # where a 1:N request names no rate

[images]
encoded_bytes_max = 16777216   # largest photo, in bytes
pixels_max = 50000000          # largest photo, in pixels
decode_bytes_max = 536870912   # largest memory one photo may take to decode

[server]
listen = "127.0.0.1:50051"
requests_in_flight_max = 64    # beyond it: RESOURCE_EXHAUSTED with a retry hint
turn_wait_seconds_max = 2.0    # likewise for who would wait longer for a turn, or miss the deadline
message_bytes_max = 67108864   # a reference and five captures of 8 MiB fit
deadline_seconds_max = 30      # longest a request may take
drain_seconds = 20             # how long SIGTERM waits for requests in flight

[gallery]
data = "people"                # folder of the gallery
# id = "0123456789abcdef0123456789abcdef"  # the gallery that must be there: `chinhchu gallery show`
# templates_max = 20000000
# memory_bytes_max = 8589934592  # for the index; default: half of the machine's memory
graph = false                  # serve: keep a graph for approximate look-ups, in the same memory

[capture]                      # Verify and Identify; decisions have policies of their own
quality = "advisory"           # off, advisory (measured and told), required (or refused)
liveness = "advisory"          # likewise, for probes, and for several frames being one picture
liveness_min = 0.5             # 0 to 1

[capture.live]                 # accept ranges of a picture taken now; what is not named keeps its default
eye_distance = { min = 32.0 }  # px; `chinhchu models` lists every measure
capture = { min = 35.0 }       # 0 to 100
utility = { min = 45.0 }       # 0 to 100

[capture.chip]                 # and of a card's photo
eye_distance = { min = 16.0 }

[chip]
# csca = "csca"                # country certificates: a file, a master list, a folder
csca_unreadable = "skip"       # one of them that cannot be read: skip it and say so, or stop

[ids]
numbers = "refuse"             # new ids of subjects and officers that look like a citizen's, insurance
                               # or identity number; accept where your pseudonyms look so

[policies.default]             # decisions on beneficiaries; more under names of your own
without = []                   # evidence it does without: chip, number, name, birth_date, sex,
                               # scheme, quality, liveness, chip_face, reference_face, duplicates
first_sight = "refer"          # nobody enrolled yet: refer; accept: the chip alone; enrol: and enrol
attempts_max = 3               # of one transaction
chip_fmr = 1e-5                # captures against the chip's photo
chip_refer_fmr = 1e-3          # up to here it refers, beyond it denies
chip_photo_years_max = 10      # an older photo, or one of unknown age, widens that band
chip_refer_fmr_old = 1e-2      # up to here; the rate to approve at stays
reference_fmr = 1e-5           # captures against the enrolled reference
reference_refer_fmr = 1e-3
fpir = 0.01                    # share of searches for duplicates that chance alone may refer
liveness_min = 0.5             # 0 to 1, mean of the different captures
quality_min = 30.0             # 0 to 100, best of the captures

[policies.default.on]          # accept, refer or deny; only some may be accepted
chip_unanchored = "refer"      # accept it only until you have the country's certificate
chip_weak = "refer"            # SHA-1, short RSA keys
chip_not_proven = "accept"     # no Active Authentication; every decision says so
chip_lapsed = "refer"          # expired
chip_unreadable = "refer"
chip_untrusted = "deny"        # revoked, broken chain
number_differs = "deny"        # the card against the record
name_differs = "refer"
birth_date_differs = "refer"
number_unreadable = "refer"    # written so that nothing can be told of the person
name_unreadable = "refer"
birth_date_unreadable = "refer"
sex_differs = "refer"
scheme_not_in_record = "refer" # enrolled, but not for the scheme asked for
chip_face_differs = "deny"
reference_face_differs = "refer"
record_disagrees = "refer"     # the enrolled photos are not of one person
duplicate_face = "refer"       # the same face on another record
capture_is_chip_photo = "refer" # not a picture taken now; may be accepted, as the next three
capture_is_enrolled_photo = "refer"
frames_repeated = "refer"      # one picture sent as several: it counts once
frames_still = "refer"         # nothing moves between captures: they count as one
liveness_low = "refer"
quality_poor = "refer"
"#;

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub engine: EngineSection,
    pub images: ImagesSection,
    pub server: ServerSection,
    pub gallery: GallerySection,
    pub capture: CaptureSection,
    pub chip: ChipSection,
    pub ids: IdsSection,
    pub policies: BTreeMap<String, PolicyFile>,
}

/// `[engine]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EngineSection {
    pub pack: Option<PathBuf>,
    pub onnxruntime: Option<PathBuf>,
    pub workers: Option<usize>,
    pub queue_max: Option<usize>,
    pub curve: Option<CurveChoice>,
    pub default_fmr: Option<f64>,
    pub default_fpir: Option<f64>,
}

/// `[images]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ImagesSection {
    pub encoded_bytes_max: Option<usize>,
    pub pixels_max: Option<u64>,
    pub decode_bytes_max: Option<u64>,
}

/// `[server]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ServerSection {
    pub listen: Option<String>,
    pub requests_in_flight_max: Option<usize>,
    pub turn_wait_seconds_max: Option<f64>,
    pub message_bytes_max: Option<usize>,
    pub deadline_seconds_max: Option<u64>,
    pub drain_seconds: Option<u64>,
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
    pub templates_max: Option<u64>,
    pub memory_bytes_max: Option<u64>,
    pub graph: Option<bool>,
}

/// `[chip]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChipSection {
    pub csca: Option<PathBuf>,
    pub csca_unreadable: Option<Unreadable>,
}

/// `[ids]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct IdsSection {
    pub numbers: Option<NumberIds>,
}

impl ConfigFile {
    /// Reads `path`. Relative paths in it are taken from the file's own folder.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let unreadable = |why: &dyn std::fmt::Display| {
            Failure::new(format_args!(
                "cannot read the configuration {shown}: {why}; correct --config or CHINHCHU_CONFIG"
            ))
        };
        let size = std::fs::metadata(path).map_err(|e| unreadable(&e))?.len();
        if size > BYTES_MAX {
            return Err(unreadable(&"it is larger than 1 MiB"));
        }
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(&e))?;
        let mut file = Self::parse(&text)
            .map_err(|(line, what)| Failure::new(format_args!("configuration {shown}, line {line}: {what}")))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let paths = [&mut file.engine.pack, &mut file.engine.onnxruntime, &mut file.gallery.data, &mut file.chip.csca];
        for value in paths.into_iter().flatten() {
            *value = folder.join(&value);
        }
        Ok(file)
    }

    /// The line number, from 1, and what is wrong there, where it cannot be used.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].iter().filter(|&&b| b == b'\n').count() + 1;
            (line, choices(text, &error).unwrap_or_else(|| error.message().to_owned()))
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
    fn whoever_writes_no_word_where_one_of_a_few_stands_is_told_them() {
        for (text, line, words) in [
            ("[engine]\ncurve = 3\n", 2, ["`3`", "`worst-group`", "`pooled`"]),
            ("[engine]\nqueue_max = 64\ncurve = [\"pooled\"] # a list\n", 3, ["pooled", "`worst-group`", "`pooled`"]),
            ("[engine]\ncurve = true\n[server]\nlisten = 1", 2, ["`true`", "`worst-group`", "`pooled`"]),
            ("[capture]\nquality = 0.5\n", 2, ["`off`", "`advisory`", "`required`"]),
            ("[ids]\nnumbers = 3\n", 2, ["`3`", "`refuse`", "`accept`"]),
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
        let file = ConfigFile::read(&path).unwrap();
        assert_eq!(file.gallery.data, Some(folder.path().join("people")));
        assert_eq!(file.engine.pack, Some(PathBuf::from("/opt/pack")));
    }
}
