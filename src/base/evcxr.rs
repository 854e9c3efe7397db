//! How values of this library are shown in Rust notebooks: evcxr calls a value's `evcxr_display` and
//! takes what that writes on standard output between two lines for the value's form.

use std::io::Write;

/// Writes the forms of a value, MIME type and content; images in base 64.
pub fn display(forms: &[(&str, &str)]) {
    let mut out = std::io::stdout().lock();
    for (mime, content) in forms {
        // Nobody reads a stream that is closed.
        writeln!(out, "EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT").ok();
    }
    out.flush().ok();
}
