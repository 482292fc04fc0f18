//! Overload: calls that come at a rate of their own, whatever is answered, up to ten times
//! what the server can do; how much of its processor time then still makes answers that
//! somebody waits for; whether its memory stays what it was over minutes of that, and how soon
//! after it answers come as before. `scripts/load` starts the server and runs this.
//!
//! ```text
//! cargo run --release --example load -- --server https://127.0.0.1:50051 --pid PID --ca ca.pem --cert me.pem --key me.key
//! ```
//!
//! Driver and server share the machine, and perhaps with others: so goodput is counted per
//! second of the server's processor time, rates and kinds of client take turns in rounds, and
//! what is stated are medians of the rounds.

mod driver;
mod overload;
mod window;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chinhchu::service::pb;
use clap::Parser;

use self::driver::{Calls, Clients, Driver, Failure, Kind, Tls};
use self::overload::Overload;
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
    /// Certificates (PEM) that the server's must come from; with an https address
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Certificate of this machine (PEM), where the server wants to know it
    #[arg(long, requires = "ca", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// Folder with obama.jpg, obama2.jpg and biden.jpg
    #[arg(long, default_value = ".cache/photos")]
    photos: PathBuf,
    /// Rates of arrival, in multiples of what the server can do
    #[arg(long, value_delimiter = ',', default_value = "0.5,1,2,10")]
    rates: Vec<f64>,
    /// Rounds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
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
    /// Length of the long overload behind the rounds; 0 for none
    #[arg(long, default_value_t = 300)]
    hold_seconds: u64,
    /// Its rate of arrival, in multiples of what the server can do
    #[arg(long, default_value_t = 10.0)]
    hold_rate: f64,
    /// Time before and after it in which calls come at half of what the server can do
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(3..))]
    calm_seconds: u64,
    /// Least share of the best goodput that the highest rate and the long overload must keep; below it exit code 1
    #[arg(long, default_value_t = 0.9)]
    ratio_min: f64,
    /// By which share the server's memory may grow from the second to the last fifth of the long overload; beyond it
    /// exit code 1
    #[arg(long, default_value_t = 0.05)]
    growth_max: f64,
    /// Longest time from the end of the long overload until answers come as before it; beyond it exit code 1
    #[arg(long, default_value_t = 5)]
    recovery_seconds_max: u64,
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
    let identity = options.cert.clone().zip(options.key.clone());
    let tls = options.ca.clone().map(|ca| Tls { ca, identity });
    let driver = Arc::new(Driver {
        clients: Clients::connect(&options.server, tls.as_ref(), options.connections).await?,
        verify,
        enrol,
        deadline: Duration::from_secs(options.deadline_seconds),
        pid: options.pid,
    });
    let length = Duration::from_secs(options.seconds);
    let warm = Duration::from_secs(options.warm_seconds);

    println!("{}; {} cores", processor(), std::thread::available_parallelism().map_or(0, usize::from));
    println!(
        "Verify, two photos of {} KiB together, deadline {} s, {} connections{}; {} rounds of {} s\n",
        bytes >> 10,
        options.deadline_seconds,
        options.connections,
        if tls.is_some() { " inside TLS" } else { "" },
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
    for round in 0..options.rounds as usize {
        let count = rows.len();
        for turn in 0..count {
            // Another beginning in each round: a drift of the machine favours no rate.
            let (kind, rate, windows) = &mut rows[(turn + round * 3) % count];
            windows.push(driver.open(Calls { verify: *rate * capacity, enrol: 0.0 }, *kind, warm, length).await?);
        }
        storms.push(driver.closed(100, warm, length, Kind::Ignores).await?);
    }

    let (mut missed, mut best_of_all) = (Vec::new(), saturated.per_cpu());
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
            best_of_all = best_of_all.max(median(windows.iter().map(Window::per_cpu).collect()));
        }
        let highest = rows.iter().filter(of).max_by(|one, other| one.1.total_cmp(&other.1)).ok_or("no rates")?;
        let ratio = against(&highest.2);
        if !is_at_least(ratio, options.ratio_min) {
            missed.push(format!(
                "goodput per CPU-second at {}x, {} {ratio:.2} of the best, below {}",
                highest.1,
                kind.name(),
                options.ratio_min
            ));
        }
        if kind == Kind::Ignores {
            let ratio =
                median((0..options.rounds as usize).map(|round| storms[round].per_cpu() / best(round)).collect());
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

    if options.hold_seconds > 0 {
        let at = |rate: f64| Calls { verify: rate * capacity, enrol: 0.0 };
        let (hold, calm) = (Duration::from_secs(options.hold_seconds), Duration::from_secs(options.calm_seconds));
        // A best of its own time as well: the machine may have become slower or faster since.
        best_of_all = best_of_all.max(driver.closed(8, warm, length, Kind::Honours).await?.per_cpu());
        let held = driver.overload(at(0.5), at(options.hold_rate), warm, hold, calm).await?;
        missed.extend(judged(options, held, best_of_all));
    }

    println!(
        "\ntargets: at the highest rate and over the long overload at least {} of the best goodput per CPU-second;",
        options.ratio_min
    );
    println!(
        "         over that memory that grows by no more than {:.0} %, and answers as before within {} s after it",
        options.growth_max * 100.0,
        options.recovery_seconds_max
    );
    match missed.as_slice() {
        [] => println!("all are met"),
        missed => missed.iter().for_each(|one| println!("MISSED: {one}")),
    }
    Ok(missed.is_empty())
}

/// Not for what is no number: where nothing was answered, nothing is met.
fn is_at_least(value: f64, least: f64) -> bool {
    value >= least
}

/// Prints what the long overload was like, and gives the targets that were missed.
fn judged(options: &Options, held: Overload, best: f64) -> Vec<String> {
    let mut missed = Vec::new();
    println!(
        "\nVerify at {} times capacity for {} s, between {} s each at half of it",
        options.hold_rate, options.hold_seconds, options.calm_seconds
    );
    let ratio = held.window.per_cpu() / best;
    println!("{}", Window::HEAD);
    println!("{}", Window::line(&format!("held {}x", options.hold_rate), std::slice::from_ref(&held.window), ratio));
    if !is_at_least(ratio, options.ratio_min) {
        missed.push(format!(
            "goodput per CPU-second over the long overload {ratio:.2} of the best, below {}",
            options.ratio_min
        ));
    }
    let parts: Vec<String> = held.memory_of_parts().iter().map(|bytes| format!("{:.1}", bytes / 1e6)).collect();
    print!("memory (resident, MB), median of each fifth: {}", parts.join(", "));
    match held.growth() {
        Some(growth) => {
            println!("; from the second to the last {:+.1} %", growth * 100.0);
            if growth > options.growth_max {
                missed.push(format!("memory grew by {:.1} %", growth * 100.0));
            }
        }
        None => {
            println!();
            missed.push("the long overload was too short to tell whether memory is flat".to_owned());
        }
    }
    let in_ms = |time: Duration| time.as_secs_f64() * 1e3;
    match (held.slowest_before(), held.recovery()) {
        (Some(before), Some(after)) => {
            println!(
                "as before (every call of a second answered, about as soon as in the slowest second before: p50 {:.0} ms) \
                 {:.1} s after its end",
                in_ms(before),
                after.as_secs_f64()
            );
            if after > Duration::from_secs(options.recovery_seconds_max) {
                missed.push(format!("answers came as before {:.1} s after the overload", after.as_secs_f64()));
            }
        }
        (Some(before), None) => missed.push(format!(
            "within {} s after the overload answers did not come as before (p50 {:.0} ms)",
            options.calm_seconds,
            in_ms(before)
        )),
        (None, _) => missed.push("before the overload, at half of capacity, not every call was answered".to_owned()),
    }
    missed
}
