//! One session's language: the engine, its variables and functions, and what they share.
//!
//! Takes and returns plain data; only this layer knows Rhai.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rhai::{
    AST, ASTNode, Caches, Dynamic, Engine, EvalContext, Expr, GlobalRuntimeState,
    OptimizationLevel, Scope, Stmt, Token,
};
use serde_json::Value;

use super::error::{Failure, Place};
use super::params::{self, Signature, Unreadable};
use super::{resolver, shown, source};
use crate::base::{Kind, interrupt};

/// An access to this variable publishes the session's variables to its functions; see
/// [`State::resolve`].
const PUBLISH: &str = "__publish";

/// A value for people to look at, in the forms it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub text: String,
    pub png: Option<Vec<u8>>,
}

/// Variables, functions and imports that last from one evaluation to the next.
pub struct Interpreter {
    engine: Engine,
    scope: Scope<'static>,
    global: GlobalRuntimeState,
    state: Rc<State>,
    publish: Option<Stmt>,
}

/// What the engine's callbacks share with the interpreter.
#[derive(Default)]
pub(super) struct State {
    /// Values given to the script's parameters.
    pub given: RefCell<BTreeMap<String, Value>>,
    /// Text of every source seen, by name, for messages.
    sources: RefCell<BTreeMap<String, String>>,
    /// Names of the sources that belong to the session, modules not among them.
    own: RefCell<BTreeSet<String>>,
    /// Names that the session's functions use and do not define.
    wanted: RefCell<BTreeSet<String>>,
    /// The session's variables of those names. They are Rhai's shared values, so a function sees
    /// what the variable holds at the time of the call.
    published: RefCell<BTreeMap<String, Dynamic>>,
}

impl State {
    pub fn remember(&self, name: &str, text: &str) {
        self.sources.borrow_mut().insert(name.into(), text.into());
    }

    /// Rhai's functions see their arguments only. This gives a name that is none of them the
    /// session's variable itself, unless it is a constant: what a function changes, stays changed.
    fn resolve(
        &self,
        name: &str,
        mut context: EvalContext<'_, '_, '_, '_, '_, '_>,
    ) -> Option<Dynamic> {
        if name == PUBLISH {
            self.publish(context.scope_mut());
            return Some(Dynamic::UNIT);
        }
        if context.call_level() == 0 || context.scope().contains(name) {
            return None;
        }
        let own = context.source().is_some_and(|s| self.own.borrow().contains(s));
        own.then(|| self.published.borrow().get(name).cloned()).flatten()
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
    /// A fresh session whose `print` and `debug` write through `print`.
    pub fn new(print: impl Fn(&str) + 'static) -> Self {
        let state = Rc::new(State::default());
        let mut engine = Engine::new();
        super::install(&mut engine);
        // Scripts are run once; rewriting their tree would only hide what was written.
        engine.set_optimization_level(OptimizationLevel::None);
        engine.set_max_expr_depths(256, 256);
        engine.set_max_call_levels(100);
        let print = Rc::new(print);
        let out = print.clone();
        engine.on_print(move |text| out(text));
        engine.on_debug(move |text, _, at| {
            print(&if at.is_none() { text.into() } else { format!("[{at}] {text}") })
        });
        engine.on_progress(|_| interrupt::requested().then_some(Dynamic::UNIT));
        engine.set_module_resolver(resolver::Resolver {
            state: state.clone(),
            loaded: RefCell::default(),
            loading: RefCell::default(),
        });
        // `var` is a word that Rhai keeps for itself without a use; datasets have a `var`.
        #[expect(deprecated, reason = "Rhai marks it as volatile; the version is pinned")]
        engine.on_parse_token(|token, _, _| match token {
            Token::Reserved(word) if *word == "var" => Token::Identifier(word),
            token => token,
        });
        let s = state.clone();
        #[expect(deprecated, reason = "Rhai marks it as volatile; the version is pinned")]
        engine.on_var(move |name, _, context| Ok(s.resolve(name, context)));
        super::params_of_session(&mut engine, &state);
        let publish =
            engine.compile(PUBLISH).ok().and_then(|ast| ast.statements().first().cloned());
        let global = engine.new_global_runtime_state();
        Self { engine, scope: Scope::new(), global, state, publish }
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

    /// Sets what `param` returns; a name without a value returns its default.
    pub fn give(&mut self, values: BTreeMap<String, Value>) {
        self.state.given.replace(values);
    }

    /// Runs a text, called `name` in messages. Its last value is shown unless it is `()`.
    ///
    /// # Errors
    /// What went wrong and where; the variables are then as the text had left them.
    pub fn eval(&mut self, text: &str, name: &str) -> Result<Option<Shown>, Failure> {
        let ast = self.compile(text, name)?;
        let value = self.run(&ast, name).map_err(|e| {
            let known: Vec<String> = self.scope.iter_raw().map(|(n, ..)| n.to_owned()).collect();
            Failure::new(&e, name, &known)
        })?;
        Ok((!value.is_unit()).then(|| shown::show(&self.engine, value)))
    }

    /// The text of a source by its name in messages.
    pub fn source(&self, name: &str) -> Option<String> {
        self.state.sources.borrow().get(name).cloned()
    }

    fn compile(&self, text: &str, name: &str) -> Result<AST, Failure> {
        self.state.remember(name, text);
        let mut ast =
            self.engine.compile(source::complete(text)).map_err(|e| Failure::parse(&e, name))?;
        ast.set_source(name);
        Ok(ast)
    }

    fn run(&mut self, ast: &AST, name: &str) -> Result<Dynamic, Box<rhai::EvalAltResult>> {
        self.state.own.borrow_mut().insert(name.into());
        self.state.wanted.borrow_mut().extend(free_names(ast));
        self.state.publish(&mut self.scope);
        self.global.source = Some(name.into());
        (self.global.level, self.global.scope_level) = (0, 0);
        self.global.lib.push(ast.shared_lib().clone());
        let statements = self.with_publishing(ast.statements());
        #[expect(
            deprecated,
            reason = "the only call that keeps functions and imports from one cell to the next"
        )]
        self.engine.eval_statements_raw(
            &mut self.global,
            &mut Caches::new(),
            &mut self.scope,
            &statements,
        )
    }

    /// Publishes behind every statement that defines a variable, where functions want any.
    fn with_publishing(&self, statements: &[Stmt]) -> Vec<Stmt> {
        let any = !self.state.wanted.borrow().is_empty();
        let behind = |s: &Stmt| self.publish.clone().filter(|_| any && matches!(s, Stmt::Var(..)));
        statements.iter().flat_map(|s| std::iter::once(s.clone()).chain(behind(s))).collect()
    }
}

/// The variables that a script's functions name, their own among them.
fn free_names(ast: &AST) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    ast.clone_functions_only().walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(Expr::Variable(v, ..))) = path.last() {
            names.insert(v.1.to_string());
        }
        true
    });
    names
}
