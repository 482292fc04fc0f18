use std::borrow::Cow;
use std::io::{self, Write};

use super::*;
use crate::audit::chance::{Chance, LinkChance, LocalChance, Meetings};
use crate::audit::ids::IdKey;
use crate::audit::left_out::{LeftOutCount, LeftOutUnit};
use crate::audit::links::{ClearedLink, RecordLink, gather};
use crate::audit::rings::{Rings, rings};
use crate::matching::{Curve, fixture};
use crate::search::Pair;
use crate::table::CsvLocale;

/// Everything that results are of, made up.
pub struct Made {
    pub compared: Compared,
    pairs: Vec<Pair>,
    links: Vec<RecordLink>,
    cleared: Vec<ClearedLink>,
    rings: Rings,
    pub chance: Chance,
    local: LocalChance,
    link_chance: LinkChance,
    pub records: People,
    /// Of every first template.
    pub photo: Option<Vec<u8>>,
}

/// Subjects with two templates each, the second without quality or day.
pub struct People {
    prefix: &'static str,
    /// Schemes, province, day of enrolment and of capture, where others than the usual ones.
    pub facts: Option<[String; 4]>,
}

impl People {
    fn fact(&self, which: usize, usual: &'static str) -> Cow<'_, str> {
        self.facts.as_ref().map_or(usual.into(), |facts| facts[which].as_str().into())
    }
}

impl RecordFacts for People {
    fn subject(&self, subject: u32) -> SubjectFacts<'_> {
        SubjectFacts {
            id: format!("{}{subject}", self.prefix).into(),
            schemes: self.fact(0, "health, social"),
            province: self.fact(1, "01"),
            enrolled: self.fact(2, "2020-02-03"),
            second_gallery: subject == 3,
        }
    }

    fn template(&self, row: u32) -> TemplateFacts<'_> {
        let first = row.is_multiple_of(2);
        TemplateFacts {
            subject: row / 2,
            id: format!("t{row}").into(),
            captured: if first { self.fact(3, "2021-05-06") } else { "".into() },
            quality: first.then_some(61.5),
            second_gallery: false,
        }
    }

    fn finding(&self, a: u32, b: u32) -> Option<PairOutcome> {
        ((a, b) == (1, 2)).then_some(PairOutcome::Fraud)
    }
}

pub fn curve() -> Curve {
    fixture::curve(&[(0.0, 0.5), (0.5, 1e-4)], Some(2.0), 40.0)
}

/// A report of template pairs; those of subjects 8 and 9 are cleared.
pub fn found(pairs: &[(u32, u32, f32)], prefix: &'static str) -> Made {
    let records = People { prefix, facts: None };
    let pairs: Vec<Pair> = pairs.iter().map(|&(a, b, score)| Pair { a, b, score }).collect();
    let chance =
        Chance { comparisons: 2_000_000, own: Vec::new(), not_own: Some("<few>".into()), calibration: Some(curve()) };
    let cleared = |a: u32, b: u32| (a, b) == (8, 9);
    let kept = pairs.iter().filter(|pair| !cleared(pair.a / 2, pair.b / 2)).map(|pair| pair.score);
    let local = LocalChance::new(&chance, 0.5, kept);
    let by_subject = pairs.iter().map(|pair| (pair.a / 2, pair.b / 2, pair.score));
    let meetings = Meetings::within(&(0..2_000).map(|row| row / 2).collect::<Vec<u32>>());
    let mut gathered = gather(by_subject, cleared, |a, b| meetings.pairs(a, b));
    let link_chance = LinkChance::grade(&chance, &meetings, 0.5, &mut gathered.links);
    let compared = Compared {
        source: "<gallery> & \"more\"".into(),
        against: None,
        since: Some("audit-1".into()),
        filters: vec!["province 01".into()],
        recipe: Some("ab".repeat(32)),
        threshold: 0.5,
        asked: ThresholdAsked::Fmr(1e-4),
        templates: 2_001,
        subjects: 1_000,
        comparisons: 2_000_000,
        left_out: vec![LeftOutCount {
            code: "WHY".into(),
            en: "no face <found>".into(),
            vi: "không thấy mặt".into(),
            count: 12,
            unit: LeftOutUnit::Photos,
        }],
        left_out_list: None,
        cleared: gathered.cleared.len() as u64,
    };
    let rings = rings(&gathered.links);
    let (links, cleared) = (gathered.links, gathered.cleared);
    Made { compared, pairs, links, cleared, rings, chance, local, link_chance, records, photo: None }
}

impl Made {
    pub fn results(&self) -> Results {
        let Self { compared, pairs, links, cleared, rings, chance, local, link_chance, records, .. } = self;
        let left_out = &[];
        let found =
            ResultsInput { records, compared, pairs, links, cleared, rings, chance, local, link_chance, left_out };
        let mut results = Results::new(&found);
        results.summary.seconds = 1.5;
        results.give_ids(&IdKey::for_tests(), None);
        results
    }

    pub fn thumbnail(&self, of: &Capture) -> Option<Vec<u8>> {
        self.photo.clone().filter(|_| of.quality.is_some())
    }
}

/// A ring of three with two template pairs between 1 and 2, a pair, a bridge, and twins.
pub const PAIRS: [(u32, u32, f32); 7] =
    [(2, 4, 0.9), (3, 4, 0.8), (4, 6, 0.85), (10, 12, 0.97), (6, 10, 0.51), (16, 18, 0.99), (2, 6, 0.88)];

fn text(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn pairs_have_the_columns_promised_and_say_which_ring_they_are_of() {
    let found = found(&PAIRS, "s");
    let csv = text(|out| found.results().write_pairs(out, CsvLocale::Plain));
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("subject_a,subject_b,template_a,template_b,score,fmr,ring_id,link,quality_a,"));
    // The best first; the twins, cleared, are not among them.
    assert_eq!(lines.len(), 7);
    assert!(lines[1].starts_with("s5,s6,t10,t12,0.97,"), "{}", lines[1]);
    assert!(lines[2].starts_with("s1,s2,t2,t4,0.9,") && lines[2].contains(",fraud,P-"), "{}", lines[2]);
    let of = |line: &str| -> Vec<String> { line.split(',').map(str::to_owned).collect() };
    let (ring, pair) = (of(lines[2])[6].clone(), of(lines[1])[6].clone());
    assert!(ring != pair && !ring.is_empty() && !pair.is_empty());
    assert_eq!(
        (of(lines[2])[7].as_str(), of(lines[2])[8].as_str(), of(lines[2])[10].as_str()),
        ("strong", "61.5", "2021-05-06")
    );
    let weakest = of(lines[6]);
    assert_eq!((weakest[0].as_str(), weakest[6].as_str(), weakest[7].as_str()), ("s3", "", "bridge"));
    let fmr: f64 = weakest[5].parse().unwrap();
    assert!((fmr / 6.7e-5 - 1.0).abs() < 0.01, "{fmr}");
}

#[test]
fn rings_have_the_columns_promised_and_a_row_for_every_member() {
    let found = found(&PAIRS, "s");
    let csv = text(|out| found.results().write_rings(out, CsvLocale::Plain));
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("ring_id,subject_id,links,best_score,weakest_link,members,"));
    let three: Vec<&&str> = lines.iter().filter(|line| line.contains(",3,0.9,0.85,3,")).collect();
    assert_eq!((lines.len(), three.len()), (6, 3));
    for subject in ["s1", "s2", "s3"] {
        assert!(three.iter().any(|line| line.split(',').nth(1) == Some(subject)));
    }
}

/// The pairs of a ring of three, and one of two records that only a doubtful link makes one.
pub const HANGING: [(u32, u32, f32); 3] = [(2, 4, 0.9), (4, 6, 0.85), (40, 42, 0.501)];

#[test]
fn a_ring_that_hangs_on_a_doubtful_link_says_on_which() {
    let found = found(&HANGING, "s");
    let rows = |write: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| -> Vec<std::collections::BTreeMap<String, String>> {
        csv::Reader::from_reader(text(write).as_bytes()).deserialize().map(Result::unwrap).collect()
    };
    let rings = rows(&|out| found.results().write_rings(out, CsvLocale::Plain));
    let of = |subject: &str| rings.iter().find(|row| row["subject_id"] == subject).unwrap();
    // Strong links hold the first: one part, and nothing it hangs on.
    assert_eq!((&*of("s1")["parts"], &*of("s3")["part"], &*of("s1")["hangs_on_a"]), ("1", "1", ""));
    assert_eq!((&*of("s20")["parts"], &*of("s20")["part"], &*of("s21")["part"]), ("2", "1", "2"));
    assert_eq!((&*of("s21")["hangs_on_a"], &*of("s21")["hangs_on_b"]), ("s20", "s21"));
    let number = |row: &std::collections::BTreeMap<String, String>, column: &str| row[column].parse::<f64>().unwrap();
    assert!(number(of("s1"), "evidence") > number(of("s20"), "evidence"));
    assert!(number(of("s1"), "evidence_total") > number(of("s1"), "evidence"));
    // What the link says stands with each of its template pairs.
    let pairs = rows(&|out| found.results().write_pairs(out, CsvLocale::Plain));
    let doubtful = pairs.iter().find(|row| row["subject_a"] == "s20").unwrap();
    assert_eq!(
        (&*doubtful["link"], &*doubtful["link_compared"], &*doubtful["chance_share"]),
        ("doubtful", "4", "1.0000")
    );
    // Of four pairs, by two bounds.
    assert!((number(doubtful, "link_chance") / number(doubtful, "fmr") - 8.0).abs() < 0.01, "{doubtful:?}");
    let summary = found.results().summary;
    assert_eq!((summary.rings, summary.rings_doubtful, summary.strong_links), (2, 1, 2));
    assert_eq!(summary.strong_from, Some(0.85));
    assert!(summary.expected_chance_links.unwrap() > 1.0 && summary.strong_chance_max.unwrap() < 1e-4);
}

#[test]
fn the_summary_has_the_fields_promised() {
    let found = found(&PAIRS, "s");
    let summary: serde_json::Value = serde_json::from_str(&text(|out| found.results().summary.write(out))).unwrap();
    assert_eq!(
        (&summary["templates"], &summary["subjects"], &summary["comparisons"]),
        (&2001.into(), &1000.into(), &2_000_000.into())
    );
    assert_eq!((&summary["threshold"], &summary["pairs"], &summary["rings"]), (&0.5.into(), &6.into(), &2.into()));
    assert_eq!((&summary["seconds"], &summary["links"], &summary["bridges"]), (&1.5.into(), &5.into(), &1.into()));
    assert!((summary["fmr"].as_f64().unwrap() - 1e-4).abs() < 1e-9);
    assert!((summary["expected_chance_pairs"].as_f64().unwrap() - 200.0).abs() < 1e-3);
    assert_eq!((&summary["explained"]["verdict"], &summary["compared"]["cleared"]), (&"mostly".into(), &1.into()));
    assert_eq!(summary["chance_not_own"], "<few>");
}

#[test]
fn ids_with_commas_and_quotes_come_back_as_they_were() {
    let found = found(&PAIRS, "Nguyễn, \"A\"\n");
    let csv = text(|out| found.results().write_pairs(out, CsvLocale::Plain));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let first = reader.records().next().unwrap().unwrap();
    assert_eq!(&first[0], "Nguyễn, \"A\"\n5");
}

#[test]
fn a_full_disk_is_an_error_and_not_a_shorter_file() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.0);
            self.0 -= fits;
            if fits == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(fits) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let found = found(&PAIRS, "s");
    let data = found.results();
    for room in [0, 1, 100, 500] {
        let full: io::ErrorKind = io::ErrorKind::StorageFull;
        assert_eq!(data.write_pairs(Full(room), CsvLocale::En).unwrap_err().kind(), full);
        assert_eq!(data.write_rings(Full(room.min(100)), CsvLocale::En).unwrap_err().kind(), full);
        assert_eq!(data.summary.write(Full(room)).unwrap_err().kind(), full);
        assert_eq!(data.write_page(Full(room), None).unwrap_err().kind(), full);
    }
}
