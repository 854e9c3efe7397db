//! One door for options: a JSON map (from a script, a file or a checkpoint) into a config struct.

mod words;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::words::quoted;
use self::words::{choices, listed, name, said};
use super::{Error, Result, nearest};

/// Reads `value` as a `T`, refusing unknown keys by name with the nearest known one.
///
/// `T` derives `Deserialize` (with `#[serde(default, deny_unknown_fields)]`) and `JsonSchema`.
///
/// # Errors
/// An unknown key, or a value of the wrong type, named with its key and the type that is wanted.
pub fn parse<T: DeserializeOwned + JsonSchema>(value: Value, what: &str) -> Result<T> {
    let schema = schemars::schema_for!(T).to_value();
    check(&value, &schema, &schema, what)?;
    serde_json::from_value(value).map_err(|e| {
        Error::new(format!("reading the options of {what}"))
            .found(e.to_string())
            .advice(format!("Options: {}", keys(&schema).collect::<Vec<_>>().join(", ")))
    })
}

fn keys(schema: &Value) -> impl Iterator<Item = &str> {
    schema["properties"].as_object().into_iter().flat_map(|p| p.keys().map(String::as_str))
}

/// Follows a `$ref` into the definitions of the schema.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

/// Compares a value with the schema before serde does, whose messages name neither the key nor
/// types as scripts do.
fn check(value: &Value, schema: &Value, root: &Value, what: &str) -> Result<()> {
    let schema = resolve(schema, root);
    if let Some(either) = schema["anyOf"].as_array() {
        let either = either.iter().map(|s| resolve(s, root)).collect::<Vec<_>>();
        return match (either.iter().find(|s| fits(value, s)), &either[..]) {
            (Some(one), _) => check(value, one, root, what),
            // An option that may be left out.
            (None, [one, null] | [null, one]) if null["type"] == "null" => {
                check(value, one, root, what)
            }
            _ => Err(unfit(value, schema, root, what)),
        };
    }
    if !fits(value, schema) {
        return Err(unfit(value, schema, root, what));
    }
    match value {
        Value::Object(map) => map.iter().try_for_each(|(key, v)| entry(key, v, schema, root, what)),
        Value::Array(values) => {
            let n = values.len() as u64;
            let fewer = schema["minItems"].as_u64().is_some_and(|least| n < least);
            if fewer || schema["maxItems"].as_u64().is_some_and(|most| n > most) {
                return Err(unfit(value, schema, root, what));
            }
            values
                .iter()
                .enumerate()
                .try_for_each(|(i, v)| check(v, &schema["items"], root, &format!("{what}[{i}]")))
        }
        Value::String(text) => match choices(schema) {
            Some(known) if !known.contains(&text.as_str()) => {
                let near = nearest::nearest(text, known).map(|k| format!("Did you mean \"{k}\"?"));
                Err(unfit(value, schema, root, what).advice(near.unwrap_or_default()))
            }
            _ => Ok(()),
        },
        Value::Number(_) => bounds(value, schema, what),
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

/// A key of an option map and its value.
fn entry(key: &str, value: &Value, schema: &Value, root: &Value, what: &str) -> Result<()> {
    let path = format!("{what}.{key}");
    let Some(known) = schema["properties"].as_object() else {
        return check(value, &schema["additionalProperties"], root, &path);
    };
    match known.get(key) {
        Some(schema) => check(value, schema, root, &path),
        None => Err(Error::new(format!("reading the options of {what}"))
            .found(format!("an unknown option '{key}'"))
            .advice(nearest::advice(key, known.keys().map(String::as_str)))),
    }
}

fn bounds(value: &Value, schema: &Value, what: &str) -> Result<()> {
    let refuse = |expected: String| {
        Err(Error::new(format!("reading the option {what}"))
            .expected(expected)
            .found(value.to_string()))
    };
    let most = schema["maximum"]
        .as_f64()
        .or_else(|| (schema["format"] == "uint32").then_some(f64::from(u32::MAX)));
    match (value.as_f64(), schema["minimum"].as_f64(), most) {
        (Some(v), Some(least), _) if v < least => refuse(format!("at least {least}")),
        (Some(v), _, Some(most)) if v > most => refuse(format!("at most {most}")),
        _ => Ok(()),
    }
}

/// Whether a value is of a type that the schema allows; what it holds is not looked at.
fn fits(value: &Value, schema: &Value) -> bool {
    let is = |t: &Value| match t.as_str() {
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        _ => true,
    };
    match &schema["type"] {
        Value::Array(types) => types.iter().any(is),
        _ if choices(schema).is_some() => value.is_string(),
        one => is(one),
    }
}

fn unfit(value: &Value, schema: &Value, root: &Value, what: &str) -> Error {
    let expected = match choices(schema) {
        Some(known) => listed(&known),
        None => name(schema, root),
    };
    let error = Error::new(format!("reading the option {what}")).expected(expected);
    let error = error.found(said(value));
    match value.as_f64().filter(|v| v.fract() == 0.0) {
        Some(v) if fits(&Value::from(v as i64), schema) => error.advice(format!("Write {v}")),
        _ => error,
    }
}
