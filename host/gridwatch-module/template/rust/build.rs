//! Gives `gridwatch_sdk::module!` the names that `gridwatch module build` made of module.toml.

fn main() {
    println!("cargo::rerun-if-changed=names.rs");
    let out = std::env::var("OUT_DIR").expect("cargo says where to write");
    std::fs::copy("names.rs", format!("{out}/manifest.rs")).expect("names.rs: run `gridwatch module build`");
}
