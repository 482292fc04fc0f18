//! Runs the program, and makes the files it is run on.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing here takes longer, debug build and one busy core included.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Values of a template of the default pack.
pub fn dimension() -> usize {
    chinhchu::face::Pack::load(&root().join("models/default")).unwrap().dimension()
}

/// The program, run in the repository's root with an environment of its own.
pub fn chinhchu() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinhchu"));
    command.current_dir(root()).stdin(Stdio::null());
    for name in ["CHINHCHU_PACK", "CHINHCHU_CONFIG", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The one JSON object on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }

    /// Asserts exit code 2, nothing on standard output and one line on standard
    /// error that holds every one of `parts`.
    #[track_caller]
    pub fn refused(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {self:?}");
        }
    }

    /// As [`Ran::refused`], where lines about the work came before.
    #[track_caller]
    pub fn refused_last(&self, parts: &[&str]) {
        let line = self.stderr.trim_end().lines().last().unwrap_or_default().to_owned();
        Self { stderr: line, stdout: self.stdout.clone(), ..*self }.refused(parts);
    }

    /// Asserts an exit code.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// Runs the program to its end.
pub fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    ran(chinhchu().args(args).output().expect("the program starts"))
}

pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A photo of those `scripts/setup` fetches.
pub fn photo(name: &str) -> PathBuf {
    root().join(".cache/photos").join(name)
}

/// Whether networks, runtime and photos are there; says so where they are not.
pub fn ready(test: &str) -> bool {
    let runtime = std::env::var_os("CHINHCHU_ONNXRUNTIME").is_some()
        || std::fs::read_dir(root().join(".cache/onnxruntime")).is_ok_and(|mut entries| entries.next().is_some());
    let ready = runtime
        && photo("obama.jpg").is_file()
        && root().join("models/default/fr_feature.onnx").is_file()
        && root().join("models/default/calibration.toml").is_file();
    if !ready {
        eprintln!("SKIPPED: {test}: run scripts/setup for the networks, ONNX Runtime and photos");
    }
    ready
}

/// Returns from the test where [`ready`] says no.
#[macro_export]
macro_rules! need_assets {
    () => {
        if !$crate::support::ready(module_path!()) {
            return;
        }
    };
}

/// The same picture in other bytes: a JPEG with a comment.
pub fn with_comment(jpeg: &[u8], comment: &str) -> Vec<u8> {
    assert_eq!(&jpeg[..2], b"\xff\xd8", "a JPEG");
    let length = u16::try_from(comment.len() + 2).expect("short").to_be_bytes();
    [&jpeg[..2], b"\xff\xfe", &length, comment.as_bytes(), &jpeg[2..]].concat()
}

/// A PNG of one colour.
pub fn blank_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb([120, 130, 140]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("encodes");
    bytes.into_inner()
}

/// Asserts that a page of `docs/` names every field of an answer.
#[track_caller]
pub fn assert_documented(page: &str, answer: &Value) {
    let text = std::fs::read_to_string(root().join("docs").join(page)).expect("the page");
    let mut left = vec![answer];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    assert!(text.contains(&format!("`{name}`")), "docs/{page} does not name the field {name}");
                    left.push(value);
                }
            }
            Value::Array(values) => left.extend(values),
            _ => {}
        }
    }
}

/// Path as text, for arguments.
pub fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Writes `people.csv` with rows of subject and path.
pub fn manifest<'a>(folder: &Path, rows: impl IntoIterator<Item = (&'a str, String)>) -> PathBuf {
    let path = folder.join("people.csv");
    let mut csv = "subject_id,path\n".to_owned();
    for (subject, photo) in rows {
        csv += &format!("{subject},{photo}\n");
    }
    std::fs::write(&path, csv).expect("writes");
    path
}

/// A server of our own, stopped when dropped.
pub struct Serving {
    child: Child,
    pub url: String,
}

impl Serving {
    /// Starts one on a free port and waits until it says where.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same with more arguments.
    pub fn start_with(data: &Path, more: &[&str]) -> Self {
        let child = chinhchu()
            .args(["serve", "--listen", "127.0.0.1:0", "--create", "--data"])
            .arg(data)
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut serving = Self { child, url: String::new() };
        let lines = read_lines(serving.child.stderr.take().expect("piped"));
        let mut seen = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let Ok(line) = lines.recv_timeout(PATIENCE) else { break };
            if let Some((_, address)) = line.split_once("listening on ") {
                serving.url = format!("http://{}", address.trim());
                return serving;
            }
            seen.push(line);
        }
        panic!("the server did not say where it listens: {seen:?}");
    }

    /// One inside TLS, whose log is written to a file.
    pub fn start_logged(data: &Path, more: &[&str], log: &Path) -> Self {
        let child = chinhchu()
            .args(["serve", "--listen", "127.0.0.1:0", "--create", "--data"])
            .arg(data)
            .args(more)
            .stderr(std::fs::File::create(log).expect("writes"))
            .spawn()
            .expect("starts");
        let mut serving = Self { child, url: String::new() };
        let begun = Instant::now();
        loop {
            let has_ended = serving.child.try_wait().expect("waits").is_some();
            let seen = std::fs::read_to_string(log).expect("reads");
            // The last line may not be whole yet.
            let whole = &seen[..seen.rfind('\n').unwrap_or(0)];
            if let Some((_, address)) = whole.lines().find_map(|line| line.split_once("listening on ")) {
                serving.url = format!("https://{}", address.trim());
                return serving;
            }
            assert!(!has_ended && begun.elapsed() < PATIENCE, "the server did not say where it listens: {seen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, number: i32) {
        signal(&self.child, number);
    }

    /// Kills it, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("kills");
        self.child.wait().expect("waits");
    }

    /// Asks it to end and returns its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        signal(&self.child, libc::SIGTERM);
        wait(&mut self.child)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process we started.
#[allow(unsafe_code, reason = "the standard library sends no signal but a kill")]
pub fn signal(child: &Child, signal: i32) {
    let pid = i32::try_from(child.id()).expect("a process id");
    // SAFETY: kill takes two integers and touches no memory of ours; the child is
    // not waited for yet, so its id is still its own.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

/// Waits for a process with [`PATIENCE`].
pub fn wait(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("waits") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    panic!("the program did not end");
}

/// The lines of a stream as they come; the stream is read to its end.
pub fn read_lines(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// A small file system of its own, gone when dropped; `None`, with a message,
/// where we may not mount one.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub fn mount(test: &str, bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: {test}: a full disk is tried on a tmpfs, which only root may mount");
        None
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
