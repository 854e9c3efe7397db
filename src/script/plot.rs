//! `Figure` and `plot::`: maps of tissue and curves.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use rhai::Map;
use rhai::plugin::*;

use super::bind::with;
use super::convert::{Outcome, parse};
use super::dataset::Dataset;
use super::run::Run;
use super::slide::Slide;
use super::table::Table;
use crate::plot::{self, CurvesConfig, OverlayConfig, SpatialConfig};

/// A handle; figures never change.
#[derive(Clone)]
pub(super) struct Figure(Rc<plot::Figure>);

impl Figure {
    fn new(figure: plot::Figure) -> Self {
        Self(Rc::new(figure))
    }

    pub fn core(&self) -> &plot::Figure {
        &self.0
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; figure.save(\"name.png\") writes it", self.0)
    }
}

#[export_module(manifest)]
pub(super) mod functions {
    /// Spots where they lie, over the tissue image where there is one, coloured by a column of
    /// `obs` or by a gene.
    ///
    /// ```rhai
    /// plot::spatial(ds, "domain_true").save("domains.png")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn spatial(ds: Dataset, color: &str, options: Map) -> Outcome<Figure> {
        let options = with(options, "color", color.into())?;
        Ok(Figure::new(plot::spatial(&ds.get(), &parse::<SpatialConfig>(options, "spatial")?)?))
    }

    /// Positions over a slide, to see whether they fit.
    ///
    /// ```rhai
    /// let slide = image::open("slide.ome.tif")
    /// data::align(ds, slide, #{ landmarks: [[0, 0, 50, 50], [800, 0, 450, 50], [0, 800, 50, 450]] })
    /// plot::overlay(ds, slide, #{ unit: "um" }).save("overlay.png")
    /// ```
    ///
    /// `window` shows a part of the slide at a higher resolution.
    #[rhai_fn(return_raw)]
    pub fn overlay(ds: Dataset, slide: Slide, options: Map) -> Outcome<Figure> {
        let config = parse::<OverlayConfig>(options, "overlay")?;
        let backdrop = slide.backdrop(config.max_px, config.channel, config.window)?;
        Ok(Figure::new(plot::overlay(&ds.get(), &backdrop, &config)?))
    }

    /// Columns of a table as curves.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, device: "cpu" })
    /// let run = train::fit(model, ds, g, #{ epochs: 2 })
    /// plot::curves(run.history, #{ x: "epoch" }).save("figure.svg")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn curves(table: Table, options: Map) -> Outcome<Figure> {
        Ok(Figure::new(plot::curves(table.frame(), &parse::<CurvesConfig>(options, "curves")?)?))
    }

    /// The losses of a run, epoch by epoch.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, device: "cpu" })
    /// plot::training(train::fit(model, ds, g, #{ epochs: 2 }))
    /// ```
    #[rhai_fn(return_raw)]
    pub fn training(run: Run) -> Outcome<Figure> {
        Ok(Figure::new(plot::curves(&run.history()?, &CurvesConfig::default())?))
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// Writes a `.png`, `.svg` or `.json` (Vega-Lite) file, whole or not at all.
    ///
    /// ```rhai
    /// plot::spatial(ds, "purity").save("figure.svg")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save(figure: &mut Figure, path: &str) -> Outcome<()> {
        Ok(figure.0.save(Path::new(path))?)
    }
}
