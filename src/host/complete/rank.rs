//! Which names fit what is written so far, the best first; and places in text as clients count.

use std::collections::BTreeSet;

use super::Match;

/// More than these are no help.
const MOST: usize = 500;

/// The names that begin with what is written, in their order; where none does, those that have it
/// inside, then those that have its letters in order. Of equal names the first stays.
pub(super) fn choose(written: &str, all: Vec<Match>) -> Vec<Match> {
    let mut seen = BTreeSet::new();
    let scored = all.into_iter().filter_map(|m| Some((score(written, &m.text)?, m)));
    let mut found: Vec<(u8, Match)> = scored.filter(|(_, m)| seen.insert(m.text.clone())).collect();
    found.sort_by_key(|(score, _)| *score);
    let begins = found.first().is_some_and(|(score, _)| *score <= BEGINS);
    found.retain(|(score, _)| !begins || *score <= BEGINS);
    found.into_iter().take(MOST).map(|(_, m)| m).collect()
}

/// At most `most` names of a long list; they are sorted where anything is written.
pub(super) fn choose_names<'a>(written: &str, all: &'a [String], most: usize) -> Vec<&'a str> {
    if written.is_empty() {
        return all.iter().take(most).map(String::as_str).collect();
    }
    let scored = all.iter().filter_map(|name| Some((score(written, name)?, name.as_str())));
    let mut found: Vec<(u8, &str)> = scored.collect();
    let best = found.iter().map(|(score, _)| *score).min().unwrap_or(0);
    found.retain(|(score, _)| best > BEGINS || *score <= BEGINS);
    found.sort_unstable();
    found.into_iter().take(most).map(|(_, name)| name).collect()
}

/// The worst score of a name that begins with what is written.
const BEGINS: u8 = 1;

/// How well a name fits; less is better.
fn score(written: &str, name: &str) -> Option<u8> {
    let (w, n) = (written.as_bytes(), name.as_bytes());
    if n.starts_with(w) {
        return Some(0);
    }
    if n.len() >= w.len() && n[..w.len()].eq_ignore_ascii_case(w) {
        return Some(BEGINS);
    }
    let inside = |i: &usize| n[*i..*i + w.len()].eq_ignore_ascii_case(w);
    if let Some(at) = (1..(n.len() + 1).saturating_sub(w.len())).find(inside) {
        let new_word = !n[at - 1].is_ascii_alphanumeric();
        return Some(if new_word { 2 } else { 3 });
    }
    let mut letters = n.iter();
    let in_order = w.iter().all(|c| letters.any(|l| l.eq_ignore_ascii_case(c)));
    (in_order && w.len() > 1).then_some(4)
}

/// The byte that stands at a place counted in Unicode code points, as Jupyter counts.
pub fn byte_at(text: &str, point: usize) -> usize {
    text.char_indices().nth(point).map_or(text.len(), |(byte, _)| byte)
}

/// The code points in front of a byte.
pub fn point_at(text: &str, byte: usize) -> usize {
    text[..text.floor_char_boundary(byte)].chars().count()
}
