//! Affine maps of the plane: between micrometres, the pixels of one image and those of another.

use std::path::Path;

use ndarray::{Array2, ArrayView2};

use crate::base::{Error, Result, files};

/// A file of nine numbers is no larger than this.
const MOST_BYTES: u64 = 1 << 16;
/// Determinant, beside the squared size of the entries, below which a map is taken as singular.
const SINGULAR: f64 = 1e-12;
/// The same for landmarks: how thin their spread across the line that fits them best may be.
const FLAT: f64 = 1e-9;

/// A position, and where it should come to lie.
pub type Landmark = ([f64; 2], [f64; 2]);

/// x' = a x + b y + c, y' = d x + e y + f; never singular, always finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine([[f64; 3]; 2]);

impl Affine {
    /// Multiplies both coordinates.
    pub fn scale(factor: f64) -> Result<Self> {
        Self::new([[factor, 0.0, 0.0], [0.0, factor, 0.0], [0.0, 0.0, 1.0]])
    }

    /// From a 3 x 3 matrix that multiplies (x, y, 1).
    ///
    /// # Errors
    /// A last row other than 0, 0, 1; numbers that are not finite; a singular matrix.
    pub fn new(matrix: [[f64; 3]; 3]) -> Result<Self> {
        let doing = "reading an affine matrix";
        let [x, y, last] = matrix;
        if let Some(v) = matrix.iter().flatten().find(|v| !v.is_finite()) {
            return Err(Error::new(doing).expected("finite numbers").found(v.to_string()));
        }
        if last != [0.0, 0.0, 1.0] {
            return Err(Error::new(doing)
                .expected("a last row of 0, 0, 1")
                .found(format!("{last:?}"))
                .advice("A matrix whose translation stands in the last row is transposed"));
        }
        let this = Self([x, y]);
        let size = (x[0].powi(2) + x[1].powi(2) + y[0].powi(2) + y[1].powi(2)) / 2.0;
        if this.determinant().abs() <= SINGULAR * size || size == 0.0 {
            return Err(Error::new(doing)
                .expected("a matrix that can be inverted")
                .found(format!("determinant {:e}", this.determinant()))
                .advice("It maps the plane onto a line, so two positions would become one"));
        }
        Ok(this)
    }

    /// Reads three rows of three numbers, as Xenium Explorer exports an alignment.
    ///
    /// # Errors
    /// Anything else in the file, with what Xenium Explorer's other files look like.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("reading the alignment {}", path.display());
        files::exists(path)?;
        let bytes = std::fs::metadata(path).map_err(|e| Error::io(doing(), e))?.len();
        let refuse = |found: String, advice: &str| {
            let e = Error::new(doing()).expected("three rows of three numbers, the last 0, 0, 1");
            Err(e.found(found).advice(advice))
        };
        if bytes > MOST_BYTES {
            return refuse(format!("{bytes} bytes"), "An alignment has nine numbers");
        }
        let text = files::read_text(path)?;
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let rows: Vec<Vec<&str>> = lines
            .filter(|l| !l.is_empty())
            .map(|l| l.split([',', ';', '\t', ' ']).filter(|f| !f.is_empty()).collect())
            .collect();
        if text.to_lowercase().contains("fixedx") {
            return refuse(
                "a table of keypoints".into(),
                "Export the matrix instead of the keypoints, or give the keypoints as landmarks: [[x, y, x_px, y_px], ..]",
            );
        }
        let mut matrix = [[0.0; 3]; 3];
        let widths: Vec<usize> = rows.iter().map(Vec::len).collect();
        if widths != [3, 3, 3] {
            let wide = widths.iter().max().unwrap_or(&0);
            return refuse(
                format!("{} rows of up to {wide} fields", rows.len()),
                "Xenium Explorer exports this file as *imagealignment.csv",
            );
        }
        for (to, row) in matrix.iter_mut().zip(&rows) {
            for (to, field) in to.iter_mut().zip(row) {
                match field.trim_matches('"').parse() {
                    Ok(v) => *to = v,
                    Err(_) => {
                        return refuse(format!("'{field}'"), "A header does not belong there");
                    }
                }
            }
        }
        Self::new(matrix).map_err(|e| e.within(doing()))
    }

    /// The map that brings the first position of each pair closest to the second, by least squares,
    /// and the root mean square of what is left.
    ///
    /// # Errors
    /// Fewer than three pairs; positions on a line; numbers that are not finite.
    pub fn fit(pairs: &[Landmark]) -> Result<(Self, f64)> {
        let doing = "fitting an affine map to landmarks";
        if pairs.len() < 3 {
            return Err(Error::new(doing)
                .expected("at least 3 landmarks")
                .found(pairs.len().to_string())
                .advice("Three that are far apart fix a map, more show how well it fits"));
        }
        let n = pairs.len() as f64;
        let mean = |f: &dyn Fn(&Landmark) -> f64| pairs.iter().map(f).sum::<f64>() / n;
        let from = [mean(&|p| p.0[0]), mean(&|p| p.0[1])];
        let to = [mean(&|p| p.1[0]), mean(&|p| p.1[1])];
        // Sums of products of what is left without the means: of `from` with itself, and with `to`.
        let (mut own, mut cross) = ([[0.0; 2]; 2], [[0.0; 2]; 2]);
        for (p, q) in pairs {
            let (p, q) = ([p[0] - from[0], p[1] - from[1]], [q[0] - to[0], q[1] - to[1]]);
            for i in 0..2 {
                for j in 0..2 {
                    own[i][j] += p[i] * p[j];
                    cross[i][j] += q[i] * p[j];
                }
            }
        }
        let spread = own[0][0] + own[1][1];
        let determinant = own[0][0] * own[1][1] - own[0][1] * own[1][0];
        if !determinant.is_finite() || determinant <= FLAT * spread * spread {
            return Err(Error::new(doing)
                .expected("landmarks that are not on one line")
                .found(format!("{} that are", pairs.len()))
                .advice("Choose landmarks in different corners of the tissue"));
        }
        let inverse = [
            [own[1][1] / determinant, -own[0][1] / determinant],
            [-own[1][0] / determinant, own[0][0] / determinant],
        ];
        let row = |i: usize| {
            let a = cross[i][0] * inverse[0][0] + cross[i][1] * inverse[1][0];
            let b = cross[i][0] * inverse[0][1] + cross[i][1] * inverse[1][1];
            [a, b, to[i] - a * from[0] - b * from[1]]
        };
        let map = Self::new([row(0), row(1), [0.0, 0.0, 1.0]]).map_err(|e| e.within(doing))?;
        let left = mean(&|(p, q)| {
            let [x, y] = map.apply(*p);
            (x - q[0]).powi(2) + (y - q[1]).powi(2)
        });
        Ok((map, left.sqrt()))
    }

    /// First this map, then `next`.
    pub fn then(&self, next: &Self) -> Result<Self> {
        let (a, b) = (self.matrix(), next.matrix());
        let entry = |i: usize, j: usize| (0..3).map(|k| b[i][k] * a[k][j]).sum();
        Self::new(std::array::from_fn(|i| {
            if i == 2 { [0.0, 0.0, 1.0] } else { std::array::from_fn(|j| entry(i, j)) }
        }))
    }

    pub fn inverse(&self) -> Result<Self> {
        let Self([[a, b, c], [d, e, f]]) = *self;
        let det = self.determinant();
        let (p, q, r, s) = (e / det, -b / det, -d / det, a / det);
        Self::new([[p, q, -(p * c + q * f)], [r, s, -(r * c + s * f)], [0.0, 0.0, 1.0]])
    }

    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.0.map(|[a, b, c]| a * x + b * y + c)
    }

    /// # Shapes
    /// `xy` [N, 2 or more]; returns [N, 2].
    pub fn apply_all(&self, xy: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut out = Array2::zeros((xy.nrows(), 2));
        for (from, mut to) in xy.rows().into_iter().zip(out.rows_mut()) {
            if let (Some(&x), Some(&y)) = (from.get(0), from.get(1)) {
                let [x, y] = self.apply([x, y]);
                to[0] = x;
                to[1] = y;
            }
        }
        out
    }

    /// How much longer a length becomes, as the root of the change of area.
    pub fn magnification(&self) -> f64 {
        self.determinant().abs().sqrt()
    }

    pub fn matrix(&self) -> [[f64; 3]; 3] {
        [self.0[0], self.0[1], [0.0, 0.0, 1.0]]
    }

    fn determinant(&self) -> f64 {
        self.0[0][0] * self.0[1][1] - self.0[0][1] * self.0[1][0]
    }
}
