//! Marks in drawing units: what a layout hands to a backend.

use image::RgbImage;

use super::colour::Colour;
use super::text;

/// Every drawing is this many units wide; a backend scales them to pixels.
pub const WIDTH: f64 = 1200.0;

/// Sizes of text in units an em.
pub const TITLE: f64 = 28.0;
pub const LABEL: f64 = 22.0;
pub const TICK: f64 = 20.0;

/// What stands at the point a text is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

pub enum Mark {
    Rect {
        x: f64,
        y: f64,
        w: f64,
        h: f64,
        colour: Colour,
    },
    /// A filled circle.
    Disc {
        x: f64,
        y: f64,
        r: f64,
        colour: Colour,
        opacity: f64,
    },
    Line {
        points: Vec<(f64, f64)>,
        width: f64,
        colour: Colour,
    },
    Polygon {
        points: Vec<(f64, f64)>,
        colour: Colour,
    },
    /// `y` is the baseline.
    Text {
        x: f64,
        y: f64,
        em: f64,
        anchor: Anchor,
        colour: Colour,
        text: String,
    },
    Picture {
        x: f64,
        y: f64,
        w: f64,
        h: f64,
        image: RgbImage,
    },
    /// Marks that a vector format may replace by one picture of the rectangle they lie in.
    Group {
        x: f64,
        y: f64,
        w: f64,
        h: f64,
        marks: Vec<Mark>,
    },
}

/// A drawing of [`WIDTH`] by `height` units on white.
pub struct Scene {
    pub height: f64,
    pub marks: Vec<Mark>,
}

impl Mark {
    pub fn line(x0: f64, y0: f64, x1: f64, y1: f64, width: f64, colour: Colour) -> Self {
        Self::Line { points: vec![(x0, y0), (x1, y1)], width, colour }
    }

    pub fn text(x: f64, y: f64, em: f64, anchor: Anchor, text: impl Into<String>) -> Self {
        Self::Text { x, y, em, anchor, colour: Colour::INK, text: text.into() }
    }

    pub fn soft(x: f64, y: f64, em: f64, anchor: Anchor, text: impl Into<String>) -> Self {
        Self::Text { x, y, em, anchor, colour: Colour::SOFT, text: text.into() }
    }
}

/// Where a text of that anchor starts.
pub fn start(x: f64, em: f64, anchor: Anchor, text: &str) -> f64 {
    match anchor {
        Anchor::Start => x,
        Anchor::Middle => x - text::width(text, em) / 2.0,
        Anchor::End => x - text::width(text, em),
    }
}
