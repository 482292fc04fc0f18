//! What a long overload was like: whether the server's memory stayed what it was, and how soon after it answers came
//! as before.

use std::time::{Duration, Instant};

use super::window::{Answer, Came, Window, median};

/// Parts that the time of the overload is divided into. The first warms up; memory of the second is held against
/// that of the last.
const PARTS: usize = 5;
/// How long all must be as before for the server to have recovered.
const STEADY: Duration = Duration::from_secs(1);
/// Time between two moments at which that is looked at.
const STEP: Duration = Duration::from_millis(100);
/// Answers after an overload count as before it where the median of a second is not longer than that of the slowest
/// second before it, times this.
const SLOWER_MAX: f64 = 1.2;

/// Calls at a rate of many times the capacity, and at one below it on both sides.
pub struct Overload {
    /// The time of the overload.
    pub window: Window,
    /// The server's resident memory meanwhile, in bytes, each second.
    pub memory: Vec<u64>,
    /// Calls that were due before it …
    pub before: Vec<Came>,
    /// … and after it.
    pub after: Vec<Came>,
    /// When it ended.
    pub ended: Instant,
}

impl Overload {
    /// Median resident memory of each part, in bytes.
    pub fn memory_of_parts(&self) -> Vec<f64> {
        let part = self.memory.len().div_ceil(PARTS).max(1);
        let of = |part: &[u64]| median(part.iter().map(|bytes| *bytes as f64).collect());
        self.memory.chunks(part).map(of).collect()
    }

    /// How much memory the last part had more than the second, as a share; less than zero where it had less. `None`
    /// where the overload was too short to tell.
    pub fn growth(&self) -> Option<f64> {
        let parts = self.memory_of_parts();
        (parts.len() == PARTS).then(|| parts[PARTS - 1] / parts[1] - 1.0)
    }

    /// The median of the slowest second before the overload; `None` where not every call was answered.
    pub fn slowest_before(&self) -> Option<Duration> {
        let first = self.before.iter().map(Came::due).min()?;
        let last = self.before.iter().map(Came::due).max()?;
        let seconds = moments(first, last.checked_sub(STEADY)?).map(|from| second(&self.before, from));
        let mut slowest = None;
        for second in seconds {
            match second {
                Second::Answered(median) => slowest = slowest.max(Some(median)),
                Second::Empty => {}
                Second::Lost => return None,
            }
        }
        slowest
    }

    /// Time from the end of the overload to the first second in which every call was answered about as soon as before
    /// it. `None` where no second was so.
    pub fn recovery(&self) -> Option<Duration> {
        let longest = self.slowest_before()?.mul_f64(SLOWER_MAX);
        let last = self.after.iter().map(Came::due).max()?;
        let is_as_before =
            |from: &Instant| matches!(second(&self.after, *from), Second::Answered(median) if median <= longest);
        let from = moments(self.ended, last.checked_sub(STEADY)?).find(is_as_before)?;
        Some(from - self.ended)
    }
}

fn moments(from: Instant, to: Instant) -> impl Iterator<Item = Instant> {
    (0..).map(move |number| from + STEP * number).take_while(move |moment| *moment <= to)
}

/// What became of the calls that were due within a second.
enum Second {
    /// There were none.
    Empty,
    /// All were answered in time, half of them within this.
    Answered(Duration),
    /// One was refused, late or failed.
    Lost,
}

/// What became of the calls that were due within a second from a moment on.
fn second(calls: &[Came], from: Instant) -> Second {
    let mut times = Vec::new();
    for call in calls.iter().filter(|call| (from..from + STEADY).contains(&call.due())) {
        if call.answer != Answer::Good {
            return Second::Lost;
        }
        times.push(call.took);
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().map_or(Second::Empty, Second::Answered)
}
