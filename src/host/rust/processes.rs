//! Processes that the helper started: which there are, and their end. Read off `/proc`.

use std::collections::BTreeMap;

/// All processes below `root`, without those of `except`.
pub fn descendants(root: u32, except: Option<u32>) -> Vec<u32> {
    let parents = parents();
    let below = |mut pid: u32| {
        while pid != root {
            match parents.get(&pid) {
                Some(&parent) if Some(pid) != except => pid = parent,
                _ => return false,
            }
        }
        true
    };
    parents.keys().copied().filter(|&pid| pid != root && below(pid)).collect()
}

/// The parent of every process.
fn parents() -> BTreeMap<u32, u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    let parent = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // "1 (a name) S 0 ...": the name may hold anything.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    };
    entries.filter_map(Result::ok).filter_map(parent).collect()
}

/// Whether a process only reads its standard input, as evcxr's runtime does between cells; false
/// where the system does not say.
pub fn waits_for_input(pid: u32) -> bool {
    const READ: &str = if cfg!(target_arch = "x86_64") { "0 0x0 " } else { "63 0x0 " };
    std::fs::read_to_string(format!("/proc/{pid}/syscall")).is_ok_and(|call| call.starts_with(READ))
}

/// Whether a process runs the program that this one does: evcxr's runtime, its wrapper of rustc, or
/// a process that is about to become another.
pub fn is_this_program(pid: u32) -> bool {
    let program = |of: &str| std::fs::read_link(format!("/proc/{of}/exe")).ok();
    program("self").is_some_and(|own| program(&pid.to_string()) == Some(own))
}

/// Ends a process at once.
pub fn end(pid: u32) {
    signal(pid, libc::SIGKILL);
}

/// Stops a process until [`go_on`].
pub fn stop(pid: u32) {
    signal(pid, libc::SIGSTOP);
}

pub fn go_on(pid: u32) {
    signal(pid, libc::SIGCONT);
}

fn signal(pid: u32, signal: libc::c_int) {
    // SAFETY: a signal to a process by its number; one that has ended is an error without effect.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

/// Ends a process and all that share its group.
pub fn end_group(leader: u32) {
    // SAFETY: as in `end`; a group that is gone is an error without effect.
    unsafe { libc::kill(-(leader as libc::pid_t), libc::SIGKILL) };
}
