//! The dense matrix of a file as a sparse one, a block at a time.

use hdf5::types::TypeDescriptor as Type;
use ndarray::{Array2, s};

use crate::base::{Error, Result, interrupt, memory, progress};
use crate::data::Csr;
use crate::io::h5;

/// Bytes of a block of the matrix.
const BLOCK: usize = 64 << 20;
/// Matrices up to this many bytes are read without asking what they take in the file.
const SMALL: u64 = 64 << 20;
/// Beyond that a byte of the file holds at most this many: deflate packs 1032 into one.
const MOST_PACKED: u64 = 4096;

/// The matrix [genes, cells] as cells x genes.
///
/// Blocks follow the chunks of the file, so that each is unpacked once: columns of chunks where
/// such a column is small, else rows of them, which are put in order at the end.
pub(super) fn sparse(d: &hdf5::Dataset, shape: (usize, usize)) -> Result<Csr> {
    let doing = format!("reading {}", d.name());
    if d.shape() != [shape.0, shape.1] {
        return Err(Error::new(doing)
            .expected(format!("shape [{}, {}]", shape.0, shape.1))
            .found(format!("{:?}", d.shape())));
    }
    let (genes, cells) = shape;
    if u32::try_from(genes).is_err() || u32::try_from(cells).is_err() {
        return Err(Error::new(doing).expected("axes below 2^32").found(format!("{shape:?}")));
    }
    match d.dtype().and_then(|t| t.to_descriptor()) {
        Ok(Type::Integer(_) | Type::Unsigned(_) | Type::Float(_) | Type::Boolean) => {}
        other => {
            let found = other.map_or_else(|e| e.to_string(), |t| t.to_string());
            return Err(Error::new(doing).expected("a matrix of numbers").found(found));
        }
    }
    let bytes = (genes as u64).saturating_mul(cells as u64).saturating_mul(8);
    if bytes > SMALL && bytes / MOST_PACKED > d.storage_size() {
        return Err(Error::new(doing)
            .expected(format!("a matrix that {} can unfold to", memory::human(d.storage_size())))
            .found(format!("{genes} x {cells} values"))
            .advice("The file is damaged"));
    }
    let chunk = d.chunk().unwrap_or_default();
    let (high, wide) = match chunk[..] {
        [h, w] => (h.clamp(1, genes.max(1)), w.clamp(1, cells.max(1))),
        _ => (1, cells.max(1)),
    };
    let room = |across: usize, step: usize| (BLOCK / 8 / across.max(1) / step).max(1) * step;
    let by_cells = genes.saturating_mul(wide) <= BLOCK / 8;
    let (n, step) = if by_cells { (cells, room(genes, wide)) } else { (genes, room(cells, high)) };
    let mut out = Building::default();
    let job = progress::Job::new(&doing, 0, n as u64);
    let mut at = 0;
    while at < n {
        interrupt::check(&doing)?;
        let end = (at + step).min(n);
        let failed = h5::failed(doing.clone());
        let block: Array2<f64> = if by_cells {
            d.read_slice_2d(s![.., at..end]).map_err(failed)?.reversed_axes()
        } else {
            d.read_slice_2d(s![at..end, ..]).map_err(failed)?
        };
        for row in block.rows() {
            out.push(row.iter().copied()).map_err(|e| e.within(&doing))?;
        }
        job.step(end as u64, "", false);
        at = end;
    }
    if out.rounded > 0 {
        progress::note(format!(
            "{}: {} whole numbers beyond 2^24 are rounded",
            d.name(),
            out.rounded
        ));
    }
    let rows = if by_cells { (cells, genes) } else { (genes, cells) };
    let csr = Csr::new(rows, out.indptr, out.indices, out.values)?;
    Ok(if by_cells { csr } else { csr.transpose()? })
}

/// Rows of a sparse matrix so far.
struct Building {
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    rounded: usize,
}

impl Default for Building {
    fn default() -> Self {
        Self { indptr: vec![0], indices: Vec::new(), values: Vec::new(), rounded: 0 }
    }
}

impl Building {
    fn push(&mut self, row: impl Iterator<Item = f64>) -> Result<()> {
        for (i, v) in (0u32..).zip(row) {
            if v == 0.0 {
                continue;
            }
            let single = v as f32;
            if single.is_infinite() && v.is_finite() {
                return Err(Error::new("narrowing values")
                    .expected("values within single precision, below 3.4e38")
                    .found(format!("{v:e}")));
            }
            self.rounded += usize::from(v.fract() == 0.0 && f64::from(single) != v);
            self.indices.push(i);
            self.values.push(single);
        }
        self.indptr.push(self.indices.len());
        Ok(())
    }
}
