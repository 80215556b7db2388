//! CPU time and resident memory of a process, from the kernel.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::Result;

/// Linux reports process times in hundredths of a second on every architecture (`USER_HZ`).
const TICK_MS: u64 = 10;

const PAUSE: Duration = Duration::from_millis(20);

/// CPU time of all threads of a process so far, including ended ones.
#[derive(Clone, Copy, Default)]
pub struct CpuTime {
    pub user: Duration,
    pub system: Duration,
}

impl CpuTime {
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    pub fn plus(self, other: CpuTime) -> CpuTime {
        CpuTime { user: self.user + other.user, system: self.system + other.system }
    }

    pub fn since(self, before: CpuTime) -> CpuTime {
        CpuTime { user: self.user.saturating_sub(before.user), system: self.system.saturating_sub(before.system) }
    }
}

/// Reads `utime` and `stime` of `/proc/<pid>/stat` (proc(5)).
pub fn cpu_time(pid: u32) -> Result<CpuTime> {
    cpu_times(pid).map(|(own, _)| own)
}

/// CPU time of a process and its child processes, including ended ones.
pub fn cpu_time_of_family(pid: u32) -> Result<CpuTime> {
    let (own, ended) = cpu_times(pid)?;
    let mut total = own.plus(ended);
    for child in fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?.split_whitespace() {
        // A child that ends in between is counted with the ended ones next time.
        total = total.plus(cpu_time(child.parse()?).unwrap_or_default());
    }
    Ok(total)
}

/// CPU time of the process itself and of its ended children.
fn cpu_times(pid: u32) -> Result<(CpuTime, CpuTime)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command name in parentheses may contain spaces; the fields after it do not.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| -> Result<Duration> {
        let field = fields.get(index).ok_or("/proc/<pid>/stat is shorter than proc(5) says")?;
        Ok(Duration::from_millis(field.parse::<u64>()? * TICK_MS))
    };
    Ok((CpuTime { user: ticks(11)?, system: ticks(12)? }, CpuTime { user: ticks(13)?, system: ticks(14)? }))
}

/// Exact resident bytes (`VmRSS` of `/proc/<pid>/status` lags by up to 64 pages per thread).
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no Rss in smaps_rollup")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Pins all threads of this process to `cores`, in the syntax of taskset(1).
pub fn pin_self(cores: &str) -> Result<()> {
    let pid = std::process::id().to_string();
    let done = Command::new("taskset").args(["-a", "-c", "-p", cores, &pid]).output()?;
    if !done.status.success() {
        return Err(format!("taskset -c {cores}: {}", String::from_utf8_lossy(&done.stderr).trim()).into());
    }
    Ok(())
}

/// Fails unless the process may open `needed` descriptors. Servers inherit the limit.
pub fn require_descriptors(needed: usize) -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files")).ok_or("no limit on open files")?;
    let soft = line.split_whitespace().nth(3).unwrap_or_default();
    match soft.parse::<usize>() {
        Ok(soft) if soft < needed => {
            Err(format!("{needed} open files are needed, the limit is {soft}: run `ulimit -n {needed}` first").into())
        }
        _ => Ok(()),
    }
}

/// Sleeps before polling a child process again.
#[allow(clippy::disallowed_methods)] // No actor runs on this thread.
pub fn pause() {
    std::thread::sleep(PAUSE);
}
