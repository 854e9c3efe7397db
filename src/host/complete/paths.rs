//! Files and folders, as completions of a path that is being written.

use std::path::Path;

use super::{Completions, Match, rank};
use crate::host::expanded;

/// What a path so far can go on as. The last part of it is replaced. With endings (".rhai"), only
/// folders and files that end so, which are then put in without it.
pub(super) fn complete(so_far: &str, cursor: usize, behind: &str, endings: &[&str]) -> Completions {
    let (folder, name) = match so_far.rfind('/') {
        Some(i) => so_far.split_at(i + 1),
        None => ("", so_far),
    };
    let rest = behind.find(['"', '\'', '`', '/', '\n', ' ']).unwrap_or(0);
    let closed = behind[rest..].starts_with(['"', '\'', '`']);
    let end = cursor + if closed { rest } else { 0 };
    let mut entries = listed(
        &expanded(if folder.is_empty() { "." } else { folder }),
        name.starts_with('.'),
        endings,
    );
    entries.sort_by(|a, b| a.text.cmp(&b.text));
    Completions { start: cursor - name.len(), end, matches: rank::choose(name, entries) }
}

/// Whether a text is a path wherever it stands.
pub(super) fn is_path(text: &str) -> bool {
    ["/", "./", "../", "~"].iter().any(|start| text.starts_with(start))
}

/// The entries of a folder; one that cannot be read has none.
fn listed(folder: &Path, hidden: bool, endings: &[&str]) -> Vec<Match> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let named = entries.filter_map(|e| Some((e.file_name().into_string().ok()?, e)));
    let shown = named
        .filter(|(name, _)| name.starts_with('.') == hidden && !name.contains(['"', '\\', '\n']));
    let matches = shown.filter_map(|(name, entry)| {
        // A link to a folder is a folder.
        if entry.path().is_dir() {
            return Some(Match::new(format!("{name}/"), "path", "folder"));
        }
        if endings.is_empty() {
            let size = entry.metadata().map_or(0, |m| m.len());
            return Some(Match::new(name, "path", crate::base::memory::human(size)));
        }
        let stem = endings.iter().find_map(|e| name.strip_suffix(e))?;
        Some(Match::new(stem, "path", name.clone()))
    });
    matches.collect()
}
