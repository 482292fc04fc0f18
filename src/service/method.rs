//! The calls of `chinhchu.v1`: which there are, what they take, how long they may last.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;

/// The calls of `chinhchu.v1`. Health and reflection are none of them and go by untouched:
/// they must answer when all places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    Verify,
    Identify,
    Assess,
    Enroll,
    BulkEnroll,
    Remove,
    GetSubject,
    VerifyBeneficiary,
    ResolveReferral,
    ClearPair,
}

/// What goes ahead of what where not everything can be done at once: the order of the
/// variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Somebody stands at the counter.
    Verification,
    /// Who is it? Nobody's payment waits for the answer.
    Identification,
    /// One subject to enrol.
    Enrolment,
    /// A row of a list.
    Bulk,
}

impl Class {
    pub(super) const COUNT: usize = 4;
}

impl Method {
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/chinhchu.v1.Verification/Verify" => Some(Self::Verify),
            "/chinhchu.v1.Verification/Identify" => Some(Self::Identify),
            "/chinhchu.v1.Verification/Assess" => Some(Self::Assess),
            "/chinhchu.v1.Gallery/Enroll" => Some(Self::Enroll),
            "/chinhchu.v1.Gallery/BulkEnroll" => Some(Self::BulkEnroll),
            "/chinhchu.v1.Gallery/Remove" => Some(Self::Remove),
            "/chinhchu.v1.Gallery/GetSubject" => Some(Self::GetSubject),
            "/chinhchu.v1.Beneficiary/VerifyBeneficiary" => Some(Self::VerifyBeneficiary),
            "/chinhchu.v1.Beneficiary/ResolveReferral" => Some(Self::ResolveReferral),
            "/chinhchu.v1.Beneficiary/ClearPair" => Some(Self::ClearPair),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Verify => "Verify",
            Self::Identify => "Identify",
            Self::Assess => "Assess",
            Self::Enroll => "Enroll",
            Self::BulkEnroll => "BulkEnroll",
            Self::Remove => "Remove",
            Self::GetSubject => "GetSubject",
            Self::VerifyBeneficiary => "VerifyBeneficiary",
            Self::ResolveReferral => "ResolveReferral",
            Self::ClearPair => "ClearPair",
        }
    }

    /// Which calls its own turn comes before. `None` where it needs none: it looks at no
    /// photo, so it costs next to nothing. A bulk enrolment needs none itself, its rows do.
    pub(super) fn class(self) -> Option<Class> {
        match self {
            Self::Verify | Self::VerifyBeneficiary | Self::Assess => Some(Class::Verification),
            Self::Identify => Some(Class::Identification),
            Self::Enroll => Some(Class::Enrolment),
            Self::BulkEnroll | Self::Remove | Self::GetSubject | Self::ResolveReferral | Self::ClearPair => None,
        }
    }

    /// Time the call has: the caller's, cut to the server's. A bulk enrolment lasts
    /// as long as rows keep coming, or as its caller says.
    pub(super) fn time(self, headers: &HeaderMap, max: Duration) -> Option<Duration> {
        let asked = headers.get("grpc-timeout").and_then(|value| grpc_timeout(value.as_bytes()));
        match self {
            Self::BulkEnroll => asked,
            _ => Some(asked.map_or(max, |asked| asked.min(max))),
        }
    }
}

/// Reads a `grpc-timeout`: 1–8 digits and a unit (gRPC over HTTP/2, "Requests").
/// `None` for anything else, which is then as if it were not there.
fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::server::NamedService;

    #[test]
    fn every_call_of_the_contract_has_manners() {
        let set = <prost_types::FileDescriptorSet as prost::Message>::decode(crate::service::DESCRIPTORS).unwrap();
        let mut calls = 0;
        for file in set.file.iter().filter(|file| file.package() == "chinhchu.v1") {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/chinhchu.v1.{}/{}", service.name(), method.name());
                    assert_eq!(Method::of(&path).map(Method::name), Some(method.name()), "{path}");
                    calls += 1;
                }
            }
        }
        assert_eq!(calls, 10);
        type Health = tonic_health::pb::health_server::HealthServer<tonic_health::server::HealthService>;
        assert_eq!(Method::of(&format!("/{}/Check", Health::NAME)), None);
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(grpc_timeout(b"5S"), Some(Duration::from_secs(5)));
        assert_eq!(grpc_timeout(b"250m"), Some(Duration::from_millis(250)));
        assert_eq!(grpc_timeout(b"7u"), Some(Duration::from_micros(7)));
        assert_eq!(grpc_timeout(b"1H"), Some(Duration::from_secs(3600)));
        assert_eq!(grpc_timeout(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for wrong in [&b""[..], b"S", b"5", b"-5S", b"123456789S", b"5s", b"1.5S", b"\xff\xff"] {
            assert_eq!(grpc_timeout(wrong), None);
        }
    }

    #[test]
    fn a_call_gets_the_shorter_of_the_two_times() {
        let max = Duration::from_secs(30);
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", value.parse().unwrap());
            headers
        };
        assert_eq!(Method::Verify.time(&HeaderMap::new(), max), Some(max));
        assert_eq!(Method::Verify.time(&with("1S"), max), Some(Duration::from_secs(1)));
        assert_eq!(Method::Verify.time(&with("2M"), max), Some(max));
        assert_eq!(Method::Verify.time(&with("nonsense"), max), Some(max));
        assert_eq!(Method::BulkEnroll.time(&HeaderMap::new(), max), None);
        assert_eq!(Method::BulkEnroll.time(&with("2M"), max), Some(Duration::from_secs(120)));
    }
}
