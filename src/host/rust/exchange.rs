//! What `-i` and `-o` add to a Rust cell: the crates that read and write variables, and the code
//! that calls them. Only the crates of the kinds at hand are built.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::base::{Error, Result, files};
use crate::script::{Element, Exported, Interpreter, Precision};

/// A crate for Rust cells, embedded here and built on the user's machine when it is first needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Crate {
    Values,
    Tables,
    Tensors,
    Dataset,
}

impl Crate {
    fn name(self) -> &'static str {
        match self {
            Self::Values => "spatia_values",
            Self::Tables => "spatia_tables",
            Self::Tensors => "spatia_tensors",
            Self::Dataset => "spatia_dataset",
        }
    }

    /// Its manifest and its code.
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Values => (include_str!("cells/values.toml"), include_str!("cells/values.rs")),
            Self::Tables => (include_str!("cells/tables.toml"), include_str!("cells/tables.rs")),
            Self::Tensors => (include_str!("cells/tensors.toml"), include_str!("cells/tensors.rs")),
            Self::Dataset => (include_str!("cells/dataset.toml"), include_str!("cells/dataset.rs")),
        }
    }

    /// All of them. Those beyond values share crates whose features they change for each other:
    /// were they built one after the other, types would change, and variables of them be lost.
    const ALL: &[Self] = &[Self::Values, Self::Tables, Self::Tensors, Self::Dataset];
}

/// The lines that make cells depend on what they need; the crates lie in `folder` then.
fn depend(needs: &BTreeSet<Crate>, folder: &Path) -> Result<String> {
    let parts: &[Crate] = match needs.last() {
        None => &[],
        Some(Crate::Values) => &[Crate::Values],
        Some(_) => Crate::ALL,
    };
    let mut lines = String::new();
    for part in parts {
        let place = folder.join("crates").join(part.name());
        let (manifest, code) = part.text();
        for (name, text) in [("Cargo.toml", manifest), ("lib.rs", code)] {
            let file = place.join(name);
            // Cargo builds again what was written again.
            if std::fs::read_to_string(&file).is_ok_and(|held| held == text) {
                continue;
            }
            std::fs::create_dir_all(&place)
                .map_err(|e| Error::io(format!("making {}", place.display()), e))?;
            files::write(&file, text)?;
        }
        writeln!(lines, ":dep {} = {{ path = {place:?} }}", part.name()).ok();
    }
    Ok(lines)
}

/// A variable on its way to Rust.
pub struct Handed {
    name: String,
    kind: &'static str,
    value: String,
    needs: Option<Crate>,
}

/// The folder through which variables go; removed once they are over, because whoever ends the
/// process may leave no time for it, and a dataset is large.
pub struct Exchange {
    folder: TempDir,
}

impl Exchange {
    /// # Errors
    /// No folder for temporary files.
    pub fn new() -> Result<Self> {
        let folder = TempDir::with_prefix("spatia-rust-");
        let folder =
            folder.map_err(|e| Error::io("making a folder for the variables of Rust cells", e))?;
        Ok(Self { folder })
    }

    /// Writes a variable of the session.
    ///
    /// # Errors
    /// No such variable, a kind that does not go over, a name that Rust has no use for.
    pub fn give(&self, interpreter: &Interpreter, name: &str) -> Result<Handed> {
        variable(name)?;
        let exported = interpreter.export(name, self.folder.path())?;
        let (kind, value, needs) = typed(&exported);
        Ok(Handed { name: name.into(), kind, value, needs })
    }

    /// The code that gives Rust the variables.
    ///
    /// # Errors
    /// The crates cannot be written.
    pub fn load(&self, crates: &Path, handed: &[Handed]) -> Result<String> {
        let needs: BTreeSet<Crate> = handed.iter().filter_map(|h| h.needs).collect();
        let mut code = depend(&needs, crates)?;
        for Handed { name, kind, value, .. } in handed {
            writeln!(code, "let mut {name}: {kind} = {value};").ok();
        }
        Ok(code)
    }

    /// The code that writes Rust variables of these types, and the files that hold them then.
    ///
    /// # Errors
    /// The crates cannot be written.
    pub fn save(
        &self,
        crates: &Path,
        wanted: &[(String, String)],
    ) -> Result<(String, Vec<PathBuf>)> {
        let kinds: Vec<_> = wanted.iter().map(|(_, kind)| returned(kind)).collect();
        let mut code = depend(&kinds.iter().map(|k| k.0).collect(), crates)?;
        let mut written = Vec::new();
        for ((name, _), (part, function, end)) in wanted.iter().zip(kinds) {
            let file = self.folder.path().join(format!("{name}.out.{end}"));
            writeln!(code, "{}::{function}(&{name}, {file:?});", part.name()).ok();
            written.push(file);
        }
        Ok((code, written))
    }
}

/// The Rust type of a variable, and the expression that reads it.
fn typed(exported: &Exported) -> (&'static str, String, Option<Crate>) {
    let read = |part: Crate, function: &str, path: &Path| {
        (format!("{}::{function}({path:?})", part.name()), Some(part))
    };
    let (kind, (value, needs)) = match exported {
        Exported::Int(v) => ("i64", (format!("{v}_i64"), None)),
        Exported::Bool(v) => ("bool", (v.to_string(), None)),
        Exported::Text(v) => ("String", (format!("String::from({v:?})"), None)),
        // To the last bit, whatever number it is.
        Exported::Float(v) => ("f64", (format!("f64::from_bits({})", v.to_bits()), None)),
        Exported::List { of, some_missing, path } => {
            let (kind, function) = match (of, some_missing) {
                (Element::Int, false) => ("Vec<i64>", "integers"),
                (Element::Int, true) => ("Vec<Option<i64>>", "maybe_integers"),
                (Element::Float, false) => ("Vec<f64>", "floats"),
                (Element::Float, true) => ("Vec<Option<f64>>", "maybe_floats"),
                (Element::Bool, false) => ("Vec<bool>", "booleans"),
                (Element::Bool, true) => ("Vec<Option<bool>>", "maybe_booleans"),
                (Element::Text, false) => ("Vec<String>", "texts"),
                (Element::Text, true) => ("Vec<Option<String>>", "maybe_texts"),
            };
            (kind, read(Crate::Values, function, path))
        }
        Exported::Json(path) => ("spatia_values::Value", read(Crate::Values, "value", path)),
        Exported::Table(path) => ("spatia_tables::Table", read(Crate::Tables, "read", path)),
        Exported::Sparse(path) => ("spatia_tensors::Csr", read(Crate::Tensors, "read_csr", path)),
        Exported::Dataset(path) => ("spatia_dataset::Dataset", read(Crate::Dataset, "read", path)),
        Exported::Array(precision, axes, path) => {
            let kind = match (precision, axes) {
                (Precision::F32, 1) => "spatia_tensors::ndarray::Array1<f32>",
                (Precision::F32, 2) => "spatia_tensors::ndarray::Array2<f32>",
                (Precision::F32, _) => "spatia_tensors::ndarray::ArrayD<f32>",
                (Precision::F64, 1) => "spatia_tensors::ndarray::Array1<f64>",
                (Precision::F64, 2) => "spatia_tensors::ndarray::Array2<f64>",
                (Precision::F64, _) => "spatia_tensors::ndarray::ArrayD<f64>",
                (Precision::I64, 1) => "spatia_tensors::ndarray::Array1<i64>",
                (Precision::I64, 2) => "spatia_tensors::ndarray::Array2<i64>",
                (Precision::I64, _) => "spatia_tensors::ndarray::ArrayD<i64>",
            };
            (kind, read(Crate::Tensors, "read", path))
        }
    };
    (kind, value, needs)
}

/// The crate that writes a Rust type, its function, and the end of the file's name.
fn returned(kind: &str) -> (Crate, &'static str, &'static str) {
    let bare = kind.rsplit("::").next().unwrap_or(kind);
    if bare == "Table" && kind.starts_with("spatia_") {
        (Crate::Tables, "write", "arrow")
    } else if bare == "Csr" && kind.starts_with("spatia_") {
        (Crate::Tensors, "write_csr", "csr.safetensors")
    } else if kind.contains("ndarray") || kind.contains("ArrayBase<") || bare.starts_with("Array") {
        (Crate::Tensors, "write", "safetensors")
    } else if of_floats(kind) {
        (Crate::Values, "write_floats", "floats.json")
    } else {
        (Crate::Values, "write", "json")
    }
}

/// Whether a type is floats and what `spatia_values::Floats` knows around them.
fn of_floats(kind: &str) -> bool {
    const AROUND: [&str; 5] = ["Vec", "Option", "HashMap", "BTreeMap", "String"];
    let parts = kind.split(['<', '>', ',']).map(|t| t.rsplit("::").next().unwrap_or(t).trim());
    let parts: Vec<&str> = parts.filter(|t| !["", "RandomState"].contains(t)).collect();
    let is_float = |t: &&str| ["f64", "f32"].contains(t);
    // A list of texts is none; the key of a map may be one.
    parts.last().is_some_and(is_float) && parts.iter().all(|t| is_float(t) || AROUND.contains(t))
}

/// Refuses what Rust does not take for a name of a variable.
fn variable(name: &str) -> Result<()> {
    const WORDS: [&str; 37] = [
        "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum",
        "extern", "false", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod",
        "move", "mut", "pub", "ref", "return", "self", "static", "struct", "super", "trait",
        "true", "type", "unsafe", "use", "while",
    ];
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if first && rest && name != "_" && !WORDS.contains(&name) {
        return Ok(());
    }
    Err(Error::new(format!("handing '{name}' to a Rust cell"))
        .expected("the name of a variable of the session that Rust can have too")
        .found(format!("'{name}'"))
        .advice("Give a part of an object, or a name that Rust keeps for itself, another name first: `let kl = ds.obs[\"kl\"]`"))
}
