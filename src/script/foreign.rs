//! What people write who come from Python or R, and how it is written here.

use super::describe::World;
use super::hints;
use super::resolver::STDLIB;
use super::source;

/// A name that is none here.
pub(super) fn variable(name: &str) -> Option<String> {
    Some(
        match name {
            "None" | "null" | "nil" | "NULL" | "undefined" => "Nothing is written ()",
            "True" | "TRUE" => "Write true",
            "False" | "FALSE" => "Write false",
            "nan" | "NaN" | "NA" => "A missing number is 0.0/0.0",
            "inf" | "Inf" => "Infinity is 1.0/0.0",
            "np" | "numpy" => "Arrays of numbers are tensors here: tensor([1, 2])",
            "pd" | "pandas" => "Tables are read by data::read_table(\"file.csv\")",
            "sc" | "scanpy" | "sq" | "squidpy" | "ad" | "anndata" => {
                "Its work is done by the modules data, prep, graph, cluster and plot, as in data::read(\"file.h5ad\")"
            }
            "torch" => "Tensors are made by tensor([1, 2])",
            "plt" => "Figures are made by the module plot, as in plot::spatial(ds, \"kl\")",
            "print" => "Write print(..) with brackets",
            "def" | "function" => "A function is written fn name(x) { .. }",
            "lambda" => "A function without a name is written |x| x + 1",
            "pass" => "An empty block is written { }",
            "del" => ":free name forgets a variable",
            "not" => "Write ! for not",
            "raise" => "An error is raised by throw \"what went wrong\"",
            _ => return None,
        }
        .into(),
    )
}

/// A function that stands alone elsewhere.
pub(super) fn function(name: &str) -> Option<String> {
    Some(
        match name {
            "str" | "repr" => "Write x.to_string()",
            "int" | "as_integer" => "Write x.to_int(), or text.parse_int()",
            "float" => "Write x.to_float(), or text.parse_float()",
            "range" => "Write 0..10, or range(0, 10)",
            "type" | "isinstance" => "Write type_of(x)",
            "c" | "list" | "tuple" => "An array is written [1, 2]",
            "dict" => "A map is written #{ key: value }",
            "help" => "Write ?name",
            "dir" => "Write ?x, or x. and Tab",
            "exit" | "quit" => "Write :quit, or press Ctrl-D",
            "open" => "Datasets are read by data::read(..), tables by data::read_table(..)",
            "enumerate" => "Write for (x, i) in array { .. }",
            "zip" => "Write for (x, i) in a { b[i] .. }",
            "sorted" => "Write array.sort(), which sorts in place",
            "sum" => "Write array.reduce(|sum, x| sum + x, 0)",
            "library" | "require" => "Write import \"name\" as name",
            _ => return None,
        }
        .into(),
    )
}

/// A method that has another name here.
pub(super) fn method(of: &str, name: &str) -> Option<String> {
    Some(
        match (of, name) {
            ("array", "extend") => "Write array.append(other), or array + other",
            ("array", "sum" | "std" | "mean" | "average") => {
                "Write tensor(array).mean(), or array.reduce(|sum, x| sum + x, 0)"
            }
            ("()", _) => "A map gives () for a key that it does not have",
            ("array", "append" | "add") => "Write array.push(x)",
            ("text", "format") => "Values stand inside back-ticks: `n = ${n}`",
            ("text", "to_int") => "Write text.parse_int()",
            ("text", "to_float") => "Write text.parse_float()",
            ("Dataset", "save" | "write_h5ad" | "to_h5ad") => "Write ds.write(\"file.h5ad\")",
            ("text", "join") => "Join in a loop: for (word, i) in words { text += word }",
            ("text", "strip") => "Write text.trim(), which changes the text in place",
            ("text", "upper" | "lower") => "Write text.to_upper() or text.to_lower()",
            ("text", "startswith" | "endswith") => {
                "Write text.starts_with(..) or text.ends_with(..)"
            }
            ("map", "items") => "Write for key in map.keys() { map[key] }",
            ("Dataset", "obs_names" | "var_names") => {
                "Names are in ds.obs.index() and ds.var.index()"
            }
            _ => return None,
        }
        .into(),
    )
}

/// `import name` without quotes.
pub(super) fn import(name: &str, world: &World<'_>) -> String {
    let own = STDLIB.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let parts = hints::modules(world);
    if STDLIB.iter().any(|(own, _)| *own == name) {
        return format!("import takes a name in quotes: import \"{name}\" as {name}");
    }
    if parts.iter().any(|p| p == name) {
        return format!("'{name}' is a part of the language and needs no import: write {name}::..");
    }
    let library = variable(name).map(|hint| format!(". {hint}")).unwrap_or_default();
    format!(
        "import takes the name of a module in quotes, import \"{name}\" as {name}: one of the standard \
         library ({own}), or a file {name}.rhai beside the script. These need no import: {}{library}",
        parts.join(", ")
    )
}

/// What may be meant where the syntax is wrong: the line of the error is looked at word by word.
pub(super) fn syntax(text: &str, line: usize) -> Option<String> {
    let last = text.lines().count();
    let words = source::scan(text).tokens;
    let on = |n| words.iter().filter(move |w| w.line == n).map(|w| w.text).collect::<Vec<_>>();
    let here = on(if line == 0 { last } else { line });
    let hint = of_line(&here);
    // Rhai often notices on the line after.
    hint.or_else(|| of_line(&on(line.checked_sub(1)?))).map(str::to_owned)
}

fn of_line(words: &[&str]) -> Option<&'static str> {
    let first = words.first().copied().unwrap_or_default();
    let last = words.last().copied().unwrap_or_default();
    let has = |w: &str| words.contains(&w);
    let pair = |a: &str, b: &dyn Fn(&str) -> bool| words.windows(2).any(|w| w[0] == a && b(w[1]));
    let is_text = |w: &str| w.starts_with(['"', '\'', '`']);
    let named_argument = words
        .windows(3)
        .any(|w| matches!(w[0], "(" | ",") && w[1].starts_with(char::is_alphabetic) && w[2] == "=");
    let is_name = |w: &str| w.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let block = matches!(
        first,
        "if" | "elif" | "else" | "for" | "while" | "try" | "except" | "with" | "class"
    );
    // With the marks that stand on the letter before them.
    let is_letter = |c: char| c.is_alphabetic() || ('\u{300}'..='\u{36f}').contains(&c);
    let foreign_letter = |w: &&str| !w.is_ascii() && w.chars().all(is_letter);
    let curly = ["\u{201c}", "\u{201d}", "\u{2018}", "\u{2019}"];
    Some(match first {
        _ if words.iter().any(foreign_letter) => {
            "Names are of the letters a to z and A to Z, digits and _; other letters stand in texts only"
        }
        _ if curly.iter().any(|q| has(q)) => "Texts stand in straight double quotes: \"text\"",
        "def" | "function" => "A function is written fn name(x) { .. }",
        "elif" | "elsif" => "Write else if a > 1 { .. }",
        "from" => "Write import \"name\" as name",
        "import" => "Write import \"name\" as name, with quotes",
        "var" if words.get(1).is_some_and(|w| is_name(w)) => "A variable is made by let x = 1",
        "print" if words.get(1).is_some_and(|w| *w != "(") => "Write print(..) with brackets",
        "del" => ":free name forgets a variable",
        "raise" => "An error is raised by throw \"what went wrong\"",
        "class" => "There are no classes; a map with functions may do: #{ n: 1, add: |x| x + 1 }",
        "except" => "Write try { .. } catch (e) { .. }",
        "with" => "There is no with: objects close themselves",
        _ if has("lambda") => "A function without a name is written |x| x + 1",
        _ if has("elif") => "Write else if a > 1 { .. }",
        _ if has("and") || has("or") || has("not") => "Write && for and, || for or, ! for not",
        _ if ["f", "r", "b"].iter().any(|p| pair(p, &is_text)) => {
            "Values stand in back-ticks: `n = ${n}`; there is no letter before the quotes"
        }
        _ if block && last == ":" => "A block stands in braces: if a > 1 { .. }",
        _ if named_argument => "Options go in a map: f(x, #{ name: value })",
        _ if has("is") => "Write == to compare",
        _ if words.iter().any(|w| w.starts_with('\'') && w.chars().count() > 3) => {
            "Texts stand in double quotes: \"text\""
        }
        _ if words.windows(2).any(|w| w == ["+", "+"] || w == ["-", "-"]) => "Write x += 1",
        _ if has("#") => "A comment starts with //",
        _ if pair("{", &is_text) => "A map is written #{ key: value }",
        _ if has("[") && has(":") => "A part of an array is written a[1..3]",
        _ => return None,
    })
}
