//! `:mem` and `:free`.

use super::table::plain;
use super::variables::bytes;
use super::{Call, Said, Session};
use crate::base::{Error, Kind, memory, nearest};
use crate::script::{Failure, Holding};

pub fn mem(session: &mut Session, _call: &Call<'_>) -> Result<Said, Failure> {
    let mut held = session.interpreter.holdings();
    held.sort_by_key(|h| std::cmp::Reverse(h.bytes));
    let total: u64 = held.iter().filter(|h| h.same_as.is_none()).map(|h| h.bytes).sum();
    let row = |h: &Holding| [h.name.clone(), h.kind.clone(), h.size.clone(), bytes(h)];
    let rows: Vec<_> = held.iter().map(row).collect();
    let mut out = String::new();
    if !rows.is_empty() {
        out += &plain(["name", "type", "size", "memory"], &["memory"], &rows);
        out += &format!("\n\nvariables  {}\n", memory::human(total));
    }
    let m = memory::now();
    out += &format!(
        "process    {}, at most {} so far\nmachine    {} free of {}",
        memory::human(m.resident),
        memory::human(m.peak),
        memory::human(m.available),
        memory::human(m.total)
    );
    Ok(Said::text(out))
}

pub fn free(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let doing = "freeing variables (:free)";
    let names: Vec<&str> =
        call.rest.split([' ', ',', '\t']).filter(|name| !name.is_empty()).collect();
    let held = session.interpreter.holdings();
    // What the cells have shown is held too: `Out` lets go of it.
    let known = || held.iter().map(|h| h.name.as_str()).chain(["Out", "_"]);
    if names.is_empty() {
        let e = Error::new(doing).expected("names of variables").found("none");
        return Err(e.advice("As in  :free ds. :vars lists them").into());
    }
    if let Some(missing) = names.iter().find(|n| !known().any(|k| k == **n)) {
        let e = Error::new(doing).kind(Kind::Missing).expected("names of variables");
        return Err(e
            .found(format!("'{missing}'"))
            .advice(nearest::advice(missing, known()))
            .into());
    }
    let before = memory::now().resident;
    for name in &names {
        session.forget(name);
    }
    give_back();
    let back = before.saturating_sub(memory::now().resident);
    let (freed, stay): (Vec<&Holding>, Vec<&Holding>) =
        held.iter().partition(|h| names.contains(&h.name.as_str()));
    let in_both = |a: &Holding, b: &Holding| a.object.is_some() && a.object == b.object;
    // As :vars counts it: an object once; one that another variable holds is not freed.
    let weight: u64 = (0..freed.len())
        .filter(|&i| !stay.iter().chain(&freed[..i]).any(|other| in_both(freed[i], other)))
        .map(|i| freed[i].bytes)
        .sum();
    let others: Vec<String> = stay
        .iter()
        .filter(|h| freed.iter().any(|f| in_both(f, h)))
        .map(|h| h.name.clone())
        .collect();
    let kept = if others.is_empty() {
        String::new()
    } else {
        format!("; {} still holds the same object", others.join(", "))
    };
    Ok(Said::text(format!(
        "freed {} ({}); the process gave {} back to the system{kept}",
        names.join(", "),
        memory::human(weight),
        memory::human(back)
    )))
}

/// Asks the allocator to hand what it keeps for later to the system.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes the allocator's own locks and needs nothing of its caller.
    unsafe {
        libc::malloc_trim(0);
    }
}
