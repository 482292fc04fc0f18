//! Results that are sent to a benefit system, signed, and sent again until it takes them.
//!
//! Source: Standard Webhooks (<https://www.standardwebhooks.com>): headers, and what is signed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::Uri;
use serde_json::json;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::DeskError;
use crate::desk::HandoffResult;
use crate::private;
use crate::service::fetch::Fetcher;

const KEY: &str = "desk.systems";
/// Largest file with a key, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 4 << 10;
/// Bytes of a key.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// What keys may be written after.
const KEY_PREFIX: &str = "whsec_";
/// Seconds before the next tries.
const PAUSES_S: [u64; 6] = [1, 5, 30, 120, 600, 1800];
/// Most of an answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Where a system's results go.
pub(super) struct Webhook {
    address: Uri,
    key: Zeroizing<Vec<u8>>,
    fetcher: Fetcher,
}

impl Webhook {
    /// Reads the key: base64 of 24 to 64 bytes, after `whsec_` if one likes.
    pub(super) fn open(address: &Uri, key: &Path) -> Result<Self, DeskError> {
        let bad = |why: String| DeskError { key: KEY, why: format!("{}: {why}", key.display()) };
        let text = Zeroizing::new(private::read_secret(key, KEY_FILE_BYTES_MAX).map_err(|e| bad(e.to_string()))?);
        let text = str::from_utf8(&text).unwrap_or_default().trim();
        let bytes = STANDARD.decode(text.strip_prefix(KEY_PREFIX).unwrap_or(text)).unwrap_or_default();
        let bytes = Zeroizing::new(bytes);
        if !KEY_BYTES.contains(&bytes.len()) {
            return Err(bad("it is no key: base64 of 24 to 64 random bytes (openssl rand -base64 32)".to_owned()));
        }
        let (fetcher, _) = Fetcher::new(None).map_err(|error| bad(error.to_string()))?;
        Ok(Self { address: address.clone(), key: bytes, fetcher })
    }

    /// Sends what came of a hand-over, in the background, until it is taken, the tries are over or the server stops.
    pub(super) fn send(
        self: &Arc<Self>,
        id: &str,
        transaction: &str,
        result: &HandoffResult,
        closing: CancellationToken,
    ) {
        let body = json!({
            "type": "desk.decided",
            "session": id,
            "transactionId": transaction,
            "attempt": result.attempt,
            "outcome": result.outcome,
            "decidedAt": result.decided_at,
        });
        // One name for a result, however often it is sent.
        let name = format!("{id}-{}", result.attempt);
        let (hook, body) = (Arc::clone(self), body.to_string());
        tokio::spawn(async move {
            for pause in PAUSES_S.map(Some).into_iter().chain([None]) {
                if hook.try_once(&name, &body).await {
                    return;
                }
                let Some(pause) = pause else { break };
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(pause)) => {}
                    () = closing.cancelled() => break,
                }
            }
            tracing::warn!("a result could not be sent to its benefit system; it can still be asked for");
        });
    }

    async fn try_once(&self, name: &str, body: &str) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let signature = self.signature(name, &now, body);
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", name),
            ("webhook-timestamp", &now),
            ("webhook-signature", &signature),
        ];
        let sent = self.fetcher.post(&self.address, &headers, body.to_owned(), ANSWER_BYTES_MAX).await;
        match sent {
            Ok((status, _)) if status.is_success() => true,
            Ok((status, _)) => {
                tracing::info!(%status, "a benefit system did not take a result");
                false
            }
            Err(error) => {
                tracing::info!(%error, "a benefit system could not be sent a result");
                false
            }
        }
    }

    fn signature(&self, name: &str, at: &str, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        for part in [name, ".", at, ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standards_example() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        private::write(&path, private::Readers::Owner, b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let hook = Webhook::open(&"https://his.example/hook".parse().unwrap(), &path).unwrap();
        // Of the libraries of standard-webhooks.
        let signature = hook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        private::write(&path, private::Readers::Owner, b"short").unwrap();
        assert!(Webhook::open(&"https://his.example/hook".parse().unwrap(), &path).is_err());
    }
}
