//! A notebook file, nbformat 4: what we do not know of it stays as it is, in its order.
//!
//! The `nbformat` crate was passed over: it keeps metadata in hash maps, so every writing shuffles
//! their keys, and what its structs do not name (fields of cells and outputs) is lost.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Serializer, Value, json};

use crate::base::{Error, Result, files};
use crate::host::kernel::info;

/// Languages that a notebook of ours may name.
const OURS: [&str; 2] = ["rhai", "spatia"];

/// Where in a notebook's metadata is what we keep there, and the values of its parameters in that.
const OWN: &str = "spatia";
const GIVEN: &str = "parameters";

/// A notebook that has been looked over: `nbformat` 4 with cells that have a type and a source.
pub struct Notebook {
    root: Map<String, Value>,
    /// What its lines are indented by.
    indent: String,
}

impl Notebook {
    /// Reads a notebook of ours.
    ///
    /// # Errors
    /// No such file, no notebook, another version of the format, another language.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &files::read_text(path)?)
    }

    /// See [`Notebook::read`]; `path` is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let error = || Error::new(format!("reading the notebook {}", path.display()));
        let a_notebook = || error().expected("a Jupyter notebook (JSON with nbformat and cells)");
        let root = match serde_json::from_str(text) {
            Ok(Value::Object(root)) => root,
            Ok(_) => return Err(a_notebook().found("other JSON")),
            Err(_) if text.trim().is_empty() => return Err(a_notebook().found("an empty file")),
            Err(e) => return Err(a_notebook().found(format!("no JSON: {e}"))),
        };
        let Some(major) = root.get("nbformat").and_then(Value::as_u64) else {
            return Err(a_notebook().found("JSON without the field nbformat"));
        };
        if major != 4 {
            return Err(error()
                .expected("nbformat 4, which Jupyter has written since 2015")
                .found(format!("nbformat {major}"))
                .advice("Convert a copy: jupyter nbconvert --to notebook --nbformat 4 FILE"));
        }
        let indent: String = text
            .lines()
            .nth(1)
            .unwrap_or(" ")
            .chars()
            .take_while(|&c| c == ' ' || c == '\t')
            .collect();
        let indent = if indent.is_empty() { " ".into() } else { indent };
        let notebook = Self { root, indent };
        notebook.check_cells(&a_notebook)?;
        notebook.check_language(path)?;
        Ok(notebook)
    }

    /// A new notebook of code cells.
    pub fn of_cells(texts: &[String]) -> Self {
        let cell = |(i, text): (usize, &String)| {
            json!({
                "cell_type": "code",
                "execution_count": null,
                "id": format!("cell-{}", i + 1),
                "metadata": {},
                "outputs": [],
                "source": lines(text.trim_end()),
            })
        };
        let cells: Vec<Value> = texts.iter().enumerate().map(cell).collect();
        let mut root = Map::new();
        root.insert("cells".into(), cells.into());
        root.insert("metadata".into(), json!({}));
        root.insert("nbformat".into(), 4.into());
        root.insert("nbformat_minor".into(), 5.into());
        let mut notebook = Self { root, indent: " ".into() };
        notebook.sign();
        notebook
    }

    fn check_cells(&self, a_notebook: &dyn Fn() -> Error) -> Result<()> {
        let Some(cells) = self.root.get("cells").and_then(Value::as_array) else {
            return Err(a_notebook().found("JSON without a list of cells"));
        };
        let is_text = |v: &Value| {
            v.is_string() || v.as_array().is_some_and(|a| a.iter().all(Value::is_string))
        };
        for (i, cell) in cells.iter().enumerate() {
            let known = matches!(cell["cell_type"].as_str(), Some("code" | "markdown" | "raw"));
            if !known || !is_text(&cell["source"]) {
                let found = format!("cell {} without a type or a source", i + 1);
                return Err(a_notebook().found(found));
            }
        }
        Ok(())
    }

    fn check_language(&self, path: &Path) -> Result<()> {
        let metadata = self.root.get("metadata").unwrap_or(&Value::Null);
        let said = [&metadata["kernelspec"]["language"], &metadata["language_info"]["name"]];
        let mut said = said.into_iter().filter_map(Value::as_str).peekable();
        let name = metadata["kernelspec"]["name"].as_str().unwrap_or("spatia");
        let ours = match said.peek() {
            Some(_) => said.all(|language| OURS.contains(&language.to_lowercase().as_str())),
            None => name.contains("spatia"),
        };
        if ours {
            return Ok(());
        }
        let language = metadata["kernelspec"]["display_name"].as_str().unwrap_or(name);
        Err(Error::new(format!("running the notebook {}", path.display()))
            .expected("a notebook of the Spatia kernel (language rhai)")
            .found(format!("one of the kernel {language}"))
            .advice("Its own kernel runs it: jupyter nbconvert --to notebook --execute FILE"))
    }

    /// Says in the metadata whose notebook it is and which language it speaks, as nbclient does.
    pub fn sign(&mut self) {
        let metadata = self.root.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata {
            metadata.entry("kernelspec").or_insert_with(
                || json!({ "display_name": "Spatia", "language": "rhai", "name": "spatia" }),
            );
            // Sorted, as Jupyter writes it.
            let mut language = info::language();
            language.sort_all_objects();
            metadata.insert("language_info".into(), language);
        }
    }

    /// What the calls of `param` were given when the notebook ran before.
    pub fn given(&self) -> BTreeMap<String, Value> {
        let given = self.root.get("metadata").and_then(|m| m.get(OWN)?.get(GIVEN)?.as_object());
        given.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Keeps that for the next run.
    pub fn set_given(&mut self, values: Map<String, Value>) {
        let metadata = self.root.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata {
            match values.is_empty() {
                true => metadata.shift_remove(OWN),
                false => metadata.insert(OWN.into(), json!({ GIVEN: values })),
            };
        }
    }

    pub fn len(&self) -> usize {
        self.cells().len()
    }

    pub fn cells(&self) -> &[Value] {
        self.root.get("cells").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn cell_mut(&mut self, index: usize) -> Option<&mut Map<String, Value>> {
        self.root.get_mut("cells")?.get_mut(index)?.as_object_mut()
    }

    /// The text of a cell of code that is not empty; `None` for all others.
    pub fn code(&self, index: usize) -> Option<String> {
        let cell = self.cells().get(index).filter(|c| c["cell_type"] == "code")?;
        let text = match &cell["source"] {
            Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
            source => source.as_str().unwrap_or_default().to_owned(),
        };
        (!text.trim().is_empty()).then_some(text)
    }

    pub fn has_tag(&self, index: usize, tag: &str) -> bool {
        let tags = self.cells().get(index).and_then(|c| c["metadata"]["tags"].as_array());
        tags.is_some_and(|tags| tags.iter().any(|t| t == tag))
    }

    pub fn tagged(&self, tag: &str) -> Option<usize> {
        (0..self.len()).find(|&i| self.has_tag(i, tag))
    }

    /// Puts a cell of code at `index`, under `name` as its tag and, where cells have one, its id.
    pub fn insert(&mut self, index: usize, name: &str, source: &str) {
        let mut cell = json!({ "cell_type": "code", "execution_count": null });
        if self.root.get("nbformat_minor").and_then(Value::as_u64).is_some_and(|minor| minor >= 5) {
            cell["id"] = name.into();
        }
        cell["metadata"] = json!({ "tags": [name] });
        cell["outputs"] = json!([]);
        cell["source"] = lines(source);
        if let Some(Value::Array(cells)) = self.root.get_mut("cells") {
            cells.insert(index.min(cells.len()), cell);
        }
    }

    /// The text of a cell.
    pub fn set_source(&mut self, index: usize, source: &str) {
        if let Some(cell) = self.cell_mut(index) {
            cell.insert("source".into(), lines(source));
        }
    }

    /// The file's text.
    pub fn text(&self) -> Result<String> {
        let mut bytes = Vec::new();
        let format = PrettyFormatter::with_indent(self.indent.as_bytes());
        self.root
            .serialize(&mut Serializer::with_formatter(&mut bytes, format))
            .map_err(|e| Error::io("writing a notebook as JSON", e))?;
        bytes.push(b'\n');
        String::from_utf8(bytes).map_err(|e| Error::io("writing a notebook as JSON", e))
    }
}

/// A text as notebooks hold it: a list of its lines with their ends.
pub fn lines(text: &str) -> Value {
    text.split_inclusive('\n').collect()
}
