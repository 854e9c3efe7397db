//! Numbers, texts, lists and maps between Spatia and its Rust cells, as JSON.

pub use serde_json::{self, Map, Value};

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

pub fn integers(path: &str) -> Vec<i64> {
    list(path, Value::as_i64)
}

pub fn maybe_integers(path: &str) -> Vec<Option<i64>> {
    list(path, |v| if v.is_null() { Some(None) } else { v.as_i64().map(Some) })
}

/// Numbers that JSON lacks stand as texts.
pub fn floats(path: &str) -> Vec<f64> {
    list(path, |v| v.as_f64().or_else(|| v.as_str()?.parse().ok()))
}

pub fn booleans(path: &str) -> Vec<bool> {
    list(path, Value::as_bool)
}

pub fn texts(path: &str) -> Vec<String> {
    list(path, |v| v.as_str().map(String::from))
}

pub fn maybe_texts(path: &str) -> Vec<Option<String>> {
    list(path, |v| Some(v.as_str().map(String::from)))
}

/// Writes anything that serde serializes.
pub fn write<T: serde::Serialize + ?Sized>(value: &T, path: &str) {
    let bytes = serde_json::to_vec(value).unwrap_or_else(|e| panic!("writing {path}: {e}"));
    std::fs::write(path, bytes).unwrap_or_else(|e| panic!("writing {path}: {e}"));
}

pub fn write_float<T: Copy + Into<f64>>(value: &T, path: &str) {
    write(&exact((*value).into()), path);
}

pub fn write_floats<T: Copy + Into<f64>>(values: &[T], path: &str) {
    write(&values.iter().map(|&v| exact(v.into())).collect::<Vec<Value>>(), path);
}

fn exact(v: f64) -> Value {
    serde_json::Number::from_f64(v).map_or_else(|| v.to_string().into(), Value::Number)
}
