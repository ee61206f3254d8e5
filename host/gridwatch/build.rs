//! Puts modules into the program, so that a release runs `gridwatch demo` anywhere: those in the folder that
//! `GRIDWATCH_EMBED_MODULES` names, as `cargo xtask release` sets it, and what `GRIDWATCH_EMBED_INTERPRETER` names for rules without one. Without it there are none, and a plain build needs no WASM.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const VARIABLE: &str = "GRIDWATCH_EMBED_MODULES";
/// The file that runs rules which nobody compiles.
const INTERPRETER: &str = "GRIDWATCH_EMBED_INTERPRETER";

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-env-changed={INTERPRETER}");
    println!("cargo::rerun-if-changed=build.rs");
    let (folder, out) = (variable(VARIABLE), variable("OUT_DIR").unwrap_or_default());
    let written = modules(folder.as_deref().map(Path::new)).and_then(|modules| {
        let path = Path::new(&out).join("modules.rs");
        let text = code(&modules) + &interpreter(variable(INTERPRETER).as_deref().map(Path::new));
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    });
    if let Err(problem) = written {
        println!("cargo::error={problem}");
    }
}

/// Every `*.wasm` of the folder, by name; at least one if a folder is named.
fn modules(folder: Option<&Path>) -> Result<Vec<PathBuf>, String> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    println!("cargo::rerun-if-changed={}", folder.display());
    let listing = std::fs::read_dir(folder).map_err(|e| format!("{VARIABLE}: {}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = listing.filter_map(|file| Some(file.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    match files.is_empty() {
        true => Err(format!("{VARIABLE}: no modules in {}; `cargo xtask modules` builds ours", folder.display())),
        false => files.iter().map(|path| std::path::absolute(path).map_err(|e| e.to_string())).collect(),
    }
}

fn code(modules: &[PathBuf]) -> String {
    let mut out = String::from("/// File name and content of each.\npub const MODULES: &[(&str, &[u8])] = &[\n");
    for path in modules {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(out, "    ({name:?}, include_bytes!({:?})),", path.display().to_string());
    }
    out + "];\n"
}

fn interpreter(file: Option<&Path>) -> String {
    let bytes = file.map_or_else(
        || "None".to_owned(),
        |file| {
            println!("cargo::rerun-if-changed={}", file.display());
            format!("Some(include_bytes!({:?}))", file.display().to_string())
        },
    );
    format!("/// What runs rules that nobody compiles.\npub const INTERPRETER: Option<&[u8]> = {bytes};\n")
}

#[expect(clippy::disallowed_methods, reason = "cargo and xtask tell a build script what to do through the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
