//! What a sparse matrix does to vectors once it is scaled and centred, without being either.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::PcaConfig;
use crate::base::{Error, Result, interrupt};
use crate::data::Csr;
use crate::prep::moments::moments;

/// Genes up to which the covariance may be held, 128 MB.
const MOST_GENES: usize = 4096;
/// Products with vectors that a decomposition usually asks for.
const PRODUCTS: usize = 160;

const DOING: &str = "computing principal components";

pub(super) type Single<'a> = dyn Fn(&[f64]) -> Vec<f64> + Sync + 'a;
pub(super) type Block<'a> = dyn Fn(ArrayView2<'_, f64>) -> Result<Array2<f64>> + 'a;

/// A centred, perhaps scaled matrix [N,G]. Stored values are shifted so that a zero stays zero;
/// the shift, one constant a gene, goes away in the centring.
pub(super) struct Operator<'a> {
    x: Cow<'a, Csr>,
    by_gene: Csr,
    centre: Vec<f64>,
    spread: Vec<f64>,
}

impl<'a> Operator<'a> {
    pub fn new(x: &'a Csr, config: &PcaConfig) -> Result<Self> {
        let x =
            if config.scale { Cow::Owned(scaled(x, config.max_value)) } else { Cow::Borrowed(x) };
        let by_gene = x.transpose()?;
        let n = x.nrows() as f64;
        let moments = by_gene.rows(|_, values| {
            let centre = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let squares: f64 = values.iter().map(|&v| (f64::from(v) - centre).powi(2)).sum();
            let zeros = n - values.len() as f64;
            (centre, (squares + zeros * centre * centre) / (n - 1.0))
        });
        let (centre, spread) = moments.into_iter().unzip();
        Ok(Self { x, by_gene, centre, spread })
    }

    /// Spots and genes.
    pub fn shape(&self) -> (usize, usize) {
        (self.x.nrows(), self.x.ncols())
    }

    pub fn total_variance(&self) -> f64 {
        self.spread.iter().sum()
    }

    /// Spots on directions: [G,K] to [N,K].
    pub fn project(&self, directions: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let directions = directions.as_standard_layout();
        let k = directions.ncols();
        let mut offset = vec![0.0; k];
        for (c, row) in self.centre.iter().zip(directions.rows()) {
            offset.iter_mut().zip(row).for_each(|(o, d)| *o -= c * d);
        }
        combined(&self.x, directions.as_slice().unwrap_or_default(), k, |_, row| {
            row.copy_from_slice(&offset);
        })
    }

    /// What multiplies directions [G,K] by the covariance, `products` columns in all.
    pub fn covariance_block(&self, products: usize) -> Result<Box<Block<'_>>> {
        let g = self.x.ncols();
        Ok(match self.worth_storing(products) {
            // Products of dense matrices are quicker than their count says.
            true => {
                let matrix = self.covariance_matrix()?;
                Box::new(move |directions| match ArrayView2::from_shape((g, g), &matrix) {
                    Ok(matrix) => Ok(matrix.dot(&directions)),
                    Err(_) => self.through_block(directions),
                })
            }
            false => Box::new(|directions| self.through_block(directions)),
        })
    }

    /// What multiplies one direction [G] by the covariance.
    pub fn covariance(&self) -> Result<Box<Single<'_>>> {
        let g = self.x.ncols();
        Ok(match self.worth_storing(PRODUCTS) {
            true => {
                let matrix = self.covariance_matrix()?;
                Box::new(move |direction| {
                    let row = |row: &[f64]| row.iter().zip(direction).map(|(a, b)| a * b).sum();
                    matrix.par_chunks(g).with_min_len(64).map(row).collect()
                })
            }
            false => Box::new(|direction| self.through(direction)),
        })
    }

    /// Whether so many products take less with the covariance itself than through the matrix,
    /// which is so for few genes and many spots.
    fn worth_storing(&self, products: usize) -> bool {
        let g = self.x.ncols();
        let (indptr, ..) = self.x.parts();
        let squares: usize = indptr.windows(2).map(|w| (w[1] - w[0]).pow(2)).sum();
        g <= MOST_GENES && squares / 2 + products * g * g / 2 < products * 2 * self.x.nnz()
    }

    fn through_block(&self, directions: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let along = self.project(directions)?;
        let k = along.ncols();
        let mut sums = vec![0.0; k];
        along.rows().into_iter().for_each(|r| sums.iter_mut().zip(r).for_each(|(s, v)| *s += v));
        let mut product =
            combined(&self.by_gene, along.as_slice().unwrap_or_default(), k, |j, row| {
                row.iter_mut().zip(&sums).for_each(|(to, s)| *to = -self.centre[j] * s);
            })?;
        product /= self.x.nrows() as f64 - 1.0;
        Ok(product)
    }

    fn through(&self, direction: &[f64]) -> Vec<f64> {
        let offset: f64 = self.centre.iter().zip(direction).map(|(c, d)| c * d).sum();
        let along = self.x.rows(|genes, values| product(genes, values, direction) - offset);
        let sum: f64 = along.iter().sum();
        let freedom = self.x.nrows() as f64 - 1.0;
        let mut result = self.by_gene.rows(|spots, values| product(spots, values, &along));
        result.iter_mut().zip(&self.centre).for_each(|(r, c)| *r = (*r - c * sum) / freedom);
        result
    }

    /// The covariance, [G,G] row by row. Every row is added up in the order of the spots.
    fn covariance_matrix(&self) -> Result<Vec<f64>> {
        let (n, g) = (self.x.nrows() as f64, self.x.ncols());
        let mut matrix = vec![0.0; g * g];
        matrix.par_chunks_mut(g).enumerate().try_for_each(|(j, row)| {
            interrupt::check(DOING)?;
            let (spots, values) = self.by_gene.row(j);
            for (&i, &v) in spots.iter().zip(values) {
                let (genes, others) = self.x.row(i as usize);
                let from = genes.partition_point(|&l| (l as usize) < j);
                for (&l, &w) in genes[from..].iter().zip(&others[from..]) {
                    row[l as usize] += f64::from(v) * f64::from(w);
                }
            }
            for (l, to) in row.iter_mut().enumerate().skip(j) {
                *to = (*to - n * self.centre[j] * self.centre[l]) / (n - 1.0);
            }
            Ok::<_, Error>(())
        })?;
        for j in 1..g {
            for l in 0..j {
                matrix[j * g + l] = matrix[l * g + j];
            }
        }
        Ok(matrix)
    }
}

/// A sparse row times a vector. Four sums side by side: one would wait for itself at every step.
fn product(cols: &[u32], values: &[f32], with: &[f64]) -> f64 {
    let ((cols, few), (values, rest)) = (cols.as_chunks::<4>(), values.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (c, v) in cols.iter().zip(values) {
        for l in 0..4 {
            sums[l] += f64::from(v[l]) * with[c[l] as usize];
        }
    }
    let last: f64 = few.iter().zip(rest).map(|(&c, &v)| f64::from(v) * with[c as usize]).sum();
    sums.iter().sum::<f64>() + last
}

/// Rows of `m` times `with` [columns,K], on top of what `start` puts into each row.
fn combined(
    m: &Csr,
    with: &[f64],
    k: usize,
    start: impl Fn(usize, &mut [f64]) + Sync,
) -> Result<Array2<f64>> {
    let mut out = Array2::zeros((m.nrows(), k));
    if let Some(all) = out.as_slice_mut().filter(|_| k > 0) {
        all.par_chunks_mut(k).enumerate().with_min_len(16).try_for_each(|(r, row)| {
            interrupt::check(DOING)?;
            start(r, row);
            let (cols, values) = m.row(r);
            for (&c, &v) in cols.iter().zip(values) {
                let (c, v) = (c as usize * k, f64::from(v));
                row.iter_mut().zip(&with[c..c + k]).for_each(|(to, w)| *to += v * w);
            }
            Ok::<_, Error>(())
        })?;
    }
    Ok(out)
}

/// Values over the standard deviation of their gene, clipped around its mean, less what a zero
/// becomes.
fn scaled(x: &Csr, max_value: f64) -> Csr {
    let (mean, variance) = moments(x);
    let inverse: Vec<f64> =
        variance.iter().map(|v| if *v > 0.0 { 1.0 / v.sqrt() } else { 1.0 }).collect();
    let clipped = |j: usize, v: f64| ((v - mean[j]) * inverse[j]).clamp(-max_value, max_value);
    let zero: Vec<f64> = (0..x.ncols()).map(|j| clipped(j, 0.0)).collect();
    x.map(|_, j, v| (clipped(j, f64::from(v)) - zero[j]) as f32)
}
