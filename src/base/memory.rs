//! Memory: what the process holds, what is left to it, and whether a job fits.

use std::path::{Path, PathBuf};

use super::{Error, Kind, Result, progress};

/// Memory of this process and what is left to it, in bytes; zero where the system does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub resident: u64,
    pub peak: u64,
    /// The least that the machine, the control groups and the limits of the process leave.
    pub available: u64,
    /// Of the machine.
    pub total: u64,
    /// Whose bound `available` is.
    pub bound: Bound,
}

/// What the process will meet first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    #[default]
    Machine,
    /// A control group: of a container or of a job of a cluster.
    Group,
    /// `ulimit -v` or `ulimit -d`.
    Process,
}

impl Bound {
    /// Behind a number of bytes: what leaves no more.
    fn said(self) -> &'static str {
        match self {
            Self::Machine => "",
            Self::Group => ", all that the container or job may still take",
            Self::Process => ", all that the limits of the process (ulimit) leave",
        }
    }
}

/// Reads `/proc` and the control groups; on systems without them all fields are zero.
pub fn now() -> Memory {
    of(Path::new("/"))
}

/// As [`now`], of the system whose files lie beneath `root`.
pub fn of(root: &Path) -> Memory {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let status = read("proc/self/status");
    let machine = read("proc/meminfo");
    let kilobytes = |text: &str, name| number(text, name).map_or(0, |kb| kb.saturating_mul(1024));
    let limits = read("proc/self/limits");
    let limit = |name, held| {
        let most = number(&limits, name)?;
        Some(most.saturating_sub(kilobytes(&status, held)))
    };
    let process = [limit("Max address space", "VmSize:"), limit("Max data size", "VmData:")];
    let groups = groups(&read("proc/self/cgroup"), &read("proc/self/mountinfo"));
    let group = groups.iter().filter_map(|g| g.room(root)).min();
    let available = number(&machine, "MemAvailable:").map(|kb| kb.saturating_mul(1024));
    let rooms = [
        (available, Bound::Machine),
        (group, Bound::Group),
        (process.into_iter().flatten().min(), Bound::Process),
    ];
    // Of equals the first: where the machine is full, it is no use to speak of the group.
    let least = rooms.into_iter().filter_map(|(room, of)| Some((room?, of))).min_by_key(|r| r.0);
    // Nothing left is another thing than not known.
    let (available, bound) = least.map(|(room, of)| (room.max(1), of)).unwrap_or_default();
    Memory {
        resident: kilobytes(&status, "VmRSS:"),
        peak: kilobytes(&status, "VmHWM:"),
        available,
        total: kilobytes(&machine, "MemTotal:"),
        bound,
    }
}

/// The first word behind a name at the beginning of a line, where it is a number.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|l| l.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// A control group that counts this process's memory: its folder, and the one where the groups are
/// mounted, both beneath the root.
struct Group {
    folder: PathBuf,
    mount: PathBuf,
    files: &'static Files,
}

/// What a version of the control groups calls its files.
struct Files {
    limit: &'static str,
    held: &'static str,
    /// Lines of `memory.stat` that count copies of files: the system drops those when memory is
    /// short.
    files: [&'static str; 2],
}

const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    held: "memory.usage_in_bytes",
    files: ["total_inactive_file ", "total_active_file "],
};
const V2: Files = Files {
    limit: "memory.max",
    held: "memory.current",
    files: ["inactive_file ", "active_file "],
};

impl Group {
    /// What the group and those that it is in still let a process take; `None` where none of them
    /// has a limit.
    fn room(&self, root: &Path) -> Option<u64> {
        let inside = |folder: &&Path| folder.starts_with(&self.mount);
        let rooms = self.folder.ancestors().take_while(inside).filter_map(|folder| {
            let read = |name| std::fs::read_to_string(root.join(folder).join(name)).ok();
            let bytes = |name| read(name)?.trim().parse::<u64>().ok();
            // Without a limit it says "max", or in the first version a number beyond any machine's.
            let limit = bytes(self.files.limit)?;
            let stat = read("memory.stat").unwrap_or_default();
            let cached: u64 = self.files.files.iter().filter_map(|name| number(&stat, name)).sum();
            let held = bytes(self.files.held)?.saturating_sub(cached);
            Some(limit.saturating_sub(held))
        });
        rooms.min()
    }
}

/// The groups of `/proc/self/cgroup`, found in the folders where `/proc/self/mountinfo` says that
/// groups are mounted.
fn groups<'a>(own: &str, mounts: &'a str) -> Vec<Group> {
    let group = |line: &str| {
        // "0::/user.slice/job" of the second version, "4:memory:/docker/1a2b" of the first.
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (kind, files) = match controllers {
            "" => ("cgroup2", &V2),
            c if c.split(',').any(|c| c == "memory") => ("cgroup", &V1),
            _ => return None,
        };
        let mounted = |line: &'a str| {
            // Identifiers, then what is mounted and where; behind " - " the kind and its options.
            let (place, rest) = line.split_once(" - ")?;
            let mut rest = rest.split_whitespace();
            let is_kind = rest.next() == Some(kind);
            let options = rest.last().unwrap_or_default();
            let is_it = is_kind && (kind == "cgroup2" || options.split(',').any(|o| o == "memory"));
            let mut place = place.split_whitespace().skip(3);
            is_it.then_some((place.next()?, place.next()?.trim_start_matches('/')))
        };
        let (top, mount) = mounts.lines().find_map(mounted)?;
        let mount = PathBuf::from(mount);
        // In a container its own group may be mounted as the top, while the path is the machine's.
        let below = Path::new(path).strip_prefix(top).unwrap_or(Path::new(""));
        Some(Group { folder: mount.join(below), mount, files })
    };
    own.lines().filter_map(group).collect()
}

/// Jobs below this are not announced.
pub(super) const WORTH_SAYING: u64 = 100_000_000;

/// Says what a job will take and refuses when less is left to the process.
///
/// # Errors
/// [`Kind::Resource`] with both figures and `advice`.
pub fn require(doing: &str, bytes: u64, advice: &str) -> Result<()> {
    let Memory { available, bound, .. } = now();
    if bytes >= WORTH_SAYING {
        progress::note(format!("{doing}: about {} of memory", human(bytes)));
    }
    if available > 0 && bytes > available {
        return Err(Error::new(doing)
            .kind(Kind::Resource)
            .expected(format!("about {} of free memory", human(bytes)))
            .found(format!("{}{}", human(available), bound.said()))
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
