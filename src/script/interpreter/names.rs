//! The names that a script uses in places where Rhai does not tell of them.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, Stmt};

/// The variables that a script's functions name, their own among them.
pub fn free_names(ast: &AST) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    ast.clone_functions_only().walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(Expr::Variable(v, ..))) = path.last() {
            names.insert(v.1.to_string());
        }
        true
    });
    names
}

/// The names that a script gives to caught errors.
pub fn caught_names(ast: &AST) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Stmt(Stmt::TryCatch(parts, ..))) = path.last()
            && let Expr::Variable(v, ..) = &parts.expr
        {
            names.insert(v.1.to_string());
        }
        true
    });
    names
}
