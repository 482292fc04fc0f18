//! What one measurement saw, and the table of them.

use std::error::Error;
use std::time::{Duration, Instant};

/// Clock ticks a second in /proc, on every Linux there is.
const TICKS: f64 = 100.0;

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Answered before its deadline.
    Good,
    /// Answered too late, or not before the deadline.
    Late,
    /// Told to come back later.
    Refused,
    /// Anything else, in words.
    Failed(String),
}

/// A call that is over.
#[derive(Debug, Clone)]
pub struct Came {
    pub at: Instant,
    pub took: Duration,
    pub answer: Answer,
    pub enrols: bool,
    pub hint: Option<Duration>,
}

impl Came {
    /// When the call was to be made.
    pub fn due(&self) -> Instant {
        self.at - self.took
    }
}

/// The calls that ended within a time, and what they cost the server. Figures are of Verify;
/// processor time is all there was.
#[derive(Debug, Default)]
pub struct Window {
    seconds: f64,
    /// Processor seconds of the server.
    cpu: f64,
    late: usize,
    failed: usize,
    enrolled: usize,
    enrol_refused: usize,
    good: Vec<Duration>,
    refused: Vec<Duration>,
    hints: Vec<Duration>,
    /// The first that failed, in words.
    failure: Option<String>,
}

impl Window {
    pub const HEAD: &str = "                        calls/s  good/s  late  refused  failed  CPU/s  good/CPU-s  ratio   \
                            good p50    p99    refused p50   p99   hint p50  enrolled/s refused/s";

    /// One that lasted so long and in which the server used so much processor time.
    pub fn new(length: Duration, cpu: f64) -> Self {
        Self { seconds: length.as_secs_f64(), cpu, ..Self::default() }
    }

    pub fn add(&mut self, came: Came) {
        match (came.enrols, came.answer) {
            (true, Answer::Good) => self.enrolled += 1,
            (true, Answer::Refused) => self.enrol_refused += 1,
            (true, Answer::Late) => {}
            (false, Answer::Good) => self.good.push(came.took),
            (false, Answer::Late) => self.late += 1,
            (false, Answer::Refused) => {
                self.refused.push(came.took);
                self.hints.extend(came.hint);
            }
            (_, Answer::Failed(why)) => {
                self.failed += 1;
                self.failure.get_or_insert(why);
            }
        }
    }

    pub fn good_per_second(&self) -> f64 {
        self.good.len() as f64 / self.seconds
    }

    /// Good answers per processor second of the server.
    pub fn per_cpu(&self) -> f64 {
        self.good.len() as f64 / self.cpu
    }

    /// Share of the calls that were answered in time.
    pub fn answered(&self) -> f64 {
        self.good.len() as f64 / (self.good.len() + self.late + self.failed + self.refused.len()) as f64
    }

    /// One row of the table: medians over the rounds.
    pub fn line(name: &str, windows: &[Self], ratio: f64) -> String {
        let of = |figure: &dyn Fn(&Self) -> f64| median(windows.iter().map(figure).collect());
        let rate = |count: usize, window: &Self| count as f64 / window.seconds;
        let calls =
            |window: &Self| rate(window.good.len() + window.late + window.failed + window.refused.len(), window);
        let mut line = format!(
            "{name:<22} {:8.1} {:7.1} {:5.0} {:8.0} {:7.0} {:6.2} {:11.2} {ratio:6.2} {:7.0} ms {:6.0} ms {:8.1} ms {:6.1} ms {:6.1} s {:9.1} {:9.1}",
            of(&calls),
            of(&Self::good_per_second),
            of(&|window| window.late as f64),
            of(&|window| window.refused.len() as f64),
            of(&|window| window.failed as f64),
            of(&|window| window.cpu / window.seconds),
            of(&Self::per_cpu),
            of(&|window| at(&window.good, 0.5) * 1e3),
            of(&|window| at(&window.good, 0.99) * 1e3),
            of(&|window| at(&window.refused, 0.5) * 1e3),
            of(&|window| at(&window.refused, 0.99) * 1e3),
            of(&|window| at(&window.hints, 0.5)),
            of(&|window| rate(window.enrolled, window)),
            of(&|window| rate(window.enrol_refused, window)),
        );
        if let Some(why) = windows.iter().find_map(|window| window.failure.as_ref()) {
            line.push_str(&format!("\n    one that failed: {why}"));
        }
        line
    }
}

/// The time that a share of the calls stayed below, in seconds; 0 where there were none.
fn at(times: &[Duration], share: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    let place = (times.len().saturating_sub(1) as f64 * share) as usize;
    times.get(place).map_or(0.0, Duration::as_secs_f64)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Processor time that a process has used, its threads' together (Linux).
pub fn processor_seconds(pid: u32) -> Result<f64, Box<dyn Error + Send + Sync>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| format!("the server's processor time cannot be read: {error}"))?;
    // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th after it.
    let after = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?.1;
    let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}

/// Memory of a process that is in use now, in bytes (Linux).
pub fn resident_bytes(pid: u32) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| format!("the server's memory cannot be read: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/PID/status")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib << 10)
}

/// The processor's name.
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}
