//! Where the tests find real data, golden numbers and Python, and how they say that they skip.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use spatia::base;
use spatia::script::{Console, Output};

/// The folder of this checkout, as cargo says it when it runs the tests: several clones share one
/// build, so the one that was compiled is not to be asked.
pub fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
}

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
    let default = root().join(".deps/venv/bin/python");
    present(
        std::env::var_os("SPATIA_TEST_PYTHON").map_or(default, PathBuf::from),
        "SPATIA_REQUIRE_PYTHON",
    )
}

/// Where networks run that are compared with the reference or with themselves: `$SPATIA_TEST_DEVICE`, by
/// default the processor.
pub fn device_name() -> String {
    std::env::var("SPATIA_TEST_DEVICE").unwrap_or("cpu".into())
}

pub fn device() -> tch::Device {
    base::device::resolve(&device_name()).unwrap()
}

/// Runs a Python script with arguments and returns what it printed; its failure is the test's.
#[track_caller]
pub fn run_python(python: &std::path::Path, code: &str, args: &[&std::path::Path]) -> String {
    let out = Command::new(python).arg("-c").arg(code).args(args).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "python failed: {stdout}\n{stderr}");
    stdout.into_owned()
}

fn shared(folder: &str) -> PathBuf {
    root().join("../shared").join(folder)
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

/// Lets a command be asked to stop by SIGINT and SIGHUP, or ignore both, whatever this process does.
#[cfg(unix)]
pub fn heeding(command: &mut Command, heeds: bool) -> &mut Command {
    use std::os::unix::process::CommandExt;
    let how = if heeds { libc::SIG_DFL } else { libc::SIG_IGN };
    // SAFETY: what is called may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            libc::signal(libc::SIGINT, how);
            libc::signal(libc::SIGHUP, how);
            Ok(())
        })
    }
}

/// A console that keeps what is said and answers `input` from a list.
#[derive(Default)]
pub struct Recorder {
    pub said: Mutex<Vec<Output>>,
    pub answers: Mutex<Vec<String>>,
}

impl Recorder {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// All that went to standard output.
    pub fn stdout(&self) -> String {
        let text = |o: &Output| match o {
            Output::Stdout(text) => text.clone(),
            _ => String::new(),
        };
        self.said.lock().unwrap().iter().map(text).collect()
    }

    /// All that went to standard error.
    pub fn stderr(&self) -> String {
        let text = |o: &Output| match o {
            Output::Stderr(text) => text.clone(),
            _ => String::new(),
        };
        self.said.lock().unwrap().iter().map(text).collect()
    }
}

impl Console for Recorder {
    fn output(&self, output: Output) {
        self.said.lock().unwrap().push(output);
    }

    fn input(&self, prompt: &str, _secret: bool) -> base::Result<String> {
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() {
            return Err(base::Error::new(format!("asking {prompt:?}")).found("nobody to answer"));
        }
        Ok(answers.remove(0))
    }
}

/// Runs a test that is left out otherwise, in a process of its own: the wish to stop
/// is one for a whole process.
#[track_caller]
pub fn alone(test: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let out = command.args(["--exact", "--ignored", "--nocapture", test]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&out.stderr)
    );
}
