//! What a packager installs beside the program: completions for shells, and a man page for each command.
//!
//! Both are made of the command line's own description, so they can't say anything else than `--help` does.

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use std::io::Write;
use std::path::{Path, PathBuf};

const NAME: &str = "gridwatch";
const SOURCE: &str = concat!("gridwatch ", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Args)]
pub struct Completions {
    /// bash, zsh, fish, elvish or powershell.
    shell: Shell,
}

#[derive(Debug, Args)]
pub struct Pages {
    /// The folder; made if it isn't there.
    dir: PathBuf,
}

/// # Errors
/// Standard output refuses.
pub fn completions(options: &Completions, mut command: Command) -> Result<u8> {
    let mut bytes = Vec::new();
    clap_complete::generate(options.shell, &mut command, NAME, &mut bytes);
    std::io::stdout().lock().write_all(&bytes)?;
    Ok(0)
}

/// `gridwatch.1`, `gridwatch-run.1`, `gridwatch-alerts-list.1`, …
///
/// # Errors
/// The folder can't be made, or a page can't be written.
pub fn pages(options: &Pages, command: Command) -> Result<u8> {
    let dir = &options.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    page(&command, NAME, dir)?;
    Ok(0)
}

fn page(command: &Command, name: &str, dir: &Path) -> Result<()> {
    let path = dir.join(format!("{name}.1"));
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name).source(SOURCE).render(&mut bytes)?;
    std::fs::write(&path, bytes).with_context(|| format!("can't write {}", path.display()))?;
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    shown.map(|sub| page(sub, &format!("{name}-{}", sub.get_name()), dir)).collect()
}
