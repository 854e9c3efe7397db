//! `Error`: what `catch` gets of a call that failed.

use rhai::plugin::*;

use super::error::Raised;

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// What was being done, what was expected, what was found, and what to do.
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

    /// The sort of failure: "invalid", "missing", "io", "numeric" or "resource".
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
