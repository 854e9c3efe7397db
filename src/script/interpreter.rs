//! One session's language: the engine, its variables and functions, and what they share.
//!
//! Takes and returns plain data; only this layer knows Rhai.

mod held;
mod names;
mod timing;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use rhai::{
    AST, Caches, Dynamic, Engine, EvalAltResult, EvalContext, GlobalRuntimeState, Scope, Stmt,
};
use serde_json::Value;

pub use held::Holding;
pub(super) use held::place_of;
use names::{caught_names, free_names};

use super::describe::World;
use super::error::{Failure, Place};
use super::hints::Way;
use super::limits::{self, Watch};
use super::output::{Bundle, Console};
use super::params::{self, Param, Signature, Unreadable};
use super::session::{Cells, IN, In, LAST, OUT, Out};
use super::syntax::{self, Underscores};
use super::{describe, known, resolver, shown, source};
use crate::base::{Kind, interrupt};

/// An access to this variable publishes the session's variables to its functions; see
/// [`State::resolve`].
const PUBLISH: &str = "__publish";

/// Variables, functions and imports that last from one evaluation to the next.
pub struct Interpreter {
    pub(super) engine: Engine,
    pub(super) scope: Scope<'static>,
    pub(super) global: GlobalRuntimeState,
    pub(super) outlines: known::Outlines,
    pub(super) state: Rc<State>,
    publish: Option<Stmt>,
}

/// What the engine's callbacks share with the interpreter.
pub(super) struct State {
    /// Where output goes.
    pub console: Arc<dyn Console>,
    /// What the cells were and gave.
    pub cells: Rc<RefCell<Cells>>,
    pub modules: resolver::Modules,
    /// Values given to the script's parameters.
    given: RefCell<BTreeMap<String, Value>>,
    /// Text of every source seen, by name, for messages.
    sources: RefCell<BTreeMap<String, String>>,
    /// Names of the sources that belong to the session, modules not among them.
    own: RefCell<BTreeSet<String>>,
    /// Names that the session's functions use and do not define.
    wanted: RefCell<BTreeSet<String>>,
    /// The session's variables of those names. They are Rhai's shared values, so a function sees
    /// what the variable holds at the time of the call.
    published: RefCell<BTreeMap<String, Dynamic>>,
    /// Where the text that is being compiled uses `_` as a name.
    underscores: Underscores,
    /// How the session's functions are called, by name and number of parameters.
    functions: RefCell<BTreeMap<(String, usize), String>>,
    /// The names that some `catch` gives to its error.
    caught: RefCell<BTreeSet<String>>,
    /// What the language offers, for messages; made when the first is.
    pub ways: OnceCell<Vec<Way>>,
    /// The exit code with which a script has ended itself.
    pub ended: Cell<Option<u8>>,
    watch: Watch,
}

impl State {
    fn new(console: Arc<dyn Console>) -> Self {
        Self {
            console,
            cells: Rc::default(),
            modules: resolver::Modules::default(),
            given: RefCell::default(),
            sources: RefCell::default(),
            own: RefCell::default(),
            wanted: RefCell::default(),
            published: RefCell::default(),
            underscores: Underscores::default(),
            functions: RefCell::default(),
            caught: RefCell::default(),
            ways: OnceCell::new(),
            ended: Cell::default(),
            watch: Watch::default(),
        }
    }

    /// The text of a source by its name in messages.
    pub fn source(&self, name: &str) -> Option<String> {
        self.sources.borrow().get(name).cloned()
    }

    /// The session's functions: "add(a, b)".
    pub fn functions(&self) -> Vec<String> {
        self.functions.borrow().values().cloned().collect()
    }

    /// The value that was given to a parameter.
    pub fn given(&self, name: &str) -> Option<Dynamic> {
        match self.given.borrow().get(name) {
            Some(Value::Null) | None => None,
            Some(value) => rhai::serde::to_dynamic(value).ok(),
        }
    }

    /// From text to a tree: statements may lack their `;`, and `_` may be a name.
    ///
    /// # Errors
    /// A syntax error.
    pub fn compile(
        &self,
        engine: &Engine,
        text: &str,
        name: &str,
    ) -> Result<AST, rhai::ParseError> {
        self.sources.borrow_mut().insert(name.into(), text.into());
        let mut ast = syntax::compile(engine, &self.underscores, text)?;
        ast.set_source(name);
        self.caught.borrow_mut().extend(caught_names(&ast));
        Ok(ast)
    }

    /// Called for every access to a variable.
    ///
    /// Rhai's functions see their arguments only. This gives a name that is none of them the
    /// session's variable itself, unless it is a constant: what a function changes, stays changed.
    fn resolve(
        &self,
        name: &str,
        mut context: EvalContext<'_, '_, '_, '_, '_, '_>,
    ) -> Result<Option<Dynamic>, Box<EvalAltResult>> {
        if name == PUBLISH {
            self.publish(context.scope_mut());
            return Ok(Some(Dynamic::UNIT));
        }
        self.watch.look(context.scope())?;
        if self.caught.borrow().contains(name) {
            describe::mend(&mut context, name, self);
        }
        let session = matches!(name, LAST | OUT | IN);
        if context.call_level() == 0 && !session || context.scope().contains(name) {
            return Ok(None);
        }
        if !context.source().is_some_and(|s| self.own.borrow().contains(s)) {
            return Ok(None);
        }
        Ok(match name {
            LAST => Some(self.cells.borrow().last()?),
            OUT => Some(Dynamic::from(Out::of(&self.cells))),
            IN => Some(Dynamic::from(In::of(&self.cells))),
            _ => self.published.borrow().get(name).cloned(),
        })
    }

    fn publish(&self, scope: &mut Scope<'_>) {
        for name in self.wanted.borrow().iter() {
            if let Some(value) = scope.get_mut(name)
                && !value.is_shared()
            {
                *value = std::mem::take(value).into_shared();
            }
            if let Some(value) = scope.get(name) {
                self.published.borrow_mut().insert(name.clone(), value.clone());
            }
        }
    }
}

impl Interpreter {
    /// A fresh session that speaks through `console`.
    pub fn new(console: Arc<dyn Console>) -> Self {
        let state = Rc::new(State::new(console));
        let mut engine = Engine::new();
        super::install(&mut engine);
        syntax::install(&mut engine, state.underscores.clone());
        engine.set_max_call_levels(limits::CALLS);
        limits::install(&mut engine);
        super::console::install(&mut engine, &state);
        engine.on_progress(|_| interrupt::requested().then_some(Dynamic::UNIT));
        engine.set_module_resolver(resolver::Resolver(state.clone()));
        let s = state.clone();
        #[expect(deprecated, reason = "Rhai marks it as volatile; the version is pinned")]
        engine.on_var(move |name, _, context| s.resolve(name, context));
        let publish =
            engine.compile(PUBLISH).ok().and_then(|ast| ast.statements().first().cloned());
        let global = engine.new_global_runtime_state();
        let outlines = known::Outlines::default();
        Self { engine, scope: Scope::new(), global, outlines, state, publish }
    }

    /// What a script says of itself and which parameters it takes, without running it.
    ///
    /// # Errors
    /// A syntax error, or a parameter that is not declared by literals.
    pub fn signature(&self, text: &str, name: &str) -> Result<Signature, Failure> {
        let ast = self.compile(text, name)?;
        let params = params::declared(&ast).map_err(|Unreadable(message, at)| Failure {
            kind: Kind::Invalid,
            message,
            place: Place::new(name, at),
            calls: Vec::new(),
        })?;
        Ok(Signature { summary: params::summary(text), params })
    }

    /// The variables that a text sets to literals: the parameters of a notebook.
    ///
    /// # Errors
    /// A syntax error.
    pub fn assigned(&self, text: &str, name: &str) -> Result<Vec<Param>, Failure> {
        Ok(params::assigned(&self.compile(text, name)?, text))
    }

    /// Sets what `param` returns, and gives back what it was to return before; a name without a
    /// value returns its default.
    pub fn give(&mut self, values: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        self.state.given.replace(values)
    }

    /// Runs a text, called `name` in messages. Its last value is shown unless it is `()` or the
    /// text ends in `;`.
    ///
    /// # Errors
    /// What went wrong and where; the variables are then as the text had left them.
    pub fn eval(&mut self, text: &str, name: &str) -> Result<Option<Bundle>, Failure> {
        let value = self.value(text, name)?;
        Ok(value.map(|value| shown::show(&self.engine, value)))
    }

    /// Runs a cell, and keeps its text for `In[number]` and the value that it shows for
    /// `Out[number]` and `_`. Messages call it "[number]".
    ///
    /// # Errors
    /// As [`Interpreter::eval`]; `_` stays what it was.
    pub fn cell(&mut self, text: &str, number: usize) -> Result<Option<Bundle>, Failure> {
        self.state.cells.borrow_mut().begin(number, text);
        let Some(value) = self.value(text, &format!("[{number}]"))? else { return Ok(None) };
        self.state.cells.borrow_mut().keep(number, value.clone());
        Ok(Some(shown::show(&self.engine, value)))
    }

    /// Forgets a variable, or with `Out` or `_` all that the cells have shown; says whether there
    /// was such a name. The memory of an object is free once no other name holds it.
    pub fn forget(&mut self, name: &str) -> bool {
        if matches!(name, LAST | OUT) {
            self.forget_outputs();
            return true;
        }
        self.state.published.borrow_mut().remove(name);
        let before = self.scope.len();
        while self.scope.contains(name) && self.scope.remove::<Dynamic>(name).is_some() {}
        self.scope.len() < before
    }

    /// Lets go of the values of all cells.
    pub fn forget_outputs(&mut self) {
        self.state.cells.borrow_mut().forget();
    }

    /// The text of a source by its name in messages.
    pub fn source(&self, name: &str) -> Option<String> {
        self.state.source(name)
    }

    fn value(&mut self, text: &str, name: &str) -> Result<Option<Dynamic>, Failure> {
        self.state.ended.take();
        let ast = self.compile(text, name)?;
        self.state.modules.renew(&self.engine, &mut self.global, &self.state);
        self.state.watch.begin();
        let value = self.run(&ast, name);
        self.tidy();
        let value = value.map_err(|e| Failure::new(&e, name, &self.world()))?;
        Ok((!value.is_unit() && !source::is_quiet(text)).then_some(value))
    }

    /// The exit code, where the last text called `exit`.
    pub fn take_ended(&self) -> Option<u8> {
        self.state.ended.take()
    }

    /// Keeps the text of a source that is of another language, for messages.
    pub fn remember(&self, name: &str, text: &str) {
        self.state.sources.borrow_mut().insert(name.into(), text.into());
    }

    /// The value of a variable.
    pub(super) fn variable(&self, name: &str) -> Option<Dynamic> {
        self.scope.get(name).map(Dynamic::flatten_clone)
    }

    /// What the variables are called.
    pub(super) fn variables(&self) -> Vec<String> {
        self.scope.iter_raw().map(|(name, ..)| name.to_owned()).collect()
    }

    pub(super) fn set_variable(&mut self, name: &str, value: Dynamic) {
        self.scope.set_or_push(name, value);
    }

    fn compile(&self, text: &str, name: &str) -> Result<AST, Failure> {
        let compiled = self.state.compile(&self.engine, text, name);
        compiled.map_err(|e| Failure::parse(&e, text, name))
    }

    /// What messages may compare a mistyped name with.
    fn world(&self) -> World<'_> {
        World::new(
            &self.engine,
            &self.state,
            self.scope.iter_raw().map(|(name, ..)| name.to_owned()).collect(),
            &self.global,
        )
    }

    /// Does something and forgets what it defines: variables, functions, imports.
    fn aside<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let (variables, functions) = (self.scope.len(), self.global.lib.len());
        let imports = self.global.num_imports();
        let state = self.state.clone();
        let (published, known) =
            (state.published.borrow().clone(), state.functions.borrow().clone());
        let done = work(self);
        self.scope.rewind(variables);
        self.global.lib.truncate(functions);
        self.global.truncate_imports(imports);
        state.published.replace(published);
        state.functions.replace(known);
        done
    }

    fn run(&mut self, ast: &AST, name: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        let statements = self.begin(ast, name);
        self.evaluate(&statements)
    }

    /// Makes a text's functions known; what is to be evaluated.
    fn begin(&mut self, ast: &AST, name: &str) -> Vec<Stmt> {
        self.state.own.borrow_mut().insert(name.into());
        self.state.wanted.borrow_mut().extend(free_names(ast));
        self.state.publish(&mut self.scope);
        self.global.source = Some(name.into());
        (self.global.level, self.global.scope_level) = (0, 0);
        for f in ast.iter_functions().filter(|f| !f.name.starts_with("anon$")) {
            let call = format!("{}({})", f.name, f.params.join(", "));
            let key = (f.name.to_owned(), f.params.len());
            self.state.functions.borrow_mut().insert(key, call);
        }
        if !ast.shared_lib().is_empty() {
            self.global.lib.push(ast.shared_lib().clone());
        }
        self.with_publishing(ast.statements())
    }

    fn evaluate(&mut self, statements: &[Stmt]) -> Result<Dynamic, Box<EvalAltResult>> {
        #[expect(
            deprecated,
            reason = "the only call that keeps functions and imports from one cell to the next"
        )]
        self.engine.eval_statements_raw(
            &mut self.global,
            &mut Caches::new(),
            &mut self.scope,
            statements,
        )
    }

    /// Lets go of variables that a later `let` of the same name hides: Rhai keeps them, and with
    /// them the dataset of every run of `let ds = ..`. `let _ = ..` throws its value away.
    fn tidy(&mut self) {
        self.forget_hidden();
        while self.scope.contains(LAST) && self.scope.remove::<Dynamic>(LAST).is_some() {}
    }

    fn forget_hidden(&mut self) {
        let mut names: Vec<String> = Vec::new();
        for (name, ..) in self.scope.iter_raw() {
            if !names.iter().any(|n| n == name) {
                names.push(name.to_owned());
            }
        }
        if names.len() == self.scope.len() {
            return;
        }
        let mut visible = Scope::new();
        // The last come first.
        for name in names.into_iter().rev() {
            // Moved out as it is: a variable that closures share stays shared.
            if let Some(value) = self.scope.get_mut(&name).map(std::mem::take) {
                visible.push_dynamic(name, value);
            } else if let Some(value) = self.scope.get(&name).cloned() {
                visible.push_constant_dynamic(name, value);
            }
        }
        self.scope = visible;
    }

    /// Publishes behind every statement that defines a variable, where functions want any.
    fn with_publishing(&self, statements: &[Stmt]) -> Vec<Stmt> {
        let any = !self.state.wanted.borrow().is_empty();
        let behind = |s: &Stmt| self.publish.clone().filter(|_| any && matches!(s, Stmt::Var(..)));
        statements.iter().flat_map(|s| std::iter::once(s.clone()).chain(behind(s))).collect()
    }
}
