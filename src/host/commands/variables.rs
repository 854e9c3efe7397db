//! `:vars`, `%who`, `%whos`, `:type`.

use super::table::table;
use super::{Call, Said, Session};
use crate::base::{Error, memory};
use crate::script::{Failure, Holding};

pub fn vars(session: &mut Session, _call: &Call<'_>) -> Result<Said, Failure> {
    let held = session.interpreter.holdings();
    let row = |h: &Holding| [h.name.clone(), h.kind.clone(), h.size.clone(), bytes(h)];
    let of_rust = |(name, kind): (&String, &String)| {
        [name.clone(), kind.clone(), "of Rust cells".into(), String::new()]
    };
    let rows = held.iter().map(row).chain(session.rust_variables().iter().map(of_rust));
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(Said::text("no variables yet"));
    }
    Ok(Ok(Some(table(["name", "type", "size", "memory"], &["memory"], &rows))).into())
}

/// The memory of an object, or whose it is.
pub fn bytes(held: &Holding) -> String {
    match &held.same_as {
        Some(other) => format!("= {other}"),
        None => memory::human(held.bytes),
    }
}

pub fn kind(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    if call.rest.is_empty() {
        let e = Error::new("saying a type (:type)").expected("an expression").found("nothing");
        return Err(e.advice("As in  :type ds.obs").into());
    }
    let name = session.cell_name();
    let kind = session.interpreter.kind_of(call.rest, &name);
    // What it calls `exit` in ends nothing.
    session.take_ended();
    Ok(Said::text(kind?))
}
