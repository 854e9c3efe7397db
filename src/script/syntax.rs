//! What counts as a text of the language, apart from any session.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rhai::{AST, Engine, OptimizationLevel, ParseError, Position, Token};

use super::session::LAST;
use super::source;

/// Where the text that is being compiled uses `_` as a name: line and column, from 1.
pub(super) type Underscores = Rc<RefCell<BTreeSet<(usize, usize)>>>;

/// Lets an engine read texts as sessions do.
pub(super) fn install(engine: &mut Engine, underscores: Underscores) {
    // Scripts are run once; rewriting their tree would only hide what was written.
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_max_expr_depths(256, 256);
    // `var` is a word that Rhai keeps for itself without a use; datasets have a `var`.
    #[expect(deprecated, reason = "Rhai marks it as volatile; the version is pinned")]
    engine.on_parse_token(move |token, at, _| match token {
        Token::Reserved(word) if *word == "var" => Token::Identifier(word),
        Token::Underscore if is_at(&underscores, at) => Token::Identifier(Box::new(LAST.into())),
        token => token,
    });
}

/// From text to a tree: statements may lack their `;`, and `_` may be a name.
///
/// # Errors
/// A syntax error.
pub(super) fn compile(
    engine: &Engine,
    underscores: &Underscores,
    text: &str,
) -> Result<AST, ParseError> {
    underscores.replace(source::underscores(text));
    engine.compile(source::complete(text))
}

/// Whether a text can be read at all; whether it then runs is another question.
pub fn is_valid(text: &str) -> bool {
    let mut engine = Engine::new_raw();
    let underscores = Underscores::default();
    install(&mut engine, underscores.clone());
    compile(&engine, &underscores, text).is_ok()
}

fn is_at(places: &Underscores, at: Position) -> bool {
    at.line().zip(at.position()).is_some_and(|place| places.borrow().contains(&place))
}
