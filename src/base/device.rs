//! Devices by name. CUDA is opened at run time, so one binary serves machines with and without it.

use std::path::PathBuf;
use std::sync::OnceLock;

use tch::Device;

use super::{Error, Kind, Result, memory, progress};

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

/// Free memory of a CUDA device and all that it has, in bytes; `None` where it cannot be told. What libtorch
/// keeps for its next tensors does not count as free.
pub fn room(index: usize) -> Option<(u64, u64)> {
    type Get = unsafe extern "C" fn(*mut i32) -> i32;
    type Set = unsafe extern "C" fn(i32) -> i32;
    type Info = unsafe extern "C" fn(*mut usize, *mut usize) -> i32;
    if index >= cuda().ok()? {
        return None;
    }
    // libtorch brings CUDA's runtime along.
    let process = libloading::os::unix::Library::this();
    let (mut before, mut free, mut total) = (0, 0, 0);
    // SAFETY: these functions of CUDA's runtime have these types since its first version; 0 is success.
    unsafe {
        let (get, set) = (
            process.get::<Get>(b"cudaGetDevice").ok()?,
            process.get::<Set>(b"cudaSetDevice").ok()?,
        );
        let info = process.get::<Info>(b"cudaMemGetInfo").ok()?;
        let told = get(&mut before) == 0
            && set(i32::try_from(index).ok()?) == 0
            && info(&mut free, &mut total) == 0;
        set(before);
        told.then_some((free as u64, total as u64))
    }
}

/// As [`memory::require`], of the memory of the device that a job works on.
///
/// # Errors
/// [`Kind::Resource`] with both figures and `advice`.
pub fn require(device: Device, doing: &str, bytes: u64, advice: &str) -> Result<()> {
    let Device::Cuda(index) = device else { return memory::require(doing, bytes, advice) };
    let Some((free, total)) = room(index) else { return Ok(()) };
    let at = name(device);
    let said = format!("{doing}: about {} of memory on {at}", memory::human(bytes));
    // What earlier jobs have left in libtorch's hands is not free, but a new one may take it.
    if bytes > free {
        progress::note(format!("{said}, which has {} free", memory::human(free)));
    } else if bytes >= memory::WORTH_SAYING {
        progress::note(said);
    }
    if bytes <= total {
        return Ok(());
    }
    Err(Error::new(doing)
        .kind(Kind::Resource)
        .expected(format!("about {} of memory on {at}", memory::human(bytes)))
        .found(memory::human(total))
        .advice(advice))
}

/// The folder of the libtorch that this process runs with, as the loader mapped it.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|l| l.contains("libtorch_cpu.so"))?;
    PathBuf::from(&line[line.find('/')?..]).parent().map(PathBuf::from)
}
