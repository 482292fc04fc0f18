//! Generates the Rust side of the wire contract in `proto/` with a protobuf
//! compiler written in Rust, so that building needs no `protoc`; and finds out which
//! commit the program is built from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, error::Error, fs};

const PROTOS: [&str; 7] = [
    "chinhchu/v1/face.proto",
    "chinhchu/v1/verification.proto",
    "chinhchu/v1/gallery.proto",
    "chinhchu/v1/decision.proto",
    "chinhchu/v1/cases.proto",
    "chinhchu/v1/ledger.proto",
    "chinhchu/v1/rights.proto",
];

/// What goes between two `chinhchu` on one machine: no part of the contract, so
/// reflection does not serve it.
const LOCAL_PROTO: &str = "chinhchu/local/v1/snapshots.proto";

/// What the transparency log commits to: stored, and sent by nobody.
const LEDGER_PROTO: &str = "chinhchu/ledger/v1/entry.proto";

/// The pages for desks and officers, which are built into the program.
const PAGES: &str = "src/desk/pages";

/// Messages that carry photos, ids or personal fields: a derived `Debug` would
/// print them into the first log that formats a request. `service::pb`,
/// `service::local` and `ledger::entry` give them one that says nothing.
const PERSONAL: [&str; 79] = [
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
    "chinhchu.v1.NewChallengeRequest",
    "chinhchu.v1.NewChallengeResponse",
    "chinhchu.v1.VerifyBeneficiaryRequest",
    "chinhchu.v1.VerifyBeneficiaryResponse",
    "chinhchu.v1.DecisionEvidence",
    "chinhchu.v1.DuplicateSearch",
    "chinhchu.v1.DuplicateCandidate",
    "chinhchu.v1.ResolveReferralRequest",
    "chinhchu.v1.ClearPairRequest",
    "chinhchu.local.v1.EnrolledSubject",
    "chinhchu.local.v1.StoredVector",
    "chinhchu.local.v1.RowBatch",
    "chinhchu.v1.ListSubjectsRequest",
    "chinhchu.v1.ListSubjectsResponse",
    "chinhchu.v1.SubjectSummary",
    "chinhchu.v1.CountSubjectsRequest",
    "chinhchu.v1.OfficerAnswer",
    "chinhchu.v1.GetDecisionRequest",
    "chinhchu.v1.GetDecisionResponse",
    "chinhchu.v1.GetPicturesRequest",
    "chinhchu.v1.CasePicture",
    "chinhchu.v1.GetPicturesResponse",
    "chinhchu.v1.DecisionSummary",
    "chinhchu.v1.ListDecisionsRequest",
    "chinhchu.v1.ListDecisionsResponse",
    "chinhchu.v1.ListReferralsResponse",
    "chinhchu.v1.PairEntry",
    "chinhchu.v1.Pair",
    "chinhchu.v1.ListClearedPairsResponse",
    "chinhchu.v1.UnclearPairRequest",
    "chinhchu.v1.UnclearPairResponse",
    "chinhchu.v1.History",
    "chinhchu.v1.CaptureSeen",
    "chinhchu.v1.RepeatedCapture",
    "chinhchu.v1.ListRepeatedCapturesResponse",
    "chinhchu.local.v1.Cleared",
    "chinhchu.local.v1.PairEntry",
    "chinhchu.local.v1.Vouched",
    "chinhchu.v1.RestrictRequest",
    "chinhchu.v1.LiftRestrictionRequest",
    "chinhchu.v1.HoldRequest",
    "chinhchu.v1.ReleaseHoldRequest",
    "chinhchu.v1.EraseRequest",
    "chinhchu.v1.ReportSubjectRequest",
    "chinhchu.v1.OpenRequestRequest",
    "chinhchu.v1.AcknowledgeRequestRequest",
    "chinhchu.v1.CloseRequestRequest",
    "chinhchu.v1.SubjectRequestResponse",
    "chinhchu.v1.SubjectRequest",
    "chinhchu.v1.RequestStep",
    "chinhchu.v1.ListRequestsRequest",
    "chinhchu.v1.ListRequestsResponse",
    "chinhchu.v1.SubjectReport",
    "chinhchu.v1.StandingEntry",
    "chinhchu.v1.RecordedBasis",
    "chinhchu.local.v1.StandingEntry",
    "chinhchu.local.v1.LegalBasis",
    "chinhchu.v1.ProveRequest",
    "chinhchu.v1.ProveResponse",
    "chinhchu.v1.ListEntriesRequest",
    "chinhchu.v1.LedgerEntry",
    "chinhchu.v1.ListEntriesResponse",
    "chinhchu.ledger.v1.Entry",
    "chinhchu.ledger.v1.Principal",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed={PAGES}");
    println!("cargo:rustc-env=CHINHCHU_BUILT_FROM={}", built_from());
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    // The encoded descriptor set is what the reflection service serves.
    let out = PathBuf::from(env::var("OUT_DIR")?).join("chinhchu_v1.bin");
    fs::write(&out, protox::prost::Message::encode_to_vec(&descriptors))?;
    // The ledger's is for its tests, which read entries by their description alone.
    let ledger = protox::compile([LEDGER_PROTO], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?).join("chinhchu_ledger_v1.bin");
    fs::write(&out, protox::prost::Message::encode_to_vec(&ledger))?;
    for descriptors in [descriptors, protox::compile([LOCAL_PROTO], ["proto"])?, ledger] {
        tonic_prost_build::configure().skip_debug(PERSONAL).compile_fds(descriptors)?;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?).join("desk_pages.rs");
    fs::write(&out, pages(&PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join(PAGES))?)?;
    Ok(())
}

/// The files of the pages for desks, as the source of a list of paths and contents.
fn pages(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut list = String::from("&[\n");
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    for file in files {
        let name = file.strip_prefix(folder)?.to_str().ok_or("a file's name is no text")?.to_owned();
        list += &format!("({name:?}, include_bytes!({:?})),\n", file.to_str().ok_or("a path is no text")?);
    }
    list += "]\n";
    Ok(list)
}

/// The commit for `--version`: what `CHINHCHU_COMMIT` says, which is for builds of an archive,
/// else what git says of this folder, else `unknown`.
///
/// A release build follows commits and changes. A debug build does not, as every commit would
/// compile everything again: it says so.
fn built_from() -> String {
    println!("cargo:rerun-if-env-changed=CHINHCHU_COMMIT");
    if let Some(commit) = env::var("CHINHCHU_COMMIT").ok().filter(|text| is_one_word(text)) {
        return commit;
    }
    let Some(commit) = git(&["rev-parse", "HEAD"]).filter(|_| is_our_repository()) else {
        return "unknown".to_owned();
    };
    if env::var("PROFILE").as_deref() != Ok("release") {
        return format!("{commit} or later (a debug build)");
    }
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    for source in ["build.rs", "Cargo.toml", "Cargo.lock", "src"] {
        println!("cargo:rerun-if-changed={source}");
    }
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        None => commit,
        Some(_) => format!("{commit} with changes that are not committed"),
    }
}

fn is_one_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether git's folder is this one: sources unpacked inside another repository are not of its
/// commit.
fn is_our_repository() -> bool {
    let ours = env::var_os("CARGO_MANIFEST_DIR").and_then(|folder| fs::canonicalize(folder).ok());
    let gits = git(&["rev-parse", "--show-toplevel"]).and_then(|folder| fs::canonicalize(folder).ok());
    ours.is_some() && ours == gits
}

/// What git says; `None` where it says nothing, fails or is not there.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
