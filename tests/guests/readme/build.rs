//! Takes the module that the README shows out of it, and turns `module.toml` into the names that it uses.

use std::path::Path;

const README: &str = "../../../README.md";

fn main() {
    gridwatch_sdk::build::manifest();
    println!("cargo::rerun-if-changed={README}");
    let readme = std::fs::read_to_string(README).expect("the README");
    let blocks = readme.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.into_iter().find(|block| block.contains("gridwatch_sdk::module!"));
    let block = block.expect("the README shows a module");
    std::fs::write(Path::new(&out_dir()).join("readme.rs"), block).expect("readme.rs");
}

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script where to write through the environment")]
fn out_dir() -> String {
    std::env::var("OUT_DIR").expect("cargo says where to write")
}
