//! What a session knows at a moment, as plain data that other threads may read while a cell runs.

mod value;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{Dynamic, FnAccess, Module as Functions, Shared};

use super::Interpreter;
use super::docs::outline::{self, Function};
use super::session::{IN, LAST, OUT};

/// How many texts and values of cells are taken.
const LATEST: usize = 30;

/// The names of a session and what can follow them. What the language itself offers is in
/// [`super::docs`].
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By name; `In` and `Out` are among them once there are any.
    pub variables: Vec<Variable>,
    /// What cells have defined, by name.
    pub functions: Vec<Function>,
    /// What cells have imported, by the name it has here.
    pub modules: Vec<Module>,
}

/// One variable of the session, or something inside one.
#[derive(Clone, Debug, Default)]
pub struct Variable {
    pub name: String,
    /// As the language calls it: "Dataset", "int", "map".
    pub kind: String,
    /// One line.
    pub summary: String,
    /// The lengths of its axes, for what has any.
    pub shape: Vec<usize>,
    /// What is inside by name: `obs` and the other parts of a dataset, the columns of a table, the
    /// matrices of `obsm`, the keys of a map, the groups of a column.
    pub parts: Vec<Variable>,
    /// The names of a dataset's genes, shared with it.
    pub genes: Option<Arc<Vec<String>>>,
}

/// A module that a cell has imported.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// `g` in `import "gvae" as g`.
    pub alias: String,
    /// "<gvae>", or the file.
    pub name: String,
    pub functions: Arc<Vec<Function>>,
    /// What it exports beside functions.
    pub values: Vec<Variable>,
}

impl Known {
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|v| v.name == name)
    }

    pub fn module(&self, alias: &str) -> Option<&Module> {
        self.modules.iter().find(|m| m.alias == alias)
    }
}

impl Variable {
    pub fn part(&self, name: &str) -> Option<&Variable> {
        self.parts.iter().find(|v| v.name == name)
    }
}

type SharedModule = Shared<Functions>;

/// The functions of cells and modules that were seen before. Holding the module keeps its address
/// its own, so that equal addresses are equal modules.
#[derive(Default)]
pub(super) struct Outlines(RefCell<Vec<(SharedModule, Arc<Vec<Function>>)>>);

impl Outlines {
    fn of(&self, module: &SharedModule, source: impl FnOnce() -> String) -> Arc<Vec<Function>> {
        let same = |(m, _): &&(SharedModule, _)| Shared::ptr_eq(m, module);
        if let Some((_, found)) = self.0.borrow().iter().find(same) {
            return found.clone();
        }
        let found = Arc::new(functions(module, &source()));
        self.0.borrow_mut().push((module.clone(), found.clone()));
        found
    }
}

/// The functions that a module has, with the text of each.
fn functions(module: &Functions, source: &str) -> Vec<Function> {
    let live: BTreeSet<(&str, usize)> = module
        .iter_script_fn_info()
        .filter(|(_, access, ..)| *access == FnAccess::Public)
        .map(|(_, _, name, params, _)| (name, params))
        .collect();
    let written = outline::functions(source).into_iter();
    written.filter(|f| live.contains(&(f.name.as_str(), f.params.len()))).collect()
}

impl Interpreter {
    /// A picture of the session's names; cheap enough to take after every cell.
    pub fn known(&self) -> Known {
        Known {
            variables: self.described(),
            functions: self.live_functions(),
            modules: self.imported(),
        }
    }

    fn described(&self) -> Vec<Variable> {
        let mut latest = BTreeMap::new();
        // The latest of a name comes first.
        for (name, _, value) in self.scope.iter_raw() {
            latest.entry(name).or_insert(value);
        }
        let described = latest.into_iter().map(|(name, v)| value::describe(&self.engine, name, v));
        described.chain(self.kept()).collect()
    }

    /// `In`, `Out` and `_`, with the latest of what they hold by its number.
    fn kept(&self) -> Vec<Variable> {
        let cells = self.state.cells.borrow();
        let text = |(n, text): (usize, &str)| value::text(&n.to_string(), text);
        let kept = |(n, v): (usize, &Dynamic)| value::describe(&self.engine, &n.to_string(), v);
        let texts: Vec<Variable> = cells.texts(LATEST).map(text).collect();
        let values: Vec<Variable> = cells.values(LATEST).map(kept).collect();
        let last = values.first().map(|v| Variable { name: LAST.into(), ..v.clone() });
        let all = [value::listed(IN, texts), value::listed(OUT, values)];
        all.into_iter().filter(|v| !v.parts.is_empty()).chain(last).collect()
    }

    fn live_functions(&self) -> Vec<Function> {
        let mut latest = BTreeMap::new();
        for lib in self.global.lib.iter().filter(|lib| !lib.is_empty()) {
            for f in self.outlines.of(lib, || self.text_of(lib)).iter() {
                latest.insert((f.name.clone(), f.params.len()), f.clone());
            }
        }
        latest.into_values().collect()
    }

    fn imported(&self) -> Vec<Module> {
        let mut latest = BTreeMap::new();
        for (alias, module) in self.global.scan_imports_raw() {
            let values = module.iter_var();
            let values = values.map(|(name, v)| value::describe(&self.engine, name, v)).collect();
            let functions = self.outlines.of(module, || self.text_of(module));
            let name = module.id().unwrap_or_default().to_owned();
            let alias = alias.to_string();
            latest.insert(alias.clone(), Module { alias, name, functions, values });
        }
        latest.into_values().collect()
    }

    fn text_of(&self, module: &Functions) -> String {
        module.id().and_then(|id| self.source(id)).unwrap_or_default()
    }
}
