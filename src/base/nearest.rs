//! "Did you mean": the known name closest to a mistyped one.

/// The closest of `known` to `name`, when it is close enough to be a slip of the hand.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let letters = wanted.chars().count();
    let most = |k: &str| 1 + name.len().max(k.len()) / 4;
    known
        .into_iter()
        // Each letter more is a slip; to compare takes the product of the lengths.
        .filter(|k| letters.abs_diff(k.chars().count()) <= most(k))
        .map(|k| (strsim::damerau_levenshtein(&wanted, &k.to_lowercase()), k))
        .filter(|(d, k)| *d <= most(k))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// A sentence of advice: the nearest name if there is one, and the names that exist (at most 12).
pub fn advice<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let hint = nearest(name, known.iter().copied())
        .map(|k| format!("Did you mean '{k}'? "))
        .unwrap_or_default();
    if known.is_empty() {
        return "None is known yet".into();
    }
    let more =
        if known.len() > 12 { format!(", ... ({} in all)", known.len()) } else { String::new() };
    format!("{hint}Known: {}{more}", known.iter().take(12).copied().collect::<Vec<_>>().join(", "))
}
