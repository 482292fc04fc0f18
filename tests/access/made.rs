//! The program as an operator sets it up: files that `chinhchu keys` made, a configuration that names
//! them, and a server started with it.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::Receiver;

use crate::support::{self, PATIENCE, Ran, run, text};

/// A configuration with TLS on a loopback address.
const CONFIGURATION: &str = "\
[server]
listen = \"127.0.0.1:0\"
[tls]
certificate = \"pki/server.pem\"
key = \"pki/server.key\"
client_ca = \"pki/ca.pem\"
client_crl = [\"pki/ca.crl\"]
";

/// Files that `chinhchu keys` made, and a configuration that names them.
pub struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Self { folder };
        made.keys(&["ca"], &[]).ended(0);
        made.keys(&["server"], &["--name", "localhost", "--ip", "127.0.0.1"]).ended(0);
        made.keys(&["client"], &["--name", "desk", "--uri", "spiffe://vss.test/desk"]).ended(0);
        made.configure("");
        made
    }

    /// Writes the configuration, with this after the rest; says the line that it begins in.
    pub fn configure(&self, more: &str) -> usize {
        std::fs::write(self.config(), format!("{CONFIGURATION}{more}")).unwrap();
        CONFIGURATION.lines().count() + 1
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("pki").join(name)
    }

    /// A path in the folder of the configuration.
    pub fn beside(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }

    pub fn config(&self) -> String {
        self.beside("chinhchu.toml")
    }

    /// `chinhchu keys ACTION FOLDER …`
    pub fn keys(&self, action: &[&str], more: &[&str]) -> Ran {
        let folder = text(&self.folder.path().join("pki"));
        run([&["keys"], action, &[folder.as_str()], more].concat())
    }
}

/// A server of this configuration.
pub struct Server {
    pub child: Child,
    log: Receiver<String>,
    pub url: String,
}

impl Server {
    pub fn start(made: &Made) -> Self {
        Self::start_with(made, &[])
    }

    pub fn start_with(made: &Made, more: &[&str]) -> Self {
        let mut child = support::chinhchu()
            .args(["serve", "--config", &made.config()])
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let log = support::read_lines(child.stderr.take().unwrap());
        let mut server = Self { child, log, url: String::new() };
        let line = server.said("listening on ");
        server.url = format!("https://{}", line.rsplit(' ').next().unwrap());
        server
    }

    /// Waits for a line of the log.
    pub fn said(&self, part: &str) -> String {
        let mut before = Vec::new();
        loop {
            let Ok(line) = self.log.recv_timeout(PATIENCE) else { panic!("it never said {part:?}, but {before:#?}") };
            if line.contains(part) {
                return line;
            }
            before.push(line);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
