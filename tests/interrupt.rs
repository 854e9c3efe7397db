//! Every kind of work is stopped at each of its safe points in turn, and leaves all as it was.
//!
//! The wish to stop is one for a whole process, so these run in a process of their own.

use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use spatia::analysis::{self, GmmConfig, KmeansConfig, MoranConfig};
use spatia::base::{Kind, Result, files, interrupt, progress};
use spatia::batch::gvae::{self, DataConfig};
use spatia::data::{ConcatConfig, Csr, Dataset, Matrix, Raw, concat, frame};
use spatia::graph::{self, Graph, KnnConfig, RadiusConfig};
use spatia::image::{Slide, ThumbnailConfig};
use spatia::io;
use spatia::models::GvaeConfig;
use spatia::nn;
use spatia::plot::{self, SpatialConfig};
use spatia::prep::{
    self, FilterConfig, HvgConfig, HvgFlavor, NormalizeConfig, PcaConfig, PcaSolver, QcConfig,
    ScaleConfig, ScoreGenesConfig,
};
use spatia::sim::{self, TissueConfig};
use spatia::train::{Fit, Model, ModelOptions, TrainConfig, fit};

use crate::common::{Recorder, alone};
use crate::fixtures;

#[test]
fn datasets_are_the_old_or_the_new_ones() {
    alone("interrupt::apart::datasets");
}

#[test]
fn what_only_reads_stops() {
    alone("interrupt::apart::readers");
}

#[test]
fn files_are_the_old_or_the_new_ones() {
    alone("interrupt::apart::files");
}

#[test]
fn models_are_those_of_whole_epochs_and_share_no_draws() {
    alone("interrupt::apart::training");
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_bits_and_loses_no_earlier_one() {
    alone("interrupt::apart::resuming");
}

#[test]
fn scripts_cannot_catch_it_and_the_wish_stands_until_its_cell_has_ended() {
    alone("interrupt::apart::scripts");
}

#[test]
fn a_job_that_panics_leaves_nothing_to_the_next() {
    let fails = || interrupt::abandonable("failing", || nn::no_grad(|| panic!("as libtorch does")));
    assert!(std::panic::catch_unwind(|| -> Result<()> { fails() }).is_err());
    let trains = interrupt::abandonable("asking", || {
        let w = tch::Tensor::ones([1], (tch::Kind::Float, tch::Device::Cpu));
        Ok((w.set_requires_grad(true) * 2.0).requires_grad())
    });
    assert!(trains.unwrap());
}

/// Numbers of looks after which work is stopped: each of the first, then fewer.
fn moments() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(0), |n| Some(n + 1 + n / 4))
}

/// Does something again and again, stopped later each time, until it ends; `check` looks at what a
/// stop has left behind.
#[track_caller]
fn stop_everywhere<T>(name: &str, work: impl Fn() -> (T, Result<()>), check: impl Fn(&T)) {
    let mut stops = 0;
    for looks in moments() {
        WANTED.set(looks);
        let (left, said) = work();
        interrupt::clear();
        match said {
            Ok(()) => break,
            Err(e) => assert!(e.is_interrupt(), "{name}: {e}"),
        }
        check(&left);
        stops += 1;
    }
    assert!(stops > 0, "{name} did not look once");
    println!("{name}: stopped at {stops} places");
}

thread_local! {
    static WANTED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// From here on looks are counted: what is made ready before is not to be stopped.
fn begin() {
    interrupt::request_after(WANTED.get());
}

/// Wishes to stop as soon as so many epochs are over.
struct StopAfter(u64);

impl progress::Sink for StopAfter {
    fn note(&self, _: &str) {}

    fn step(&self, step: &progress::Step<'_>) {
        if step.name == "training" && step.done == self.0 {
            interrupt::request();
        }
    }

    fn end(&self, _: &str) {}
}

type Write<'a> = &'a dyn Fn(&Path) -> Result<()>;

fn tissue() -> Dataset {
    let config = TissueConfig { spots: 240, genes: 90, domains: 3, ..TissueConfig::default() };
    let mut ds = sim::tissue(&config).unwrap();
    let graph = knn(&ds).unwrap();
    ds.set_obsp("near", graph.to_csr()).unwrap();
    let raw = Raw::new(ds.x().clone(), ds.var().clone()).unwrap();
    ds.set_raw(Some(raw)).unwrap();
    ds
}

fn knn(ds: &Dataset) -> Result<Graph> {
    graph::knn(&ds.coordinates()?, &KnnConfig::default())
}

/// The same with arrays of X that nothing else holds, so that they are changed in place.
fn unshared(ds: &Dataset) -> Dataset {
    let mut ds = ds.clone();
    if let Matrix::Sparse(m) = ds.x() {
        let (indptr, indices, values) = m.parts();
        let parts = (indptr.to_vec(), indices.to_vec(), values.to_vec());
        let x = Csr::new((m.nrows(), m.ncols()), parts.0, parts.1, parts.2).unwrap();
        ds.set_x(x).unwrap();
    }
    ds
}

#[track_caller]
fn assert_same(name: &str, a: &Dataset, b: &Dataset) {
    assert!(a.x() == b.x(), "{name}: X");
    assert!(a.layers() == b.layers(), "{name}: layers");
    assert!(a.obsm() == b.obsm() && a.varm() == b.varm(), "{name}: obsm or varm");
    assert!(a.obsp() == b.obsp() && a.varp() == b.varp(), "{name}: obsp or varp");
    for (a, b) in [(a.obs(), b.obs()), (a.var(), b.var())] {
        assert_eq!(a.index(), b.index(), "{name}");
        assert!(a.frame().equals_missing(b.frame()), "{name}: {} {}", a.frame(), b.frame());
    }
    assert_eq!(format!("{:?}", a.uns()), format!("{:?}", b.uns()), "{name}");
    let (a, b) = (a.raw().unwrap(), b.raw().unwrap());
    assert!(a.x() == b.x() && a.varm == b.varm, "{name}: raw");
    assert_eq!(a.var().index(), b.var().index(), "{name}: raw");
}

fn hvg(ds: &mut Dataset, flavor: HvgFlavor) -> Result<()> {
    prep::select_hvg(ds, &HvgConfig { flavor, n_top: 30, ..HvgConfig::default() }).map(drop)
}

fn pca(ds: &mut Dataset, solver: PcaSolver, scale: bool) -> Result<()> {
    prep::run_pca(ds, &PcaConfig { n_components: 5, solver, scale, ..PcaConfig::default() })
}

fn model(ds: &Dataset) -> Model {
    let config = GvaeConfig { hidden_dim: 8, latent_dim: 2, num_heads: 1, dropout: 0.1 };
    let options = ModelOptions { seed: 3, device: "cpu".into(), ..ModelOptions::default() };
    Model::new(ds, config, options).unwrap()
}

fn weights(model: &Model) -> Vec<u32> {
    let flat = |t: &tch::Tensor| {
        let t = t.to_kind(tch::Kind::Float).reshape([-1]);
        Vec::<f32>::try_from(t).unwrap()
    };
    model.net.vars().copies().iter().flat_map(|(_, t)| flat(t)).map(f32::to_bits).collect()
}

mod apart {
    use super::*;

    #[test]
    #[ignore = "run by datasets_are_the_old_or_the_new_ones"]
    fn datasets() {
        let counts = tissue();
        let mut logged = counts.clone();
        prep::normalize_total(&mut logged, 1e4).unwrap();
        prep::log1p(&mut logged).unwrap();
        let mut dense = counts.clone();
        let x = counts.x().csr();
        let values = x.dense_rows(0..x.nrows());
        dense.set_x(Array2::from_shape_vec((x.nrows(), x.ncols()), values).unwrap()).unwrap();
        type Work = fn(&mut Dataset) -> Result<()>;
        let on_counts: [(&str, Work); 10] = [
            ("normalize_total", |ds| prep::normalize_total(ds, 1e4)),
            ("normalize", |ds| prep::normalize(ds, &NormalizeConfig::default())),
            ("log1p", prep::log1p),
            ("scale", |ds| prep::scale(ds, &ScaleConfig::default())),
            ("qc", |ds| prep::qc(ds, &QcConfig::default())),
            ("filter", |ds| {
                let config = FilterConfig {
                    min_counts: Some(1.0),
                    min_spots: Some(40),
                    ..FilterConfig::default()
                };
                prep::filter(ds, &config).map(drop)
            }),
            ("select in order", |ds| {
                let (rows, cols): (Vec<usize>, Vec<usize>) =
                    ((0..200).step_by(2).collect(), (5..60).collect());
                ds.select(Some(&rows), Some(&cols))
            }),
            ("select out of order", |ds| {
                let rows: Vec<usize> = (0..200).rev().collect();
                ds.select(Some(&rows), None)
            }),
            ("seurat_v3", |ds| hvg(ds, HvgFlavor::SeuratV3)),
            ("prepare", |ds| {
                let config = DataConfig { highly_variable_genes: 30, ..DataConfig::default() };
                gvae::prepare(ds, &config, None).map(drop)
            }),
        ];
        let on_logs: [(&str, Work); 7] = [
            ("seurat", |ds| hvg(ds, HvgFlavor::Seurat)),
            ("cell_ranger", |ds| hvg(ds, HvgFlavor::CellRanger)),
            ("seurat by batch", |ds| {
                let batch_key = Some("domain_true".to_owned());
                let flavor = HvgFlavor::Seurat;
                let config = HvgConfig { flavor, n_top: 30, batch_key, ..HvgConfig::default() };
                prep::select_hvg(ds, &config).map(drop)
            }),
            ("pca", |ds| pca(ds, PcaSolver::Exact, false)),
            ("pca, scaled", |ds| pca(ds, PcaSolver::Exact, true)),
            ("pca, randomized", |ds| pca(ds, PcaSolver::Randomized, false)),
            ("score_genes", |ds| {
                let genes = ds.var().index()[..5].to_vec();
                prep::score_genes(ds, &genes, &ScoreGenesConfig::default())
            }),
        ];
        let all = [(&counts, &on_counts[..]), (&dense, &on_counts[..]), (&logged, &on_logs[..])];
        for (before, works) in all {
            for (name, work) in works {
                stop_everywhere(
                    name,
                    || {
                        let mut ds = unshared(before);
                        begin();
                        let said = work(&mut ds);
                        (ds, said)
                    },
                    |left| assert_same(name, left, before),
                );
            }
        }
    }

    #[test]
    #[ignore = "run by what_only_reads_stops"]
    fn readers() {
        let folder = tempfile::tempdir().unwrap();
        fixtures::slide::write(folder.path());
        let slide = Slide::open(&folder.path().join("slide.ome.tif")).unwrap();
        image::RgbImage::from_pixel(300, 200, image::Rgb([200, 150, 180]))
            .save(folder.path().join("whole.png"))
            .unwrap();
        let ds = tissue();
        let file = folder.path().join("saved.h5ad");
        io::h5ad::write(&ds, &file).unwrap();
        let graph = knn(&ds).unwrap();
        let places = ds.obsm()["spatial"].clone();
        let table = ds.obs().frame().clone();
        let at = ds.coordinates().unwrap();
        let names = |n: &str| vec![n.to_owned()];
        let mut ready = ds.clone();
        let near = gvae::prepare(&mut ready, &DataConfig::default(), None).unwrap();
        let network = model(&ready);
        let figure = |ds: &Dataset| {
            let config = SpatialConfig { color: "purity".into(), ..SpatialConfig::default() };
            plot::spatial(ds, &config)
        };
        let works: [(&str, &dyn Fn() -> Result<()>); 22] = [
            ("sim::tissue", &|| {
                let config = TissueConfig { spots: 300, genes: 50, ..TissueConfig::default() };
                sim::tissue(&config).map(drop)
            }),
            ("knn", &|| graph::knn(&at, &KnnConfig::default()).map(drop)),
            ("radius", &|| graph::radius(&at, &RadiusConfig::of(150.0)).map(drop)),
            ("delaunay", &|| graph::delaunay(&at).map(drop)),
            ("kmeans", &|| {
                analysis::kmeans(places.view(), &KmeansConfig { k: 3, ..Default::default() })
                    .map(drop)
            }),
            ("gmm", &|| {
                analysis::gmm(places.view(), &GmmConfig { k: 3, ..Default::default() }).map(drop)
            }),
            ("moran", &|| analysis::moran(&ds, &graph, &MoranConfig::default()).map(drop)),
            ("neighbour means", &|| {
                analysis::neighbour_mean(places.view(), &graph, true).map(drop)
            }),
            ("concat", &|| concat(&[&ds, &ds], &ConcatConfig::default()).map(drop)),
            ("filtering a table", &|| frame::filter(&table, "purity > 0.5").map(drop)),
            ("grouping", &|| {
                let values = names("mean(purity) AS p");
                frame::group(&table, &names("domain_true"), &values).map(drop)
            }),
            ("sorting", &|| frame::sort(&table, &names("purity"), false).map(drop)),
            ("unique rows", &|| frame::unique(&table, &names("domain_true")).map(drop)),
            ("joining", &|| {
                let other = frame::group(&table, &names("domain_true"), &[])?;
                frame::join(&table, &other, &names("domain_true"), frame::Join::Left).map(drop)
            }),
            ("drawing a bitmap", &|| figure(&ds)?.to_png(Some(400)).map(drop)),
            ("drawing vectors", &|| figure(&ds)?.to_svg().map(drop)),
            ("thumbnail", &|| slide.thumbnail(100, &ThumbnailConfig::default()).map(drop)),
            ("thumbnail of a picture", &|| {
                let slide = Slide::open(&folder.path().join("whole.png"))?;
                slide.thumbnail(100, &ThumbnailConfig::default()).map(drop)
            }),
            ("fingerprint", &|| gvae::fingerprint(&ready, &near).map(drop)),
            ("extract", &|| network.extract(&ready, &near).map(drop)),
            ("reading h5ad", &|| io::read(&file).map(drop)),
            ("a checksum", &|| files::sha256(&file).map(drop)),
        ];
        for (name, work) in works {
            stop_everywhere(
                name,
                || {
                    begin();
                    ((), work())
                },
                |()| {},
            );
        }
    }

    #[test]
    #[ignore = "run by files_are_the_old_or_the_new_ones"]
    fn files() {
        let ds = tissue();
        let figure = plot::spatial(
            &ds,
            &SpatialConfig { color: "purity".into(), ..SpatialConfig::default() },
        );
        let figure = figure.unwrap();
        let works: [(&str, Write<'_>); 3] = [
            ("saved.h5ad", &|path| io::h5ad::write(&ds, path)),
            ("saved.png", &|path| figure.save(path)),
            ("saved.svg", &|path| figure.save(path)),
        ];
        for (name, work) in works {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            stop_everywhere(
                name,
                || {
                    std::fs::write(&path, "what was there").unwrap();
                    begin();
                    ((), work(&path))
                },
                |()| {
                    assert_eq!(std::fs::read(&path).unwrap(), b"what was there", "{name}");
                    let here = std::fs::read_dir(folder.path()).unwrap().count();
                    assert_eq!(here, 1, "{name}: nothing half-written stays");
                },
            );
        }
    }

    #[test]
    #[ignore = "run by models_are_those_of_whole_epochs_and_share_no_draws"]
    fn training() {
        let mut ds = tissue();
        let graph = gvae::prepare(&mut ds, &DataConfig::default(), None).unwrap();
        let train = |model: &mut Model, epochs: u64| {
            let training = TrainConfig { epochs, ..TrainConfig::default() };
            fit(model, &ds, &graph, &Fit { training, ..Fit::default() }).map(drop)
        };
        let after = |epochs: u64| {
            let mut model = model(&ds);
            train(&mut model, epochs).unwrap();
            weights(&model)
        };
        let whole: Vec<Vec<u32>> = (0..=2).map(after).collect();
        assert!(whole[0] != whole[1] && whole[1] != whole[2]);
        stop_everywhere(
            "training",
            || {
                let mut model = model(&ds);
                begin();
                let said = train(&mut model, 2);
                (model, said)
            },
            |left| {
                assert!(weights(left) == whole[left.epoch as usize], "epoch {}", left.epoch);
                // What was abandoned may still draw; a new model draws on its own.
                assert!(weights(&model(&ds)) == whole[0]);
            },
        );

        // A wish that finds the run at its end takes nothing of it away.
        progress::install(Some(Arc::new(StopAfter(2))));
        let mut done = model(&ds);
        train(&mut done, 2).unwrap();
        interrupt::clear();
        assert!(weights(&done) == whole[2]);
        let training = TrainConfig { epochs: 9, kl_annealing_end: 1, ..TrainConfig::default() };
        let options = Fit { training, ..Fit::default() };
        let e = fit(&mut model(&ds), &ds, &graph, &options).unwrap_err().to_string();
        interrupt::clear();
        progress::install(None);
        assert!(e.contains("The model is that of epoch 2 (the best was 1, which is lost)"), "{e}");
    }

    #[test]
    #[ignore = "run by a_run_that_was_stopped_goes_on_to_the_same_bits_and_loses_no_earlier_one"]
    fn resuming() {
        let mut ds = tissue();
        let graph = gvae::prepare(&mut ds, &DataConfig::default(), None).unwrap();
        let options = |epochs: u64, folder: &Path, resume: bool| {
            let training =
                TrainConfig { epochs, kl_annealing_end: 1, save_interval: 2, ..Default::default() };
            let folder = Some(folder.to_owned());
            let resume = folder.clone().filter(|_| resume);
            Fit { training, resume, checkpoints: folder, ..Fit::default() }
        };
        let train = |model: &mut Model, options: &Fit| fit(model, &ds, &graph, options).map(drop);
        let bytes = |path: &Path| std::fs::read(path).unwrap();
        let earlier = tempfile::tempdir().unwrap();
        let mut whole = model(&ds);
        train(&mut whole, &options(3, earlier.path(), false)).unwrap();
        let names = [2, 3].map(|epoch| format!("checkpoint_epoch_{epoch:04}.safetensors"));
        stop_everywhere(
            "training with checkpoints",
            || {
                let folder = tempfile::tempdir().unwrap();
                for name in &names {
                    std::fs::copy(earlier.path().join(name), folder.path().join(name)).unwrap();
                }
                let mut model = model(&ds);
                begin();
                let said = train(&mut model, &options(3, folder.path(), false));
                ((folder, model.epoch), said)
            },
            |(folder, epoch)| {
                let aside = folder.path().join("earlier");
                let kept = if *epoch == 0 { folder.path() } else { &aside };
                for name in &names {
                    assert!(bytes(&kept.join(name)) == bytes(&earlier.path().join(name)), "{name}");
                }
                let mut resumed = model(&ds);
                train(&mut resumed, &options(3, folder.path(), *epoch > 0)).unwrap();
                assert_eq!(resumed.epoch, whole.epoch);
                assert!(weights(&resumed) == weights(&whole), "stopped after epoch {epoch}");
            },
        );
    }

    #[test]
    #[ignore = "run by scripts_cannot_catch_it_and_the_wish_stands_until_its_cell_has_ended"]
    fn scripts() {
        let mut s = spatia::host::Session::new(Recorder::new());
        s.eval(
            "let caught = 0
             let ds = sim::tissue(#{ spots: 100, genes: 30, domains: 2 })
             fn deep(n) { if n == 0 { graph::knn(ds).n_spots } else { deep(n - 1) } }",
            "[1]",
        )
        .unwrap();
        for text in [
            "for i in 0..40 { let x = i }",
            "[1, 2, 3].map(|x| [x].filter(|y| graph::knn(ds).n_spots > y))",
            "deep(10)",
            "try { deep(3); try { ds.copy().normalize() } catch { caught += 1 } } catch (e) { caught += 1 }",
            "try { for i in 0..20 { try { throw i } catch (e) { let y = e } } } catch { caught += 1 }",
            "let f = |n| { try { sim::tissue(#{ spots: 50, genes: 10, domains: 2 }) } catch { caught += 1 } }; f.call(1)",
        ] {
            let mut stops = 0;
            for looks in moments() {
                interrupt::request_after(looks);
                let said = s.eval(text, "[2]");
                interrupt::clear();
                let Err(failure) = said else { break };
                assert_eq!(failure.kind, Kind::Interrupted, "{text}: {}", failure.message);
                stops += 1;
            }
            assert!(stops > 3, "{text}");
            assert_eq!(s.eval("caught", "[3]").unwrap().unwrap().plain(), "0", "{text}");
        }
        // What comes before a cell begins is meant for it, until its carrier forgets it.
        interrupt::request();
        for _ in 0..2 {
            assert_eq!(s.cell("caught").outcome.unwrap_err().kind, Kind::Interrupted);
        }
        interrupt::clear();
        assert!(s.cell("caught").outcome.is_ok());
    }
}
