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
    engine.register_fn("round", rounded);
    engine.register_fn("round", |x: INT, digits: INT| {
        let tens = 10i128.pow(digits.min(0).unsigned_abs().min(20) as u32);
        let half = tens / 2 * i128::from(x.signum());
        INT::try_from((i128::from(x) + half) / tens * tens).unwrap_or(x)
    });
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

/// Rounds to so many digits behind the point, in front of it where they are negative.
fn rounded(x: FLOAT, digits: INT) -> FLOAT {
    let scale = 10f64.powi(digits.clamp(-300, 300) as i32);
    let scaled = x * scale;
    // What is too large to be moved has no digits behind the point.
    if scaled.is_finite() { scaled.round() / scale } else { x }
}
