//! The table of methods: every method that the server answers, what it may change, how it is let
//! in, and who may call it. A method that is not in it is refused before any handler runs.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;

use crate::access::Callers;
use crate::context::{Reach, Role};

/// A method of the table. Several versions of one standard service are several methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    Verify,
    Identify,
    Assess,
    Enroll,
    BulkEnroll,
    Remove,
    GetSubject,
    ListSubjects,
    CountSubjects,
    NewChallenge,
    VerifyBeneficiary,
    ResolveReferral,
    ClearPair,
    GetDecision,
    GetPictures,
    ListDecisions,
    ListReferrals,
    ListRepeatedCaptures,
    ListClearedPairs,
    UnclearPair,
    Prove,
    GetCheckpoint,
    ListEntries,
    Restrict,
    LiftRestriction,
    Hold,
    ReleaseHold,
    Erase,
    ReportSubject,
    OpenRequest,
    AcknowledgeRequest,
    CloseRequest,
    ListRequests,
    HealthCheck,
    HealthWatch,
    Reflection,
    ReflectionAlpha,
}

/// Whether a method changes what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It only reads.
    Read,
    /// It commits changes.
    Write,
}

/// How calls of a method are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admittance {
    /// Always, without a place and without a deadline.
    Exempt,
    /// With a place among the calls in flight. Such a call looks at no photo, so it costs next
    /// to nothing; or its rows take turns, not the call itself.
    Place,
    /// With a place, and a turn of this priority once the message is there.
    Turn(Priority),
}

/// Which calls go first where not everything can be done at once: the order of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    /// A person waits at the counter.
    Verification,
    /// A search, whose answer no payment waits for.
    Identification,
    /// One subject to enrol.
    Enrolment,
    /// A row of a bulk enrolment.
    Bulk,
}

impl Priority {
    /// How many there are.
    pub(super) const COUNT: usize = 4;
}

/// A row of the table.
pub(super) struct Row {
    pub method: Method,
    /// The path of its requests (gRPC over HTTP/2, "Requests").
    pub path: &'static str,
    pub effect: Effect,
    pub admittance: Admittance,
    /// Who may call it, where the server knows who calls.
    pub callers: Callers,
}

const fn row(
    method: Method,
    path: &'static str,
    effect: Effect,
    admittance: Admittance,
    callers: &'static [(Role, Reach)],
) -> Row {
    Row { method, path, effect, admittance, callers: Callers::Roles(callers) }
}

/// A method that whoever can connect may call.
const fn public(method: Method, path: &'static str) -> Row {
    Row { method, path, effect: Effect::Read, admittance: Admittance::Exempt, callers: Callers::Anyone }
}

/// Every method, in the order of [`Method`], with the roles that may call it and what each of them
/// reaches.
#[rustfmt::skip]
pub(super) static TABLE: [Row; 37] = {
    use Admittance::{Exempt, Place, Turn};
    use Effect::{Read, Write};
    use Priority::{Enrolment, Identification, Verification};
    use Reach::{Everything as All, OwnPlace as Own};
    use Role::{Auditor, Clinic, Counter, Officer, Operator, Registrar, Workflow};
    [
        row(Method::Verify,            "/chinhchu.v1.Verification/Verify",           Read,  Turn(Verification),
            &[(Workflow, All), (Counter, All), (Clinic, All)]),
        row(Method::Identify,          "/chinhchu.v1.Verification/Identify",         Read,  Turn(Identification),
            &[(Workflow, All), (Officer, All), (Auditor, All)]),
        row(Method::Assess,            "/chinhchu.v1.Verification/Assess",           Read,  Turn(Verification),
            &[(Workflow, All), (Counter, All), (Clinic, All), (Registrar, All)]),
        // An officer only with a `vouch`, a registrar only without.
        row(Method::Enroll,            "/chinhchu.v1.Gallery/Enroll",                Write, Turn(Enrolment),
            &[(Registrar, All), (Officer, Own)]),
        row(Method::BulkEnroll,        "/chinhchu.v1.Gallery/BulkEnroll",            Write, Place, &[(Registrar, All)]),
        row(Method::Remove,            "/chinhchu.v1.Gallery/Remove",                Write, Place, &[(Registrar, All)]),
        row(Method::GetSubject,        "/chinhchu.v1.Gallery/GetSubject",            Read,  Place,
            &[(Workflow, All), (Registrar, All), (Officer, Own), (Auditor, All)]),
        row(Method::ListSubjects,      "/chinhchu.v1.Gallery/ListSubjects",          Read,  Place,
            &[(Registrar, All), (Auditor, All)]),
        row(Method::CountSubjects,     "/chinhchu.v1.Gallery/CountSubjects",         Read,  Place,
            &[(Registrar, All), (Auditor, All), (Operator, All)]),
        row(Method::NewChallenge,      "/chinhchu.v1.Beneficiary/NewChallenge",      Write, Place,
            &[(Workflow, All), (Counter, All), (Clinic, All)]),
        row(Method::VerifyBeneficiary, "/chinhchu.v1.Beneficiary/VerifyBeneficiary", Write, Turn(Verification),
            &[(Workflow, All), (Counter, All), (Clinic, All)]),
        row(Method::ResolveReferral,   "/chinhchu.v1.Beneficiary/ResolveReferral",   Write, Place, &[(Officer, Own)]),
        row(Method::ClearPair,         "/chinhchu.v1.Beneficiary/ClearPair",         Write, Place, &[(Officer, Own)]),
        row(Method::GetDecision,       "/chinhchu.v1.Cases/GetDecision",             Read,  Place,
            &[(Workflow, All), (Counter, Own), (Clinic, Own), (Officer, Own), (Auditor, All)]),
        // Faces: for those alone who answer a case, and who look after them. Not for whoever presented it.
        row(Method::GetPictures,       "/chinhchu.v1.Cases/GetPictures",             Read,  Place,
            &[(Officer, Own), (Auditor, All)]),
        row(Method::ListDecisions,     "/chinhchu.v1.Cases/ListDecisions",           Read,  Place,
            &[(Workflow, All), (Officer, Own), (Auditor, All)]),
        row(Method::ListReferrals,     "/chinhchu.v1.Cases/ListReferrals",           Read,  Place,
            &[(Officer, Own), (Auditor, All)]),
        row(Method::ListRepeatedCaptures, "/chinhchu.v1.Cases/ListRepeatedCaptures", Read,  Place, &[(Auditor, All)]),
        row(Method::ListClearedPairs,  "/chinhchu.v1.Cases/ListClearedPairs",        Read,  Place, &[(Auditor, All)]),
        row(Method::UnclearPair,       "/chinhchu.v1.Cases/UnclearPair",             Write, Place,
            &[(Officer, Own), (Auditor, All)]),
        row(Method::Prove,             "/chinhchu.v1.Ledger/Prove",                  Read,  Place,
            &[(Workflow, All), (Officer, Own), (Auditor, All)]),
        row(Method::GetCheckpoint,     "/chinhchu.v1.Ledger/GetCheckpoint",          Read,  Place,
            &[(Workflow, All), (Officer, All), (Auditor, All), (Operator, All)]),
        row(Method::ListEntries,       "/chinhchu.v1.Ledger/ListEntries",            Read,  Place, &[(Auditor, All)]),
        row(Method::Restrict,          "/chinhchu.v1.Rights/Restrict",               Write, Place,
            &[(Officer, Own), (Auditor, All)]),
        // Whose restriction ends is paid again, and is no longer erased: no office that pays says so.
        row(Method::LiftRestriction,   "/chinhchu.v1.Rights/LiftRestriction",        Write, Place, &[(Auditor, All)]),
        row(Method::Hold,              "/chinhchu.v1.Rights/Hold",                   Write, Place,
            &[(Officer, Own), (Auditor, All)]),
        row(Method::ReleaseHold,       "/chinhchu.v1.Rights/ReleaseHold",            Write, Place, &[(Auditor, All)]),
        // Who releases a hold does not erase, and who erases releases none: so no one role destroys
        // evidence. A registrar removes records already.
        row(Method::Erase,             "/chinhchu.v1.Rights/Erase",                  Write, Place, &[(Registrar, All)]),
        row(Method::ReportSubject,     "/chinhchu.v1.Rights/ReportSubject",          Read,  Place,
            &[(Officer, Own), (Auditor, All)]),
        // Whoever speaks with the person enters what they ask for, and whoever does it ends it.
        row(Method::OpenRequest,       "/chinhchu.v1.Rights/OpenRequest",            Write, Place,
            &[(Registrar, All), (Officer, Own), (Auditor, All)]),
        row(Method::AcknowledgeRequest, "/chinhchu.v1.Rights/AcknowledgeRequest",    Write, Place,
            &[(Registrar, All), (Officer, Own), (Auditor, All)]),
        row(Method::CloseRequest,      "/chinhchu.v1.Rights/CloseRequest",           Write, Place,
            &[(Registrar, All), (Officer, Own), (Auditor, All)]),
        row(Method::ListRequests,      "/chinhchu.v1.Rights/ListRequests",           Read,  Place,
            &[(Registrar, All), (Officer, Own), (Auditor, All)]),
        public(Method::HealthCheck,    "/grpc.health.v1.Health/Check"),
        public(Method::HealthWatch,    "/grpc.health.v1.Health/Watch"),
        row(Method::Reflection,        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",      Read, Exempt,
            &[(Operator, All)]),
        row(Method::ReflectionAlpha,   "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Read, Exempt,
            &[(Operator, All)]),
    ]
};

impl Method {
    /// The method of a request's path; `None` where the table has none.
    pub(super) fn of(path: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.path == path).map(|row| row.method)
    }

    fn row(self) -> &'static Row {
        // A test compares the order.
        &TABLE[self as usize]
    }

    /// Its name without the service, for logs.
    pub(super) fn name(self) -> &'static str {
        let path = self.row().path;
        path.rsplit_once('/').map_or(path, |(_, name)| name)
    }

    /// Who may call it, where the server knows who calls.
    pub(super) fn callers(self) -> Callers {
        self.row().callers
    }

    /// Whether it commits changes.
    pub(super) fn writes(self) -> bool {
        self.row().effect == Effect::Write
    }

    /// Whether it takes no place and has no deadline.
    pub(super) fn is_exempt(self) -> bool {
        self.row().admittance == Admittance::Exempt
    }

    /// The priority of its turn; `None` where it takes none.
    pub(super) fn priority(self) -> Option<Priority> {
        match self.row().admittance {
            Admittance::Turn(priority) => Some(priority),
            Admittance::Exempt | Admittance::Place => None,
        }
    }

    /// Time a call has: the caller's, cut to the server's `max`. A bulk enrolment lasts as long
    /// as rows keep coming, or as its caller says; then this is `None`.
    pub(super) fn time(self, headers: &HeaderMap, max: Duration) -> Option<Duration> {
        let asked = headers.get("grpc-timeout").and_then(|value| grpc_timeout(value.as_bytes()));
        match self {
            Self::BulkEnroll => asked,
            _ => Some(asked.map_or(max, |asked| asked.min(max))),
        }
    }
}

/// Reads a `grpc-timeout`: 1–8 digits and a unit (gRPC over HTTP/2, "Requests").
/// `None` for anything else, which then counts as absent.
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
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// Paths of all methods in the encoded descriptors.
    fn described(encoded: &[u8]) -> Vec<String> {
        let set = FileDescriptorSet::decode(encoded).unwrap();
        let services = set.file.iter().flat_map(|file| file.service.iter().map(move |service| (file, service)));
        let paths = services.flat_map(|(file, service)| {
            let path = |name: &str| format!("/{}.{}/{name}", file.package(), service.name());
            service.method.iter().map(|method| path(method.name())).collect::<Vec<_>>()
        });
        paths.collect()
    }

    #[test]
    fn the_table_has_every_method_of_every_served_service_and_no_others() {
        let served = [
            crate::service::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let served: BTreeSet<String> = served.into_iter().flat_map(described).collect();
        let listed: BTreeSet<String> = TABLE.iter().map(|row| row.path.to_owned()).collect();
        assert_eq!(listed, served);
        assert_eq!(listed.len(), TABLE.len(), "a method stands in the table twice");
    }

    #[test]
    fn a_method_finds_its_own_row() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.method as usize, at, "{}", row.path);
            assert_eq!(Method::of(row.path), Some(row.method));
            assert!(row.path.ends_with(&format!("/{}", row.method.name())), "{}", row.path);
        }
    }

    #[test]
    fn a_path_that_is_not_exactly_one_of_the_table_is_no_method() {
        for path in [
            "",
            "/",
            "/chinhchu.v1.Verification/Guess",
            "/chinhchu.v1.Verification/verify",
            "/chinhchu.v1.Verification/Verify/",
            "//chinhchu.v1.Verification/Verify",
            "/chinhchu.v1.Verification",
            "/chinhchu.v2.Verification/Verify",
            "/chinhchu.local.v1.Snapshots/Read",
            "/grpc.health.v1.Health/",
        ] {
            assert_eq!(Method::of(path), None, "{path}");
        }
    }

    #[test]
    fn only_methods_that_read_are_exempt_from_admission() {
        for row in TABLE.iter().filter(|row| row.admittance == Admittance::Exempt) {
            assert_eq!(row.effect, Effect::Read, "{}", row.path);
            assert!(row.path.starts_with("/grpc."), "{}", row.path);
        }
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
