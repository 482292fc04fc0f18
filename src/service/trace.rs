//! What identifies a call in the log: its trace (W3C Trace Context, Level 1) and a keyed digest
//! of its transaction's id.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tonic::codegen::http::{HeaderMap, HeaderValue};

use crate::context::TraceId;
use crate::private::{self, Readers};
use crate::{hex, random};

/// Name of the header, in requests and in responses.
pub(super) const TRACEPARENT: &str = "traceparent";
/// The flag `sampled`: the caller records the trace.
const SAMPLED: u8 = 1;

/// One call within a trace, which the caller began or which begins here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trace {
    trace: TraceId,
    /// This call's id within the trace.
    span: [u8; 8],
    sampled: bool,
}

impl Trace {
    /// A new span of the trace that the headers name, or of a new trace where they name none
    /// or more than one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(TRACEPARENT).into_iter();
        let one = values.next().filter(|_| values.next().is_none());
        let given = one.and_then(|value| parse(value.as_bytes()));
        let (trace, sampled) = given.unwrap_or_else(|| (TraceId::from_bytes(unlike_others()), false));
        Self { trace, span: unlike_others(), sampled }
    }

    /// The id of the trace.
    pub(super) fn id(&self) -> TraceId {
        self.trace
    }

    /// This call's id within the trace: 16 hexadecimal digits.
    pub(super) fn span_id(&self) -> String {
        hex::encode(&self.span)
    }

    /// The value of a `traceparent` header that names this call as the parent.
    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("digits and hyphens are a header's value")
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{}", self.id(), self.span_id(), hex::encode(&[u8::from(self.sampled)]))
    }
}

/// Reads a `traceparent` (section 3.2.2): the trace, and whether the caller records it. `None`
/// for anything else.
fn parse(value: &[u8]) -> Option<(TraceId, bool)> {
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    let version: [u8; 1] = unhex(parts.next()?)?;
    let trace: [u8; 16] = unhex(parts.next()?)?;
    let parent: [u8; 8] = unhex(parts.next()?)?;
    let flags: [u8; 1] = unhex(parts.next()?)?;
    // Version 0 ends here; later versions may add fields.
    let too_long = version == [0] && parts.next().is_some();
    if version == [0xff] || too_long || trace == [0; 16] || parent == [0; 8] {
        return None;
    }
    Some((TraceId::from_bytes(trace), flags[0] & SAMPLED != 0))
}

/// The trace id in the value of a `traceparent` header, as 32 hexadecimal digits.
pub(super) fn trace_id(value: &[u8]) -> Option<String> {
    parse(value).map(|(trace, _)| trace.to_string())
}

/// An id that no other call has: random bytes that are not all zero, which the standard does not
/// allow.
fn unlike_others<const N: usize>() -> [u8; N] {
    // A system without random numbers cannot tell its traces apart, which is no reason to refuse
    // calls.
    random::secret().unwrap_or_else(|_| std::array::from_fn(|at| u8::from(at + 1 == N)))
}

/// The bytes of lower-case hexadecimal digits, as the standard writes ids. `None` for other
/// characters or another length.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode_array(text).filter(|_| !text.bytes().any(|digit| digit.is_ascii_uppercase()))
}

/// The key by which logs name transactions: whoever has it and a transaction's id finds
/// the lines about it, and whoever has the log alone learns no id, not even by trying
/// all there can be.
#[derive(Clone, PartialEq, Eq)]
pub struct LogKey([u8; LogKey::BYTES]);

impl LogKey {
    /// Name of its file within a data folder.
    pub const FILE: &str = "log.key";
    const BYTES: usize = 32;

    /// A key of this process: its digests cannot be found again after its end.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn random() -> io::Result<Self> {
        random::secret().map(Self)
    }

    /// The key of a data folder.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where no server has made one yet,
    /// [`io::ErrorKind::InvalidData`] where the file is none.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut file = crate::regular::open(&folder.join(Self::FILE))?;
        let mut key = [0; Self::BYTES];
        let broken = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no key of 32 bytes; remove it");
        file.read_exact(&mut key).map_err(broken)?;
        if file.read(&mut [0])? > 0 {
            return Err(broken(io::ErrorKind::InvalidData.into()));
        }
        Ok(Self(key))
    }

    /// The key of a data folder, made where it has none: readable by its owner alone.
    ///
    /// # Errors
    /// As [`LogKey::read`] but for a missing one, and those of writing.
    pub fn read_or_make(folder: &Path) -> io::Result<Self> {
        match Self::read(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let key = Self::random()?;
        // Whole or not at all: a killed process leaves no half key.
        private::write(&folder.join(Self::FILE), Readers::Owner, &key.0)?;
        Ok(key)
    }

    /// What stands for a transaction in the log: 64 bits of HMAC-SHA-256 (RFC 2104), as 16
    /// hexadecimal digits.
    pub fn digest(&self, transaction: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        mac.update(transaction.as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..8])
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(value: &str) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, value.parse().unwrap());
        Trace::of(&headers)
    }

    #[test]
    fn a_call_goes_on_with_the_callers_trace_as_a_span_of_its_own() {
        let trace = of(GIVEN);
        assert_eq!(trace.id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.span_id(), "00f067aa0ba902b7");
        assert_eq!(trace.to_string(), format!("00-{}-{}-01", trace.id(), trace.span_id()));
        // A later version is read as far as it is known.
        assert_eq!(of("42-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more").id(), trace.id());
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        let (id, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        for wrong in [
            String::new(),
            "rubbish".into(),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{id}-{}-01", "0".repeat(16)),
            format!("ff-{id}-{parent}-01"),
            format!("00-{id}-{parent}-01-more"),
            format!("00-{}-{parent}-01", id.to_uppercase()),
            format!("00-{id}-{parent}"),
            format!("0-{id}-{parent}-01"),
            format!("00-{id}0-{parent}-01"),
        ] {
            let trace = of(&wrong);
            assert_ne!(trace.id().to_string(), id, "{wrong}");
            assert_eq!(parse(trace.to_string().as_bytes()).unwrap().0, trace.trace);
        }
        let mut twice = HeaderMap::new();
        twice.append(TRACEPARENT, GIVEN.parse().unwrap());
        twice.append(TRACEPARENT, GIVEN.parse().unwrap());
        assert_ne!(Trace::of(&twice).id().to_string(), id);
        assert_ne!(of(""), of(""));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_trace_or_none(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some((trace, _)) = parse(&value) {
                prop_assert_ne!(trace, TraceId::from_bytes([0; 16]));
            }
        }
    }

    #[test]
    fn a_folders_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(LogKey::read(folder.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
        let key = LogKey::read_or_make(folder.path()).unwrap();
        assert_eq!(LogKey::read_or_make(folder.path()).unwrap(), key);
        assert_eq!(LogKey::read(folder.path()).unwrap(), key);
        let mode = std::fs::metadata(folder.path().join(LogKey::FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for wrong in [31, 33, 0] {
            std::fs::write(folder.path().join(LogKey::FILE), vec![7; wrong]).unwrap();
            // Never replaced unseen: earlier lines of the log could not be found any more.
            assert_eq!(LogKey::read_or_make(folder.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn a_digest_is_that_of_the_key_and_of_the_transaction() {
        // The key is the 32 bytes 00 to 1f, the
        // value by `openssl dgst -sha256 -mac HMAC`.
        let key = LogKey(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        assert_eq!(key.digest("tx-1"), "137b902d0bf7d794");
        assert_ne!(key.digest("tx-2"), key.digest("tx-1"));
        assert_ne!(LogKey::random().unwrap().digest("tx-1"), key.digest("tx-1"));
        assert_eq!(format!("{key:?}"), "LogKey(..)");
    }
}
