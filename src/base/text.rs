//! Text as messages may quote it: nothing in it moves a terminal, and nothing fills its screen.

/// Characters of one word, and what is shown of a longer one.
const WORD: usize = 200;
const HEAD: usize = 80;
const TAIL: usize = 20;
/// Characters of a message.
const ALL: usize = 20_000;

/// What stands for a character on one line: a picture of a control character, as wide as any other.
pub fn visible(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        // These turn the direction in which a line is read.
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

/// A message: its lines stay, control characters are pictures, and of what is too long to be read
/// the ends are shown, with its length.
pub fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(ALL));
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end_matches(char::is_whitespace);
        let length = word.chars().count();
        if length <= WORD {
            out.push_str(word);
        } else {
            out.extend(word.chars().take(HEAD));
            out += &format!("… {length} characters …");
            out.extend(word.chars().skip(length - TAIL));
        }
        out.push_str(&piece[word.len()..]);
    }
    let length = out.chars().count();
    if length > ALL {
        out = out.chars().take(ALL).collect();
        out += &format!(" … {length} characters");
    }
    out.chars().map(|c| if c == '\n' { c } else { visible(c) }).collect()
}

/// Words as far as they fit into so many characters; an ellipsis stands for the rest.
pub fn clip(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let head: String = text.chars().take(most.saturating_sub(2)).collect();
    let words: &str = match text.chars().nth(head.chars().count()) {
        Some(next) if !next.is_whitespace() => head.rsplit_once(' ').map_or("", |(words, _)| words),
        _ => &head,
    };
    let kept: &str = if words.trim().is_empty() { &head } else { words };
    format!("{} …", kept.trim_end())
}
