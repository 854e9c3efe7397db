//! The parameters of a script: `let seed = param("seed", 42, "Seed of every random draw")`.
//!
//! They are read off the syntax tree, so that `--help` and every check work before anything runs.

use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use serde_json::Value;

use crate::base::{Error, Result, nearest};

/// A declared parameter; the default also says the type, and null asks for a text that must be given.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    pub name: String,
    pub default: Value,
    pub doc: String,
    pub line: usize,
}

/// What a script says of itself: the `//!` lines at its top, and its parameters in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signature {
    pub summary: String,
    pub params: Vec<Param>,
}

impl Param {
    /// The type as help shows it.
    pub fn type_name(&self) -> &'static str {
        match &self.default {
            Value::Bool(_) => "true|false",
            Value::Number(n) if n.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::Array(_) => "list",
            _ => "text",
        }
    }

    fn parse(&self, text: &str) -> Result<Value> {
        let wrong = || {
            Error::new(format!("reading --{}", self.name))
                .expected(format!("{}, as in the default {}", self.type_name(), self.default))
                .found(format!("'{text}'"))
        };
        match &self.default {
            Value::Bool(_) => text.parse().map(Value::Bool).map_err(|_| wrong()),
            Value::Number(n) if n.is_f64() => text
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map(Value::Number)
                .ok_or_else(wrong),
            Value::Number(_) => text.parse::<i64>().map(Value::from).map_err(|_| wrong()),
            Value::Array(_) => match serde_json::from_str(text) {
                Ok(list @ Value::Array(_)) => Ok(list),
                _ => Err(wrong().advice("A list is written as [\"a\", \"b\"]")),
            },
            _ => Ok(Value::from(text)),
        }
    }
}

impl Signature {
    /// Checks `--name value`, `--name=value` and `--flag` against the declarations and returns
    /// every parameter's value.
    ///
    /// # Errors
    /// An unknown or repeated name, a value of the wrong type, one missing that has no default.
    pub fn bind(&self, arguments: &[String]) -> Result<BTreeMap<String, Value>> {
        let mut given = BTreeMap::new();
        let mut rest = arguments.iter().peekable();
        while let Some(argument) = rest.next() {
            let Some(flag) = argument.strip_prefix("--") else {
                return Err(Error::new("reading the parameters")
                    .expected("--name value")
                    .found(format!("'{argument}'")));
            };
            let (name, inline) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v)));
            let param = self.find(name)?;
            let text = match inline {
                Some(v) => v,
                None if param.default.is_boolean() => {
                    rest.next_if(|v| !v.starts_with("--")).map_or("true", String::as_str)
                }
                None => rest.next_if(|v| !v.starts_with("--")).ok_or_else(|| {
                    Error::new(format!("reading --{name}"))
                        .expected(format!("a value ({})", param.type_name()))
                        .found("none")
                })?,
            };
            if given.insert(param.name.clone(), param.parse(text)?).is_some() {
                return Err(Error::new(format!("reading --{name}"))
                    .expected("it once")
                    .found("it twice"));
            }
        }
        for p in &self.params {
            if p.default.is_null() && !given.contains_key(&p.name) {
                return Err(Error::new(format!("reading --{}", p.name))
                    .expected(match p.doc.as_str() {
                        "" => "a value".into(),
                        doc => format!("a value: {doc}"),
                    })
                    .found("none")
                    .advice("See --help for all parameters"));
            }
            given.entry(p.name.clone()).or_insert_with(|| p.default.clone());
        }
        Ok(given)
    }

    fn find(&self, name: &str) -> Result<&Param> {
        self.params.iter().find(|p| p.name == name || p.name.replace('_', "-") == name).ok_or_else(
            || {
                Error::new("reading the parameters")
                    .expected("a parameter of the script")
                    .found(format!("--{name}"))
                    .advice(nearest::advice(name, self.params.iter().map(|p| p.name.as_str())))
            },
        )
    }
}

/// A declaration that cannot be read before the script runs, and where it stands.
pub(super) struct Unreadable(pub String, pub Position);

/// Finds the calls of `param` anywhere in the script.
pub(super) fn declared(ast: &AST) -> Result<Vec<Param>, Unreadable> {
    let mut found = Ok(Vec::new());
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let (Ok(params), Some((call, at))) = (&mut found, path.last().and_then(called))
            && let Err(e) = declare(params, call, at)
        {
            found = Err(e);
        }
        found.is_ok()
    });
    found
}

fn called<'a>(node: &ASTNode<'a>) -> Option<(&'a FnCallExpr, Position)> {
    let (call, at) = match *node {
        ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at)) => {
            (call, *at)
        }
        _ => return None,
    };
    (call.name == "param" && call.namespace.is_empty()).then_some((&**call, at))
}

fn declare(params: &mut Vec<Param>, call: &FnCallExpr, at: Position) -> Result<(), Unreadable> {
    let refuse = |text: &str| Err(Unreadable(text.into(), at));
    if call.args.len() != 3 {
        let found = call.args.len();
        return refuse(&format!(
            "param takes three literals, a name, a default and a line that says what it is, as in param(\"seed\", 42, \"Seed of every random draw\"); it has {found} of the 3"
        ));
    }
    let [Expr::StringConstant(name, _), default, Expr::StringConstant(doc, _)] = &call.args[..]
    else {
        return refuse(
            "a parameter is declared with literals, as in param(\"seed\", 42, \"Seed of every random draw\")",
        );
    };
    let Some(default) = literal(default) else {
        return refuse(
            "the default of a parameter is a literal: a number, a text, true, false, a list of these, or () for a text that must be given",
        );
    };
    if params.iter().any(|p| p.name == name.as_str()) {
        return refuse(&format!("the parameter '{name}' is declared twice"));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic())
        || name == "help"
        || name.contains(|c: char| c.is_whitespace() || c == '=')
    {
        return refuse(&format!("'{name}' cannot be the name of a parameter"));
    }
    params.push(Param {
        name: name.to_string(),
        default,
        doc: doc.to_string(),
        line: at.line().unwrap_or(0),
    });
    Ok(())
}

/// The parameters of a notebook: what its cell tagged `parameters` sets to a literal, as in
/// `let epochs = 200   // Passes over the data`.
pub(super) fn assigned(ast: &AST, text: &str) -> Vec<Param> {
    let param = |s: &Stmt| {
        let Stmt::Var(definition, _, at) = s else { return None };
        let line = at.line().unwrap_or(0);
        Some(Param {
            name: definition.0.as_str().to_owned(),
            default: literal(&definition.1)?,
            doc: text.lines().nth(line.wrapping_sub(1)).map(comment).unwrap_or_default(),
            line,
        })
    };
    ast.statements().iter().filter_map(param).collect()
}

/// What stands behind `//` on a line.
fn comment(line: &str) -> String {
    let mut quoted = false;
    let marks = line.char_indices().find(|&(i, c)| {
        quoted ^= c == '"';
        !quoted && line[i..].starts_with("//")
    });
    marks.map(|(i, _)| line[i..].trim_start_matches('/').trim().to_owned()).unwrap_or_default()
}

fn literal(value: &Expr) -> Option<Value> {
    Some(match value {
        Expr::Unit(_) => Value::Null,
        Expr::BoolConstant(v, _) => Value::from(*v),
        Expr::IntegerConstant(v, _) => Value::from(*v),
        Expr::FloatConstant(v, _) => Value::from(**v),
        Expr::StringConstant(v, _) => Value::from(v.as_str()),
        Expr::Array(items, _) => items.iter().map(literal).collect::<Option<Vec<_>>>()?.into(),
        _ => return None,
    })
}

/// The `//!` lines at the top of a script.
pub(super) fn summary(source: &str) -> String {
    let lines = source.lines().skip_while(|l| l.starts_with("#!") || l.trim().is_empty());
    let lines = lines.map_while(|l| l.trim_start().strip_prefix("//!"));
    lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).collect::<Vec<_>>().join("\n")
}
