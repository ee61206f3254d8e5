//! Saving to a log whose disk has no room: what was worked out is kept and saved when there is room again.
//!
//! The logs take the same again after such an error, so a stage needs to do nothing but wait. A store whose disk refuses is
//! another thing: what it answers after that can't be trusted, and the process ends.

use crate::context::Shared;
use crate::telemetry::status::PATIENCE;
use anyhow::Result;
use gridwatch_log::LogError;
use std::time::Duration;

/// How often it is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Saves, and waits for room as long as there is none.
///
/// # Errors
/// What `save` says, but for a full disk; and that one too as soon as all is to be left.
pub fn save(shared: &Shared, stage: &str, mut save: impl FnMut() -> Result<()>) -> Result<()> {
    let mut has_waited = false;
    loop {
        match save() {
            Err(error) if is_full(&error) && !shared.process.bells.is_leaving() => {
                if !has_waited {
                    tracing::error!(
                        stage,
                        error = format!("{error:#}"),
                        "waiting for room on the disk; free some space"
                    );
                }
                has_waited = true;
                shared.heard(stage, "waiting for room on the disk", PATIENCE);
                std::thread::sleep(PAUSE);
            }
            Ok(()) if has_waited => {
                tracing::info!(stage, "there is room on the disk again; going on");
                return Ok(());
            }
            done => return done,
        }
    }
}

fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<LogError>().is_some_and(LogError::is_full))
}
