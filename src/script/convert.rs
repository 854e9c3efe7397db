//! Between the language's values and the core's.

use ndarray::{Array1, Array2, ArrayD};
use polars::prelude::Column as Values;
use rhai::{Dynamic, EvalAltResult, Map};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::column::Column;
use super::hints::article;
use super::tensor::Tensor;
use super::types::type_word;
use crate::base::{Error, Result, options};
use crate::data::table;

/// What a binding returns; its error becomes one of the language by `?`.
pub(super) type Outcome<T> = std::result::Result<T, Box<EvalAltResult>>;

/// An option map as a configuration of the core.
pub(super) fn parse<T: DeserializeOwned + JsonSchema>(map: Map, what: &str) -> Result<T> {
    for (name, value) in &map {
        finite(value, &format!("{what}.{name}"))?;
    }
    options::parse(json(map.into(), what)?, what)
}

/// Refuses NaN and infinity, which JSON would take for an option that is left out.
pub(super) fn finite(value: &Dynamic, what: &str) -> Result<()> {
    each(value, what, &|v, what| match v.as_float() {
        Ok(number) if !number.is_finite() => Err(Error::new(format!("reading the option {what}"))
            .expected("a finite number")
            .found(number.to_string())),
        _ => Ok(()),
    })
}

/// Looks at all values in maps and arrays, and at where they stand.
fn each(value: &Dynamic, what: &str, look: &dyn Fn(&Dynamic, &str) -> Result<()>) -> Result<()> {
    if let Ok(map) = value.as_map_ref() {
        return map.iter().try_for_each(|(name, v)| each(v, &format!("{what}.{name}"), look));
    }
    match value.as_array_ref() {
        Ok(array) => array.iter().try_for_each(|v| each(v, what, look)),
        Err(_) => look(value, what),
    }
}

/// A value as JSON.
///
/// # Errors
/// An object (a dataset, a tensor) somewhere in it.
pub(super) fn json(value: Dynamic, what: &str) -> Result<Value> {
    let refuse = |found: String, what: &str| {
        Error::new(format!("reading {what}"))
            .expected("numbers, texts, true and false, arrays and maps of them")
            .found(found)
    };
    each(&value, what, &|v, what| {
        let is_data = is_text(v) || v.is_unit() || v.is_bool() || number(v).is_some();
        if is_data { Ok(()) } else { Err(refuse(said(v), what)) }
    })?;
    rhai::serde::from_dynamic(&value).map_err(|e| refuse(e.to_string(), what))
}

/// A value in a message: what it is, and itself where it is short.
pub(super) fn said(value: &Dynamic) -> String {
    match type_word(value.type_name()).as_str() {
        "int" | "float" | "bool" => value.to_string(),
        "text" | "char" => options::quoted(&value.to_string()),
        of => article(of),
    }
}

/// A configuration as a map of the language.
pub(super) fn map(config: impl Serialize) -> Outcome<Map> {
    Ok(rhai::serde::to_dynamic(config)?.try_cast().unwrap_or_default())
}

/// Numbers, one a row, from a column, a tensor or an array.
pub(super) fn numbers(value: &Dynamic, what: &str) -> Result<Vec<f64>> {
    table::numbers(&column(value, what)?)
}

/// Texts from an array of them.
pub(super) fn texts(values: &[Dynamic], what: &str) -> Result<Vec<String>> {
    let text = |v: &Dynamic| match is_text(v) {
        true => Ok(v.to_string()),
        false => {
            Err(Error::new(what).expected("an array of texts").found(format!("{} in it", said(v))))
        }
    };
    values.iter().map(text).collect()
}

/// Groups, one a row, from a column, a tensor or an array.
pub(super) fn groups(value: &Dynamic, what: &str) -> Result<Vec<Option<String>>> {
    table::labels(&column(value, what)?)
}

/// A column from a column, a tensor [N] or [N,1], or an array of numbers, texts or booleans, `()`
/// where a value is missing.
pub(super) fn column(value: &Dynamic, name: &str) -> Result<Values> {
    if let Some(c) = value.clone().try_cast::<Column>() {
        return Ok(c.values.with_name(name.into()));
    }
    let refuse = |found: String| {
        Error::new(format!("reading '{name}' as one value a row"))
            .expected(
                "a column, a tensor [N], or an array of numbers, of texts, or of true and false",
            )
            .found(found)
    };
    if let Some(t) = value.clone().try_cast::<Tensor>() {
        return match t.size()[..] {
            [_] | [_, 1] => Ok(match t.whole()? {
                Some(whole) => Values::new(name.into(), whole),
                None => Values::new(name.into(), t.vector()?),
            }),
            _ => Err(refuse(format!("a tensor of shape {:?}", t.size()))),
        };
    }
    let array = value.as_array_ref().map_err(|_| refuse(said(value)))?;
    let any = |is: fn(&Dynamic) -> bool| array.iter().any(is);
    let column = if any(Dynamic::is_bool) {
        Values::new(name.into(), all(&array, |v| v.as_bool().ok(), refuse)?)
    } else if any(is_text) {
        let text = |v: &Dynamic| is_text(v).then(|| v.to_string());
        Values::new(name.into(), all(&array, text, refuse)?)
    } else if any(Dynamic::is_int) && !any(Dynamic::is_float) {
        Values::new(name.into(), all(&array, |v| v.as_int().ok(), refuse)?)
    } else {
        Values::new(name.into(), all(&array, number, refuse)?)
    };
    Ok(column)
}

/// A number of the language, whole or not.
pub(super) fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().or_else(|_| value.as_int().map(|i| i as f64)).ok()
}

pub(super) fn is_text(value: &Dynamic) -> bool {
    value.is_string() || value.is_char()
}

/// The values of an array; `()` is a missing one.
fn all<T>(
    array: &[Dynamic],
    read: impl Fn(&Dynamic) -> Option<T>,
    refuse: impl Fn(String) -> Error,
) -> Result<Vec<Option<T>>> {
    let value = |v: &Dynamic| match v.is_unit() {
        true => Ok(None),
        false => read(v).map(Some).ok_or_else(|| refuse(format!("{} among the values", said(v)))),
    };
    array.iter().map(value).collect()
}

/// Names, from a text or an array of texts.
pub(super) fn names(value: &Dynamic, what: &str) -> Result<Vec<String>> {
    if is_text(value) {
        return Ok(vec![value.to_string()]);
    }
    match value.as_array_ref() {
        Ok(array) => texts(&array, what),
        Err(_) => Err(Error::new(what).expected("a text or an array of texts").found(said(value))),
    }
}

/// Columns by name from a map of columns, tensors [N] or arrays.
pub(super) fn columns(map: Map) -> Result<Vec<Values>> {
    map.iter().map(|(name, values)| column(values, name)).collect()
}

/// Arrays by name from a map of tensors, columns or arrays of numbers.
pub(super) fn arrays(map: Map) -> Result<Vec<(String, ArrayD<f32>)>> {
    map.iter().map(|(name, values)| Ok((name.to_string(), array(values, name)?))).collect()
}

fn array(value: &Dynamic, name: &str) -> Result<ArrayD<f32>> {
    if let Some(t) = value.clone().try_cast::<Tensor>() {
        return t.array();
    }
    let values = table::numbers(&column(value, name)?)?;
    Ok(Array1::from_iter(values.into_iter().map(|v| v as f32)).into_dyn())
}

/// A whole number that is not below zero.
pub(super) fn size(n: i64, what: &str) -> Result<usize> {
    usize::try_from(n)
        .map_err(|_| Error::new(what).expected("a whole number from 0").found(n.to_string()))
}

/// A matrix from a tensor [N,M] or an array of arrays of numbers.
pub(super) fn matrix(value: &Dynamic, name: &str) -> Result<Array2<f64>> {
    match value.clone().try_cast::<Tensor>() {
        Some(t) => t.matrix(),
        None => Tensor::nested(value)
            .and_then(|t| t.matrix())
            .map_err(|e| e.within(format!("reading '{name}' as a matrix"))),
    }
}
