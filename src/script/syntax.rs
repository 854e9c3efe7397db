//! What counts as a text of the language, apart from any session.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rhai::{AST, Engine, LexError, OptimizationLevel, ParseError, Position, Token};

use super::session::LAST;
use super::source::{self, Doubt};

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
    let mut program = source::complete(text);
    // The line that names a script's interpreter is none of it.
    if program.starts_with("#!") {
        program.replace_range(..program.find('\n').unwrap_or(program.len()), "");
    }
    // To Rhai, `2.` is a number only in front of something.
    if program.ends_with('.') {
        program.push('\n');
    }
    let ast = engine.compile(program)?;
    // Only of what is a program: whatever else is wrong comes first.
    match source::doubt(text) {
        None => Ok(ast),
        Some(Doubt { line, column, message }) => {
            let at = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
            let e = LexError::ImproperSymbol(String::new(), message);
            Err(e.into_err(Position::new(at(line).max(1), at(column))))
        }
    }
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
