//! Devices by name. CUDA is opened at run time, so one binary serves machines with and without it.

use std::path::PathBuf;
use std::sync::OnceLock;

use tch::Device;

use super::{Error, Kind, Result};

/// The device that `name` asks for: `cpu`, `cuda`, `cuda:1`, or `auto` (CUDA where it works).
///
/// # Errors
/// An unknown name; CUDA asked for where it cannot be had, with what is missing.
pub fn resolve(name: &str) -> Result<Device> {
    let doing = || format!("choosing the device '{name}'");
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" => Ok(if cuda().is_ok() { Device::Cuda(0) } else { Device::Cpu }),
        "cuda" => open(0).map_err(|e| e.within(doing())),
        _ => match name.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
            Some(index) => open(index).map_err(|e| e.within(doing())),
            None => Err(Error::new(doing())
                .expected("auto, cpu, cuda or cuda:N")
                .found(format!("'{name}'"))
                .advice(super::nearest::advice(name, ["auto", "cpu", "cuda"]))),
        },
    }
}

/// The name of a device as [`resolve`] takes it.
pub fn name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".into(),
        Device::Cuda(i) => format!("cuda:{i}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn open(index: usize) -> Result<Device> {
    let count = cuda()?;
    if index < count {
        return Ok(Device::Cuda(index));
    }
    Err(Error::new("opening CUDA")
        .kind(Kind::Resource)
        .expected(format!("a device of index {index}"))
        .found(format!("{count} devices")))
}

/// Loads libtorch's CUDA library once and counts the devices.
///
/// # Errors
/// [`Kind::Resource`]: no driver, no CUDA build of libtorch, or no device, and how to get it.
pub fn cuda() -> Result<usize> {
    static OPENED: OnceLock<Result<usize, String>> = OnceLock::new();
    OPENED.get_or_init(load).clone().map_err(|found| {
        Error::new("opening CUDA")
            .kind(Kind::Resource)
            .expected("an NVIDIA driver and a CUDA build of libtorch")
            .found(found)
            .advice("Use --device cpu, or install the driver and run `make setup CUDA=1`")
    })
}

fn load() -> Result<usize, String> {
    if !std::path::Path::new("/dev/nvidiactl").exists()
        && !std::path::Path::new("/dev/dxg").exists()
    {
        return Err("no NVIDIA driver (/dev/nvidiactl is missing)".into());
    }
    let library = libtorch_folder().map(|f| f.join("libtorch_cuda.so")).filter(|f| f.exists());
    let library = library.unwrap_or_else(|| PathBuf::from("libtorch_cuda.so"));
    // SAFETY: libtorch's own library; its initialisers only register CUDA kernels with libtorch,
    // and it stays loaded for the life of the process.
    match unsafe { libloading::Library::new(&library) } {
        Ok(l) => std::mem::forget(l),
        Err(e) => return Err(format!("{} does not load ({e})", library.display())),
    }
    match tch::Cuda::device_count() {
        n if n > 0 => Ok(n as usize),
        _ => Err("the CUDA library is there, but no device is".into()),
    }
}

/// The folder of the libtorch that this process runs with, as the loader mapped it.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|l| l.contains("libtorch_cpu.so"))?;
    PathBuf::from(&line[line.find('/')?..]).parent().map(PathBuf::from)
}
