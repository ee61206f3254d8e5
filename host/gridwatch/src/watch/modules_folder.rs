//! The watch over the modules folder: says at once when what lies there isn't what runs. Nothing is taken up by itself: a module
//! starts with the process, and a file that is broken now would stop the next start.

use super::stamp::{Stamp, stamp};
use super::{Looking, Reason, Watch};
use crate::context::Shared;
use crate::modules::{Folder, Wanted, folder};
use crate::telemetry::status::ModuleStatus;
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_secs(5);

pub struct ModulesFolder {
    shared: Arc<Shared>,
    seen: Option<Stamps>,
    read: Option<Stamps>,
}

impl ModulesFolder {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, seen: None, read: None }
    }
}

impl Watch for ModulesFolder {
    fn name(&self) -> &'static str {
        "the watch over the modules folder"
    }

    fn due(&self, _: UnixMillis) -> Result<Option<Duration>> {
        Ok(Some(LOOK_EVERY))
    }

    fn look(&mut self, _: UnixMillis, _: Reason) -> Looking<'_> {
        Box::pin(async move {
            let dir = self.shared.config.modules.dir.clone();
            let is = Some(tokio::task::spawn_blocking(move || stamps(&dir)).await?);
            // The same twice: a file that is being copied there is no broken module.
            if is == self.seen && is != self.read {
                let wanted = Wanted::of(&self.shared.config);
                let folder = tokio::task::spawn_blocking(move || wanted.folder()).await?;
                tell(&self.shared, &folder);
                self.read.clone_from(&is);
            }
            self.seen = is;
            Ok(())
        })
    }
}

fn tell(shared: &Shared, folder: &Folder) {
    let now = shared.process.board.now();
    let differs = differences(&now.org(&shared.org).modules, folder);
    if differs == now.modules_waiting {
        return;
    }
    match differs.is_empty() {
        true => tracing::info!("the modules folder holds what runs again"),
        false => tracing::warn!(
            differs = differs.join("; "),
            dir = %folder.dir.display(),
            "the modules folder differs from what runs; gridwatch goes on with what it started with, restart to take the folder"
        ),
    }
    shared.process.board.update(|status| status.modules_waiting = differs);
}

/// One line for each module that another start would take otherwise, and for each that would stop it.
fn differences(running: &[ModuleStatus], folder: &Folder) -> Vec<String> {
    let mut lines: Vec<String> = folder.problems.iter().map(|problem| format!("can't be used: {problem}")).collect();
    for module in running {
        let ModuleStatus { name, version, digest, .. } = module;
        match folder.serving.get(name) {
            None => lines.push(format!("{name}@{version} runs, but isn't in the folder")),
            Some(served) if served.component.digest != *digest => {
                let Manifest { version: other, .. } = &*served.component.manifest;
                let file = folder::file_name(&served.path);
                lines.push(match other.to_string() == *version {
                    true => format!("{name}@{version} runs, but {file} has changed"),
                    false => format!("{name}@{version} runs, but {file} is {other}"),
                });
            }
            Some(_) => {}
        }
    }
    let is_new = |name: &String| !running.iter().any(|module| module.name == *name);
    let new = folder.serving.iter().filter(|(name, _)| is_new(name));
    lines.extend(new.map(|(name, served)| {
        let (version, file) = (&served.component.manifest.version, folder::file_name(&served.path));
        format!("{name}@{version} of {file} is new, and doesn't run")
    }));
    lines.iter_mut().for_each(|line| *line = line.replace("\n  ", "; "));
    lines
}

/// Of each file of the folder. A folder that can't be listed is one without files.
type Stamps = BTreeMap<PathBuf, Stamp>;

fn stamps(dir: &Path) -> Stamps {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok).take(1_000);
    entries.map(|entry| (entry.path(), stamp(&entry.path()))).collect()
}
