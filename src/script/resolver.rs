//! `import "name" as x`: the standard library inside the binary first, then a file beside the
//! script that imports it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use super::interpreter::State;
use super::source;
use crate::base::{Error, Kind, files, nearest};

/// The modules of `stdlib/`, embedded.
pub(super) const STDLIB: &[(&str, &str)] = &[("gvae", include_str!("../../stdlib/gvae.rhai"))];

pub(super) struct Resolver {
    pub state: Rc<State>,
    pub loaded: RefCell<BTreeMap<String, Shared<Module>>>,
    /// Modules that are being loaded, each imported by the one before it.
    pub loading: RefCell<Vec<String>>,
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        importer: Option<&str>,
        path: &str,
        at: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let (name, text) = find(importer, path).map_err(|e| positioned(e.into(), at))?;
        if let Some(module) = self.loaded.borrow().get(&name) {
            return Ok(module.clone());
        }
        let within =
            |e: Box<EvalAltResult>| Box::new(EvalAltResult::ErrorInModule(name.clone(), e, at));
        if self.loading.borrow().contains(&name) {
            let circle = self.loading.borrow().join(" imports ");
            let e = Error::new(format!("importing \"{path}\""))
                .expected("modules that do not import each other in a circle")
                .found(format!("{circle} imports {name}"));
            return Err(positioned(e.into(), at));
        }
        self.state.remember(&name, &text);
        let mut ast =
            engine.compile(source::complete(&text)).map_err(|e| within(Box::new(e.into())))?;
        ast.set_source(name.as_str());
        self.loading.borrow_mut().push(name.clone());
        let module = Module::eval_ast_as_new(Scope::new(), &ast, engine).map_err(within);
        self.loading.borrow_mut().pop();
        let mut module = module?;
        module.set_id(name.as_str());
        let module = Rc::new(module);
        self.loaded.borrow_mut().insert(name, module.clone());
        Ok(module)
    }
}

fn positioned(mut e: Box<EvalAltResult>, at: Position) -> Box<EvalAltResult> {
    e.set_position(at);
    e
}

/// The name under which a module is known, and its text.
fn find(importer: Option<&str>, path: &str) -> Result<(String, String), Error> {
    if let Some((name, text)) = STDLIB.iter().find(|(name, _)| *name == path) {
        return Ok((format!("<{name}>"), (*text).to_owned()));
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
    Ok((file.display().to_string(), files::read_text(&file)?))
}
