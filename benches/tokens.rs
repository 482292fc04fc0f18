//! What checking a bearer token costs: by its signature, for each algorithm, and again, from
//! memory.
//!
//! ```text
//! cargo bench --bench tokens
//! ```

#[path = "../tests/access/signer.rs"]
mod signer;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chinhchu::access::token::{Algorithm, KeySet, TokenVerifier, TokensSection};
use serde_json::json;

use self::signer::{Signer, key_set};

/// Tokens checked for each figure, and rounds of them in turns.
const TOKENS: usize = 1000;
const ROUNDS: usize = 9;
/// Target: one check, at most.
const CHECK_MAX: Duration = Duration::from_micros(200);
const ISSUER: &str = "https://login.example.vn/realms/counters";

struct Subject {
    algorithm: Algorithm,
    /// Different ones, so that none is known before it is checked.
    tokens: Vec<String>,
    keys: Vec<u8>,
    cold: Vec<Duration>,
    known: Vec<Duration>,
}

fn main() -> ExitCode {
    let now = SystemTime::now();
    let mut subjects: Vec<Subject> = Algorithm::ALL.into_iter().map(|algorithm| Subject::new(algorithm, now)).collect();
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            subject.measure(now);
        }
    }
    let length = subjects[0].tokens[0].len();
    println!("one token of about {length} bytes, medians of {ROUNDS} rounds of {TOKENS} in turns, one core");
    let mut is_met = true;
    for subject in &mut subjects {
        let (cold, known) = (median(&mut subject.cold), median(&mut subject.known));
        is_met &= cold <= CHECK_MAX;
        println!(
            "{:6} {:7.1} us by its signature, {:5.2} us again",
            subject.algorithm.name(),
            cold.as_secs_f64() * 1e6,
            known.as_secs_f64() * 1e6
        );
    }
    println!("target: at most {} us: {}", CHECK_MAX.as_micros(), if is_met { "met" } else { "missed" });
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Subject {
    fn new(algorithm: Algorithm, now: SystemTime) -> Self {
        let signer = Signer::new(algorithm.name());
        let now_s = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // As Keycloak writes them: what is not looked at takes time to read, too.
        let claims = |number: usize| {
            json!({
                "iss": ISSUER, "aud": ["chinhchu", "account"], "sub": "9b2f6c0e-1d8a-4c52-a3f0-6d6a3c1b7e55",
                "iat": now_s, "exp": now_s + 3600, "jti": format!("onrtac:{number:08}"), "typ": "Bearer",
                "azp": "counter", "sid": "3c1f-a", "acr": "1", "scope": "profile email", "unit": "BHXH-Q1", "province": "79",
                "roles": ["counter", "officer", "offline_access", "uma_authorization"], "email_verified": false,
            })
        };
        let tokens = (0..TOKENS).map(|number| signer.token("key-2026-11", &claims(number))).collect();
        let others = ["ES256", "EdDSA", "RS256"].map(|name| Signer::new(name).jwk(&format!("other-{name}")));
        let keys = [others.to_vec(), vec![signer.jwk("key-2026-11")]].concat();
        Self { algorithm, tokens, keys: key_set(&keys), cold: Vec::new(), known: Vec::new() }
    }

    fn measure(&mut self, now: SystemTime) {
        let section = TokensSection {
            issuer: Some(ISSUER.to_owned()),
            audience: Some("chinhchu".to_owned()),
            algorithms: Some(vec![self.algorithm.name().to_owned()]),
            ..TokensSection::default()
        };
        let verifier = TokenVerifier::new(section.check().expect("good settings").rules);
        verifier.install(KeySet::parse(&self.keys).expect("a key set"), None);
        for times in [&mut self.cold, &mut self.known] {
            let began = Instant::now();
            for token in &self.tokens {
                verifier.verify(token, now).expect("accepted");
            }
            times.push(began.elapsed() / TOKENS as u32);
        }
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
