//! Files that once broke a reader (`make fuzz` found them, `tests/corpus/FORMAT-SEED-CASE-FILE`):
//! each lies in the sample of its format in the place of the file that it was.

#[path = "../benches/fuzz/targets.rs"]
mod targets;

use std::sync::mpsc;
use std::time::Duration;

use targets::{TARGETS, Target};

#[test]
fn no_file_that_once_broke_a_reader_does_so_again() {
    let corpus = crate::common::root().join("tests/corpus");
    let mut files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let (format, rest) = name.split_once('-').unwrap();
        let inside = rest.splitn(3, '-').nth(2).unwrap().replace('+', "/");
        let target = TARGETS.iter().find(|t| t.name == format).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        assert!(read(target, &inside, bytes), "{name} hangs or panics");
    }
}

#[test]
fn the_samples_that_are_broken_can_be_read_whole() {
    for target in TARGETS {
        let folder = tempfile::tempdir().unwrap();
        (target.write)(folder.path());
        (target.read)(folder.path()).unwrap_or_else(|e| panic!("{}: {e}", target.name));
    }
}

/// Whether a sample with that file ends in a dataset or an error within a minute.
fn read(target: &'static Target, inside: &str, bytes: Vec<u8>) -> bool {
    let folder = tempfile::tempdir().unwrap();
    (target.write)(folder.path());
    std::fs::write(folder.path().join(inside), bytes).unwrap();
    let (send, done) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = (target.read)(folder.path());
        let _ = send.send(());
    });
    done.recv_timeout(Duration::from_secs(60)).is_ok()
}
