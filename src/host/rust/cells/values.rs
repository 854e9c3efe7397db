//! Numbers, texts, lists and maps between Spatia and its Rust cells, as JSON.

pub use serde_json::{self, Map, Value};

use std::collections::{BTreeMap, HashMap};

/// What a file holds.
pub fn value(path: &str) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("reading {path}: {e}"));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("reading {path}: {e}"))
}

fn list<T>(path: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    let held = value(path);
    let list = held.as_array().map(|all| all.iter().map(read).collect::<Option<Vec<T>>>());
    list.flatten().unwrap_or_else(|| panic!("reading {path}: values of another kind"))
}

/// The same where null is a missing value.
fn maybe<T>(path: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<Option<T>> {
    list(path, |v| if v.is_null() { Some(None) } else { read(v).map(Some) })
}

/// Numbers that JSON lacks stand as texts.
fn float(v: &Value) -> Option<f64> {
    v.as_f64().or_else(|| v.as_str()?.parse().ok())
}

fn text(v: &Value) -> Option<String> {
    v.as_str().map(String::from)
}

pub fn integers(path: &str) -> Vec<i64> {
    list(path, Value::as_i64)
}

pub fn maybe_integers(path: &str) -> Vec<Option<i64>> {
    maybe(path, Value::as_i64)
}

pub fn floats(path: &str) -> Vec<f64> {
    list(path, float)
}

pub fn maybe_floats(path: &str) -> Vec<Option<f64>> {
    maybe(path, float)
}

pub fn booleans(path: &str) -> Vec<bool> {
    list(path, Value::as_bool)
}

pub fn maybe_booleans(path: &str) -> Vec<Option<bool>> {
    maybe(path, Value::as_bool)
}

pub fn texts(path: &str) -> Vec<String> {
    list(path, text)
}

pub fn maybe_texts(path: &str) -> Vec<Option<String>> {
    maybe(path, text)
}

/// Writes anything that serde serializes. JSON has no NaN: deep in a tuple or a struct it becomes
/// null; [`write_floats`] keeps it.
pub fn write<T: serde::Serialize + ?Sized>(value: &T, path: &str) {
    let bytes = serde_json::to_vec(value).unwrap_or_else(|e| panic!("writing {path}: {e}"));
    std::fs::write(path, bytes).unwrap_or_else(|e| panic!("writing {path}: {e}"));
}

/// Floats, and lists and maps of them.
pub trait Floats {
    fn exact(&self) -> Value;
}

impl Floats for f64 {
    fn exact(&self) -> Value {
        serde_json::Number::from_f64(*self)
            .map_or_else(|| self.to_string().into(), Value::Number)
    }
}

impl Floats for f32 {
    fn exact(&self) -> Value {
        f64::from(*self).exact()
    }
}

impl<T: Floats> Floats for Option<T> {
    fn exact(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::exact)
    }
}

impl<T: Floats> Floats for Vec<T> {
    fn exact(&self) -> Value {
        self.iter().map(T::exact).collect()
    }
}

impl<T: Floats, S> Floats for HashMap<String, T, S> {
    fn exact(&self) -> Value {
        self.iter().map(|(name, v)| (name.clone(), v.exact())).collect()
    }
}

impl<T: Floats> Floats for BTreeMap<String, T> {
    fn exact(&self) -> Value {
        self.iter().map(|(name, v)| (name.clone(), v.exact())).collect()
    }
}

/// Writes floats as they are, NaN and infinity as texts.
pub fn write_floats<T: Floats>(value: &T, path: &str) {
    write(&value.exact(), path);
}
