//! The cargo workspace: where it is, what is in it, and cargo as the person who started xtask would run it there.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use crate::process;

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds: `target`, unless an environment variable or a configuration file says otherwise.
    pub(crate) target: PathBuf,
    packages: BTreeMap<PathBuf, Package>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// File name of the library built for WASM, when the package has one.
    pub(crate) wasm: Option<String>,
}

impl Workspace {
    pub(crate) fn read(root: &Path) -> Result<Workspace> {
        let mut cargo = cargo(root);
        let json = process::output(cargo.args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: Value = serde_json::from_str(&json).context("reading what `cargo metadata` printed")?;
        let target = text(&metadata["target_directory"])?.into();
        let mut packages = BTreeMap::new();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let manifest = PathBuf::from(text(&package["manifest_path"])?);
            let directory = manifest.parent().unwrap_or(root).to_owned();
            packages.insert(directory, Package { name: text(&package["name"])?.to_owned(), wasm: wasm_file(package) });
        }
        Ok(Workspace { root: root.to_owned(), target, packages })
    }

    /// The package in `directory`, if it is a member.
    pub(crate) fn package(&self, directory: &Path) -> Option<&Package> {
        self.packages.get(directory)
    }

    pub(crate) fn cargo(&self) -> Command {
        cargo(&self.root)
    }

    /// The compiler that belongs to this cargo: the one beside it, for with several on the machine `PATH` may differ.
    pub(crate) fn rustc(&self) -> Command {
        let beside = cargo_path().parent().map(|bin| bin.join(format!("rustc{}", std::env::consts::EXE_SUFFIX)));
        let mut rustc = Command::new(beside.filter(|rustc| rustc.is_file()).unwrap_or_else(|| "rustc".into()));
        rustc.current_dir(&self.root);
        rustc
    }
}

/// What the `cargo run` that started xtask says about the package xtask. It must not be handed on: ring's build script
/// asks to be run again when `CARGO_PKG_NAME` or `CARGO_MANIFEST_DIR` changes, so ring and all that is built on it would
/// be compiled again at every change between `cargo test` and `cargo xtask test`.
pub(crate) fn says_who_xtask_is(variable: &OsStr) -> bool {
    let variable = variable.to_string_lossy();
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Takes what `hide` names out of the command's environment.
pub(crate) fn without_variables(command: &mut Command, hide: impl Fn(&OsStr) -> bool) {
    for (variable, _) in std::env::vars_os().filter(|(variable, _)| hide(variable)) {
        command.env_remove(variable);
    }
}

fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(cargo_path());
    without_variables(&mut cargo, says_who_xtask_is);
    cargo.current_dir(root);
    cargo
}

/// The cargo that runs xtask; from `PATH` when xtask is started by hand.
fn cargo_path() -> PathBuf {
    std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")).into()
}

fn wasm_file(package: &Value) -> Option<String> {
    let is_cdylib = |target: &&Value| target["crate_types"].as_array().is_some_and(|t| t.iter().any(|t| t == "cdylib"));
    let library = package["targets"].as_array()?.iter().find(is_cdylib)?;
    Some(format!("{}.wasm", library["name"].as_str()?.replace('-', "_")))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| anyhow!("`cargo metadata` printed {value} where a text belongs"))
}
