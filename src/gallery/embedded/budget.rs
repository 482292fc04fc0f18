//! How much memory the index may take where nobody says.

use std::fs;

/// Where the machine does not tell.
const MEMORY_ASSUMED: u64 = 8 << 30;

/// Half of the memory that this process may use: of the machine, or of the
/// container it runs in.
pub(super) fn default_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(limit).min().unwrap_or(MEMORY_ASSUMED) / 2
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_read_as_the_kernel_writes_it() {
        assert_eq!(total("MemTotal:       24577 kB\nMemFree:  1 kB\n"), Some(24577 << 10));
        assert_eq!(total("MemFree:  1 kB\n"), None);
        assert!(default_bytes() > 64 << 20);
    }
}
