fn main() -> ! {
    spatia::host::rust::hook();
    let code = spatia::cli::main().unwrap_or_else(|e| {
        eprintln!("error: {e:#}");
        1
    });
    spatia::host::signals::end(code)
}
