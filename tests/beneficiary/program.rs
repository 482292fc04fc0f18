//! The program as a server of its own: started, told by signals, killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::support::{POLICIES, authorities, root};

/// Nothing waited for here takes longer, debug build and one busy core included.
const PATIENCE: Duration = Duration::from_secs(60);

/// `chinhchu serve` with policies and the test authority; killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    log: Arc<Log>,
    reader: Option<std::thread::JoinHandle<()>>,
}

/// What it has logged so far.
#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Log {
    /// Waits for a line with `part` after the first `from` bytes, and gives all of it to the end.
    fn until(&self, from: usize, part: &str) -> String {
        let text = self.text.lock().unwrap();
        let lacks = |text: &mut String| !text[from..].lines().any(|line| line.contains(part));
        let (text, waited) = self.grown.wait_timeout_while(text, PATIENCE, lacks).unwrap();
        assert!(!waited.timed_out(), "no line with `{part}`: {text}");
        text[from..].to_owned()
    }
}

/// Writes the configuration of a counter, and the certificate of the test authority.
pub fn configure(folder: &Path, policies: &str) {
    let csca = folder.join("csca");
    std::fs::create_dir_all(&csca).unwrap();
    std::fs::write(csca.join("test.cer"), &authorities()[0]).unwrap();
    write_policies(folder, policies);
}

/// Writes the configuration alone.
pub fn write_policies(folder: &Path, policies: &str) {
    // Marked test cards, and a policy that trusts cards of anybody: which is what is tested.
    let insist = "[danger]\ninsist = [\"TEST_ANCHOR\", \"UNANCHORED_SUFFICES\"]";
    // Nobody is sent away because the machine is busy with other tests.
    let patient = "[server]\nturn_wait_seconds_max = 60\n";
    // They show the same photos again and again.
    let captures = "[cases]\ncapture_days = 0\n";
    let text = format!("{patient}{captures}[chip]\ncsca = \"csca\"\n{insist}\n{policies}");
    std::fs::write(folder.join("chinhchu.toml"), text).unwrap();
}

impl Server {
    /// With the policies of these tests.
    pub fn start(folder: &Path) -> Self {
        configure(folder, POLICIES);
        Self::start_configured(folder)
    }

    /// With what is configured in the folder.
    pub fn start_configured(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chinhchu"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "chinhchu=trace", "--create", "--data"])
            .arg(folder.join("people"))
            .arg("--config")
            .arg(folder.join("chinhchu.toml"))
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let pipe = BufReader::new(child.stderr.take().expect("a pipe"));
        let log = Arc::new(Log::default());
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in pipe.lines().map_while(Result::ok) {
                    *log.text.lock().unwrap() += &format!("{line}\n");
                    log.grown.notify_all();
                }
            }
        });
        let seen = log.until(0, "listening on ");
        let address = seen.split_once("listening on ").and_then(|(_, rest)| rest.lines().next()).expect("found");
        let url = format!("http://{}", address.trim());
        Self { child, url, log, reader: Some(reader) }
    }

    /// SIGHUP; gives what was logged up to the line that says what came of it.
    pub fn hang_up(&self, until: &str) -> String {
        let from = self.log.text.lock().unwrap().len();
        self.signal(libc::SIGHUP);
        self.log.until(from, until)
    }

    /// SIGTERM; gives the log, once the process has ended of itself.
    pub fn end(mut self) -> String {
        self.signal(libc::SIGTERM);
        let begun = std::time::Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.log.text.lock().unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.reader.take().unwrap().join().unwrap();
        self.log.text.lock().unwrap().clone()
    }

    #[allow(unsafe_code, reason = "the standard library sends no signal but a kill")]
    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: a plain system call; `pid` is a child not yet waited for, so it names no
        // other process.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// SIGKILL; gives the log.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        self.log.text.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
