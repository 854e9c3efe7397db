//! Maps and arrays, and what is in them.

use rhai::Dynamic;
use serde_json::{Map, Value, json};

use super::grid::cut;
use super::object;
use crate::base::{Error, Result};
use crate::script::convert;
use crate::script::output::Bundle;

/// What there is room for.
struct Room {
    /// Characters across of a line.
    width: usize,
    /// Values of an array.
    values: usize,
}

/// Where values are looked at.
const SHOWN: Room = Room { width: 88, values: 100 };
/// Where they are all wanted.
const ALL: Room = Room { width: usize::MAX, values: usize::MAX };
/// A map of no more lines is shown open.
const OPEN: usize = 20;

/// Text, and JSON, which notebooks show as a tree.
pub fn bundle(value: &Dynamic) -> Bundle {
    let text = in_lines(value);
    let lines = text.lines().count();
    let bundle = Bundle::text(text);
    // One line says it all; and what is too long to be shown would make the notebook heavy.
    if lines == 1 || leaves(value) > 10 * SHOWN.values {
        return bundle;
    }
    bundle
        .with("application/json", outline(value))
        .described("application/json", json!({ "expanded": lines <= OPEN }))
}

/// As JSON to look at: objects in a line, not with all they hold.
fn outline(value: &Dynamic) -> Value {
    if let Ok(map) = value.as_map_ref() {
        let entry = |(name, value): (&_, &Dynamic)| (ToString::to_string(name), outline(value));
        return map.iter().map(entry).collect::<Map<_, _>>().into();
    }
    if let Ok(array) = value.as_array_ref() {
        return array.iter().map(outline).collect();
    }
    match object(value) {
        Some(_) => json!(leaf(value, &SHOWN)),
        None => json(value).unwrap_or_else(|_| json!(leaf(value, &SHOWN))),
    }
}

/// Values beneath one, itself where there are none.
fn leaves(value: &Dynamic) -> usize {
    if let Ok(map) = value.as_map_ref() {
        return map.values().map(leaves).sum();
    }
    value.as_array_ref().map_or(1, |array| array.iter().map(leaves).sum())
}

/// As code would write it, with objects by their first line; a long array shortened.
pub fn in_lines(value: &Dynamic) -> String {
    text(value, 0, &SHOWN)
}

/// The same, all of it on one line.
pub fn in_a_line(value: &Dynamic) -> String {
    text(value, 0, &ALL)
}

/// On one line where it fits, else a value a line.
fn text(value: &Dynamic, indent: usize, room: &Room) -> String {
    let (open, close, parts) = if let Ok(map) = value.as_map_ref() {
        let entry = |(name, value): (&_, &Dynamic)| {
            format!("{:?}: {}", name, text(value, indent + 2, room))
        };
        ("#{", "}", map.iter().map(entry).collect::<Vec<_>>())
    } else if let Ok(array) = value.as_array_ref() {
        let shown = array.iter().take(room.values).map(|v| text(v, indent + 2, room));
        let more = array.len().saturating_sub(room.values);
        let more = (more > 0).then(|| format!("… {more} more"));
        ("[", "]", shown.chain(more).collect())
    } else {
        return leaf(value, room);
    };
    let line = format!("{open}{}{close}", parts.join(", "));
    if line.chars().count() + indent <= room.width && !line.contains('\n') {
        return line;
    }
    let pad = " ".repeat(indent);
    // Short values share lines, as many as fit.
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(last)
                if open == "["
                    && !part.contains('\n')
                    && !last.contains('\n')
                    && last.chars().count() + part.chars().count() + indent + 4 <= room.width =>
            {
                last.push_str(", ");
                last.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    format!("{open}\n{pad}  {}\n{pad}{close}", lines.join(&format!(",\n{pad}  ")))
}

fn leaf(value: &Dynamic, room: &Room) -> String {
    match object(value) {
        Some(object) => cut(object.to_string().lines().next().unwrap_or_default(), room.width),
        None if value.is_fnptr() => value.to_string(),
        None => format!("{value:?}"),
    }
}

/// Any value as JSON.
///
/// # Errors
/// A value that is no data, such as a function; what objects refuse.
pub fn json(value: &Dynamic) -> Result<Value> {
    if let Some(object) = object(value) {
        return object.json();
    }
    if let Ok(map) = value.as_map_ref() {
        let entry = |(name, value): (&_, &Dynamic)| Ok((ToString::to_string(name), json(value)?));
        return map.iter().map(entry).collect::<Result<Map<_, _>>>().map(Value::Object);
    }
    if let Ok(array) = value.as_array_ref() {
        return array.iter().map(json).collect::<Result<Vec<_>>>().map(Value::Array);
    }
    rhai::serde::from_dynamic(value).map_err(|_| {
        Error::new("writing a value as JSON")
            .expected("numbers, texts, true and false, arrays, maps and objects of Spatia")
            .found(convert::said(value))
    })
}

/// A number for JSON, which has none for what is not finite.
pub fn number(v: f64) -> Value {
    serde_json::Number::from_f64(v).map_or(Value::Null, Value::Number)
}
