//! Galleries made up, with people who are in them twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chinhchu::matching::Dot;
use chinhchu::tools::SplitMix;
use npyz::WriterBuilder;

use crate::support::{Ran, run, text};

/// Values in a vector: few, because the tests are compiled without optimisation.
pub const DIMENSION: usize = 32;

/// A generator of numbers: every run makes the same people.
pub struct Random(SplitMix);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// About normal: a sum of uniform ones.
    pub fn normal(&mut self) -> f32 {
        let sum: f32 = (0..12).map(|_| (self.next() >> 40) as f32 / (1u64 << 24) as f32).sum();
        sum - 6.0
    }

    pub fn vector(&mut self) -> Vec<f32> {
        unit(&(0..DIMENSION).map(|_| self.normal()).collect::<Vec<_>>())
    }

    /// Another capture of the face.
    pub fn near(&mut self, face: &[f32], noise: f32) -> Vec<f32> {
        let scale = noise / (DIMENSION as f32).sqrt();
        unit(&face.iter().map(|v| v + scale * self.normal()).collect::<Vec<_>>())
    }
}

pub fn unit(raw: &[f32]) -> Vec<f32> {
    let length = raw.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    raw.iter().map(|&v| (f64::from(v) / length) as f32).collect()
}

/// Templates and whose they are.
#[derive(Clone)]
pub struct People {
    pub vectors: Vec<Vec<f32>>,
    pub owners: Vec<String>,
}

/// `rows` captures: subjects have one to three, and every tenth shares the face of an
/// earlier one.
pub fn people(rows: usize, seed: u64) -> People {
    let mut random = Random::new(seed);
    let mut faces: Vec<Vec<f32>> = Vec::new();
    let (mut vectors, mut owners) = (Vec::new(), Vec::new());
    while vectors.len() < rows {
        let shared = faces.len() % 10 == 9;
        let face = if shared {
            let of = random.next() as usize % faces.len();
            faces[of].clone()
        } else {
            random.vector()
        };
        for _ in 0..(1 + random.next() % 3).min((rows - vectors.len()) as u64) {
            vectors.push(random.near(&face, 0.5));
            owners.push(format!("s{:05}", faces.len()));
        }
        faces.push(face);
    }
    People { vectors, owners }
}

impl People {
    /// Writes `t.npy` and `ids.csv`; the paths of both.
    pub fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let ids = folder.join("ids.csv");
        let lines: String = self.owners.iter().map(|owner| format!("{owner}\n")).collect();
        std::fs::write(&ids, format!("subject_id\n{lines}")).unwrap();
        (write_npy(&folder.join("t.npy"), &self.vectors), ids)
    }

    /// Pairs of rows of different owners at or above the score, as the audit must find
    /// them: every pair compared.
    pub fn brute_force(&self, score: f32) -> BTreeSet<(usize, usize)> {
        let dot = Dot::best();
        let pairs = (0..self.owners.len()).flat_map(|a| (a + 1..self.owners.len()).map(move |b| (a, b)));
        pairs
            .filter(|&(a, b)| {
                self.owners[a] != self.owners[b] && dot.score(&self.vectors[a], &self.vectors[b]) >= score
            })
            .collect()
    }
}

pub fn write_npy(path: &Path, rows: &[Vec<f32>]) -> PathBuf {
    let file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let dimension = rows.first().map_or(0, Vec::len) as u64;
    let mut out = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[rows.len() as u64, dimension])
        .writer(file)
        .begin_nd()
        .unwrap();
    out.extend(rows.iter().flatten().copied()).unwrap();
    out.finish().unwrap();
    path.to_owned()
}

/// Few comparisons sampled for chance: enough to go through everything.
pub const SAMPLE: &str = "30000";

/// The score most tests ask for.
pub const SCORE: &str = "0.7";

/// Arguments of an audit of vectors.
pub fn args(matrix: &Path, ids: &Path, out: &Path, more: &[&str]) -> Vec<String> {
    let mut args: Vec<String> = ["audit", "--vectors", &text(matrix), "--ids", &text(ids), "--out", &text(out)]
        .iter()
        .map(|&arg| arg.to_owned())
        .collect();
    if !more.iter().any(|arg| ["--score", "--fmr", "--expect-chance"].contains(arg)) {
        args.extend(["--score".to_owned(), SCORE.to_owned()]);
    }
    if !more.contains(&"--sample") {
        args.extend(["--sample".to_owned(), SAMPLE.to_owned()]);
    }
    args.extend(more.iter().map(|&arg| arg.to_owned()));
    args
}

/// Audits vectors.
pub fn audit(matrix: &Path, ids: &Path, out: &Path, more: &[&str]) -> Ran {
    run(args(matrix, ids, out, more))
}

/// Everything but what says of which run it is and how long that took, or is of the folder itself:
/// each has a key of its own, under which ids of pairs and rings are made.
pub fn results(out: &Path) -> Vec<(String, Vec<u8>)> {
    let mut summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    for measured in ["seconds", "cost", "run"] {
        summary.as_object_mut().unwrap().remove(measured).expect(measured);
    }
    summary.as_object_mut().unwrap().remove("changes");
    let mut results = vec![("summary.json".to_owned(), summary.to_string().into_bytes())];
    for name in ["pairs.csv", "rings.csv", "index.html", "templates.seen"] {
        if let Ok(bytes) = std::fs::read(out.join(name)) {
            let bytes = if name == "index.html" { without_sections(&bytes) } else { bytes };
            results.push((name.to_owned(), without_ids(bytes)));
        }
    }
    assert!(results.len() >= 4, "results are missing");
    // The last line has the summary.
    let kept = std::fs::read(out.join("audit.results")).unwrap();
    let last = kept[..kept.len() - 1].iter().rposition(|&byte| byte == b'\n').expect("several lines");
    // Without the checksums, which are of the ids, too.
    let lines = kept[..last].split(|&byte| byte == b'\n').map(|line| &line[8..]);
    results.push(("audit.results".to_owned(), without_ids(lines.collect::<Vec<_>>().join(&b'\n'))));
    results
}

/// The page without what it says of the run and of the earlier one.
fn without_sections(page: &[u8]) -> Vec<u8> {
    let mut page = String::from_utf8(page.to_vec()).unwrap();
    for id in ["run", "changes"] {
        let Some(begin) = page.find(&format!("\n<section id=\"{id}\">")) else { continue };
        let end = begin + page[begin..].find("</section>").expect("its end");
        page.replace_range(begin..end, "");
    }
    page.replace("</section>", "").into_bytes()
}

/// Ids of pairs and rings replaced by noughts.
pub fn without_ids(mut bytes: Vec<u8>) -> Vec<u8> {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    let mut at = 0;
    while at + 10 <= bytes.len() {
        if (bytes[at..].starts_with(b"P-") || bytes[at..].starts_with(b"R-"))
            && bytes[at + 2..at + 10].iter().all(is_digit)
        {
            let digits = bytes[at + 2..].iter().take_while(|byte| is_digit(byte) || **byte == b'.').count();
            bytes[at + 2..at + 2 + digits].fill(b'0');
            at += digits;
        }
        at += 1;
    }
    bytes
}

/// A CSV file's rows as text, by column.
pub fn csv_rows(path: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

/// Pairs of rows in `pairs.csv`, where templates go by their row.
pub fn found_rows(out: &Path) -> BTreeSet<(usize, usize)> {
    let rows = csv_rows(&out.join("pairs.csv"));
    let found: BTreeSet<(usize, usize)> = rows
        .iter()
        .map(|row| {
            let (a, b): (usize, usize) = (row["template_a"].parse().unwrap(), row["template_b"].parse().unwrap());
            (a.min(b), a.max(b))
        })
        .collect();
    assert_eq!(found.len(), rows.len(), "a pair is there twice");
    found
}
