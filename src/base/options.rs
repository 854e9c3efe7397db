//! One door for options: a JSON map (from a script, a file or a checkpoint) into a config struct.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

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

fn check(value: &Value, schema: &Value, root: &Value, what: &str) -> Result<()> {
    let schema = match (&schema["anyOf"], value.is_null()) {
        // An option that may be left out: null, or what it is.
        (Value::Array(either), false) => {
            let mut some = either.iter().filter(|s| s["type"] != "null");
            match (some.next(), some.next()) {
                (Some(one), None) => one,
                _ => schema,
            }
        }
        _ => schema,
    };
    let schema = resolve(schema, root);
    let (Some(map), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    else {
        return type_of(value, schema, what);
    };
    for (key, v) in map {
        match properties.get(key) {
            Some(p) => check(v, p, root, &format!("{what}.{key}"))?,
            None => {
                return Err(Error::new(format!("reading the options of {what}"))
                    .found(format!("an unknown option '{key}'"))
                    .advice(nearest::advice(key, properties.keys().map(String::as_str))));
            }
        }
    }
    Ok(())
}

/// Compares the JSON type of a scalar with the schema's, so that the message can name the key.
fn type_of(value: &Value, schema: &Value, what: &str) -> Result<()> {
    let doing = format!("reading the option {what}");
    if let (Some(text), Some(known)) = (value.as_str(), choices(schema)) {
        if known.contains(&text) {
            return Ok(());
        }
        return Err(Error::new(doing)
            .expected(known.join(" or "))
            .found(value.to_string())
            .advice(nearest::advice(text, known)));
    }
    let allowed = types(schema);
    if allowed.is_empty() {
        return Ok(());
    }
    let fits = allowed.iter().any(|t| match *t {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    });
    if !fits {
        return Err(Error::new(doing).expected(allowed.join(" or ")).found(value.to_string()));
    }
    let (Some(least), Some(v)) = (schema["minimum"].as_f64(), value.as_f64()) else {
        return Ok(());
    };
    if v < least {
        return Err(Error::new(doing)
            .expected(format!("at least {least}"))
            .found(value.to_string()));
    }
    Ok(())
}

/// The texts that an enumeration allows.
fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(known) = schema["enum"].as_array() {
        return known.iter().map(Value::as_str).collect();
    }
    schema["oneOf"].as_array()?.iter().map(|one| one["const"].as_str()).collect()
}

/// The JSON types that a schema allows, those of its alternatives included.
fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(t) => vec![t],
        Value::Array(ts) => ts.iter().filter_map(Value::as_str).collect(),
        _ => schema["anyOf"].as_array().into_iter().flatten().flat_map(types).collect(),
    }
}
