fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let torch = std::env::var("LIBTORCH").unwrap_or(format!("{root}/.deps/python/torch"));
    println!("cargo:rustc-link-arg=-Wl,-rpath,{torch}/lib");
    println!("cargo:rerun-if-env-changed=LIBTORCH");

    let git = |args: &[&str]| {
        let out = std::process::Command::new("git").current_dir(&root).args(args).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    // The log of HEAD changes with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    println!("cargo:rustc-env=SPATIA_REVISION={}", git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default());
}
