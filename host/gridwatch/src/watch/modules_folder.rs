//! The watch over the modules folder: has what is news there take over, once it has stopped changing.
//!
//! It looks instead of being told: a folder that was replaced, the links of a Kubernetes volume and a network file system say nothing. What
//! counts is the file that a name leads to; a change counts once two looks in a row have seen the same, so that a file that is being copied
//! there is no broken module.

use super::stamp::{Stamp, stamp};
use super::{Looking, Reason, Watch};
use crate::context::Shared;
use crate::swap::{Swapper, beside};
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(1_000);
/// Entries of the folder that are looked at.
const MOST: usize = 10_000;

pub struct ModulesFolder {
    shared: Arc<Shared>,
    swapper: Arc<Swapper>,
    seen: Option<Stamps>,
    taken: Option<Stamps>,
}

impl ModulesFolder {
    pub fn new(shared: Arc<Shared>, swapper: Arc<Swapper>) -> Self {
        Self { shared, swapper, seen: None, taken: None }
    }
}

impl Watch for ModulesFolder {
    fn name(&self) -> &'static str {
        "the watch over the modules folder"
    }

    fn due(&self, _: UnixMillis) -> Result<Option<Duration>> {
        Ok(Some(LOOK_EVERY))
    }

    fn look(&mut self, _: UnixMillis, reason: Reason) -> Looking<'_> {
        Box::pin(async move {
            let (dir, swapper) = (self.shared.config.modules.dir.clone(), self.swapper.clone());
            let is = Some(beside(move || stamps(&dir)).await?);
            let is_settled = is == self.seen && is != self.taken;
            self.seen.clone_from(&is);
            let look = beside(move || {
                swapper.follow();
                match is_settled || reason == Reason::Asked {
                    true => swapper.take_folder().map(|()| true),
                    false => Ok(false),
                }
            });
            if look.await?? {
                self.taken = is;
            }
            Ok(())
        })
    }

    fn hears_hangups(&self) -> bool {
        true
    }
}

/// Of each file of the folder. A folder that can't be listed is one without files.
type Stamps = BTreeMap<PathBuf, Stamp>;

fn stamps(dir: &Path) -> Stamps {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok).take(MOST);
    entries.map(|entry| (entry.path(), stamp(&entry.path()))).collect()
}
