//! Memory: what the process holds, what the machine has left, and whether a job fits.

use super::{Error, Kind, Result, progress};

/// Memory of this process and this machine, in bytes; zero where the system does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    pub peak: u64,
    pub available: u64,
    pub total: u64,
}

/// Reads `/proc`; on systems without it all fields are zero.
pub fn now() -> Memory {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Memory {
        resident: field(&status, "VmRSS:"),
        peak: field(&status, "VmHWM:"),
        available: field(&machine, "MemAvailable:"),
        total: field(&machine, "MemTotal:"),
    }
}

fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|l| l.strip_prefix(name))
        .and_then(|l| l.split_whitespace().next())
        .and_then(|n| n.parse::<u64>().ok())
        .map_or(0, |kb| kb * 1024)
}

/// Jobs below this are not announced.
const WORTH_SAYING: u64 = 100_000_000;

/// Says what a job will take and refuses when the machine has less left.
///
/// # Errors
/// [`Kind::Resource`] with both figures and `advice`.
pub fn require(doing: &str, bytes: u64, advice: &str) -> Result<()> {
    let available = now().available;
    if bytes >= WORTH_SAYING {
        progress::note(format!("{doing}: about {} of memory", human(bytes)));
    }
    if available > 0 && bytes > available {
        return Err(Error::new(doing)
            .kind(Kind::Resource)
            .expected(format!("about {} of free memory", human(bytes)))
            .found(human(available))
            .advice(advice));
    }
    Ok(())
}

/// Bytes for a reader: "812 MB".
pub fn human(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e3 => format!("{bytes} B"),
        b if b < 1e6 => format!("{:.0} kB", b / 1e3),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}
