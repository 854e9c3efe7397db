//! `spatia info`: versions, devices, threads and memory.

use crate::base::{device, memory};

/// The revision of the source this binary was built from, where that was known.
const REVISION: Option<&str> = option_env!("SPATIA_REVISION");

/// "0.1.0 (ed6eec8)".
pub fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    REVISION.filter(|r| !r.is_empty()).map_or(version.to_owned(), |r| format!("{version} ({r})"))
}

/// Names and values, in the order they are shown.
pub fn facts() -> Vec<(&'static str, String)> {
    let (major, minor, patch) = hdf5::library_version();
    let m = memory::now();
    vec![
        ("spatia", version()),
        ("libtorch", libtorch()),
        ("rhai", locked("rhai")),
        ("hdf5", format!("{major}.{minor}.{patch}")),
        ("cpu", format!("{} threads for libtorch", tch::get_num_threads())),
        ("cuda", device::cuda().map_or_else(|e| format!("not here. {e}"), |n| format!("{n} devices"))),
        (
            "memory",
            format!("{} held, {} free of {}", memory::human(m.resident), memory::human(m.available), memory::human(m.total)),
        ),
    ]
}

/// The version beside the library that the process runs with.
pub fn libtorch() -> String {
    let Some(lib) = device::libtorch_folder() else { return "unknown".into() };
    let folder = lib.parent().unwrap_or(&lib);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let version = read("build-version").map(|t| t.trim().to_owned()).or_else(|| {
        let text = read("version.py")?;
        let line = text.lines().find(|l| l.starts_with("__version__"))?;
        Some(line.split(['\'', '"']).nth(1)?.to_owned())
    });
    format!("{} in {}", version.as_deref().unwrap_or("unknown version"), folder.display())
}

/// The version of a crate that this binary was locked to.
fn locked(name: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).map(|(_, rest)| rest);
    entry.and_then(|e| e.split('"').next()).unwrap_or("unknown").to_owned()
}
