//! Commands and magics (`:vars`, `%time`, `%%file`): one table each, which `:help`, completion,
//! inspection and the reference read too. What is which, [`super::cell`] knows.
//!
//! They answer with data and print nothing but through the session's console, so that REPL, kernel
//! and notebooks have the same ones.

mod files;
mod help;
mod memory;
mod table;
mod timing;
mod variables;
mod whole;

pub use files::{gone_to, written};
pub use timing::human;

use serde::{Deserialize, Serialize};

use super::Session;
use super::session::Said;
use crate::base::nearest;
use crate::script::Failure;

/// What a command does; an error becomes the cell's.
type Run = fn(&mut Session, &Call<'_>) -> Result<Said, Failure>;

/// One command or magic.
pub struct Command {
    /// Without `:`, `%` or `%%`.
    pub name: &'static str,
    /// What follows the name, as help writes it; empty where nothing does.
    pub arguments: &'static str,
    /// One line.
    pub summary: &'static str,
    run: Run,
    /// What is another behind it, so that `:restore` and `:save` need it.
    changes: Option<Holder>,
}

/// What holds a part of a session's state, those that live longer behind the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// The language's variables, functions and imports, which `:clear` forgets.
    #[default]
    Language,
    /// The helper of Rust cells, which outlives `:clear`.
    Rust,
    /// The process, with the folder that paths start from, which outlives `:restart`.
    Process,
}

/// A command as it was called.
pub struct Call<'a> {
    pub name: &'a str,
    /// The rest of its line.
    pub rest: &'a str,
    /// The lines behind a `%%` magic.
    pub body: &'a str,
    /// How many lines of its cell stand above it.
    pub above: usize,
}

/// Which of the tables, and how their names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Command,
    Line,
    Cell,
}

impl Sort {
    pub const ALL: [Self; 3] = [Self::Command, Self::Line, Self::Cell];

    pub fn sigil(self) -> &'static str {
        match self {
            Self::Command => ":",
            Self::Line => "%",
            Self::Cell => "%%",
        }
    }

    pub fn table(self) -> &'static [Command] {
        match self {
            Self::Command => COMMANDS,
            Self::Line => LINE_MAGICS,
            Self::Cell => CELL_MAGICS,
        }
    }
}

const fn entry(
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: Run,
) -> Command {
    Command { name, arguments, summary, run, changes: None }
}

const fn lasting(
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: Run,
) -> Command {
    Command { changes: Some(Holder::Language), ..entry(name, arguments, summary, run) }
}

/// A command of evcxr that sets Rust cells up.
const fn for_rust(name: &'static str, arguments: &'static str, summary: &'static str) -> Command {
    Command { changes: Some(Holder::Rust), ..entry(name, arguments, summary, rust) }
}

/// `:name`. Those of evcxr that are about Rust go to the Rust cells as they are.
pub const COMMANDS: &[Command] = &[
    entry("help", "[NAME]", "What there is, or what NAME is", help::help),
    entry("vars", "", "Variables: type, size, memory", variables::vars),
    entry("type", "EXPR", "The type of a value", variables::kind),
    entry("doc", "NAME", "All that is written about NAME; ??NAME is the same", help::doc),
    entry("mem", "", "What each object holds, the process and the machine", memory::mem),
    lasting("free", "NAME...", "Forgets variables and gives their memory back", memory::free),
    entry("timing", "", "Says after each cell how long it took, until asked again", timing::toggle),
    lasting("load", "FILE", "Runs a script in this session", files::load),
    entry(
        "save",
        "FILE",
        "Writes the session as a script, or a notebook (.ipynb); makes folders",
        whole::save,
    ),
    entry("restore", "[N|N..|FILE]", "Runs the cells of an earlier session again", whole::restore),
    entry("clear", "", "Forgets variables, functions and imports", whole::clear),
    entry(
        "restart",
        "[rust]",
        "The same, and stops the helper of Rust cells; or only that",
        whole::restart,
    ),
    entry("quit", "", "Ends the session; exit and Ctrl-D do too", whole::quit),
    for_rust("dep", "CRATE = VERSION", "A crate for Rust cells, as in Cargo.toml"),
    entry("show_deps", "", "The crates of Rust cells", rust),
    for_rust("opt", "[0|1|2|3]", "How far Rust cells are optimised"),
    for_rust("fmt", "[FORMAT]", "How Rust cells show their last value"),
    for_rust("types", "", "Whether Rust cells show types, on or off"),
    for_rust("efmt", "[FORMAT]", "How Rust cells show errors that ? returns"),
    for_rust("toolchain", "[NAME]", "The toolchain of Rust cells"),
    for_rust("offline", "0|1", "Whether cargo stays off the network for Rust cells"),
    for_rust("sccache", "0|1", "Whether Rust cells are compiled through sccache"),
    for_rust("cache", "[MIB]", "The cache of crates compiled for Rust cells"),
    entry("clear_cache", "", "Empties that cache", rust),
    for_rust("linker", "[NAME]", "The linker of Rust cells: system, lld, mold"),
    for_rust("env", "KEY=VALUE", "A variable of the environment, for Rust cells"),
    for_rust("build_env", "KEY=VALUE", "The same, while they are compiled"),
    for_rust("preserve_vars_on_panic", "0|1", "Whether Rust variables outlive a panic"),
    entry("explain", "", "What rustc says of the last error of a Rust cell", rust),
    entry("last_compile_dir", "", "Where the last Rust cell was compiled", rust),
    entry("last_error_json", "", "The last error of a Rust cell, as rustc wrote it", rust),
    for_rust("load_config", "[--quiet]", "Reads evcxr's configuration again, for Rust cells"),
    for_rust("allow_static_linking", "0|1", "Whether crates of Rust cells are linked statically"),
    for_rust("codegen_backend", "[NAME]", "What generates code of Rust cells; needs nightly"),
    entry("time_passes", "", "Says what rustc spends its time on; needs nightly", rust),
    entry("internal_debug", "", "Shows how evcxr works on Rust cells", rust),
];

/// `%name`, one line.
pub const LINE_MAGICS: &[Command] = &[
    lasting("time", "EXPR", "Runs it once and says how long it took", timing::time),
    entry(
        "timeit",
        "[-n LOOPS] [-r RUNS] EXPR",
        "Runs it many times: mean and spread",
        timing::timeit,
    ),
    entry("who", "", "Variables, as :vars", variables::vars),
    entry("whos", "", "Variables, as :vars", variables::vars),
    lasting("run", "SCRIPT [--name value]", "Runs a script here with its parameters", files::run),
    entry("load", "FILE", "Puts a file's text into the next cell", files::next),
    Command {
        changes: Some(Holder::Process),
        ..entry("cd", "[FOLDER]", "Goes to a folder; home where none is named", files::cd)
    },
    entry("pwd", "", "The folder that paths start from", files::pwd),
    entry("history", "[N]", "The cells of this session, or the last N", whole::history),
];

/// `%%name` and the lines behind it.
pub const CELL_MAGICS: &[Command] = &[
    lasting("time", "", "Runs the cell and says how long it took", timing::time),
    lasting(
        "timeit",
        "[-n LOOPS] [-r RUNS]",
        "Runs the cell many times: mean and spread",
        timing::timeit,
    ),
    lasting("file", "[-a] PATH", "Writes the cell to a file; -a adds to it", files::write),
    lasting("writefile", "[-a] PATH", "The same", files::write),
    Command {
        changes: Some(Holder::Rust),
        ..entry(
            "rust",
            "[-i NAMES] [-o NAMES]",
            "Runs the cell as Rust; -i and -o hand objects over",
            |session, call| Ok(session.rust(call)),
        )
    },
];

/// Short forms that people have in their fingers.
const ALIASES: &[(&str, &str)] = &[("q", "quit"), ("exit", "quit"), ("t", "type"), ("h", "help")];

/// Why a line of a shell is no cell.
const NO_SHELL: &str =
    "Spatia starts no shell. A script can be started from one: spatia run SCRIPT";

/// Magics of IPython that are not here, and what does their work.
const ELSEWHERE: &[(&str, &str)] = &[
    ("bash", NO_SHELL),
    ("sh", NO_SHELL),
    ("python", "Files are the bridge: ds.write(\"x.h5ad\") is read by anndata"),
    ("matplotlib", "Figures show by themselves: end the cell in one, or display(figure)"),
    ("pip", "Spatia needs no Python; :dep adds crates to Rust cells"),
    ("reset", ":clear forgets variables, functions and imports"),
    ("env", ":env KEY=VALUE sets a variable for Rust cells"),
];

/// What is another behind a command or magic of that name.
pub fn changes(sort: Sort, name: &str) -> Option<Holder> {
    sort.table().iter().find(|c| c.name == name)?.changes
}

/// Runs `:name rest`.
pub fn command(session: &mut Session, name: &str, rest: &str) -> Said {
    let known = ALIASES.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long);
    call(session, Sort::Command, &Call { name: known, rest, body: "", above: 0 })
}

/// Runs `%name rest`.
pub fn line(session: &mut Session, called: &Call<'_>) -> Said {
    call(session, Sort::Line, called)
}

/// Runs `%%name rest` with the lines behind it.
pub fn magic(session: &mut Session, called: &Call<'_>) -> Said {
    call(session, Sort::Cell, called)
}

/// `exit`, `quit` and `help` as people type them, unless a variable is called so.
pub fn spoken(session: &mut Session, code: &str) -> Option<Said> {
    let word = word(code).filter(|w| !session.holds(w))?;
    Some(command(session, word, ""))
}

/// Whether a cell is one of these words and nothing else.
pub fn is_word(code: &str) -> bool {
    word(code).is_some()
}

fn word(code: &str) -> Option<&str> {
    let word = code.trim().trim_end_matches(';');
    let word = word.strip_suffix("()").unwrap_or(word);
    ["exit", "quit", "help"].contains(&word).then_some(word)
}

/// What to say to `!ls -l`, which is a line of a shell to IPython and evcxr, and to the language a
/// name that it does not know.
pub fn shell(code: &str) -> Option<String> {
    let line = code.trim().strip_prefix('!')?;
    let is_one = !line.contains('\n') && line.starts_with(|c: char| c.is_alphabetic());
    is_one.then(|| format!("If it is for a shell: {NO_SHELL}. A Rust cell takes it, below %%rust"))
}

/// What a command or magic is, by its name as it is written; all of them for an empty one.
pub fn explain(written: &str) -> Said {
    match help::of(written) {
        _ if written.is_empty() => Said::text(help::overview()),
        Some(text) => Said::text(text),
        None => {
            let sort = Sort::ALL.into_iter().rev().find(|s| written.starts_with(s.sigil()));
            let sort = sort.unwrap_or(Sort::Command);
            Said::failure(unknown(sort, written.trim_start_matches(sort.sigil())))
        }
    }
}

fn call(session: &mut Session, sort: Sort, call: &Call<'_>) -> Said {
    match sort.table().iter().find(|c| c.name == call.name) {
        Some(command) => (command.run)(session, call).unwrap_or_else(|e| Err(e).into()),
        None => Said::failure(unknown(sort, call.name)),
    }
}

fn rust(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    Ok(session.rust_command(call.name, call.rest))
}

/// All of them, as they are written: ":vars", "%time", "%%file".
pub fn spelled() -> impl Iterator<Item = (String, &'static Command)> {
    Sort::ALL.into_iter().flat_map(|sort| {
        sort.table().iter().map(move |c| (format!("{}{}", sort.sigil(), c.name), c))
    })
}

fn unknown(sort: Sort, name: &str) -> String {
    let written = format!("{}{name}", sort.sigil());
    let kind = if sort == Sort::Command { "command" } else { "magic" };
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(n, _)| *n == name && sort != Sort::Command)
    {
        return format!("there is no magic {written}. {instead}");
    }
    let all: Vec<String> = spelled().map(|(written, _)| written).collect();
    let near = nearest::nearest(&written, all.iter().map(String::as_str))
        .map(|n| format!("Did you mean {n}? "))
        .unwrap_or_default();
    format!("there is no {kind} {written}. {near}:help lists them")
}
