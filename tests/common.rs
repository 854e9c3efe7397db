//! Where the tests find real data, golden numbers and Python, and how they say that they skip.

use std::path::PathBuf;

/// The folder of real data, `$SPATIA_TEST_DATA` or `../shared/data`; `None`, said aloud, where it
/// is absent. With `SPATIA_REQUIRE_DATA=1` (CI) absence is a failure.
pub fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SPATIA_TEST_DATA").map_or_else(|| shared("data"), PathBuf::from);
    present(root.join(name), "SPATIA_REQUIRE_DATA")
}

/// A file of golden numbers, beside the data.
pub fn golden(name: &str) -> Option<PathBuf> {
    let data = std::env::var_os("SPATIA_TEST_DATA").map_or_else(|| shared("data"), PathBuf::from);
    present(data.with_file_name("golden").join(name), "SPATIA_REQUIRE_DATA")
}

/// The PyTorch peer.
pub fn peer(name: &str) -> Option<PathBuf> {
    let data = std::env::var_os("SPATIA_TEST_DATA").map_or_else(|| shared("data"), PathBuf::from);
    present(data.with_file_name("peers").join(name), "SPATIA_REQUIRE_DATA")
}

/// The tests' Python with anndata and torch, `$SPATIA_TEST_PYTHON` or `.deps/venv/bin/python`.
pub fn python() -> Option<PathBuf> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".deps/venv/bin/python");
    present(
        std::env::var_os("SPATIA_TEST_PYTHON").map_or(default, PathBuf::from),
        "SPATIA_REQUIRE_PYTHON",
    )
}

/// Runs a Python script with arguments and returns what it printed; its failure is the test's.
#[track_caller]
pub fn run_python(python: &std::path::Path, code: &str, args: &[&std::path::Path]) -> String {
    let out = std::process::Command::new(python).arg("-c").arg(code).args(args).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "python failed: {stdout}\n{stderr}");
    stdout.into_owned()
}

fn shared(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(folder)
}

fn present(path: PathBuf, required: &str) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os(required).is_none_or(|v| v != "1"),
        "{required}=1, but {} is absent",
        path.display()
    );
    eprintln!("SKIPPED: {} is absent", path.display());
    None
}
