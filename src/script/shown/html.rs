//! Pieces of HTML for notebooks: everything escaped, styled inline with the theme's own variables
//! and, where there is no theme, with what is inherited; no scripts, nothing from elsewhere.

/// Text, safe between tags and in attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Controls have no place in HTML; a reader sees that one was there.
            c if c.is_control() => out.push_str(&c.escape_default().to_string()),
            c => out.push(c),
        }
    }
    out
}

/// The frame of an object: its heading, which is text, and a body of HTML.
pub fn block(heading: &str, body: &str) -> String {
    format!(
        "<div style=\"font-family:var(--jp-ui-font-family,sans-serif);font-size:var(--jp-ui-font-size1,13px);color:var(--jp-ui-font-color1,inherit);line-height:1.5\"><div style=\"font-weight:600;margin-bottom:4px\">{}</div>{body}</div>",
        escape(heading)
    )
}

/// A line of less weight.
pub fn note(text: &str) -> String {
    format!(
        "<div style=\"color:var(--jp-ui-font-color2,inherit);opacity:.85;margin:2px 0\">{}</div>",
        escape(text)
    )
}

/// A line that should not be overlooked.
pub fn warning(text: &str) -> String {
    format!(
        "<div style=\"border-left:3px solid var(--jp-warn-color1,#d55e00);padding-left:8px;margin:2px 0\">{}</div>",
        escape(text)
    )
}

/// A part that opens and closes; `summary` is text.
pub fn details(summary: &str, body: &str, open: bool) -> String {
    let open = if open { " open" } else { "" };
    format!(
        "<details{open} style=\"margin:2px 0\"><summary style=\"cursor:pointer\">{}</summary><div style=\"margin:2px 0 6px 16px\">{body}</div></details>",
        escape(summary)
    )
}

/// One cell of a table.
pub struct Cell {
    pub text: String,
    /// Numbers stand at the right.
    pub right: bool,
    /// Of less weight: a missing value, a type.
    pub soft: bool,
}

impl Cell {
    pub fn left(text: impl Into<String>) -> Self {
        Self { text: text.into(), right: false, soft: false }
    }

    pub fn soft(text: impl Into<String>) -> Self {
        Self { soft: true, ..Self::left(text) }
    }
}

/// A table that scrolls sideways where it is too wide; without heads, a list of names and values.
pub fn table(heads: &[Vec<Cell>], rows: &[Vec<Cell>]) -> String {
    let row = |tag: &str, cells: &Vec<Cell>| {
        let cells: String = cells.iter().map(|c| cell(tag, c)).collect();
        format!("<tr>{cells}</tr>")
    };
    let heads: String = heads.iter().map(|r| row("th", r)).collect();
    let rows: String = rows.iter().map(|r| row("td", r)).collect();
    let head = if heads.is_empty() { String::new() } else { format!("<thead>{heads}</thead>") };
    format!(
        "<div style=\"overflow-x:auto;max-width:100%\"><table style=\"border-collapse:collapse;margin:0;color:inherit;font-size:inherit\">{head}<tbody>{rows}</tbody></table></div>"
    )
}

fn cell(tag: &str, cell: &Cell) -> String {
    let align = if cell.right { "right;font-variant-numeric:tabular-nums" } else { "left" };
    let tone = if cell.soft { ";opacity:.6;font-weight:400" } else { "" };
    let line = if tag == "th" && cell.soft {
        ";border-bottom:1px solid var(--jp-border-color1,rgba(128,128,128,.6))"
    } else {
        ""
    };
    format!(
        "<{tag} style=\"text-align:{align};padding:1px 10px 1px 0;white-space:pre;vertical-align:top{tone}{line}\">{}</{tag}>",
        escape(&cell.text)
    )
}

/// Names and what they are.
pub fn list(items: &[(String, String)]) -> String {
    let row = |(name, what): &(String, String)| vec![Cell::left(name), Cell::soft(what)];
    table(&[], &items.iter().map(row).collect::<Vec<_>>())
}

/// A picture inside the text, shown `width` wide.
pub fn picture(png: &str, width: u32) -> String {
    format!(
        "<img alt=\"\" width=\"{width}\" style=\"max-width:100%;height:auto\" src=\"data:image/png;base64,{png}\"/>"
    )
}
