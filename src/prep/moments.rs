//! Means and variances of genes, and functions of values that mostly repeat.

use crate::data::Csr;

/// Below this share of the sum of squares, a variance is what rounding left of it.
const NOISE: f64 = 1e-12;

/// Mean and variance (over N - 1) of each column, zeros included.
pub(super) fn moments(x: &Csr) -> (Vec<f64>, Vec<f64>) {
    moments_of(x, || f64::from)
}

/// As [`moments`], of a function of the values that maps 0 to 0; `make` gives each thread its own.
pub(super) fn moments_of<F: FnMut(f32) -> f64>(
    x: &Csr,
    make: impl Fn() -> F + Sync,
) -> (Vec<f64>, Vec<f64>) {
    let n = x.nrows() as f64;
    let make_add = || {
        let mut f = make();
        move |(sum, squares): &mut (f64, f64), _, v| {
            let v = f(v);
            *sum += v;
            *squares += v * v;
        }
    };
    let sums = x.fold_columns_with((0.0, 0.0), make_add, |a, b| {
        a.0 += b.0;
        a.1 += b.1;
    });
    let column = |(sum, squares): (f64, f64)| {
        let mean = sum / n;
        let around = squares - sum * mean;
        let varies = around > NOISE * squares;
        (mean, if varies { around / (n - 1.0).max(1.0) } else { 0.0 })
    };
    sums.into_iter().map(column).unzip()
}

/// Remembers what a costly function gave for the last values of each kind. The counts of a spot
/// are few numbers many times over, and so are they when scaled and logged.
pub(super) struct Memo<F> {
    f: F,
    known: [(u32, f32); 64],
}

impl<F: Fn(f32) -> f32> Memo<F> {
    pub fn new(f: F) -> Self {
        let nothing = (0, f(0.0));
        Self { f, known: [nothing; 64] }
    }

    pub fn get(&mut self, v: f32) -> f32 {
        let bits = v.to_bits();
        let slot = &mut self.known[(bits.wrapping_mul(0x9E37_79B1) >> 26) as usize];
        if slot.0 != bits {
            *slot = (bits, (self.f)(v));
        }
        slot.1
    }
}
