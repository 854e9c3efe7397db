//! What has to do with files: `:load`, `%run`, `%load`, `%%file`, `%cd`, `%pwd`.

use std::path::{Path, PathBuf};

use super::{Call, Said, Session};
use crate::base::{Error, files, memory};
use crate::host::cell::Cell;
use crate::host::session::Effect;
use crate::host::typed;
use crate::script::Failure;

/// `:load FILE`: a script as if its text stood in the cell, its parameters at their defaults.
pub fn load(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let path = path_of("loading a script (:load)", call.rest)?;
    script(session, &path, &[])
}

/// `%run SCRIPT [--name value]`.
pub fn run(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let words = words(call.rest);
    let (path, arguments) = words.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    let path = path_of("running a script (%run)", path)?;
    script(session, &path, arguments)
}

fn script(session: &mut Session, path: &Path, arguments: &[String]) -> Result<Said, Failure> {
    let name = path.display().to_string();
    if path.extension().is_some_and(|e| e == "ipynb") {
        let e = Error::new(format!("running {name}")).expected("a script").found("a notebook");
        return Err(e.advice(format!("In a shell: spatia notebook run {name}")).into());
    }
    let text = files::read_text(path)?;
    let values = session.signature(&text, &name)?.bind(arguments)?;
    Ok(session.script(&text, &name, values))
}

/// `%load FILE`: the text as the next cell, to be looked at and run.
pub fn next(_session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let path = path_of("loading a file (%load)", call.rest)?;
    let text = files::read_text(&path)?;
    Ok(Said::effect(Effect::NextInput(text.trim_end().to_owned())))
}

/// `%%file [-a] PATH`.
pub fn write(_session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let doing = format!("writing a cell to a file (%%{})", call.name);
    let (add, rest) = adding(call.rest);
    let path = path_of(&doing, rest)?;
    let before = if add && path.exists() { files::read_text(&path)? } else { String::new() };
    let existed = path.exists();
    let text = format!("{before}{}\n", call.body);
    files::write(&path, &text)?;
    let verb = match (add, existed) {
        (true, true) => "added to",
        (false, true) => "replaced",
        (_, false) => "wrote",
    };
    Ok(Said::text(format!("{verb} {}, {}", path.display(), memory::human(text.len() as u64))))
}

/// Takes `-a` off what follows `%%file`.
fn adding(rest: &str) -> (bool, &str) {
    rest.strip_prefix("-a ").map_or((false, rest), |rest| (true, rest))
}

/// The path that a cell writes as `%%file` would, seen from a folder.
pub fn written(text: &str, folder: &Path) -> Option<PathBuf> {
    match Cell::parse(text) {
        Cell::Magic { name: "file" | "writefile", rest, .. } => {
            Some(folder.join(typed(adding(rest).1)))
        }
        _ => None,
    }
}

/// The folder behind a cell, seen from the one before it.
pub fn gone_to(text: &str, folder: PathBuf) -> PathBuf {
    match Cell::parse(text) {
        Cell::Line { name: "cd", rest } => folder.join(typed(or_home(rest))),
        Cell::Lead { first, rest, .. } => gone_to(rest, gone_to(first, folder)),
        _ => folder,
    }
}

fn or_home(folder: &str) -> &str {
    if folder.is_empty() { "~" } else { folder }
}

/// `%cd [FOLDER]`.
pub fn cd(_session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let doing = "changing the folder (%cd)";
    let path = path_of(doing, or_home(call.rest))?;
    files::exists(&path)?;
    std::env::set_current_dir(&path)
        .map_err(|e| Error::io(format!("{doing} to {}", path.display()), e))?;
    here()
}

/// `%pwd`.
pub fn pwd(_session: &mut Session, _call: &Call<'_>) -> Result<Said, Failure> {
    here()
}

fn here() -> Result<Said, Failure> {
    let folder = std::env::current_dir().map_err(|e| {
        Error::io("asking for the folder", e).advice("It may be gone; %cd to another")
    })?;
    Ok(Said::text(folder.display().to_string()))
}

/// A path as people type it: quotes around it, `~` at its front.
pub fn path_of(doing: &str, text: &str) -> Result<PathBuf, Failure> {
    let path = typed(text);
    if path.as_os_str().is_empty() {
        return Err(Error::new(doing).expected("a path").found("nothing").into());
    }
    Ok(path)
}

/// Words apart, as a shell takes them: quotes keep spaces.
fn words(text: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => all.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}
