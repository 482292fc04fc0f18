//! `[tls]` of the configuration: what it means for a server, and its files read anew while the server
//! runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::approval::{self, CallerFiles};
use super::config::TlsSection;
use super::danger::SetupArgs;
use super::reload::{Item, Part, Prepared, Stamp};
use super::settings::Settings;
use super::{Failure, outcome};
use crate::service::tls::{Loaded, Tls, TlsError, TlsFile, TlsOptions};

/// What `[tls]` asks for.
pub(super) fn options(section: TlsSection) -> Result<TlsOptions, Failure> {
    let TlsSection { certificate, key, client_ca, client_crl, client_certificates, min_version } = section;
    let missing = |key: &str| Failure::new(format_args!("tls: {key} is missing; name a file in PEM"));
    for (key, is_there) in
        [("client_crl", !client_crl.is_empty()), ("client_certificates", client_certificates.is_some())]
    {
        if is_there && client_ca.is_none() {
            return Err(Failure::new(format_args!(
                "tls.{key} needs client_ca, the authorities that sign clients' certificates; name them, or take {key} out"
            )));
        }
    }
    Ok(TlsOptions {
        certificate: certificate.ok_or_else(|| missing("certificate"))?,
        key: key.ok_or_else(|| missing("key"))?,
        client_ca,
        client_crl,
        client_certificates: client_certificates.unwrap_or_default(),
        min_version: min_version.unwrap_or_default(),
    })
}

/// The key of the configuration that names a file.
fn key_of(file: TlsFile) -> &'static str {
    match file {
        TlsFile::Certificate => "tls.certificate",
        TlsFile::Key => "tls.key",
        TlsFile::ClientCa | TlsFile::ServerCa => "tls.client_ca",
        TlsFile::ClientCrl => "tls.client_crl",
    }
}

/// What the log calls it.
fn name_of(file: TlsFile) -> &'static str {
    match file {
        TlsFile::Certificate => "server certificate",
        TlsFile::Key => "server key",
        TlsFile::ClientCa | TlsFile::ServerCa => "authorities of clients",
        TlsFile::ClientCrl => "revocation lists of clients",
    }
}

/// Reads and checks every file of `[tls]`; `None` where there is none.
pub(super) fn load(settings: &Settings) -> Result<Option<Loaded>, Failure> {
    let blame = |error: TlsError| settings.origin.blame(key_of(error.file()), error);
    settings.tls.as_ref().map(|options| Loaded::read(options).map_err(blame)).transpose()
}

/// Authorities of clients as they are now, by SHA-256; `None` where none are named.
pub(super) fn client_authorities(settings: &Settings) -> Result<Option<[u8; 32]>, Failure> {
    let blame = |error: TlsError| settings.origin.blame(key_of(error.file()), error);
    let digest = settings.tls.as_ref().map(|options| options.client_authorities().map_err(blame)).transpose()?;
    Ok(digest.flatten())
}

/// The files of TLS, read anew.
pub(super) struct TlsFiles {
    tls: Tls,
    /// What was typed of the set-up, which is approved with it.
    typed: SetupArgs,
    /// Authorities of clients in force; none until they were read with everything else.
    authorities: Arc<Mutex<Option<[u8; 32]>>>,
}

impl TlsFiles {
    pub(super) fn new(tls: Tls, typed: SetupArgs) -> Self {
        Self { tls, typed, authorities: Arc::default() }
    }
}

impl Part for TlsFiles {
    fn prepare(&self, settings: &Settings) -> Result<Prepared, Failure> {
        let gone = || Failure::new("[tls] is no longer there; write it again, or restart the server to go on without");
        let mut loaded = load(settings)?.ok_or_else(gone)?;
        let authorities = loaded.client_authorities();
        // The server's own certificate and revocation lists are renewed without anybody's word.
        if authorities != *locked(&self.authorities) {
            let callers = || CallerFiles::with_authorities(authorities, settings);
            approval::check_callers(settings, &self.typed, callers)?;
        }
        for warning in loaded.warnings.drain(..) {
            tracing::warn!("TLS: {}", outcome::one_line(&warning));
        }
        let items = loaded.parts.iter().map(|part| Item {
            name: name_of(part.file),
            digest: part.digest,
            count: part.what.clone(),
            amounts: part.amounts.clone(),
        });
        let items = items.collect();
        let (tls, in_force) = (self.tls.clone(), Arc::clone(&self.authorities));
        let install = move || {
            *locked(&in_force) = authorities;
            tls.replace(loaded);
        };
        Ok(Prepared { items, install: Box::new(install) })
    }

    fn stamp(&self, settings: &Settings) -> Option<Stamp> {
        let approvals = approval::watched(settings, &self.typed);
        settings.tls.as_ref().map(|options| Stamp::of(options.files().chain(&approvals)))
    }
}

fn locked(of: &Mutex<Option<[u8; 32]>>) -> MutexGuard<'_, Option<[u8; 32]>> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `config check` says of TLS.
#[derive(Debug, serde::Serialize)]
pub(super) struct TlsAnswer {
    /// When the server's certificate expires, RFC 3339.
    certificate_expires: String,
    /// Authorities of clients; 0 where no client's certificate is asked for.
    client_authorities: usize,
    client_revocation_lists: usize,
    /// What the operator should know.
    warnings: Vec<String>,
}

impl TlsAnswer {
    pub(super) fn new(loaded: &Loaded) -> Self {
        let amount = |name| {
            let all = loaded.parts.iter().flat_map(|part| &part.amounts);
            all.filter(|(of, _)| *of == name).map(|(_, amount)| amount).sum()
        };
        Self {
            certificate_expires: rfc_3339(loaded.expires_at()),
            client_authorities: amount("authorities of clients"),
            client_revocation_lists: amount("revocation lists of clients"),
            warnings: loaded.warnings.clone(),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let Self { certificate_expires, client_authorities, client_revocation_lists, warnings } = self;
        let clients = match client_authorities {
            0 => "no client's certificate is asked for".to_owned(),
            _ => format!("clients of {client_authorities} authorities, {client_revocation_lists} revocation lists"),
        };
        let mut lines = vec![format!("TLS: the server's certificate expires {certificate_expires}; {clients}")];
        lines.extend(warnings.iter().map(|warning| outcome::one_line(&format!("warning  TLS: {warning}"))));
        lines
    }
}

fn rfc_3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| time.to_string())
}

/// The files whose change changes who may call: they must not be everybody's to write.
pub(super) fn deciding(settings: &Settings) -> impl Iterator<Item = &PathBuf> {
    settings.tls.iter().flat_map(TlsOptions::files)
}
