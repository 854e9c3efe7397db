use std::io::Write;

fn main() -> ! {
    spatia::host::rust::hook();
    let code = spatia::cli::main().unwrap_or_else(|e| {
        // Standard error may be closed.
        writeln!(std::io::stderr(), "error: {e:#}").ok();
        1
    });
    spatia::host::signals::end(code)
}
