//! What the kernel says of itself.

use serde_json::{Value, json};

use super::message::PROTOCOL;
use crate::host::info;

/// The content of `kernel_info_reply`.
pub fn reply() -> Value {
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL,
        "implementation": "spatia",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": language(),
        "banner": banner(),
        "help_links": [
            { "text": "The Rhai language", "url": "https://rhai.rs/book/" },
        ],
        "supported_features": [],
        "debugger": false,
    })
}

/// What notebooks keep of it in their metadata.
pub fn language() -> Value {
    json!({
        "name": "rhai",
        "version": info::locked("rhai"),
        "mimetype": "text/x-rhai",
        "file_extension": ".rhai",
        // None knows Rhai. Most of its keywords are those of Rust, but `${}` in texts is JavaScript's, and
        // CodeMirror's grammar of Rust loses its way at `#{`.
        "pygments_lexer": "rust",
        "codemirror_mode": "javascript",
        "nbconvert_exporter": "script",
    })
}

fn banner() -> String {
    format!(
        "Spatia {}: spatial transcriptomics and histology in Rhai\n\
         ?name explains a function or a variable, :help lists the commands",
        info::version()
    )
}
