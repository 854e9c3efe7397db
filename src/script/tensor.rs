//! `Tensor`: numbers with a shape, on the CPU.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use ndarray::{Array2, ArrayD, ArrayView2};
use rhai::plugin::*;
use rhai::{Array, Dynamic};

use super::convert::{self, Outcome};
use super::shown;
use super::uns::nested;
use crate::base::{Error, Result};
use crate::io::exchange::Array as Exact;
use crate::io::npy;

/// A handle; tensors never change, so sharing is copying.
#[derive(Clone)]
pub(super) struct Tensor(Rc<tch::Tensor>);

impl Tensor {
    /// The lengths of the axes.
    pub fn size(&self) -> Vec<usize> {
        self.0.size().iter().map(|&n| n as usize).collect()
    }

    pub fn new(t: tch::Tensor) -> Self {
        Self(Rc::new(t))
    }

    pub fn of_matrix(m: ArrayView2<'_, f64>) -> Self {
        let values: Vec<f64> = m.iter().copied().collect();
        Self::new(tch::Tensor::from_slice(&values).view([m.nrows() as i64, m.ncols() as i64]))
    }

    /// From an array of numbers, or of arrays of them.
    pub fn nested(value: &Dynamic) -> Result<Self> {
        let refuse = |found: String| {
            Error::new("making a tensor")
                .expected("an array of numbers, or of rows of equal length")
                .found(found)
        };
        let read = |v: &Dynamic| {
            convert::number(v).ok_or_else(|| refuse(format!("{} in it", convert::said(v))))
        };
        let row = |v: &Dynamic| {
            let row = v.as_array_ref();
            let row = row.map_err(|_| refuse(format!("{} beside rows", convert::said(v))))?;
            row.iter().map(read).collect::<Result<Vec<f64>>>()
        };
        let array = value.as_array_ref().map_err(|_| refuse(convert::said(value)))?;
        if !array.iter().any(Dynamic::is_array) {
            let row = array.iter().map(read).collect::<Result<Vec<f64>>>()?;
            return Ok(Self::new(tch::Tensor::from_slice(&row)));
        }
        let rows = array.iter().map(row).collect::<Result<Vec<_>>>()?;
        let width = rows.first().map_or(0, Vec::len);
        if let Some(other) = rows.iter().find(|r| r.len() != width) {
            return Err(refuse(format!("rows of {width} and of {}", other.len())));
        }
        Ok(Self::new(
            tch::Tensor::from_slice(&rows.concat()).view([rows.len() as i64, width as i64]),
        ))
    }

    pub fn core(&self) -> &tch::Tensor {
        &self.0
    }

    /// # Shapes
    /// [N], or any shape with N values.
    pub fn vector(&self) -> Result<Vec<f64>> {
        let flat = self.0.to_kind(tch::Kind::Double).reshape([-1]);
        Vec::try_from(flat).map_err(|e| Error::io("reading the values of a tensor", e))
    }

    pub fn matrix(&self) -> Result<Array2<f64>> {
        let doing = "reading a tensor as a matrix";
        let size = self.0.size();
        let &[n, m] = &size[..] else {
            return Err(Error::new(doing)
                .expected("rows and columns, [N,M]")
                .found(format!("the shape {size:?}")));
        };
        Array2::from_shape_vec((n as usize, m as usize), self.vector()?)
            .map_err(|e| Error::io(doing, e))
    }

    /// Single precision, in its own shape.
    pub fn array(&self) -> Result<ArrayD<f32>> {
        let doing = "reading a tensor as an array";
        let shape: Vec<usize> = self.0.size().iter().map(|&n| n as usize).collect();
        let flat = self.0.to_kind(tch::Kind::Float).reshape([-1]);
        let values = Vec::<f32>::try_from(flat).map_err(|e| Error::io(doing, e))?;
        ArrayD::from_shape_vec(shape, values).map_err(|e| Error::io(doing, e))
    }

    /// The values of a tensor of whole numbers, `None` of any other.
    pub fn whole(&self) -> Result<Option<Vec<i64>>> {
        Ok(match self.exact()? {
            Exact::I64(a) => Some(a.into_iter().collect()),
            Exact::F32(_) | Exact::F64(_) => None,
        })
    }

    /// Itself where it holds values.
    fn filled(&self, doing: &str) -> Result<&tch::Tensor> {
        match self.0.numel() {
            0 => Err(Error::new(doing)
                .expected("at least one value")
                .found(format!("an empty tensor, of shape {:?}", self.0.size()))
                .advice("t.shape and array.len() say how much there is: look before, or see why it is empty")),
            _ => Ok(&self.0),
        }
    }

    fn row(&self, i: i64) -> Result<tch::Tensor> {
        let refuse = |expected: String| {
            Err(Error::new("indexing a tensor").expected(expected).found(i.to_string()))
        };
        match self.0.size().first() {
            None => refuse("an axis to index".into()),
            Some(&n) if i < -n || i >= n => refuse(format!("a row from {} to {}", -n, n - 1)),
            Some(_) => Ok(self.0.get(i)),
        }
    }

    /// The value of a tensor without axes.
    fn number(t: &tch::Tensor) -> Dynamic {
        match t.kind() {
            tch::Kind::Uint8
            | tch::Kind::Int8
            | tch::Kind::Int16
            | tch::Kind::Int
            | tch::Kind::Int64
            | tch::Kind::Bool => t.int64_value(&[]).into(),
            _ => t.double_value(&[]).into(),
        }
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown::numbers::tensor_text(&self.0))
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// The length of each axis.
    ///
    /// ```rhai
    /// ds.obsm["spatial"].shape        // => [60, 2]
    /// ```
    #[rhai_fn(get = "shape")]
    pub fn shape(t: &mut Tensor) -> Array {
        t.0.size().into_iter().map(Dynamic::from).collect()
    }

    /// The length of the first axis.
    ///
    /// ```rhai
    /// tensor([1, 2, 3]).len()         // => 3
    /// ```
    pub fn len(t: &mut Tensor) -> i64 {
        t.0.size().first().copied().unwrap_or(1)
    }

    /// The mean of all values.
    ///
    /// ```rhai
    /// tensor([1, 2, 6]).mean()        // => 3.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mean(t: &mut Tensor) -> Outcome<f64> {
        let filled = t.filled("taking the mean of a tensor")?;
        Ok(filled.to_kind(tch::Kind::Double).mean(None).double_value(&[]))
    }

    /// The smallest value.
    ///
    /// ```rhai
    /// tensor([1, 2, 6]).min()         // => 1.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn min(t: &mut Tensor) -> Outcome<Dynamic> {
        Ok(Tensor::number(&t.filled("taking the smallest value of a tensor")?.min()))
    }

    /// The largest value.
    ///
    /// ```rhai
    /// tensor([1, 2, 6]).max()         // => 6.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn max(t: &mut Tensor) -> Outcome<Dynamic> {
        Ok(Tensor::number(&t.filled("taking the largest value of a tensor")?.max()))
    }

    /// A row, or the number where there is one axis. Negative places count from the end.
    ///
    /// ```rhai
    /// let t = tensor([[1, 2], [3, 4]])
    /// t[-1][0]                        // => 3.0
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn row(t: &mut Tensor, i: i64) -> Outcome<Dynamic> {
        let row = t.row(i)?;
        Ok(if row.dim() == 0 { Tensor::number(&row) } else { Dynamic::from(Tensor::new(row)) })
    }

    /// The values as an array, of arrays where there are more axes.
    ///
    /// ```rhai
    /// tensor([1, 2]).to_array()       // => [1.0, 2.0]
    /// ```
    ///
    /// A tensor that is made here holds floats. Those of whole numbers, such as an array of i64 that
    /// a Rust cell hands back, give whole numbers: here, by `t[i]`, `min` and `max`.
    #[rhai_fn(return_raw)]
    pub fn to_array(t: &mut Tensor) -> Outcome<Dynamic> {
        Ok(match t.exact()? {
            Exact::F32(a) => nested(a.view(), |&v| f64::from(v).into()),
            Exact::F64(a) => nested(a.view(), |&v| v.into()),
            Exact::I64(a) => nested(a.view(), |&v| v.into()),
        })
    }

    /// Writes an `.npy` file of 32-bit floats in the tensor's shape, whole or not at all.
    ///
    /// ```rhai
    /// ds.obsm["spatial"].save("spatial.npy")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save(t: &mut Tensor, path: &str) -> Outcome<()> {
        Ok(npy::write(Path::new(path), t.array()?.view())?)
    }
}

#[export_module(manifest)]
pub(super) mod functions {
    /// Makes a tensor of floats from an array of numbers, or of rows of numbers.
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]).shape  // => [2, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn tensor(values: Array) -> Outcome<Tensor> {
        Ok(Tensor::nested(&values.into())?)
    }

    /// A number as text with so many decimal places.
    ///
    /// ```rhai
    /// fixed(2.0 / 3.0, 2)             // => "0.67"
    /// ```
    ///
    /// A number has 17 places at most.
    #[rhai_fn(return_raw)]
    pub fn fixed(value: f64, places: i64) -> Outcome<String> {
        match usize::try_from(places) {
            Ok(places @ 0..=17) => Ok(format!("{value:.places$}")),
            _ => Err(Error::new("writing a number")
                .expected("0 to 17 decimal places")
                .found(places.to_string())
                .into()),
        }
    }
}
