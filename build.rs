fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let torch = std::env::var("LIBTORCH").unwrap_or(format!("{root}/.deps/python/torch"));
    println!("cargo:rustc-link-arg=-Wl,-rpath,{torch}/lib");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
}
