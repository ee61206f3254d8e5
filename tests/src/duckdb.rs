//! The real DuckDB, so that the SQL in `examples/siem` is run and not only written.
//!
//! It is not part of what the tests need: whoever has nothing but cargo can't run it, and is told so. In CI (`CI` is set) its
//! absence is a failure, or else nobody would notice that the queries are no longer tested.

use crate::host::root;
use serde_json::Value;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The oldest that can read the queries: `lambda x: …` is of 1.3.
const OLDEST: (u32, u32) = (1, 3);

/// DuckDB's command line program.
#[derive(Debug, Clone)]
pub struct DuckDb {
    path: PathBuf,
}

impl DuckDb {
    /// That of the variable `DUCKDB`, in `target/duckdb`, on the path, or installed with pip, in this order. `None`, once it
    /// has said why, where there is none of these.
    pub fn or_skip(test: &str) -> Option<Self> {
        static FOUND: OnceLock<Result<DuckDb, String>> = OnceLock::new();
        match FOUND.get_or_init(Self::find) {
            Ok(duckdb) => Some(duckdb.clone()),
            Err(why) => {
                assert!(!is_ci(), "no DuckDB: {why}");
                eprintln!("skipped: {test}: no DuckDB: {why}");
                None
            }
        }
    }

    fn find() -> Result<Self, String> {
        if let Some(path) = env::var_os("DUCKDB") {
            let said = Self { path: path.into() };
            return if said.is_usable() {
                Ok(said)
            } else {
                Err(format!("{} of DUCKDB isn't it", said.path.display()))
            };
        }
        let installed = Self { path: home().join("bin/duckdb") };
        let on_path = Self { path: "duckdb".into() };
        if let Some(duckdb) = [&installed, &on_path].into_iter().find(|duckdb| duckdb.is_usable()) {
            return Ok(duckdb.clone());
        }
        install(&installed)?;
        Ok(installed)
    }

    /// Does it start, and is it new enough?
    fn is_usable(&self) -> bool {
        let output = Command::new(&self.path).arg("-version").output();
        output.is_ok_and(|output| version(&String::from_utf8_lossy(&output.stdout)).is_some_and(|it| it >= OLDEST))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rows that the last of some SQL files answers, run one after the other. `set` are values of variables, as SQL.
    pub fn rows(&self, set: &[(&str, String)], files: &[&Path]) -> Result<Vec<Value>, String> {
        // No settings of whoever runs the tests.
        let mut command = Command::new(&self.path);
        command.args(["-init", "/dev/null", "-batch", "-bail", "-json"]);
        for (name, value) in set {
            command.arg("-c").arg(format!("SET VARIABLE {name} = {value}"));
        }
        for file in files {
            command.arg("-c").arg(format!(".read {}", file.display()));
        }
        let output = command.output().map_err(|e| e.to_string())?;
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() || !complaints.trim().is_empty() {
            return Err(complaints);
        }
        let rows = String::from_utf8_lossy(&output.stdout);
        if rows.trim().is_empty() {
            return Ok(Vec::new()); // Of no rows it makes nothing instead of an empty list.
        }
        serde_json::from_str(&rows).map_err(|e| format!("{e}: {rows}"))
    }
}

/// `v1.4.4 (Andium) 6ddac802ff`
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn home() -> PathBuf {
    root().join("target/duckdb")
}

fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| !ci.is_empty())
}

/// The pinned version from the package index. Appears at once and whole, and only one process does it.
fn install(wanted: &DuckDb) -> Result<(), String> {
    let target = root().join("target");
    fs::create_dir_all(&target).map_err(|e| e.to_string())?;
    let lock = File::create(target.join("duckdb.lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    if wanted.is_usable() {
        return Ok(()); // Another process was faster.
    }
    let part = target.join("duckdb.part");
    remove(&part)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]);
    pip.arg("--require-hashes").arg("--requirement").arg(root().join("tests/duckdb.txt")).arg("--target").arg(&part);
    succeeded(&pip.output().map_err(|e| format!("no python3 to install it with: {e}"))?)?;
    remove(&home())?;
    fs::rename(&part, home()).map_err(|e| e.to_string())?;
    if wanted.is_usable() { Ok(()) } else { Err(format!("pip installed no {}", wanted.path.display())) }
}

fn remove(folder: &Path) -> Result<(), String> {
    if folder.exists() { fs::remove_dir_all(folder).map_err(|e| e.to_string()) } else { Ok(()) }
}

fn succeeded(output: &Output) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("pip: {}", said.trim())) }
}
