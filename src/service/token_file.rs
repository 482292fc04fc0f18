//! The bearer token of a client, read from its file anew for every call, as tokens expire.

use std::path::{Path, PathBuf};

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::ClientError;
use crate::private;

/// Longest token, in bytes: what HTTP/2 servers take of headers.
const BYTES_MAX: u64 = 16 << 10;

/// Adds the token to each call, where there is a file of one.
#[derive(Debug, Clone)]
pub(super) struct TokenFile(Option<PathBuf>);

impl TokenFile {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }
}

impl Interceptor for TokenFile {
    // A small file of this machine: reading it takes less time than what follows.
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(path) = &self.0 {
            let value = header(path).map_err(|why| {
                ClientError::bad_token(format!("the token file {} {why}", path.display())).into_status()
            })?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

/// `Bearer …` (RFC 6750, 2.1). What is wrong, and what to do, where there is none.
fn header(path: &Path) -> Result<MetadataValue<Ascii>, String> {
    let bytes = private::read_secret(path, BYTES_MAX).map_err(|error| format!("cannot be used: {error}"))?;
    let token = private::key_line(&bytes);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    if token.is_empty() || !token.iter().all(is_token) {
        return Err("holds no bearer token; name a file with the token alone".to_owned());
    }
    let value = [b"Bearer ", token].concat();
    let mut value = MetadataValue::try_from(value.as_slice()).map_err(|_| "holds no bearer token".to_owned())?;
    // Kept out of what debuggers and logs print, and out of HPACK's tables.
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_token_is_read_anew_for_every_call_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let mut file = TokenFile::new(Some(path.clone()));
        for token in ["aaa.bbb.ccc", "ddd.eee.fff"] {
            fs::write(&path, format!("\u{feff}{token}\r\n")).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let request = file.call(Request::new(())).unwrap();
            let value = request.metadata().get("authorization").unwrap();
            assert_eq!(value.to_str().unwrap(), format!("Bearer {token}"));
            assert!(!format!("{request:?}").contains(token));
        }
        assert!(TokenFile::new(None).call(Request::new(())).unwrap().metadata().is_empty());
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_none_is_refused_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let refused = || {
            let status = TokenFile::new(Some(path.clone())).call(Request::new(())).unwrap_err();
            let error = ClientError::from(status);
            assert_eq!(error.reason, "TOKEN_FILE");
            assert!(error.message.contains(&*path.to_string_lossy()), "{error}");
            error.message
        };
        refused();
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(refused().contains("chmod 600"));
        for (mode, text) in [(0o600, ""), (0o600, "two words"), (0o600, "mã")] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(refused().contains("no bearer token"));
        }
    }
}
