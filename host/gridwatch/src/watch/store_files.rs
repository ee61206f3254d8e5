//! Are the files that gridwatch writes to still those that it opened? Who removes or replaces them under it makes it write into nothing.

use super::{Looking, Reason, Watch};
use crate::context::Process;
use anyhow::{Result, bail};
use gridwatch_event::time::UnixMillis;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(10);

pub struct StoreFiles(Arc<Process>);

impl StoreFiles {
    pub fn new(process: Arc<Process>) -> Self {
        Self(process)
    }
}

impl Watch for StoreFiles {
    fn name(&self) -> &'static str {
        "store files"
    }

    fn due(&self, _: UnixMillis) -> Result<Option<Duration>> {
        Ok(Some(EVERY))
    }

    fn look(&mut self, _: UnixMillis, _: Reason) -> Looking<'_> {
        Box::pin(async {
            match self.0.store.removed()? {
                None => Ok(()),
                Some(path) => bail!(
                    "{} was removed or replaced under the running gridwatch\nhint: start it again; it makes the store anew from what \
                     is left",
                    path.display()
                ),
            }
        })
    }
}
