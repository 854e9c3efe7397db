//! The formats: how a sample is written, and how it is read.

use std::path::Path;

use spatia::base::Result;
use spatia::io;

use crate::fixtures;

pub struct Target {
    pub name: &'static str,
    /// Writes the sample into a folder.
    pub write: fn(&Path),
    /// Reads it from there, and looks at what was read.
    pub read: fn(&Path) -> Result<()>,
}

pub const TARGETS: &[Target] = &[
    Target { name: "tenx", write: fixtures::tenx::write, read: |f| dataset(&f.join("sample.h5")) },
    Target { name: "mex", write: fixtures::mex::write, read: |f| dataset(&f.join("mex")) },
    Target { name: "visium", write: fixtures::visium::write, read: |f| dataset(&f.join("visium")) },
    Target {
        name: "visium_hd",
        write: fixtures::visium_hd::write,
        read: |f| dataset(&f.join("visium_hd")),
    },
    Target { name: "xenium", write: fixtures::xenium::write, read: |f| dataset(&f.join("xenium")) },
    Target {
        name: "loom",
        write: fixtures::loom::write,
        read: |f| dataset(&f.join("sample.loom")),
    },
    Target {
        name: "zarr",
        write: fixtures::zarr::write,
        read: |f| {
            dataset(&f.join("sample.zarr")).and_then(|()| dataset(&f.join("sample.zarr.zip")))
        },
    },
];

fn dataset(path: &Path) -> Result<()> {
    let ds = io::read(path)?;
    assert!(!ds.to_string().is_empty());
    Ok(())
}
