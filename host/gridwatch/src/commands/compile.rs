//! `gridwatch compile-module`: the child process in which a running gridwatch compiles a module. Nobody else calls it.

use crate::modules::compiler;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Options {
    /// The module file.
    file: PathBuf,
    /// The folder of compiled modules.
    cache: PathBuf,
}

/// # Errors
/// It doesn't compile within its bounds.
pub fn run(options: &Options) -> Result<u8> {
    compiler::child(&options.file, &options.cache)?;
    Ok(0)
}
