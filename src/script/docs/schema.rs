//! What a schema says of the keys of an option map.

use serde_json::Value;

use super::Choice;

/// The keys in the order of the configuration.
pub(super) fn choices(schema: &Value) -> Vec<Choice> {
    let text = |v: &Value| v.as_str().unwrap_or_default().replace('\n', " ");
    let properties = schema["properties"].as_object().into_iter().flatten();
    let choice = |(key, p): (&String, &Value)| Choice {
        key: key.clone(),
        kind: kind(p, schema),
        default: if p["default"].is_null() { String::new() } else { p["default"].to_string() },
        doc: text(&p["description"]),
    };
    properties.map(choice).collect()
}

/// The type of an option in a word.
fn kind(property: &Value, root: &Value) -> String {
    if let Some(name) = property["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
        return root.pointer(name).map(|p| kind(p, root)).unwrap_or_default();
    }
    let named = |t: &str| {
        match t {
            "integer" => "int",
            "number" => "float",
            "string" => "text",
            "boolean" => "bool",
            "object" => "map",
            other => other,
        }
        .to_owned()
    };
    let several = |key: &str| {
        property[key].as_array().map(|all| {
            all.iter()
                .map(|p| kind(p, root))
                .filter(|k| k != "null")
                .collect::<Vec<_>>()
                .join(" or ")
        })
    };
    match (&property["type"], property["const"].as_str()) {
        (_, Some(value)) => format!("\"{value}\""),
        (Value::String(t), _) if property["enum"].is_array() => {
            let values = property["enum"].as_array().into_iter().flatten();
            let _ = t;
            values.map(Value::to_string).collect::<Vec<_>>().join(" or ")
        }
        (Value::String(t), _) => named(t),
        (Value::Array(ts), _) => ts
            .iter()
            .filter_map(Value::as_str)
            .filter(|t| *t != "null")
            .map(named)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => several("oneOf")
            .or_else(|| several("anyOf"))
            .or_else(|| several("allOf"))
            .unwrap_or_default(),
    }
}
