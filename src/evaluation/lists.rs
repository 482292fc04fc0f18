//! Reads lists of pairs: CSV files, LFW's `pairs.txt`, CFP's protocol folders.
//!
//! Read line by line; a malformed line is reported with its number, and reading goes on.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::regular;
use crate::table::{self, Table};

/// Longest line read, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// A comparison protocol of CFP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Frontal with frontal.
    #[default]
    FrontalFrontal,
    /// Frontal with profile.
    FrontalProfile,
}

/// Where the photos of a list are found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedPhotos {
    /// Folder that relative paths start at; `None` for the list's folder.
    pub folder: Option<PathBuf>,
    /// Protocol to read from a CFP protocol folder.
    pub protocol: Protocol,
}

/// A pair of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairListRow {
    /// 1-based line in the list; in a protocol folder, counted over all files in order.
    pub line: u64,
    /// One photo.
    pub a: PathBuf,
    /// The other.
    pub b: PathBuf,
    /// Whether both are of one person.
    pub genuine: bool,
    /// Names of the people, if the list has them.
    pub subjects: Option<[String; 2]>,
}

/// A malformed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Line in the list, as in [`PairListRow`].
    pub line: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// It cannot be read.
    #[error("pair list {path}: cannot be read ({source}); check the path")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Unknown format.
    #[error(
        "pair list {path}: neither a CSV file with the columns a,b,label, nor an LFW pairs.txt, nor a CFP protocol folder; give one of these"
    )]
    Unknown {
        /// The file or folder.
        path: PathBuf,
    },
}

/// A list of pairs in any of the formats.
pub struct PairList {
    kind: ListFormat,
    folder: PathBuf,
    line: u64,
    path: PathBuf,
}

enum ListFormat {
    Csv { reader: Box<Table>, header: csv::ByteRecord, columns: [usize; 3], record: csv::ByteRecord },
    Lfw { lines: Box<dyn BufRead> },
    Cfp { frontal: Vec<PathBuf>, second: Vec<PathBuf>, files: Vec<(PathBuf, bool)>, next: usize, lines: Vec<String> },
}

impl PairList {
    /// Opens a list and detects its format.
    ///
    /// # Errors
    /// [`ListError`] where the file cannot be read or has no such columns.
    pub fn open(path: &Path, photos: &ListedPhotos) -> Result<Self, ListError> {
        let unreadable = |source| ListError::Unreadable { path: path.to_owned(), source };
        if fs::metadata(path).map_err(unreadable)?.is_dir() {
            return Self::open_cfp(path, photos);
        }
        let folder = photos.folder.clone().unwrap_or_else(|| path.parent().unwrap_or(Path::new("")).to_owned());
        let mut file = BufReader::new(regular::open(path).map_err(unreadable)?);
        let mut bytes = Vec::new();
        io::Read::take(&mut file, LINE_BYTES_MAX).read_until(b'\n', &mut bytes).map_err(unreadable)?;
        // A CSV file may be UTF-16, LFW's is ASCII.
        let first = String::from_utf8_lossy(&bytes);
        let first = first.trim_start_matches('\u{feff}').trim();
        let numbers = first.split_whitespace().collect::<Vec<_>>();
        let kind = if (1..=2).contains(&numbers.len()) && numbers.iter().all(|n| n.parse::<u64>().is_ok()) {
            ListFormat::Lfw { lines: Box::new(file) }
        } else {
            let (mut reader, _) = table::open(path).map_err(unreadable)?;
            let header = reader.byte_headers().map_err(io::Error::from).map_err(unreadable)?.clone();
            let column = |name: &str| header.iter().position(|f| f.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
            match (column("a"), column("b"), column("label")) {
                (Some(a), Some(b), Some(label)) => {
                    let record = csv::ByteRecord::new();
                    ListFormat::Csv { reader: Box::new(reader), header, columns: [a, b, label], record }
                }
                _ => return Err(ListError::Unknown { path: path.to_owned() }),
            }
        };
        Ok(Self { kind, folder, line: 1, path: path.to_owned() })
    }

    fn open_cfp(path: &Path, photos: &ListedPhotos) -> Result<Self, ListError> {
        let root = [path.to_owned(), path.join("Protocol")].into_iter().find(|p| p.join("Pair_list_F.txt").is_file());
        let root = root.ok_or_else(|| ListError::Unknown { path: path.to_owned() })?;
        let read = |name: &str| -> Result<Vec<PathBuf>, ListError> {
            let path = root.join(name);
            let text = fs::read_to_string(&path).map_err(|source| ListError::Unreadable { path, source })?;
            // `1 ../Data/Images/001/frontal/01.jpg`: the number is the line's.
            Ok(text.lines().map(|line| PathBuf::from(line.split_whitespace().nth(1).unwrap_or_default())).collect())
        };
        let frontal = read("Pair_list_F.txt")?;
        let (second, part) = match photos.protocol {
            Protocol::FrontalFrontal => (frontal.clone(), "FF"),
            Protocol::FrontalProfile => (read("Pair_list_P.txt")?, "FP"),
        };
        let splits = root.join("Split").join(part);
        let entries = fs::read_dir(&splits).map_err(|source| ListError::Unreadable { path: splits.clone(), source })?;
        let mut folders: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
        folders.sort();
        let files =
            folders.iter().flat_map(|f| [(f.join("same.txt"), true), (f.join("diff.txt"), false)]).collect::<Vec<_>>();
        let folder = photos.folder.clone().unwrap_or(root);
        let kind = ListFormat::Cfp { frontal, second, files, next: 0, lines: Vec::new() };
        Ok(Self { kind, folder, line: 0, path: path.to_owned() })
    }

    /// The next pair; `None` at the end. I/O errors are returned, never taken for the end.
    ///
    /// # Errors
    /// [`ListError`] where the file cannot be read further; a line that makes no sense is a
    /// [`BadLine`] in the answer.
    pub fn next_pair(&mut self) -> Result<Option<Result<PairListRow, BadLine>>, ListError> {
        let unreadable = |path: &Path, source| ListError::Unreadable { path: path.to_owned(), source };
        match &mut self.kind {
            ListFormat::Csv { reader, header, columns, record } => {
                let more = reader.read_byte_record(record).map_err(io::Error::from);
                if !more.map_err(|e| unreadable(&self.path, e))? {
                    return Ok(None);
                }
                self.line = record.position().map_or(self.line, csv::Position::line);
                Ok(Some(match table::row_fault(header, record) {
                    Some(what) => Err(BadLine { line: self.line, what }),
                    None => csv_row(record, *columns, self.line, &self.folder),
                }))
            }
            ListFormat::Lfw { lines } => loop {
                let mut line = Vec::new();
                let read = io::Read::take(&mut *lines, LINE_BYTES_MAX).read_until(b'\n', &mut line);
                if read.map_err(|e| unreadable(&self.path, e))? == 0 {
                    return Ok(None);
                }
                self.line += 1;
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(lfw_row(&line, self.line, &self.folder)));
                }
            },
            ListFormat::Cfp { frontal, second, files, next, lines } => loop {
                if let Some(line) = lines.pop() {
                    self.line += 1;
                    if line.trim().is_empty() {
                        continue;
                    }
                    let genuine = files[*next - 1].1;
                    return Ok(Some(cfp_row(&line, self.line, genuine, frontal, second, &self.folder)));
                }
                let Some((file, _)) = files.get(*next) else { return Ok(None) };
                *next += 1;
                let text = fs::read_to_string(file).map_err(|e| unreadable(file, e))?;
                *lines = text.lines().rev().map(str::to_owned).collect();
            },
        }
    }
}

fn csv_row(record: &csv::ByteRecord, columns: [usize; 3], line: u64, folder: &Path) -> Result<PairListRow, BadLine> {
    let bad = |what| BadLine { line, what };
    let field = |column: usize| match record.get(column).map(<[u8]>::trim_ascii) {
        None | Some(b"") => Err(bad("a field is missing")),
        Some(bytes) => std::str::from_utf8(bytes)
            .map(table::original)
            .map_err(|_| bad("the row is not UTF-8 text; save the list as UTF-8")),
    };
    let [a, b, label] = columns;
    let genuine = match field(label)?.to_ascii_lowercase().as_str() {
        "1" | "same" | "genuine" | "true" | "match" | "mated" => true,
        "0" | "diff" | "different" | "impostor" | "false" | "nonmatch" | "non-mated" => false,
        _ => return Err(bad("the label is none of 1, same, genuine, 0, diff, impostor")),
    };
    Ok(PairListRow { line, a: folder.join(&*field(a)?), b: folder.join(&*field(b)?), genuine, subjects: None })
}

/// `name n m`, or `name n other m`: photos are `name/name_000n.jpg`.
fn lfw_row(line: &[u8], number: u64, folder: &Path) -> Result<PairListRow, BadLine> {
    let bad = |what| BadLine { line: number, what };
    let text = std::str::from_utf8(line).map_err(|_| bad("the line is not UTF-8 text; save the list as UTF-8"))?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let (one, n, other, m) = match fields[..] {
        [name, n, m] => (name, n, name, m),
        [one, n, other, m] => (one, n, other, m),
        _ => return Err(bad("the line has neither three nor four fields")),
    };
    let photo = |name: &str, number: &str| -> Result<PathBuf, BadLine> {
        let number: u32 = number.parse().map_err(|_| bad("a photo's number is not a number"))?;
        Ok(folder.join(name).join(format!("{name}_{number:04}.jpg")))
    };
    Ok(PairListRow {
        line: number,
        a: photo(one, n)?,
        b: photo(other, m)?,
        genuine: fields.len() == 3,
        subjects: Some([one.to_owned(), other.to_owned()]),
    })
}

/// `i,j`: numbers of photos in the two lists.
fn cfp_row(
    line: &str,
    number: u64,
    genuine: bool,
    frontal: &[PathBuf],
    second: &[PathBuf],
    folder: &Path,
) -> Result<PairListRow, BadLine> {
    let bad = |what| BadLine { line: number, what };
    let photo = |list: &[PathBuf], index: Option<&str>| -> Result<PathBuf, BadLine> {
        let index: usize = index
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| bad("the line is not two numbers with a comma between"))?;
        let path = index.checked_sub(1).and_then(|i| list.get(i)).filter(|p| !p.as_os_str().is_empty());
        path.cloned().ok_or_else(|| bad("a number names no photo of the list"))
    };
    let mut fields = line.split(',');
    let (a, b) = (photo(frontal, fields.next())?, photo(second, fields.next())?);
    // `…/001/frontal/01.jpg`: the folder two up is the person.
    let of = |path: &Path| {
        let name = path.parent().and_then(Path::parent).and_then(Path::file_name);
        name.map(|name| name.to_string_lossy().into_owned()).ok_or_else(|| bad("a photo lies in nobody's folder"))
    };
    let subjects = Some([of(&a)?, of(&b)?]);
    Ok(PairListRow { line: number, a: folder.join(a), b: folder.join(b), genuine, subjects })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(path: &Path, photos: &ListedPhotos) -> Vec<Result<PairListRow, BadLine>> {
        let mut list = PairList::open(path, photos).unwrap();
        std::iter::from_fn(|| list.next_pair().unwrap()).collect()
    }

    #[test]
    fn a_bad_line_of_a_csv_file_is_told_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.csv");
        fs::write(
            &path,
            b"A,b,Label\nx.jpg,y.jpg,1\nx.jpg,z.jpg,genuin\nx.jpg,,0\n\xff.jpg,y.jpg,0\nx.jpg,w.jpg,Diff\nx.jpg,v.jpg\nx.jpg,u.jpg,1,1\nx.jpg,t.jpg,1,,\n",
        )
        .unwrap();
        let rows = rows(&path, &ListedPhotos::default());
        let lines: Vec<_> = rows.iter().map(|r| r.as_ref().map(|r| (r.line, r.genuine)).map_err(|b| b.line)).collect();
        assert_eq!(lines, [Ok((2, true)), Err(3), Err(4), Err(5), Ok((6, false)), Err(7), Err(8), Ok((9, true))]);
        assert_eq!(rows[0].as_ref().unwrap().a, folder.path().join("x.jpg"));
    }

    #[test]
    fn lfw_pairs_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.txt");
        fs::write(&path, "1\t2\nA_B\t1\t4\nA_B\t1\tC_D\t12\nA_B\tx\t2\nA_B\t1\n").unwrap();
        let photos = ListedPhotos { folder: Some("/lfw".into()), ..ListedPhotos::default() };
        let rows = rows(&path, &photos);
        let first = rows[0].as_ref().unwrap();
        assert_eq!((first.line, first.genuine, first.b.to_str()), (2, true, Some("/lfw/A_B/A_B_0004.jpg")));
        let second = rows[1].as_ref().unwrap();
        assert_eq!((second.genuine, second.b.to_str()), (false, Some("/lfw/C_D/C_D_0012.jpg")));
        assert_eq!(second.subjects, Some(["A_B".to_owned(), "C_D".to_owned()]));
        assert_eq!(rows[2..].iter().map(|r| r.as_ref().unwrap_err().line).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn cfp_protocol_folders_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("Protocol");
        for (part, pairs) in [("FF", ["1,2\n", "1,3\n9,1\n"]), ("FP", ["1,1\n", "3,1\nx\n"])] {
            let split = root.join("Split").join(part).join("01");
            fs::create_dir_all(&split).unwrap();
            fs::write(split.join("same.txt"), pairs[0]).unwrap();
            fs::write(split.join("diff.txt"), pairs[1]).unwrap();
        }
        let image = |of: &str| format!("../Data/Images/{of}.jpg");
        let frontal = ["001/frontal/01", "001/frontal/02", "002/frontal/01"];
        let text: String = frontal.iter().enumerate().map(|(i, of)| format!("{} {}\n", i + 1, image(of))).collect();
        fs::write(root.join("Pair_list_F.txt"), text).unwrap();
        fs::write(root.join("Pair_list_P.txt"), format!("1 {}\n", image("001/profile/01"))).unwrap();
        for (protocol, second) in [(Protocol::FrontalFrontal, frontal[1]), (Protocol::FrontalProfile, "001/profile/01")]
        {
            let rows = rows(folder.path(), &ListedPhotos { folder: None, protocol });
            let same_person = rows[0].as_ref().unwrap();
            assert!(same_person.genuine && same_person.b == root.join(image(second)));
            assert_eq!(same_person.subjects, Some(["001".to_owned(), "001".to_owned()]));
            let two_people = rows[1].as_ref().unwrap();
            assert!(!two_people.genuine && two_people.line == 2);
            assert_eq!(rows[2].as_ref().unwrap_err().line, 3);
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        fs::write(&path, "one,two\n").unwrap();
        for path in [&path, folder.path()] {
            assert!(matches!(PairList::open(path, &ListedPhotos::default()), Err(ListError::Unknown { .. })));
        }
        let gone = folder.path().join("gone");
        assert!(matches!(PairList::open(&gone, &ListedPhotos::default()), Err(ListError::Unreadable { .. })));
    }
}
