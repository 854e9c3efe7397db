fn main() -> anyhow::Result<()> {
    std::process::exit(spatia::cli::main()?)
}
