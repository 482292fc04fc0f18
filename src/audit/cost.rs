//! What an audit costs, by part: so that the price of its safety (what is kept on the
//! way, and the report) can be held against the rest.

use std::ops::{AddAssign, Sub};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Time that a part took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CostPart {
    /// By the clock on the wall, in seconds.
    pub wall_seconds: f64,
    /// Of all threads together, in seconds; 0 where the system does not say.
    pub processor_seconds: f64,
}

impl AddAssign for CostPart {
    fn add_assign(&mut self, other: Self) {
        self.wall_seconds += other.wall_seconds;
        self.processor_seconds += other.processor_seconds;
    }
}

impl Sub for CostPart {
    type Output = Self;

    /// What is left of a part without another that went on within it; never below 0.
    fn sub(self, other: Self) -> Self {
        Self {
            wall_seconds: (self.wall_seconds - other.wall_seconds).max(0.0),
            processor_seconds: (self.processor_seconds - other.processor_seconds).max(0.0),
        }
    }
}

/// What an audit cost, from its start to the moment its summary is written; of an audit
/// that was stopped, the run that finished it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditCost {
    /// Galleries, photos, vectors: into memory.
    pub reading: CostPart,
    /// Who is compared with whom; the rotation, the codes.
    pub preparing: CostPart,
    /// The sample of non-mates, and what follows from it.
    pub chance: CostPart,
    /// The comparison itself.
    pub comparing: CostPart,
    /// The digest that binds a checkpoint to its templates, and the checkpoint. Written
    /// while other threads compare, but counted as if they waited.
    pub checkpoints: CostPart,
    /// Links, rings, and the files of the report.
    pub report: CostPart,
    /// Share of the time (wall) that checkpoints and report take, 0…1.
    pub safety_share: f64,
    /// Most memory the process held at any time, in bytes, where the system says.
    pub memory_bytes_max: Option<u64>,
}

impl AuditCost {
    /// The same with what follows from its parts and from the process.
    #[must_use]
    pub fn finished(mut self) -> Self {
        let parts = [self.reading, self.preparing, self.chance, self.comparing, self.checkpoints, self.report];
        let all: f64 = parts.iter().map(|part| part.wall_seconds).sum();
        let safety = self.checkpoints.wall_seconds + self.report.wall_seconds;
        self.safety_share = if all > 0.0 { safety / all } else { 0.0 };
        self.memory_bytes_max = memory_bytes_max();
        self
    }
}

/// Both clocks: of the wall, and of the processors.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    of: Processors,
    wall: Instant,
    processor: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Processors {
    Process,
    Thread,
}

impl Clock {
    /// Starts one that counts all threads.
    pub fn start() -> Self {
        Self::of(Processors::Process)
    }

    /// Starts one that counts the calling thread alone.
    pub fn start_thread() -> Self {
        Self::of(Processors::Thread)
    }

    fn of(of: Processors) -> Self {
        Self { of, wall: Instant::now(), processor: processor_time(of) }
    }

    /// What passed since it was started, or since the lap before.
    pub fn lap(&mut self) -> CostPart {
        let now = Self::of(self.of);
        let before = std::mem::replace(self, now);
        CostPart {
            wall_seconds: (now.wall - before.wall).as_secs_f64(),
            processor_seconds: now.processor.saturating_sub(before.processor).as_secs_f64(),
        }
    }
}

#[cfg(target_os = "linux")]
fn processor_time(of: Processors) -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(match of {
        Processors::Process => ClockId::ProcessCPUTime,
        Processors::Thread => ClockId::ThreadCPUTime,
    });
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn processor_time(_: Processors) -> Duration {
    Duration::ZERO
}

fn memory_bytes_max() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_add_up_and_the_share_is_that_of_what_keeps_the_audit_safe() {
        let (mut around, mut clock) = (Clock::start(), Clock::start());
        let begun = Instant::now();
        let mut all = CostPart::default();
        let mut sum = 0u64;
        for _ in 0..200 {
            (0..1000u64).for_each(|i| sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(i)));
            all += clock.lap();
        }
        // Between the laps no time is lost, and none is counted twice.
        let within = begun.elapsed().as_secs_f64();
        all += clock.lap();
        let whole = around.lap();
        assert!(sum != 0 && (within - 1e-6..=whole.wall_seconds + 1e-6).contains(&all.wall_seconds), "{all:?}");
        #[cfg(target_os = "linux")]
        assert!(0.0 < all.processor_seconds, "{all:?}");

        let part = |wall_seconds| CostPart { wall_seconds, processor_seconds: 2.0 * wall_seconds };
        let cost =
            AuditCost { reading: part(1.0), comparing: part(7.0), checkpoints: part(0.5), ..AuditCost::default() };
        let cost = AuditCost { report: part(1.5), ..cost }.finished();
        assert!((cost.safety_share - 0.2).abs() < 1e-12);
        #[cfg(target_os = "linux")]
        assert!(cost.memory_bytes_max.unwrap() > 1 << 20);
        assert_eq!(part(1.0) - part(3.0), CostPart::default());
        assert_eq!(AuditCost::default().finished().safety_share, 0.0);
    }
}
