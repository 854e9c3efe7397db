//! Tells the binary where libtorch lies, and which revision it was built from.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, process};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Without the host nothing links libtorch.
    let linked = env::var_os("CARGO_FEATURE_FULL").is_some();
    match linked.then(libtorch_folder).transpose() {
        Ok(None) => {}
        Ok(Some(folder)) => println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display()),
        Err(reason) => {
            println!("cargo::error={reason}");
            process::exit(1);
        }
    }
    println!("cargo:rustc-env=SPATIA_GIT_REV={}", git_revision().unwrap_or("unknown".into()));
}

/// Where the library that torch-sys links lies, once it is known to match the headers it compiles with.
fn libtorch_folder() -> Result<PathBuf, String> {
    println!("cargo:rerun-if-env-changed=LIBTORCH_USE_PYTORCH");
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return Err("spatia takes libtorch from LIBTORCH: unset LIBTORCH_USE_PYTORCH".into());
    }
    let headers = library("LIBTORCH", ".deps/python/torch")?;
    let linked = library("LIBTORCH_LIB", ".deps/link")?;
    if headers != linked {
        return Err(format!(
            "LIBTORCH names {} but {} is set up to be linked: run `make setup` with the same LIBTORCH",
            headers.display(),
            linked.display()
        ));
    }
    Ok(linked.parent().map(Path::to_owned).unwrap_or_default())
}

fn library(variable: &str, default: &str) -> Result<PathBuf, String> {
    println!("cargo:rerun-if-env-changed={variable}");
    let root = env::var_os(variable).unwrap_or_else(|| default.into());
    let file = Path::new(&root).join("lib/libtorch_cpu.so");
    println!("cargo:rerun-if-changed={}", file.display());
    file.canonicalize().map_err(|_| format!("no libtorch at {}: run `make setup`", file.display()))
}

fn git_revision() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !said.is_empty()).then_some(said)
    };
    // A commit moves the branch that HEAD names. A path that is not there would mean a rebuild every time.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD"].into_iter().chain(branch.as_deref()) {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}
