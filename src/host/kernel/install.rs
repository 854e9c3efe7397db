//! `spatia kernel install`: the kernel's specification where Jupyter looks for it.

use std::io::Cursor;
use std::path::PathBuf;

use image::{ImageFormat, Rgba, RgbaImage};
use serde_json::json;

use crate::base::{Error, Kind, Result, files};
use crate::host::streams::say;
use crate::host::{Exit, run};

/// Where, and under which name.
pub struct Target {
    pub user: bool,
    pub sys_prefix: bool,
    pub prefix: Option<PathBuf>,
    pub name: String,
}

/// Writes the specification and says where.
pub fn install(target: &Target) -> Exit {
    match write(target) {
        Ok(folder) => {
            run::print(&format!("installed the kernel {} in {}\n", target.name, folder.display()))
        }
        Err(e) => {
            say(&format!("error: {e}"));
            Exit::Failure
        }
    }
}

fn write(target: &Target) -> Result<PathBuf> {
    let doing = format!("installing the kernel {}", target.name);
    check_name(&target.name).map_err(|e| e.within(&doing))?;
    let kernels = folder(target).map_err(|e| e.within(&doing))?;
    let binary = std::env::current_exe().map_err(|e| Error::io(&doing, e))?;
    let binary = binary.to_str().ok_or_else(|| {
        Error::new(&doing)
            .expected("a program whose path is UTF-8, as kernel.json is")
            .found(binary.display().to_string())
            .advice("Rename what is not, or move the program")
    })?;
    let spec = json!({
        "argv": [binary, "kernel", "run", "-f", "{connection_file}"],
        "display_name": display_name(&target.name),
        "language": "rhai",
        "interrupt_mode": "message",
        "metadata": { "debugger": false },
    });
    let folder = kernels.join(&target.name);
    if folder.exists() && !folder.is_dir() {
        return Err(Error::new(doing)
            .expected("a folder, or nothing")
            .found(format!("a file at {}", folder.display()))
            .advice("Remove it, or choose another --name"));
    }
    let json = serde_json::to_string_pretty(&spec).map_err(|e| Error::io(&doing, e))? + "\n";
    for size in [32, 64] {
        files::write(&folder.join(format!("logo-{size}x{size}.png")), logo(size)?)?;
    }
    // Last: what Jupyter finds is then whole.
    files::write(&folder.join("kernel.json"), json)?;
    Ok(folder)
}

/// Names that Jupyter takes: letters, digits, dots, dashes and underscores.
fn check_name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !name.is_empty() && name.chars().all(fine) && !name.starts_with('.') {
        return Ok(());
    }
    Err(Error::new("checking its name")
        .expected("letters, digits, '.', '-' and '_', the first no '.'")
        .found(format!("{name:?}"))
        .advice("Choose another --name"))
}

/// "Spatia"; under another name, that too, so that a list of kernels tells them apart.
fn display_name(name: &str) -> String {
    if name == "spatia" { "Spatia".into() } else { format!("Spatia ({name})") }
}

/// The folder of all kernels.
fn folder(target: &Target) -> Result<PathBuf> {
    if let Some(prefix) = &target.prefix {
        // Jupyter runs elsewhere; a path that depends on where we stand would be of no use.
        let prefix = std::path::absolute(prefix)
            .map_err(|e| Error::io(format!("finding {}", prefix.display()), e))?;
        return Ok(prefix.join("share/jupyter/kernels"));
    }
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    if target.sys_prefix {
        let active = set("VIRTUAL_ENV").or_else(|| set("CONDA_PREFIX"));
        let active = active.map(PathBuf::from).ok_or_else(|| {
            Error::new("finding the Python environment that is active")
                .kind(Kind::Missing)
                .expected("VIRTUAL_ENV or CONDA_PREFIX to be set")
                .found("neither")
                .advice("Activate the environment first, or name it: --prefix PATH")
        })?;
        return Ok(active.join("share/jupyter/kernels"));
    }
    if let Some(data) = set("JUPYTER_DATA_DIR") {
        return Ok(PathBuf::from(data).join("kernels"));
    }
    jupyter_zmq_client::user_data_dir().map(|data| data.join("kernels")).map_err(|e| {
        Error::io("finding the folder of this user's kernels", e)
            .advice("Set HOME, or name a folder: --prefix PATH")
    })
}

/// Spots of tissue on their honeycomb, coloured by what part they belong to.
fn logo(size: u32) -> Result<Vec<u8>> {
    const PARTS: [[u8; 3]; 3] = [[0x44, 0x77, 0xAA], [0xEE, 0x66, 0x77], [0x22, 0x88, 0x33]];
    /// Samples a pixel in each direction, for smooth edges.
    const FINE: u32 = 4;
    let mut image = RgbaImage::new(size, size);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let mut hits = 0;
        let mut colour = PARTS[0];
        for sample in 0..FINE * FINE {
            let at = |pixel: u32, step: u32| {
                (f64::from(pixel) + (f64::from(step) + 0.5) / f64::from(FINE)) / f64::from(size)
            };
            if let Some(part) = spot(at(x, sample % FINE), at(y, sample / FINE)) {
                hits += 1;
                colour = PARTS[part];
            }
        }
        let alpha = u8::try_from(hits * 255 / (FINE * FINE)).unwrap_or(u8::MAX);
        *pixel = Rgba([colour[0], colour[1], colour[2], alpha]);
    }
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).map_err(|e| Error::io("drawing the logo", e))?;
    Ok(png.into_inner())
}

/// The part of tissue whose spot covers a point of the unit square.
fn spot(x: f64, y: f64) -> Option<usize> {
    const PITCH: f64 = 0.2;
    let row = ((y - 0.5) / (PITCH * 0.866)).round();
    let shift = if row.rem_euclid(2.0) == 0.0 { 0.0 } else { PITCH / 2.0 };
    let column = ((x - 0.5 - shift) / PITCH).round();
    let (cx, cy) = (column * PITCH + shift, row * PITCH * 0.866);
    let near = (x - 0.5 - cx).hypot(y - 0.5 - cy) < 0.42 * PITCH;
    let inside = cx.hypot(cy) < 0.42;
    let part = match cx + 0.35 * cy {
        s if s < -0.12 => 0,
        s if s < 0.15 => 1,
        _ => 2,
    };
    (near && inside).then_some(part)
}
