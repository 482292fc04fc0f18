//! Generates the Rust side of the wire contract in `proto/` with a protobuf
//! compiler written in Rust, so that building needs no `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

const PROTOS: [&str; 4] = [
    "chinhchu/v1/face.proto",
    "chinhchu/v1/verification.proto",
    "chinhchu/v1/gallery.proto",
    "chinhchu/v1/decision.proto",
];

/// What goes between two `chinhchu` on one machine: no part of the contract, so
/// reflection does not serve it.
const LOCAL_PROTO: &str = "chinhchu/local/v1/snapshots.proto";

/// Messages that carry photos, ids or personal fields: a derived `Debug` would
/// print them into the first log that formats a request. `service::pb` and
/// `service::local` give them one that says nothing.
const PERSONAL: [&str; 26] = [
    "chinhchu.v1.VerifyRequest",
    "chinhchu.v1.IdentifyRequest",
    "chinhchu.v1.IdentifyResponse",
    "chinhchu.v1.Candidate",
    "chinhchu.v1.Attributes",
    "chinhchu.v1.EnrollPhoto",
    "chinhchu.v1.EnrollRequest",
    "chinhchu.v1.RemoveRequest",
    "chinhchu.v1.GetSubjectRequest",
    "chinhchu.v1.TemplateInfo",
    "chinhchu.v1.Subject",
    "chinhchu.v1.Vouch",
    "chinhchu.v1.Vouched",
    "chinhchu.v1.BenefitRecord",
    "chinhchu.v1.ActiveAuthenticationExchange",
    "chinhchu.v1.VerifyBeneficiaryRequest",
    "chinhchu.v1.VerifyBeneficiaryResponse",
    "chinhchu.v1.DecisionEvidence",
    "chinhchu.v1.DuplicateSearch",
    "chinhchu.v1.DuplicateCandidate",
    "chinhchu.v1.ResolveReferralRequest",
    "chinhchu.v1.ClearPairRequest",
    "chinhchu.local.v1.EnrolledSubject",
    "chinhchu.local.v1.StoredVector",
    "chinhchu.local.v1.Cleared",
    "chinhchu.local.v1.Vouched",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    // The encoded descriptor set is what the reflection service serves.
    let out = PathBuf::from(env::var("OUT_DIR")?).join("chinhchu_v1.bin");
    fs::write(&out, protox::prost::Message::encode_to_vec(&descriptors))?;
    for descriptors in [descriptors, protox::compile([LOCAL_PROTO], ["proto"])?] {
        tonic_prost_build::configure().skip_debug(PERSONAL).compile_fds(descriptors)?;
    }
    Ok(())
}
