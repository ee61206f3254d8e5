//! From a module's folder to its file, with the tools of the language that it is written in: cargo, componentize-py, or
//! componentize-qjs. What they say goes to standard error as they say it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use gridwatch_manifest::{Grant, Manifest};

use crate::file::{self, ModuleId};
use crate::names;
use crate::reuse;
use crate::scaffold::{Language, WIT};

/// Not wasm32-wasip2: for that, std brings WASI imports, and a module is given no WASI.
const TARGET: &str = "wasm32-unknown-unknown";
/// Where the finished file goes, in the module's folder.
pub(crate) const DIST: &str = "dist";
/// Where what only the build needs goes.
const STAGE: &str = ".build";
const PYTHON_ENTRY: &str = include_str!("../template/python/entry.py");
const JAVASCRIPT_ENTRY: &str = include_str!("../template/javascript/entry.js");

/// What would have another machine build other bytes, or put them where nobody looks.
const MISLEADING: [&str; 12] = [
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// A module file as it was built.
#[derive(Debug)]
pub struct Built {
    pub id: ModuleId,
    /// What it is written in, for people.
    pub written_in: &'static str,
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(
        "{0} is no folder of a module: it has neither Cargo.toml nor rule.py nor rule.js, and no Sigma rules (*.yml)\n  hint: `gridwatch module new NAME` makes one"
    )]
    NoModule(PathBuf),
    #[error("can't read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("can't write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{}", .0.join("\n"))]
    Manifest(Vec<String>),
    #[error("{tool} isn't there, which a module in {} is built with\n  hint: {hint}", .language.name())]
    NoTool { tool: &'static str, language: Language, hint: String },
    #[error("`{0}` failed ({1}); what it said stands above")]
    Failed(String, std::process::ExitStatus),
    #[error("{0}")]
    Odd(String),
}

/// Builds the module in a folder into `dist/NAME-VERSION.wasm` there.
///
/// # Errors
/// The manifest is wrong, a tool is missing or fails, or something can't be read or written.
pub fn build(folder: &Path) -> Result<Built, BuildError> {
    made(folder, false)
}

/// The same, or what was built before where nothing has changed since.
///
/// # Errors
/// As [`build`].
pub fn build_if_changed(folder: &Path) -> Result<Built, BuildError> {
    made(folder, true)
}

fn made(folder: &Path, may_reuse: bool) -> Result<Built, BuildError> {
    let language = Language::of(folder).ok_or_else(|| BuildError::NoModule(folder.to_owned()))?;
    let folder = &folder.canonicalize().map_err(|source| BuildError::Read { path: folder.to_owned(), source })?;
    let (text, manifest) = manifest(folder)?;
    let id = ModuleId { name: manifest.name.clone(), version: manifest.version.to_string() };
    let path = folder.join(DIST).join(id.file_name());
    let mark = folder.join(STAGE).join("mark");
    // cargo knows by itself what has changed.
    let inputs = match language {
        Language::Rust => None,
        Language::Python => reuse::inputs(folder, &componentize_py(folder)).ok(),
        Language::JavaScript => reuse::inputs(folder, &componentize_qjs(folder)).ok(),
    };
    if may_reuse && let Some(bytes) = inputs.as_ref().and_then(|inputs| reuse::unchanged(&mark, inputs, &path)) {
        return Ok(Built { id, written_in: language.name(), path, bytes });
    }
    let bytes = match language {
        Language::Rust => rust(folder, &manifest, text.as_bytes())?,
        Language::Python => file::with_manifest(python(folder, &manifest)?, text.as_bytes()),
        Language::JavaScript => file::with_manifest(javascript(folder, &manifest)?, text.as_bytes()),
    };
    file::put(&path, &bytes).map_err(|source| BuildError::Write { path: path.clone(), source })?;
    if let Some(inputs) = inputs {
        reuse::mark(&mark, &inputs, &bytes);
    }
    Ok(Built { id, written_in: language.name(), path, bytes })
}

fn componentize_py(folder: &Path) -> PathBuf {
    tool(folder, ".venv/bin", "componentize-py")
}

fn componentize_qjs(folder: &Path) -> PathBuf {
    tool(folder, "node_modules/.bin", "componentize-qjs")
}

/// The manifest of a module's folder, as text and read.
///
/// # Errors
/// It can't be read, or something is wrong with it: each line says where.
pub fn manifest(folder: &Path) -> Result<(String, Manifest), BuildError> {
    let path = folder.join("module.toml");
    let text = fs::read_to_string(&path).map_err(|source| BuildError::Read { path, source })?;
    let manifest = Manifest::parse(&text).map_err(|error| {
        let line = |line: &str| {
            // As compilers write a place: `module.toml:12:3: …`.
            let separator = if line.starts_with(|c: char| c.is_ascii_digit()) { ":" } else { ": " };
            format!("module.toml{separator}{line}")
        };
        BuildError::Manifest(error.to_string().lines().map(line).collect())
    })?;
    Ok((text, manifest))
}

fn rust(folder: &Path, manifest: &Manifest, text: &[u8]) -> Result<Vec<u8>, BuildError> {
    write(&folder.join("names.rs"), &gridwatch_sdk::build::code(manifest))?;
    let no_cargo = || BuildError::NoTool {
        tool: "cargo",
        language: Language::Rust,
        hint: "install Rust with rustup (https://rustup.rs)".into(),
    };
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).current_dir(folder).output();
    let sysroot = sysroot.ok().filter(|output| output.status.success()).ok_or_else(no_cargo)?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if !sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        let hint = format!("`rustup target add {TARGET}` fetches it, once");
        return Err(BuildError::NoTool {
            tool: "Rust's standard library for WebAssembly",
            language: Language::Rust,
            hint,
        });
    }
    let target = folder.join("target");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "--target", TARGET, "--target-dir"]).arg(&target).current_dir(folder);
    MISLEADING.iter().for_each(|variable| _ = cargo.env_remove(variable));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remap_paths(folder));
    run(&mut cargo, no_cargo)?;
    let library = target.join(TARGET).join("release").join(library(folder)?);
    let core = fs::read(&library).map_err(|source| BuildError::Read { path: library, source })?;
    file::from_core(&core, text).map_err(|e| BuildError::Odd(e.to_string()))
}

/// The file that cargo builds, by the name in Cargo.toml.
fn library(folder: &Path) -> Result<String, BuildError> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(|source| BuildError::Read { path, source })?;
    let cargo: toml::Table = text.parse().map_err(|e| BuildError::Odd(format!("Cargo.toml: {e}")))?;
    let name = |table: &str| cargo.get(table)?.get("name")?.as_str();
    let name = name("lib").or_else(|| name("package"));
    let name = name.ok_or_else(|| BuildError::Odd("Cargo.toml: there is no [package] with a name".into()))?;
    Ok(format!("{}.wasm", name.replace('-', "_")))
}

/// A panic's message names the source file. With the folders of whoever built it in there, the same source would give another
/// module, with another digest, in each home.
fn remap_paths(folder: &Path) -> String {
    let home = variable("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cargo")));
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec![remap(folder, "/module")];
    flags.extend(home.map(|home| remap(&home, "/cargo")));
    flags.join("\x1f")
}

fn python(folder: &Path, manifest: &Manifest) -> Result<Vec<u8>, BuildError> {
    write(&folder.join("names.py"), &names::python(manifest))?;
    let stage = stage(folder, manifest)?;
    let lookup = match manifest.grants.contains(&Grant::Lookup) {
        true => {
            "from wit_world.imports import lookup\n\ngridwatch.Batch.contains_many = staticmethod(lookup.contains_many)\n"
        }
        false => "",
    };
    write(&stage.join("gridwatch_entry.py"), &PYTHON_ENTRY.replace("{lookup}", lookup))?;
    let (program, component) = (componentize_py(folder), stage.join("component.wasm"));
    let mut command = Command::new(program);
    command.arg("-d").arg(stage.join("wit")).args(["-w", "module", "componentize", "gridwatch_entry"]);
    if !manifest.grants.contains(&Grant::Wasi) {
        command.arg("--stub-wasi");
    }
    for path in [&stage, folder, &folder.join("sdk")] {
        command.arg("-p").arg(path);
    }
    command.arg("-o").arg(&component).current_dir(folder);
    // It says "built successfully" where errors go.
    quietly(&mut command, || missing("componentize-py", Language::Python))?;
    fs::read(&component).map_err(|source| BuildError::Read { path: component, source })
}

fn javascript(folder: &Path, manifest: &Manifest) -> Result<Vec<u8>, BuildError> {
    write(&folder.join("names.js"), &names::javascript(manifest))?;
    let stage = stage(folder, manifest)?;
    let lookup = match manifest.grants.contains(&Grant::Lookup) {
        true => "import { containsMany } from 'gridwatch:detect/lookup@1.0.0';\n",
        false => "",
    };
    let entry = JAVASCRIPT_ENTRY.replace("{lookup}", lookup).replace("'./", "'../");
    let entry = if lookup.is_empty() { entry } else { entry + "\nBatch.containsMany = containsMany;\n" };
    write(&stage.join("entry.js"), &entry)?;
    let (program, component) = (componentize_qjs(folder), stage.join("component.wasm"));
    let mut command = Command::new(program);
    command.arg("--wit").arg(stage.join("wit")).arg("--js").arg(stage.join("entry.js"));
    command.arg("--module-root").arg(folder).args(["-n", "module", "--stub-wasi", "--sync", "-o"]).arg(&component);
    command.current_dir(folder);
    quietly(&mut command, || missing("componentize-qjs", Language::JavaScript))?;
    fs::read(&component).map_err(|source| BuildError::Read { path: component, source })
}

fn missing(tool: &'static str, language: Language) -> BuildError {
    let command = language.preparation().split("  ").next().unwrap_or_default();
    BuildError::NoTool { tool, language, hint: format!("`{command}` in the module's folder fetches it, once") }
}

/// An empty folder for what only the build needs, with the world that this module gets in it: languages that import the whole
/// world would want grants that the manifest doesn't ask for.
fn stage(folder: &Path, manifest: &Manifest) -> Result<PathBuf, BuildError> {
    let stage = folder.join(STAGE);
    if stage.exists() {
        fs::remove_dir_all(&stage).map_err(|source| BuildError::Write { path: stage.clone(), source })?;
    }
    write(&stage.join("wit/detect.wit"), &world(manifest))?;
    Ok(stage)
}

fn world(manifest: &Manifest) -> String {
    let is_left_out = |line: &str| match line.trim() {
        "import kv;" => !manifest.grants.contains(&Grant::Kv),
        "import lookup;" => !manifest.grants.contains(&Grant::Lookup),
        _ => false,
    };
    WIT.lines().filter(|line| !is_left_out(line)).fold(String::new(), |text, line| text + line + "\n")
}

/// The tool of the module's own folder goes before one of the whole machine: its version is the one that was asked for.
fn tool(folder: &Path, inside: &str, name: &str) -> PathBuf {
    let own = folder.join(inside).join(name);
    if own.exists() { own } else { name.into() }
}

fn run(command: &mut Command, missing: impl Fn() -> BuildError) -> Result<(), BuildError> {
    let status =
        command.stdin(std::process::Stdio::null()).status().map_err(|error| not_started(&error, command, missing))?;
    match status.success() {
        true => Ok(()),
        false => Err(BuildError::Failed(said(command), status)),
    }
}

/// The same for a tool that talks also when all is well.
fn quietly(command: &mut Command, missing: impl Fn() -> BuildError) -> Result<(), BuildError> {
    let output = command.stdin(std::process::Stdio::null()).output();
    let output = output.map_err(|error| not_started(&error, command, missing))?;
    if output.status.success() {
        return Ok(());
    }
    for said in [&output.stdout, &output.stderr] {
        let _ = io::Write::write_all(&mut io::stderr(), said);
    }
    Err(BuildError::Failed(said(command), output.status))
}

fn not_started(error: &io::Error, command: &Command, missing: impl Fn() -> BuildError) -> BuildError {
    match error.kind() {
        io::ErrorKind::NotFound => missing(),
        _ => BuildError::Odd(format!("`{}` doesn't start: {error}", said(command))),
    }
}

/// The program, without what it was given.
fn said(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    let failed = |source| BuildError::Write { path: path.to_owned(), source };
    // A new modification time would have cargo build again.
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}

#[expect(clippy::disallowed_methods, reason = "where cargo keeps its crates is said by the environment alone")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_gets_the_imports_that_it_asks_for() {
        let text = crate::scaffold::manifest_text("m");
        let world_of = |grants: &str| {
            let text = text.replace("fields = [", &format!("grants = [{grants}]\nfields = ["));
            world(&Manifest::parse(&text).unwrap())
        };
        assert!(world_of("").contains("import log;") && !world_of("").contains("import kv;"));
        assert!(world_of("\"kv\"").contains("import kv;") && !world_of("\"kv\"").contains("import lookup;"));
        assert_eq!(world_of("\"kv\", \"lookup\"").trim_end(), WIT.trim_end());
    }

    #[test]
    fn what_is_wrong_with_a_manifest_is_told_with_its_place() {
        let folder = std::env::temp_dir().join(format!("gridwatch-build-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("rule.py"), "").unwrap();
        let text = crate::scaffold::manifest_text("m").replace("\"actor.email\"", "\"actr.email\"");
        fs::write(folder.join("module.toml"), text).unwrap();
        let told = build(&folder).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(told.starts_with("module.toml:") && told.contains("`actr.email` is not a field"), "{told}");
    }
}
