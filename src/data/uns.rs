//! Unstructured annotation: a tree of values as AnnData's `uns` holds them.

use indexmap::IndexMap;
use ndarray::ArrayD;

use super::{Csr, Table};

/// One value of the tree. Arrays keep the element type of the file they came from as far as
/// these types tell it apart, so that what is written reads back equal.
#[derive(Clone, Debug)]
pub enum Uns {
    Map(IndexMap<String, Uns>),
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Texts(ArrayD<String>),
    Ints(ArrayD<i64>),
    Floats(ArrayD<f64>),
    Singles(ArrayD<f32>),
    Bools(ArrayD<bool>),
    /// Unsigned bytes; images are [height, width, channels].
    Bytes(ArrayD<u8>),
    Sparse(Csr),
    Table(Table),
    Null,
}

impl Default for Uns {
    fn default() -> Self {
        Self::Map(IndexMap::new())
    }
}

impl Uns {
    /// The value at a path of keys.
    pub fn get(&self, path: &[&str]) -> Option<&Uns> {
        path.iter().try_fold(self, |node, key| match node {
            Self::Map(m) => m.get(*key),
            _ => None,
        })
    }

    /// Sets the value at a path of keys, making the maps on the way; a value that stands where a
    /// map is needed is replaced.
    pub fn set(&mut self, path: &[&str], value: Uns) {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Map(_)) {
            *self = Self::default();
        }
        if let Self::Map(m) = self {
            m.entry((*key).to_owned()).or_default().set(rest, value);
        }
    }

    pub fn as_map(&self) -> Option<&IndexMap<String, Uns>> {
        if let Self::Map(m) = self { Some(m) } else { None }
    }

    pub fn as_map_mut(&mut self) -> Option<&mut IndexMap<String, Uns>> {
        if let Self::Map(m) = self { Some(m) } else { None }
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(t) = self { Some(t) } else { None }
    }

    /// A number, from an integer, a float, or an array of one of them.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(v) => Some(*v as f64),
            Self::Float(v) => Some(*v),
            Self::Floats(a) if a.len() == 1 => a.first().copied(),
            Self::Ints(a) if a.len() == 1 => a.first().map(|&v| v as f64),
            Self::Singles(a) if a.len() == 1 => a.first().map(|&v| f64::from(v)),
            _ => None,
        }
    }
}
