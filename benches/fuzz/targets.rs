//! The formats: how a sample is written, and how it is read.

use std::path::Path;

use spatia::base::{Error, Result};
use spatia::data::{Csr, Uns};
use spatia::image::{Affine, RegionConfig, Slide};
use spatia::io::h5ad::{H5adConfig, Spots};
use spatia::sim::TissueConfig;
use spatia::{io, prep};

use crate::fixtures;

pub struct Target {
    pub name: &'static str,
    /// Writes the sample into a folder.
    pub write: fn(&Path),
    /// Reads it from there, and looks at what was read.
    pub read: fn(&Path) -> Result<()>,
}

pub const TARGETS: &[Target] = &[
    Target { name: "h5ad", write: h5ad, read: whole_and_part },
    Target { name: "tenx", write: fixtures::tenx::write, read: |f| dataset(&f.join("sample.h5")) },
    Target { name: "mex", write: fixtures::mex::write, read: |f| dataset(&f.join("mex")) },
    Target { name: "visium", write: fixtures::visium::write, read: |f| dataset(&f.join("visium")) },
    Target {
        name: "visium_hd",
        write: fixtures::visium_hd::write,
        read: |f| dataset(&f.join("visium_hd")),
    },
    Target { name: "xenium", write: xenium, read: |f| dataset(&f.join("xenium")) },
    Target {
        name: "transcripts",
        write: transcripts,
        read: |f| dataset(&f.join("transcripts.parquet")),
    },
    Target {
        name: "loom",
        write: fixtures::loom::write,
        read: |f| dataset(&f.join("sample.loom")),
    },
    Target {
        name: "counts",
        write: fixtures::text_counts::write,
        read: |f| each(&[dataset(&f.join("counts.csv")), dataset(&f.join("cells.parquet"))]),
    },
    Target {
        name: "legacy_st",
        write: fixtures::legacy_st::write,
        read: |f| dataset(&f.join("st_counts.tsv.gz")),
    },
    Target {
        name: "numpy",
        write: fixtures::numpy::write,
        read: |f| each(&[dataset(&f.join("counts.npy")), dataset(&f.join("counts.npz"))]),
    },
    Target {
        name: "table",
        write: fixtures::text_counts::write,
        read: |f| each(&[table(&f.join("counts.csv")), table(&f.join("cells.parquet"))]),
    },
    Target {
        name: "zarr",
        write: fixtures::zarr::write,
        read: |f| each(&[dataset(&f.join("sample.zarr")), dataset(&f.join("sample.zarr.zip"))]),
    },
    Target { name: "slide", write: fixtures::slide::write, read: slide },
    Target {
        name: "picture",
        write: pictures,
        read: |f| {
            each(&["png", "jpg", "tif"].map(|e| picture(&f.join("picture").with_extension(e))))
        },
    },
];

fn dataset(path: &Path) -> Result<()> {
    let ds = io::read(path)?;
    assert!(!ds.to_string().is_empty());
    Ok(())
}

/// A part of a file is read on another way than the whole.
fn whole_and_part(folder: &Path) -> Result<()> {
    let path = folder.join("sample.h5ad");
    let obs = Some(Spots::Where("layer = 'layer 1'".into()));
    let part = H5adConfig { obs, ..H5adConfig::default() };
    each(&[
        dataset(&path),
        io::h5ad::read_with(&path, &part).map(drop),
        io::h5ad::peek(&path).map(drop),
    ])
}

fn table(path: &Path) -> Result<()> {
    io::table::read(path).map(drop)
}

/// One of several files is broken: the whole ones are read beside it.
fn each(all: &[Result<()>]) -> Result<()> {
    match all.iter().find_map(|one| one.as_ref().err()) {
        Some(e) => Err(Error::new("reading several files").found(e.to_string())),
        None => Ok(()),
    }
}

fn slide(folder: &Path) -> Result<()> {
    each(&[
        picture(&folder.join("slide.ome.tif")),
        Affine::read(&folder.join("alignment.csv")).map(drop),
    ])
}

/// Opens an image and reads a region of each of its levels.
fn picture(path: &Path) -> Result<()> {
    let slide = Slide::open(path)?;
    slide.levels().iter().enumerate().try_for_each(|(level, at)| {
        let (width, height) = (at.width.min(300), at.height.min(300));
        slide.region(&RegionConfig { level, width, height, ..RegionConfig::default() }).map(drop)
    })
}

fn pictures(folder: &Path) {
    let red = |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]);
    let picture = image::RgbImage::from_fn(90, 70, red);
    ["png", "jpg", "tif"]
        .iter()
        .for_each(|e| picture.save(folder.join("picture").with_extension(e)).unwrap());
}

/// The files of a bundle that its reader opens.
fn xenium(folder: &Path) {
    fixtures::xenium::write(folder);
    let bundle = folder.join("xenium");
    std::fs::remove_file(bundle.join("transcripts.parquet")).unwrap();
    std::fs::remove_dir_all(bundle.join("morphology_focus")).unwrap();
    for name in ["morphology.ome.tif", "Sample_he_image.ome.tif"] {
        std::fs::write(bundle.join(name), "").unwrap();
    }
}

fn transcripts(folder: &Path) {
    fixtures::xenium::write(folder);
    let bundle = folder.join("xenium");
    std::fs::rename(bundle.join("transcripts.parquet"), folder.join("transcripts.parquet"))
        .unwrap();
    std::fs::remove_dir_all(bundle).unwrap();
}

/// A dataset with something in every slot.
fn h5ad(folder: &Path) {
    let config = TissueConfig { spots: 40, genes: 30, domains: 3, ..TissueConfig::default() };
    let mut ds = spatia::sim::tissue(&config).unwrap();
    let groups: Vec<_> = (0..40).map(|i| (i % 5 > 0).then(|| format!("layer {}", i % 3))).collect();
    ds.obs_mut().set_categories("layer", &groups).unwrap();
    ds.obs_mut().set_bool("seen", &(0..40).map(|i| i % 7 == 0).collect::<Vec<_>>()).unwrap();
    ds.set_obsp("connectivities", Csr::from_rows(40, (0..40).map(|i| vec![(i, 1.0)]).collect()))
        .unwrap();
    ds.set_varm("PCs", ndarray::Array2::ones((30, 3))).unwrap();
    ds.uns_mut().set(&["nested", "deep", "text"], Uns::Text("a note".into()));
    prep::normalize_total(&mut ds, 1e4).unwrap();
    io::h5ad::write(&ds, &folder.join("sample.h5ad")).unwrap();
}
