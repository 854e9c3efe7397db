//! Parameters of a notebook, as papermill has them: a cell tagged `parameters` sets them to their
//! defaults, and what the command line says is set anew in a cell tagged `injected-parameters`
//! behind it. `param("name", default, "what it is")`, as scripts have it, works in any cell, too;
//! what it was given stands in the notebook's metadata. A notebook that is run again without any
//! has the values that it was given last.

use std::collections::BTreeMap;

use serde_json::Value;

use super::file::Notebook;
use crate::base::{Error, Result};
use crate::host::cell::Cell;
use crate::host::{Session, report};
use crate::script::{Param, Signature};

const DEFAULTS: &str = "parameters";
const INJECTED: &str = "injected-parameters";

/// What a notebook can be given.
#[derive(Default)]
pub struct Parameters {
    /// All of them, those of the tagged cell first.
    pub signature: Signature,
    /// How many come from the tagged cell.
    tagged: usize,
    /// What the notebook was given when it ran before.
    before: BTreeMap<String, Value>,
    /// Cells that could not be read, for messages.
    pub unread: Vec<String>,
}

impl Parameters {
    /// Reads them off the notebook, without running it.
    pub fn of(notebook: &Notebook, session: &Session) -> Self {
        let mut found = Self::default();
        if let Some(code) = notebook.tagged(DEFAULTS).and_then(|i| notebook.code(i)) {
            match session.assigned(&code, "the cell of parameters") {
                Ok(params) => found.signature.params = params,
                Err(e) => found.unread.push(report::render(&e, session)),
            }
        }
        found.tagged = found.signature.params.len();
        for index in 0..notebook.len() {
            let code = notebook.code(index).filter(|c| matches!(Cell::parse(c), Cell::Code(_)));
            let Some(code) = code else { continue };
            match session.signature(&code, &format!("cell {}", index + 1)) {
                Ok(signature) => signature.params.into_iter().for_each(|p| {
                    if found.signature.params.iter().all(|known| known.name != p.name) {
                        found.signature.params.push(p);
                    }
                }),
                Err(e) => found.unread.push(report::render(&e, session)),
            }
        }
        found.before = notebook.given();
        if let Some(code) = notebook.tagged(INJECTED).and_then(|i| notebook.code(i))
            && let Ok(params) = session.assigned(&code, "the cell of given parameters")
        {
            found.before.extend(params.into_iter().map(|p| (p.name, p.default)));
        }
        found
    }

    /// Checks the arguments and puts what they say into the notebook; returns what `param` is to
    /// answer.
    ///
    /// # Errors
    /// An unknown name, a value of another type than the default, one that must be given and is
    /// not.
    pub fn apply(
        &self,
        notebook: &mut Notebook,
        arguments: &[String],
    ) -> Result<BTreeMap<String, Value>> {
        if arguments.is_empty() {
            return self.as_before().bind(arguments);
        }
        if self.signature.params.is_empty() {
            return Err(Error::new("reading the parameters")
                .expected("a notebook that has some")
                .found("no cell tagged \"parameters\" and no call of param")
                .advice(
                    "Tag the cell that sets them (JupyterLab: Property Inspector, Cell Tags)",
                ));
        }
        let values = self.signature.bind(arguments)?;
        let mut given = self.given(&values, arguments);
        let of_cell =
            |name: &str| self.signature.params[..self.tagged].iter().any(|p| p.name == name);
        let rest = given.extract_if(.., |(name, _)| !of_cell(name)).collect();
        notebook.set_given(rest);
        let set: String =
            given.iter().map(|(name, value)| format!("\nlet {name} = {}", source(value))).collect();
        let text = format!("// Parameters{set}");
        match (notebook.tagged(INJECTED), notebook.tagged(DEFAULTS)) {
            (Some(there), _) => notebook.set_source(there, &text),
            (None, _) if set.is_empty() => {}
            (None, at) => notebook.insert(at.map_or(0, |i| i + 1), INJECTED, &text),
        }
        Ok(values)
    }

    /// The parameters with what the notebook was given before for defaults, where that fits still.
    fn as_before(&self) -> Signature {
        let mut signature = self.signature.clone();
        for p in &mut signature.params {
            if let Some(value) = self.before.get(&p.name) {
                let before = Param { default: value.clone(), ..p.clone() };
                if p.type_name() == before.type_name() {
                    *p = before;
                }
            }
        }
        signature
    }

    /// The parameters that the arguments name, with what they are set to.
    pub fn given(
        &self,
        values: &BTreeMap<String, Value>,
        arguments: &[String],
    ) -> Vec<(String, Value)> {
        let named = |name: &str| arguments.iter().any(|a| names(a, name));
        let given = self.signature.params.iter().filter(|p| named(&p.name));
        given.filter_map(|p| Some((p.name.clone(), values.get(&p.name)?.clone()))).collect()
    }

    /// Whether there is a parameter that `--name` means.
    pub fn has(&self, name: &str) -> bool {
        self.signature.params.iter().any(|p| names(&format!("--{name}"), &p.name))
    }
}

/// Whether an argument is `--name` or `--name=value`.
fn names(argument: &str, name: &str) -> bool {
    let flag = argument.strip_prefix("--").map(|a| a.split('=').next().unwrap_or(a));
    flag.is_some_and(|flag| flag == name || flag == name.replace('_', "-"))
}

/// A value as the language writes it.
fn source(value: &Value) -> String {
    match value {
        Value::Null => "()".into(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(source).collect::<Vec<_>>().join(", "))
        }
        // Rust writes a float without an exponent; the language wants its point.
        Value::Number(n) if n.is_f64() => format!("{:?}", n.as_f64().unwrap_or(f64::NAN)),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            c if c.is_control() => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}
