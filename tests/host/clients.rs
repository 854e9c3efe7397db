//! The kernel as Jupyter's own programs and tests see it (`tests/python/kernel_*.py`).

use std::process::Command;

use crate::common;

/// Runs the tests of a Python file, of one class where it is named. None may skip: a kernel that
/// lacks a feature would pass by that.
#[track_caller]
fn unittest(file: &str, class: &str) {
    let Some(python) = common::python() else { return };
    let out = Command::new(python)
        .arg(common::root().join("tests/python").join(file))
        .arg(env!("CARGO_BIN_EXE_spatia"))
        .arg(class)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    let ran = said.lines().rev().find_map(|l| l.strip_prefix("Ran ")?.split(' ').next());
    let count: usize = ran.and_then(|n| n.parse().ok()).unwrap_or(0);
    assert!(count > 0, "{file} ran no test:\n{said}");
    assert!(out.status.success(), "{file} {class}:\n{said}");
    // "OK (skipped=1)" is not enough.
    assert_eq!(said.lines().last(), Some("OK"), "{file} {class}:\n{said}");
}

#[test]
fn jupyters_own_tests_of_a_kernel_all_pass() {
    unittest("kernel_conformance.py", "Conformance");
}

#[test]
fn clients_are_welcomed() {
    unittest("kernel_conformance.py", "Welcome");
}

#[test]
fn nbclient_nbconvert_and_the_console_drive_the_kernel() {
    unittest("kernel_clients.py", "Programs");
}

#[test]
fn nothing_is_lost_under_load() {
    unittest("kernel_clients.py", "Load");
}

#[test]
fn a_busy_kernel_answers_and_stops() {
    unittest("kernel_clients.py", "Busy");
}

#[test]
fn requests_are_answered_as_the_protocol_says() {
    unittest("kernel_clients.py", "Requests");
}

#[test]
fn what_a_crash_leaves_is_restored() {
    unittest("kernel_crash.py", "Crash");
}
