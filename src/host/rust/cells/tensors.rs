//! Numbers with a shape between Spatia and its Rust cells, as safetensors.

pub use ndarray;

use ndarray::{Array, Array2, ArrayBase, Data, Dimension, IxDyn};
use safetensors::tensor::{serialize_to_file, Dtype, SafeTensors, TensorView};
use std::path::Path;

/// A number that goes over.
pub trait Number: Copy {
    const KIND: Dtype;
    fn read(bytes: &[u8]) -> Vec<Self>;
    fn bytes(values: impl Iterator<Item = Self>) -> Vec<u8>;
}

impl Number for f32 {
    const KIND: Dtype = Dtype::F32;
    fn read(bytes: &[u8]) -> Vec<Self> {
        bytes.chunks_exact(4).map(|b| Self::from_le_bytes(b.try_into().unwrap())).collect()
    }
    fn bytes(values: impl Iterator<Item = Self>) -> Vec<u8> {
        values.flat_map(Self::to_le_bytes).collect()
    }
}

impl Number for f64 {
    const KIND: Dtype = Dtype::F64;
    fn read(bytes: &[u8]) -> Vec<Self> {
        bytes.chunks_exact(8).map(|b| Self::from_le_bytes(b.try_into().unwrap())).collect()
    }
    fn bytes(values: impl Iterator<Item = Self>) -> Vec<u8> {
        values.flat_map(Self::to_le_bytes).collect()
    }
}

impl Number for i64 {
    const KIND: Dtype = Dtype::I64;
    fn read(bytes: &[u8]) -> Vec<Self> {
        bytes.chunks_exact(8).map(|b| Self::from_le_bytes(b.try_into().unwrap())).collect()
    }
    fn bytes(values: impl Iterator<Item = Self>) -> Vec<u8> {
        values.flat_map(Self::to_le_bytes).collect()
    }
}

impl Number for u32 {
    const KIND: Dtype = Dtype::U32;
    fn read(bytes: &[u8]) -> Vec<Self> {
        bytes.chunks_exact(4).map(|b| Self::from_le_bytes(b.try_into().unwrap())).collect()
    }
    fn bytes(values: impl Iterator<Item = Self>) -> Vec<u8> {
        values.flat_map(Self::to_le_bytes).collect()
    }
}

fn file(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("reading {path}: {e}"))
}

fn part<T: Number>(file: &SafeTensors, name: &str) -> (Vec<usize>, Vec<T>) {
    let view = file.tensor(name).unwrap_or_else(|e| panic!("reading {name}: {e}"));
    assert!(view.dtype() == T::KIND, "{name} holds {:?}", view.dtype());
    (view.shape().to_vec(), T::read(view.data()))
}

/// Reads an array of a known number of axes.
pub fn read<T: Number, D: Dimension>(path: &str) -> Array<T, D> {
    let bytes = file(path);
    let (shape, values) = part(&SafeTensors::deserialize(&bytes).unwrap(), "data");
    Array::from_shape_vec(IxDyn(&shape), values).unwrap().into_dimensionality().unwrap()
}

/// Writes an array of f32, f64 or i64.
pub fn write<T: Number, S: Data<Elem = T>, D: Dimension>(array: &ArrayBase<S, D>, path: &str) {
    let bytes = T::bytes(array.iter().copied());
    let view = TensorView::new(T::KIND, array.shape().to_vec(), &bytes).unwrap();
    serialize_to_file([("data", view)], None, Path::new(path))
        .unwrap_or_else(|e| panic!("writing {path}: {e}"));
}

/// A sparse matrix by rows: the entries of row `r` stand from `indptr[r]` to `indptr[r + 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    pub shape: (usize, usize),
    pub indptr: Vec<usize>,
    pub indices: Vec<u32>,
    pub values: Vec<f32>,
}

impl Csr {
    /// Columns and values of a row.
    pub fn row(&self, r: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let range = self.indptr[r]..self.indptr[r + 1];
        self.indices[range.clone()]
            .iter()
            .map(|&c| c as usize)
            .zip(self.values[range].iter().copied())
    }

    /// The sum of each row.
    pub fn row_sums(&self) -> Vec<f64> {
        (0..self.shape.0).map(|r| self.row(r).map(|(_, v)| f64::from(v)).sum()).collect()
    }

    /// All values, zeros among them.
    pub fn to_dense(&self) -> Array2<f32> {
        let mut dense = Array2::zeros(self.shape);
        for r in 0..self.shape.0 {
            for (c, v) in self.row(r) {
                dense[[r, c]] = v;
            }
        }
        dense
    }

    pub fn evcxr_display(&self) {
        let (rows, columns) = self.shape;
        println!("EVCXR_BEGIN_CONTENT text/plain\nCsr [{rows}, {columns}], {} not zero\nEVCXR_END_CONTENT", self.values.len());
    }
}

pub fn read_csr(path: &str) -> Csr {
    let bytes = file(path);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let sizes =
        |name| part::<i64>(&file, name).1.into_iter().map(|v| v as usize).collect::<Vec<_>>();
    let shape = sizes("shape");
    Csr {
        shape: (shape[0], shape[1]),
        indptr: sizes("indptr"),
        indices: part(&file, "indices").1,
        values: part(&file, "values").1,
    }
}

pub fn write_csr(m: &Csr, path: &str) {
    let sizes = |n: &[usize]| i64::bytes(n.iter().map(|&v| v as i64));
    let parts = [
        ("shape", Dtype::I64, 2, sizes(&[m.shape.0, m.shape.1])),
        ("indptr", Dtype::I64, m.indptr.len(), sizes(&m.indptr)),
        ("indices", Dtype::U32, m.indices.len(), u32::bytes(m.indices.iter().copied())),
        ("values", Dtype::F32, m.values.len(), f32::bytes(m.values.iter().copied())),
    ];
    let views = parts
        .iter()
        .map(|(name, kind, n, bytes)| (*name, TensorView::new(*kind, vec![*n], bytes).unwrap()));
    serialize_to_file(views, None, Path::new(path))
        .unwrap_or_else(|e| panic!("writing {path}: {e}"));
}
