//! Rhai's functions of a float take an integer too, and `round` takes the digits to keep.

use rhai::{Engine, FLOAT, INT};

type Function = fn(FLOAT) -> FLOAT;

const FUNCTIONS: [(&str, Function); 18] = [
    ("sqrt", FLOAT::sqrt),
    ("exp", FLOAT::exp),
    ("ln", FLOAT::ln),
    ("log", FLOAT::log10),
    ("sin", FLOAT::sin),
    ("cos", FLOAT::cos),
    ("tan", FLOAT::tan),
    ("asin", FLOAT::asin),
    ("acos", FLOAT::acos),
    ("atan", FLOAT::atan),
    ("sinh", FLOAT::sinh),
    ("cosh", FLOAT::cosh),
    ("tanh", FLOAT::tanh),
    ("asinh", FLOAT::asinh),
    ("acosh", FLOAT::acosh),
    ("atanh", FLOAT::atanh),
    ("to_radians", FLOAT::to_radians),
    ("to_degrees", FLOAT::to_degrees),
];

pub(super) fn install(engine: &mut Engine) {
    for (name, function) in FUNCTIONS {
        engine.register_fn(name, move |x: INT| function(x as FLOAT));
    }
    for name in ["floor", "ceiling", "round"] {
        engine.register_fn(name, |x: INT| x);
    }
    let rounded = |x: FLOAT, digits: INT| {
        let scale = 10f64.powi(digits.clamp(-300, 300) as i32);
        (x * scale).round() / scale
    };
    engine.register_fn("round", rounded);
    for (name, function) in [
        ("atan", FLOAT::atan2 as fn(FLOAT, FLOAT) -> FLOAT),
        ("hypot", FLOAT::hypot),
        ("log", FLOAT::log),
    ] {
        engine.register_fn(name, move |x: INT, y: INT| function(x as FLOAT, y as FLOAT));
        engine.register_fn(name, move |x: INT, y: FLOAT| function(x as FLOAT, y));
        engine.register_fn(name, move |x: FLOAT, y: INT| function(x, y as FLOAT));
    }
}
