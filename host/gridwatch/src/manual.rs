//! What a packager installs beside the program: completions for shells, and a man page for each command.
//!
//! Both are made of the command line's own description, so they can't say anything else than `--help` does.

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::Shell;
use std::io::Write;
use std::path::Path;

const NAME: &str = "gridwatch";
const SOURCE: &str = concat!("gridwatch ", env!("CARGO_PKG_VERSION"));

pub fn completions(shell: Shell, mut command: Command, out: &mut impl Write) -> Result<()> {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut bytes);
    Ok(out.write_all(&bytes)?)
}

/// `gridwatch.1`, `gridwatch-run.1`, `gridwatch-alerts-list.1`, …
pub fn pages(command: Command, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    page(&command, NAME, dir)
}

fn page(command: &Command, name: &str, dir: &Path) -> Result<()> {
    let path = dir.join(format!("{name}.1"));
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name).source(SOURCE).render(&mut bytes)?;
    std::fs::write(&path, bytes).with_context(|| format!("can't write {}", path.display()))?;
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    shown.map(|sub| page(sub, &format!("{name}-{}", sub.get_name()), dir)).collect()
}
