//! `spatia info`: versions, devices, threads and memory.

use crate::base::{device, memory};
use crate::script;

/// "0.1.0 (ed6eec8a41b2)".
pub fn version() -> String {
    let v = script::versions();
    let of = |name| v.get(name).map_or("unknown", String::as_str);
    format!("{} ({})", of("spatia"), of("revision"))
}

/// Names and values, in the order they are shown.
pub fn facts() -> Vec<(&'static str, String)> {
    let (major, minor, patch) = hdf5::library_version();
    let m = memory::now();
    let libtorch = script::versions().remove("libtorch").unwrap_or_default();
    let folder = device::libtorch_folder().unwrap_or_default();
    vec![
        ("spatia", version()),
        ("libtorch", format!("{libtorch} in {}", folder.display())),
        ("rhai", locked("rhai")),
        ("hdf5", format!("{major}.{minor}.{patch}")),
        ("cpu", format!("{} threads for libtorch", tch::get_num_threads())),
        ("cuda", device::cuda().map_or_else(|e| format!("not here. {e}"), devices)),
        (
            "memory",
            format!(
                "{} held, {} free of {}",
                memory::human(m.resident),
                memory::human(m.available),
                memory::human(m.total)
            ),
        ),
    ]
}

/// How many there are, and what memory each has.
fn devices(n: usize) -> String {
    let room = |i| {
        let (free, total) = device::room(i)?;
        Some(format!("; cuda:{i} {} free of {}", memory::human(free), memory::human(total)))
    };
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} device{plural}{}", (0..n).filter_map(room).collect::<String>())
}

/// The version of a crate that this binary was locked to.
pub(super) fn locked(name: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).map(|(_, rest)| rest);
    entry.and_then(|e| e.split('"').next()).unwrap_or("unknown").to_owned()
}
