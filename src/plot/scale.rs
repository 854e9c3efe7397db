//! Round numbers for axes, and numbers as text.

/// Ticks at round numbers inside `low..=high`, about `wanted` of them.
pub fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    stepped(low, high, wanted, 0.0)
}

/// The same at whole numbers only.
pub fn whole_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    stepped(low, high, wanted, 1.0)
}

fn stepped(low: f64, high: f64, wanted: usize, least: f64) -> Vec<f64> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return vec![low];
    }
    let ends = |step: f64| ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    let smallest = round_down(span / wanted.max(1) as f64);
    // Of the two round steps that could do, the one that comes closest, the finer of equals.
    let off = |step: f64| (ends(step).1 - ends(step).0 + 1).abs_diff(wanted as i64);
    let next = round_up(smallest * 1.5);
    let step = if off(next) < off(smallest) { next } else { smallest }.max(least);
    let (first, last) = ends(step);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Ticks of a logarithmic axis: powers of ten, with 2 and 5 between them where those are few.
pub fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let pick = |steps: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|d| steps.iter().map(move |s| s * 10_f64.powi(d)));
        all.filter(|&v| v >= low * (1.0 - 1e-9) && v <= high * (1.0 + 1e-9)).collect()
    };
    let powers = pick(&[1.0]);
    if powers.len() > 7 {
        let every = powers.len().div_ceil(6);
        return powers.into_iter().step_by(every).collect();
    }
    if powers.len() >= 3 {
        return powers;
    }
    let halves = pick(&[1.0, 2.0, 5.0]);
    if halves.len() >= 3 { halves } else { ticks(low, high, 4) }
}

/// The smallest 1, 2 or 5 times a power of ten that is not below `v`.
fn round_up(v: f64) -> f64 {
    let power = 10_f64.powf(v.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps.iter().map(|s| s * power).find(|&s| s >= v * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

/// The largest 1, 2 or 5 times a power of ten that is not above `v`.
pub fn round_down(v: f64) -> f64 {
    let power = 10_f64.powf(v.log10().floor());
    [5.0, 2.0, 1.0].iter().map(|s| s * power).find(|&s| s <= v * (1.0 + 1e-9)).unwrap_or(power)
}

/// Ticks as text, with the digits that the closest two need.
pub fn labels(ticks: &[f64]) -> Vec<String> {
    let step = ticks.windows(2).map(|w| (w[1] - w[0]).abs()).fold(f64::INFINITY, f64::min);
    let largest = ticks.iter().map(|t| t.abs()).fold(0.0, f64::max);
    let powers = largest > 0.0 && !(1e-3..1e6).contains(&largest);
    ticks.iter().map(|&t| if powers { scientific(t, step) } else { plain(t, step) }).collect()
}

fn plain(v: f64, step: f64) -> String {
    if !step.is_finite() {
        return trimmed(format!("{v:.4}"));
    }
    let text = format!("{v:.*}", (-step.log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize);
    let zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if zero { text.trim_start_matches('-').into() } else { text }
}

fn scientific(v: f64, step: f64) -> String {
    if v == 0.0 {
        return "0".into();
    }
    let power = (v.abs().log10() + 1e-9).floor();
    // As many digits as the step needs at this power of ten.
    let digits =
        if step.is_finite() { (power - step.log10() - 1e-9).ceil().clamp(0.0, 6.0) } else { 4.0 };
    format!("{}e{power}", trimmed(format!("{:.*}", digits as usize, v / 10_f64.powf(power))))
}

/// Without zeros at the end of a fraction.
fn trimmed(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A whole number with its thousands apart: "84,518".
pub fn whole(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}
