//! Bad input through the binary: each row of the table is refused with a clear message and the
//! right exit code, and leaves no file behind. `-- bad_input --nocapture` shows the messages.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use hdf5::types::VarLenUnicode;
use ndarray::{Array2, ArrayView};
use spatia::data::{Dataset, Table};
use spatia::sim::{TissueConfig, tissue};

use super::analyses::{run, said};

const TRAIN: &str = "train_real.rhai";
const EXTRACT: &str = "extract.rhai";
/// A script of the test's own, see [`make_inputs`].
const FILTER: &str = "filter.rhai";

/// What is wrong, the script, its arguments, the exit code, and what the message must say. The
/// arguments of [`USUAL`] are added where a row does not give them.
type Row = (&'static str, &'static str, &'static str, i32, &'static [&'static str]);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Files and folders.
    ("no such file", TRAIN, "--data_path sektion.h5ad", 1, &["sektion.h5ad", "Did you mean 'section.h5ad'"]),
    ("an empty file", TRAIN, "--data_path empty.h5ad", 1, &["empty.h5ad", "an empty file"]),
    ("h5ad cut in half", TRAIN, "--data_path half.h5ad", 1, &["half.h5ad", "cut short"]),
    ("h5ad without its last bytes", TRAIN, "--data_path short.h5ad", 1, &["short.h5ad", "cut short"]),
    ("10x .h5 cut in half", TRAIN, "--data_path half.h5", 1, &["half.h5", "cut short"]),
    ("counts of a Visium folder cut in half", TRAIN, "--data_path cut_slide", 1, &["filtered_feature_bc_matrix.h5", "cut short"]),
    ("another kind of file", TRAIN, "--data_path tiny.json", 1, &["tiny.json", "AnnData .h5ad"]),
    ("h5ad without obs", TRAIN, "--data_path no_obs.h5ad", 1, &["no_obs.h5ad", "no obs"]),
    ("Visium folder without spatial/", TRAIN, "--data_path no_spatial", 1, &["no_spatial", "no spatial/"]),
    ("Visium folder without counts", TRAIN, "--data_path no_counts", 1, &["no_counts", "no counts"]),
    ("Visium folder without positions", TRAIN, "--data_path no_positions", 1, &["no_positions", "tissue_positions.csv"]),
    ("positions that are no numbers", TRAIN, "--data_path bad_positions", 1, &["line 3", "tissue_positions.csv", "north"]),
    ("a folder at the wrong level", TRAIN, "--data_path level", 1, &["reading level", "a folder with deeper", "Visium folder"]),
    ("barcodes that match no position", TRAIN, "--data_path other_sample", 1, &["tissue_positions.csv", "spot01", "no match"]),
    // Values.
    ("NaN in X and the counts", TRAIN, "--data_path nan.h5ad", 1, &["whole numbers", "NaN", "spot04", "Gene06"]),
    ("negative counts", TRAIN, "--data_path negative.h5ad", 1, &["whole numbers", "-2", "spot04", "Gene06"]),
    ("fractional counts", TRAIN, "--data_path fractional.h5ad", 1, &["whole numbers", "1.5", "spot04", "Gene06"]),
    ("fractional X, counts in a layer", TRAIN, "--data_path layered.h5ad", 1, &["whole numbers", "ds.layers[\"counts\"] = ds.layers[\"umi\"]"]),
    ("spots without counts", TRAIN, "--data_path empty_spots.h5ad", 1, &["spot 3", "ds.filter(#{ min_counts: 1 })", "--min_counts 1"]),
    ("duplicate genes", TRAIN, "--data_path duplicate.h5ad", 1, &["each name once", "Gene02"]),
    ("no coordinates", TRAIN, "--data_path no_places.h5ad", 1, &["obsm[\"spatial\"]"]),
    ("10x .h5 alone, which has none", TRAIN, "--data_path counts.h5", 1, &["obsm[\"spatial\"]"]),
    ("NaN among the coordinates", TRAIN, "--data_path nowhere.h5ad", 1, &["coordinates", "NaN", "spot04"]),
    ("no image and no image features", TRAIN, "--data_path no_image.h5ad", 1, &["image_features"]),
    ("NaN among the image features", TRAIN, "--data_path blind.h5ad", 1, &["image features", "NaN at spot 3"]),
    ("no spots left", FILTER, "--data_path section.h5ad --min_counts 1000000", 1, &["none of 80", "min_counts"]),
    ("no genes left", FILTER, "--data_path section.h5ad --min_spots 1000000", 1, &["none of 40", "min_spots"]),
    // Options.
    ("no input", TRAIN, "", 2, &["--data_path"]),
    ("an unknown option", TRAIN, "--data_path section.h5ad --outputs o", 2, &["--outputs", "Did you mean 'output'"]),
    ("an option of no script", TRAIN, "--data_path section.h5ad --colour red", 2, &["--colour", "Known: data_path, config", "train_real.rhai --help"]),
    ("an ill-typed option", TRAIN, "--data_path section.h5ad --seed many", 2, &["--seed", "many"]),
    ("no such device", TRAIN, "--data_path section.h5ad --device tpu", 1, &["tpu", "auto, cpu, cuda"]),
    ("no such labels", TRAIN, "--data_path section.h5ad --labels domain_tru", 1, &["Did you mean 'domain_true'"]),
    ("no such configuration", TRAIN, "--data_path section.h5ad --config tinny.json", 1, &["Did you mean 'tiny.json'"]),
    ("a configuration that is no JSON", TRAIN, "--data_path section.h5ad --config broken.json", 1, &["broken.json", "JSON"]),
    ("an unknown key", TRAIN, "--data_path section.h5ad --config typo.json", 1, &["epoch", "Did you mean 'epochs'"]),
    ("an ill-typed key", TRAIN, "--data_path section.h5ad --config words.json", 1, &["hidden_dim"]),
    ("more neighbours than spots", TRAIN, "--data_path section.h5ad --config many.json", 1, &["k = 80", "80"]),
    ("more domains than spots", TRAIN, "--data_path section.h5ad --n_domains 81", 1, &["81", "80"]),
    ("a file for the output folder", TRAIN, "--data_path section.h5ad --output empty.h5ad", 1, &["empty.h5ad"]),
    ("output below a file", TRAIN, "--data_path section.h5ad --output tiny.json/o", 1, &["tiny.json/o"]),
    // Checkpoints.
    ("no such checkpoint", EXTRACT, "--data_path section.h5ad --checkpoint run", 1, &["opening run"]),
    ("no checkpoint in the folder", EXTRACT, "--data_path section.h5ad --checkpoint level", 1, &["level", "checkpoint"]),
    ("a file that is no checkpoint", EXTRACT, "--data_path section.h5ad --checkpoint half.h5ad", 1, &["half.h5ad"]),
    ("a checkpoint cut in half", EXTRACT, "--data_path section.h5ad --checkpoint half.safetensors", 1, &["half.safetensors"]),
    ("genes of the checkpoint missing", EXTRACT, "--data_path other_genes.h5ad --checkpoint whole.safetensors", 1, &["Gene01"]),
    ("bad data for a good checkpoint", EXTRACT, "--data_path nan.h5ad --checkpoint whole.safetensors", 1, &["whole numbers", "NaN"]),
    ("resuming from another network", TRAIN, "--data_path section.h5ad --config wide.json --resume whole.safetensors", 1, &["hidden_dim"]),
    // The good neighbours, and that the advice works.
    ("h5ad", TRAIN, "--data_path section.h5ad", 0, &["Results are in"]),
    ("Visium folder", TRAIN, "--data_path slide", 0, &["Results are in"]),
    ("empty spots dropped by the flag", TRAIN, "--data_path empty_spots.h5ad --min_counts 1", 0, &["Results are in"]),
    ("empty spots dropped in a script", FILTER, "--data_path empty_spots.h5ad --min_counts 1", 0, &["ready: 78"]),
];

const USUAL: [(&str, &str); 4] =
    [("--device", "cpu"), ("--config", "tiny.json"), ("--n_domains", "2"), ("--output", "o")];

#[test]
fn bad_input_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_inputs(folder);
    let wrong: Vec<String> = TABLE.iter().filter_map(|row| wrong(row, folder)).collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), TABLE.len(), wrong.join("\n"));
}

/// What is wrong with the answer to a row, `None` for nothing.
fn wrong(&(what, script, args, code, expected): &Row, folder: &Path) -> Option<String> {
    let before = tree(folder);
    let out = start(script, args, folder);
    let text = said(&out);
    println!("\n{what}: {text}");
    let mut wrong = Vec::new();
    if out.status.code() != Some(code) {
        wrong.push(format!("exit {:?} instead of {code}", out.status.code()));
    }
    // The error itself must say it, not what was printed on the way there.
    let error = &text[text.find("error: ").filter(|_| code != 0).unwrap_or(0)..];
    wrong.extend(
        expected.iter().filter(|e| !error.contains(**e)).map(|e| format!("'{e}' is not said")),
    );
    // A failure in a script says where; nothing else than the message may be shown of it.
    if code == 1 && !text.contains(&format!("{script}:")) {
        wrong.push("the place in the script is not said".into());
    }
    if text.contains("panicked") || text.contains("libtorch C++") {
        wrong.push("a panic or a trace of libtorch is shown".into());
    }
    let after = tree(folder);
    if code == 0 {
        let half = |f: &&String| f.contains(".writing") || f.contains(".tmp");
        wrong.extend(after.iter().filter(half).map(|f| format!("{f} is left")));
    } else {
        wrong.extend(after.difference(&before).map(|f| format!("{f} is left")));
        wrong.extend(before.difference(&after).map(|f| format!("{f} is gone")));
    }
    let _ = std::fs::remove_dir_all(folder.join("o"));
    (!wrong.is_empty()).then(|| format!("{what} ({args}): {}", wrong.join("; ")))
}

fn start(script: &str, args: &str, folder: &Path) -> Output {
    let mut args: Vec<&str> = args.split_whitespace().collect();
    let known: &[&str] = match script {
        TRAIN => &["--device", "--config", "--n_domains", "--output"],
        EXTRACT => &["--device", "--n_domains", "--output"],
        _ => &["--output"],
    };
    for (name, value) in USUAL {
        if known.contains(&name) && !args.contains(&name) {
            args.extend([name, value]);
        }
    }
    // A name without a folder is one of `scripts/`.
    let own = folder.join(script);
    run(if own.exists() { own.to_str().unwrap() } else { script }, &args, folder)
}

/// The files below a folder; with size, so that none is written over.
fn tree(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = path.metadata().unwrap().len();
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(format!("{name} ({bytes} bytes)"));
            }
        }
    }
    found
}

/// The inputs of the table: a section of 80 spots and 40 genes, and what can be wrong with it.
fn make_inputs(folder: &Path) {
    let at = |name: &str| folder.join(name);
    let text = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
    let cut = |from: &str, to: &str, keep: fn(usize) -> usize| {
        let bytes = std::fs::read(at(from)).unwrap();
        std::fs::write(at(to), &bytes[..keep(bytes.len())]).unwrap();
    };
    let half: fn(usize) -> usize = |n| n / 2;

    let section = simulated(8);
    spatia::io::h5ad::write(&section, &at("section.h5ad")).unwrap();
    text("empty.h5ad", "");
    cut("section.h5ad", "half.h5ad", half);
    cut("section.h5ad", "short.h5ad", |n| n - 100);
    spatia::io::h5ad::write(&section, &at("no_obs.h5ad")).unwrap();
    hdf5::File::open_rw(at("no_obs.h5ad")).unwrap().unlink("obs").unwrap();
    write_tenx(&section, &at("counts.h5"));
    cut("counts.h5", "half.h5", half);

    for slide in [
        "slide",
        "cut_slide",
        "no_spatial",
        "no_counts",
        "no_positions",
        "bad_positions",
        "other_sample",
    ] {
        write_slide(&section, &at(slide));
    }
    let counts = "filtered_feature_bc_matrix.h5";
    cut(&format!("slide/{counts}"), &format!("cut_slide/{counts}"), half);
    std::fs::remove_dir_all(at("no_spatial/spatial")).unwrap();
    std::fs::remove_file(at("no_counts").join(counts)).unwrap();
    std::fs::remove_file(at("no_positions/spatial/tissue_positions.csv")).unwrap();
    let positions = std::fs::read_to_string(at("slide/spatial/tissue_positions.csv")).unwrap();
    let rows: Vec<&str> = positions.lines().collect();
    text(
        "bad_positions/spatial/tissue_positions.csv",
        &[rows[0], rows[1], "spot02,1,north,0,0,0"].join("\n"),
    );
    text("other_sample/spatial/tissue_positions.csv", &positions.replace("spot", "AACT-"));
    std::fs::create_dir_all(at("level/deeper/deepest")).unwrap();

    let changed = |name: &str, value: f32| {
        let mut ds = section.clone();
        let mut x = dense(&ds);
        x[[3, 5]] = value;
        ds.set_x(x).unwrap();
        spatia::io::h5ad::write(&ds, &at(name)).unwrap();
        ds
    };
    let mut nan = changed("nan.h5ad", f32::NAN);
    nan.set_layer("counts", nan.x().clone()).unwrap();
    spatia::io::h5ad::write(&nan, &at("nan.h5ad")).unwrap();
    changed("negative.h5ad", -2.0);
    let mut layered = changed("fractional.h5ad", 1.5);
    layered.set_layer("umi", section.x().clone()).unwrap();
    spatia::io::h5ad::write(&layered, &at("layered.h5ad")).unwrap();

    let mut ds = section.clone();
    let mut x = dense(&ds);
    x.row_mut(3).fill(0.0);
    x.row_mut(7).fill(0.0);
    ds.set_x(x).unwrap();
    spatia::io::h5ad::write(&ds, &at("empty_spots.h5ad")).unwrap();

    let mut ds =
        Dataset::new(section.x().clone(), section.obs().clone(), section.var().clone()).unwrap();
    ds.set_obsm("image_features", section.obsm()["image_features"].clone()).unwrap();
    spatia::io::h5ad::write(&ds, &at("no_places.h5ad")).unwrap();

    let renamed = |name: &str, rename: fn(usize, &str) -> String| {
        let names = section.var().index().iter().enumerate().map(|(i, g)| rename(i, g)).collect();
        let mut ds =
            Dataset::new(section.x().clone(), section.obs().clone(), Table::new(names)).unwrap();
        for (key, m) in section.obsm() {
            ds.set_obsm(key, m.clone()).unwrap();
        }
        spatia::io::h5ad::write(&ds, &at(name)).unwrap();
    };
    renamed("duplicate.h5ad", |i, g| if i == 4 { "Gene02".into() } else { g.into() });
    renamed("other_genes.h5ad", |_, g| g.replace("Gene", "Probe"));

    for (name, key) in [("nowhere.h5ad", "spatial"), ("blind.h5ad", "image_features")] {
        let mut ds = section.clone();
        let mut m = ds.obsm()[key].clone();
        m[[3, 1]] = f64::NAN;
        ds.set_obsm(key, m).unwrap();
        spatia::io::h5ad::write(&ds, &at(name)).unwrap();
    }
    spatia::io::h5ad::write(&simulated(0), &at("no_image.h5ad")).unwrap();

    let config = |hidden: &str, epochs: &str, k: usize| {
        format!(
            r#"{{"model": {{"hidden_dim": {hidden}, "latent_dim": 4, "num_heads": 1}}, "training": {{"{epochs}": 1}},
            "data": {{"k_neighbors": {k}, "highly_variable_genes": 0}}}}"#
        )
    };
    text("tiny.json", &config("8", "epochs", 6));
    text("wide.json", &config("12", "epochs", 6));
    text("words.json", &config("\"eight\"", "epochs", 6));
    text("typo.json", &config("8", "epoch", 6));
    text("many.json", &config("8", "epochs", 80));
    text("broken.json", "{");
    text(
        FILTER,
        "let data_path = param(\"data_path\", (), \"The section\")
let min_counts = param(\"min_counts\", 0, \"Fewest counts of a spot\")
let min_spots = param(\"min_spots\", 0, \"Fewest spots of a gene\")
let output = param(\"output\", \"o\", \"Folder for the results\")
let ds = data::read(data_path)
ds.filter(#{ min_counts: min_counts, min_spots: min_spots })
let g = models::prepare(ds, #{ highly_variable_genes: 0 })
let model = models::gvae(ds, #{ hidden_dim: 8, latent_dim: 2, num_heads: 1, device: \"cpu\" })
train::fit(model, ds, g, #{ epochs: 1 })
ds.write(`${output}/filtered.h5ad`)
print(`ready: ${ds.n_obs}`)
",
    );

    let out = start(TRAIN, "--data_path section.h5ad", folder);
    assert!(out.status.success(), "{}", said(&out));
    std::fs::rename(
        at("o/image_guided_gvae/checkpoint_epoch_0001.safetensors"),
        at("whole.safetensors"),
    )
    .unwrap();
    std::fs::remove_dir_all(at("o")).unwrap();
    cut("whole.safetensors", "half.safetensors", half);
}

fn simulated(image_features: usize) -> Dataset {
    let config = TissueConfig {
        spots: 80,
        genes: 40,
        domains: 2,
        library_size: 400.0,
        image_features,
        seed: 3,
        ..TissueConfig::default()
    };
    tissue(&config).unwrap()
}

fn dense(ds: &Dataset) -> Array2<f32> {
    let (n, g) = ds.x().shape();
    Array2::from_shape_fn((n, g), |(r, c)| ds.x().get(r, c))
}

/// The counts as a 10x `.h5` of format 3.
fn write_tenx(ds: &Dataset, path: &Path) {
    let file = hdf5::File::create(path).unwrap();
    let m = file.create_group("matrix").unwrap();
    let features = m.create_group("features").unwrap();
    let texts = |g: &hdf5::Group, name: &str, values: &[String]| {
        let values: Vec<VarLenUnicode> = values.iter().map(|v| v.parse().unwrap()).collect();
        g.new_dataset_builder().with_data(&ArrayView::from(&values)).create(name).unwrap();
    };
    let genes = ds.var().index();
    texts(&m, "barcodes", ds.obs().index());
    texts(&features, "name", genes);
    texts(&features, "id", genes);
    texts(&features, "feature_type", &vec!["Gene Expression".into(); genes.len()]);
    let x = ds.x().to_csr();
    let (indptr, indices, values) = x.parts();
    let numbers = |name: &str, values: Vec<i64>| {
        m.new_dataset_builder().with_data(&ArrayView::from(&values)).create(name).unwrap();
    };
    numbers("shape", vec![ds.n_vars() as i64, ds.n_obs() as i64]);
    numbers("indptr", indptr.iter().map(|&v| v as i64).collect());
    numbers("indices", indices.iter().map(|&v| i64::from(v)).collect());
    numbers("data", values.iter().map(|&v| v as i64).collect());
}

/// A Visium folder with an image.
fn write_slide(ds: &Dataset, folder: &Path) {
    let spatial = folder.join("spatial");
    std::fs::create_dir_all(&spatial).unwrap();
    write_tenx(ds, &folder.join("filtered_feature_bc_matrix.h5"));
    let mut rows = String::from(
        "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n",
    );
    for (i, (barcode, at)) in ds.obs().index().iter().zip(ds.obsm()["spatial"].rows()).enumerate() {
        rows += &format!("{barcode},1,{},{},{},{}\n", i / 10, i % 10, at[1] + 100.0, at[0] + 100.0);
    }
    std::fs::write(spatial.join("tissue_positions.csv"), rows).unwrap();
    let factors = r#"{"spot_diameter_fullres": 55.0, "tissue_hires_scalef": 0.25}"#;
    std::fs::write(spatial.join("scalefactors_json.json"), factors).unwrap();
    image::RgbImage::from_fn(400, 400, |x, y| image::Rgb([200, (x / 2) as u8, (y / 2) as u8]))
        .save(spatial.join("tissue_hires_image.png"))
        .unwrap();
}
