//! What types are called: one name each in messages, documentation, completion and `:vars`.

/// A type of Rust or Rhai as the language calls it.
pub(super) fn type_word(rust: &str) -> String {
    let t = rust.trim().trim_start_matches("&mut ").trim();
    let t = t.strip_prefix("Outcome<").and_then(|t| t.strip_suffix('>')).unwrap_or(t).trim();
    match t {
        "&str | ImmutableString | String" | "&str" | "String" | "string" => "text",
        "i64" | "INT" => "int",
        "f64" | "FLOAT" => "float",
        "Map" => "map",
        "Array" => "array",
        "Dynamic" | "?" => "any",
        "Fn" | "FnPtr" => "function",
        "()" | "nothing" | "Printed" => "()",
        t if t.ends_with("ImmutableString") => "text",
        t if t.ends_with("Dynamic>") && t.contains("Vec<") => "array",
        t if t.ends_with("Dynamic>") && t.contains("Map<") => "map",
        other => other.rsplit("::").next().unwrap_or(other),
    }
    .to_owned()
}
