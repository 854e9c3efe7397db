//! Broken files by the hundred thousand: no reader may panic, hang, die or take memory that its
//! file cannot hold.
//!
//! `make fuzz` or `cargo bench --bench fuzz -- [--format NAME] [--cases 100000] [--seed 1]
//! [--keep FOLDER]`. Each format's sample (`tests/fixtures`) is broken in one file a case, by a
//! generator that the seed and the case decide. A child process reads; the parent watches it, kills
//! it when it hangs and goes on behind the case, whose file is kept.

#[expect(dead_code, reason = "the examples of the reference need all at once")]
#[path = "../tests/fixtures/mod.rs"]
mod fixtures;
#[path = "fuzz/memory.rs"]
mod memory;
#[path = "fuzz/break.rs"]
mod mutate;
#[path = "fuzz/targets.rs"]
mod targets;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::Parser;
use targets::{TARGETS, Target};

/// A case that says nothing for so long hangs.
const HANG: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Options {
    /// One format only; all without it.
    #[arg(long)]
    format: Option<String>,
    /// Broken files a format.
    #[arg(long, default_value_t = 100_000)]
    cases: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where files that broke a reader are kept.
    #[arg(long, default_value = "target/fuzz")]
    keep: PathBuf,
    /// The first case: what a child goes on from.
    #[arg(long, default_value_t = 0, hide = true)]
    from: u64,
    #[arg(long, hide = true)]
    child: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let chosen = |t: &&Target| options.format.as_deref().is_none_or(|f| f == t.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(chosen).collect();
    assert!(!targets.is_empty(), "no such format: {:?}", options.format);
    if options.child {
        return child(targets[0], &options);
    }
    println!("format            cases   opened  refused   peak MB  seconds, and what broke");
    let broken: usize = targets.iter().map(|t| watch(t, &options)).sum();
    assert!(
        broken == 0,
        "{broken} cases broke a reader; their files are in {}",
        options.keep.display()
    );
}

/// Breaks, reads and reports case after case, one line each: `case` before, `ok`, `err`, `panic` or
/// `memory` behind.
fn child(target: &Target, options: &Options) {
    memory::limit();
    std::panic::set_hook(Box::new(|_| {}));
    let folder = tempfile::tempdir_in(shared_memory()).unwrap();
    let sample = mutate::Sample::of(folder.path(), target);
    let mut out = std::io::stdout().lock();
    for case in options.from..options.cases {
        let broken = sample.breakage(options.seed, case);
        writeln!(out, "case {case}").and_then(|()| out.flush()).unwrap();
        let size = sample.place(&broken);
        let before = memory::start();
        let read = std::panic::catch_unwind(|| (target.read)(folder.path()));
        let peak = memory::peak(before);
        let most = (64 << 20) + 1200 * size;
        match read {
            Err(_) => writeln!(out, "panic"),
            Ok(_) if peak > most => writeln!(out, "memory {} MB of {}", peak >> 20, most >> 20),
            Ok(Ok(())) => writeln!(out, "ok {peak}"),
            Ok(Err(_)) => writeln!(out, "err {peak}"),
        }
        .unwrap();
        sample.mend(&broken);
    }
}

/// Runs the cases of a format in children; how many broke the reader.
fn watch(target: &Target, options: &Options) -> usize {
    let begun = Instant::now();
    let (mut opened, mut refused, mut most) = (0u64, 0u64, 0u64);
    let mut broken: BTreeMap<u64, String> = BTreeMap::new();
    let mut from = options.from;
    while from < options.cases {
        let (mut process, lines) = start(target, options, from);
        let mut case = from;
        let ended = loop {
            match lines.recv_timeout(HANG) {
                Ok(line) => match line.split_once(' ').unwrap_or((&line, "")) {
                    ("case", n) => case = n.parse().unwrap(),
                    ("ok", peak) => (opened, most) = (opened + 1, most.max(peak.parse().unwrap())),
                    ("err", peak) => {
                        (refused, most) = (refused + 1, most.max(peak.parse().unwrap()))
                    }
                    _ => drop(broken.insert(case, line)),
                },
                Err(RecvTimeoutError::Timeout) => {
                    process.kill().unwrap();
                    process.wait().unwrap();
                    break Some("hang".to_owned());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = process.wait().unwrap();
                    break (!status.success()).then(|| status.to_string());
                }
            }
        };
        let Some(how) = ended else { break };
        broken.insert(case, how);
        from = case + 1;
        if broken.len() > 100 {
            break;
        }
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    broken.values().for_each(|how| *kinds.entry(how).or_default() += 1);
    println!(
        "{:<14} {:>8} {opened:>8} {refused:>8} {:>9} {:>8.0}  {}",
        target.name,
        opened + refused + broken.len() as u64,
        most >> 20,
        begun.elapsed().as_secs_f64(),
        kinds.iter().map(|(how, n)| format!("{n} x {how}")).collect::<Vec<_>>().join(", ")
    );
    keep(target, options, broken.keys());
    broken.len()
}

fn start(target: &Target, options: &Options, from: u64) -> (Child, Receiver<String>) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--child", "--format", target.name])
        .args(["--from", &from.to_string(), "--cases", &options.cases.to_string()])
        .args(["--seed", &options.seed.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (send, lines) = channel();
    let out = BufReader::new(process.stdout.take().unwrap());
    std::thread::spawn(move || {
        out.lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
    });
    (process, lines)
}

/// Keeps the broken file of each case as `FORMAT-SEED-CASE-name`.
fn keep<'a>(target: &Target, options: &Options, cases: impl Iterator<Item = &'a u64>) {
    let folder = tempfile::tempdir_in(shared_memory()).unwrap();
    let sample = mutate::Sample::of(folder.path(), target);
    std::fs::create_dir_all(&options.keep).unwrap();
    for &case in cases {
        let broken = sample.breakage(options.seed, case);
        let inside = sample.name(&broken).replace('/', "+");
        let name = format!("{}-{}-{case}-{inside}", target.name, options.seed);
        std::fs::write(options.keep.join(name), &broken.bytes).unwrap();
    }
}

/// A folder in memory where there is one: a case writes a file.
fn shared_memory() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() }
}
