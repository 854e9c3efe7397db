//! Pictures in a terminal: kitty's and iTerm2's graphics, sixel, or half blocks.
//!
//! Half blocks are drawn by `viuer`. Its way of finding out what a terminal can do is not used: it
//! waits for an answer without a limit, and takes what was typed meanwhile for a part of it; and
//! its printers for kitty and sixel insist on it. So the question is asked here, once and only
//! where the environment says nothing, and these two protocols are written here.

mod sixel;

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use image::DynamicImage;

use super::tty::{self, Size};

/// How a terminal takes pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// Not at all.
    Off,
    Kitty,
    Iterm,
    Sixel,
    Blocks,
}

/// Chooses the protocol, whatever the terminal says: off, kitty, iterm, sixel, blocks.
const VARIABLE: &str = "SPATIA_IMAGES";
/// How long a terminal may take to say what it can.
const PATIENCE: Duration = Duration::from_millis(800);
/// A character in pixels, where the terminal does not say.
const CELL: (f64, f64) = (9.0, 18.0);

/// Shows a png where standard output is a terminal that can, and returns how many rows it took;
/// 0 where nothing was shown.
pub fn show(png: &[u8]) -> io::Result<usize> {
    let protocol = protocol();
    if protocol == Protocol::Off {
        return Ok(0);
    }
    let picture = image::load_from_memory(png).map_err(io::Error::other)?;
    let size = tty::size();
    let (columns, rows) = fit(&picture, size, protocol);
    let mut out = io::stdout().lock();
    match protocol {
        Protocol::Off => {}
        Protocol::Kitty => kitty(&mut out, png, columns, rows)?,
        Protocol::Iterm => {
            let (length, text) = (png.len(), BASE64_STANDARD.encode(png));
            writeln!(
                out,
                "\x1b]1337;File=inline=1;size={length};width={columns};height={rows}:{text}\x07"
            )?;
        }
        Protocol::Sixel => {
            let cell = size.cell.unwrap_or(CELL);
            let pixels = (columns as f64 * cell.0, rows as f64 * cell.1);
            writeln!(out, "{}", sixel::encode(&picture, pixels.0 as u32, pixels.1 as u32))?;
        }
        Protocol::Blocks => {
            out.flush()?;
            drop(out);
            return blocks(&picture, columns, rows).map(|()| rows);
        }
    }
    out.flush()?;
    Ok(rows)
}

/// Columns and rows of a picture: its own size, or what the terminal has room for.
fn fit(picture: &DynamicImage, size: Size, protocol: Protocol) -> (usize, usize) {
    let (w, h) = (f64::from(picture.width().max(1)), f64::from(picture.height().max(1)));
    let cell = size.cell.unwrap_or(CELL);
    let (most_columns, most_rows) =
        (size.columns as f64, size.rows.saturating_sub(2).max(1) as f64);
    // A half block is as coarse as text: there every column counts.
    let (cell, natural) = match protocol {
        Protocol::Blocks => ((1.0, 2.0), 1.0),
        _ => (cell, 1.0),
    };
    let scale = (most_columns * cell.0 / w).min(most_rows * cell.1 / h).min(natural);
    let columns = (w * scale / cell.0).round().clamp(1.0, most_columns);
    let rows = (h * scale / cell.1).round().clamp(1.0, most_rows);
    (columns as usize, rows as usize)
}

/// The file itself, in pieces; `q=2` keeps the terminal from answering into the next prompt.
fn kitty(out: &mut impl Write, png: &[u8], columns: usize, rows: usize) -> io::Result<()> {
    let text = BASE64_STANDARD.encode(png);
    let mut pieces = text.as_bytes().chunks(4096).peekable();
    let mut keys = format!("a=T,f=100,q=2,c={columns},r={rows},");
    while let Some(piece) = pieces.next() {
        let more = u8::from(pieces.peek().is_some());
        write!(out, "\x1b_G{keys}m={more};")?;
        out.write_all(piece)?;
        write!(out, "\x1b\\")?;
        keys.clear();
    }
    writeln!(out)
}

fn blocks(picture: &DynamicImage, columns: usize, rows: usize) -> io::Result<()> {
    let config = viuer::Config {
        absolute_offset: false,
        width: u32::try_from(columns).ok(),
        height: u32::try_from(rows).ok(),
        use_kitty: false,
        use_iterm: false,
        use_sixel: false,
        ..viuer::Config::default()
    };
    viuer::print(picture, &config).map(drop).map_err(io::Error::other)
}

/// What this terminal can; found out once, and not while keys wait.
fn protocol() -> Protocol {
    static FOUND: OnceLock<Protocol> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return *found;
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let known = if io::stdout().is_terminal() {
        named(&variable(VARIABLE)).or_else(|| told(&variable))
    } else {
        Some(Protocol::Off)
    };
    // The answer would come behind keys that are the next prompt's to read: the next figure asks.
    if known.is_none() && tty::keys_wait() {
        return Protocol::Blocks;
    }
    *FOUND.get_or_init(|| known.unwrap_or_else(asked))
}

fn named(protocol: &str) -> Option<Protocol> {
    match protocol.to_lowercase().as_str() {
        "off" | "none" | "0" => Some(Protocol::Off),
        "kitty" => Some(Protocol::Kitty),
        "iterm" | "iterm2" => Some(Protocol::Iterm),
        "sixel" => Some(Protocol::Sixel),
        "blocks" => Some(Protocol::Blocks),
        _ => None,
    }
}

/// What the environment says; `None`: the terminal is to be asked.
fn told(variable: &impl Fn(&str) -> String) -> Option<Protocol> {
    let (term, program) = (variable("TERM"), variable("TERM_PROGRAM"));
    let is = |names: &[&str]| names.iter().any(|n| program.contains(n) || term.contains(n));
    if term.is_empty() || term == "dumb" {
        return Some(Protocol::Off);
    }
    // Within a multiplexer the variables are those of the terminal around it, which it hides.
    if !variable("TMUX").is_empty() || term.starts_with("screen") || term.starts_with("tmux") {
        return None;
    }
    if !variable("KITTY_WINDOW_ID").is_empty() || is(&["kitty", "ghostty"]) {
        return Some(Protocol::Kitty);
    }
    if is(&["iTerm", "WezTerm", "mintty", "rio", "WarpTerminal"])
        || variable("LC_TERMINAL").contains("iTerm")
        || !variable("KONSOLE_VERSION").is_empty()
    {
        return Some(Protocol::Iterm);
    }
    // These show the question on the screen.
    if term == "linux" || program == "Apple_Terminal" {
        return Some(Protocol::Blocks);
    }
    None
}

/// Asks for kitty's graphics, then for the terminal's attributes, which every terminal answers.
fn asked() -> Protocol {
    const QUESTION: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c";
    // The attributes end in a "c" behind "ESC [ ?".
    let attributes = |answer: &[u8]| {
        let at = answer.windows(3).position(|w| w == b"\x1b[?")?;
        let end = answer[at..].iter().position(|b| *b == b'c')?;
        Some(String::from_utf8_lossy(&answer[at + 3..at + end]).into_owned())
    };
    let whole = |answer: &[u8]| attributes(answer).is_some();
    // A multiplexer without graphics would pass kitty's question on as text.
    let inside = std::env::var_os("TMUX").is_some();
    let question = if inside { "\x1b[c" } else { QUESTION };
    let Some(answer) = tty::ask(question, whole, PATIENCE) else { return Protocol::Blocks };
    if answer.windows(8).any(|w| w == b"i=31;OK\x1b") {
        return Protocol::Kitty;
    }
    let sixel = attributes(&answer).is_some_and(|a| a.split(';').any(|n| n == "4"));
    if sixel { Protocol::Sixel } else { Protocol::Blocks }
}
