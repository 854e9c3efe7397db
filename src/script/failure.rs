//! `Error`: what `catch` gets of a call that failed.

use rhai::plugin::*;

use super::error::Raised;

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// What was being done, what was expected, what was found, and what to do. A text that a script
    /// throws is its own message.
    ///
    /// ```rhai
    /// let said = ""
    /// try { graph::knn(ds, #{ k: 600 }) } catch (e) { said = e.message }
    /// said.contains("k = 600")        // => true
    /// ```
    #[rhai_fn(get = "message")]
    pub fn message(e: &mut Raised) -> String {
        Raised::message(e)
    }

    /// The sort of failure: "invalid", "missing", "io", "numeric" or "resource"; "thrown" for a text that
    /// a script throws.
    ///
    /// ```rhai
    /// let kind = ""
    /// try { data::read("nowhere.h5ad") } catch (e) { kind = e.kind }
    /// kind                            // => "missing"
    /// ```
    #[rhai_fn(get = "kind")]
    pub fn kind(e: &mut Raised) -> String {
        Raised::kind(e).into()
    }
}

/// Gives texts what errors have, for `catch` gets what `throw` was given.
pub(super) fn texts(engine: &mut rhai::Engine) {
    engine.register_get("message", |thrown: &mut ImmutableString| thrown.clone());
    engine.register_get("kind", |_: &mut ImmutableString| "thrown");
}
