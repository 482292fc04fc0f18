//! Overload: calls that come at a rate of their own, whatever is answered, up to ten times
//! what the server can do; and how much of its processor time then still makes answers that
//! somebody waits for. `scripts/load` starts the server and runs this.
//!
//! ```text
//! cargo run --release --example load -- --server http://127.0.0.1:50051 --pid PID --photos .cache/photos
//! ```
//!
//! Driver and server share the machine, and perhaps with others: so goodput is counted per
//! second of the server's processor time, rates and kinds of client take turns in rounds, and
//! what is stated are medians of the rounds.

mod driver;
mod window;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chinhchu::service::pb;
use clap::Parser;

use self::driver::{Calls, Clients, Driver, Failure, Kind};
use self::window::{Window, median, processor};

/// Drives a server over its capacity and says what it still answers.
#[derive(Parser)]
struct Options {
    /// Where the server listens
    #[arg(long)]
    server: String,
    /// The server's process, on this machine: its processor time is read
    #[arg(long)]
    pid: u32,
    /// Folder with obama.jpg, obama2.jpg and biden.jpg
    #[arg(long, default_value = ".cache/photos")]
    photos: PathBuf,
    /// Rates of arrival, in multiples of what the server can do
    #[arg(long, value_delimiter = ',', default_value = "0.5,1,2,10")]
    rates: Vec<f64>,
    /// Rounds
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of one measurement
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Time before each measurement that is not counted
    #[arg(long, default_value_t = 4)]
    warm_seconds: u64,
    /// Deadline of a call: an answer that comes later is of no use to anybody
    #[arg(long, default_value_t = 5)]
    deadline_seconds: u64,
    /// Connections that arrivals are spread over
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Least share of the best goodput that the highest rate must keep; below it exit code 1
    #[arg(long, default_value_t = 0.9)]
    ratio_min: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: &Options) -> Result<bool, Failure> {
    let photo = |name: &str| {
        let path = options.photos.join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}; scripts/setup fetches it", path.display()))
    };
    let verify = pb::VerifyRequest {
        reference: photo("obama.jpg")?,
        probes: vec![photo("obama2.jpg")?],
        fmr: None,
        reference_kind: 0,
    };
    let enrol = pb::EnrollRequest {
        mode: pb::EnrollMode::Replace.into(),
        photos: vec![pb::EnrollPhoto {
            image: photo("biden.jpg")?,
            source: pb::Source::Other.into(),
            captured_at: None,
        }],
        accept_poor: true,
        ..Default::default()
    };
    let bytes = verify.reference.len() + verify.probes[0].len();
    let driver = Arc::new(Driver {
        clients: Clients::connect(&options.server, options.connections).await?,
        verify,
        enrol,
        deadline: Duration::from_secs(options.deadline_seconds),
        pid: options.pid,
    });
    let length = Duration::from_secs(options.seconds);
    let warm = Duration::from_secs(options.warm_seconds);

    println!("{}; {} cores", processor(), std::thread::available_parallelism().map_or(0, usize::from));
    println!(
        "Verify, two photos of {} KiB together, deadline {} s, {} connections; {} rounds of {} s\n",
        bytes >> 10,
        options.deadline_seconds,
        options.connections,
        options.rounds,
        options.seconds
    );
    // As many as keep every worker busy and wait for little.
    let saturated = driver.closed(8, warm, length, Kind::Honours).await?;
    let capacity = saturated.good_per_second();
    println!("capacity: {capacity:.1} a second with 8 calls at all times, {:.2} per CPU-second\n", saturated.per_cpu());

    let mut rows: Vec<(Kind, f64, Vec<Window>)> = Vec::new();
    for kind in [Kind::Ignores, Kind::Honours] {
        rows.extend(options.rates.iter().map(|rate| (kind, *rate, Vec::new())));
    }
    let mut storms = Vec::new();
    for round in 0..options.rounds {
        let count = rows.len();
        for turn in 0..count {
            // Another beginning in each round: a drift of the machine favours no rate.
            let (kind, rate, windows) = &mut rows[(turn + round * 3) % count];
            windows.push(driver.open(Calls { verify: *rate * capacity, enrol: 0.0 }, *kind, warm, length).await?);
        }
        storms.push(driver.closed(100, warm, length, Kind::Ignores).await?);
    }

    let mut enough = true;
    println!("{}", Window::HEAD);
    for kind in [Kind::Ignores, Kind::Honours] {
        let of = |row: &&(Kind, f64, Vec<Window>)| row.0 == kind;
        let best =
            |round: usize| rows.iter().filter(of).map(|(.., windows)| windows[round].per_cpu()).fold(0.0, f64::max);
        let against = |windows: &[Window]| {
            median(windows.iter().enumerate().map(|(round, window)| window.per_cpu() / best(round)).collect())
        };
        for (_, rate, windows) in rows.iter().filter(of) {
            println!("{}", Window::line(&format!("{} {rate}x", kind.name()), windows, against(windows)));
        }
        let highest = rows.iter().filter(of).max_by(|one, other| one.1.total_cmp(&other.1)).ok_or("no rates")?;
        let ratio = against(&highest.2);
        enough &= ratio >= options.ratio_min;
        if kind == Kind::Ignores {
            let ratio = median((0..options.rounds).map(|round| storms[round].per_cpu() / best(round)).collect());
            println!("{}", Window::line("100 that never pause", &storms, ratio));
        }
    }

    // Somebody at the counter, while far too much is enrolled.
    println!("\nVerify at half of capacity, alone and while Enroll comes at five times capacity");
    println!("{}", Window::HEAD);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let half = Calls { verify: capacity / 2.0, enrol: 0.0 };
        alone.push(driver.open(half, Kind::Ignores, warm, length).await?);
        beside.push(driver.open(Calls { enrol: capacity * 5.0, ..half }, Kind::Ignores, warm, length).await?);
    }
    println!("{}", Window::line("alone", &alone, 1.0));
    println!("{}", Window::line("beside Enroll", &beside, f64::NAN));
    let answered = |windows: &[Window]| median(windows.iter().map(Window::answered).collect());
    println!("answered in time: {:.1} % alone, {:.1} % beside", answered(&alone) * 100.0, answered(&beside) * 100.0);

    println!("\n{}", if enough { "enough" } else { "TOO LITTLE" });
    println!("target: at the highest rate at least {} of the best goodput per CPU-second", options.ratio_min);
    Ok(enough)
}
