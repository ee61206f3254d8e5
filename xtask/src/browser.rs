//! The page in a real browser: Debian's Chromium, driven by `playwright-core` from Node. Both are tools of this test alone; nothing that is
//! built or shipped needs them.

use crate::process;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names that the browser has on one system or another.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// Runs the journeys; pictures of the views are left in `target/browser/pictures`.
pub(crate) fn test(workspace: &Workspace, gridwatch: &Path, [modules, test_modules]: [&Path; 2]) -> Result<()> {
    let (browser, tools) = (browser()?, tools(workspace)?);
    let pictures = tools.join("pictures");
    let mut node = Command::new("node");
    node.arg(tools.join("page.mjs"))
        .env("GRIDWATCH", gridwatch)
        .env("MODULES", modules)
        .env("TEST_MODULES", test_modules);
    process::run(node.env("CHROMIUM", browser).env("PICTURES", pictures))
}

fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// Where it is: whoever drives it doesn't look for it.
fn browser() -> Result<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut found = BROWSERS.iter().flat_map(|name| std::env::split_paths(&paths).map(move |folder| folder.join(name)));
    found.find(|path| path.is_file()).context(
        "there is no Chromium to look at the page with\nhint: as root on Debian: apt-get install --no-install-recommends chromium",
    )
}

/// Puts what the test needs into `target/browser`, once for each lock.
fn tools(workspace: &Workspace) -> Result<PathBuf> {
    let (from, to) = (workspace.root.join("tests/browser"), workspace.target.join("browser"));
    std::fs::create_dir_all(&to).with_context(|| format!("making {}", to.display()))?;
    let lock = std::fs::read(from.join("package-lock.json")).context("reading tests/browser/package-lock.json")?;
    let is_new = std::fs::read(to.join("package-lock.json")).ok().is_none_or(|before| before != lock);
    for file in ["package.json", "package-lock.json", "page.mjs", "scene.mjs", "states.mjs"] {
        std::fs::copy(from.join(file), to.join(file)).with_context(|| format!("copying {file}"))?;
    }
    if is_new || !to.join("node_modules").is_dir() {
        if !is_there("npm") || !is_there("node") {
            bail!(
                "there is no Node to drive the browser with\nhint: as root on Debian: apt-get install --no-install-recommends nodejs npm"
            );
        }
        process::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&to))?;
    }
    Ok(to)
}
