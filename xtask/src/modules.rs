//! From guest crates to modules: core WASM from cargo, made a component with its manifest attached, and signed with a key of
//! whoever builds it, which the gridwatch that they run trusts.
//!
//! What a manifest means is not looked at here, only the name and version a file is called by. How a file is made and put is
//! `gridwatch_module::file`'s.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use gridwatch_module::development::Development;
use gridwatch_module::digest;
use gridwatch_module::file::{self, ModuleId};

use crate::process;
use crate::toolchain::{self, Choice};
use crate::workspace::{Package, Workspace};

/// A crate that becomes a module, and the folder for it.
struct Guest<'a> {
    package: &'a Package,
    manifest: Vec<u8>,
    id: ModuleId,
    folder: &'a Path,
}

/// The crate of what runs rules that nobody compiles: a guest without a manifest of its own.
const INTERPRETER: &str = "gridwatch-interpreter";

/// Where it is put: under the workspace even when `CARGO_TARGET_DIR` is elsewhere, as the modules are.
pub(crate) fn interpreter(workspace: &Workspace) -> PathBuf {
    workspace.root.join("target/interpreter.wasm")
}

/// Builds the guests below each first path (relative to the workspace) into modules in the second.
pub(crate) fn build(workspace: &Workspace, choice: Option<Choice>, from_to: &[(&str, &Path)]) -> Result<()> {
    let mut guests = Vec::new();
    for (from, folder) in from_to {
        let found = guests_in(workspace, &workspace.root.join(from), folder)?;
        if found.is_empty() {
            eprintln!("no guests in {from}");
        }
        guests.extend(found);
    }
    if guests.is_empty() {
        return Ok(());
    }
    let wasm = compile(workspace, choice, &guests)?;
    let signer = signer();
    guests.iter().try_for_each(|guest| make_module(guest, &wasm, signer.as_ref()))?;
    make_interpreter(workspace, &wasm)
}

fn make_interpreter(workspace: &Workspace, wasm: &Path) -> Result<()> {
    let core = wasm.join(format!("{}.wasm", INTERPRETER.replace('-', "_")));
    let core = fs::read(&core).with_context(|| format!("reading {}", core.display()))?;
    let component = file::component(&core).with_context(|| format!("making {INTERPRETER} a component"))?;
    let path = interpreter(workspace);
    file::put(&path, &component).with_context(|| format!("writing {}", path.display()))
}

/// The key of whoever builds, made the first time. Without a place for it modules stay unsigned, which is said.
fn signer() -> Option<Development> {
    let made = dirs::config_dir().ok_or_else(|| "this user has no folder for configuration".to_owned());
    match made.and_then(|folder| Development::open_or_make(&folder.join("gridwatch"))) {
        Ok(development) => {
            if development.is_new {
                eprintln!("signing key: made {}, which gridwatch trusts when you run it", development.path.display());
            }
            Some(development)
        }
        Err(problem) => {
            eprintln!(
                "warning: the modules are not signed: {problem}; `gridwatch run` wants `allow_unsigned = true` for them"
            );
            None
        }
    }
}

fn guests_in<'a>(workspace: &'a Workspace, parent: &Path, folder: &'a Path) -> Result<Vec<Guest<'a>>> {
    let mut by_name = BTreeMap::new();
    for directory in subdirectories(parent)? {
        let manifest = directory.join("module.toml");
        if !(manifest.is_file() && directory.join("Cargo.toml").is_file()) {
            continue;
        }
        let guest = read_guest(workspace, &directory, &manifest, folder)
            .with_context(|| format!("reading the guest {}", directory.display()))?;
        if let Some(other) = by_name.insert(guest.id.name.clone(), guest) {
            bail!("two guests in {} are named {:?} in their module.toml", parent.display(), other.id.name);
        }
    }
    Ok(by_name.into_values().collect())
}

fn read_guest<'a>(workspace: &'a Workspace, directory: &Path, manifest: &Path, folder: &'a Path) -> Result<Guest<'a>> {
    let package = workspace
        .package(directory)
        .ok_or_else(|| anyhow!("it is no member of the workspace; add it to `members` in Cargo.toml"))?;
    let manifest = fs::read_to_string(manifest).context("reading module.toml")?;
    let id = ModuleId::read(&manifest).context("module.toml")?;
    Ok(Guest { package, manifest: manifest.into_bytes(), id, folder })
}

/// One cargo run for all guests, so that what they share is compiled once and at the same time. Returns where the core
/// WASM files are.
fn compile(workspace: &Workspace, choice: Option<Choice>, guests: &[Guest<'_>]) -> Result<PathBuf> {
    let toolchain = toolchain::find(workspace, choice)?;
    let target = toolchain.target_dir(workspace);
    let mut cargo = toolchain.cargo_build(workspace);
    cargo.args(["--profile", "module"]).arg("--target-dir").arg(&target);
    cargo.args(["-p", INTERPRETER]);
    for guest in guests {
        cargo.args(["-p", &guest.package.name]);
    }
    process::run(&mut cargo)?;
    Ok(target.join(toolchain::TARGET).join("module"))
}

fn make_module(guest: &Guest<'_>, wasm: &Path, signer: Option<&Development>) -> Result<()> {
    let id = &guest.id;
    let package = &guest.package.name;
    let library = guest.package.wasm.as_ref();
    let library = library.ok_or_else(|| anyhow!("{package} has no library with `crate-type = [\"cdylib\"]`"))?;
    let core = wasm.join(library);
    let core = fs::read(&core).with_context(|| format!("reading {}", core.display()))?;
    let component = file::from_core(&core, &guest.manifest).with_context(|| format!("making {package} a component"))?;
    let path = guest.folder.join(id.file_name());
    let write = || -> Result<()> {
        if let Some(signer) = signer {
            signer.sign_beside(&path, &component, id).map_err(|e| anyhow!(e))?;
        }
        Ok(file::put(&path, &component)?)
    };
    write().with_context(|| format!("writing {}", path.display()))?;
    let removed = file::remove_other_versions(guest.folder, id);
    removed.map_err(|(path, error)| anyhow!(error).context(format!("removing {}", path.display())))?;
    let (kib, digest) = (component.len().div_ceil(1024), digest::short(&component));
    println!("{}@{}  {kib} KiB  sha256:{digest}", id.name, id.version);
    Ok(())
}

/// Sorted, so that a build prints the same each time. None if the parent doesn't exist.
fn subdirectories(parent: &Path) -> Result<Vec<PathBuf>> {
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(parent).with_context(|| format!("reading {}", parent.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths)
}
