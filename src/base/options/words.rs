//! Types and values of options as scripts call them.

use serde_json::Value;

use super::resolve;

/// What a schema allows: "a whole number", "an array of 4 numbers".
pub(super) fn name(schema: &Value, root: &Value) -> String {
    named(schema, root, "a ", "")
}

/// With what stands before a noun and the end of its plural.
fn named(schema: &Value, root: &Value, before: &str, s: &str) -> String {
    let schema = resolve(schema, root);
    if let Some(either) = schema["anyOf"].as_array() {
        let either = either.iter().filter(|one| one["type"] != "null");
        return either.map(|one| named(one, root, before, s)).collect::<Vec<_>>().join(" or ");
    }
    if let Some(known) = choices(schema) {
        return listed(&known);
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    let word = |t: &&str| match *t {
        "integer" => format!("{before}whole number{s}"),
        "number" => format!("{before}number{s}"),
        "string" => format!("{before}text{s}"),
        "boolean" => "true or false".into(),
        "array" => {
            let n =
                schema["minItems"].as_u64().filter(|_| schema["minItems"] == schema["maxItems"]);
            let n = n.map(|n| format!("{n} ")).unwrap_or_default();
            let before = if before == "a " { "an " } else { before };
            format!("{before}array{s} of {}", named(&schema["items"], root, &n, "s"))
        }
        _ => format!("{before}map{s}"),
    };
    types.iter().filter(|t| **t != "null").map(word).collect::<Vec<_>>().join(" or ")
}

/// A value in a message: what it is, and itself where it is short.
pub(super) fn said(value: &Value) -> String {
    match value {
        Value::Null => "() (nothing)".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(values) => match values.len() {
            0 => "an empty array".into(),
            1 => "an array of 1 value".into(),
            n => format!("an array of {n} values"),
        },
        Value::Object(_) => "a map".into(),
    }
}

/// The text "six"; of a long one the beginning.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let more = if text.chars().count() > MOST { "..." } else { "" };
    format!("the text \"{}{more}\"", text.chars().take(MOST).collect::<String>())
}

/// The texts that an enumeration allows.
pub(super) fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(one) = schema["const"].as_str() {
        return Some(vec![one]);
    }
    if let Some(known) = schema["enum"].as_array() {
        return known.iter().map(Value::as_str).collect();
    }
    let each = schema["oneOf"].as_array()?.iter().map(choices).collect::<Option<Vec<_>>>()?;
    Some(each.concat())
}

/// "a", "b" or "c".
pub(super) fn listed(known: &[&str]) -> String {
    let all: Vec<String> = known.iter().map(|k| format!("\"{k}\"")).collect();
    match &all[..] {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => all.concat(),
    }
}
