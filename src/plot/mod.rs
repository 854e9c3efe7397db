//! A figure is a specification; a backend turns it into svg or png.
//!
//! `spatial`, `overlay` and `curves` make the specification from data, `map` and `chart` lay it out as a
//! `scene` of marks, `backend` draws the scene through plotters.
//!
//! Imports `base` and `data`; no tensors.

mod backend;
mod chart;
mod colour;
mod curves;
mod figure;
mod map;
mod overlay;
mod scale;
mod scene;
mod spatial;
mod text;

pub use colour::{Cmap, Colour, palette};
pub use curves::{CurvesConfig, curves};
pub use figure::{Body, Chart, Figure, Fill, Map, Panel, Picture, Series};
pub use overlay::{Backdrop, OverlayConfig, overlay};
pub use spatial::{SpatialConfig, spatial};
