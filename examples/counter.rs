//! A payout counter, as an integrator would begin to write one.
//!
//! It speaks to a running server over gRPC: enrols people from photo files, asks
//! whether a person is the one on record (once rightly, once wrongly), finds a
//! person by face alone, and is told why a picture without a face is of no use.
//! Where it is given synthetic cards (`scripts/demo` makes them) it decides on
//! claims: one that is approved, one whose chip answers what the server asks, the
//! same face under a second card, a card whose photo was exchanged.
//!
//! ```text
//! chinhchu serve --data people &
//! cargo run --release --example counter -- --server http://127.0.0.1:50051 --photos .cache/photos
//! ```
//!
//! It uses the client generated from `proto/chinhchu/v1/`, so a counter in Java,
//! C# or Go looks the same: generate the client there, and read on here.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chinhchu::service::pb;
use chinhchu::tools::forge::{CardDraft, ForgedCard, KeyKind};
use clap::Parser;
use pb::beneficiary_client::BeneficiaryClient;
use pb::gallery_client::GalleryClient;
use pb::verification_client::VerificationClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetail, StatusExt};

/// False match rate the counter asks for: of 100,000 others, about one would pass.
const FMR: f64 = 1e-5;
/// One search in a hundred for a stranger may find somebody.
const FPIR: f64 = 0.01;
/// A clerk will not wait longer for one answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// The numbers of the two synthetic cards, of a province that does not exist.
const FIRST_NUMBER: &str = "999088000017";
const SECOND_NUMBER: &str = "999075000023";
/// How often a busy server is asked again.
const TRIES_MAX: u32 = 5;

/// Enrols, verifies, identifies and is refused, over gRPC.
#[derive(Parser)]
struct Options {
    /// Where the server listens
    #[arg(long, default_value = "http://127.0.0.1:50051")]
    server: String,
    /// Certificates (PEM) that the server's must come from; with an https address
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Certificate of this machine (PEM), where the server wants to know it
    #[arg(long, requires = "ca", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// Folder with obama.jpg, obama2.jpg, obama3.jpg and biden.jpg
    #[arg(long, default_value = ".cache/photos")]
    photos: PathBuf,
    /// Folder with the folders of chip files card, second_card and altered_card, of the seed "demo"
    #[arg(long)]
    cards: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("counter: not what these photos should give");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("counter: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the counter's day; true where all went as it should.
async fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    // One connection carries all calls, side by side; it is made anew by itself when
    // it breaks. Both clients are cheap to clone.
    let mut endpoint = Endpoint::from_shared(options.server.clone())?.connect_timeout(Duration::from_secs(5));
    if let Some(ca) = &options.ca {
        // The authority that the server's certificate must come from, and this machine's own
        // certificate, by which the server knows it.
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read(ca)?));
        if let (Some(cert), Some(key)) = (&options.cert, &options.key) {
            tls = tls.identity(Identity::from_pem(std::fs::read(cert)?, std::fs::read(key)?));
        }
        endpoint = endpoint.tls_config(tls)?;
    }
    let channel = endpoint
        .connect()
        .await
        .map_err(|_| format!("no server at {}; start one with `chinhchu serve --data people`", options.server))?;
    let mut counter = Counter {
        verification: VerificationClient::new(channel.clone()),
        gallery: GalleryClient::new(channel.clone()),
        beneficiary: BeneficiaryClient::new(channel),
        photos: options.photos.clone(),
        day: SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos(),
    };
    println!("A counter at {}\n", options.server);
    let mut right = true;

    println!("Enrol");
    right &= counter.enrol("record-1", "obama.jpg").await?;
    right &= counter.enrol("record-2", "biden.jpg").await?;

    println!("\nVerify: is this the person on record? (false match rate asked for: {FMR:e})");
    right &= counter.verify("genuine ", "obama.jpg", "obama2.jpg").await? == pb::Decision::Match;
    right &= counter.verify("impostor", "obama.jpg", "biden.jpg").await? == pb::Decision::NoMatch;

    println!("\nIdentify: whose face is this? (false positive identification rate asked for: {FPIR})");
    right &= counter.identify("obama3.jpg").await? == ["record-1"];

    println!("\nA picture without a face");
    right &= counter.refused("obama.jpg").await? == "NO_FACE";

    if let Some(cards) = &options.cards {
        println!("\nDecide: is this the one the card and the benefit belong to, and nobody else's face?");
        let captures = ["obama2.jpg", "obama3.jpg"];
        let on_disk = |name: &str| Card::in_folder(&cards.join(name));
        let claim = counter.claim("record-1", &on_disk("card")?, FIRST_NUMBER, &captures).await?;
        right &= claim.outcome() == pb::Outcome::Approve;
        let card = Card::with_chip(counter.photo("obama.jpg")?)?;
        let claim = counter.claim("record-1", &card, FIRST_NUMBER, &captures).await?;
        let chip = claim.evidence.as_ref().and_then(|evidence| evidence.chip.as_ref());
        right &= claim.outcome() == pb::Outcome::Approve;
        right &= chip.is_some_and(|chip| chip.active_authentication_result() == pb::ActiveAuthenticationResult::Proven);
        let claim = counter.claim("record-3", &on_disk("second_card")?, SECOND_NUMBER, &captures).await?;
        let found = claim.evidence.and_then(|evidence| evidence.duplicates).unwrap_or_default();
        right &= found.candidates.first().is_some_and(|other| other.subject_id == "record-1");
        let claim = counter.claim("record-1", &on_disk("altered_card")?, FIRST_NUMBER, &["biden.jpg"]).await?;
        right &= claim.outcome() == pb::Outcome::Deny;
    }

    println!("\n* beyond what the calibration counted: read from a fitted tail");
    Ok(right)
}

/// What a reader reads of a card.
struct Card {
    name: String,
    files: Vec<Vec<u8>>,
    /// The chip, where it is there to be asked and has a key for it: files cannot answer.
    chip: Option<ForgedCard>,
}

impl Card {
    fn in_folder(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            if path.is_file() {
                files.push(std::fs::read(path)?);
            }
        }
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { name, files, chip: None })
    }

    /// Stands in for a card on a reader: made here, by the authority of the other cards.
    fn with_chip(photo: Vec<u8>) -> Result<Self, Box<dyn Error>> {
        let draft = CardDraft { active: Some(KeyKind::P256), ..CardDraft::new(b"demo", photo) };
        let chip = draft.forge()?;
        let files = chip.files.iter().map(|(_, bytes)| bytes.clone()).collect();
        Ok(Self { name: "card_with_chip".to_owned(), files, chip: Some(chip) })
    }
}

/// The services, and where the photos are.
struct Counter {
    verification: VerificationClient<Channel>,
    gallery: GalleryClient<Channel>,
    beneficiary: BeneficiaryClient<Channel>,
    photos: PathBuf,
    /// Makes request ids of this run unlike those of any other. Use a UUID.
    day: u128,
}

impl Counter {
    fn photo(&self, name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let path: &Path = &self.photos.join(name);
        Ok(std::fs::read(path).map_err(|error| format!("{}: {error}; scripts/setup fetches it", path.display()))?)
    }

    /// Enrols one person, and shows that a retry does no harm.
    async fn enrol(&mut self, subject: &str, photo: &str) -> Result<bool, Box<dyn Error>> {
        let request = pb::EnrollRequest {
            clerk_id: String::new(),
            // Names this write. Where the answer is lost on the way, sending the same
            // request again with the same id does it once.
            request_id: format!("{}-{subject}", self.day),
            // A pseudonym of your own, never the card number.
            subject_id: subject.to_owned(),
            legal_basis: String::new(),
            // The record becomes exactly this, whether it was there or not.
            mode: pb::EnrollMode::Replace.into(),
            attributes: Some(pb::Attributes { schemes: vec!["social".into()], ..Default::default() }),
            photos: vec![pb::EnrollPhoto {
                image: self.photo(photo)?,
                source: pb::Source::Other.into(),
                captured_at: None,
            }],
            accept_poor: false,
            vouch: None,
        };
        let (gallery, began) = (self.gallery.clone(), Instant::now());
        let call = async || gallery.clone().enroll(with_deadline(&request)).await;
        let first = patiently(call).await?;
        let took = began.elapsed();
        let again = patiently(call).await?;
        let retry = if again.replayed { "a retry was recognised" } else { "A RETRY WAS DONE TWICE" };
        println!(
            "  {subject}  from {photo:<11}  {} template, commit {}; {retry}{}",
            first.templates,
            first.commit,
            ms(took)
        );
        Ok(again.replayed && again.commit == first.commit)
    }

    /// Asks whether the person in `probe` is the one in `reference`.
    async fn verify(&self, label: &str, reference: &str, probe: &str) -> Result<pb::Decision, Box<dyn Error>> {
        let request = pb::VerifyRequest {
            reference: self.photo(reference)?,
            // Send up to five captures of the person: they are fused.
            probes: vec![self.photo(probe)?],
            fmr: Some(FMR),
            reference_kind: 0,
        };
        let (verification, began) = (self.verification.clone(), Instant::now());
        let answer = patiently(async || verification.clone().verify(with_deadline(&request)).await).await?;
        let took = began.elapsed();
        // Act on the decision alone; the score is for the record.
        let word = match answer.decision() {
            pb::Decision::Match => "MATCH",
            pb::Decision::NoMatch => "NO MATCH",
            pb::Decision::Unspecified => "UNKNOWN: treat as no match",
        };
        let fmr = answer.fmr.unwrap_or_default();
        let threshold = answer.threshold.unwrap_or_default();
        println!(
            "  {label}  {reference} and {probe:<10}  {word:<8}  score {:.3} (threshold {:.3}{}), FMR {:.1e}{}{}",
            answer.score,
            threshold.score,
            star(threshold.extrapolated),
            fmr.rate,
            star(fmr.extrapolated),
            ms(took)
        );
        Ok(answer.decision())
    }

    /// Asks who it is; returns the subjects found, best first.
    async fn identify(&self, probe: &str) -> Result<Vec<String>, Box<dyn Error>> {
        let request = pb::IdentifyRequest {
            probes: vec![self.photo(probe)?],
            scope: Some(pb::identify_request::Scope::Fpir(pb::FpirScope { fpir: FPIR, limit: 5 })),
            ..pb::IdentifyRequest::default()
        };
        let (verification, began) = (self.verification.clone(), Instant::now());
        let answer = patiently(async || verification.clone().identify(with_deadline(&request)).await).await?;
        let took = began.elapsed();
        println!(
            "  {probe} among {} templates: {} found, {:.1e}{} expected by chance{}",
            answer.templates_searched,
            answer.candidates.len(),
            answer.expected_chance_hits,
            star(answer.expected_extrapolated),
            ms(took)
        );
        for candidate in &answer.candidates {
            let fmr = candidate.fmr.unwrap_or_default();
            let (score, mark) = (candidate.score, star(fmr.extrapolated));
            println!("    {}  score {score:.3}, FMR {:.1e}{mark}", candidate.subject_id, fmr.rate);
        }
        Ok(answer.candidates.into_iter().map(|candidate| candidate.subject_id).collect())
    }

    /// Has the chip answer what the server asks: that shows that the card was there after it asked.
    /// The challenge counts for this transaction, once, and for some minutes. A chip that answers
    /// anything else, such as bytes of the reader's own choice, proves nothing.
    async fn ask(
        &self,
        chip: &ForgedCard,
        transaction_id: &str,
    ) -> Result<pb::ActiveAuthenticationExchange, Box<dyn Error>> {
        let (client, request) =
            (self.beneficiary.clone(), pb::NewChallengeRequest { transaction_id: transaction_id.to_owned() });
        let issued = patiently(async || client.clone().new_challenge(with_deadline(&request)).await).await?;
        // A reader sends INTERNAL AUTHENTICATE with these eight bytes here.
        let response = chip.answer(&issued.challenge).ok_or("a chip without a key")?;
        Ok(pb::ActiveAuthenticationExchange { challenge: issued.challenge, response })
    }

    /// Somebody claims a record with a card; prints the decision and why.
    async fn claim(
        &self,
        subject: &str,
        card: &Card,
        number: &str,
        captures: &[&str],
    ) -> Result<pb::VerifyBeneficiaryResponse, Box<dyn Error>> {
        let shown = &card.name;
        let transaction_id = format!("{}-{shown}", self.day);
        let active_authentication = match &card.chip {
            Some(chip) => Some(self.ask(chip, &transaction_id).await?),
            None => None,
        };
        let request = pb::VerifyBeneficiaryRequest {
            unit: String::new(),
            clerk_id: String::new(),
            // Where the answer is lost, send the same again: it is decided once. For a
            // retake, count `attempt` up, and ask the chip anew.
            transaction_id,
            attempt: 1,
            subject_id: subject.to_owned(),
            scheme: pb::Scheme::Social.into(),
            policy: "demo".into(),
            // From your own system: compared with the chip, then forgotten.
            record: Some(pb::BenefitRecord {
                number: number.to_owned(),
                name: "Nguyễn Thử Nghiệm".into(),
                birth_date: "1988".into(),
                sex: pb::Sex::Male.into(),
            }),
            chip_files: card.files.clone(),
            active_authentication,
            frames: captures.iter().map(|name| self.photo(name)).collect::<Result<_, _>>()?,
        };
        let (client, began) = (self.beneficiary.clone(), Instant::now());
        let answer = patiently(async || client.clone().verify_beneficiary(with_deadline(&request)).await).await?;
        let took = began.elapsed();
        let word = match answer.outcome() {
            pb::Outcome::Approve => "APPROVE",
            pb::Outcome::Deny => "DENY",
            // One this program does not know must not pass for an approval.
            pb::Outcome::Refer | pb::Outcome::Unspecified => "REFER",
        };
        println!("  {subject} with {shown}: {word}{}", ms(took));
        println!("    vi: {}\n    en: {}", answer.message_vi, answer.message_en);
        println!("    to the citizen: {}", answer.citizen_vi);
        for reason in &answer.reasons {
            println!("    {} ({:?})", reason.code, reason.consequence());
        }
        if card.chip.is_some() {
            let chip = answer.evidence.iter().find_map(|evidence| evidence.chip.as_ref());
            let result = chip.map(pb::ChipEvidence::active_authentication_result).unwrap_or_default();
            println!("    the chip answered what the server asked: {}", result.as_str_name());
        }
        if !answer.without.is_empty() {
            println!("    decided without: {}", answer.without.join(", "));
        }
        for other in answer.evidence.iter().flat_map(|evidence| &evidence.duplicates).flat_map(|d| &d.candidates) {
            println!("    the same face: {}, score {:.3}", other.subject_id, other.score);
        }
        Ok(answer)
    }

    /// Sends a probe without a face and reads the refusal; returns its reason.
    async fn refused(&self, reference: &str) -> Result<String, Box<dyn Error>> {
        let request = pb::VerifyRequest {
            reference: self.photo(reference)?,
            probes: vec![faceless()?],
            fmr: Some(FMR),
            reference_kind: 0,
        };
        let (verification, began) = (self.verification.clone(), Instant::now());
        let answer = patiently(async || verification.clone().verify(with_deadline(&request)).await).await;
        let took = began.elapsed();
        let Err(status) = answer else {
            println!("  was accepted: that is wrong");
            return Ok(String::new());
        };
        // Branch on the reason; show the sentence in the clerk's language.
        let info = status.get_details_error_info().ok_or("the server gave no reason")?;
        let field = info.metadata.get("field").map_or("", String::as_str);
        println!("  {:?}, {} in {field}{}", status.code(), info.reason, ms(took));
        for detail in status.get_error_details_vec() {
            if let ErrorDetail::LocalizedMessage(text) = detail {
                println!("    {}: {}", text.locale, text.message);
            }
        }
        Ok(info.reason)
    }
}

/// Gives a call its deadline: the server drops the work when it passes.
fn with_deadline<T: Clone>(message: &T) -> Request<T> {
    let mut request = Request::new(message.clone());
    request.set_timeout(DEADLINE);
    request
}

/// Calls, and calls again where the server says that and when it is worth it. All
/// calls here may be repeated: questions change nothing, writes have a request id.
async fn patiently<T>(call: impl AsyncFn() -> Result<Response<T>, Status>) -> Result<T, Status> {
    let mut tries = 1;
    loop {
        let status = match call().await {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) => status,
        };
        let hint = status.get_details_retry_info().and_then(|info| info.retry_delay);
        match hint {
            Some(hint) if tries < TRIES_MAX => tokio::time::sleep(hint * tries).await,
            _ => return Err(status),
        }
        tries += 1;
    }
}

/// A wall instead of a person: a gradient with grain, as a PNG.
fn faceless() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut grain = 0x2545_f491_4f6c_dd1du64;
    let wall = image::RgbImage::from_fn(640, 480, |x, y| {
        grain ^= grain << 13;
        grain ^= grain >> 7;
        grain ^= grain << 17;
        let light = |base: u32| (base + x / 8 + y / 12 + (grain % 16) as u32).min(255) as u8;
        image::Rgb([light(90), light(95), light(110)])
    });
    let mut png = std::io::Cursor::new(Vec::new());
    wall.write_to(&mut png, image::ImageFormat::Png)?;
    Ok(png.into_inner())
}

fn star(extrapolated: bool) -> &'static str {
    if extrapolated { "*" } else { "" }
}

fn ms(took: Duration) -> String {
    format!("  [{:.0} ms]", took.as_secs_f64() * 1e3)
}
