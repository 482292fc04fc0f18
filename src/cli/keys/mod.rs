//! `chinhchu keys`: the master key (`master`) and what is sealed under it (`store`); a test authority, certificates of servers and clients,
//! and their revocation.

mod master;
mod store;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use self::master::{ExportArgs, MasterIdArgs, NewMasterArgs, RestoreArgs};
use self::store::{SealArgs, StatusArgs, StoreArgs};
pub(in crate::cli) use self::store::{copy_state, copy_words, is_alike, to_destroy};
use super::{Exit, Failure, GlobalArgs, Outcome, print, runtime};
use crate::access::{check_dns, check_uri};
use crate::private::{self, Readers};
use crate::regular;
use crate::tools::{Issued, Leaf, Purpose, TestAuthority};

const EXAMPLES: &str = "\
Examples:
  chinhchu keys ca pki                                  a test authority, in a new folder
  chinhchu keys server pki --name engine.example --ip 127.0.0.1
  chinhchu keys client pki --name payments --uri spiffe://vss.example/payments
  chinhchu keys client pki --name desk-1 --dns desk-1.example
  chinhchu keys revoke pki pki/desk-1.pem
  chinhchu keys new-master master.key                   the master key of sealing: `keys new-master --help`
  chinhchu --config chinhchu.toml keys status           how the key store stands: `keys status --help`

The authority is for trying out TLS, demonstrations and tests, NOT for production: its key lies in a
file, and whoever reads that can be any machine. In production certificates come from an authority
whose key nobody can copy. Keys are ECDSA P-256, readable by their owner alone (0600). The
authority is valid for two years, what it issues for 90 days. Nothing is ever overwritten but the
revocation list, by `keys revoke`.

A server takes them as [tls] certificate = \"pki/server.pem\", key = \"pki/server.key\",
client_ca = \"pki/ca.pem\", client_crl = [\"pki/ca.crl\"]; a client as --ca pki/ca.pem
--cert pki/payments.pem --key pki/payments.key. Machines are known by the URIs and DNS names of
their certificates.

Exit code: 0 done, 2 it cannot be done, or wrong usage.";

/// Mode of keys.
const KEY_MODE: u32 = 0o600;
/// Mode of what everybody may read, before the process's umask.
const OPEN_MODE: u32 = 0o666;
/// Largest file that is read, in bytes.
const BYTES_MAX: u64 = 16 << 20;
/// The authority's files.
const CA_PEM: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const CA_CRL: &str = "ca.crl";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KeysArgs {
    #[command(subcommand)]
    action: KeysAction,
}

#[derive(Debug, Subcommand)]
enum KeysAction {
    /// Make a test authority
    #[command(after_help = EXAMPLES)]
    Ca(CaArgs),
    /// Make a server's certificate and key
    #[command(after_help = EXAMPLES)]
    Server(ServerKeysArgs),
    /// Make a client's certificate and key
    #[command(after_help = EXAMPLES)]
    Client(ClientKeysArgs),
    /// Put a certificate on the authority's revocation list
    #[command(after_help = EXAMPLES)]
    Revoke(RevokeArgs),
    /// Make a master key, under which what is at rest is sealed
    #[command(after_help = master::EXAMPLES)]
    NewMaster(NewMasterArgs),
    /// Split the master key into shares for custodians
    #[command(after_help = master::EXAMPLES)]
    Export(ExportArgs),
    /// Put the master key together of shares
    #[command(after_help = master::EXAMPLES)]
    Restore(RestoreArgs),
    /// Print what the master key is told from others by
    #[command(after_help = master::EXAMPLES)]
    MasterId(MasterIdArgs),
    /// Seal a gallery that lies in the clear
    #[command(after_help = store::EXAMPLES)]
    Seal(SealArgs),
    /// Change the master key
    #[command(after_help = store::EXAMPLES)]
    Rotate(StoreArgs),
    /// Say how the key store stands
    #[command(after_help = store::EXAMPLES)]
    Status(StatusArgs),
}

#[derive(Debug, Args)]
struct CaArgs {
    /// Folder of the authority; made where there is none
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ServerKeysArgs {
    /// Folder of the authority
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// DNS name that clients connect to; may be repeated
    #[arg(long = "name", value_name = "DNS", required_unless_present = "ips")]
    names: Vec<String>,
    /// IP address that clients connect to; may be repeated
    #[arg(long = "ip", value_name = "ADDRESS")]
    ips: Vec<IpAddr>,
    /// Name of the files, without ending
    #[arg(long, value_name = "NAME", default_value = "server", value_parser = stem)]
    file: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ClientKeysArgs {
    /// Folder of the authority
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Name of the client for people, and of the files
    #[arg(long, value_name = "NAME", value_parser = stem)]
    name: String,
    /// URI that the machine is known by; may be repeated
    #[arg(long = "uri", value_name = "URI", required_unless_present = "dns")]
    uris: Vec<String>,
    /// DNS name that the machine is known by; may be repeated
    #[arg(long, value_name = "DNS")]
    dns: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Folder of the authority
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The certificate, in PEM
    #[arg(value_name = "CERTIFICATE")]
    certificate: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `keys` answer.
#[derive(Serialize)]
struct KeysAnswer {
    files: Vec<Made>,
    /// `keys revoke`: the certificate had been revoked before.
    #[serde(skip_serializing_if = "Option::is_none")]
    was_revoked: Option<bool>,
    /// Always true: nothing of this is for production.
    test_only: bool,
}

/// A file that was written.
#[derive(Serialize)]
struct Made {
    path: PathBuf,
    what: &'static str,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: KeysArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    match args.action {
        KeysAction::Ca(args) => make_authority(&args),
        KeysAction::Server(args) => {
            let leaf = Leaf { dns: args.names, ips: args.ips, ..Leaf::new(Purpose::Server, &args.file) };
            let what = ["the server's certificate: certificate under [tls]", "its key, secret: key under [tls]"];
            issue(&args.folder, &args.file, &leaf, what, args.json)
        }
        KeysAction::Client(args) => {
            // What [access.machines] would refuse, no certificate is made for.
            args.uris.iter().try_for_each(|uri| check_uri("--uri", uri)).map_err(Failure::new)?;
            args.dns.iter().try_for_each(|dns| check_dns("--dns", dns)).map_err(Failure::new)?;
            let leaf = Leaf { dns: args.dns, uris: args.uris, ..Leaf::new(Purpose::Client, &args.name) };
            let what = ["the client's certificate: --cert, CHINHCHU_CERT", "its key, secret: --key, CHINHCHU_KEY"];
            issue(&args.folder, &args.name, &leaf, what, args.json)
        }
        KeysAction::Revoke(args) => revoke(&args),
        KeysAction::NewMaster(args) => master::make(global, &args),
        KeysAction::Export(args) => master::export(global, &args),
        KeysAction::Restore(args) => master::restore(global, &args),
        KeysAction::MasterId(args) => master::tell_id(global, &args),
        KeysAction::Seal(args) => store::seal(global, args),
        KeysAction::Rotate(args) => store::rotate(global, args),
        KeysAction::Status(args) => store::status(global, args),
    }
}

/// A name of files that stays in the folder and hides nothing.
fn stem(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !text.is_empty() && text.len() <= 64 && !text.starts_with('.') && text.chars().all(is_plain) && text != "ca" {
        true => Ok(text.to_owned()),
        false => Err("it takes 1 to 64 letters, digits, -, _ and ., and is not ca, as in payments".to_owned()),
    }
}

fn make_authority(args: &CaArgs) -> Outcome {
    let folder = &args.folder;
    private::make_folder(folder)
        .map_err(|e| Failure::new(format_args!("cannot make the folder {}: {e}; name another", folder.display())))?;
    let authority = TestAuthority::new().map_err(Failure::new)?;
    let list = authority.revocation_list().map_err(Failure::new)?;
    let files = write_new(
        folder,
        &[
            (
                CA_KEY.to_owned(),
                KEY_MODE,
                &authority.key(),
                "the authority's key, secret: `chinhchu keys` signs with it",
            ),
            (
                CA_PEM.to_owned(),
                OPEN_MODE,
                authority.certificate(),
                "the authority: client_ca under [tls], and --ca of clients",
            ),
            (CA_CRL.to_owned(), OPEN_MODE, &list, "what it has revoked: client_crl under [tls]"),
        ],
    )?;
    tell(KeysAnswer { files, was_revoked: None, test_only: true }, args.json)
}

fn issue(folder: &Path, stem: &str, leaf: &Leaf, [of_certificate, of_key]: [&'static str; 2], json: bool) -> Outcome {
    let authority = read_authority(folder)?;
    let Issued { certificate, key } = authority
        .issue(leaf)
        .map_err(|e| Failure::new(format_args!("no such certificate can be made: {e}; correct the names")))?;
    let files = write_new(
        folder,
        &[
            (format!("{stem}.key"), KEY_MODE, &key, of_key),
            (format!("{stem}.pem"), OPEN_MODE, &certificate, of_certificate),
        ],
    )?;
    tell(KeysAnswer { files, was_revoked: None, test_only: true }, json)
}

fn revoke(args: &RevokeArgs) -> Outcome {
    let mut authority = read_authority(&args.folder)?;
    let certificate = read(&args.certificate)?;
    let fail = |e: &dyn std::fmt::Display| Failure::new(format_args!("{}: {e}", args.certificate.display()));
    let is_new = authority.revoke(&certificate).map_err(|e| fail(&e))?;
    let path = args.folder.join(CA_CRL);
    let list = authority.revocation_list().map_err(Failure::new)?;
    private::write(&path, Readers::All, list.as_bytes())
        .map_err(|e| Failure::new(format_args!("cannot write {}: {e}", path.display())))?;
    let files =
        vec![Made { path, what: "what the authority has revoked: servers take it at SIGHUP, or within a minute" }];
    tell(KeysAnswer { files, was_revoked: Some(!is_new), test_only: true }, args.json)
}

fn read(path: &Path) -> Result<String, Failure> {
    let fail = |why: &dyn std::fmt::Display| Failure::new(format_args!("cannot read {}: {why}", path.display()));
    let bytes = regular::read(path, BYTES_MAX).map_err(|e| fail(&e))?;
    String::from_utf8(bytes).map_err(|_| fail(&"it is no PEM; name a file of text"))
}

fn read_authority(folder: &Path) -> Result<TestAuthority, Failure> {
    let file = |name: &str| match folder.join(name).exists() {
        true => read(&folder.join(name)),
        false => Err(Failure::new(format_args!(
            "there is no {}: no test authority lives in this folder; make one with `chinhchu keys ca DIR`",
            folder.join(name).display()
        ))),
    };
    let (certificate, list) = (file(CA_PEM)?, file(CA_CRL)?);
    let path = folder.join(CA_KEY);
    let key = private::read_secret(&path, BYTES_MAX)
        .map_err(|e| Failure::new(format_args!("the authority's key {}: {e}", path.display())))?;
    TestAuthority::from_pem(&certificate, &String::from_utf8_lossy(&key), &list)
        .map_err(|e| Failure::new(format_args!("{}: {e}", folder.display())))
}

/// Writes files, none of which may be there: what was made before may be in use.
fn write_new(folder: &Path, files: &[(String, u32, &str, &'static str)]) -> Result<Vec<Made>, Failure> {
    let refused = |path: &Path| {
        let path = path.display();
        Failure::new(format_args!(
            "{path} is there already, and is not overwritten; name another, or remove it yourself"
        ))
    };
    if let Some((name, ..)) = files.iter().find(|(name, ..)| folder.join(name).symlink_metadata().is_ok()) {
        return Err(refused(&folder.join(name)));
    }
    let mut made = Vec::new();
    for (name, mode, text, what) in files {
        let path = folder.join(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(*mode)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => refused(&path),
            _ => Failure::new(format_args!("cannot write {}: {error}", path.display())),
        })?;
        made.push(Made { path, what });
    }
    Ok(made)
}

fn tell(answer: KeysAnswer, json: bool) -> Outcome {
    if json {
        print::json(&answer)?;
        return Ok(Exit::Success);
    }
    let lines = answer.files.iter().map(|made| format!("{}  {}", made.path.display(), made.what));
    let mut lines: Vec<String> = lines.collect();
    if answer.was_revoked == Some(true) {
        lines.push("the certificate had been revoked before".to_owned());
    }
    lines.push("TEST ONLY: certificates of a test authority are not for production".to_owned());
    print::answer(&lines.join("\n"))?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_stay_in_the_folder() {
        for bad in ["", ".", "..", "../x", "a/b", ".hidden", "ca", "đ", "a b"] {
            assert!(stem(bad).is_err(), "{bad}");
        }
        for good in ["payments", "desk-1", "engine.example"] {
            assert_eq!(stem(good).as_deref(), Ok(good));
        }
    }
}
