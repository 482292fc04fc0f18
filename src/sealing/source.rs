//! Where the master key comes from: a file, a systemd credential, or a command that asks a KMS or an
//! HSM. Never an environment variable: those are inherited, and shown by the system.

#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, fmt, thread};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::{MasterKey, NotAMasterKey, line};
use crate::{private, regular};

/// How long a command may take.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether it has ended, once its output has.
const COMMAND_POLL: Duration = Duration::from_millis(5);
/// The folder that systemd puts a service's credentials in.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Others may not read a credential, nor the group write it. The group may seem to read it: systemd
/// lets the service's user in by an access control list, whose mask is shown there.
const CREDENTIAL_MODE: u32 = 0o037;

/// Where a master key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file of one line, which its owner alone can read.
    File(PathBuf),
    /// A credential of this name that systemd has loaded for the service.
    Credential(String),
    /// A program and its arguments, without a shell; it writes the line to standard output.
    Command(Vec<String>),
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
#[error("the master key from {source_shown}: {why}")]
pub struct KeySourceError {
    source_shown: String,
    #[source]
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "there is none: make one with `chinhchu keys new-master FILE` where nothing is sealed yet, put it back from \
         a copy, or restore it from shares"
    )]
    Missing,
    #[error("{0}")]
    NotAKey(#[from] NotAMasterKey),
    #[error("a credential's name is 1 to 255 characters without /, and neither . nor ..")]
    Name,
    #[error(
        "CREDENTIALS_DIRECTORY is not set, so systemd has not started this with a credential; name it in the unit \
         (LoadCredentialEncrypted=NAME:PATH), and run commands by systemd-run with the same"
    )]
    NotUnderSystemd,
    #[error("systemd has loaded no credential of this name; correct it, or LoadCredential= in the unit")]
    NoSuchCredential,
    #[error("others than the service can read or write it (mode {0:04o}); let systemd load it")]
    CredentialMode(u32),
    #[error("a command begins with a program's whole path, as in [\"/usr/local/bin/unseal\", \"chinhchu\"]")]
    Program,
    #[error("it cannot be started: {0}; correct the command")]
    NotStarted(io::Error),
    #[error("it failed with {0}; run it by hand as the same user to see why")]
    Failed(String),
    #[error("it took longer than {} seconds and was stopped; run it by hand as the same user to see why", .0.as_secs())]
    TooSlow(Duration),
}

impl fmt::Display for KeySource {
    /// Without the arguments of a command, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Credential(name) => write!(f, "the credential {name}"),
            Self::Command(words) => write!(f, "the command {}", words.first().map_or("", String::as_str)),
        }
    }
}

/// Written as a table with one key. By hand, because a derived reader would show what it does not
/// understand, and that may be a key that somebody wrote here.
impl<'de> Deserialize<'de> for KeySource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneSource;

        const WANTED: &str = "{ file = \"…\" }, { credential = \"…\" } or { command = [\"…\"] }";

        impl<'de> Visitor<'de> for OneSource {
            type Value = KeySource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(WANTED)
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<KeySource, E> {
                Err(E::custom(format_args!("a key is never written into the configuration; name its source: {WANTED}")))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeySource, A::Error> {
                let one = || A::Error::custom(format_args!("a master key has one source: {WANTED}"));
                let source = match map.next_key::<String>()?.ok_or_else(one)?.as_str() {
                    "file" => KeySource::File(map.next_value()?),
                    "credential" => KeySource::Credential(map.next_value()?),
                    "command" => KeySource::Command(map.next_value()?),
                    _ => return Err(one()),
                };
                match map.next_key::<String>()? {
                    None => Ok(source),
                    Some(_) => Err(one()),
                }
            }
        }

        deserializer.deserialize_any(OneSource)
    }
}

impl KeySource {
    /// Whether it can be read at all, as far as is told without reading.
    ///
    /// # Errors
    /// A name that no credential has, a command without a program's whole path.
    pub fn check(&self) -> Result<(), KeySourceError> {
        let checked = match self {
            Self::File(_) => Ok(()),
            Self::Credential(name) => is_name(name).then_some(()).ok_or(Why::Name),
            Self::Command(words) => program(words).map(drop),
        };
        checked.map_err(|why| self.failed(why))
    }

    /// Reads the key.
    ///
    /// # Errors
    /// What stands in the way, with what to do; nothing of what was read.
    pub fn read(&self) -> Result<MasterKey, KeySourceError> {
        let key = match self {
            Self::File(path) => of_file(path),
            Self::Credential(name) => of_credential(env::var_os(CREDENTIALS).map(PathBuf::from).as_deref(), name),
            Self::Command(words) => of_command(words, COMMAND_TIME_MAX),
        };
        key.map_err(|why| self.failed(why))
    }

    fn failed(&self, why: Why) -> KeySourceError {
        KeySourceError { source_shown: self.to_string(), why }
    }
}

fn of_file(path: &Path) -> Result<MasterKey, Why> {
    let file = private::open_secret(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Why::Missing,
        _ => Why::Io(error),
    })?;
    parsed(file)
}

fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && !matches!(name, "." | "..") && !name.contains(['/', '\0'])
}

fn of_credential(folder: Option<&Path>, name: &str) -> Result<MasterKey, Why> {
    if !is_name(name) {
        return Err(Why::Name);
    }
    let path = folder.ok_or(Why::NotUnderSystemd)?.join(name);
    let file = regular::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Why::NoSuchCredential,
        _ => Why::Io(error),
    })?;
    let mode = file.metadata()?.mode() & 0o777;
    match mode & CREDENTIAL_MODE {
        0 => parsed(file),
        _ => Err(Why::CredentialMode(mode)),
    }
}

fn program(words: &[String]) -> Result<(&str, &[String]), Why> {
    // No search along PATH, which whoever starts the program may set.
    match words {
        [program, arguments @ ..] if program.starts_with('/') => Ok((program, arguments)),
        _ => Err(Why::Program),
    }
}

fn of_command(words: &[String], time_max: Duration) -> Result<MasterKey, Why> {
    let (program, arguments) = program(words)?;
    // What it says on standard error may name what it was given: nobody sees it.
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut running = Running(command.spawn().map_err(Why::NotStarted)?);
    let output = running.0.stdout.take().expect("it is piped");
    let deadline = Instant::now() + time_max;
    // Another thread reads, as a read has no deadline. A process that the command left behind may keep
    // the pipe open; its thread then waits with nothing in its hands.
    let (tell, told) = mpsc::sync_channel(1);
    thread::Builder::new().name("master-key".to_owned()).spawn(move || {
        let _ = tell.send(whole(output));
    })?;
    let read = told.recv_timeout(time_max).map_err(|_| Why::TooSlow(time_max))?;
    let status = running.ended(deadline)?.ok_or(Why::TooSlow(time_max))?;
    match status.success() {
        true => read?.key(),
        false => Err(Why::Failed(how(status))),
    }
}

/// A command; it and what it has started are killed when it is dropped.
struct Running(Child);

impl Running {
    fn ended(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            match self.0.try_wait()? {
                None if Instant::now() < deadline => thread::sleep(COMMAND_POLL),
                ended => return Ok(ended),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.0.try_wait() {
            return;
        }
        #[cfg(target_os = "linux")]
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    }
}

/// What was read, in memory that is wiped.
struct Whole {
    buffer: Zeroizing<[u8; line::BYTES_MAX]>,
    length: usize,
}

impl Whole {
    fn key(&self) -> Result<MasterKey, Why> {
        let key = MasterKey::parse(&self.buffer[..self.length])?;
        // Behind white space that fills the room there may be anything.
        if self.length == line::BYTES_MAX { Err(NotAMasterKey::Length.into()) } else { Ok(key) }
    }
}

/// Reads to the end, and not into memory that grows and leaves copies behind. More than a line has
/// room for is no key, and is left unread.
fn whole(mut reader: impl Read) -> io::Result<Box<Whole>> {
    let mut whole = Box::new(Whole { buffer: Zeroizing::new([0; line::BYTES_MAX]), length: 0 });
    while whole.length < line::BYTES_MAX {
        let length = whole.length;
        match reader.read(&mut whole.buffer[length..]) {
            Ok(0) => break,
            Ok(more) => whole.length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(whole)
}

fn parsed(reader: impl Read) -> Result<MasterKey, Why> {
    whole(reader)?.key()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sealing::Secret;

    fn key() -> MasterKey {
        MasterKey::new(Secret::copied(&[7; 32]))
    }

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_file_gives_the_key_to_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let source = KeySource::File(path.clone());
        let missing = source.read().unwrap_err().to_string();
        assert!(missing.contains("new-master") && missing.contains("master.key"), "{missing}");
        key().write_new(&path).unwrap();
        assert_eq!(source.read().unwrap().id(), key().id());
        for mode in [0o644, 0o640, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(source.read().unwrap_err().to_string().contains("chmod 600"));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "chinhchu-master-key-v1:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc").unwrap();
        let cut = source.read().unwrap_err().to_string();
        assert!(cut.contains("cut") && !cut.contains("BwcH"), "{cut}");
        let line = key().line();
        fs::write(&path, format!("\u{feff}{}\r\n", line.trim_end())).unwrap();
        assert_eq!(source.read().unwrap().id(), key().id(), "as another system writes a line");
        fs::write(&path, format!("{}{}more", line.as_str(), " ".repeat(300))).unwrap();
        assert!(source.read().unwrap_err().to_string().contains("more than the key"));
        fs::write(&path, "x".repeat(1 << 20)).unwrap();
        assert!(source.read().unwrap_err().to_string().contains("no master key"));
        assert!(KeySource::File(folder.path().to_owned()).read().unwrap_err().to_string().contains("folder"));
    }

    #[test]
    fn a_credential_is_a_file_that_systemd_has_loaded() {
        let folder = tempfile::tempdir().unwrap();
        key().write_new(&folder.path().join("master")).unwrap();
        let read = |name: &str| of_credential(Some(folder.path()), name);
        assert_eq!(read("master").unwrap().id(), key().id());
        // As systemd shows what it has let a service's user read by an access control list.
        let mode = |mode| fs::set_permissions(folder.path().join("master"), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o440);
        assert_eq!(read("master").unwrap().id(), key().id());
        mode(0o444);
        assert!(matches!(read("master"), Err(Why::CredentialMode(0o444))));
        assert!(matches!(read("other"), Err(Why::NoSuchCredential)));
        for name in ["", ".", "..", "../master", "/etc/passwd", "a/b", &"x".repeat(256)] {
            assert!(matches!(read(name), Err(Why::Name)), "{name}");
            assert!(KeySource::Credential(name.to_owned()).check().is_err(), "{name}");
        }
        let none = of_credential(None, "master").unwrap_err().to_string();
        assert!(none.contains("systemd") && none.contains("LoadCredential"), "{none}");
    }

    #[test]
    fn a_command_gives_the_key_on_standard_output() {
        let line = key().line();
        let source = KeySource::Command(shell(&format!("echo told >&2; printf '%s' '{}'", line.as_str())));
        assert_eq!(source.read().unwrap().id(), key().id());
        assert_eq!(source.to_string(), "the command /bin/sh", "its arguments may be secret");
        // Arguments are words, and no shell reads them.
        let words = ["/bin/echo", "-n", &format!("{};echo", line.trim_end())].map(str::to_owned).to_vec();
        assert!(KeySource::Command(words).read().unwrap_err().to_string().contains("more than the key"));
    }

    #[test]
    fn a_command_that_fails_is_told_by_its_exit_code_alone() {
        let told = |script: &str| KeySource::Command(shell(script)).read().unwrap_err().to_string();
        let failed = told("echo secret-of-the-kms >&2; echo secret-on-stdout; exit 7");
        assert!(failed.contains("exit code 7") && !failed.contains("secret"), "{failed}");
        assert!(told("kill -9 $$").contains("signal 9"));
        let none = told("true");
        assert!(none.contains("no master key"), "{none}");
        let much = told("head -c 10000000 /dev/zero");
        assert!(much.contains("signal") || much.contains("exit code") || much.contains("no master key"), "{much}");
        let cut = key().line()[..60].to_owned();
        let wrong = told(&format!("printf '%s' {cut}"));
        assert!(wrong.contains("cut") && !wrong.contains("BwcH"), "{wrong}");
        for words in [vec![], vec!["sh".to_owned()], vec!["bin/unseal".to_owned()]] {
            assert!(KeySource::Command(words.clone()).check().is_err(), "{words:?}");
            assert!(KeySource::Command(words).read().unwrap_err().to_string().contains("whole path"));
        }
        let gone = KeySource::Command(vec!["/no/such/program".to_owned()]).read().unwrap_err().to_string();
        assert!(gone.contains("cannot be started"), "{gone}");
    }

    #[test]
    fn a_command_that_does_not_end_is_stopped_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let began = Instant::now();
        for script in [
            // It waits for a child; and it has closed its output, but does not end.
            format!("sleep 600 & echo $! > {0}; wait", pid.display()),
            format!("echo $$ > {0}; exec >&-; exec sleep 600", pid.display()),
        ] {
            let slow = of_command(&shell(&script), Duration::from_millis(700)).unwrap_err();
            assert!(matches!(slow, Why::TooSlow(_)), "{slow}");
            let pid = fs::read_to_string(&pid).unwrap().trim().to_owned();
            let gone = || {
                // A killed process that nobody has waited for yet is a zombie.
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                stat.is_empty() || stat.contains(") Z ")
            };
            while !gone() {
                assert!(began.elapsed() < Duration::from_secs(20), "{pid} lives on");
                thread::sleep(COMMAND_POLL);
            }
        }
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
