//! What a script may not exceed: how deep functions call each other, and how much its texts,
//! arrays and maps may hold. Without the second, `loop { s += s }` ends with the process.
//!
//! Rhai's own limits measure a value at every change, so that an array that grows by `push` costs
//! the square of its length. Here the variables are weighed when one of them is used, no more
//! often than takes a sixth of the time: growth that matters takes long enough to be seen.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use rhai::{Array, Blob, Dynamic, Engine, INT, ImmutableString, Map, Scope};

use super::convert::Outcome;
use crate::base::memory::{self, human};
use crate::base::{Error, Kind};

/// How deep functions may call each other.
pub(super) const CALLS: usize = 100;

/// How deep arrays and maps may lie in each other; copying goes down on the machine's stack.
const NESTING: usize = 256;

/// Bytes of an entry of an array and of a map, and of what stands apart, besides what it holds.
const ENTRY: u64 = 16;
const KEYED_ENTRY: u64 = 64;
const APART: u64 = 64;

/// The clock is read at every so-many-th access, as long as these take less than a millisecond.
const STRIDE: u32 = 8;
const SLOW: Duration = Duration::from_millis(1);

/// Between two weighings passes at least this, and five times what the last one took.
const PAUSE: Duration = Duration::from_millis(10);

/// Weighs a session's variables now and then.
#[derive(Default)]
pub(super) struct Watch {
    next: Cell<Option<Instant>>,
    read: Cell<Option<Instant>>,
    skip: Cell<u32>,
    most: Cell<u64>,
    /// Variables that were refused, and what they may hold now: they are still there, and no fault
    /// of the cells behind.
    refused: RefCell<HashMap<String, u64>>,
}

impl Watch {
    /// Sets the limit by the memory that is free now; called before something runs.
    pub fn begin(&self) {
        // What was small enough once is so for ever.
        self.most.set(self.most.get().max(most()));
        self.next.set(Some(Instant::now() + PAUSE));
    }

    /// Weighs the variables in sight when it is time.
    ///
    /// # Errors
    /// They hold too much, or lie too deep in each other.
    pub fn look(&self, scope: &Scope<'_>) -> Result<(), Error> {
        if let Some(left) = self.skip.get().checked_sub(1) {
            self.skip.set(left);
            return Ok(());
        }
        let now = Instant::now();
        let slow = self.read.replace(Some(now)).is_some_and(|before| now - before > SLOW);
        self.skip.set(if slow { 0 } else { STRIDE - 1 });
        if self.next.get().is_none_or(|next| now < next) {
            return Ok(());
        }
        for (name, _, value) in scope.iter_raw() {
            let earlier = self.refused.borrow().get(name).copied();
            let most = earlier.unwrap_or_else(|| self.most.get());
            let mut left = most;
            if let Err(over) = weigh(value, NESTING, &mut left) {
                self.refused.borrow_mut().insert(name.to_owned(), 2 * most);
                return Err(refusal(name, &over, most));
            }
        }
        self.next.set(Some(Instant::now() + PAUSE.max(now.elapsed() * 5)));
        Ok(())
    }
}

/// A part of the memory that is free: a value doubles before it is weighed again, and is copied
/// while it does. At least 64 MiB, at most 512 MiB.
fn most() -> u64 {
    (memory::now().available / 48).clamp(64 << 20, 512 << 20)
}

enum Over {
    Size,
    Depth,
}

fn refusal(name: &str, over: &Over, most: u64) -> Error {
    let error = Error::new(format!("weighing the variable '{name}'")).kind(Kind::Resource);
    match over {
        Over::Size => error
            .expected(format!("texts, arrays and maps of at most {} in one variable", human(most)))
            .found("more")
            .advice(
                "Does it grow without end? Large data belongs in a Dataset, a Table or a Tensor",
            ),
        Over::Depth => error
            .expected(format!("arrays and maps at most {NESTING} deep in each other"))
            .found("deeper ones")
            .advice("Does it grow without end?"),
    }
}

/// Takes the bytes of a value from `left`.
fn weigh(value: &Dynamic, depth: usize, left: &mut u64) -> Result<(), Over> {
    let mut take = |bytes: u64| left.checked_sub(bytes).map(|rest| *left = rest).ok_or(Over::Size);
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return take(APART + text.len() as u64);
    }
    if let Some(blob) = value.read_lock::<Blob>() {
        return take(APART + blob.len() as u64);
    }
    if let Some(array) = value.read_lock::<Array>() {
        take(APART + array.len() as u64 * ENTRY)?;
        let depth = depth.checked_sub(1).ok_or(Over::Depth)?;
        return array.iter().filter(|v| holds(v)).try_for_each(|v| weigh(v, depth, left));
    }
    if let Some(map) = value.read_lock::<Map>() {
        take(APART + map.len() as u64 * KEYED_ENTRY)?;
        let depth = depth.checked_sub(1).ok_or(Over::Depth)?;
        return map.values().filter(|v| holds(v)).try_for_each(|v| weigh(v, depth, left));
    }
    Ok(())
}

/// Whether a value can hold more than its own entry.
fn holds(value: &Dynamic) -> bool {
    value.is_string() || value.is_array() || value.is_map() || value.is_blob() || value.is_shared()
}

/// Replaces the functions that make any size in one call.
pub(super) fn install(engine: &mut Engine) {
    engine.register_fn(
        "pad",
        |text: &mut ImmutableString, length: INT, with: char| -> Outcome<()> {
            let missing = missing("pad", length, text.chars().count(), with.len_utf8())?;
            text.make_mut().extend(std::iter::repeat_n(with, missing));
            Ok(())
        },
    );
    engine.register_fn(
        "pad",
        |text: &mut ImmutableString, length: INT, with: &str| -> Outcome<()> {
            let width = with.chars().count();
            let missing = missing("pad", length, text.chars().count(), 4)?;
            if width > 0 {
                text.make_mut().push_str(&with.repeat(missing.div_ceil(width)));
            }
            let length = usize::try_from(length).unwrap_or_default();
            if let Some((end, _)) = text.char_indices().nth(length).filter(|_| missing > 0) {
                text.make_mut().truncate(end);
            }
            Ok(())
        },
    );
    engine.register_fn("pad", |array: &mut Array, length: INT, with: Dynamic| -> Outcome<()> {
        let mut room = most();
        let weighed = weigh(&with, NESTING, &mut room);
        let bytes = if weighed.is_ok() { most() - room + ENTRY } else { most() };
        let missing = missing("pad", length, array.len(), bytes as usize)?;
        array.extend(std::iter::repeat_n(with, missing));
        Ok(())
    });
    engine.register_fn("blob", |length: INT| -> Outcome<Blob> {
        Ok(vec![0; missing("blob", length, 0, 1)?])
    });
    engine.register_fn("blob", |length: INT, value: INT| -> Outcome<Blob> {
        Ok(vec![value as u8; missing("blob", length, 0, 1)?])
    });
}

/// How many entries are missing to a length, if there is memory for them.
fn missing(call: &str, length: INT, present: usize, bytes: usize) -> Outcome<usize> {
    let missing = usize::try_from(length).unwrap_or_default().saturating_sub(present);
    if (missing as u64).saturating_mul(bytes as u64) > most() {
        let e = Error::new(format!("calling {call}"))
            .kind(Kind::Resource)
            .expected(format!("a result of at most {}", human(most())))
            .found(format!("a length of {length}"));
        return Err(e.into());
    }
    Ok(missing)
}
