//! Finding, or fetching, a Rust compiler for WASM.
//!
//! The one that runs xtask serves if it has the standard library for `wasm32-unknown-unknown`; rustup adds that. Where
//! rustup can't download it (no way to static.rust-lang.org, no rustup), Debian's packages serve: see `debian`.
//! What is on the machine goes before what has to be fetched, so that each is fetched once.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;

use crate::debian::Debian;
use crate::process;
use crate::workspace::{Workspace, without_variables};

/// Not wasm32-wasip2: for that, std brings 14 WASI imports, and a module is given no WASI.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// About 25 MB are downloaded.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// What may be said on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// The toolchain that runs xtask, with rustup's target wasm32-unknown-unknown
    Rustup,
    /// Debian's packages of rustc, cargo, the source of std, and lld; std is built with the modules
    Debian,
}

/// A compiler that can build for WASM.
pub(crate) enum Toolchain {
    /// The one that runs xtask.
    Own,
    Debian(Debian),
}

pub(crate) fn find(workspace: &Workspace, choice: Option<Choice>) -> Result<Toolchain> {
    let may_be = |one| choice.is_none_or(|choice| choice == one);
    let toolchain = match installed(workspace, may_be)? {
        Some(toolchain) => toolchain,
        None => fetch(workspace, may_be)?,
    };
    match &toolchain {
        Toolchain::Own => eprintln!("wasm target: {TARGET} of the Rust that runs cargo"),
        Toolchain::Debian(debian) => eprintln!("wasm target: {debian}"),
    }
    Ok(toolchain)
}

fn installed(workspace: &Workspace, may_be: impl Fn(Choice) -> bool) -> Result<Option<Toolchain>> {
    if may_be(Choice::Rustup) && own_has_std(workspace)? {
        return Ok(Some(Toolchain::Own));
    }
    let debian = may_be(Choice::Debian).then(Debian::find);
    Ok(debian.and_then(Result::ok).map(Toolchain::Debian))
}

fn fetch(workspace: &Workspace, may_be: impl Fn(Choice) -> bool) -> Result<Toolchain> {
    let mut problems = String::new();
    if may_be(Choice::Rustup) {
        match add_with_rustup(workspace) {
            Ok(()) => return Ok(Toolchain::Own),
            Err(error) => {
                eprintln!("wasm target: not from rustup: {error:#}");
                problems += &format!("\n  rustup: {error:#}");
            }
        }
    }
    if may_be(Choice::Debian) {
        match Debian::install() {
            Ok(debian) => return Ok(Toolchain::Debian(debian)),
            Err(error) => problems += &format!("\n  Debian: {error:#}"),
        }
    }
    bail!(
        "no Rust compiler for {TARGET}, which the modules need{problems}\n\
         hint: with rustup (https://rustup.rs), run `rustup target add {TARGET}` in this directory"
    )
}

fn own_has_std(workspace: &Workspace) -> Result<bool> {
    let sysroot = process::output(workspace.rustc().args(["--print", "sysroot"]))?;
    Ok(Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn add_with_rustup(workspace: &Workspace) -> Result<()> {
    eprintln!("wasm target: rustup target add {TARGET}");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(&workspace.root).env("RUST_BACKTRACE", "0");
    process::run_within(RUSTUP_LIMIT, &mut rustup).map_err(|error| {
        let not_there = error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::NotFound);
        if not_there { anyhow!("not installed") } else { error }
    })?;
    if !own_has_std(workspace).context("looking for what rustup added")? {
        bail!("it added {TARGET} to another toolchain than the one that runs cargo");
    }
    Ok(())
}

impl Toolchain {
    /// `cargo build --target wasm32-unknown-unknown`, ready for `-p`.
    pub(crate) fn cargo_build(&self, workspace: &Workspace) -> Command {
        let mut cargo = match self {
            Toolchain::Own => workspace.cargo(),
            Toolchain::Debian(debian) => debian.cargo(workspace),
        };
        cargo.arg("build").args(["--target", TARGET]);
        if let Toolchain::Debian(_) = self {
            cargo.arg("-Zbuild-std=std,panic_abort");
        }
        // Flags meant for this machine (`target-cpu=native`, mold as the linker) are wrong for WASM.
        without_variables(&mut cargo, |variable| variable == "RUSTFLAGS");
        cargo.env("CARGO_ENCODED_RUSTFLAGS", remap_paths(workspace));
        cargo
    }

    /// Debian's compiler has a directory of its own: two compilers in one would undo each other's work.
    pub(crate) fn target_dir(&self, workspace: &Workspace) -> PathBuf {
        match self {
            Toolchain::Own => workspace.target.clone(),
            Toolchain::Debian(_) => workspace.target.join("debian"),
        }
    }
}

/// A panic message names the source file. With the directories of whoever built it in there, the same source would give
/// another module, with another digest, in each home.
fn remap_paths(workspace: &Workspace) -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec![remap(&workspace.root, "/gridwatch")];
    flags.extend(home.map(|home| remap(&home, "/cargo")));
    flags.join("\x1f")
}
