//! Variables of a session as files, and back: what cells of Rust get and give.

use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use rhai::Dynamic;
use serde_json::Value;

use super::column::Column;
use super::convert;
use super::dataset::Dataset;
use super::interpreter::Interpreter;
use super::slots::Rows;
use super::table::Table;
use super::tensor::Tensor;
use super::values::Matrix;
use crate::base::{Error, Kind, Result, nearest};
use crate::data;
use crate::data::table;
use crate::io::exchange::{self, Array};

/// A variable as it goes over.
#[derive(Clone, Debug, PartialEq)]
pub enum Exported {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    /// JSON: values of one kind in a row, null where one is missing. Numbers that JSON lacks are
    /// texts, "NaN" and "inf".
    List {
        of: Element,
        some_missing: bool,
        path: PathBuf,
    },
    /// JSON: anything of maps, arrays, numbers, texts, booleans.
    Json(PathBuf),
    /// Arrow IPC.
    Table(PathBuf),
    /// Safetensors, with the number of axes.
    Array(Precision, usize, PathBuf),
    /// Safetensors: a sparse matrix.
    Sparse(PathBuf),
    /// A folder: `obs.arrow`, `var.arrow`, `x.safetensors`, `obsm/0.safetensors` and on with the
    /// names in `obsm.json`; `layers` in the same way.
    Dataset(PathBuf),
}

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Int,
    Float,
    Bool,
    Text,
}

/// Of the numbers of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    F32,
    F64,
    I64,
}

impl Interpreter {
    /// Writes the variable `name` into `folder`, where it does not go over as it is.
    ///
    /// # Errors
    /// No such variable, a kind that does not go over, a place that cannot be written.
    pub fn export(&self, name: &str, folder: &Path) -> Result<Exported> {
        let value = self.variable(name).ok_or_else(|| {
            let known = self.variables();
            Error::new(format!("handing '{name}' to a Rust cell"))
                .kind(Kind::Missing)
                .expected("a variable of the session")
                .found("none of that name")
                .advice(nearest::advice(name, known.iter().map(String::as_str)))
        })?;
        export(value, &folder.join(name)).map_err(|e| e.within(format!("handing over '{name}'")))
    }

    /// Sets the variable `name` to what a Rust cell wrote to `file`: `.json`, `.arrow`,
    /// `.safetensors` (an array), `.csr.safetensors`.
    ///
    /// # Errors
    /// A file that is not what its name says.
    pub fn import(&mut self, name: &str, file: &Path) -> Result<()> {
        let value = import(file).map_err(|e| e.within(format!("bringing back '{name}'")))?;
        self.set_variable(name, value);
        Ok(())
    }
}

fn export(value: Dynamic, stem: &Path) -> Result<Exported> {
    let with = |end: &str| PathBuf::from(format!("{}.{end}", stem.display()));
    if let Some(t) = value.clone().try_cast::<Table>() {
        return table_to(&with("arrow"), t.frame());
    }
    if let Some(r) = value.clone().try_cast::<Rows>() {
        return table_to(&with("arrow"), &r.frame()?);
    }
    if let Some(t) = value.clone().try_cast::<Tensor>() {
        return array_to(with("safetensors"), t.exact()?);
    }
    if let Some(c) = value.clone().try_cast::<Column>() {
        return column_to(with("json"), &c);
    }
    if let Some(m) = value.clone().try_cast::<Matrix>() {
        return matrix_to(with("safetensors"), m.core());
    }
    if let Some(ds) = value.clone().try_cast::<Dataset>() {
        return dataset_to(stem, &ds.get());
    }
    if let Ok(text) = value.clone().into_string() {
        return Ok(Exported::Text(text));
    }
    match (value.as_int(), value.as_float(), value.as_bool()) {
        (Ok(v), ..) => return Ok(Exported::Int(v)),
        (_, Ok(v), _) => return Ok(Exported::Float(v)),
        (_, _, Ok(v)) => return Ok(Exported::Bool(v)),
        _ => {}
    }
    if !(value.is_array() || value.is_map()) {
        return Err(Error::new("writing it for Rust")
            .expected("a number, text, boolean, array, map, Table, obs, var, Column, Tensor, Matrix or Dataset")
            .found(convert::said(&value))
            .advice("Hand over a part of it, as in `let spatial = ds.obsm[\"spatial\"]`"));
    }
    list_to(with("json"), value)
}

fn table_to(path: &Path, frame: &polars::prelude::DataFrame) -> Result<Exported> {
    exchange::write_table(path, frame)?;
    Ok(Exported::Table(path.into()))
}

fn array_to(path: PathBuf, array: Array) -> Result<Exported> {
    exchange::write_array(&path, &array)?;
    Ok(match array {
        Array::F32(a) => Exported::Array(Precision::F32, a.ndim(), path),
        Array::F64(a) => Exported::Array(Precision::F64, a.ndim(), path),
        Array::I64(a) => Exported::Array(Precision::I64, a.ndim(), path),
    })
}

fn matrix_to(path: PathBuf, m: &data::Matrix) -> Result<Exported> {
    match m {
        data::Matrix::Dense(m) => array_to(path, Array::F32(m.clone().into_dyn())),
        data::Matrix::Sparse(m) => {
            exchange::write_csr(&path, m)?;
            Ok(Exported::Sparse(path))
        }
    }
}

fn column_to(path: PathBuf, c: &Column) -> Result<Exported> {
    let kind = c.values.dtype();
    let (of, list): (_, Vec<Value>) = if kind.is_integer() {
        (Element::Int, table::integers(&c.values)?.into_iter().map(Value::from).collect())
    } else if kind.is_primitive_numeric() {
        let missing = c.values.is_null();
        let numbers = table::numbers(&c.values)?.into_iter().zip(missing.iter());
        let value = |(v, missing)| if missing == Some(true) { Value::Null } else { exact(v) };
        (Element::Float, numbers.map(value).collect())
    } else if kind.is_bool() {
        (Element::Bool, table::booleans(&c.values)?.into_iter().map(Value::from).collect())
    } else {
        (Element::Text, table::texts(&c.values)?.into_iter().map(Value::from).collect())
    };
    json_to(&path, &list)?;
    Ok(Exported::List { of, some_missing: c.values.null_count() > 0, path })
}

fn dataset_to(folder: &Path, ds: &data::Dataset) -> Result<Exported> {
    // What an earlier cell was handed under this name may have had other parts.
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .map_err(|e| Error::io(format!("emptying {}", folder.display()), e))?;
    }
    std::fs::create_dir_all(folder)
        .map_err(|e| Error::io(format!("making {}", folder.display()), e))?;
    exchange::write_table(&folder.join("obs.arrow"), &ds.obs().with_index()?)?;
    exchange::write_table(&folder.join("var.arrow"), &ds.var().with_index()?)?;
    exchange::write_csr(&folder.join("x.safetensors"), &ds.x().csr())?;
    named_to(folder, "layers", ds.layers(), |file, m| exchange::write_csr(file, &m.csr()))?;
    named_to(folder, "obsm", ds.obsm(), |file, m| {
        exchange::write_array(file, &Array::F64(m.clone().into_dyn()))
    })?;
    Ok(Exported::Dataset(folder.into()))
}

/// Numbered files and a list of their names, which can be any text.
fn named_to<'a, M: 'a>(
    folder: &Path,
    part: &str,
    all: impl IntoIterator<Item = (&'a String, &'a M)>,
    write: impl Fn(&Path, &M) -> Result<()>,
) -> Result<()> {
    let place = folder.join(part);
    std::fs::create_dir_all(&place)
        .map_err(|e| Error::io(format!("making {}", place.display()), e))?;
    let mut names = Vec::new();
    for (n, (name, m)) in all.into_iter().enumerate() {
        write(&place.join(format!("{n}.safetensors")), m)?;
        names.push(name);
    }
    json_to(&folder.join(format!("{part}.json")), &names)
}

/// An array of one kind of values, or else JSON as it is.
fn list_to(path: PathBuf, value: Dynamic) -> Result<Exported> {
    if let Ok(list) = value.as_array_ref() {
        let some_missing = list.iter().any(Dynamic::is_unit);
        let known: Vec<&Dynamic> = list.iter().filter(|v| !v.is_unit()).collect();
        let all = |is: fn(&Dynamic) -> bool| !known.is_empty() && known.iter().all(|v| is(v));
        let of = if all(Dynamic::is_int) {
            Some(Element::Int)
        } else if all(|v| v.is_int() || v.is_float()) {
            Some(Element::Float)
        } else if all(Dynamic::is_string) {
            Some(Element::Text)
        } else {
            all(Dynamic::is_bool).then_some(Element::Bool)
        };
        if of == Some(Element::Float) {
            let value = |v: &Dynamic| convert::number(v).map_or(Value::Null, exact);
            json_to(&path, &list.iter().map(value).collect::<Vec<_>>())?;
            return Ok(Exported::List { of: Element::Float, some_missing, path });
        }
        if let Some(of) = of {
            json_to(&path, &convert::json(value.clone(), "a Rust cell")?)?;
            return Ok(Exported::List { of, some_missing, path });
        }
    }
    convert::finite(&value, "of a Rust cell").map_err(|e| {
        e.advice(
            "A tensor holds NaN and infinity: `let t = tensor(rows)`; so does an array of numbers",
        )
    })?;
    json_to(&path, &convert::json(value, "a Rust cell")?)?;
    Ok(Exported::Json(path))
}

/// A number as JSON, or the text for one that JSON lacks.
fn exact(v: f64) -> Value {
    serde_json::Number::from_f64(v).map_or_else(|| v.to_string().into(), Value::Number)
}

fn json_to(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let failed = |e| Error::io(format!("writing {}", path.display()), e);
    crate::base::files::write(path, serde_json::to_vec(value).map_err(failed)?)
}

fn import(file: &Path) -> Result<Dynamic> {
    let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if name.ends_with(".arrow") {
        return Ok(Dynamic::from(Table::new(exchange::read_table(file)?)));
    }
    if name.ends_with(".csr.safetensors") {
        return Ok(Dynamic::from(Matrix::new(exchange::read_csr(file)?.into())));
    }
    if name.ends_with(".safetensors") {
        return Ok(Dynamic::from(Tensor::from_exact(exchange::read_array(file)?)));
    }
    let failed = |e: String| Error::io(format!("reading {}", file.display()), e);
    let text = std::fs::read(file).map_err(|e| failed(e.to_string()))?;
    let value: Value = serde_json::from_slice(&text).map_err(|e| failed(e.to_string()))?;
    if name.ends_with(".floats.json") {
        return floats(&value).ok_or_else(|| failed("something else than numbers".into()));
    }
    exact_in_scripts(&value)?;
    rhai::serde::to_dynamic(value).map_err(|e| failed(e.to_string()))
}

/// Refuses whole numbers of which a script would keep the first digits only.
fn exact_in_scripts(value: &Value) -> Result<()> {
    match value {
        Value::Array(all) => all.iter().try_for_each(exact_in_scripts),
        Value::Object(all) => all.values().try_for_each(exact_in_scripts),
        Value::Number(n) if n.is_u64() && !n.is_i64() => Err(Error::new("reading a whole number")
            .expected(format!("at most {}, as scripts have them", i64::MAX))
            .found(n.to_string())
            .advice("Hand back its text, n.to_string(), or n as f64, which keeps 15 digits")),
        _ => Ok(()),
    }
}

/// A number, or arrays and maps of them, with the texts of those that JSON lacks.
fn floats(value: &Value) -> Option<Dynamic> {
    match value {
        Value::Null => Some(Dynamic::UNIT),
        Value::Array(all) => Some(all.iter().map(floats).collect::<Option<rhai::Array>>()?.into()),
        Value::Object(all) => {
            let entry = |(name, v): (&String, &Value)| Some((name.into(), floats(v)?));
            Some(all.iter().map(entry).collect::<Option<rhai::Map>>()?.into())
        }
        Value::String(text) => Some(text.parse::<f64>().ok()?.into()),
        other => Some(other.as_f64()?.into()),
    }
}

impl Tensor {
    /// The values as they are: whole numbers as i64, single precision as f32, all else as f64.
    pub fn exact(&self) -> Result<Array> {
        let t = self.core();
        let shape: Vec<usize> = t.size().iter().map(|&n| n as usize).collect();
        let kind = t.kind();
        let flat = t.to_device(tch::Device::Cpu).reshape([-1]);
        let failed = |e: String| Error::io("reading the values of a tensor", e);
        let read = |e: tch::TchError| failed(e.to_string());
        let fit = |e: ndarray::ShapeError| failed(e.to_string());
        match kind {
            tch::Kind::Float | tch::Kind::Half | tch::Kind::BFloat16 => {
                let values = Vec::try_from(flat.to_kind(tch::Kind::Float)).map_err(read)?;
                ArrayD::from_shape_vec(shape, values).map(Array::F32).map_err(fit)
            }
            tch::Kind::Double => {
                let values = Vec::try_from(flat).map_err(read)?;
                ArrayD::from_shape_vec(shape, values).map(Array::F64).map_err(fit)
            }
            _ => {
                let values = Vec::try_from(flat.to_kind(tch::Kind::Int64)).map_err(read)?;
                ArrayD::from_shape_vec(shape, values).map(Array::I64).map_err(fit)
            }
        }
    }

    fn from_exact(array: Array) -> Self {
        let shape = |s: &[usize]| s.iter().map(|&n| n as i64).collect::<Vec<_>>();
        let (flat, shape) = match &array {
            Array::F32(a) => {
                (tch::Tensor::from_slice(&a.iter().copied().collect::<Vec<_>>()), shape(a.shape()))
            }
            Array::F64(a) => {
                (tch::Tensor::from_slice(&a.iter().copied().collect::<Vec<_>>()), shape(a.shape()))
            }
            Array::I64(a) => {
                (tch::Tensor::from_slice(&a.iter().copied().collect::<Vec<_>>()), shape(a.shape()))
            }
        };
        Self::new(flat.view(&shape[..]))
    }
}
