//! A figure is a specification; a backend turns it into svg or png.
//!
//! `spatial`, `overlay` and `curves` make the specification from data, `map` and `chart` lay it out as a
//! `scene` of marks, `backend` draws the scene through plotters; `vega` writes the specification as
//! Vega-Lite for notebooks.
//!
//! Imports `base` and `data`; no tensors.

mod backend;
mod chart;
mod colour;
#[cfg(feature = "full")]
mod curves;
mod figure;
mod map;
#[cfg(feature = "full")]
mod overlay;
mod scale;
mod scene;
#[cfg(feature = "full")]
mod spatial;
mod spots;
mod text;
mod vega;

pub use colour::{Cmap, Colour, palette};
#[cfg(feature = "full")]
pub use curves::{CurvesConfig, curves};
pub use figure::{Body, Chart, Figure, Fill, Map, Panel, Picture, Series};
#[cfg(feature = "full")]
pub use overlay::{Backdrop, OverlayConfig, overlay};
#[cfg(feature = "full")]
pub use spatial::{SpatialConfig, spatial};
pub use spots::spots;
