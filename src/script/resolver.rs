//! `import "name" as x`: the standard library first, then a file beside the script that imports.
//!
//! The standard library lies in the binary. Where there is its checkout (`$SPATIA_STDLIB`, or the
//! folder the binary was built from), its files are read instead, so that an edit counts. A module
//! whose text, or that of one it imports, has changed is loaded anew: at its `import`, and before
//! the next cell runs where it was imported before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{
    Engine, EvalAltResult, GlobalRuntimeState, Module, ModuleResolver, Position, Scope, Shared,
};

use super::describe::World;
use super::error::Failure;
use super::interpreter::State;
use super::output::Output;
use crate::base::{Error, Kind, files, nearest};

/// The modules of `stdlib/`, embedded.
pub(super) const STDLIB: &[(&str, &str)] = &[("gvae", include_str!("../../stdlib/gvae.rhai"))];

type Raised = Box<EvalAltResult>;

pub(super) struct Resolver(pub Rc<State>);

/// The modules of a session.
#[derive(Default)]
pub(super) struct Modules {
    loaded: RefCell<BTreeMap<String, Loaded>>,
    /// Modules that are being loaded, each imported by the one before it.
    loading: RefCell<Vec<Loading>>,
}

struct Loaded {
    text: String,
    module: Shared<Module>,
    /// The names of the modules that it imports.
    imports: Vec<String>,
}

struct Loading {
    name: String,
    imports: Vec<String>,
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        importer: Option<&str>,
        path: &str,
        at: Position,
    ) -> Result<Shared<Module>, Raised> {
        let name = find(importer, path).map_err(|e| positioned(e.into(), at))?;
        let modules = &self.0.modules;
        if let Some(parent) = modules.loading.borrow_mut().last_mut() {
            parent.imports.push(name.clone());
        }
        modules.load(engine, &self.0, &name, at)
    }
}

impl Modules {
    /// The module as its text is now.
    fn load(
        &self,
        engine: &Engine,
        state: &State,
        name: &str,
        at: Position,
    ) -> Result<Shared<Module>, Raised> {
        if self.is_current(name) {
            let known = self.loaded.borrow().get(name).map(|l| l.module.clone());
            return known.ok_or_else(|| positioned(Error::new("importing").found(name).into(), at));
        }
        let mut circle: Vec<String> =
            self.loading.borrow().iter().map(|l| l.name.clone()).collect();
        if circle.iter().any(|n| n == name) {
            circle.push(name.to_owned());
            let e = Error::new(format!("importing {name}"))
                .expected("modules that do not import each other in a circle")
                .found(circle.join(" imports "));
            return Err(positioned(e.into(), at));
        }
        let within = |e: Raised| Box::new(EvalAltResult::ErrorInModule(name.to_owned(), e, at));
        let text = text(name).map_err(|e| positioned(e.into(), at))?;
        let ast = state.compile(engine, &text, name).map_err(|e| within(Box::new(e.into())))?;
        let under_way = UnderWay::begin(self, name);
        let mut module = Module::eval_ast_as_new(Scope::new(), &ast, engine).map_err(within)?;
        let imports = under_way.imports();
        module.set_id(name);
        module.build_index();
        let module = Rc::new(module);
        self.loaded
            .borrow_mut()
            .insert(name.to_owned(), Loaded { text, module: module.clone(), imports });
        Ok(module)
    }

    /// Whether a module is loaded and neither its text nor that of any it imports has changed.
    fn is_current(&self, name: &str) -> bool {
        let loaded = self.loaded.borrow();
        let mut open = vec![name];
        let mut seen = Vec::new();
        while let Some(name) = open.pop() {
            let Some(module) = loaded.get(name) else { return false };
            if text(name).ok().as_ref() != Some(&module.text) {
                return false;
            }
            seen.push(name);
            open.extend(module.imports.iter().map(String::as_str).filter(|n| !seen.contains(n)));
        }
        true
    }

    /// Loads what was imported and edited since. One that cannot be loaded any more is said, and
    /// stays as it was.
    pub fn renew(&self, engine: &Engine, global: &mut GlobalRuntimeState, state: &State) {
        let imports: Vec<(String, String)> = global
            .iter_imports()
            .filter_map(|(alias, module)| Some((alias.to_owned(), module.id()?.to_owned())))
            .collect();
        let mut done = Vec::new();
        for (alias, name) in imports {
            // An older import of the same alias is hidden.
            if done.contains(&alias) || !self.loaded.borrow().contains_key(&name) {
                continue;
            }
            done.push(alias.clone());
            if self.is_current(&name) {
                continue;
            }
            match self.load(engine, state, &name, Position::NONE) {
                Ok(module) => {
                    global.push_import(alias, module);
                }
                Err(e) => {
                    let why =
                        Failure::new(&e, &name, &World::new(engine, state, Vec::new(), global));
                    let line = why.place.line;
                    state.console.output(Output::Stderr(format!(
                        "{name} was edited, but cannot be loaded; what was imported before stays: \
                         {} ({}:{line})\n",
                        why.message, why.place.source
                    )));
                }
            }
        }
    }
}

fn positioned(mut e: Raised, at: Position) -> Raised {
    e.set_position(at);
    e
}

/// A module that is being loaded, until this is dropped: also by an error, or a panic in the module.
struct UnderWay<'a>(&'a RefCell<Vec<Loading>>);

impl<'a> UnderWay<'a> {
    fn begin(modules: &'a Modules, name: &str) -> Self {
        let loading = Loading { name: name.to_owned(), imports: Vec::new() };
        modules.loading.borrow_mut().push(loading);
        Self(&modules.loading)
    }

    /// What it has imported so far.
    fn imports(&self) -> Vec<String> {
        self.0.borrow_mut().last_mut().map(|l| std::mem::take(&mut l.imports)).unwrap_or_default()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().pop();
    }
}

/// The name under which a module is known: `<gvae>` for the standard library, else its file.
fn find(importer: Option<&str>, path: &str) -> Result<String, Error> {
    let plain = !path.is_empty() && !path.contains(['/', '\\', '.']);
    let known = STDLIB.iter().any(|(name, _)| *name == path);
    if known || plain && checkout().is_some_and(|f| f.join(path).with_extension("rhai").exists()) {
        return Ok(format!("<{path}>"));
    }
    let folder = importer.map(Path::new).and_then(Path::parent).unwrap_or(Path::new(""));
    let file = folder.join(path).with_extension("rhai");
    if !file.exists() {
        let known = STDLIB.iter().map(|(name, _)| *name);
        return Err(Error::new(format!("importing \"{path}\""))
            .kind(Kind::Missing)
            .expected(format!("a module of the standard library, or the file {}", file.display()))
            .found("neither")
            .advice(nearest::advice(path, known)));
    }
    Ok(file.display().to_string())
}

/// The text of a module by the name that [`find`] gave it.
fn text(name: &str) -> Result<String, Error> {
    let Some(standard) = name.strip_prefix('<').and_then(|n| n.strip_suffix('>')) else {
        return files::read_text(Path::new(name));
    };
    let edited = checkout().map(|f| f.join(standard).with_extension("rhai")).filter(|f| f.exists());
    match edited {
        Some(file) => files::read_text(&file),
        None => Ok(embedded(standard).to_owned()),
    }
}

fn embedded(name: &str) -> &'static str {
    STDLIB.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

/// The folder of the standard library's sources, where there is one.
fn checkout() -> Option<PathBuf> {
    let built_from = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/stdlib"));
    let folder = std::env::var_os("SPATIA_STDLIB").map_or_else(built_from, PathBuf::from);
    folder.is_dir().then_some(folder)
}
