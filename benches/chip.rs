//! What a chip check costs on one core: a P-384 card from bytes to verdict, its
//! signatures alone, and the German master list where the test data is there.
//!
//! ```text
//! cargo bench --bench chip
//! ```

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chinhchu::chip::crypto::EllipticCurve;
use chinhchu::chip::{Anchors, CheckOptions, ChipFiles, Date, Moment, Verdict, inspect};
use chinhchu::tools::forge::{CardDraft, KeyKind};

/// Size of the photo: that of a genuine card.
const PHOTO_BYTES: usize = 20_000;
const RUNS: usize = 200;
/// What any file may cost, however it is made.
const FILE_MAX: Duration = Duration::from_millis(50);
/// What a P-384 card may cost.
const CARD_MAX: Duration = Duration::from_millis(5);

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

fn main() {
    let options =
        CheckOptions { now: Moment::of_date(Date { year: 2026, month: 1, day: 1 }), ..CheckOptions::default() };
    let mut photo = vec![0xFF, 0xD8, 0xFF, 0xE0];
    photo.resize(PHOTO_BYTES, 0x5A);
    let kinds = [
        ("ECDSA P-256", KeyKind::P256),
        ("ECDSA P-384", KeyKind::P384),
        ("ECDSA P-521", KeyKind::Ec { curve: EllipticCurve::P521, explicit: false }),
        ("ECDSA brainpoolP512r1, explicit", KeyKind::Ec { curve: EllipticCurve::Bp512, explicit: true }),
        ("RSA 2048 PKCS#1 v1.5", KeyKind::RsaPkcs1),
        ("RSA 2048 PSS", KeyKind::RsaPss),
    ];
    let mut card_p384 = None;
    for (name, key) in kinds {
        let draft = CardDraft { key, ..CardDraft::new(b"bench", photo.clone()) };
        let card = draft.forge().expect("a test card");
        let mut anchors = Anchors::none();
        anchors.add_bytes("csca", &card.csca).expect("its authority");
        let bytes: Vec<Vec<u8>> = card.files.iter().map(|(_, bytes)| bytes.clone()).collect();
        let time = median(|| {
            let files = ChipFiles::from_bytes(bytes.iter().cloned());
            let inspection = inspect(black_box(&files), &anchors, &options);
            assert_eq!(inspection.verdict, Verdict::Authentic);
        });
        println!("{name:<34} {:>8.3} ms", time.as_secs_f64() * 1e3);
        if key == KeyKind::P384 {
            card_p384 = Some(time);
        }
    }
    let root = std::env::var_os("CHINHCHU_TESTDATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    match std::fs::read(root.join("chip/masterlists/DE_ML_2024-04-10-10-54-13.ml")) {
        Ok(list) => {
            let began = Instant::now();
            let mut anchors = Anchors::none();
            anchors.add_bytes("list", &list).expect("the master list");
            println!(
                "German master list, {} authorities {:>8.3} ms",
                anchors.len(),
                began.elapsed().as_secs_f64() * 1e3
            );
        }
        Err(_) => eprintln!("SKIPPED: the German master list: no chip test data; set CHINHCHU_TESTDATA"),
    }
    let (worst, file) = worst_of_corpus(&options);
    println!("slowest file of the hostile corpus  {:>8.3} ms ({file})", worst.as_secs_f64() * 1e3);
    assert!(worst < FILE_MAX, "{file} takes {worst:?}");
    let card = card_p384.expect("a P-384 card was measured");
    println!("P-384 card: {:.2} of its {} ms", card.as_secs_f64() / CARD_MAX.as_secs_f64(), CARD_MAX.as_millis());
    assert!(card < CARD_MAX, "a P-384 card takes {card:?}");
}

/// The slowest of `fuzz/seeds`, each through every parser, median of a few runs.
fn worst_of_corpus(options: &CheckOptions) -> (Duration, String) {
    let seeds = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut worst = (Duration::ZERO, String::new());
    for target in ["tlv", "dg2", "sod", "dg13", "master_list"] {
        for entry in std::fs::read_dir(seeds.join(target)).expect("the corpus") {
            let path = entry.expect("a file").path();
            let bytes = std::fs::read(&path).expect("a file");
            let mut times: Vec<Duration> = (0..5)
                .map(|_| {
                    let began = Instant::now();
                    let inspection =
                        inspect(&ChipFiles::from_bytes([bytes.clone()]), black_box(&Anchors::none()), options);
                    black_box(inspection.verdict);
                    let _ = black_box(Anchors::none().add_bytes("file", &bytes));
                    began.elapsed()
                })
                .collect();
            times.sort_unstable();
            if times[2] > worst.0 {
                let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                worst = (times[2], format!("{target}/{name}"));
            }
        }
    }
    worst
}
