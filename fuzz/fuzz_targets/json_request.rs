//! A request in JSON, as it comes from the network: nothing that is sent breaks the reader, and what it
//! reads it reads the same again.
#![no_main]

use chinhchu::service::message_of_json;
use libfuzzer_sys::fuzz_target;

/// Requests with lists, bytes, enumerations, times and messages inside messages.
const PATHS: [&str; 4] = [
    "/chinhchu.v1.Beneficiary/VerifyBeneficiary",
    "/chinhchu.v1.Gallery/Enroll",
    "/chinhchu.v1.Verification/Identify",
    "/chinhchu.v1.Cases/ListDecisions",
];

fuzz_target!(|bytes: &[u8]| {
    for path in PATHS {
        match message_of_json(path, bytes) {
            // Base64 and names shrink, numbers grow to ten bytes at most.
            Ok(message) => {
                assert!(message.len() <= 16 * bytes.len() + 16);
                assert_eq!(message_of_json(path, bytes), Ok(message));
            }
            Err(said) => assert!(said.len() < 500, "a refusal repeats nothing"),
        }
    }
});
