//! Rows under headings, for a terminal and for a notebook.

use crate::script::Bundle;

/// A table as aligned text and as Markdown; columns named in `right` are numbers.
pub fn table<const N: usize>(heads: [&str; N], right: &[&str], rows: &[[String; N]]) -> Bundle {
    Bundle::text(plain(heads, right, rows)).with("text/markdown", markdown(heads, right, rows))
}

/// Aligned text.
pub fn plain<const N: usize>(heads: [&str; N], right: &[&str], rows: &[[String; N]]) -> String {
    let width = |i: usize| {
        let cells = rows.iter().map(|r| r[i].chars().count());
        cells.chain([heads[i].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let cell = |i: usize| {
            let (text, width) = (cells[i], widths[i]);
            if right.contains(&heads[i]) {
                format!("{text:>width$}")
            } else {
                format!("{text:width$}")
            }
        };
        (0..N).map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let body = rows.iter().map(|r| line(std::array::from_fn(|i| r[i].as_str())));
    std::iter::once(line(heads)).chain(body).collect::<Vec<_>>().join("\n")
}

fn markdown<const N: usize>(heads: [&str; N], right: &[&str], rows: &[[String; N]]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let rule = heads.iter().map(|h| if right.contains(h) { "--:" } else { ":--" }.to_owned());
    // `Vec<f64>` is no tag.
    let escaped = |c: &String| c.replace('|', "\\|").replace('<', "\\<");
    let mut out = line(heads.iter().map(|h| (*h).to_owned()).collect());
    out += &line(rule.collect());
    out.extend(rows.iter().map(|r| line(r.iter().map(escaped).collect())));
    out
}
