//! Turns `module.toml` into the constants and accessors that `src/lib.rs` uses.

fn main() {
    gridwatch_sdk::build::manifest();
}
